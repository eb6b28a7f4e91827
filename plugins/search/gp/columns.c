/* Points as rows of the model, and back.
 *
 * A number, or a category whose choices are in rising order, is its coordinate in the unit cube; another category is a column per
 * choice, 1 where chosen. What is inactive is 1/2, or 0 in all columns of a category: the same for all such points, so that it plays no
 * part in their distances, and the column of the parent tells them from the others. */
#include "parts.h"

int columns_is_category(const struct columns *c, uint64_t dimension)
{
    return c->width[dimension] != 1;
}

int columns_init(assay_ctx *ctx, struct columns *c, const assay_search_plan *plan)
{
    const uint64_t n = plan->n_dimensions;
    c->plan = plan;
    c->first = ctx->host->alloc(ctx, (2 * n + 1) * sizeof *c->first);
    if (!c->first) return ASSAY_E_NOMEM;
    c->width = c->first + n;
    for (uint64_t i = 0; i < n; i++) {
        const assay_dimension *d = assay_dimension_at(plan, i);
        const int is_split = d->type == ASSAY_SPACE_CATEGORY && d->n_choices > 1 && !d->ordered;
        c->first[i] = c->n;
        c->width[i] = is_split ? d->n_choices : 1;
        c->n += c->width[i];
    }
    c->length = ctx->host->alloc(ctx, (2 * c->n + 1) * sizeof *c->length);
    c->prior = ctx->host->alloc(ctx, (n + 1) * sizeof *c->prior);
    if (!c->length || !c->prior) return ASSAY_E_NOMEM;
    c->is_choice = c->length + c->n;
    prior_read(c);
    for (uint64_t i = 0; i < n; i++) {
        const int is_shared = c->width[i] > MOST_LENGTHS_OF_A_CHOICE;
        for (uint64_t k = 0; k < c->width[i]; k++)
            c->length[c->first[i] + k] = is_shared ? c->n_lengths : c->n_lengths + k;
        for (uint64_t k = 0; k < (is_shared ? 1 : c->width[i]); k++)
            c->is_choice[c->n_lengths + k] = columns_is_category(c, i) != 0;
        c->n_lengths += is_shared ? 1 : c->width[i];
    }
    return ASSAY_OK;
}

void columns_choose(const struct columns *c, uint64_t dimension, uint64_t choice, double *row)
{
    for (uint64_t k = 0; k < c->width[dimension]; k++)
        row[c->first[dimension] + k] = k == choice;
}

void columns_encode(const struct columns *c, const double *x, double *row)
{
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        if (columns_is_category(c, i)) {
            columns_choose(c, i, isnan(x[i]) ? UINT64_MAX : (uint64_t)x[i], row);
        } else {
            row[c->first[i]] = codec_unit(assay_dimension_at(c->plan, i), x[i]);
        }
    }
}

static double largest(const double *row, uint64_t n)
{
    uint64_t best = 0;
    for (uint64_t k = 1; k < n; k++) {
        if (row[k] > row[best]) best = k;
    }
    return (double)best;
}

void columns_decode(const struct columns *c, const double *row, double *x)
{
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        const double *at = row + c->first[i];
        if (!codec_is_active(c->plan, x, i)) {
            x[i] = (double)NAN;
        } else if (columns_is_category(c, i)) {
            x[i] = largest(at, c->width[i]);
        } else {
            x[i] = codec_value(assay_dimension_at(c->plan, i), *at);
        }
    }
}

void columns_settle(const struct columns *c, double *row, double *x)
{
    columns_decode(c, row, x);
    columns_encode(c, x, row);
}
