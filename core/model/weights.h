/* Weights in and out of files, under PyTorch's names and in its shapes. */
#ifndef ASSAY_CORE_MODEL_WEIGHTS_H
#define ASSAY_CORE_MODEL_WEIGHTS_H

#include "model/model.h"
#include "model/safetensors.h"

/* Writes the parameters `w` (NULL: the model's) and the buffers, with notes. */
status weights_save(const model *m, const float *w, const char *path, const array_note *notes,
    size_t n_notes, error *err) MUST_CHECK;

/* Reads all of the model's tensors; missing, extra and mis-shaped ones are listed. F32 and F64 are accepted. */
status weights_load(model *m, const char *path, error *err) MUST_CHECK;

#endif
