/* Rprop: every weight has a step size of its own, which grows while its gradient keeps its sign and shrinks where the sign
 * changes; of the gradient only the sign is used. For full batches: signs of mini-batches' gradients are mostly noise.
 *
 *   s <- eta_plus s,  eta_minus s,  s    as g g_prev is above, below, equal to 0;   s clamped to [step_min, step_max]
 *   g <- 0                               where g g_prev < 0, so that neither this weight moves nor its step shrinks twice
 *   w <- w - s sign(g);   g_prev <- g    (s starts at lr, g_prev at 0)
 *
 * Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation learning: the Rprop algorithm", eq. 4 and 5,
 * in the form of Igel and Huesken 2000, "Improving the Rprop learning algorithm", iRprop-, without backtracking, as
 * torch.optim.Rprop has it.
 *
 * Deviations from torch: the signs are compared, not multiplied, so that small gradients do not vanish in the product. lr is
 * the first step size alone; therefore no schedule may drive it, and with lr = 0 the weights still move, by step_min.
 *
 * Defaults: torch.optim.Rprop 1.13; eta_minus 0.5, eta_plus 1.2 and step_max 50 are the paper's, too. */
#include "shared/sign.h"

#include <assay/plugin.h>

struct rprop {
    double lr, eta_minus, eta_plus, step_min, step_max;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(rprop, lr, 1e-2, 0, ASSAY_INF, "step size of every weight at the start",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-5, .tune_max = 1e-1),
    ASSAY_REAL(rprop, eta_minus, 0.5, 0, 1,
        "factor of a step size where the gradient's sign changes",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
    ASSAY_REAL(rprop, eta_plus, 1.2, 1, ASSAY_INF, "factor of a step size where the sign stays",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(rprop, step_min, 1e-6, 0, ASSAY_INF, "smallest step size"),
    ASSAY_REAL(rprop, step_max, 50, 0, ASSAY_INF, "largest step size", .flags = ASSAY_OPEN_MIN),
};

enum { STEP, PREVIOUS };

static const assay_slot slots[] = {
    [STEP] = { .name = "step" },
    [PREVIOUS] = { .name = "previous" },
};

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct rprop *h = hyper;
    if (h->step_min > h->step_max) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "step_min", "must not be above step_max");
    }
    return ASSAY_OK;
}

struct factors {
    float start, minus, plus, min, max;
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict size, float *restrict previous)
{
    const uint32_t minus = assay_bits_(f.minus), plus = assay_bits_(f.plus);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t now = assay_bits_(g[i]), before = assay_bits_(previous[i]);
        const int both = (now << 1 != 0) & (before << 1 != 0);
        const int turned = both & (int)((now ^ before) >> 31);
        const uint32_t kept = assay_choose_(both, plus, 0x3f800000u); /* 1 */
        const float d = assay_float_(assay_choose_(turned, 0, now));
        float s = (f.start + size[i]) * assay_float_(assay_choose_(turned, minus, kept));
        s = s < f.min ? f.min : s;
        s = s > f.max ? f.max : s;
        w[i] -= size_with_sign(s, d);
        size[i] = s;
        previous[i] = d;
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct rprop *h = hyper;
    const struct factors f = {
        /* The slot is zero before the first update; a hyperparameter cannot be a slot's first value. */
        .start = step->t == 1 ? (float)h->lr : 0.0f,
        .minus = (float)h->eta_minus,
        .plus = (float)h->eta_plus,
        .min = (float)h->step_min,
        .max = (float)h->step_max,
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[STEP], s->slot[PREVIOUS]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(rprop, "0.1.0", "Rprop: step sizes that follow the gradient's sign",
    ASSAY_HYPERS(rprop, hypers), .elem = update, .validate = validate, ASSAY_SLOTS(slots));
