/* Opening a layer: what it may be fed with, what its plan declares, and the host's services with a counter at each.
 *
 * The instance is the registry's own, with its real services; the table that the plugin sees is a copy in which memory,
 * random numbers and products pass through here. */
#include "check/layer_rig.h"

#include "base/rng.h"
#include "model/init.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More is not tested: a hyperparameter at the end of its range can ask for any amount. */
enum { MOST_FLOATS = 1 << 21 };

#define NUMBERS(...) \
    { \
        { __VA_ARGS__ }, 0 \
    }

static const layer_signature signatures[] = {
    { "5 numbers", 1, { NUMBERS(1, { 5 }) } },
    { "8 numbers", 1, { NUMBERS(1, { 8 }) } },
    { "1 number", 1, { NUMBERS(1, { 1 }) } },
    { "3 x 4 numbers", 1, { NUMBERS(2, { 3, 4 }) } },
    { "2 x 6 x 5 numbers", 1, { NUMBERS(3, { 2, 6, 5 }) } },
    { "4 x 7 x 8 numbers", 1, { NUMBERS(3, { 4, 7, 8 }) } },
    { "2 x 3 x 4 x 3 numbers", 1, { NUMBERS(4, { 2, 3, 4, 3 }) } },
    { "tokens below 7", 1, { { { 1, { 1 } }, 7 } } },
    { "3 tokens below 6", 1, { { { 1, { 3 } }, 6 } } },
    { "two inputs of 5 numbers", 2, { NUMBERS(1, { 5 }), NUMBERS(1, { 5 }) } },
    { "inputs of 5 and 3 numbers", 2, { NUMBERS(1, { 5 }), NUMBERS(1, { 3 }) } },
    { "inputs of 5 numbers and 1", 2, { NUMBERS(1, { 5 }), NUMBERS(1, { 1 }) } },
    { "two inputs of 2 x 3 x 2 numbers", 2, { NUMBERS(3, { 2, 3, 2 }), NUMBERS(3, { 2, 3, 2 }) } },
    { "three inputs of 4 numbers", 3, { NUMBERS(1, { 4 }), NUMBERS(1, { 4 }), NUMBERS(1, { 4 }) } },
};

const layer_signature *layer_signature_get(size_t i)
{
    return i < sizeof signatures / sizeof signatures[0] ? &signatures[i] : NULL;
}

void ugly_numbers(float *out, size_t n, double least, double most, uint64_t seed)
{
    rng_uniform(rng_make(seed, "check/numbers"), 0, 0, out, n);
    for (size_t i = 0; i < n; i++) {
        const double u = 2 * (double)out[i] - 1;
        out[i] = (float)((u < 0 ? -least : least) + (most - least) * u);
    }
}

/* -- services -- */

static layer_rig *rig_of(assay_ctx *ctx)
{
    const instance *i = (const instance *)(const void *)ctx;
    return i->hooks.self;
}

/* Counts requests; true when this one is to be refused. */
static bool is_refused(layer_rig *r, atomic_size_t *count)
{
    atomic_fetch_add(count, 1);
    const size_t n = atomic_load(&r->n_allocs) + atomic_load(&r->n_scratches);
    const bool refused = r->options.fail_alloc != 0 && n == r->options.fail_alloc;
    if (refused)
        r->was_refused = true; /* by one call alone, whatever the others do at the same time */
    return refused;
}

static void *rig_alloc(assay_ctx *ctx, uint64_t bytes)
{
    layer_rig *r = rig_of(ctx);
    if (is_refused(r, &r->n_allocs)) return NULL;
    void *memory = r->real->alloc(ctx, bytes);
    const size_t n = atomic_load(&r->n_allocs);
    if (memory && n <= LAYER_RIG_ALLOCS) {
        r->given[n - 1].at = memory;
        r->given[n - 1].bytes = bytes;
    }
    return memory;
}

static void *rig_scratch(assay_ctx *ctx, uint64_t bytes)
{
    layer_rig *r = rig_of(ctx);
    return is_refused(r, &r->n_scratches) ? NULL : r->real->scratch(ctx, bytes);
}

