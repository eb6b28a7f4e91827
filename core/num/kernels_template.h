/* The kernels once more for each vector width. The including file defines
 *   VEC MASK                     types of a vector and of a mask of its lanes
 *   WIDTH ROWS VECTORS           lanes; rows and vectors of the largest tile
 *   STRIP                        panels of a packed B that a single row takes at a time
 *   TARGET                       the attribute that lets the compiler use the instructions
 *   ZERO() SET1(x) LOAD(p) LOAD_MASK(p, m) STORE(p, v) STORE_MASK(p, m, v) FMA(a, b, c) MUL(a, b) SUM(v) MASK_OF(n)
 *
 * A tile keeps ROWS x VECTORS accumulators in registers: with that many independent chains, multiply-adds are limited by their
 * number, not by their latency. The loops over accumulators must be unrolled whole, or the array would live in memory. */
#include "num/kernels.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

/* C is needed only after all of k, time enough to bring it from memory; a short sum ends too soon. */
enum { FETCH_C_FROM_K = 64 };

INLINE void fetch_c(const tile *t, const int rows, const int vectors)
{
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vectors; j++)
            __builtin_prefetch(t->c + (size_t)i * t->ldc + (size_t)j * WIDTH, 0, 3);
    }
}

/* C is read as a whole before it is written: a read that touches a line of a masked store waits for it. */
INLINE void finish(
    const tile *t, VEC (*sum)[VECTORS], const MASK last, const int rows, const int vectors)
{
    const VEC alpha = SET1(t->alpha), beta = SET1(t->beta);
    UNROLL
    for (int i = 0; i < rows; i++) {
        const float *c = t->c + (size_t)i * t->ldc;
        UNROLL
        for (int j = 0; j < vectors; j++) {
            sum[i][j] = MUL(alpha, sum[i][j]);
            if (t->beta == 0.0f) continue;
            const VEC before =
                j < vectors - 1 ? LOAD(c + j * WIDTH) : LOAD_MASK(c + j * WIDTH, last);
            sum[i][j] = FMA(beta, before, sum[i][j]);
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * t->ldc;
        UNROLL
        for (int j = 0; j < vectors - 1; j++)
            STORE(c + j * WIDTH, sum[i][j]);
        STORE_MASK(c + (vectors - 1) * WIDTH, last, sum[i][vectors - 1]);
    }
}

/* sum over k for a tile of constant size; only the last vector of a row may be partial. */
INLINE void tile_body(const tile *t, const int rows, const int vectors)
{
    VEC sum[ROWS][VECTORS];
    const MASK last = MASK_OF(t->columns - (size_t)(vectors - 1) * WIDTH);
    const float *a = t->a, *b = t->b;
    const size_t step_i = t->step_i;
    UNROLL
    for (int i = 0; i < rows; i++) {
        UNROLL
        for (int j = 0; j < vectors; j++)
            sum[i][j] = ZERO();
    }
    if (t->k >= FETCH_C_FROM_K) fetch_c(t, rows, vectors);
    for (size_t k = t->k; k > 0; k--) {
        VEC row[VECTORS];
        UNROLL
        for (int j = 0; j < vectors - 1; j++)
            row[j] = LOAD(b + j * WIDTH);
        row[vectors - 1] = LOAD_MASK(b + (vectors - 1) * WIDTH, last);
        UNROLL
        for (int i = 0; i < rows; i++) {
            const VEC x = SET1(a[(size_t)i * step_i]);
            UNROLL
            for (int j = 0; j < vectors; j++)
                sum[i][j] = FMA(x, row[j], sum[i][j]);
        }
        a += t->step_k;
        b += t->ldb;
    }
    finish(t, sum, last, rows, vectors);
}

#define TILE(rows, vectors) \
    TARGET static void tile_##rows##_##vectors(const tile *t) \
    { \
        tile_body(t, rows, vectors); \
    }
TILES(TILE)

typedef void (*tile_routine)(const tile *t);

/* One row of A against STRIP panels of whole vectors, `apart` numbers between one and the next: a single panel has too few
 * accumulators to hide the latency of a multiply-add. The sums are those of run_tile to the bit. */
TARGET static void run_strip(const tile *t, size_t apart)
{
    VEC sum[STRIP][VECTORS];
    const float *a = t->a, *b = t->b;
    UNROLL
    for (int s = 0; s < STRIP; s++) {
        UNROLL
        for (int j = 0; j < VECTORS; j++)
            sum[s][j] = ZERO();
    }
    for (size_t k = t->k; k > 0; k--, a += t->step_k, b += t->ldb) {
        const VEC x = SET1(*a);
        UNROLL
        for (int s = 0; s < STRIP; s++) {
            UNROLL
            for (int j = 0; j < VECTORS; j++)
                sum[s][j] = FMA(x, LOAD(b + (size_t)s * apart + j * WIDTH), sum[s][j]);
        }
    }
    const VEC alpha = SET1(t->alpha), beta = SET1(t->beta);
    UNROLL
    for (int s = 0; s < STRIP; s++) {
        UNROLL
        for (int j = 0; j < VECTORS; j++) {
            float *c = t->c + (s * VECTORS + j) * WIDTH;
            const VEC v = MUL(alpha, sum[s][j]);
            STORE(c, t->beta != 0.0f ? FMA(beta, LOAD(c), v) : v);
        }
    }
}

/* One vector of columns at a time down k, the widest group of columns first: y = alpha x B + beta y. */
INLINE void row_body(const float *x, size_t step, const float *b, size_t ldb, size_t k, size_t n,
    float alpha, float beta, float *y, const int vectors)
{
    VEC sum[8];
    const MASK last = MASK_OF(n - (size_t)(vectors - 1) * WIDTH);
    UNROLL
    for (int j = 0; j < vectors; j++)
        sum[j] = ZERO();
    for (; k > 0; k--, x += step, b += ldb) {
        const VEC v = SET1(*x);
        UNROLL
        for (int j = 0; j < vectors - 1; j++)
            sum[j] = FMA(v, LOAD(b + j * WIDTH), sum[j]);
        sum[vectors - 1] = FMA(v, LOAD_MASK(b + (vectors - 1) * WIDTH, last), sum[vectors - 1]);
    }
    UNROLL
    for (int j = 0; j < vectors; j++) {
        const MASK m = j < vectors - 1 ? MASK_OF(WIDTH) : last;
        VEC v = MUL(SET1(alpha), sum[j]);
        if (beta != 0.0f) v = FMA(SET1(beta), LOAD_MASK(y + j * WIDTH, m), v);
        STORE_MASK(y + j * WIDTH, m, v);
    }
}

TARGET static void run_row(const float *x, size_t step, const float *b, size_t ldb, size_t k,
    size_t n, float alpha, float beta, float *y)
{
    size_t j = 0;
    for (; j + 8 * WIDTH <= n; j += 8 * WIDTH) {
        row_body(x, step, b + j, ldb, k, 8 * WIDTH, alpha, beta, y + j, 8);
    }
    for (; j + 4 * WIDTH <= n; j += 4 * WIDTH) {
        row_body(x, step, b + j, ldb, k, 4 * WIDTH, alpha, beta, y + j, 4);
    }
    for (; j < n; j += WIDTH) {
        row_body(x, step, b + j, ldb, k, n - j < WIDTH ? n - j : WIDTH, alpha, beta, y + j, 1);
    }
}

/* Dots of x with `rows` rows of b: one accumulator each, added up across its lanes at the end. */
INLINE void dots_body(const float *x, const float *b, size_t ldb, size_t k, float alpha, float beta,
    float *y, size_t step, const int rows)
{
    VEC sum[8];
    UNROLL
    for (int j = 0; j < rows; j++)
        sum[j] = ZERO();
    size_t i = 0;
    for (; i + WIDTH <= k; i += WIDTH) {
        const VEC v = LOAD(x + i);
        UNROLL
        for (int j = 0; j < rows; j++)
            sum[j] = FMA(v, LOAD(b + (size_t)j * ldb + i), sum[j]);
    }
    if (i < k) {
        const MASK m = MASK_OF(k - i);
        const VEC v = LOAD_MASK(x + i, m);
        UNROLL
        for (int j = 0; j < rows; j++) {
            sum[j] = FMA(v, LOAD_MASK(b + (size_t)j * ldb + i, m), sum[j]);
        }
    }
    UNROLL
    for (int j = 0; j < rows; j++) {
        float *out = y + (size_t)j * step;
        const float v = alpha * SUM(sum[j]);
        *out = beta != 0.0f ? v + beta * *out : v;
    }
}

TARGET static void run_dots(const float *x, const float *b, size_t ldb, size_t k, size_t n,
    float alpha, float beta, float *y, size_t step)
{
    size_t j = 0;
    for (; j + 8 <= n; j += 8) {
        dots_body(x, b + j * ldb, ldb, k, alpha, beta, y + j * step, step, 8);
    }
    for (; j < n; j++) {
        dots_body(x, b + j * ldb, ldb, k, alpha, beta, y + j * step, step, 1);
    }
}

INLINE void copy_body(const float *b, size_t ldb, size_t k, size_t columns, float *out,
    size_t ldout, const int vectors)
{
    const MASK last = MASK_OF(columns - (size_t)(vectors - 1) * WIDTH);
    const MASK whole = MASK_OF(ldout - (size_t)(vectors - 1) * WIDTH);
    for (; k > 0; k--, b += ldb, out += ldout) {
        UNROLL
        for (int j = 0; j < vectors - 1; j++)
            STORE(out + j * WIDTH, LOAD(b + j * WIDTH));
        STORE_MASK(out + (vectors - 1) * WIDTH, whole, LOAD_MASK(b + (vectors - 1) * WIDTH, last));
    }
}

TARGET static void copy(
    const float *b, size_t ldb, size_t k, size_t columns, float *out, size_t ldout)
{
    switch ((columns - 1) / WIDTH) {
    case 0: copy_body(b, ldb, k, columns, out, ldout, 1); break;
    case 1: copy_body(b, ldb, k, columns, out, ldout, 2); break;
    default: copy_body(b, ldb, k, columns, out, ldout, VECTORS);
    }
}

/* Eight rows by eight columns in registers. */
INLINE void turn_8x8(const float *b, size_t ldb, float *out, size_t ldout)
{
    __m256 r[8], u[8];
    UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(b + (size_t)i * ldb);
    UNROLL
    for (int i = 0; i < 4; i++) {
        u[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        u[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    UNROLL
    for (int h = 0; h < 2; h++) {
        r[4 * h] = _mm256_shuffle_ps(u[4 * h], u[4 * h + 2], 0x44);
        r[4 * h + 1] = _mm256_shuffle_ps(u[4 * h], u[4 * h + 2], 0xee);
        r[4 * h + 2] = _mm256_shuffle_ps(u[4 * h + 1], u[4 * h + 3], 0x44);
        r[4 * h + 3] = _mm256_shuffle_ps(u[4 * h + 1], u[4 * h + 3], 0xee);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + (size_t)i * ldout, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(
            out + (size_t)(i + 4) * ldout, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

TARGET static void transpose(
    const float *b, size_t ldb, size_t k, size_t columns, float *out, size_t ldout)
{
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) {
        size_t i = 0;
        for (; i + 8 <= k; i += 8) {
            turn_8x8(b + j * ldb + i, ldb, out + i * ldout + j, ldout);
        }
        for (; i < k; i++) {
            for (size_t q = j; q < j + 8; q++)
                out[i * ldout + q] = b[q * ldb + i];
        }
    }
    for (; j < columns; j++) {
        for (size_t i = 0; i < k; i++)
            out[i * ldout + j] = b[j * ldb + i];
    }
}
