/* How it deals with the host: memory that is refused, a closure that fails or finds no number,
 * the question where to evaluate. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- memory -- */

/* The i-th request of one update is refused. */
static void refuse_request(
    const subject *s, const char *settings, uint64_t t, size_t i, check_report *r)
{
    bench b;
    error err = { 0 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    if (bench_run(&b, t, r)) {
        bench_fill_gradient(&b);
        b.update.failing_scratch = i;
        b.update.tolerates_nan = true;
        const status st = bench_update(&b, &err);
        if (st == OK) {
            check_fail(r,
                "with %s: in update %llu the host refused its request %zu for memory (NULL), and "
                "it "
                "returned ASSAY_OK; return ASSAY_E_NOMEM",
                bench_under(settings), (unsigned long long)t + 1, i);
        } else if (st == E_PLUGIN) {
            check_fail(r, "with %s and no memory: %s", bench_under(settings), err.text);
        }
    }
    bench_close(&b);
}

static void memory_under(const subject *s, const char *settings, check_report *r)
{
    bench b;
    enum { MOST = 12 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    for (uint64_t t = 0; t < 2 && bench_run(&b, t + 1, r); t++) {
        const size_t n = optimizer_rig_n_scratch(b.rig);
        for (size_t i = 1; i <= n && i <= MOST && r->outcome != CHECK_FAILED; i++) {
            refuse_request(s, settings, t, i, r);
        }
    }
    bench_close(&b);
}

void optimizer_test_memory(const subject *s, check_report *r)
{
    bench_each_setting(s, 8, r, memory_under);
}

/* -- the closure -- */

static double without_number(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    const double loss = bench_objective(self, w, g, evaluation, fresh);
    return evaluation % 2 ? (double)NAN : evaluation % 4 ? (double)INFINITY : loss;
}

static void closure_fails(const subject *s, const char *settings, size_t at, check_report *r)
{
    bench b;
    error err = { 0 };
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    b.update.failing_evaluation = at;
    for (int t = 0; t < 8 && r->outcome != CHECK_FAILED; t++) {
        bench_fill_gradient(&b);
        const status st = bench_update(&b, &err);
        if (st == E_PLUGIN) {
            check_fail(r, "with %s and a closure that fails: %s", bench_under(settings), err.text);
        } else if (st == OK && optimizer_rig_n_evaluations(b.rig) >= at) {
            check_fail(r,
                "with %s: call %zu of the closure returned an error in update %d, and the update "
                "returned ASSAY_OK; hand the code on",
                bench_under(settings), at, t + 1);
        } else if (st != OK) {
            break;
        }
    }
    bench_close(&b);
}

static void closure_without_number(const subject *s, const char *settings, check_report *r)
{
    bench b;
    error err = { 0 };
    char where[300];
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    b.update.tolerates_nan = true;
    for (int t = 0; t < 4 && r->outcome != CHECK_FAILED; t++) {
        bench_fill_gradient(&b);
        b.update.objective = without_number;
        const status st = bench_update(&b, &err);
        if (st == E_NUMERIC) {
            break;
        }
        if (st != OK) {
            check_fail(
                r, "with %s and losses that are no numbers: %s", bench_under(settings), err.text);
        } else if (!bench_is_finite(&b, false, where, sizeof where)) {
            check_warn(r, "with %s: where the closure finds a loss of NaN or infinity, %s",
                bench_under(settings), where);
            break;
        }
    }
    bench_close(&b);
}

static void closure_under(const subject *s, const char *settings, check_report *r)
{
    bench b;
    double n = 0;
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    for (uint64_t t = 1; t <= 10 && bench_run(&b, t, r); t++) {
        n += (double)optimizer_rig_n_evaluations(b.rig) / 10;
    }
    if (!settings[0]) {
        check_measure(r, "evaluations beside the first", n, "per update");
    }
    bench_close(&b);
    for (size_t i = 1; i <= 3 && n > 0 && r->outcome != CHECK_FAILED; i++) {
        closure_fails(s, settings, i, r);
    }
    if (n > 0 && r->outcome != CHECK_FAILED) {
        closure_without_number(s, settings, r);
    }
}

void optimizer_test_closure(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->model) {
        check_skip(r, "only the tier model has a closure");
        return;
    }
    bench_each_setting(s, 16, r, closure_under);
}

/* -- where to evaluate -- */

static bool evaluate(bench *b, size_t i, size_t chunk, bool backwards, float *out, check_report *r)
{
    error err = { 0 };
    if (optimizer_rig_eval_weights_cut(b->rig, i, chunk, backwards, out, &err) == OK) {
        return true;
    }
    check_fail(r, "with %s: %s", bench_under(b->settings), err.text);
    return false;
}

static void compare_evaluations(bench *b, size_t i, check_report *r)
{
    static const size_t chunks[] = { 0, 1, 7 };
    const size_t n = b->size[i];
    float *first = calloc(n + 1, sizeof *first), *second = calloc(n + 1, sizeof *second);
    size_t at;
    if (first && second && evaluate(b, i, 0, false, first, r)) {
        if (!floats_are_finite(first, n, &at)) {
            check_fail(r,
                "with %s: eval_weights left element %zu of %s at %g; it writes out[n], all",
                bench_under(b->settings), at, b->shapes.tensor[i].name, (double)first[at]);
        }
        for (size_t k = 0; k < 3 && evaluate(b, i, chunks[k], true, second, r); k++) {
            if ((at = bits_differ(first, second, n)) < n) {
                check_fail(r,
                    "with %s: eval_weights wrote %.9g for element %zu of %s, and %.9g when asked "
                    "%s; it is a function of weights and state alone",
                    bench_under(b->settings), (double)first[at], at, b->shapes.tensor[i].name,
                    (double)second[at], chunks[k] ? "in pieces" : "again");
                break;
            }
        }
    }
    free(first);
    free(second);
}

/* The longest way that a weight has come so far. */
static double way_of(const bench *b)
{
    double most = 0;
    for (size_t i = 0; i < b->shapes.n; i++) {
        const float *w = optimizer_rig_weights(b->rig, i);
        for (size_t k = 0; k < b->size[i]; k++) {
            most = fmax(most, fabs((double)w[k] - (double)b->w0[i][k]));
        }
    }
    return most;
}

/* What eval_weights gives is no further from w than `most`; roundings do not count. */
static void is_near(bench *b, double most, const char *rule, check_report *r)
{
    for (size_t i = 0; i < b->shapes.n && r->outcome != CHECK_FAILED; i++) {
        const float *w = optimizer_rig_weights(b->rig, i);
        float *out = calloc(b->size[i] + 1, sizeof *out);
        if (out && evaluate(b, i, 0, false, out, r)) {
            for (size_t k = 0; k < b->size[i] && r->outcome != CHECK_FAILED; k++) {
                const double off = fabs((double)out[k] - (double)w[k]);
                if (!(off <= most + 1e-6 * fabs((double)w[k]))) {
                    check_fail(r,
                        "with %s: after %llu updates eval_weights gives %.9g for element %zu of "
                        "%s, where the weight is %.9g; %s",
                        bench_under(b->settings),
                        (unsigned long long)optimizer_rig_n_updates(b->rig), (double)out[k], k,
                        b->shapes.tensor[i].name, (double)w[k], rule);
                }
            }
        }
        free(out);
    }
}

/* Whether it says how many there are of a slot: large, it is a matter of memory. */
static bool is_times(const assay_optimizer *o, const char *name)
{
    bool is = false;
    for (size_t i = 0; i < (size_t)o->n_slots; i++) {
        const assay_slot *row = (const void *)((const char *)o->slots + i * (size_t)o->slot_stride);
        is |= row->times && strcmp(row->times, name) == 0;
    }
    return is;
}

/* An average that begins only at update 10^6, say, is asked for long before; steps are small. */
static void far_off(const subject *s, const assay_hyper *row, check_report *r)
{
    char settings[160];
    check_report own = { 0 };
    specimen p;
    bench b = { 0 };
    snprintf(settings, sizeof settings, "%s = %.0f;", row->name, fmin(row->max, 1e6));
    if (specimen_open(s, settings, &p, NULL) != OK ||
        !bench_open_on(&b, s, &p, settings, &bench_small, s->seed, &own)) {
        return; /* not together with the others' defaults */
    }
    const assay_hyper *lr = bench_real(s, "lr");
    (void)optimizer_rig_set_hyper(b.rig, "lr", lr && lr->def > 0 ? 1e-4 * lr->def : 1e-6);
    if (bench_run(&b, 3, r)) {
        is_near(&b, 2 * way_of(&b),
            "that is further than it has come from where it began; look for an average that is not "
            "there yet",
            r);
    }
    bench_close(&b);
}

/* Before the first update, and after some. */
static void eval_weights_under(const subject *s, const char *settings, check_report *r)
{
    static const uint64_t points[] = { 0, 1, 9 };
    bench b, plain;
    char where[300];
    if (!bench_open(&b, s, settings, &bench_small, r)) {
        return;
    }
    for (size_t p = 0; p < 3 && bench_run(&b, points[p], r); p++) {
        for (size_t i = 0; i < b.shapes.n && r->outcome != CHECK_FAILED; i++) {
            compare_evaluations(&b, i, r);
        }
        if (points[p] == 0 && r->outcome != CHECK_FAILED) {
            is_near(&b, 0, "at step->t 0, before the first update, it gives w", r);
        }
    }
    if (r->outcome != CHECK_FAILED && bench_open(&plain, s, settings, &bench_small, r)) {
        if (bench_run(&plain, 9, r) && !bench_same(&b, &plain, where, sizeof where)) {
            check_fail(r, "with %s: asking where to evaluate changes the run: %s",
                bench_under(settings), where);
        }
        bench_close(&plain);
    }
    bench_close(&b);
}

void optimizer_test_eval_weights(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->eval_weights) {
        check_skip(r, "it is evaluated at the weights that it trains");
        return;
    }
    bench_each_setting(s, 16, r, eval_weights_under);
    const hyper_table *t = &s->component->hypers;
    for (size_t i = 0; i < t->n && r->outcome != CHECK_FAILED; i++) {
        const assay_hyper *row = hyper_row(t, i);
        if (row->type == ASSAY_TYPE_INT && row->max > 100 && !is_times(o, row->name)) {
            far_off(s, row, r);
        }
    }
}
