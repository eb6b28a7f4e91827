/* Events in, generations out.
 *
 * A generation closes as soon as lambda results are in, whichever generation they were drawn in: workers never wait for each other, and
 * what was asked for while results were missing is drawn from the distribution of that moment. Results of the run before a
 * restart say nothing to the present one. A place is drawn again from its stream when its trial is told of, so that a log that is told to a
 * fresh instance gives what the first one knew; a point that is not what would be drawn there comes from elsewhere and is
 * taken as it is. */
#include "scene.h"

#include "../shared/normal.h"
#include "../shared/sobol.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_POPULATION = 4096 };

/* -- opening -- */

static int start_sobol(assay_ctx *ctx, struct scene *s)
{
    const uint64_t n = s->columns.n;
    if (n > SOBOL_MOST_DIMENSIONS) return ASSAY_OK;
    s->directions = ctx->host->alloc(ctx, (n + 1) * SOBOL_BITS * sizeof *s->directions);
    s->seeds = ctx->host->alloc(ctx, (n + 1) * sizeof *s->seeds);
    if (!s->directions || !s->seeds) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        sobol_directions(i, s->directions + i * SOBOL_BITS);
    sobol_seeds(ctx, s->seeds, n);
    return ASSAY_OK;
}

static int start_run(
    assay_ctx *ctx, const struct cmaes *h, struct scene *s, double sigma, uint64_t lambda)
{
    s->n_samples = 0;
    s->best = ASSAY_INF;
    s->best_generation = 0;
    const uint64_t most = lambda < MOST_POPULATION ? lambda : MOST_POPULATION;
    if (most > s->room) {
        s->samples = ctx->host->alloc(ctx, most * sizeof *s->samples);
        s->sample_slot = ctx->host->alloc(ctx, most * sizeof *s->sample_slot);
        if (!s->samples || !s->sample_slot) return ASSAY_E_NOMEM;
        s->room = most;
    }
    choices_start(&s->choices, h->choice_step);
    return gauss_start(ctx, &s->gauss, s->start, sigma, most, h->margin);
}

int scene_init(assay_ctx *ctx, const struct cmaes *h, const assay_search_plan *plan)
{
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    ctx->self = s;
    int code = columns_init(ctx, &s->columns, plan);
    if (code == ASSAY_OK) code = gauss_init(ctx, &s->gauss, &s->columns);
    if (code == ASSAY_OK) code = choices_init(ctx, &s->choices, &s->columns);
    if (code == ASSAY_OK && h->quasi) code = start_sobol(ctx, s);
    if (code != ASSAY_OK) return code;
    const uint64_t n = s->columns.n;
    s->u = ctx->host->alloc(ctx, (2 * plan->n_dimensions + 2 * n + 2) * sizeof *s->u);
    if (!s->u) return ASSAY_E_NOMEM;
    s->x = s->u + plan->n_dimensions;
    s->z = s->x + plan->n_dimensions;
    s->start = s->z + n + 1;
    memcpy(s->start, s->columns.mean, s->columns.n_numbers * sizeof *s->start);
    const uint64_t usual = 4 + (uint64_t)(3 * log(fmax(1, (double)n)));
    s->first_lambda = h->population ? (uint64_t)h->population : plan->is_noisy ? 2 * usual : usual;
    return start_run(ctx, h, s, h->sigma, s->first_lambda);
}

/* -- drawing -- */

void scene_draw(assay_ctx *ctx, struct scene *s, uint64_t k, double *place)
{
    const uint64_t n = s->columns.n, n_numbers = s->columns.n_numbers;
    double *z = s->z;
    if (s->directions)
        sobol_point(ctx, s->directions, s->seeds, k, k, z, n);
    else
        draw_units(ctx, k, 0, z, n);
    for (uint64_t j = n_numbers; j < n; j++)
        place[j] = (double)choices_draw(&s->choices, j - n_numbers, z[j]);
    for (uint64_t j = 0; j < n_numbers; j++)
        z[j] = normal_inverse(z[j]);
    gauss_draw(&s->gauss, z, place);
}

/* -- trials -- */

static int grow_trials(assay_ctx *ctx, struct scene *s, uint64_t number)
{
    uint64_t room = s->capacity ? s->capacity : 64;
    if (number < s->capacity) return ASSAY_OK;
    if (number >= 1ull << 40) return ASSAY_E_NOMEM;
    while (room <= number)
        room *= 2;
    struct trial *trials = ctx->host->alloc(ctx, room * sizeof *trials);
    if (!trials) return ASSAY_E_NOMEM;
    if (s->n_trials) memcpy(trials, s->trials, s->n_trials * sizeof *trials);
    s->trials = trials;
    s->capacity = room;
    return ASSAY_OK;
}

