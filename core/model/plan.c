/* Planning: each layer in turn sees its inputs' shapes and declares its output, parameters and memory.
 *
 * Declarations are gathered in the order of the layers (declare.c); what follows from all of them together (who writes a shared
 * gradient first, which tensors are the input's and the output's) is settled at the end. */
#include "model/internal.h"

#include <string.h>

static status layer_lists(model *m, layer *l, error *err)
{
    arena *a = &m->memory;
    const size_t n = LAYER_MAX_PARAMS;
    l->param = arena_alloc_array(a, n, sizeof *l->param);
    l->transposed = arena_alloc_array(a, n, sizeof *l->transposed);
    l->repeated = arena_alloc_array(a, n, sizeof *l->repeated);
    l->saved_per_row = arena_alloc_array(a, n, sizeof *l->saved_per_row);
    l->saved_fixed = arena_alloc_array(a, n, sizeof *l->saved_fixed);
    l->carry = arena_alloc_array(a, n, sizeof *l->carry);
    l->carry_name = arena_alloc_array(a, n, sizeof *l->carry_name);
    l->prepared = arena_alloc_array(a, n, sizeof *l->prepared);
    l->scratch_per_row = arena_alloc_array(a, n, sizeof *l->scratch_per_row);
    l->scratch_fixed = arena_alloc_array(a, n, sizeof *l->scratch_fixed);
    return l->scratch_fixed && l->scratch_per_row && l->prepared && l->carry_name && l->carry &&
            l->saved_fixed && l->saved_per_row && l->repeated && l->transposed && l->param
        ? OK
        : fail_nomem(err, "a layer's plan");
}

/* The shapes a layer sees: those of its sources, or the model's input. */
static status layer_inputs(planner *p, error *err)
{
    layer *l = p->l;
    const model *m = p->m;
    for (size_t i = 0; i < l->n_in; i++) {
        assay_input *in = &l->in[i];
        *in = (assay_input){ .struct_size = sizeof *in };
        bool one_step = false;
        if (l->from[i] == FROM_INPUT) {
            in->shape = m->options.in;
            in->dtype = m->options.in_dtype;
            in->vocabulary = m->options.vocabulary;
        } else {
            const layer *source = &m->layers[l->from[i]];
            in->shape = source->out;
            in->dtype = ASSAY_F32;
            in->needs_grad = source->backprop;
            one_step = source->out_one_step;
        }
        if (i > 0 && one_step != l->one_step) {
            return layer_fail(m, l, E_SHAPE, err,
                "its inputs differ in time: one is a sequence, another a single step");
        }
        l->one_step = one_step;
    }
    return OK;
}

static status read_reserved(planner *p, error *err)
{
    const value *block = p->l->block;
    status st = OK;
    p->trainable = true;
    p->lr_scale = 1;
    p->tie = value_find(block, "tie");
    value *init = value_find(block, "init"), *bias_init = value_find(block, "bias_init");
    value *recurrent_init = value_find(block, "recurrent_init");
    const value *trainable = value_find(block, "trainable"),
                *lr_scale = value_find(block, "lr_scale");
    if (init) {
        TRY(init_from_value(p->c, init, &p->init, err));
    }
    if (recurrent_init) {
        TRY(init_from_value(p->c, recurrent_init, &p->recurrent_init, err));
    }
    if (bias_init) {
        TRY(init_from_value(p->c, bias_init, &p->bias_init, err));
    }
    if (trainable) {
        TRY(value_to_bool(trainable, &p->trainable, err));
    }
    if (lr_scale) {
        TRY(value_to_real(lr_scale, &p->lr_scale, err));
        if (!(p->lr_scale >= 0 && p->lr_scale < 1e30)) {
            return layer_fail(p->m, p->l, E_RANGE, err,
                "lr_scale: expected a number >= 0, found %g", p->lr_scale);
        }
    }
    if (p->tie) {
        TRY(value_to_string(p->tie, &p->tie_name, err));
    }
    p->has_init = init != NULL;
    p->has_recurrent_init = recurrent_init != NULL;
    p->has_bias_init = bias_init != NULL;
done:
    return st;
}

static bool has_role(const model *m, const layer *l, uint32_t role)
{
    for (size_t i = 0; i < l->n_params; i++) {
        if (m->tensors[l->param[i]].info.role == role) {
            return true;
        }
    }
    return false;
}

