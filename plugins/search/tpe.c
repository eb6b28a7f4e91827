/* Tree-structured Parzen estimator: a density l of the good trials and g of the others; of some points drawn from l the one with the
 * largest l / g is proposed.
 *
 * Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", section 4: maximising l / g maximises the expected improvement.
 * Multivariate kernels, products over dimensions, as Falkner et al. 2018, "BOHB", section 3.2, have them; bandwidths per kernel and
 * dimension, weights and the clip as in Watanabe 2023, "Tree-structured Parzen estimator: understanding its algorithm components".
 *
 *   l(x) = sum_j w_j prod_i k_ij(x_i), j over the n_good best trials and a prior, and g likewise over the rest
 *   k_ij   a normal distribution in the unit cube, cut to [0, 1], around the trial's coordinate; its width is the distance to the
 *          farther neighbour of the same density in that dimension ("neighbours"), or spread * n^(-1 / (4 + d)) for all ("scott"),
 *          and not below max(min_bandwidth, (1 + n)^-magic): the magic clip
 *   k_ij   of a category (1[x = x_j] + s) / (1 + s n_choices), s = prior_weight / (n + 1): smoothed counts
 *   prior  a kernel of width 1 around the middle, or what the user expects, of weight prior_weight
 *
 * A space with conditions falls into groups of dimensions that are active together. Each has densities of its own, of the trials
 * where it is active, and is drawn in turn; the good trials of a group are the best ones in it.
 *
 * Which trials are good: those that are done, by value; then pruned ones, the farthest first, by value. Diverged trials are worse
 * than any and never good. Trials under way, and the proposals before this one in the same ask, count as bad ones, so that others
 * keep off them (a constant liar). A failed trial says nothing.
 *
 * Deviations: a level of a whole number is weighed by the density at the middle of its cell, with bandwidths of at least half a
 * cell, not by the integral over it. The first n_startup points are scrambled Sobol' points.
 *
 * Cost: per proposal O(n d) for bandwidths, from coordinates that are kept in order, and O(n_ei n d) products; the logarithms and error
 * functions of a kernel are kept until its width changes.
 *
 * Defaults: n_ei of Bergstra et al., kinds of weights and widths as Watanabe advises; gamma, magic and min_bandwidth by median regret
 * at 100 trials over 20 seeds on branin, hartmann6, rosenbrock5, a shifted ackley10 and a mixed space with conditions. */
#include "shared/codec.h"
#include "shared/normal.h"
#include "shared/sobol.h"

#include <string.h>

enum { BY_SHARE, BY_ROOT };
enum { WIDTH_NEIGHBOURS, WIDTH_SCOTT };
enum { WEIGHT_UNIFORM, WEIGHT_RECENT, WEIGHT_GAIN };

struct tpe {
    int64_t n_startup, n_ei, split, most_good, bandwidth, weights;
    double gamma, magic, min_bandwidth, spread, prior_weight;
};

static const char *const splits[] = { "linear", "root" };
static const char *const bandwidths[] = { "neighbours", "scott" };
static const char *const weightings[] = { "uniform", "recent", "gain" };

