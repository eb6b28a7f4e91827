/* Asynchronous successive halving: rungs at which trials are compared, in one bracket or several. What the strategies and the pruners
 * `asha` and `hyperband` share.
 *
 * Li et al. 2020, "A system for massively parallel hyperparameter tuning", sections 3.2 and 3.3, and Li et al. 2018, "Hyperband", section
 * 3: bracket b has rungs at least eta^k for k >= b, below the whole of a trial, so that the last bracket has none and runs all of its
 * trials to the end. Brackets are compared within themselves. With s = n_rungs rungs left in a bracket it gets its share of the new
 * trials in proportion to eta^s / (s + 1), which spends about as much in each (algorithm 1 of 2018): a new trial goes where
 * (trials + 1) / share is smallest, so that the brackets which stop early come first.
 *
 * A value counts for all rungs at or below its fidelity that the trial had not reached; a divergence counts as worse than any at the
 * next rung; a failure and a trial that is lost say nothing. */
#ifndef ASSAY_PLUGINS_SHARED_HALVING_H
#define ASSAY_PLUGINS_SHARED_HALVING_H

#include <assay/plugin.h>

#include <string.h>

enum { HALVING_MOST_RUNGS = 64 };

struct placed {
    double value;
    uint64_t trial;
};

struct rung {
    double fidelity;
    struct placed
        *placed; // [room] of the trials that have reached it, by rising value, then as they came
    uint64_t n, room;
};

struct bracket {
    struct rung rungs[HALVING_MOST_RUNGS];
    uint64_t n_rungs, n_begun; /* trials */
    double share;
};

/* Of a trial. */
struct climber {
    uint64_t is_known,
        is_out; /* out: it was not good enough at the last rung that it has reached, or has diverged */
    uint64_t bracket, n_rungs; /* rungs that it has reached */
};

struct halving {
    double eta;
    struct bracket *brackets; // [n_brackets]
    uint64_t n_brackets;
    struct climber *climbers; // [room] by number of trial
    uint64_t n, room;
};

/* How far from the border of a rung a fidelity may be. */
static inline int halving_is_below(double fidelity, double rung)
{
    return fidelity < rung * (1 - 1e-9);
}

/* With a least fidelity of 0 the first rung is at a whole trial's / eta^4. */
static inline void halving_lay(
    struct bracket *b, const assay_search_plan *plan, double eta, double skip)
{
    const double most = plan->max_fidelity;
    const double least = plan->min_fidelity > 0 ? plan->min_fidelity : most / pow(eta, 4);
    double at = least * pow(eta, skip);
    while (b->n_rungs < HALVING_MOST_RUNGS && halving_is_below(at, most)) {
        b->rungs[b->n_rungs++].fidelity = at;
        at *= eta;
    }
    b->share = pow(eta, (double)b->n_rungs) / ((double)b->n_rungs + 1);
}

/* Brackets that leave out `skip` rungs and on, up to one without any; never more than `most`. */
static inline int halving_open(assay_ctx *ctx, struct halving *h, const assay_search_plan *plan,
    double eta, uint64_t skip, uint64_t most)
{
    struct bracket first = { .n_rungs = 0 };
    halving_lay(&first, plan, eta, (double)skip);
    h->eta = eta;
    h->n_brackets = first.n_rungs + 1 < most ? first.n_rungs + 1 : most;
    h->brackets = ctx->host->alloc(ctx, h->n_brackets * sizeof *h->brackets);
    for (uint64_t i = 0; h->brackets && i < h->n_brackets; i++)
        halving_lay(&h->brackets[i], plan, eta, (double)(skip + i));
    return h->brackets ? ASSAY_OK : ASSAY_E_NOMEM;
}

/* `old` of `n` items in a place with room for `room`; NULL when memory is out. */
static inline void *halving_moved(
    assay_ctx *ctx, const void *old, uint64_t n, uint64_t room, uint64_t bytes)
{
    void *out = room < (1ull << 40) / bytes ? ctx->host->alloc(ctx, room * bytes) : NULL;
    if (out && n) memcpy(out, old, n * bytes);
    return out;
}

/* The bracket of the next new trial. */
static inline uint64_t halving_next_bracket(const struct halving *h)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < h->n_brackets; i++) {
        const struct bracket *a = &h->brackets[i], *b = &h->brackets[best];
        if (((double)a->n_begun + 1) * b->share < ((double)b->n_begun + 1) * a->share) best = i;
    }
    return best;
}

