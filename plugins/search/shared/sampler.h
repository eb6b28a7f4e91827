/* Where a strategy that runs parts of trials gets its points from: random points, or another strategy that it holds.
 *
 * The inner strategy learns from parts of trials in one of two ways.
 *   as a dimension  its space has one more, the fidelity on a logarithmic scale, and each value that is known of a trial is a trial of
 *                   its own there: (x, fidelity) -> value. Since values fall along a curve it looks for good points at the whole
 *                   fidelity, and takes from the cheap values what they tell of it. Swersky, Snoek, Adams 2013, "Multi-task Bayesian
 *                   optimization", and Klein et al. 2017, "Fast Bayesian optimization of machine learning hyperparameters on large
 *                   datasets", have the size of the task as an input in this way.
 *   by rank         a trial is one trial there, and each value that it reaches replaces the one before, told as PRUNED with its fidelity:
 *                   for a strategy that orders such values by fidelity first, as `tpe` does (Falkner et al. 2018, "BOHB").
 *
 * Numbers of the inner one's trials are its own. It is told what a strategy would be told, in the same order, so that a fresh one which is
 * told the same proposes the same. */
#ifndef ASSAY_PLUGINS_SEARCH_SHARED_SAMPLER_H
#define ASSAY_PLUGINS_SEARCH_SHARED_SAMPLER_H

#include "codec.h"
#include "draw.h"

#include <assay/search.h>

#include <string.h>

enum { SAMPLER_AS_DIMENSION, SAMPLER_BY_RANK };

struct sampler {
    const assay_search_plan *plan;
    const assay_instance *inner; // NULL: random points
    const assay_inner_search *ops;
    int64_t way;
    uint64_t n_first; // points before the inner one is asked
    uint64_t n; // trials of the inner one
    assay_search_plan inner_plan;
    assay_dimension *dimensions; // [n_dimensions + 1] of the inner one, as a dimension
    double *x; // [n_dimensions + 1]
};

static inline int sampler_refuse(assay_ctx *ctx, const char *why)
{
    return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, "sampler", why);
}

/* Whether the inner one can be asked for points of the space. */
static inline int sampler_check(assay_ctx *ctx, const struct sampler *s)
{
    const uint64_t can = s->ops->can(ctx, s->inner);
    if (can & ASSAY_SEARCH_FIDELITY) {
        return sampler_refuse(ctx, "it runs parts of trials itself; choose one that does not");
    }
    if (can & ASSAY_SEARCH_FINITE) {
        return sampler_refuse(ctx, "it ends by itself; choose one that does not");
    }
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        if (d->parent != ASSAY_NO_PARENT && !(can & ASSAY_SEARCH_CONDITIONS)) {
            return sampler_refuse(ctx, "it handles no conditions, and the space has some");
        }
        if (d->type == ASSAY_SPACE_CATEGORY && !(can & ASSAY_SEARCH_CATEGORIES)) {
            return sampler_refuse(ctx, "it handles no choices, and the space has some");
        }
    }
    return ASSAY_OK;
}

/* The inner one's plan: no parts of trials, and the fidelity as a dimension where it is to be one. */
static inline int sampler_plan(assay_ctx *ctx, struct sampler *s)
{
    const uint64_t n = s->plan->n_dimensions;
    s->inner_plan = *s->plan;
    s->inner_plan.n_trials = 0;
    s->inner_plan.max_fidelity = s->way == SAMPLER_BY_RANK ? s->plan->max_fidelity : 0;
    s->inner_plan.min_fidelity = s->way == SAMPLER_BY_RANK ? s->plan->min_fidelity : 0;
    if (s->way == SAMPLER_BY_RANK) return ASSAY_OK;
    s->dimensions = ctx->host->alloc(ctx, (n + 1) * sizeof *s->dimensions);
    if (!s->dimensions) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n; i++)
        s->dimensions[i] = *assay_dimension_at(s->plan, i);
    const double most = s->plan->max_fidelity, least = s->plan->min_fidelity;
    s->dimensions[n] = (assay_dimension){ .struct_size = sizeof *s->dimensions,
        .name = "fidelity",
        .type = ASSAY_SPACE_REAL,
        .low = least > 0 && least < most ? least : most / 1000,
        .high = most,
        .log = 1,
        .parent = ASSAY_NO_PARENT,
        .prior_mean = (double)NAN,
        .prior_sd = (double)NAN };
    s->inner_plan.dimensions = s->dimensions;
    s->inner_plan.n_dimensions = n + 1;
    s->inner_plan.dimension_stride = sizeof *s->dimensions;
    return ASSAY_OK;
}

static inline int sampler_open(assay_ctx *ctx, struct sampler *s, const assay_search_plan *plan)
{
    s->plan = plan;
    s->x = ctx->host->alloc(ctx, (plan->n_dimensions + 1) * sizeof *s->x);
    if (!s->x) return ASSAY_E_NOMEM;
    if (!s->inner) return ASSAY_OK;
    s->ops = ctx->host->extension(ctx, ASSAY_INNER_SEARCH);
    if (!s->ops) return sampler_refuse(ctx, "this host has no nested strategies; leave it out");
    int code = sampler_check(ctx, s);
    if (code == ASSAY_OK) code = sampler_plan(ctx, s);
    return code == ASSAY_OK ? s->ops->open(ctx, s->inner, &s->inner_plan) : code;
}