static const assay_hyper hypers[] = {
    ASSAY_INT(
        tpe, n_startup, 10, 1, 1 << 20, "points that fill the space before the model is asked"),
    ASSAY_INT(tpe, n_ei, 24, 1, 10000, "points drawn from l, of which the best is proposed"),
    ASSAY_ENUM(tpe, split, BY_SHARE, splits, "good trials: gamma n, or gamma sqrt(n)"),
    ASSAY_REAL(
        tpe, gamma, 0.12, 0, 10, "how many of the trials are good ones", .flags = ASSAY_OPEN_MIN),
    ASSAY_INT(tpe, most_good, 25, 1, 1 << 20, "never more good ones than that"),
    ASSAY_ENUM(tpe, bandwidth, WIDTH_NEIGHBOURS, bandwidths, "widths of the kernels"),
    ASSAY_REAL(tpe, magic, 1.5, 0, 10, "widths are at least (1 + n)^-magic of the range"),
    ASSAY_REAL(tpe, min_bandwidth, 0.025, 0, 1, "and at least that", .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(tpe, spread, 0.2, 0, 10, "factor of the scott widths", .flags = ASSAY_OPEN_MIN),
    ASSAY_ENUM(tpe, weights, WEIGHT_GAIN, weightings,
        "of kernels: equal, less for old bad trials, or good ones by their gain"),
    ASSAY_REAL(
        tpe, prior_weight, 1, 0, 100, "weight of the prior, in trials", .flags = ASSAY_OPEN_MIN),
};

/* What is known of a trial, in the order of goodness. */
enum { KIND_NONE, KIND_DONE, KIND_PART, KIND_DIVERGED, KIND_RUNNING };
enum { SET_GOOD, SET_BAD, SET_NEITHER };

struct trial {
    uint64_t kind;
    double value, fidelity;
};

/* One density: n kernels, the last one the prior. Kernel arrays lie dimension by dimension. */
struct density {
    uint64_t n, room;
    uint64_t *trial; // [room]
    double *mu, *width, *slope; // [n_dimensions, room]; slope is 1 / (sqrt(2) width)
    double *weight, *height; // [room] and log of weight / norms
    double same, other; // of the category at hand
};

struct scene {
    const assay_search_plan *plan;
    uint64_t n, capacity; // trials told of; room for them
    struct trial *trials; // [capacity] by number
    double *
        at; // [capacity, n_dimensions] coordinate; of an unordered category the choice; NaN: inactive
    double *width,
        *norm; // [capacity, n_dimensions] last width of the kernel and the log of its norm
    uint64_t *order; // [n_dimensions, capacity] numbers of trials by rising coordinate
    uint64_t *n_order; // [n_dimensions]
    uint64_t *rank; // [capacity] numbers of trials that have ended, the best first
    uint64_t n_rank;
    uint64_t *group; // [n_dimensions] number of its first dimension
    double *levels; // [n_dimensions] codec_levels
    double *prior_mu, *prior_width; // [n_dimensions]
    double *u; // [n_dimensions]
    uint32_t *directions, *seeds;
};

/* -- small mathematics -- */

/* A draw from the normal distribution cut to [0, 1]. */
static double cut_normal(double mu, double width, double u)
{
    const double low = normal_below(-mu / width), high = normal_below((1 - mu) / width);
    return codec_clip(mu + width * normal_inverse(low + u * (high - low)), 0, 1);
}

/* The logarithm of what the density of a cut normal distribution is divided by, without sqrt(2 pi), which cancels. */
static double cut_norm(double mu, double width)
{
    return log(width * (normal_below((1 - mu) / width) - normal_below(-mu / width)));
}

/* -- opening -- */

static int is_plain_category(const assay_dimension *d)
{
    return d->type == ASSAY_SPACE_CATEGORY && !d->ordered;
}

static int has_prior(const assay_dimension *d)
{
    return d->type != ASSAY_SPACE_CATEGORY && !isnan(d->prior_mean) && d->prior_sd > 0;
}

static void find_groups(struct scene *s)
{
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        s->group[i] = i;
        for (uint64_t k = 0; k < i && s->group[i] == i; k++) {
            const assay_dimension *e = assay_dimension_at(s->plan, k);
            const int is_same = d->parent == e->parent &&
                (d->parent == ASSAY_NO_PARENT || d->parent_choices == e->parent_choices);
            if (is_same) s->group[i] = k;
        }
    }
}

static void find_priors(struct scene *s)
{
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        s->levels[i] = codec_levels(d);
        s->prior_mu[i] = 0.5;
        s->prior_width[i] = 1;
        if (!has_prior(d) || s->levels[i] == 1) continue;
        const double middle = d->log ? exp(d->prior_mean) : d->prior_mean;
        const double range = d->log ? log(d->high) - log(d->low) : d->high - d->low;
        s->prior_mu[i] = codec_unit(d, codec_clip(middle, d->low, d->high));
        s->prior_width[i] = codec_clip(d->prior_sd / range, 0.01, 1);
    }
}

