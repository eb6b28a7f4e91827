/* The checks use numbers of many sizes from a small generator of their own, the same in every run. Chunks are handed out from the
 * back, so that an optimizer which carries something from chunk to chunk is found out. */
#include "support/optimizer_harness.h"

#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_ELEMENTS = 9001, N_UPDATES = 12, N_BEFORE = 5 };

static float *numbers(size_t n)
{
    float *p = calloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static const assay_slot *slot_at(const optimizer_harness *o, uint64_t i)
{
    const char *table = (const char *)o->ops->slots;
    return (const assay_slot *)(const void *)(table + i * o->ops->slot_stride);
}

void optimizer_open(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const float *w0, size_t n)
{
    char folder[1024];
    memset(o, 0, sizeof *o);
    snprintf(folder, sizeof folder, "%s/plugins", build_folder);
    fake_host_open(&o->host, folder, ASSAY_KIND_OPTIMIZER, id);
    fake_host_set(&o->host, options);
    o->ops = o->host.component->ops;
    assert_non_null(o->ops->elem);
    assert_in_range(o->ops->n_slots, 0, OPTIMIZER_SLOTS);
    o->n = n;
    o->tensor = (assay_tensor){ .struct_size = sizeof o->tensor,
        .name = "w",
        .layer = "harness",
        .shape = { .n_dims = 1, .dim = { n } },
        .size = n,
        .rows = 1,
        .cols = n,
        .blocks = 1 };
    o->w = numbers(n);
    memcpy(o->w, w0, n * sizeof *w0);
    for (uint64_t i = 0; i < o->ops->n_slots; i++) {
        const assay_slot *slot = slot_at(o, i);
        assert_int_equal(slot->shape, ASSAY_SLOT_SAME);
        if (slot->when && !fake_host_bool(&o->host, slot->when)) {
            continue;
        }
        o->slot[i] = numbers(n);
        for (size_t k = 0; k < n; k++) {
            o->slot[i][k] = (float)slot->init;
        }
    }
}

void optimizer_close(optimizer_harness *o)
{
    free(o->w);
    for (size_t i = 0; i < OPTIMIZER_SLOTS; i++) {
        free(o->slot[i]);
    }
}

void optimizer_restore(optimizer_harness *o, const optimizer_harness *from)
{
    assert_int_equal(o->n, from->n);
    o->t = from->t;
    memcpy(o->w, from->w, o->n * sizeof *o->w);
    for (size_t i = 0; i < OPTIMIZER_SLOTS; i++) {
        if (o->slot[i]) {
            memcpy(o->slot[i], from->slot[i], o->n * sizeof *o->slot[i]);
        }
    }
}

static void update_chunk(
    optimizer_harness *o, const assay_step *step, const float *g, size_t begin, size_t n)
{
    float *slot[OPTIMIZER_SLOTS];
    for (size_t i = 0; i < OPTIMIZER_SLOTS; i++) {
        slot[i] = o->slot[i] ? o->slot[i] + begin : NULL;
    }
    const assay_span span = { .struct_size = sizeof span,
        .tensor = &o->tensor,
        .begin = begin,
        .n = n,
        .w = o->w + begin,
        .g = g + begin,
        .slot = slot,
        .slot_stride = o->n };
    assert_int_equal(o->ops->elem(&o->host.ctx, o->host.hyper.bytes, step, &span), ASSAY_OK);
}

void optimizer_update(optimizer_harness *o, const float *g, size_t chunk)
{
    const size_t each = chunk == OPTIMIZER_WHOLE || chunk > o->n ? o->n : chunk;
    const assay_step step = {
        .struct_size = sizeof step, .t = ++o->t, .n_tensors = 1, .n_elements = o->n
    };
    if (o->n == 0) {
        update_chunk(o, &step, g, 0, 0);
        return;
    }
    for (size_t i = (o->n + each - 1) / each; i-- > 0;) {
        const size_t begin = i * each;
        update_chunk(o, &step, g, begin, begin + each < o->n ? each : o->n - begin);
    }
}

/* The distance that the weights have moved, against that of the oracle: weights that hardly move would hide a wrong step. What
 * t roundings of the weights to float may have added does not count. */
static double moved_error(const float *w, const double *want, const float *w0, size_t n, size_t t)
{
    double difference = 0, distance = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double moved = want[i] - (double)w0[i], d = (double)w[i] - want[i];
        difference += d * d;
        distance += moved * moved;
        size += want[i] * want[i];
    }
    const double rounding = (double)t * 0x1p-24 * sqrt(size), off = sqrt(difference);
    return off > rounding ? (off - rounding) / sqrt(distance) : 0;
}

