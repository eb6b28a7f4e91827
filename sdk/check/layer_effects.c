/* Whether everything that a layer has is of use: inputs, parameters, buffers, hyperparameters. */
#include "check/layer_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 4, BATCH = 4 };

static const layer_rig_options options = { .max_time = TIME, .max_batch = BATCH };

/* -- parameters -- */

/* A hash of what forward puts out. */
static uint64_t forward_hash(layer_pass *p, check_report *rep)
{
    uint64_t hash = 0;
    if (!layer_make_ready(p->rig, p->io.training, rep) || !layer_run_forward(p, rep)) return 0;
    hash = bits_hash(p->y.at, layer_pass_y_size(p), hash);
    for (size_t i = 0; i < p->rig->n_carry; i++) {
        hash = bits_hash(p->carry_out[i].at, layer_pass_carry_size(p, i), hash);
    }
    return hash;
}

/* Numbers are moved to factor * v + shift: a little first, then far, since steps and signs change at their edges alone. */
static const struct {
    float factor, shift;
} moves[] = { { 1.3F, 0.17F }, { -1, 0 }, { -3.7F, 1.9F }, { 0, 7.3F }, { 0, -7.3F } };

/* Whether what forward puts out changes when v[n] does. */
static bool has_effect(layer_pass *p, float *v, size_t n, const layer_buffers *b, check_report *rep)
{
    float *kept = malloc(n * sizeof *kept);
    bool has = false;
    layer_buffers_restore(b);
    const uint64_t before = forward_hash(p, rep);
    layer_buffers_restore(b);
    if (!kept) return true;
    memcpy(kept, v, n * sizeof *v);
    for (size_t k = 0; k < sizeof moves / sizeof moves[0] && !has; k++) {
        for (size_t i = 0; i < n; i++) {
            v[i] = moves[k].factor * kept[i] + moves[k].shift;
        }
        has = forward_hash(p, rep) != before;
        layer_buffers_restore(b);
        memcpy(v, kept, n * sizeof *v);
    }
    free(kept);
    return has;
}

static bool in_either_mode(
    layer_pass *p, float *v, size_t n, const layer_buffers *b, check_report *rep)
{
    p->io.training = 1;
    if (has_effect(p, v, n, b, rep)) return true;
    p->io.training = 0;
    const bool has = has_effect(p, v, n, b, rep);
    p->io.training = 1;
    return has;
}

/* Of a single number a layer that normalises gives a constant. */
static bool is_single(const layer_rig *r)
{
    return r->plan.n_in == 1 && r->in[0].dtype == ASSAY_F32 &&
        assay_shape_size(&r->in[0].shape) == 1;
}

static void effects_case(layer_rig *r, check_report *rep)
{
    if (is_single(r)) return;
    layer_pass *p = NULL;
    layer_buffers b = { 0 };
    char title[256];
    (void)layer_rig_title(r, title, sizeof title);
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_buffers_keep(&b, r);
    if (ok) layer_pass_carry(p, true);
    for (size_t i = 0; ok && i < r->n_params; i++) {
        if (in_either_mode(p, r->param[i].v, r->param[i].n, &b, rep)) continue;
        check_fail(rep,
            "parameter \"%s\" is never used: what forward puts out does not depend on it (%s)",
            r->param[i].name, title);
    }
    for (size_t i = 0; ok && i < r->n_buffers; i++) {
        layer_buffers none = { 0 };
        p->io.training = 0;
        if (has_effect(p, r->buffer[i].v, r->buffer[i].n, &none, rep)) continue;
        check_fail(rep,
            "buffer \"%s\" is never used: what forward puts out in evaluation does not depend on "
            "it (%s)",
            r->buffer[i].name, title);
    }
    for (size_t i = 0; ok && i < r->plan.n_in; i++) {
        if (r->in[i].dtype != ASSAY_F32) continue;
        if (in_either_mode(p, p->x[i].at, layer_pass_x_size(p, i), &b, rep)) continue;
        check_warn(rep, "what forward puts out does not depend on input %zu (%s)", i, title);
    }
    layer_buffers_release(&b);
    layer_pass_free(p);
}

void check_layer_effects(const subject *s, check_report *rep)
{
    const layer_cases c = { .all_settings = true, .options = options };
    layer_each(s, &c, effects_case, rep);
}

