/* A run's records on disk: metrics.jsonl, metrics.csv, log.txt in one folder. */
#ifndef ASSAY_CORE_TRAIN_RUN_RECORDS_H
#define ASSAY_CORE_TRAIN_RUN_RECORDS_H

#include "base/arena.h"
#include "base/record.h"
#include "base/text.h"
#include "train/trainer.h"

#include <stdio.h>

typedef struct run_records {
    arena memory;
    const char *dir; /* set before the first record; the rest starts as zero */
    FILE *jsonl, *csv, *log;
    error failed; /* the first write error */
    text line;
    size_t n_columns;
    const char **columns;
    double *row; /* [n_columns] of the step under way; NaN: nothing */
    uint64_t row_step;
    double row_epoch, row_wall_s;
    bool has_row;
    long row_start; /* where it stands in metrics.csv */
    size_t row_bytes; /* as it was last written */
} run_records;

/* Opens the files; before this only notes are kept. With `resumed`, what was recorded after the trainer's state was saved is cut
 * off. */
status run_records_open(run_records *f, const trainer *t, bool resumed, error *err) MUST_CHECK;

/* A record_sink's emit; `self` is the run_records. */
void run_records_emit(void *self, const record *r);

/* Closes, and reports the first write error there was. */
status run_records_close(run_records *f, error *err) MUST_CHECK;
void run_records_release(run_records *f);

#endif
