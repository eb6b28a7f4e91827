/* A port held against a recorded run.
 *
 * Both sides begin each step at the recorded weights and see the recorded gradients; their states grow from those alone. So an error in a
 * constant shows at the first step that uses it, with its own size, and one that cancels later is not hidden by it. */
#include "check/optimizer_trajectory.h"

#include "check/optimizer_rig.h"
#include "model/safetensors.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 64 };

/* A recorded run, in the map of its file. */
typedef struct trajectory {
    safetensors *file;
    arena memory;
    const char *settings, *recorded;
    size_t n_steps, n_tensors;
    rig_tensor tensor[MAX_TENSORS];
    size_t size[MAX_TENSORS];
    const float *w0[MAX_TENSORS], *g[MAX_TENSORS], *w[MAX_TENSORS];
} trajectory;

/* Where the port stands farthest from the record. */
typedef struct parting {
    double relative; /* to the recorded step, in norm */
    double ulps; /* of the worst element */
    size_t step, i_tensor, i_element;
    float found, expected;
} parting;

static bool ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

static uint32_t role_of(const char *name, const assay_shape *shape)
{
    if (ends_in(name, "embedding")) return ASSAY_ROLE_EMBEDDING;
    if (ends_in(name, "gain")) return ASSAY_ROLE_GAIN;
    return shape->n_dims > 1 ? ASSAY_ROLE_WEIGHT : ASSAY_ROLE_BIAS;
}

static status read_tensor(trajectory *t, const array *first, error *err)
{
    const size_t i = t->n_tensors;
    rig_tensor *out = &t->tensor[i];
    if (i == MAX_TENSORS || first->n_dims == 0 || first->n_dims > ASSAY_MAX_DIMS || first->n == 0) {
        return fail(err, E_SHAPE,
            "%s: expected at most %d tensors of 1 to %d dimensions and at least one element",
            first->name, MAX_TENSORS, ASSAY_MAX_DIMS);
    }
    out->name = first->name + strlen("w0.");
    out->shape.n_dims = first->n_dims;
    for (size_t k = 0; k < first->n_dims; k++) {
        out->shape.dim[k] = first->dim[k];
    }
    out->role = role_of(out->name, &out->shape);
    out->place = ASSAY_PLACE_HIDDEN;
    t->size[i] = first->n;
    t->w0[i] = first->data;
    const void *g, *w;
    const char *g_name = arena_printf(&t->memory, "g.%s", out->name);
    const char *w_name = arena_printf(&t->memory, "w.%s", out->name);
    if (!g_name || !w_name) return fail_nomem(err, "a recorded run");
    status st = safetensors_get(t->file, g_name, ARRAY_F32, t->n_steps * first->n, &g, err);
    if (st == OK) {
        st = safetensors_get(t->file, w_name, ARRAY_F32, t->n_steps * first->n, &w, err);
    }
    if (st != OK) return st;
    t->g[i] = g;
    t->w[i] = w;
    t->n_tensors++;
    return OK;
}

static status read_notes(trajectory *t, const char *path, error *err)
{
    const char *format = safetensors_metadata(t->file, "format");
    const char *steps = safetensors_metadata(t->file, "steps");
    if (!format || strcmp(format, "assay-trajectory") != 0) {
        return fail(err, E_UNSUPPORTED,
            "%s: its metadata do not say format = assay-trajectory: record it with assay_record.py",
            path);
    }
    char *end = NULL;
    const unsigned long long n = steps ? strtoull(steps, &end, 10) : 0;
    if (n == 0 || n > 1000000 || *end) {
        return fail(err, E_CORRUPT, "%s: its metadata give no number of steps", path);
    }
    t->n_steps = (size_t)n;
    t->settings = safetensors_metadata(t->file, "settings");
    t->recorded = safetensors_metadata(t->file, "recorded");
    if (!t->settings) t->settings = "";
    if (!t->recorded) t->recorded = "a recorded run";
    return OK;
}

static status trajectory_open(const char *path, trajectory *t, error *err)
{
    status st = safetensors_open(path, &t->file, err);
    if (st == OK) st = read_notes(t, path, err);
    for (size_t i = 0; st == OK && i < safetensors_count(t->file); i++) {
        const array *a = safetensors_at(t->file, i);
        if (strncmp(a->name, "w0.", 3) != 0) continue;
        if (a->dtype != ARRAY_F32) {
            return fail(
                err, E_UNSUPPORTED, "%s: %s is %s, expected F32", path, a->name, a->dtype_name);
        }
        st = read_tensor(t, a, err);
        if (st != OK) return error_where(err, "%s", path);
    }
    if (st == OK && t->n_tensors == 0) {
        st = fail(err, E_CORRUPT, "%s: it holds no tensor w0.<name>", path);
    }
    return st;
}

static void trajectory_close(trajectory *t)
{
    safetensors_close(t->file);
    arena_release(&t->memory);
}

