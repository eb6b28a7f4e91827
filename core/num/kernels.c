/* Cutting a product into tiles, and B into panels.
 *
 * B is walked in panels as wide as a tile, in blocks of k, while all rows of A pass by; of a tall A a block of rows at a time, so
 * that the block stays in the second cache from panel to panel. Panels and row blocks are made as equal as they can be, so that
 * no thin tile is left at an edge. A is read where it lies, and so is a B used once, unless its rows are far apart: then, or when
 * it is transposed, each panel is copied to the stack first; with rows far apart the next panel is fetched meanwhile. A B used
 * many times is packed in panels beforehand (kernels_pack_b), which a product then streams through as they are.
 *
 * One order of summation: every entry of C is a chain of multiply-adds over each block of k, and blocks are added up in order,
 * whatever the number of rows, the place of B and the size of the tile.
 *
 * Measured against OpenBLAS 0.3.21 on a processor it has AVX2 kernels for, one thread: 1.9 to 2.5 times its speed with
 * AVX-512; with AVX2 ahead on small sides, and behind by a tenth where all sides are large, which are therefore left to OpenBLAS
 * unless B is packed (then level). With AVX-512 and B packed, 85 to 90 % of a core's multiply-adds at the shapes of recurrent layers; a
 * single row runs as fast as B can be read from its cache. */
#include "num/kernels.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

/* A panel's block of k is some 96 KB: longer ones leave the second cache no room for A, shorter ones pass over C more often. */
enum { BLOCK_K = 512, MAX_COLUMNS = 48 };

/* Numbers of A that share a panel, half of a second cache of 1 MB; more where every block of rows copies the panels anew. */
enum { BLOCK_A = 256 * BLOCK_K, BLOCK_A_COPIED = 512 * BLOCK_K };

/* From this row stride on every row of a panel lies on another page; copying the panel pays where enough rows of A use it. */
enum { COPY_FROM_LDB = 1024, COPY_FROM_ROWS = 32 };

/* A smaller B is in the second cache already, where fetching only takes time; so it does for a transposed B, whose numbers lie
 * in order as they are copied. */
enum { FETCH_FROM_FLOATS = 1 << 18 };

/* Packing goes down all panels by so many rows at a time: reads of several rows in order, writes in runs of some 10 KB. */
enum { PACK_K = 64 };

/* Floats of a cache line. */
enum { LINE = 16 };

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

/* n cut into parts of whole units, as equal as can be; only the last unit may be partial. */
typedef struct cut {
    size_t n, unit, parts;
    size_t shorter, n_longer; /* units of a part; how many parts, the first ones, have one more */
} cut;

/* Into the fewest parts that hold at most `most`, whole units themselves. */
static cut cut_by(size_t n, size_t unit, size_t most)
{
    const size_t units = (n + unit - 1) / unit, parts = (n + most - 1) / most;
    return (cut){ n, unit, parts, units / parts, units % parts };
}

static size_t part_begin(const cut *c, size_t i)
{
    const size_t at = (c->shorter * i + (i < c->n_longer ? i : c->n_longer)) * c->unit;
    return at < c->n ? at : c->n;
}

static size_t part_size(const cut *c, size_t i)
{
    return part_begin(c, i + 1) - part_begin(c, i);
}

/* The columns of B: by n alone. */
static cut cut_columns(const kernels *ks, size_t n)
{
    return cut_by(n, ks->width, ks->columns);
}

/* Floats of a row of panel p as copied: whole vectors, but a B of one column remains a vector for run_dots. */
static size_t panel_width(const cut *c, size_t p)
{
    return c->n == 1 ? 1 : (c->shorter + (p < c->n_longer)) * c->unit;
}

/* Row k, panel p of op(B). */
static const float *panel_at(const gemm *g, const cut *c, size_t p, size_t k)
{
    const size_t j = part_begin(c, p);
    return g->b + (g->trans_b ? j * g->ldb + k : k * g->ldb + j);
}

