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

/* What pack_b writes: for what it was made, and op(B), [k, n]. */
typedef struct packed_b {
    uint64_t trans_b, n, k, mark;
    float b[];
} packed_b;

static const uint64_t packed_mark = 0x9e3779b97f4a7c15u;

static float element_b(const assay_gemm *g, uint64_t k, uint64_t j)
{
    return g->trans_b ? g->b[j * g->ldb + k] : g->b[k * g->ldb + j];
}

static uint64_t host_pack_b_bytes(assay_ctx *ctx, const assay_gemm *g)
{
    (void)ctx;
    return sizeof(packed_b) + g->n * g->k * sizeof(float);
}

static void host_pack_b(assay_ctx *ctx, const assay_gemm *g, void *out)
{
    packed_b *p = out;
    (void)ctx;
    *p = (packed_b){ g->trans_b, g->n, g->k, packed_mark };
    for (uint64_t k = 0; k < g->k; k++) {
        for (uint64_t j = 0; j < g->n; j++) {
            p->b[k * g->n + j] = element_b(g, k, j);
        }
    }
}

static const packed_b *packed_of(const assay_gemm *g)
{
    const packed_b *p = g->packed_b;
    if (p && (p->mark != packed_mark || p->trans_b != g->trans_b || p->n != g->n || p->k != g->k)) {
        die("gemm", "a packed matrix that was made for another product");
    }
    return p;
}

static void host_log(assay_ctx *ctx, uint32_t level, const char *message)
{
    component_rig *rig = (component_rig *)(void *)ctx;
    (void)level;
    snprintf(rig->logged, sizeof rig->logged, "%s", message);
}

static void host_gemm(assay_ctx *ctx, const assay_gemm *g)
{
    const packed_b *packed = packed_of(g);
    (void)ctx;
    for (uint64_t i = 0; i < g->m; i++) {
        for (uint64_t j = 0; j < g->n; j++) {
            double sum = 0;
            for (uint64_t k = 0; k < g->k; k++) {
                const float a = g->trans_a ? g->a[k * g->lda + i] : g->a[i * g->lda + k];
                const float b = packed ? packed->b[k * g->n + j] : element_b(g, k, j);
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
        .log = host_log,
        .alloc = host_alloc,
        .scratch = host_alloc,
        .uniform_f32 = host_uniform,
        .gemm_f32 = host_gemm,
        .pack_b_bytes = host_pack_b_bytes,
        .pack_b = host_pack_b };
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
