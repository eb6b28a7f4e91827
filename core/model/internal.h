/* What the files of this room share and nobody else needs. */
#ifndef ASSAY_CORE_MODEL_INTERNAL_H
#define ASSAY_CORE_MODEL_INTERNAL_H

#include "model/model.h"

/* Reads the list's blocks into m->layers: instances, names, where inputs come from. (graph.c) */
status graph_build(model *m, config *c, value *list, error *err) MUST_CHECK;

/* Calls every layer's plan, in order; collects tensors, buffers and sizes. (plan.c) */
status plan_layers(model *m, config *c, error *err) MUST_CHECK;

/* What is known while one layer plans. */
typedef struct planner {
    model *m;
    layer *l;
    config *c;
    const value *tie; /* of the current layer, or NULL */
    const char *tie_name;
    bool trainable, has_tied;
    double lr_scale;
    init_spec init, recurrent_init, bias_init;
    bool has_init, has_recurrent_init, has_bias_init;
    size_t capacity_tensors, capacity_buffers;
    error *err; /* what a declaration found wrong */
    status st;
} planner;

/* Puts the calls that a layer's plan may make into `plan`. (declare.c) */
void planner_offer(planner *p, assay_plan *plan);

/* The layer at fault, for messages: `model[2]: layer "dense1" (dense)`, with a leading origin. */
status layer_fail(const model *m, const layer *l, status code, error *err, const char *format, ...)
    PRINTF_LIKE(5, 6);

#endif
