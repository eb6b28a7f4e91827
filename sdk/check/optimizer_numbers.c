/* What becomes of numbers: ordinary, huge, tiny, none at all, and those that are no numbers. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- finite -- */

/* `steady`: the gradient of the first update again and again, so that what measures its spread
 * finds none. */
static void run_finite(const subject *s, const char *settings, bool steady, check_report *r)
{
    bench b;
    char where[300];
    error err = { 0 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    /* what measures the way may double it at each update of a gradient that stays */
    const uint64_t n_updates = steady ? 16 : b.ops->elem ? 100 : 60;
    const assay_hyper *lr = bench_real(s, "lr");
    if (steady && lr && !(lr->flags & ASSAY_REQUIRED)) {
        (void)optimizer_rig_set_hyper(b.rig, "lr", lr->def);
    }
    for (uint64_t t = 1; t <= n_updates && r->outcome != CHECK_FAILED; t++) {
        if (t == 1 || !steady) {
            bench_fill_gradient(&b);
        }
        if (bench_update(&b, &err) != OK) {
            check_fail(r, "with %s: update %llu: %s", bench_under(settings), (unsigned long long)t,
                err.text);
        } else if (!bench_is_finite(&b, true, where, sizeof where)) {
            check_fail(r,
                "with %s: after update %llu with %s of ordinary size %s; look for a division by "
                "zero, "
                "the root of a negative number, and state that only grows",
                bench_under(settings), (unsigned long long)t,
                steady ? "one and the same gradient" : "gradients", where);
        }
    }
    bench_close(&b);
}

static void finite_under(const subject *s, const char *settings, check_report *r)
{
    run_finite(s, settings, false, r);
    run_finite(s, settings, true, r);
}

void optimizer_test_finite(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, finite_under);
}

/* -- extremes -- */

static void fill_all(bench *b, float v)
{
    bench_fill_gradient(b);
    for (size_t i = 0; i < b->shapes.n; i++) {
        for (size_t k = 0; k < b->size[i]; k++) {
            b->g[i][k] = k % 2 ? -v : v;
        }
    }
    b->update.objective = NULL;
}

/* Three updates with gradients of one size; the optimizer may give up with ASSAY_E_NUMERIC where
 * it sees tensors as a whole. */
static void extreme(const subject *s, const char *settings, float v, bool strict, check_report *r)
{
    bench b;
    char where[300];
    error err = { 0 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    strict = strict && !bench_is_without_eps(&b);
    b.update.tolerates_nan = !strict;
    for (int t = 0; t < 3 && r->outcome != CHECK_FAILED; t++) {
        fill_all(&b, v);
        const status st = bench_update(&b, &err);
        if (st == E_NUMERIC && !strict) {
            break;
        }
        if (st != OK) {
            check_fail(r, "with %s and gradients of %g: update %d: %s", bench_under(settings),
                (double)v, t + 1, err.text);
        } else if (strict && !bench_is_finite(&b, false, where, sizeof where)) {
            check_fail(r,
                "with %s and gradients of %g: after update %d %s; look for squares and products "
                "that leave the range of float, %s",
                bench_under(settings), (double)v, t + 1, where,
                v < 1 ? "become 0 and are divided by: eps belongs into that sum"
                      : "become infinite and are divided by one another: take them in double");
        }
    }
    bench_close(&b);
}

static void extremes_under(const subject *s, const char *settings, check_report *r)
{
    extreme(s, settings, 1e-40f, true, r); /* denormal */
    extreme(s, settings, 1e-25f, true, r); /* its square is zero */
    extreme(s, settings, 1e9f, true, r);
    extreme(s, settings, 1e30f, false, r); /* its square is infinite */
    extreme(s, settings, INFINITY, false, r);
    extreme(s, settings, NAN, false, r);
}

void optimizer_test_extremes(const subject *s, check_report *r)
{
    bench_each_setting(s, 16, r, extremes_under);
}

/* -- one bad element -- */

/* The elements beside the bad one are as in a run without it. */
static void compare_rest(const bench *clean, const bench *bad, size_t at, check_report *r)
{
    for (size_t i = 0; i < clean->shapes.n; i++) {
        const float *x = optimizer_rig_weights(clean->rig, i);
        const float *y = optimizer_rig_weights(bad->rig, i);
        for (size_t k = 0; k < clean->size[i]; k++) {
            if ((i != 0 || k != at) && memcmp(&x[k], &y[k], sizeof x[k]) != 0) {
                check_fail(r,
                    "with %s: a gradient of NaN at element %zu of %s changes element %zu of %s, "
                    "%.9g "
                    "without it and %.9g with it; without reduce elements are on their own",
                    bench_under(clean->settings), at, clean->shapes.tensor[0].name, k,
                    clean->shapes.tensor[i].name, (double)x[k], (double)y[k]);
                return;
            }
        }
    }
}

static void poison_under(const subject *s, const char *settings, check_report *r)
{
    enum { N_UPDATES = 3, AT = 4 };
    bench clean, bad;
    error err = { 0 };
    if (!bench_open(&clean, s, settings, &bench_small, r)) {
        return;
    }
    if (!bench_open(&bad, s, settings, &bench_small, r)) {
        bench_close(&clean);
        return;
    }
    bad.update.tolerates_nan = true;
    for (int t = 0; t < N_UPDATES && bench_run(&clean, (uint64_t)t + 1, r); t++) {
        bench_fill_gradient(&bad);
        bad.g[0][AT] = NAN;
        if (bench_update(&bad, &err) != OK) {
            check_fail(r, "with %s and one gradient of NaN: %s", bench_under(settings), err.text);
            break;
        }
    }
    if (r->outcome != CHECK_FAILED) {
        compare_rest(&clean, &bad, AT, r);
    }
    bench_close(&clean);
    bench_close(&bad);
}

void optimizer_test_poison(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->elem || o->reduce || o->combine) {
        check_skip(r, "its elements are not on their own");
        return;
    }
    bench_each_setting(s, 16, r, poison_under);
}

