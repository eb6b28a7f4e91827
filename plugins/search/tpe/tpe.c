/* Tree-structured Parzen estimator: a density l of the good trials and g of the others; of some points drawn from l the one with the
 * largest l / g is proposed.
 *
 * Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", section 4: maximising l / g maximises the expected improvement.
 * Multivariate kernels, products over dimensions, as Falkner et al. 2018, "BOHB", section 3.2, have them; bandwidths per kernel and
 * dimension, weights and the clip as in Watanabe 2023, "Tree-structured Parzen estimator: understanding its algorithm components".
 *
 *   l(x) = sum_j w_j prod_i k_ij(x_i), j over the n_good best trials and a prior, and g likewise over the rest
 *   k_ij   a normal distribution in the unit cube, cut to [0, 1], around the trial's coordinate; its width is the distance to the
 *          farther neighbour of the same density in that dimension ("neighbours"), or spread * n^(-1 / (4 + d)) for all ("scott"),
 *          and not below max(min_bandwidth, (1 + n)^-magic): the magic clip
 *   k_ij   of a category (1[x = x_j] + s) / (1 + s n_choices), s = prior_weight / (n + 1): smoothed counts
 *   prior  a kernel of width 1 around the middle, or what the user expects, of weight prior_weight
 *
 * A space with conditions falls into groups of dimensions that are active together. Each has densities of its own, of the trials
 * where it is active, and is drawn in turn; the good trials of a group are the best ones in it.
 *
 * Which trials are good: those that are done, by value; then pruned ones, the farthest first, by value. Diverged trials are worse
 * than any and never good. Trials under way, and the proposals before this one in the same ask, count as bad ones, so that others
 * keep off them (a constant liar). A failed trial says nothing.
 *
 * Deviations: a level of a whole number is weighed by the density at the middle of its cell, with bandwidths of at least half a
 * cell, not by the integral over it. The first n_startup points are scrambled Sobol' points.
 *
 * Parts: told.c what is known, densities.c l and g, choose.c the drawing.
 *
 * Cost: per proposal O(n d) for bandwidths, from coordinates that are kept in order, and O(n_ei n d) products; the logarithms and error
 * functions of a kernel are kept until its width changes.
 *
 * Defaults: n_ei of Bergstra et al., kinds of weights and widths as Watanabe advises; gamma, magic and min_bandwidth by median regret
 * at 100 trials over 20 seeds on branin, hartmann6, rosenbrock5, a shifted ackley10 and a mixed space with conditions. */
#include "parts.h"

#include <stdio.h>

static const char *const splits[] = { "linear", "root" };
static const char *const bandwidths[] = { "neighbours", "scott" };
static const char *const weightings[] = { "uniform", "recent", "gain" };

static const assay_hyper hypers[] = {
    ASSAY_INT(
        tpe, n_startup, 10, 1, 1 << 20, "points that fill the space before the model is asked"),
    ASSAY_INT(tpe, n_ei, 24, 1, 10000, "points drawn from l, of which the best is proposed"),
    ASSAY_ENUM(tpe, split, BY_SHARE, splits, "good trials: gamma n, or gamma sqrt(n)"),
    ASSAY_REAL(
        tpe, gamma, 0.12, 0, 10, "how many of the trials are good ones", .flags = ASSAY_OPEN_MIN),
    ASSAY_INT(tpe, most_good, 25, 1, 1 << 20, "never more good ones than that"),
    ASSAY_ENUM(tpe, bandwidth, WIDTH_NEIGHBOURS, bandwidths, "widths of the kernels"),
    ASSAY_REAL(tpe, magic, 1.5, 0, 10, "widths are at least (1 + n)^-magic of the range"),
    ASSAY_REAL(tpe, min_bandwidth, 0.025, 0, 1, "and at least that", .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(tpe, spread, 0.2, 0, 10, "factor of the scott widths", .flags = ASSAY_OPEN_MIN),
    ASSAY_ENUM(tpe, weights, WEIGHT_GAIN, weightings,
        "of kernels: equal, less for old bad trials, or good ones by their gain"),
    ASSAY_REAL(
        tpe, prior_weight, 1, 0, 100, "weight of the prior, in trials", .flags = ASSAY_OPEN_MIN),
};

/* -- opening -- */

static void find_groups(struct scene *s)
{
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        s->group[i] = i;
        for (uint64_t k = 0; k < i && s->group[i] == i; k++) {
            const assay_dimension *e = assay_dimension_at(s->plan, k);
            const int is_same = d->parent == e->parent &&
                (d->parent == ASSAY_NO_PARENT || d->parent_choices == e->parent_choices);
            if (is_same) s->group[i] = k;
        }
    }
}

static void find_priors(struct scene *s)
{
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        s->levels[i] = codec_levels(d);
        s->prior_mu[i] = 0.5;
        s->prior_width[i] = 1;
        if (!has_prior(d) || s->levels[i] == 1) continue;
        const double middle = d->log ? exp(d->prior_mean) : d->prior_mean;
        const double range = d->log ? log(d->high) - log(d->low) : d->high - d->low;
        s->prior_mu[i] = codec_unit(d, codec_clip(middle, d->low, d->high));
        s->prior_width[i] = codec_clip(d->prior_sd / range, 0.01, 1);
    }
}

