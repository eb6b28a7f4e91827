/* A dataset as the rest sees it: a plugin's views, split into parts, standardised. */
#ifndef ASSAY_CORE_DATA_DATASET_H
#define ASSAY_CORE_DATA_DATASET_H

#include <assay/dataset.h>

#include "registry/hyper.h"
#include "registry/instance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum part { PART_TRAIN, PART_VALIDATION, PART_TEST, N_PARTS } part;

/* "training", "validation", "test" */
const char *part_name(part p);

/* How batches are made; from the data block's reserved keys. */
typedef struct data_options {
    uint64_t batch_size; /* 0: all */
    bool shuffle, drop_last;
    uint64_t window; /* steps of truncated back-propagation; 0: no streams */
    uint64_t bucket; /* batches whose sequences are sorted by length together */
} data_options;

typedef struct dataset dataset;

/* The keys of `data` that are the host's (the second are read one by one), and those of `data.split`. */
extern const hyper_table data_table, data_written_table, data_split_table;
extern const char
    *const data_keys[]; /* the names of those of `data`, and "split"; NULL-terminated */

/* Opens the config's `data` block. Keys the host reserves in it:
 *   split = { seed; method = "random" | "stratified" | "time"; validation; test; folds; fold; }
 *       validation and test: a fraction of the samples below 1, or a count from 1 on. "time" keeps file order: training,
 *       then validation, then test. Where the plugin marks parts (test_file ...), those stand and the rest is split.
 *       folds = k, fold = i: validation is the i-th of k equal parts of what is not test (`validation` is then ignored with a conflict error if set).
 *   batch_size = 32 or "all"; shuffle = true; drop_last = false;
 *   window = 0;
 *       From 1 on: samples follow each other in file order and are cut into batch_size streams; each batch holds the next
 *       `window` of them, and recurrent layers carry their state on (truncated back-propagation). The split must then keep
 *       file order: its method is "time" unless the config says otherwise. batch_size cannot be "all", and shuffle says nothing.
 *   bucket = 4;
 *       Sequences of unequal length: so many batches' samples are sorted by length together before they are cut into batches, whose
 *       order stays random, so that less is padding.
 *   standardize = false; standardize_target = false;
 *   class_weights = "none" | "balanced" | ( 1.0, 2.0, ... )
 *       They weigh the loss that is trained on and nothing else: loss and metrics of an evaluation count sample weights
 *       alone, so that runs with and without class weights can be compared. "balanced" counts the labels of the training
 *       samples: a step that two of them share counts twice.
 * Missing values (NaN) are replaced by the training part's mean; standardisation is (x - mean) / deviation of the training part, constant columns are only centred.
 * Both are fitted on the steps that training samples have, each counted once. */
status dataset_open(registry *r, config *c, value *block, dataset **out, error *err) MUST_CHECK;
void dataset_free(dataset *d);

const assay_data *dataset_view(const dataset *d);
const data_options *dataset_options(const dataset *d);

/* Rows of a part, ascending; borrowed. */
size_t dataset_size(const dataset *d, part p);
const uint32_t *dataset_rows(const dataset *d, part p);

/* 32 hex digits over the row numbers of a part. */
const char *dataset_split_hash(const dataset *d, part p);

/* Features per sample and step. */
size_t dataset_features(const dataset *d);

/* Whether samples have several steps: sequences of their own, or streams. */
bool dataset_has_time(const dataset *d);
bool dataset_is_stream(const dataset *d);
/* What its rows are, for people: "sample", "sequence", or "time step" of a stream. */
const char *dataset_sample_word(const dataset *d, bool plural);
/* The longest time that a batch can have: 1 for plain samples. */
size_t dataset_max_time(const dataset *d);
/* Whether every step has a target of its own. */
bool dataset_has_target_per_step(const dataset *d);

/* Fills out for a model with n_outputs outputs per row. */
void dataset_task(const dataset *d, size_t n_outputs, assay_task *out);

/* Targets of REAL may be standardised; this undoes it: y[n, n_targets] in place. */
void dataset_unscale_targets(const dataset *d, float *y, size_t n);
bool dataset_scales_targets(const dataset *d);

/* One line for people: "1797 samples (1257 training, 270 validation, 270 test), 64 features, 10 classes", "229 sequences of 25 to
 * 160 steps (...), 88 features, 88 binary targets", "5000 steps as streams of windows of 50 (...), 65 tokens, 65 classes". */
void dataset_describe(const dataset *d, text *t);

#endif
