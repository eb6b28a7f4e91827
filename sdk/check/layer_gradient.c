/* Gradients of a layer against differences of what it puts out.
 *
 * The objective is sum(dy y) + sum(dcarry_out carry_out), summed in double. Its slope along one number (and along a direction
 * of all numbers, where there are too many) is taken by the five-point rule
 *
 *   D(h) = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h        error h^4 f^(5) / 30, noise about eps |f| / h
 *
 * with h = 1/16, 1/32 ... 1/1024 until two after one another agree; the later one counts. Where none do, there is a kink
 * nearby, or rounding drowns the slope: such an element is passed over, and looked at again from another point. A kink very
 * close by shows in another way: the slopes to either side differ by as much however small h is. And an element that is off
 * must be off with h = 1/64, 1/256 ... 1/4096, too: two differences can agree by chance across several kinks.
 *
 * An element that is off counts where its array has one that is off at another point, too.
 *
 * A layer that sets plan->surrogate is looked at, too, but an array counts against it only where most of its elements agree
 * with differences: then its gradient does not pass through the replaced part.
 *
 * Tolerance: 1e-3 of the slope, 1e-4 of the array's root mean square slope (an element near 0 has the absolute error of its
 * neighbours), twice what the two differences disagree by, and the noise. */
#include "check/layer_cases.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_STEPS = 7,
    N_POINTS = 4,
    MOST_ELEMENTS = 160,
    N_TRIES = 6, /* from N_INPUTS_TRIED on with other weights, too */
    N_INPUTS_TRIED = 3,
    MOST_VARIABLES = 2 * LAYER_RIG_MAX
};

/* Something that the objective depends on. */
typedef struct variable {
    char name[64];
    float *v; // [n]
    const guarded *d; /* what backward says */
    float *found; /* a copy of it, [n] */
    size_t n;
    const assay_shape *shape;
    uint64_t batch; /* 0: of a parameter */
    assay_shape own_shape;
    bool is_param, is_verified;
    bool
        is_free; /* may be anything: of a surrogate, where it passes through what backward replaces */
    unsigned n_off; /* points at which an element was off */
    double *slope, *doubt; /* [n] of differences; doubt is infinite where they gave none */
} variable;

typedef struct differ {
    layer_pass *p;
    check_report *rep;
    layer_buffers buffers;
    variable var[MOST_VARIABLES];
    size_t n_vars;
    size_t n_out; /* numbers put out */
    float *out[N_POINTS], *base; // [n_out]
    double *weight; /* [n_out] dy and dcarry_out */
    size_t most_elements;
    uint64_t seed;
} differ;

/* -- what is put out -- */

static void collect(const layer_pass *p, float *out)
{
    const layer_rig *r = p->rig;
    const size_t n = layer_pass_y_size(p);
    memcpy(out, p->y.at, n * sizeof *out);
    size_t at = n;
    for (size_t i = 0; i < r->n_carry; i++) {
        memcpy(out + at, p->carry_out[i].at, layer_pass_carry_size(p, i) * sizeof *out);
        at += layer_pass_carry_size(p, i);
    }
}

static void collect_weights(const layer_pass *p, double *weight)
{
    const layer_rig *r = p->rig;
    const float *dy = p->dy.at;
    size_t at = 0;
    for (; at < layer_pass_y_size(p); at++) {
        weight[at] = (double)dy[at];
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        const float *d = p->dcarry_out_view[i];
        for (size_t k = 0; k < layer_pass_carry_size(p, i); k++) {
            weight[at++] = d ? (double)d[k] : 0;
        }
    }
}

static bool evaluate(differ *f, const variable *v, float *out)
{
    layer_buffers_restore(&f->buffers);
    if (v->is_param && !layer_make_ready(f->p->rig, true, f->rep)) return false;
    if (!layer_run_forward(f->p, f->rep)) return false;
    collect(f->p, out);
    return true;
}

/* -- differences -- */

