/* A declaration from a file, and from its own text.
 *
 * A file is read and judged with the user's lines in every message; then the declaration is written, and what is given back is read from
 * that text. So what runs now and what a store gives back later cannot differ. */
#include "declaration/declaration_internal.h"

#include "base/file.h"
#include "train/options.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_SEARCH = 1, STREAM_TUNING = 2, STREAM_EVALUATION = 3 };

void declaration_free(declaration *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->n_contenders; i++)
        space_release(&d->contenders[i].space);
    config_free(d->config);
    text_release(&d->written);
    arena_release(&d->memory);
    free(d);
}

/* -- reading -- */

static bool is_plain(const declaration *d)
{
    return d->n_contenders == 1 && !*d->contenders[0].name && d->n_workloads == 1 &&
        d->n_evaluations == 0 && d->n_repeats == 1;
}

/* Everything below `study`, which is there. */
static status read_study(reading *g, error *err)
{
    status st = OK;
    const value *contenders = value_find(g->study, "contenders");
    if (contenders && (contenders->kind != VALUE_LIST || contenders->n == 0)) {
        TRY(fail_at(err, contenders->kind == VALUE_LIST ? E_RANGE : E_TYPE, &contenders->at,
            "study: contenders: expected a list of groups as in ( { name = \"adam\"; set = [...]; "
            "} "
            ")"));
    }
    g->compares = contenders && contenders->n > 1;
    TRY(read_workloads(g, err));
    TRY(read_settings(g, err));
    TRY(finish_workloads(g, err));
    TRY(read_compare(g, err));
    TRY(read_contenders(g, err));
    TRY(check_contenders(g, err));
    TRY(read_judgement(g, err));
    g->d->is_plain = is_plain(g->d);
done:
    return st;
}

static bool is_of_study(const char *assignment)
{
    assignment += *assignment == '+' || *assignment == '~';
    return strncmp(assignment, "study", 5) == 0 && strchr(".=[", assignment[5]) != NULL;
}

/* study.seed=3 where the file has no `study`: the group is made. */
static status need_study(reading *g, error *err)
{
    value *root = config_root(g->d->config);
    const declaration_options *o = g->o;
    bool is_wanted = o && o->n_sweeps > 0;
    for (size_t i = 0; o && i < o->n_overrides; i++)
        is_wanted = is_wanted || is_of_study(o->overrides[i]);
    if (!value_find(root, "study") && !is_wanted) {
        return fail_at(err, E_MISSING, &(origin){ g->path, 0 },
            "there is no block \"study\": give study = { search = \"...\"; }, or --sweep on the "
            "command line");
    }
    return study_group(g->d->config, root, "study", &g->study, err);
}

/* study.budget.trials=20 where the file has no such group, which every study has: it is made. */
static status need_group(reading *g, const char *assignment, error *err)
{
    static const char *const groups[] = { "budget", "fidelity", "sandbox", "retry" };
    value *made, *study = value_find(config_root(g->d->config), "study");
    if (strncmp(assignment, "study.", 6) != 0 || !study || study->kind != VALUE_GROUP) return OK;
    assignment += 6;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const size_t n = strlen(groups[i]);
        if (strncmp(assignment, groups[i], n) != 0 || assignment[n] != '.') continue;
        return study_group(g->d->config, study, groups[i], &made, err);
    }
    return OK;
}

static status apply_options(reading *g, error *err)
{
    const declaration_options *o = g->o;
    status st = OK;
    if (!o) return OK;
    g->run_overrides = arena_alloc_array(&g->d->memory, o->n_overrides, sizeof(char *));
    if (!g->run_overrides) return fail_nomem(err, "overrides");
    for (size_t i = 0; i < o->n_overrides; i++) {
        TRY(need_group(g, o->overrides[i], err));
        TRY(config_override(g->d->config, o->overrides[i], err));
        if (is_of_study(o->overrides[i])) continue;
        const char *copy = arena_strdup(&g->d->memory, o->overrides[i]);
        if (!copy) TRY(fail_nomem(err, "overrides"));
        g->run_overrides[g->n_run_overrides++] = copy;
    }
done:
    return st;
}

/* A study needs no run beside it. */
static status check_blocks(const config *c, error *err)
{
    error inner;
    const status st = config_check_keys(c, &inner);
    return st == OK || st == E_MISSING ? OK : fail(err, st, "%s", inner.text);
}

static status read_file(reading *g, error *err)
{
    status st = OK;
    TRY(config_load(g->path, &g->d->config, err));
    TRY(check_blocks(g->d->config, err));
    TRY(need_study(g, err));
    TRY(apply_options(g, err));
    TRY(need_study(g, err)); /* an override may have put another in its place */
    TRY(check_blocks(g->d->config, err));
    TRY(registry_add_config(g->r, g->d->config, err));
    TRY(read_study(g, err));
done:
    return st;
}

static status keep(declaration *d, const char *written, size_t n, error *err)
{
    text_add_bytes(&d->written, written, n);
    hash_hex(d->hash, written, n);
    return text_check(&d->written, err);
}

/* -- lines of the file, which the text does not have -- */

static bool copy_origin(declaration *to, const origin *from, origin *out)
{
    out->line = from->line;
    out->file = from->file ? arena_strdup(&to->memory, from->file) : NULL;
    return out->file || !from->file;
}