/* -- nothing to do -- */

/* The first element that is not where it began. */
static bool has_moved(const bench *b, double least, char *out, size_t room)
{
    for (size_t i = 0; i < b->shapes.n; i++) {
        const float *w = optimizer_rig_weights(b->rig, i);
        for (size_t k = 0; k < b->size[i]; k++) {
            const double is = (double)w[k], was = (double)b->w0[i][k];
            if (!(fabs(is - was) <= least * fabs(was))) {
                snprintf(out, room, "element %zu of %s went from %.9g to %.9g", k,
                    b->shapes.tensor[i].name, was, is);
                return true;
            }
        }
    }
    return false;
}

static double moved_at_rest(const bench *b)
{
    return b->ops->model ? 1e-5 : 0;
}

/* Noise does not rest; the updates of a run draw alike, the last one tells. */
static size_t n_drawn(const bench *b)
{
    return optimizer_rig_n_random(b->rig);
}

/* Four updates with these hyperparameters, by `is_off` (NULL: none), at 0; whether weights have
 * moved. */
static bool moves_with(const subject *s, const char *settings, const bool *is_off, float scale)
{
    bench b;
    char where[300];
    check_report own = { 0 };
    bool has = true;
    if (!bench_open(&b, s, settings, &bench_small, &own)) {
        return true;
    }
    bench_switch_decay_off(&b);
    for (size_t i = 0; i < s->component->hypers.n; i++) {
        if (is_off && is_off[i]) {
            (void)optimizer_rig_set_hyper(b.rig, hyper_row(&s->component->hypers, i)->name, 0);
        }
    }
    b.scale = scale;
    b.update.tolerates_nan = true;
    if (bench_run(&b, 4, &own)) {
        has = has_moved(&b, scale != 0 ? 0 : moved_at_rest(&b), where, sizeof where);
    }
    bench_close(&b);
    return has;
}

bool optimizer_rests(const subject *s, const char *settings)
{
    return !moves_with(s, settings, NULL, 0);
}

/* Another term than the gradient's (a proximal L1, say) moves weights that have none: then they
 * rest where its hyperparameter is 0. One without which nothing ever moves is a rate instead. */
static bool rests_without_term(const subject *s, const char *settings)
{
    enum { MOST = 64 };
    const hyper_table *t = &s->component->hypers;
    bool terms[MOST] = { false };
    for (size_t i = 0; i < t->n && i < MOST; i++) {
        const assay_hyper *row = hyper_row(t, i);
        bool one[MOST] = { false };
        one[i] = true;
        if (row->type != ASSAY_TYPE_REAL || !hyper_in_range(row, 0) ||
            strncmp(row->name, "eps", 3) == 0 || !moves_with(s, settings, one, 1)) {
            continue;
        }
        if (!moves_with(s, settings, one, 0)) {
            return true;
        }
        terms[i] = true;
    }
    return t->n <= MOST && moves_with(s, settings, terms, 1) && !moves_with(s, settings, terms, 0);
}

static void rest_under(const subject *s, const char *settings, check_report *r)
{
    bench b;
    char where[300];
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    bench_switch_decay_off(&b);
    b.scale = 0;
    if (!bench_is_without_eps(&b) && bench_run(&b, 4, r)) {
        if (!bench_is_finite(&b, true, where, sizeof where)) {
            check_fail(r,
                "with %s: after 4 updates with a gradient of zero %s; look for 0 / 0, where eps is "
                "missing",
                bench_under(settings), where);
        } else if (has_moved(&b, moved_at_rest(&b), where, sizeof where) && n_drawn(&b) == 0 &&
            !rests_without_term(s, settings)) {
            check_warn(r,
                "with %s: without gradient and weight_decay %s in 4 updates, and with each other "
                "hyperparameter at 0, too; weights should rest",
                bench_under(settings), where);
        }
    }
    bench_close(&b);
}

