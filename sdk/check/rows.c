/* The tasks that losses and metrics are tried with, and rows of them. */
#include "check/rows.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TASK(target_, classes, outputs, targets) \
    { \
        .struct_size = sizeof(assay_task), .target = (target_), .n_classes = (classes), \
        .n_outputs = (outputs), .n_targets = (targets) \
    }

static const task_case cases[] = {
    { "6 classes", TASK(ASSAY_TARGET_CLASS, 6, 6, 1) },
    { "2 classes", TASK(ASSAY_TARGET_CLASS, 2, 2, 1) },
    { "2 classes and one output", TASK(ASSAY_TARGET_CLASS, 2, 1, 1) },
    { "a real target", TASK(ASSAY_TARGET_REAL, 0, 1, 1) },
    { "3 real targets", TASK(ASSAY_TARGET_REAL, 0, 3, 3) },
    { "a binary target", TASK(ASSAY_TARGET_BINARY, 0, 1, 1) },
    { "3 binary targets", TASK(ASSAY_TARGET_BINARY, 0, 3, 3) },
};

static const task_case mismatches[] = {
    { "5 outputs for 4 classes", TASK(ASSAY_TARGET_CLASS, 4, 5, 1) },
    { "3 outputs for 4 classes", TASK(ASSAY_TARGET_CLASS, 4, 3, 1) },
    { "4 outputs for 3 real targets", TASK(ASSAY_TARGET_REAL, 0, 4, 3) },
    { "2 outputs for 3 binary targets", TASK(ASSAY_TARGET_BINARY, 0, 2, 3) },
    { "no targets", TASK(ASSAY_TARGET_NONE, 0, 3, 0) },
};

const task_case *task_case_get(size_t i)
{
    return i < sizeof cases / sizeof cases[0] ? &cases[i] : NULL;
}

const task_case *task_mismatch_get(size_t i)
{
    return i < sizeof mismatches / sizeof mismatches[0] ? &mismatches[i] : NULL;
}

static void numbers(float *out, size_t n, double least, double most, uint64_t seed)
{
    rng_uniform(rng_make(seed, "check/rows"), 0, 0, out, n);
    for (size_t i = 0; i < n; i++) {
        const double u = 2 * (double)out[i] - 1;
        out[i] = (float)((u < 0 ? -least : least) + (most - least) * u);
    }
}

static void fill_targets(row_set *s, uint64_t seed)
{
    const assay_task *t = &s->of->task;
    const rng random = rng_make(seed, "check/labels");
    int32_t *label = s->label.at;
    float *target = s->target.at;
    for (size_t i = 0; t->target == ASSAY_TARGET_CLASS && i < s->n; i++) {
        label[i] = i < t->n_classes ? (int32_t)i : (int32_t)rng_below(random, 0, i, t->n_classes);
    }
    if (t->target == ASSAY_TARGET_REAL) numbers(target, s->n * t->n_targets, 0.13, 2.1, seed + 1);
    for (size_t i = 0; t->target == ASSAY_TARGET_BINARY && i < s->n * t->n_targets; i++) {
        target[i] = rng_below(random, 1, i, 2) ? 1 : 0;
    }
}

static void fill_weights(row_set *s, uint64_t seed)
{
    float *weight = s->weight.at;
    numbers(weight, s->n, 0.3, 1.9, seed + 2);
    for (size_t i = 0; i < s->n; i++) {
        weight[i] = i % 5 == 3 ? 0 : fabsf(weight[i]);
    }
}

static status lay_out(const task_case *of, size_t n, row_set *out, error *err)
{
    const assay_task *t = &of->task;
    const bool is_class = t->target == ASSAY_TARGET_CLASS;
    row_set s = { .of = of, .n = n };
    status st = OK;
    TRY(guarded_new(n * t->n_outputs * sizeof(float), GUARD_AFTER, &s.y, err));
    TRY(guarded_new(is_class ? n * sizeof(int32_t) : 0, GUARD_AFTER, &s.label, err));
    TRY(guarded_new(is_class ? 0 : n * t->n_targets * sizeof(float), GUARD_AFTER, &s.target, err));
    TRY(guarded_new(n * sizeof(float), GUARD_AFTER, &s.weight, err));
    *out = s;
    out->rows = row_set_part(out, 0, n);
    s = (row_set){ 0 };
done:
    row_set_free(&s);
    return st;
}

status row_set_new(const task_case *of, size_t n, uint64_t seed, row_set *out, error *err)
{
    const status st = lay_out(of, n, out, err);
    if (st != OK) return st;
    numbers(out->y.at, n * of->task.n_outputs, 0.11, 1.8, seed);
    fill_targets(out, seed);
    fill_weights(out, seed);
    return OK;
}