/* Moves v[] to v0[] + t way[]; way NULL: the one element i. */
static void move(const variable *v, const float *v0, const float *way, size_t i, double t)
{
    for (size_t k = 0; way && k < v->n; k++) {
        v->v[k] = (float)((double)v0[k] + t * (double)way[k]);
    }
    if (!way) v->v[i] = (float)((double)v0[i] + t);
}

/* D(h), the noise that rounding of what is put out leaves in it, and by how much the slopes to either side differ. */
typedef struct estimate {
    double slope, noise, bend;
} estimate;

static estimate estimate_from(const differ *f, double h)
{
    double sum = 0, bend = 0, square = 0, largest = 0;
    for (size_t k = 0; k < f->n_out; k++) {
        const double y[N_POINTS] = { (double)f->out[0][k], (double)f->out[1][k],
            (double)f->out[2][k], (double)f->out[3][k] };
        const double d = 8 * (y[2] - y[1]) - (y[3] - y[0]), w = f->weight[k];
        const double size = w * w * (y[1] * y[1] + 1e-4);
        sum += w * d;
        bend += w * (y[1] + y[2] - 2 * (double)f->base[k]);
        if (d != 0) square += size;
        largest = fmax(largest, size); /* a change may be too small to show */
    }
    return (estimate){ sum / (12 * h), 6e-8 * sqrt(fmax(square, largest)) / h, fabs(bend) / h };
}

static bool difference(differ *f, const variable *v, const float *v0, const float *way, size_t i,
    double h, estimate *out)
{
    static const double at[N_POINTS] = { -2, -1, 1, 2 };
    bool ok = true;
    for (size_t k = 0; ok && k < N_POINTS; k++) {
        move(v, v0, way, i, at[k] * h);
        ok = evaluate(f, v, f->out[k]);
    }
    move(v, v0, way, i, 0);
    if (ok) *out = estimate_from(f, h);
    return ok;
}

/* The slope and how far it can be trusted; doubt is infinite where it cannot. */
static bool slope_at(differ *f, const variable *v, const float *v0, const float *way, size_t i,
    double *out_slope, double *out_doubt)
{
    estimate before = { 0 }, now = { 0 };
    double h = 1.0 / 16;
    *out_doubt = INFINITY;
    for (size_t k = 0; k < N_STEPS; k++, h /= 2, before = now) {
        if (!difference(f, v, v0, way, i, h, &now)) return false;
        const double apart = fabs(now.slope - before.slope);
        const double small = 3e-4 * fabs(now.slope) + 4 * now.noise;
        if (k > 0 && apart <= small && now.bend <= 0.7 * before.bend + small) {
            *out_slope = now.slope;
            *out_doubt = 2 * apart + 4 * now.noise;
            return true;
        }
    }
    return true;
}

/* -- judging -- */

static const char *meaning_of(double found, double expected, double tolerance)
{
    if (fabs(found + expected) <= tolerance) return "it has the wrong sign";
    if (found == 0) return "it is missing: a term is dropped, or an index goes elsewhere";
    if (fabs(found - 2 * expected) <= 2 * tolerance) return "it is twice as large as it should be";
    if (fabs(2 * found - expected) <= tolerance) return "it is half as large as it should be";
    if (expected == 0) return "what is put out does not depend on this number, or not here";
    return "backward does not belong to forward: look for a term, factor, index or sign";
}

/* Off at one point may be a kink; off at two is a fault. */
static void complain(
    differ *f, variable *v, size_t i, double found, double expected, double tolerance)
{
    char place[64] = "along a random direction", title[320];
    if (++v->n_off < 2) return;
    if (i < v->n) layer_place(v->shape, v->batch, i, place, sizeof place);
    check_fail(f->rep,
        "backward: the gradient of %s %s is %.7g, expected %.7g by differences of forward (to "
        "%.2g): %s (%s)",
        v->name, place, found, expected, tolerance, meaning_of(found, expected, tolerance),
        layer_pass_title(f->p, title, sizeof title));
}

