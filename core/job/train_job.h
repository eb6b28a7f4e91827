/* The procedures "plan" and "train": a run from a config's text, without a run folder. */
#ifndef ASSAY_CORE_JOB_TRAIN_JOB_H
#define ASSAY_CORE_JOB_TRAIN_JOB_H

#include "base/record.h"
#include "base/text.h"
#include "sandbox/worker.h"

extern const procedure plan_procedure, train_procedure;

/* Input of both: job_input, with the name of a trainer's pack (PACK_TRAIN) or without; a checkpoint as payload where "train" goes on
 * from one. That of a run of the same config, seed and data; more epochs are allowed. */

/* What "plan" leaves: what "train" will need. sizeof(train_plan) is its result's size. */
typedef struct train_plan {
    uint64_t n_w, n_b; /* floats of weights (padding included) and of buffers */
    uint64_t n_params;
    uint64_t total_steps; /* 0: unknown */
    uint64_t steps_per_epoch;
    uint64_t n_outputs; /* floats of a row of outputs: predict_layout_of */
    uint64_t
        checkpoint_bytes; /* a checkpoint of this run at any time takes at most so many: depends on the optimizer, unlike all else here */
    uint64_t n_rows[3]; /* training, validation, test; of a pack those that it has */
    char split_hash[3][33];
} train_plan;

/* One recorded number. */
typedef struct train_row {
    uint64_t step;
    double place; /* in epochs: 2.5 is in the middle of the third */
    double value;
    uint32_t kind; /* record_kind: STEP, EVALUATION, EPOCH or END */
    uint16_t is_final, is_best; /* of an evaluation: at the final weights; the best so far */
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
    double place; /* epochs done */
    uint64_t checkpoint_bytes; /* of the checkpoint that was left; 0: none */
    budget spent;
} train_head;

/* Where in the result what lies. Behind the head: last weights and buffers, the best ones (the last again where there are
 * none), the checkpoint, rows. */
typedef struct train_layout {
    size_t bytes; /* of all */
    size_t floats_at, n_floats; /* all of them must be finite: sandbox_call.finite_at, n_finite */
    size_t last_w, last_b, best_w,
        best_b; /* bytes from the front; buffers lie right behind their weights */
    size_t checkpoint_at, checkpoint_room;
    size_t rows_at, most_rows;
} train_layout;

/* checkpoint_room: the job_input's. E_RANGE: more than memory can hold. */
status train_layout_of(uint64_t n_w, uint64_t n_b, uint64_t checkpoint_room, uint64_t most_rows,
    train_layout *out, error *err) MUST_CHECK;

/* The head and rows of a result, checked: numbers that do not fit the layout are E_CORRUPT; names end. `rows` is borrowed from the result. */
status train_result_read(const void *result, size_t n, const train_layout *l, train_head *out_head,
    const train_row **out_rows, error *err) MUST_CHECK;

/* Samples that a training has seen, as it last said, whether it runs or was ended; 0 before it said anything. */
uint64_t train_samples_peek(const void *result, size_t n, const train_layout *l);

/* While a job runs (job_result may be asked then, too): copies rows from number `first` on, at most `room` of them, as far as they are there by now; *out_n says how
 * many. What the worker is changing meanwhile is a wrong number at worst: a hint, as all that a trainer says. Rows that make no
 * sense count as none from there on. */
void train_rows_peek(const void *result, size_t n, const train_layout *l, size_t first,
    train_row *out, size_t room, size_t *out_n);

#endif
