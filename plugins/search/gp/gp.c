/* Bayesian optimisation with a Gaussian process: each proposal is where the expected improvement on the best result is largest.
 *
 * Jones, Schonlau and Welch 1998, "Efficient global optimization of expensive black-box functions", equation 15, in logarithms; the model
 * is in model.c, its rows in columns.c, the search for the largest value in acquire.c. The first points are scrambled Sobol' points.
 *
 * What the model is told: values of trials that are done or pruned, cut and bent (values.c); a diverged trial counts as the worst value; a failed one says nothing. A replicate is a row of its
 * own and a standard error is noise of its row. Trials under way are believed to give what the model expects (Ginsbourger, Le Riche,
 * Carraro 2010, "Kriging is well-suited to parallelize optimization"). Some proposals keep to a box around the best result (region.c).
 *
 * The length scales are fitted again when the number of results has grown by a 32nd (a 16th from 128 on), from the fit before and from scratch; each time
 * that it has doubled from scratch alone. That history is a function of the results in their order alone, so that a study resumes with the same model:
 * fits that were not needed are made up for from the last doubling on. Above 320 results a fit takes the best third and
 * the latest, and what comes after it is added. Between fits the Cholesky factor gets new rows only.
 *
 * Defaults: few first points, as 2 d of them cost a factor of 20 in the regret of mixed spaces of 12 dimensions after 100 trials;
 * 512 candidates, as the climbs from the best of them find what lies between. */
#include "scene.h"

struct gp {
    int64_t startup, candidates;
    double prior_weight;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(gp, startup, 0, 0, 1 << 20,
        "Sobol' points before the model is asked; 0: 8, or 10 from five dimensions on"),
    ASSAY_INT(gp, candidates, 512, 16, 1 << 16, "Sobol' points at which a proposal is looked for"),
    ASSAY_REAL(gp, prior_weight, 10, 0, 1e6,
        "power of the user's priors, over the number of results, as a factor of the improvement"),
};

static int start_sobol(assay_ctx *ctx, struct scene *s, uint64_t n)
{
    if (n > SOBOL_MOST_DIMENSIONS) return ASSAY_OK;
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
    const struct gp *h = hyper;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->n_first = h->startup ? (uint64_t)h->startup : plan->n_dimensions > 4 ? 10 : 8;
    ctx->self = s;
    const int code = columns_init(ctx, &s->columns, plan);
    if (code != ASSAY_OK) return code;
    s->u = ctx->host->alloc(ctx, (plan->n_dimensions + 3 * s->columns.n + 1) * sizeof *s->u);
    if (!s->u) return ASSAY_E_NOMEM;
    s->row = s->u + plan->n_dimensions;
    s->low = s->row + s->columns.n;
    s->high = s->low + s->columns.n;
    const int model_code = model_init(ctx, &s->model, &s->columns);
    return model_code != ASSAY_OK ? model_code : start_sobol(ctx, s, plan->n_dimensions);
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    struct scene *s = ctx->self;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const assay_event *e = assay_event_at(events, i, stride);
        struct known *k = known_get(ctx, s, e);
        if (!k) return ASSAY_E_NOMEM;
        if (e->state == ASSAY_TRIAL_FAILED) k->what = KNOWN_FAILED;
        if (e->state == ASSAY_TRIAL_DONE || e->state == ASSAY_TRIAL_PRUNED ||
            e->state == ASSAY_TRIAL_DIVERGED) {
            scene_result(s, k, e);
        }
    }
    return ASSAY_OK;
}

/* Ready to predict; 0 where there is nothing to go by. */
static int prepare(assay_ctx *ctx, struct scene *s, int *out_code)
{
    struct model *m = &s->model;
    struct ranked *ranked = ctx->host->scratch(ctx, (s->n_results + 1) * sizeof *ranked);
    *out_code = ranked ? ASSAY_OK : ASSAY_E_NOMEM;
    if (!ranked || s->n_results < 2 || s->columns.n == 0) return 0;
    scene_fit(s, ranked);
    if (!scene_fill(s, ranked, s->n_results) || !model_factor(m)) return 0;
    s->n_rows = m->n;
    for (uint64_t i = 0; i < s->n_known; i++) {
        if (s->known[i].what != KNOWN_UNDER_WAY) continue;
        columns_encode(&s->columns, s->known[i].x, s->row);
        model_believe(m, s->row);
    }
    return 1;
}