static void rig_random_u32(
    assay_ctx *ctx, uint64_t stream, uint64_t index, uint32_t *out, uint64_t n)
{
    atomic_fetch_add(&rig_of(ctx)->n_draws, 1);
    rig_of(ctx)->real->random_u32(ctx, stream, index, out, n);
}

static void rig_uniform(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    atomic_fetch_add(&rig_of(ctx)->n_draws, 1);
    rig_of(ctx)->real->uniform_f32(ctx, stream, index, out, n);
}

static void rig_normal(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    atomic_fetch_add(&rig_of(ctx)->n_draws, 1);
    rig_of(ctx)->real->normal_f32(ctx, stream, index, out, n);
}

static void rig_gemm(assay_ctx *ctx, const assay_gemm *g)
{
    layer_rig *r = rig_of(ctx);
    if (r->counts_gemm) r->gemm_macs += (double)g->m * (double)g->n * (double)g->k;
    r->real->gemm_f32(ctx, g);
}

static void offer_services(layer_rig *r)
{
    instance *i = r->specimen.instance;
    r->real = i->ctx.host;
    r->host = *r->real;
    r->host.alloc = rig_alloc;
    r->host.scratch = rig_scratch;
    r->host.random_u32 = rig_random_u32;
    r->host.uniform_f32 = rig_uniform;
    r->host.normal_f32 = rig_normal;
    r->host.gemm_f32 = rig_gemm;
    i->hooks.self = r;
    i->ctx.host = &r->host;
}

/* -- declarations -- */

static int64_t refuse(layer_rig *r, status code, const char *what)
{
    if (r->declared.code == OK) (void)!fail(&r->declared, code, "%s", what);
    return ASSAY_E_INVALID;
}

static bool is_full(layer_rig *r, size_t n)
{
    if (++r->n_declared == r->options.fail_declaration) {
        r->was_refused = true;
        return true;
    }
    if (n < LAYER_RIG_MAX) return false;
    (void)refuse(r, E_PLUGIN, "plan declares more than 32 things of one kind");
    return true;
}

static bool is_too_large(layer_rig *r, uint64_t per_row, uint64_t fixed)
{
    const uint64_t rows = r->plan.max_time * r->plan.max_batch;
    if (per_row <= MOST_FLOATS / rows && fixed <= MOST_FLOATS) return false;
    (void)refuse(r, E_RANGE, "wants more memory than is tested");
    return true;
}

/* Product of the dimensions; 0 where it is not sensible or too large. */
static uint64_t sensible_size(const assay_shape *s)
{
    uint64_t n = 1;
    if (s->n_dims < 1 || s->n_dims > ASSAY_MAX_DIMS) return 0;
    for (uint64_t i = 0; i < s->n_dims; i++) {
        if (s->dim[i] == 0 || s->dim[i] > MOST_FLOATS / n) return 0;
        n *= s->dim[i];
    }
    return n;
}

static int64_t plan_param(assay_plan *plan, const assay_param *declared)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_params)) return ASSAY_E_INVALID;
    layer_array *a = &r->param[r->n_params];
    const size_t bytes =
        declared->struct_size < sizeof a->param ? declared->struct_size : sizeof a->param;
    memcpy(&a->param, declared, bytes);
    for (uint64_t i = 0; a->param.init_shift && i < (a->param.blocks ? a->param.blocks : 1); i++) {
        r->shift_sum[r->n_params] += (double)(i + 1) * a->param.init_shift[i];
    }
    a->param.init_shift = NULL;
    a->name = a->param.name;
    a->n = sensible_size(&a->param.shape);
    if (!a->name || !a->name[0]) {
        return refuse(r, E_PLUGIN, "plan declares a parameter without a name");
    }
    if (a->n == 0) {
        const bool is_shaped =
            a->param.shape.n_dims >= 1 && a->param.shape.n_dims <= ASSAY_MAX_DIMS;
        return is_shaped ? refuse(r, E_RANGE, "wants more parameters than are tested")
                         : refuse(r, E_PLUGIN, "plan declares a parameter without a shape");
    }
    const uint32_t turnable = ASSAY_PARAM_TIE_TRANSPOSED;
    r->transposed[r->n_params] =
        r->options.transposed && (a->param.flags & turnable) && a->param.shape.n_dims == 2;
    return (int64_t)r->n_params++;
}

