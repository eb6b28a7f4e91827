/* Allocations of the libraries that are linked with --wrap (a test's .link file: malloc, calloc, realloc, aligned_alloc): the n-th fails.
 * Included once, by the test's own file. */
#ifndef ASSAY_TESTS_SUPPORT_WRAPPED_ALLOCATOR_H
#define ASSAY_TESTS_SUPPORT_WRAPPED_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

static long n_allocations, fails_at = -1;

static bool is_its_turn(void)
{
    return n_allocations++ == fails_at;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return is_its_turn() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t each)
{
    return is_its_turn() ? NULL : __real_calloc(n, each);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return is_its_turn() ? NULL : __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return is_its_turn() ? NULL : __real_aligned_alloc(alignment, bytes);
}

#endif
