/* An optimizer that would be all right but for its `validate`. */
#ifndef FAULTY_H
#define FAULTY_H

#include <assay/plugin.h>

struct faulty {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(faulty, 0.1, 0.01, 1) };

static inline int update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

#define FAULTY(id, doc) \
    ASSAY_OPTIMIZER( \
        id, "0.1.0", doc, ASSAY_HYPERS(faulty, hypers), .elem = update, .validate = validate)

#endif
