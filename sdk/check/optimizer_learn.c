/* Whether it learns at all: small problems that have nothing to do with luck. Of the learning
 * rates in its range one must do. What multiplies weights never changes their signs: it may start
 * on the minimum's side instead. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STEPS = 2000, N_SAMPLES = 48, N_INPUTS = 6, N_CLASSES = 3 };

static const double wanted = 0.1; /* of the first loss */

/* A problem: tensors, and a loss with its gradient. */
typedef struct problem {
    const char *name;
    const rig_tensor *tensor;
    size_t n;
    double (*loss)(const bench *b, const float *const *w, float *const *g);
} problem;

/* -- a narrow bowl -- */

static const rig_tensor bowl_tensors[] = {
    { .name = "bowl.weight", .shape = { 2, { 8, 6 } } },
    { .name = "bowl.bias", .shape = { 1, { 6 } }, .role = ASSAY_ROLE_BIAS },
};

static double bowl(const bench *b, const float *const *w, float *const *g)
{
    double loss = 0;
    for (size_t i = 0; i < b->shapes.n; i++) {
        for (size_t k = 0; k < b->size[i]; k++) {
            const double a = pow(100, -(double)(k % 5) / 4);
            const double d = (double)w[i][k] - (double)b->centre[i][k];
            const bool counts = optimizer_rig_has(b->rig, i);
            loss += counts ? 0.5 * a * d * d : 0;
            if (g) {
                g[i][k] = (float)(a * d);
            }
        }
    }
    return loss;
}

/* -- three clouds of points told apart -- */

static const rig_tensor cloud_tensors[] = {
    { .name = "cloud.weight", .shape = { 2, { N_INPUTS, N_CLASSES } } },
    { .name = "cloud.bias", .shape = { 1, { N_CLASSES } }, .role = ASSAY_ROLE_BIAS },
};

/* Points on a spiral of their own, the same in every run; their clouds do not overlap. */
static float coordinate(size_t sample, size_t k)
{
    const size_t of = sample % N_CLASSES;
    const float own = k % N_CLASSES == of ? 2.0f : 0.0f;
    return own + 0.4f * sinf(1.7f * (float)sample + 2.9f * (float)k);
}

static double clouds(const bench *b, const float *const *w, float *const *g)
{
    double loss = 0;
    (void)b;
    if (g) {
        memset(g[0], 0, N_INPUTS * N_CLASSES * sizeof(float));
        memset(g[1], 0, N_CLASSES * sizeof(float));
    }
    for (size_t s = 0; s < N_SAMPLES; s++) {
        double z[N_CLASSES], top = -INFINITY, sum = 0;
        for (size_t c = 0; c < N_CLASSES; c++) {
            z[c] = (double)w[1][c];
            for (size_t k = 0; k < N_INPUTS; k++) {
                z[c] += (double)(w[0][k * N_CLASSES + c] * coordinate(s, k));
            }
            top = fmax(top, z[c]);
        }
        for (size_t c = 0; c < N_CLASSES; c++) {
            sum += exp(z[c] - top);
        }
        loss += (log(sum) + top - z[s % N_CLASSES]) / N_SAMPLES;
        for (size_t c = 0; g && c < N_CLASSES; c++) {
            const double d = (exp(z[c] - top) / sum - (c == s % N_CLASSES)) / N_SAMPLES;
            g[1][c] += (float)d;
            for (size_t k = 0; k < N_INPUTS; k++) {
                g[0][k * N_CLASSES + c] += (float)d * coordinate(s, k);
            }
        }
    }
    return loss;
}

/* -- a bent valley (Rosenbrock 1960) -- */

static const rig_tensor valley_tensors[] = { { .name = "valley.weight", .shape = { 1, { 2 } } } };

static double valley(const bench *b, const float *const *w, float *const *g)
{
    const double x = (double)w[0][0], y = (double)w[0][1], d = y - x * x;
    (void)b;
    if (g) {
        g[0][0] = (float)(-4 * 10 * x * d - 2 * (1 - x));
        g[0][1] = (float)(2 * 10 * d);
    }
    return 10 * d * d + (1 - x) * (1 - x);
}

