/* What a loss must hold to: its gradient is that of its sum, what does not count does not count, and sums add up. */
#include "check/rows.h"
#include "check/shows.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROWS = 9 };

static const uint32_t unwritten_bits = 0x7fc0a55au;

static int plan_task(task_run *r)
{
    const instance *i = r->specimen.instance;
    const assay_loss *o = i->component->ops;
    return o->plan(&r->specimen.instance->ctx, i->hyper, &r->of->task);
}

/* One call; false after reporting a fault. */
static bool call(task_run *r, const assay_rows *rows, double scale, float *dy, double *out_sum)
{
    instance *i = r->specimen.instance;
    const assay_loss *o = i->component->ops;
    const float_mode mode = float_mode_get();
    error err = { 0 };
    char title[200];
    *out_sum = NAN;
    const int code = o->loss(&i->ctx, i->hyper, rows, scale, dy, out_sum);
    const char *change = float_mode_change(&mode);
    float_mode_set(&mode);
    if (instance_status(i, code, "loss", &err) != OK) {
        check_fail(r->rep, "%s (%s)", err.text, task_title(r, title, sizeof title));
        return false;
    }
    if (change) {
        check_fail(r->rep, "loss changes %s, which a callback leaves alone", change);
        return false;
    }
    return true;
}

static bool complain(task_run *r, const char *what, double found, double expected)
{
    char title[200];
    check_fail(r->rep, "loss: %s: found %.17g, expected %.17g (%s)", what, found, expected,
        task_title(r, title, sizeof title));
    return false;
}

static bool is_near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance * (fabs(a) + fabs(b)) + 1e-300;
}

/* -- plan -- */

static void accept_task(task_run *r)
{
    (void)r;
}

static void check_plan(const subject *s, check_report *rep)
{
    const task_case *of;
    each_task(s, plan_task, accept_task, rep);
    for (size_t i = 0; (of = i < 7 ? task_case_get(i) : task_mismatch_get(i - 7)); i++) {
        task_run r = { .subject = s, .settings = "", .of = of, .rep = rep };
        error err = { 0 };
        if (specimen_open(s, "", &r.specimen, &err) != OK) return;
        const status st = instance_status(r.specimen.instance, plan_task(&r), "plan", &err);
        specimen_close(&r.specimen);
        if (st != OK && strstr(err.text, "(it gave no reason)")) {
            check_warn(rep,
                "plan refuses %s without a reason: say by host->fail what was found and what the "
                "user "
                "can do",
                of->name);
        }
    }
}

/* -- gradient -- */

typedef struct slope {
    double value, doubt;
} slope;

static bool sum_at(task_run *r, const row_set *s, float *y, float v, double *out)
{
    const float kept = *y;
    *y = v;
    const bool ok = call(r, &s->rows, 1, NULL, out);
    *y = kept;
    return ok;
}

/* The five-point rule with falling steps, as for layers (layer_gradient.c); doubt is infinite near a kink. */
static bool slope_of(task_run *r, const row_set *s, size_t i, slope *out)
{
    float *y = (float *)s->y.at + i;
    double before = 0, bend_before = INFINITY, base = 0;
    if (!sum_at(r, s, y, *y, &base)) return false;
    *out = (slope){ 0, INFINITY };
    for (double h = 1.0 / 16; h > 1.0 / 600; h /= 2) {
        double f[4] = { 0 };
        static const double at[4] = { -2, -1, 1, 2 };
        for (size_t k = 0; k < 4; k++) {
            if (!sum_at(r, s, y, (float)((double)*y + at[k] * h), &f[k])) return false;
        }
        const double now = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h);
        const double bend = fabs(f[1] + f[2] - 2 * base) / h,
                     noise = 1e-7 * (fabs(base) + 0.01) / h;
        const double small = 3e-4 * fabs(now) + noise;
        if (h < 0.06 && fabs(now - before) <= small && bend <= 0.7 * bend_before + small) {
            *out = (slope){ now, 2 * fabs(now - before) + noise };
            return true;
        }
        before = now;
        bend_before = bend;
    }
    return true;
}

