/* Products against a plain triple loop in double, and OpenBLAS's silence after num_init. */
#include "base/clock.h"
#include "base/rng.h"
#include "num/gemm.h"
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

    assert_int_equal(gemm_packed_b_bytes(&g), g.k * g.n * sizeof(float));
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
        cmocka_unit_test(test_gemm__an_empty_product_touches_nothing),
        cmocka_unit_test(test_gemm__concurrent_products_equal_serial_ones_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
