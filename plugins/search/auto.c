/* Chooses a strategy by dimensions and trials, and says why.
 *
 *   up to most_dimensions dimensions   `small` for the first most_trials trials, then `large`, which has been told of all of them
 *   more dimensions                    `large` from the beginning
 *
 * The budget itself is not asked for, so that a study that goes on longer than was planned keeps what it has. Both are strategies of
 * their own, with their hyperparameters in blocks: `small = { type = "gp"; startup = 12; }`. What one of them reports of a trial on its
 * way counts for the trials that it has proposed.
 *
 * Parts of trials have no say here: stopping early is a pruner's, which stands beside any strategy (`pruner = "asha"`).
 *
 * Defaults, by regret on branin, hartmann6, rosenbrock5, a shifted ackley10 and a mixed space of 12 dimensions with conditions: at 50, 100
 * and 200 trials gp has the best mean rank of all. From some 300 on its steps no longer pay on each of them, and cmaes goes on better
 * for a hundredth of the cost. With 30 dimensions cmaes was ahead of tpe at every budget from 50 to 1000 trials where they were real, mixed
 * or conditional, and level with it where all were choices. */
#include <assay/plugin.h>

#include <stdio.h>
#include <string.h>

struct autos {
    const assay_instance *small, *large;
    int64_t most_dimensions, most_trials;
};

static const assay_hyper hypers[] = {
    ASSAY_COMPONENT(autos, small, "search", "for few dimensions and trials", .def_string = "gp"),
    ASSAY_COMPONENT(autos, large, "search", "for many dimensions or trials", .def_string = "cmaes"),
    ASSAY_INT(autos, most_dimensions, 20, 0, 1 << 20, "that are few"),
    ASSAY_INT(autos, most_trials, 300, 0, 1 << 20, "that are few; the large one goes on from there",
        .unit = "trials"),
};

enum { SMALL, LARGE, N_MEMBERS };

struct scene {
    const assay_inner_search *inner;
    const assay_instance *member[N_MEMBERS];
    int is_open[N_MEMBERS];
    uint64_t n_dimensions, until; /* trials below `until` are the small one's */
};

/* -- opening -- */

/* What the host checks of a strategy that stands alone. */
static int check_can(assay_ctx *ctx, uint64_t can, const assay_search_plan *plan, const char *name)
{
    for (uint64_t i = 0; i < plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(plan, i);
        const char *what = NULL;
        char text[200];
        if (d->type == ASSAY_SPACE_CATEGORY && !(can & ASSAY_SEARCH_CATEGORIES)) what = "choices";
        if (d->parent != ASSAY_NO_PARENT && !(can & ASSAY_SEARCH_CONDITIONS))
            what = "dimensions with a condition";
        if (!what) continue;
        snprintf(text, sizeof text,
            "does not handle %s, and the space has one: %s; choose another strategy", what,
            d->name);
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, name, text);
    }
    if (can & ASSAY_SEARCH_FIDELITY && !(plan->max_fidelity > 0)) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, name,
            "proposes parts of trials and needs to know what a whole one costs: give max_fidelity");
    }
    return ASSAY_OK;
}

static int open_member(assay_ctx *ctx, struct scene *s, const assay_search_plan *plan, int i)
{
    const uint64_t can = s->inner->can(ctx, s->member[i]);
    int code = check_can(ctx, can, plan, i == SMALL ? "small" : "large");
    if (code == ASSAY_OK) code = s->inner->open(ctx, s->member[i], plan);
    s->is_open[i] = code == ASSAY_OK;
    return code;
}

static void end(assay_ctx *ctx)
{
    struct scene *s = ctx->self;
    for (int i = 0; s && i < N_MEMBERS; i++) {
        if (s->is_open[i]) s->inner->close(ctx, s->member[i]);
    }
    ctx->self = NULL;
}

