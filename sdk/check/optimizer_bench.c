/* Weights are normal numbers; gradients, too, but of different sizes, from 1e-3 to 1, by
 * element. Both are functions of seed, tensor, element and time, so two benches of one seed see
 * the same. */
#include "check/optimizer_bench.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHAPES(before) \
    { .name = "in.weight", \
        .shape = { 2, { 7, 5 } }, \
        .role = ASSAY_ROLE_WEIGHT, \
        .place = ASSAY_PLACE_INPUT, \
        .guard_before = (before) }, \
        { .name = "in.bias", \
            .shape = { 1, { 5 } }, \
            .role = ASSAY_ROLE_BIAS, \
            .place = ASSAY_PLACE_INPUT, \
            .guard_before = !(before) }, \
        { .name = "gates.recurrent", \
            .shape = { 2, { 3, 12 } }, \
            .role = ASSAY_ROLE_RECURRENT, \
            .blocks = 4, \
            .guard_before = (before) }, \
        { .name = "norm.gain", \
            .shape = { 1, { 1 } }, \
            .role = ASSAY_ROLE_GAIN, \
            .guard_before = (before) }, \
        { .name = "conv.weight", .shape = { 4, { 4, 3, 2, 3 } }, .guard_before = !(before) }, \
        { .name = "tokens.weight", \
            .shape = { 2, { 11, 3 } }, \
            .role = ASSAY_ROLE_EMBEDDING, \
            .guard_before = !(before) }, \
    { \
        .name = "out.weight", .shape = { 2, { 6, 1 } }, .place = ASSAY_PLACE_OUTPUT, \
        .guard_before = (before) \
    }

static const rig_tensor small[] = { SHAPES(false) }, small_before[] = { SHAPES(true) };
static const rig_tensor wide[] = { SHAPES(false),
    { .name = "wide.weight", .shape = { 2, { 3, 1999 } } } };