static int start_sobol(assay_ctx *ctx, struct scene *s)
{
    const uint64_t n = s->plan->n_dimensions;
    if (n > SOBOL_MOST_DIMENSIONS) return ASSAY_OK; /* then random points */
    s->directions = ctx->host->alloc(ctx, (n + 1) * SOBOL_BITS * sizeof *s->directions);
    s->seeds = ctx->host->alloc(ctx, (n + 1) * sizeof *s->seeds);
    if (!s->directions || !s->seeds) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        sobol_directions(i, s->directions + i * SOBOL_BITS);
    sobol_seeds(ctx, s->seeds, n);
    return ASSAY_OK;
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const uint64_t n = plan->n_dimensions + 1;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    (void)hyper;
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->n_order = ctx->host->alloc(ctx, n * sizeof *s->n_order);
    s->group = ctx->host->alloc(ctx, n * sizeof *s->group);
    double *numbers = ctx->host->alloc(ctx, 4 * n * sizeof *numbers);
    if (!s->n_order || !s->group || !numbers) return ASSAY_E_NOMEM;
    s->levels = numbers;
    s->prior_mu = numbers + n;
    s->prior_width = numbers + 2 * n;
    s->u = numbers + 3 * n;
    find_groups(s);
    find_priors(s);
    ctx->self = s;
    return start_sobol(ctx, s);
}

/* -- telling and asking -- */

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const int code = take(ctx, ctx->self, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* Every other one of the first points follows the user's priors. The kind of the note. */
static uint64_t propose_first(assay_ctx *ctx, struct scene *s, uint64_t k, double *x)
{
    const uint64_t n = s->plan->n_dimensions;
    uint64_t kind = s->directions ? NOTE_SOBOL : NOTE_RANDOM;
    if (s->directions)
        sobol_point(ctx, s->directions, s->seeds, k, k, s->u, n);
    else
        draw_units(ctx, k, 0, s->u, n);
    for (uint64_t i = 0; i < n; i++) {
        const int is_free = k % 2 || !has_prior(assay_dimension_at(s->plan, i));
        if (is_free) continue;
        s->u[i] = cut_normal(s->prior_mu[i], s->prior_width[i], s->u[i]);
        kind = NOTE_PRIOR;
    }
    codec_point(s->plan, s->u, x);
    return kind;
}

static int propose(assay_ctx *ctx, const struct tpe *h, struct model *m, uint64_t k, double *x)
{
    struct scene *s = m->s;
    const uint64_t n = s->plan->n_dimensions;
    struct note *note = &s->notes[k];
    *note = (struct note){ .kind = NOTE_MODEL };
    if (k < (uint64_t)h->n_startup || s->n_rank == 0) {
        note->kind = propose_first(ctx, s, k, x);
        return ASSAY_OK;
    }
    for (uint64_t i = 0; i < n; i++)
        x[i] = (double)NAN;
    for (uint64_t i = 0; i < n; i++) {
        if (s->group[i] != i || !codec_is_active(s->plan, x, i)) continue;
        fit(m, i);
        double gain;
        const int code = choose(ctx, m, k, x, &gain);
        if (code != ASSAY_OK) return code;
        if (i == 0) {
            note->n_good = m->sets[SET_GOOD].n;
            note->n_bad = m->sets[SET_BAD].n;
        }
        note->gain += gain;
    }
    return ASSAY_OK;
}

/* A proposal of this ask counts as a trial under way while the next ones are made. */
static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    struct scene *s = ctx->self;
    const uint64_t n = s->n;
    struct model m;
    uint64_t n_made = 0;
    const uint64_t most = number + want > n ? number + want : n;
    int code = grow(ctx, s, most);
    if (code == ASSAY_OK) code = model_new(ctx, hyper, s, most, &m);
    for (; n_made < want && code == ASSAY_OK; n_made++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + n_made * stride);
        code = propose(ctx, hyper, &m, number + n_made, p->x);
        if (code == ASSAY_OK && n_made + 1 < want) put_in(s, number + n_made, p->x);
    }
    for (uint64_t i = 0; i + 1 < want && i < n_made; i++) {
        if (s->trials[number + i].kind == KIND_RUNNING) take_out(s, number + i);
    }
    s->n = n;
    *out_n = want;
    *out_is_over = 0;
    return code;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    const struct tpe *h = hyper;
    const struct scene *s = ctx->self;
    const struct note none = { .kind = NOTE_NONE };
    const struct note *t = trial < s->capacity ? &s->notes[trial] : &none;
    switch (t->kind) {
    case NOTE_SOBOL: (void)snprintf(out, bytes, "startup: scrambled Sobol' point"); break;
    case NOTE_RANDOM: (void)snprintf(out, bytes, "startup: random point"); break;
    case NOTE_PRIOR: (void)snprintf(out, bytes, "startup: drawn from the priors"); break;
    case NOTE_MODEL:
        (void)snprintf(out, bytes,
            "model: l / g = %.3g, the largest of %llu points drawn from l, of %llu good trials "
            "against "
            "%llu others",
            exp(t->gain), (unsigned long long)h->n_ei, (unsigned long long)t->n_good,
            (unsigned long long)t->n_bad);
        break;
    default: (void)snprintf(out, bytes, "%s", ""); break;
    }
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(tpe, "0.1.0", "tree-structured Parzen estimator: draws where good trials are dense",
    ASSAY_HYPERS(tpe, hypers), .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS,
    .open = start, .ask = ask, .tell = tell, .close = end, .explain = explain);