static const problem problems[] = {
    { "a narrow bowl (curvatures from 0.01 to 1)", bowl_tensors, 2, bowl },
    { "three clouds of points told apart by a softmax", cloud_tensors, 2, clouds },
    { "a bent valley (Rosenbrock's, with 10 for 100)", valley_tensors, 1, valley },
};
enum { N_PROBLEMS = sizeof problems / sizeof problems[0] };

/* -- one run -- */

typedef struct run {
    bench bench;
    const problem *problem;
    bool is_beside; /* starts with the signs of the minimum */
} run;

static double objective(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    const run *x = self;
    (void)evaluation;
    (void)fresh;
    return x->problem->loss(&x->bench, w, g);
}

/* All weights of the clouds may be positive at the minimum, as only their differences count. */
static void start_at(run *x)
{
    for (size_t i = 0; i < x->bench.shapes.n; i++) {
        float *w = optimizer_rig_weights(x->bench.rig, i);
        for (size_t k = 0; k < x->bench.size[i]; k++) {
            const float side = x->problem->loss == bowl ? x->bench.centre[i][k] : 1;
            w[k] = 0.1f * (x->is_beside ? copysignf(w[k], side) : w[k]);
        }
    }
    if (x->problem->loss == valley) {
        optimizer_rig_weights(x->bench.rig, 0)[0] = x->is_beside ? 0.2f : -1.2f;
        optimizer_rig_weights(x->bench.rig, 0)[1] = x->is_beside ? 1.7f : 1.0f;
    }
}

static bool step(run *x, error *err)
{
    bench *b = &x->bench;
    const float *w[BENCH_TENSORS];
    for (size_t i = 0; i < b->shapes.n; i++) {
        w[i] = optimizer_rig_weights(b->rig, i);
    }
    b->update.loss = x->problem->loss(b, w, b->g);
    b->update.objective = objective;
    b->update.objective_self = x;
    b->update.tolerates_nan = true; /* a learning rate may be too large */
    return bench_update(b, err) == OK;
}

/* The loss where it would be evaluated. */
static double loss_now(run *x)
{
    bench *b = &x->bench;
    const float *w[BENCH_TENSORS];
    for (size_t i = 0; i < b->shapes.n; i++) {
        w[i] = b->g[i];
        if (optimizer_rig_eval_weights(b->rig, i, b->g[i], NULL) != OK) {
            return NAN;
        }
    }
    return x->problem->loss(b, w, NULL);
}

/* The least share of the first loss that is left, looked at now and then; NaN where it could not
 * be run. */
static double loss_left(
    const subject *s, const problem *p, bool is_beside, double lr, check_report *r)
{
    enum { EVERY = 50 };
    const bench_shapes shapes = { p->tensor, p->n };
    error err = { 0 };
    run x = { .problem = p, .is_beside = is_beside };
    if (!bench_open(&x.bench, s, "", &shapes, r)) {
        return NAN;
    }
    if (lr > 0) {
        (void)optimizer_rig_set_hyper(x.bench.rig, "lr", lr);
    }
    start_at(&x);
    const double first = loss_now(&x);
    double least = INFINITY;
    for (int t = 1; t <= MOST_STEPS && !(least <= wanted * first); t++) {
        if (!step(&x, &err)) {
            break;
        }
        const double now = t % EVERY == 0 ? loss_now(&x) : INFINITY;
        least = now < least ? now : least;
    }
    bench_close(&x.bench);
    return least / first;
}

static bool is_refused(const subject *s, const problem *p)
{
    const bench_shapes shapes = { p->tensor, p->n };
    check_report own = { 0 };
    bench b;
    const bool opens = bench_open(&b, s, "", &shapes, &own);
    if (opens) {
        bench_close(&b);
    }
    return !opens && own.outcome == CHECK_SKIPPED;
}

