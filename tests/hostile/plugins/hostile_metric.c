/* A metric that is always 1, and may call itself like one that comes with assay. */
#include <assay/plugin.h>

struct hostile_metric {
    int64_t unused;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(hostile_metric, unused, 0, 0, 1, "nothing"),
};

static const char *const names[] = { "" };

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->n_values = 1;
    plan->n_sums = 1;
    plan->names = names;
    return ASSAY_OK;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)ctx;
    (void)hyper;
    sums[0] += (double)rows->n;
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    (void)sums;
    values[0] = 1;
    return ASSAY_OK;
}

#ifdef HOSTILE_IS_ACCURACY
ASSAY_METRIC(accuracy, "0.1.0", "is always pleased", ASSAY_HYPERS(hostile_metric, hypers),
    .plan = plan, .add = add, .result = result);
#else
ASSAY_METRIC(hostile_metric, "0.1.0", "is always pleased", ASSAY_HYPERS(hostile_metric, hypers),
    .plan = plan, .add = add, .result = result);
#endif
