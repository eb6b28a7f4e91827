/* Covariance matrix adaptation: points are drawn from a normal distribution whose mean, size and shape follow the better half of each
 * generation, and choices from chances that do likewise.
 *
 * Hansen 2016, "The CMA evolution strategy: a tutorial", for numbers (gauss.c), with the margin of Hamano et al. 2022 for whole numbers and
 * steps, and CatCMA of Hamano et al. 2024 for unordered choices (choices.c). Coordinates are those of the unit cube, logarithmic where
 * the dimension is; beyond 0 and 1 they are mirrored, and the mirrored point is what is learned from. Ordered choices are numbers with levels.
 *
 * Restarts: when the distribution has shrunk below `tolerance`, is out of shape, or has found nothing better for 10 + 30 d / population
 * generations, a new run begins at a random mean with twice the population (Auger and Hansen 2005), or with small populations
 * in between (Hansen 2009).
 *
 * A dimension that is inactive in a point keeps there the coordinate that was drawn: that is neutral for size and shape, which hence do not
 * shrink where nothing is learned, and the mean and the chances move by active points alone. A user's prior is the first mean and
 * the first width of its dimension, and where new runs begin.
 *
 * Results: ranks count, not values. Pruned trials are ranked after those that are done, the farthest first; diverged ones come last; equal
 * ones share their weights; where a whole generation is equal the step size grows. Failed trials are left out and others drawn in
 * their place. A generation closes when as many results are in as it has members, wherever they were drawn (scene.c), so that any number of
 * workers is kept busy. In a noisy study the population is twice as large.
 *
 * Deviations: normal numbers are made of scrambled Sobol' points, which cover each generation evenly; the median regret at 200 trials is
 * smaller for it by factors of 1.3 (ackley10) to 5 (nnmix12), and 70 on branin. The Cholesky factor stands for the square root of C.
 *
 * Defaults: population, weights and rates of Hansen 2016; margin of Hamano et al. 2022; sigma a sixth of the range, as other libraries
 * have it. */
#include "scene.h"

#include <stdio.h>

enum { LEAST_POPULATION = 4 };

static const char *const restarts[] = { "none", "ipop", "bipop" };

static const assay_hyper hypers[] = {
    ASSAY_INT(cmaes, population, 0, 0, 4096,
        "results to a generation; 0: 4 + 3 ln d, and twice that where results are noisy"),
    ASSAY_REAL(cmaes, sigma, 0.167, 0, 1, "first standard deviation, in ranges of the dimensions",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_ENUM(cmaes, restarts, RESTART_IPOP, restarts,
        "new runs: none, each of twice the population, or small ones in between, too"),
    ASSAY_REAL(cmaes, tolerance, 1e-6, 0, 1, "a standard deviation below which a new run begins"),
    ASSAY_REAL(cmaes, margin, 1, 0, 10,
        "least chance to leave a level of a whole number: this over dimensions and population"),
    ASSAY_REAL(cmaes, choice_step, 2, 0, 10,
        "first step of the chances of choices, in Fisher's measure", .flags = ASSAY_OPEN_MIN),
    ASSAY_BOOL(cmaes, quasi, 1, "draw by Sobol' points instead of random numbers"),
};

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct cmaes *h = hyper;
    if (h->population == 0 || h->population >= LEAST_POPULATION) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INVALID, "population",
        "expected 0 or at least 4: the better half of a generation must have two members");
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    return scene_init(ctx, hyper, plan);
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    struct scene *s = ctx->self;
    (void)hyper;
    double *place = ctx->host->scratch(ctx, (s->columns.n + 1) * sizeof *place);
    if (!place) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < want; i++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + i * stride);
        scene_draw(ctx, s, number + i, place);
        columns_point(&s->columns, place, s->u, p->x);
    }
    *out_n = want;
    *out_is_over = 0;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    for (uint64_t i = 0; i < n; i++) {
        const int code = scene_take(ctx, hyper, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t number, char *out, uint64_t bytes)
{
    const struct scene *s = ctx->self;
    (void)hyper;
    if (number >= s->n_trials || s->trials[number].state == TRIAL_NEW) return ASSAY_OK;
    const struct trial *t = &s->trials[number];
    if (t->generation == UINT64_MAX) {
        snprintf(out, bytes, "not from here: learned from as a step of at most the usual length");
    } else {
        snprintf(out, bytes, "generation %llu of run %llu, sigma %.3g",
            (unsigned long long)t->generation + 1, (unsigned long long)t->run + 1, t->sigma);
    }
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(cmaes, "0.1.0",
    "covariance matrix adaptation: a normal distribution that learns its shape",
    ASSAY_HYPERS(cmaes, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_NOISE, .open = start,
    .ask = ask, .tell = tell, .close = end, .validate = validate, .explain = explain);
