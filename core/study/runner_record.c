/* How to do a run again, as one line of JSON: what ran, of what, on what, under which limits, and what it took.
 *
 * No plugin is loaded for this: which file has a component is read from .assay_info, as everywhere before a worker begins. */
#include "study/runner_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "data/dataset.h"
#include "num/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* -- What is the same for all runs -- */

static void read_cpu(char out[128])
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, 128, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, "model name", 10) != 0) continue;
        snprintf(out, 128, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (f) fclose(f);
}

status record_open(runner *r, error *err)
{
    r->registries = arena_alloc_array(&r->memory, r->declaration->n_workloads, sizeof(registry *));
    if (!r->registries) return fail_nomem(err, "the runner");
    read_cpu(r->cpu);
    return OK;
}

void record_release(runner *r)
{
    for (size_t i = 0; r->registries && i < r->declaration->n_workloads; i++)
        registry_free(r->registries[i]);
    while (r->hashes) {
        file_hash *h = r->hashes;
        r->hashes = h->next;
        free(h);
    }
}

/* Of a file's bytes; "" where it cannot be read. *is_short where memory is out. */
static const char *hash_of(runner *r, const char *path, bool *is_short)
{
    file_map map;
    for (const file_hash *h = r->hashes; h; h = h->next) {
        if (strcmp(h->path, path) == 0) return h->hash;
    }
    file_hash *h = calloc(1, sizeof *h);
    if (h) h->path = arena_strdup(&r->memory, path);
    *is_short = *is_short || !h || !h->path;
    if (!h || !h->path || file_map_open(path, &map, NULL) != OK) {
        free(h);
        return "";
    }
    hash_hex(h->hash, map.data ? map.data : (const unsigned char *)"", map.n);
    file_map_close(&map);
    h->next = r->hashes;
    r->hashes = h;
    return h->hash;
}

/* -- Plugins -- */

typedef struct component_list {
    const plugin_file *file[RUN_MOST_NAMES];
    const char *kind[RUN_MOST_NAMES], *id[RUN_MOST_NAMES];
    size_t n;
} component_list;

static void add_component(component_list *l, const plugin_file *f, const component_info *c)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->file[i] == f && strcmp(l->kind[i], c->kind) == 0 && strcmp(l->id[i], c->id) == 0)
            return;
    }
    if (l->n == RUN_MOST_NAMES) return;
    l->file[l->n] = f;
    l->kind[l->n] = c->kind;
    l->id[l->n++] = c->id;
}

/* A file that the config names goes before the program's own, which is found first among several; a name may begin with its
 * plugin's. `kind` NULL: any. */
static void find_component(component_list *l, const registry *r, const char *kind, const char *type)
{
    const char *colon = strchr(type, ':');
    const char *id = colon ? colon + 1 : type;
    const plugin_file *best = NULL;
    const component_info *best_info = NULL;
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        const bool is_named = strcmp(f->found_by, "config") == 0;
        const size_t n_name = colon ? (size_t)(colon - type) : 0;
        if (f->refused) continue;
        if (colon && (strncmp(f->name, type, n_name) != 0 || f->name[n_name])) continue;
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (strcmp(c->id, id) != 0 || (kind && strcmp(c->kind, kind) != 0)) continue;
            if (best && !(is_named && strcmp(best->found_by, "config") != 0)) continue;
            best = f;
            best_info = c;
        }
    }
    if (best) add_component(l, best, best_info);
}

/* Components by where they stand: a block's `type`, or a name instead of the block. Below a component's own block there may be others, whose
 * kind only its table knows. */
static void find_below(component_list *l, const registry *r, const char *kind, const value *v)
{
    if (!v) return;
    const value *type = v->kind == VALUE_GROUP ? value_find(v, "type") : NULL;
    if (v->kind == VALUE_STRING && kind) find_component(l, r, kind, v->as.string);
    if (type && type->kind == VALUE_STRING) find_component(l, r, kind, type->as.string);
    for (size_t i = 0; i < v->n && v->kind == VALUE_LIST; i++)
        find_below(l, r, kind, v->item[i]);
    for (size_t i = 0; i < v->n && v->kind == VALUE_GROUP; i++)
        if (v->item[i] != type) find_below(l, r, NULL, v->item[i]);
}

/* A file that is refused is no concern of the record's: the worker has said so. */
static status registry_of(run *n, registry **out, error *err)
{
    runner *r = n->owner;
    status st = OK;
    registry **at = &r->registries[n->spec.workload];
    const registry_options o = { .program_path =
                                     r->options.program ? r->options.program : "/proc/self/exe" };
    if (!*at) st = registry_new(&o, at, err);
    if (st == OK && n->config && registry_add_config(*at, n->config, err) == E_NOMEM) st = E_NOMEM;
    *out = *at;
    return st;
}

