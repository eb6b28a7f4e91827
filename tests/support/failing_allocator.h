/* An allocator for tests in which the n-th allocation fails: aligned_alloc, calloc and realloc of the program that includes this
 * take the place of the C library's, in it and in all that it loads. Included once, by the test's own file.
 *
 * ThreadSanitizer brings an allocator that must stay: there a test that needs this one is skipped. */
#ifndef ASSAY_TESTS_SUPPORT_FAILING_ALLOCATOR_H
#define ASSAY_TESTS_SUPPORT_FAILING_ALLOCATOR_H

#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* How many allocations were asked for, and which of them fails (from 0; -1: none). */
static long n_allocations, fails_at = -1;

#if !defined(__SANITIZE_THREAD__) /* whose own allocator must stay */
static void *allocate(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    if (n_allocations++ == fails_at) return NULL;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

#define REPLACES_LIBC __attribute__((visibility("default")))

REPLACES_LIBC void *aligned_alloc(size_t alignment, size_t bytes)
{
    return allocate(alignment, bytes);
}

REPLACES_LIBC void *calloc(size_t n, size_t each)
{
    void *memory = allocate(sizeof(max_align_t), n * each); /* no test asks for more than fits */
    if (memory) memset(memory, 0, n * each);
    return memory;
}

REPLACES_LIBC void *realloc(void *old, size_t bytes)
{
    void *memory = allocate(sizeof(max_align_t), bytes);
    const size_t n_old = old ? malloc_usable_size(old) : 0;
    if (!memory) return NULL;
    if (old) memcpy(memory, old, n_old < bytes ? n_old : bytes);
    free(old);
    return memory;
}
#endif

#endif
