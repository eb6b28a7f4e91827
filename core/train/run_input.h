/* What a run's model reads, kept in the run's folder, so that the model can be used without the data:
 *
 *   input.json        shape and kind of a step's features and of its targets
 *   vocabulary.json   the names of its tokens, an array of strings, where it reads tokens with names
 */
#ifndef ASSAY_CORE_TRAIN_RUN_INPUT_H
#define ASSAY_CORE_TRAIN_RUN_INPUT_H

#include "data/dataset.h"

typedef struct run_input {
    assay_shape shape;
    uint32_t dtype; /* ASSAY_F32 or ASSAY_I32 */
    uint64_t vocabulary; /* of tokens */
    uint64_t target; /* ASSAY_TARGET_... */
    uint64_t n_targets; /* numbers in a target, or classes */
    const char *separator; /* between tokens in a text; "" for nothing */
    const char **tokens; /* [vocabulary] or NULL: they have no names */
} run_input;

status run_input_write(const char *folder, const assay_data *view, error *err) MUST_CHECK;

/* E_MISSING for the folder of a run that was made before there was such a file. */
status run_input_read(const char *folder, arena *a, run_input *out, error *err) MUST_CHECK;

#endif