static int64_t plan_buffer(assay_plan *plan, const assay_buffer *declared)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_buffers) || is_too_large(r, 0, declared->size)) return ASSAY_E_INVALID;
    if (!declared->name || declared->size == 0) {
        return refuse(r, E_PLUGIN, "plan declares a buffer without a name or size");
    }
    layer_array *a = &r->buffer[r->n_buffers];
    a->name = declared->name;
    a->n = declared->size;
    a->param.init_value = declared->init;
    return (int64_t)r->n_buffers++;
}

static int64_t plan_saved(assay_plan *plan, uint64_t floats_per_row, uint64_t floats)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_saved) || is_too_large(r, floats_per_row, floats)) return ASSAY_E_INVALID;
    r->saved[r->n_saved] = (layer_sizes){ floats_per_row, floats };
    return (int64_t)r->n_saved++;
}

static int64_t plan_scratch(assay_plan *plan, uint64_t bytes_per_row, uint64_t bytes)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_scratch) || is_too_large(r, bytes_per_row / 4, bytes / 4)) {
        return ASSAY_E_INVALID;
    }
    r->scratch[r->n_scratch] = (layer_sizes){ bytes_per_row, bytes };
    return (int64_t)r->n_scratch++;
}

static int64_t plan_prepared(assay_plan *plan, uint64_t bytes)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_prepared) || is_too_large(r, 0, bytes / 4)) return ASSAY_E_INVALID;
    r->prepared_bytes[r->n_prepared] = bytes;
    return (int64_t)r->n_prepared++;
}

static int64_t plan_carry(assay_plan *plan, const char *name, uint64_t floats_per_sample)
{
    layer_rig *r = plan->host_data;
    if (is_full(r, r->n_carry) || is_too_large(r, floats_per_sample, 0)) return ASSAY_E_INVALID;
    if (!name || !name[0])
        return refuse(r, E_PLUGIN, "plan declares a carried state without a name");
    r->carry_name[r->n_carry] = name;
    r->carry[r->n_carry] = floats_per_sample;
    return (int64_t)r->n_carry++;
}

static status lay_signature(layer_rig *r, error *err)
{
    const size_t n = r->signature->n;
    status st = guarded_new(n * sizeof *r->in, GUARD_AFTER, &r->in_memory, err);
    if (st == OK) st = guarded_new(n * sizeof *r->in_shape, GUARD_AFTER, &r->shape_memory, err);
    r->in = r->in_memory.at;
    r->in_shape = r->shape_memory.at;
    return st;
}

static void offer_plan(layer_rig *r)
{
    for (size_t i = 0; i < r->signature->n; i++) {
        const layer_in *in = &r->signature->in[i];
        r->in_shape[i] = in->shape;
        r->in[i] = (assay_input){ .struct_size = sizeof r->in[i],
            .shape = in->shape,
            .dtype = in->vocabulary ? ASSAY_I32 : ASSAY_F32,
            .needs_grad = in->vocabulary ? 0 : 1,
            .vocabulary = in->vocabulary };
    }
    r->plan = (assay_plan){ .struct_size = sizeof r->plan,
        .host_data = r,
        .in = r->in,
        .n_in = r->signature->n,
        .in_stride = sizeof r->in[0],
        .max_time = r->options.max_time,
        .max_batch = r->options.max_batch,
        .param = plan_param,
        .buffer = plan_buffer,
        .saved = plan_saved,
        .carry = plan_carry,
        .prepared = plan_prepared,
        .scratch = plan_scratch };
}

static status check_plan(const layer_rig *r, error *err)
{
    const uint64_t n = sensible_size(&r->plan.out);
    if (r->plan.out.n_dims < 1 || r->plan.out.n_dims > ASSAY_MAX_DIMS) {
        return fail(err, E_PLUGIN, "plan leaves plan->out without a shape");
    }
    for (uint64_t i = 0; i < r->plan.out.n_dims; i++) {
        if (r->plan.out.dim[i] == 0) {
            return fail(err, E_PLUGIN, "plan gives an output of which dimension %llu is 0",
                (unsigned long long)i);
        }
    }
    if (n == 0 || n > MOST_FLOATS / (r->plan.max_time * r->plan.max_batch)) {
        return fail(err, E_RANGE, "plan gives an output that is too large to be tested");
    }
    if (r->plan.time_mode > ASSAY_TIME_ONE) {
        return fail(err, E_PLUGIN, "plan sets time_mode to %llu, expected ASSAY_TIME_SAME or _ONE",
            (unsigned long long)r->plan.time_mode);
    }
    return OK;
}

