/* The workloads that trainers are measured on, as configs of assay's.
 *
 *   mlp:784-256-128-10:b32:adam      sizes, batch, optimizer (sgd sgdm adam adagrad); ReLU between; one output: mean squared
 *                                    error, more: softmax cross-entropy
 *   charlm:lstm:65-128x2:T50:b50     cell (lstm gru rnn), tokens, units x layers, steps, batch; a dense head and cross-entropy at
 *                                    every step; Adam. A GRU resets after the product, as those of the other programs do
 *   ts:lstm:8-32x1:T32:b32           real inputs, one output at the last step, mean squared error; Adam */
#ifndef TEST_BENCH_WORKLOAD_H
#define TEST_BENCH_WORKLOAD_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { MAX_SIZES = 16 };

typedef struct workload {
    bool recurrent, tokens;
    size_t sizes[MAX_SIZES], n_sizes; /* of an mlp */
    char optimizer[16];
    char cell[8];
    size_t inputs, units, layers, time;
    size_t batch;
} workload;

/* False: not a workload that assay has layers for. */
bool workload_parse(const char *s, workload *out);

/* The config; batches are made from data in memory, without a shuffle. `series` is where a table of real inputs goes, if one
 * is needed. */
void workload_config(const workload *w, const char *series, long threads, text *t);

/* Writes the table that the config names, where it names one. */
status workload_write_series(const workload *w, const char *path, error *err) MUST_CHECK;

/* What a rate counts: samples, or steps of samples. */
size_t workload_units_per_batch(const workload *w);
const char *workload_unit(const workload *w);

/* The least multiply-adds of a unit, times two: without the gradient of the first layer's input; tokens are looked up. */
double workload_flops_per_unit(const workload *w);

#endif
