/* What the procedures of a study are given: a config's text and what goes with it, as bytes. */
#ifndef ASSAY_CORE_JOB_INPUT_H
#define ASSAY_CORE_JOB_INPUT_H

#include "base/text.h"

#include <stdbool.h>

typedef struct job_input {
    const char *
        name; /* of the file that the text is from: messages name it, and relative paths begin in its folder */
    const char
        *written; /* the config's text; text that includes other files needs them to be readable */
    const char *const *overrides; // [n_overrides], in order
    size_t n_overrides;
    uint64_t seed; /* of the run; set after the overrides */
    const char *
        data; /* name of the sandbox's input with the pack to use ("data0.train"); NULL or "": open the data itself */
    bool judges; /* predict, score: the test part, too */
    uint64_t
        checkpoint_room; /* train: bytes of its result for a checkpoint at its end; 0: none is left */
    /* train: a checkpoint's bytes to go on from, or nothing
     * predict: the weights, padding included, then the buffers, as they lie one behind the other in train's result
     * score: predict's result */
    const void *payload; // [n_payload]
    size_t n_payload;
} job_input;

/* Added to `out`. */
status job_input_write(const job_input *in, text *out, error *err) MUST_CHECK;

/* In a worker: views into `input`, which say nothing of alignment: copy a payload before taking it for numbers. The overrides are on the
 * heap; job_input_release frees them. E_CORRUPT. */
status job_input_read(const void *input, size_t n, job_input *out, error *err) MUST_CHECK;
void job_input_release(job_input *in);

#endif
