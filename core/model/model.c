/* Building a model: graph, plan, flat buffers, first values.
 *
 * The flat layout is decided once, here: tensors in the order of their layers, each on a 64-byte boundary. The floats between
 * tensors are 0 and stay 0, so loops over the whole buffer need not know where tensors end. */
#include "model/model.h"

#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

/* Room for n floats at the end of a flat buffer of *end; false when that does not fit. */
static bool append(size_t n, size_t *end, size_t *out_offset)
{
    *out_offset = *end;
    if (!size_sum(*end, n, end) || !size_sum(*end, TENSOR_ALIGN_FLOATS - 1, end)) {
        return false;
    }
    *end -= *end % TENSOR_ALIGN_FLOATS;
    return true;
}

static status lay_out(model *m, error *err)
{
    bool fits = true;
    for (size_t i = 0; i < m->n_tensors && fits; i++) {
        fits = append(m->tensors[i].info.size, &m->n_flat, &m->tensors[i].offset);
        m->n_params += m->tensors[i].info.size;
    }
    for (size_t i = 0; i < m->n_buffers && fits; i++) {
        fits = append(m->buffers[i].n, &m->n_flat_buffers, &m->buffers[i].offset);
    }
    if (!fits) {
        return fail_nomem(err, "the parameters");
    }
    m->w = arena_alloc_array(&m->memory, m->n_flat, sizeof *m->w);
    m->b = arena_alloc_array(&m->memory, m->n_flat_buffers, sizeof *m->b);
    return m->w && m->b ? OK : fail_nomem(err, "the parameters");
}

static status initialise(model *m, error *err)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        const size_t n_name = strlen(t->info.name);
        char purpose[256];
        if (n_name + sizeof "init/" > sizeof purpose) {
            return fail(err, E_RANGE, "%s: the name is too long (at most 240 bytes)", t->info.name);
        }
        memcpy(purpose, "init/", sizeof "init/");
        memcpy(purpose + strlen(purpose), t->info.name, n_name + 1);
        status st = init_fill(&t->init, rng_make(m->seed, purpose), m->w + t->offset, t->info.rows,
            t->info.cols, t->init_blocks, t->info.fan_in, t->info.fan_out, err);
        if (st != OK) {
            return error_where(err, "%s", t->info.name);
        }
        if (t->init_shift) {
            init_add(m->w + t->offset, t->info.rows, t->info.cols, t->init_blocks, t->init_shift);
        }
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        for (size_t k = 0; k < m->buffers[i].n; k++) {
            m->b[m->buffers[i].offset + k] = (float)m->buffers[i].init;
        }
    }
    return OK;
}

status model_new(registry *r, config *c, value *list, uint64_t seed, model **out, error *err)
{
    model *m = calloc(1, sizeof *m);
    if (!m) {
        return fail_nomem(err, "the model");
    }
    arena_init(&m->memory);
    m->registry = r;
    m->seed = seed;
    status st = graph_build(m, c, list, err);
    if (st != OK) {
        model_free(m);
        return st;
    }
    *out = m;
    return OK;
}

status model_plan(model *m, config *c, const model_options *o, error *err)
{
    status st = OK;
    m->options = *o;
    TRY(plan_layers(m, c, err));
    TRY(lay_out(m, err));
    TRY(initialise(m, err));
done:
    return st;
}

void model_free(model *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->n_layers; i++) {
        instance_free(m->layers[i].instance);
    }
    arena_release(&m->memory);
    free(m);
}

layer *model_find_layer(const model *m, const char *name)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        if (strcmp(m->layers[i].name, name) == 0) {
            return &m->layers[i];
        }
    }
    return NULL;
}

const tensor *model_find_tensor(const model *m, const char *name)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].info.name, name) == 0) {
            return &m->tensors[i];
        }
    }
    return NULL;
}

size_t model_n_outputs(const model *m)
{
    return assay_shape_size(&m->layers[m->n_layers - 1].out);
}

status model_prepare(model *m, bool training, error *err)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        if (!l->ops->prepare) {
            continue;
        }
        const float *param[LAYER_MAX_PARAMS];
        for (size_t k = 0; k < l->n_params; k++) {
            param[k] = m->w + m->tensors[l->param[k]].offset;
        }
        const assay_prepare p = { .struct_size = sizeof p,
            .in = l->in,
            .n_in = l->n_in,
            .in_stride = sizeof *l->in,
            .out_shape = &l->out,
            .param = param,
            .transposed = l->transposed,
            .prepared = l->prepared,
            .training = training };
        const int code =
            instance_code(l->instance, l->ops->prepare(&l->instance->ctx, l->hyper, &p));
        if (code != ASSAY_OK) {
            return instance_status(l->instance, code, "prepare", err);
        }
    }
    return OK;
}
