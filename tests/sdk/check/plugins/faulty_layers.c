/* A layer that is right, and the same with one fault each: a leaky sum over time, s_t = 0.6 s_{t-1} + w x_t, y_t = s_t + b, feature
 * by feature, with its state carried and padding left out. */
#define _POSIX_C_SOURCE 200809L

#include <assay/plugin.h>

#include <fenv.h>
#include <time.h>

typedef enum fault {
    NONE,
    WRONG_SIGN,
    DROPPED_TERM,
    TWICE,
    WRONG_CARRY_GRADIENT,
    OVERWRITES,
    ADDS,
    LEAVES_OUT,
    WRITES_BEFORE,
    CHANGES_INPUT,
    COUNTS_CALLS,
    KEEPS_AT_SELF,
    KEEPS_IN_FILE,
    COUPLES,
    LOOKS_AHEAD,
    DRAWS_IN_EVALUATION,
    DRAWS_ALIKE,
    DRAWS_BY_SHARD,
    CARRIES_LESS,
    COUNTS_PADDING,
    LEAKS_PADDING,
    PREPARES_ONCE,
    ALLOCATES,
    IGNORES_REFUSAL,
    IGNORES_PARAMETER,
    IGNORES_BUFFER,
    UNKNOWN_INITIALISER,
    ROUNDS_UP,
    LEARNS_BACKWARDS,
    PRODUCT_OF_SCRATCH,
    PRODUCT_TWICE,
    WRITES_BUFFER,
    SIZED_BY_PLAN,
    SHARES_MEMORY,
    NOT_FINITE,
    IGNORES_TRANSPOSED,
    REVERSES,
    REVERSES_AND_DROPS,
    CALLS_ITSELF_SURROGATE,
    SIGNS,
    LOOKS_BACK,
    SAYS_IT_LOOKS_BACK,
    LOOKS_BACK_FOR_NOTHING,
    OVERRUNS_SAVED,
    OVERRUNS_SCRATCH,
    OVERRUNS_PREPARED,
    PREPARES_WITHOUT_MEMORY,
    DROPS,
    DROPS_WITHOUT_SCALE,
} fault;

enum { WEIGHT, BIAS, THIRD };

static float calls, last_x, shared[64]; /* the faults' */

static int has_third(fault f)
{
    return f == IGNORES_PARAMETER || f == PRODUCT_OF_SCRATCH || f == PRODUCT_TWICE ||
        f == IGNORES_TRANSPOSED;
}

static int is_square(fault f)
{
    return has_third(f) && f != IGNORES_PARAMETER;
}

static int is_surrogate(fault f)
{
    return f == REVERSES || f == REVERSES_AND_DROPS || f == CALLS_ITSELF_SURROGATE || f == SIGNS;
}

static int carries(fault f)
{
    return f != LOOKS_BACK && f != SAYS_IT_LOOKS_BACK && f != LOOKS_BACK_FOR_NOTHING;
}

/* What is left of s one step later. */
static float decay(fault f)
{
    return f == LOOKS_BACK_FOR_NOTHING ? 0 : 0.6F;
}

static int64_t declare(assay_plan *plan, const char *name, uint64_t n, int square, const char *init)
{
    const assay_param p = { .struct_size = sizeof p,
        .name = name,
        .shape = { square ? 2 : 1, { n, square ? n : 0 } },
        .role = ASSAY_ROLE_WEIGHT,
        .flags = square ? ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED : 0,
        .init = init };
    return plan->param(plan, &p);
}

