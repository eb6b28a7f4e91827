/* The header of NPY 1.0, 2.0 and 3.0 (numpy/lib/format.py): "\x93NUMPY", two bytes of version, its length in two bytes (four
 * from 2.0 on), and a Python dict as text with exactly the keys descr, fortran_order and shape, padded with blanks and
 * ended by a newline.
 *
 * Read by a small parser of its own, never beyond its end: only what numpy writes is accepted, though in any order and
 * with any blanks. */
#include "../shared/npy_array.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC_BYTES = 6, SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

struct cursor {
    struct array *a;
    const unsigned char *begin, *at, *end;
    bool permits_long; /* Python 2 wrote 3L */
};

static int bad(const struct cursor *c, const char *what)
{
    return array_fail(c->a, ASSAY_E_DATA, "not an NPY header: %s at byte %zu of its text", what,
        (size_t)(c->at - c->begin));
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != (unsigned char)wanted) return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    const size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* 'text' or "text", without escapes. */
static bool take_string(struct cursor *c, const char **out, size_t *out_n)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const unsigned char *from = c->at + 1;
    const unsigned char *quote = memchr(from, *c->at, (size_t)(c->end - from));
    if (quote == NULL || memchr(from, '\\', (size_t)(quote - from)) != NULL) return false;
    *out = (const char *)from;
    *out_n = (size_t)(quote - from);
    c->at = quote + 1;
    return true;
}

static bool is_text(const char *s, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(s, word, n) == 0;
}

static int read_type(struct cursor *c)
{
    const char *type = NULL;
    size_t n = 0;
    char quoted[24];
    skip_blanks(c);
    if (c->at < c->end && *c->at == '[') {
        return array_fail(c->a, ASSAY_E_UNSUPPORTED,
            "its elements are structures: save each field as an array of its own");
    }
    if (!take_string(c, &type, &n)) return bad(c, "expected the type in quotes");
    for (enum dtype t = 0; t < N_DTYPES; t++) {
        if (!is_text(type, n, dtype_name(t))) continue;
        c->a->dtype = t;
        return ASSAY_OK;
    }
    array_quote(type, n, quoted, sizeof(quoted));
    if (n > 1 && type[1] == 'O') {
        return array_fail(c->a, ASSAY_E_UNSUPPORTED,
            "its elements are Python objects (%s): save an array of numbers", quoted);
    }
    if (n > 0 && type[0] == '>') {
        return array_fail(c->a, ASSAY_E_UNSUPPORTED,
            "its numbers are big-endian (%s): save x.astype(x.dtype.newbyteorder('<'))", quoted);
    }
    return array_fail(c->a, ASSAY_E_UNSUPPORTED,
        "elements of type '%s': convert them to float32, float64, uint8, int32, int64 or bool",
        quoted);
}

static int read_order(struct cursor *c)
{
    c->a->is_fortran = false;
    if (take_word(c, "False")) return ASSAY_OK;
    if (!take_word(c, "True")) return bad(c, "expected True or False");
    c->a->is_fortran = true;
    return ASSAY_OK;
}

static int read_size(struct cursor *c, uint64_t *out)
{
    uint64_t v = 0;
    skip_blanks(c);
    const unsigned char *first = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (v > (UINT64_C(1) << 48)) return bad(c, "a dimension larger than any file");
        v = 10 * v + (uint64_t)(*c->at - '0');
    }
    if (c->at == first) return bad(c, "expected a size");
    if (c->permits_long && c->at < c->end && *c->at == 'L') c->at++;
    *out = v;
    return ASSAY_OK;
}

