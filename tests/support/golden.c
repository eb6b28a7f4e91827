/* Reads the safetensors format (8 bytes of header length, a JSON header, the data) as far as the generators use it: the
 * header is flat, keys are plain, numbers are integers. The whole file is kept in memory, aligned by the generators'
 * padding of the header to 8 bytes. */
#include "support/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    char *bytes; /* the file and a NUL */
    char *name;
    const char *data;
    size_t data_bytes;
};

typedef struct entry {
    char dtype[8];
    size_t n_dims, dim[8];
    size_t begin, end;
} entry;

static void die(const char *name, const char *tensor, const char *what)
{
    fprintf(stderr, "golden %s: %s: %s\n", name, tensor ? tensor : "file", what);
    abort();
}

static char *read_whole(const char *path, size_t *out_bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        die(path, NULL, "cannot be opened");
    }
    size_t n = 0, room = 65536;
    char *bytes = malloc(room);
    while (bytes) {
        n += fread(bytes + n, 1, room - 1 - n, f);
        if (n < room - 1) {
            break;
        }
        room *= 2;
        bytes = realloc(bytes, room);
    }
    if (!bytes || ferror(f)) {
        die(path, NULL, "cannot be read");
    }
    fclose(f);
    bytes[n] = 0;
    *out_bytes = n;
    return bytes;
}

golden *golden_open_in(const char *folder, const char *name)
{
    char path[1024];
    size_t n = 0;
    uint64_t header = 0;
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
    golden *g = calloc(1, sizeof *g);
    if (!g) {
        die(name, NULL, "out of memory");
    }
    g->bytes = read_whole(path, &n);
    g->name = strdup(name);
    if (n >= 8) {
        memcpy(&header, g->bytes, 8);
    }
    if (!g->name || n < 10 || header > n - 8 || header % 8 != 0) {
        die(name, NULL, "is not a safetensors file with a padded header");
    }
    /* The header moves to the front, so that a NUL can end it and the data stays aligned. */
    memmove(g->bytes, g->bytes + 8, header);
    g->bytes[header] = 0;
    g->data = g->bytes + 8 + header;
    g->data_bytes = n - 8 - header;
    return g;
}

void golden_close(golden *file)
{
    if (file) {
        free(file->bytes);
        free(file->name);
        free(file);
    }
}

/* The text after "key": inside [at, ...), past blanks. */
static const char *after_key(const char *at, const char *key)
{
    char quoted[256];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *found = strstr(at, quoted);
    if (!found) {
        return NULL;
    }
    found += strlen(quoted);
    return found + strspn(found, " ");
}

/* "[1, 2]" into out[most]; returns how many. */
static size_t read_list(const char *at, size_t *out, size_t most)
{
    size_t n = 0;
    for (at++; *at && *at != ']' && n < most;) {
        char *end;
        out[n++] = (size_t)strtoull(at, &end, 10);
        at = end + strspn(end, " ,");
    }
    return n;
}

static bool find(const golden *file, const char *tensor, entry *out)
{
    size_t place[2] = { 0 };
    const char *at = after_key(file->bytes, tensor);
    if (!at || *at != '{') {
        return false;
    }
    const char *dtype = after_key(at, "dtype"), *shape = after_key(at, "shape");
    const char *offsets = after_key(at, "data_offsets");
    if (!dtype || !shape || !offsets || sscanf(dtype, "\"%7[A-Z0-9]\"", out->dtype) != 1) {
        die(file->name, tensor, "has no dtype, shape or data_offsets");
    }
    out->n_dims = read_list(shape, out->dim, 8);
    if (read_list(offsets, place, 2) != 2 || place[0] > place[1] || place[1] > file->data_bytes) {
        die(file->name, tensor, "has data_offsets outside the file");
    }
    out->begin = place[0];
    out->end = place[1];
    return true;
}

static entry find_or_die(const golden *file, const char *tensor)
{
    entry e = { .begin = 0 };
    if (!find(file, tensor, &e)) {
        die(file->name, tensor, "is not there");
    }
    return e;
}

static const void *numbers(
    const golden *file, const char *tensor, const char *dtype, size_t each, size_t *out_n)
{
    const entry e = find_or_die(file, tensor);
    size_t n = 1;
    for (size_t i = 0; i < e.n_dims; i++) {
        n *= e.dim[i];
    }
    if (strcmp(e.dtype, dtype) != 0) {
        die(file->name, tensor, "has another dtype");
    }
    if (e.end - e.begin != n * each || e.begin % each != 0) {
        die(file->name, tensor, "has a size or place that does not fit its shape and dtype");
    }
    if (out_n) {
        *out_n = n;
    }
    return file->data + e.begin;
}

bool golden_has(const golden *file, const char *tensor)
{
    entry e;
    return find(file, tensor, &e);
}

const float *golden_f32(const golden *file, const char *tensor, size_t *out_n)
{
    return numbers(file, tensor, "F32", sizeof(float), out_n);
}

const double *golden_f64(const golden *file, const char *tensor, size_t *out_n)
{
    return numbers(file, tensor, "F64", sizeof(double), out_n);
}

const int32_t *golden_i32(const golden *file, const char *tensor, size_t *out_n)
{
    return numbers(file, tensor, "I32", sizeof(int32_t), out_n);
}

size_t golden_shape(const golden *file, const char *tensor, size_t out_dim[8])
{
    const entry e = find_or_die(file, tensor);
    memcpy(out_dim, e.dim, sizeof e.dim);
    return e.n_dims;
}

double norm_relative_error(const float *a, const double *b, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - b[i];
        if (!isfinite(d)) {
            return HUGE_VAL;
        }
        difference += d * d;
        norm += b[i] * b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

double norm_relative_error_f32(const float *a, const float *b, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        if (!isfinite(d)) {
            return HUGE_VAL;
        }
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}
