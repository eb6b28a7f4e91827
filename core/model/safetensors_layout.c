/* Element types, sizes and the checksum of safetensors.
 *
 * The checksum is over content, not over the file's bytes: a program that reorders tensors or pads the
 * header otherwise keeps it true, while every byte that means something is covered. The header's note
 * would otherwise have to cover itself. */
#include "model/safetensors_layout.h"

#include "base/json_in.h"

#include <stdlib.h>
#include <string.h>

static const dtype_info dtypes[] = {
    { "F32", 4, ARRAY_F32 },
    { "F64", 8, ARRAY_F64 },
    { "I32", 4, ARRAY_I32 },
    { "I64", 8, ARRAY_I64 },
    { "U64", 8, ARRAY_U64 },
    { "U8", 1, ARRAY_U8 },
    { "BOOL", 1, ARRAY_OTHER },
    { "I8", 1, ARRAY_OTHER },
    { "I16", 2, ARRAY_OTHER },
    { "U16", 2, ARRAY_OTHER },
    { "F16", 2, ARRAY_OTHER },
    { "BF16", 2, ARRAY_OTHER },
    { "U32", 4, ARRAY_OTHER },
};

enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

const dtype_info *dtype_find(const char *name)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
    }
    return NULL;
}

const char *dtype_name(array_dtype dtype)
{
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (dtypes[i].dtype == dtype) return dtypes[i].name;
    }
    return "?";
}

bool array_measure(array *a, const dtype_info *type)
{
    size_t n = 1;
    bool is_empty = false;
    for (size_t i = 0; i < a->n_dims; i++)
        is_empty = is_empty || a->dim[i] == 0;
    for (size_t i = 0; i < a->n_dims && !is_empty; i++) {
        if (!size_product(n, a->dim[i], &n)) return false;
    }
    if (is_empty) n = 0;
    size_t bytes;
    if (!size_product(n, type->bytes, &bytes)) return false;
    a->dtype = type->dtype;
    a->dtype_name = type->name;
    a->n = n;
    a->bytes = bytes;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    const array *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

status sort_by_name(const array **arrays, size_t n, status code, error *err)
{
    if (n > 1) qsort(arrays, n, sizeof *arrays, compare_names);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(arrays[i - 1]->name, arrays[i]->name) == 0) {
            return fail(err, code, "tensor %s appears twice, expected unique names",
                quote_name(arrays[i]->name).s);
        }
    }
    return OK;
}

static int compare_keys(const void *a, const void *b)
{
    const array_note *left = a, *right = b;
    return strcmp(left->key, right->key);
}

status sort_by_key(array_note *notes, size_t n, status code, error *err)
{
    if (n > 1) qsort(notes, n, sizeof *notes, compare_keys);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(notes[i - 1].key, notes[i].key) == 0) {
            return fail(err, code, "metadata key %s appears twice, expected unique keys",
                quote_name(notes[i].key).s);
        }
    }
    return OK;
}

static void add_number(hash_stream *h, uint64_t v)
{
    hash_stream_add(h, &v, sizeof v);
}

static void add_text(hash_stream *h, const char *s)
{
    const size_t n = strlen(s);
    add_number(h, n);
    hash_stream_add(h, s, n);
}

static void add_notes(hash_stream *h, const array_note *notes, size_t n)
{
    uint64_t n_covered = 0;
    for (size_t i = 0; i < n; i++)
        n_covered += strcmp(notes[i].key, CHECKSUM_KEY) != 0;
    add_number(h, n_covered);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(notes[i].key, CHECKSUM_KEY) == 0) continue;
        add_text(h, notes[i].key);
        add_text(h, notes[i].value);
    }
}

static void add_array(hash_stream *h, const array *a)
{
    add_text(h, a->name);
    add_text(h, a->dtype_name);
    add_number(h, a->n_dims);
    for (size_t i = 0; i < a->n_dims; i++)
        add_number(h, a->dim[i]);
    add_number(h, a->bytes);
    hash_stream_add(h, a->data, a->bytes);
}

status content_checksum(const array *const *arrays, size_t n_arrays, const array_note *notes,
    size_t n_notes, char out[33], error *err)
{
    hash_stream *h = hash_stream_new();
    if (!h) return fail_nomem(err, "checksum");
    add_notes(h, notes, n_notes);
    add_number(h, n_arrays);
    for (size_t i = 0; i < n_arrays; i++)
        add_array(h, arrays[i]);
    hash_stream_hex(h, out);
    hash_stream_free(h);
    return OK;
}
