/* The config's `model` list as a graph of layers.
 *
 * A layer's block names its component by `type`; the keys below are the host's, the rest are the component's
 * hyperparameters. Inputs may only come from layers that stand earlier in the list, so list order is execution order and
 * there are no cycles to look for. */
#include "model/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAME_BYTES = 200 };

static const assay_hyper layer_rows[] = {
    { .name = "name",
        .type = ASSAY_TYPE_STRING,
        .doc = "what from, match and weight files call it; type and number (dense1) where there is "
               "none" },
    { .name = "from",
        .type = ASSAY_TYPE_STRING,
        .doc =
            "the layer that it reads, \"input\" or a list; the layer before where there is none" },
    { .name = "init",
        .type = ASSAY_TYPE_STRING,
        .doc = "first values of its weights: an initialiser's name, or a group with its type" },
    { .name = "recurrent_init",
        .type = ASSAY_TYPE_STRING,
        .doc = "the same of its recurrent weights, which init leaves alone" },
    { .name = "bias_init", .type = ASSAY_TYPE_STRING, .doc = "the same of its biases" },
    { .name = "trainable",
        .type = ASSAY_TYPE_BOOL,
        .def = 1,
        .doc = "false: the weights stay as they are" },
    { .name = "lr_scale",
        .type = ASSAY_TYPE_REAL,
        .def = 1,
        .max = 1e30,
        .flags = ASSAY_OPEN_MAX,
        .doc = "a factor on the learning rate" },
    { .name = "tie",
        .type = ASSAY_TYPE_STRING,
        .doc = "an earlier layer whose weights this one shares" },
};

const hyper_table layer_table = HYPER_DOCS(layer_rows);

const char *const layer_keys[] = { "name", "from", "init", "recurrent_init", "bias_init",
    "trainable", "lr_scale", "tie", NULL };

status layer_fail(const model *m, const layer *l, status code, error *err, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail_at(err, code, &l->block->at, "model[%td]: layer \"%s\" (%s): %s", l - m->layers,
        l->name, l->type, what);
}

static const char *block_type(const value *block)
{
    if (block->kind == VALUE_STRING) {
        return block->as.string;
    }
    const value *type = value_find(block, "type");
    return type && type->kind == VALUE_STRING ? type->as.string : NULL;
}

/* <type><k>, the k-th layer of its type: "dense1", "dense2". */
static const char *automatic_name(model *m, const char *type, size_t i_layer)
{
    size_t k = 1;
    for (size_t i = 0; i < i_layer; i++) {
        k += strcmp(m->layers[i].type, type) == 0;
    }
    return arena_printf(&m->memory, "%s%zu", type, k);
}

static status check_name(const model *m, const layer *l, error *err)
{
    if (l->name[0] == '\0' || strpbrk(l->name, "./ *?\"\t\n\r\f")) {
        return layer_fail(m, l, E_RANGE, err,
            "a layer's name must not be empty or hold '.', '/', '*', '?', quotes or spaces");
    }
    if (strlen(l->name) > MAX_NAME_BYTES) {
        return layer_fail(
            m, l, E_RANGE, err, "a layer's name has at most %d bytes", MAX_NAME_BYTES);
    }
    if (strcmp(l->name, "input") == 0) {
        return layer_fail(m, l, E_CONFLICT, err,
            "\"input\" is the name of the model's own input; choose another");
    }
    for (const layer *other = m->layers; other < l; other++) {
        if (strcmp(other->name, l->name) == 0) {
            return layer_fail(m, l, E_CONFLICT, err,
                "the name is taken by model[%td] (line %d); give one of them another `name`",
                other - m->layers, other->block->at.line);
        }
    }
    return OK;
}