static bool compare_gradient(task_run *r, const row_set *s, const float *dy, double scale)
{
    const size_t n = s->n * s->of->task.n_outputs;
    size_t n_known = 0;
    char title[200];
    for (size_t i = 0; i < n; i++) {
        slope d;
        if (!slope_of(r, s, i, &d)) return false;
        if (!(d.doubt < INFINITY)) continue;
        n_known++;
        const double expected = scale * d.value;
        const double tolerance = 1e-3 * fabs(expected) + scale * (d.doubt + 1e-6);
        if (fabs((double)dy[i] - expected) <= tolerance) continue;
        check_fail(r->rep,
            "loss: dy[%zu, %zu] is %.7g, expected %.7g = scale (%g) times the slope of out_sum by "
            "differences: %s (%s)",
            i / s->of->task.n_outputs, i % s->of->task.n_outputs, (double)dy[i], expected, scale,
            is_near((double)dy[i], d.value, 1e-3) ? "scale is left out"
                                                  : "the gradient does not belong to the loss",
            task_title(r, title, sizeof title));
        return false;
    }
    if (2 * n_known < n) {
        check_warn(r->rep, "the gradient could not be verified: differences do not settle (%s)",
            task_title(r, title, sizeof title));
    }
    return true;
}

static void gradient_case(task_run *r)
{
    for (uint64_t k = 0; k < 3 && r->rep->outcome != CHECK_FAILED; k++) {
        row_set s;
        guarded dy = { 0 };
        error err = { 0 };
        double sum = 0;
        if (row_set_new(r->of, N_ROWS, r->subject->seed + k, &s, &err) != OK) {
            check_fail(r->rep, "%s", err.text);
            return;
        }
        if (guarded_new(s.y.bytes, GUARD_AFTER, &dy, &err) == OK && k == 2) {
            for (size_t i = 0; i < N_ROWS * r->of->task.n_outputs; i++) {
                ((float *)s.y.at)[i] *= 4; /* where losses have other branches */
            }
        }
        const double scale = k == 1 ? 1 : 0.37;
        guarded_name(&dy, "dy");
        if (dy.at && call(r, &s.rows, scale, dy.at, &sum)) {
            (void)compare_gradient(r, &s, dy.at, scale);
        }
        guarded_free(&dy);
        row_set_free(&s);
    }
}

static void check_gradient(const subject *s, check_report *rep)
{
    each_task(s, plan_task, gradient_case, rep);
}

/* -- what is written -- */

static bool is_whole(task_run *r, const guarded *dy)
{
    char title[200];
    const float *v = dy->at;
    for (size_t i = 0; i < dy->bytes / 4; i++) {
        if (isfinite(v[i])) continue;
        check_fail(r->rep, "loss: dy[%zu, %zu] %s (%s)", i / r->of->task.n_outputs,
            i % r->of->task.n_outputs,
            memcmp(&v[i], &unwritten_bits, 4) == 0
                ? "is not written: all of it must be overwritten, rows of weight 0 with 0"
                : "is not finite",
            task_title(r, title, sizeof title));
        return false;
    }
    if (guarded_is_intact(dy)) return true;
    check_fail(r->rep, "loss writes before dy (%s)", task_title(r, title, sizeof title));
    return false;
}

static void spoil(const guarded *g)
{
    for (size_t i = 0; i < g->bytes / 4; i++) {
        memcpy((char *)g->at + 4 * i, &unwritten_bits, 4);
    }
}

