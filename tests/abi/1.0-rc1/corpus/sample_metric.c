/* sample_metric: the mean and the largest absolute error over all outputs of all rows, to begin with.
 *
 *   mean = sum of w mean over j of |y_j - t_j| / sum of w;  max over rows of w > 0          y, t [rows, outputs], w [rows]
 *
 * Say here where it is defined, and what a reader must know of it. */
#include <assay/plugin.h>

#include <math.h>

enum { SUM, WEIGHT, LARGEST, N_SUMS };

/* What is added up, and which numbers come of it: "sample_metric" itself and "sample_metric_max". */
static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    static const char *const names[] = { "", "max" };
    (void)hyper;
    if (plan->task->target != ASSAY_TARGET_REAL) {
        return ctx->host->fail(
            ctx, ASSAY_E_UNSUPPORTED, NULL, "is for real targets; for classes take accuracy");
    }
    if (plan->task->n_outputs != plan->task->n_targets) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "needs as many outputs as targets: change the units of the last layer");
    }
    plan->n_sums = N_SUMS;
    plan->n_values = 2;
    plan->names = names;
    plan->direction = ASSAY_METRIC_SMALLER_IS_BETTER;
    return ASSAY_OK;
}

/* Some rows, in any number of calls and on any thread; the sums are zero at first. A row of weight 0 does not count. */
static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const uint64_t n = rows->n_outputs;
    (void)ctx;
    (void)hyper;
    for (uint64_t r = 0; r < rows->n; r++) {
        const double weight = rows->weight ? (double)rows->weight[r] : 1.0;
        if (weight == 0) continue;
        double sum = 0;
        for (uint64_t j = 0; j < n; j++) {
            const double e = fabs((double)rows->y[r * n + j] - (double)rows->target[r * n + j]);
            sum += e;
            if (e > sums[LARGEST]) sums[LARGEST] = e;
        }
        sums[SUM] += weight * sum / (double)n;
        sums[WEIGHT] += weight;
    }
    return ASSAY_OK;
}

/* Sums of different rows together. A metric whose sums are all just added needs none. */
static int merge(assay_ctx *ctx, const void *hyper, double *into, const double *from)
{
    (void)ctx;
    (void)hyper;
    into[SUM] += from[SUM];
    into[WEIGHT] += from[WEIGHT];
    if (from[LARGEST] > into[LARGEST]) into[LARGEST] = from[LARGEST];
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    const int is_empty = !(sums[WEIGHT] > 0);
    (void)ctx;
    (void)hyper;
    values[0] = is_empty ? (double)NAN : sums[SUM] / sums[WEIGHT];
    values[1] = is_empty ? (double)NAN : sums[LARGEST];
    return ASSAY_OK;
}

ASSAY_METRIC(sample_metric, "0.1.0", "mean and largest absolute error", ASSAY_NO_HYPERS,
    .plan = plan, .add = add, .result = result, .merge = merge);
