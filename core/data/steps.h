/* Which steps samples have, and sets of steps: a plain sample is one step, of its own number. */
#ifndef ASSAY_CORE_DATA_STEPS_H
#define ASSAY_CORE_DATA_STEPS_H

#include <assay/dataset.h>

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t sample_first(const assay_data *d, size_t row)
{
    return d->first_step != NULL ? d->first_step[row] : row;
}

static inline size_t sample_steps(const assay_data *d, size_t row)
{
    return d->n_steps != NULL ? d->n_steps[row] : 1;
}

/* Whether targets are numbered by step, and a step's number is not the sample's. */
static inline bool has_step_targets(const assay_data *d)
{
    return d->target_per_step != 0 && d->first_step != NULL;
}

/* Steps in the plugin's memory: up to the last that a sample has. */
size_t data_n_steps(const assay_data *d);

/* Rows of labels or targets in the plugin's memory. */
size_t data_n_target_rows(const assay_data *d);

/* The shortest and the longest of some samples; n_rows >= 1. */
void sample_range(
    const assay_data *d, const uint32_t *rows, size_t n_rows, size_t *out_least, size_t *out_most);

/* Some of the numbers below n. */
typedef struct step_set {
    unsigned char *bits; /* on the heap */
    size_t n, n_marked;
} step_set;

/* The steps that samples have, those that they share once. */
status step_set_of_steps(
    const assay_data *d, const uint32_t *rows, size_t n_rows, step_set *out, error *err) MUST_CHECK;

/* The same of their rows of targets. */
status step_set_of_targets(
    const assay_data *d, const uint32_t *rows, size_t n_rows, step_set *out, error *err) MUST_CHECK;

void step_set_release(step_set *s);

static inline bool step_set_has(const step_set *s, size_t i)
{
    return (s->bits[i / 8] >> (i % 8) & 1) != 0;
}

#endif
