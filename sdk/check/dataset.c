/* What a dataset must hold to: views that lie in its memory and make sense, the same every time. */
#include "check/guard.h"
#include "check/subject.h"

#include "data/internal.h"

#include <assay/dataset.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 256 };

/* A dataset that is open. What it gets from host->alloc is watched. */
typedef struct scene {
    check_report *rep;
    const char *settings;
    specimen specimen;
    const assay_dataset *ops;
    const assay_host *real;
    assay_host host;
    guarded block[MOST_BLOCKS];
    size_t asked[MOST_BLOCKS]; /* bytes */
    size_t n_blocks, n_requests, fail_at;
    bool was_refused, is_open;
    assay_data data;
} scene;

static scene *scene_of(assay_ctx *ctx)
{
    const instance *i = (const instance *)(const void *)ctx;
    return i->hooks.self;
}

/* Zeroed and 64-byte aligned, as the host's is; the last of the 64 bytes are followed by the closed page. */
static void *watched_alloc(assay_ctx *ctx, uint64_t bytes)
{
    scene *c = scene_of(ctx);
    error err = { 0 };
    if (++c->n_requests == c->fail_at) {
        c->was_refused = true;
        return NULL;
    }
    if (c->n_blocks == MOST_BLOCKS || bytes > SIZE_MAX / 2) return c->real->alloc(ctx, bytes);
    guarded *g = &c->block[c->n_blocks];
    const size_t rounded = bytes ? (bytes + 63) / 64 * 64 : 64;
    if (guarded_new(rounded, GUARD_AFTER, g, &err) != OK) return NULL;
    c->asked[c->n_blocks++] = bytes;
    return g->at;
}

static void scene_close(scene *c)
{
    if (c->is_open && c->ops->close) c->ops->close(&c->specimen.instance->ctx);
    c->is_open = false;
    specimen_close(&c->specimen);
    for (size_t i = 0; i < c->n_blocks; i++) {
        guarded_free(&c->block[i]);
    }
    c->n_blocks = 0;
}

/* Opens; what the plugin says is in err. */
static status scene_open(
    const subject *s, const char *settings, size_t fail_at, scene *c, check_report *rep, error *err)
{
    *c = (scene){ .rep = rep, .settings = settings, .fail_at = fail_at };
    status st = specimen_open(s, settings, &c->specimen, err);
    if (st != OK) return st;
    instance *i = c->specimen.instance;
    c->ops = i->component->ops;
    c->real = i->ctx.host;
    c->host = *c->real;
    c->host.alloc = watched_alloc;
    i->ctx.host = &c->host;
    i->hooks.self = c;
    c->data = (assay_data){ .struct_size = sizeof c->data };
    const float_mode mode = float_mode_get();
    st = instance_status(i, c->ops->open(&i->ctx, i->hyper, &c->data), "open", err);
    const char *change = float_mode_change(&mode);
    float_mode_set(&mode);
    if (st == OK && change) {
        check_fail(rep, "open changes %s, which a callback leaves alone", change);
    }
    c->is_open = st == OK;
    return st;
}

static bool complain(const scene *c, const char *what)
{
    check_fail(c->rep, "%s (%s%s%s)", what, c->settings[0] ? "settings \"" : "default settings",
        c->settings, c->settings[0] ? "\"" : "");
    return false;
}

/* -- which can be opened -- */

static bool reads_files(const component *c)
{
    for (size_t i = 0; i < c->hypers.n; i++) {
        if (hyper_row(&c->hypers, i)->flags & ASSAY_PATH) return true;
    }
    return false;
}

/* The settings that are tried: of one that reads files the defaults alone, as only the user knows what belongs to its files. */
static void each_setting(const subject *s,
    void (*each)(const subject *s, const char *settings, check_report *rep), check_report *rep)
{
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 1;
    arena memory = { 0 };
    error err = { 0 };
    scene c;
    const status st = scene_open(s, "", 0, &c, rep, &err);
    scene_close(&c);
    if (st != OK && reads_files(s->component)) {
        check_skip(rep, "at its defaults it has no file to open: %s", err.text);
        return;
    }
    if (st != OK) {
        check_fail(rep, "%s", err.text);
        return;
    }
    if (!reads_files(s->component) && subject_settings(s, &memory, settings, &n, &err) != OK) {
        check_fail(rep, "%s", err.text);
    }
    for (size_t i = 0; i < n && rep->outcome != CHECK_FAILED; i++) {
        each(s, settings[i], rep);
    }
    arena_release(&memory);
}

/* -- views -- */

