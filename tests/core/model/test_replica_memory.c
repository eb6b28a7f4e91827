/* A replica's memory: as much as replica_bytes says, and none of it taken during a pass.
 *
 * The unit's source is part of this program, since what was laid out is counted in its private struct. Allocations are
 * counted by this program's own functions in the place of the C library's, as glibc permits; under a sanitizer, whose
 * allocator must stay, that test is skipped. */
#include "model/replica.c"

#include "model/weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#else
#define COUNTS 1
#endif

static long n_allocations;

#if COUNTS
#define REPLACES_LIBC __attribute__((visibility("default")))

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

REPLACES_LIBC void *malloc(size_t bytes)
{
    n_allocations++;
    return __libc_malloc(bytes);
}

REPLACES_LIBC void *calloc(size_t n, size_t each)
{
    n_allocations++;
    return __libc_calloc(n, each);
}

REPLACES_LIBC void *realloc(void *old, size_t bytes)
{
    n_allocations++;
    return __libc_realloc(old, bytes);
}

REPLACES_LIBC void *aligned_alloc(size_t alignment, size_t bytes)
{
    n_allocations++;
    return __libc_memalign(alignment, bytes);
}
#endif

/* One output with three users, saved memory and scratch. */
#define BRANCHED \
    "model = ( { type = \"dense\"; name = \"a\"; units = 7; }, { type = \"tanh\"; name = \"h\"; " \
    "},\n" \
    "  { type = \"dropout\"; rate = 0.31; }, { type = \"dense\"; name = \"b\"; units = 7; },\n" \
    "  { type = \"add\"; name = \"s\"; from = ( \"b\", \"h\" ); },\n" \
    "  { type = \"concat\"; from = ( \"s\", \"h\", \"input\" ); }, { type = \"dense\"; units = " \
    "4; } );"

static const char *const sources[] = { BRANCHED, "model = ( { type = \"dense\"; units = 4; } );",
    "model = ( \"relu\" );",
    "model = ( { type = \"dense\"; units = 7; }, { type = \"model_odd\"; fault = \"last_step\"; "
    "},\n"
    "  { type = \"add\"; from = ( \"model_odd1\", \"model_odd1\" ); }, { type = \"dropout\"; rate "
    "= 0.3; } );",
    "model = ( { type = \"dense\"; units = 7; trainable = false; }, \"relu\",\n"
    "  { type = \"add\"; from = ( \"relu1\", \"relu1\" ); }, { type = \"dense\"; units = 4; } );" };

static void test_replica_bytes__is_what_a_replica_lays_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        for (int training = 0; training < 2; training++) {
            model_rig rig;
            replica *r = NULL;
            rig_make(&rig, sources[i], vector_of(5));
            assert_int_equal(replica_new(rig.m, 13, 3, training, &r, &rig.err), OK);
            if (replica_bytes(rig.m, 13, 3, training) != r->bytes) {
                GIVE_UP("%s\ntraining %d: %zu bytes, laid out %zu", sources[i], training,
                    replica_bytes(rig.m, 13, 3, training), r->bytes);
            }
            replica_free(r);
            rig_close(&rig);
        }
    }
}

/* A plugin asks for 2^63 floats a row: two rows of them are no bytes at all to arithmetic that wraps. */
static void test_replica__refuses_sizes_that_wrap(void **state)
{
    (void)state;
    model_rig rig;
    replica *r = NULL;
    rig_make(&rig, "model = ( { type = \"model_odd\"; fault = \"huge_saved\"; } );", vector_of(5));
    for (int training = 0; training < 2; training++) {
        assert_int_equal(replica_new(rig.m, 2, 1, training, &r, &rig.err), E_NOMEM);
        assert_string_equal(rig.err.text, "a replica's activations: out of memory");
    }
    rig_close(&rig);
    rig_make(&rig, "model = ( \"relu\" );", vector_of(4));
    assert_int_equal(replica_new(rig.m, SIZE_MAX / 4 + 2, 1, true, &r, &rig.err), E_NOMEM);
    assert_int_equal(replica_new(rig.m, SIZE_MAX / 4 + 2, 8, true, &r, &rig.err), E_NOMEM);
    assert_null(r);
    rig_close(&rig);
}

static void test_replica__allocates_nothing_in_a_pass(void **state)
{
    (void)state;
    enum { N = 13 };
    if (!COUNTS) skip();
    model_rig rig;
    replica *r = NULL;
    float x[N * 5];
    for (size_t i = 0; i < N * 5; i++)
        x[i] = 0.731f * (float)((i * 7) % 11) - 2.385f;
    rig_make(&rig, BRANCHED, vector_of(5));
    assert_int_equal(replica_new(rig.m, N, 1, true, &r, &rig.err), OK);
    const shard s = { .n = N, .time = 1, .x = x, .batch_total = N };
    long before = 0;
    for (int pass = 0; pass < 4; pass++) {
        if (pass == 1) before = n_allocations; /* the first may warm up the BLAS */
        assert_int_equal(model_prepare(rig.m, true, &rig.err), OK);
        assert_int_equal(replica_forward(r, &s, true, &rig.err), OK);
        memcpy(replica_output_gradient(r), replica_output(r), N * 4 * sizeof *x);
        assert_int_equal(replica_backward(r, pass > 2, &rig.err), OK);
    }
    assert_true(before > 0); /* the counting works */
    assert_int_equal(n_allocations, before);
    replica_free(r);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replica_bytes__is_what_a_replica_lays_out),
        cmocka_unit_test(test_replica__refuses_sizes_that_wrap),
        cmocka_unit_test(test_replica__allocates_nothing_in_a_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
