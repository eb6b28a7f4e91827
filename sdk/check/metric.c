/* What a metric must hold to: however rows are cut and merged the values are the same, and what does not count does not count. */
#include "check/rows.h"
#include "check/shows.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROWS = 40, MOST_SUMS = 1 << 16 };

/* A metric at work: its accumulators and values, each on watched memory. */
typedef struct scene {
    task_run *run;
    instance *instance;
    const assay_metric *ops;
    assay_metric_plan plan;
    guarded sums[3], values;
} scene;

static assay_metric_plan metric_plan(const task_case *of)
{
    return (assay_metric_plan){ .struct_size = sizeof(assay_metric_plan), .task = &of->task };
}

static int plan_task(task_run *r)
{
    assay_metric_plan plan = metric_plan(r->of);
    const assay_metric *o = r->specimen.instance->component->ops;
    return o->plan(&r->specimen.instance->ctx, r->specimen.instance->hyper, &plan);
}

static bool complain(const task_run *r, const char *what)
{
    char title[200];
    check_fail(r->rep, "%s (%s)", what, task_title(r, title, sizeof title));
    return false;
}

static bool has_direction(const scene *c)
{
    return c->plan.direction <= ASSAY_METRIC_NEITHER ||
        complain(c->run,
            "plan sets direction to an unknown number: expected ASSAY_METRIC_SMALLER_IS_BETTER, "
            "_LARGER_IS_BETTER or _NEITHER");
}

static bool plan_is_sound(const scene *c)
{
    const assay_metric_plan *p = &c->plan;
    if (p->n_sums == 0 || p->n_sums > MOST_SUMS) {
        return complain(c->run, "plan gives no n_sums, or more than 65536");
    }
    if (p->n_values == 0) return complain(c->run, "plan gives no n_values");
    if (!has_direction(c)) return false;
    if (p->rows || p->cols) {
        return (p->rows * p->cols == p->n_values && !p->names) ||
            complain(c->run, "plan gives a matrix: expected n_values = rows * cols and no names");
    }
    if (!p->names) return complain(c->run, "plan gives values without names");
    for (uint64_t i = 0; i < p->n_values; i++) {
        if (!p->names[i]) return complain(c->run, "plan gives a value without a name");
        for (uint64_t k = 0; k < i; k++) {
            if (strcmp(p->names[i], p->names[k]) == 0) {
                return complain(c->run, "plan gives two values of one name");
            }
        }
    }
    return true;
}

static bool scene_open(task_run *r, scene *c)
{
    error err = { 0 };
    *c = (scene){ .run = r,
        .instance = r->specimen.instance,
        .ops = r->specimen.instance->component->ops,
        .plan = metric_plan(r->of) };
    const int code = c->ops->plan(&c->instance->ctx, c->instance->hyper, &c->plan);
    if (instance_status(c->instance, code, "plan", &err) != OK) return complain(r, err.text);
    if (!plan_is_sound(c)) return false;
    bool ok = guarded_new(c->plan.n_values * sizeof(double), GUARD_AFTER, &c->values, &err) == OK;
    for (size_t i = 0; ok && i < 3; i++) {
        ok = guarded_new(c->plan.n_sums * sizeof(double), GUARD_AFTER, &c->sums[i], &err) == OK;
    }
    if (ok) guarded_name(&c->values, "values");
    for (size_t i = 0; ok && i < 3; i++)
        guarded_name(&c->sums[i], "sums");
    return ok || complain(r, "out of memory");
}

static void scene_close(scene *c)
{
    for (size_t i = 0; i < 3; i++) {
        guarded_free(&c->sums[i]);
    }
    guarded_free(&c->values);
}

static void clear(const scene *c, size_t i)
{
    memset(c->sums[i].at, 0, c->sums[i].bytes);
}

static bool done(scene *c, int code, const char *op, const float_mode *mode)
{
    error err = { 0 };
    const char *change = float_mode_change(mode);
    float_mode_set(mode);
    if (instance_status(c->instance, code, op, &err) != OK) return complain(c->run, err.text);
    if (change) return complain(c->run, "a callback changes the floating-point mode");
    for (size_t i = 0; i < 3; i++) {
        if (!guarded_is_intact(&c->sums[i])) return complain(c->run, "it writes before its sums");
    }
    return true;
}

static bool add(scene *c, size_t i, const assay_rows *rows)
{
    const float_mode mode = float_mode_get();
    return done(
        c, c->ops->add(&c->instance->ctx, c->instance->hyper, rows, c->sums[i].at), "add", &mode);
}