/* An unused slot. What lies in slots moves. */
static int slot_get(assay_ctx *ctx, struct scene *s, uint64_t *out)
{
    struct slots *t = &s->slots;
    const uint64_t n = s->columns.n, room = t->room ? 2 * t->room : 32;
    if (t->n_unused == 0) {
        double *place = ctx->host->alloc(ctx, (room * n + 1) * sizeof *place);
        unsigned char *is_active = ctx->host->alloc(ctx, room * n + 1);
        uint64_t *unused = ctx->host->alloc(ctx, room * sizeof *unused);
        if (!place || !is_active || !unused) return ASSAY_E_NOMEM;
        if (t->room) {
            memcpy(place, t->place, t->room * n * sizeof *place);
            memcpy(is_active, t->is_active, t->room * n);
        }
        for (uint64_t i = room; i-- > t->room;)
            unused[t->n_unused++] = i;
        t->place = place;
        t->is_active = is_active;
        t->unused = unused;
        t->room = room;
    }
    *out = t->unused[--t->n_unused];
    return ASSAY_OK;
}

static void slot_give_back(struct scene *s, uint64_t slot)
{
    s->slots.unused[s->slots.n_unused++] = slot;
}

static int is_same_point(const double *a, const double *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) return 0;
    }
    return 1;
}

/* A trial that is heard of for the first time. Where the point is what would be drawn, the place is known to more than the point
 * says: within a level, and where it is inactive. */
static int trial_begin(assay_ctx *ctx, struct scene *s, struct trial *t, const assay_event *e)
{
    const int code = slot_get(ctx, s, &t->slot);
    if (code != ASSAY_OK) return code;
    const uint64_t n = s->columns.n;
    double *place = s->slots.place + t->slot * n;
    unsigned char *is_active = s->slots.is_active + t->slot * n;
    scene_draw(ctx, s, e->trial, place);
    columns_point(&s->columns, place, s->u, s->x);
    const int is_own = is_same_point(s->x, e->x, s->plan->n_dimensions);
    columns_place(&s->columns, e->x, s->gauss.mean, s->z, is_active);
    if (!is_own) memcpy(place, s->z, n * sizeof *place);
    t->state = TRIAL_UNDER_WAY;
    t->run = s->run;
    t->generation = is_own ? s->gauss.generation : UINT64_MAX;
    t->sigma = s->gauss.sigma;
    return ASSAY_OK;
}

static int trial_get(assay_ctx *ctx, struct scene *s, const assay_event *e, struct trial **out)
{
    int code = grow_trials(ctx, s, e->trial);
    if (code != ASSAY_OK) return code;
    if (e->trial >= s->n_trials) s->n_trials = e->trial + 1;
    *out = &s->trials[e->trial];
    return (*out)->state == TRIAL_NEW ? trial_begin(ctx, s, *out, e) : ASSAY_OK;
}

/* -- generations -- */

/* Done ones by value; then parts, the farthest first; then what diverged. */
static int is_equal(const struct sample *a, const struct sample *b)
{
    return a->kind == b->kind && a->value == b->value && a->fidelity == b->fidelity;
}

static int by_goodness(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->fidelity != b->fidelity) return a->fidelity > b->fidelity ? -1 : 1;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* Weights by rank; equal ones share theirs. 0 where all are equal. */
static int weigh(struct scene *s)
{
    struct sample *all = s->samples;
    const uint64_t n = s->n_samples;
    qsort(all, n, sizeof *all, by_goodness);
    for (uint64_t i = 0, end; i < n; i = end) {
        double sum = 0;
        for (end = i; end < n && is_equal(&all[end], &all[i]); end++)
            sum += s->gauss.weights[end];
        for (uint64_t k = i; k < end; k++)
            all[k].weight = sum / (double)(end - i);
        if (end - i == n) return 0;
    }
    return 1;
}

static double own_best(const struct scene *s)
{
    return s->samples[0].kind == SAMPLE_DONE ? s->samples[0].value : ASSAY_INF;
}

/* Nothing more is to be had where the run is: it has shrunk to a point, is out of shape, or has long found nothing better. */
static int is_spent(const struct cmaes *h, const struct scene *s)
{
    const struct gauss *g = &s->gauss;
    const double n = (double)s->columns.n, patience = 10 + 30 * n / (double)g->lambda;
    const uint64_t idle = g->generation - s->best_generation;
    if (g->n && gauss_width(g) < h->tolerance) return 1;
    return (double)idle > patience || gauss_condition(g) > 1e14;
}

