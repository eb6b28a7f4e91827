/* A schedule that halves now and then, and the same with one fault each. */
#include <assay/plugin.h>

typedef enum fault {
    NONE,
    NEGATIVE,
    NOT_A_NUMBER,
    COUNTS_IN_FILE,
    COUNTS_AT_SELF,
    HIDES_HORIZON,
    IDLE_HORIZON,
    FAILS_SILENTLY,
    NEEDS_MONITOR,
} fault;

static double calls; /* a fault's */

static int factor_fault(
    fault f, assay_ctx *ctx, const assay_when *when, double *state, double *out_factor)
{
    const double total = (double)(when->total_steps ? when->total_steps : 1);
    if (f == COUNTS_AT_SELF && !ctx->self) ctx->self = ctx->host->alloc(ctx, 8);
    if (f == COUNTS_AT_SELF && !ctx->self) return ASSAY_E_NOMEM;
    state[0] += 1;
    calls += 1;
    if (f == COUNTS_AT_SELF) *(double *)ctx->self += 1;
    *out_factor = 1 / (1 + 0.1 * state[0]);
    if (f == NEGATIVE) *out_factor = 1 - 0.02 * state[0];
    if (f == NOT_A_NUMBER && when->total_steps == 0) *out_factor = (double)when->total_steps / 0.0;
    if (f == COUNTS_IN_FILE) *out_factor = 1 / calls;
    if (f == COUNTS_AT_SELF) *out_factor = 1 / *(double *)ctx->self;
    if (f == HIDES_HORIZON) *out_factor = total / (total + (double)when->step);
    if (f == NEEDS_MONITOR) *out_factor = when->monitored;
    return f == FAILS_SILENTLY && when->total_steps == 0 ? ASSAY_E_INVALID : ASSAY_OK;
}

#define SCHEDULE(name, f) \
    static int name##_factor(assay_ctx *ctx, const void *hyper, const assay_when *when, \
        double *state, double *out_factor) \
    { \
        (void)hyper; \
        return factor_fault(f, ctx, when, state, out_factor); \
    } \
    ASSAY_DEFINE_SCHEDULE(name, "0.1.0", "a falling factor with a fault", ASSAY_NO_HYPERS, \
        .factor = name##_factor, .n_state = 1, .horizon = (f) == IDLE_HORIZON)

SCHEDULE(none, NONE);
SCHEDULE(negative, NEGATIVE);
SCHEDULE(not_a_number, NOT_A_NUMBER);
SCHEDULE(counts_in_file, COUNTS_IN_FILE);
SCHEDULE(counts_at_self, COUNTS_AT_SELF);
SCHEDULE(hides_horizon, HIDES_HORIZON);
SCHEDULE(idle_horizon, IDLE_HORIZON);
SCHEDULE(fails_silently, FAILS_SILENTLY);
SCHEDULE(needs_monitor, NEEDS_MONITOR);

ASSAY_PLUGIN(faulty_schedules, "0.1.0", &none_component, &negative_component,
    &not_a_number_component, &counts_in_file_component, &counts_at_self_component,
    &hides_horizon_component, &idle_horizon_component, &fails_silently_component,
    &needs_monitor_component);
