/* The densities of the good and of the other trials of one group: which trials, their weights, the widths of their kernels. */
#include "parts.h"

#include <string.h>

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

int model_new(assay_ctx *ctx, const struct tpe *h, struct scene *s, uint64_t most, struct model *m)
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
void category_chances(
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

void fit(struct model *m, uint64_t group)
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
