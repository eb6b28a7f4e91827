/* The writer of safetensors: header first, then the data as the caller holds them, straight to the file.
 *
 * As the reference writer does, tensors are sorted by falling element size, so that with the header
 * padded to 8 bytes every one of them is aligned for its type, and then by name, so that equal content
 * gives equal files. Everything is checked before the file is begun. */
#include "model/safetensors.h"

#include "base/json.h"
#include "base/text.h"
#include "base/json_in.h"
#include "model/safetensors_layout.h"

#include <stdlib.h>
#include <string.h>

typedef struct writing {
    const char *path;
    arena memory;
    array *arrays; /* [n], completed copies */
    const array **in_order; /* [n] */
    size_t n;
    array_note *notes; /* [n_notes], by key */
    size_t n_notes;
    char checksum[33];
    text header;
} writing;

static bool is_utf8(const char *s)
{
    size_t n = strlen(s);
    while (n > 0) {
        const size_t step = utf8_sequence(s, n);
        if (step == 0) return false;
        s += step;
        n -= step;
    }
    return true;
}

static status check_text(const char *what, const char *s, error *err)
{
    if (is_utf8(s)) return OK;
    return fail(err, E_RANGE, "%s %s is not UTF-8", what, quote_name(s).s);
}

static status complete_array(array *a, error *err)
{
    const char *shown = a->dtype == ARRAY_OTHER ? a->dtype_name : dtype_name(a->dtype);
    const dtype_info *type = shown ? dtype_find(shown) : NULL;
    const array asked = *a;
    if (strcmp(a->name, METADATA_KEY) == 0) {
        return fail(err, E_CONFLICT, "a tensor may not be named \"%s\"", METADATA_KEY);
    }
    if (!type) {
        return fail(err, E_UNSUPPORTED, "tensor %s: dtype %s is not supported",
            quote_name(a->name).s, quote_name(shown ? shown : "").s);
    }
    if (a->n_dims > ARRAY_MAX_DIMS) {
        return fail(err, E_UNSUPPORTED, "tensor %s: got %zu dimensions, expected at most %d",
            quote_name(a->name).s, a->n_dims, ARRAY_MAX_DIMS);
    }
    if (!array_measure(a, type)) {
        return fail(err, E_RANGE, "tensor %s: its shape has more elements than memory could hold",
            quote_name(a->name).s);
    }
    if ((asked.n && asked.n != a->n) || (asked.bytes && asked.bytes != a->bytes)) {
        return fail(err, E_SHAPE,
            "tensor %s: got %zu elements in %zu bytes, expected %zu in %zu for its %s and shape",
            quote_name(a->name).s, asked.n, asked.bytes, a->n, a->bytes, a->dtype_name);
    }
    if (a->bytes && !a->data) {
        return fail(err, E_MISSING, "tensor %s: has no data", quote_name(a->name).s);
    }
    return check_text("the name", a->name, err);
}

static status take_arrays(writing *w, const array *arrays, size_t n, error *err)
{
    status st = OK;
    w->arrays = arena_alloc_array(&w->memory, n, sizeof *w->arrays);
    w->in_order = arena_alloc_array(&w->memory, n, sizeof(*w->in_order));
    if (!w->arrays || !w->in_order) TRY(fail_nomem(err, "header"));
    w->n = n;
    for (size_t i = 0; i < n; i++) {
        w->arrays[i] = arrays[i];
        w->in_order[i] = &w->arrays[i];
        TRY(complete_array(&w->arrays[i], err));
    }
    TRY(sort_by_name(w->in_order, n, E_CONFLICT, err));
done:
    return st;
}

static status take_notes(writing *w, const array_note *notes, size_t n, error *err)
{
    status st = OK;
    w->notes = arena_alloc_array(&w->memory, n, sizeof *w->notes);
    if (!w->notes) TRY(fail_nomem(err, "header"));
    w->n_notes = n;
    for (size_t i = 0; i < n; i++) {
        w->notes[i] = notes[i];
        TRY(check_text("the metadata key", notes[i].key, err));
        TRY(check_text("the metadata value", notes[i].value, err));
        if (strcmp(notes[i].key, CHECKSUM_KEY) == 0) {
            TRY(fail(
                err, E_CONFLICT, "the metadata key \"%s\" belongs to the writer", CHECKSUM_KEY));
        }
    }
    TRY(sort_by_key(w->notes, n, E_CONFLICT, err));
done:
    return st;
}

static size_t element_bytes(const array *a)
{
    return dtype_find(a->dtype_name)->bytes;
}

static int compare_for_file(const void *a, const void *b)
{
    const array *const *left = a, *const *right = b;
    const size_t left_bytes = element_bytes(*left), right_bytes = element_bytes(*right);
    if (left_bytes != right_bytes) return left_bytes > right_bytes ? -1 : 1;
    return strcmp((*left)->name, (*right)->name);
}