static int plan_fault(fault f, assay_ctx *ctx, assay_plan *plan)
{
    const assay_input *in = assay_plan_in(plan, 0);
    if (plan->n_in != 1 || in->dtype != ASSAY_F32 || in->shape.n_dims != 1) {
        return ctx->host->fail(
            ctx, ASSAY_E_SHAPE, NULL, "takes one input of numbers in one dimension");
    }
    const uint64_t n = in->shape.dim[0];
    plan->out = in->shape;
    plan->macs = 2 * (double)n;
    plan->looks_back = f == SAYS_IT_LOOKS_BACK || f == LOOKS_BACK_FOR_NOTHING;
    plan->surrogate = (uint64_t)is_surrogate(f);
    ctx->self = ctx->host->alloc(ctx, 64);
    if (!ctx->self) return ASSAY_E_NOMEM;
    int64_t code = declare(plan, "weight", n, 0, f == UNKNOWN_INITIALISER ? "glorrot" : "ones");
    if (code < 0 && f != IGNORES_REFUSAL) return (int)code;
    code = declare(plan, "bias", n, 0, "zeros");
    if (code >= 0 && has_third(f)) code = declare(plan, "third", n, is_square(f), "zeros");
    if (code >= 0) code = plan->saved(plan, n, 0);
    if (code >= 0 && carries(f)) code = plan->carry(plan, "s", n);
    if (code >= 0) code = plan->scratch(plan, sizeof(float) * n, 0);
    if (code >= 0 && f == OVERRUNS_SAVED) code = plan->saved(plan, 0, 3);
    if (code >= 0 && f == OVERRUNS_SCRATCH) code = plan->scratch(plan, 0, 12);
    if (code >= 0 && f == OVERRUNS_PREPARED) code = plan->prepared(plan, 12);
    if (code >= 0 && f == PREPARES_ONCE) code = plan->prepared(plan, sizeof(float) * (n + 1));
    if (code >= 0 && (f == IGNORES_BUFFER || f == WRITES_BUFFER)) {
        const assay_buffer b = { .struct_size = sizeof b, .name = "rest", .size = n };
        code = plan->buffer(plan, &b);
    }
    return code < 0 ? (int)code : ASSAY_OK;
}

static int is_padding(fault f, const assay_io *io, uint64_t t, uint64_t b)
{
    return f != COUNTS_PADDING && io->length && t >= io->length[b];
}

/* What is added to y by a fault that makes it depend on something else. */
static float extra(fault f, assay_ctx *ctx, const assay_io *io, uint64_t t, uint64_t b, uint64_t n)
{
    const float *x = io->x[0];
    float u = 0;
    const uint64_t place = (t * io->batch_total + io->batch_begin + b) * n;
    switch (f) {
    case COUNTS_CALLS: return calls * 1e-3F;
    case COUPLES: return 0.1F * x[t * io->batch * n];
    case LOOKS_AHEAD: return 0.1F * x[((io->time - 1) * io->batch + b) * n];
    case DRAWS_IN_EVALUATION: ctx->host->uniform_f32(ctx, io->draw, place, &u, 1); return u;
    case DRAWS_ALIKE: ctx->host->uniform_f32(ctx, 5, place, &u, 1); return io->training ? u : 0;
    case DRAWS_BY_SHARD:
        ctx->host->uniform_f32(ctx, io->draw, t * io->batch + b, &u, 1);
        return io->training ? u : 0;
    case SIZED_BY_PLAN: return io->batch == 1 ? 0.5F : 0;
    case WRITES_BUFFER: return io->buffer[0][0];
    case NOT_FINITE: return x[(t * io->batch + b) * n] == 0 ? ASSAY_INF : 0;
    default: return 0;
    }
}

/* What an element of y is multiplied by while training, by the fault. */
static float kept(fault f, assay_ctx *ctx, const assay_io *io, uint64_t t, uint64_t b, uint64_t j)
{
    const uint64_t n = io->out_shape->dim[0];
    float u = 1;
    if (!io->training || (f != DROPS && f != DROPS_WITHOUT_SCALE)) return 1;
    ctx->host->uniform_f32(
        ctx, io->draw, (t * io->batch_total + io->batch_begin + b) * n + j, &u, 1);
    return u < 0.25F ? 0 : f == DROPS ? 1 / 0.75F : 1;
}

