/* A model: layers planned into one flat parameter buffer.
 *
 * What flows between layers is [time, batch, features]. A layer takes its input from the one before it, or from the layers
 * (or "input") that its key `from` names. All trainable numbers lie in one flat buffer, each tensor 64-byte aligned, so
 * that optimizers, checkpoints and reductions are loops over floats. */
#ifndef ASSAY_CORE_MODEL_MODEL_H
#define ASSAY_CORE_MODEL_MODEL_H

#include <assay/layer.h>

#include "model/init.h"
#include "registry/hyper.h"
#include "registry/instance.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    LAYER_MAX_PARAMS = 32, /* per layer, each of parameters, buffers, saved, carried ... */
    TENSOR_ALIGN_FLOATS = 16,
    FROM_INPUT = -1, /* layer.from: the model's own input */
};

/* A trainable tensor and what the host knows of it. */
typedef struct tensor {
    assay_tensor info; /* what optimizers see */
    size_t offset; /* floats from the start of the flat buffers */
    bool trainable;
    double lr_scale;
    init_spec init;
    size_t init_blocks;
    const double *init_shift; /* [init_blocks] added to first values; NULL: nothing */
    const char *export_name; /* PyTorch's: "dense1.weight" */
    uint64_t layout; /* ASSAY_LAYOUT_... */
} tensor;

/* A buffer that is kept but not trained. */
typedef struct buffer {
    const char *name, *export_name; /* "norm1.running_mean" */
    size_t offset, n;
    double init;
} buffer;

typedef struct layer {
    const char *name, *type;
    instance *instance;
    const assay_layer *ops;
    void *hyper; /* resolved: schedules write here between steps */
    const value *block;

    size_t n_in;
    int *from; /* [n_in] layer index or FROM_INPUT */
    assay_input *in; /* [n_in] as the layer saw it in plan */
    assay_shape out;
    bool one_step; /* its input is collapsed in time: one step whatever the sequence */
    bool out_one_step; /* its output is */
    bool couples_samples;
    bool looks_ahead; /* a step's output depends on later steps: it cannot go step by step */
    bool looks_back; /* it depends on earlier steps, but not through carried state: nor can it */
    bool backprop; /* backward must run: it or something before it is trained */
    double macs; /* per sample and step */

    size_t n_params;
    size_t *param; /* [n_params] tensor index */
    uint32_t *transposed; /* [n_params] */
    uint32_t *
        repeated; /* [n_params] 1: in backward order an earlier layer has written this tensor's gradient (tied) */
    size_t n_buffers, first_buffer;
    size_t n_saved;
    uint64_t *saved_per_row, *saved_fixed; /* floats */
    size_t n_carry, first_carry; /* first_carry: among those of all layers */
    uint64_t *carry; /* floats per sample */
    const char **carry_name;
    size_t n_prepared;
    void **prepared; /* shared by all replicas */
    size_t n_scratch;
    uint64_t *scratch_per_row, *scratch_fixed; /* bytes */
} layer;

typedef struct model_options {
    assay_shape in;
    uint32_t in_dtype; /* ASSAY_F32 or ASSAY_I32 */
    uint64_t vocabulary;
    size_t max_time, max_batch;
} model_options;

typedef struct model {
    arena memory;
    registry *registry;
    uint64_t seed;
    model_options options;
    size_t n_layers;
    layer *layers;
    size_t n_tensors;
    tensor *tensors;
    size_t n_buffers;
    buffer *buffers;
    size_t n_carry; /* carried states of all layers */
    size_t n_flat; /* floats in the flat parameter buffer, padding included */
    float *w; /* [n_flat]; padding is 0 */
    size_t n_flat_buffers;
    float *b; /* [n_flat_buffers] the buffers' values */
    size_t n_params; /* trainable or not, without padding */
    bool couples_samples; /* some layer does: one replica */
} model;

/* The keys of a layer that are the host's. */
extern const hyper_table layer_table;
extern const char *const layer_keys[]; /* their names, NULL-terminated */

/* Reads the config's `model` list: instances, names, links. No data is needed yet. */
status model_new(
    registry *r, config *c, value *list, uint64_t seed, model **out, error *err) MUST_CHECK;

/* Plans all layers for that input, lays out the flat buffers and initialises the weights. Once. */
status model_plan(model *m, config *c, const model_options *o, error *err) MUST_CHECK;
void model_free(model *m);

/* NULL when absent. */
layer *model_find_layer(const model *m, const char *name);
const tensor *model_find_tensor(const model *m, const char *name);

/* Numbers in a row of the model's output. */
size_t model_n_outputs(const model *m);

/* Lets every layer prepare shared buffers from the weights as they stand. After every change of them. */
status model_prepare(model *m, bool training, error *err) MUST_CHECK;

/* The table of `assay model summary`: layer, output shape, parameters, MACs; totals; memory of a step of `batch` samples. */
void model_summary(const model *m, size_t batch, text *t);
/* The same as one JSON object, written through base/json.h. */
struct json;
void model_summary_json(const model *m, size_t batch, struct json *j);

#endif