/* -- hyperparameters -- */

static uint64_t add_number(uint64_t hash, double v)
{
    float parts[2];
    memcpy(parts, &v, sizeof parts);
    return bits_hash(parts, 2, hash);
}

static uint64_t add_text(uint64_t hash, const char *t)
{
    for (; t && *t; t++) {
        hash = add_number(hash, (double)*t);
    }
    return hash;
}

static uint64_t plan_hash(const layer_rig *r)
{
    uint64_t hash = add_number(add_number(0, (double)r->plan.time_mode), r->plan.macs);
    for (uint64_t i = 0; i < r->plan.out.n_dims; i++) {
        hash = add_number(hash, (double)r->plan.out.dim[i]);
    }
    for (size_t i = 0; i < r->n_params; i++) {
        hash = add_text(add_number(hash, (double)r->param[i].n), r->param[i].name);
        hash = add_text(hash, r->param[i].param.init);
        hash = add_number(hash, r->param[i].param.init_value);
        hash = add_number(hash, r->shift_sum[i]);
    }
    for (size_t i = 0; i < r->n_buffers; i++) {
        hash = add_number(hash, r->buffer[i].param.init_value);
    }
    return hash;
}

/* Everything that shows of a setting: plan, outputs and gradients in training, buffers after it, outputs in evaluation. */
static uint64_t rig_hash(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL;
    uint64_t hash = plan_hash(r);
    if (layer_begin(r, TIME, BATCH, &p, rep)) {
        layer_pass_carry(p, true);
        hash += forward_hash(p, rep);
        if (layer_run_backward(p, rep)) {
            for (size_t i = 0; i < r->plan.n_in; i++) {
                hash = bits_hash(p->dx[i].at, p->dx_view[i] ? layer_pass_x_size(p, i) : 0, hash);
            }
            for (size_t i = 0; i < r->n_params; i++) {
                hash = bits_hash(p->dparam[i].at, r->param[i].n, hash);
            }
        }
        for (size_t i = 0; i < r->n_buffers; i++) {
            hash = bits_hash(r->buffer[i].v, r->buffer[i].n, hash);
        }
        p->io.training = 0;
        hash += 3 * forward_hash(p, rep);
    }
    layer_pass_free(p);
    return hash;
}

/* Over all inputs that the layer takes under a setting. */
static uint64_t setting_hash(const subject *s, const char *settings, check_report *rep)
{
    const layer_signature *g;
    uint64_t hash = 0;
    for (size_t i = 0; (g = layer_signature_get(i)); i++) {
        layer_rig *r = NULL;
        error err = { 0 };
        if (layer_rig_open(s, settings, g, &options, &r, &err) != OK) continue;
        hash = 31 * hash + rig_hash(r, rep) + i;
        layer_rig_free(r);
    }
    return hash;
}

/* Whether the text sets this hyperparameter and no other. */
static bool sets_only(const char *settings, const char *name)
{
    const size_t n = strlen(name);
    const char *end = strchr(settings, ';');
    return strncmp(settings, name, n) == 0 && settings[n] == ' ' && end && end[1] == '\0';
}

void check_layer_hypers(const subject *s, check_report *rep)
{
    const hyper_table *h = &s->component->hypers;
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0;
    arena memory = { 0 };
    error err = { 0 };
    if (h->n == 0) check_skip(rep, "the layer has no hyperparameters");
    if (h->n > 0 && layer_is_broken(s)) {
        layer_tell_broken(rep);
        return;
    }
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    const uint64_t plain = h->n ? setting_hash(s, "", rep) : 0;
    for (size_t i = 0; i < h->n; i++) {
        const char *name = hyper_row(h, i)->name;
        size_t n_tried = 0;
        bool shows = false;
        for (size_t k = 0; k < n && !shows; k++) {
            if (!sets_only(settings[k], name)) continue;
            n_tried++;
            shows = setting_hash(s, settings[k], rep) != plain;
        }
        if (n_tried == 0 || shows) continue;
        check_warn(rep,
            "hyperparameter \"%s\" shows nowhere: with each value tried, plan, outputs and "
            "gradients "
            "are as with its default",
            name);
    }
    arena_release(&memory);
}
