/* r2: the share of the targets' variance that the model explains.
 *
 *   per target j: R_j = 1 - S_j / T_j
 *      S_j = sum of w (y_j - t_j)^2,  T_j = sum of w (t_j - mean t_j)^2
 *   uniform: the mean of the R_j
 *   variance: 1 - (sum of S_j) / (sum of T_j), large variances counting more
 *
 * The mean runs over what was counted. T_j is updated by West's rule and merged by Chan's, never as
 * a difference of large sums: West 1979, "Updating mean and variance estimates"; Chan, Golub and
 * LeVeque 1983, "Algorithms for computing the sample variance". A target that does not vary has no
 * R_j: NaN. Default: uniform, as in scikit-learn's r2_score. */
#include "shared/numbers.h"

enum { UNIFORM, VARIANCE };

static const char *const average_choices[] = { "uniform", "variance" };

struct r2 {
    int64_t average;
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(r2, average, UNIFORM, average_choices, "how several targets are put together"),
};

/* The accumulator: the sum of w, then per target the mean of t, T and S. */
enum { TARGET_MEAN, TARGET_T, TARGET_S, PER_TARGET };

typedef struct plan_data {
    uint64_t n_targets;
} plan_data;

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    const int code = require_targets(ctx, plan->task);
    (void)hyper;
    if (code != ASSAY_OK) return code;
    plan_data *data = ctx->host->alloc(ctx, sizeof *data);
    if (!data) return ASSAY_E_NOMEM;
    data->n_targets = plan->task->n_targets;
    ctx->self = data;
    plan->n_sums = 1 + PER_TARGET * data->n_targets;
    plan->n_values = 1;
    plan->names = own_name;
    plan->direction = ASSAY_METRIC_LARGER_IS_BETTER;
    return ASSAY_OK;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const uint64_t n = rows->n_targets;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = rows->weight ? (double)rows->weight[i] : 1.0;
        if (weight == 0) continue;
        sums[0] += weight;
        for (uint64_t j = 0; j < n; j++) {
            double *s = sums + 1 + PER_TARGET * j;
            const double y = (double)rows->y[i * n + j], t = (double)rows->target[i * n + j];
            const double from_mean = t - s[TARGET_MEAN];
            s[TARGET_MEAN] += from_mean * weight / sums[0];
            s[TARGET_T] += weight * from_mean * (t - s[TARGET_MEAN]);
            s[TARGET_S] += weight * (y - t) * (y - t);
        }
    }
    return ASSAY_OK;
}

static int merge(assay_ctx *ctx, const void *hyper, double *into, const double *from)
{
    const uint64_t n = ((const plan_data *)ctx->self)->n_targets;
    const double w = into[0], v = from[0];
    (void)hyper;
    if (v == 0) return ASSAY_OK;
    into[0] = w + v;
    for (uint64_t j = 0; j < n; j++) {
        double *a = into + 1 + PER_TARGET * j;
        const double *b = from + 1 + PER_TARGET * j;
        const double apart = b[TARGET_MEAN] - a[TARGET_MEAN];
        a[TARGET_MEAN] += apart * (v / (w + v));
        a[TARGET_T] += b[TARGET_T] + apart * apart * (w * v / (w + v));
        a[TARGET_S] += b[TARGET_S];
    }
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    const uint64_t n = ((const plan_data *)ctx->self)->n_targets;
    const int64_t average = ((const struct r2 *)hyper)->average;
    double total = 0, t_sum = 0, s_sum = 0;
    for (uint64_t j = 0; j < n; j++) {
        const double *s = sums + 1 + PER_TARGET * j;
        total += s[TARGET_T] > 0 ? 1 - s[TARGET_S] / s[TARGET_T] : NAN;
        t_sum += s[TARGET_T];
        s_sum += s[TARGET_S];
    }
    if (average == UNIFORM) {
        values[0] = total / (double)n;
    } else {
        values[0] = t_sum > 0 ? 1 - s_sum / t_sum : NAN;
    }
    return ASSAY_OK;
}

ASSAY_METRIC(r2, "0.1.0", "share of the targets' variance that is explained",
    ASSAY_HYPERS(r2, hypers), .plan = plan, .add = add, .result = result, .merge = merge);