static void describe_notes(json *j, const writing *w)
{
    json_key(j, METADATA_KEY);
    json_begin_object(j);
    for (size_t i = 0; i < w->n_notes; i++)
        json_key_string(j, w->notes[i].key, w->notes[i].value);
    json_key_string(j, CHECKSUM_KEY, w->checksum);
    json_end_object(j);
}

static void describe_array(json *j, const array *a, size_t begin)
{
    json_key(j, a->name);
    json_begin_object(j);
    json_key_string(j, "dtype", a->dtype_name);
    json_key(j, "shape");
    json_begin_array(j);
    for (size_t i = 0; i < a->n_dims; i++)
        json_int(j, (int64_t)a->dim[i]);
    json_end_array(j);
    json_key(j, "data_offsets");
    json_begin_array(j);
    json_int(j, (int64_t)begin);
    json_int(j, (int64_t)(begin + a->bytes));
    json_end_array(j);
    json_end_object(j);
}

/* The header in full, padded so that the data begin aligned. */
static status describe(writing *w, error *err)
{
    status st = OK;
    json j;
    size_t end = 0;
    json_init(&j, &w->header);
    json_begin_object(&j);
    describe_notes(&j, w);
    for (size_t i = 0; i < w->n; i++) {
        const size_t begin = end;
        if (!size_sum(end, w->in_order[i]->bytes, &end) || end > INT64_MAX) {
            TRY(fail(err, E_RANGE, "the tensors are too large for one file"));
        }
        describe_array(&j, w->in_order[i], begin);
    }
    json_end_object(&j);
    while (w->header.n % DATA_ALIGNMENT != 0 && !w->header.failed)
        text_add(&w->header, " ");
    TRY(text_check(&w->header, err));
    if (w->header.n > HEADER_MAX_BYTES) {
        TRY(fail(err, E_RANGE,
            "header of %zu bytes, expected at most %d: too many tensors or notes", w->header.n,
            HEADER_MAX_BYTES));
    }
done:
    return st;
}

static status write_content(int fd, void *arg, error *err)
{
    status st = OK;
    const writing *w = arg;
    const uint64_t n_header = w->header.n;
    TRY(fd_write_all(fd, w->path, &n_header, sizeof n_header, err));
    TRY(fd_write_all(fd, w->path, w->header.s, w->header.n, err));
    for (size_t i = 0; i < w->n; i++)
        TRY(fd_write_all(fd, w->path, w->in_order[i]->data, w->in_order[i]->bytes, err));
done:
    return st;
}

/* Without `checks` the checksum stands at zeros: for who asks for the size alone. */
static status prepare(writing *w, const array *arrays, size_t n_arrays, const array_note *notes,
    size_t n_notes, bool checks, error *err)
{
    status st = OK;
    TRY(take_arrays(w, arrays, n_arrays, err));
    TRY(take_notes(w, notes, n_notes, err));
    memset(w->checksum, '0', sizeof w->checksum - 1);
    if (checks) {
        TRY(content_checksum(w->in_order, w->n, w->notes, w->n_notes, w->checksum, err));
    }
    if (w->n > 1) qsort(w->in_order, w->n, sizeof *w->in_order, compare_for_file);
    TRY(describe(w, err));
done:
    return st;
}

status safetensors_write(const char *path, const array *arrays, size_t n_arrays,
    const array_note *notes, size_t n_notes, error *err)
{
    writing w = { .path = path };
    status st = prepare(&w, arrays, n_arrays, notes, n_notes, true, err);
    if (st != OK) {
        error_where(err, "%s", path);
    } else {
        st = file_write_atomic_by(path, write_content, &w, err);
    }
    text_release(&w.header);
    arena_release(&w.memory);
    return st;
}

/* Bytes of all: the length, the header, the data. */
static size_t content_bytes(const writing *w)
{
    size_t n = HEADER_LENGTH_BYTES + w->header.n;
    for (size_t i = 0; i < w->n; i++)
        n += w->in_order[i]->bytes;
    return n;
}

static void put_content(const writing *w, unsigned char *to)
{
    const uint64_t n_header = w->header.n;
    memcpy(to, &n_header, sizeof n_header);
    memcpy(to + sizeof n_header, w->header.s, w->header.n);
    to += sizeof n_header + w->header.n;
    for (size_t i = 0; i < w->n; i++) {
        if (w->in_order[i]->bytes > 0) memcpy(to, w->in_order[i]->data, w->in_order[i]->bytes);
        to += w->in_order[i]->bytes;
    }
}

status safetensors_write_bytes(void *to, size_t room, const array *arrays, size_t n_arrays,
    const array_note *notes, size_t n_notes, size_t *out_n, error *err)
{
    writing w = { .path = "" };
    status st = prepare(&w, arrays, n_arrays, notes, n_notes, to != NULL, err);
    const size_t n = st == OK ? content_bytes(&w) : 0;
    if (st == OK && to && n > room) {
        st = fail(err, E_RANGE, "the tensors take %zu bytes, and there is room for %zu", n, room);
    }
    if (st == OK && to) put_content(&w, to);
    if (st == OK) *out_n = n;
    text_release(&w.header);
    arena_release(&w.memory);
    return st;
}