static void writes_case(task_run *r)
{
    row_set s;
    guarded dy = { 0 };
    error err = { 0 };
    double sum = 0, alone = 0, again = 0;
    if (row_set_new(r->of, N_ROWS, r->subject->seed, &s, &err) != OK) {
        check_fail(r->rep, "%s", err.text);
        return;
    }
    bool ok = guarded_new(s.y.bytes, GUARD_AFTER, &dy, &err) == OK && row_set_watch(&s, &err) == OK;
    if (ok) guarded_name(&dy, "dy");
    if (ok) spoil(&dy);
    ok = ok && call(r, &s.rows, 0.37, dy.at, &sum) && call(r, &s.rows, 0.37, NULL, &alone) &&
        is_whole(r, &dy) && call(r, &s.rows, 0.37, dy.at, &again);
    const char *changed = ok ? row_set_changed(&s) : NULL;
    if (changed) {
        check_fail(r->rep, "loss changes %s, which it may only read", changed);
    } else if (ok && !isfinite(sum)) {
        (void)complain(r, "out_sum of ordinary rows is not finite or not written", sum, 0);
    } else if (ok && memcmp(&sum, &alone, sizeof sum) != 0) {
        (void)complain(r, "out_sum without dy differs from that with it", alone, sum);
    } else if (ok && memcmp(&sum, &again, sizeof sum) != 0) {
        (void)complain(r, "out_sum of the same rows differs the second time", again, sum);
    } else if (ok && sum < 0) {
        check_warn(r->rep, "the loss of ordinary rows is negative, %g in sum", sum);
    }
    guarded_free(&dy);
    row_set_free(&s);
}

static void check_writes(const subject *s, check_report *rep)
{
    each_task(s, plan_task, writes_case, rep);
}

/* -- weights -- */

/* A row of weight 0 may hold anything finite. */
static bool zero_weights_do_not_count(task_run *r, row_set *s, float *dy)
{
    const size_t n = r->of->task.n_outputs;
    const float *weight = s->weight.at;
    double before = 0, after = 0;
    if (!call(r, &s->rows, 1, NULL, &before)) return false;
    for (size_t i = 0; i < s->n * n; i++) {
        if (weight[i / n] == 0) ((float *)s->y.at)[i] = i % 2 ? 317.3F : -211.7F;
    }
    if (!call(r, &s->rows, 1, dy, &after)) return false;
    if (memcmp(&before, &after, sizeof before) != 0) {
        return complain(r, "rows of weight 0 count", after, before);
    }
    for (size_t i = 0; i < s->n * n; i++) {
        if (weight[i / n] == 0 && dy[i] != 0) {
            return complain(r, "dy of a row of weight 0", (double)dy[i], 0);
        }
    }
    return true;
}

static bool weights_are_factors(task_run *r, row_set *s)
{
    float *weight = s->weight.at;
    double plain = 0, twice = 0, ones = 0, none = 0;
    assay_rows rows = s->rows;
    if (!call(r, &s->rows, 1, NULL, &plain)) return false;
    for (size_t i = 0; i < s->n; i++) {
        weight[i] *= 2;
    }
    if (!call(r, &s->rows, 1, NULL, &twice)) return false;
    if (!is_near(twice, 2 * plain, 1e-12)) {
        return complain(r, "weights twice as large must double out_sum", twice, 2 * plain);
    }
    for (size_t i = 0; i < s->n; i++) {
        weight[i] = 1;
    }
    rows.weight = NULL;
    if (!call(r, &s->rows, 1, NULL, &ones) || !call(r, &rows, 1, NULL, &none)) return false;
    return is_near(ones, none, 1e-12) ||
        complain(r, "weight NULL must be the same as weights of 1", none, ones);
}

static bool two_rows(task_run *r, row_set *s)
{
    row_set twice = { 0 };
    error err = { 0 };
    double expected = 0, found = 0;
    float *weight = s->weight.at;
    for (size_t i = 0; i < s->n; i++) {
        weight[i] = (float)(i * 7 % 3);
    }
    if (row_set_repeat(s, &twice, &err) != OK) {
        check_fail(r->rep, "%s", err.text);
        return false;
    }
    bool ok = call(r, &twice.rows, 1, NULL, &expected) && call(r, &s->rows, 1, NULL, &found);
    if (ok && !is_near(found, expected, 1e-12)) {
        ok = complain(r, "rows of weight 2 must count as two equal rows", found, expected);
    }
    row_set_free(&twice);
    return ok;
}

