/* What a checkpoint must agree with: a hash for each part of a run that its state depends on, "key=hash key=hash ...".
 *
 * Of `train` only that counts which state was made by: a run may be given more epochs. Of the data it is not where files lie
 * that counts, but which rows were drawn, their shape, what is in them, and what is done to them: a folder of data may be
 * moved. */
#include "train/internal.h"

#include <stdio.h>
#include <string.h>

static status add_hash(text *all, const char *key, const text *of, error *err)
{
    char hash[33];
    status st = text_check(of, err);
    if (st == OK) {
        hash_hex(hash, of->s ? of->s : "", of->n);
        text_printf(all, "%s=%s ", key, hash);
        st = text_check(all, err);
    }
    return st;
}

static status add_block(text *all, const char *key, const value *v, error *err)
{
    text one = { 0 };
    if (v) {
        value_to_text(v, &one);
    }
    const status st = add_hash(all, key, &one, err);
    text_release(&one);
    return st;
}

/* The data block without the keys that are paths. */
static status add_data(const trainer *t, text *all, error *err)
{
    const value *block = value_find(config_root(t->config), "data");
    const value *type = value_find(block, "type");
    const component *source = NULL;
    text one = { 0 };
    status st = OK;
    TRY(registry_find(t->registry, "dataset", type->as.string, &type->at, &source, err));
    for (size_t i = 0; i < block->n; i++) {
        const value *v = block->item[i];
        const assay_hyper *row = hyper_find(&source->hypers, v->name);
        if (!row || !(row->flags & ASSAY_PATH)) {
            text_printf(&one, "%s = ", v->name);
            value_to_text(v, &one);
        }
    }
    TRY(add_hash(all, "data", &one, err));
done:
    text_release(&one);
    return st;
}

/* Which rows each part has, and what a row is. */
static status add_rows(const trainer *t, text *all, error *err)
{
    const assay_data *view = dataset_view(t->data);
    text one = { 0 };
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        text_printf(&one, "%zu %s ", dataset_size(t->data, p), dataset_split_hash(t->data, p));
    }
    status st = add_hash(all, "data.split", &one, err);
    text_clear(&one);
    for (uint64_t i = 0; i < view->x_shape.n_dims; i++) {
        text_printf(&one, "%llu ", (unsigned long long)view->x_shape.dim[i]);
    }
    text_printf(&one, "of %u, %llu words; %llu classes, %llu targets of %llu", view->x_dtype,
        (unsigned long long)view->vocabulary, (unsigned long long)view->n_classes,
        (unsigned long long)view->n_targets, (unsigned long long)view->target);
    if (st == OK) {
        st = add_hash(all, "data.shape", &one, err);
    }
    text_release(&one);
    return st;
}

/* Of a table that is larger than this many blocks only so many are looked at, evenly spaced: data may be mapped and never read
 * whole. */
enum { CONTENT_BLOCK = 1 << 20, MOST_BLOCKS = 64 };

static void add_content(text *t, const void *at, size_t bytes)
{
    const size_t n = bytes / CONTENT_BLOCK + (bytes % CONTENT_BLOCK != 0);
    const size_t looked_at = n < MOST_BLOCKS ? n : MOST_BLOCKS;
    for (size_t i = 0; at && i < looked_at; i++) {
        char hash[33];
        const size_t begin = n * i / looked_at * CONTENT_BLOCK, left = bytes - begin;
        hash_hex(hash, (const char *)at + begin, left < CONTENT_BLOCK ? left : CONTENT_BLOCK);
        text_add(t, hash);
    }
}

/* What the rows hold, as far as they lie side by side; and their targets. */
static status add_contents(const trainer *t, text *all, error *err)
{
    const assay_data *v = dataset_view(t->data);
    const size_t each = v->x_dtype == ASSAY_U8 ? 1 : 4;
    const size_t row = assay_shape_size(&v->x_shape) * each;
    uint64_t n_steps = v->n_samples;
    text one = { 0 };
    for (uint64_t i = 0; v->first_step && i < v->n_samples; i++) {
        const uint64_t end = v->first_step[i] + v->n_steps[i];
        n_steps = i == 0 || end > n_steps ? end : n_steps;
    }
    const size_t n_targets = v->target_per_step && v->first_step ? n_steps : v->n_samples;
    add_content(&one, v->x_stride == row ? v->x : NULL, n_steps * row);
    add_content(&one, v->label, n_targets * sizeof *v->label);
    add_content(&one, v->targets, n_targets * v->n_targets * sizeof *v->targets);
    add_content(&one, v->targets_u8, n_targets * v->n_targets);
    const status st = add_hash(all, "data.content", &one, err);
    text_release(&one);
    return st;
}

status fingerprint_make(trainer *t, error *err)
{
    static const char *const blocks[] = { "model", "loss", "optimizer", "schedule", "seed" };
    const value *root = config_root(t->config);
    text all = { 0 };
    status st = OK;
    TRY(add_data(t, &all, err));
    TRY(add_rows(t, &all, err));
    TRY(add_contents(t, &all, err));
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        TRY(add_block(&all, blocks[i], value_find(root, blocks[i]), err));
    }
    TRY(add_block(&all, "train.early_stopping",
        value_find(value_find(root, "train"), "early_stopping"), err));
    text_printf(&all, "train.accumulate=%lld; train.replicas=%zu;",
        (long long)t->settings.train.accumulate, t->n_replicas);
    TRY(text_check(&all, err));
    t->fingerprint = all.s;
    all = (text){ 0 };
done:
    text_release(&all);
    return st;
}

/* Whether "key=hash" is one of the items of a fingerprint. */
static bool has_item(const char *fingerprint, const char *item, size_t n)
{
    for (const char *at = fingerprint; *at;) {
        const size_t length = strcspn(at, " ");
        if (length == n && memcmp(at, item, n) == 0) {
            return true;
        }
        at += length + (at[length] == ' ');
    }
    return false;
}

status fingerprint_check(const char *ours, const char *theirs, error *err)
{
    text differ = { 0 };
    if (!theirs) {
        return fail(err, E_CONFLICT,
            "it is no checkpoint of a run; weights alone are read by train.init_from");
    }
    for (const char *at = ours; *at;) {
        const size_t n = strcspn(at, " ");
        if (!has_item(theirs, at, n)) {
            text_printf(&differ, "%s%.*s", differ.n ? ", " : "", (int)strcspn(at, "="), at);
        }
        at += n + (at[n] == ' ');
    }
    status st = text_check(&differ, err);
    if (st == OK && differ.n) {
        st = fail(err, E_CONFLICT,
            "it belongs to another run: not as they were: %s; leave them so, or start a new run",
            differ.s);
    }
    text_release(&differ);
    return st;
}