static status layer_open(model *m, config *c, value *block, size_t i, error *err)
{
    layer *l = &m->layers[i];
    l->block = block;
    const char *type = block_type(block);
    if (!type) {
        return fail_at(err, E_MISSING, &block->at,
            "model[%zu]: expected a name or a group with `type`, for example { type = \"dense\"; "
            "units = 10; }",
            i);
    }
    l->type = type;
    const value *name = value_find(block->kind == VALUE_GROUP ? block : NULL, "name");
    l->name = automatic_name(m, type, i);
    if (!l->name) {
        return fail_nomem(err, "a layer's name");
    }
    if (name) {
        status st = value_to_string(name, &l->name, err);
        if (st != OK) {
            return st;
        }
    }
    status st = check_name(m, l, err);
    if (st != OK) {
        return st;
    }
    char purpose[256], title[512];
    snprintf(purpose, sizeof purpose, "layer/%s", l->name);
    snprintf(title, sizeof title, "model[%zu]: layer \"%s\" (%s)", i, l->name, l->type);
    st = instance_new_titled(
        m->registry, c, "layer", block, layer_keys, m->seed, purpose, title, &l->instance, err);
    if (st != OK) {
        return st;
    }
    const size_t bytes = l->instance->component->hypers.bytes;
    l->ops = l->instance->component->ops;
    l->hyper = arena_alloc(&m->memory, bytes ? bytes : 8);
    if (!l->hyper) {
        return fail_nomem(err, "a layer's hyperparameters");
    }
    if (bytes) {
        memcpy(l->hyper, l->instance->hyper, bytes);
    }
    return OK;
}

static status find_source(const model *m, const layer *l, const value *v, int *out, error *err)
{
    const char *name;
    status st = value_to_string(v, &name, err);
    if (st != OK) {
        return st;
    }
    if (strcmp(name, "input") == 0) {
        *out = FROM_INPUT;
        return OK;
    }
    for (const layer *other = m->layers; other < m->layers + m->n_layers; other++) {
        if (strcmp(other->name, name) != 0) {
            continue;
        }
        if (other >= l) {
            return layer_fail(m, l, E_CONFLICT, err,
                "`from` names \"%s\", which does not stand before it in the list", name);
        }
        *out = (int)(other - m->layers);
        return OK;
    }
    const char *names[256];
    size_t n = 0;
    for (const layer *other = m->layers; other < l && n < 255; other++) {
        names[n++] = other->name;
    }
    names[n++] = "input";
    const char *near = text_nearest(name, names, n);
    return layer_fail(m, l, E_UNKNOWN, err, "`from` names \"%s\", but no layer is called so%s%s%s",
        name, near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static status layer_link(model *m, layer *l, error *err)
{
    const value *from = value_find(l->block, "from");
    l->n_in = from ? value_n_items(from) : 1;
    if (l->n_in == 0) {
        return layer_fail(m, l, E_RANGE, err, "`from` is an empty list; name at least one layer");
    }
    l->from = arena_alloc_array(&m->memory, l->n_in, sizeof *l->from);
    l->in = arena_alloc_array(&m->memory, l->n_in, sizeof *l->in);
    if (!l->from || !l->in) {
        return fail_nomem(err, "a layer's inputs");
    }
    if (!from) {
        l->from[0] = (int)(l - m->layers) - 1; /* the one before; -1 is the model's input */
        return OK;
    }
    for (size_t i = 0; i < l->n_in; i++) {
        status st = find_source(m, l, value_item(from, i), &l->from[i], err);
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

/* Every layer but the last must feed another. */
static status check_all_used(const model *m, error *err)
{
    for (size_t i = 0; i + 1 < m->n_layers; i++) {
        bool used = false;
        for (size_t j = i + 1; j < m->n_layers && !used; j++) {
            for (size_t k = 0; k < m->layers[j].n_in; k++) {
                used |= m->layers[j].from[k] == (int)i;
            }
        }
        if (!used) {
            return layer_fail(m, &m->layers[i], E_CONFLICT, err,
                "nothing uses its output; name it in another layer's `from` or remove it");
        }
    }
    return OK;
}

status graph_build(model *m, config *c, value *list, error *err)
{
    if (list->kind != VALUE_LIST || list->n == 0) {
        return fail_at(err, E_TYPE, &list->at,
            "model: expected a list of layers, for example ( { type = \"dense\"; units = 10; } )");
    }
    m->layers = arena_alloc_array(&m->memory, list->n, sizeof *m->layers);
    if (!m->layers) {
        return fail_nomem(err, "the layers");
    }
    for (size_t i = 0; i < list->n; i++) {
        m->n_layers = i + 1; /* so that a half-built model is freed whole */
        status st = layer_open(m, c, list->item[i], i, err);
        if (st != OK) {
            return st;
        }
    }
    for (size_t i = 0; i < m->n_layers; i++) {
        status st = layer_link(m, &m->layers[i], err);
        if (st != OK) {
            return st;
        }
    }
    return check_all_used(m, err);
}