static void weights_case(task_run *r)
{
    row_set s;
    guarded dy = { 0 };
    error err = { 0 };
    if (row_set_new(r->of, N_ROWS, r->subject->seed, &s, &err) != OK) {
        check_fail(r->rep, "%s", err.text);
        return;
    }
    if (guarded_new(s.y.bytes, GUARD_AFTER, &dy, &err) == OK &&
        zero_weights_do_not_count(r, &s, dy.at)) {
        (void)(weights_are_factors(r, &s) && two_rows(r, &s));
    }
    guarded_free(&dy);
    row_set_free(&s);
}

static void check_weights(const subject *s, check_report *rep)
{
    each_task(s, plan_task, weights_case, rep);
}

/* -- sums -- */

enum { MANY_ROWS = 3000 };

static void sums_case(task_run *r)
{
    row_set s;
    error err = { 0 };
    double whole = 0, parts = 0, rows = 0, none = NAN;
    if (row_set_new(r->of, MANY_ROWS, r->subject->seed, &s, &err) != OK) {
        check_fail(r->rep, "%s", err.text);
        return;
    }
    bool ok = call(r, &s.rows, 1, NULL, &whole);
    for (size_t begin = 0, n = 700; ok && begin < s.n; begin += n) {
        double sum = 0;
        const assay_rows part = row_set_part(&s, begin, s.n - begin < n ? s.n - begin : n);
        ok = call(r, &part, 1, NULL, &sum);
        parts += sum;
    }
    for (size_t i = 0; ok && i < s.n; i++) {
        double sum = 0;
        const assay_rows part = row_set_part(&s, i, 1);
        ok = call(r, &part, 1, NULL, &sum);
        rows += sum;
    }
    const assay_rows empty = row_set_part(&s, 0, 0);
    ok = ok && call(r, &empty, 1, NULL, &none);
    if (ok && !is_near(whole, parts, 1e-12)) {
        (void)complain(
            r, "sums of pieces of 700 rows must add up to that of all 3000", parts, whole);
    } else if (ok && !is_near(whole, rows, 1e-12)) {
        (void)complain(
            r, "sums of single rows must add up to that of all: sum in double", rows, whole);
    } else if (ok && none != 0) {
        (void)complain(r, "out_sum of no rows", none, 0);
    }
    row_set_free(&s);
}

static void check_sums(const subject *s, check_report *rep)
{
    each_task(s, plan_task, sums_case, rep);
}

/* -- extremes -- */

static void extremes_case(task_run *r)
{
    static const float sizes[] = { 88, 1e4F };
    for (size_t k = 0; k < 2; k++) {
        row_set s;
        error err = { 0 };
        double sum = 0;
        char title[200];
        float *dy = calloc(N_ROWS * r->of->task.n_outputs, sizeof *dy);
        if (!dy || row_set_new(r->of, N_ROWS, r->subject->seed, &s, &err) != OK) {
            free(dy);
            return;
        }
        for (size_t i = 0; i < N_ROWS * r->of->task.n_outputs; i++) {
            ((float *)s.y.at)[i] = (i * 7 % 3 ? 1.0F : -1.0F) * sizes[k];
        }
        if (call(r, &s.rows, 0.5, dy, &sum) &&
            (!isfinite(sum) || !floats_are_finite(dy, N_ROWS * r->of->task.n_outputs, NULL))) {
            check_warn(r->rep,
                "with outputs of %g either way the loss or its gradient is not finite: use a form "
                "that "
                "does not overflow, as log-sum-exp (%s)",
                (double)sizes[k], task_title(r, title, sizeof title));
        }
        free(dy);
        row_set_free(&s);
    }
}

