/* Arena memory: aligned, zeroed, distinct, and never more than fits. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static bool is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i]) return false;
    }
    return true;
}

static void test_arena__memory_is_aligned_zeroed_and_distinct(void **state)
{
    (void)state;
    enum { N = 300 };
    arena a;
    arena_init(&a);
    unsigned char *blocks[N];
    for (size_t i = 0; i < N; i++) {
        const size_t bytes = i % 50 == 49 ? 70001 * i : 37 * i; /* some larger than any chunk */
        blocks[i] = arena_alloc(&a, bytes);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
        assert_true(is_zero(blocks[i], bytes));
        memset(blocks[i], (int)(i % 251) + 1, bytes);
    }
    for (size_t i = 1; i < N; i++)
        assert_int_equal(blocks[i][0], i % 251 + 1);
    arena_release(&a);
    assert_null(a.chunks);
    assert_non_null(arena_alloc(&a, 0));
    arena_release(&a);
}

static void test_arena__sizes_that_do_not_fit_give_null(void **state)
{
    (void)state;
    arena a = { 0 };
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 64));
    assert_null(arena_alloc_array(&a, SIZE_MAX / 2, 3));
    assert_null(mem_aligned(SIZE_MAX / 2, 3));
    assert_null(mem_aligned(SIZE_MAX, 1));
    assert_non_null(arena_alloc_array(&a, 7, 13));
    arena_release(&a);
}

static void test_arena__products_and_sums_are_checked(void **state)
{
    (void)state;
    size_t out = 5;
    assert_false(size_product(SIZE_MAX / 3 + 1, 3, &out));
    assert_false(size_sum(SIZE_MAX, 1, &out));
    assert_int_equal(out, 5);
    assert_true(size_product(SIZE_MAX / 3, 3, &out));
    assert_true(out == SIZE_MAX);
    assert_true(size_product(SIZE_MAX, 0, &out));
    assert_int_equal(out, 0);
    assert_true(size_sum(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
}

static void test_arena__text_is_copied_cut_and_formatted(void **state)
{
    (void)state;
    arena a = { 0 };
    assert_string_equal(arena_strdup(&a, "dense1"), "dense1");
    assert_string_equal(arena_strndup(&a, "dense1", 5), "dense");
    assert_string_equal(arena_strndup(&a, "dense1", 50), "dense1");
    assert_string_equal(arena_printf(&a, "%s.%d", "dense", 17), "dense.17");
    arena_release(&a);
}

static void test_arena__mem_aligned_is_aligned_and_zeroed(void **state)
{
    (void)state;
    for (size_t n = 0; n < 200; n += 13) {
        unsigned char *memory = mem_aligned(n, 3);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        assert_true(is_zero(memory, 3 * n));
        free(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__memory_is_aligned_zeroed_and_distinct),
        cmocka_unit_test(test_arena__sizes_that_do_not_fit_give_null),
        cmocka_unit_test(test_arena__products_and_sums_are_checked),
        cmocka_unit_test(test_arena__text_is_copied_cut_and_formatted),
        cmocka_unit_test(test_arena__mem_aligned_is_aligned_and_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
