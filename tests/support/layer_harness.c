/* Lays out what a layer declares and hands it over. The gradient check differentiates forward
 * itself by the five-point rule, whose error h^4 f^(5) / 30 allows a step so large (1/16) that
 * rounding in float does not matter. */
#include "support/layer_harness.h"

#include "base/rng.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static layer_harness *harness_of(void *host_data)
{
    return host_data;
}

static int64_t plan_param(assay_plan *plan, const assay_param *param)
{
    layer_harness *l = harness_of(plan->host_data);
    assert_true(l->n_param < LAYER_MAX);
    l->declared[l->n_param] = *param;
    if (param->init_shift) { // the layer need not keep it
        const uint64_t n = param->blocks ? param->blocks : 1;
        double *shift = component_alloc(&l->rig, n * sizeof *shift);
        memcpy(shift, param->init_shift, n * sizeof *shift);
        l->declared[l->n_param].init_shift = shift;
    }
    return (int64_t)l->n_param++;
}

static int64_t plan_saved(assay_plan *plan, uint64_t floats_per_row, uint64_t floats)
{
    layer_harness *l = harness_of(plan->host_data);
    assert_true(l->n_saved < LAYER_MAX);
    l->saved_row[l->n_saved] = floats_per_row;
    l->saved_fixed[l->n_saved] = floats;
    return (int64_t)l->n_saved++;
}

static int64_t plan_scratch(assay_plan *plan, uint64_t bytes_per_row, uint64_t bytes)
{
    layer_harness *l = harness_of(plan->host_data);
    assert_true(l->n_scratch < LAYER_MAX);
    l->scratch_row[l->n_scratch] = bytes_per_row;
    l->scratch_fixed[l->n_scratch] = bytes;
    return (int64_t)l->n_scratch++;
}

static int64_t plan_prepared(assay_plan *plan, uint64_t bytes)
{
    layer_harness *l = harness_of(plan->host_data);
    assert_true(l->n_prepared < LAYER_MAX);
    l->prepared_bytes[l->n_prepared] = bytes;
    return (int64_t)l->n_prepared++;
}

static int64_t plan_carry(assay_plan *plan, const char *name, uint64_t floats_per_sample)
{
    layer_harness *l = harness_of(plan->host_data);
    assert_true(l->n_carry < LAYER_MAX);
    l->carry_name[l->n_carry] = name;
    l->carry_size[l->n_carry] = floats_per_sample;
    return (int64_t)l->n_carry++;
}

static uint64_t saved_size(const layer_harness *l, uint64_t i)
{
    return l->plan.max_time * l->plan.max_batch * l->saved_row[i] + l->saved_fixed[i];
}

static int lies_in(const float *p, const float *array, uint64_t n)
{
    return array && p >= array && p < array + n;
}

static void assert_may_wait(const layer_harness *l, const float *p)
{
    int is_kept = lies_in(p, l->y, layer_y_size(l)) || lies_in(p, l->dy, layer_y_size(l));
    for (uint64_t i = 0; i < LAYER_MAX; i++) {
        is_kept |= i < l->plan.n_in && lies_in(p, l->x[i], layer_x_size(l, i));
        is_kept |= i < l->n_saved && lies_in(p, l->saved[i], saved_size(l, i));
    }
    assert_true(is_kept);
}

static int grad_gemm(const assay_io *io, uint64_t i_param, uint64_t rows, const float *a,
    uint64_t lda, const float *b, uint64_t ldb)
{
    layer_harness *l = harness_of(io->host_data);
    const assay_shape *shape = &l->declared[i_param].shape;
    const uint64_t p = shape->dim[0], q = shape->dim[1];
    assert_non_null(l->dparam[i_param]);
    assert_may_wait(l, a);
    assert_may_wait(l, b);
    for (uint64_t i = 0; i < p; i++) {
        for (uint64_t j = 0; j < q; j++) {
            double sum = 0;
            for (uint64_t r = 0; r < rows; r++) {
                sum += (double)a[r * lda + i] * (double)b[r * ldb + j];
            }
            float *d = l->dparam[i_param] + (l->transposed[i_param] ? j * p + i : i * q + j);
            *d = (float)(sum + (l->accumulate[i_param] ? (double)*d : 0));
        }
    }
    return ASSAY_OK;
}

