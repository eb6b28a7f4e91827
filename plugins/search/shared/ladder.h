/* The strategy that `asha` and `hyperband` are: points of a sampler, compared at the rungs of brackets.
 *
 * To stop: a trial runs as far as it is good enough, by ../../shared/halving.h. To promote: a trial is proposed as far as its first rung and
 * paused there; an ask first looks for a paused trial among the best 1 / eta of its rung, from the highest rung down, and proposes to
 * continue it to the next one; only where there is none it begins a new trial (Li et al. 2020, algorithm 2). A bracket without rungs
 * runs whole trials in both.
 *
 * A line is a trial with all that continue it; it has the number of the first. Which trial a proposal continues is told by nothing but what
 * was known when it was made: so RUNNING makes the decision of ask again, and a fresh instance that is told the events comes to the same.
 * A continuation that fails says nothing and ends its line: the checkpoint is used up. */
#ifndef ASSAY_PLUGINS_SEARCH_SHARED_LADDER_H
#define ASSAY_PLUGINS_SEARCH_SHARED_LADDER_H

#include "../../shared/halving.h"
#include "sampler.h"

#include <stdio.h>

enum { LADDER_STOP, LADDER_PROMOTE };

struct line {
    uint64_t first; // of a trial that continues one: the first of its line, where all the rest is
    uint64_t is_known, state, last; // last: the trial that carries it on
    uint64_t inner; // its number in the sampler's strategy
    uint64_t stamp; // of the ask that has taken it already
    double *x; // [n_dimensions]
};

/* Why a trial was proposed. */
struct reason {
    uint64_t from, rung, rank, n; /* from: ASSAY_NO_TRIAL: it is a new one */
};

struct ladder {
    const assay_search_plan *plan;
    struct halving halving;
    struct sampler sampler;
    int64_t variant;
    struct line *lines; // [room] by number of trial
    struct reason *reasons; // [room]
    uint64_t n, room, n_new, stamp;
};

static inline int ladder_grow(assay_ctx *ctx, struct ladder *l, uint64_t trial)
{
    if (trial >= l->room) {
        const uint64_t room = trial < 32 ? 64 : 2 * trial;
        struct line *lines = halving_moved(ctx, l->lines, l->n, room, sizeof *lines);
        struct reason *reasons = halving_moved(ctx, l->reasons, l->n, room, sizeof *reasons);
        if (!lines || !reasons) return ASSAY_E_NOMEM;
        l->lines = lines;
        l->reasons = reasons;
        l->room = room;
    }
    if (trial >= l->n) l->n = trial + 1;
    return ASSAY_OK;
}

/* -- who goes on -- */

/* A paused line that may go on from rung `k` of a bracket; ASSAY_NO_TRIAL: none. *why says how it stands. */
static inline uint64_t ladder_from_rung(
    const struct ladder *l, const struct bracket *b, uint64_t k, struct reason *why)
{
    const struct rung *r = &b->rungs[k];
    const uint64_t quota = halving_quota(r, l->halving.eta);
    for (uint64_t i = 0; i < quota; i++) {
        const uint64_t first = r->placed[i].trial;
        const struct line *t = &l->lines[first];
        const int is_here = l->halving.climbers[first].n_rungs == k + 1;
        if (t->state != ASSAY_TRIAL_PAUSED || !is_here || t->stamp == l->stamp) continue;
        *why = (struct reason){ .from = t->last, .rung = k, .rank = i + 1, .n = r->n };
        return first;
    }
    return ASSAY_NO_TRIAL;
}

static inline uint64_t ladder_next(const struct ladder *l, struct reason *why)
{
    uint64_t first = ASSAY_NO_TRIAL;
    for (uint64_t k = HALVING_MOST_RUNGS; k-- > 0 && first == ASSAY_NO_TRIAL;) {
        for (uint64_t i = 0; i < l->halving.n_brackets && first == ASSAY_NO_TRIAL; i++) {
            const struct bracket *b = &l->halving.brackets[i];
            if (k < b->n_rungs) first = ladder_from_rung(l, b, k, why);
        }
    }
    return first;
}

/* How far a trial runs that has reached `n_rungs` of a bracket; 0: whole. */
static inline double ladder_aim(const struct ladder *l, uint64_t bracket, uint64_t n_rungs)
{
    const struct bracket *b = &l->halving.brackets[bracket];
    return l->variant == LADDER_PROMOTE && n_rungs < b->n_rungs ? b->rungs[n_rungs].fidelity : 0;
}

/* -- the strategy's ops -- */

