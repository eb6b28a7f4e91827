/* The procedures "plan" and "train": a run from a config's text, without a run folder. */
#ifndef ASSAY_CORE_STUDY_TRAIN_JOB_H
#define ASSAY_CORE_STUDY_TRAIN_JOB_H

#include "base/record.h"
#include "base/text.h"
#include "sandbox/worker.h"

extern const procedure plan_procedure, train_procedure;

/* The input of both: the config's text, the overrides in order, the seed as the last of them. `name` is the file that the text
 * is from: messages name it, and relative paths begin in its folder. Text that includes other files needs them to be readable.
 * Added to `out`. */
status train_job_input(text *out, const char *name, const char *written,
    const char *const *overrides, size_t n_overrides, uint64_t seed, error *err) MUST_CHECK;

/* What "plan" leaves: what "train" will need. sizeof(train_plan) is its result's size. */
typedef struct train_plan {
    uint64_t n_w, n_b; /* floats of weights (padding included) and of buffers */
    uint64_t n_params;
    uint64_t total_steps; /* 0: unknown */
    uint64_t steps_per_epoch;
    uint64_t n_rows[3]; /* training, validation, test */
    char split_hash[3][33];
} train_plan;

/* One recorded number. */
typedef struct train_row {
    uint64_t step;
    double value;
    uint32_t kind; /* record_kind: STEP, EVALUATION, EPOCH or END */
    uint32_t is_final; /* of an evaluation: at the final weights */
    char split[12]; /* of an evaluation; "" otherwise */
    char name[44];
} train_row;

/* The front of what "train" leaves. */
typedef struct train_head {
    uint64_t n_w, n_b;
    uint64_t n_rows, n_dropped; /* rows there was room for, and not */
    uint64_t step, epoch, best_step;
    uint32_t stop; /* stop_reason */
    uint32_t has_best;
    double best_value;
    budget spent;
} train_head;

/* Where in the result what lies. Behind the head: last weights and buffers, the best ones (the last again where there are
 * none), rows. */
typedef struct train_layout {
    size_t bytes; /* of all */
    size_t floats_at, n_floats; /* all of them must be finite: sandbox_call.finite_at, n_finite */
    size_t last_w, last_b, best_w, best_b; /* bytes from the front */
    size_t rows_at, most_rows;
} train_layout;

/* E_RANGE: more than memory can hold. */
status train_layout_of(
    uint64_t n_w, uint64_t n_b, uint64_t most_rows, train_layout *out, error *err) MUST_CHECK;

/* The head and rows of a result, checked: numbers that do not fit the layout are E_CORRUPT; names end. `rows` is borrowed from the result. */
status train_result_read(const void *result, size_t n, const train_layout *l, train_head *out_head,
    const train_row **out_rows, error *err) MUST_CHECK;

#endif