/* A uniform point, or where the user has said something, a point of that. */
static void restart_mean(assay_ctx *ctx, struct scene *s)
{
    const struct columns *c = &s->columns;
    draw_units(ctx, DRAW_OWN + (1ull << 32) + s->run, 0, s->start, c->n_numbers);
    for (uint64_t j = 0; j < c->n_numbers; j++) {
        if (isnan(c->deviation[j])) continue;
        s->start[j] = codec_clip(c->mean[j] + c->deviation[j] * normal_inverse(s->start[j]), 0, 1);
    }
}

/* Auger and Hansen 2005: each restart has twice the population. Hansen 2009, "Benchmarking a BI-population CMA-ES": between these small
 * and narrow ones, as long as they have cost less. */
static int restart(assay_ctx *ctx, const struct cmaes *h, struct scene *s)
{
    double u[2], sigma = h->sigma, lambda;
    s->run++;
    restart_mean(ctx, s);
    draw_units(ctx, DRAW_OWN + (1ull << 32) + s->run, s->columns.n_numbers, u, 2);
    s->is_small = h->restarts == RESTART_BIPOP && s->large && s->spent[1] < s->spent[0];
    if (!s->is_small) s->large++;
    lambda = (double)s->first_lambda * pow(2, fmin((double)s->large, 20));
    if (s->is_small) {
        lambda = (double)s->first_lambda * pow(0.5 * lambda / (double)s->first_lambda, u[0] * u[0]);
        sigma *= pow(10, -2 * u[1]);
    }
    return start_run(ctx, h, s, sigma, (uint64_t)fmin(lambda, MOST_POPULATION));
}

static int close_generation(assay_ctx *ctx, const struct cmaes *h, struct scene *s)
{
    struct gauss *g = &s->gauss;
    const int has_order = weigh(s);
    if (has_order) {
        for (uint64_t i = 0; i < s->n_samples; i++) {
            const uint64_t slot = s->sample_slot[s->samples[i].order];
            s->samples[i].place = s->slots.place + slot * s->columns.n;
            s->samples[i].is_active = s->slots.is_active + slot * s->columns.n;
        }
        gauss_learn(g, s->samples);
        choices_learn(&s->choices, s->samples, s->n_samples);
    } else {
        g->sigma *= exp(0.2 + g->cs / fmax(g->ds, 1)); /* as flat as that: look farther */
        g->generation++;
        const double width = gauss_width(g);
        if (width > 1) g->sigma /= width;
    }
    if (own_best(s) < s->best) {
        s->best = own_best(s);
        s->best_generation = g->generation;
    }
    s->spent[s->is_small] += s->n_samples;
    for (uint64_t i = 0; i < s->n_samples; i++)
        slot_give_back(s, s->sample_slot[i]);
    s->n_samples = 0;
    return h->restarts != RESTART_NONE && is_spent(h, s) ? restart(ctx, h, s) : ASSAY_OK;
}

static int take_result(assay_ctx *ctx, const struct cmaes *h, struct scene *s,
    const struct trial *t, const assay_event *e)
{
    if (t->run != s->run) {
        slot_give_back(s, t->slot);
        return ASSAY_OK;
    }
    struct sample *r = &s->samples[s->n_samples];
    const int has_value = e->state != ASSAY_TRIAL_DIVERGED && isfinite(e->value);
    *r = (struct sample){ .kind = SAMPLE_DIVERGED, .order = s->n_samples };
    if (has_value) {
        r->kind = e->state == ASSAY_TRIAL_DONE ? SAMPLE_DONE : SAMPLE_PART;
        r->value = e->value;
        r->fidelity = r->kind == SAMPLE_PART && isfinite(e->fidelity) ? e->fidelity : 0;
    }
    r->is_strange = t->generation != s->gauss.generation;
    s->sample_slot[s->n_samples++] = t->slot;
    return s->n_samples == s->gauss.lambda ? close_generation(ctx, h, s) : ASSAY_OK;
}

int scene_take(assay_ctx *ctx, const struct cmaes *h, const assay_event *e)
{
    struct scene *s = ctx->self;
    struct trial *t;
    const int code = trial_get(ctx, s, e, &t);
    if (code != ASSAY_OK || t->state == TRIAL_ENDED) return code;
    switch (e->state) {
    case ASSAY_TRIAL_FAILED:
        t->state = TRIAL_ENDED;
        slot_give_back(s, t->slot);
        return ASSAY_OK;
    case ASSAY_TRIAL_DONE:
    case ASSAY_TRIAL_PRUNED:
    case ASSAY_TRIAL_DIVERGED: t->state = TRIAL_ENDED; return take_result(ctx, h, s, t, e);
    default: return ASSAY_OK;
    }
}