/* Of a block that was copied as it was. */
static bool copy_block_origins(declaration *to, const value *from, value *block)
{
    if (!from || !block) return true;
    bool is_done = copy_origin(to, &from->at, &block->at);
    for (size_t i = 0; i < from->n && i < block->n; i++)
        is_done = is_done && copy_block_origins(to, from->item[i], block->item[i]);
    return is_done;
}

static void forget_block_lines(value *block)
{
    if (!block) return;
    block->at.line = 0;
    for (size_t i = 0; i < block->n; i++)
        forget_block_lines(block->item[i]);
}

/* Those of the text that was stored: no user has ever seen them. */
static void forget_lines(declaration *d)
{
    forget_block_lines(config_root(d->config));
    forget_block_lines(d->strategy);
    forget_block_lines(d->pruner);
    for (size_t i = 0; i < d->n_contenders; i++) {
        contender *k = &d->contenders[i];
        k->at.line = 0;
        forget_block_lines(k->strategy);
        for (size_t n = 0; n < k->space.n; n++)
            k->space.at[n].line = 0;
    }
    for (size_t i = 0; i < d->n_workloads; i++)
        d->workloads[i].at.line = 0;
}

static status copy_origins(const declaration *from, declaration *to, error *err)
{
    bool is_done = copy_block_origins(to, from->strategy, to->strategy) &&
        copy_block_origins(to, from->pruner, to->pruner);
    for (size_t i = 0; i < to->n_contenders; i++) {
        const contender *k = &from->contenders[i];
        is_done = is_done && copy_origin(to, &k->at, &to->contenders[i].at);
        if (k->has_own_search) {
            is_done = is_done && copy_block_origins(to, k->strategy, to->contenders[i].strategy);
        }
        for (size_t n = 0; n < k->space.n; n++)
            is_done = is_done && copy_origin(to, &k->space.at[n], &to->contenders[i].space.at[n]);
    }
    for (size_t i = 0; i < to->n_workloads; i++)
        is_done = is_done && copy_origin(to, &from->workloads[i].at, &to->workloads[i].at);
    return is_done ? OK : fail_nomem(err, "a declaration");
}

status declaration_load(
    registry *r, const char *path, const declaration_options *o, declaration **out, error *err)
{
    status st = OK;
    text written = { 0 };
    declaration *d = NULL;
    reading g = { .r = r, .path = path, .o = o, .d = calloc(1, sizeof *g.d) };
    if (!g.d) return fail_nomem(err, "a declaration");
    TRY(read_file(&g, err));
    TRY(write_declaration(g.d, &written, err));
    TRY(declaration_read(r, path, written.s, &d, err));
    TRY(copy_origins(g.d, d, err));
    *out = d;
    d = NULL;
done:
    declaration_free(d);
    declaration_free(g.d);
    text_release(&written);
    return st;
}

static status read_written(reading *g, const char *name, const char *written, error *err)
{
    status st = OK;
    TRY(config_parse(name, written, &g->d->config, err));
    value *root = config_root(g->d->config);
    if (!value_find(root, "study")) {
        TRY(fail(err, E_MISSING, "%s: there is no block \"study\"", name));
    }
    TRY(study_group(g->d->config, root, "study", &g->study, err));
    TRY(read_study(g, err));
    TRY(keep(g->d, written, strlen(written), err));
done:
    return st;
}

status declaration_read(
    registry *r, const char *name, const char *written, declaration **out, error *err)
{
    error inner = { 0 };
    reading g = { .r = r, .d = calloc(1, sizeof *g.d) };
    if (!g.d) return fail_nomem(err, "a declaration");
    const status st = read_written(&g, name, written, &inner);
    if (st == OK) {
        forget_lines(g.d);
        *out = g.d;
        return OK;
    }
    declaration_free(g.d);
    return fail(err, st == E_NOMEM ? E_NOMEM : E_CORRUPT, "%s", inner.text);
}

/* -- counts and seeds -- */

static uint64_t product(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

uint64_t declaration_n_tuning(const declaration *d)
{
    uint64_t n = 0;
    const uint64_t tunings = product(d->n_workloads, d->n_repeats);
    for (size_t i = 0; i < d->n_contenders; i++) {
        const uint64_t more = product(tunings, d->contenders[i].trials);
        n = more > UINT64_MAX - n ? UINT64_MAX : n + more;
    }
    return n;
}

uint64_t declaration_n_evaluations(const declaration *d)
{
    const uint64_t winners = product(product(d->n_workloads, d->n_repeats), d->n_contenders);
    return product(winners, d->n_evaluations);
}

double declaration_max_fidelity(const declaration *d, size_t i_workload)
{
    return d->max_fidelity > 0 ? d->max_fidelity : d->workloads[i_workload].epochs;
}

/* A run's seed has 53 bits: the upper two tell the stream, so that no two streams have one in common. */
static uint64_t seed_of(const declaration *d, uint64_t stream, uint64_t repeat, uint64_t i)
{
    const uint64_t words[4] = { d->seed, stream, repeat, i };
    const uint64_t low = (UINT64_C(1) << 51) - 1;
    return stream << 51 | (hash_u64(words, sizeof words, 0) & low);
}

uint64_t declaration_search_seed(const declaration *d, size_t repeat)
{
    return seed_of(d, STREAM_SEARCH, repeat, 0);
}

uint64_t declaration_tuning_seed(const declaration *d, size_t repeat, uint64_t replicate)
{
    return seed_of(d, STREAM_TUNING, repeat, replicate);
}

uint64_t declaration_evaluation_seed(const declaration *d, size_t repeat, size_t i)
{
    return seed_of(d, STREAM_EVALUATION, repeat, i);
}
