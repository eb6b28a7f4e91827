/* The procedure "score": loss and metrics of given outputs. These are the numbers that count.
 *
 * It needs a scorer's pack (PACK_SCORE), which has the targets of validation and test and no inputs. Only components that come with assay are
 * used; others that the config names are passed over and named in the head: they are shown as training said them, and nothing is
 * ranked by them. No other plugin is loaded here. A loss or metric with a component inside counts as foreign, matrices are left out, and a loss
 * whose hyperparameters a schedule drives is taken as the config has it. */
#ifndef ASSAY_CORE_JOB_SCORE_JOB_H
#define ASSAY_CORE_JOB_SCORE_JOB_H

#include "data/dataset.h"
#include "sandbox/worker.h"

/* Input: job_input with the name of a scorer's pack, predict's result as payload. */
extern const procedure score_procedure;

typedef struct score_row {
    char split[12]; /* "validation", "test" */
    char name[44]; /* "loss", "accuracy" */
    double value;
} score_row;

/* The front of its result; the rows follow at score_rows_at. */
typedef struct score_head {
    uint64_t n_rows;
    uint64_t n_dropped; /* rows there was no room for */
    uint64_t n_skipped; /* components that do not come with assay */
    char skipped[160]; /* which: "metric \"mine\", loss \"ours\"" */
} score_head;

/* Bytes of a result with room for that many rows. */
size_t score_result_bytes(size_t most_rows);

/* Head and rows, checked: E_CORRUPT; texts end. `rows` is borrowed from the result. */
status score_result_read(const void *result, size_t n, score_head *out_head,
    const score_row **out_rows, error *err) MUST_CHECK;

#endif
