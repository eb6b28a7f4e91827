/* What the faulty optimizers share: stochastic gradient descent with momentum and decay, which
 * is all right. Each then goes wrong in one way. */
#ifndef OPTIMIZERS_H
#define OPTIMIZERS_H

#include <assay/plugin.h>

#include <math.h>

struct plain {
    double lr, momentum, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(plain, 0.1, 0.01, 1),
    ASSAY_REAL(plain, momentum, 0.9, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(plain, weight_decay, 0, 0, 10, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
};

static const assay_slot slots[] = { { .name = "v" } };

/* One element, as it should be. */
static inline void move(const struct plain *h, const assay_span *s, uint64_t i, float g)
{
    float *v = s->slot[0];
    const float d = g + (float)h->weight_decay * s->w[i];
    v[i] = (float)h->momentum * v[i] + d;
    s->w[i] -= (float)h->lr * v[i];
}

static inline void move_all(const struct plain *h, const assay_span *s)
{
    for (uint64_t i = 0; i < s->n; i++) {
        move(h, s, i, s->g[i]);
    }
}

/* A callback `name` of tier elem or tensor that has `h`, `s` and, in its body, goes wrong. */
#define UPDATE(name, ...) \
    static int name( \
        assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s) \
    { \
        const struct plain *h = hyper; \
        (void)ctx; \
        (void)step; \
        (void)h; \
        __VA_ARGS__ \
        return ASSAY_OK; \
    } \
    struct assay_semicolon_

#define OPTIMIZER(id, doc, ...) \
    ASSAY_DEFINE_OPTIMIZER(id, "0.1.0", doc, ASSAY_HYPERS(plain, hypers), __VA_ARGS__)

#endif