static void forward_sample(
    fault f, assay_ctx *ctx, const assay_io *io, const float *w, uint64_t b, uint64_t j)
{
    const uint64_t n = io->out_shape->dim[0];
    const float *x = io->x[0];
    float s = carries(f) && io->carry_in[0] ? io->carry_in[0][b * n + j] : 0;
    for (uint64_t t = 0; t < io->time; t++) {
        const uint64_t at = (t * io->batch + b) * n + j;
        const float in = f == SIGNS ? (x[at] < 0 ? -1.0F : 1.0F) : x[at];
        if (!is_padding(f, io, t, b)) s = decay(f) * s + w[j] * in;
        float y = s + io->param[BIAS][j] + extra(f, ctx, io, t, b, n);
        for (uint64_t i = 0; is_square(f) && i < n; i++) {
            y += x[at - j + i] * io->param[THIRD][i * n + j];
        }
        if (f == LEAVES_OUT && at + 1 == io->time * io->batch * n) continue;
        io->y[at] = y * kept(f, ctx, io, t, b, j);
    }
    if (carries(f)) io->carry_out[0][b * n + j] = f == CARRIES_LESS ? 0.9F * s : s;
}

static int forward_fault(fault f, assay_ctx *ctx, const assay_io *io)
{
    const uint64_t n = io->out_shape->dim[0];
    const float *w = f == PREPARES_ONCE ? (const float *)io->prepared[0] + 1 : io->param[WEIGHT];
    calls += 1;
    last_x = ((const float *)io->x[0])[0];
    if (f == ALLOCATES && !ctx->host->alloc(ctx, 64)) return ASSAY_E_NOMEM;
    if (f == KEEPS_AT_SELF) *(float *)ctx->self += last_x;
    if (f == CHANGES_INPUT) ((float *)(uintptr_t)io->x[0])[0] = 1;
    if (f == ROUNDS_UP) fesetround(FE_UPWARD);
    if (f == WRITES_BUFFER && io->training) io->buffer[0][0] += 1;
    for (uint64_t k = 0; k < io->batch * n; k++) {
        forward_sample(f, ctx, io, w, k / n, k % n);
    }
    if (f == SHARES_MEMORY) {
        const struct timespec pause = { 0, 3000000 }; /* long enough for the others to come by */
        for (uint64_t r = 0; r < 64 && r < io->time * io->batch * n; r++) {
            shared[r] = io->y[r];
        }
        (void)nanosleep(&pause, NULL);
        for (uint64_t r = 0; r < 64 && r < io->time * io->batch * n; r++) {
            io->y[r] = shared[r];
        }
    }
    if (f == WRITES_BEFORE) io->y[-1] = 3;
    if (f == OVERRUNS_SAVED) io->saved[1][3] = 1;
    if (f == OVERRUNS_SCRATCH) ((float *)io->scratch[1])[3] = 1;
    return ASSAY_OK;
}

static void add(fault f, const assay_io *io, uint64_t i, uint64_t j, float d)
{
    if (f == ADDS || (io->accumulate[i] && f != OVERWRITES)) d += io->dparam[i][j];
    if (io->dparam[i]) io->dparam[i][j] = d;
}

/* The gradient of feature j of sample b; sums of dw and db are added to. */
static void backward_sample(
    fault f, assay_ctx *ctx, const assay_io *io, uint64_t b, uint64_t j, float *dw, float *db)
{
    const uint64_t n = io->out_shape->dim[0];
    const float *x = io->x[0], *w = io->param[WEIGHT];
    float ds = carries(f) && io->dcarry_out[0] ? io->dcarry_out[0][b * n + j] : 0;
    for (uint64_t t = io->time; t-- > 0;) {
        const uint64_t at = (t * io->batch + b) * n + j;
        float d = 0;
        const float dy = io->dy[at] * kept(f, ctx, io, t, b, j);
        ds += dy;
        *db += dy;
        if (!is_padding(f, io, t, b)) {
            d = ds * w[j];
            *dw += ds * (f == SIGNS ? (x[at] < 0 ? -1.0F : 1.0F) : x[at]);
            ds *= decay(f);
        } else if (f == LEAKS_PADDING) {
            d = 0.1F;
        }
        for (uint64_t i = 0; is_square(f) && i < n; i++) {
            d += io->dy[at - j + i] * io->param[THIRD][j * n + i];
        }
        if (f == KEEPS_IN_FILE) d += last_x - x[0];
        if (f == LEARNS_BACKWARDS || f == WRONG_SIGN) d = -d;
        if (f == REVERSES || f == REVERSES_AND_DROPS) d *= -0.3F;
        if (io->dx[0]) io->dx[0][at] = d;
    }
    if (carries(f) && io->dcarry_in[0])
        io->dcarry_in[0][b * n + j] = f == WRONG_CARRY_GRADIENT ? 0.99F * ds : ds;
}