/* Rows [k0, k0 + k) of panel p, zeros after the last column. */
static void copy_panel(
    const kernels *ks, const gemm *g, const cut *c, size_t p, size_t k0, size_t k, float *out)
{
    const float *b = panel_at(g, c, p, k0);
    const size_t columns = part_size(c, p), width = panel_width(c, p);
    if (!g->trans_b) {
        ks->copy(b, g->ldb, k, columns, out, width);
        return;
    }
    ks->transpose(b, g->ldb, k, columns, out, width);
    for (size_t i = 0; columns < width && i < k; i++) {
        memset(out + i * width + columns, 0, (width - columns) * sizeof *out);
    }
}

bool kernels_packed_bytes(const kernels *ks, size_t n, size_t k, size_t *out)
{
    const size_t width = n == 1 ? 1 : ks->width;
    const size_t units = n / width + (n % width > 0);
    size_t floats;
    return size_product(units, width, &floats) && size_product(floats, k, &floats) &&
        size_product(floats, sizeof(float), out);
}

void kernels_pack_b(const kernels *ks, const gemm *g, float *out)
{
    const cut c = cut_columns(ks, g->n);
    for (size_t k0 = 0; k0 < g->k; k0 += PACK_K) {
        const size_t k = g->k - k0 < PACK_K ? g->k - k0 : PACK_K;
        for (size_t p = 0; p < c.parts; p++) {
            float *panel = out + part_begin(&c, p) * g->k;
            copy_panel(ks, g, &c, p, k0, k, panel + k0 * panel_width(&c, p));
        }
    }
}

/* A matrix that will be read soon; fetched a few rows at a time. */
typedef struct ahead {
    const float *at;
    size_t rows, columns, ld;
} ahead;

/* The i-th of n shares of its rows. */
static void fetch(const ahead *next, size_t i_share, size_t n)
{
    const size_t begin = next->rows * i_share / n, end = next->rows * (i_share + 1) / n;
    for (size_t i = begin; i < end; i++) {
        for (size_t j = 0; j < next->columns; j += LINE) {
            __builtin_prefetch(next->at + i * next->ld + j, 0, 2);
        }
    }
}

/* A product under way: the rows of A from `begin` on, cut into tiles, and where B is: packed, in place, or copied panel by panel. */
typedef struct walk {
    const kernels *ks;
    const gemm *g;
    cut columns, rows;
    size_t begin;
    float *copy; // [BLOCK_K, MAX_COLUMNS] or NULL
    bool fetches;
} walk;

/* The rows of A against one panel of B, one block of k. */
static void run_panel(const walk *w, tile *t, const ahead *next)
{
    const size_t parts = w->rows.parts;
    const float *a = t->a;
    float *c = t->c;
    size_t i = w->begin;
    for (size_t p = 0; p < parts; p++, i += t->rows) {
        t->rows = w->rows.shorter + (p < w->rows.n_longer);
        t->a = a + i * t->step_i;
        t->c = c + i * t->ldc;
        if (next->rows) fetch(next, p, parts);
        w->ks->run_tile(t);
    }
}

/* Block [k0, k0 + t->k) of panel p, where a tile reads it. */
static void take_panel(const walk *w, size_t p, size_t k0, tile *t)
{
    const gemm *g = w->g;
    t->ldb = panel_width(&w->columns, p);
    if (g->packed_b) {
        const float *packed = g->packed_b;
        t->b = packed + part_begin(&w->columns, p) * g->k + k0 * t->ldb;
    } else if (w->copy) {
        copy_panel(w->ks, g, &w->columns, p, k0, t->k, w->copy);
        t->b = w->copy;
    } else {
        t->b = panel_at(g, &w->columns, p, k0);
        t->ldb = g->ldb;
    }
}

