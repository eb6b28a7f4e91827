/* Arrays from NPY files and NPZ archives, for every dataset that reads them. The sources are in npy/: file.c, zip.c, header.c,
 * element.c. */
#ifndef ASSAY_PLUGINS_DATASET_SHARED_NPY_ARRAY_H
#define ASSAY_PLUGINS_DATASET_SHARED_NPY_ARRAY_H

#include <assay/plugin.h>

#include <stdbool.h>
#include <stddef.h>

enum { MAX_DIMS = ASSAY_MAX_DIMS + 1 };

enum dtype { DTYPE_F4, DTYPE_F8, DTYPE_U1, DTYPE_I4, DTYPE_I8, DTYPE_B1, N_DTYPES };

/* One array. */
struct array {
    assay_ctx *ctx;
    const char *key; /* the hyperparameter that named it */
    const char *path; /* as it stands in the config; NULL: not asked for */
    const char *name; /* the end of the path, for messages */
    const char *file; /* the .npy or .npz */
    const char *member; /* of the .npz; NULL: none was named */
    unsigned char *map; /* the file */
    size_t map_bytes;
    unsigned char *inflated; /* a member that was compressed */
    const unsigned char *content; /* an NPY file: all of `map`, a part of it, or `inflated` */
    size_t content_bytes;
    enum dtype dtype;
    bool is_fortran; /* the first dimension is the innermost */
    uint64_t n_dims, dim[MAX_DIMS];
    uint64_t size; /* elements */
    const unsigned char *data; /* [size], little-endian */
};

/* file.c. array_open maps the file, finds the member, reads the header; array_close takes half-opened ones. */
int array_open(struct array *a);
void array_close(struct array *a);
/* "digits.npz/images: ..." with the hyperparameter. */
int array_fail(const struct array *a, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Bytes of a file as they may stand in a message: at most room - 1, the unprintable as ?. */
void array_quote(const void *bytes, size_t n, char *out, size_t room);

/* zip.c. From the mapped archive to the content of a->member, or of the only member there is. */
int zip_open(struct array *a);

/* header.c. From the content to type, dimensions and data. */
int header_read(struct array *a);

/* element.c */
size_t dtype_bytes(enum dtype t);
const char *dtype_name(enum dtype t);
bool dtype_is_float(enum dtype t);
/* Element i as a real; exact but for large i8. As an integer, of a type that is not a float. */
double array_real(const struct array *a, uint64_t i);
int64_t array_int(const struct array *a, uint64_t i);
/* Little-endian, anywhere. */
uint64_t get_le(const unsigned char *from, size_t n_bytes);
bool is_little_endian(void);

/* Reports that memory is out. */
int array_nomem(assay_ctx *ctx);

#endif
