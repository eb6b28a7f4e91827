/* The root of the mean squared distance, and the same with one fault each. */
#include <assay/plugin.h>

#include <math.h>

typedef enum fault {
    NONE,
    MEAN_OF_MEANS,
    NEEDS_MERGE,
    MERGES_ONE_WAY,
    COUNTS_ZERO_WEIGHTS,
    ZERO_OF_NOTHING,
    CHANGES_SUMS,
    LARGER_IS_BETTER,
    TWO_OF_ONE_NAME,
    REMEMBERS,
    NEITHER,
    UNKNOWN_DIRECTION,
    COUNTS_ROWS,
} fault;

static const char *const one[] = { "" };
static const char *const two[] = { "", "" };

static double calls; /* a fault's */

static int plan_fault(fault f, assay_ctx *ctx, assay_metric_plan *plan)
{
    const assay_task *t = plan->task;
    plan->n_sums = 2;
    plan->n_values = f == TWO_OF_ONE_NAME ? 2 : 1;
    plan->names = f == TWO_OF_ONE_NAME ? two : one;
    plan->direction = f == LARGER_IS_BETTER ? ASSAY_METRIC_LARGER_IS_BETTER
        : f == NEITHER                      ? ASSAY_METRIC_NEITHER
        : f == UNKNOWN_DIRECTION            ? 3
                                            : ASSAY_METRIC_SMALLER_IS_BETTER;
    if (t->target == ASSAY_TARGET_REAL && t->n_outputs == t->n_targets) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, "takes real targets, one for every output");
}

static int add_fault(fault f, const assay_rows *rows, double *sums)
{
    double sum = 0, weights = 0;
    calls += 1;
    for (uint64_t i = 0; i < rows->n * rows->n_outputs; i++) {
        double w = rows->weight ? (double)rows->weight[i / rows->n_outputs] : 1;
        const double d = (double)rows->y[i] - (double)rows->target[i];
        if (f == COUNTS_ZERO_WEIGHTS && w == 0) w = 1;
        if (f == COUNTS_ROWS && w > 0) w = 1;
        sum += w * d * d;
        weights += w;
    }
    if (f == MEAN_OF_MEANS) {
        sums[0] += weights > 0 ? sum / weights : 0;
        sums[1] += weights > 0;
    } else if (f == NEEDS_MERGE) { /* a running mean, which does not add up */
        const double all = sums[1] + weights;
        sums[0] += all > 0 ? (sum - weights * sums[0]) / all : 0;
        sums[1] = all;
    } else {
        sums[0] += sum;
        sums[1] += weights;
    }
    return ASSAY_OK;
}

static int result_fault(fault f, const double *sums, double *values)
{
    const double mean = f == NEEDS_MERGE && sums[1] > 0 ? sums[0] : sums[0] / sums[1];
    values[0] = f == ZERO_OF_NOTHING && sums[1] == 0 ? 0 : sqrt(mean);
    if (f == REMEMBERS) values[0] += calls * 1e-6;
    if (f == TWO_OF_ONE_NAME) values[1] = 1;
    if (f == CHANGES_SUMS) ((double *)(uintptr_t)sums)[0] = 0;
    return ASSAY_OK;
}

/* Takes the larger of the two: right of an empty one alone. */
static int merge_one_way(assay_ctx *ctx, const void *hyper, double *into, const double *from)
{
    (void)ctx;
    (void)hyper;
    for (int i = 0; i < 2; i++) {
        into[i] = fmax(into[i], from[i]);
    }
    return ASSAY_OK;
}

#define METRIC_WITH(name, f, ...) \
    static int name##_plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan) \
    { \
        (void)hyper; \
        return plan_fault(f, ctx, plan); \
    } \
    static int name##_add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums) \
    { \
        (void)ctx; \
        (void)hyper; \
        return add_fault(f, rows, sums); \
    } \
    static int name##_result( \
        assay_ctx *ctx, const void *hyper, const double *sums, double *values) \
    { \
        (void)ctx; \
        (void)hyper; \
        return result_fault(f, sums, values); \
    } \
    ASSAY_DEFINE_METRIC(name, "0.1.0", "a root mean square with a fault", ASSAY_NO_HYPERS, \
        .plan = name##_plan, .add = name##_add, .result = name##_result, __VA_ARGS__)

#define METRIC(name, f) METRIC_WITH(name, f, .validate = NULL)

METRIC(none, NONE);
METRIC(mean_of_means, MEAN_OF_MEANS);
METRIC(needs_merge, NEEDS_MERGE);
METRIC_WITH(merges_one_way, MERGES_ONE_WAY, .merge = merge_one_way);
METRIC(counts_zero_weights, COUNTS_ZERO_WEIGHTS);
METRIC(zero_of_nothing, ZERO_OF_NOTHING);
METRIC(changes_sums, CHANGES_SUMS);
METRIC(larger_is_better, LARGER_IS_BETTER);
METRIC(two_of_one_name, TWO_OF_ONE_NAME);
METRIC(remembers, REMEMBERS);
METRIC(neither, NEITHER);
METRIC(unknown_direction, UNKNOWN_DIRECTION);
METRIC(counts_rows, COUNTS_ROWS);

struct knob {
    double knob;
};

static const assay_hyper hypers[] = { ASSAY_REAL(knob, knob, 0.5, 0, 1, "does nothing") };

ASSAY_DEFINE_METRIC(idle_hyper, "0.1.0", "a hyperparameter that does nothing",
    ASSAY_HYPERS(knob, hypers), .plan = none_plan, .add = none_add, .result = none_result);

ASSAY_PLUGIN(faulty_metrics, "0.1.0", &none_component, &idle_hyper_component,
    &mean_of_means_component, &needs_merge_component, &merges_one_way_component,
    &counts_zero_weights_component, &zero_of_nothing_component, &changes_sums_component,
    &larger_is_better_component, &two_of_one_name_component, &remembers_component,
    &neither_component, &unknown_direction_component, &counts_rows_component);
