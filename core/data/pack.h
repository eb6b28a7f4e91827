/* A dataset as one block of bytes: split and standardised, arrays and offsets, no pointers. Workers map it read-only and open it in
 * microseconds; what one of them must not know is not in it.
 *
 *   PACK_TRAIN    training and validation. Every byte that only samples of the test part have is zero; the part has no rows, so that an
 *                 evaluation of it is empty
 *   PACK_PREDICT  features of validation and test; no targets, labels, weights; those of training are zero
 *   PACK_SCORE    targets and weights of validation and test; no features
 *
 * All three know how many rows each part had and the hashes of the split. */
#ifndef ASSAY_CORE_DATA_PACK_H
#define ASSAY_CORE_DATA_PACK_H

#include "data/dataset.h"

typedef enum pack_use { PACK_TRAIN, PACK_PREDICT, PACK_SCORE, N_PACKS } pack_use;

/* "train", "predict", "score" */
const char *pack_use_name(pack_use u);

/* What shapes a pack's content, a line for each key: all keys of the `data` block but those that dataset_open_pack reads afresh; the plugin's as they
 * are written, split, standardize and standardize_target with their defaults, and whether there is a window. To be had before the block
 * is opened, which adds the plugin's defaults. Added to `out`. */
status dataset_pack_key(config *c, value *block, text *out, error *err) MUST_CHECK;

/* Bytes of a pack. E_UNSUPPORTED: this dataset cannot be packed, and why. */
status dataset_pack_size(
    const dataset *d, pack_use u, const char *key, size_t *out, error *err) MUST_CHECK;

/* Writes it; `n` is what dataset_pack_size said, `to` is aligned to 64 bytes. */
status dataset_pack(
    const dataset *d, pack_use u, const char *key, void *to, size_t n, error *err) MUST_CHECK;

/* The dataset of a pack; arrays are views into bytes[n], aligned to 64, which are only read and must outlive it. No plugin is loaded: the host's own
 * keys are read from the `data` block, of which batch_size, shuffle, drop_last, window, bucket and class_weights may differ from those that the pack
 * was made with (but not whether there is a window). E_CONFLICT: another key differs, which is named. E_CORRUPT: this is no whole pack.
 * What a pack says is checked before it is relied on: labels, tokens and steps are in range; features may be any number. */
status dataset_open_pack(
    config *c, value *block, const void *bytes, size_t n, dataset **out, error *err) MUST_CHECK;

/* PACK_TRAIN and so on; N_PACKS: opened from its plugin. */
pack_use dataset_pack_use(const dataset *d);

/* Rows that a part has where all of the data are; dataset_size is what is here. */
size_t dataset_whole_size(const dataset *d, part p);

/* Rows of outputs that a model has for a part: its samples, or, where each has a target for every step, their real steps. */
size_t dataset_output_rows(const dataset *d, part p);

#endif