/* The trial's entry, in a bracket from now on where it is new; valid until the next call. */
static inline int halving_climber(
    assay_ctx *ctx, struct halving *h, uint64_t trial, struct climber **out)
{
    if (trial >= h->room) {
        const uint64_t room = trial < 32 ? 64 : 2 * trial;
        struct climber *climbers = halving_moved(ctx, h->climbers, h->n, room, sizeof *climbers);
        if (!climbers) return ASSAY_E_NOMEM;
        h->climbers = climbers;
        h->room = room;
    }
    if (trial >= h->n) h->n = trial + 1;
    *out = &h->climbers[trial];
    if (!(*out)->is_known) {
        (*out)->is_known = 1;
        (*out)->bracket = halving_next_bracket(h);
        h->brackets[(*out)->bracket].n_begun++;
    }
    return ASSAY_OK;
}

/* How many of a rung go on to the next. */
static inline uint64_t halving_quota(const struct rung *r, double eta)
{
    return (uint64_t)floor((double)r->n / eta + 1e-9);
}

/* Puts a value in its place; *out_n_better have a lower one. */
static inline int halving_place(
    assay_ctx *ctx, struct rung *r, uint64_t trial, double v, uint64_t *out_n_better)
{
    if (r->n == r->room) {
        const uint64_t room = r->room ? 2 * r->room : 64;
        struct placed *placed = halving_moved(ctx, r->placed, r->n, room, sizeof *placed);
        if (!placed) return ASSAY_E_NOMEM;
        r->placed = placed;
        r->room = room;
    }
    uint64_t low = 0, high = r->n;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (r->placed[middle].value < v)
            low = middle + 1;
        else
            high = middle;
    }
    *out_n_better = low;
    while (low < r->n && r->placed[low].value == v)
        low++;
    memmove(r->placed + low + 1, r->placed + low, (r->n - low) * sizeof *r->placed);
    r->placed[low] = (struct placed){ v, trial };
    r->n++;
    return ASSAY_OK;
}

/* A trial's value: it is placed at the rungs that are new to it. With `stops` it must be among the best 1 / eta of each, or the best,
 * and is out if not. */
static inline int halving_reach(
    assay_ctx *ctx, struct halving *h, uint64_t trial, double fidelity, double v, int stops)
{
    struct climber *c;
    int code = halving_climber(ctx, h, trial, &c);
    if (code != ASSAY_OK) return code;
    struct bracket *b = &h->brackets[c->bracket];
    while (!c->is_out && c->n_rungs < b->n_rungs) {
        struct rung *r = &b->rungs[c->n_rungs];
        uint64_t n_better;
        if (halving_is_below(fidelity, r->fidelity)) break;
        code = halving_place(ctx, r, trial, v, &n_better);
        if (code != ASSAY_OK) return code;
        c->n_rungs++;
        const uint64_t quota = halving_quota(r, h->eta);
        c->is_out = stops && n_better >= (quota ? quota : 1);
    }
    return ASSAY_OK;
}

static inline int halving_diverge(assay_ctx *ctx, struct halving *h, uint64_t trial)
{
    struct climber *c;
    const int code = halving_climber(ctx, h, trial, &c);
    if (code != ASSAY_OK || c->is_out) return code;
    struct bracket *b = &h->brackets[c->bracket];
    uint64_t n_better;
    c->is_out = 1;
    if (c->n_rungs == b->n_rungs) return ASSAY_OK;
    return halving_place(ctx, &b->rungs[c->n_rungs++], trial, ASSAY_INF, &n_better);
}

/* One event, of a trial that is stopped where it is not good enough. */
static inline int halving_stop(assay_ctx *ctx, struct halving *h, const assay_event *e)
{
    struct climber *c;
    if (e->state == ASSAY_TRIAL_RUNNING) return halving_climber(ctx, h, e->trial, &c);
    if (e->state == ASSAY_TRIAL_DIVERGED) return halving_diverge(ctx, h, e->trial);
    if (e->state != ASSAY_TRIAL_REPORTED || !isfinite(e->value)) return ASSAY_OK;
    return halving_reach(ctx, h, e->trial, e->fidelity, e->value, 1);
}

static inline uint64_t halving_verdict(const struct halving *h, uint64_t trial)
{
    return trial < h->n && h->climbers[trial].is_out ? ASSAY_VERDICT_STOP : ASSAY_VERDICT_GO;
}

/* -- a pruner's ops, whose self is a halving -- */

static inline int halving_prune_open(assay_ctx *ctx, const assay_search_plan *plan, double eta,
    uint64_t skip, uint64_t most_brackets)
{
    struct halving *h = ctx->host->alloc(ctx, sizeof *h);
    ctx->self = h;
    return h ? halving_open(ctx, h, plan, eta, skip, most_brackets) : ASSAY_E_NOMEM;
}

static inline int halving_prune_tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const int code = halving_stop(ctx, ctx->self, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static inline int halving_prune_report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    (void)hyper;
    *out_verdict = halving_verdict(ctx->self, event->trial);
    return ASSAY_OK;
}

static inline void halving_prune_close(assay_ctx *ctx)
{
    ctx->self = NULL;
}

#endif