static status check_planned(planner *p, const assay_plan *plan, error *err)
{
    const model *m = p->m;
    layer *l = p->l;
    size_t bytes = sizeof(float);
    if (plan->out.n_dims < 1 || plan->out.n_dims > ASSAY_MAX_DIMS) {
        return layer_fail(m, l, E_PLUGIN, err, "its plan gives no output shape");
    }
    for (uint64_t i = 0; i < plan->out.n_dims; i++) {
        if (plan->out.dim[i] == 0 || !size_product(bytes, plan->out.dim[i], &bytes)) {
            return layer_fail(
                m, l, E_SHAPE, err, "its output has a dimension of 0 or is too large");
        }
    }
    if (plan->time_mode > ASSAY_TIME_ONE) {
        return layer_fail(m, l, E_PLUGIN, err, "its plan changes time in an unknown way");
    }
    if (!(plan->macs >= 0 && plan->macs < 1e18)) {
        return layer_fail(
            m, l, E_PLUGIN, err, "its plan counts multiply-accumulates that make no sense");
    }
    if (p->tie && !p->has_tied) {
        return layer_fail(m, l, E_UNKNOWN, err,
            "`tie = \"%s\"`: no earlier layer of that name has a parameter that this one can share",
            p->tie_name);
    }
    if (p->has_init && l->n_params == 0) {
        return layer_fail(m, l, E_CONFLICT, err, "`init` is set, but this layer has no parameters");
    }
    if (p->has_recurrent_init && !has_role(m, l, ASSAY_ROLE_RECURRENT)) {
        return layer_fail(m, l, E_CONFLICT, err,
            "`recurrent_init` is set, but this layer has no recurrent weights");
    }
    if (p->has_bias_init && !has_role(m, l, ASSAY_ROLE_BIAS)) {
        return layer_fail(m, l, E_CONFLICT, err, "`bias_init` is set, but this layer has no bias");
    }
    return OK;
}

static status layer_plan(planner *p, error *err)
{
    model *m = p->m;
    layer *l = p->l;
    assay_plan plan = { .struct_size = sizeof plan };
    status st = layer_lists(m, l, err);
    TRY(st);
    TRY(layer_inputs(p, err));
    TRY(read_reserved(p, err));
    l->first_buffer = m->n_buffers;
    planner_offer(p, &plan);
    plan.in = l->in;
    plan.n_in = l->n_in;
    plan.in_stride = sizeof(assay_input);
    plan.max_time = m->options.max_time;
    plan.max_batch = m->options.max_batch;
    const int code = l->ops->plan(&l->instance->ctx, l->hyper, &plan);
    if (p->st != OK) {
        return p->st; /* a declaration was refused; its message stands */
    }
    TRY(instance_status(l->instance, code, "plan", err));
    TRY(check_planned(p, &plan, err));
    l->out = plan.out;
    l->out_one_step = l->one_step || plan.time_mode == ASSAY_TIME_ONE;
    l->couples_samples = plan.couples_samples != 0;
    l->looks_ahead = plan.looks_ahead != 0;
    l->looks_back = plan.looks_back != 0;
    l->macs = plan.macs;
    l->first_carry = m->n_carry;
    m->n_carry += l->n_carry;
    l->backprop = false;
    for (size_t i = 0; i < l->n_in; i++) {
        l->backprop |= l->in[i].needs_grad != 0;
    }
    for (size_t i = 0; i < l->n_params; i++) {
        l->backprop |= m->tensors[l->param[i]].trainable;
    }
    m->couples_samples |= l->couples_samples;
done:
    return st;
}

/* Backward runs the layers in reverse: of the layers that share a tensor the last one writes first. */
static void mark_repeated(model *m)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        layer *l = &m->layers[i];
        for (size_t k = 0; k < l->n_params; k++) {
            for (size_t j = i + 1; j < m->n_layers; j++) {
                for (size_t q = 0; q < m->layers[j].n_params; q++) {
                    l->repeated[k] |= m->layers[j].param[q] == l->param[k];
                }
            }
        }
    }
}

/* Depth counts layers with parameters; the first is the input's, the last the output's. */
static void place_tensors(model *m)
{
    uint64_t depth = 0;
    for (size_t i = 0; i < m->n_layers; i++) {
        bool has_own = false;
        for (size_t k = 0; k < m->layers[i].n_params; k++) {
            assay_tensor *t = &m->tensors[m->layers[i].param[k]].info;
            if (strcmp(t->layer, m->layers[i].name) == 0) {
                t->depth = depth;
                has_own = true;
            }
        }
        depth += has_own;
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        assay_tensor *t = &m->tensors[i].info;
        t->place = t->depth + 1 == depth ? ASSAY_PLACE_OUTPUT
            : t->depth == 0              ? ASSAY_PLACE_INPUT
                                         : ASSAY_PLACE_HIDDEN;
    }
}

status plan_layers(model *m, config *c, error *err)
{
    planner p = { .m = m, .c = c, .err = err };
    for (size_t i = 0; i < m->n_layers; i++) {
        planner next = { .m = m,
            .l = &m->layers[i],
            .c = c,
            .err = err,
            .capacity_tensors = p.capacity_tensors,
            .capacity_buffers = p.capacity_buffers };
        status st = layer_plan(&next, err);
        if (st != OK) {
            return st;
        }
        p = next;
    }
    mark_repeated(m);
    place_tensors(m);
    return OK;
}