void layer_open(layer_harness *l, const char *build_dir, const char *id)
{
    *l = (layer_harness){ 0 };
    component_open(&l->rig, build_dir, "layer", id);
    l->ops = l->rig.component->ops;
}

void layer_close(layer_harness *l)
{
    component_close(&l->rig);
}

void layer_input(layer_harness *l, assay_shape shape)
{
    assert_true(l->plan.n_in < LAYER_MAX);
    l->in[l->plan.n_in] = (assay_input){
        .struct_size = sizeof l->in[0], .shape = shape, .dtype = ASSAY_F32, .needs_grad = 1
    };
    l->in_shape[l->plan.n_in++] = shape;
}

void layer_tokens(layer_harness *l, uint64_t vocabulary)
{
    layer_input(l, (assay_shape){ 1, { 1 } });
    assay_input *in = &l->in[l->plan.n_in - 1];
    in->dtype = ASSAY_I32;
    in->needs_grad = 0;
    in->vocabulary = vocabulary;
}

int32_t *layer_tokens_of(layer_harness *l, uint64_t i)
{
    assert_int_equal(l->in[i].dtype, ASSAY_I32);
    return (int32_t *)(void *)l->x[i];
}

uint64_t layer_x_size(const layer_harness *l, uint64_t i)
{
    return l->io.time * l->io.batch * assay_shape_size(&l->in_shape[i]);
}

uint64_t layer_y_size(const layer_harness *l)
{
    return l->io.time_out * l->io.batch * assay_shape_size(&l->plan.out);
}

uint64_t layer_param_size(const layer_harness *l, uint64_t i)
{
    return assay_shape_size(&l->declared[i].shape);
}

uint64_t layer_carry_size(const layer_harness *l, uint64_t i)
{
    return l->io.batch * l->carry_size[i];
}

static float *floats(layer_harness *l, uint64_t n)
{
    return component_alloc(&l->rig, n * sizeof(float));
}

static int has_numbers(const layer_harness *l, uint64_t i)
{
    return l->in[i].dtype == ASSAY_F32;
}

static void allocate(layer_harness *l)
{
    const uint64_t rows = l->plan.max_time * l->plan.max_batch;
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        l->x_view[i] = l->x[i] = floats(l, layer_x_size(l, i));
        l->dx[i] = has_numbers(l, i) ? floats(l, layer_x_size(l, i)) : NULL;
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        l->param_view[i] = l->param[i] = floats(l, layer_param_size(l, i));
        l->dparam[i] = floats(l, layer_param_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_saved; i++) {
        l->saved[i] = floats(l, saved_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_scratch; i++) {
        l->scratch[i] = component_alloc(&l->rig, rows * l->scratch_row[i] + l->scratch_fixed[i]);
    }
    for (uint64_t i = 0; i < l->n_prepared; i++) {
        l->prepared[i] = component_alloc(&l->rig, l->prepared_bytes[i]);
    }
    for (uint64_t i = 0; i < l->n_carry; i++) {
        l->carry_out[i] = floats(l, layer_carry_size(l, i));
    }
    l->y = floats(l, layer_y_size(l));
    l->dy = floats(l, layer_y_size(l));
}

int layer_plan(layer_harness *l, uint64_t time, uint64_t batch)
{
    l->plan.struct_size = sizeof l->plan;
    l->plan.host_data = l;
    l->plan.in = l->in;
    l->plan.in_stride = sizeof l->in[0];
    l->plan.max_time = time;
    l->plan.max_batch = batch;
    if (!l->plan.param) l->plan.param = plan_param;
    if (!l->plan.saved) l->plan.saved = plan_saved;
    if (!l->plan.scratch) l->plan.scratch = plan_scratch;
    if (!l->plan.prepared) l->plan.prepared = plan_prepared;
    if (!l->plan.carry) l->plan.carry = plan_carry;
    const int code = l->ops->plan(&l->rig.ctx, l->rig.hyper, &l->plan);
    if (code != ASSAY_OK) return code;
    l->io = (assay_io){ .struct_size = sizeof l->io,
        .host_data = l,
        .training = 1,
        .time = time,
        .batch = batch,
        .time_out = l->plan.time_mode == ASSAY_TIME_ONE ? 1 : time,
        .batch_total = batch,
        .draw = 731,
        .n_in = l->plan.n_in,
        .in_shape = l->in_shape,
        .x = l->x_view,
        .dx = l->dx,
        .out_shape = &l->plan.out,
        .param = l->param_view,
        .dparam = l->dparam,
        .accumulate = l->accumulate,
        .transposed = l->transposed,
        .saved = l->saved,
        .scratch = l->scratch,
        .prepared = (const void *const *)l->prepared,
        .carry_in = (const float *const *)l->carry_in,
        .carry_out = l->carry_out,
        .dcarry_out = (const float *const *)l->dcarry_out,
        .dcarry_in = l->dcarry_in,
        .grad_gemm = grad_gemm };
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        l->io.token_inputs |= l->in[i].dtype == ASSAY_I32;
    }
    allocate(l);
    l->io.y = l->y;
    l->io.dy = l->dy;
    return ASSAY_OK;
}

