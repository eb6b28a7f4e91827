/* What the host knows of each kind of components: how large its ops are, which callbacks it must
 * have.
 *
 * A plugin's ops may be shorter than this host's (an older header) or longer (a newer one): they
 * are copied into a zeroed struct of this host's size, so that everything later reads its own
 * struct. Sizes of version 0.0 are named by its last field and stay as they are when fields are
 * appended. What else an optimizer must fulfil is in kind_optimizer.c. */
#include "registry/internal.h"

#include <string.h>

enum { MOST_ROWS = 10000, MOST_HYPER_BYTES = 1 << 20 };

status table_check(
    const char *what, const void *table, uint64_t n, uint64_t stride, size_t least, error *why)
{
    if (n == 0) return OK;
    if (!table) {
        return fail(why, E_PLUGIN, "%llu %s are announced but the table is NULL",
            (unsigned long long)n, what);
    }
    if (n > MOST_ROWS) {
        return fail(why, E_PLUGIN, "%llu %s are more than the %d that a host reads",
            (unsigned long long)n, what, (int)MOST_ROWS);
    }
    if (stride < least || stride % 8 != 0) {
        return fail(why, E_PLUGIN,
            "the table of %s has a stride of %llu bytes, expected at least %zu", what,
            (unsigned long long)stride, least);
    }
    return OK;
}

static status need(bool is_there, const char *callback, error *why)
{
    return is_there ? OK : fail(why, E_PLUGIN, "it has no %s, which is required", callback);
}

static status check_schedule(const component *c, error *why)
{
    const assay_schedule *o = c->ops;
    return need(o->factor != NULL, "factor", why);
}

static status check_layer(const component *c, error *why)
{
    const assay_layer *o = c->ops;
    status st = OK;
    TRY(need(o->plan != NULL, "plan", why));
    TRY(need(o->forward != NULL, "forward", why));
    TRY(need(o->backward != NULL, "backward", why));
    if ((o->create == NULL) != (o->destroy == NULL)) {
        return fail(why, E_PLUGIN, "create and destroy must be given both or not at all");
    }
done:
    return st;
}

static status check_loss(const component *c, error *why)
{
    const assay_loss *o = c->ops;
    const status st = need(o->plan != NULL, "plan", why);
    return st != OK ? st : need(o->loss != NULL, "loss", why);
}

static status check_metric(const component *c, error *why)
{
    const assay_metric *o = c->ops;
    status st = OK;
    TRY(need(o->plan != NULL, "plan", why));
    TRY(need(o->add != NULL, "add", why));
    TRY(need(o->result != NULL, "result", why));
done:
    return st;
}

static status check_dataset(const component *c, error *why)
{
    const assay_dataset *o = c->ops;
    return need(o->open != NULL, "open", why);
}

static status check_search(const component *c, error *why)
{
    const assay_search *o = c->ops;
    status st = OK;
    const uint64_t known = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_NOISE |
        ASSAY_SEARCH_FIDELITY | ASSAY_SEARCH_FINITE;
    TRY(need(o->open != NULL, "open", why));
    TRY(need(o->ask != NULL, "ask", why));
    TRY(need(o->tell != NULL, "tell", why));
    TRY(need(o->close != NULL, "close", why));
    if (o->can & ~known) {
        st = fail(why, E_PLUGIN, "it can things that this assay does not know: 0x%llx",
            (unsigned long long)(o->can & ~known));
    }
done:
    return st;
}

static status check_pruner(const component *c, error *why)
{
    const assay_pruner *o = c->ops;
    status st = OK;
    TRY(need(o->open != NULL, "open", why));
    TRY(need(o->tell != NULL, "tell", why));
    TRY(need(o->report != NULL, "report", why));
    TRY(need(o->close != NULL, "close", why));
done:
    return st;
}

