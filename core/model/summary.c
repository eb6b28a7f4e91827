/* The model as a table for people and as JSON: layer, output shape, parameters, multiply-accumulates, memory. */
#include "base/json.h"
#include "model/replica.h"

#include <stdio.h>
#include <string.h>

static void shape_text(const layer *l, size_t max_time, char out[64])
{
    size_t n = 0;
    out[0] = '\0';
    if (max_time > 1 && !l->out_one_step) {
        n = (size_t)snprintf(out, 64, "time x ");
    }
    for (uint64_t i = 0; i < l->out.n_dims && n < 64; i++) {
        n += (size_t)snprintf(
            out + n, 64 - n, "%s%llu", i ? " x " : "", (unsigned long long)l->out.dim[i]);
    }
}

/* Parameters that this layer brought in: tied ones belong to the layer that declared them. */
static size_t own_params(const model *m, const layer *l, size_t *out_frozen)
{
    size_t n = 0;
    *out_frozen = 0;
    for (size_t i = 0; i < l->n_params; i++) {
        const tensor *t = &m->tensors[l->param[i]];
        if (strcmp(t->info.layer, l->name) == 0) {
            n += t->info.size;
            *out_frozen += t->trainable ? 0 : t->info.size;
        }
    }
    return n;
}

/* 12345 -> "12,345" */
static void grouped(char out[32], size_t n)
{
    char digits[24];
    const int len = snprintf(digits, sizeof digits, "%zu", n);
    int k = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[k++] = ',';
        }
        out[k++] = digits[i];
    }
    out[k] = '\0';
}

static int name_width(const model *m)
{
    size_t width = 5;
    for (size_t i = 0; i < m->n_layers; i++) {
        const size_t n = strlen(m->layers[i].name);
        width = n > width ? n : width;
    }
    return (int)(width > 40 ? 40 : width);
}

static int type_width(const model *m)
{
    size_t width = 4;
    for (size_t i = 0; i < m->n_layers; i++) {
        const size_t n = strlen(m->layers[i].type);
        width = n > width ? n : width;
    }
    return (int)(width > 24 ? 24 : width);
}

static int shape_width(const model *m)
{
    char shape[64];
    size_t width = 6;
    for (size_t i = 0; i < m->n_layers; i++) {
        shape_text(&m->layers[i], m->options.max_time, shape);
        const size_t n = strlen(shape);
        width = n > width ? n : width;
    }
    return (int)width;
}

/* What a row ends with: inputs that are not just the layer before, and what is special. */
static void add_remarks(const model *m, const layer *l, bool frozen, text *t)
{
    const int before = (int)(l - m->layers) - 1; /* FROM_INPUT for the first */
    for (size_t i = 0; i < l->n_in && (l->n_in > 1 || l->from[0] != before); i++) {
        text_printf(t, "%s%s", i ? ", " : "  from ",
            l->from[i] == FROM_INPUT ? "input" : m->layers[l->from[i]].name);
    }
    if (l->macs > 0 && l->one_step) {
        text_add(t, "  once a sequence");
    }
    if (l->looks_ahead) {
        text_add(t, "  looks ahead");
    }
    if (l->looks_back) {
        text_add(t, "  looks back");
    }
    if (frozen) {
        text_add(t, "  frozen");
    } else if (l->couples_samples) {
        text_add(t, "  couples samples: one replica");
    }
    text_add(t, "\n");
}

static void rule(text *t, int width)
{
    text_add(t, "  ");
    for (int i = 0; i < width; i++) {
        text_add(t, "\xe2\x94\x80");
    }
    text_add(t, "\n");
}

