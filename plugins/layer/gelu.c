/* gelu: the Gaussian error linear unit.
 *
 *   y = x P(x),  dx = dy (P(x) + x p(x))        any shape, kept
 *
 * P and p are the normal distribution's function and density. Hendrycks and Gimpel 2016, "Gaussian
 * error linear units (GELUs)", section 2. `approximate` is as in PyTorch's GELU: "none" is that,
 * "tanh" the authors' formula, P(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, with its own
 * derivative; it lies within 0.0005 of y.
 *
 * The exact form: for a = |x|, P(-a) = Q(t) t e^(-a^2 / 2) with t = 1 / (1 + 0.3 a), the form of
 * Hastings 1955, "Approximations for digital computers", sheets 43 to 46. Q is a fit of degree 7 to a
 * relative error of 1.9e-7 for a up to 15. Then y = max(x, 0) - a P(-a), which loses nothing in
 * the tail, and the density comes from the same exponential. y and dy/dx are within 1e-6 (of 1, and
 * of the larger of 1 and |y|) of the truth; libm's erff would not be vectorised. */
#include "shared/elementwise.h"

struct gelu {
    int64_t approximate;
};

enum { NONE, TANH };

static const char *const forms[] = { [NONE] = "none", [TANH] = "tanh" };

static const assay_hyper hypers[] = {
    ASSAY_ENUM(gelu, approximate, NONE, forms, "how the normal distribution is worked out"),
};

/* P(-a) / e^(-a^2 / 2) for a >= 0. */
static inline float tail(float a)
{
    const float t = 1 / (1 + 0.3f * a);
    float q = 0.03517914f;
    q = q * t - 0.15514398f;
    q = q * t + 0.202819f;
    q = q * t - 0.05044646f;
    q = q * t + 0.1268598f;
    q = q * t + 0.10042507f;
    q = q * t + 0.12067281f;
    q = q * t + 0.11963453f;
    return q * t;
}

static inline float exact(float x)
{
    const float a = fabsf(x);
    return (x > 0 ? x : 0) - a * (tail(a) * assay_exp(-0.5f * a * a));
}

static inline float exact_slope(float x)
{
    const float a = fabsf(x), power = assay_exp(-0.5f * a * a);
    const float below = tail(a) * power, up = x > 0 ? 1 - below : below;
    return up + x * (0.39894228f * power); // 1 / sqrt(2 pi)
}

/* (1 + tanh u) / 2 is the sigmoid of 2 u. 1.5957691 = 2 sqrt(2 / pi). */
static inline float by_tanh(float x)
{
    return x * assay_sigmoid(1.5957691f * x * (1 + 0.044715f * x * x));
}

static inline float by_tanh_slope(float x)
{
    const float s = assay_sigmoid(1.5957691f * x * (1 + 0.044715f * x * x));
    return s + x * s * (1 - s) * 1.5957691f * (1 + 0.134145f * x * x);
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct gelu *h = hyper;
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    if (h->approximate == TANH) {
        for (uint64_t i = 0; i < n; i++) {
            y[i] = by_tanh(x[i]);
        }
        return ASSAY_OK;
    }
    for (uint64_t i = 0; i < n; i++) {
        y[i] = exact(x[i]);
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct gelu *h = hyper;
    const float *x = io->x[0], *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    if (h->approximate == TANH) {
        for (uint64_t i = 0; i < n; i++) {
            dx[i] = dy[i] * by_tanh_slope(x[i]);
        }
        return ASSAY_OK;
    }
    for (uint64_t i = 0; i < n; i++) {
        dx[i] = dy[i] * exact_slope(x[i]);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(gelu, "0.1.0", "the input times its normal distribution's function",
    ASSAY_HYPERS(gelu, hypers), .plan = elementwise_plan, .forward = forward, .backward = backward);
