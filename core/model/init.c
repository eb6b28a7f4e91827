/* Initialisers: names, config blocks, and the numbers.
 *
 * All but orthogonal fill element (i, j) from place i * cols + j of stream 0, so a value depends on the
 * seed, the tensor's name and its place alone. The scaled ones are one family: the variance is gain^2
 * times
 *
 *     glorot  2 / (fan_in + fan_out)   keeps the variance of signals and of gradients, on average
 *                                      (Glorot and Bengio 2010, "Understanding the difficulty of
 *                                      training deep feedforward neural networks", eq. 12 and 16)
 *     he      2 / fan_in               the same for relu, which halves it (He, Zhang, Ren and Sun 2015,
 *                                      "Delving deep into rectifiers", eq. 10)
 *     lecun   1 / fan_in               (LeCun, Bottou, Orr and Mueller 1998, "Efficient backprop",
 *                                      section 4.6, eq. 16)
 *
 * either normal (not truncated) or uniform within sqrt(3) standard deviations: PyTorch's kaiming_*
 * with nonlinearity "relu" and "linear", and its xavier_*. Where matrices lie side by side, as an LSTM's
 * gates do, each is one linear map of its own, so each has its share of fan_out and, for orthogonal
 * (Saxe, McClelland and Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep
 * linear neural networks"), a QR of its own.
 *
 * The defaults of uniform (within 0.05) and normal (0.05) are those of Keras' RandomUniform and
 * RandomNormal: small enough for weights, where PyTorch's [0, 1) and 1 are not. */
#include "model/init.h"

#include <assay/hyper.h>

#include "base/arena.h"
#include "base/text.h"
#include "num/linalg.h"
#include "registry/hyper.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const assay_hyper constant_rows[] = {
    ASSAY_REAL(
        init_spec, value, 0, -INIT_LARGEST, INIT_LARGEST, "every element", .flags = ASSAY_REQUIRED),
};
static const assay_hyper uniform_rows[] = {
    ASSAY_REAL(init_spec, min, -0.05, -INIT_LARGEST, INIT_LARGEST, "lower end"),
    ASSAY_REAL(init_spec, max, 0.05, -INIT_LARGEST, INIT_LARGEST, "upper end"),
};
static const assay_hyper normal_rows[] = {
    ASSAY_REAL(init_spec, mean, 0, -INIT_LARGEST, INIT_LARGEST, "mean"),
    ASSAY_REAL(init_spec, std, 0.05, 0, INIT_LARGEST, "standard deviation"),
};
static const assay_hyper gain_rows[] = {
    ASSAY_REAL(init_spec, gain, 1, 0, INIT_LARGEST, "factor on the standard deviation",
        .flags = ASSAY_OPEN_MIN),
};

typedef struct init_entry {
    const char *name;
    const assay_hyper *rows;
    size_t n_rows;
} init_entry;

#define ROWS(array) array, sizeof(array) / sizeof((array)[0])

static const init_entry entries[] = {
    [INIT_ZEROS] = { "zeros", NULL, 0 },
    [INIT_ONES] = { "ones", NULL, 0 },
    [INIT_CONSTANT] = { "constant", ROWS(constant_rows) },
    [INIT_UNIFORM] = { "uniform", ROWS(uniform_rows) },
    [INIT_NORMAL] = { "normal", ROWS(normal_rows) },
    [INIT_GLOROT_UNIFORM] = { "glorot_uniform", ROWS(gain_rows) },
    [INIT_GLOROT_NORMAL] = { "glorot_normal", ROWS(gain_rows) },
    [INIT_HE_UNIFORM] = { "he_uniform", ROWS(gain_rows) },
    [INIT_HE_NORMAL] = { "he_normal", ROWS(gain_rows) },
    [INIT_LECUN_UNIFORM] = { "lecun_uniform", ROWS(gain_rows) },
    [INIT_LECUN_NORMAL] = { "lecun_normal", ROWS(gain_rows) },
    [INIT_ORTHOGONAL] = { "orthogonal", ROWS(gain_rows) },
};

enum { N_KINDS = sizeof entries / sizeof entries[0] };