/* What panel p will be copied from. */
static ahead look_ahead(const walk *w, size_t p, size_t k0, size_t k)
{
    if (!w->fetches || p == w->columns.parts) return (ahead){ 0 };
    return (ahead){ .at = panel_at(w->g, &w->columns, p, k0),
        .rows = k,
        .columns = part_size(&w->columns, p),
        .ld = w->g->ldb };
}

/* Whether a single row can take panel p and those after it at once. */
static bool is_strip(const walk *w, size_t p)
{
    const size_t end = p + w->ks->strip;
    return w->g->packed_b && w->g->m == 1 && w->ks->strip > 1 && end <= w->columns.parts &&
        part_begin(&w->columns, end) - part_begin(&w->columns, p) == w->ks->strip * w->ks->columns;
}

static void run_walk(const walk *w)
{
    const gemm *g = w->g;
    const size_t step_k = g->trans_a ? g->lda : 1, step_i = g->trans_a ? 1 : g->lda;
    for (size_t k0 = 0; k0 < g->k; k0 += BLOCK_K) {
        const size_t k = g->k - k0 < BLOCK_K ? g->k - k0 : BLOCK_K;
        for (size_t p = 0; p < w->columns.parts; p++) {
            tile t = { .columns = part_size(&w->columns, p),
                .k = k,
                .a = g->a + k0 * step_k,
                .step_k = step_k,
                .step_i = step_i,
                .c = g->c + part_begin(&w->columns, p),
                .ldc = g->ldc,
                .alpha = g->alpha,
                .beta = k0 ? 1.0f : g->beta };
            const ahead next = look_ahead(w, p + 1, k0, k);
            take_panel(w, p, k0, &t);
            if (is_strip(w, p)) {
                w->ks->run_strip(&t, g->k * w->ks->columns);
                p += w->ks->strip - 1;
            } else {
                run_panel(w, &t, &next);
            }
        }
    }
}

static void run_tiles(const kernels *ks, const gemm *g)
{
    _Alignas(64) float copy[BLOCK_K * MAX_COLUMNS];
    const bool is_far = g->ldb >= COPY_FROM_LDB && g->m >= COPY_FROM_ROWS;
    const bool copies = !g->packed_b && (g->trans_b || is_far);
    const size_t block_k = g->k < BLOCK_K ? g->k : BLOCK_K;
    const cut blocks = cut_by(g->m, ks->rows, (copies ? BLOCK_A_COPIED : BLOCK_A) / block_k);
    walk w = { .ks = ks,
        .g = g,
        .columns = cut_columns(ks, g->n),
        .copy = copies ? copy : NULL,
        .fetches = copies && !g->trans_b && g->n * g->k >= FETCH_FROM_FLOATS };
    for (size_t p = 0; p < blocks.parts; p++) {
        w.begin = part_begin(&blocks, p);
        w.rows = cut_by(part_size(&blocks, p), 1, ks->rows);
        run_walk(&w);
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

/* One row, or a few, times a B that is used once. */
static bool run_rows(const kernels *ks, const gemm *g)
{
    if (!g->trans_b && g->m == 1) {
        ks->run_row(
            g->a, g->trans_a ? g->lda : 1, g->b, g->ldb, g->k, g->n, g->alpha, g->beta, g->c);
        return true;
    }
    if (!g->trans_b || g->m >= 4 || g->trans_a) return false;
    for (size_t i = 0; i < g->m; i++) {
        ks->run_dots(
            g->a + i * g->lda, g->b, g->ldb, g->k, g->n, g->alpha, g->beta, g->c + i * g->ldc, 1);
    }
    return true;
}

/* With a packed B nothing but n decides which routine runs, or the bits of a row would depend on m. */
void kernels_gemm(const kernels *ks, const gemm *g)
{
    if (g->packed_b) {
        if (g->n == 1 && run_column(ks, g, g->packed_b, 1)) return;
    } else if (g->n == 1 && g->m > 1) {
        if (run_column(ks, g, g->b, g->trans_b ? 1 : g->ldb)) return;
    } else if (run_rows(ks, g)) {
        return;
    }
    run_tiles(ks, g);
}
