/* The procedure "predict": what a model with given weights makes of the inputs of validation and test.
 *
 * It needs a predictor's pack (PACK_PREDICT), which has no targets: plugins of layers run here, and may be anybody's. What it leaves is the raw
 * outputs, as the loss takes them, in the order of the part's rows; of samples with a target for every step those of their real steps, one
 * behind the other. Streams run through as in an evaluation, states carried from window to window. Sample weights are not there: where data have some,
 * layers that look at them may differ in the last bits from training's evaluation. */
#ifndef ASSAY_CORE_JOB_PREDICT_JOB_H
#define ASSAY_CORE_JOB_PREDICT_JOB_H

#include "data/dataset.h"
#include "sandbox/worker.h"

/* Input: job_input with the name of a predictor's pack, the weights as payload. */
extern const procedure predict_procedure;

/* The front of its result. */
typedef struct predict_head {
    uint64_t n_outputs; /* floats of a row */
    uint64_t n_shards; /* that batches are cut into: metrics are summed in their order */
    uint64_t n_rows[N_PARTS]; /* rows of outputs; 0 of parts that were not asked for */
} predict_head;

typedef struct predict_layout {
    size_t bytes; /* of all */
    size_t floats_at, n_floats; /* all finite: sandbox_call.finite_at, n_finite */
    size_t y_at[N_PARTS]; // [n_rows, n_outputs]; bytes from the front
    predict_head head; /* what the front must say, n_shards aside */
} predict_layout;

/* n_outputs: train_plan's. n_output_rows: load_head's. E_RANGE: more than memory can hold. */
status predict_layout_of(uint64_t n_outputs, const uint64_t n_output_rows[N_PARTS], bool judges,
    predict_layout *out, error *err) MUST_CHECK;

/* Whether the front says what the layout is for. E_CORRUPT. */
status predict_result_check(
    const void *result, size_t n, const predict_layout *l, error *err) MUST_CHECK;

#endif
