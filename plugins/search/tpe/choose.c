/* Points drawn out of l, and what makes one of them the best. */
#include "parts.h"

#include <string.h>

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
int choose(assay_ctx *ctx, struct model *m, uint64_t k, double *x, double *out_gain)
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
    *out_gain = best;
    return ASSAY_OK;
}