static bool merge(scene *c, size_t into, size_t from)
{
    const float_mode mode = float_mode_get();
    double *a = c->sums[into].at;
    const double *b = c->sums[from].at;
    if (c->ops->merge) {
        return done(c, c->ops->merge(&c->instance->ctx, c->instance->hyper, a, b), "merge", &mode);
    }
    for (uint64_t k = 0; k < c->plan.n_sums; k++) {
        a[k] += b[k];
    }
    return true;
}

/* Values of an accumulator, in out[n_values] of the caller; the sums must stay. */
static bool result(scene *c, size_t i, double *out)
{
    const float_mode mode = float_mode_get();
    snapshot was;
    error err = { 0 };
    if (snapshot_take(c->sums[i].at, c->sums[i].bytes, &was, &err) != OK) return false;
    double *v = c->values.at;
    for (uint64_t k = 0; k < c->plan.n_values; k++) {
        v[k] = -7.31e300;
    }
    const int code = c->ops->result(&c->instance->ctx, c->instance->hyper, c->sums[i].at, v);
    bool ok = done(c, code, "result", &mode);
    if (ok && !snapshot_is_same(&was, NULL)) ok = complain(c->run, "result changes the sums");
    for (uint64_t k = 0; ok && k < c->plan.n_values; k++) {
        if (v[k] == -7.31e300) ok = complain(c->run, "result does not write all values");
    }
    if (ok) memcpy(out, v, c->values.bytes);
    snapshot_free(&was);
    return ok;
}

static bool is_same(double a, double b, double tolerance)
{
    return (isnan(a) && isnan(b)) || a == b ||
        fabs(a - b) <= tolerance * fmax(1, fabs(a) + fabs(b));
}

static bool same_values(
    const scene *c, const double *found, const double *expected, const char *meaning)
{
    char text_of[300];
    for (uint64_t k = 0; k < c->plan.n_values; k++) {
        if (is_same(found[k], expected[k], 1e-9)) continue;
        snprintf(text_of, sizeof text_of, "value %llu is %.12g, expected %.12g: %s",
            (unsigned long long)k, found[k], expected[k], meaning);
        return complain(c->run, text_of);
    }
    return true;
}

/* A test of one task: its scene, rows and room for two sets of values. */
typedef struct bench {
    scene c;
    row_set s;
    double *a, *b;
} bench;

static bool bench_open(task_run *r, bench *t)
{
    error err = { 0 };
    *t = (bench){ 0 };
    if (!scene_open(r, &t->c)) return false;
    t->a = calloc(t->c.plan.n_values, sizeof *t->a);
    t->b = calloc(t->c.plan.n_values, sizeof *t->b);
    return (t->a && t->b && row_set_new(r->of, N_ROWS, r->subject->seed, &t->s, &err) == OK) ||
        complain(r, "out of memory");
}

static void bench_close(bench *t)
{
    scene_close(&t->c);
    row_set_free(&t->s);
    free(t->a);
    free(t->b);
}

/* -- values -- */

static void values_case(task_run *r)
{
    bench t;
    error err = { 0 };
    if (bench_open(r, &t) && row_set_watch(&t.s, &err) == OK && add(&t.c, 0, &t.s.rows) &&
        result(&t.c, 0, t.a)) {
        const char *changed = row_set_changed(&t.s);
        if (changed) (void)complain(r, "add changes its rows, which it may only read");
        for (uint64_t k = 0; k < t.c.plan.n_values; k++) {
            if (!isfinite(t.a[k]) && !(isnan(t.a[k]) && k > 0)) {
                (void)complain(r, "a value of ordinary rows is not finite");
            }
        }
        if (result(&t.c, 0, t.b)) {
            (void)same_values(&t.c, t.b, t.a, "result must be a function of the sums alone");
        }
        clear(&t.c, 1);
        if (add(&t.c, 1, &t.s.rows) && result(&t.c, 1, t.b)) {
            (void)same_values(&t.c, t.b, t.a, "the same rows again must give the same");
        }
    }
    bench_close(&t);
}

static void check_values(const subject *s, check_report *rep)
{
    each_task(s, plan_task, values_case, rep);
}

/* -- cuts -- */

static bool in_pieces(bench *t, size_t n)
{
    clear(&t->c, 1);
    for (size_t begin = 0; begin < t->s.n; begin += n) {
        const size_t left = t->s.n - begin;
        const assay_rows part = row_set_part(&t->s, begin, left < n ? left : n);
        if (!add(&t->c, 1, &part)) return false;
    }
    return result(&t->c, 1, t->b) &&
        same_values(
            &t->c, t->b, t->a, "add over pieces of the rows must give what add of all gives");
}

