/* Plugins stay loaded until the program ends, as in assay itself. */
#include "support/fake_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *which)
{
    fprintf(stderr, "fake host: %s: %s\n", what, which);
    abort();
}

static int report(assay_ctx *ctx, int code, const char *hyper, const char *message)
{
    fake_host *h = (fake_host *)(void *)ctx;
    h->n_reports++;
    snprintf(h->blamed, sizeof h->blamed, "%s", hyper ? hyper : "");
    snprintf(h->message, sizeof h->message, "%s", message);
    return code;
}

static void ignore(assay_ctx *ctx, uint32_t level, const char *message)
{
    (void)ctx;
    (void)level;
    (void)message;
}

static const assay_hyper *row_at(const fake_host *h, uint64_t i)
{
    const char *table = (const char *)h->component->hypers;
    return (const assay_hyper *)(const void *)(table + i * h->component->hyper_stride);
}

const assay_hyper *fake_host_row(const fake_host *h, const char *name)
{
    for (uint64_t i = 0; i < h->component->n_hypers; i++) {
        if (strcmp(row_at(h, i)->name, name) == 0) {
            return row_at(h, i);
        }
    }
    return NULL;
}

int64_t fake_host_bool(const fake_host *h, const char *name)
{
    const assay_hyper *row = fake_host_row(h, name);
    int64_t value;
    if (!row || row->type != ASSAY_TYPE_BOOL) {
        die("not a BOOL", name);
    }
    memcpy(&value, h->hyper.bytes + row->offset, sizeof value);
    return value;
}

static void put_number(fake_host *h, const assay_hyper *row, double value)
{
    const int64_t whole = (int64_t)value;
    char *at = h->hyper.bytes + row->offset;
    if (row->type == ASSAY_TYPE_REAL) {
        memcpy(at, &value, sizeof value);
    } else {
        memcpy(at, &whole, sizeof whole);
    }
}

static void put_list(fake_host *h, const assay_hyper *row, const char *text)
{
    assay_ints list = { .item = h->ints, .n = 0 };
    for (char *end; *text && list.n < FAKE_HOST_ITEMS; text = end + (*end == ',')) {
        h->ints[list.n++] = strtoll(text, &end, 10);
    }
    memcpy(h->hyper.bytes + row->offset, &list, sizeof list);
}

static void put_choice(fake_host *h, const assay_hyper *row, const char *text)
{
    for (uint64_t i = 0; i < row->n_choices; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            put_number(h, row, (double)i);
            return;
        }
    }
    die("no such choice", text);
}

static void put_text(fake_host *h, const char *name, const char *text)
{
    const assay_hyper *row = fake_host_row(h, name);
    char *end;
    if (!row) {
        die("no such hyperparameter", name);
    }
    if (row->type == ASSAY_TYPE_INTS) {
        put_list(h, row, text);
    } else if (row->type == ASSAY_TYPE_ENUM) {
        put_choice(h, row, text);
    } else {
        put_number(h, row, strtod(text, &end));
        if (*end) {
            die("not a number", text);
        }
    }
}

void fake_host_set(fake_host *h, const char *values)
{
    char name[64], text[128];
    int n;
    while (sscanf(values, " %63[^= ]=%127[^ ]%n", name, text, &n) == 2) {
        put_text(h, name, text);
        values += n;
    }
    if (values[strspn(values, " ")]) {
        die("not name=value", values);
    }
}

static const assay_plugin *load(const char *path, const assay_host *table)
{
    const assay_plugin *(*entry)(const assay_host *) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, ASSAY_TEXT(ASSAY_ENTRY)) : NULL;
    if (!symbol) {
        die("not a plugin", dlerror());
    }
    memcpy(&entry, &symbol, sizeof symbol); /* ISO C has no cast from an object to a function */
    return entry(table);
}

void fake_host_open(fake_host *h, const char *folder, const char *kind, const char *id)
{
    char path[1024];
    *h = (fake_host){ .ctx = { .struct_size = sizeof(assay_ctx) },
        .table = { .struct_size = sizeof(assay_host),
            .abi_major = ASSAY_ABI_MAJOR,
            .abi_minor = ASSAY_ABI_MINOR,
            .draft_hash = ASSAY_DRAFT_HASH,
            .fail = report,
            .log = ignore } };
    h->ctx.host = &h->table;
    snprintf(path, sizeof path, "%s/%s/%s.so", folder, kind, id);
    const assay_plugin *plugin = load(path, &h->table);
    for (uint64_t i = 0; i < plugin->n_components; i++) {
        if (strcmp(plugin->components[i]->id, id) == 0) {
            h->component = plugin->components[i];
        }
    }
    if (!h->component || strcmp(h->component->kind, kind) != 0) {
        die("no such component", path);
    }
    if (h->component->hyper_bytes > sizeof h->hyper.bytes) {
        die("more hyperparameters than the fake host holds", id);
    }
    for (uint64_t i = 0; i < h->component->n_hypers; i++) {
        const assay_hyper *row = row_at(h, i);
        if (row->type == ASSAY_TYPE_INTS) {
            put_list(h, row, row->def_string ? row->def_string : "");
        } else {
            put_number(h, row, row->def);
        }
    }
}
