/* Optimizers that draw random numbers, that need room within an update alone, that look at the
 * clipping: right ones, and such as go wrong. */
#include "optimizers.h"

#include <string.h>

/* -- room within an update -- */

static const assay_slot with_room[] = { { .name = "v" },
    { .name = "room", .flags = ASSAY_SLOT_SCRATCH } };

UPDATE(aside, float *room = s->slot[1];
       for (uint64_t i = 0; i < s->n; i++) room[i] = 0.5f * s->g[i];
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, room[i]););
OPTIMIZER(right_scratch, "nothing is wrong with it", .elem = aside, ASSAY_SLOTS(with_room));

UPDATE(
    hoard, float *room = s->slot[1]; for (uint64_t i = 0; i < s->n; i++) {
        room[i] = 0.5f * room[i] + s->g[i];
        move(h, s, i, room[i]);
    });
OPTIMIZER(hoards_scratch, "sums over updates in scratch", .elem = hoard, ASSAY_SLOTS(with_room));

/* The same room as an ordinary slot, which is written before it is read. */
static const assay_slot with_slot[] = { { .name = "v" }, { .name = "room" } };
OPTIMIZER(keeps_room, "a slot that no update hands on", .elem = aside, ASSAY_SLOTS(with_slot));

/* -- clipping -- */

UPDATE(by_clip, if (!(step->clip > 0 && step->clip <= 1)) return ASSAY_E_INVALID;
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] / (float)sqrt(step->clip)););
OPTIMIZER(right_clip, "nothing is wrong with it", .elem = by_clip, ASSAY_SLOTS(slots));

/* -- random numbers -- */

/* A part of the gradient that is left out, by numbers of `stream` from `first` on. */
static int drop_out(
    const struct plain *h, assay_ctx *ctx, const assay_span *s, uint64_t stream, uint64_t first)
{
    float *x = ctx->host->scratch(ctx, s->n * sizeof *x);
    if (!x) {
        return ASSAY_E_NOMEM;
    }
    ctx->host->uniform_f32(ctx, stream, first, x, s->n);
    for (uint64_t i = 0; i < s->n; i++) {
        move(h, s, i, x[i] < 0.25f ? 0 : s->g[i]);
    }
    return ASSAY_OK;
}

UPDATE(by_tensor, return drop_out(h, ctx, s, s->draw, s->begin););
OPTIMIZER(right_draws, "nothing is wrong with it", .elem = by_tensor, ASSAY_SLOTS(slots));

UPDATE(by_update, return drop_out(h, ctx, s, step->draw, s->begin););
OPTIMIZER(draws_alike, "the same numbers for all tensors", .elem = by_update, ASSAY_SLOTS(slots));

UPDATE(by_own, return drop_out(h, ctx, s, step->t, s->begin););
OPTIMIZER(draws_own, "a stream of its own", .tensor = by_own, ASSAY_SLOTS(slots));

/* One number for the update as a whole is meant for all tensors. */
UPDATE(once, float x = 0; ctx->host->uniform_f32(ctx, step->draw, 0, &x, 1);
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, (0.5f + x) * s->g[i]););
OPTIMIZER(draws_once, "nothing is wrong with it", .tensor = once, ASSAY_SLOTS(slots));

/* Noise: weights do not rest, and are not meant to. */
UPDATE(noise, float *x = ctx->host->scratch(ctx, s->n * sizeof *x); if (!x) return ASSAY_E_NOMEM;
       ctx->host->normal_f32(ctx, s->draw, s->begin, x, s->n);
       for (uint64_t i = 0; i < s->n; i++) move(h, s, i, s->g[i] + 1e-3f * x[i]););
OPTIMIZER(right_noise, "nothing is wrong with it", .elem = noise, ASSAY_SLOTS(slots));

ASSAY_PLUGIN(optimizers_draws, "0.1.0", &right_scratch_component, &hoards_scratch_component,
    &keeps_room_component, &right_clip_component, &right_draws_component, &draws_alike_component,
    &draws_own_component, &draws_once_component, &right_noise_component);