static double root_mean_square(const variable *v, size_t *out_n)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (!(v->doubt[i] < INFINITY)) continue;
        sum += v->slope[i] * v->slope[i];
        n++;
    }
    *out_n = n;
    return n ? sqrt(sum / (double)n) : 0;
}

static double tolerance_of(const variable *v, size_t i, double rms)
{
    return 1e-3 * fabs(v->slope[i]) + 1e-4 * rms + v->doubt[i];
}

/* Whether the element is off with small steps, too; else nothing is known about it. A kink within a step makes it look off,
 * but then the slopes to either side differ, and by as much with a quarter of the step. */
static bool is_confirmed(differ *f, const variable *v, const float *v0, const float *way, size_t i,
    double found, double floor)
{
    double bend_before = INFINITY, first = INFINITY;
    for (double h = 1.0 / 64; h > 1.0 / 5000; h /= 4) {
        estimate e;
        if (!difference(f, v, v0, way, i, h, &e)) return false;
        const double off = fabs(found - e.slope), noise = 8 * e.noise;
        const double tolerance = 1e-3 * fabs(e.slope) + floor;
        const bool is_drowned = noise > first / 2; /* by rounding */
        if (!is_drowned && off <= tolerance + noise) return false;
        if (h < 1.0 / 128 && e.bend > noise && e.bend > 0.4 * bend_before) return false;
        bend_before = e.bend;
        if (first == INFINITY) first = off;
    }
    return true;
}

/* Whether elements of a surrogate are off by the half: then its gradient is one of those that are replaced. */
static bool is_replaced(const variable *v, double rms)
{
    size_t n = 0, n_off = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (!(v->doubt[i] < INFINITY)) continue;
        n++;
        n_off += fabs((double)v->found[i] - v->slope[i]) > tolerance_of(v, i, rms);
    }
    return 2 * n_off >= n && n_off > 0;
}

/* Every element that differences have a slope for; false after reporting one. */
static bool judge(differ *f, variable *v, const float *v0, size_t n_tried)
{
    size_t n = 0;
    const double rms = root_mean_square(v, &n);
    const bool is_surrogate = f->p->rig->plan.surrogate != 0;
    v->is_free |= is_surrogate && (n == 0 || is_replaced(v, rms));
    for (size_t i = 0; i < v->n && !v->is_free; i++) {
        if (!(v->doubt[i] < INFINITY)) continue;
        const double tolerance = tolerance_of(v, i, rms);
        if (fabs((double)v->found[i] - v->slope[i]) <= tolerance) continue;
        if (!is_confirmed(f, v, v0, NULL, i, (double)v->found[i], 1e-4 * rms)) {
            n--;
            continue;
        }
        complain(f, v, i, (double)v->found[i], v->slope[i], tolerance);
        return f->rep->outcome != CHECK_FAILED;
    }
    v->is_verified |= 2 * n >= n_tried;
    return f->rep->outcome != CHECK_FAILED;
}

/* Along a random direction of all elements: an error in any of those that were not looked at. */
static bool judge_direction(differ *f, variable *v, const float *v0, float *way)
{
    double slope = 0, doubt = 0, along = 0, square = 0;
    ugly_numbers(way, v->n, 0.05, 0.5, f->seed + 900);
    for (size_t i = 0; i < v->n; i++) {
        along += (double)v->found[i] * (double)way[i];
        square += (double)v->found[i] * (double)v->found[i] * (double)way[i] * (double)way[i];
    }
    if (!slope_at(f, v, v0, way, 0, &slope, &doubt)) return false;
    const double tolerance = 1e-3 * fabs(slope) + 1e-3 * sqrt(square) + doubt;
    if (fabs(along - slope) <= tolerance) return true;
    if (!is_confirmed(f, v, v0, way, 0, along, 1e-3 * sqrt(square))) {
        return f->rep->outcome != CHECK_FAILED;
    }
    complain(f, v, v->n, along, slope, tolerance);
    return f->rep->outcome != CHECK_FAILED;
}

