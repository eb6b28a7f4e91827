/* A .npy file: magic, version, length of the header, a Python dict as text padded so that the data begin at a multiple of 64
 * bytes, then the numbers, little-endian. */
#include "cli/npy.h"

#include "base/file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX_BYTES = 10, ALIGN_BYTES = 64, HEADER_BYTES = 128 };

typedef struct source {
    const char *path;
    const float *x;
    size_t rows, cols;
} source;

static size_t make_header(const source *s, char out[HEADER_BYTES])
{
    char dict[HEADER_BYTES];
    const int n = snprintf(dict, sizeof dict,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", s->rows, s->cols);
    const size_t used = PREFIX_BYTES + (size_t)n + 1;
    const size_t total = (used + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    memset(out, ' ', total);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((total - PREFIX_BYTES) & 0xff);
    out[9] = (char)((total - PREFIX_BYTES) >> 8);
    memcpy(out + PREFIX_BYTES, dict, (size_t)n);
    out[total - 1] = '\n';
    return total;
}

static status write_all(int fd, void *arg, error *err)
{
    const source *s = arg;
    char header[HEADER_BYTES];
    unsigned char bytes[4096];
    size_t used = 0;
    const size_t n = s->rows * s->cols;
    status st = fd_write_all(fd, s->path, header, make_header(s, header), err);
    for (size_t i = 0; i < n && st == OK; i++) {
        uint32_t bits;
        memcpy(&bits, &s->x[i], sizeof bits);
        for (size_t k = 0; k < 4; k++) {
            bytes[used++] = (unsigned char)(bits >> (8 * k) & 0xff);
        }
        if (used == sizeof bytes || i + 1 == n) {
            st = fd_write_all(fd, s->path, bytes, used, err);
            used = 0;
        }
    }
    return st;
}

status npy_write(const char *path, const float *x, size_t rows, size_t cols, error *err)
{
    source s = { path, x, rows, cols };
    return file_write_atomic_by(path, write_all, &s, err);
}
