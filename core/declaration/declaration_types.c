/* Whether what a dimension names is a real number, by the tables of those who read it.
 *
 * momentum=0..1 looks like whole numbers, and would be searched as two values. Whoever means a real key means all that is between; so
 * the tables decide: those of assay's own keys, and those of the components that the first run has, or that the space chooses from. What no
 * table knows is left as it was written. */
#include "declaration/declaration_internal.h"

#include "data/dataset.h"
#include "model/model.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/scheduler.h"

#include <assay/plugin.h>

#include <stdio.h>
#include <string.h>

static const struct {
    const char *block, *kind; /* NULL: no components */
    const hyper_table *host;
} rooms[] = {
    { "optimizer", ASSAY_KIND_OPTIMIZER, &optimizer_table },
    { "schedule", ASSAY_KIND_SCHEDULE, &schedule_table },
    { "loss", ASSAY_KIND_LOSS, NULL },
    { "model", ASSAY_KIND_LAYER, &layer_table },
    { "data", ASSAY_KIND_DATASET, &data_table },
    { "data.split", NULL, &data_split_table },
    { "train", NULL, &train_table },
    { "train.early_stopping", NULL, &early_stop_table },
};

/* "model[0]" is in the room "model", "optimizer[1]" in "optimizer". */
static bool is_in_room(const char *group, const char *block)
{
    const size_t n = strlen(block);
    if (strncmp(group, block, n) != 0) return false;
    return group[n] == '\0' || (group[n] == '[' && !strchr(group + n, '.'));
}

/* The run as the contender has it; NULL where it cannot be made, which is told elsewhere. */
static config *run_of(typing *t)
{
    error inner;
    const declaration *d = t->g->d;
    if (t->is_tried) return t->run;
    t->is_tried = true;
    for (size_t i = 0; i < d->n_workloads; i++) {
        if (d->workloads[i].kind != WORKLOAD_TRAIN) continue;
        const contender *k = t->contender;
        status st = workload_tree(&d->workloads[i], k->overrides, k->n_overrides, &t->run, &inner);
        if (st == OK) st = registry_add_config(t->g->r, t->run, &inner);
        t->ran_out = t->ran_out || st == E_NOMEM;
        break;
    }
    return t->run;
}

/* What a component says of a key: 1 real, -1 something else, 0 nothing. */
static int asked_of_component(typing *t, const char *kind, const char *id, const char *key)
{
    error inner;
    const component *c;
    const status st = registry_find(t->g->r, kind, id, NULL, &c, &inner);
    t->ran_out = t->ran_out || st == E_NOMEM;
    const assay_hyper *h = st == OK ? hyper_find(&c->hypers, key) : NULL;
    return !h ? 0 : h->type == ASSAY_TYPE_REAL ? 1 : -1;
}

/* All components that may stand there; real where one says so and none contradicts. */
static bool asked_of_components(
    typing *t, const space *s, const char *kind, const char *group, const char *key)
{
    char type_key[264];
    snprintf(type_key, sizeof type_key, "%s.type", group);
    const size_t i = space_find(s, type_key);
    if (i < s->n && s->dimensions[i].type == ASSAY_SPACE_CATEGORY) {
        bool is_real = false;
        for (uint64_t n = 0; n < s->dimensions[i].n_choices; n++) {
            const int says = asked_of_component(t, kind, s->dimensions[i].choices[n], key);
            if (says < 0) return false;
            is_real = is_real || says > 0;
        }
        return is_real;
    }
    config *run = run_of(t);
    value *block = run ? value_at(config_root(run), group) : NULL;
    const value *type = block && block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    if (!type || type->kind != VALUE_STRING) return false;
    return asked_of_component(t, kind, type->as.string, key) > 0;
}

bool typing_is_real(void *self, const struct space *s, const char *name)
{
    char group[256];
    typing *t = self;
    const char *dot = strrchr(name, '.');
    if (!dot || (size_t)(dot - name) >= sizeof group) return false;
    memcpy(group, name, (size_t)(dot - name));
    group[dot - name] = '\0';
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        if (!is_in_room(group, rooms[i].block)) continue;
        const assay_hyper *own = rooms[i].host ? hyper_find(rooms[i].host, dot + 1) : NULL;
        if (own) return own->type == ASSAY_TYPE_REAL;
        return rooms[i].kind && asked_of_components(t, s, rooms[i].kind, group, dot + 1);
    }
    return false;
}

void typing_release(typing *t)
{
    config_free(t->run);
}
