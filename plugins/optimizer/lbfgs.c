/* L-BFGS: Newton's direction from the last differences of weights and gradients, and a line search along it.
 *
 *   d = -H g by the two loops of algorithm 7.4, from H_0 = gamma S, gamma = s^T y / y^T S y of the last pair, S = lr_scale
 *   t: strong Wolfe conditions (shared/line_search.h), from t = lr (without pairs: from lr min(1, 1 / |g|_1))
 *   s = w_new - w_old, y = g_new - g_old, kept where s^T y > curvature |s| |y|; the last `history` pairs are
 *
 * Nocedal and Wright 2006, "Numerical optimization", algorithms 7.4 and 7.5, equation 7.20. One iteration an update, on the
 * update's own batch: both gradients of a pair are of the same batch, as Schraudolph, Yu and Guenter 2007, "A stochastic
 * quasi-Newton method for online convex optimization", ask for. It is meant for batch_size = "all"; small batches mislead it.
 *
 * Deviations: S, which gives a layer's lr_scale a meaning: its part of the inverse curvature at the start. Where a direction
 * does not descend, or no lower loss is found along it, the pairs are forgotten; in the second case the weights stay.
 * line_search = "none" takes t as it is, and one evaluation for the pair. torch.optim.LBFGS 1.13 takes the same steps with
 * max_iter = 1 and line_search_fn = "strong_wolfe", with one evaluation fewer, as the next update's gradient serves its pair.
 *
 * Defaults: c1 and c2 of Nocedal and Wright, section 3.1; history 10 of their range of 3 to 20 (torch: 100); lr and
 * max_evaluations as torch's lr and max_ls; curvature and tolerance are the size of rounding in float32. */
#include "shared/line_search.h"
#include "shared/vectors.h"

struct lbfgs {
    double lr, c1, c2, curvature, tolerance;
    int64_t history, max_evaluations, line_search;
};

enum { STRONG_WOLFE, NO_SEARCH };

static const char *const searches[] = { "strong_wolfe", "none" };

