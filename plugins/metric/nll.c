/* nll: the mean negative log-likelihood of a row, in nats.
 *
 *   sum of w l / sum of w        y [rows, outputs], w [rows]
 *   classes: l = -log softmax(y)[label]; of a single output for two classes as below
 *   yes or no: l = sum over j of max(z, 0) - z t + log1p(exp(-|z|)),  z = y_j, t = target_j
 *
 * Outputs are logits, as softmax_xent and bce_logits take them. A row is a sample, or a real time step
 * of one, so of music it is what is reported for piano rolls: nats per frame, summed over the keys
 * (Boulanger-Lewandowski, Bengio and Vincent 2012, "Modeling temporal dependencies in high-dimensional
 * sequences"; Chung, Gulcehre, Cho and Bengio 2014, "Empirical evaluation of gated recurrent neural
 * networks on sequence modeling", table 2); of text, nats per token. Label smoothing and class weights
 * of the training loss are not in it. `features = "mean"` takes the mean over a row's outputs, as
 * bce_logits does by default; of classes it changes nothing. Default: the sum, which alone is a
 * log-likelihood. */
#include "shared/likelihood.h"

enum { FEATURES_MEAN, FEATURES_SUM };

static const char *const features_choices[] = { "mean", "sum" };

struct nll {
    int64_t features;
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(nll, features, FEATURES_SUM, features_choices,
        "of yes-or-no targets: a row's is the mean or the sum over its outputs"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)hyper;
    surprise_sums(plan);
    return require_classes_or_binary(ctx, plan->task);
}

static void add_bits(const struct nll *h, const assay_rows *rows, double *sums)
{
    const uint64_t n = rows->n_outputs;
    const double share = h->features == FEATURES_SUM ? 1.0 : 1.0 / (double)n;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = row_weight(rows, i);
        double sum = 0;
        if (weight == 0) continue; // a padded row may hold anything
        for (uint64_t j = 0; j < n; j++) {
            sum += surprise_of_bit((double)rows->y[i * n + j], (double)rows->target[i * n + j]);
        }
        sums[MEAN_VALUE] += weight * share * sum;
        sums[MEAN_W] += weight;
    }
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    if (rows->label) return surprise_add(ctx, hyper, rows, sums);
    add_bits(hyper, rows, sums);
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = mean_of(sums);
    return ASSAY_OK;
}

ASSAY_METRIC(nll, "0.1.0", "mean negative log-likelihood of a row in nats",
    ASSAY_HYPERS(nll, hypers), .plan = plan, .add = add, .result = result);
