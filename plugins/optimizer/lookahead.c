/* Lookahead: an inner optimizer runs k updates ahead, then slow weights go a part of the way after it, and it starts again
 * from there.
 *
 *   slow = w_0;  each update: w <- inner(w, g)
 *   every k updates: slow <- slow + alpha (w - slow);  w <- slow
 *
 * Zhang, Lucas, Hinton and Ba 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1. The step is computed as
 * alpha w + (1 - alpha) slow, which is w to the bit where alpha is 1.
 *
 * Deviations: none in training; what the inner optimizer remembers is left alone (the paper's "maintain", its default). Checks
 * look at w, which are the slow weights only right after a k-th update; the authors' code evaluates at the slow weights.
 *
 * Defaults: k = 5 and alpha = 0.5, of those that the paper uses for images. */
#include "shared/pieces.h"

#include <string.h>

struct lookahead {
    double alpha;
    int64_t k;
    const assay_instance *inner;
};

static const assay_hyper hypers[] = {
    ASSAY_COMPONENT(
        lookahead, inner, "optimizer", "runs ahead; it has the lr", .flags = ASSAY_REQUIRED),
    ASSAY_INT(lookahead, k, 5, 1, 1e6, "inner updates between two steps of the slow weights",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 5, .tune_max = 20),
    ASSAY_REAL(lookahead, alpha, 0.5, 0, 1, "share of the way that the slow weights go",
        .flags = ASSAY_TUNE | ASSAY_SCHED | ASSAY_OPEN_MIN, .tune_min = 0.2, .tune_max = 0.9),
};

static const assay_slot slots[] = { { .name = "slow" } };

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "alpha = 1.0; inner = { type = \"sgd\"; lr = 0.0731; momentum = 0.83; };",
        .as = "lr = 0.0731; momentum = 0.83;",
        .doc = "the slow weights go all the way" },
};

static void remember(const void *arg, piece *p)
{
    (void)arg;
    memcpy(piece_slot(p, 0), piece_w(p), p->n * sizeof(float));
}

ASSAY_MULTIVERSION static void go_after(const void *arg, piece *p)
{
    const struct lookahead *h = arg;
    const float share = (float)h->alpha, rest = (float)(1 - h->alpha);
    float *restrict w = piece_w(p), *restrict slow = piece_slot(p, 0);
    for (uint64_t i = 0; i < p->n; i++) {
        slow[i] = share * w[i] + rest * slow[i];
        w[i] = slow[i];
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct lookahead *h = hyper;
    pieces all;
    (void)closure;
    int code = pieces_cut(ctx, spans, n, stride, &all);
    if (code != ASSAY_OK) {
        return code;
    }
    if (step->t == 1) {
        (void)pieces_each(&all, remember, h);
    }
    code = ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
    if (code == ASSAY_OK && step->t % (uint64_t)h->k == 0) {
        (void)pieces_each(&all, go_after, h);
    }
    return code;
}

ASSAY_OPTIMIZER(lookahead, "0.1.0", "Lookahead: slow weights that follow an inner optimizer",
    ASSAY_HYPERS(lookahead, hypers), .model = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
