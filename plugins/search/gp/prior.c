/* What the user expects of the best values: a normal density on the numbers that have one.
 *
 * It is put on the expected improvement as a factor whose power `weight` / n goes to 0 as results come in (Hvarfner, Stoll, Souza, Lindauer,
 * Hutter, Nardi 2022, "piBO: Augmenting acquisition functions with user beliefs", equation 6), so that a wrong belief costs time and
 * nothing else. Every other one of the first points, and of the candidates, is drawn from it. */
#include "../shared/normal.h"
#include "parts.h"

/* The ends of the scale whose share codec_unit gives. */
static void ends(const assay_dimension *d, double *low, double *high)
{
    const double levels = codec_levels(d);
    if (d->log) {
        codec_log_ends(d, levels, low, high);
    } else {
        *low = levels > 0 ? d->low - codec_step(d) / 2 : d->low;
        *high = levels > 0 ? *low + levels * codec_step(d) : d->high;
    }
}

void prior_read(struct columns *c)
{
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(c->plan, i);
        double low, high;
        c->prior[i] = (struct prior){ 0, 0 };
        if (d->type == ASSAY_SPACE_CATEGORY || codec_levels(d) == 1) continue;
        if (!isfinite(d->prior_mean) || !(d->prior_sd > 0)) continue;
        ends(d, &low, &high);
        c->prior[i].mean = (d->prior_mean - low) / (high - low);
        c->prior[i].sd = fmax(d->prior_sd / (high - low), 1e-6);
        c->has_prior = 1;
    }
}

double prior_log(const struct columns *c, const double *x, const double *row, double w, double *g)
{
    double sum = 0;
    for (uint64_t i = 0; c->has_prior && i < c->plan->n_dimensions; i++) {
        const struct prior *p = c->prior + i;
        if (!(p->sd > 0) || isnan(x[i])) continue;
        const double z = (row[c->first[i]] - p->mean) / p->sd;
        sum -= 0.5 * w * z * z;
        if (g) g[c->first[i]] -= w * z / p->sd;
    }
    return sum;
}

/* Uniform coordinates become those of the density, as far as it lies in the space. */
void prior_bend(const struct columns *c, double *u)
{
    for (uint64_t i = 0; c->has_prior && i < c->plan->n_dimensions; i++) {
        const struct prior *p = c->prior + i;
        if (!(p->sd > 0)) continue;
        const double low = normal_below(-p->mean / p->sd);
        const double high = normal_below((1 - p->mean) / p->sd);
        if (!(high - low > 1e-12)) { // all of it lies beyond one end
            u[i] = p->mean < 0.5 ? 0 : 1;
            continue;
        }
        const double z = normal_inverse(low + u[i] * (high - low));
        u[i] = codec_clip(p->mean + z * p->sd, 0, 1);
    }
}
