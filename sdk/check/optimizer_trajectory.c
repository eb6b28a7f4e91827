/* A port held against a recorded run.
 *
 * Where the run is seated, both sides begin each step at the recorded weights and see the recorded gradients; their states grow from those
 * alone. So an error in a constant shows at the first step that uses it, with its own size, and one that cancels later is not hidden by it. */
#include "check/optimizer_trajectory.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the port stands farthest from the record. */
typedef struct parting {
    double relative; /* to the recorded step, or way, in norm */
    double ulps; /* of the worst element */
    size_t step, i_tensor, i_element;
    float found, expected;
    bool is_evaluated; /* it is not the weight, but where the model would be evaluated */
} parting;

/* A case under way. */
typedef struct follower {
    const trajectory *t;
    const trajectory_case *c;
    optimizer_rig *rig;
    double tolerance;
    parting worst;
    double
        most; /* difference of a weight after a step, or way, relative to it, roundings and all */
    float *g[TRAJECTORY_MAX_TENSORS], *x; /* room: of an objective's gradient, of one tensor */
} follower;

/* One tensor's numbers, to be compared: what it should have come to from `before`, which is the step that differences are related to. */
typedef struct comparison {
    size_t n;
    const float *found;
    const double *expected, *before;
    const float *first; /* in the place of before, where that is NULL */
    double n_roundings; /* that either side may have made of each weight, of half an ulp each */
} comparison;

/* How many floats lie between two. */
static double ulps_between(float a, float b)
{
    int32_t i, j;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    const int64_t x = i < 0 ? (int64_t)INT32_MIN - i : i, y = j < 0 ? (int64_t)INT32_MIN - j : j;
    return isnan(a) || isnan(b) ? (double)INT32_MAX : fabs((double)(x - y));
}

/* True when it agrees. */
static bool compare(const comparison *c, parting p, follower *f)
{
    double apart = 0, way = 0, rounding = 0, most = -1;
    for (size_t k = 0; k < c->n; k++) {
        const double before = c->before ? c->before[k] : (double)c->first[k];
        const double d = fabs((double)c->found[k] - c->expected[k]);
        const double moved = c->expected[k] - before;
        const double half_ulp =
            0.5 * (double)FLT_EPSILON * fmax(fabs(c->expected[k]), fabs(before));
        apart += d * d;
        way += moved * moved;
        rounding += pow(c->n_roundings * half_ulp, 2);
        if (!(d <= most)) {
            most = d;
            p.i_element = k;
            p.found = c->found[k];
            p.expected = (float)c->expected[k];
        }
    }
    p.ulps = ulps_between(p.found, p.expected);
    apart = sqrt(apart), way = sqrt(way), rounding = sqrt(rounding);
    if (apart > f->most * way && way > 0) f->most = apart / way;
    const double beyond = apart > rounding ? apart - rounding : 0;
    p.relative = isnan(apart) ? INFINITY : beyond == 0 ? 0 : beyond / way;
    parting *worst = &f->worst;
    if (p.relative > worst->relative || (p.relative == worst->relative && p.ulps > worst->ulps)) {
        *worst = p;
    }
    return p.relative <= f->tolerance;
}

/* Seated, each side has rounded its weight once; free, once per step. */
static bool compare_weights(follower *f, size_t step, size_t i)
{
    const trajectory *t = f->t;
    const size_t n = t->size[i];
    const double *w = f->c->w[i];
    const bool is_first = t->is_free || step == 0;
    const comparison c = { .n = n,
        .found = optimizer_rig_weights(f->rig, i),
        .expected = w + step * n,
        .before = is_first ? NULL : w + (step - 1) * n,
        .first = t->w0[i],
        .n_roundings = t->is_free ? (double)step + 1 : 2 };
    return compare(&c, (parting){ .step = step, .i_tensor = i }, f);
}

