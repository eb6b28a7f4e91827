/* The safetensors format: named arrays in one file, read through a map, written atomically.
 *
 * A reader trusts nothing: header length, JSON, ranges, overlap, holes, duplicate names are checked before any tensor is
 * handed out. */
#ifndef ASSAY_CORE_MODEL_SAFETENSORS_H
#define ASSAY_CORE_MODEL_SAFETENSORS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"

#include <stddef.h>
#include <stdint.h>

typedef enum array_dtype {
    ARRAY_F32,
    ARRAY_F64,
    ARRAY_I32,
    ARRAY_I64,
    ARRAY_U64,
    ARRAY_U8,
    ARRAY_OTHER
} array_dtype;

enum { ARRAY_MAX_DIMS = 8 };

typedef struct array {
    const char *name;
    array_dtype dtype;
    const char *dtype_name; /* "F32" */
    size_t n_dims, dim[ARRAY_MAX_DIMS];
    size_t n; /* elements */
    size_t bytes;
    const void *data; /* in the map when read; the caller's when written */
} array;

typedef struct safetensors safetensors;

/* Opens and checks. E_CORRUPT, E_PARSE, E_UNSUPPORTED (dtype, rank) with "path: what is wrong"; E_IO. Where the metadata hold "checksum" (written by
 * safetensors_write) the content is checked against it. */
status safetensors_open(const char *path, safetensors **out, error *err) MUST_CHECK;
/* The same of bytes in memory, which outlive it; `name` stands for the path in messages. */
status safetensors_open_bytes(
    const char *name, const void *bytes, size_t n, safetensors **out, error *err) MUST_CHECK;
void safetensors_close(safetensors *s);
size_t safetensors_count(const safetensors *s);
const array *safetensors_at(
    const safetensors *s, size_t i); /* by rising name; NULL beyond the last */
const array *safetensors_find(const safetensors *s, const char *name); /* NULL when absent */
const char *safetensors_metadata(const safetensors *s, const char *key); /* NULL when absent */

/* As safetensors_find, but E_MISSING, and E_SHAPE unless it has this dtype and number of elements. */
status safetensors_get(const safetensors *s, const char *name, array_dtype dtype, size_t n,
    const void **out, error *err) MUST_CHECK;

/* One key and value of __metadata__. */
typedef struct array_note {
    const char *key, *value;
} array_note;

/* Writes all arrays (sorted by falling element size, then name; data 8-aligned) and notes, and a note "checksum": XXH3-128 over
 * names, types, shapes, data and the other notes. Atomic. Of an array count name, dtype (dtype_name where that is ARRAY_OTHER),
 * dimensions and data; n and bytes may be 0, else they must agree. Names and keys must be unique (E_CONFLICT) and UTF-8
 * (E_RANGE); "checksum" is no key of the caller's. */
status safetensors_write(const char *path, const array *arrays, size_t n_arrays,
    const array_note *notes, size_t n_notes, error *err) MUST_CHECK;

/* The same bytes into memory: to[room], *out_n of them; E_RANGE where there is no room for them. With `to` NULL *out_n says how many they are,
 * and nothing is read but names and sizes. */
status safetensors_write_bytes(void *to, size_t room, const array *arrays, size_t n_arrays,
    const array_note *notes, size_t n_notes, size_t *out_n, error *err) MUST_CHECK;

#endif
