/* A run's folder: what it was told, what it recorded, what it learned.
 *
 *   config.cfg           the resolved config: every default filled in, paths absolute; reads back equal
 *   run.json             provenance: versions, machine, plugin files and their hashes, split hashes
 *   input.json           what a step of the input is; vocabulary.json the names of its tokens, where it has any
 *   metrics.jsonl        every record, one JSON object a line
 *   metrics.csv          one row per check, the same numbers as a table
 *   log.txt              notes, with times
 *   events.out.tfevents.*  what metrics.csv has, for TensorBoard (train.tensorboard = true)
 *   checkpoints/         step-<n>.safetensors, the last few
 *   best.safetensors     weights of the best check      last.safetensors     the last weights
 */
#ifndef ASSAY_CORE_TRAIN_RUN_FOLDER_H
#define ASSAY_CORE_TRAIN_RUN_FOLDER_H

#include "base/record.h"
#include "train/trainer.h"

typedef struct run_folder run_folder;

/* Makes `parent`/<name>-<k> with the first free k, or `exactly` (an error when it exists and is not empty). */
status run_folder_create(const char *parent, const char *name, const char *exactly,
    run_folder **out, error *err) MUST_CHECK;

/* An existing run's folder. Records after `step` are cut off when recording begins. */
status run_folder_open(const char *path, run_folder **out, error *err) MUST_CHECK;
void run_folder_free(run_folder *f);

const char *run_folder_path(const run_folder *f);
const char *run_folder_checkpoints(const run_folder *f); /* the folder of checkpoints */

/* Writes config.cfg and run.json (or leaves them, on resume) and opens the record files. Records later than the trainer's step
 * (of a run that was killed after its last checkpoint) are removed: they will come again. */
status run_folder_begin(
    run_folder *f, trainer *t, config *c, const registry *r, bool resumed, error *err) MUST_CHECK;

/* Where records go; before run_folder_begin only notes are kept. The first write error is remembered. */
record_sink run_folder_sink(run_folder *f);

/* Writes best.safetensors and last.safetensors, closes the files, reports any write error. */
status run_folder_end(run_folder *f, trainer *t, error *err) MUST_CHECK;

#endif
