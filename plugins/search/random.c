/* Random search: independent points, uniform on the scale of each dimension.
 *
 * Bergstra and Bengio 2012, "Random search for hyper-parameter optimization". Proposal k is a function of (seed, k) alone: number i of
 * stream k is the coordinate of dimension i, whether that is active or not.
 *
 * With `use_priors` a dimension that has a prior is drawn from that normal distribution, cut to the range, in a share of the
 * proposals. Defaults: half of them, so that a prior that is wrong costs a factor of two at most. */
#include "shared/codec.h"
#include "shared/draw.h"

#include <stdio.h>

struct random {
    double use_priors;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(random, use_priors, 0.5, 0, 1,
        "share of proposals that follow the priors that the space has"),
};

struct scene {
    const assay_search_plan *plan;
    double *u; // [n_dimensions]
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    (void)hyper;
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->u = ctx->host->alloc(ctx, (plan->n_dimensions + 1) * sizeof *s->u);
    ctx->self = s;
    return s->u ? ASSAY_OK : ASSAY_E_NOMEM;
}

static double scaled(const assay_dimension *d, double v)
{
    return d->log ? log(v) : v;
}

/* The coordinate of a draw from the prior, by the first of ten draws that lies in the range; else as it was. */
static double from_prior(assay_ctx *ctx, const assay_dimension *d, uint64_t k, uint64_t i, double u)
{
    const double low = scaled(d, d->low), high = scaled(d, d->high);
    double normal[10];
    draw_normals(ctx, k, (i + 1) << 20, normal, 10);
    for (int try = 0; try < 10; try++) {
        const double v = d->prior_mean + d->prior_sd * normal[try];
        if (v >= low && v <= high) return codec_unit(d, d->log ? exp(v) : v);
    }
    return u;
}

static int has_prior(const assay_dimension *d)
{
    return d->type != ASSAY_SPACE_CATEGORY && !isnan(d->prior_mean);
}

static void propose(assay_ctx *ctx, const struct random *h, uint64_t k, double *x)
{
    const struct scene *s = ctx->self;
    const uint64_t n = s->plan->n_dimensions;
    draw_units(ctx, k, 0, s->u, n + 1);
    const int by_prior = s->u[n] < h->use_priors;
    for (uint64_t i = 0; i < n && by_prior; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        if (has_prior(d)) s->u[i] = from_prior(ctx, d, k, i, s->u[i]);
    }
    codec_point(s->plan, s->u, x);
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    for (uint64_t i = 0; i < want; i++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + i * stride);
        propose(ctx, hyper, number + i, p->x);
    }
    *out_n = want;
    *out_is_over = 0;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)ctx;
    (void)hyper;
    (void)events;
    (void)n;
    (void)stride;
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    const struct random *h = hyper;
    const struct scene *s = ctx->self;
    const uint64_t n = s->plan->n_dimensions;
    uint64_t n_priors = 0;
    for (uint64_t i = 0; i < n; i++)
        n_priors += (uint64_t)has_prior(assay_dimension_at(s->plan, i));
    const int by_prior = n_priors > 0 && draw_unit(ctx, trial, n) < h->use_priors;
    (void)snprintf(out, bytes, "random point %llu, %s", (unsigned long long)trial,
        by_prior ? "drawn from the priors where there are some" : "uniform in the space");
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(random, "0.1.0", "independent points, uniform on the scale of each dimension",
    ASSAY_HYPERS(random, hypers), .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS,
    .open = start, .ask = ask, .tell = tell, .close = end, .explain = explain);
