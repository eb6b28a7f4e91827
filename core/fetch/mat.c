/* MAT-files, level 5 ("MAT-File Format", The MathWorks, chapter 1).
 *
 * A header of 128 bytes, then elements: a tag (type, bytes) and that many bytes, padded to 8. A tag whose upper half is not 0
 * is a small one: type and size in 4 bytes, the data in the other 4. A variable is a miMATRIX element made of elements (flags,
 * dimensions, name, then numbers or cells), or a miCOMPRESSED one whose bytes inflate to it. Complex, sparse, character and
 * structure arrays are passed over: they come out as MAT_OTHER. */
#include "fetch/mat.h"

#include "base/arena.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER_BYTES = 128, TAG_BYTES = 8 };
enum {
    MI_INT8 = 1,
    MI_UINT8,
    MI_INT16,
    MI_UINT16,
    MI_INT32,
    MI_UINT32,
    MI_SINGLE,
    MI_DOUBLE = 9,
    MI_INT64 = 12,
    MI_UINT64,
    MI_MATRIX,
    MI_COMPRESSED
};
enum { CLASS_CELL = 1, CLASS_DOUBLE = 6, CLASS_UINT64 = 15, FLAG_COMPLEX = 0x800 };
enum { MOST_INFLATION = 1040 }; /* deflate makes at most 1032 bytes of one */

typedef struct element {
    uint32_t type;
    const unsigned char *data;
    size_t n_bytes;
} element;

/* What is still to be read of an element. */
typedef struct rest {
    const unsigned char *data;
    size_t n_bytes;
} rest;

static uint32_t u32_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static status corrupt(error *err, const char *what)
{
    return fail(err, E_CORRUPT, "a damaged MAT-file: %s", what);
}

static status take_element(rest *r, element *out, error *err)
{
    if (r->n_bytes < TAG_BYTES) return corrupt(err, "it ends where an element should begin");
    const uint32_t first = u32_at(r->data), small = first >> 16;
    if (small) {
        if (small > 4) return corrupt(err, "a small element of more than 4 bytes");
        *out = (element){ first & 0xffff, r->data + 4, small };
        r->data += TAG_BYTES;
        r->n_bytes -= TAG_BYTES;
        return OK;
    }
    const size_t n = u32_at(r->data + 4), left = r->n_bytes - TAG_BYTES;
    if (n > left) return corrupt(err, "an element is longer than what holds it");
    const size_t padding = first == MI_COMPRESSED ? 0 : (8 - n % 8) % 8;
    const size_t step = padding > left - n ? left : n + padding; /* the last may lack it */
    *out = (element){ first, r->data + TAG_BYTES, n };
    r->data += TAG_BYTES + step;
    r->n_bytes = left - step;
    return OK;
}

static size_t number_bytes(uint32_t type)
{
    switch (type) {
    case MI_INT8:
    case MI_UINT8: return 1;
    case MI_INT16:
    case MI_UINT16: return 2;
    case MI_INT32:
    case MI_UINT32:
    case MI_SINGLE: return 4;
    case MI_DOUBLE:
    case MI_INT64:
    case MI_UINT64: return 8;
    default: return 0;
    }
}

static status take_dimensions(rest *r, mat_array *out, error *err)
{
    element e;
    const status st = take_element(r, &e, err);
    if (st != OK) return st;
    if (e.type != MI_INT32 || e.n_bytes < 8 || e.n_bytes % 4 != 0) {
        return corrupt(err, "an array's dimensions are not two or more whole numbers");
    }
    size_t n_columns = 1;
    for (size_t i = 0; i < e.n_bytes / 4; i++) {
        const uint32_t n = u32_at(e.data + 4 * i);
        if (n > INT32_MAX) return corrupt(err, "an array has a negative dimension");
        if (i == 0) {
            out->n_rows = n;
        } else if (!size_product(n_columns, n, &n_columns)) {
            return corrupt(err, "an array is larger than memory could be");
        }
    }
    size_t n_items;
    if (!size_product(out->n_rows, n_columns, &n_items)) {
        return corrupt(err, "an array is larger than memory could be");
    }
    out->n_columns = n_columns;
    return OK;
}

static status take_name(rest *r, mat_array *out, error *err)
{
    element e;
    const status st = take_element(r, &e, err);
    if (st != OK) return st;
    if (e.type != MI_INT8) return corrupt(err, "an array's name is no text");
    const size_t n = e.n_bytes < sizeof out->name ? e.n_bytes : sizeof out->name - 1;
    memcpy(out->name, e.data, n);
    out->name[n] = '\0';
    return OK;
}

static status take_numbers(rest *r, mat_array *out, error *err)
{
    element e;
    size_t n_bytes;
    const status st = take_element(r, &e, err);
    if (st != OK) return st;
    const size_t each = number_bytes(e.type);
    if (!each) return corrupt(err, "numbers of an unknown type");
    if (!size_product(out->n_rows * out->n_columns, each, &n_bytes) || n_bytes != e.n_bytes) {
        return corrupt(err, "an array has more or fewer numbers than its dimensions say");
    }
    out->type = e.type;
    out->data = e.data;
    out->n_bytes = e.n_bytes;
    return OK;
}

