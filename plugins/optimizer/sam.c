/* SAM: steps with the gradient at the worst point nearby, which leads to flat minima.
 *
 *   e = rho T^2 g / |T g|                 T = 1;  adaptive: T = |w| + eta, 1 for biases
 *   g' = the gradient at w + e, of the same batch with the same dropout masks
 *   w <- inner(w, g')
 *
 * Foret, Kleiner, Mobahi and Neyshabur 2021, "Sharpness-aware minimization for efficiently improving generalization",
 * equations 2 and 3 with p = 2, algorithm 1. Adaptive: Kwon, Kim, Park and Choi 2021, "ASAM: adaptive sharpness-aware
 * minimization for scale-invariant learning of deep neural networks", algorithm 1 with p = 2.
 *
 * Deviations: |T g| is the norm of the gradient as it comes, of all replicas' samples, clipped and with L2 where the config
 * says so; the paper's m-sharpness takes it per accelerator. Where the gradient is 0, so is e.
 *
 * Defaults: rho 0.05, Foret et al. section 3.1; eta 0.01, Kwon et al.'s experiments, whose rho for adaptive is ten times that
 * of SAM. */
#include "shared/pieces.h"

#include <math.h>
#include <string.h>

struct sam {
    double rho, eta;
    int64_t adaptive;
    const assay_instance *inner;
};

static const assay_hyper hypers[] = {
    ASSAY_COMPONENT(
        sam, inner, "optimizer", "makes the step; it has the lr", .flags = ASSAY_REQUIRED),
    ASSAY_REAL(sam, rho, 0.05, 0, ASSAY_INF, "how far away the worst point is looked for",
        .flags = ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, .tune_min = 0.01, .tune_max = 1),
    ASSAY_BOOL(sam, adaptive, 0, "distances relative to the size of each weight"),
    ASSAY_REAL(sam, eta, 0.01, 0, ASSAY_INF, "added to the size of a weight where adaptive"),
};

/* The weights themselves, while the gradient is looked for elsewhere. */
static const assay_slot slots[] = { { .name = "start", .flags = ASSAY_SLOT_SCRATCH } };

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "rho = 0.0; inner = { type = \"sgd\"; lr = 0.0731; momentum = 0.83; };",
        .as = "lr = 0.0731; momentum = 0.83;",
        .doc = "the worst point is where the weights are" },
};

typedef struct search {
    const struct sam *hyper;
    float scale; /* rho / |T g| */
} search;

/* |w| + eta, or 1. */
static inline float size_of(const struct sam *h, const piece *p, float w)
{
    const int scaled = h->adaptive && p->span->tensor->role != ASSAY_ROLE_BIAS;
    return scaled ? fabsf(w) + (float)h->eta : 1.0f;
}

static void add_squares(const void *arg, piece *p)
{
    const search *s = arg;
    const float *w = piece_w(p), *g = piece_g(p);
    for (uint64_t i = 0; i < p->n; i++) {
        const double x = (double)size_of(s->hyper, p, w[i]) * g[i];
        p->sum += x * x;
    }
}

static void move_away(const void *arg, piece *p)
{
    const search *s = arg;
    float *w = piece_w(p);
    const float *g = piece_g(p);
    memcpy(piece_slot(p, 0), w, p->n * sizeof *w);
    for (uint64_t i = 0; i < p->n; i++) {
        const float size = size_of(s->hyper, p, w[i]);
        w[i] += s->scale * (size * size * g[i]);
    }
}

static void come_back(const void *arg, piece *p)
{
    (void)arg;
    memcpy(piece_w(p), piece_slot(p, 0), p->n * sizeof(float));
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    search s = { .hyper = hyper };
    assay_step inner_step = *step;
    pieces all;
    inner_step.struct_size = sizeof inner_step;
    int code = pieces_cut(ctx, spans, n, stride, &all);
    if (code != ASSAY_OK) {
        return code;
    }
    const double norm = sqrt(pieces_each(&all, add_squares, &s));
    s.scale = norm > 0 ? (float)(s.hyper->rho / norm) : 0;
    (void)pieces_each(&all, move_away, &s);
    code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &inner_step.loss);
    (void)pieces_each(&all, come_back, &s);
    if (code != ASSAY_OK) {
        return code;
    }
    return ctx->host->inner_update(ctx, s.hyper->inner, &inner_step, spans, n, stride);
}

ASSAY_OPTIMIZER(sam, "0.1.0", "SAM: the gradient at the worst point nearby, for an inner optimizer",
    ASSAY_HYPERS(sam, hypers), .model = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
