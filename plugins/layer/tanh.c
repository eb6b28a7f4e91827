/* tanh: the hyperbolic tangent, plain or scaled.
 *
 *   y = a tanh(b x),  dx = dy (a b - (b / a) y^2)        any shape, kept
 *
 * Plain: a = b = 1. Scaled: a = 1.7159, b = 2/3, so that y(1) = 1, y(-1) = -1 and the curvature is
 * largest there: LeCun, Bottou, Orr and Mueller 1998, "Efficient BackProp", section 4.4. The
 * derivative is taken from y, which is kept anyway. Default: plain, as in PyTorch. */
#include "shared/elementwise.h"

struct tanh_hypers {
    int64_t scaled;
};

static const assay_hyper hypers[] = {
    ASSAY_BOOL(tanh_hypers, scaled, 0, "LeCun's 1.7159 tanh(2x/3)"),
};

/* Amplitude and inner slope. */
typedef struct curve {
    float a, b;
} curve;

static curve curve_of(const struct tanh_hypers *h)
{
    return h->scaled ? (curve){ 1.7159f, 2.0f / 3.0f } : (curve){ 1, 1 };
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const curve k = curve_of(hyper);
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        y[i] = k.a * assay_tanh(k.b * x[i]);
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const curve k = curve_of(hyper);
    const float top = k.a * k.b, bend = k.b / k.a;
    const float *y = io->y, *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        dx[i] = dy[i] * (top - bend * y[i] * y[i]);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(tanh, "0.1.0", "hyperbolic tangent", ASSAY_HYPERS(tanh_hypers, hypers),
    .plan = elementwise_plan, .forward = forward, .backward = backward);