/* The inside of a miMATRIX element. An empty one is an empty cell. */
static status read_array(const element *whole, mat_array *out, error *err)
{
    mat_array a = { .kind = MAT_REAL };
    rest r = { whole->data, whole->n_bytes };
    element flags;
    status st = OK;
    if (whole->type != MI_MATRIX) TRY(corrupt(err, "an element that is no array"));
    if (whole->n_bytes == 0) {
        *out = a;
        return OK;
    }
    TRY(take_element(&r, &flags, err));
    if (flags.type != MI_UINT32 || flags.n_bytes != 8) TRY(corrupt(err, "an array without flags"));
    const uint32_t word = u32_at(flags.data), class = word & 0xff;
    const bool is_number = class >= CLASS_DOUBLE && class <= CLASS_UINT64 && !(word & FLAG_COMPLEX);
    a.kind = class == CLASS_CELL ? MAT_CELLS : is_number ? MAT_REAL : MAT_OTHER;
    TRY(take_dimensions(&r, &a, err));
    TRY(take_name(&r, &a, err));
    if (a.kind == MAT_REAL) {
        TRY(take_numbers(&r, &a, err));
    } else {
        a.data = r.data;
        a.n_bytes = r.n_bytes;
    }
    *out = a;
done:
    return st;
}

status mat_open(const void *data, size_t n_bytes, mat_file *out, error *err)
{
    const unsigned char *p = data;
    if (n_bytes < HEADER_BYTES) {
        return fail(err, E_CORRUPT, "no MAT-file: %zu bytes, its header alone has 128", n_bytes);
    }
    if (p[126] == 'M' && p[127] == 'I') {
        return fail(err, E_UNSUPPORTED, "a big-endian MAT-file; expected a little-endian one");
    }
    if (p[126] != 'I' || p[127] != 'M' || p[124] != 0 || p[125] != 1) {
        return fail(err, E_UNSUPPORTED,
            "no MAT-file of level 5 (version bytes %02x %02x %02x %02x, expected 00 01 49 4d)",
            p[124], p[125], p[126], p[127]);
    }
    *out = (mat_file){ .data = p, .n_bytes = n_bytes, .at = HEADER_BYTES };
    return OK;
}

void mat_close(mat_file *m)
{
    free(m->inflated);
    *m = (mat_file){ 0 };
}

/* Inflates exactly out[0..n). */
static status inflate_bytes(z_stream *z, unsigned char *out, size_t n, bool must_end, error *err)
{
    z->next_out = out;
    z->avail_out = (uInt)n;
    const int how = inflate(z, must_end ? Z_FINISH : Z_SYNC_FLUSH);
    if (how == Z_MEM_ERROR) return fail_nomem(err, "a compressed array");
    if ((how != Z_OK && how != Z_STREAM_END) || z->avail_out || (must_end && how != Z_STREAM_END)) {
        return corrupt(err, "a compressed array does not inflate to what it should");
    }
    return OK;
}

/* The element that a miCOMPRESSED one holds; its bytes become the file's. */
static status inflate_element(mat_file *m, const element *packed, element *out, error *err)
{
    unsigned char tag[TAG_BYTES];
    status st = OK;
    z_stream z = { .next_in = (unsigned char *)packed->data, .avail_in = (uInt)packed->n_bytes };
    if (inflateInit(&z) != Z_OK) return fail_nomem(err, "a compressed array");
    TRY(inflate_bytes(&z, tag, sizeof tag, false, err));
    const size_t n = u32_at(tag + 4);
    if (u32_at(tag) != MI_MATRIX) TRY(corrupt(err, "what is compressed is no array"));
    if (n > UINT_MAX - 8 || n / MOST_INFLATION > packed->n_bytes) {
        TRY(corrupt(err, "a compressed array claims more bytes than it can hold"));
    }
    m->inflated = malloc(n ? n : 1);
    if (!m->inflated) TRY(fail_nomem(err, "a compressed array"));
    TRY(inflate_bytes(&z, m->inflated, n, true, err));
    *out = (element){ MI_MATRIX, m->inflated, n };
done:
    inflateEnd(&z);
    return st;
}

status mat_next(mat_file *m, mat_array *out, bool *out_more, error *err)
{
    rest r = { m->data + m->at, m->n_bytes - m->at };
    element e = { 0 };
    status st = OK;
    free(m->inflated);
    m->inflated = NULL;
    if (r.n_bytes == 0) {
        *out_more = false;
        return OK;
    }
    TRY(take_element(&r, &e, err));
    if (e.type == MI_COMPRESSED) {
        const element packed = e;
        TRY(inflate_element(m, &packed, &e, err));
    }
    TRY(read_array(&e, out, err));
    m->at = m->n_bytes - r.n_bytes;
    *out_more = true;
done:
    return st;
}

status mat_next_cell(mat_array *cells, mat_array *out, error *err)
{
    rest r = { cells->data, cells->n_bytes };
    element e;
    status st = OK;
    TRY(take_element(&r, &e, err));
    TRY(read_array(&e, out, err));
    cells->data = r.data;
    cells->n_bytes = r.n_bytes;
done:
    return st;
}

double mat_at(const mat_array *a, size_t row, size_t column)
{
    const unsigned char *p = a->data + (column * a->n_rows + row) * number_bytes(a->type);
    uint64_t bits = 0;
    float single;
    double real;
    for (size_t i = 0; i < number_bytes(a->type); i++) {
        bits |= (uint64_t)p[i] << 8 * i;
    }
    switch (a->type) {
    case MI_INT8: return (int8_t)bits;
    case MI_INT16: return (int16_t)bits;
    case MI_INT32: return (int32_t)bits;
    case MI_INT64: return (double)(int64_t)bits;
    case MI_SINGLE: {
        const uint32_t half = (uint32_t)bits;
        memcpy(&single, &half, sizeof single);
        return (double)single;
    }
    case MI_DOUBLE: memcpy(&real, &bits, sizeof real); return real;
    default: return (double)bits;
    }
}