/* Who proposes trial k, and why. */
static void say_why(assay_ctx *ctx, const struct autos *h, uint64_t k, char *out, size_t bytes)
{
    const struct scene *s = ctx->self;
    const unsigned long long d = s->n_dimensions, until = s->until;
    const char *id = s->inner->id(ctx, s->member[k < until ? SMALL : LARGE]);
    if (d > (uint64_t)h->most_dimensions)
        snprintf(out, bytes, "%s, as there are %llu dimensions", id, d);
    else if (k >= until)
        snprintf(out, bytes, "%s, as there are %llu trials before", id, until);
    else
        snprintf(out, bytes, "%s, as there are few dimensions and trials", id);
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct autos *h = hyper;
    const uint64_t most = (uint64_t)h->most_trials;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    char why[100];
    int code = ASSAY_OK;
    if (!s) return ASSAY_E_NOMEM;
    s->inner = ctx->host->extension(ctx, ASSAY_INNER_SEARCH);
    if (!s->inner) {
        return ctx->host->fail(
            ctx, ASSAY_E_UNSUPPORTED, NULL, "this host cannot run one strategy inside of another");
    }
    s->member[SMALL] = h->small;
    s->member[LARGE] = h->large;
    s->n_dimensions = plan->n_dimensions;
    s->until = plan->n_dimensions <= (uint64_t)h->most_dimensions ? most : 0;
    ctx->self = s;
    if (s->until > 0) code = open_member(ctx, s, plan, SMALL);
    if (code == ASSAY_OK) code = open_member(ctx, s, plan, LARGE);
    if (code != ASSAY_OK) {
        end(ctx);
        return code;
    }
    say_why(ctx, h, 0, why, sizeof why);
    ctx->host->log(ctx, ASSAY_LOG_INFO, why);
    return ASSAY_OK;
}

/* -- asking and telling -- */

/* An ask may begin with the one and end with the other. */
static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct scene *s = ctx->self;
    uint64_t n = 0;
    (void)hyper;
    *out_n = *out_is_over = 0;
    if (number < s->until) {
        const uint64_t rest = s->until - number, part = want < rest ? want : rest;
        const int code =
            s->inner->ask(ctx, s->member[SMALL], number, part, out, stride, out_n, out_is_over);
        n = *out_n;
        if (code != ASSAY_OK || n < part || n == want) return code;
    }
    assay_proposal *behind = (assay_proposal *)(void *)((char *)out + n * stride);
    const int code = s->inner->ask(
        ctx, s->member[LARGE], number + n, want - n, behind, stride, out_n, out_is_over);
    *out_n += n;
    return code;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    const struct scene *s = ctx->self;
    (void)hyper;
    for (int i = 0; i < N_MEMBERS; i++) {
        if (!s->is_open[i]) continue;
        const int code = s->inner->tell(ctx, s->member[i], events, n, stride);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static int report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    const struct scene *s = ctx->self;
    (void)hyper;
    return s->inner->report(
        ctx, s->member[event->trial < s->until ? SMALL : LARGE], event, out_verdict);
}

/* Whose trial it is and why; then what that one says of it. */
static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    const struct scene *s = ctx->self;
    char why[100];
    say_why(ctx, hyper, trial, why, sizeof why);
    const int code =
        s->inner->explain(ctx, s->member[trial < s->until ? SMALL : LARGE], trial, out, bytes);
    if (code != ASSAY_OK || bytes == 0) return code;
    const size_t n_own = strlen(out), n_why = strlen(why);
    if (n_own == 0 || n_why + 2 + n_own >= bytes) {
        snprintf(out, bytes, "%s", why);
    } else {
        memmove(out + n_why + 2, out, n_own + 1);
        memcpy(out, why, n_why);
        memcpy(out + n_why, ": ", 2);
    }
    return ASSAY_OK;
}

ASSAY_SEARCH(auto, "0.1.0", "chooses a strategy by dimensions and trials, and says why",
    ASSAY_HYPERS(autos, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_NOISE, .open = start,
    .ask = ask, .tell = tell, .close = end, .report = report, .explain = explain);