static inline int ladder_open(assay_ctx *ctx, const assay_search_plan *plan,
    const struct ladder *settings, double eta, uint64_t skip, uint64_t most_brackets)
{
    struct ladder *l = ctx->host->alloc(ctx, sizeof *l);
    if (!l) return ASSAY_E_NOMEM;
    *l = *settings;
    l->plan = plan;
    ctx->self = l;
    const int code = halving_open(ctx, &l->halving, plan, eta, skip, most_brackets);
    return code == ASSAY_OK ? sampler_open(ctx, &l->sampler, plan) : code;
}

static inline void ladder_close(assay_ctx *ctx)
{
    struct ladder *l = ctx->self;
    sampler_close(ctx, &l->sampler);
    ctx->self = NULL;
}

/* The continuations that are due, at most `want`; how many. */
static inline uint64_t ladder_continue(
    struct ladder *l, uint64_t want, assay_proposal *out, uint64_t stride)
{
    uint64_t n = 0;
    struct reason why;
    l->stamp++;
    for (; l->variant == LADDER_PROMOTE && n < want; n++) {
        const uint64_t first = ladder_next(l, &why);
        if (first == ASSAY_NO_TRIAL) break;
        const struct climber *c = &l->halving.climbers[first];
        assay_proposal *p = sampler_slot(out, stride, n);
        l->lines[first].stamp = l->stamp;
        if (l->plan->n_dimensions)
            memcpy(p->x, l->lines[first].x, l->plan->n_dimensions * sizeof *p->x);
        p->from_trial = l->lines[first].last;
        p->fidelity = ladder_aim(l, c->bracket, c->n_rungs);
    }
    return n;
}

static inline int ladder_ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    (void)hyper;
    struct ladder *l = ctx->self;
    struct halving *h = &l->halving;
    uint64_t n_new = 0;
    const uint64_t n = ladder_continue(l, want, out, stride);
    *out_is_over = 0;
    if (n < want) {
        const int code = sampler_ask(ctx, &l->sampler, number + n, l->n_new, want - n,
            sampler_slot(out, stride, n), stride, &n_new);
        if (code != ASSAY_OK) return code;
    }
    uint64_t *dealt = ctx->host->scratch(ctx, (n_new + 1) * sizeof *dealt);
    if (!dealt) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < n_new; i++) {
        dealt[i] = halving_next_bracket(h);
        h->brackets[dealt[i]].n_begun++;
        sampler_slot(out, stride, n + i)->fidelity = ladder_aim(l, dealt[i], 0);
    }
    for (uint64_t i = 0; i < n_new; i++)
        h->brackets[dealt[i]].n_begun--;
    *out_n = n + n_new;
    return ASSAY_OK;
}

static inline int ladder_is_same(const double *a, const double *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return 0;
    }
    return 1;
}

/* A trial that is heard of for the first time: it carries on the line that is next, or begins one. */
static inline int ladder_begin(assay_ctx *ctx, struct ladder *l, const assay_event *e)
{
    struct line *t = &l->lines[e->trial];
    struct reason why;
    const uint64_t n = l->plan->n_dimensions;
    l->stamp++;
    const int may_continue = l->variant == LADDER_PROMOTE && e->state == ASSAY_TRIAL_RUNNING;
    const uint64_t first = may_continue ? ladder_next(l, &why) : ASSAY_NO_TRIAL;
    t->is_known = 1;
    if (first != ASSAY_NO_TRIAL && ladder_is_same(l->lines[first].x, e->x, n)) {
        t->first = first;
        l->lines[first].last = e->trial;
        l->lines[first].state = ASSAY_TRIAL_RUNNING;
        l->reasons[e->trial] = why;
        return ASSAY_OK;
    }
    t->first = t->last = e->trial;
    t->state = ASSAY_TRIAL_RUNNING;
    t->x = ctx->host->alloc(ctx, (n + 1) * sizeof *t->x);
    if (!t->x) return ASSAY_E_NOMEM;
    if (n) memcpy(t->x, e->x, n * sizeof *t->x);
    l->reasons[e->trial] = (struct reason){ .from = ASSAY_NO_TRIAL };
    l->n_new++;
    assay_event running = *e;
    running.state = ASSAY_TRIAL_RUNNING;
    const int code = sampler_begin(ctx, &l->sampler, &running, &t->inner);
    struct climber *c;
    const int is_passed_over = e->state == ASSAY_TRIAL_FAILED;
    return code != ASSAY_OK || is_passed_over ? code
                                              : halving_climber(ctx, &l->halving, e->trial, &c);
}

