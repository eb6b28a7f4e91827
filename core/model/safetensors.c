/* The reader of safetensors: a u64 length, a JSON header, and data, all of it foreign.
 *
 * Opening goes through the file once in the order of trust: the length against the file, the header's
 * grammar, each entry's range against its type and shape, all ranges against each other and the file's
 * end, and at last the checksum over the content. Sorting the ranges makes "no overlap, no hole" one
 * comparison each. Data are handed out in the map; only where an old writer left them unaligned for
 * their type are they copied. */
#include "model/safetensors.h"

#include "base/json_in.h"
#include "model/safetensors_layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A tensor of the header: its place is relative to the start of the data. */
typedef struct entry {
    array a;
    uint64_t begin, end;
    size_t type_bytes;
} entry;

struct safetensors {
    const char *path;
    arena memory;
    file_map map;
    bool is_borrowed; /* the map is the caller's bytes */
    const unsigned char *data; /* [n_data] in the map, behind the header */
    size_t n_data;
    entry *entries; /* by place */
    size_t n, capacity;
    const array **by_name; /* [n] */
    array_note *notes; /* by key */
    size_t n_notes, notes_capacity;
};

/* Room for one more item of a growing list. */
static status grow(void **items, size_t n, size_t *capacity, size_t each, error *err)
{
    if (n < *capacity) return OK;
    const size_t more = *capacity ? *capacity : 8;
    size_t wanted, bytes;
    if (!size_sum(*capacity, more, &wanted) || !size_product(wanted, each, &bytes)) {
        return fail_nomem(err, "header");
    }
    void *grown = realloc(*items, bytes);
    if (!grown) return fail_nomem(err, "header");
    *items = grown;
    *capacity = wanted;
    return OK;
}

static status read_dtype(json_in *j, entry *e, error *err)
{
    status st = OK;
    const char *name;
    TRY(json_in_string(j, &name, err));
    const dtype_info *type = dtype_find(name);
    if (!type) {
        TRY(fail(err, E_UNSUPPORTED,
            "tensor %s: dtype %s is not supported, expected one of BOOL U8 I8 I16 U16 F16 BF16 I32 "
            "U32 F32 F64 I64 U64",
            quote_name(e->a.name).s, quote_name(name).s));
    }
    e->a.dtype = type->dtype;
    e->a.dtype_name = type->name;
    e->type_bytes = type->bytes;
done:
    return st;
}

static status read_shape(json_in *j, entry *e, error *err)
{
    status st = OK;
    bool more;
    TRY(json_in_open(j, '[', err));
    for (size_t i = 0;; i++) {
        TRY(json_in_more(j, ']', i, &more, err));
        if (!more) break;
        if (i == ARRAY_MAX_DIMS) {
            TRY(fail(err, E_UNSUPPORTED, "tensor %s: more than %d dimensions are not supported",
                quote_name(e->a.name).s, ARRAY_MAX_DIMS));
        }
        uint64_t v;
        TRY(json_in_u64(j, &v, err));
        e->a.dim[i] = (size_t)v;
        if (e->a.dim[i] != v) {
            TRY(fail(err, E_UNSUPPORTED, "tensor %s: a dimension of %" PRIu64 " is too large",
                quote_name(e->a.name).s, v));
        }
        e->a.n_dims = i + 1;
    }
done:
    return st;
}

static status read_range(json_in *j, entry *e, error *err)
{
    status st = OK;
    uint64_t *const ends[] = { &e->begin, &e->end };
    bool more;
    TRY(json_in_open(j, '[', err));
    for (size_t i = 0;; i++) {
        TRY(json_in_more(j, ']', i, &more, err));
        if (more != (i < 2)) {
            TRY(fail(err, E_PARSE, "tensor %s: data_offsets has %s than two numbers",
                quote_name(e->a.name).s, more ? "more" : "fewer"));
        }
        if (!more) break;
        TRY(json_in_u64(j, ends[i], err));
    }
done:
    return st;
}

/* What an entry must have, each once. */
typedef struct field {
    const char *key;
    status (*read)(json_in *j, entry *e, error *err);
} field;

static const field fields[] = {
    { "dtype", read_dtype },
    { "shape", read_shape },
    { "data_offsets", read_range },
};

enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static status read_field(json_in *j, entry *e, bool *seen, error *err)
{
    status st = OK;
    const char *key;
    TRY(json_in_key(j, &key, err));
    size_t i = 0;
    while (i < N_FIELDS && strcmp(key, fields[i].key) != 0)
        i++;
    if (i == N_FIELDS) {
        TRY(fail(err, E_PARSE,
            "tensor %s: unknown key %s, expected \"dtype\", \"shape\" and \"data_offsets\"",
            quote_name(e->a.name).s, quote_name(key).s));
    }
    if (seen[i]) {
        TRY(fail(err, E_PARSE, "tensor %s: key \"%s\" appears twice", quote_name(e->a.name).s,
            fields[i].key));
    }
    seen[i] = true;
    TRY(fields[i].read(j, e, err));
done:
    return st;
}