static const assay_hyper hypers[] = {
    ASSAY_LR(lbfgs, 1, 1e-2, 1),
    ASSAY_INT(lbfgs, history, 10, 1, 1000, "pairs that are kept: 2 weights' worth of memory each"),
    ASSAY_ENUM(lbfgs, line_search, STRONG_WOLFE, searches,
        "strong_wolfe: evaluates the loss until a step is good; none: takes lr"),
    ASSAY_INT(lbfgs, max_evaluations, 25, 1, 1000, "of a line search"),
    ASSAY_REAL(lbfgs, c1, 1e-4, 0, 0.5, "share of the slope by which the loss must fall",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
    ASSAY_REAL(lbfgs, c2, 0.9, 0, 1, "share of the slope that may be left",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
    ASSAY_REAL(lbfgs, curvature, 1e-7, 0, 1, "least cosine between the two parts of a pair",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(lbfgs, tolerance, 6e-8, 0, 1,
        "a line search ends where its interval is this small, in parts of the norm of all weights"),
};

enum { S, Y, N_PAIRS, NEXT };
enum { GLOBAL_N_PAIRS, GLOBAL_NEXT }; /* how many pairs there are; where the next one goes */

static const assay_slot slots[] = {
    [S] = { .name = "s", .times = "history" },
    [Y] = { .name = "y", .times = "history" },
    [N_PAIRS] = { .name = "n_pairs", .shape = ASSAY_SLOT_MODEL },
    [NEXT] = { .name = "next", .shape = ASSAY_SLOT_MODEL },
};

enum { STEP_LENGTH, EVALUATIONS };

static const assay_metric_row metrics[] = {
    [STEP_LENGTH] = { "step_length", "how far along the direction the last step went", 0 },
    [EVALUATIONS] = { "evaluations", "losses that the last line search asked for", 0 },
};

/* An update at work. The arrays are flat: all weights of the group, one tensor after another. */
typedef struct search {
    const struct lbfgs *hyper;
    const assay_closure *closure;
    pieces all;
    vectors v;
    uint64_t n_pairs, next;
    float *own[4]; /* [n_elements] START, D, G_START, G_BEST */
} search;

/* The vectors; of PAIR_S and PAIR_Y one per item of the history. */
enum { START, D, G_START, G_BEST, W, PAIR_S, PAIR_Y };

static float *vector_at(const void *self, const piece *p, int which, uint64_t item)
{
    const search *s = self;
    switch (which) {
    case W: return piece_w(p);
    case PAIR_S: return piece_slot(p, S) + item * p->span->slot_stride;
    case PAIR_Y: return piece_slot(p, Y) + item * p->span->slot_stride;
    default: return s->own[which] + p->flat;
    }
}

/* The layer's lr_scale. */
static double scale_of(const void *self, const piece *p)
{
    const search *s = self;
    const struct lbfgs *own = p->span->hyper;
    return s->hyper->lr > 0 ? own->lr / s->hyper->lr : 1;
}

/* Where the k-th of the pairs that there are stands, the oldest first. */
static uint64_t item_of(const search *s, uint64_t k)
{
    const uint64_t history = (uint64_t)s->hyper->history;
    return (s->next + history - s->n_pairs + k) % history;
}

/* Algorithm 7.4: d is -g before and the direction after. */
static int two_loops(const search *s)
{
    const uint64_t m = s->n_pairs;
    double *alpha = s->all.ctx->host->scratch(s->all.ctx, 2 * m * sizeof *alpha);
    if (!alpha) {
        return ASSAY_E_NOMEM;
    }
    double *rho = alpha + m, gamma = 1;
    for (uint64_t k = m; k-- > 0;) {
        const uint64_t item = item_of(s, k);
        const double sy = vector_dot(&s->v, PAIR_S, PAIR_Y, item);
        if (k == m - 1) {
            gamma = sy / vector_scaled_dot(&s->v, PAIR_Y, PAIR_Y, item);
        }
        rho[k] = 1 / sy;
        alpha[k] = rho[k] * vector_dot(&s->v, PAIR_S, D, item);
        vector_add(&s->v, D, -alpha[k], PAIR_Y, item);
    }
    vector_scale(&s->v, D, gamma);
    for (uint64_t k = 0; k < m; k++) {
        const uint64_t item = item_of(s, k);
        const double beta = rho[k] * vector_dot(&s->v, PAIR_Y, D, item);
        vector_add(&s->v, D, alpha[k] - beta, PAIR_S, item);
    }
    return ASSAY_OK;
}

static void set_to_minus_g(const search *s)
{
    vector_copy(&s->v, D, G_START, 0);
    vector_add(&s->v, D, -2, G_START, 0);
}

/* The direction d, its slope, and the first step to try. */
static int find_direction(search *s, double *out_slope, double *out_t)
{
    set_to_minus_g(s);
    *out_t = s->hyper->lr;
    if (s->n_pairs > 0) {
        const int code = two_loops(s);
        *out_slope = vector_dot(&s->v, G_START, D, 0);
        if (code != ASSAY_OK || *out_slope < 0) {
            return code;
        }
        s->n_pairs = 0;
        set_to_minus_g(s);
    }
    vector_scale(&s->v, D, 1);
    *out_slope = vector_dot(&s->v, G_START, D, 0);
    *out_t *= fmin(1, 1 / vector_sum_of_sizes(&s->v, G_START));
    return ASSAY_OK;
}

static void go_to(const search *s, double t)
{
    vector_copy(&s->v, W, START, 0);
    vector_add(&s->v, W, t, D, 0);
}

static int evaluate(void *self, double t, double *out_f, double *out_slope)
{
    search *s = self;
    go_to(s, t);
    const int code = s->closure->evaluate(s->closure, ASSAY_CLOSURE_GRADIENT, out_f);
    *out_slope = vector_dot_gradient(&s->v, D);
    return code;
}

static void keep(void *self)
{
    const search *s = self;
    vector_copy_gradient(&s->v, G_BEST);
}

/* Moves the weights and leaves the gradient there in G_BEST; *out_t is 0 where nothing lower was found. */
static int step_along(search *s, double loss, double slope, double first_t, double *out_t)
{
    const assay_host *host = s->all.ctx->host;
    const double size = sqrt(vector_dot(&s->v, START, START, 0));
    const double pace = sqrt(vector_dot(&s->v, D, D, 0));
    line_search l = { .self = s,
        .evaluate = evaluate,
        .keep = keep,
        .c1 = s->hyper->c1,
        .c2 = s->hyper->c2,
        .least = s->hyper->tolerance * size / pace,
        .max_evaluations = (uint64_t)s->hyper->max_evaluations,
        .start = { .f = loss, .slope = slope } };
    int code;
    if (s->hyper->line_search == NO_SEARCH) {
        code = line_evaluate(&l, first_t, &l.best);
        keep(s);
    } else {
        code = line_search_run(&l, first_t);
    }
    go_to(s, l.best.t);
    *out_t = l.best.t;
    (void)host->metric(s->all.ctx, STEP_LENGTH, UINT64_MAX, l.best.t);
    (void)host->metric(s->all.ctx, EVALUATIONS, UINT64_MAX, (double)l.n_evaluations);
    return code;
}

/* The pair of this step takes the place of the oldest; it counts if its curvature is positive enough. */
static void keep_pair(search *s)
{
    const uint64_t history = (uint64_t)s->hyper->history, item = s->next;
    vector_copy(&s->v, PAIR_S, W, item);
    vector_add(&s->v, PAIR_S, -1, START, item);
    vector_copy(&s->v, PAIR_Y, G_BEST, item);
    vector_add(&s->v, PAIR_Y, -1, G_START, item);
    const double sy = vector_dot(&s->v, PAIR_S, PAIR_Y, item);
    const double ss = vector_dot(&s->v, PAIR_S, PAIR_S, item);
    const double yy = vector_dot(&s->v, PAIR_Y, PAIR_Y, item);
    const int counts = isfinite(yy) && sy > s->hyper->curvature * sqrt(ss) * sqrt(yy);
    if (counts) {
        s->next = (s->next + 1) % history;
        s->n_pairs += s->n_pairs < history;
    } else {
        s->n_pairs -= s->n_pairs == history; /* the oldest one has been overwritten */
    }
}

static int begin(search *s, assay_ctx *ctx, const assay_step *step)
{
    s->v = (vectors){ .all = &s->all, .self = s, .at = vector_at, .scale = scale_of };
    s->n_pairs = (uint64_t)step->global[GLOBAL_N_PAIRS];
    s->next = (uint64_t)step->global[GLOBAL_NEXT];
    for (int i = 0; i < 4; i++) {
        s->own[i] = ctx->host->scratch(ctx, s->all.n_elements * sizeof(float));
        if (!s->own[i]) {
            return ASSAY_E_NOMEM;
        }
    }
    vector_copy(&s->v, START, W, 0);
    vector_copy_gradient(&s->v, G_START);
    vector_copy_gradient(&s->v, G_BEST);
    return ASSAY_OK;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    search s = { .hyper = hyper, .closure = closure };
    double slope = 0, t = 0;
    int code = pieces_cut(ctx, spans, n, stride, &s.all);
    code = code == ASSAY_OK ? begin(&s, ctx, step) : code;
    code = code == ASSAY_OK ? find_direction(&s, &slope, &t) : code;
    if (code == ASSAY_OK && slope < 0 && isfinite(slope) && t > 0) {
        code = step_along(&s, step->loss, slope, t, &t);
        if (code == ASSAY_OK && t > 0) {
            keep_pair(&s);
        } else {
            s.n_pairs = 0;
        }
    }
    step->global[GLOBAL_N_PAIRS] = (double)s.n_pairs;
    step->global[GLOBAL_NEXT] = (double)s.next;
    return code;
}

ASSAY_OPTIMIZER(lbfgs, "0.1.0", "L-BFGS with a line search, for whole data sets",
    ASSAY_HYPERS(lbfgs, hypers), .model = update, ASSAY_SLOTS(slots), ASSAY_METRICS(metrics));
