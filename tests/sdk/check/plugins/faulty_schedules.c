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
    FOLLOWS,
    FOLLOWS_DOWN_ONLY,
    KEEPS_NAN,
    BEST_IN_FILE,
} fault;

static double calls; /* a fault's */

static double in_file[4]; /* of one that should keep it in state */

enum { SEEN, BEST, BAD, LEVEL, N_STATE };

/* Halves after four checks without a better one. */
static int follow(fault f, const assay_when *when, double *state, double *out_factor)
{
    double *own = f == BEST_IN_FILE ? in_file : state;
    const double sign = when->monitor_is_max && f != FOLLOWS_DOWN_ONLY ? -1 : 1;
    if (when->step == 0) own[SEEN] = own[BAD] = own[LEVEL] = 0;
    if ((double)when->n_checks > own[SEEN]) {
        const int is_first = own[SEEN] == 0, is_lost = when->monitored != when->monitored;
        const int is_better = is_first || sign * when->monitored < sign * own[BEST];
        own[SEEN] = (double)when->n_checks;
        if (is_better || (f == KEEPS_NAN && is_lost)) own[BEST] = when->monitored;
        own[BAD] = is_better ? 0 : own[BAD] + 1;
        if (own[BAD] > 4) own[LEVEL] += 1;
        if (own[BAD] > 4) own[BAD] = 0;
    }
    *out_factor = 1 / (1 + own[LEVEL]);
    return ASSAY_OK;
}

static int factor_fault(
    fault f, assay_ctx *ctx, const assay_when *when, double *state, double *out_factor)
{
    const double total = (double)(when->total_steps ? when->total_steps : 1);
    if (f == COUNTS_AT_SELF && !ctx->self) ctx->self = ctx->host->alloc(ctx, 8);
    if (f == COUNTS_AT_SELF && !ctx->self) return ASSAY_E_NOMEM;
    if (f >= FOLLOWS) return follow(f, when, state, out_factor);
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
        .factor = name##_factor, .n_state = N_STATE, .horizon = (f) == IDLE_HORIZON)

SCHEDULE(none, NONE);
SCHEDULE(negative, NEGATIVE);
SCHEDULE(not_a_number, NOT_A_NUMBER);
SCHEDULE(counts_in_file, COUNTS_IN_FILE);
SCHEDULE(counts_at_self, COUNTS_AT_SELF);
SCHEDULE(hides_horizon, HIDES_HORIZON);
SCHEDULE(idle_horizon, IDLE_HORIZON);
SCHEDULE(fails_silently, FAILS_SILENTLY);
SCHEDULE(needs_monitor, NEEDS_MONITOR);
SCHEDULE(follows, FOLLOWS);
SCHEDULE(follows_down_only, FOLLOWS_DOWN_ONLY);
SCHEDULE(keeps_nan, KEEPS_NAN);
SCHEDULE(best_in_file, BEST_IN_FILE);

struct knob {
    double knob;
};

static const assay_hyper hypers[] = { ASSAY_REAL(knob, knob, 0.5, 0, 1, "does nothing") };

static int constant(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    (void)ctx;
    (void)hyper;
    (void)when;
    (void)state;
    *out_factor = 0.7;
    return ASSAY_OK;
}

ASSAY_DEFINE_SCHEDULE(idle_hyper, "0.1.0", "a hyperparameter that does nothing",
    ASSAY_HYPERS(knob, hypers), .factor = constant);

ASSAY_PLUGIN(faulty_schedules, "0.1.0", &none_component, &negative_component,
    &not_a_number_component, &counts_in_file_component, &counts_at_self_component,
    &hides_horizon_component, &idle_horizon_component, &fails_silently_component,
    &needs_monitor_component, &follows_component, &follows_down_only_component,
    &keeps_nan_component, &best_in_file_component, &idle_hyper_component);
