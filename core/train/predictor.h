/* A model with given weights in evaluation mode, and nothing else of a run: no loss, no optimizer, no targets. Batches are those of an evaluation in
 * training, so that outputs have the same bits. */
#ifndef ASSAY_CORE_TRAIN_PREDICTOR_H
#define ASSAY_CORE_TRAIN_PREDICTOR_H

#include "data/dataset.h"
#include "model/model.h"

typedef struct predictor predictor;

/* Reads `model`, `train` and `seed` of the config and plans the model for the data. All are borrowed. */
status predictor_new(registry *r, config *c, dataset *d, predictor **out, error *err) MUST_CHECK;
void predictor_free(predictor *p);

model *predictor_model(predictor *p);
size_t predictor_n_shards(const predictor *p);

/* After the weights and buffers of the model were filled in. */
status predictor_ready(predictor *p, error *err) MUST_CHECK;

/* Raw outputs of a part: y[dataset_output_rows, model_n_outputs], in the order of train/outputs.h. */
status predictor_run(predictor *p, part which, float *y, error *err) MUST_CHECK;

#endif
