/* How long an update takes, beside the least that memory allows: the same arrays streamed by a
 * plain loop in the same test, in turn with the updates. */
#include "check/optimizer_tests.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

enum { LARGE = 4 << 20, SMALL = 8 << 10, CHUNK = 4096, MOST_ARRAYS = 10, N_TURNS = 4 };

static const double most_times = 3; /* the plain loop's time that an update may take */
enum { MOST_TRIES = 3 }; /* before that is said */

/* Best of several, in seconds per update. */
static double time_updates(
    const subject *s, const bench_shapes *shapes, int n_updates, check_report *r)
{
    bench b;
    double best = INFINITY;
    if (!bench_open(&b, s, "", shapes, r)) {
        return 0;
    }
    b.update.chunk = CHUNK;
    for (int t = 1; t <= n_updates && bench_run(&b, (uint64_t)t, r); t++) {
        best = fmin(best, optimizer_rig_seconds(b.rig));
    }
    bench_close(&b);
    return isfinite(best) ? best : 0;
}

/* The plain loop's arrays, n floats each: one is read, `n_written` others are read and written. */
typedef struct plain_arrays {
    float *x[MOST_ARRAYS + 1];
    size_t n, n_written;
} plain_arrays;

static void plain_close(plain_arrays *p)
{
    for (size_t i = 0; i <= p->n_written; i++) {
        free(p->x[i]);
    }
}

static bool plain_open(plain_arrays *p, size_t n, size_t n_written)
{
    *p = (plain_arrays){ .n = n, .n_written = n_written };
    bool has_all = true;
    for (size_t i = 0; i <= n_written; i++) {
        p->x[i] = mem_aligned(n, sizeof(float));
        has_all = has_all && p->x[i];
    }
    if (!has_all) plain_close(p);
    return has_all;
}

/* Seconds of one pass, chunk by chunk. */
static double plain_pass(const plain_arrays *p)
{
    const double start_s = clock_wall_s();
    for (size_t begin = 0; begin < p->n; begin += CHUNK) {
        const size_t end = p->n - begin < CHUNK ? p->n : begin + CHUNK;
        for (size_t i = 1; i <= p->n_written; i++) {
            for (size_t k = begin; k < end; k++) {
                p->x[i][k] += 0.731f * p->x[0][k];
            }
        }
    }
    return clock_wall_s() - start_s;
}

/* Best of each, in seconds. */
typedef struct duel {
    double update, reduce, plain;
} duel;

/* In turn, so that what slows the machine down for a while slows both. */
static bool fight(bench *b, const plain_arrays *p, duel *best, check_report *r)
{
    (void)plain_pass(p); /* the first one maps the pages */
    for (int i = 0; i < N_TURNS; i++) {
        if (!bench_run(b, optimizer_rig_n_updates(b->rig) + 1, r)) return false;
        const double took = optimizer_rig_seconds(b->rig);
        if (took < best->update) {
            best->update = took;
            best->reduce = optimizer_rig_reduce_seconds(b->rig);
        }
        best->plain = fmin(best->plain, plain_pass(p));
    }
    return true;
}

/* Floats of state per parameter, at the defaults. */
static double state_per_parameter(const subject *s, const bench_shapes *shapes, check_report *r)
{
    bench b;
    double floats = 0;
    if (!bench_open(&b, s, "", shapes, r)) {
        return 0;
    }
    for (size_t i = 0; i < optimizer_rig_n_arrays(b.rig); i++) {
        const rig_array a = optimizer_rig_array(b.rig, i);
        floats += a.name ? (double)a.n : 0;
    }
    const double per = floats / (double)b.size[0];
    bench_close(&b);
    return per;
}

/* False: said in the report. */
static bool measure_large(
    const subject *s, size_t n_written, int n_passes, duel *out, check_report *r)
{
    static const rig_tensor many[] = { { .name = "large.weight",
        .shape = { 2, { 1024, LARGE / 1024 } } } };
    const bench_shapes large = { many, 1 };
    plain_arrays p;
    bench b;
    bool ok = true;
    *out = (duel){ INFINITY, 0, INFINITY };
    if (!bench_open(&b, s, "", &large, r)) return false;
    b.update.chunk = CHUNK;
    if (plain_open(&p, LARGE, n_written)) {
        for (int i = 0; i < MOST_TRIES && ok; i++) {
            ok = fight(&b, &p, out, r);
            if (out->update <= most_times * n_passes * out->plain) break;
        }
        plain_close(&p);
    } else {
        check_fail(r, "out of memory");
        ok = false;
    }
    bench_close(&b);
    out->plain *= n_passes;
    return ok;
}

static void advise(const duel *d, check_report *r)
{
    if (d->update <= most_times * d->plain) return;
    const bool is_reduce = d->reduce > 0.5 * d->update;
    check_warn(r,
        "an update of 4M parameters takes %.2f ns per parameter, %.1f times what a plain loop over "
        "the same arrays takes%s; build with -O3, %s",
        d->update / LARGE * 1e9, d->update / d->plain,
        is_reduce ? ", and most of it in reduce" : "",
        is_reduce
            ? "and let reduce add into four or eight sums of its own, which it adds up at the "
              "end: one sum waits for each addition before the next"
            : "mark pointers `restrict`, and keep divisions, roots and calls that have no "
              "vector form out of the loop");
}

static void speed_of_chunks(const subject *s, check_report *r)
{
    static const rig_tensor few[] = { { .name = "cached.weight",
        .shape = { 2, { 64, SMALL / 64 } } } };
    const bench_shapes cached = { few, 1 };
    const double state = state_per_parameter(s, &cached, r);
    const size_t n_written = 1 + (size_t)ceil(state);
    const double in_cache = time_updates(s, &cached, 30, r);
    const assay_optimizer *o = s->component->ops;
    duel d;
    if (n_written > MOST_ARRAYS || !measure_large(s, n_written, o->reduce ? 2 : 1, &d, r)) return;
    check_measure(r, "in cache", in_cache / SMALL * 1e9, "ns per parameter");
    check_measure(r, "4M parameters", d.update / LARGE * 1e9, "ns per parameter");
    if (o->reduce) check_measure(r, "of it in reduce", d.reduce / LARGE * 1e9, "ns per parameter");
    check_measure(
        r, "a plain loop over the same arrays", d.plain / LARGE * 1e9, "ns per parameter");
    check_measure(r, "state", state, "floats per parameter");
    check_measure(r, "moved", 4 * (1 + 2 * (double)n_written) * LARGE / d.update * 1e-9, "GB/s");
    advise(&d, r);
}

void optimizer_test_speed(const subject *s, check_report *r)
{
    static const rig_tensor square[] = { { .name = "square.weight",
        .shape = { 2, { 128, 128 } } } };
    const bench_shapes shapes = { square, 1 };
    const assay_optimizer *o = s->component->ops;
    if (o->elem) {
        speed_of_chunks(s, r);
        return;
    }
    const double took = time_updates(s, &shapes, 12, r);
    check_measure(r, "a matrix of 128 x 128", took / (128 * 128) * 1e9, "ns per parameter");
    check_measure(r, "state", state_per_parameter(s, &shapes, r), "floats per parameter");
}
