/* The plain host: products as three loops in double, random numbers from base/rng, memory from
 * calloc, so that sanitizers see every bound. */
#include "support/component_rig.h"

#include "base/rng.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *where, const char *what)
{
    fprintf(stderr, "component %s: %s\n", where, what);
    abort();
}

static int host_fail(assay_ctx *ctx, int code, const char *hyper, const char *message)
{
    component_rig *rig = (component_rig *)(void *)ctx;
    snprintf(rig->failure, sizeof rig->failure, "%s", message);
    snprintf(rig->failure_hyper, sizeof rig->failure_hyper, "%s", hyper ? hyper : "");
    return code;
}

static void *host_alloc(assay_ctx *ctx, uint64_t bytes)
{
    component_rig *rig = (component_rig *)(void *)ctx;
    rig->n_allocs++;
    return component_alloc(rig, bytes);
}

static void host_uniform(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    (void)ctx;
    rng_uniform(rng_make(2385, "component"), stream, index, out, n);
}

static void host_gemm(assay_ctx *ctx, const assay_gemm *g)
{
    (void)ctx;
    for (uint64_t i = 0; i < g->m; i++) {
        for (uint64_t j = 0; j < g->n; j++) {
            double sum = 0;
            for (uint64_t k = 0; k < g->k; k++) {
                const float a = g->trans_a ? g->a[k * g->lda + i] : g->a[i * g->lda + k];
                const float b = g->trans_b ? g->b[j * g->ldb + k] : g->b[k * g->ldb + j];
                sum += (double)a * (double)b;
            }
            float *c = g->c + i * g->ldc + j;
            *c = (float)(g->alpha * sum + (g->beta != 0 ? g->beta * (double)*c : 0));
        }
    }
}

void *component_alloc(component_rig *rig, size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p || rig->n_owned == sizeof rig->owned / sizeof rig->owned[0]) die("rig", "out of memory");
    rig->owned[rig->n_owned++] = p;
    return p;
}

static const assay_hyper *hyper_row(const component_rig *rig, uint64_t i)
{
    const char *rows = (const char *)rig->component->hypers;
    return (const assay_hyper *)(const void *)(rows + i * rig->component->hyper_stride);
}

static void put(component_rig *rig, const assay_hyper *row, double value)
{
    char *at = (char *)rig->hyper + row->offset;
    const int64_t whole = (int64_t)value;
    switch (row->type) {
    case ASSAY_TYPE_REAL: memcpy(at, &value, sizeof value); break;
    case ASSAY_TYPE_INT:
    case ASSAY_TYPE_BOOL:
    case ASSAY_TYPE_ENUM: memcpy(at, &whole, sizeof whole); break;
    default: die(row->name, "a type that the rig cannot set");
    }
}

void component_set(component_rig *rig, const char *name, double value)
{
    for (uint64_t i = 0; i < rig->component->n_hypers; i++) {
        if (strcmp(hyper_row(rig, i)->name, name) == 0) {
            put(rig, hyper_row(rig, i), value);
            return;
        }
    }
    die(name, "no such hyperparameter");
}

/* The entry of a loaded plugin; dlsym's object pointer becomes a function pointer as POSIX asks. */
static const assay_plugin *enter(const char *path, const assay_host *host)
{
    const assay_plugin *(*entry)(const assay_host *) = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) die(path, dlerror());
    *(void **)&entry = dlsym(library, ASSAY_TEXT(ASSAY_ENTRY));
    if (!entry) die(path, dlerror());
    return entry(host);
}

void component_open(component_rig *rig, const char *build_dir, const char *kind, const char *id)
{
    char path[1024];
    *rig = (component_rig){ 0 };
    rig->host = (assay_host){ .struct_size = sizeof rig->host,
        .fail = host_fail,
        .alloc = host_alloc,
        .scratch = host_alloc,
        .uniform_f32 = host_uniform,
        .gemm_f32 = host_gemm };
    rig->ctx = (assay_ctx){ .struct_size = sizeof rig->ctx, .host = &rig->host };
    snprintf(path, sizeof path, "%s/plugins/%s/%s.so", build_dir, kind, id);
    const assay_plugin *plugin = enter(path, &rig->host);
    rig->component = plugin->components[0];
    if (strcmp(rig->component->id, id) != 0 || strcmp(rig->component->kind, kind) != 0) {
        die(path, "holds another component");
    }
    rig->hyper = component_alloc(rig, rig->component->hyper_bytes);
    for (uint64_t i = 0; i < rig->component->n_hypers; i++) {
        put(rig, hyper_row(rig, i), hyper_row(rig, i)->def);
    }
}

void component_close(component_rig *rig)
{
    for (uint64_t i = 0; i < rig->n_owned; i++) {
        free(rig->owned[i]);
    }
    *rig = (component_rig){ 0 };
}
