/* Allocations of the libraries that are linked with --wrap (a test's .link file: malloc, calloc, realloc, aligned_alloc, strdup, free): the n-th
 * fails, and blocks that are not given back are counted. Included once, by the test's own file. */
#ifndef ASSAY_TESTS_SUPPORT_COUNTED_ALLOCATOR_H
#define ASSAY_TESTS_SUPPORT_COUNTED_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static long n_calls, n_blocks, fails_at = -1;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__wrap_strdup(const char *s);
void __wrap_free(void *memory);

static bool is_its_turn(void)
{
    return n_calls++ == fails_at;
}

static void *counted(void *memory)
{
    n_blocks += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return is_its_turn() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t each)
{
    return is_its_turn() ? NULL : counted(__real_calloc(n, each));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    if (is_its_turn()) return NULL;
    void *memory = __real_realloc(old, bytes);
    n_blocks += memory && !old;
    return memory;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return is_its_turn() ? NULL : counted(__real_aligned_alloc(alignment, bytes));
}

char *__wrap_strdup(const char *s)
{
    char *copy = __wrap_malloc(strlen(s) + 1);
    return copy ? strcpy(copy, s) : NULL;
}

void __wrap_free(void *memory)
{
    n_blocks -= memory != NULL;
    __real_free(memory);
}

#endif
