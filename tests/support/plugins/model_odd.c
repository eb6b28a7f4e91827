/* model_odd: y = x, with a plan that breaks the contract in the way that `fault` names.
 *
 * "none" keeps it, and so do "couples" (its samples are coupled, a running mean is kept), "state" (two parameters of all
 * kinds of description), "shifted" (a parameter of each role that has first values of its own, a bias of two shifted blocks)
 * and "last_step" (y is the last time step of x). */
#include <assay/plugin.h>

#include <math.h>
#include <string.h>

enum {
    NONE,
    COUPLES,
    STATE,
    LAST_STEP,
    NO_OUTPUT,
    ZERO_OUTPUT,
    HUGE_OUTPUT,
    UNKNOWN_TIME,
    NAMELESS_PARAMETER,
    ZERO_PARAMETER,
    HUGE_PARAMETER,
    SIZELESS_PARAMETER,
    UNKNOWN_ROLE,
    ODD_BLOCKS,
    PARAMETER_TWICE,
    EXPORTED_TWICE,
    MANY_PARAMETERS,
    UNKNOWN_INIT,
    NAMELESS_BUFFER,
    EMPTY_BUFFER,
    BUFFER_TWICE,
    BUFFER_LIKE_PARAMETER,
    NAMELESS_CARRY,
    MANY_SAVED,
    HUGE_SAVED,
    ODD_MACS,
    REFUSAL_IGNORED,
    STRANGE_CODE,
    SHIFTED,
    ODD_SHIFT,
    HUGE_SHIFT,
};

static const char *const faults[] = { "none", "couples", "state", "last_step", "no_output",
    "zero_output", "huge_output", "unknown_time", "nameless_parameter", "zero_parameter",
    "huge_parameter", "sizeless_parameter", "unknown_role", "odd_blocks", "parameter_twice",
    "exported_twice", "many_parameters", "unknown_init", "nameless_buffer", "empty_buffer",
    "buffer_twice", "buffer_like_parameter", "nameless_carry", "many_saved", "huge_saved",
    "odd_macs", "refusal_ignored", "strange_code", "shifted", "odd_shift", "huge_shift" };

struct model_odd {
    int64_t fault;
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(model_odd, fault, NONE, faults, "what is wrong with the plan"),
};

static assay_param sound_parameter(void)
{
    return (assay_param){ .struct_size = sizeof(assay_param),
        .name = "scale",
        .shape = { 2, { 3, 8 } },
        .role = ASSAY_ROLE_WEIGHT,
        .init = "ones" };
}

static int64_t declare_buffer(assay_plan *plan, const char *name, uint64_t size)
{
    const assay_buffer b = {
        .struct_size = sizeof b, .name = name, .size = size, .init = 0.625, .export_name = "kept"
    };
    return plan->buffer(plan, &b);
}

static int64_t declare_parameter(assay_plan *plan, int64_t fault)
{
    assay_param p = sound_parameter();
    switch (fault) {
    case NAMELESS_PARAMETER: p.name = NULL; break;
    case REFUSAL_IGNORED:
    case ZERO_PARAMETER: p.shape.dim[1] = 0; break;
    case HUGE_PARAMETER:
        p.shape = (assay_shape){ 2, { UINT64_C(1) << 40, UINT64_C(1) << 40 } };
        break;
    case SIZELESS_PARAMETER: p.struct_size = 0; break;
    case UNKNOWN_ROLE: p.role = 77; break;
    case ODD_BLOCKS: p.blocks = 3; break;
    case UNKNOWN_INIT: p.init = "hee_normal"; break;
    default: break;
    }
    return plan->param(plan, &p);
}

static int64_t declare_state(assay_plan *plan)
{
    assay_param gates = sound_parameter();
    gates.role = ASSAY_ROLE_RECURRENT;
    gates.blocks = 4;
    gates.init = "orthogonal";
    gates.fan_in = 11;
    gates.fan_out = 13;
    gates.export_name = "weight_hh_l0";
    const assay_param gain = { .struct_size = sizeof gain,
        .name = "gain",
        .shape = { 1, { 5 } },
        .role = ASSAY_ROLE_GAIN,
        .init = "constant",
        .init_value = 0.375 };
    const int64_t i = plan->param(plan, &gates);
    return i < 0 ? i : plan->param(plan, &gain);
}

