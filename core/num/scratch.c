/* Scratch memory: chunks that are rewound, not freed.
 *
 * A request takes the first chunk with room; a new chunk goes to the end. The same requests in the same
 * order therefore find the same places again. `scratch_reserve` puts one large chunk in front, after
 * which the order does not matter either. */
#include "num/scratch.h"

#include "base/arena.h"

#include <stdlib.h>

enum { ALIGNMENT = 64, SMALLEST_CHUNK = 1 << 16 };

/* The header takes the first ALIGNMENT bytes of its chunk. */
struct scratch_chunk {
    scratch_chunk *next;
    size_t capacity, used; /* bytes after the header */
};

_Static_assert(sizeof(struct scratch_chunk) <= ALIGNMENT, "a chunk's header fits its place");

static scratch_chunk *chunk_new(size_t capacity)
{
    if (capacity < SMALLEST_CHUNK) capacity = SMALLEST_CHUNK;
    size_t bytes;
    if (!size_sum(capacity, ALIGNMENT, &bytes)) return NULL;
    scratch_chunk *chunk = aligned_alloc(ALIGNMENT, bytes);
    if (chunk) *chunk = (scratch_chunk){ .capacity = capacity };
    return chunk;
}

void *scratch_alloc(scratch *s, size_t bytes)
{
    size_t padded;
    if (!size_sum(bytes ? bytes : 1, ALIGNMENT - 1, &padded)) return NULL;
    padded -= padded % ALIGNMENT;
    scratch_chunk **link = &s->first;
    while (*link && (*link)->capacity - (*link)->used < padded)
        link = &(*link)->next;
    if (!*link) *link = chunk_new(padded);
    scratch_chunk *chunk = *link;
    if (!chunk) return NULL;
    void *memory = (char *)chunk + ALIGNMENT + chunk->used;
    chunk->used += padded;
    s->used += padded;
    if (s->used > s->peak) s->peak = s->used;
    return memory;
}

void scratch_return(scratch *s, const void *memory, size_t bytes)
{
    const size_t padded = ((bytes ? bytes : 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (scratch_chunk *chunk = s->first; chunk; chunk = chunk->next) {
        const char *end = (const char *)chunk + ALIGNMENT + chunk->used;
        if (chunk->used >= padded && end - padded == memory) {
            chunk->used -= padded;
            s->used -= padded;
            return;
        }
    }
}

static void free_chunks(scratch_chunk *chunk)
{
    while (chunk) {
        scratch_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void scratch_reset(scratch *s)
{
    if (s->first && s->first->capacity >= s->peak) {
        free_chunks(s->first->next);
        s->first->next = NULL;
    }
    for (scratch_chunk *chunk = s->first; chunk; chunk = chunk->next)
        chunk->used = 0;
    s->used = 0;
}

void scratch_release(scratch *s)
{
    free_chunks(s->first);
    *s = (scratch){ 0 };
}

bool scratch_reserve(scratch *s, size_t bytes)
{
    size_t padded;
    if (!size_sum(bytes, ALIGNMENT - 1, &padded)) return false;
    padded -= padded % ALIGNMENT;
    if (s->first ? s->first->capacity >= padded : padded == 0) return true;
    scratch_chunk *chunk = chunk_new(padded);
    if (!chunk) return false;
    chunk->next = s->first;
    s->first = chunk;
    return true;
}
