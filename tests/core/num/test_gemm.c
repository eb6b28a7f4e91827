/* Products against a plain triple loop in double, and OpenBLAS's silence after num_init. */
#include "base/clock.h"
#include "base/rng.h"
#include "num/gemm.h"
#include "num/kernels.h"
#include "num/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int count_threads(void)
{
    char line[256];
    int n = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) return -1;
    while (fgets(line, sizeof line, file) && sscanf(line, "Threads: %d", &n) != 1) {
    }
    fclose(file);
    return n;
}

/* Threads of the machinery that are no BLAS's (a sanitizer's background thread). */
static int n_own_threads(void)
{
#ifdef __SANITIZE_THREAD__
    return 2;
#else
    return 1;
#endif
}

static void test_gemm__init_leaves_one_thread_that_rests(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        num_init();
        assert_int_equal(count_threads(), n_own_threads());
    }
    const double cpu_s = clock_cpu_s();
    const struct timespec rest = { 0, 300000000 };
    nanosleep(&rest, NULL);
    assert_true(clock_cpu_s() - cpu_s < 0.03); /* a spinning pool would have used all of 0.3 s */
    assert_true(num_blas_is_concurrent());
    assert_non_null(strstr(num_blas_description(), "OpenBLAS"));
}

enum { N_MOST = 24000 };

/* op(X)[i, j] of a matrix stored with stride ld. */
static double at(const float *x, size_t ld, bool trans, size_t i, size_t j)
{
    return (double)(trans ? x[j * ld + i] : x[i * ld + j]);
}

static void assert_is_product(const gemm *g, const float *c_before)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = 0.0, size = 0.0;
            for (size_t p = 0; p < g->k; p++) {
                const double term =
                    at(g->a, g->lda, g->trans_a, i, p) * at(g->b, g->ldb, g->trans_b, p, j);
                sum += term;
                size += fabs(term);
            }
            const double before =
                g->beta == 0.0f ? 0.0 : (double)g->beta * (double)c_before[i * g->ldc + j];
            const double expected = (double)g->alpha * sum + before;
            /* k + 3 roundings of partial sums no larger than `size`. */
            const double slack = (double)(g->k + 3) * (double)FLT_EPSILON *
                (fabs((double)g->alpha) * size + fabs(before));
            assert_true(fabs((double)g->c[i * g->ldc + j] - expected) <= slack);
        }
        for (size_t j = g->n; j < g->ldc; j++) { /* between the rows: untouched */
            assert_memory_equal(g->c + i * g->ldc + j, c_before + i * g->ldc + j, sizeof *g->c);
        }
    }
}

static float a[N_MOST], b[N_MOST], c[N_MOST], c_before[N_MOST], packed[N_MOST];

/* Plain [k, n] without kernels of our own; with them every row filled up to whole vectors, but for a single column. */
static size_t expected_packed_bytes(const gemm *g)
{
    const kernels *ks = kernels_get();
    const size_t width = ks && g->n > 1 ? ks->width : 1;
    return g->k * ((g->n + width - 1) / width * width) * sizeof(float);
}

static void check_product(gemm g, size_t padding)
{
    g.a = a;
    g.b = b;
    g.c = c;
    g.lda = (g.trans_a ? g.m : g.k) + padding;
    g.ldb = (g.trans_b ? g.k : g.n) + padding;
    g.ldc = g.n + padding;
    rng_normal(rng_make(37, "c"), 0, 0, c_before, N_MOST);
    if (g.beta == 0.0f) {
        for (size_t i = 0; i < g.m; i++) {
            for (size_t j = 0; j < g.n; j++)
                c_before[i * g.ldc + j] = NAN; /* must not be read */
        }
    }
    memcpy(c, c_before, sizeof c);
    gemm_run(&g);
    assert_is_product(&g, c_before);

    assert_int_equal(gemm_packed_b_bytes(&g), expected_packed_bytes(&g));
    gemm_pack_b(&g, packed);
    memcpy(c, c_before, sizeof c);
    gemm with_pack = g;
    with_pack.packed_b = packed;
    with_pack.b = NULL;
    with_pack.ldb = 0;
    gemm_run(&with_pack);
    assert_is_product(&g, c_before);
}

