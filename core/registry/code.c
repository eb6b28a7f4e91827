/* Which plugin an address of code belongs to, and which callback: for what is said when one has crashed.
 *
 * A file's range is taken down right after it was loaded, so that a signal handler has only numbers to compare: it may neither
 * ask the loader, which could hold its lock, nor allocate. A callback's end is not known; of those that begin at or before the
 * address the last one is named. */
#define _GNU_SOURCE /* dlinfo, dl_iterate_phdr */
#include "registry/internal.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

typedef struct callback_place {
    const char *kind, *name;
    size_t offset; /* in the ops */
} callback_place;

#define PLACE(kind_, type, field) \
    { \
        ASSAY_KIND_##kind_, #field, offsetof(type, field) \
    }

static const callback_place places[] = {
    PLACE(OPTIMIZER, assay_optimizer, elem),
    PLACE(OPTIMIZER, assay_optimizer, tensor),
    PLACE(OPTIMIZER, assay_optimizer, model),
    PLACE(OPTIMIZER, assay_optimizer, validate),
    PLACE(OPTIMIZER, assay_optimizer, reduce),
    PLACE(OPTIMIZER, assay_optimizer, combine),
    PLACE(OPTIMIZER, assay_optimizer, eval_weights),
    PLACE(OPTIMIZER, assay_optimizer, create),
    PLACE(OPTIMIZER, assay_optimizer, destroy),
    PLACE(OPTIMIZER, assay_optimizer, save),
    PLACE(OPTIMIZER, assay_optimizer, load),
    PLACE(OPTIMIZER, assay_optimizer, accept),
    PLACE(SCHEDULE, assay_schedule, factor),
    PLACE(SCHEDULE, assay_schedule, validate),
    PLACE(LAYER, assay_layer, plan),
    PLACE(LAYER, assay_layer, forward),
    PLACE(LAYER, assay_layer, backward),
    PLACE(LAYER, assay_layer, validate),
    PLACE(LAYER, assay_layer, prepare),
    PLACE(LAYER, assay_layer, create),
    PLACE(LAYER, assay_layer, destroy),
    PLACE(LOSS, assay_loss, plan),
    PLACE(LOSS, assay_loss, loss),
    PLACE(LOSS, assay_loss, validate),
    PLACE(METRIC, assay_metric, plan),
    PLACE(METRIC, assay_metric, add),
    PLACE(METRIC, assay_metric, result),
    PLACE(METRIC, assay_metric, merge),
    PLACE(METRIC, assay_metric, validate),
    PLACE(DATASET, assay_dataset, open),
    PLACE(DATASET, assay_dataset, close),
    PLACE(DATASET, assay_dataset, validate),
};

enum { N_PLACES = sizeof places / sizeof places[0] };

static uintptr_t callback_address(const component *c, const callback_place *p)
{
    void (*callback)(void);
    if (strcmp(p->kind, c->kind) != 0) return 0;
    memcpy(&callback, (const char *)c->ops + p->offset, sizeof callback);
    return (uintptr_t)callback;
}

/* The callback that begins last before the address, later than `*begin`, which it then moves there; else NULL. */
static const char *find_callback(const component *c, uintptr_t address, uintptr_t *begin)
{
    const char *name = NULL;
    for (size_t i = 0; i < N_PLACES; i++) {
        const uintptr_t a = callback_address(c, &places[i]);
        if (a == 0 || a > address || a <= *begin) continue;
        name = places[i].name;
        *begin = a;
    }
    return name;
}

const char *component_callback_at(const component *c, const void *address)
{
    uintptr_t begin = 0;
    return find_callback(c, (uintptr_t)address, &begin);
}

const char *component_callback_from(const component *c, const void *begin)
{
    for (size_t i = 0; i < N_PLACES; i++) {
        if (callback_address(c, &places[i]) == (uintptr_t)begin) return places[i].name;
    }
    return NULL;
}

const char *component_callback(const component *c, size_t i)
{
    for (size_t k = 0; k < N_PLACES; k++) {
        if (callback_address(c, &places[k]) != 0 && i-- == 0) return places[k].name;
    }
    return NULL;
}

/* -- Where files lie -- */

typedef struct range {
    uintptr_t base; /* what the loader has moved the file's addresses by */
    uintptr_t begin, end;
} range;

static int take_range(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    range *r = arg;
    (void)bytes;
    if (info->dlpi_addr != r->base) return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
        const uintptr_t begin = r->base + p->p_vaddr, end = begin + p->p_memsz;
        if (r->end == 0 || begin < r->begin) r->begin = begin;
        if (end > r->end) r->end = end;
    }
    return 1;
}

void entry_note_code(entry *e, void *library)
{
    struct link_map *map;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) return;
    range r = { .base = map->l_addr };
    (void)dl_iterate_phdr(take_range, &r);
    e->code_begin = r.begin;
    e->code_end = r.end;
}

bool registry_code_at(const registry *r, const void *address, code_place *out)
{
    const uintptr_t a = (uintptr_t)address;
    const entry *e = NULL;
    for (size_t i = 0; !e && i < r->n; i++) {
        if (a >= r->entries[i]->code_begin && a < r->entries[i]->code_end) e = r->entries[i];
    }
    if (!e) return false;
    uintptr_t begin = 0;
    *out = (code_place){ .file = &e->file };
    for (size_t i = 0; e->components && i < e->file.n_components; i++) {
        const component *c = &e->components[i];
        const char *name = c->kind ? find_callback(c, a, &begin) : NULL;
        if (!name) continue;
        out->component = c;
        out->callback = name;
    }
    return true;
}

const plugin_file *registry_loading(const registry *r)
{
    return r->loading ? &r->loading->file : NULL;
}
