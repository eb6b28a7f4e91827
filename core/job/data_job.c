/* Packs of a config's data. The dataset's plugin runs here and in no trainer that is handed a pack. */
#include "job/data_job.h"

#include "base/arena.h"
#include "config/config.h"
#include "search/worker_plugins.h"
#include "job/job.h"
#include "job/layout.h"

#include <stdio.h>
#include <string.h>

typedef struct load_job {
    job job;
    text key;
    dataset *data;
} load_job;

static status open_data(load_job *l, error *err)
{
    status st = OK;
    config *c = l->job.config;
    value *root = config_root(c), *block = value_find(root, "data");
    TRY(registry_add_config(l->job.registry, c, err));
    if (!block) TRY(fail_at(err, E_MISSING, &root->at, "the config has no `data` block"));
    TRY(dataset_pack_key(c, block, &l->key, err));
    worker_at(l->job.io, PHASE_PLAN, 0);
    TRY(dataset_open(l->job.registry, c, block, &l->data, err));
    TRY(worker_plugins_loaded(l->job.io, err));
done:
    return st;
}

/* Places of the packs, one behind the other. A dataset that cannot be packed is no error: the head says so. */
static status lay_out(const load_job *l, load_head *h, error *err)
{
    error why;
    size_t end = layout_up(sizeof *h);
    for (int u = 0; u < N_PACKS; u++) {
        size_t bytes = 0;
        const status st = dataset_pack_size(l->data, (pack_use)u, l->key.s, &bytes, &why);
        if (st != OK && st != E_UNSUPPORTED) {
            if (err) *err = why;
            return st;
        }
        h->can_be_packed = st == OK && size_sum(end, bytes, &h->total);
        if (!h->can_be_packed) {
            snprintf(
                h->why, sizeof h->why, "%.150s", st != OK ? why.text : "the data are too large");
            return OK;
        }
        h->at[u] = end;
        h->bytes[u] = bytes;
        end = layout_up((size_t)h->total);
    }
    return OK;
}

static status fill_head(const load_job *l, load_head *h, error *err)
{
    memset(h, 0, sizeof *h);
    for (int p = 0; p < N_PARTS; p++) {
        h->n_rows[p] = dataset_size(l->data, (part)p);
        h->n_output_rows[p] = dataset_output_rows(l->data, (part)p);
        snprintf(
            h->split_hash[p], sizeof h->split_hash[p], "%s", dataset_split_hash(l->data, (part)p));
    }
    return lay_out(l, h, err);
}

static status load_all(load_job *l, error *err)
{
    status st = OK;
    size_t room = 0;
    unsigned char *out = NULL;
    load_head h;
    TRY(open_data(l, err));
    TRY(job_result_room(&l->job, "load", sizeof h, &out, err));
    TRY(fill_head(l, &h, err));
    worker_result(l->job.io, &room);
    if (h.can_be_packed && room > sizeof h && room != h.total) {
        TRY(fail(err, E_CONFLICT,
            "the data have changed while they were loaded: %zu bytes were asked for, %llu are "
            "needed",
            room, (unsigned long long)h.total));
    }
    if (h.can_be_packed && room == h.total) {
        for (int u = 0; u < N_PACKS; u++) {
            TRY(dataset_pack(
                l->data, (pack_use)u, l->key.s, out + h.at[u], (size_t)h.bytes[u], err));
        }
        h.is_filled = 1;
    }
    memcpy(out, &h, sizeof h);
done:
    return st;
}

static int load(const void *input, size_t n, worker_io *io)
{
    error err;
    int code = 0;
    load_job l = { .data = NULL };
    status st = job_open(&l.job, io, input, n, &err);
    if (st == OK) st = load_all(&l, &err);
    if (st != OK) code = job_refuse(&l.job, !l.data, &err);
    dataset_free(l.data);
    text_release(&l.key);
    job_close(&l.job);
    return code;
}

const procedure load_procedure = { "load", load, worker_plugins_find, worker_plugins_forget };

/* -- The host's side -- */

static bool is_sound(const load_head *h, size_t n)
{
    uint64_t end = sizeof *h;
    for (int p = 0; p < N_PARTS; p++) {
        if (!layout_text_ends(h->split_hash[p], sizeof h->split_hash[p])) return false;
    }
    if (h->is_filled > 1 || h->can_be_packed > 1 || !layout_text_ends(h->why, sizeof h->why)) {
        return false;
    }
    if (!h->can_be_packed) return !h->is_filled;
    for (int u = 0; u < N_PACKS; u++) {
        if (h->at[u] % 64 != 0 || h->at[u] < end || h->at[u] > h->total ||
            h->bytes[u] > h->total - h->at[u]) {
            return false;
        }
        end = h->at[u] + h->bytes[u];
    }
    return !h->is_filled || h->total <= n;
}

status load_result_read(const void *result, size_t n, load_head *out, error *err)
{
    load_head h;
    if (n < sizeof h) return fail(err, E_CORRUPT, "loaded data have %zu bytes", n);
    memcpy(&h, result, sizeof h);
    if (!is_sound(&h, n)) {
        return fail(err, E_CORRUPT, "the head of loaded data contradicts itself");
    }
    *out = h;
    return OK;
}
