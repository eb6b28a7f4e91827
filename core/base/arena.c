/* An arena: a list of chunks, each filled from its start.
 *
 * A chunk is twice as large as the one before it, up to a limit, so that small arenas cost one
 * allocation and large ones few. A request that is larger than the next chunk would be gets a chunk
 * of its own *behind* the newest one, whose rest stays in use. Memory is zeroed when it is handed out,
 * not when the chunk is made: pages that nobody asked for are never touched. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, FIRST_CHUNK_BYTES = 4096, LAST_CHUNK_BYTES = 1 << 20 };

/* The header takes the first ALIGNMENT bytes of its chunk. */
struct arena_chunk {
    arena_chunk *next;
    size_t capacity, used; /* bytes after the header */
};

_Static_assert(sizeof(struct arena_chunk) <= ALIGNMENT, "a chunk's header fits its place");

bool size_product(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool size_sum(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

/* Up to the next multiple of ALIGNMENT, and at least one; false when that does not fit. */
static bool round_up(size_t bytes, size_t *out)
{
    if (bytes == 0) bytes = 1;
    size_t padded;
    if (!size_sum(bytes, ALIGNMENT - 1, &padded)) return false;
    *out = padded - padded % ALIGNMENT;
    return true;
}

void *mem_aligned(size_t n, size_t each)
{
    size_t bytes;
    if (!size_product(n, each, &bytes) || !round_up(bytes, &bytes)) return NULL;
    void *memory = aligned_alloc(ALIGNMENT, bytes);
    if (memory) memset(memory, 0, bytes);
    return memory;
}

void arena_init(arena *a)
{
    *a = (arena){ 0 };
}

void arena_release(arena *a)
{
    arena_chunk *chunk = a->chunks;
    while (chunk) {
        arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    a->chunks = NULL;
}

static arena_chunk *chunk_new(size_t capacity)
{
    size_t bytes;
    if (!size_sum(capacity, ALIGNMENT, &bytes)) return NULL;
    arena_chunk *chunk = aligned_alloc(ALIGNMENT, bytes);
    if (chunk) *chunk = (arena_chunk){ .capacity = capacity };
    return chunk;
}

/* A chunk with room for `bytes`, linked in; NULL when memory is out. */
static arena_chunk *chunk_for(arena *a, size_t bytes)
{
    arena_chunk *newest = a->chunks;
    if (newest && newest->capacity - newest->used >= bytes) return newest;
    size_t capacity = FIRST_CHUNK_BYTES;
    while (newest && capacity <= newest->capacity && capacity < LAST_CHUNK_BYTES)
        capacity *= 2;
    const bool is_large = bytes > capacity;
    arena_chunk *chunk = chunk_new(is_large ? bytes : capacity);
    if (!chunk) return NULL;
    if (newest && is_large) {
        chunk->next = newest->next;
        newest->next = chunk;
    } else {
        chunk->next = newest;
        a->chunks = chunk;
    }
    return chunk;
}

void *arena_alloc(arena *a, size_t bytes)
{
    if (!round_up(bytes, &bytes)) return NULL;
    arena_chunk *chunk = chunk_for(a, bytes);
    if (!chunk) return NULL;
    char *memory = (char *)chunk + ALIGNMENT + chunk->used;
    chunk->used += bytes;
    memset(memory, 0, bytes);
    return memory;
}

void *arena_alloc_array(arena *a, size_t n, size_t each)
{
    size_t bytes;
    return size_product(n, each, &bytes) ? arena_alloc(a, bytes) : NULL;
}

char *arena_strndup(arena *a, const char *text, size_t n)
{
    n = strnlen(text, n);
    char *copy = arena_alloc(a, n + 1);
    if (copy) memcpy(copy, text, n);
    return copy;
}

char *arena_strdup(arena *a, const char *text)
{
    return arena_strndup(a, text, strlen(text));
}

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    char *out = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (out) vsnprintf(out, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return out;
}
