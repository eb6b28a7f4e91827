/* One worker's scratch memory; private to this room (see team.h for what users see).
 *
 * Chunks, searched from the first on. `peak` is the most that was in use between two resets: once the
 * first chunk is that large, the others are given back and nothing is ever allocated again. */
#ifndef ASSAY_CORE_NUM_SCRATCH_H
#define ASSAY_CORE_NUM_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

typedef struct scratch_chunk scratch_chunk;

typedef struct scratch {
    scratch_chunk *first;
    size_t used, peak; /* bytes, rounded as they are handed out */
} scratch;

/* 64-byte aligned, not zeroed, valid until reset; NULL when memory is out. */
void *scratch_alloc(scratch *s, size_t bytes);
void scratch_reset(scratch *s);

/* Gives back what was handed out last, `bytes` as it was asked for; anything else stays until reset. */
void scratch_return(scratch *s, const void *memory, size_t bytes);

void scratch_release(scratch *s);

/* Makes the first chunk hold `bytes`; what is in use stays valid. False when memory is out. */
bool scratch_reserve(scratch *s, size_t bytes);

#endif