static status fail_unknown(const char *name, const origin *at, error *err)
{
    const char *names[N_KINDS];
    for (size_t i = 0; i < N_KINDS; i++)
        names[i] = entries[i].name;
    const char *nearest = text_nearest(name, names, N_KINDS);
    if (nearest) {
        return fail_at(
            err, E_UNKNOWN, at, "unknown initialiser \"%s\": did you mean \"%s\"?", name, nearest);
    }
    text known;
    text_init(&known);
    for (size_t i = 0; i < N_KINDS; i++)
        text_printf(&known, "%s%s", i ? ", " : "", names[i]);
    const status st = fail_at(err, E_UNKNOWN, at, "unknown initialiser \"%s\": known are %s", name,
        known.s ? known.s : "");
    text_release(&known);
    return st;
}

/* The kind and the defaults of its rows. */
status init_named(const char *name, const origin *at, init_spec *out, error *err)
{
    size_t kind = 0;
    while (kind < N_KINDS && strcmp(entries[kind].name, name) != 0)
        kind++;
    if (kind == N_KINDS) return fail_unknown(name, at, err);
    init_spec spec = { .kind = (init_kind)kind };
    for (size_t i = 0; i < entries[kind].n_rows; i++) {
        const assay_hyper *row = &entries[kind].rows[i];
        memcpy((char *)&spec + row->offset, &row->def, sizeof row->def);
    }
    *out = spec;
    return OK;
}

/* A bare name becomes a group in the tree, with room for its defaults. */
static status make_group(config *c, value *v, error *err)
{
    const value named = *v;
    v->kind = VALUE_GROUP;
    v->item = NULL;
    v->n = 0;
    value *type = value_add(c, v, "type");
    if (!type) return fail_nomem(err, "initialiser");
    type->kind = VALUE_STRING;
    type->as.string = named.as.string;
    type->at = named.at;
    type->is_default = named.is_default;
    return OK;
}

static status fail_not_named(const value *v, error *err)
{
    text found;
    text_init(&found);
    value_describe(v, &found);
    const status st = fail_at(err, E_TYPE, &v->at,
        "expected the name of an initialiser or a block { type = ...; }, found %s",
        found.s ? found.s : "something else");
    text_release(&found);
    return st;
}

static status bind(config *c, value *group, init_kind kind, init_spec *out, error *err)
{
    const init_entry *e = &entries[kind];
    const hyper_table table = { e->rows, e->n_rows, sizeof(assay_hyper), sizeof *out };
    static const char *const reserved[] = { "type", NULL };
    char what[64];
    snprintf(what, sizeof what, "init \"%s\"", e->name);
    const hyper_bind_options options = { .what = what, .reserved = reserved };
    init_spec spec;
    const status st = hyper_bind(c, group, &table, &options, &spec, NULL, err);
    if (st != OK) return st;
    spec.kind = kind;
    if (kind == INIT_UNIFORM && spec.min > spec.max) {
        const value *min = value_find(group, "min"), *max = value_find(group, "max");
        return fail_at(err, E_RANGE, min->is_default ? &max->at : &min->at,
            "%s: min %g is above max %g", what, spec.min, spec.max);
    }
    *out = spec;
    return OK;
}

status init_from_value(config *c, value *v, init_spec *out, error *err)
{
    status st = OK;
    const char *name;
    init_spec named;
    if (v->kind != VALUE_STRING && v->kind != VALUE_GROUP) TRY(fail_not_named(v, err));
    const value *type = v->kind == VALUE_GROUP ? value_find(v, "type") : v;
    if (!type) {
        TRY(fail_at(
            err, E_MISSING, &v->at, "initialiser: \"type\" is required: which initialiser it is"));
    }
    TRY(value_to_string(type, &name, err));
    TRY(init_named(name, &type->at, &named, err));
    if (v->kind == VALUE_STRING) TRY(make_group(c, v, err));
    TRY(bind(c, v, named.kind, out, err));
done:
    return st;
}

static void fill_constant(float *w, size_t n, double v)
{
    for (size_t i = 0; i < n; i++)
        w[i] = (float)v;
}

/* Rounding is monotone, so no element leaves [(float)min, (float)max]. */
static void fill_uniform(rng r, float *w, size_t n, double min, double max)
{
    rng_uniform(r, 0, 0, w, n);
    for (size_t i = 0; i < n; i++)
        w[i] = (float)(min + (max - min) * (double)w[i]);
}

static void fill_normal(rng r, float *w, size_t n, double mean, double std)
{
    rng_normal(r, 0, 0, w, n);
    for (size_t i = 0; i < n; i++)
        w[i] = (float)(mean + std * (double)w[i]);
}

