/* What a layer's plan may call: declarations of parameters, buffers and memory.
 *
 * Each declaration is copied (a plugin's struct may be smaller or larger than ours) and checked; `tie` makes a parameter refer to an
 * earlier layer's tensor instead of making a new one. The first refusal is kept in the planner and ends the plan. */
#include "model/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
    /* An embedding's rows are what a dense layer's columns are, square or not. */
    const bool turns =
        (t->info.role == ASSAY_ROLE_EMBEDDING) != (param->role == ASSAY_ROLE_EMBEDDING);
    const bool equal = assay_shape_equal(&t->info.shape, &param->shape);
    const bool transposed = (turns || !equal) && (param->flags & ASSAY_PARAM_TIE_TRANSPOSED) &&
        is_transposed_shape(&t->info.shape, &param->shape);
    if (!transposed && (turns || !equal)) {
        char what[256];
        snprintf(what, sizeof what,
            "`tie`: %s has %llu x %llu numbers and cannot stand for this layer's %s", t->info.name,
            (unsigned long long)t->info.rows, (unsigned long long)t->info.cols, param->name);
        return (int)declare_fail(p, E_SHAPE, what);
    }
    for (size_t k = 0; k < i_param; k++) {
        if (p->l->param[k] == (size_t)i) {
            char what[256];
            snprintf(what, sizeof what, "`tie`: %s would stand for two of this layer's parameters",
                t->info.name);
            return (int)declare_fail(p, E_CONFLICT, what);
        }
    }
    t->info.tied = 1;
    p->l->param[i_param] = (size_t)i;
    p->l->transposed[i_param] = transposed;
    p->has_tied = true;
    return 1;
}

/* What the layer's block says of first values for a role, or NULL. */
static const init_spec *block_init(const planner *p, uint32_t role)
{
    switch (role) {
    case ASSAY_ROLE_RECURRENT: return p->has_recurrent_init ? &p->recurrent_init : NULL;
    case ASSAY_ROLE_BIAS: return p->has_bias_init ? &p->bias_init : NULL;
    case ASSAY_ROLE_GAIN: return NULL;
    default: return p->has_init ? &p->init : NULL;
    }
}

static status tensor_init_spec(planner *p, const assay_param *param, init_spec *out)
{
    const init_spec *spec = block_init(p, param->role);
    if (spec) {
        *out = *spec;
        return OK;
    }
    const char *name = param->init ? param->init : "zeros";
    if (init_named(name, NULL, out, NULL) != OK) {
        char what[256];
        snprintf(what, sizeof what,
            "its parameter \"%s\" wants the initialiser \"%s\", which there is not", param->name,
            name);
        (void)declare_fail(p, E_PLUGIN, what);
        return E_PLUGIN;
    }
    if (out->kind == INIT_CONSTANT) {
        out->value = param->init_value;
    }
    return OK;
}

/* Copies what is added to each block's first values, so that the layer need not keep it. */
static status tensor_init_shift(planner *p, const assay_param *param, tensor *t)
{
    if (!param->init_shift) {
        return OK;
    }
    double *shift = arena_alloc_array(&p->m->memory, t->init_blocks, sizeof *shift);
    if (!shift) {
        (void)declare_fail(p, E_NOMEM, "out of memory for a parameter");
        return E_NOMEM;
    }
    for (size_t i = 0; i < t->init_blocks; i++) {
        shift[i] = param->init_shift[i];
        if (!(fabs(shift[i]) <= INIT_LARGEST)) {
            char what[256];
            snprintf(what, sizeof what,
                "its parameter \"%s\" shifts the first values of block %zu by %g, expected at most "
                "1e30 either way",
                param->name, i, shift[i]);
            (void)declare_fail(p, E_PLUGIN, what);
            return E_PLUGIN;
        }
    }
    t->init_shift = shift;
    return OK;
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

/* Whether a tensor or buffer has one of these names: in a weight file they share one table. */
static bool is_taken(const model *m, const char *name, const char *export_name)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].info.name, name) == 0 ||
            strcmp(m->tensors[i].export_name, export_name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        if (strcmp(m->buffers[i].name, name) == 0 ||
            strcmp(m->buffers[i].export_name, export_name) == 0) {
            return true;
        }
    }
    return false;
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
        if (is_taken(m, t->info.name, t->export_name)) {
            return declare_fail(p, E_PLUGIN, "declares two parameters of one name");
        }
        if (tensor_init_spec(p, &param, &t->init) != OK || tensor_init_shift(p, &param, t) != OK) {
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
    if (is_taken(m, out->name, out->export_name)) {
        return declare_fail(
            p, E_PLUGIN, "declares two buffers, or a buffer and a parameter, of one name");
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

void planner_offer(planner *p, assay_plan *plan)
{
    plan->host_data = p;
    plan->param = plan_param;
    plan->buffer = plan_buffer;
    plan->saved = plan_saved;
    plan->carry = plan_carry;
    plan->prepared = plan_prepared;
    plan->scratch = plan_scratch;
}
