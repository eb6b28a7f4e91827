/* Sets of steps are bits: samples may overlap, what is fitted counts a step once, and in memory's order. */
#include "data/steps.h"

#include <stdlib.h>

size_t data_n_steps(const assay_data *d)
{
    size_t n = 0;
    if (d->first_step == NULL) return d->n_samples;
    for (size_t i = 0; i < d->n_samples; i++) {
        const size_t end = d->first_step[i] + d->n_steps[i];
        n = end > n ? end : n;
    }
    return n;
}

size_t data_n_target_rows(const assay_data *d)
{
    return has_step_targets(d) ? data_n_steps(d) : d->n_samples;
}

void sample_range(
    const assay_data *d, const uint32_t *rows, size_t n_rows, size_t *out_least, size_t *out_most)
{
    size_t least = sample_steps(d, rows[0]), most = least;
    for (size_t i = 1; i < n_rows && d->n_steps != NULL; i++) {
        const size_t n = sample_steps(d, rows[i]);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    *out_least = least;
    *out_most = most;
}

static status step_set_init(step_set *s, size_t n, error *err)
{
    *s = (step_set){ .bits = calloc(n / 8 + 1, 1), .n = n };
    return s->bits != NULL ? OK : fail_nomem(err, "a set of steps");
}

static void mark(step_set *s, size_t i)
{
    const unsigned char bit = (unsigned char)(1u << (i % 8));
    s->n_marked += (s->bits[i / 8] & bit) == 0;
    s->bits[i / 8] |= bit;
}

status step_set_of_steps(
    const assay_data *d, const uint32_t *rows, size_t n_rows, step_set *out, error *err)
{
    const status st = step_set_init(out, data_n_steps(d), err);
    if (st != OK) return st;
    size_t begin = 0, end = 0; /* the run marked last, which the next sample often goes on */
    for (size_t i = 0; i < n_rows; i++) {
        const size_t first = sample_first(d, rows[i]), last = first + sample_steps(d, rows[i]);
        const bool goes_on = begin <= first && first <= end;
        for (size_t k = goes_on ? end : first; k < last; k++)
            mark(out, k);
        begin = goes_on ? begin : first;
        end = goes_on && end > last ? end : last;
    }
    return OK;
}

status step_set_of_targets(
    const assay_data *d, const uint32_t *rows, size_t n_rows, step_set *out, error *err)
{
    if (has_step_targets(d)) return step_set_of_steps(d, rows, n_rows, out, err);
    const status st = step_set_init(out, d->n_samples, err);
    for (size_t i = 0; st == OK && i < n_rows; i++)
        mark(out, rows[i]);
    return st;
}

void step_set_release(step_set *s)
{
    free(s->bits);
    *s = (step_set){ 0 };
}
