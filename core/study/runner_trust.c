/* What is ranked on must be made by a scorer, and a scorer loads nobody's loss and metrics but those that come with assay: others are shown
 * as training tells them. So a study whose metric is another's is refused before anything runs; what only a point of a search brings
 * about is refused when it is scored (runner_values.c).
 *
 * Which file has a component is read from .assay_info; nothing is loaded. Of what is wrong otherwise the plan tells. */
#include "study/runner_internal.h"

#include "train/scorer.h"

#include <string.h>

/* What is asked: who makes the value of that name. */
typedef struct question {
    registry *registry;
    const char *key, *metric; /* `metric` or `judged`, and what it says */
    const char *name; /* without the part */
} question;

static status is_own(const question *q, const char *kind, const value *block, bool *out, error *err)
{
    error why;
    const status st = scorer_may_load(q->registry, kind, block, out, &why);
    if (st != OK) *out = true; /* it is not there, or two are, or it is no block at all */
    return st == E_NOMEM ? fail_nomem(err, "a study's metric") : OK;
}

static status refuse(const question *q, const char *kind, const value *block, error *err)
{
    const value *type = block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    return fail_at(err, E_CONFLICT, &type->at,
        "study: %s: \"%s\" is made by the %s \"%s\", which does not come with assay: what it says "
        "is shown, never ranked on; let study.%s name a metric that comes with assay, and the "
        "other stands beside it in every table",
        q->key, q->metric, kind, type->as.string, q->key);
}

/* Whether a scorer of this config would make the value. */
static status check_config(const question *q, const config *c, error *err)
{
    status st = OK;
    bool ours = false;
    const value *root = config_root(c), *foreign = NULL;
    const bool is_loss = strcmp(q->name, "loss") == 0;
    const value *loss = is_loss ? value_find(root, "loss") : NULL;
    value *metrics = is_loss ? NULL : value_find(root, "metrics");
    if (loss) TRY(is_own(q, "loss", loss, &ours, err));
    if (loss && !ours) TRY(refuse(q, "loss", loss, err));
    for (size_t i = 0; i < value_n_items(metrics) && !ours; i++) {
        const value *one = value_item(metrics, i);
        if (!metric_makes(one, q->name)) continue;
        TRY(is_own(q, "metric", one, &ours, err));
        foreign = one;
    }
    if (foreign && !ours) TRY(refuse(q, "metric", foreign, err));
done:
    return st;
}

static status check_both(const runner *r, registry *of, const config *c, error *err)
{
    const declaration *d = r->declaration;
    const char *const metrics[] = { d->metric, d->judged };
    static const char *const keys[] = { "metric", "judged" };
    for (size_t i = 0; i < 2; i++) {
        const char *dot = metrics[i] ? strchr(metrics[i], '.') : NULL;
        if (!dot) continue;
        const question q = {
            .registry = of, .key = keys[i], .metric = metrics[i], .name = dot + 1
        };
        const status st = check_config(&q, c, err);
        if (st != OK) return st;
    }
    return OK;
}

static registry_options places_of(const runner *r)
{
    return (registry_options){ .program_path =
                                   r->options.program ? r->options.program : "/proc/self/exe" };
}

/* A config with files of its own has a registry of its own: another's may hold components of the same names. */
static status check_contender(
    const runner *r, const workload *w, const contender *k, registry *shared, error *err)
{
    status st = OK;
    error why;
    config *c = NULL;
    registry *own = NULL;
    const registry_options o = places_of(r);
    TRY(workload_config(w, k->overrides, k->n_overrides, &c, err));
    const bool has_files = value_find(config_root(c), "plugins") != NULL;
    if (has_files) TRY(registry_new(&o, &own, err));
    const status added = has_files ? registry_add_config(own, c, &why) : OK;
    if (added == E_NOMEM) TRY(fail_nomem(err, "a study's metric"));
    if (added == OK) TRY(check_both(r, has_files ? own : shared, c, err));
done:
    registry_free(own);
    config_free(c);
    return st;
}

/* The registry that others' files were not added to is the first workload's of the record's, which would look for plugins once more. */
status trust_check(runner *r, error *err)
{
    status st = OK;
    registry **shared = NULL;
    const declaration *d = r->declaration;
    const registry_options o = places_of(r);
    for (size_t i = 0; i < d->n_workloads * d->n_contenders; i++) {
        const workload *w = &d->workloads[i / d->n_contenders];
        if (w->kind != WORKLOAD_TRAIN) continue;
        if (!shared) {
            shared = &r->registries[i / d->n_contenders];
            TRY(registry_new(&o, shared, err));
        }
        TRY(check_contender(r, w, &d->contenders[i % d->n_contenders], *shared, err));
    }
done:
    return st;
}