static void test_gemm__agrees_with_a_plain_loop(void **state)
{
    (void)state;
    static const size_t sizes[][3] = { { 1, 1, 1 }, { 1, 7, 13 }, { 7, 1, 13 }, { 1, 1, 29 },
        { 5, 3, 1 }, { 3, 5, 7 }, { 17, 33, 9 }, { 32, 10, 65 }, { 1, 65, 64 }, { 65, 1, 64 },
        { 50, 67, 41 }, { 4, 4, 0 }, { 1, 3, 0 } };
    static const float scales[][2] = { { 1.0f, 0.0f }, { 1.0f, 1.0f }, { -0.731f, 2.385f } };
    rng_normal(rng_make(37, "a"), 0, 0, a, N_MOST);
    rng_normal(rng_make(37, "b"), 0, 0, b, N_MOST);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (unsigned flags = 0; flags < 24; flags++) {
            const float *scale = scales[flags / 8];
            const gemm g = { .trans_a = flags & 1,
                .trans_b = flags & 2,
                .m = sizes[s][0],
                .n = sizes[s][1],
                .k = sizes[s][2],
                .alpha = scale[0],
                .beta = scale[1] };
            check_product(g, flags & 4 ? 3 : 0);
        }
    }
}

/* Numbers that end where the address space does: one read or written too many is a segmentation fault, also from a vector
 * instruction that no sanitizer sees into. */
typedef struct guarded {
    char *memory;
    size_t bytes; /* without the guard */
} guarded;

static guarded guarded_make(size_t n)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded made = { .bytes = (n * sizeof(float) + page - 1) / page * page };
    made.memory =
        mmap(NULL, made.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(made.memory != MAP_FAILED);
    assert_int_equal(mprotect(made.memory + made.bytes, page, PROT_NONE), 0);
    return made;
}

static void guarded_release(guarded *g)
{
    assert_int_equal(munmap(g->memory, g->bytes + (size_t)sysconf(_SC_PAGESIZE)), 0);
}

/* The last n numbers. */
static float *guarded_last(const guarded *g, size_t n)
{
    assert_true(n * sizeof(float) <= g->bytes);
    return (float *)(void *)(g->memory + g->bytes - n * sizeof(float));
}

typedef struct guarded_product {
    guarded a, b, c, packed;
    float *drawn, *whole, *start; /* sources of a, b and c; the product of all rows; c before */
    size_t n_most;
} guarded_product;

static void guarded_product_init(guarded_product *p, size_t n_most)
{
    *p = (guarded_product){ .a = guarded_make(n_most),
        .b = guarded_make(n_most),
        .c = guarded_make(n_most),
        .packed = guarded_make(n_most),
        .drawn = malloc(n_most * sizeof(float)),
        .whole = malloc(n_most * sizeof(float)),
        .start = malloc(n_most * sizeof(float)),
        .n_most = n_most };
    assert_true(p->drawn && p->whole && p->start);
    rng_normal(rng_make(43, "a and b"), 0, 0, p->drawn, n_most);
    rng_normal(rng_make(43, "c"), 0, 0, p->start, n_most);
}

static void guarded_product_release(guarded_product *p)
{
    guarded_release(&p->a);
    guarded_release(&p->b);
    guarded_release(&p->c);
    guarded_release(&p->packed);
    free(p->drawn);
    free(p->whole);
    free(p->start);
}

/* Floats of a matrix with that stride; nothing lies after its last row. */
static size_t extent(size_t rows, size_t columns, size_t stride)
{
    return rows == 0 ? 0 : (rows - 1) * stride + columns;
}

/* One of 48: transposed or not, in rows that touch or not, scaled and accumulated. */
static gemm variant(size_t m, size_t n, size_t k, size_t i)
{
    static const float scales[][2] = { { 1.0f, 0.0f }, { 1.0f, 1.0f }, { -0.731f, 2.385f } };
    const bool trans_a = i & 1, trans_b = i & 2;
    const size_t padding = i & 4 ? 5 : 0;
    return (gemm){ .trans_a = trans_a,
        .trans_b = trans_b,
        .m = m,
        .n = n,
        .k = k,
        .lda = (trans_a ? m : k) + padding,
        .ldb = (trans_b ? k : n) + padding,
        .ldc = n + (i & 8 ? 3 : 0),
        .alpha = scales[i / 16 % 3][0],
        .beta = scales[i / 16 % 3][1] };
}

static void place_inputs(guarded_product *p, gemm *g)
{
    const size_t n_a = extent(g->trans_a ? g->k : g->m, g->trans_a ? g->m : g->k, g->lda);
    const size_t n_b = extent(g->trans_b ? g->n : g->k, g->trans_b ? g->k : g->n, g->ldb);
    float *at_a = guarded_last(&p->a, n_a), *at_b = guarded_last(&p->b, n_b);
    memcpy(at_a, p->drawn, n_a * sizeof *at_a);
    memcpy(at_b, p->drawn + p->n_most - n_b, n_b * sizeof *at_b);
    g->a = at_a;
    g->b = at_b;
}

