/* Memory that is given back all at once. Blocks are zeroed and 64-byte aligned. */
#ifndef ASSAY_CORE_BASE_ARENA_H
#define ASSAY_CORE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    arena_chunk *chunks; /* newest first */
} arena;

/* An empty arena; `*a = (arena){0}` is the same. */
void arena_init(arena *a);

/* Frees everything; the arena is empty and usable again. */
void arena_release(arena *a);

/* `bytes` zeroed bytes, 64-byte aligned, or NULL when memory is out. `bytes` of 0 gives a valid pointer. */
void *arena_alloc(arena *a, size_t bytes);

/* n * each with overflow checked. */
void *arena_alloc_array(arena *a, size_t n, size_t each);

/* A copy of the text; NULL when memory is out. */
char *arena_strdup(arena *a, const char *text);
char *arena_strndup(arena *a, const char *text, size_t n);
char *arena_printf(arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* *out = a * b, or false when that does not fit. */
bool size_product(size_t a, size_t b, size_t *out);
bool size_sum(size_t a, size_t b, size_t *out);

/* Aligned to 64 bytes and zeroed; free() gives it back. NULL when memory is out. */
void *mem_aligned(size_t n, size_t each);

#endif
