/* The kernels for AVX2 with FMA: tiles of 6 rows by 16 columns. */
#include "num/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define VEC __m256
#define MASK __m256i
#define WIDTH 8
#define ROWS 6
#define VECTORS 2
#define STRIP 4
#define ZERO() _mm256_setzero_ps()
#define SET1(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define LOAD_MASK(p, m) _mm256_maskload_ps(p, m)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STORE_MASK(p, m, v) _mm256_maskstore_ps(p, m, v)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define SUM(v) sum_lanes(v)
#define MASK_OF(n) mask_of(n)

TARGET static inline float sum_lanes(__m256 v)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* All ones in the first n lanes. */
TARGET static inline __m256i mask_of(size_t n)
{
    const int m = n >= 8 ? 8 : (int)n;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(m), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

#define ROW_OF_TILES(X, rows) X(rows, 1) X(rows, 2)
#define TILES(X) \
    ROW_OF_TILES(X, 1) \
    ROW_OF_TILES(X, 2) ROW_OF_TILES(X, 3) ROW_OF_TILES(X, 4) ROW_OF_TILES(X, 5) ROW_OF_TILES(X, 6)

#include "num/kernels_template.h"

#define ENTRY(rows) \
    { \
        tile_##rows##_1, tile_##rows##_2 \
    }
static const tile_routine routines[ROWS][VECTORS] = { ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
    ENTRY(5), ENTRY(6) };

static void run_tile(const tile *t)
{
    routines[t->rows - 1][(t->columns - 1) / WIDTH](t);
}

const kernels kernels_avx2 = { .name = "avx2",
    .rows = ROWS,
    .columns = VECTORS * WIDTH,
    .width = WIDTH,
    .blas_from = 64,
    .run_tile = run_tile,
    .strip = STRIP,
    .run_strip = run_strip,
    .run_row = run_row,
    .run_dots = run_dots,
    .copy = copy,
    .transpose = transpose };
#endif
