/* The kernels for AVX-512: tiles of 8 rows by 48 columns. */
#include "num/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#define VEC __m512
#define MASK __mmask16
#define WIDTH 16
#define ROWS 8
#define VECTORS 3
#define STRIP 1 /* two streams from the second cache are slower than one */
#define ZERO() _mm512_setzero_ps()
#define SET1(x) _mm512_set1_ps(x)
#define LOAD(p) _mm512_loadu_ps(p)
#define LOAD_MASK(p, m) _mm512_maskz_loadu_ps(m, p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STORE_MASK(p, m, v) _mm512_mask_storeu_ps(p, m, v)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define SUM(v) _mm512_reduce_add_ps(v)
#define MASK_OF(n) ((__mmask16)((n) >= 16 ? 0xffffu : (1u << (n)) - 1u))
#define ROW_OF_TILES(X, rows) X(rows, 1) X(rows, 2) X(rows, 3)
#define TILES(X) \
    ROW_OF_TILES(X, 1) \
    ROW_OF_TILES(X, 2) \
    ROW_OF_TILES(X, 3) \
    ROW_OF_TILES(X, 4) ROW_OF_TILES(X, 5) ROW_OF_TILES(X, 6) ROW_OF_TILES(X, 7) ROW_OF_TILES(X, 8)

#include "num/kernels_template.h"

#define ENTRY(rows) \
    { \
        tile_##rows##_1, tile_##rows##_2, tile_##rows##_3 \
    }
static const tile_routine routines[ROWS][VECTORS] = { ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
    ENTRY(5), ENTRY(6), ENTRY(7), ENTRY(8) };

static void run_tile(const tile *t)
{
    routines[t->rows - 1][(t->columns - 1) / WIDTH](t);
}

const kernels kernels_avx512 = { .name = "avx512",
    .rows = ROWS,
    .columns = VECTORS * WIDTH,
    .width = WIDTH,
    .blas_from = 0,
    .run_tile = run_tile,
    .strip = STRIP,
    .run_strip = run_strip,
    .run_row = run_row,
    .run_dots = run_dots,
    .copy = copy,
    .transpose = transpose };
#endif