/* Where the model would be evaluated may lie on a line through two that are rounded in each step, which triples the roundings. */
static status compare_evaluated(follower *f, size_t step, size_t i, bool *out_agrees, error *err)
{
    const trajectory *t = f->t;
    const size_t n = t->size[i];
    const double *x = f->c->x[i];
    if (!x || (f->c->x_is_last && step + 1 < t->n_steps)) return OK;
    const status st = optimizer_rig_eval_weights(f->rig, i, f->x, err);
    if (st != OK) return st;
    const comparison c = { .n = n,
        .found = f->x,
        .expected = f->c->x_is_last ? x : x + step * n,
        .first = t->w0[i],
        .n_roundings = 3 * ((double)step + 1) };
    *out_agrees = compare(&c, (parting){ .step = step, .i_tensor = i, .is_evaluated = true }, f);
    return OK;
}

/* -- words -- */

static void place_text(const trajectory *t, const parting *p, char *out, size_t room)
{
    const assay_shape *s = &t->tensor[p->i_tensor].shape;
    size_t at = (size_t)snprintf(out, room, "%s[", t->tensor[p->i_tensor].name);
    size_t rest = t->size[p->i_tensor], element = p->i_element;
    for (uint64_t k = 0; k < s->n_dims && at < room; k++) {
        rest /= s->dim[k];
        at += (size_t)snprintf(
            out + at, room - at, "%zu%s", element / rest, k + 1 < s->n_dims ? ", " : "]");
        element %= rest;
    }
}

/* "case options: ", or nothing where there is but one without a name of its own. */
static void case_text(const follower *f, char *out, size_t room)
{
    const bool is_only = f->t->n_cases == 1 && strcmp(f->c->name, "w") == 0;
    snprintf(out, room, "%s%s%s", is_only ? "" : "case ", is_only ? "" : f->c->name,
        is_only ? "" : ": ");
}

static const char *advice(const trajectory *t, const parting *p)
{
    if (p->is_evaluated) return "the weights agree, so look at eval_weights and at what it reads";
    if (p->step == 0)
        return "look at signs, lr, eps, the bias corrections at t = 1, and the settings";
    return t->is_free
        ? "all steps before agree, so look at what is kept between steps, and at what t does"
        : "all steps before agree, so look at what is kept between steps, at what t does, "
          "and at terms that were 0 until now";
}

static void say_parting(const follower *f, check_report *r)
{
    const parting *p = &f->worst;
    char place[256], which[128];
    place_text(f->t, p, place, sizeof place);
    case_text(f, which, sizeof which);
    check_fail(r,
        "%sparts from %s at step %zu in %s: %s is %.9g, expected %.9g, %.0f ulp apart; over "
        "the tensor %.2g of the %s, at most %.2g is allowed: %s%s",
        which, f->t->recorded, p->step + 1, place,
        p->is_evaluated ? "where the model is evaluated" : "the weight", (double)p->found,
        (double)p->expected, p->ulps, p->relative,
        f->t->is_free || p->is_evaluated ? "way from the first weights" : "step's length",
        f->tolerance, advice(f->t, p),
        f->c->settings[0] ? "" : "; no settings were recorded: the port ran with its defaults");
}

/* -- a case -- */

/* The weights of the step before, as recorded. */
static void seat(const follower *f, size_t step)
{
    for (size_t i = 0; i < f->t->n_tensors; i++) {
        const size_t n = f->t->size[i];
        float *w = optimizer_rig_has(f->rig, i) ? optimizer_rig_weights(f->rig, i) : NULL;
        for (size_t k = 0; w && step > 0 && k < n; k++) {
            w[k] = (float)f->c->w[i][(step - 1) * n + k];
        }
    }
}

static status update(follower *f, size_t step, error *err)
{
    const trajectory *t = f->t;
    const float *g[TRAJECTORY_MAX_TENSORS], *w[TRAJECTORY_MAX_TENSORS];
    rig_update u = { .g = g, .loss = 1 };
    for (size_t i = 0; i < t->n_tensors; i++) {
        g[i] = t->has_objective ? f->g[i] : t->g[i] + step * t->size[i];
        w[i] = optimizer_rig_has(f->rig, i) ? optimizer_rig_weights(f->rig, i) : t->w0[i];
    }
    if (t->has_objective) {
        u.objective = trajectory_objective;
        u.objective_self = (void *)(uintptr_t)t;
        u.loss = trajectory_objective(u.objective_self, w, f->g, 0, false);
    }
    return optimizer_rig_update(f->rig, &u, err);
}