static const kind_info kinds[] = {
    { ASSAY_KIND_OPTIMIZER, sizeof(assay_optimizer), END_OF(assay_optimizer, special_case_stride),
        offsetof(assay_optimizer, validate), offsetof(assay_optimizer, create),
        offsetof(assay_optimizer, destroy), check_optimizer },
    { ASSAY_KIND_SCHEDULE, sizeof(assay_schedule), END_OF(assay_schedule, validate),
        offsetof(assay_schedule, validate), NO_CALLBACK, NO_CALLBACK, check_schedule },
    { ASSAY_KIND_LAYER, sizeof(assay_layer), END_OF(assay_layer, destroy),
        offsetof(assay_layer, validate), offsetof(assay_layer, create),
        offsetof(assay_layer, destroy), check_layer },
    { ASSAY_KIND_LOSS, sizeof(assay_loss), END_OF(assay_loss, validate),
        offsetof(assay_loss, validate), NO_CALLBACK, NO_CALLBACK, check_loss },
    { ASSAY_KIND_METRIC, sizeof(assay_metric), END_OF(assay_metric, validate),
        offsetof(assay_metric, validate), NO_CALLBACK, NO_CALLBACK, check_metric },
    { ASSAY_KIND_DATASET, sizeof(assay_dataset), END_OF(assay_dataset, validate),
        offsetof(assay_dataset, validate), NO_CALLBACK, NO_CALLBACK, check_dataset },
    { ASSAY_KIND_SEARCH, sizeof(assay_search), END_OF(assay_search, explain),
        offsetof(assay_search, validate), NO_CALLBACK, NO_CALLBACK, check_search },
    { ASSAY_KIND_PRUNER, sizeof(assay_pruner), END_OF(assay_pruner, validate),
        offsetof(assay_pruner, validate), NO_CALLBACK, NO_CALLBACK, check_pruner },
};

const kind_info *kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    }
    return NULL;
}

/* The ops at this host's size. */
static status take_ops(
    const kind_info *k, const void *given, arena *a, const void **out, error *why)
{
    if (!given) return fail(why, E_PLUGIN, "its ops are NULL");
    uint64_t size;
    memcpy(&size, given, sizeof size);
    if (size < k->bytes_0) {
        return fail(why, E_PLUGIN, "is malformed: its ops have %llu bytes, at least %zu are needed",
            (unsigned long long)size, k->bytes_0);
    }
    char *ops = arena_alloc(a, k->bytes);
    if (!ops) return fail_nomem(why, "a component");
    memcpy(ops, given, size < k->bytes ? (size_t)size : k->bytes);
    size = k->bytes;
    memcpy(ops, &size, sizeof size);
    *out = ops;
    return OK;
}

static status take_hypers(const assay_component *given, hyper_table *out, error *why)
{
    status st = table_check("hyperparameters", given->hypers, given->n_hypers, given->hyper_stride,
        END_OF(assay_hyper, kind), why);
    if (st != OK) return st;
    if (given->hyper_bytes > MOST_HYPER_BYTES) {
        return fail(why, E_PLUGIN,
            "its struct of hyperparameters has %llu bytes, at most %d are read",
            (unsigned long long)given->hyper_bytes, (int)MOST_HYPER_BYTES);
    }
    *out = (hyper_table){ given->hypers, (size_t)given->n_hypers, (size_t)given->hyper_stride,
        (size_t)given->hyper_bytes };
    st = hyper_table_check(out, NULL, why);
    return st == OK ? hyper_check_covered(out, why) : st;
}

static status check_info(const assay_component *c, const component_info *info, error *why)
{
    const bool is_version = strcmp(c->version, info->version) != 0;
    if (!is_version && strcmp(c->doc, info->doc) == 0) return OK;
    return fail(why, E_PLUGIN,
        "contradicts itself: its %s is \"%s\" in its description and \"%s\" in .assay_info",
        is_version ? "version" : "doc", is_version ? c->version : c->doc,
        is_version ? info->version : info->doc);
}

status component_take(const assay_component *given, const component_info *info,
    const plugin_file *file, arena *a, component *out, error *why)
{
    const kind_info *k = kind_find(given->kind);
    if (!k) return fail(why, E_PLUGIN, "\"%s\" is no kind that this assay knows", given->kind);
    component c = { given->kind, given->id, given->version, given->doc, { 0 }, NULL, file };
    status st = OK;
    TRY(check_info(given, info, why));
    TRY(take_hypers(given, &c.hypers, why));
    TRY(take_ops(k, given->ops, a, &c.ops, why));
    TRY(k->check(&c, why));
    *out = c;
done:
    return st;
}

static const char *callback_at(const instance *i, size_t offset)
{
    return (const char *)i->component->ops + offset;
}

static int call(instance *i, size_t offset)
{
    int (*callback)(assay_ctx *, const void *) = NULL;
    if (offset != NO_CALLBACK) memcpy(&callback, callback_at(i, offset), sizeof callback);
    return callback ? callback(&i->ctx, i->hyper) : ASSAY_OK;
}

int component_validate(instance *i)
{
    return call(i, kind_find(i->component->kind)->validate);
}

int component_create(instance *i)
{
    return call(i, kind_find(i->component->kind)->create);
}

void component_destroy(instance *i)
{
    const kind_info *k = kind_find(i->component->kind);
    void (*destroy)(assay_ctx *) = NULL;
    if (k->destroy != NO_CALLBACK) memcpy(&destroy, callback_at(i, k->destroy), sizeof destroy);
    if (destroy) destroy(&i->ctx);
}