static inline void sampler_close(assay_ctx *ctx, struct sampler *s)
{
    if (s->inner) s->ops->close(ctx, s->inner);
}

/* -- asking -- */

static inline assay_proposal *sampler_slot(assay_proposal *out, uint64_t stride, uint64_t i)
{
    return (assay_proposal *)(void *)((char *)out + i * stride);
}

static inline void sampler_first(assay_ctx *ctx, struct sampler *s, uint64_t number, double *x)
{
    draw_units(ctx, number, 0, s->x, s->plan->n_dimensions);
    codec_point(s->plan, s->x, x);
}

/* As the inner one's ask, whose points may be one number longer. */
static inline int sampler_ask_inner(assay_ctx *ctx, struct sampler *s, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n)
{
    const uint64_t n = s->inner_plan.n_dimensions;
    uint64_t is_over = 0;
    assay_proposal *p = ctx->host->scratch(ctx, want * sizeof *p);
    double *x = ctx->host->scratch(ctx, want * (n + 1) * sizeof *x);
    if (!p || !x) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < want; i++) {
        for (uint64_t k = 0; k < n; k++)
            x[i * n + k] = (double)NAN;
        p[i] = (assay_proposal){
            .struct_size = sizeof *p, .x = x + i * n, .from_trial = ASSAY_NO_TRIAL
        };
    }
    const int code = s->ops->ask(ctx, s->inner, s->n, want, p, sizeof *p, out_n, &is_over);
    for (uint64_t i = 0; code == ASSAY_OK && i < *out_n; i++) {
        memcpy(sampler_slot(out, stride, i)->x, p[i].x, s->plan->n_dimensions * sizeof *x);
    }
    return code;
}

/* Up to `want` points for the trials `number` and on, of which `n_new` were new. */
static inline int sampler_ask(assay_ctx *ctx, struct sampler *s, uint64_t number, uint64_t n_new,
    uint64_t want, assay_proposal *out, uint64_t stride, uint64_t *out_n)
{
    if (s->inner && n_new >= s->n_first) {
        return sampler_ask_inner(ctx, s, want, out, stride, out_n);
    }
    for (uint64_t i = 0; i < want; i++)
        sampler_first(ctx, s, number + i, sampler_slot(out, stride, i)->x);
    *out_n = want;
    return ASSAY_OK;
}

/* -- telling -- */

/* Tells of the inner one's trial `number`. */
static inline int sampler_tell(assay_ctx *ctx, struct sampler *s, const assay_event *e,
    uint64_t number, uint64_t state, double fidelity)
{
    if (!s->inner) return ASSAY_OK;
    assay_event own = *e;
    own.trial = number;
    own.state = state;
    own.fidelity = fidelity;
    if (s->way == SAMPLER_AS_DIMENSION) {
        const uint64_t n = s->plan->n_dimensions;
        if (n) memcpy(s->x, e->x, n * sizeof *s->x);
        s->x[n] = codec_clip(fidelity > 0 ? fidelity : s->plan->max_fidelity, s->dimensions[n].low,
            s->dimensions[n].high);
        own.x = s->x;
        own.fidelity = 0;
    }
    return s->ops->tell(ctx, s->inner, &own, 1, sizeof own);
}

/* A new trial; gives the inner one's number for it. */
static inline int sampler_begin(
    assay_ctx *ctx, struct sampler *s, const assay_event *e, uint64_t *out_number)
{
    *out_number = s->n++;
    return sampler_tell(ctx, s, e, *out_number, e->state, 0);
}

/* A value of a trial on its way, at a rung. */
static inline int sampler_part(
    assay_ctx *ctx, struct sampler *s, const assay_event *e, uint64_t number)
{
    if (s->way == SAMPLER_AS_DIMENSION) {
        return sampler_tell(ctx, s, e, s->n++, ASSAY_TRIAL_DONE, e->fidelity);
    }
    if (e->state != ASSAY_TRIAL_REPORTED) return ASSAY_OK; /* sampler_end tells of it */
    return sampler_tell(ctx, s, e, number, ASSAY_TRIAL_PRUNED, e->fidelity);
}

/* The end of a trial, or of a part of it: as a dimension the trial itself says something of whole ones alone. */
static inline int sampler_end(
    assay_ctx *ctx, struct sampler *s, const assay_event *e, uint64_t number)
{
    const int is_part = e->state == ASSAY_TRIAL_PAUSED || e->state == ASSAY_TRIAL_PRUNED;
    if (s->way == SAMPLER_BY_RANK && is_part) {
        return sampler_tell(ctx, s, e, number, ASSAY_TRIAL_PRUNED, e->fidelity);
    }
    return sampler_tell(
        ctx, s, e, number, is_part ? (uint64_t)ASSAY_TRIAL_FAILED : e->state, e->fidelity);
}

#endif
