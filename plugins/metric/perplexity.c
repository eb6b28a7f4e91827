/* perplexity: among how many equally likely classes the model would be as unsure.
 *
 *   exp(sum of w l / sum of w),  l = -log softmax(y)[label]        y [rows, classes], w [rows]
 *
 * The exponential of nll, which is in nats per row; of a language model's rows, the tokens, it is the
 * perplexity of the text (Jelinek, Mercer, Bahl and Baker 1977, "Perplexity: a measure of the
 * difficulty of speech recognition tasks"). The mean is over all rows that were counted, and the
 * exponential is taken once at the end: means of batches' perplexities are another number. It has no
 * unit, and depends on what a token is: figures of different vocabularies do not compare. */
#include "shared/likelihood.h"

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = exp(mean_of(sums));
    return ASSAY_OK;
}

ASSAY_METRIC(perplexity, "0.1.0", "exponential of the mean negative log-likelihood",
    ASSAY_NO_HYPERS, .plan = surprise_plan, .add = surprise_add, .result = result);
