/* Where to look next: the point with the largest logarithm of expected improvement.
 *
 *   EI = sd h(t),   h(t) = phi(t) + t Phi(t),   t = (best - mean) / sd
 *
 * whose logarithm has a slope where EI itself has long been 0 (Ament, Daulton, Eriksson, Balandat, Bakshy 2023, "Unexpected
 * improvements to expected improvement"), with the user's priors as a factor (prior.c). Candidates are Sobol' points and steps of three
 * lengths from the best points; L-BFGS on the continuous columns takes the best few uphill, then discrete dimensions take the choices and
 * levels beside theirs as long as that helps. A local search (region.c) does all this in a box, with candidates that keep most coordinates of
 * the best point. */
#include "parts.h"

#include <string.h>

enum { N_CENTRES = 5, N_STEPS = 12, N_POLISHED = 4, N_ROUNDS = 3 };

static const double step_lengths[] = { 0.2, 0.05, 0.01 };

/* Shares of the dimensions that a step changes beside the one that it surely does; numbers and chances of a candidate in a box. */
static const double numbers_moved = 0.3, dimensions_moved = 20, choices_moved = 0.2;

enum { N_LENGTHS = sizeof step_lengths / sizeof *step_lengths };

/* What is worked on, in one block of scratch memory. */
struct bench {
    double *rows; // [n, n_columns]
    double *values; // [n]
    uint64_t n;
    double least[N_POLISHED]; // the largest values so far, rising
    double *x, *row, *u, *g, *work, *low, *high,
        *descend; // [n_columns] and n_dimensions; of descend
    uint64_t *free; // [n_columns]
};

/* What is looked for, at b->row, whose point is b->x; its gradient goes to b->g where that is asked for. */
static double score(struct acquire *a, struct bench *b, int is_sloped)
{
    double *g = is_sloped ? b->g : NULL;
    const double value = log_improvement(a->model, b->row, g, b->work);
    return value + prior_log(a->columns, b->x, b->row, a->prior_weight, g);
}

struct climb {
    struct acquire *a;
    struct bench *b;
    uint64_t n; // b->free: columns that move
};

static double climb_value(void *arg, const double *u, double *g)
{
    const struct climb *c = arg;
    for (uint64_t i = 0; i < c->n; i++)
        c->b->row[c->b->free[i]] = u[i];
    const double value = score(c->a, c->b, 1);
    for (uint64_t i = 0; i < c->n; i++)
        g[i] = -c->b->g[c->b->free[i]];
    return -value;
}

uint64_t acquire_candidates(uint64_t n_sobol)
{
    return n_sobol + N_CENTRES * N_LENGTHS * N_STEPS;
}

static int bench_init(struct acquire *a, struct bench *b)
{
    const uint64_t d = a->columns->n, n = acquire_candidates(a->n_candidates);
    const uint64_t size = n * (d + 1) + 8 * d + descend_work(d);
    double *at = a->ctx->host->scratch(a->ctx, (size + 1) * sizeof *at);
    b->free = a->ctx->host->scratch(a->ctx, (d + 1) * sizeof *b->free);
    if (!at || !b->free) return 0;
    b->rows = at;
    b->values = at + n * d;
    b->x = b->values + n;
    b->row = b->x + d;
    b->u = b->row + d;
    b->g = b->u + d;
    b->work = b->g + d;
    b->low = b->work + d;
    b->high = b->low + d;
    b->descend = b->high + d;
    b->n = 0;
    for (int i = 0; i < N_POLISHED; i++)
        b->least[i] = -HUGE_VAL;
    return 1;
}

static double draw(struct acquire *a)
{
    return draw_unit(a->ctx, a->proposal, a->place++);
}

static double draw_normal(struct acquire *a)
{
    const double u = draw(a);
    return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * draw(a));
}

/* Another choice, at random, in place of the one to be avoided. */
static void turn(struct acquire *a, double *row)
{
    const struct columns *c = a->columns;
    if (a->apart == NOT_APART || !(row[c->first[a->apart] + a->avoided] > 0.5)) return;
    const uint64_t n = c->width[a->apart] - 1, k = (uint64_t)(draw(a) * (double)n);
    columns_choose(c, a->apart, k < a->avoided ? k : k + 1, row);
}

