/* The data of all workloads, each loaded once, by a worker of its own: a dataset's plugin sees the test part, a trainer never does. */
#include "study/runner_internal.h"

#include "base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loading is not training: it may take longer, and needs the data as they are and as packs. */
static const double least_wall_s = 600;
enum { LOAD_WALL = 10, LOAD_MEMORY = 8, MOST_LOADS = 10 };

static status key_of(config *c, char out[33], error *err)
{
    text key = { 0 };
    value *block = value_find(config_root(c), "data");
    if (!block) {
        return fail_at(err, E_MISSING, &config_root(c)->at, "the config has no `data` block");
    }
    const char *folder = value_dir(c, block); /* where relative paths begin */
    text_printf(&key, "%s\n", folder ? folder : "");
    status st = dataset_pack_key(c, block, &key, err);
    if (st == OK) st = text_check(&key, err);
    if (st == OK) hash_hex(out, key.s ? key.s : "", key.n);
    text_release(&key);
    return st;
}

static const data_pack *find_pack(const runner *r, const char key[33])
{
    for (size_t i = 0; i < r->n_packs; i++) {
        if (strcmp(r->packs[i].key, key) == 0) return &r->packs[i];
    }
    return NULL;
}

status pack_find(const runner *r, config *c, const data_pack **out, error *err)
{
    char key[33];
    const status st = key_of(c, key, err);
    const data_pack *p = st == OK ? find_pack(r, key) : NULL;
    *out = p && p->head.is_filled ? p : NULL;
    return st == E_NOMEM ? st : OK; /* of what is wrong the plan tells */
}

/* -- Loading -- */

/* "digits.cfg:14: ...: cannot be opened, phase plan": where in a worker it was is nothing to a user who has not begun. */
static status fail_loading(const workload *w, const outcome *o, double wall_s, error *err)
{
    if (o->class == OUTCOME_TIMEOUT) {
        return fail_at(err, E_PLUGIN, &w->at,
            "the data of workload \"%s\" are not loaded after %g s: the plugin of the dataset "
            "hangs, "
            "or needs longer: loading may take %d times study.sandbox.wall, and %g s at least",
            w->name, wall_s, LOAD_WALL, least_wall_s);
    }
    const char *phase = strstr(o->text, ", phase ");
    return fail(err, E_PLUGIN, "the data of workload \"%s\": %.*s", w->name,
        (int)(phase ? (size_t)(phase - o->text) : strlen(o->text)), o->text);
}

/* Runs a job to its end, again where it was killed; it is the caller's. */
static status run_job(runner *r, sandbox *s, const sandbox_call *c, sandbox_job **out, error *err)
{
    for (int i = 1;; i++) {
        sandbox_job *ended = NULL;
        status st = sandbox_start(s, c, out, err);
        if (st == OK) st = runner_wait_job(r, s, &ended, err);
        if (st != OK || i == MOST_LOADS || !outcome_is_loss(job_outcome(*out))) return st;
        job_free(*out);
        *out = NULL;
    }
}

/* Runs the procedure; the job is the caller's. */
static status load(runner *r, const workload *w, const text *input, size_t bytes, load_head *out,
    sandbox_job **out_job, error *err)
{
    status st = OK;
    size_t n;
    sandbox_job *j = NULL;
    sandbox *s = r->places[PLACE_DATA];
    sandbox_limits limits = r->declaration->limits;
    limits.wall_s = fmax(LOAD_WALL * limits.wall_s, least_wall_s);
    limits.cpu_s = 0;
    limits.memory_bytes = LOAD_MEMORY * limits.memory_bytes + bytes;
    const sandbox_call c = { .level = r->level,
        .procedure = "load",
        .input = input->s,
        .n_input = input->n,
        .result_bytes = bytes,
        .limits = &limits };
    TRY(run_job(r, s, &c, &j, err));
    if (job_outcome(j)->class != OUTCOME_OK)
        TRY(fail_loading(w, job_outcome(j), limits.wall_s, err));
    const void *got = job_result(j, &n);
    TRY(load_result_read(got, n, out, err));
    *out_job = j;
    j = NULL;
done:
    job_free(j);
    return st;
}

/* Data that cannot be packed are opened by each run itself; the pack is then an empty one. */
static status load_pack(runner *r, const workload *w, const contender *k, data_pack *p, error *err)
{
    status st = OK;
    text input = { 0 };
    arena scratch = { 0 };
    sandbox_job *j = NULL;
    const size_t n = w->n_overrides + k->n_overrides;
    const char **overrides = arena_alloc_array(&scratch, n + 1, sizeof *overrides);
    if (!overrides) TRY(fail_nomem(err, "the data"));
    for (size_t i = 0; i < n; i++) {
        overrides[i] = i < w->n_overrides ? w->overrides[i] : k->overrides[i - w->n_overrides];
    }
    const job_input in = {
        .name = w->path, .written = w->written, .overrides = overrides, .n_overrides = n
    };
    TRY(job_input_write(&in, &input, err));
    TRY(load(r, w, &input, sizeof(load_head), &p->head, &j, err));
    if (p->head.can_be_packed) {
        job_free(j);
        j = NULL;
        TRY(load(r, w, &input, (size_t)p->head.total, &p->head, &p->job, err));
    }
done:
    job_free(j);
    text_release(&input);
    arena_release(&scratch);
    return st;
}

static status add_pack(
    runner *r, const workload *w, const contender *k, const char key[33], error *err)
{
    if (r->n_packs == MOST_PACKS) {
        return fail_at(err, E_RANGE, &w->at,
            "workload \"%s\": the study has more than %d different data", w->name, MOST_PACKS);
    }
    data_pack *p = &r->packs[r->n_packs];
    memcpy(p->key, key, sizeof p->key);
    for (pack_use u = PACK_TRAIN; u < N_PACKS; u++)
        snprintf(p->name[u], sizeof p->name[u], "data%zu.%s", r->n_packs, pack_use_name(u));
    const status st = load_pack(r, w, k, p, err);
    if (st == OK) r->n_packs++;
    return st;
}

status packs_load(runner *r, error *err)
{
    status st = OK;
    config *c = NULL;
    const declaration *d = r->declaration;
    for (size_t i = 0; i < d->n_workloads * d->n_contenders; i++) {
        char key[33];
        const workload *w = &d->workloads[i / d->n_contenders];
        const contender *k = &d->contenders[i % d->n_contenders];
        if (w->kind != WORKLOAD_TRAIN) continue;
        TRY(workload_config(w, k->overrides, k->n_overrides, &c, err));
        TRY(key_of(c, key, err));
        config_free(c);
        c = NULL;
        if (!find_pack(r, key)) TRY(add_pack(r, w, k, key, err));
    }
done:
    config_free(c);
    return st;
}
