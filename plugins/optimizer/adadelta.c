/* Adadelta: the gradient over the root of its mean square, times the root of the mean square of the steps so far.
 *
 *   g' = g + weight_decay w
 *   v <- rho v + (1 - rho) g'^2
 *   d = sqrt(x + eps) / sqrt(v + eps) g'
 *   x <- rho x + (1 - rho) d^2
 *   w <- w - lr d
 *
 * Zeiler 2012, "Adadelta: an adaptive learning rate method", algorithm 1.
 *
 * Deviations: lr and weight_decay (L2 coupled through the gradient) are torch.optim.Adadelta's; the paper is lr = 1 and
 * weight_decay = 0. The two roots are taken as one, of the ratio.
 *
 * Defaults: torch.optim.Adadelta 1.13; rho 0.9 and eps 1e-6 are among the settings of the paper's table 2. */
#include <assay/plugin.h>

#include <math.h>

struct adadelta {
    double lr, rho, eps, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adadelta, 1, 1e-2, 1e1),
    ASSAY_REAL(adadelta, rho, 0.9, 0, 1, "decay of both mean squares", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adadelta, eps, 1e-6, 0, ASSAY_INF,
        "added to both mean squares; its root is the size of the first steps"),
    ASSAY_REAL(adadelta, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
};

enum { V, STEPS };

static const assay_slot slots[] = {
    [V] = { .name = "v" },
    [STEPS] = { .name = "steps" },
};

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "eps = 1e30;",
        .as = "momentum = 0.0;",
        .tolerance = 1e-6,
        .doc = "both roots become that of eps" },
};

struct factors {
    float lr, rho, rest, eps, decay; /* rest = 1 - rho */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict v, float *restrict x)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.decay * w[i];
        v[i] = f.rho * v[i] + f.rest * (d * d);
        const float by = sqrtf((x[i] + f.eps) / (v[i] + f.eps)) * d;
        x[i] = f.rho * x[i] + f.rest * (by * by);
        w[i] -= f.lr * by;
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adadelta *h = hyper;
    const struct factors f = {
        .lr = (float)h->lr,
        .rho = (float)h->rho,
        .rest = (float)(1 - h->rho),
        .eps = (float)h->eps,
        .decay = (float)h->weight_decay,
    };
    (void)ctx;
    (void)step;
    run(f, s->n, s->g, s->w, s->slot[V], s->slot[STEPS]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adadelta, "0.1.0", "Adadelta: steps of the size that steps had",
    ASSAY_HYPERS(adadelta, hypers), .elem = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