static void check_extremes(const subject *s, check_report *rep)
{
    each_task(s, plan_task, extremes_case, rep);
}

/* -- hyperparameters -- */

/* With outputs 4^k times as large. */
static uint64_t rows_hash(task_run *r, size_t k, uint64_t hash)
{
    row_set rows;
    error err = { 0 };
    double sum[1] = { 0 };
    if (row_set_new(r->of, N_ROWS, r->subject->seed, &rows, &err) != OK) return hash;
    const size_t n = N_ROWS * r->of->task.n_outputs;
    float *dy = calloc(n, sizeof *dy);
    for (size_t i = 0; i < n; i++) {
        ((float *)rows.y.at)[i] *= (float)(k == 0 ? 1 : k == 1 ? 4 : 16);
    }
    if (dy && call(r, &rows.rows, 1, dy, sum)) {
        hash = bits_hash(dy, n, hash);
        hash = bits_hash((const float *)(const void *)sum, 2, hash);
    }
    free(dy);
    row_set_free(&rows);
    return hash;
}

/* Sums and gradients over small and large outputs, of every task that it takes. */
static uint64_t settings_hash(const subject *s, const char *settings, void *self)
{
    const task_case *of;
    uint64_t hash = 0;
    (void)self;
    for (size_t i = 0; (of = task_case_get(i)); i++) {
        check_report own = { 0 };
        task_run r = { .subject = s, .settings = settings, .of = of, .rep = &own };
        error err = { 0 };
        if (specimen_open(s, settings, &r.specimen, &err) != OK) continue;
        const bool is_taken =
            instance_status(r.specimen.instance, plan_task(&r), "plan", &err) == OK;
        for (size_t k = 0; is_taken && k < 3; k++) {
            hash = rows_hash(&r, k, hash + i);
        }
        specimen_close(&r.specimen);
    }
    return hash;
}

static void check_hypers(const subject *s, check_report *rep)
{
    check_shows(s, settings_hash, NULL, "no loss and no gradient", rep);
}

/* -- speed -- */

static void speed_case(task_run *r)
{
    row_set s;
    error err = { 0 };
    double sum = 0, best = INFINITY;
    float *dy = calloc(MANY_ROWS * r->of->task.n_outputs, sizeof *dy);
    if (r->settings[0] || r->rep->n_figures > 0) {
        free(dy);
        return;
    }
    if (dy && row_set_new(r->of, MANY_ROWS, r->subject->seed, &s, &err) == OK) {
        for (size_t k = 0; k < 30; k++) {
            const double begin = clock_thread_cpu_s();
            if (!call(r, &s.rows, 1, dy, &sum)) break;
            best = fmin(best, clock_thread_cpu_s() - begin);
        }
        check_measure(r->rep, "loss and gradient",
            1e9 * best / (double)(MANY_ROWS * r->of->task.n_outputs), "ns per output");
        row_set_free(&s);
    }
    free(dy);
}

static void check_speed(const subject *s, check_report *rep)
{
    each_task(s, plan_task, speed_case, rep);
}

const check_test check_tests_loss[] = {
    { "loss_plan", "loss", "it takes some task, and refuses others with a reason", check_plan },
    { "loss_gradient", "loss", "dy is scale times the slope of the sum", check_gradient },
    { "loss_writes", "loss",
        "dy is overwritten whole, nothing else is written, the sum does not depend on it",
        check_writes },
    { "loss_weights", "loss", "weights are factors, and what weighs 0 does not count",
        check_weights },
    { "loss_sums", "loss", "sums of pieces add up", check_sums },
    { "loss_extremes", "loss", "large outputs give finite numbers", check_extremes },
    { "loss_hypers", "loss", "every hyperparameter shows", check_hypers },
    { "loss_speed", "loss", "time per output", check_speed },
    { .name = NULL },
};