/* Takes b->row as a candidate unless its point has been proposed, or as many are better as are polished. */
static void consider(struct acquire *a, struct bench *b)
{
    const uint64_t d = a->columns->n;
    turn(a, b->row);
    columns_settle(a->columns, b->row, b->x);
    if (a->is_known(a->arg, b->x)) return;
    const double belief = prior_log(a->columns, b->x, b->row, a->prior_weight, NULL);
    const double value = log_improvement_above(a->model, b->row, b->least[0] - belief) + belief;
    if (!(value > b->least[0]) && b->n >= N_POLISHED) return;
    memcpy(b->rows + b->n * d, b->row, d * sizeof *b->row);
    b->values[b->n++] = value;
    uint64_t at = 0;
    for (; at + 1 < N_POLISHED && b->least[at + 1] < value; at++)
        b->least[at] = b->least[at + 1];
    b->least[at] = fmax(b->least[at], value);
}

/* b->u in the box, for most dimensions the best row itself where they are many. */
static void approach(struct acquire *a, struct bench *b)
{
    const struct columns *c = a->columns;
    const uint64_t n = c->plan->n_dimensions;
    const double *centre = a->model->x + a->order[0] * c->n,
                 share = fmin(1, dimensions_moved / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t at = c->first[i];
        if (draw(a) > (columns_is_category(c, i) ? choices_moved : share)) {
            memcpy(b->row + at, centre + at, c->width[i] * sizeof *centre);
        } else if (!columns_is_category(c, i)) {
            b->row[at] = a->low[at] + b->u[i] * (a->high[at] - a->low[at]);
        }
    }
}

static void everywhere(struct acquire *a, struct bench *b)
{
    const uint64_t n = a->columns->plan->n_dimensions;
    for (uint64_t i = 0; i < a->n_candidates; i++) {
        if (a->directions) {
            const uint64_t index = ((a->proposal + 1) * a->n_candidates + i) & UINT32_MAX;
            sobol_point(a->ctx, a->directions, a->seeds, index, a->proposal, b->u, n);
        } else {
            draw_units(a->ctx, a->proposal, a->place, b->u, n);
            a->place += n;
        }
        if (i % 2 == 0) prior_bend(a->columns, b->u);
        codec_point(a->columns->plan, b->u, b->x);
        columns_encode(a->columns, b->x, b->row);
        if (a->is_local) approach(a, b);
        consider(a, b);
    }
}

static void step_away(struct acquire *a, double *row, double length)
{
    const struct columns *c = a->columns;
    const uint64_t n = c->plan->n_dimensions;
    const uint64_t sure = (uint64_t)(draw(a) * (double)n);
    for (uint64_t i = 0; i < n; i++) {
        if (i != sure && draw(a) > numbers_moved) continue;
        double *at = row + c->first[i];
        if (columns_is_category(c, i)) {
            columns_choose(c, i, (uint64_t)(draw(a) * (double)c->width[i]), row);
        } else {
            *at += length * draw_normal(a);
            *at = codec_clip(*at, a->low[c->first[i]], a->high[c->first[i]]);
        }
    }
}

static void nearby(struct acquire *a, struct bench *b)
{
    const uint64_t d = a->columns->n;
    for (uint64_t i = 0; i < N_CENTRES && i < a->n_done; i++) {
        for (uint64_t k = 0; k < N_LENGTHS * N_STEPS; k++) {
            memcpy(b->row, a->model->x + a->order[i] * d, d * sizeof *b->row);
            step_away(a, b->row, step_lengths[k / N_STEPS]);
            consider(a, b);
        }
    }
}

