/* What reader and writer of safetensors share: element types, sizes, names, the checksum. */
#ifndef ASSAY_CORE_MODEL_SAFETENSORS_LAYOUT_H
#define ASSAY_CORE_MODEL_SAFETENSORS_LAYOUT_H

#include "model/safetensors.h"

#include <stdbool.h>

/* The bytes of a file are used as they lie in memory. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian, and so must be the machine"
#endif

enum { HEADER_LENGTH_BYTES = 8, HEADER_MAX_BYTES = 100000000, DATA_ALIGNMENT = 8 };

#define METADATA_KEY "__metadata__"
#define CHECKSUM_KEY "checksum"

typedef struct dtype_info {
    const char *name;
    size_t bytes; /* of one element */
    array_dtype dtype;
} dtype_info;

/* NULL when unknown. */
const dtype_info *dtype_find(const char *name);

/* The name of a dtype that is not ARRAY_OTHER. */
const char *dtype_name(array_dtype dtype);

/* Fills in a->dtype, dtype_name, n and bytes from `type` and the dimensions; false when the size does not fit. */
bool array_measure(array *a, const dtype_info *type);

/* Sorts by name and by key (bytes as in strcmp); E_CORRUPT or E_CONFLICT, as `code` says, when one appears twice. */
status sort_by_name(const array **arrays, size_t n, status code, error *err) MUST_CHECK;
status sort_by_key(array_note *notes, size_t n, status code, error *err) MUST_CHECK;

/* The note "checksum" as 32 hex digits: XXH3-128 over, with every number and length a little-endian u64 and every text as
 * its length and bytes: the count of notes but this one; each by rising key as key, value; the count of arrays; each by
 * rising name as name, dtype, n_dims, dim[0..n_dims), bytes, data. Lengths keep neighbours apart, so that no two different
 * contents walk alike. */
status content_checksum(const array *const *arrays, size_t n_arrays, const array_note *notes,
    size_t n_notes, char out[33], error *err) MUST_CHECK;

#endif