/* A value, or the end, of a trial whose line begins with `first`. */
static inline int ladder_result(
    assay_ctx *ctx, struct ladder *l, const assay_event *e, uint64_t first)
{
    struct line *t = &l->lines[first];
    struct climber *c;
    const int has_value = isfinite(e->value) &&
        (e->state == ASSAY_TRIAL_REPORTED || e->state == ASSAY_TRIAL_PAUSED ||
            e->state == ASSAY_TRIAL_PRUNED || e->state == ASSAY_TRIAL_DONE);
    int code = halving_climber(ctx, &l->halving, first, &c);
    if (code != ASSAY_OK) return code;
    const uint64_t n_rungs = c->n_rungs;
    if (has_value) {
        code = halving_reach(
            ctx, &l->halving, first, e->fidelity, e->value, l->variant == LADDER_STOP);
    } else if (e->state == ASSAY_TRIAL_DIVERGED) {
        code = halving_diverge(ctx, &l->halving, first);
    }
    const int is_new = has_value && l->halving.climbers[first].n_rungs > n_rungs;
    if (code == ASSAY_OK && is_new && e->state != ASSAY_TRIAL_DONE) {
        code = sampler_part(ctx, &l->sampler, e, t->inner);
    }
    if (code != ASSAY_OK || e->state == ASSAY_TRIAL_REPORTED) return code;
    if (e->state == ASSAY_TRIAL_LOST) return ASSAY_OK;
    t->state = e->state;
    /* a continuation that fails takes nothing back of what its line has shown before */
    if (e->state == ASSAY_TRIAL_FAILED && e->trial != first) return ASSAY_OK;
    return sampler_end(ctx, &l->sampler, e, t->inner);
}

static inline int ladder_take(assay_ctx *ctx, struct ladder *l, const assay_event *e)
{
    int code = ladder_grow(ctx, l, e->trial);
    if (code == ASSAY_OK && !l->lines[e->trial].is_known) code = ladder_begin(ctx, l, e);
    if (code != ASSAY_OK || e->state == ASSAY_TRIAL_RUNNING) return code;
    return ladder_result(ctx, l, e, l->lines[e->trial].first);
}

static inline int ladder_tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const int code = ladder_take(ctx, ctx->self, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* To stop what is out; to pause what has come to the rung that it was proposed for. */
static inline uint64_t ladder_verdict(const struct ladder *l, const assay_event *e)
{
    if (e->trial >= l->n || !l->lines[e->trial].is_known) return ASSAY_VERDICT_GO;
    const uint64_t first = l->lines[e->trial].first;
    if (l->variant == LADDER_STOP) return halving_verdict(&l->halving, first);
    const struct reason *why = &l->reasons[e->trial];
    const struct climber *c = &l->halving.climbers[first];
    const double aim = ladder_aim(l, c->bracket, why->from == ASSAY_NO_TRIAL ? 0 : why->rung + 1);
    return aim > 0 && !halving_is_below(e->fidelity, aim) ? ASSAY_VERDICT_PAUSE : ASSAY_VERDICT_GO;
}

static inline int ladder_report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    (void)hyper;
    *out_verdict = ladder_verdict(ctx->self, event);
    return ASSAY_OK;
}

/* "new, in bracket 2 of 5: 9 (31), 27 (10), whole" and how many have reached each rung by now. */
static inline int ladder_explain(
    assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    (void)hyper;
    const struct ladder *l = ctx->self;
    uint64_t at = 0;
    if (bytes) out[0] = '\0';
    if (trial >= l->n || !l->lines[trial].is_known) return ASSAY_OK;
    const struct reason *why = &l->reasons[trial];
    const uint64_t first = l->lines[trial].first;
    if (first >= l->halving.n || !l->halving.climbers[first].is_known) return ASSAY_OK;
    const uint64_t i_bracket = l->halving.climbers[first].bracket;
    const struct bracket *b = &l->halving.brackets[i_bracket];
    char piece[120];
    if (why->from == ASSAY_NO_TRIAL) {
        snprintf(piece, sizeof piece, "new");
    } else {
        snprintf(piece, sizeof piece, "continues %llu, number %llu of %llu at %g",
            (unsigned long long)why->from, (unsigned long long)why->rank,
            (unsigned long long)why->n, b->rungs[why->rung].fidelity);
    }
    at += (uint64_t)snprintf(out, bytes, "%s; bracket %llu of %llu:", piece,
        (unsigned long long)i_bracket + 1, (unsigned long long)l->halving.n_brackets);
    for (uint64_t k = 0; k < b->n_rungs && at < bytes; k++) {
        at += (uint64_t)snprintf(out + at, bytes - at, " %g (%llu),", b->rungs[k].fidelity,
            (unsigned long long)b->rungs[k].n);
    }
    if (at < bytes) snprintf(out + at, bytes - at, " whole");
    return ASSAY_OK;
}

#endif