/* The default, and some between the ends of the search range; 0: as it is. */
static size_t rates(const subject *s, double out[8])
{
    const assay_hyper *row = bench_real(s, "lr");
    size_t n = 0;
    out[n++] = row && !(row->flags & ASSAY_REQUIRED) ? row->def : 0;
    if (row && (row->flags & ASSAY_TUNE) && row->tune_min > 0) {
        for (int i = 0; i <= 4; i++) {
            out[n++] = row->tune_max * pow(row->tune_min / row->tune_max, i / 4.0);
        }
    } else if (!row || out[0] == 0) { /* that of an inner one */
        out[n++] = 0.3;
        out[n++] = 0.03;
        out[n++] = 0.003;
    }
    return n;
}

static double best_of(const subject *s, const problem *p, bool is_beside, const double *rate,
    size_t n, check_report *r)
{
    double best = INFINITY;
    for (size_t i = 0; i < n && !(best <= wanted) && r->outcome != CHECK_FAILED; i++) {
        const double left = loss_left(s, p, is_beside, rate[i], r);
        best = left < best ? left : best;
    }
    return best;
}

void optimizer_test_learns(const subject *s, check_report *r)
{
    double rate[8];
    const size_t n = rates(s, rate);
    for (size_t p = 0; p < N_PROBLEMS && r->outcome != CHECK_FAILED; p++) {
        if (is_refused(s, &problems[p])) {
            continue;
        }
        const double best = best_of(s, &problems[p], false, rate, n, r);
        if (best <= wanted || r->outcome == CHECK_FAILED) {
            continue;
        }
        const double beside = best_of(s, &problems[p], true, rate, n, r);
        if (!(beside <= wanted) && r->outcome != CHECK_FAILED) {
            check_fail(r,
                "%s: at best %.3g of the first loss was left after %d updates at %zu learning "
                "rates from its search range, and %.3g from a start that has the signs of the "
                "minimum; expected at most %g of either. Look at the sign of the step, at a slot "
                "that is taken for another, and at the range itself",
                problems[p].name, best, (int)MOST_STEPS, n, beside, wanted);
        }
    }
}

/* -- the first step -- */

/* Ten steps so small that the bowl is a slope to them. */
static void direction_under(const subject *s, const char *settings, check_report *r)
{
    const problem *p = &problems[0];
    const bench_shapes shapes = { p->tensor, p->n };
    const assay_hyper *row = bench_real(s, "lr");
    error err = { 0 };
    run x = { .problem = p };
    if (!bench_open(&x.bench, s, settings, &shapes, r)) {
        return;
    }
    const double lr = row && (row->flags & ASSAY_TUNE) ? row->tune_min : 1e-3;
    (void)optimizer_rig_set_hyper(x.bench.rig, "lr", lr);
    (void)optimizer_rig_set_hyper(x.bench.rig, "weight_decay", 0);
    start_at(&x);
    const double first = loss_now(&x);
    for (int t = 1; t <= 10 && r->outcome != CHECK_FAILED && r->outcome != CHECK_WARNED; t++) {
        if (!step(&x, &err)) {
            check_fail(
                r, "with %s: update %d of %s: %s", bench_under(settings), t, p->name, err.text);
            break;
        }
        const double now = loss_now(&x);
        if (now > 2 * first ||
            isnan(now)) { /* its steps are not small under these settings: nothing is known */
            break;
        }
        if (!(now <= first * (1 + 1e-6))) {
            if (!optimizer_rests(s, settings)) { /* the loss is not all that it goes by */
                break;
            }
            check_warn(r,
                "with %s: its first steps go uphill: from a loss of %.9g to %.9g in %d updates of "
                "%s at "
                "a learning rate of %g",
                bench_under(settings), first, now, t, p->name, lr);
        }
    }
    bench_close(&x.bench);
}

void optimizer_test_direction(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, direction_under);
}
