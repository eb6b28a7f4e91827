/* Quasi-random search: points that fill the space more evenly than random ones.
 *
 * Sobol' points with the direction numbers of Joe and Kuo and Owen's scrambling, or Halton points with random permutations of their
 * digits; see shared/sobol.h. Proposal k is point `skip` + k of a sequence that the seed alone scrambles: asks may come in any
 * number and results play no part. The first 2^m Sobol' points are balanced, so a budget that is a power of two is best.
 *
 * Deviations: the 32 bits of a point are followed by random ones of stream k. Coordinates of inactive dimensions are passed over,
 * not saved up: in a space with conditions each branch gets a share of the points.
 *
 * Defaults: Sobol', as its two-dimensional projections are the better ones from some ten dimensions on. */
#include "shared/codec.h"
#include "shared/sobol.h"

#include <stdio.h>

enum { SEQUENCE_SOBOL, SEQUENCE_HALTON };

struct qmc {
    int64_t sequence, skip;
};

static const char *const sequences[] = { "sobol", "halton" };

static const assay_hyper hypers[] = {
    ASSAY_ENUM(qmc, sequence, SEQUENCE_SOBOL, sequences, "which points"),
    ASSAY_INT(
        qmc, skip, 0, 0, 1 << 30, "points of the sequence that are left out at its beginning"),
};

struct scene {
    const assay_search_plan *plan;
    double *u; // [n_dimensions]
    uint32_t *directions, *seeds; // [n_dimensions, SOBOL_BITS], [n_dimensions]
    struct halton_digits *digits; // [n_dimensions]
};

static int start_sobol(assay_ctx *ctx, struct scene *s, uint64_t n)
{
    if (n > SOBOL_MOST_DIMENSIONS) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, "sequence",
            "Sobol' points have at most 80 dimensions here: use sequence = \"halton\", or random "
            "search");
    }
    s->directions = ctx->host->alloc(ctx, (n + 1) * SOBOL_BITS * sizeof *s->directions);
    s->seeds = ctx->host->alloc(ctx, (n + 1) * sizeof *s->seeds);
    if (!s->directions || !s->seeds) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        sobol_directions(i, s->directions + i * SOBOL_BITS);
    sobol_seeds(ctx, s->seeds, n);
    return ASSAY_OK;
}

static int start_halton(assay_ctx *ctx, struct scene *s, uint64_t n)
{
    s->digits = ctx->host->alloc(ctx, (n + 1) * sizeof *s->digits);
    if (!s->digits) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n; i++) {
        if (!halton_digits_new(ctx, i, &s->digits[i])) return ASSAY_E_NOMEM;
    }
    return ASSAY_OK;
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct qmc *h = hyper;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->u = ctx->host->alloc(ctx, (plan->n_dimensions + 1) * sizeof *s->u);
    if (!s->u) return ASSAY_E_NOMEM;
    ctx->self = s;
    return h->sequence == SEQUENCE_SOBOL ? start_sobol(ctx, s, plan->n_dimensions)
                                         : start_halton(ctx, s, plan->n_dimensions);
}

static void propose(assay_ctx *ctx, const struct qmc *h, uint64_t k, double *x)
{
    const struct scene *s = ctx->self;
    const uint64_t n = s->plan->n_dimensions, index = (uint64_t)h->skip + k;
    if (s->directions) {
        sobol_point(ctx, s->directions, s->seeds, index, k, s->u, n);
    } else {
        draw_units(ctx, k, 0, s->u, n);
        for (uint64_t i = 0; i < n; i++)
            s->u[i] = halton_unit(&s->digits[i], index, s->u[i]);
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
    const struct qmc *h = hyper;
    (void)ctx;
    (void)snprintf(out, bytes, "point %llu of the scrambled %s sequence",
        (unsigned long long)(trial + (uint64_t)h->skip),
        h->sequence == SEQUENCE_SOBOL ? "Sobol'" : "Halton");
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(qmc, "0.1.0", "points that fill the space evenly: scrambled Sobol' or Halton",
    ASSAY_HYPERS(qmc, hypers), .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS,
    .open = start, .ask = ask, .tell = tell, .close = end, .explain = explain);