/* Whether bytes from `at` on lie in what was asked for, where they begin in such a block at all. */
static bool lies_inside(const scene *c, const void *at, size_t bytes, const char *name)
{
    char what[200];
    for (size_t i = 0; at && i < c->n_blocks; i++) {
        const char *begin = c->block[i].at, *first = at;
        if (first < begin || first >= begin + c->block[i].bytes) continue;
        const size_t left = c->asked[i] - (size_t)(first - begin);
        if (bytes <= left) return true;
        snprintf(what, sizeof what,
            "open: %s is said to have %zu bytes, but only %zu follow in what host->alloc gave",
            name, bytes, left);
        return complain(c, what);
    }
    return true;
}

static size_t x_bytes(const assay_data *d)
{
    const size_t each = d->x_dtype == ASSAY_U8 ? 1 : 4, n = data_n_steps(d);
    return n ? (n - 1) * d->x_stride + assay_shape_size(&d->x_shape) * each : 0;
}

static bool views_lie_inside(const scene *c)
{
    const assay_data *d = &c->data;
    const size_t n = d->n_samples, rows = data_n_target_rows(d);
    return lies_inside(c, d->first_step, n * sizeof(uint64_t), "first_step") &&
        lies_inside(c, d->n_steps, n * sizeof(uint64_t), "n_steps") &&
        lies_inside(c, d->x, x_bytes(d), "x") &&
        lies_inside(c, d->label, rows * sizeof(int32_t), "label") &&
        lies_inside(c, d->targets, rows * d->n_targets * sizeof(float), "targets") &&
        lies_inside(c, d->targets_u8, rows * d->n_targets, "targets_u8") &&
        lies_inside(c, d->weight, n * sizeof(float), "weight") &&
        lies_inside(c, d->part, n * sizeof(uint32_t), "part") &&
        lies_inside(c, d->group, n * sizeof(uint32_t), "group");
}

static bool has_texts(const char *const *names, uint64_t n)
{
    for (uint64_t i = 0; names && i < n; i++) {
        if (!names[i]) return false;
    }
    return true;
}

static bool names_are_there(const scene *c)
{
    const assay_data *d = &c->data;
    return (has_texts(d->feature_names, assay_shape_size(&d->x_shape)) &&
               has_texts(d->class_names, d->n_classes) &&
               has_texts(d->target_names, d->n_targets) &&
               has_texts(d->token_names, d->vocabulary) && has_texts(d->files, d->n_files)) ||
        complain(c, "open: a name is NULL in one of the lists of names or files");
}

static bool rest_is_sound(const scene *c)
{
    const assay_data *d = &c->data;
    char what[120];
    for (uint64_t i = 0; d->part && i < d->n_samples; i++) {
        if (d->part[i] > ASSAY_PART_TEST) return complain(c, "open: part[] holds an unknown part");
    }
    if (!(d->x_scale >= 0) || !isfinite(d->x_scale))
        return complain(c, "open: x_scale makes no sense");
    for (size_t i = 0; i < c->n_blocks; i++) {
        if (!guarded_is_intact(&c->block[i])) return complain(c, "open writes before its memory");
    }
    if (d->target == ASSAY_TARGET_CLASS && d->n_targets != 1) {
        snprintf(what, sizeof what,
            "open: n_targets is %llu, expected 1: a class is one target, however many classes",
            (unsigned long long)d->n_targets);
        return complain(c, what);
    }
    return d->struct_size == sizeof *d || complain(c, "open changes struct_size");
}

static void views_setting(const subject *s, const char *settings, check_report *rep)
{
    scene c;
    error err = { 0 };
    if (scene_open(s, settings, 0, &c, rep, &err) != OK) {
        check_fail(rep, "%s", err.text);
    } else if (views_lie_inside(&c)) {
        if (view_check(&c.data, &err) != OK) {
            (void)complain(&c, err.text);
        } else {
            (void)(names_are_there(&c) && rest_is_sound(&c));
        }
    }
    scene_close(&c);
}

static void check_views(const subject *s, check_report *rep)
{
    each_setting(s, views_setting, rep);
}

/* -- the same every time -- */

static uint64_t add_bytes(uint64_t hash, const void *at, size_t bytes)
{
    const unsigned char *p = at;
    float last = 0;
    if (!at) return hash;
    hash = bits_hash(at, bytes / sizeof(float), hash + 1);
    memcpy(&last, p + bytes / 4 * 4, bytes % 4);
    return bits_hash(&last, 1, hash);
}