/* The product of the first m rows, into C anew. */
static void run_guarded(guarded_product *p, gemm g, size_t m)
{
    const size_t n_c = extent(m, g.n, g.ldc);
    g.m = m;
    g.c = guarded_last(&p->c, n_c);
    memcpy(g.c, p->start, n_c * sizeof *g.c);
    gemm_run(&g);
}

/* The product of all rows, kept in p->whole; `g` has a B that is not packed. */
static void check_whole(guarded_product *p, gemm g)
{
    memcpy(p->whole, p->start, p->n_most * sizeof *p->whole); /* after the last row, too */
    const size_t n_c = extent(g.m, g.n, g.ldc);
    memcpy(p->whole, guarded_last(&p->c, n_c), n_c * sizeof *p->whole);
    g.c = p->whole;
    assert_is_product(&g, p->start);
}

static void assert_first_rows_are_those_of_the_whole(guarded_product *p, gemm g, size_t m)
{
    const float *got = guarded_last(&p->c, extent(m, g.n, g.ldc));
    for (size_t i = 0; kernels_get() && i < m; i++) {
        assert_memory_equal(got + i * g.ldc, p->whole + i * g.ldc, g.n * sizeof *got);
    }
    if (kernels_get()) return;
    g.m = m; /* OpenBLAS does not promise the same bits */
    check_whole(p, g);
}

/* Plain, packed, and packed with fewer rows. */
static void check_guarded(guarded_product *p, gemm g, const size_t *fewer, size_t n_fewer)
{
    place_inputs(p, &g);
    run_guarded(p, g, g.m);
    check_whole(p, g);

    const size_t n_packed = gemm_packed_b_bytes(&g) / sizeof(float);
    float *panels = guarded_last(&p->packed, n_packed);
    memset(panels, 0xff, n_packed * sizeof *panels); /* NaN */
    gemm_pack_b(&g, panels);
    const gemm plain = g;
    g.packed_b = panels;
    g.b = NULL;
    g.ldb = 0;
    run_guarded(p, g, g.m);
    check_whole(p, plain);
    for (size_t i = 0; i < n_fewer; i++) {
        if (fewer[i] >= g.m) continue;
        run_guarded(p, g, fewer[i]);
        assert_first_rows_are_those_of_the_whole(p, plain, fewer[i]);
    }
}

static void test_gemm__packed_products_of_all_small_sizes(void **state)
{
    (void)state;
    enum { MOST = 70 };
    static const size_t fewer[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 25, 41, 69 };
    guarded_product p;
    guarded_product_init(&p, (size_t)(MOST + 5) * (MOST + 16));
    for (size_t n = 1; n <= MOST; n++) {
        for (size_t k = 1; k <= MOST; k++) {
            check_guarded(&p, variant(MOST, n, k, (n * 31 + k * 17) % 48), fewer,
                sizeof fewer / sizeof fewer[0]);
        }
    }
    guarded_product_release(&p);
}

/* Blocks of k, blocks of rows, panels that are copied. */
static void test_gemm__packed_products_of_large_sizes(void **state)
{
    (void)state;
    static const size_t sizes[][3] = { { 70, 49, 512 }, { 33, 97, 513 }, { 9, 145, 1025 },
        { 34, 1037, 20 }, { 35, 16, 1100 }, { 530, 65, 41 }, { 1030, 50, 3 }, { 67, 1, 1030 },
        { 1, 1030, 530 }, { 3, 700, 67 }, { 33, 1100, 540 } };
    static const size_t fewer[] = { 1, 2, 3, 4, 8, 9, 32, 256, 257, 513 };
    guarded_product p;
    guarded_product_init(&p, (size_t)700 * 1200);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t i = 0; i < 48; i += 5) { /* every flag on and off, every scale */
            check_guarded(&p, variant(sizes[s][0], sizes[s][1], sizes[s][2], (i + s) % 48), fewer,
                sizeof fewer / sizeof fewer[0]);
        }
    }
    guarded_product_release(&p);
}

static void test_gemm__the_packed_form_does_not_depend_on_rows(void **state)
{
    (void)state;
    gemm g = variant(1, 67, 41, 2);
    g.b = b;
    rng_normal(rng_make(37, "b"), 0, 0, b, N_MOST);
    const size_t bytes = gemm_packed_b_bytes(&g);
    gemm_pack_b(&g, packed);
    g.m = 5000;
    assert_int_equal(gemm_packed_b_bytes(&g), bytes);
    assert_true(bytes <= sizeof c);
    gemm_pack_b(&g, c);
    assert_memory_equal(packed, c, bytes);
}

