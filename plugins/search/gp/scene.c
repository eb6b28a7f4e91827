/* What has been told, and the rows that the model gets of it. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

static int grow(assay_ctx *ctx, struct scene *s)
{
    const uint64_t capacity = s->capacity ? 2 * s->capacity : 64, n = s->plan->n_dimensions;
    struct known *known = ctx->host->alloc(ctx, capacity * sizeof *known);
    uint64_t *results = ctx->host->alloc(ctx, 3 * capacity * sizeof *results);
    double *x = ctx->host->alloc(ctx, (capacity - s->capacity) * (n + 1) * sizeof *x);
    if (!known || !results || !x) return ASSAY_E_NOMEM;
    if (s->n_known) memcpy(known, s->known, s->n_known * sizeof *known);
    if (s->n_results) {
        memcpy(results, s->results, s->n_results * sizeof *results);
        memcpy(results + 2 * capacity, s->is_left_out, s->n_results * sizeof *results);
    }
    for (uint64_t i = s->capacity; i < capacity; i++)
        known[i].x = x + (i - s->capacity) * n;
    s->known = known;
    s->results = results;
    s->order = results + capacity;
    s->is_left_out = results + 2 * capacity;
    s->capacity = capacity;
    return ASSAY_OK;
}

/* The trial's entry, a new one where it has none; NULL when memory is out. */
struct known *known_get(assay_ctx *ctx, struct scene *s, const assay_event *e)
{
    for (uint64_t i = s->n_known; i-- > 0;) {
        if (s->known[i].trial == e->trial) return s->known + i;
    }
    if (s->n_known == s->capacity && grow(ctx, s) != ASSAY_OK) return NULL;
    struct known *k = s->known + s->n_known++;
    k->trial = e->trial;
    k->what = KNOWN_UNDER_WAY;
    memcpy(k->x, e->x, s->plan->n_dimensions * sizeof *k->x);
    return k;
}

void scene_result(struct scene *s, struct known *k, const assay_event *e)
{
    if (k->what == KNOWN_RESULT) return;
    const int is_value = e->state != ASSAY_TRIAL_DIVERGED && isfinite(e->value);
    k->what = KNOWN_RESULT;
    k->value = is_value ? e->value : HUGE_VAL;
    k->variance = e->standard_error > 0 && is_value ? e->standard_error * e->standard_error : 0;
    s->results[s->n_results++] = (uint64_t)(k - s->known);
}

static int is_same(const double *a, const double *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])))) return 0;
    }
    return 1;
}

int scene_has(void *arg, const double *x)
{
    const struct scene *s = arg;
    if (s->plan->is_noisy) return 0;
    for (uint64_t i = 0; i < s->n_known; i++) {
        if (is_same(s->known[i].x, x, s->plan->n_dimensions)) return 1;
    }
    return 0;
}

/* -- the model's rows -- */

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* Ranks the first n results, or of them those in the model; how many of them there are, and of these with a value. */
static uint64_t rank(
    const struct scene *s, struct ranked *ranked, uint64_t n, int is_of_model, uint64_t *n_values)
{
    uint64_t n_ranked = 0;
    *n_values = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (is_of_model && s->is_left_out[i]) continue;
        ranked[n_ranked].value = s->known[s->results[i]].value;
        ranked[n_ranked].i = is_of_model ? n_ranked : i;
        *n_values += ranked[n_ranked++].value < HUGE_VAL;
    }
    qsort(ranked, n_ranked, sizeof *ranked, by_value);
    return n_ranked;
}

/* Which of the first n results are in the model until the next fit: all, or the best third of what fits and the latest. */
static void choose(struct scene *s, struct ranked *ranked, uint64_t n)
{
    const uint64_t n_best = MOST_CHOSEN / 3;
    uint64_t n_values;
    rank(s, ranked, n, 0, &n_values);
    for (uint64_t k = 0; k < n; k++) {
        const uint64_t i = ranked[k].i;
        s->is_left_out[i] = n > MOST_CHOSEN && k >= n_best && i < n - (MOST_CHOSEN - n_best);
    }
}

int scene_fill(struct scene *s, struct ranked *ranked, uint64_t n)
{
    struct model *m = &s->model;
    uint64_t n_values;
    const uint64_t n_ranked = rank(s, ranked, n, 1, &n_values);
    if (n_values == 0) return 0;
    const double worst = ranked[n_values - 1].value, median = ranked[(n_values - 1) / 2].value;
    for (uint64_t k = 0; k < n_ranked; k++)
        s->order[k] = ranked[k].i;
    m->n = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (s->is_left_out[i]) continue;
        const struct known *from = s->known + s->results[i];
        columns_encode(&s->columns, from->x, m->x + m->n * s->columns.n);
        m->y[m->n] = fmin(from->value, worst);
        m->noise[m->n++] = from->variance;
    }
    values_set(m, ranked[0].value, median);
    return 1;
}

static int is_cold(uint64_t n)
{
    return (n & (n - 1)) == 0; // 8, 16, 32, ...
}

static uint64_t next_fit(uint64_t n)
{
    uint64_t power = 1;
    while (power <= n)
        power *= 2;
    const uint64_t wanted = n < 32 ? 1 : n / (n < 128 ? 32 : 16);
    const uint64_t next = n + (wanted < MOST_NEW ? wanted : MOST_NEW);
    return next < power ? next : power;
}

/* All fits that are due up to now, each to the results that there were then. */
void scene_fit(struct scene *s, struct ranked *ranked)
{
    uint64_t power = 1;
    while (2 * power <= s->n_results)
        power *= 2;
    if (s->n_fitted < power) {
        model_start(&s->model);
        s->n_fitted = 0;
    }
    for (uint64_t n = s->n_fitted ? next_fit(s->n_fitted) : power; n <= s->n_results;
         n = next_fit(n)) {
        s->n_fitted = n;
        choose(s, ranked, n);
        if (scene_fill(s, ranked, n)) model_fit(&s->model, is_cold(n));
    }
}