static bool check_variable(differ *f, variable *v)
{
    const rng random = rng_make(f->seed, "check/elements");
    float *v0 = malloc((v->n + 1) * sizeof *v0), *way = malloc((v->n + 1) * sizeof *way);
    const size_t n = v->n < f->most_elements ? v->n : f->most_elements;
    bool ok = v0 && way;
    if (ok) memcpy(v0, v->v, v->n * sizeof *v0);
    ok = ok && evaluate(f, v, f->base);
    for (size_t i = 0; i < v->n; i++) {
        v->doubt[i] = INFINITY;
    }
    for (size_t k = 0; ok && k < n; k++) {
        const size_t i = n == v->n ? k : (size_t)rng_below(random, 0, k, v->n);
        ok = slope_at(f, v, v0, NULL, i, &v->slope[i], &v->doubt[i]);
    }
    ok = ok && judge(f, v, v0, n) && (n == v->n || v->is_free || judge_direction(f, v, v0, way));
    if (v0) memcpy(v->v, v0, v->n * sizeof *v0);
    free(v0);
    free(way);
    return ok && (!v->is_param || layer_make_ready(f->p->rig, true, f->rep));
}

/* -- variables -- */

static bool add_variable(differ *f, float *v, const guarded *d, size_t n, const char *name)
{
    variable *a = &f->var[f->n_vars];
    if (f->n_vars == MOST_VARIABLES || n == 0) return true;
    *a = (variable){ .v = v, .d = d, .n = n };
    snprintf(a->name, sizeof a->name, "%s", name);
    a->found = malloc(n * sizeof *a->found);
    a->slope = malloc(n * sizeof *a->slope);
    a->doubt = malloc(n * sizeof *a->doubt);
    f->n_vars++;
    return a->found && a->slope && a->doubt;
}

static bool add_variables(differ *f)
{
    layer_pass *p = f->p;
    const layer_rig *r = p->rig;
    char name[64];
    bool ok = true;
    for (size_t i = 0; ok && i < r->plan.n_in; i++) {
        if (!p->dx_view[i]) continue;
        snprintf(name, sizeof name, "input %zu (x[%zu])", i, i);
        ok = add_variable(f, p->x[i].at, &p->dx[i], layer_pass_x_size(p, i), name);
        f->var[f->n_vars - 1].shape = &r->in_shape[i];
        f->var[f->n_vars - 1].batch = p->io.batch;
    }
    for (size_t i = 0; ok && i < r->n_params; i++) {
        snprintf(name, sizeof name, "parameter \"%.40s\"", r->param[i].name);
        ok = add_variable(f, r->param[i].v, &p->dparam[i], r->param[i].n, name);
        variable *v = &f->var[f->n_vars - 1];
        v->is_param = true;
        v->own_shape =
            r->transposed[i] ? (assay_shape){ 1, { r->param[i].n } } : r->param[i].param.shape;
        v->shape = &v->own_shape;
    }
    for (size_t i = 0; ok && i < r->n_carry; i++) {
        if (!p->carry_in_view[i]) continue;
        snprintf(name, sizeof name, "the carried state \"%.30s\"", r->carry_name[i]);
        ok =
            add_variable(f, p->carry_in[i].at, &p->dcarry_in[i], layer_pass_carry_size(p, i), name);
        variable *v = &f->var[f->n_vars - 1];
        v->own_shape = (assay_shape){ 2, { p->io.batch, r->carry[i] } };
        v->shape = &v->own_shape;
    }
    return ok;
}

static void release(differ *f)
{
    for (size_t i = 0; i < f->n_vars; i++) {
        free(f->var[i].found);
        free(f->var[i].slope);
        free(f->var[i].doubt);
    }
    for (size_t i = 0; i < N_POINTS; i++) {
        free(f->out[i]);
    }
    free(f->base);
    free(f->weight);
    layer_buffers_release(&f->buffers);
}

