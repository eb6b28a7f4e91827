/* What is declared is used: every slot is written and read, every hyperparameter and the
 * gradient have an effect, metrics are reported. What has none is a leftover, or the sign of a
 * term that got lost. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for what happens at every tenth update only. */
enum { N_BEFORE = 3, N_UPDATES = 24, MOST_NAMES = 64 };

/* -- slots -- */

/* What is known of a slot by name. */
typedef struct slot_use {
    char name[64];
    bool is_written, is_read;
} slot_use;

typedef struct slot_uses {
    slot_use slot[MOST_NAMES];
    size_t n;
} slot_uses;

static slot_use *use_of(slot_uses *u, const char *name)
{
    for (size_t i = 0; i < u->n; i++) {
        if (strcmp(u->slot[i].name, name) == 0) {
            return &u->slot[i];
        }
    }
    if (u->n == MOST_NAMES) {
        return NULL;
    }
    slot_use *s = &u->slot[u->n++];
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static bool is_touched(const rig_array *now, const rig_array *first)
{
    return now->doubles ? *now->doubles != *first->doubles
                        : bits_differ(now->floats, first->floats, now->n) < now->n;
}

/* Another value that is as plausible as the one that is there. */
static void disturb(const rig_array *a)
{
    if (a->doubles) {
        *a->doubles = *a->doubles * 1.5 + 0.25;
    }
    for (size_t k = 0; a->floats && k < a->n; k++) {
        a->floats[k] = a->floats[k] * 1.5f + 0.01f;
    }
}

/* Whether the run ends elsewhere when this slot is disturbed in its middle; `in_update`: between
 * combine and elem. */
static bool ends_elsewhere(const subject *s, const char *settings, const char *name, bool in_update,
    uint64_t want, check_report *r)
{
    bench b;
    bool differs = false;
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return false;
    }
    b.update.tolerates_nan = true;
    if (bench_run(&b, N_BEFORE, r)) {
        for (size_t i = 0; i < optimizer_rig_n_arrays(b.rig); i++) {
            const rig_array a = optimizer_rig_array(b.rig, i);
            if (a.name && strcmp(a.name, name) == 0 && !in_update) {
                disturb(&a);
            }
        }
        b.update.disturbed = in_update ? name : NULL;
        check_report after = { 0 }; /* it may well complain of what it finds: then it has read it */
        differs = !bench_run(&b, N_UPDATES, &after) || bench_hash_weights(&b) != want;
    }
    bench_close(&b);
    return differs;
}

static bool is_read(
    const subject *s, const char *settings, const char *name, uint64_t want, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    return ends_elsewhere(s, settings, name, false, want, r) ||
        (o->combine && ends_elsewhere(s, settings, name, true, want, r));
}

static void look_at_slots(const subject *s, const char *settings, slot_uses *u, check_report *r)
{
    bench b, fresh;
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    if (!bench_open(&fresh, s, settings, &bench_small, r)) {
        bench_close(&b);
        return;
    }
    if (bench_run(&b, N_UPDATES, r)) {
        const uint64_t want = bench_hash_weights(&b);
        for (size_t i = 0; i < optimizer_rig_n_arrays(b.rig); i++) {
            const rig_array a = optimizer_rig_array(b.rig, i);
            const rig_array first = optimizer_rig_array(fresh.rig, i);
            slot_use *of = a.name ? use_of(u, a.name) : NULL;
            if (of && a.n > 0) {
                of->is_written |= is_touched(&a, &first);
                of->is_read = of->is_read || is_read(s, settings, a.name, want, r);
            }
        }
    }
    bench_close(&b);
    bench_close(&fresh);
}

static bool all_used(const slot_uses *u)
{
    bool all = u->n > 0;
    for (size_t i = 0; i < u->n; i++) {
        all = all && u->slot[i].is_read && u->slot[i].is_written;
    }
    return all;
}

static size_t n_declared(const subject *s)
{
    const assay_optimizer *o = s->component->ops;
    return (size_t)o->n_slots;
}

