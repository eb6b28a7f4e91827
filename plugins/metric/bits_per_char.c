/* bits_per_char: the mean negative log-likelihood of a row in bits.
 *
 *   sum of w l / sum of w / ln 2,  l = -log softmax(y)[label]        y [rows, classes], w [rows]
 *
 * nll, which is in nats, over ln 2 = 0.6931: what coding the text by the model would take (Shannon
 * 1948, "A mathematical theory of communication"). As its name says it is meant for rows that are
 * characters; papers quote some character models in nats (multiply by 0.6931) and word models by
 * perplexity. */
#include "shared/likelihood.h"

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = mean_of(sums) / 0.69314718055994530942; // ln 2
    return ASSAY_OK;
}

ASSAY_METRIC(bits_per_char, "0.1.0", "mean negative log-likelihood of a row in bits",
    ASSAY_NO_HYPERS, .plan = surprise_plan, .add = surprise_add, .result = result);
