/* A box around the best result, in which some proposals are looked for.
 *
 * Where dimensions are many the largest improvement is expected in corners that nobody has been to, one after the other; a box keeps to what
 * the model knows (Eriksson, Pearce, Gardner, Turner, Poloczek 2019, "Scalable global optimization via local Bayesian optimization"). Its
 * sides are as the length scales; they double when results have become better twice in a row and halve after five that have not;
 * below the least size it begins anew. Unlike there the model is that of all results, and all count for the size.
 *
 * Choices need the opposite: a branch that was tried with numbers that suit another one looks bad for good. Every sixth proposal leaves
 * the best result's choice of one category, each category in turn, and has to improve on the best result without that choice.
 *
 * A third of the proposals are local from 5 d results on; two thirds where there are more than 20 dimensions (from 20 results on) or more
 * than 300 results. */
#include "scene.h"

enum { MANY_DIMENSIONS = 20, MANY_RESULTS = 300, N_BETTER = 2, N_WORSE = 5 };
enum { EVERY_APART = 6, FIRST_APART = 20 };

static const double size_first = 0.4, size_most = 1.6, size_least = 0x1p-7, better = 1e-3;

/* The size after all results. */
static double size_now(const struct scene *s)
{
    double size = size_first, best = HUGE_VAL;
    int n_better = 0, n_worse = 0;
    for (uint64_t i = 0; i < s->n_results; i++) {
        const double v = s->known[s->results[i]].value;
        const int is_better = v < HUGE_VAL && (best == HUGE_VAL || v < best - better * fabs(best));
        best = fmin(best, v);
        if (i < s->n_first) continue;
        n_better = is_better ? n_better + 1 : 0;
        n_worse = is_better ? 0 : n_worse + 1;
        if (n_better == N_BETTER) {
            size = fmin(2 * size, size_most);
            n_better = 0;
        }
        if (n_worse == N_WORSE) {
            size = size / 2 < size_least ? size_first : size / 2;
            n_worse = 0;
        }
    }
    return size;
}

int region_is_for(const struct scene *s, uint64_t proposal)
{
    const uint64_t n = s->plan->n_dimensions, i = proposal % 3;
    const uint64_t first = n > MANY_DIMENSIONS ? 20 : 5 * n;
    if (s->n_results < first) return 0;
    return n > MANY_DIMENSIONS || s->n_results > MANY_RESULTS ? i != 1 : i == 0;
}

void region_set(const struct scene *s, double *low, double *high)
{
    const struct model *m = &s->model;
    const uint64_t n = s->columns.n;
    const double *centre = m->x + s->order[0] * n, size = size_now(s);
    double usual = 0;
    for (uint64_t c = 0; c < n; c++)
        usual -= log(m->inverse[c]) / (double)n;
    for (uint64_t c = 0; c < n; c++) {
        const double share = codec_clip(exp(-usual) / m->inverse[c], 0.2, 5);
        low[c] = codec_clip(centre[c] - size * share / 2, 0, 1);
        high[c] = codec_clip(centre[c] + size * share / 2, 0, 1);
    }
}

uint64_t region_apart(const struct scene *s, uint64_t proposal, uint64_t *out_avoided)
{
    const struct columns *c = &s->columns;
    const uint64_t n = s->plan->n_dimensions;
    uint64_t n_split = 0;
    for (uint64_t i = 0; i < n; i++)
        n_split += columns_is_category(c, i) != 0;
    if (proposal % EVERY_APART != 2 || n_split == 0 || s->n_results < FIRST_APART) return NOT_APART;
    uint64_t turn = proposal / EVERY_APART % n_split, i = 0;
    while (!columns_is_category(c, i) || turn-- > 0)
        i++;
    const double *row = s->model.x + s->order[0] * c->n + c->first[i];
    for (uint64_t k = 0; k < c->width[i]; k++) {
        if (!(row[k] > 0.5)) continue;
        *out_avoided = k;
        return i;
    }
    return NOT_APART; // inactive there
}

double region_best_apart(const struct scene *s, uint64_t apart, uint64_t avoided)
{
    const struct model *m = &s->model;
    const uint64_t column = s->columns.first[apart] + avoided;
    double best = HUGE_VAL, worst = -HUGE_VAL;
    for (uint64_t i = 0; i < s->n_rows; i++) {
        worst = fmax(worst, m->y[i]);
        if (!(m->x[i * s->columns.n + column] > 0.5)) best = fmin(best, m->y[i]);
    }
    return fmin(best, worst);
}
