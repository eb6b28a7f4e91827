/* A table of steps, and what a batch of several steps must hold: counted off by plain loops over the view. */
#ifndef ASSAY_TESTS_CORE_DATA_TIMED_H
#define ASSAY_TESTS_CORE_DATA_TIMED_H

#include "data/batcher.h"
#include "data/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 61, SAMPLES = 17, F = 3, T = 2, MAX_CELLS = 4096 };

/* Sequences of 1 to 8 steps, some of which share steps; every array has an entry for each step. */
typedef struct table {
    float x[STEPS][F], y[STEPS][T], weight[STEPS];
    unsigned char bytes[STEPS][F + 2], binary[STEPS][T];
    int32_t tokens[STEPS][F], label[STEPS];
    uint64_t first[SAMPLES], n[SAMPLES];
} table;

static inline table *new_table(void)
{
    table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    for (size_t i = 0; i < STEPS; i++) {
        t->weight[i] = 0.25f * (float)(i * i % 7);
        t->label[i] = (int32_t)(i * i % 11 % 4);
        for (size_t k = 0; k < F; k++) {
            t->x[i][k] = 2.385f * (float)i - 0.731f * (float)k + 0.5f;
            t->bytes[i][k] = (unsigned char)(7 * i + k);
            t->tokens[i][k] = (int32_t)(i * F + k + 1);
        }
        for (size_t k = 0; k < T; k++) {
            t->y[i][k] = 0.37f * (float)i - 4.1f * (float)k + 0.01f;
            t->binary[i][k] = (i + k) % 3 == 0;
        }
    }
    for (size_t i = 0, at = 0; i < SAMPLES; i++) {
        t->n[i] = 1 + i * i % 9;
        t->first[i] = at;
        at = (at + t->n[i] - (i % 4 == 1 && t->n[i] > 2 ? 2 : 0)) % 50;
    }
    return t;
}

static inline assay_data plain_view(const table *t)
{
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = STEPS,
        .x_shape = { 1, { F } },
        .x_dtype = ASSAY_F32,
        .x = t->x,
        .x_stride = sizeof(t->x[0]),
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 4,
        .label = t->label };
}

static inline assay_data sequence_view(const table *t, bool target_per_step)
{
    assay_data v = plain_view(t);
    v.n_samples = SAMPLES;
    v.first_step = t->first;
    v.n_steps = t->n;
    v.target_per_step = target_per_step;
    return v;
}

static inline dataset *make(const assay_data *v, const data_plan *plan)
{
    dataset *d = NULL;
    error err;
    if (dataset_make(v, plan, &d, &err) != OK) fail_msg("%s", err.text);
    return d;
}

static inline batcher *start(const dataset *d, part p, batcher_options o)
{
    batcher *b = NULL;
    error err;
    if (batcher_new(d, p, &o, &b, &err) != OK) fail_msg("%s", err.text);
    return b;
}

/* --- the oracle ------------------------------------------------------------------------------------------------------ */

/* at[step * n + j]: which row of an array of `time` steps sample j's step is, counted off shard by shard. */
static inline void place_all(size_t n, size_t time, size_t n_shards, size_t *at)
{
    size_t next = 0;
    assert_true(n * time <= MAX_CELLS);
    for (size_t i = 0; i < n_shards; i++) {
        for (size_t step = 0; step < time; step++) {
            for (size_t j = n * i / n_shards; j < n * (i + 1) / n_shards; j++)
                at[step * n + j] = next++;
        }
    }
    assert_int_equal(next, n * time);
}

/* What is expected of one column. */
typedef struct expected {
    size_t step, length; /* its first step in memory; how many */
    size_t row; /* the sample; of a stream its first here */
    bool is_stream, target_per_step;
    const double *class_weight;
} expected;