/* The standard deviation of a scaled kind. `fan_out` is that of one block. */
static status scaled_std(
    const init_spec *spec, double fan_in, double fan_out, double *out, error *err)
{
    const init_kind kind = spec->kind;
    const bool is_glorot = kind == INIT_GLOROT_UNIFORM || kind == INIT_GLOROT_NORMAL;
    const bool is_he = kind == INIT_HE_UNIFORM || kind == INIT_HE_NORMAL;
    const double fan = is_glorot ? fan_in + fan_out : fan_in;
    if (!(fan > 0)) {
        return fail(err, E_RANGE, "init \"%s\": got %s of 0, expected at least 1",
            entries[kind].name, is_glorot ? "a sum of fan_in and fan_out" : "a fan_in");
    }
    *out = spec->gain * sqrt((is_glorot || is_he ? 2.0 : 1.0) / fan);
    return OK;
}

/* One block w[rows, cols] with rows `stride` apart: Q of the thin QR of normal numbers a[m, n], m the
 * larger of both, turned where rows < cols. Q is unique, and so spread evenly over all orthogonal
 * matrices, once R's diagonal is positive (Mezzadri 2007). */
static status fill_orthogonal(rng r, uint64_t i_block, float *w, size_t rows, size_t cols,
    size_t stride, double gain, error *err)
{
    status st = OK;
    const bool is_wide = rows < cols;
    const size_t m = is_wide ? cols : rows, n = is_wide ? rows : cols;
    float *a = mem_aligned(m * n, sizeof *a), *upper = mem_aligned(n * n, sizeof *upper);
    if (!a || !upper) TRY(fail_nomem(err, "init \"orthogonal\""));
    rng_normal(r, i_block, 0, a, m * n);
    TRY(linalg_geqrf(m, n, a, n, upper, n, NULL, err));
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            const double sign = upper[j * n + j] < 0.0f ? -gain : gain;
            w[is_wide ? j * stride + i : i * stride + j] = (float)(sign * (double)a[i * n + j]);
        }
    }
done:
    free(a);
    free(upper);
    return st;
}

static status fill_blocks(
    const init_spec *spec, rng r, float *w, size_t rows, size_t cols, size_t blocks, error *err)
{
    const size_t width = cols / blocks;
    for (size_t i = 0; i < blocks; i++) {
        const status st = fill_orthogonal(r, i, w + i * width, rows, width, cols, spec->gain, err);
        if (st != OK) return st;
    }
    return OK;
}

status init_fill(const init_spec *spec, rng r, float *w, size_t rows, size_t cols, size_t blocks,
    size_t fan_in, size_t fan_out, error *err)
{
    status st = OK;
    double std = 0;
    size_t n;
    if (!size_product(rows, cols, &n)) {
        TRY(fail(err, E_SHAPE, "init: %zu x %zu elements are too many", rows, cols));
    }
    if (blocks == 0 || cols % blocks != 0) {
        TRY(fail(err, E_SHAPE, "init: got %zu columns, expected a multiple of the %zu blocks", cols,
            blocks));
    }
    switch (spec->kind) {
    case INIT_ZEROS: fill_constant(w, n, 0); break;
    case INIT_ONES: fill_constant(w, n, 1); break;
    case INIT_CONSTANT: fill_constant(w, n, spec->value); break;
    case INIT_UNIFORM: fill_uniform(r, w, n, spec->min, spec->max); break;
    case INIT_NORMAL: fill_normal(r, w, n, spec->mean, spec->std); break;
    case INIT_ORTHOGONAL: TRY(fill_blocks(spec, r, w, rows, cols, blocks, err)); break;
    case INIT_GLOROT_UNIFORM:
    case INIT_HE_UNIFORM:
    case INIT_LECUN_UNIFORM:
        TRY(scaled_std(spec, (double)fan_in, (double)fan_out / (double)blocks, &std, err));
        fill_uniform(r, w, n, -sqrt(3.0) * std, sqrt(3.0) * std);
        break;
    case INIT_GLOROT_NORMAL:
    case INIT_HE_NORMAL:
    case INIT_LECUN_NORMAL:
        TRY(scaled_std(spec, (double)fan_in, (double)fan_out / (double)blocks, &std, err));
        fill_normal(r, w, n, 0, std);
        break;
    }
done:
    return st;
}

void init_add(float *w, size_t rows, size_t cols, size_t blocks, const double *shift)
{
    const size_t width = cols / blocks;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++)
            w[i * cols + j] = (float)((double)w[i * cols + j] + shift[j / width]);
    }
}