static const rig_tensor vector[] = { { .name = "only.weight", .shape = { 1, { 53 } } } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
const bench_shapes bench_small = { small, COUNT(small) };
const bench_shapes bench_small_before = { small_before, COUNT(small_before) };
const bench_shapes bench_wide = { wide, COUNT(wide) };
const bench_shapes bench_vector = { vector, COUNT(vector) };

const char *bench_under(const char *settings)
{
    return settings[0] ? settings : "the defaults";
}

const assay_hyper *bench_real(const subject *s, const char *name)
{
    const assay_hyper *row = hyper_find(&s->component->hypers, name);
    return row && row->type == ASSAY_TYPE_REAL ? row : NULL;
}

/* -- numbers -- */

static void normals(const bench *b, const char *purpose, uint64_t stream, float *out, size_t n)
{
    rng_normal(rng_make(b->seed, purpose), stream, 0, out, n);
    for (size_t i = 0; i < n; i++) {
        out[i] *= b->sign;
    }
}

static uint64_t stream_of(const bench *b, size_t i_tensor)
{
    return b->alike ? 0 : i_tensor;
}

static void turn(const bench *b, float *x, size_t n)
{
    if (b->turn == 0) {
        return;
    }
    float *copy = malloc(n * sizeof *copy);
    if (copy) {
        memcpy(copy, x, n * sizeof *copy);
        for (size_t i = 0; i < n; i++) {
            x[(i + b->turn) % n] = copy[i];
        }
    }
    free(copy);
}

double bench_objective(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    const bench *b = self;
    double loss = 0;
    for (size_t i = 0; i < b->shapes.n; i++) {
        for (size_t k = 0; k < b->size[i]; k++) {
            const float shift = fresh ? b->sign * 0.0731f * (float)(evaluation % 5) : 0;
            const float a = 0.05f * (float)(1 + k % 7);
            const float d = w[i][k] - b->centre[i][k] - shift;
            loss += 0.5 * (double)(a * d * d);
            if (g) {
                g[i][k] = b->scale * a * d;
            }
        }
    }
    return (double)b->scale * loss;
}

void bench_fill_gradient(bench *b)
{
    const uint64_t t = optimizer_rig_n_updates(b->rig) + 1;
    const float *w[BENCH_TENSORS];
    for (size_t i = 0; i < b->shapes.n; i++) {
        w[i] = optimizer_rig_weights(b->rig, i);
        normals(b, "gradient", t * 64 + stream_of(b, i), b->g[i], b->size[i]);
        for (size_t k = 0; k < b->size[i]; k++) {
            b->g[i][k] *= b->scale * powf(10.0f, -(float)(k % 4));
        }
        turn(b, b->g[i], b->size[i]);
    }
    b->update.loss = 0.731 + 1.0 / (double)t;
    b->update.clip = t % 5 == 4 ? 0.731 : 1;
    if (b->ops->model || b->has_objective) {
        b->update.loss = bench_objective(b, w, b->g, 0, false);
        b->update.objective = bench_objective;
        b->update.objective_self = b;
    }
}

/* -- one bench -- */

static bool make_arrays(bench *b, error *err)
{
    for (size_t i = 0; i < b->shapes.n; i++) {
        b->size[i] = (size_t)assay_shape_size(&b->shapes.tensor[i].shape);
        const size_t room = b->size[i] ? b->size[i] : 1;
        b->w0[i] = calloc(room, sizeof(float));
        b->g[i] = calloc(room, sizeof(float));
        b->centre[i] = calloc(room, sizeof(float));
        if (!b->w0[i] || !b->g[i] || !b->centre[i]) {
            (void)!fail_nomem(err, "the kit's tensors");
            return false;
        }
        normals(b, "weights", stream_of(b, i), b->w0[i], b->size[i]);
        normals(b, "centre", stream_of(b, i), b->centre[i], b->size[i]);
        turn(b, b->w0[i], b->size[i]);
    }
    return true;
}

static bool open_rig(bench *b, check_report *r)
{
    error err = { 0 };
    if (!b->rig) {
        b->update = (rig_update){ .g = (const float *const *)(const void *)b->g };
        b->ops = b->specimen.instance->component->ops;
        if (!make_arrays(b, &err)) {
            check_fail(r, "%s", err.text);
            return false;
        }
    }
    const status st = optimizer_rig_open(&b->specimen, b->shapes.tensor, b->shapes.n,
        (const float *const *)(const void *)b->w0, &b->rig, &err);
    if (st == E_UNSUPPORTED) {
        check_skip(r, "with %s: %s", bench_under(b->settings), err.text);
    } else if (st != OK) {
        check_fail(r, "with %s: %s", bench_under(b->settings), err.text);
    }
    return st == OK;
}

bool bench_open_on(bench *b, const subject *s, const specimen *p, const char *settings,
    const bench_shapes *shapes, uint64_t seed, check_report *r)
{
    const float sign = b->sign;
    const bool is_alike = b->alike;
    const size_t turned = b->turn;
    *b = (bench){ .subject = s,
        .settings = settings,
        .specimen = *p,
        .shapes = *shapes,
        .seed = seed,
        .sign = sign == 0 ? 1 : sign,
        .scale = 1,
        .alike = is_alike,
        .turn = turned };
    if (open_rig(b, r)) {
        return true;
    }
    bench_close(b);
    return false;
}

bool bench_open_seeded(bench *b, const subject *s, const char *settings, const bench_shapes *shapes,
    uint64_t seed, check_report *r)
{
    error err = { 0 };
    specimen p;
    if (specimen_open(s, settings, &p, &err) != OK) {
        check_fail(r, "with %s: %s", bench_under(settings), err.text);
        return false;
    }
    return bench_open_on(b, s, &p, settings, shapes, seed, r);
}

bool bench_open(
    bench *b, const subject *s, const char *settings, const bench_shapes *shapes, check_report *r)
{
    *b = (bench){ 0 };
    return bench_open_seeded(b, s, settings, shapes, s->seed, r);
}

void bench_close(bench *b)
{
    optimizer_rig_free(b->rig);
    for (size_t i = 0; i < BENCH_TENSORS; i++) {
        free(b->w0[i]);
        free(b->g[i]);
        free(b->centre[i]);
    }
    specimen_close(&b->specimen);
    *b = (bench){ 0 };
}

status bench_update(bench *b, error *err)
{
    return optimizer_rig_update(b->rig, &b->update, err);
}

bool bench_run(bench *b, uint64_t t, check_report *r)
{
    error err = { 0 };
    while (optimizer_rig_n_updates(b->rig) < t) {
        bench_fill_gradient(b);
        if (bench_update(b, &err) != OK) {
            check_fail(r, "with %s: update %llu: %s", bench_under(b->settings),
                (unsigned long long)optimizer_rig_n_updates(b->rig), err.text);
            return false;
        }
    }
    return true;
}

/* -- comparisons -- */

static void name_array(const bench *b, const rig_array *a, char *out, size_t room)
{
    const char *tensor = a->i_tensor == SIZE_MAX ? NULL : b->shapes.tensor[a->i_tensor].name;
    if (!a->name) {
        snprintf(out, room, "the weights of %s", tensor);
    } else {
        snprintf(out, room, "slot \"%s\"%s%s", a->name, tensor ? " of " : "", tensor ? tensor : "");
    }
}

bool bench_same(const bench *a, const bench *b, char *out, size_t room)
{
    char name[200];
    for (size_t i = 0; i < optimizer_rig_n_arrays(a->rig); i++) {
        const rig_array x = optimizer_rig_array(a->rig, i), y = optimizer_rig_array(b->rig, i);
        name_array(a, &x, name, sizeof name);
        if (x.doubles) {
            if (memcmp(x.doubles, y.doubles, sizeof *x.doubles) != 0) {
                snprintf(out, room, "%s: %.17g and %.17g", name, *x.doubles, *y.doubles);
                return false;
            }
            continue;
        }
        const size_t k = bits_differ(x.floats, y.floats, x.n);
        if (k < x.n) {
            snprintf(out, room, "%s, element %zu: %.9g and %.9g", name, k, (double)x.floats[k],
                (double)y.floats[k]);
            return false;
        }
    }
    if (optimizer_rig_hash(a->rig) != optimizer_rig_hash(b->rig)) {
        snprintf(out, room, "what `save` gives");
        return false;
    }
    return true;
}

double bench_distance(const bench *a, const bench *b, size_t *out_i)
{
    double most = 0;
    *out_i = 0;
    for (size_t i = 0; i < a->shapes.n; i++) {
        const float *x = optimizer_rig_weights(a->rig, i), *y = optimizer_rig_weights(b->rig, i);
        double off = 0, way = 0, size = 0;
        for (size_t k = 0; k < a->size[i]; k++) {
            const double d = (double)x[k] - (double)(a->sign * b->sign * y[k]);
            const double moved = (double)x[k] - (double)a->w0[i][k];
            off += d * d;
            way += moved * moved;
            size += (double)x[k] * (double)x[k];
        }
        /* what roundings of the weights themselves may have added does not count */
        const double rounding = 0x1p-22 * sqrt(size), beyond = sqrt(off) - rounding;
        const double relative = !(off > 0) ? off
            : beyond <= 0                  ? 0
            : way > 0                      ? beyond / sqrt(way)
                                           : INFINITY;
        if (!(relative <= most)) {
            most = relative;
            *out_i = i;
        }
    }
    return most;
}

bool bench_is_finite(const bench *b, bool with_state, char *out, size_t room)
{
    const size_t n = optimizer_rig_n_arrays(b->rig);
    char name[200];
    for (size_t i = 0; i < n; i++) {
        const rig_array a = optimizer_rig_array(b->rig, i);
        size_t at = 0;
        if (a.name && !with_state) {
            continue;
        }
        const bool is_finite =
            a.doubles ? isfinite(*a.doubles) != 0 : floats_are_finite(a.floats, a.n, &at);
        if (!is_finite) {
            name_array(b, &a, name, sizeof name);
            snprintf(out, room, "element %zu of %s is %g", at, name,
                a.doubles ? *a.doubles : (double)a.floats[at]);
            return false;
        }
    }
    return true;
}

uint64_t bench_hash_weights(bench *b)
{
    uint64_t h = 1;
    for (size_t i = 0; i < b->shapes.n; i++) {
        h = bits_hash(optimizer_rig_weights(b->rig, i), b->size[i], h);
        if (b->size[i] && optimizer_rig_eval_weights(b->rig, i, b->g[i], NULL) == OK) {
            h = bits_hash(b->g[i], b->size[i], h);
        }
    }
    return h;
}

static bool has_sums(const instance *i)
{
    const assay_optimizer *o = i->component->ops;
    if (strcmp(i->component->kind, ASSAY_KIND_OPTIMIZER) != 0) {
        return false;
    }
    bool has = o->n_sums > 0;
    for (size_t n = 0; i->nested && i->nested[n]; n++) {
        has |= has_sums(i->nested[n]);
    }
    return has;
}

bool bench_has_sums(const bench *b)
{
    return has_sums(b->specimen.instance);
}

bool bench_is_without_eps(const bench *b)
{
    const instance *i = b->specimen.instance;
    for (size_t k = 0; k < i->component->hypers.n; k++) {
        const assay_hyper *row = hyper_row(&i->component->hypers, k);
        double v;
        if (row->type == ASSAY_TYPE_REAL && strncmp(row->name, "eps", 3) == 0) {
            memcpy(&v, (const char *)i->hyper + row->offset, sizeof v);
            if (v == 0) {
                return true;
            }
        }
    }
    return false;
}

void bench_switch_decay_off(bench *b)
{
    const assay_hyper *row = bench_real(b->subject, "weight_decay");
    if (row && hyper_in_range(row, 0)) {
        (void)optimizer_rig_set_hyper(b->rig, "weight_decay", 0);
    }
}

void bench_each_setting(const subject *s, size_t most, check_report *r,
    void (*test)(const subject *s, const char *settings, check_report *r))
{
    arena memory = { 0 };
    error err = { 0 };
    const char *settings[CHECK_MAX_SETTINGS];
    size_t n = 0;
    if (subject_settings(s, &memory, settings, &n, &err) != OK) {
        check_fail(r, "%s", err.text);
    }
    for (size_t i = 0; i < n && i < most && r->outcome != CHECK_FAILED; i++) {
        test(s, settings[i], r);
    }
    arena_release(&memory);
}