static void add_components(run *n, const component_list *l, json *j)
{
    json_key(j, "components");
    json_begin_array(j);
    for (size_t i = 0; i < l->n; i++) {
        json_begin_object(j);
        json_key_string(j, "kind", l->kind[i]);
        json_key_string(j, "id", l->id[i]);
        json_key_string(j, "plugin", l->file[i]->name);
        json_key_string(j, "version", l->file[i]->version);
        json_key_string(j, "file", l->file[i]->path);
        json_key_string(j, "xxh3_128", hash_of(n->owner, l->file[i]->path, &n->record.failed));
        json_end_object(j);
    }
    json_end_array(j);
}

static bool is_somebodys(outcome_class c)
{
    return c != OUTCOME_OK && c != OUTCOME_PRUNED && c != OUTCOME_CANCELLED && c != OUTCOME_LOST &&
        c != OUTCOME_HOST_ERROR;
}

/* Where a process ended or hung is not always known; which plugins of third parties were in it is. */
static void name_suspects(run *n, registry *r, const component_list *l)
{
    text found = { 0 };
    outcome *o = &n->outcome;
    const size_t said = strlen(o->text);
    if (!is_somebodys(o->class) || strstr(o->text, ".so")) return;
    for (size_t i = 0; i < l->n; i++) {
        const origin at = { "", 0 };
        bool is_own = true;
        const char *path = l->file[i]->path, *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        const status st = registry_is_own(r, l->kind[i], l->id[i], &at, &is_own, NULL);
        if (st != OK || is_own || (found.s && strstr(found.s, name))) continue;
        text_printf(&found, "%s%s", found.n ? ", " : "", name);
    }
    if (found.n && !found.failed) {
        snprintf(o->text + said, sizeof o->text - said, "; does not come with assay: %s", found.s);
    }
    text_release(&found);
}

static status add_plugins(run *n, json *j, error *err)
{
    static const char *const places[][2] = { { "data", "dataset" }, { "model", "layer" },
        { "loss", "loss" }, { "metrics", "metric" }, { "optimizer", "optimizer" },
        { "schedule", "schedule" } };
    component_list l = { .n = 0 };
    registry *r = NULL;
    const status st = registry_of(n, &r, err);
    if (st != OK) return st;
    for (size_t i = 0; n->config && i < sizeof places / sizeof *places; i++)
        find_below(&l, r, places[i][1], value_find(config_root(n->config), places[i][0]));
    add_components(n, &l, j);
    name_suspects(n, r, &l);
    return OK;
}

/* -- The record -- */

static status add_train(run *n, json *j, error *err)
{
    text whole = { 0 };
    char hash[33] = "";
    const status st = n->config ? config_to_text(n->config, &whole, err) : OK;
    if (st == OK && n->config) hash_hex(hash, whole.s ? whole.s : "", whole.n);
    text_release(&whole);
    if (st != OK) return st;
    json_key_string(j, "file", n->workload->path);
    json_key_string(j, "config_xxh3_128", hash);
    json_key(j, "overrides");
    json_begin_array(j);
    for (size_t i = 0; i < n->n_overrides; i++)
        json_string(j, n->overrides[i]);
    json_end_array(j);
    return add_plugins(n, j, err);
}

static void add_command(run *n, json *j)
{
    json_key_string(j, "program", n->owner->programs[n->spec.workload]);
    json_key_string(j, "program_xxh3_128",
        hash_of(n->owner, n->owner->programs[n->spec.workload], &n->record.failed));
    json_key(j, "argv");
    json_begin_array(j);
    for (size_t i = 0; n->argv && i < n->workload->n_argv && n->argv[i]; i++)
        json_string(j, n->argv[i]);
    json_end_array(j);
    json_key_string(j, "folder", n->workload->folder);
}

static void add_machine(const run *n, json *j)
{
    struct utsname machine;
    json_key(j, "machine");
    json_begin_object(j);
    if (uname(&machine) == 0) {
        json_key_string(j, "host", machine.nodename);
        json_key_string(j, "system", machine.sysname);
        json_key_string(j, "release", machine.release);
        json_key_string(j, "machine", machine.machine);
    }
    json_key_string(j, "cpu", n->owner->cpu);
    json_key_string(j, "products", num_kernels_name());
    json_key_string(j, "blas", num_blas_description());
    json_key_int(j, "blas_threads", 1);
    json_end_object(j);
}

static void add_sandbox(const run *n, json *j)
{
    const runner *r = n->owner;
    const sandbox *s = r->places[PLACE_DATA];
    const bool is_command = n->workload->kind == WORKLOAD_COMMAND;
    json_key(j, "sandbox");
    json_begin_object(j);
    json_key_string(j, "asked", sandbox_level_name(r->declaration->level));
    /* A program is the user's own: it has limits and nothing else. */
    json_key_string(j, "level", is_command ? "process" : sandbox_level_name(r->level));
    if (s && !is_command) json_key_int(j, "landlock_abi", sandbox_get_state(s)->landlock_abi);
    json_end_object(j);
}

