/* Where the first value that is not finite appears: a run whose every operation is looked over.
 *
 * Off, it costs a branch a layer; on, the run has the same bits, for nothing but the finding is written. Checked are, in this order:
 * the weights before the first step, the data, each layer's output and buffers, the loss of every sample, the loss's gradient, each
 * layer's input and parameter gradients, the gradient as the optimizer gets it (added over replicas, with L2 and clipping), and what
 * an update leaves: weights and state. */
#ifndef ASSAY_CORE_TRAIN_TRACE_H
#define ASSAY_CORE_TRAIN_TRACE_H

#include "base/text.h"
#include "train/trainer.h"

enum { TRACE_HYPERS = 24, TRACE_NAME = 256 };

/* A hyperparameter of the component at fault, as it was at that step. */
typedef struct trace_hyper {
    const char *component, *name;
    double value;
    bool is_scheduled;
} trace_hyper;

typedef struct trace_finding {
    uint64_t step; /* the update under way, from 1; 0: before the first */
    const char *
        operation; /* "forward", "loss", "backward", "gradient", "update", "closure", "evaluation", "start" */
    const char *layer,
        *type; /* the layer, loss or optimizer at fault; layer is NULL where there is none */
    char tensor
        [TRACE_NAME]; /* what is not finite: "dense1.weight", "output", "gradient of input 0", "optimizer/0/dense1.weight/m" */
    size_t element, n; /* of n */
    double value;
    bool has_sample;
    uint32_t sample; /* its row in the dataset */
    size_t in_batch; /* its place in the batch */
    bool is_suspect; /* of a sum over samples: the sample is that with the largest features */
    double
        largest_feature; /* of that sample, in size, as the model got it; NaN where it has none */
    trace_hyper hypers[TRACE_HYPERS];
    size_t n_hypers;
} trace_finding;

typedef struct trace trace;

/* Between trainer_new and the first step; everything from there on is looked over. The trainer frees it. */
status trainer_trace(trainer *t, error *err) MUST_CHECK;

/* NULL: all was finite. The run has then ended as diverged, with the finding as text. */
const trace_finding *trainer_finding(const trainer *t);

/* The finding in words, added to `t`. */
void trace_describe(const trace_finding *f, text *t);

#endif
