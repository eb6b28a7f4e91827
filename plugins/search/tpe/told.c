/* What has been told: trials by number, their coordinates in order, the ended ones by goodness. */
#include "parts.h"

#include <string.h>

/* Room for trial number `number`; what is there moves. */
int grow(assay_ctx *ctx, struct scene *s, uint64_t number)
{
    const uint64_t d = s->plan->n_dimensions;
    uint64_t room = s->capacity ? s->capacity : 64;
    if (number < s->capacity) return ASSAY_OK;
    if (number >= (1ull << 40) / (d + 1)) return ASSAY_E_NOMEM;
    while (room <= number)
        room *= 2;
    struct trial *trials = ctx->host->alloc(ctx, room * sizeof *trials);
    double *numbers = ctx->host->alloc(ctx, 3 * room * (d + 1) * sizeof *numbers);
    uint64_t *order = ctx->host->alloc(ctx, room * (d + 1) * sizeof *order);
    struct note *notes = ctx->host->alloc(ctx, room * sizeof *notes);
    if (!trials || !numbers || !order || !notes) return ASSAY_E_NOMEM;
    double *width = numbers + room * d, *norm = width + room * d;
    uint64_t *rank = order + room * d;
    if (s->capacity) {
        memcpy(trials, s->trials, s->n * sizeof *trials);
        memcpy(numbers, s->at, s->n * d * sizeof *numbers);
        memcpy(width, s->width, s->n * d * sizeof *width);
        memcpy(norm, s->norm, s->n * d * sizeof *norm);
        memcpy(notes, s->notes, s->capacity * sizeof *notes);
        memcpy(rank, s->rank, s->n_rank * sizeof *rank);
        for (uint64_t i = 0; i < d; i++)
            memcpy(order + i * room, s->order + i * s->capacity, s->n_order[i] * sizeof *order);
    }
    s->trials = trials;
    s->at = numbers;
    s->width = width;
    s->norm = norm;
    s->order = order;
    s->rank = rank;
    s->notes = notes;
    s->capacity = room;
    return ASSAY_OK;
}

/* Where coordinate `at` of trial `number` belongs among those of dimension i: behind the smaller ones, then by number. */
static uint64_t place_of(const struct scene *s, uint64_t i, uint64_t number, double at)
{
    const uint64_t *order = s->order + i * s->capacity;
    uint64_t low = 0, high = s->n_order[i];
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        const double other = s->at[order[middle] * s->plan->n_dimensions + i];
        if (other < at || (other == at && order[middle] < number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void take_out(struct scene *s, uint64_t number)
{
    const uint64_t d = s->plan->n_dimensions;
    for (uint64_t i = 0; i < d; i++) {
        const double at = s->at[number * d + i];
        if (isnan(at)) continue;
        uint64_t *order = s->order + i * s->capacity;
        const uint64_t place = place_of(s, i, number, at);
        s->n_order[i]--;
        memmove(order + place, order + place + 1, (s->n_order[i] - place) * sizeof *order);
    }
    s->trials[number].kind = KIND_NONE;
}

void put_in(struct scene *s, uint64_t number, const double *x)
{
    const uint64_t d = s->plan->n_dimensions;
    for (uint64_t i = 0; i < d; i++) {
        const assay_dimension *e = assay_dimension_at(s->plan, i);
        const double at = !codec_is_active(s->plan, x, i) ? (double)NAN
            : is_plain_category(e)                        ? x[i]
                                                          : codec_unit(e, x[i]);
        s->at[number * d + i] = at;
        s->width[number * d + i] = 0;
        if (isnan(at)) continue;
        uint64_t *order = s->order + i * s->capacity;
        const uint64_t place = place_of(s, i, number, at);
        memmove(order + place + 1, order + place, (s->n_order[i] - place) * sizeof *order);
        order[place] = number;
        s->n_order[i]++;
    }
    if (number >= s->n) s->n = number + 1;
    s->trials[number] = (struct trial){ .kind = KIND_RUNNING, .value = (double)NAN };
}

static int is_better(const struct scene *s, uint64_t a, uint64_t b)
{
    const struct trial *p = &s->trials[a], *q = &s->trials[b];
    if (p->kind != q->kind) return p->kind < q->kind;
    if (p->kind == KIND_PART && p->fidelity != q->fidelity) return p->fidelity > q->fidelity;
    if (p->value < q->value || p->value > q->value) return p->value < q->value;
    return a < b;
}

static void rank_out(struct scene *s, uint64_t number)
{
    for (uint64_t i = 0; i < s->n_rank; i++) {
        if (s->rank[i] != number) continue;
        s->n_rank--;
        memmove(s->rank + i, s->rank + i + 1, (s->n_rank - i) * sizeof *s->rank);
        return;
    }
}

static void rank_in(struct scene *s, uint64_t number)
{
    uint64_t low = 0, high = s->n_rank;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (is_better(s, s->rank[middle], number))
            low = middle + 1;
        else
            high = middle;
    }
    memmove(s->rank + low + 1, s->rank + low, (s->n_rank - low) * sizeof *s->rank);
    s->rank[low] = number;
    s->n_rank++;
}

static uint64_t kind_of(const assay_event *e)
{
    switch (e->state) {
    case ASSAY_TRIAL_DONE: return isfinite(e->value) ? KIND_DONE : KIND_DIVERGED;
    case ASSAY_TRIAL_PAUSED:
    case ASSAY_TRIAL_PRUNED: return isfinite(e->value) ? KIND_PART : KIND_DIVERGED;
    case ASSAY_TRIAL_DIVERGED: return KIND_DIVERGED;
    case ASSAY_TRIAL_FAILED: return KIND_NONE;
    default: return KIND_RUNNING; /* one that is lost is tried again */
    }
}

int take(assay_ctx *ctx, struct scene *s, const assay_event *e)
{
    const uint64_t kind = kind_of(e);
    const int code = grow(ctx, s, e->trial);
    if (code != ASSAY_OK) return code;
    struct trial *t = &s->trials[e->trial];
    const int was_ranked = t->kind != KIND_NONE && t->kind != KIND_RUNNING;
    if (was_ranked) rank_out(s, e->trial);
    if (kind == KIND_NONE) {
        if (t->kind != KIND_NONE) take_out(s, e->trial);
        if (e->trial >= s->n) s->n = e->trial + 1;
        return ASSAY_OK;
    }
    if (t->kind == KIND_NONE) put_in(s, e->trial, e->x);
    *t = (struct trial){ kind, kind == KIND_DIVERGED ? 0 : e->value, e->fidelity };
    if (kind != KIND_RUNNING) rank_in(s, e->trial);
    return ASSAY_OK;
}
