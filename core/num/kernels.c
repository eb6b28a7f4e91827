/* Cutting a product into tiles.
 *
 * B is walked in panels as wide as a tile, in blocks of k that stay in the second cache while all rows of A pass by; A and B
 * are read where they lie (a transposed B is turned panel by panel on the stack), for packing costs more than it brings at the
 * sizes of training steps. Panels and row blocks are made as equal as they can be, so that no thin tile is left at an edge.
 * Measured against OpenBLAS 0.3.21 on a processor it has AVX2 kernels for, one thread: 1.9 to 2.5 times its speed with
 * AVX-512; with AVX2 ahead on small sides, and behind by a tenth where all sides are large, which are therefore left to OpenBLAS. */
#include "num/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_K = 512, BLOCK_K_COPIED = 256, MAX_COLUMNS = 48 };

/* From this row stride on every row of a panel lies on another page; copying the panel pays where enough rows of A use it. */
enum { COPY_FROM_LDB = 1024, COPY_FROM_ROWS = 32 };

static const kernels *choose(void)
{
#if defined(__x86_64__)
    const char *forced = getenv("ASSAY_CPU");
    const bool any = !forced || !forced[0];
    const bool has_avx512 = __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw");
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (has_avx512 && (any || strcmp(forced, "avx512") == 0)) {
        return &kernels_avx512;
    }
    if (has_avx2 && (any || strcmp(forced, "avx512") == 0 || strcmp(forced, "avx2") == 0)) {
        return &kernels_avx2;
    }
#endif
    return NULL;
}

/* Looked up once per thread: the answer cannot change, and asking the environment takes as long as a small product. */
static _Thread_local const kernels *chosen;
static _Thread_local bool is_chosen;

const kernels *kernels_get(void)
{
    if (!is_chosen) {
        chosen = choose();
        is_chosen = true;
    }
    return chosen;
}

bool kernels_yield(const kernels *ks, const gemm *g)
{
    const size_t from = ks->blas_from;
    return from && g->m >= from && g->n >= from && g->k >= from;
}

/* Splits n into `parts` runs of whole units, as equal as can be: where the i-th begins. */
static size_t part_begin(size_t n, size_t unit, size_t parts, size_t i)
{
    const size_t units = (n + unit - 1) / unit;
    const size_t at = (units / parts * i + (i < units % parts ? i : units % parts)) * unit;
    return at < n ? at : n;
}

/* All rows of A against one panel of B, one block of k. */
static void run_panel(const kernels *ks, const gemm *g, tile *t)
{
    const size_t parts = (g->m + ks->rows - 1) / ks->rows;
    const float *a = t->a;
    float *c = t->c;
    for (size_t p = 0; p < parts; p++) {
        const size_t i = part_begin(g->m, 1, parts, p), end = part_begin(g->m, 1, parts, p + 1);
        t->rows = end - i;
        t->a = a + i * t->step_i;
        t->c = c + i * g->ldc;
        ks->run_tile(t);
    }
}

/* The panel of B in rows of MAX_COLUMNS, turned where B is transposed. */
static void copy_panel(const kernels *ks, const float *b, size_t ldb, bool turned, size_t k,
    size_t columns, float *panel)
{
    if (turned) {
        ks->transpose(b, ldb, k, columns, panel, MAX_COLUMNS);
        return;
    }
    for (size_t i = 0; i < k; i++) {
        memcpy(panel + i * MAX_COLUMNS, b + i * ldb, columns * sizeof *panel);
    }
}

static void run_tiles(const kernels *ks, const gemm *g, const float *b, size_t ldb, bool turned)
{
    _Alignas(64) float panel[BLOCK_K_COPIED * MAX_COLUMNS];
    const bool copies = turned || (ldb >= COPY_FROM_LDB && g->m >= COPY_FROM_ROWS);
    const size_t block = copies ? BLOCK_K_COPIED : BLOCK_K;
    const size_t parts = (g->n + ks->columns - 1) / ks->columns;
    const size_t step_k = g->trans_a ? g->lda : 1, step_i = g->trans_a ? 1 : g->lda;
    for (size_t k0 = 0; k0 < g->k; k0 += block) {
        const size_t k = g->k - k0 < block ? g->k - k0 : block;
        for (size_t p = 0; p < parts; p++) {
            const size_t j = part_begin(g->n, ks->width, parts, p);
            const size_t columns = part_begin(g->n, ks->width, parts, p + 1) - j;
            const float *from = b + (turned ? j * ldb + k0 : k0 * ldb + j);
            if (copies) {
                copy_panel(ks, from, ldb, turned, k, columns, panel);
            }
            tile t = { .columns = columns,
                .k = k,
                .a = g->a + k0 * step_k,
                .step_k = step_k,
                .step_i = step_i,
                .b = copies ? panel : from,
                .ldb = copies ? MAX_COLUMNS : ldb,
                .c = g->c + j,
                .ldc = g->ldc,
                .alpha = g->alpha,
                .beta = k0 ? 1.0f : g->beta };
            run_panel(ks, g, &t);
        }
    }
}

/* y[m] = op(A) b as dots with the rows of A or as a row times A; b must be contiguous, or A^T be read by rows. */
static bool run_column(const kernels *ks, const gemm *g, const float *b, size_t step_b)
{
    if (g->trans_a && g->ldc == 1) {
        ks->run_row(b, step_b, g->a, g->lda, g->k, g->m, g->alpha, g->beta, g->c);
        return true;
    }
    if (!g->trans_a && step_b == 1) {
        ks->run_dots(b, g->a, g->lda, g->k, g->m, g->alpha, g->beta, g->c, g->ldc);
        return true;
    }
    return false;
}

void kernels_gemm(const kernels *ks, const gemm *g)
{
    const float *b = g->packed_b ? g->packed_b : g->b;
    const size_t ldb = g->packed_b ? g->n : g->ldb;
    const bool turned = g->trans_b && !g->packed_b;
    if (g->n == 1 && g->m > 1 && run_column(ks, g, b, turned ? 1 : ldb)) {
        return;
    }
    if (!turned && g->m == 1) {
        ks->run_row(g->a, g->trans_a ? g->lda : 1, b, ldb, g->k, g->n, g->alpha, g->beta, g->c);
    } else if (turned && g->m < 4 && !g->trans_a) {
        for (size_t i = 0; i < g->m; i++) {
            ks->run_dots(
                g->a + i * g->lda, b, ldb, g->k, g->n, g->alpha, g->beta, g->c + i * g->ldc, 1);
        }
    } else {
        run_tiles(ks, g, b, ldb, turned);
    }
}