static void copy_row(const row_set *s, size_t i, row_set *to, size_t k)
{
    const guarded *const from[] = { &s->y, &s->label, &s->target };
    guarded *const into[] = { &to->y, &to->label, &to->target };
    for (size_t a = 0; a < 3; a++) {
        const size_t bytes = from[a]->bytes / s->n;
        if (bytes) memcpy((char *)into[a]->at + k * bytes, (char *)from[a]->at + i * bytes, bytes);
    }
    ((float *)to->weight.at)[k] = 1;
}

status row_set_repeat(const row_set *s, row_set *out, error *err)
{
    const float *weight = s->weight.at;
    size_t n = 0, k = 0;
    for (size_t i = 0; i < s->n; i++) {
        n += (size_t)weight[i];
    }
    const status st = lay_out(s->of, n, out, err);
    if (st != OK) return st;
    for (size_t i = 0; i < s->n; i++) {
        for (size_t times = (size_t)weight[i]; times > 0; times--) {
            copy_row(s, i, out, k++);
        }
    }
    return OK;
}

void row_set_free(row_set *s)
{
    guarded *const all[] = { &s->y, &s->label, &s->target, &s->weight };
    for (size_t i = 0; i < 4; i++) {
        guarded_free(all[i]);
        snapshot_free(&s->was[i]);
    }
}

/* Whether the right answer to this output is yes. */
static bool is_yes(const row_set *s, size_t i)
{
    const assay_task *t = &s->of->task;
    const int32_t *label = s->label.at;
    if (t->target == ASSAY_TARGET_BINARY) return ((const float *)s->target.at)[i] > 0;
    const size_t row = i / t->n_outputs, col = i % t->n_outputs;
    return t->n_outputs == 1 ? label[row] != 0 : (size_t)label[row] == col;
}

void row_set_make_right(row_set *s, bool logits)
{
    const assay_task *t = &s->of->task;
    float *y = s->y.at;
    for (size_t i = 0; i < s->n * t->n_outputs; i++) {
        if (t->target == ASSAY_TARGET_REAL) {
            y[i] = ((const float *)s->target.at)[i];
        } else {
            y[i] = is_yes(s, i) ? (logits ? 12 : 1) : (logits ? -12 : 0);
        }
    }
}

assay_rows row_set_part(const row_set *s, size_t begin, size_t n)
{
    const assay_task *t = &s->of->task;
    const bool is_class = t->target == ASSAY_TARGET_CLASS;
    return (assay_rows){ .struct_size = sizeof(assay_rows),
        .n = n,
        .n_outputs = t->n_outputs,
        .n_targets = t->n_targets,
        .y = (const float *)s->y.at + begin * t->n_outputs,
        .label = is_class ? (const int32_t *)s->label.at + begin : NULL,
        .target = is_class ? NULL : (const float *)s->target.at + begin * t->n_targets,
        .weight = (const float *)s->weight.at + begin };
}

status row_set_watch(row_set *s, error *err)
{
    const guarded *const all[] = { &s->y, &s->label, &s->target, &s->weight };
    for (size_t i = 0; i < 4; i++) {
        snapshot_free(&s->was[i]);
        const status st = snapshot_take(all[i]->at, all[i]->bytes, &s->was[i], err);
        if (st != OK) return st;
    }
    return OK;
}

const char *row_set_changed(row_set *s)
{
    static const char *const names[] = { "y", "label", "target", "weight" };
    for (size_t i = 0; i < 4; i++) {
        if (!snapshot_is_same(&s->was[i], NULL)) return names[i];
    }
    return NULL;
}

const char *task_title(const task_run *r, char *out, size_t n)
{
    snprintf(out, n, "%s%s%s, %s", r->settings[0] ? "settings \"" : "default settings", r->settings,
        r->settings[0] ? "\"" : "", r->of->name);
    return out;
}

void each_task(
    const subject *s, int (*plan)(task_run *r), void (*run)(task_run *r), check_report *rep)
{
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0, n_taken = 0;
    arena memory = { 0 };
    error err = { 0 }, first = { 0 };
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; i < n && rep->outcome != CHECK_FAILED; i++) {
        const task_case *of;
        for (size_t k = 0; (of = task_case_get(k)) && rep->outcome != CHECK_FAILED; k++) {
            task_run r = { .subject = s, .settings = settings[i], .of = of, .rep = rep };
            if (specimen_open(s, settings[i], &r.specimen, &err) != OK) {
                check_fail(rep, "%s", err.text);
                break;
            }
            if (instance_status(r.specimen.instance, plan(&r), "plan", &err) == OK) {
                n_taken++;
                run(&r);
            } else if (first.code == OK) {
                first = err;
            }
            specimen_close(&r.specimen);
        }
    }
    if (n_taken == 0 && rep->outcome != CHECK_FAILED) {
        check_fail(rep,
            "it takes none of the tasks that are tried (classes, real and binary targets): %s",
            first.text);
    }
    arena_release(&memory);
}
