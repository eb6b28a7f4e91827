/* metric_odd: a metric whose plan breaks the contract in the way that `fault` names. */
#include <assay/plugin.h>

enum { NONE, NAMELESS, WRAPPED, ENDLESS };

static const char *const faults[] = { "none", "nameless", "wrapped", "endless" };

struct metric_odd {
    int64_t fault;
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(metric_odd, fault, NONE, faults, "what is wrong with the plan"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *p)
{
    static const char *const sound[] = { "", "half" };
    static const char *const nameless[] = { "", 0 };
    const struct metric_odd *h = hyper;
    (void)ctx;
    p->n_values = 2;
    p->n_sums = h->fault == ENDLESS ? UINT64_MAX / 2 + 2 : 1;
    p->names = h->fault == NAMELESS ? nameless : sound;
    if (h->fault == WRAPPED) { /* 2 modulo 2^64 */
        p->rows = (UINT64_C(1) << 63) + 1;
        p->cols = 2;
    }
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
    values[0] = sums[0];
    values[1] = sums[0] / 2;
    return ASSAY_OK;
}

ASSAY_METRIC(metric_odd, "0.1.0", "counts rows, or breaks the contract",
    ASSAY_HYPERS(metric_odd, hypers), .plan = plan, .add = add, .result = result);