void layer_carry(layer_harness *l, uint64_t seed)
{
    for (uint64_t i = 0; i < l->n_carry; i++) {
        const uint64_t n = layer_carry_size(l, i);
        l->carry_in[i] = floats(l, n);
        l->dcarry_out[i] = floats(l, n);
        l->dcarry_in[i] = floats(l, n);
        fill_numbers(l->carry_in[i], n, seed + i);
        fill_numbers(l->dcarry_out[i], n, seed + l->n_carry + i);
    }
}

static void fill_nan(float *p, uint64_t n)
{
    for (uint64_t i = 0; p && i < n; i++) {
        p[i] = NAN;
    }
}

/* A sum that any change of any byte of what a layer only reads would change. */
static uint64_t sum_of_inputs(const layer_harness *l, int with_dy)
{
    uint64_t sum = 0;
    const float *array[4 * LAYER_MAX + 1];
    uint64_t size[4 * LAYER_MAX + 1], n = 0;
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        array[n] = l->x[i], size[n++] = layer_x_size(l, i);
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        array[n] = l->param[i], size[n++] = layer_param_size(l, i);
    }
    for (uint64_t i = 0; i < l->n_carry; i++) {
        array[n] = l->carry_in[i], size[n++] = l->carry_in[i] ? layer_carry_size(l, i) : 0;
        array[n] = l->dcarry_out[i], size[n++] = l->dcarry_out[i] ? layer_carry_size(l, i) : 0;
    }
    array[n] = l->dy, size[n++] = with_dy ? layer_y_size(l) : 0;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j < size[i]; j++) {
            uint32_t bits;
            memcpy(&bits, array[i] + j, sizeof bits);
            sum = (sum ^ bits) * 0x9e3779b97f4a7c15u;
        }
    }
    return sum;
}

/* Working memory holds anything before a call. */
static void spoil_scratch(layer_harness *l)
{
    const uint64_t rows = l->plan.max_time * l->plan.max_batch;
    for (uint64_t i = 0; i < l->n_scratch; i++) {
        memset(l->scratch[i], 0xff, rows * l->scratch_row[i] + l->scratch_fixed[i]);
    }
}

static void prepare(layer_harness *l)
{
    const assay_prepare p = { .struct_size = sizeof p,
        .in = l->in,
        .n_in = l->plan.n_in,
        .in_stride = sizeof l->in[0],
        .out_shape = &l->plan.out,
        .param = l->param_view,
        .transposed = l->transposed,
        .prepared = l->prepared,
        .training = l->io.training };
    if (!l->ops->prepare) return;
    assert_int_equal(l->ops->prepare(&l->rig.ctx, l->rig.hyper, &p), ASSAY_OK);
}