static int backward_fault(fault f, assay_ctx *ctx, const assay_io *io)
{
    const uint64_t n = io->out_shape->dim[0], rows = io->time * io->batch;
    const float *a = f == PRODUCT_OF_SCRATCH ? io->scratch[0] : io->x[0];
    for (uint64_t j = 0; j < n; j++) {
        float dw = 0, db = 0;
        for (uint64_t b = 0; b < io->batch; b++) {
            backward_sample(f, ctx, io, b, j, &dw, &db);
        }
        if ((f == DROPPED_TERM || f == REVERSES_AND_DROPS) && j + 1 == n) db = 0;
        if (f == TWICE) dw *= 2;
        if (f == LEARNS_BACKWARDS) dw = -dw, db = -db;
        if (io->dparam[WEIGHT]) add(f, io, WEIGHT, j, dw);
        if (io->dparam[BIAS]) add(f, io, BIAS, j, db);
        if (f == IGNORES_PARAMETER && io->dparam[THIRD]) add(f, io, THIRD, j, 0);
    }
    for (int k = 0; is_square(f) && k < (f == PRODUCT_TWICE ? 2 : 1); k++) {
        const int code = io->grad_gemm(io, THIRD, rows, a, n, io->dy, n);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static int prepare_once(assay_ctx *ctx, const void *hyper, const assay_prepare *p)
{
    float *out = (float *)p->prepared[0];
    (void)ctx;
    (void)hyper;
    if (out[0] != 0) return ASSAY_OK;
    out[0] = 1;
    for (uint64_t j = 0; j < p->out_shape->dim[0]; j++) {
        out[j + 1] = p->param[WEIGHT][j];
    }
    return ASSAY_OK;
}

static int prepare_too_much(assay_ctx *ctx, const void *hyper, const assay_prepare *p)
{
    (void)ctx;
    (void)hyper;
    ((float *)p->prepared[0])[3] = 1;
    return ASSAY_OK;
}

static int prepare_without_memory(assay_ctx *ctx, const void *hyper, const assay_prepare *p)
{
    float *once = ctx->host->scratch(ctx, 64);
    (void)hyper;
    if (once) once[0] = p->param[WEIGHT][0];
    return ASSAY_OK;
}

struct knob {
    double knob;
};

static const assay_hyper hypers[] = { ASSAY_REAL(knob, knob, 0.5, 0, 1, "does nothing") };

#define LAYER_WITH(name, f, H, ...) \
    static int name##_plan(assay_ctx *ctx, const void *hyper, assay_plan *plan) \
    { \
        (void)hyper; \
        return plan_fault(f, ctx, plan); \
    } \
    static int name##_forward(assay_ctx *ctx, const void *hyper, const assay_io *io) \
    { \
        (void)hyper; \
        return forward_fault(f, ctx, io); \
    } \
    static int name##_backward(assay_ctx *ctx, const void *hyper, const assay_io *io) \
    { \
        (void)hyper; \
        return backward_fault(f, ctx, io); \
    } \
    ASSAY_DEFINE_LAYER(name, "0.1.0", "a leaky sum with a fault", H, .plan = name##_plan, \
        .forward = name##_forward, .backward = name##_backward, __VA_ARGS__)

#define LAYER(name, f) LAYER_WITH(name, f, ASSAY_NO_HYPERS, .validate = NULL)

LAYER(none, NONE);
LAYER(wrong_sign, WRONG_SIGN);
LAYER(dropped_term, DROPPED_TERM);
LAYER(twice, TWICE);
LAYER(wrong_carry_gradient, WRONG_CARRY_GRADIENT);
LAYER(overwrites, OVERWRITES);
LAYER(adds, ADDS);
LAYER(leaves_out, LEAVES_OUT);
LAYER(writes_before, WRITES_BEFORE);
LAYER(changes_input, CHANGES_INPUT);
LAYER(counts_calls, COUNTS_CALLS);
LAYER(keeps_at_self, KEEPS_AT_SELF);
LAYER(keeps_in_file, KEEPS_IN_FILE);
LAYER(couples, COUPLES);
LAYER(looks_ahead, LOOKS_AHEAD);
LAYER(draws_in_evaluation, DRAWS_IN_EVALUATION);
LAYER(draws_alike, DRAWS_ALIKE);
LAYER(draws_by_shard, DRAWS_BY_SHARD);
LAYER(carries_less, CARRIES_LESS);
LAYER(counts_padding, COUNTS_PADDING);
LAYER(leaks_padding, LEAKS_PADDING);
LAYER_WITH(prepares_once, PREPARES_ONCE, ASSAY_NO_HYPERS, .prepare = prepare_once);
LAYER(allocates, ALLOCATES);
LAYER(ignores_refusal, IGNORES_REFUSAL);
LAYER(ignores_parameter, IGNORES_PARAMETER);
LAYER(ignores_buffer, IGNORES_BUFFER);
LAYER(unknown_initialiser, UNKNOWN_INITIALISER);
LAYER(rounds_up, ROUNDS_UP);
LAYER(learns_backwards, LEARNS_BACKWARDS);
LAYER(product_of_scratch, PRODUCT_OF_SCRATCH);
LAYER(product_twice, PRODUCT_TWICE);
LAYER(writes_buffer, WRITES_BUFFER);
LAYER(sized_by_plan, SIZED_BY_PLAN);
LAYER(shares_memory, SHARES_MEMORY);
LAYER(not_finite, NOT_FINITE);
LAYER(ignores_transposed, IGNORES_TRANSPOSED);
LAYER(reverses, REVERSES);
LAYER(reverses_and_drops, REVERSES_AND_DROPS);
LAYER(calls_itself_surrogate, CALLS_ITSELF_SURROGATE);
LAYER(signs, SIGNS);
LAYER(looks_back, LOOKS_BACK);
LAYER(says_it_looks_back, SAYS_IT_LOOKS_BACK);
LAYER(looks_back_for_nothing, LOOKS_BACK_FOR_NOTHING);
LAYER(overruns_saved, OVERRUNS_SAVED);
LAYER(overruns_scratch, OVERRUNS_SCRATCH);
LAYER_WITH(overruns_prepared, OVERRUNS_PREPARED, ASSAY_NO_HYPERS, .prepare = prepare_too_much);
LAYER_WITH(prepares_without_memory, PREPARES_WITHOUT_MEMORY, ASSAY_NO_HYPERS,
    .prepare = prepare_without_memory);
LAYER(drops, DROPS);
LAYER(drops_without_scale, DROPS_WITHOUT_SCALE);
LAYER_WITH(idle_hyper, NONE, ASSAY_HYPERS(knob, hypers), .validate = NULL);

ASSAY_PLUGIN(faulty_layers, "0.1.0", &none_component, &wrong_sign_component,
    &dropped_term_component, &twice_component, &wrong_carry_gradient_component,
    &overwrites_component, &adds_component, &leaves_out_component, &writes_before_component,
    &changes_input_component, &counts_calls_component, &keeps_at_self_component,
    &keeps_in_file_component, &couples_component, &looks_ahead_component,
    &draws_in_evaluation_component, &draws_alike_component, &draws_by_shard_component,
    &carries_less_component, &counts_padding_component, &leaks_padding_component,
    &prepares_once_component, &allocates_component, &ignores_refusal_component,
    &ignores_parameter_component, &ignores_buffer_component, &unknown_initialiser_component,
    &rounds_up_component, &learns_backwards_component, &product_of_scratch_component,
    &product_twice_component, &writes_buffer_component, &sized_by_plan_component,
    &shares_memory_component, &not_finite_component, &ignores_transposed_component,
    &reverses_component, &reverses_and_drops_component, &calls_itself_surrogate_component,
    &signs_component, &looks_back_component, &says_it_looks_back_component,
    &looks_back_for_nothing_component, &overruns_saved_component, &overruns_scratch_component,
    &overruns_prepared_component, &prepares_without_memory_component, &drops_component,
    &drops_without_scale_component, &idle_hyper_component);
