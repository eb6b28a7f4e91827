/* What may be loaded is decided by the names in the plugins' files, before any is: a metric of a third party would run beside the targets
 * and the numbers that count. */
#include "train/scorer.h"

#include "data/pack.h"
#include "train/internal.h"

#include <stdlib.h>

struct scorer {
    registry *registry;
    team *team;
    instance *loss; /* NULL: not ours */
    evaluator *evaluator;
};

/* A component in a component could be anybody's. */
static bool has_inner(const value *block)
{
    for (size_t i = 0; i < block->n; i++) {
        const value *v = block->item[i];
        if (v->kind == VALUE_GROUP && (value_find(v, "type") || has_inner(v))) return true;
        if (v->kind == VALUE_LIST && has_inner(v)) return true;
    }
    return false;
}

status scorer_may_load(registry *r, const char *kind, const value *block, bool *out, error *err)
{
    const value *type = block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    *out = false;
    if (!type || type->kind != VALUE_STRING) {
        return fail_at(err, E_TYPE, &block->at, "%s: expected a name or a block with `type`", kind);
    }
    if (block->kind == VALUE_GROUP && has_inner(block)) return OK;
    return registry_is_own(r, kind, type->as.string, &type->at, out, err);
}

static void skip(text *skipped, size_t *n, const char *kind, const value *block)
{
    const value *type = block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    text_printf(skipped, "%s%s \"%s\"", (*n)++ > 0 ? ", " : "", kind, type->as.string);
}

static status open_loss(scorer *s, config *c, uint64_t seed, text *skipped, size_t *n, error *err)
{
    value *root = config_root(c), *block = value_find(root, "loss");
    bool ours = false;
    if (!block) return fail_at(err, E_MISSING, &root->at, "the config has no `loss` block");
    const status st = scorer_may_load(s->registry, "loss", block, &ours, err);
    if (st != OK) return st;
    if (ours) return instance_new(s->registry, c, "loss", block, NULL, seed, "loss", &s->loss, err);
    skip(skipped, n, "loss", block);
    return OK;
}

/* Takes those that are not ours out of the list. */
static status open_metrics(
    scorer *s, config *c, uint64_t seed, text *skipped, size_t *n_skipped, error *err)
{
    value *root = config_root(c), *list = value_find(root, "metrics");
    status st = OK;
    size_t kept = 0;
    bool ours = false;
    for (size_t i = 0; i < value_n_items(list); i++) {
        value *one = value_item(list, i);
        TRY(scorer_may_load(s->registry, "metric", one, &ours, err));
        if (!ours) skip(skipped, n_skipped, "metric", one);
        if (list->kind == VALUE_LIST && ours) list->item[kept++] = one;
        if (list->kind != VALUE_LIST && !ours) list = NULL;
    }
    if (list && list->kind == VALUE_LIST) list->n = kept;
    st = evaluator_new(s->registry, c, list, seed, &s->evaluator, err);
done:
    return st;
}

status scorer_new(registry *r, config *c, const dataset *d, size_t n_outputs, size_t n_shards,
    text *skipped, size_t *out_n_skipped, scorer **out, error *err)
{
    status st = OK;
    train_config settings;
    size_t n = 0;
    const value *seed = value_find(config_root(c), "seed");
    const uint64_t seeded = seed && seed->kind == VALUE_INT ? (uint64_t)seed->as.integer : 0;
    scorer *s = calloc(1, sizeof *s);
    if (!s) return fail_nomem(err, "a scorer");
    s->registry = r;
    TRY(registry_add_config(r, c, err));
    TRY(train_config_read(c, &settings, err));
    TRY(open_loss(s, c, seeded, skipped, &n, err));
    TRY(open_metrics(s, c, seeded, skipped, &n, err));
    TRY(text_check(skipped, err));
    TRY(team_new(1, settings.train.flush_denormals != 0, &s->team, err));
    registry_set_team(r, s->team);
    const evaluator_given g = { .loss = s->loss,
        .n_outputs = n_outputs,
        .n_shards = n_shards,
        .max_batch = evaluation_batch(d, batcher_whole_batch(d, PART_TRAIN)),
        .team = s->team };
    TRY(evaluator_plan_given(s->evaluator, d, &g, err));
    *out_n_skipped = n;
    *out = s;
    s = NULL;
done:
    scorer_free(s);
    return st;
}

void scorer_free(scorer *s)
{
    if (!s) return;
    evaluator_free(s->evaluator);
    instance_free(s->loss);
    registry_set_team(s->registry, NULL);
    team_free(s->team);
    free(s);
}

status scorer_run(
    scorer *s, part p, const float *y, const record_value **out_values, size_t *out_n, error *err)
{
    const record_value *values = NULL;
    const evaluator_options o = { 0 };
    const size_t first = s->loss ? 0 : 1;
    evaluator_give(s->evaluator, p, y);
    const status st = evaluator_run(s->evaluator, p, &o, &values, err);
    if (st != OK) return st;
    *out_values = values + first;
    *out_n = evaluator_n_values(s->evaluator) - first;
    return OK;
}