static int start_sobol(assay_ctx *ctx, struct scene *s)
{
    const uint64_t n = s->plan->n_dimensions;
    if (n > SOBOL_MOST_DIMENSIONS) return ASSAY_OK; /* then random points */
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
    const uint64_t n = plan->n_dimensions + 1;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    (void)hyper;
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->n_order = ctx->host->alloc(ctx, n * sizeof *s->n_order);
    s->group = ctx->host->alloc(ctx, n * sizeof *s->group);
    double *numbers = ctx->host->alloc(ctx, 4 * n * sizeof *numbers);
    if (!s->n_order || !s->group || !numbers) return ASSAY_E_NOMEM;
    s->levels = numbers;
    s->prior_mu = numbers + n;
    s->prior_width = numbers + 2 * n;
    s->u = numbers + 3 * n;
    find_groups(s);
    find_priors(s);
    ctx->self = s;
    return start_sobol(ctx, s);
}

/* -- what has been told -- */

/* Room for trial number `number`; what is there moves. */
static int grow(assay_ctx *ctx, struct scene *s, uint64_t number)
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
    if (!trials || !numbers || !order) return ASSAY_E_NOMEM;
    double *width = numbers + room * d, *norm = width + room * d;
    uint64_t *rank = order + room * d;
    if (s->capacity) {
        memcpy(trials, s->trials, s->n * sizeof *trials);
        memcpy(numbers, s->at, s->n * d * sizeof *numbers);
        memcpy(width, s->width, s->n * d * sizeof *width);
        memcpy(norm, s->norm, s->n * d * sizeof *norm);
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

static void take_out(struct scene *s, uint64_t number)
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

static void put_in(struct scene *s, uint64_t number, const double *x)
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

static int take(assay_ctx *ctx, struct scene *s, const assay_event *e)
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

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const int code = take(ctx, ctx->self, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* -- the densities of one group -- */

struct model {
    const struct tpe *h;
    struct scene *s;
    uint64_t group, n_dims;
    uint64_t *dims; // [n_dims]
    unsigned char *set; // [s->n] SET_... of each trial
    uint64_t *slot; // [s->n] its kernel
    struct density sets[2];
    double *terms; // [largest room] for a sum
};

static int density_new(assay_ctx *ctx, struct density *p, uint64_t room, uint64_t d)
{
    p->room = room;
    p->trial = ctx->host->scratch(ctx, room * sizeof *p->trial);
    double *numbers = ctx->host->scratch(ctx, room * (3 * d + 2) * sizeof *numbers);
    if (!p->trial || !numbers) return ASSAY_E_NOMEM;
    p->mu = numbers;
    p->width = p->mu + room * d;
    p->slope = p->width + room * d;
    p->weight = p->slope + room * d;
    p->height = p->weight + room;
    return ASSAY_OK;
}

static int model_new(
    assay_ctx *ctx, const struct tpe *h, struct scene *s, uint64_t most, struct model *m)
{
    const uint64_t d = s->plan->n_dimensions, room = most + 1;
    *m = (struct model){ .h = h, .s = s };
    m->dims = ctx->host->scratch(ctx, (d + 1) * sizeof *m->dims);
    m->set = ctx->host->scratch(ctx, room * sizeof *m->set);
    m->slot = ctx->host->scratch(ctx, room * sizeof *m->slot);
    m->terms = ctx->host->scratch(ctx, room * sizeof *m->terms);
    if (!m->dims || !m->set || !m->slot || !m->terms) return ASSAY_E_NOMEM;
    const uint64_t good = most < (uint64_t)h->most_good ? most : (uint64_t)h->most_good;
    const int code = density_new(ctx, &m->sets[SET_GOOD], good + 1, d);
    return code ? code : density_new(ctx, &m->sets[SET_BAD], room, d);
}

static int is_in_group(const struct model *m, uint64_t trial)
{
    return !isnan(m->s->at[trial * m->s->plan->n_dimensions + m->group]);
}

static uint64_t count_good(const struct tpe *h, uint64_t n)
{
    const double share = h->split == BY_ROOT ? h->gamma * sqrt((double)n) : h->gamma * (double)n;
    return (uint64_t)codec_clip(
        ceil(share), 0, (double)(n < (uint64_t)h->most_good ? n : (uint64_t)h->most_good));
}

static void model_add(struct model *m, uint64_t trial, unsigned char set)
{
    struct density *p = &m->sets[set];
    m->set[trial] = set;
    m->slot[trial] = p->n;
    p->trial[p->n++] = trial;
}

static void split_trials(struct model *m)
{
    const struct scene *s = m->s;
    uint64_t n = 0;
    for (uint64_t i = 0; i < s->n_rank; i++)
        n += (uint64_t)is_in_group(m, s->rank[i]);
    const uint64_t n_good = count_good(m->h, n);
    memset(m->set, SET_NEITHER, s->n);
    m->sets[SET_GOOD].n = m->sets[SET_BAD].n = 0;
    for (uint64_t i = 0; i < s->n_rank && m->sets[SET_GOOD].n < n_good; i++) {
        const uint64_t k = s->rank[i];
        if (s->trials[k].kind == KIND_DIVERGED) break;
        if (is_in_group(m, k)) model_add(m, k, SET_GOOD);
    }
    for (uint64_t k = 0; k < s->n; k++) {
        const int is_other = s->trials[k].kind != KIND_NONE && m->set[k] == SET_NEITHER;
        if (is_other && is_in_group(m, k)) model_add(m, k, SET_BAD);
    }
}

/* Good ones by how much better they are than the best of the others, in the mean 1. */
static void weigh_by_gain(struct model *m)
{
    struct density *p = &m->sets[SET_GOOD];
    const struct scene *s = m->s;
    double border = -ASSAY_INF, sum = 0;
    for (uint64_t j = 0; j < p->n; j++) {
        if (s->trials[p->trial[j]].kind != KIND_DONE) return;
        border = fmax(border, s->trials[p->trial[j]].value);
    }
    for (uint64_t i = 0; i < s->n_rank; i++) {
        const uint64_t k = s->rank[i];
        if (s->trials[k].kind != KIND_DONE) break;
        if (m->set[k] == SET_BAD) {
            border = s->trials[k].value;
            break;
        }
    }
    for (uint64_t j = 0; j < p->n; j++)
        sum += border - s->trials[p->trial[j]].value;
    if (!(sum > 0 && isfinite(sum))) return;
    for (uint64_t j = 0; j < p->n; j++) {
        p->weight[j] = (border - s->trials[p->trial[j]].value) / sum * (double)p->n;
    }
}

/* Bad ones but the last 25 on a ramp from 1 / n to 1. */
static void weigh_by_age(struct model *m)
{
    struct density *p = &m->sets[SET_BAD];
    for (uint64_t j = 0; j + 25 < p->n; j++) {
        const double at = p->n > 26 ? (double)j / (double)(p->n - 26) : 1;
        p->weight[j] = 1 / (double)p->n + (1 - 1 / (double)p->n) * at;
    }
}

static void weigh(struct model *m)
{
    for (int k = 0; k < 2; k++) {
        struct density *p = &m->sets[k];
        for (uint64_t j = 0; j < p->n; j++)
            p->weight[j] = 1;
        p->weight[p->n] = m->h->prior_weight;
    }
    if (m->h->weights == WEIGHT_GAIN && m->sets[SET_GOOD].n) weigh_by_gain(m);
    if (m->h->weights == WEIGHT_RECENT) weigh_by_age(m);
    for (int k = 0; k < 2; k++) {
        struct density *p = &m->sets[k];
        double sum = 0;
        for (uint64_t j = 0; j <= p->n; j++)
            sum += p->weight[j];
        for (uint64_t j = 0; j <= p->n; j++) {
            p->weight[j] /= sum;
            p->height[j] = log(p->weight[j]);
        }
    }
}

/* Half the cell of a level: no kernel is narrower. */
static double half_cell(const struct scene *s, uint64_t i, double at)
{
    const assay_dimension *d = assay_dimension_at(s->plan, i);
    if (!(s->levels[i] > 0)) return 0;
    if (!d->log) return 0.5 / s->levels[i];
    const double x = codec_value(d, at), step = codec_step(d);
    double low, high;
    codec_log_ends(d, s->levels[i], &low, &high);
    return 0.5 * log((x + step / 2) / fmax(x - step / 2, x / 2)) / (high - low);
}

/* The distance to the farther neighbour of the same density, the prior's middle among them, in one walk along the dimension. */
static void measure_gaps(struct model *m, uint64_t i)
{
    const struct scene *s = m->s;
    const uint64_t *order = s->order + i * s->capacity, d = s->plan->n_dimensions;
    double *last[2] = { NULL, NULL }; /* width of the neighbour to the left */
    double left[2] = { -1, -1 }; /* and where it is */
    int is_past[2] = { 0, 0 }; /* the prior's middle has been passed */
    for (uint64_t r = 0; r < s->n_order[i]; r++) {
        const uint64_t k = order[r], set = m->set[k];
        if (set == SET_NEITHER) continue;
        struct density *p = &m->sets[set];
        double *width = &p->width[i * p->room + m->slot[k]];
        const double at = s->at[k * d + i];
        if (!is_past[set] && at >= s->prior_mu[i]) {
            if (last[set]) *last[set] = fmax(*last[set], s->prior_mu[i] - left[set]);
            left[set] = s->prior_mu[i];
            last[set] = NULL;
            is_past[set] = 1;
        }
        *width = left[set] >= 0 ? at - left[set] : 0;
        if (last[set]) *last[set] = fmax(*last[set], at - left[set]);
        left[set] = at;
        last[set] = width;
    }
    for (int set = 0; set < 2; set++) {
        if (last[set] && !is_past[set]) *last[set] = fmax(*last[set], s->prior_mu[i] - left[set]);
    }
}

static void set_kernel(
    struct density *p, uint64_t i, uint64_t j, double mu, double width, double norm)
{
    p->mu[i * p->room + j] = mu;
    p->width[i * p->room + j] = width;
    p->slope[i * p->room + j] = 0.70710678118654752440 / width;
    p->height[j] -= norm;
}

static void set_numbers(struct model *m, uint64_t i)
{
    struct scene *s = m->s;
    const struct tpe *h = m->h;
    const uint64_t d = s->plan->n_dimensions;
    if (h->bandwidth == WIDTH_NEIGHBOURS) measure_gaps(m, i);
    for (int set = 0; set < 2; set++) {
        struct density *p = &m->sets[set];
        const double n = (double)p->n + 1;
        const double least = fmax(h->min_bandwidth, pow(1 + n, -h->magic));
        const double scott = h->spread * pow(n, -1 / ((double)m->n_dims + 4));
        for (uint64_t j = 0; j < p->n; j++) {
            const uint64_t at = p->trial[j] * d + i;
            const double mu = s->at[at];
            double w = h->bandwidth == WIDTH_SCOTT ? scott : p->width[i * p->room + j];
            w = codec_clip(w, fmax(least, half_cell(s, i, mu)), 1);
            if (s->width[at] != w) {
                s->width[at] = w;
                s->norm[at] = cut_norm(mu, w);
            }
            set_kernel(p, i, j, mu, w, s->norm[at]);
        }
        const double mu = set == SET_GOOD ? s->prior_mu[i] : 0.5;
        const double width = set == SET_GOOD ? s->prior_width[i] : 1;
        set_kernel(p, i, p->n, mu, width, cut_norm(mu, width));
    }
}

/* Chance of its own and of another choice, of a kernel of density p. */
static void category_chances(
    const struct model *m, const struct density *p, uint64_t i, double *same, double *other)
{
    const double s = m->h->prior_weight / ((double)p->n + 1), whole = 1 + s * m->s->levels[i];
    *same = (1 + s) / whole;
    *other = s / whole;
}

static void set_categories(struct model *m, uint64_t i)
{
    const uint64_t d = m->s->plan->n_dimensions;
    for (int set = 0; set < 2; set++) {
        struct density *p = &m->sets[set];
        for (uint64_t j = 0; j < p->n; j++)
            p->mu[i * p->room + j] = m->s->at[p->trial[j] * d + i];
        p->mu[i * p->room + p->n] = -1; /* the prior: no choice is its own */
    }
}

static void fit(struct model *m, uint64_t group)
{
    const struct scene *s = m->s;
    m->group = group;
    m->n_dims = 0;
    for (uint64_t i = group; i < s->plan->n_dimensions; i++) {
        if (s->group[i] == group) m->dims[m->n_dims++] = i;
    }
    split_trials(m);
    weigh(m);
    for (uint64_t k = 0; k < m->n_dims; k++) {
        const uint64_t i = m->dims[k];
        if (is_plain_category(assay_dimension_at(s->plan, i)))
            set_categories(m, i);
        else
            set_numbers(m, i);
    }
}

/* -- drawing and weighing -- */

/* The logarithm of the density at u, up to a constant that both share. */
static double log_density(const struct model *m, const struct density *p, const double *u)
{
    double *restrict terms = m->terms, most = -ASSAY_INF, sum = 0;
    memcpy(terms, p->height, (p->n + 1) * sizeof *terms);
    for (uint64_t k = 0; k < m->n_dims; k++) {
        const uint64_t i = m->dims[k];
        const double at = u[i], *restrict mu = p->mu + i * p->room;
        if (is_plain_category(assay_dimension_at(m->s->plan, i))) {
            double same, other;
            category_chances(m, p, i, &same, &other);
            const double log_same = log(same), log_other = log(other);
            for (uint64_t j = 0; j < p->n; j++)
                terms[j] += mu[j] == at ? log_same : log_other;
            terms[p->n] -= log(m->s->levels[i]);
            continue;
        }
        const double *restrict slope = p->slope + i * p->room;
        for (uint64_t j = 0; j <= p->n; j++) {
            const double z = (at - mu[j]) * slope[j];
            terms[j] -= z * z;
        }
    }
    for (uint64_t j = 0; j <= p->n; j++)
        most = terms[j] > most ? terms[j] : most;
    for (uint64_t j = 0; j <= p->n; j++) {
        if (terms[j] > most - 40) sum += exp(terms[j] - most);
    }
    return most + log(sum);
}

static double draw_category(
    const struct model *m, const struct density *p, uint64_t i, uint64_t j, double u)
{
    const double n = m->s->levels[i], own = p->mu[i * p->room + j];
    double same, other;
    category_chances(m, p, i, &same, &other);
    if (own < 0) return fmin(floor(u * n), n - 1);
    if (u < same - other) return own; /* the rest is spread evenly, over its own choice, too */
    return fmin(floor((u - (same - other)) / (1 - (same - other)) * n), n - 1);
}

/* A point of the group out of l; v[1 + n_dims] uniform numbers. */
static void draw_point(const struct model *m, const double *v, double *u)
{
    const struct density *p = &m->sets[SET_GOOD];
    uint64_t j = 0;
    for (double rest = v[0] - p->weight[0]; rest > 0 && j < p->n; rest -= p->weight[j])
        j++;
    for (uint64_t k = 0; k < m->n_dims; k++) {
        const uint64_t i = m->dims[k];
        const assay_dimension *d = assay_dimension_at(m->s->plan, i);
        if (is_plain_category(d)) {
            u[i] = draw_category(m, p, i, j, v[1 + k]);
        } else {
            u[i] = cut_normal(p->mu[i * p->room + j], p->width[i * p->room + j], v[1 + k]);
            if (m->s->levels[i] > 0) u[i] = codec_unit(d, codec_value(d, u[i]));
        }
    }
}

/* Of n_ei points out of l the one with the largest l / g. Numbers of the stream: candidate by candidate, with a place for the kernel and
 * one per dimension, behind those of the groups before. */
static int choose(assay_ctx *ctx, struct model *m, uint64_t k, double *x)
{
    const uint64_t d = m->s->plan->n_dimensions, n = (uint64_t)m->h->n_ei, n_each = m->n_dims + 1;
    double *v = ctx->host->scratch(ctx, (n * n_each + 2 * d) * sizeof *v);
    double best = -ASSAY_INF;
    if (!v) return ASSAY_E_NOMEM;
    double *u = v + n * n_each, *best_u = u + d;
    draw_units(ctx, k, m->group * 2 * n, v, n * n_each);
    for (uint64_t c = 0; c < n; c++) {
        draw_point(m, v + c * n_each, u);
        const double gain =
            log_density(m, &m->sets[SET_GOOD], u) - log_density(m, &m->sets[SET_BAD], u);
        if (c && !(gain > best)) continue;
        best = gain;
        memcpy(best_u, u, d * sizeof *u);
    }
    for (uint64_t i = 0; i < m->n_dims; i++) {
        const assay_dimension *e = assay_dimension_at(m->s->plan, m->dims[i]);
        const double at = best_u[m->dims[i]];
        x[m->dims[i]] = is_plain_category(e) ? at : codec_value(e, at);
    }
    return ASSAY_OK;
}

/* Every other one of the first points follows the user's priors. */
static void propose_first(assay_ctx *ctx, struct scene *s, uint64_t k, double *x)
{
    const uint64_t n = s->plan->n_dimensions;
    if (s->directions)
        sobol_point(ctx, s->directions, s->seeds, k, k, s->u, n);
    else
        draw_units(ctx, k, 0, s->u, n);
    for (uint64_t i = 0; i < n; i++) {
        const int is_free = k % 2 || !has_prior(assay_dimension_at(s->plan, i));
        if (!is_free) s->u[i] = cut_normal(s->prior_mu[i], s->prior_width[i], s->u[i]);
    }
    codec_point(s->plan, s->u, x);
}

static int propose(assay_ctx *ctx, const struct tpe *h, struct model *m, uint64_t k, double *x)
{
    struct scene *s = m->s;
    const uint64_t n = s->plan->n_dimensions;
    if (k < (uint64_t)h->n_startup || s->n_rank == 0) {
        propose_first(ctx, s, k, x);
        return ASSAY_OK;
    }
    for (uint64_t i = 0; i < n; i++)
        x[i] = (double)NAN;
    for (uint64_t i = 0; i < n; i++) {
        if (s->group[i] != i || !codec_is_active(s->plan, x, i)) continue;
        fit(m, i);
        const int code = choose(ctx, m, k, x);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* A proposal of this ask counts as a trial under way while the next ones are made. */
static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    struct scene *s = ctx->self;
    const uint64_t n = s->n;
    struct model m;
    uint64_t n_made = 0;
    const uint64_t most = number + want > n ? number + want : n;
    int code = grow(ctx, s, most);
    if (code == ASSAY_OK) code = model_new(ctx, hyper, s, most, &m);
    for (; n_made < want && code == ASSAY_OK; n_made++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + n_made * stride);
        code = propose(ctx, hyper, &m, number + n_made, p->x);
        if (code == ASSAY_OK && n_made + 1 < want) put_in(s, number + n_made, p->x);
    }
    for (uint64_t i = 0; i + 1 < want && i < n_made; i++) {
        if (s->trials[number + i].kind == KIND_RUNNING) take_out(s, number + i);
    }
    s->n = n;
    *out_n = want;
    *out_is_over = 0;
    return code;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(tpe, "0.1.0", "tree-structured Parzen estimator: draws where good trials are dense",
    ASSAY_HYPERS(tpe, hypers), .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS,
    .open = start, .ask = ask, .tell = tell, .close = end);