static status call_plan(layer_rig *r, error *err)
{
    instance *i = r->specimen.instance;
    const float_mode mode = float_mode_get();
    const int code = r->ops->plan(&i->ctx, i->hyper, &r->plan);
    const char *change = float_mode_change(&mode);
    float_mode_set(&mode);
    if (r->declared.code != OK) {
        error ignored = { 0 };
        (void)!instance_status(i, code, "plan", &ignored);
        *err = r->declared;
        return r->declared.code;
    }
    status st = instance_status(i, code, "plan", err);
    if (st != OK) return st == E_NOMEM || st == E_PLUGIN ? st : (err->code = E_UNSUPPORTED);
    if (change)
        return fail(err, E_PLUGIN, "plan changes %s, which a callback leaves alone", change);
    return check_plan(r, err);
}

/* -- memory -- */

enum { REST = 0xc3 };

status rounded_new(uint64_t asked, guard_side side, rounded *out, error *err)
{
    const status st = guarded_new((asked + 63) / 64 * 64, side, &out->memory, err);
    out->asked = asked;
    if (st == OK) rounded_mark(out);
    return st;
}

void rounded_free(rounded *r)
{
    guarded_free(&r->memory);
}

void rounded_mark(const rounded *r)
{
    memset((char *)r->memory.at + r->asked, REST, r->memory.bytes - r->asked);
}

bool rounded_is_intact(const rounded *r)
{
    const unsigned char *at = r->memory.at;
    for (size_t i = r->asked; i < r->memory.bytes; i++) {
        if (at[i] != REST) return false;
    }
    return guarded_is_intact(&r->memory);
}

static status lay_array(layer_rig *r, layer_array *a, error *err)
{
    const status st = guarded_new(a->n * sizeof(float), r->options.side, &a->memory, err);
    a->v = a->memory.at;
    if (st == OK) guarded_name(&a->memory, "the array %s", a->name);
    return st;
}

static status lay_out(layer_rig *r, error *err)
{
    status st = OK;
    for (size_t i = 0; st == OK && i < r->n_params; i++) {
        st = lay_array(r, &r->param[i], err);
        r->param_view[i] = r->param[i].v;
    }
    for (size_t i = 0; st == OK && i < r->n_buffers; i++) {
        st = lay_array(r, &r->buffer[i], err);
        r->buffer_view[i] = r->buffer[i].v;
    }
    for (size_t i = 0; st == OK && i < r->n_prepared; i++) {
        st = rounded_new(r->prepared_bytes[i], r->options.side, &r->prepared[i], err);
        if (st == OK) guarded_name(&r->prepared[i].memory, "io->prepared[%zu]", i);
        r->prepared_view[i] = r->prepared[i].memory.at;
    }
    return st;
}

/* `create` runs once more, so that what it asks for is seen. */
static status recreate(layer_rig *r, error *err)
{
    instance *i = r->specimen.instance;
    if (!r->ops->create) return OK;
    if (r->ops->destroy) r->ops->destroy(&i->ctx);
    i->ctx.self = NULL;
    return instance_status(i, r->ops->create(&i->ctx, i->hyper), "create", err);
}

status layer_rig_open(const subject *s, const char *settings, const layer_signature *signature,
    const layer_rig_options *o, layer_rig **out, error *err)
{
    layer_rig *r = calloc(1, sizeof *r);
    if (!r) return fail_nomem(err, "a layer to test");
    r->subject = s;
    r->settings = settings;
    r->signature = signature;
    r->options = *o;
    status st = OK;
    TRY(specimen_open(s, settings, &r->specimen, err));
    r->ops = r->specimen.instance->component->ops;
    offer_services(r);
    TRY(lay_signature(r, err));
    offer_plan(r);
    TRY(recreate(r, err));
    TRY(call_plan(r, err));
    TRY(lay_out(r, err));
    layer_rig_fill(r, s->seed);
    *out = r;
    r = NULL;
done:
    layer_rig_free(r);
    return st;
}