static uint64_t data_hash(const assay_data *d)
{
    const size_t n = d->n_samples, rows = data_n_target_rows(d);
    const size_t features = assay_shape_size(&d->x_shape) * (d->x_dtype == ASSAY_U8 ? 1 : 4);
    uint64_t hash = add_bytes(n, d->x_shape.dim, sizeof d->x_shape.dim);
    const bool is_dense = d->x_stride == features;
    for (size_t i = 0; i < data_n_steps(d) && !is_dense; i++) {
        hash = add_bytes(hash, (const char *)d->x + i * d->x_stride, features);
    }
    if (is_dense) hash = add_bytes(hash, d->x, x_bytes(d));
    hash = add_bytes(hash, d->label, rows * sizeof(int32_t));
    hash = add_bytes(hash, d->targets, rows * d->n_targets * sizeof(float));
    hash = add_bytes(hash, d->targets_u8, rows * d->n_targets);
    hash = add_bytes(hash, d->first_step, n * sizeof(uint64_t));
    hash = add_bytes(hash, d->n_steps, n * sizeof(uint64_t));
    hash = add_bytes(hash, d->weight, n * sizeof(float));
    hash = add_bytes(hash, d->part, n * sizeof(uint32_t));
    return add_bytes(hash, d->group, n * sizeof(uint32_t));
}

/* Two that are open at once, and a third after that is closed. */
static void same_setting(const subject *s, const char *settings, check_report *rep)
{
    scene c[3];
    error err = { 0 };
    uint64_t hash[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        if (scene_open(s, settings, 0, &c[i], rep, &err) == OK) {
            hash[i] = data_hash(&c[i].data);
        } else {
            check_fail(rep, "%s", err.text);
        }
        if (i == 1 && data_hash(&c[0].data) != hash[0]) {
            (void)complain(&c[0], "open of a second instance changes the first one's data");
        }
        if (i > 0) scene_close(&c[i]);
    }
    if (rep->outcome != CHECK_FAILED && data_hash(&c[0].data) != hash[0]) {
        (void)complain(&c[0], "close of one instance changes another one's data");
    }
    if (rep->outcome != CHECK_FAILED && (hash[1] != hash[0] || hash[2] != hash[0])) {
        (void)complain(&c[0], "opened twice it gives different data");
    }
    scene_close(&c[0]);
}

static void check_same(const subject *s, check_report *rep)
{
    each_setting(s, same_setting, rep);
}

/* -- failures -- */

enum { MOST_REQUESTS = 40 };

static void memory_setting(const subject *s, const char *settings, check_report *rep)
{
    bool struck = true;
    for (size_t k = 1; k < MOST_REQUESTS && struck && rep->outcome != CHECK_FAILED; k++) {
        scene c;
        error err = { 0 };
        const status st = scene_open(s, settings, k, &c, rep, &err);
        struck = c.was_refused;
        if (st == OK && struck) {
            (void)complain(&c, "host->alloc gave NULL, and open returns ASSAY_OK all the same");
        }
        scene_close(&c);
    }
}

static void check_memory(const subject *s, check_report *rep)
{
    each_setting(s, memory_setting, rep);
}

/* A file that is not there, a folder, an empty file: each an error with a reason. */
static void try_path(const subject *s, const char *name, const char *path, check_report *rep)
{
    char settings[300];
    scene c;
    error err = { 0 };
    snprintf(settings, sizeof settings, "%s = \"%s\";", name, path);
    const status st = scene_open(s, settings, 0, &c, rep, &err);
    const bool is_missing = strcmp(path, "/nonexistent/assay-check") == 0;
    if (st == OK && is_missing) {
        (void)complain(&c, "open succeeds although the file is not there");
    } else if (st != OK && strstr(err.text, "(it gave no reason)")) {
        (void)complain(&c, "open fails without a reason: say by host->fail which file and why");
    } else if (st != OK && is_missing && st != E_IO && st != E_RANGE && st != E_CONFLICT) {
        check_warn(
            rep, "of a file that is not there it says \"%s\", which is no ASSAY_E_IO", err.text);
    }
    scene_close(&c);
}

static void check_files(const subject *s, check_report *rep)
{
    static const char *const paths[] = { "/nonexistent/assay-check", "/", "/dev/null" };
    const hyper_table *h = &s->component->hypers;
    if (!reads_files(s->component)) {
        check_skip(rep, "it reads no files");
        return;
    }
    for (size_t i = 0; i < h->n; i++) {
        const assay_hyper *row = hyper_row(h, i);
        if (!(row->flags & ASSAY_PATH) || row->type != ASSAY_TYPE_STRING) continue;
        for (size_t k = 0; k < 3 && rep->outcome != CHECK_FAILED; k++) {
            try_path(s, row->name, paths[k], rep);
        }
    }
}

const check_test check_tests_dataset[] = {
    { "dataset_views", "dataset", "what open hands out lies in its memory and makes sense",
        check_views },
    { "dataset_same", "dataset", "the same data every time", check_same },
    { "dataset_out_of_memory", "dataset", "memory that the host refuses is an error",
        check_memory },
    { "dataset_files", "dataset", "files that cannot be read are errors with a reason",
        check_files },
    { .name = NULL },
};
