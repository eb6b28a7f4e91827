/* Every allocation of reading and writing safetensors fails once: E_NOMEM, no crash, and an earlier file untouched.
 *
 * This program's own aligned_alloc, calloc and realloc take the place of the C library's. What leaks after a failure
 * is for the address sanitizer's build of this test to say. */
#include "model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h> /* last: its macro `fail` takes the name of ours */

#include "support/failing_allocator.h"

static char file[64];

/* Enough tensors and notes that every list grows twice, in a header of several arena chunks. */
enum { N = 40 };

static const float numbers[3] = { 2.385f, -0.731f, 0.5f };

static status write_some(error *err)
{
    array arrays[N];
    array_note notes[N];
    char names[N][24];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "name %02d", i);
        arrays[i] = (array){
            .name = names[i], .dtype = ARRAY_F32, .n_dims = 1, .dim = { 3 }, .data = numbers
        };
        notes[i] = (array_note){ names[i], "a note" };
    }
    return safetensors_write(file, arrays, N, notes, N, err);
}

static status open_some(error *err)
{
    safetensors *s = NULL;
    const status st = safetensors_open(file, &s, err);
    if (st != OK) {
        assert_null(s);
        return st;
    }
    assert_int_equal(safetensors_count(s), N);
    safetensors_close(s);
    return OK;
}

static status open_unaligned(error *err)
{
    safetensors *s = NULL;
    const status st = safetensors_open(
        TEST_SOURCE_DIR "/tests/golden/safetensors_unaligned.safetensors", &s, err);
    safetensors_close(st == OK ? s : NULL);
    return st;
}

/* Runs `scenario` with its first allocation failing, then its second, ... until none is left to; `after` each failure. */
static void fail_each(status (*scenario)(error *err), status (*after)(error *err))
{
    for (long i = 0;; i++) {
        error err = { 0 };
        n_allocations = 0;
        fails_at = i;
        const status st = scenario(&err);
        const bool is_done = n_allocations <= i;
        fails_at = -1;
        if (is_done) {
            assert_int_equal(st, OK);
            assert_true(i > 2);
            return;
        }
        assert_int_equal(st, E_NOMEM);
        assert_non_null(strstr(err.text, "out of memory"));
        assert_int_equal(after(&err), OK);
    }
}

static void test_open__survives_any_allocation_failing(void **state)
{
    (void)state;
    error err = { 0 };
    assert_int_equal(write_some(&err), OK);
    fail_each(open_some, open_some);
    fail_each(open_unaligned, open_unaligned);
}

static void test_write__leaves_the_old_file_when_any_allocation_fails(void **state)
{
    (void)state;
    error err = { 0 };
    assert_int_equal(write_some(&err), OK);
    fail_each(write_some, open_some);
}

static int make_file(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/safetensors_memory_%ld", (long)getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    printf("skipped: ThreadSanitizer brings the allocator that this test replaces\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open__survives_any_allocation_failing),
        cmocka_unit_test(test_write__leaves_the_old_file_when_any_allocation_fails),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
