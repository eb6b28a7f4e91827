/* Which dimensions are numbers and which are choices. */
#include "parts.h"

static int is_choice(const assay_dimension *d)
{
    return d->type == ASSAY_SPACE_CATEGORY && !d->ordered;
}

/* The user's expectation in the unit cube. */
static void take_prior(struct columns *c, uint64_t j, const assay_dimension *d)
{
    c->mean[j] = 0.5;
    c->deviation[j] = (double)NAN;
    if (d->type == ASSAY_SPACE_CATEGORY || isnan(d->prior_mean) || !(d->prior_sd > 0)) return;
    const double middle = d->log ? exp(d->prior_mean) : d->prior_mean;
    const double range = d->log ? log(d->high) - log(d->low) : d->high - d->low;
    c->mean[j] = codec_unit(d, codec_clip(middle, d->low, d->high));
    c->deviation[j] = codec_clip(d->prior_sd / range, 1e-6, 1);
}

int columns_init(assay_ctx *ctx, struct columns *c, const assay_search_plan *plan)
{
    const uint64_t n = plan->n_dimensions + 1;
    double *numbers = ctx->host->alloc(ctx, 3 * n * sizeof *numbers);
    *c = (struct columns){ .plan = plan };
    c->dimension = ctx->host->alloc(ctx, n * sizeof *c->dimension);
    if (!c->dimension || !numbers) return ASSAY_E_NOMEM;
    c->levels = numbers;
    c->mean = numbers + n;
    c->deviation = numbers + 2 * n;
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < plan->n_dimensions; i++) {
            const assay_dimension *d = assay_dimension_at(plan, i);
            if (codec_levels(d) == 1 || is_choice(d) != pass) continue;
            c->dimension[c->n] = i;
            c->levels[c->n] = codec_levels(d);
            if (!pass) take_prior(c, c->n, d);
            c->n++;
        }
        if (!pass) c->n_numbers = c->n;
    }
    c->n_choices = c->n - c->n_numbers;
    return ASSAY_OK;
}

void columns_point(const struct columns *c, const double *place, double *u, double *x)
{
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++)
        u[i] = 0.5;
    for (uint64_t j = 0; j < c->n; j++)
        u[c->dimension[j]] = j < c->n_numbers ? place[j] : (place[j] + 0.5) / c->levels[j];
    codec_point(c->plan, u, x);
}

void columns_place(const struct columns *c, const double *x, const double *instead, double *place,
    unsigned char *is_active)
{
    for (uint64_t j = 0; j < c->n; j++) {
        const double v = x[c->dimension[j]];
        is_active[j] = (unsigned char)!isnan(v);
        if (j >= c->n_numbers)
            place[j] = is_active[j] ? v : 0;
        else
            place[j] = is_active[j] ? codec_unit(assay_dimension_at(c->plan, c->dimension[j]), v)
                                    : instead[j];
    }
}

/* The coordinate between levels k - 1 and k. */
static double border(const assay_dimension *d, double levels, double k)
{
    double low, high;
    if (!d->log) return k / levels;
    codec_log_ends(d, levels, &low, &high);
    const double at = log(d->low + (k - 0.5) * codec_step(d));
    return codec_clip((at - low) / (high - low), 0, 1);
}

void columns_borders(const struct columns *c, uint64_t j, double u, double *low, double *high)
{
    const assay_dimension *d = assay_dimension_at(c->plan, c->dimension[j]);
    const double levels = c->levels[j], v = codec_value(d, u);
    const double k = d->type == ASSAY_SPACE_CATEGORY ? v : round((v - d->low) / codec_step(d));
    *low = k > 0 ? border(d, levels, k) : -ASSAY_INF;
    *high = k < levels - 1 ? border(d, levels, k + 1) : ASSAY_INF;
}
