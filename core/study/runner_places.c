/* Sandboxes for train workloads: what their workers may read, and how much of what was asked for is possible here. */
#include "study/level.h"
#include "study/runner_internal.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

status workload_config(
    const workload *w, const char *const *overrides, size_t n, config **out, error *err)
{
    status st = OK;
    config *c = NULL;
    TRY(config_parse_as(w->path, w->written, &c, err));
    for (size_t i = 0; i < w->n_overrides; i++)
        TRY(config_override(c, w->overrides[i], err));
    for (size_t i = 0; i < n; i++)
        TRY(config_override(c, overrides[i], err));
    *out = c;
    c = NULL;
done:
    config_free(c);
    return st;
}

/* -- What workers may read -- */

typedef struct paths {
    arena *memory;
    const char **s; // [n + 1], NULL behind the last
    size_t n, capacity;
    runner_place place;
} paths;

static status add_path(paths *p, const char *path, error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->s[i], path) == 0) return OK;
    }
    if (p->n + 1 >= p->capacity) {
        const size_t more = p->capacity ? 2 * p->capacity : 16;
        const char **grown = realloc(p->s, more * sizeof *grown);
        if (!grown) return fail_nomem(err, "readable files");
        p->s = grown;
        p->capacity = more;
    }
    p->s[p->n] = arena_strdup(p->memory, path);
    if (!p->s[p->n]) return fail_nomem(err, "readable files");
    p->s[++p->n] = NULL;
    return OK;
}

/* Every text below `v` that names something that is there. */
static status add_files(paths *p, config *c, const value *v, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    if (!v) return OK;
    for (size_t i = 0; i < v->n && (v->kind == VALUE_GROUP || v->kind == VALUE_LIST); i++)
        TRY(add_files(p, c, v->item[i], err));
    if (v->kind == VALUE_STRING && v->as.string[0]) {
        const char *folder = value_dir(c, v);
        const char *path = folder ? path_join(&scratch, folder, v->as.string) : NULL;
        if (path) path = path_absolute(&scratch, path);
        if (!path) TRY(fail_nomem(err, "readable files"));
        if (file_exists(path)) TRY(add_path(p, path, err));
    }
done:
    arena_release(&scratch);
    return st;
}

/* Files of the data are for who loads them alone. A scorer reads what a config's plugins say that they have, so as not to load it. */
static bool is_readable(const paths *p, const char *name)
{
    if (p->place == PLACE_SCORE) return strcmp(name, "plugins") == 0;
    return strcmp(name, "name") != 0 && (p->place == PLACE_DATA || strcmp(name, "data") != 0);
}

static status add_of_config(paths *p, config *c, error *err)
{
    const value *root = config_root(c);
    status st = OK;
    for (size_t i = 0; st == OK && i < root->n; i++) {
        if (is_readable(p, root->item[i]->name)) st = add_files(p, c, root->item[i], err);
    }
    return st;
}

/* Files may be what is searched. What a choice does to a config that it does not fit is found when it is run. */
static status add_choices(paths *p, config *c, const space *s, error *err)
{
    status st = OK;
    text one = { 0 };
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (d->type != ASSAY_SPACE_CATEGORY) continue;
        for (uint64_t k = 0; k < d->n_choices; k++) {
            text_clear(&one);
            space_override(s, i, (double)k, &one);
            TRY(text_check(&one, err));
            const status fits = config_override(c, one.s, err);
            if (fits == E_NOMEM) TRY(fits);
            if (fits == OK) TRY(add_of_config(p, c, err));
        }
    }
done:
    text_release(&one);
    return st;
}

static status add_all(paths *p, const declaration *d, error *err)
{
    status st = OK;
    config *c = NULL;
    for (size_t w = 0; w < d->n_workloads; w++) {
        if (d->workloads[w].kind != WORKLOAD_TRAIN) continue;
        for (size_t i = 0; i < d->n_contenders; i++) {
            const contender *k = &d->contenders[i];
            TRY(workload_config(&d->workloads[w], k->overrides, k->n_overrides, &c, err));
            TRY(add_of_config(p, c, err));
            TRY(add_choices(p, c, &k->space, err));
            config_free(c);
            c = NULL;
        }
    }
done:
    config_free(c);
    return st;
}

/* -- Opening -- */

static status open_place(
    runner *r, runner_place place, const sandbox_input *inputs, size_t n, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    paths p = { .memory = &scratch, .place = place };
    TRY(add_all(&p, r->declaration, err));
    const sandbox_options o = { .program = r->options.program,
        .procedures = r->procedures,
        .n_procedures = r->n_procedures,
        .readable = p.s,
        .inputs = inputs,
        .n_inputs = n,
        .pretend_lacking = r->options.pretend_lacking,
        .is_late = r->level == SANDBOX_NONE };
    TRY(sandbox_open(&o, &r->places[place], err));
done:
    free(p.s);
    arena_release(&scratch);
    return st;
}

/* The packs of one use, as inputs; what they name lives as long as the runner. */
static status inputs_of(runner *r, pack_use use, sandbox_input **out, size_t *out_n, error *err)
{
    size_t n = 0;
    sandbox_input *in = arena_alloc_array(&r->memory, r->n_packs + 1, sizeof *in);
    if (!in) return fail_nomem(err, "the runner");
    for (size_t i = 0; i < r->n_packs; i++) {
        const data_pack *p = &r->packs[i];
        if (!p->head.is_filled) continue;
        size_t bytes;
        const unsigned char *at = job_result(p->job, &bytes);
        in[n++] = (sandbox_input){
            .name = p->name[use], .data = at + p->head.at[use], .n = (size_t)p->head.bytes[use]
        };
    }
    *out = in;
    *out_n = n;
    return OK;
}

status places_open(runner *r, error *err)
{
    static const runner_place place_of[N_PACKS] = { PLACE_TRAIN, PLACE_PREDICT, PLACE_SCORE };
    status st = OK;
    TRY(open_place(r, PLACE_DATA, NULL, 0, err));
    if (r->options.is_debugged) {
        r->level = SANDBOX_NONE;
    } else {
        TRY(study_level(r->declaration, sandbox_get_state(r->places[PLACE_DATA]),
            r->options.program, &r->level, err));
    }
    TRY(packs_load(r, err));
    for (pack_use u = PACK_TRAIN; u < N_PACKS; u++) {
        sandbox_input *inputs = NULL;
        size_t n = 0;
        TRY(inputs_of(r, u, &inputs, &n, err));
        if (n > 0) TRY(open_place(r, place_of[u], inputs, n, err));
    }
    for (size_t i = 0; r->level != SANDBOX_NONE && i < r->n_packs; i++) {
        job_free(r->packs[i].job); /* the sandboxes have copies; at level none they use these */
        r->packs[i].job = NULL;
    }
done:
    return st;
}
