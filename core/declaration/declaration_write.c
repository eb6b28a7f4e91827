/* A declaration as text: everything that decides what will be run, spelled out, in one order and one way of writing. So two studies are the
 * same when their texts are. */
#include "declaration/declaration_internal.h"

#include <string.h>

/* Something to write into, and whether memory ran out on the way. */
typedef struct writer {
    config *c;
    bool failed;
    value nowhere; /* what is written into once it has */
} writer;

static value *put(writer *w, value *parent, const char *name, value_kind kind)
{
    value *v = w->failed ? NULL : value_add(w->c, parent, name);
    if (!v) {
        w->failed = true;
        v = &w->nowhere;
    }
    v->kind = kind;
    return v;
}

static void put_string(writer *w, value *parent, const char *name, const char *s)
{
    value *v = put(w, parent, name, VALUE_STRING);
    v->as.string = s;
}

static void put_int(writer *w, value *parent, const char *name, uint64_t n)
{
    value *v = put(w, parent, name, VALUE_INT);
    v->as.integer = (int64_t)n;
}

static void put_real(writer *w, value *parent, const char *name, double x)
{
    value *v = put(w, parent, name, VALUE_REAL);
    v->as.real = x;
}

static void put_words(
    writer *w, value *parent, const char *name, const char *const *words, size_t n)
{
    value *list = put(w, parent, name, VALUE_LIST);
    for (size_t i = 0; i < n; i++)
        put_string(w, list, NULL, words[i]);
}

static void put_copy(writer *w, value *parent, const value *from)
{
    w->failed = w->failed || !value_copy(w->c, parent, from->name, from);
}

static status put_contender(writer *w, value *list, const contender *k, error *err)
{
    text t = { 0 };
    status st = OK;
    value *group = put(w, list, NULL, VALUE_GROUP);
    if (*k->name) put_string(w, group, "name", k->name);
    put_words(w, group, "set", k->overrides, k->n_overrides);
    if (k->has_own_search) {
        put_copy(w, group, k->strategy);
        put_int(w, group, "trials", k->trials);
    }
    if (k->space.n == 0) return OK;
    value *dimensions = put(w, group, "search", VALUE_LIST);
    for (size_t i = 0; i < k->space.n; i++) {
        text_clear(&t);
        TRY(dimension_text(&k->space, i, &t, err));
        const char *s = arena_strdup(config_arena(w->c), t.s);
        if (!s) TRY(fail_nomem(err, "a declaration"));
        put_string(w, dimensions, NULL, s);
    }
done:
    text_release(&t);
    return st;
}

static void put_workload(writer *w, value *list, const workload *from)
{
    value *group = put(w, list, NULL, VALUE_GROUP);
    put_string(w, group, "name", from->name);
    if (from->kind == WORKLOAD_COMMAND) {
        put_string(w, group, "type", "command");
        put_string(w, group, "folder", from->folder);
        put_words(w, group, "command", from->argv, from->n_argv);
        return;
    }
    put_string(w, group, "type", "train");
    put_string(w, group, "config", from->path);
    put_words(w, group, "set", from->overrides, from->n_overrides);
    put_string(w, group, "text", from->written);
}

static void put_measures(writer *w, value *study, const declaration *d)
{
    put_string(w, study, "metric", d->metric);
    put_string(w, study, "direction", d->direction == STORE_MAXIMIZE ? "max" : "min");
    put_string(w, study, "judged", d->judged);
    put_string(w, study, "value", d->takes_best ? "best" : "last");
}

static void put_plan(writer *w, value *study, const declaration *d)
{
    put_copy(w, study, d->strategy);
    if (d->pruner) put_copy(w, study, d->pruner);
    put_int(w, study, "seed", d->seed);
    put_int(w, study, "repeats", d->n_repeats);
    put_int(w, study, "evaluations", d->n_evaluations);
    put_int(w, study, "parallel", d->parallel);
    value *budget = put(w, study, "budget", VALUE_GROUP);
    put_int(w, budget, "trials", d->budget_trials);
    put_real(w, budget, "samples", d->budget_samples);
    put_real(w, budget, "seconds", d->budget_seconds);
    value *fidelity = put(w, study, "fidelity", VALUE_GROUP);
    put_real(w, fidelity, "max", d->max_fidelity);
    put_real(w, fidelity, "min", d->min_fidelity);
}

static void put_limits(writer *w, value *study, const declaration *d)
{
    value *block = put(w, study, "sandbox", VALUE_GROUP);
    put_string(w, block, "level", d->is_auto ? "auto" : sandbox_level_name(d->level));
    put_string(w, block, "fallback", d->falls_back ? "process" : "error");
    put_int(w, block, "memory", d->limits.memory_bytes);
    put_real(w, block, "wall", d->limits.wall_s);
    put_real(w, block, "stall", d->limits.stall_s);
    put_real(w, block, "cpu", d->limits.cpu_s);
    put_int(w, block, "threads", d->limits.n_threads);
    put_int(w, block, "log_limit", d->limits.log_bytes);
    value *retry = put(w, study, "retry", VALUE_GROUP);
    put_int(w, retry, "lost", d->retry_lost);
    put_int(w, retry, "crash", d->retry_crash);
    put_int(w, retry, "timeout", d->retry_timeout);
}

static void put_compare(writer *w, value *study, const declaration *d)
{
    if (d->compare) {
        put_string(w, study, "compare", d->compare);
    } else if (d->n_touchable) {
        put_words(w, study, "compare", d->touchable, d->n_touchable);
    }
}

status write_declaration(const declaration *d, text *out, error *err)
{
    writer w = { 0 };
    status st = config_parse("declaration", "", &w.c, err);
    if (st != OK) return st;
    value *root = config_root(w.c);
    const value *plugins = value_find(config_root(d->config), "plugins");
    if (plugins) put_copy(&w, root, plugins);
    value *study = put(&w, root, "study", VALUE_GROUP);
    put_string(&w, study, "name", d->name);
    put_compare(&w, study, d);
    put_measures(&w, study, d);
    put_plan(&w, study, d);
    put_limits(&w, study, d);
    put_string(&w, study, "control", d->contenders[d->control].name);
    value *contenders = put(&w, study, "contenders", VALUE_LIST);
    for (size_t i = 0; i < d->n_contenders; i++)
        TRY(put_contender(&w, contenders, &d->contenders[i], err));
    value *workloads = put(&w, study, "workloads", VALUE_LIST);
    for (size_t i = 0; i < d->n_workloads; i++)
        put_workload(&w, workloads, &d->workloads[i]);
    if (w.failed) TRY(fail_nomem(err, "a declaration"));
    TRY(config_to_text(w.c, out, err));
done:
    config_free(w.c);
    return st;
}