/* Replicas are part of a result; where the config leaves them open they are the machine's to choose, and the predictor says what that
 * comes to. */
static void add_team(const run *n, json *j)
{
    static const char *const keys[] = { "replicas", "threads" };
    const value *train = n->config ? value_find(config_root(n->config), "train") : NULL;
    for (size_t i = 0; i < 2; i++) {
        int64_t k = 0;
        const value *v = value_find(train, keys[i]);
        if (!v || value_to_int(v, &k, NULL) != OK) k = 0;
        if (i == 0 && k == 0) k = (int64_t)n->n_shards;
        if (k > 0) {
            json_key_int(j, keys[i], k);
        } else {
            json_key_string(j, keys[i], "auto");
        }
    }
    json_key_int(j, "threads_allowed", (int64_t)n->owner->declaration->limits.n_threads);
}

static void add_splits(const run *n, json *j)
{
    const bool has_plan = n->plan && !n->plan->maker;
    if (!n->pack && !has_plan) return;
    json_key(j, "splits");
    json_begin_object(j);
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        json_key(j, part_name(p));
        json_begin_object(j);
        json_key_int(
            j, "samples", (int64_t)(n->pack ? n->pack->head.n_rows[p] : n->plan->is.n_rows[p]));
        json_key_string(
            j, "rows_xxh3_128", n->pack ? n->pack->head.split_hash[p] : n->plan->is.split_hash[p]);
        json_end_object(j);
    }
    json_end_object(j);
}

/* The trial that it went on from, and whether it did. */
static void add_from(const run *n, json *j)
{
    if (n->spec.from == STORE_NO_TRIAL || !n->from) return;
    json_key(j, "from");
    json_begin_object(j);
    json_key_int(j, "trial", (int64_t)n->spec.from);
    json_key_string(j, "checkpoint", n->from);
    json_end_object(j);
}

static void add_spent(const run *n, json *j)
{
    const budget *b = &n->head.spent;
    uint64_t peak = 0;
    for (size_t i = 0; i < n->n_jobs; i++)
        peak = n->jobs[i].peak_bytes > peak ? n->jobs[i].peak_bytes : peak;
    json_key(j, "spent");
    json_begin_object(j);
    if (n->workload->kind == WORKLOAD_TRAIN) {
        json_key_int(j, "steps", (int64_t)b->steps);
        json_key_int(j, "samples_forward", (int64_t)b->samples_forward);
        json_key_int(j, "samples_backward", (int64_t)b->samples_backward);
        json_key_int(j, "closure_evaluations", (int64_t)b->closure_evaluations);
        json_key_int(j, "samples_evaluated", (int64_t)b->samples_evaluated);
    }
    json_key_real(j, "wall_s", n->end.wall_s);
    json_key_real(j, "cpu_s", n->end.cpu_s);
    json_key_int(j, "peak_bytes", (int64_t)peak);
    json_end_object(j);
}

static void add_jobs(const run *n, json *j)
{
    json_key(j, "jobs");
    json_begin_array(j);
    for (size_t i = 0; i < n->n_jobs; i++) {
        const job_spent *s = &n->jobs[i];
        json_begin_object(j);
        json_key_string(j, "procedure", s->procedure);
        json_key_string(j, "outcome", outcome_name(s->class));
        json_key_real(j, "wall_s", s->wall_s);
        json_key_real(j, "cpu_s", s->cpu_s);
        json_key_int(j, "peak_bytes", (int64_t)s->peak_bytes);
        json_end_object(j);
    }
    json_end_array(j);
}

status record_make(run *n, error *err)
{
    json j;
    char seed[24];
    status st = OK;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)n->spec.seed);
    json_init(&j, &n->record);
    json_begin_object(&j);
    json_key_string(&j, "assay", ASSAY_VERSION);
    json_key_int(&j, "abi_major", ASSAY_ABI_MAJOR);
    json_key_int(&j, "abi_minor", ASSAY_ABI_MINOR);
    json_key_string(&j, "workload", n->workload->name);
    json_key_string(&j, "contender", n->contender->name);
    json_key_string(&j, "seed", seed); /* 64 bits, which numbers of JSON do not hold everywhere */
    json_key_real(&j, "fidelity", n->spec.fidelity);
    if (n->workload->kind == WORKLOAD_TRAIN) {
        st = add_train(n, &j, err);
        add_team(n, &j);
        add_splits(n, &j);
        add_from(n, &j);
    } else {
        add_command(n, &j);
    }
    add_machine(n, &j);
    add_sandbox(n, &j);
    add_spent(n, &j);
    add_jobs(n, &j);
    json_key_int(&j, "values_dropped", (int64_t)(n->n_values_dropped + n->head.n_dropped));
    json_key_string(&j, "trust", n->is_scored ? "scored" : "reported");
    json_end_object(&j);
    return st == OK ? text_check(&n->record, err) : st;
}