static void propose_first(
    assay_ctx *ctx, const struct scene *s, uint64_t k, double *x, struct note *why)
{
    const uint64_t n = s->plan->n_dimensions;
    const int is_of_prior = s->columns.has_prior && k % 2 == 0;
    if (s->directions) {
        sobol_point(ctx, s->directions, s->seeds, k, k, s->u, n);
    } else {
        draw_units(ctx, k, 0, s->u, n);
    }
    if (is_of_prior) prior_bend(&s->columns, s->u);
    why->kind = is_of_prior ? NOTE_PRIOR : NOTE_FIRST;
    codec_point(s->plan, s->u, x);
}

static int propose(
    assay_ctx *ctx, const struct gp *h, struct scene *s, uint64_t k, double *x, struct note *why)
{
    uint64_t avoided = 0;
    const uint64_t apart = region_apart(s, k, &avoided);
    const int is_local = apart == NOT_APART && region_is_for(s, k);
    const double best = s->model.best;
    for (uint64_t c = 0; c < s->columns.n; c++) {
        s->low[c] = 0;
        s->high[c] = 1;
    }
    if (is_local) region_set(s, s->low, s->high);
    struct acquire a = { .ctx = ctx,
        .columns = &s->columns,
        .model = &s->model,
        .directions = s->directions,
        .seeds = s->seeds,
        .order = s->order,
        .n_done = s->n_rows,
        .proposal = k,
        .n_candidates = (uint64_t)h->candidates,
        .low = s->low,
        .high = s->high,
        .is_local = is_local,
        .prior_weight = h->prior_weight / (double)s->n_results,
        .apart = apart,
        .avoided = avoided,
        .is_known = scene_has,
        .arg = s };
    if (apart != NOT_APART) s->model.best = region_best_apart(s, apart, avoided);
    const int code = acquire_best(&a, s->row);
    if (code == ASSAY_OK) {
        columns_decode(&s->columns, s->row, x);
        note_model(why, s, s->row,
            apart != NOT_APART ? NOTE_APART
                : is_local     ? NOTE_LOCAL
                               : NOTE_MODEL);
    }
    s->model.best = best;
    return code;
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct gp *h = hyper;
    struct scene *s = ctx->self;
    int code = ASSAY_OK, is_ready = 0;
    if (number + want > s->n_first) is_ready = prepare(ctx, s, &code);
    if (code != ASSAY_OK) return code;
    for (uint64_t i = 0; i < want; i++) {
        double *x = ((assay_proposal *)(void *)((char *)out + i * stride))->x;
        struct note *why = note_get(ctx, s, number + i);
        if (!why) return ASSAY_E_NOMEM;
        if (number + i < s->n_first || !is_ready) {
            propose_first(ctx, s, number + i, x, why);
        } else {
            code = propose(ctx, h, s, number + i, x, why);
            if (code != ASSAY_OK) return code;
        }
        if (i + 1 == want) break;
        const assay_event under_way = { .trial = number + i, .x = x };
        if (!known_get(ctx, s, &under_way)) return ASSAY_E_NOMEM;
        columns_encode(&s->columns, x, s->row);
        if (is_ready) model_believe(&s->model, s->row);
    }
    *out_n = want;
    *out_is_over = 0;
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    (void)hyper;
    note_write(ctx->self, trial, out, (size_t)bytes);
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(gp, "0.1.0", "Gaussian process: where the expected improvement is largest",
    ASSAY_HYPERS(gp, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_NOISE, .open = start,
    .ask = ask, .tell = tell, .close = end, .explain = explain);
