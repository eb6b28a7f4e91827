/* A model run step by step on one sequence: what its layers carry goes on from one step to the next. For generating, where an
 * output becomes the next input. */
#ifndef ASSAY_CORE_MODEL_STEPPER_H
#define ASSAY_CORE_MODEL_STEPPER_H

#include "model/model.h"

typedef struct stepper stepper;

/* For a planned model, which is borrowed; model_prepare must have been called. E_UNSUPPORTED where a layer
 * looks ahead: no step is known before the last. */
status stepper_new(model *m, stepper **out, error *err) MUST_CHECK;
void stepper_free(stepper *s);

/* One step in evaluation mode: x[features], or tokens[features] for a model of tokens (the other is NULL). The output,
 * model_n_outputs numbers, is borrowed until the next step. */
status stepper_step(
    stepper *s, const float *x, const int32_t *tokens, const float **out_y, error *err) MUST_CHECK;

/* The next step begins a new sequence. */
void stepper_rewind(stepper *s);

#endif
