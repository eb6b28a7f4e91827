/* Planning: each layer declares its output, parameters, buffers and memory through assay_plan.
 *
 * Declarations are copied (a plugin's struct may be smaller or larger than ours), checked, and gathered in the order of
 * the layers; `tie` makes a declaration refer to an earlier layer's tensor instead of making a new one. */
#include "model/internal.h"

#include <stdio.h>
#include <string.h>

typedef struct planner {
    model *m;
    layer *l;
    config *c;
    const value *tie; /* of the current layer, or NULL */
    const char *tie_name;
    bool trainable, has_tied;
    double lr_scale;
    init_spec init, bias_init;
    bool has_init, has_bias_init;
    size_t capacity_tensors, capacity_buffers;
    error *err; /* what a declaration found wrong */
    status st;
} planner;

/* Copies a struct that starts with struct_size, as much as both sides know. */
static void copy_known(void *to, size_t to_bytes, const void *from)
{
    uint64_t from_bytes;
    memcpy(&from_bytes, from, sizeof from_bytes);
    memset(to, 0, to_bytes);
    memcpy(to, from, from_bytes < to_bytes ? (size_t)from_bytes : to_bytes);
}

static int64_t declare_fail(planner *p, status code, const char *what)
{
    if (p->st == OK) {
        p->st = layer_fail(p->m, p->l, code, p->err, "%s", what);
    }
    return ASSAY_E_INVALID;
}

static status grow(arena *a, void **array, size_t n, size_t *capacity, size_t each)
{
    if (n < *capacity) {
        return OK;
    }
    const size_t more = *capacity ? 2 * *capacity : 8;
    void *bigger = arena_alloc_array(a, more, each);
    if (!bigger) {
        return E_NOMEM;
    }
    if (n) {
        memcpy(bigger, *array, n * each);
    }
    *array = bigger;
    *capacity = more;
    return OK;
}

/* "layer" or "layer.param" -> the tensor that a parameter called `name` is shared with, or -1. */
static int64_t find_tied(const planner *p, const assay_param *param)
{
    const char *dot = strchr(p->tie_name, '.');
    const size_t n_layer = dot ? (size_t)(dot - p->tie_name) : strlen(p->tie_name);
    for (size_t i = 0; i < p->m->n_tensors; i++) {
        const tensor *t = &p->m->tensors[i];
        const char *own = strrchr(t->info.name, '.') + 1;
        if (strlen(t->info.layer) == n_layer && strncmp(t->info.layer, p->tie_name, n_layer) == 0 &&
            strcmp(own, dot ? dot + 1 : param->name) == 0) {
            return (int64_t)i;
        }
    }
    return -1;
}

static bool is_transposed_shape(const assay_shape *a, const assay_shape *b)
{
    return a->n_dims == 2 && b->n_dims == 2 && a->dim[0] == b->dim[1] && a->dim[1] == b->dim[0];
}

/* Shares an earlier tensor where `tie` asks for it. 1: done, 0: not tied, negative: error. */
static int try_tie(planner *p, const assay_param *param, size_t i_param)
{
    if (!p->tie || !(param->flags & (ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED))) {
        return 0;
    }
    const int64_t i = find_tied(p, param);
    if (i < 0) {
        return 0;
    }
    tensor *t = &p->m->tensors[i];
    const bool same = assay_shape_equal(&t->info.shape, &param->shape);
    const bool transposed = !same && (param->flags & ASSAY_PARAM_TIE_TRANSPOSED) &&
        is_transposed_shape(&t->info.shape, &param->shape);
    if (!same && !transposed) {
        char what[256];
        snprintf(what, sizeof what,
            "`tie`: %s has %llu x %llu numbers and cannot stand for this layer's %s", t->info.name,
            (unsigned long long)t->info.rows, (unsigned long long)t->info.cols, param->name);
        return (int)declare_fail(p, E_SHAPE, what);
    }
    t->info.tied = 1;
    p->l->param[i_param] = (size_t)i;
    p->l->transposed[i_param] = transposed;
    p->has_tied = true;
    return 1;
}

static status tensor_init_spec(const planner *p, const assay_param *param, init_spec *out)
{
    const bool is_bias = param->role == ASSAY_ROLE_BIAS;
    if (is_bias ? p->has_bias_init : (p->has_init && param->role != ASSAY_ROLE_GAIN)) {
        *out = is_bias ? p->bias_init : p->init;
        return OK;
    }
    const char *name = param->init ? param->init : "zeros";
    status st = init_named(name, &p->l->block->at, out, p->err);
    if (st == OK && out->kind == INIT_CONSTANT) {
        out->value = param->init_value;
    }
    return st;
}