void optimizer_test_rest(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, rest_under);
}

/* One that interpolates between two equal points may round. */
static double moved_by_rounding(const bench *b)
{
    return b->ops->model || b->ops->eval_weights ? 1e-6 : 0;
}

static void lr_zero_under(const subject *s, const char *settings, check_report *r)
{
    bench b;
    char where[300];
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    if (optimizer_rig_set_hyper(b.rig, "lr", 0) == 0) {
        check_skip(r, "it has no learning rate `lr`");
    } else if (bench_run(&b, 6, r) && has_moved(&b, moved_by_rounding(&b), where, sizeof where)) {
        check_fail(r,
            "with %s: at a learning rate of 0 %s in 6 updates; every step is a multiple of lr, and "
            "one "
            "that probes elsewhere puts the weights back",
            bench_under(settings), where);
    }
    bench_close(&b);
}

void optimizer_test_lr_zero(const subject *s, check_report *r)
{
    const assay_hyper *row = bench_real(s, "lr");
    if (row && !hyper_in_range(row, 0)) {
        check_skip(r, "its learning rate cannot be 0");
        return;
    }
    if (row && !(row->flags & ASSAY_SCHED)) {
        check_skip(r, "its learning rate is none that a schedule may take to 0");
        return;
    }
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, lr_zero_under);
}

/* -- decay -- */

static double norm_of(const bench *b, size_t i)
{
    const float *w = optimizer_rig_weights(b->rig, i);
    double sum = 0;
    for (size_t k = 0; k < b->size[i]; k++) {
        sum += (double)w[k] * (double)w[k];
    }
    return sqrt(sum);
}

static void decay_under(const subject *s, const char *settings, check_report *r)
{
    bench b;
    double before[BENCH_TENSORS];
    bool shrinks = false;
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    const assay_hyper *lr = bench_real(s, "lr");
    if (lr && !(lr->flags & ASSAY_REQUIRED)) { /* far beyond it decay itself diverges */
        (void)optimizer_rig_set_hyper(b.rig, "lr", lr->def);
    }
    (void)optimizer_rig_set_hyper(b.rig, "weight_decay", 0.2);
    b.scale = 0;
    for (size_t i = 0; i < b.shapes.n; i++) {
        before[i] = norm_of(&b, i);
    }
    if (!bench_is_without_eps(&b) && bench_run(&b, 3, r)) {
        for (size_t i = 0; i < b.shapes.n; i++) {
            const double after = norm_of(&b, i);
            shrinks |= after < before[i];
            if (isnan(after)) {
                check_fail(r,
                    "with %s: a weight_decay of 0.2 without gradient made weights of %s NaN in 3 "
                    "updates; look for 0 / 0 in the decay term, or where the gradient is zero",
                    bench_under(settings), b.shapes.tensor[i].name);
            } else if (!(after <= before[i] * (1 + 1e-6))) {
                check_fail(r,
                    "with %s: a weight_decay of 0.2 without gradient brought the norm of %s from "
                    "%.9g to %.9g in 3 updates; decay makes weights smaller: look at the sign of "
                    "the decay term",
                    bench_under(settings), b.shapes.tensor[i].name, before[i], after);
            }
        }
        if (!shrinks) {
            check_warn(r,
                "with %s: a weight_decay of 0.2 without gradient changed no weight in 3 updates; "
                "is its term multiplied by the gradient, or missing?",
                bench_under(settings));
        }
    }
    bench_close(&b);
}

void optimizer_test_decay(const subject *s, check_report *r)
{
    const assay_hyper *row = bench_real(s, "weight_decay");
    if (!row || !hyper_in_range(row, 0.2)) {
        check_skip(r, "it has no weight_decay that takes 0.2");
        return;
    }
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, decay_under);
}

/* -- mirrored -- */

static void mirror_under(const subject *s, const char *settings, check_report *r)
{
    enum { N_UPDATES = 8 };
    bench a = { .sign = 1 }, b = { .sign = -1 };
    size_t i;
    if (!bench_open_seeded(&a, s, settings, &bench_small, s->seed, r)) {
        return;
    }
    if (!bench_open_seeded(&b, s, settings, &bench_small, s->seed, r)) {
        bench_close(&a);
        return;
    }
    if (bench_run(&a, N_UPDATES, r) && bench_run(&b, N_UPDATES, r) &&
        optimizer_rig_n_random(a.rig) == 0) {
        const double off = bench_distance(&a, &b, &i);
        if (!(off <= 1e-4)) {
            check_warn(r,
                "with %s: with weights and gradients of the opposite sign the weights of %s are "
                "off "
                "by %g of their way from the opposite after %d updates; look for a lost sign or "
                "something added, unless the sign is meant to matter",
                bench_under(settings), a.shapes.tensor[i].name, off, N_UPDATES);
        }
    }
    bench_close(&a);
    bench_close(&b);
}

void optimizer_test_mirror(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, mirror_under);
}