/* (), (3,), (3, 4), (3, 4,) */
static int read_shape(struct cursor *c)
{
    struct array *a = c->a;
    bool had_comma = true;
    a->n_dims = 0;
    if (!take(c, '(')) return bad(c, "expected ( of the shape");
    while (!take(c, ')')) {
        if (!had_comma) return bad(c, "expected , or ) in the shape");
        if (a->n_dims == MAX_DIMS) {
            return array_fail(
                a, ASSAY_E_UNSUPPORTED, "more than %d dimensions, samples included", MAX_DIMS);
        }
        const int code = read_size(c, &a->dim[a->n_dims]);
        if (code != ASSAY_OK) return code;
        a->n_dims++;
        had_comma = take(c, ',');
    }
    return a->n_dims == 1 && !had_comma ? bad(c, "expected , in a shape of one dimension")
                                        : ASSAY_OK;
}

static int read_entry(struct cursor *c, unsigned *seen)
{
    static const char *const keys[] = { "descr", "fortran_order", "shape" };
    static int (*const readers[])(struct cursor *) = { read_type, read_order, read_shape };
    const char *key = NULL;
    size_t n = 0;
    if (!take_string(c, &key, &n)) return bad(c, "expected a key in quotes");
    for (unsigned i = 0; i < 3; i++) {
        if (!is_text(key, n, keys[i])) continue;
        if ((*seen & 1u << i) != 0) return bad(c, "a key given twice");
        *seen |= 1u << i;
        return take(c, ':') ? readers[i](c) : bad(c, "expected :");
    }
    return bad(c, "a key other than descr, fortran_order and shape");
}

static int read_dict(struct cursor *c)
{
    unsigned seen = 0;
    bool had_comma = true;
    if (!take(c, '{')) return bad(c, "expected {");
    while (!take(c, '}')) {
        if (!had_comma) return bad(c, "expected , or }");
        const int code = read_entry(c, &seen);
        if (code != ASSAY_OK) return code;
        had_comma = take(c, ',');
    }
    if (seen != SEEN_ALL) return bad(c, "descr, fortran_order or shape is missing");
    skip_blanks(c);
    if (c->at != c->end) return bad(c, "more than the dict");
    return c->end[-1] == '\n' ? ASSAY_OK : bad(c, "expected a newline");
}

/* The data must be what the shape says, to the byte. */
static int check_data(struct array *a, size_t data_bytes)
{
    const uint64_t room = data_bytes / dtype_bytes(a->dtype);
    a->size = 1;
    for (uint64_t i = 0; i < a->n_dims; i++) {
        if (a->dim[i] == 0) return array_fail(a, ASSAY_E_DATA, "a dimension of size 0");
        if (a->dim[i] > room / a->size) {
            return array_fail(a, ASSAY_E_DATA, "the file ends before its last value");
        }
        a->size *= a->dim[i];
    }
    if (a->size * dtype_bytes(a->dtype) == data_bytes) return ASSAY_OK;
    return array_fail(a, ASSAY_E_DATA,
        a->size > room ? "the file ends before its last value" : "has bytes after its last value");
}

int header_read(struct array *a)
{
    const unsigned char *p = a->content;
    if (a->content_bytes < MAGIC_BYTES + 4 || memcmp(p, "\x93NUMPY", MAGIC_BYTES) != 0) {
        return array_fail(a, ASSAY_E_DATA, "not an NPY file: it does not begin with \\x93NUMPY");
    }
    const unsigned major = p[6], minor = p[7];
    if (major < 1 || major > 3 || minor != 0) {
        return array_fail(a, ASSAY_E_UNSUPPORTED,
            "NPY version %u.%u: 1.0, 2.0 and 3.0 are understood", major, minor);
    }
    const size_t length_bytes = major == 1 ? 2 : 4, before = MAGIC_BYTES + 2 + length_bytes;
    if (a->content_bytes < before) return array_fail(a, ASSAY_E_DATA, "ends within its header");
    const size_t n = (size_t)get_le(p + MAGIC_BYTES + 2, length_bytes);
    if (n == 0 || n > a->content_bytes - before) {
        return array_fail(a, ASSAY_E_DATA, "ends within its header");
    }
    struct cursor c = { a, p + before, p + before, p + before + n, major < 3 };
    const int code = read_dict(&c);
    a->data = c.end;
    return code == ASSAY_OK ? check_data(a, a->content_bytes - before - n) : code;
}