static void check_path(const char *build_folder, const golden *file, const char *id,
    const optimizer_case *c, const char *tensor)
{
    char key[128];
    size_t n, n_all;
    optimizer_harness o;
    snprintf(key, sizeof key, "w0.%s", tensor);
    const float *w0 = golden_f32(file, key, &n);
    snprintf(key, sizeof key, "g.%s", tensor);
    const float *g = golden_f32(file, key, &n_all);
    snprintf(key, sizeof key, "%s.%s", c->name, tensor);
    const double *want = golden_f64(file, key, &n_all);
    assert_true(n_all / n >= 20);
    optimizer_open(&o, build_folder, id, c->options, w0, n);
    for (size_t i = 0; i < n_all / n; i++) {
        optimizer_update(&o, g + i * n, OPTIMIZER_WHOLE);
        const double error = norm_relative_error(o.w, want + i * n, n);
        const double moved = moved_error(o.w, want + i * n, w0, n, i + 1);
        if (!(error <= 1e-5) || !(moved <= 1e-5)) {
            fail_msg(
                "%s: %s: update %zu: off by %g, the distance by %g", id, key, i + 1, error, moved);
        }
    }
    optimizer_close(&o);
}

void optimizer_check_golden(const char *build_folder, const char *golden_folder, const char *id,
    const optimizer_case *cases, size_t n_cases)
{
    char name[64];
    snprintf(name, sizeof name, "optimizer_%s", id);
    golden *file = golden_open_in(golden_folder, name);
    for (size_t i = 0; i < n_cases; i++) {
        check_path(build_folder, file, id, &cases[i], "matrix");
        check_path(build_folder, file, id, &cases[i], "vector");
    }
    golden_close(file);
}

/* Numbers from about 1e-6 to 10, of either sign, zero now and then. */
static void fill(float *x, size_t n, uint32_t seed)
{
    uint32_t s = seed * 2654435761u + 12345u;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        const float mantissa = (float)(int32_t)(s >> 8) / 8388608.0f - 1.0f;
        s = s * 1664525u + 1013904223u;
        x[i] = s >> 24 == 0 ? 0.0f : 10.0f * ldexpf(mantissa, -(int)(s >> 27));
    }
}

static void run(optimizer_harness *o, uint64_t until, size_t chunk)
{
    float *g = numbers(o->n);
    while (o->t < until) {
        fill(g, o->n, (uint32_t)o->t + 1);
        optimizer_update(o, g, chunk);
    }
    free(g);
}

static void open_filled(
    optimizer_harness *o, const char *build_folder, const char *id, const char *options)
{
    float *w0 = numbers(N_ELEMENTS);
    fill(w0, N_ELEMENTS, 0);
    optimizer_open(o, build_folder, id, options, w0, N_ELEMENTS);
    free(w0);
}

static void check_same(const optimizer_harness *a, const optimizer_harness *b)
{
    for (size_t i = 0; i < a->n; i++) {
        assert_true(isfinite(a->w[i]));
    }
    assert_memory_equal(a->w, b->w, a->n * sizeof *a->w);
    for (size_t i = 0; i < OPTIMIZER_SLOTS; i++) {
        if (a->slot[i]) {
            assert_memory_equal(a->slot[i], b->slot[i], a->n * sizeof *a->slot[i]);
        }
    }
}

void optimizer_check_chunks(const char *build_folder, const char *id, const char *options)
{
    static const size_t chunks[] = { 1, 7, 4096 };
    optimizer_harness whole, cut;
    open_filled(&whole, build_folder, id, options);
    run(&whole, N_UPDATES, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        open_filled(&cut, build_folder, id, options);
        run(&cut, N_UPDATES, chunks[i]);
        check_same(&whole, &cut);
        optimizer_close(&cut);
    }
    optimizer_close(&whole);
}

void optimizer_check_resume(const char *build_folder, const char *id, const char *options)
{
    optimizer_harness straight, first, second;
    open_filled(&straight, build_folder, id, options);
    open_filled(&first, build_folder, id, options);
    open_filled(&second, build_folder, id, options);
    run(&straight, N_UPDATES, OPTIMIZER_WHOLE);
    run(&first, N_BEFORE, OPTIMIZER_WHOLE);
    optimizer_restore(&second, &first);
    run(&second, N_UPDATES, OPTIMIZER_WHOLE);
    check_same(&straight, &second);
    optimizer_close(&straight);
    optimizer_close(&first);
    optimizer_close(&second);
}

void optimizer_check_empty(const char *build_folder, const char *id, const char *options)
{
    const float nothing[1] = { 0 };
    optimizer_harness o;
    optimizer_open(&o, build_folder, id, options, nothing, 0);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    optimizer_close(&o);
}

void optimizer_check_lr_zero(const char *build_folder, const char *id, const char *options)
{
    optimizer_harness o, start;
    open_filled(&start, build_folder, id, options);
    open_filled(&o, build_folder, id, options);
    fake_host_set(&o.host, "lr=0 weight_decay=0");
    run(&o, N_UPDATES, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < o.n; i++) {
        assert_true(o.w[i] == start.w[i]);
    }
    optimizer_close(&o);
    optimizer_close(&start);
}