void layer_forward(layer_harness *l)
{
    const uint64_t before = sum_of_inputs(l, 0), n_allocs = l->rig.n_allocs;
    prepare(l);
    fill_nan(l->y, layer_y_size(l));
    for (uint64_t i = 0; i < l->n_saved; i++) {
        fill_nan(l->saved[i], saved_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_carry; i++) {
        fill_nan(l->carry_out[i], layer_carry_size(l, i));
    }
    spoil_scratch(l);
    assert_int_equal(l->ops->forward(&l->rig.ctx, l->rig.hyper, &l->io), ASSAY_OK);
    assert_true(sum_of_inputs(l, 0) == before);
    assert_int_equal(l->rig.n_allocs, n_allocs);
}

void layer_backward(layer_harness *l)
{
    const uint64_t before = sum_of_inputs(l, 1), n_allocs = l->rig.n_allocs;
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        fill_nan(l->dx[i], layer_x_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        if (!l->accumulate[i]) fill_nan(l->dparam[i], layer_param_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_carry; i++) {
        fill_nan(l->dcarry_in[i], layer_carry_size(l, i));
    }
    spoil_scratch(l);
    assert_int_equal(l->ops->backward(&l->rig.ctx, l->rig.hyper, &l->io), ASSAY_OK);
    assert_true(sum_of_inputs(l, 1) == before);
    assert_int_equal(l->rig.n_allocs, n_allocs);
}

void fill_numbers(float *out, uint64_t n, uint64_t seed)
{
    rng_uniform(rng_make(seed, "numbers"), 0, 0, out, n);
    for (uint64_t i = 0; i < n; i++) {
        const float u = 2 * out[i] - 1;
        out[i] = (u < 0 ? -0.2f : 0.2f) + 1.5f * u;
    }
}

static double objective(layer_harness *l)
{
    double sum = 0;
    layer_forward(l);
    for (uint64_t i = 0; i < layer_y_size(l); i++) {
        sum += (double)l->y[i] * (double)l->dy[i];
    }
    return sum;
}

/* The derivative of the objective along `direction`, v = v0 + t direction, at t = 0. */
static double slope_along(
    layer_harness *l, float *v, const float *v0, const float *direction, uint64_t n)
{
    static const double at[4] = { -2, -1, 1, 2 }, factor[4] = { 1, -8, 8, -1 };
    const double step = 1.0 / 16;
    double sum = 0;
    for (uint64_t k = 0; k < 4; k++) {
        for (uint64_t i = 0; i < n; i++) {
            v[i] = (float)((double)v0[i] + at[k] * step * (double)direction[i]);
        }
        sum += factor[k] * objective(l);
    }
    memcpy(v, v0, n * sizeof *v);
    return sum / (12 * step);
}

/* Of one array v[n] whose gradient backward said is dv. */
static double array_error(layer_harness *l, float *v, const float *dv, uint64_t n, uint64_t seed)
{
    float *v0 = calloc(n, sizeof *v0), *way = calloc(n, sizeof *way);
    assert_non_null(v0);
    assert_non_null(way);
    memcpy(v0, v, n * sizeof *v);
    double apart = 0, size = 0, along = 0;
    for (uint64_t i = 0; i < n; i++) {
        way[i] = 1;
        const double expected = slope_along(l, v, v0, way, n);
        way[i] = 0;
        apart += (expected - (double)dv[i]) * (expected - (double)dv[i]);
        size += expected * expected;
    }
    fill_numbers(way, n, seed);
    for (uint64_t i = 0; i < n; i++) {
        way[i] *= 0.5f; // relu's kinks lie 0.2 from the numbers
        along += (double)dv[i] * (double)way[i];
    }
    const double expected = slope_along(l, v, v0, way, n);
    const double per_element = sqrt(apart / (size > 0 ? size : 1));
    const double directional = fabs(along - expected) / fmax(sqrt(size), 1e-3);
    free(v0);
    free(way);
    return fmax(per_element, directional);
}

double layer_gradient_error(layer_harness *l, uint64_t seed)
{
    double worst = 0;
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        if (has_numbers(l, i)) fill_numbers(l->x[i], layer_x_size(l, i), seed + i);
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), seed + 10 + i);
    }
    fill_numbers(l->dy, layer_y_size(l), seed + 20);
    layer_forward(l);
    layer_backward(l);
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        if (!has_numbers(l, i)) continue;
        worst = fmax(worst, array_error(l, l->x[i], l->dx[i], layer_x_size(l, i), seed + 30));
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        worst = fmax(
            worst, array_error(l, l->param[i], l->dparam[i], layer_param_size(l, i), seed + 40));
    }
    return worst;
}