/* The last line; where there is time, the one before says what the column of multiply-accumulates counts. */
static void add_sizes(const model *m, size_t batch, text *t)
{
    const size_t time = m->options.max_time;
    char weights[32], step[32], macs[32];
    text_bytes(weights, (double)(m->n_flat * sizeof(float)));
    text_bytes(step, (double)replica_bytes(m, batch, time, true));
    if (time <= 1) {
        text_printf(t, "  weights %s, a step of %zu sample%s %s\n", weights, batch,
            batch == 1 ? "" : "s", step);
        return;
    }
    double all = 0;
    for (size_t i = 0; i < m->n_layers; i++) {
        all += m->layers[i].macs * (m->layers[i].one_step ? 1 : (double)time);
    }
    grouped(macs, (size_t)all);
    text_printf(t, "  MACs are of one time step; over %zu time steps %s\n", time, macs);
    text_printf(t, "  weights %s, a step of %zu x %zu time steps %s\n", weights, batch, time, step);
}

void model_summary(const model *m, size_t batch, text *t)
{
    const int names = name_width(m), types = type_width(m), shapes = shape_width(m);
    const int width = names + types + shapes + 32;
    double macs = 0;
    size_t frozen_total = 0;
    text_printf(t, "  %-*s  %-*s  %-*s  %12s  %12s\n", names, "layer", types, "type", shapes,
        "output", "parameters", "MACs");
    rule(t, width);
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        char shape[64], params[32], layer_macs[32];
        size_t frozen;
        const size_t n = own_params(m, l, &frozen);
        shape_text(l, m->options.max_time, shape);
        grouped(params, n);
        grouped(layer_macs, (size_t)l->macs);
        text_printf(t, "  %-*s  %-*s  %-*s  %12s  %12s", names, l->name, types, l->type, shapes,
            shape, n ? params : "-", l->macs > 0 ? layer_macs : "-");
        add_remarks(m, l, frozen > 0, t);
        macs += l->macs;
        frozen_total += frozen;
    }
    rule(t, width);
    char params[32], total_macs[32];
    grouped(params, m->n_params);
    grouped(total_macs, (size_t)macs);
    text_printf(t, "  %-*s  %-*s  %-*s  %12s  %12s\n", names, "total", types, "", shapes, "",
        params, total_macs);
    if (frozen_total) {
        grouped(params, m->n_params - frozen_total);
        text_printf(t, "  trainable: %s\n", params);
    }
    add_sizes(m, batch, t);
}

static void layer_json(const model *m, const layer *l, json *j)
{
    size_t frozen;
    json_begin_object(j);
    json_key_string(j, "name", l->name);
    json_key_string(j, "type", l->type);
    json_key(j, "from");
    json_begin_array(j);
    for (size_t i = 0; i < l->n_in; i++) {
        json_string(j, l->from[i] == FROM_INPUT ? "input" : m->layers[l->from[i]].name);
    }
    json_end_array(j);
    json_key(j, "output");
    json_begin_array(j);
    for (uint64_t i = 0; i < l->out.n_dims; i++) {
        json_int(j, (int64_t)l->out.dim[i]);
    }
    json_end_array(j);
    json_key_int(j, "parameters", (int64_t)own_params(m, l, &frozen));
    json_key_int(j, "frozen", (int64_t)frozen);
    json_key_real(j, "macs", l->macs);
    json_key_bool(j, "looks_ahead", l->looks_ahead);
    json_key_bool(j, "looks_back", l->looks_back);
    json_end_object(j);
}

void model_summary_json(const model *m, size_t batch, json *j)
{
    double macs = 0;
    json_begin_object(j);
    json_key(j, "layers");
    json_begin_array(j);
    for (size_t i = 0; i < m->n_layers; i++) {
        layer_json(m, &m->layers[i], j);
        macs += m->layers[i].macs;
    }
    json_end_array(j);
    json_key_int(j, "parameters", (int64_t)m->n_params);
    json_key_real(j, "macs", macs);
    json_key_int(j, "weight_bytes", (int64_t)(m->n_flat * sizeof(float)));
    json_key_int(j, "step_bytes", (int64_t)replica_bytes(m, batch, m->options.max_time, true));
    json_key_bool(j, "couples_samples", m->couples_samples);
    json_end_object(j);
}