/* How many floats lie between two. */
static double ulps_between(float a, float b)
{
    int32_t i, j;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    const int64_t x = i < 0 ? (int64_t)INT32_MIN - i : i, y = j < 0 ? (int64_t)INT32_MIN - j : j;
    return isnan(a) || isnan(b) ? (double)INT32_MAX : fabs((double)(x - y));
}

/* One tensor after one step. True when it agrees. */
static bool compare(const trajectory *t, size_t step, size_t i_tensor, const float *found,
    double tolerance, parting *worst)
{
    const size_t n = t->size[i_tensor];
    const float *before = step == 0 ? t->w0[i_tensor] : t->w[i_tensor] + (step - 1) * n;
    const float *expected = t->w[i_tensor] + step * n;
    double apart = 0, way = 0, rounding = 0, most = -1;
    parting p = { .step = step, .i_tensor = i_tensor };
    for (size_t k = 0; k < n; k++) {
        const double d = fabs((double)found[k] - (double)expected[k]);
        const double moved = (double)expected[k] - (double)before[k];
        /* either side has rounded its weight once */
        const double ulp =
            (double)FLT_EPSILON * fmax(fabs((double)expected[k]), fabs((double)before[k]));
        apart += d * d;
        way += moved * moved;
        rounding += ulp * ulp;
        if (!(d <= most)) {
            most = d;
            p.i_element = k;
            p.found = found[k];
            p.expected = expected[k];
        }
    }
    p.ulps = ulps_between(p.found, p.expected);
    apart = sqrt(apart), way = sqrt(way), rounding = sqrt(rounding);
    const double beyond = apart > rounding ? apart - rounding : 0;
    p.relative = isnan(apart) ? INFINITY : beyond == 0 ? 0 : beyond / way;
    if (p.relative > worst->relative || (p.relative == worst->relative && p.ulps > worst->ulps)) {
        *worst = p;
    }
    return p.relative <= tolerance;
}

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

static void say_parting(const trajectory *t, const parting *p, double tolerance, check_report *r)
{
    char place[256];
    place_text(t, p, place, sizeof place);
    check_fail(r,
        "parts from %s at step %zu in %s: the weight is %.9g, expected %.9g, %.0f ulp apart; over "
        "the tensor %.2g of the step's length, at most %.2g is allowed: %s",
        t->recorded, p->step + 1, place, (double)p->found, (double)p->expected, p->ulps,
        p->relative, tolerance,
        p->step == 0 ? "look at signs, lr, eps, the bias corrections at t = 1, and the settings"
                     : "all steps before agree, so look at what is kept between steps, at what t "
                       "does, and at "
                       "terms that were 0 until now");
}

/* The weights of the step before, as recorded. */
static void seat(const trajectory *t, size_t step, optimizer_rig *rig)
{
    for (size_t i = 0; i < t->n_tensors; i++) {
        const size_t n = t->size[i];
        const float *from = step == 0 ? t->w0[i] : t->w[i] + (step - 1) * n;
        if (optimizer_rig_has(rig, i))
            memcpy(optimizer_rig_weights(rig, i), from, n * sizeof *from);
    }
}

static void follow(const trajectory *t, optimizer_rig *rig, double tolerance, check_report *r)
{
    parting worst = { .relative = -1 };
    error err;
    for (size_t step = 0; step < t->n_steps; step++) {
        const float *g[MAX_TENSORS];
        for (size_t i = 0; i < t->n_tensors; i++) {
            g[i] = t->g[i] + step * t->size[i];
        }
        seat(t, step, rig);
        const rig_update u = { .g = g, .loss = 1 };
        if (optimizer_rig_update(rig, &u, &err) != OK) {
            check_fail(r, "step %zu: %s", step + 1, err.text);
            return;
        }
        for (size_t i = 0; i < t->n_tensors; i++) {
            if (optimizer_rig_has(rig, i) &&
                !compare(t, step, i, optimizer_rig_weights(rig, i), tolerance, &worst)) {
                say_parting(t, &worst, tolerance, r);
                return;
            }
        }
    }
    check_measure(r, "steps that agree", (double)t->n_steps, "");
    check_measure(r, "largest difference", worst.ulps, "ulp");
    check_measure(r, "of a step's length", worst.relative < 0 ? 0 : worst.relative, "relative");
}

void optimizer_trajectory_run(const subject *s, check_report *r)
{
    trajectory t = { .n_steps = 0 };
    specimen p = { 0 };
    optimizer_rig *rig = NULL;
    error err;
    if (!s->against) {
        check_skip(r, "no recorded run was named: --against FILE");
        return;
    }
    status st = trajectory_open(s->against, &t, &err);
    if (st == OK) st = specimen_open(s, t.settings, &p, &err);
    if (st == OK) st = optimizer_rig_open(&p, t.tensor, t.n_tensors, t.w0, &rig, &err);
    if (st == OK) {
        follow(&t, rig, s->tolerance, r);
    } else {
        check_fail(r, "%s", err.text);
    }
    optimizer_rig_free(rig);
    specimen_close(&p);
    trajectory_close(&t);
}
