/* What is measured: names of metrics, and whether less of them is better. */
#include "declaration/declaration_internal.h"

#include <string.h>

static const struct {
    const char *name;
    store_direction direction;
} directions[] = {
    { "loss", STORE_MINIMIZE },
    { "mae", STORE_MINIMIZE },
    { "mse", STORE_MINIMIZE },
    { "rmse", STORE_MINIMIZE },
    { "nll", STORE_MINIMIZE },
    { "perplexity", STORE_MINIMIZE },
    { "bits_per_char", STORE_MINIMIZE },
    { "error", STORE_MINIMIZE },
    { "accuracy", STORE_MAXIMIZE },
    { "top_k", STORE_MAXIMIZE },
    { "f1", STORE_MAXIMIZE },
    { "r2", STORE_MAXIMIZE },
};

enum { MOST_METRICS = 64 };

static bool direction_of(const char *name, store_direction *out)
{
    for (size_t i = 0; i < sizeof directions / sizeof directions[0]; i++) {
        if (strcmp(directions[i].name, name) != 0) continue;
        *out = directions[i].direction;
        return true;
    }
    return false;
}

static const char *last_part(const char *metric)
{
    const char *dot = strrchr(metric, '.');
    return dot ? dot + 1 : metric;
}

/* A metric by a `name` of its own: its type. */
static const char *type_of(const value *metric, const char **out_name)
{
    const value *type = metric->kind == VALUE_GROUP ? value_find(metric, "type") : metric;
    const value *name = metric->kind == VALUE_GROUP ? value_find(metric, "name") : NULL;
    const char *id = type && type->kind == VALUE_STRING ? type->as.string : "";
    const char *colon = strrchr(id, ':'); /* "plugin:id" */
    id = colon ? colon + 1 : id;
    *out_name = name && name->kind == VALUE_STRING ? name->as.string : id;
    return id;
}

/* Whether `name` is a value of the metric called `metric`: "top" or "top_se". */
static bool is_value_of(const char *name, const char *metric)
{
    const size_t n = strlen(metric);
    return n > 0 && strncmp(name, metric, n) == 0 && (name[n] == '\0' || name[n] == '_');
}

bool metric_makes(const value *metric, const char *name)
{
    const char *own;
    (void)type_of(metric, &own);
    return is_value_of(name, own);
}

/* Looks the name up in a run's `metrics`. */
static status renamed_direction(
    const workload *w, const char *name, bool *out_is_known, store_direction *out, error *err)
{
    config *c = NULL;
    status st = workload_tree(w, NULL, 0, &c, err);
    if (st != OK) return st;
    value *metrics = value_find(config_root(c), "metrics");
    for (size_t i = 0; i < value_n_items(metrics) && !*out_is_known; i++) {
        const char *own;
        const char *type = type_of(value_item(metrics, i), &own);
        *out_is_known = strcmp(own, name) == 0 && direction_of(type, out);
    }
    config_free(c);
    return OK;
}

status metric_direction(
    const declaration *d, const char *metric, bool *out_is_known, store_direction *out, error *err)
{
    status st = OK;
    const char *name = last_part(metric);
    *out_is_known = direction_of(name, out);
    for (size_t i = 0; i < d->n_workloads && !*out_is_known; i++) {
        const workload *w = &d->workloads[i];
        if (w->kind == WORKLOAD_TRAIN) TRY(renamed_direction(w, name, out_is_known, out, err));
    }
done:
    return st;
}

/* "loss, accuracy and f1" */
static void names_text(const char *const *names, size_t n, text *t)
{
    for (size_t i = 0; i < n; i++)
        text_printf(t, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", names[i]);
}

/* Whether a run has the metric. */
static status check_run(
    const workload *w, const char *name, const char *key, const origin *at, error *err)
{
    const char *names[MOST_METRICS] = { "loss" };
    size_t n = 1;
    config *c = NULL;
    text all = { 0 };
    status st = workload_tree(w, NULL, 0, &c, err);
    if (st != OK) return st;
    value *metrics = value_find(config_root(c), "metrics");
    bool is_known = strcmp(name, "loss") == 0;
    for (size_t i = 0; i < value_n_items(metrics) && n < MOST_METRICS; i++) {
        (void)type_of(value_item(metrics, i), &names[n]);
        is_known = is_known || is_value_of(name, names[n]);
        n++;
    }
    if (!is_known) {
        names_text(names, n, &all);
        const guess near = guess_of(name, names, n);
        st = fail_at(err, E_UNKNOWN, at, "study: %s: workload \"%s\" has no metric \"%s\"%s%s", key,
            w->name, name, near.s[0] ? near.s : ": it has ", near.s[0] || !all.s ? "" : all.s);
    }
    text_release(&all);
    config_free(c);
    return st;
}

static status check_part(const char *metric, const char *key, const origin *at, error *err)
{
    static const char *const parts[] = { "validation", "training", "test" };
    char part[64] = "";
    const char *dot = strchr(metric, '.');
    const size_t n = dot ? (size_t)(dot - metric) : 0;
    const bool is_judged = strcmp(key, "judged") == 0;
    if (!dot || !dot[1]) {
        return fail_at(err, E_RANGE, at,
            "study: %s: expected PART.METRIC as in \"validation.loss\", found \"%s\"", key, metric);
    }
    memcpy(part, metric, n < sizeof part ? n : sizeof part - 1);
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(part, parts[i]) != 0) continue;
        if (i < 2 || is_judged) return OK;
        return fail_at(err, E_CONFLICT, at,
            "study: metric: the test part must not steer the tuning: say judged = \"%s\" and tune "
            "by the validation part",
            metric);
    }
    const char *near = text_nearest(part, parts, is_judged ? 3 : 2);
    return fail_at(err, E_UNKNOWN, at,
        "study: %s: expected a metric of the %s part, found \"%s\"%s%s%s%s", key,
        is_judged ? "validation, training or test" : "validation or training", metric,
        near ? ": did you mean \"" : "", near ? near : "", near ? dot : "", near ? "\"?" : "");
}

status check_metric(
    const declaration *d, const char *metric, const char *key, const origin *at, error *err)
{
    status st = OK;
    if (!*metric) return fail_at(err, E_RANGE, at, "study: %s: it is empty", key);
    for (size_t i = 0; i < d->n_workloads; i++) {
        const workload *w = &d->workloads[i];
        if (w->kind != WORKLOAD_TRAIN) continue;
        TRY(check_part(metric, key, at, err));
        TRY(check_run(w, strchr(metric, '.') + 1, key, at, err));
    }
done:
    return st;
}