/* All tensors after one step. */
static status compare_all(follower *f, size_t step, bool *out_agree, error *err)
{
    for (size_t i = 0; i < f->t->n_tensors; i++) {
        if (!optimizer_rig_has(f->rig, i)) continue;
        *out_agree = compare_weights(f, step, i);
        const status st = *out_agree ? compare_evaluated(f, step, i, out_agree, err) : OK;
        if (st != OK || !*out_agree) return st;
    }
    return OK;
}

/* False where the report has got its message. */
static bool follow(follower *f, check_report *r)
{
    char which[128];
    error err = { 0 };
    case_text(f, which, sizeof which);
    for (size_t step = 0; step < f->t->n_steps; step++) {
        bool agrees = true;
        if (!f->t->is_free) seat(f, step);
        status st = update(f, step, &err);
        if (st == OK) st = compare_all(f, step, &agrees, &err);
        if (st != OK) {
            check_fail(r, "%sstep %zu: %s", which, step + 1, err.text);
            return false;
        }
        if (!agrees) {
            say_parting(f, r);
            return false;
        }
    }
    return true;
}

static status make_room(follower *f, error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < f->t->n_tensors; i++) {
        const size_t n = f->t->size[i];
        most = n > most ? n : most;
        f->g[i] = f->t->has_objective ? calloc(n, sizeof(float)) : NULL;
        if (f->t->has_objective && !f->g[i]) return fail_nomem(err, "a recorded run");
    }
    f->x = calloc(most, sizeof *f->x);
    return f->x ? OK : fail_nomem(err, "a recorded run");
}

static bool run_case(const subject *s, follower *f, check_report *r)
{
    specimen p = { 0 };
    error err = { 0 };
    char which[128];
    bool agrees = false;
    f->rig = NULL;
    status st = specimen_open(s, f->c->settings, &p, &err);
    if (st == OK) {
        st = optimizer_rig_open(&p, f->t->tensor, f->t->n_tensors, f->t->w0, &f->rig, &err);
    }
    if (st == OK) {
        agrees = follow(f, r);
    } else {
        case_text(f, which, sizeof which);
        check_fail(r, "%s%s", which, err.text);
    }
    optimizer_rig_free(f->rig);
    specimen_close(&p);
    return agrees;
}

static void run_cases(const subject *s, const trajectory *t, check_report *r)
{
    follower f = { .t = t, .tolerance = s->tolerance, .worst = { .relative = -1 } };
    error err = { 0 };
    bool agrees = true;
    if (make_room(&f, &err) != OK) {
        check_fail(r, "%s", err.text);
        agrees = false;
    }
    for (size_t i = 0; agrees && i < t->n_cases; i++) {
        f.c = &t->run[i];
        agrees = run_case(s, &f, r);
    }
    for (size_t i = 0; i < t->n_tensors; i++) {
        free(f.g[i]);
    }
    free(f.x);
    if (!agrees) return;
    check_measure(r, "steps that agree", (double)(t->n_steps * t->n_cases), "");
    check_measure(r, "largest difference", f.worst.ulps, "ulp");
    check_measure(r, t->is_free ? "of the way" : "of a step's length", f.most, "relative");
    check_measure(r, "but for the rounding of weights", f.worst.relative, "relative");
}

void optimizer_trajectory_run(const subject *s, check_report *r)
{
    trajectory *t = NULL;
    error err = { 0 };
    if (!s->against) {
        check_skip(r, "no recorded run was named: --against FILE");
        return;
    }
    if (trajectory_open(s->against, &t, &err) != OK) {
        check_fail(r, "%s", err.text);
        return;
    }
    run_cases(s, t, r);
    trajectory_close(t);
}