static void free_arrays(layer_array *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        guarded_free(&a[i].memory);
    }
}

void layer_rig_free(layer_rig *r)
{
    if (!r) return;
    free_arrays(r->param, r->n_params);
    free_arrays(r->buffer, r->n_buffers);
    for (size_t i = 0; i < r->n_prepared; i++) {
        rounded_free(&r->prepared[i]);
    }
    specimen_close(&r->specimen);
    guarded_free(&r->in_memory);
    guarded_free(&r->shape_memory);
    free(r);
}

/* A transposed parameter holds what the plain one would, the other way round. */
static void transpose(float *v, uint64_t rows, uint64_t cols)
{
    float *copy = malloc(rows * cols * sizeof *copy);
    if (!copy) return;
    memcpy(copy, v, rows * cols * sizeof *copy);
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            v[j * rows + i] = copy[i * cols + j];
        }
    }
    free(copy);
}

void layer_rig_fill(layer_rig *r, uint64_t seed)
{
    for (size_t i = 0; i < r->n_params; i++) {
        const layer_array *a = &r->param[i];
        ugly_numbers(a->v, a->n, 0.1, 0.6, seed * 977 + i);
        if (r->transposed[i]) transpose(a->v, a->param.shape.dim[0], a->param.shape.dim[1]);
    }
    for (size_t i = 0; i < r->n_buffers; i++) {
        const layer_array *a = &r->buffer[i];
        ugly_numbers(a->v, a->n, 0.05, 0.3, seed * 977 + 500 + i);
        for (uint64_t k = 0; k < a->n; k++) {
            a->v[k] += (float)a->param.init_value;
        }
    }
}

status layer_rig_prepare(layer_rig *r, bool training, error *err)
{
    instance *i = r->specimen.instance;
    const assay_prepare p = { .struct_size = sizeof p,
        .in = r->in,
        .n_in = r->plan.n_in,
        .in_stride = sizeof r->in[0],
        .out_shape = &r->plan.out,
        .param = r->param_view,
        .transposed = r->transposed,
        .prepared = r->prepared_view,
        .training = training };
    if (!r->ops->prepare) return OK;
    const float_mode mode = float_mode_get();
    const status st = instance_status(i, r->ops->prepare(&i->ctx, i->hyper, &p), "prepare", err);
    const char *change = float_mode_change(&mode);
    float_mode_set(&mode);
    if (st == OK && change) {
        return fail(err, E_PLUGIN, "prepare changes %s, which a callback leaves alone", change);
    }
    for (size_t k = 0; st == OK && k < r->n_prepared; k++) {
        if (!rounded_is_intact(&r->prepared[k])) {
            return fail(err, E_PLUGIN,
                "prepare writes outside of prepared[%zu], of which plan asked for %zu bytes", k,
                r->prepared[k].asked);
        }
    }
    return st;
}

const char *layer_rig_title(const layer_rig *r, char *out, size_t n)
{
    snprintf(out, n, "%s%s%s, input %s%s", r->settings[0] ? "settings \"" : "default settings",
        r->settings, r->settings[0] ? "\"" : "", r->signature->name,
        r->options.transposed ? ", stored transposed" : "");
    return out;
}

const char *layer_place(const assay_shape *shape, uint64_t batch, size_t i, char *out, size_t n)
{
    uint64_t at[ASSAY_MAX_DIMS + 2], rest = i;
    size_t n_at = 0;
    for (uint64_t d = shape->n_dims; d-- > 0;) {
        at[n_at++] = rest % shape->dim[d];
        rest /= shape->dim[d];
    }
    if (batch) {
        at[n_at++] = rest % batch;
        at[n_at++] = rest / batch;
    }
    size_t used = 0;
    for (size_t k = n_at; k-- > 0 && used < n;) {
        const int written = snprintf(
            out + used, n - used, "%s%llu", k + 1 == n_at ? "[" : ", ", (unsigned long long)at[k]);
        used += written > 0 ? (size_t)written : 0;
    }
    if (used < n) snprintf(out + used, n - used, "]");
    return out;
}