/* (first + second) + third, and first + (second + third), with an empty one merged in. */
static bool merged(bench *t, bool from_the_right)
{
    scene *c = &t->c;
    const assay_rows part[3] = { row_set_part(&t->s, 0, 9), row_set_part(&t->s, 9, 20),
        row_set_part(&t->s, 29, N_ROWS - 29) };
    for (size_t i = 0; i < 3; i++) {
        clear(c, i);
        if (!add(c, i, &part[i])) return false;
    }
    const bool ok =
        from_the_right ? merge(c, 1, 2) && merge(c, 0, 1) : merge(c, 0, 1) && merge(c, 0, 2);
    clear(c, 2);
    return ok && merge(c, 0, 2) && result(c, 0, t->b) &&
        same_values(c, t->b, t->a,
            c->ops->merge
                ? "merge of three accumulators must give what add of all rows gives, in "
                  "whatever order"
                : "there is no merge, so the host adds accumulators up number by number: that "
                  "must give what add of all rows gives");
}

static void cuts_case(task_run *r)
{
    bench t;
    if (bench_open(r, &t) && add(&t.c, 0, &t.s.rows) && result(&t.c, 0, t.a)) {
        (void)(in_pieces(&t, 1) && in_pieces(&t, 7) && in_pieces(&t, N_ROWS) && merged(&t, false) &&
            merged(&t, true));
    }
    bench_close(&t);
}

static void check_cuts(const subject *s, check_report *rep)
{
    each_task(s, plan_task, cuts_case, rep);
}

/* -- what does not count -- */

static bool all_nan(const bench *t, const char *meaning)
{
    if (t->c.plan.rows) return true; /* a matrix of counts is 0 */
    return isnan(t->b[0]) || complain(t->c.run, meaning);
}

/* A standard error ("se") is left out: of unequal weights it tells how far the mean may be off, for which they are no counts. */
static void leave_out_errors(bench *t)
{
    for (uint64_t k = 0; t->c.plan.names && k < t->c.plan.n_values; k++) {
        if (strcmp(t->c.plan.names[k], "se") == 0) t->b[k] = t->a[k];
    }
}

/* Rows with weights of 0, 1 and 2, against those of 1 once and those of 2 twice, of weight 1. */
static bool two_rows(bench *t)
{
    error err = { 0 };
    row_set twice = { 0 };
    float *weight = t->s.weight.at;
    for (size_t i = 0; i < t->s.n; i++) {
        weight[i] = (float)(i * 7 % 3);
    }
    if (row_set_repeat(&t->s, &twice, &err) != OK) return complain(t->c.run, err.text);
    clear(&t->c, 0);
    clear(&t->c, 1);
    bool ok = add(&t->c, 0, &twice.rows) && result(&t->c, 0, t->a) && add(&t->c, 1, &t->s.rows) &&
        result(&t->c, 1, t->b);
    if (ok) leave_out_errors(t);
    ok = ok && same_values(&t->c, t->b, t->a, "a row of weight 2 must count as two equal rows");
    row_set_free(&twice);
    return ok;
}

static void weights_case(task_run *r)
{
    bench t;
    bool ok = bench_open(r, &t) && add(&t.c, 0, &t.s.rows) && result(&t.c, 0, t.a);
    const size_t n = r->of->task.n_outputs;
    float *weight = t.s.weight.at, *y = t.s.y.at;
    if (ok) {
        for (size_t i = 0; i < t.s.n * n; i++) {
            if (weight[i / n] == 0) y[i] = i % 2 ? 317.3F : -211.7F;
        }
        clear(&t.c, 1);
        ok = add(&t.c, 1, &t.s.rows) && result(&t.c, 1, t.b) &&
            same_values(&t.c, t.b, t.a, "rows of weight 0 must not count");
    }
    if (ok) {
        const assay_rows none = row_set_part(&t.s, 0, 0);
        clear(&t.c, 1);
        ok = result(&t.c, 1, t.b) && all_nan(&t, "before any row the value must be NaN") &&
            add(&t.c, 1, &none) && result(&t.c, 1, t.b) &&
            all_nan(&t, "of no rows the value must be NaN");
    }
    if (ok) {
        memset(weight, 0, t.s.weight.bytes);
        clear(&t.c, 1);
        ok = add(&t.c, 1, &t.s.rows) && result(&t.c, 1, t.b) &&
            all_nan(&t, "where all rows weigh 0 the value must be NaN");
    }
    for (size_t i = 0; ok && i < t.s.n; i++) {
        weight[i] = 1;
    }
    if (ok) {
        assay_rows rows = t.s.rows;
        rows.weight = NULL;
        clear(&t.c, 0);
        clear(&t.c, 1);
        ok = add(&t.c, 0, &t.s.rows) && add(&t.c, 1, &rows) && result(&t.c, 0, t.a) &&
            result(&t.c, 1, t.b) &&
            same_values(&t.c, t.b, t.a, "weight NULL must be the same as weights of 1");
    }
    if (ok) (void)two_rows(&t);
    bench_close(&t);
}

