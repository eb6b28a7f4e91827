/* Golden numbers: reads tests/golden/<name>.safetensors, which the generators there write from an oracle. For tests only:
 * a file that does not fit ends the program. */
#ifndef ASSAY_TESTS_SUPPORT_GOLDEN_H
#define ASSAY_TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct golden golden;

/* <folder>/<name>.safetensors. */
golden *golden_open_in(const char *folder, const char *name);
void golden_close(golden *file);

#ifdef TEST_SOURCE_DIR
/* `name` is that of the file below tests/golden, without ".safetensors". */
static inline golden *golden_open(const char *name)
{
    return golden_open_in(TEST_SOURCE_DIR "/tests/golden", name);
}
#endif

bool golden_has(const golden *file, const char *tensor);

/* The tensor's numbers, borrowed from the file, and how many (`out_n` may be NULL). */
const float *golden_f32(const golden *file, const char *tensor, size_t *out_n);
const double *golden_f64(const golden *file, const char *tensor, size_t *out_n);
const int32_t *golden_i32(const golden *file, const char *tensor, size_t *out_n);

/* Its dimensions, outermost first; returns how many there are, at most 8. */
size_t golden_shape(const golden *file, const char *tensor, size_t out_dim[8]);

/* |a - b| / |b| in the 2-norm, in double; |a - b| where b is zero; infinite where an a is not finite. */
double norm_relative_error(const float *a, const double *b, size_t n);

/* The same against floats. */
double norm_relative_error_f32(const float *a, const float *b, size_t n);

#endif
