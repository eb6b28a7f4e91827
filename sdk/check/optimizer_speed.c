/* How long an update takes, beside the least that memory allows: the same arrays streamed by a
 * plain loop in the same test. */
#include "check/optimizer_tests.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

enum { LARGE = 4 << 20, SMALL = 8 << 10, CHUNK = 4096, MOST_ARRAYS = 10 };

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

/* Reads one array and reads and writes `n_written` others of n floats, chunk by chunk. */
static double time_plain(size_t n, size_t n_written)
{
    float *x[MOST_ARRAYS + 1] = { NULL };
    double best = INFINITY;
    bool has_all = true;
    for (size_t i = 0; i <= n_written; i++) {
        x[i] = mem_aligned(n, sizeof(float));
        has_all = has_all && x[i];
    }
    for (int t = 0; t < 5 && has_all; t++) {
        const double start_s = clock_wall_s();
        for (size_t begin = 0; begin < n; begin += CHUNK) {
            const size_t end = n - begin < CHUNK ? n : begin + CHUNK;
            for (size_t i = 1; i <= n_written; i++) {
                for (size_t k = begin; k < end; k++) {
                    x[i][k] += 0.731f * x[0][k];
                }
            }
        }
        best = fmin(best, clock_wall_s() - start_s);
    }
    for (size_t i = 0; i <= n_written; i++) {
        free(x[i]);
    }
    return has_all ? best : 0;
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

static void speed_of_chunks(const subject *s, check_report *r)
{
    static const rig_tensor few[] = { { .name = "cached.weight",
        .shape = { 2, { 64, SMALL / 64 } } } };
    static const rig_tensor many[] = { { .name = "large.weight",
        .shape = { 2, { 1024, LARGE / 1024 } } } };
    const bench_shapes cached = { few, 1 }, large = { many, 1 };
    const double state = state_per_parameter(s, &cached, r);
    const size_t n_written = 1 + (size_t)ceil(state);
    const double in_cache = time_updates(s, &cached, 30, r), whole = time_updates(s, &large, 4, r);
    if (n_written > MOST_ARRAYS || !(whole > 0)) {
        return;
    }
    const assay_optimizer *o = s->component->ops;
    const double plain = time_plain(LARGE, n_written) * (o->reduce ? 2 : 1); /* in two passes */
    check_measure(r, "in cache", in_cache / SMALL * 1e9, "ns per parameter");
    check_measure(r, "4M parameters", whole / LARGE * 1e9, "ns per parameter");
    check_measure(r, "a plain loop over the same arrays", plain / LARGE * 1e9, "ns per parameter");
    check_measure(r, "state", state, "floats per parameter");
    check_measure(r, "moved", 4 * (1 + 2 * (double)n_written) * LARGE / whole * 1e-9, "GB/s");
    if (plain > 0 && whole > 3 * plain) {
        check_warn(r,
            "an update of 4M parameters takes %.2f ns per parameter, %.1f times what a plain loop "
            "over "
            "the same arrays takes; build with -O3, mark pointers `restrict`, and keep divisions, "
            "roots "
            "and calls that have no vector form out of the loop",
            whole / LARGE * 1e9, whole / plain);
    }
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
