/* Grid search: every combination of some values per dimension, each once.
 *
 * A dimension with levels has them all where they are no more than `points`, else `points` of them; a continuous one has `points` values
 * from end to end, evenly on its scale. In a space with conditions what is inactive is not multiplied in, so that no two points are the same.
 * The order is a random permutation of the grid, since then a budget that ends early has seen all of it thinly: a Feistel network over
 * the next power of four, walked until it lands inside (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
 *
 * With `shards` = n the grid is dealt out to n searches of the same seed; this one takes every n-th point from number `shard` on.
 *
 * Defaults: 5 points, shuffled. */
#include "shared/codec.h"
#include "shared/draw.h"

#include <stdio.h>

struct grid {
    int64_t points, shuffle, shard, shards;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(grid, points, 5, 1, 1000, "values of a dimension that has more than these"),
    ASSAY_BOOL(grid, shuffle, 1, "in random order; else the last dimension changes fastest"),
    ASSAY_INT(grid, shard, 0, 0, 1000000, "which share of the grid this search takes, from 0"),
    ASSAY_INT(grid, shards, 1, 1, 1000000, "shares that the grid is cut into"),
};

struct axis {
    double *values; // [n]
    uint64_t n;
    uint64_t n_below; /* points of this dimension and of all that hang on it */
};

struct scene {
    const assay_search_plan *plan;
    struct axis *axes; // [n_dimensions]
    uint64_t n; /* points of the grid */
    uint64_t half_bits; /* of the network's halves */
};

static const double most_points = 0x1p52;

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct grid *h = hyper;
    if (h->shard < h->shards) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INVALID, "shard", "must be below shards");
}

/* Value k of n from end to end of a dimension. */
static double along(const assay_dimension *d, double levels, double k, double n)
{
    const double share = n > 1 ? k / (n - 1) : 0.5;
    if (!d->log && levels > 0) return codec_level(d, round(share * (levels - 1)));
    const double v = d->log ? exp(log(d->low) + share * (log(d->high) - log(d->low)))
                            : d->low + share * (d->high - d->low);
    if (!(levels > 0)) return k == n - 1 && n > 1 ? d->high : codec_clip(v, d->low, d->high);
    return codec_level(d, codec_clip(round((v - d->low) / codec_step(d)), 0, levels - 1));
}

static int axis_new(assay_ctx *ctx, const assay_dimension *d, int64_t points, struct axis *out)
{
    const double levels = codec_levels(d);
    const int takes_all =
        levels > 0 && (d->type == ASSAY_SPACE_CATEGORY || levels <= (double)points);
    const uint64_t n = takes_all ? (uint64_t)levels : (uint64_t)points;
    out->values = ctx->host->alloc(ctx, n * sizeof *out->values);
    if (!out->values) return ASSAY_E_NOMEM;
    out->n = 0;
    for (uint64_t k = 0; k < n; k++) {
        const double v =
            takes_all ? codec_level(d, (double)k) : along(d, levels, (double)k, (double)n);
        if (out->n == 0 || v != out->values[out->n - 1]) out->values[out->n++] = v;
    }
    return ASSAY_OK;
}

static int hangs_on(const assay_search_plan *plan, uint64_t k, uint64_t parent, uint64_t choice)
{
    const assay_dimension *d = assay_dimension_at(plan, k);
    return d->parent == parent && d->parent_choices >> choice & 1;
}

/* Points below dimension i with this choice; may be too many for a double's exact numbers. */
static double branch_size(const struct scene *s, uint64_t i, uint64_t choice)
{
    double n = 1;
    for (uint64_t k = i + 1; k < s->plan->n_dimensions; k++) {
        if (hangs_on(s->plan, k, i, choice)) n *= (double)s->axes[k].n_below;
    }
    return n;
}

/* From the last dimension to the first: children stand behind their parents. */
static int count(assay_ctx *ctx, struct scene *s)
{
    double all = 1;
    for (uint64_t i = s->plan->n_dimensions; i-- > 0;) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        double n = d->type == ASSAY_SPACE_CATEGORY ? 0 : (double)s->axes[i].n;
        for (uint64_t c = 0; d->type == ASSAY_SPACE_CATEGORY && c < d->n_choices; c++)
            n += branch_size(s, i, c);
        if (d->parent == ASSAY_NO_PARENT) all *= n;
        if (n > most_points || all > most_points) {
            return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, "points",
                "the grid has more than 2^52 points: take fewer, or random search");
        }
        s->axes[i].n_below = (uint64_t)n;
    }
    s->n = (uint64_t)all;
    return ASSAY_OK;
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct grid *h = hyper;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->axes = ctx->host->alloc(ctx, (plan->n_dimensions + 1) * sizeof *s->axes);
    if (!s->axes) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < plan->n_dimensions; i++) {
        const int code = axis_new(ctx, assay_dimension_at(plan, i), h->points, &s->axes[i]);
        if (code != ASSAY_OK) return code;
    }
    ctx->self = s;
    const int code = count(ctx, s);
    for (s->half_bits = 1; (1ull << 2 * s->half_bits) < s->n;)
        s->half_bits++;
    return code;
}