/* What backward says at this point. */
static bool run_backward(differ *f)
{
    f->p->is_unwatched = false;
    layer_buffers_restore(&f->buffers);
    if (!layer_make_ready(f->p->rig, true, f->rep) || !layer_run(f->p, f->rep)) return false;
    for (size_t i = 0; i < f->n_vars; i++) {
        memcpy(f->var[i].found, f->var[i].d->at, f->var[i].n * sizeof(float));
    }
    collect_weights(f->p, f->weight);
    return true;
}

/* Large layers get fewer elements: some 1e8 multiply-accumulates a variable. */
static size_t affordable(const layer_pass *p)
{
    size_t floats = layer_pass_y_size(p);
    for (size_t i = 0; i < p->rig->n_params; i++) {
        floats += p->rig->param[i].n;
    }
    const double work = p->rig->plan.macs * (double)(p->io.time * p->io.batch) + (double)floats;
    const double n = 1e8 / (8 * (work + 1000));
    return n > MOST_ELEMENTS ? MOST_ELEMENTS : n < 6 ? 6 : (size_t)n;
}

static bool lay_out(differ *f)
{
    const layer_pass *p = f->p;
    f->n_out = layer_pass_y_size(p);
    for (size_t i = 0; i < p->rig->n_carry; i++) {
        f->n_out += layer_pass_carry_size(p, i);
    }
    bool ok = (f->weight = calloc(f->n_out, sizeof *f->weight)) != NULL &&
        (f->base = calloc(f->n_out, sizeof *f->base)) != NULL;
    for (size_t i = 0; i < N_POINTS; i++) {
        ok = (f->out[i] = calloc(f->n_out, sizeof(float))) && ok;
    }
    return ok && layer_buffers_keep(&f->buffers, p->rig) && add_variables(f);
}

/* Whether nothing more is to be learnt of it from another point. */
static bool is_settled(const variable *v)
{
    return v->is_free || (v->is_verified && v->n_off == 0);
}

static bool is_done(const differ *f)
{
    for (size_t i = 0; i < f->n_vars; i++) {
        if (!is_settled(&f->var[i])) return false;
    }
    return true;
}

static void warn_unverified(const differ *f)
{
    char title[320];
    for (size_t i = 0; i < f->n_vars; i++) {
        if (f->var[i].is_verified || f->var[i].is_free) continue;
        check_warn(f->rep,
            "the gradient of %s could not be verified: differences of forward do not settle for "
            "most of its elements (%s)",
            f->var[i].name, layer_pass_title(f->p, title, sizeof title));
    }
}

/* What is not compared, and why; or that nothing needed to be left out. */
static void tell_surrogate(const differ *f)
{
    char names[400] = "", title[320];
    size_t used = 0;
    (void)layer_pass_title(f->p, title, sizeof title);
    for (size_t i = 0; i < f->n_vars && used < sizeof names; i++) {
        if (!f->var[i].is_free) continue;
        const int n =
            snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", f->var[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used == 0) {
        check_warn(f->rep,
            "plan sets surrogate, but backward is the derivative of forward: leave surrogate at 0, "
            "so that gradients are held to it (%s)",
            title);
        return;
    }
    check_skip(f->rep,
        "plan sets surrogate: backward is on purpose not the derivative of forward, so gradients "
        "that pass through it are not compared: of %s (%s)",
        names, title);
}