static void test_gemm__a_packed_form_larger_than_memory_has_no_size(void **state)
{
    (void)state;
    assert_int_equal(gemm_packed_b_bytes(&(gemm){ .n = SIZE_MAX, .k = 3 }), 0);
    assert_int_equal(gemm_packed_b_bytes(&(gemm){ .n = SIZE_MAX - 3, .k = 1 }), 0);
    assert_int_equal(gemm_packed_b_bytes(&(gemm){ .n = 7, .k = SIZE_MAX / 16 }), 0);
    assert_int_equal(gemm_packed_b_bytes(&(gemm){ .n = 0, .k = 5 }), 0);
    assert_int_equal(gemm_packed_b_bytes(&(gemm){ .n = 5, .k = 0 }), 0);
}

static void test_gemm__an_empty_product_touches_nothing(void **state)
{
    (void)state;
    gemm_run(&(gemm){ .m = 0, .n = 5, .k = 5, .alpha = 1.0f });
    gemm_run(&(gemm){ .m = 5, .n = 0, .k = 5, .alpha = 1.0f });
}

enum { N_JOBS = 32 };

typedef struct jobs {
    gemm g[N_JOBS];
} jobs;

static void run_job(void *arg, size_t i)
{
    gemm_run(&((jobs *)arg)->g[i]);
}

/* Job i is a product of its own shape on shared inputs into the i-th part of out. */
static void plan_jobs(jobs *j, const float *inputs, float *out, size_t n_out)
{
    for (size_t i = 0; i < N_JOBS; i++) {
        const size_t m = 1 + 5 * i % 64, n = 10 + 7 * i % 60, k = 20 + 29 * i % 130;
        j->g[i] = (gemm){ .trans_a = i % 2,
            .trans_b = i / 2 % 2,
            .m = m,
            .n = n,
            .k = k,
            .alpha = 1.0f,
            .a = inputs + i,
            .lda = i % 2 ? m : k,
            .b = inputs + 3 * i,
            .ldb = i / 2 % 2 ? k : n,
            .c = out + i * n_out,
            .ldc = n };
    }
}

static void test_gemm__concurrent_products_equal_serial_ones_bit_for_bit(void **state)
{
    (void)state;
    enum { N_OUT = 64 * 70, N_REPEATS = 40 };
    float *inputs = malloc(16384 * sizeof *inputs);
    float *serial = calloc((size_t)N_JOBS * N_OUT, sizeof *serial);
    float *together = calloc((size_t)N_JOBS * N_OUT, sizeof *together);
    assert_true(inputs && serial && together);
    rng_normal(rng_make(41, "concurrent"), 0, 0, inputs, 16384);
    jobs j;
    plan_jobs(&j, inputs, serial, N_OUT);
    for (size_t i = 0; i < N_JOBS; i++)
        run_job(&j, i);
    plan_jobs(&j, inputs, together, N_OUT);
    team *t = NULL;
    error e = { 0 };
    assert_int_equal(team_new(4, true, &t, &e), OK);
    for (int repeat = 0; repeat < N_REPEATS; repeat++) {
        memset(together, 0xff, (size_t)N_JOBS * N_OUT * sizeof *together);
        team_run(t, N_JOBS, run_job, &j);
        for (size_t i = 0; i < N_JOBS; i++) {
            assert_memory_equal(
                together + i * N_OUT, serial + i * N_OUT, j.g[i].m * j.g[i].n * sizeof(float));
        }
    }
    assert_int_equal(count_threads(), n_own_threads() + 3); /* no pool came back */
    team_free(t);
    free(inputs);
    free(serial);
    free(together);
}

int main(void)
{
    num_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm__init_leaves_one_thread_that_rests),
        cmocka_unit_test(test_gemm__agrees_with_a_plain_loop),
        cmocka_unit_test(test_gemm__packed_products_of_all_small_sizes),
        cmocka_unit_test(test_gemm__packed_products_of_large_sizes),
        cmocka_unit_test(test_gemm__the_packed_form_does_not_depend_on_rows),
        cmocka_unit_test(test_gemm__a_packed_form_larger_than_memory_has_no_size),
        cmocka_unit_test(test_gemm__an_empty_product_touches_nothing),
        cmocka_unit_test(test_gemm__concurrent_products_equal_serial_ones_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
