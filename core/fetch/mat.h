/* MATLAB's level 5 MAT-files, as much of them as piano-rolls need: real matrices and cell arrays of them, plain or compressed.
 *
 * The reader trusts nothing: every length is checked against what holds it, and what does not fit is E_CORRUPT. */
#ifndef ASSAY_CORE_FETCH_MAT_H
#define ASSAY_CORE_FETCH_MAT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mat_kind { MAT_CELLS, MAT_REAL, MAT_OTHER } mat_kind;

/* A variable or a cell; borrows the bytes of its file. */
typedef struct mat_array {
    char name[64]; /* "" of a cell; a longer one is cut */
    mat_kind kind;
    size_t n_rows, n_columns; /* column-major */
    const unsigned char *data; /* MAT_REAL: the numbers; MAT_CELLS: the next cell */
    size_t n_bytes; /* of data */
    uint32_t type; /* MAT_REAL: of the numbers as they are stored */
} mat_array;

/* A file in memory. */
typedef struct mat_file {
    const unsigned char *data;
    size_t n_bytes;
    size_t at;
    void *inflated; /* of the variable last read */
} mat_file;

/* `data` must outlive the file. E_UNSUPPORTED for other versions and for big-endian files. */
status mat_open(const void *data, size_t n_bytes, mat_file *out, error *err) MUST_CHECK;
void mat_close(mat_file *m);

/* The next variable, valid until the following call; *out_more is false after the last. */
status mat_next(mat_file *m, mat_array *out, bool *out_more, error *err) MUST_CHECK;

/* The next cell of an array of MAT_CELLS; there are n_rows * n_columns. */
status mat_next_cell(mat_array *cells, mat_array *out, error *err) MUST_CHECK;

/* An element of a MAT_REAL array. */
double mat_at(const mat_array *a, size_t row, size_t column);

#endif