static void tensor_describe(const planner *p, const assay_param *param, tensor *t)
{
    assay_tensor *info = &t->info;
    info->struct_size = sizeof *info;
    info->layer = p->l->name;
    info->index = p->m->n_tensors;
    info->shape = param->shape;
    info->size = assay_shape_size(&param->shape);
    info->rows = param->shape.n_dims > 1 ? param->shape.dim[0] : 1;
    info->cols = info->size / info->rows;
    info->role = param->role;
    info->fan_in = param->fan_in ? param->fan_in : info->rows;
    info->fan_out = param->fan_out ? param->fan_out : info->cols;
    info->blocks = param->blocks ? param->blocks : 1;
    t->init_blocks = info->blocks;
    t->layout = param->layout;
    t->trainable = p->trainable;
    t->lr_scale = p->lr_scale;
}

static bool param_is_sound(const assay_param *param)
{
    if (!param->name || !param->name[0] || param->shape.n_dims < 1 ||
        param->shape.n_dims > ASSAY_MAX_DIMS || param->role < ASSAY_ROLE_WEIGHT ||
        param->role > ASSAY_ROLE_EMBEDDING || param->layout > ASSAY_LAYOUT_TRANSPOSED) {
        return false;
    }
    size_t size = sizeof(float);
    for (uint64_t i = 0; i < param->shape.n_dims; i++) {
        if (param->shape.dim[i] == 0 || !size_product(size, param->shape.dim[i], &size)) {
            return false;
        }
    }
    const uint64_t cols = param->shape.dim[param->shape.n_dims - 1];
    return param->blocks == 0 || cols % param->blocks == 0;
}

static int64_t plan_param(assay_plan *plan, const assay_param *declared)
{
    planner *p = plan->host_data;
    model *m = p->m;
    layer *l = p->l;
    assay_param param;
    copy_known(&param, sizeof param, declared);
    if (!param_is_sound(&param)) {
        return declare_fail(p, E_PLUGIN,
            "a parameter's declaration makes no sense (name, role, layout, dimensions, blocks)");
    }
    if (l->n_params == LAYER_MAX_PARAMS) {
        return declare_fail(p, E_PLUGIN, "too many parameters (at most 32)");
    }
    const size_t i_param = l->n_params;
    const int tied = try_tie(p, &param, i_param);
    if (tied < 0) {
        return tied;
    }
    if (!tied) {
        void *tensors = m->tensors;
        if (grow(&m->memory, &tensors, m->n_tensors, &p->capacity_tensors, sizeof(tensor)) != OK) {
            return declare_fail(p, E_NOMEM, "out of memory for a parameter");
        }
        m->tensors = tensors;
        tensor *t = &m->tensors[m->n_tensors];
        memset(t, 0, sizeof *t);
        tensor_describe(p, &param, t);
        const char *export_name = param.export_name ? param.export_name : param.name;
        t->info.name = arena_printf(&m->memory, "%s.%s", l->name, param.name);
        t->export_name = arena_printf(&m->memory, "%s.%s", l->name, export_name);
        if (!t->info.name || !t->export_name) {
            return declare_fail(p, E_NOMEM, "out of memory for a parameter's name");
        }
        for (size_t i = 0; i < m->n_tensors; i++) {
            if (strcmp(m->tensors[i].info.name, t->info.name) == 0 ||
                strcmp(m->tensors[i].export_name, t->export_name) == 0) {
                return declare_fail(p, E_PLUGIN, "declares two parameters of one name");
            }
        }
        status st = tensor_init_spec(p, &param, &t->init);
        if (st != OK) {
            p->st = p->st == OK ? st : p->st;
            return ASSAY_E_INVALID;
        }
        l->param[i_param] = m->n_tensors++;
    }
    return (int64_t)l->n_params++;
}

static int64_t plan_buffer(assay_plan *plan, const assay_buffer *declared)
{
    planner *p = plan->host_data;
    model *m = p->m;
    assay_buffer b;
    copy_known(&b, sizeof b, declared);
    if (!b.name || !b.name[0] || b.size == 0 || p->l->n_buffers == LAYER_MAX_PARAMS) {
        return declare_fail(
            p, E_PLUGIN, "a buffer's declaration makes no sense (name, size, number)");
    }
    void *buffers = m->buffers;
    if (grow(&m->memory, &buffers, m->n_buffers, &p->capacity_buffers, sizeof(buffer)) != OK) {
        return declare_fail(p, E_NOMEM, "out of memory for a buffer");
    }
    m->buffers = buffers;
    buffer *out = &m->buffers[m->n_buffers];
    *out = (buffer){ .n = b.size, .init = b.init };
    out->name = arena_printf(&m->memory, "%s.%s", p->l->name, b.name);
    out->export_name =
        arena_printf(&m->memory, "%s.%s", p->l->name, b.export_name ? b.export_name : b.name);
    if (!out->name || !out->export_name) {
        return declare_fail(p, E_NOMEM, "out of memory for a buffer's name");
    }
    m->n_buffers++;
    return (int64_t)p->l->n_buffers++;
}