static inline void check_step(
    const assay_data *v, const batch *b, const expected *e, size_t k, size_t at)
{
    const unsigned char *from = (const unsigned char *)v->x + (e->step + k) * v->x_stride;
    for (size_t i = 0; i < F; i++) {
        const bool is_real = k < e->length;
        if (v->x_dtype == ASSAY_I32) {
            assert_null(b->x);
            assert_int_equal(
                b->tokens[at * F + i], is_real ? ((const int32_t *)(const void *)from)[i] : 0);
        } else {
            const float x = v->x_dtype == ASSAY_F32 ? ((const float *)(const void *)from)[i]
                                                    : (float)v->x_scale * (float)from[i];
            assert_null(b->tokens);
            assert_true(b->x[at * F + i] == (is_real ? x : 0));
        }
    }
}

static inline double sample_weight(const assay_data *v, const expected *e, size_t k)
{
    if (v->weight == NULL) return 1;
    return v->weight[e->is_stream ? e->row + k : e->row];
}

static inline void check_target(
    const assay_data *v, const batch *b, const expected *e, size_t k, size_t at, double *sum)
{
    const bool is_real = k < (e->target_per_step ? e->length : 1);
    const size_t row = e->target_per_step ? e->step + k : e->row;
    double weight = is_real ? sample_weight(v, e, k) : 0;
    if (is_real && e->class_weight != NULL) weight *= e->class_weight[v->label[row]];
    assert_true((b->weight != NULL ? b->weight[at] : 1) == (float)weight);
    *sum += (float)weight;
    if (v->target == ASSAY_TARGET_CLASS) {
        assert_null(b->target);
        assert_int_equal(b->label[at], is_real ? v->label[row] : 0);
        return;
    }
    assert_null(b->label);
    for (size_t i = 0; i < T; i++) {
        const float y =
            v->targets_u8 != NULL ? (float)v->targets_u8[row * T + i] : v->targets[row * T + i];
        assert_true(b->target[at * T + i] == (is_real ? y : 0));
    }
}

/* The whole batch; columns[n] in its order. */
static inline void check_batch(const assay_data *v, const batch *b, const expected *columns)
{
    static size_t at[MAX_CELLS], at_target[MAX_CELLS];
    size_t time = 0, n_real = 0;
    bool is_padded = false;
    double sum = 0;
    for (size_t j = 0; j < b->n; j++) {
        time = columns[j].length > time ? columns[j].length : time;
        n_real += columns[j].length;
    }
    assert_int_equal(b->time, time);
    assert_int_equal(b->target_time, columns[0].target_per_step ? time : 1);
    assert_int_equal(b->n_samples, columns[0].is_stream ? n_real : b->n);
    place_all(b->n, time, b->n_shards, at);
    place_all(b->n, b->target_time, b->n_shards, at_target);
    for (size_t j = 0; j < b->n; j++) {
        const expected *e = &columns[j];
        is_padded = is_padded || e->length < time;
        for (size_t k = 0; k < time; k++) {
            const double w = k < e->length ? sample_weight(v, e, k) : 0;
            const double c = !e->target_per_step && e->class_weight != NULL
                ? e->class_weight[v->label[e->row]]
                : 1;
            const size_t cell = at[k * b->n + j];
            check_step(v, b, e, k, cell);
            assert_true((b->step_weight != NULL ? b->step_weight[cell] : 1) == (float)(w * c));
        }
        for (size_t k = 0; k < b->target_time; k++) {
            const size_t cell = at_target[k * b->n + j];
            assert_int_equal(batch_target_row(b, j, k), cell);
            check_target(v, b, e, k, cell, &sum);
        }
    }
    assert_true((b->length != NULL) == is_padded);
    for (size_t j = 0; is_padded && j < b->n; j++)
        assert_int_equal(b->length[j], columns[j].length);
    const bool weighs = v->weight != NULL || columns[0].class_weight != NULL;
    assert_true(weighs || (b->step_weight != NULL) == is_padded);
    assert_true(weighs || (b->weight != NULL) == (is_padded && columns[0].target_per_step));
    assert_true(b->weight_sum == sum);
}

#endif