static void check_weights(const subject *s, check_report *rep)
{
    each_task(s, plan_task, weights_case, rep);
}

/* -- direction -- */

/* The first value where the answers are right; NaN after a fault. */
static double value_of_right(bench *t, bool logits)
{
    row_set_make_right(&t->s, logits);
    clear(&t->c, 1);
    return add(&t->c, 1, &t->s.rows) && result(&t->c, 1, t->b) ? t->b[0] : NAN;
}

/* Whether outputs are logits or the numbers themselves is not known of a metric: one of the two must do. */
static void compare_right(bench *t)
{
    char text_of[200];
    const bool larger = t->c.plan.direction == ASSAY_METRIC_LARGER_IS_BETTER;
    const double random = t->a[0], logits = value_of_right(t, true),
                 numbers = value_of_right(t, false);
    const double best = larger ? fmax(logits, numbers) : fmin(logits, numbers);
    if (larger ? best >= random : best <= random) return;
    snprintf(text_of, sizeof text_of,
        "right answers give %.6g and random ones %.6g, but plan says that %s is better", best,
        random, larger ? "larger" : "smaller");
    (void)complain(t->c.run, text_of);
}

static void direction_case(task_run *r)
{
    bench t;
    if (r->settings[0]) return;
    const bool ok = bench_open(r, &t);
    if (ok && t.c.plan.direction == ASSAY_METRIC_NEITHER) {
        check_skip(r->rep, "plan says that neither larger nor smaller values are better");
    } else if (ok && !t.c.plan.rows && add(&t.c, 0, &t.s.rows) && result(&t.c, 0, t.a)) {
        compare_right(&t);
    }
    bench_close(&t);
}

static void check_direction(const subject *s, check_report *rep)
{
    each_task(s, plan_task, direction_case, rep);
}

/* -- hyperparameters -- */

/* Values over every task that it takes. */
static uint64_t settings_hash(const subject *s, const char *settings, void *self)
{
    const task_case *of;
    uint64_t hash = 0;
    (void)self;
    for (size_t i = 0; (of = task_case_get(i)); i++) {
        check_report own = { 0 };
        task_run r = { .subject = s, .settings = settings, .of = of, .rep = &own };
        bench t;
        error err = { 0 };
        if (specimen_open(s, settings, &r.specimen, &err) != OK) continue;
        if (instance_status(r.specimen.instance, plan_task(&r), "plan", &err) == OK) {
            if (bench_open(&r, &t) && add(&t.c, 0, &t.s.rows) && result(&t.c, 0, t.a)) {
                hash = bits_hash((const float *)(const void *)t.a, 2 * t.c.plan.n_values, hash + i);
            }
            bench_close(&t);
        }
        specimen_close(&r.specimen);
    }
    return hash;
}

static void check_hypers(const subject *s, check_report *rep)
{
    check_shows(s, settings_hash, NULL, "no value", rep);
}

/* -- speed -- */

static void speed_case(task_run *r)
{
    bench t;
    double best = INFINITY;
    if (r->settings[0] || r->rep->n_figures > 0) return;
    if (bench_open(r, &t)) {
        for (size_t k = 0; k < 100; k++) {
            const double begin = clock_thread_cpu_s();
            if (!add(&t.c, 0, &t.s.rows)) break;
            best = fmin(best, clock_thread_cpu_s() - begin);
        }
        check_measure(r->rep, "add", 1e9 * best / N_ROWS, "ns per row");
    }
    bench_close(&t);
}

static void check_speed(const subject *s, check_report *rep)
{
    each_task(s, plan_task, speed_case, rep);
}

const check_test check_tests_metric[] = {
    { "metric_values", "metric",
        "values are finite, functions of the rows alone, and nothing else is written",
        check_values },
    { "metric_cuts", "metric", "rows in pieces, merged in any order, give the same", check_cuts },
    { "metric_weights", "metric",
        "what weighs 0 does not count, what weighs 2 counts twice, and of nothing the value is NaN",
        check_weights },
    { "metric_direction", "metric", "right answers are better than random ones", check_direction },
    { "metric_hypers", "metric", "every hyperparameter shows", check_hypers },
    { "metric_speed", "metric", "time per row", check_speed },
    { .name = NULL },
};