/* One more pair of sizes in a layer's list. */
static int64_t add_sizes(
    planner *p, size_t *n, uint64_t *first, uint64_t *second, uint64_t a, uint64_t b)
{
    if (*n == LAYER_MAX_PARAMS) {
        return declare_fail(
            p, E_PLUGIN, "declares too much memory of one kind (at most 32 pieces)");
    }
    first[*n] = a;
    if (second) {
        second[*n] = b;
    }
    return (int64_t)(*n)++;
}

static int64_t plan_saved(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    planner *p = plan->host_data;
    return add_sizes(p, &p->l->n_saved, p->l->saved_per_row, p->l->saved_fixed, per_row, fixed);
}

static int64_t plan_carry(assay_plan *plan, const char *name, uint64_t per_sample)
{
    planner *p = plan->host_data;
    layer *l = p->l;
    if (!name || !name[0] || l->n_carry == LAYER_MAX_PARAMS) {
        return declare_fail(p, E_PLUGIN, "a carried state's declaration makes no sense");
    }
    l->carry_name[l->n_carry] = arena_strdup(&p->m->memory, name);
    if (!l->carry_name[l->n_carry]) {
        return declare_fail(p, E_NOMEM, "out of memory for a carried state's name");
    }
    return add_sizes(p, &l->n_carry, l->carry, NULL, per_sample, 0);
}

static int64_t plan_prepared(assay_plan *plan, uint64_t bytes)
{
    planner *p = plan->host_data;
    layer *l = p->l;
    if (l->n_prepared == LAYER_MAX_PARAMS) {
        return declare_fail(p, E_PLUGIN, "declares too many prepared buffers (at most 32)");
    }
    l->prepared[l->n_prepared] = arena_alloc(&p->m->memory, bytes);
    if (!l->prepared[l->n_prepared]) {
        return declare_fail(p, E_NOMEM, "out of memory for a prepared buffer");
    }
    return (int64_t)l->n_prepared++;
}

static int64_t plan_scratch(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    planner *p = plan->host_data;
    return add_sizes(
        p, &p->l->n_scratch, p->l->scratch_per_row, p->l->scratch_fixed, per_row, fixed);
}

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
    const value *trainable = value_find(block, "trainable"),
                *lr_scale = value_find(block, "lr_scale");
    if (init) {
        TRY(init_from_value(p->c, init, &p->init, err));
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
    p->has_bias_init = bias_init != NULL;
done:
    return st;
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
    if (plan->time_out > ASSAY_TIME_ONE) {
        return layer_fail(m, l, E_PLUGIN, err, "its plan changes time in an unknown way");
    }
    if (p->tie && !p->has_tied) {
        return layer_fail(m, l, E_UNKNOWN, err,
            "`tie = \"%s\"`: no earlier layer of that name has a parameter that this one can share",
            p->tie_name);
    }
    if ((p->has_init || p->has_bias_init) && l->n_params == 0) {
        return layer_fail(m, l, E_CONFLICT, err, "`init` is set, but this layer has no parameters");
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
    plan.host_data = p;
    plan.in = l->in;
    plan.n_in = l->n_in;
    plan.in_stride = sizeof(assay_input);
    plan.max_time = m->options.max_time;
    plan.max_batch = m->options.max_batch;
    plan.param = plan_param;
    plan.buffer = plan_buffer;
    plan.saved = plan_saved;
    plan.carry = plan_carry;
    plan.prepared = plan_prepared;
    plan.scratch = plan_scratch;
    const int code = l->ops->plan(&l->instance->ctx, l->hyper, &plan);
    if (p->st != OK) {
        return p->st; /* a declaration was refused; its message stands */
    }
    TRY(instance_status(l->instance, code, "plan", err));
    TRY(check_planned(p, &plan, err));
    l->out = plan.out;
    l->out_one_step = l->one_step || plan.time_out == ASSAY_TIME_ONE;
    l->couples_samples = plan.couples_samples != 0;
    l->macs = plan.macs;
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