static status read_entry(safetensors *s, json_in *j, const char *name, error *err)
{
    status st = OK;
    entry e = { .a = { .name = name } };
    bool seen[N_FIELDS] = { false }, more;
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(read_field(j, &e, seen, err));
    }
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!seen[i]) {
            TRY(fail(err, E_PARSE, "tensor %s: key \"%s\" is missing", quote_name(name).s,
                fields[i].key));
        }
    }
    void *entries = s->entries;
    st = grow(&entries, s->n, &s->capacity, sizeof e, err);
    s->entries = entries;
    if (st == OK) s->entries[s->n++] = e;
done:
    return st;
}

static status read_metadata(safetensors *s, json_in *j, error *err)
{
    status st = OK;
    bool more;
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        array_note note;
        TRY(json_in_key(j, &note.key, err));
        TRY(json_in_string(j, &note.value, err));
        void *notes = s->notes;
        st = grow(&notes, s->n_notes, &s->notes_capacity, sizeof note, err);
        s->notes = notes;
        TRY(st);
        s->notes[s->n_notes++] = note;
    }
    TRY(sort_by_key(s->notes, s->n_notes, E_CORRUPT, err));
done:
    return st;
}

static status read_header(safetensors *s, const char *header, size_t n, error *err)
{
    status st = OK;
    bool more, has_metadata = false;
    json_in j = { .what = "header", .s = header, .n = n, .strings = arena_alloc(&s->memory, n) };
    if (!j.strings) TRY(fail_nomem(err, "header"));
    TRY(json_in_open(&j, '{', err));
    for (size_t i = 0;; i++) {
        const char *name;
        TRY(json_in_more(&j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(&j, &name, err));
        if (strcmp(name, METADATA_KEY) != 0) {
            TRY(read_entry(s, &j, name, err));
            continue;
        }
        if (has_metadata) TRY(fail(err, E_CORRUPT, "key \"%s\" appears twice", METADATA_KEY));
        has_metadata = true;
        TRY(read_metadata(s, &j, err));
    }
    TRY(json_in_end(&j, err));
done:
    return st;
}

/* The header's place in the file. */
static status find_header(safetensors *s, size_t *out_n, error *err)
{
    uint64_t n;
    if (s->map.n < HEADER_LENGTH_BYTES) {
        return fail(err, E_CORRUPT, "got %zu bytes, expected at least %d for the header's length",
            s->map.n, HEADER_LENGTH_BYTES);
    }
    memcpy(&n, s->map.data, sizeof n);
    if (n > HEADER_MAX_BYTES) {
        return fail(err, E_CORRUPT,
            "header length is %" PRIu64 ", expected at most %d: not a safetensors file?", n,
            HEADER_MAX_BYTES);
    }
    if (n > s->map.n - HEADER_LENGTH_BYTES) {
        return fail(err, E_CORRUPT,
            "header length is %" PRIu64 ", but only %zu bytes follow: the file was cut off", n,
            s->map.n - HEADER_LENGTH_BYTES);
    }
    if (n == 0 || s->map.data[HEADER_LENGTH_BYTES] != '{') {
        return fail(err, E_PARSE, "header of %" PRIu64 " bytes does not begin with \"{\"", n);
    }
    *out_n = (size_t)n;
    s->data = s->map.data + HEADER_LENGTH_BYTES + n;
    s->n_data = s->map.n - HEADER_LENGTH_BYTES - (size_t)n;
    return OK;
}

/* One entry against itself. */
static status check_entry(entry *e, error *err)
{
    const char *name = e->a.name;
    if (!array_measure(&e->a, dtype_find(e->a.dtype_name))) {
        return fail(err, E_CORRUPT, "tensor %s: its shape has more elements than memory could hold",
            quote_name(name).s);
    }
    if (e->begin > e->end) {
        return fail(err, E_CORRUPT,
            "tensor %s: data_offsets [%" PRIu64 ", %" PRIu64 "] end before they begin",
            quote_name(name).s, e->begin, e->end);
    }
    if (e->end - e->begin != e->a.bytes) {
        return fail(err, E_CORRUPT,
            "tensor %s: data_offsets hold %" PRIu64 " bytes, expected %zu for its %s and shape",
            quote_name(name).s, e->end - e->begin, e->a.bytes, e->a.dtype_name);
    }
    return OK;
}

static int compare_places(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    if (left->begin != right->begin) return left->begin < right->begin ? -1 : 1;
    return (left->end > right->end) - (left->end < right->end);
}

/* All entries against each other and the file: one after the other from 0 to the end. */
static status check_ranges(safetensors *s, error *err)
{
    status st = OK;
    for (size_t i = 0; i < s->n; i++)
        TRY(check_entry(&s->entries[i], err));
    if (s->n > 1) qsort(s->entries, s->n, sizeof *s->entries, compare_places);
    uint64_t end = 0;
    for (size_t i = 0; i < s->n; i++) {
        const entry *e = &s->entries[i];
        if (e->begin != end) {
            TRY(fail(err, E_CORRUPT,
                "tensor %s: begins at byte %" PRIu64 " of the data, %s %" PRIu64,
                quote_name(e->a.name).s, e->begin,
                e->begin < end ? "inside another that ends at" : "a hole after", end));
        }
        end = e->end;
    }
    if (end != s->n_data) {
        TRY(fail(err, E_CORRUPT, "got %zu bytes of data, expected %" PRIu64 ": %s", s->n_data, end,
            s->n_data < end ? "the file was cut off" : "something was appended"));
    }
done:
    return st;
}

/* Ranges are checked: places become pointers, entries are findable by name. */
static status hand_out(safetensors *s, error *err)
{
    s->by_name = arena_alloc_array(&s->memory, s->n, sizeof(*s->by_name));
    if (!s->by_name) return fail_nomem(err, "header");
    for (size_t i = 0; i < s->n; i++) {
        entry *e = &s->entries[i];
        const unsigned char *data = s->data + e->begin;
        e->a.data = data;
        s->by_name[i] = &e->a;
        if ((uintptr_t)data % e->type_bytes == 0) continue;
        void *copy = arena_alloc(&s->memory, e->a.bytes);
        if (!copy) return fail_nomem(err, "unaligned data");
        memcpy(copy, data, e->a.bytes);
        e->a.data = copy;
    }
    return sort_by_name(s->by_name, s->n, E_CORRUPT, err);
}

static status check_checksum(const safetensors *s, error *err)
{
    const char *written = safetensors_metadata(s, CHECKSUM_KEY);
    if (!written) return OK;
    char computed[33];
    const status st = content_checksum(s->by_name, s->n, s->notes, s->n_notes, computed, err);
    if (st != OK || strcmp(computed, written) == 0) return st;
    return fail(err, E_CORRUPT,
        "checksum of the content is %s, expected %s: the file was damaged or edited", computed,
        quote_name(written).s);
}

static status read_content(safetensors *s, error *err)
{
    status st = OK;
    size_t n_header = 0;
    TRY(find_header(s, &n_header, err));
    TRY(read_header(s, (const char *)s->map.data + HEADER_LENGTH_BYTES, n_header, err));
    TRY(check_ranges(s, err));
    TRY(hand_out(s, err));
    TRY(check_checksum(s, err));
done:
    return st;
}

/* Of a file, or of bytes where there are any. */
static status open_from(const char *name, const file_map *bytes, safetensors **out, error *err)
{
    status st = OK;
    safetensors *s = calloc(1, sizeof *s);
    if (!s) return fail_nomem(err, name);
    s->path = arena_strdup(&s->memory, name);
    if (!s->path) TRY(fail_nomem(err, name));
    s->is_borrowed = bytes != NULL;
    if (bytes) {
        s->map = *bytes;
    } else {
        TRY(file_map_open(name, &s->map, err));
    }
    st = read_content(s, err);
    if (st != OK) error_where(err, "%s", name);
    TRY(st);
    *out = s;
    s = NULL;
done:
    safetensors_close(s);
    return st;
}

status safetensors_open(const char *path, safetensors **out, error *err)
{
    return open_from(path, NULL, out, err);
}

status safetensors_open_bytes(
    const char *name, const void *bytes, size_t n, safetensors **out, error *err)
{
    const file_map map = { bytes, n };
    return open_from(name, &map, out, err);
}

void safetensors_close(safetensors *s)
{
    if (!s) return;
    if (!s->is_borrowed) file_map_close(&s->map);
    free(s->entries);
    free(s->notes);
    arena_release(&s->memory);
    free(s);
}

size_t safetensors_count(const safetensors *s)
{
    return s->n;
}

const array *safetensors_at(const safetensors *s, size_t i)
{
    return i < s->n ? s->by_name[i] : NULL;
}

static int compare_to_name(const void *key, const void *item)
{
    const array *const *a = item;
    return strcmp(key, (*a)->name);
}

const array *safetensors_find(const safetensors *s, const char *name)
{
    if (s->n == 0) return NULL;
    const array *const *found =
        bsearch(name, s->by_name, s->n, sizeof *s->by_name, compare_to_name);
    return found ? *found : NULL;
}

static int compare_to_key(const void *key, const void *item)
{
    const array_note *note = item;
    return strcmp(key, note->key);
}

const char *safetensors_metadata(const safetensors *s, const char *key)
{
    if (s->n_notes == 0) return NULL;
    const array_note *found = bsearch(key, s->notes, s->n_notes, sizeof *s->notes, compare_to_key);
    return found ? found->value : NULL;
}

status safetensors_get(const safetensors *s, const char *name, array_dtype dtype, size_t n,
    const void **out, error *err)
{
    const array *a = safetensors_find(s, name);
    if (!a) {
        return fail(
            err, E_MISSING, "%s: no tensor %s among its %zu", s->path, quote_name(name).s, s->n);
    }
    if (a->dtype != dtype || a->n != n) {
        return fail(err, E_SHAPE, "%s: tensor %s: got %s with %zu elements, expected %s with %zu",
            s->path, quote_name(name).s, a->dtype_name, a->n,
            dtype == ARRAY_OTHER ? "another dtype" : dtype_name(dtype), n);
    }
    *out = a->data;
    return OK;
}
