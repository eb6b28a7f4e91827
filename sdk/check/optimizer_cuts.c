/* How work is cut, ordered and given to threads must not show; nor where arrays lie, how large
 * they are, or at which place of its tensor an element stands. */
#include "check/optimizer_tests.h"

#include <stdio.h>
#include <string.h>

enum { N_UPDATES = 8 };

/* Where chunks are concerned, a long tensor belongs to it; of other tiers one would cost much
 * and tell nothing. */
static const bench_shapes *shapes_for(const subject *s)
{
    const assay_optimizer *o = s->component->ops;
    return o->elem ? &bench_wide : &bench_small;
}

typedef struct cut {
    size_t chunk;
    bool backwards;
    size_t n_threads;
} cut;

static bool run_cut(bench *b, const subject *s, const char *settings, const bench_shapes *shapes,
    cut c, uint64_t n_updates, check_report *r)
{
    if (!bench_open(b, s, settings, shapes, r)) {
        return false;
    }
    b->update.chunk = c.chunk;
    b->update.backwards = c.backwards;
    b->update.n_threads = c.n_threads;
    if (bench_run(b, n_updates, r)) {
        return true;
    }
    bench_close(b);
    return false;
}

static void describe(cut c, char *out, size_t room)
{
    char chunk[40] = "whole tensors";
    if (c.chunk) {
        snprintf(chunk, sizeof chunk, "chunks of %zu", c.chunk);
    }
    snprintf(out, room, "%s%s", chunk, c.backwards ? ", last one first" : "");
}

/* Compares bitwise, or where sums were cut with the chunks, to what their last bits may do. */
static void compare_cuts(const bench *a, const bench *b, cut first, cut second, check_report *r)
{
    char where[300], one[80], other[80];
    size_t i;
    describe(first, one, sizeof one);
    describe(second, other, sizeof other);
    if (bench_has_sums(a) && first.chunk != second.chunk) {
        const double off = bench_distance(a, b, &i);
        if (!(off <= 1e-5)) {
            check_fail(r,
                "with %s: in %s and in %s the weights of %s part by %g of their way after %d "
                "updates; what a chunk adds to the sums must not depend on where it begins and "
                "ends",
                bench_under(a->settings), one, other, a->shapes.tensor[i].name, off, N_UPDATES);
        }
    } else if (!bench_same(a, b, where, sizeof where)) {
        check_fail(r,
            "with %s: in %s and in %s different bits after %d updates: %s; an update must not "
            "depend "
            "on how a tensor is cut: look for indices without span->begin (random numbers are "
            "drawn "
            "by begin + i), sums over the chunk in elem, and what is kept from one call to the "
            "next",
            bench_under(a->settings), one, other, N_UPDATES, where);
    }
}

static void chunks_under(const subject *s, const char *settings, check_report *r)
{
    static const cut cuts[] = { { 1, false, 1 }, { 7, false, 1 }, { 7, true, 1 }, { 4096, true, 1 },
        { 0, true, 1 } };
    const cut whole = { 0, false, 1 };
    bench a, b;
    if (!run_cut(&a, s, settings, shapes_for(s), whole, N_UPDATES, r)) {
        return;
    }
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0] && r->outcome != CHECK_FAILED; i++) {
        if (run_cut(&b, s, settings, shapes_for(s), cuts[i], N_UPDATES, r)) {
            compare_cuts(&a, &b, whole, cuts[i], r);
            bench_close(&b);
        }
    }
    bench_close(&a);
}

void optimizer_test_chunks(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    bench_each_setting(s, o->elem ? CHECK_MAX_SETTINGS : 8, r, chunks_under);
}

/* -- threads -- */

enum { N_THREADS = 4, N_REPETITIONS = 8 };

