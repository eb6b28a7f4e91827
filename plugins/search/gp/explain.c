/* Why a trial was proposed, in the units of the values. */
#include "scene.h"

#include <stdio.h>
#include <string.h>

struct note *note_get(assay_ctx *ctx, struct scene *s, uint64_t trial)
{
    if (trial >= s->n_notes) {
        const uint64_t n = 2 * trial + 64;
        struct note *notes = n > trial ? ctx->host->alloc(ctx, n * sizeof *notes) : NULL;
        if (!notes) return NULL;
        if (s->n_notes) memcpy(notes, s->notes, s->n_notes * sizeof *notes);
        s->notes = notes;
        s->n_notes = n;
    }
    return s->notes + trial;
}

/* The dimension with the shortest length scale. */
static uint64_t most_important(const struct columns *c, const struct model *m)
{
    uint64_t best = 0;
    double largest = 0;
    for (uint64_t i = 0; i < c->plan->n_dimensions; i++) {
        for (uint64_t k = 0; k < c->width[i]; k++) {
            if (!(m->inverse[c->first[i] + k] > largest)) continue;
            largest = m->inverse[c->first[i] + k];
            best = i;
        }
    }
    return best;
}

void note_model(struct note *t, struct scene *s, const double *row, uint64_t kind)
{
    struct model *m = &s->model;
    double mean, sd, slope;
    model_predict(m, row, &mean, &sd, NULL, NULL);
    t->kind = kind;
    t->n_results = s->n_results;
    t->mean = values_back(&m->values, mean, &slope);
    t->sd = sd * slope;
    t->best = values_back(&m->values, m->best, &slope);
    t->gain = exp(log_improvement(m, row, NULL, NULL)) * slope;
    t->dimension = most_important(&s->columns, m);
    t->length = HUGE_VAL;
    for (uint64_t k = 0; k < s->columns.width[t->dimension]; k++)
        t->length = fmin(t->length, 1 / m->inverse[s->columns.first[t->dimension] + k]);
}

void note_write(const struct scene *s, uint64_t trial, char *out, size_t bytes)
{
    const struct note none = { 0 }, *t = trial < s->n_notes ? s->notes + trial : &none;
    static const char *const modes[] = {
        [NOTE_MODEL] = "", [NOTE_LOCAL] = ", near the best", [NOTE_APART] = ", other choices"
    };
    switch (t->kind) {
    case NOTE_FIRST: snprintf(out, bytes, "startup design: scrambled Sobol' point"); break;
    case NOTE_PRIOR: snprintf(out, bytes, "startup design: drawn from the priors"); break;
    case NOTE_MODEL:
    case NOTE_LOCAL:
    case NOTE_APART:
        snprintf(out, bytes,
            "mean %.4g sd %.2g, EI %.2g on %.4g, %llu results%s; most important %s (length %.2g)",
            t->mean, t->sd, t->gain, t->best, (unsigned long long)t->n_results, modes[t->kind],
            assay_dimension_at(s->plan, t->dimension)->name, t->length);
        break;
    default: snprintf(out, bytes, "not proposed by this model"); break;
    }
}