void optimizer_test_slots(const subject *s, check_report *r)
{
    arena memory = { 0 };
    error err = { 0 };
    const char *settings[CHECK_MAX_SETTINGS];
    size_t n = 0;
    slot_uses u = { 0 };
    if (n_declared(s) == 0) {
        check_skip(r, "it declares no slot");
        return;
    }
    if (subject_settings(s, &memory, settings, &n, &err) != OK) {
        check_fail(r, "%s", err.text);
    }
    for (size_t i = 0; i < n && r->outcome != CHECK_FAILED; i++) {
        if (i == 0 || !all_used(&u) || u.n < n_declared(s)) {
            look_at_slots(s, settings[i], &u, r);
        }
    }
    for (size_t i = 0; i < u.n; i++) {
        if (!u.slot[i].is_written) {
            check_warn(r, "slot \"%s\" was never written in %d updates, under any of %zu settings",
                u.slot[i].name, (int)N_UPDATES, n);
        } else if (!u.slot[i].is_read) {
            check_warn(r,
                "slot \"%s\" has no effect: other values in it after update %d lead to the same "
                "weights "
                "after update %d, under each of %zu settings; is a term missing? Is it needed "
                "within one update alone? Then flag it ASSAY_SLOT_SCRATCH",
                u.slot[i].name, (int)N_BEFORE, (int)N_UPDATES, n);
        }
    }
    arena_release(&memory);
}

/* -- hyperparameters -- */

static bool hash_after(const subject *s, const char *settings, uint64_t *out)
{
    specimen p;
    error err = { 0 };
    check_report own = { 0 };
    bench b = { 0 };
    if (specimen_open(s, settings, &p, &err) != OK ||
        !bench_open_on(&b, s, &p, settings, &bench_small, s->seed, &own)) {
        return false;
    }
    b.update.tolerates_nan = true;
    const bool ran = bench_run(&b, N_UPDATES, &own);
    *out = ran ? bench_hash_weights(&b) : 0;
    bench_close(&b);
    return ran;
}

/* Other values that a hyperparameter may take, as text. */
static size_t other_values(const assay_hyper *row, char out[16][96])
{
    const double tried[] = { row->def * 0.5, row->def * 1.5 + 0.01, row->tune_min, row->tune_max,
        row->min, row->max, 0.5 * (row->min + row->max), row->def + 1, row->def - 1, 3, 0.9 };
    size_t n = 0;
    if (row->type == ASSAY_TYPE_BOOL) {
        snprintf(out[n++], 96, "%s = %s;", row->name, row->def != 0 ? "false" : "true");
    }
    for (uint64_t i = 0; row->type == ASSAY_TYPE_ENUM && i < row->n_choices && n < 16; i++) {
        snprintf(out[n++], 96, "%s = \"%s\";", row->name, row->choices[i]);
    }
    const bool is_int = row->type == ASSAY_TYPE_INT;
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        const double v = tried[i];
        if ((row->type != ASSAY_TYPE_REAL && !is_int) || !isfinite(v) || v == row->def ||
            !hyper_in_range(row, v) || (is_int && (v != rint(v) || v > 100)) || n == 16) {
            continue;
        }
        if (is_int) {
            snprintf(out[n++], 96, "%s = %.0f;", row->name, v);
        } else {
            text t = { 0 };
            text_add_real(&t, v);
            snprintf(out[n++], 96, "%s = %s;", row->name, t.s ? t.s : "0.0");
            text_release(&t);
        }
    }
    return n;
}

/* Whether a text of settings sets this key. */
static bool sets(const char *settings, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = strstr(settings, name); at; at = strstr(at + 1, name)) {
        const bool begins = at == settings || at[-1] == ' ' || at[-1] == ';';
        if (begins && (at[n] == ' ' || at[n] == '=')) {
            return true;
        }
    }
    return false;
}

static bool has_effect(const subject *s, const assay_hyper *row, const char *const *settings,
    const uint64_t *hash, const bool *has_hash, size_t n)
{
    char others[16][96];
    const size_t n_others = other_values(row, others);
    bool any_run = n_others == 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_others && has_hash[i] && !sets(settings[i], row->name); k++) {
            char both[1024];
            uint64_t other;
            snprintf(both, sizeof both, "%s %s", settings[i], others[k]);
            if (hash_after(s, both, &other)) {
                any_run = true;
                if (other != hash[i]) {
                    return true;
                }
            }
        }
    }
    return !any_run; /* nothing that is known against it */
}