/* The gradients of a pass as it stands, from several points where one is not enough. */
static bool check_gradients(layer_pass *p, check_report *rep)
{
    layer_rig *r = p->rig;
    differ f = { .p = p, .rep = rep, .most_elements = affordable(p), .seed = r->subject->seed };
    bool ok = lay_out(&f);
    if (!ok) check_fail(rep, "out of memory for differences");
    for (size_t k = 0; ok && k < N_TRIES && !is_done(&f); k++) {
        if (k > 0) layer_pass_fill(p, r->subject->seed + 7 * k);
        if (k >= N_INPUTS_TRIED) layer_rig_fill(r, r->subject->seed + 7 * k);
        ok = run_backward(&f);
        p->is_unwatched = true;
        for (size_t i = 0; ok && i < f.n_vars; i++) {
            ok = is_settled(&f.var[i]) || check_variable(&f, &f.var[i]);
        }
        p->is_unwatched = false;
    }
    if (ok) warn_unverified(&f);
    layer_rig_fill(r, r->subject->seed);
    if (ok && r->plan.surrogate) tell_surrogate(&f);
    layer_buffers_restore(&f.buffers);
    release(&f);
    return ok;
}

/* -- tests -- */

typedef enum way { WHOLE, PADDED, WEIGHTED } way;

static bool one_way(layer_rig *r, uint64_t time, uint64_t batch, way w, check_report *rep)
{
    static const uint32_t lengths[4] = { 2, 4, 1, 3 };
    layer_pass *p = NULL;
    bool ok = layer_begin(r, time, batch, &p, rep);
    if (ok) {
        layer_pass_carry(p, w != WEIGHTED && time > 1);
        if (w == PADDED) layer_pass_lengths(p, lengths);
        if (w == WEIGHTED) layer_pass_weigh(p, r->subject->seed);
        ok = check_gradients(p, rep);
    }
    layer_pass_free(p);
    return ok;
}

static void gradient_case(layer_rig *r, check_report *rep)
{
    (void)(one_way(r, 4, 3, WHOLE, rep) && one_way(r, 4, 3, PADDED, rep) &&
        (r->settings[0] || one_way(r, 3, 4, WEIGHTED, rep)));
}

void check_layer_gradient(const subject *s, check_report *rep)
{
    const layer_cases c = {
        .all_settings = true, .pairs = true, .options = { .max_time = 4, .max_batch = 4 }
    };
    layer_each(s, &c, gradient_case, rep);
}

static void transposed_case(layer_rig *r, check_report *rep)
{
    bool is_any = false;
    for (size_t i = 0; i < r->n_params; i++) {
        is_any |= r->transposed[i] != 0;
    }
    if (!is_any) {
        if (!r->settings[0]) check_skip(rep, "no parameter has ASSAY_PARAM_TIE_TRANSPOSED");
        return;
    }
    const layer_rig_options plain_options = { .max_time = 4, .max_batch = 4 };
    layer_rig *plain = NULL;
    layer_pass *p = NULL, *q = NULL;
    error err = { 0 };
    if (layer_rig_open(r->subject, r->settings, r->signature, &plain_options, &plain, &err) != OK) {
        layer_fault(rep, r, &err);
        return;
    }
    if (one_way(r, 4, 3, WHOLE, rep) && layer_begin(r, 2, 3, &p, rep) &&
        layer_begin(plain, 2, 3, &q, rep) && layer_run(p, rep) && layer_run(q, rep)) {
        (void)layer_same(rep, p, q, COMPARE_FORWARD | COMPARE_DX, 1e-5,
            "with a parameter stored transposed (io->transposed) the same is expected as with it "
            "stored plainly");
    }
    layer_pass_free(p);
    layer_pass_free(q);
    layer_rig_free(plain);
}

void check_layer_gradient_transposed(const subject *s, check_report *rep)
{
    const layer_cases c = { .all_settings = true,
        .options = { .max_time = 4, .max_batch = 4, .transposed = true } };
    layer_each(s, &c, transposed_case, rep);
}

static void single_case(layer_rig *r, check_report *rep)
{
    (void)(one_way(r, 1, 1, WHOLE, rep) && one_way(r, 1, 4, WHOLE, rep));
}

void check_layer_gradient_single(const subject *s, check_report *rep)
{
    const layer_cases c = { .options = { .max_time = 1, .max_batch = 4 } };
    layer_each(s, &c, single_case, rep);
}
