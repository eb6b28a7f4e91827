/* A doc that is not UTF-8, a search range whose end is not valid. */
#include <assay/plugin.h>

struct odd_texts {
    double lr, beta;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(odd_texts, 0.1, 0.01, 1),
    ASSAY_REAL(odd_texts, beta, 0.9, 0, 1,
        "a f\xe4"
        "ctor",
        .flags = ASSAY_OPEN_MAX | ASSAY_TUNE, .tune_min = 0.5, .tune_max = 1),
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(odd_texts, "0.1.0", "odd texts", ASSAY_HYPERS(odd_texts, hypers), .elem = update);