void optimizer_test_hypers(const subject *s, check_report *r)
{
    arena memory = { 0 };
    error err = { 0 };
    const char *settings[CHECK_MAX_SETTINGS];
    uint64_t hash[CHECK_MAX_SETTINGS];
    bool has_hash[CHECK_MAX_SETTINGS];
    size_t n = 0;
    const hyper_table *t = &s->component->hypers;
    if (subject_settings(s, &memory, settings, &n, &err) != OK) {
        check_fail(r, "%s", err.text);
    }
    for (size_t i = 0; i < n; i++) {
        has_hash[i] = hash_after(s, settings[i], &hash[i]);
    }
    for (size_t i = 0; i < t->n && n > 0; i++) {
        const assay_hyper *row = hyper_row(t, i);
        if (row->type > ASSAY_TYPE_ENUM || (row->flags & (ASSAY_DEPRECATED | ASSAY_REQUIRED))) {
            continue;
        }
        if (has_effect(s, row, settings, hash, has_hash, n)) {
            continue;
        }
        if (row->type == ASSAY_TYPE_INT) {
            check_warn(r,
                "hyperparameter \"%s\" had no effect on the weights after %d updates, beside any "
                "of %zu "
                "settings of the others",
                row->name, (int)N_UPDATES, n);
        } else {
            check_fail(r,
                "hyperparameter \"%s\" has no effect: whatever it is, the weights after %d updates "
                "are "
                "the same to the bit, beside each of %zu settings of the others; is a term "
                "missing?",
                row->name, (int)N_UPDATES, n);
        }
    }
    arena_release(&memory);
}

/* -- the gradient -- */

/* The first element that is where it began after every one of the updates; false: each has been
 * elsewhere at some time. */
static bool find_still(bench *b, size_t i, bool *has_moved, size_t *out_k)
{
    const float *w = optimizer_rig_weights(b->rig, i);
    const size_t n = optimizer_rig_has(b->rig, i) ? b->size[i] : 0;
    bool any = false;
    for (size_t k = n; k-- > 0;) {
        has_moved[k] = has_moved[k] || memcmp(&w[k], &b->w0[i][k], sizeof w[k]) != 0;
        if (!has_moved[k]) {
            any = true;
            *out_k = k;
        }
    }
    return any;
}

/* By which elements stay: the last ones, all, or others. */
static const char *advise_on_still(const bool *has_moved, size_t n)
{
    size_t n_still = 0, at_end = 0;
    for (size_t k = 0; k < n; k++) {
        n_still += !has_moved[k];
        at_end = has_moved[k] ? 0 : at_end + 1;
    }
    return n_still == n     ? "is this tensor left out?"
        : at_end == n_still ? "are the last elements left out?"
                            : "is it left out, or its step lost?";
}

static void gradient_under(const subject *s, const char *settings, check_report *r)
{
    enum { MOST = 128 };
    bench b;
    bool has_moved[BENCH_TENSORS][MOST] = { { false } };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    for (uint64_t t = 1; t <= N_UPDATES && bench_run(&b, t, r); t++) {
        for (size_t i = 0; i < b.shapes.n; i++) {
            size_t k = 0;
            if (b.size[i] <= MOST && find_still(&b, i, has_moved[i], &k) && t == N_UPDATES) {
                check_fail(r,
                    "with %s: element %zu of %s is at %.9g after each of %d updates with gradients "
                    "that are not zero; %s",
                    bench_under(settings), k, b.shapes.tensor[i].name, (double)b.w0[i][k],
                    (int)N_UPDATES, advise_on_still(has_moved[i], b.size[i]));
            }
        }
    }
    bench_close(&b);
}

void optimizer_test_gradient(const subject *s, check_report *r)
{
    bench_each_setting(s, 1, r, gradient_under);
}

/* -- metrics -- */

void optimizer_test_metrics(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    bench b;
    size_t n = 0;
    if (o->n_metrics == 0) {
        check_skip(r, "it declares no metric");
        return;
    }
    if (!bench_open(&b, s, "", &bench_small, r)) {
        return;
    }
    for (uint64_t t = 1; t <= N_UPDATES && bench_run(&b, t, r); t++) {
        n += optimizer_rig_n_metrics(b.rig);
    }
    if (n == 0) {
        check_warn(r, "it declares %llu metrics and reported none in %d updates",
            (unsigned long long)o->n_metrics, (int)N_UPDATES);
    }
    bench_close(&b);
}