/* `fault` may spoil the second block's shift. What is declared is gone when this returns. */
static int64_t declare_shifted(assay_plan *plan, int64_t fault)
{
    double shift[2] = { 1.25, fault == ODD_SHIFT ? NAN : fault == HUGE_SHIFT ? -2e30 : -0.5 };
    static const uint32_t roles[] = { ASSAY_ROLE_WEIGHT, ASSAY_ROLE_RECURRENT, ASSAY_ROLE_EMBEDDING,
        ASSAY_ROLE_BIAS };
    static const char *const names[] = { "weight", "recurrent", "table", "bias" };
    int64_t code = 0;
    for (int i = 0; i < 4 && code >= 0; i++) {
        assay_param p = sound_parameter();
        p.name = names[i];
        p.role = roles[i];
        p.blocks = 2;
        if (p.role == ASSAY_ROLE_BIAS) {
            p.shape = (assay_shape){ 1, { 8 } };
            p.init = "zeros";
            p.init_shift = shift;
        }
        code = plan->param(plan, &p);
    }
    shift[0] = shift[1] = 238.5;
    return code;
}

static int64_t declare_twice(assay_plan *plan, int64_t fault)
{
    assay_param p = sound_parameter();
    const int64_t i = plan->param(plan, &p);
    if (fault == EXPORTED_TWICE) {
        p.name = "other";
        p.export_name = "scale";
    }
    return i < 0 ? i : plan->param(plan, &p);
}

static int64_t declare_many(assay_plan *plan, int64_t fault)
{
    int64_t code = 0;
    for (int i = 0; i < 33 && code >= 0; i++) {
        char name[3] = { 'a', (char)('a' + i / 10), (char)('0' + i % 10) };
        assay_param p = sound_parameter();
        char text[4] = { 0 };
        memcpy(text, name, sizeof name);
        p.name = text;
        code = fault == MANY_SAVED ? plan->saved(plan, 1, 0) : plan->param(plan, &p);
    }
    return code;
}

static int64_t declare(assay_plan *plan, int64_t fault)
{
    int64_t i;
    switch (fault) {
    case COUPLES: return declare_buffer(plan, "running_mean", 3);
    case STATE: return declare_state(plan);
    case SHIFTED:
    case ODD_SHIFT:
    case HUGE_SHIFT: return declare_shifted(plan, fault);
    case PARAMETER_TWICE:
    case EXPORTED_TWICE: return declare_twice(plan, fault);
    case MANY_SAVED:
    case MANY_PARAMETERS: return declare_many(plan, fault);
    case NAMELESS_BUFFER: return declare_buffer(plan, "", 3);
    case EMPTY_BUFFER: return declare_buffer(plan, "mean", 0);
    case BUFFER_TWICE:
        i = declare_buffer(plan, "mean", 3);
        return i < 0 ? i : declare_buffer(plan, "mean", 3);
    case BUFFER_LIKE_PARAMETER:
        i = declare_parameter(plan, NONE);
        return i < 0 ? i : declare_buffer(plan, "scale", 3);
    case HUGE_SAVED: return plan->saved(plan, UINT64_MAX / 2 + 1, 1);
    case NAMELESS_CARRY: return plan->carry(plan, NULL, 3);
    default: return fault < NAMELESS_PARAMETER ? 0 : declare_parameter(plan, fault);
    }
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const int64_t fault = ((const struct model_odd *)hyper)->fault;
    (void)ctx;
    plan->out = assay_plan_in(plan, 0)->shape;
    const int64_t code = declare(plan, fault);
    if (fault == COUPLES) plan->couples_samples = 1;
    if (fault == LAST_STEP) plan->time_mode = ASSAY_TIME_ONE;
    if (fault == NO_OUTPUT) plan->out.n_dims = 0;
    if (fault == ZERO_OUTPUT) plan->out.dim[0] = 0;
    if (fault == HUGE_OUTPUT) {
        plan->out = (assay_shape){ 2, { UINT64_C(1) << 40, UINT64_C(1) << 40 } };
    }
    if (fault == UNKNOWN_TIME) plan->time_mode = 9;
    if (fault == ODD_MACS) plan->macs = -ASSAY_INF;
    if (fault == STRANGE_CODE) return -4711;
    return code < 0 && fault != REFUSAL_IGNORED ? (int)code : ASSAY_OK;
}

/* Numbers of a time step, and of those before the ones that are copied. */
static uint64_t step_size(const assay_io *io)
{
    return io->batch * assay_shape_size(io->out_shape);
}

static uint64_t n_skipped(const assay_io *io)
{
    return (io->time - io->time_out) * step_size(io);
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *x = io->x[0];
    (void)ctx;
    (void)hyper;
    memcpy(io->y, x + n_skipped(io), io->time_out * step_size(io) * sizeof *x);
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    float *dx = io->dx[0];
    (void)ctx;
    (void)hyper;
    if (!dx) return ASSAY_OK;
    memset(dx, 0, n_skipped(io) * sizeof *dx);
    memcpy(dx + n_skipped(io), io->dy, io->time_out * step_size(io) * sizeof *dx);
    return ASSAY_OK;
}

ASSAY_LAYER(model_odd, "0.1.0", "the identity with a plan that is wrong on purpose",
    ASSAY_HYPERS(model_odd, hypers), .plan = plan, .forward = forward, .backward = backward);