static void threads_under(const subject *s, const char *settings, check_report *r)
{
    const cut alone = { 16, false, 1 }, together = { 16, false, N_THREADS };
    bench a, b;
    char where[300];
    if (!run_cut(&a, s, settings, shapes_for(s), alone, N_UPDATES, r)) {
        return;
    }
    for (int i = 0; i < N_REPETITIONS && r->outcome != CHECK_FAILED; i++) {
        if (!run_cut(&b, s, settings, shapes_for(s), together, N_UPDATES, r)) {
            break;
        }
        if (!bench_same(&a, &b, where, sizeof where)) {
            check_fail(r,
                "with %s: one thread and %d give different bits after %d updates: %s; elem, reduce "
                "and "
                "tensor run at the same time on one instance: look for `static` variables and for "
                "writes through ctx->self",
                bench_under(settings), N_THREADS, N_UPDATES, where);
        }
        bench_close(&b);
    }
    bench_close(&a);
}

void optimizer_test_threads(const subject *s, check_report *r)
{
    bench_each_setting(s, 6, r, threads_under);
}

/* -- ends of arrays -- */

static void bounds_under(const subject *s, const char *settings, check_report *r)
{
    static const cut cuts[] = { { 0, false, 1 }, { 3, true, 1 } };
    static const bench_shapes *const shapes[] = { &bench_small, &bench_small_before };
    for (size_t i = 0; i < 4 && r->outcome != CHECK_FAILED; i++) {
        bench b;
        if (run_cut(&b, s, settings, shapes[i % 2], cuts[i / 2], 4, r)) {
            bench_close(&b);
        }
    }
}

void optimizer_test_bounds(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, bounds_under);
}

static const rig_tensor none[] = {
    { .name = "none.weight", .shape = { 1, { 0 } } },
    { .name = "some.weight", .shape = { 2, { 3, 5 } } },
};

static void empty_under(const subject *s, const char *settings, check_report *r)
{
    const bench_shapes shapes = { none, sizeof none / sizeof none[0] };
    bench b;
    if (run_cut(&b, s, settings, &shapes, (cut){ 0, false, 1 }, 3, r)) {
        bench_close(&b);
    }
}

void optimizer_test_empty(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->elem) {
        check_skip(r, "only a chunk can be empty, and it sees whole tensors");
        return;
    }
    bench_each_setting(s, 8, r, empty_under);
}

/* -- places -- */

/* The same numbers, each element some places further on. */
static void places_under(const subject *s, const char *settings, check_report *r)
{
    enum { TURN = 17 };
    bench a = { 0 }, b = { .turn = TURN };
    if (!bench_open_seeded(&a, s, settings, &bench_vector, s->seed, r)) {
        return;
    }
    if (!bench_open_seeded(&b, s, settings, &bench_vector, s->seed, r)) {
        bench_close(&a);
        return;
    }
    a.update.chunk = b.update.chunk = 7;
    if (bench_run(&a, N_UPDATES, r) && bench_run(&b, N_UPDATES, r) &&
        optimizer_rig_n_random(a.rig) == 0) {
        const float *x = optimizer_rig_weights(a.rig, 0), *y = optimizer_rig_weights(b.rig, 0);
        const size_t n = a.size[0];
        for (size_t k = 0; k < n && r->outcome == CHECK_PASSED; k++) {
            const double now = (double)x[k], turned = (double)y[(k + TURN) % n];
            const double way = now - (double)a.w0[0][k];
            const double most = bench_has_sums(&a) ? 1e-4 * (way < 0 ? -way : way) + 1e-6 : 0;
            const double off = now < turned ? turned - now : now - turned;
            if (!(off <= most)) {
                check_warn(r,
                    "with %s: the same weight and gradients at element %zu and at element %zu of a "
                    "vector lead to %.9g and %.9g after %d updates; look for wrong indices, unless "
                    "the "
                    "place is meant to matter",
                    bench_under(settings), k, (k + TURN) % n, now, turned, N_UPDATES);
            }
        }
    }
    bench_close(&a);
    bench_close(&b);
}

void optimizer_test_places(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!o->elem) {
        check_skip(r, "only the tier elem takes elements one by one");
        return;
    }
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, places_under);
}