/* Uphill from b->row on its active continuous columns. */
static void climb(struct acquire *a, struct bench *b)
{
    const struct columns *c = a->columns;
    struct climb up = { .a = a, .b = b };
    columns_decode(c, b->row, b->x);
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        const int moves = !columns_is_category(c, i) && !isnan(b->x[i]) &&
            codec_levels(assay_dimension_at(c->plan, i)) == 0;
        if (moves) b->free[up.n++] = c->first[i];
    }
    if (!up.n) return;
    for (uint64_t i = 0; i < up.n; i++) {
        b->u[i] = b->row[b->free[i]];
        b->low[i] = a->low[b->free[i]];
        b->high[i] = a->high[b->free[i]];
    }
    descend(climb_value, &up, b->low, b->high, b->u, up.n, 25, b->descend);
    for (uint64_t i = 0; i < up.n; i++)
        b->row[b->free[i]] = b->u[i];
}

/* The number of moves that a dimension has, 0 if it is continuous, and move k of it. */
static uint64_t n_moves(const struct columns *c, uint64_t i)
{
    if (columns_is_category(c, i)) return c->width[i];
    return codec_levels(assay_dimension_at(c->plan, i)) > 1 ? 4 : 0;
}

static void move(const struct columns *c, uint64_t i, uint64_t k, double x, double *row)
{
    static const double moves[] = { -1, 1, -4, 4 };
    const assay_dimension *d = assay_dimension_at(c->plan, i);
    if (columns_is_category(c, i)) {
        columns_choose(c, i, k, row);
    } else if (!isnan(x)) {
        const double unit = d->type == ASSAY_SPACE_CATEGORY ? 1 : codec_step(d);
        const double to = x + moves[k] * unit;
        row[c->first[i]] = codec_unit(d, codec_clip(to, d->low, d->high));
    }
}

/* Tries the moves of the discrete dimensions from row, one at a time; whether one of them helped. */
static int shift(struct acquire *a, struct bench *b, double *row, double *value)
{
    const struct columns *c = a->columns;
    int is_better = 0;
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        for (uint64_t k = 0; k < n_moves(c, i); k++) {
            if (i == a->apart && k == a->avoided) continue;
            memcpy(b->row, row, c->n * sizeof *row);
            columns_decode(c, b->row, b->x);
            move(c, i, k, b->x[i], b->row);
            columns_settle(c, b->row, b->x);
            if (a->is_known(a->arg, b->x)) continue;
            const double there = score(a, b, 0);
            if (!(there > *value)) continue;
            memcpy(row, b->row, c->n * sizeof *row);
            *value = there;
            is_better = 1;
        }
    }
    return is_better;
}

static void climb_to(
    struct acquire *a, struct bench *b, const double *from, double *row, double *value)
{
    const uint64_t d = a->columns->n;
    memcpy(b->row, from, d * sizeof *from);
    climb(a, b);
    columns_settle(a->columns, b->row, b->x);
    if (a->is_known(a->arg, b->x)) return;
    const double there = score(a, b, 0);
    if (!(there > *value)) return;
    memcpy(row, b->row, d * sizeof *row);
    *value = there;
}

int acquire_best(struct acquire *a, double *row)
{
    const uint64_t d = a->columns->n;
    struct bench b;
    if (!bench_init(a, &b)) return ASSAY_E_NOMEM;
    a->place = 2 * a->columns->plan->n_dimensions;
    nearby(a,
        &b); // first, as the others then are mostly known to be worse before they are predicted in full
    everywhere(a, &b);
    double value = -HUGE_VAL;
    for (uint64_t k = 0; k < N_POLISHED && b.n; k++) {
        uint64_t best = 0;
        for (uint64_t i = 1; i < b.n; i++) {
            if (b.values[i] > b.values[best]) best = i;
        }
        if (k == 0) {
            value = b.values[best];
            memcpy(row, b.rows + best * d, d * sizeof *row);
        }
        b.values[best] = -HUGE_VAL;
        climb_to(a, &b, b.rows + best * d, row, &value);
    }
    if (!b.n) { // every candidate has been proposed: a repeat
        codec_point(a->columns->plan, b.u, b.x);
        columns_encode(a->columns, b.x, row);
        return ASSAY_OK;
    }
    for (int round = 0; round < N_ROUNDS && shift(a, &b, row, &value); round++) {
        climb_to(a, &b, row, row, &value);
    }
    return ASSAY_OK;
}