/* -- order -- */

/* A permutation of [0, 4^half_bits). */
static uint64_t feistel(assay_ctx *ctx, uint64_t k, uint64_t half_bits)
{
    const uint64_t mask = (1ull << half_bits) - 1;
    uint64_t left = k >> half_bits, right = k & mask;
    for (uint64_t round_ = 0; round_ < 6; round_++) {
        uint32_t hash;
        ctx->host->random_u32(ctx, DRAW_OWN + round_, right, &hash, 1);
        const uint64_t next = (left ^ hash) & mask;
        left = right;
        right = next;
    }
    return left << half_bits | right;
}

static uint64_t shuffled(assay_ctx *ctx, const struct scene *s, uint64_t k)
{
    do {
        k = feistel(ctx, k, s->half_bits);
    } while (k >= s->n);
    return k;
}

/* -- points -- */

static void fill_in(const struct scene *s, uint64_t i, uint64_t at, double *x);

/* What hangs on dimension i with this choice (ASSAY_NO_PARENT: the roots), point `at` of it. */
static void fill_in_branch(
    const struct scene *s, uint64_t i, uint64_t choice, uint64_t at, double *x)
{
    const uint64_t first = i == ASSAY_NO_PARENT ? 0 : i + 1;
    for (uint64_t k = s->plan->n_dimensions; k-- > first;) {
        const int is_root = assay_dimension_at(s->plan, k)->parent == ASSAY_NO_PARENT;
        if (i == ASSAY_NO_PARENT ? !is_root : !hangs_on(s->plan, k, i, choice)) continue;
        fill_in(s, k, at % s->axes[k].n_below, x);
        at /= s->axes[k].n_below;
    }
}

/* Dimension i and all below it. */
static void fill_in(const struct scene *s, uint64_t i, uint64_t at, double *x)
{
    const assay_dimension *d = assay_dimension_at(s->plan, i);
    if (d->type != ASSAY_SPACE_CATEGORY) {
        x[i] = s->axes[i].values[at];
        return;
    }
    uint64_t choice = 0;
    for (; choice + 1 < d->n_choices; choice++) {
        const uint64_t n = (uint64_t)branch_size(s, i, choice);
        if (at < n) break;
        at -= n;
    }
    x[i] = (double)choice;
    fill_in_branch(s, i, choice, at, x);
}

/* Which point of the grid proposal `trial` is; s->n where there is none. */
static uint64_t point_of(
    assay_ctx *ctx, const struct grid *h, const struct scene *s, uint64_t trial)
{
    const uint64_t k = trial * (uint64_t)h->shards + (uint64_t)h->shard;
    if (k >= s->n) return s->n;
    return h->shuffle ? shuffled(ctx, s, k) : k;
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct grid *h = hyper;
    const struct scene *s = ctx->self;
    uint64_t n = 0;
    for (; n < want; n++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + n * stride);
        const uint64_t k = point_of(ctx, h, s, number + n);
        if (k >= s->n) break;
        for (uint64_t i = 0; i < s->plan->n_dimensions; i++)
            p->x[i] = (double)NAN;
        fill_in_branch(s, ASSAY_NO_PARENT, 0, k, p->x);
    }
    *out_n = n;
    *out_is_over = (number + n) * (uint64_t)h->shards + (uint64_t)h->shard >= s->n;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)ctx;
    (void)hyper;
    (void)events;
    (void)n;
    (void)stride;
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    const struct grid *h = hyper;
    const struct scene *s = ctx->self;
    const uint64_t k = point_of(ctx, h, s, trial);
    out[0] = '\0';
    if (k >= s->n) return ASSAY_OK;
    (void)snprintf(out, bytes, "point %llu of %llu of the grid%s", (unsigned long long)(k + 1),
        (unsigned long long)s->n, h->shuffle ? ", in random order" : "");
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(grid, "0.1.0", "every combination of some values per dimension",
    ASSAY_HYPERS(grid, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_FINITE, .open = start,
    .ask = ask, .tell = tell, .close = end, .validate = validate, .explain = explain);
