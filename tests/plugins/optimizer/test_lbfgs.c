/* lbfgs against torch's (tests/golden/generate_optimizers3.py), and what is its own: quadratics, Rosenbrock's valley, walls. */
#include "support/valley.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail

static void test_lbfgs__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "lbfgs");
}

static void test_lbfgs__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lbfgs", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "lbfgs", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "lbfgs", optimizer_check_lr_zero);
}

/* A function of one vector. */
typedef struct problem {
    double (*f)(const float *w, float *g, int n);
    int n;
    optimizer_harness o;
    float g[64], first[64]; /* gradient of the last update; where the first evaluation was */
    size_t n_evaluations;
} problem;

static double on_vector(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    problem *p = self;
    float unused[64];
    (void)evaluation;
    (void)fresh;
    if (p->n_evaluations++ == 0) {
        memcpy(p->first, w[0], (size_t)p->n * sizeof(float));
    }
    return p->f(w[0], g ? g[0] : unused, p->n);
}

static void problem_open(problem *p, const char *options, const float *w0)
{
    optimizer_open(&p->o, TEST_BUILD_DIR, "lbfgs", options, w0, (size_t)p->n);
    p->o.objective = on_vector;
    p->o.objective_self = p;
}

/* One update; the length of the gradient before it. */
static double problem_update(problem *p)
{
    double squares = 0;
    p->o.loss = p->f(p->o.w, p->g, p->n);
    for (int i = 0; i < p->n; i++) {
        squares += (double)p->g[i] * p->g[i];
    }
    optimizer_update(&p->o, p->g, OPTIMIZER_WHOLE);
    return sqrt(squares);
}

/* sum_i a_i (w_i - c_i)^2 / 2 + (sum_i w_i / n)^2, a from 1 to 30 */
static double quadratic(const float *w, float *g, int n)
{
    double sum = 0, mean = 0;
    for (int i = 0; i < n; i++) {
        mean += (double)w[i] / n;
    }
    for (int i = 0; i < n; i++) {
        const double a = pow(30, (double)i / (n - 1)), d = w[i] - 0.317 * sin(i + 1.0);
        sum += a * d * d / 2;
        g[i] = (float)(a * d + 2 * mean / n);
    }
    return sum + mean * mean;
}

enum { N_QUADRATIC = 20 };

/* Until the gradient is a millionth of what it was. */
static int n_updates_on_the_quadratic(const char *options, size_t *out_n_evaluations)
{
    problem p = { .f = quadratic, .n = N_QUADRATIC };
    float w0[N_QUADRATIC];
    int n = 1;
    for (int i = 0; i < N_QUADRATIC; i++) {
        w0[i] = 2.385f * cosf((float)i);
    }
    problem_open(&p, options, w0);
    const double start = problem_update(&p);
    while (problem_update(&p) > 1e-6 * start && n < 100) {
        n++;
    }
    optimizer_close(&p.o);
    *out_n_evaluations = p.n_evaluations;
    return n;
}

/* With exact line searches it would be n: conjugate gradients. torch takes 29 iterations with the usual ones, too. */
static void test_lbfgs__solves_a_quadratic_in_about_n_iterations(void **state)
{
    size_t n_evaluations;
    (void)state;
    const int usual = n_updates_on_the_quadratic("history = 20;", &n_evaluations);
    assert_in_range(usual, 2, 3 * N_QUADRATIC / 2);
    assert_in_range(
        n_evaluations, usual, 5 * usual / 4 + 1); /* about one more than the trainer's own */
    const int exact = n_updates_on_the_quadratic("history = 20; c2 = 0.01;", &n_evaluations);
    assert_in_range(exact, 2, N_QUADRATIC + 1);
}

static double rosenbrock(const float *w, float *g, int n)
{
    double sum = 0;
    memset(g, 0, (size_t)n * sizeof *g);
    for (int i = 0; i + 1 < n; i += 2) {
        const double a = 1 - (double)w[i], b = (double)w[i + 1] - (double)w[i] * w[i];
        sum += a * a + 100 * b * b;
        g[i] = (float)(-2 * a - 400 * b * (double)w[i]);
        g[i + 1] = (float)(200 * b);
    }
    return sum;
}

static void test_lbfgs__comes_through_rosenbrocks_valley(void **state)
{
    const float w0[4] = { -1.2f, 1.0f, -0.731f, 2.385f };
    problem p = { .f = rosenbrock, .n = 4 };
    int n = 0;
    (void)state;
    problem_open(&p, "", w0);
    while (n < 100 && rosenbrock(p.o.w, p.g, 4) > 1e-10) {
        (void)problem_update(&p);
        n++;
    }
    assert_true(n < 100);
    for (int i = 0; i < 4; i++) {
        assert_true(fabsf(p.o.w[i] - 1) < 1e-4f);
    }
    optimizer_close(&p.o);
}

/* w^2 / 2 - log(1 - w) / 100, infinite from 1 on. */
static double walled(const float *w, float *g, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const double rest = 1 - (double)w[i];
        sum += pow(w[i] + 3.0, 2) / 2 - (rest > 0 ? log(rest) / 100 : -HUGE_VAL);
        g[i] = (float)(w[i] + 3.0 + 0.01 / rest);
    }
    return sum;
}

static double walled_from_below(const float *w, float *g, int n)
{
    float turned[64];
    for (int i = 0; i < n; i++) {
        turned[i] = -w[i];
    }
    const double f = walled(turned, g, n);
    for (int i = 0; i < n; i++) {
        g[i] = -g[i];
    }
    return f;
}

/* A first step that is far too long ends behind the wall, where the loss is infinite or not a number. */
static void test_lbfgs__turns_back_where_the_loss_is_not_finite(void **state)
{
    const float w0[3] = { -0.93f, 0.317f, -0.999f };
    problem p = { .f = walled_from_below, .n = 3 };
    double now = walled_from_below(w0, p.g, 3);
    (void)state;
    problem_open(&p, "lr = 1000.0;", w0);
    for (int t = 0; t < 20; t++) {
        const double before = now;
        (void)problem_update(&p);
        now = walled_from_below(p.o.w, p.g, 3);
        assert_true(isfinite(now));
        assert_true(now <= before);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(fabsf(p.g[i]) < 1e-3f);
    }
    optimizer_close(&p.o);
}

/* 2 |w|^2 */
static double bowl(const float *w, float *g, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += 2 * (double)w[i] * w[i];
        g[i] = 4 * w[i];
    }
    return sum;
}

/* lr times the gradient, and no longer than lr in the sum of sizes. */
static void test_lbfgs__first_step_is_short(void **state)
{
    const float near[2] = { 0.0571f, -0.0317f }, far[2] = { 2.385f, -0.731f };
    problem p = { .f = bowl, .n = 2 };
    (void)state;
    problem_open(&p, "lr = 0.1;", near);
    (void)problem_update(&p);
    for (int i = 0; i < 2; i++) {
        assert_true(fabsf(p.first[i] - 0.6f * near[i]) < 1e-7f);
    }
    optimizer_close(&p.o);
    p.n_evaluations = 0;
    problem_open(&p, "lr = 0.1;", far);
    (void)problem_update(&p);
    assert_true(fabsf(far[0] - p.first[0] + p.first[1] - far[1] - 0.1f) < 1e-6f);
    optimizer_close(&p.o);
}

/* Pairs that are none, as no run leaves them: the direction would go up. */
static void test_lbfgs__starts_anew_where_its_direction_does_not_descend(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.317f };
    problem p = { .f = quadratic, .n = 3 };
    (void)state;
    problem_open(&p, "history = 4;", w0);
    (void)problem_update(&p);
    (void)problem_update(&p);
    assert_true(p.o.global[0] == 2);
    for (size_t i = 0; i < 6; i++) {
        p.o.slot[0][i] = -p.o.slot[0][i];
    }
    const double before = quadratic(p.o.w, p.g, 3);
    (void)problem_update(&p);
    assert_true(quadratic(p.o.w, p.g, 3) < before);
    assert_true(p.o.global[0] == 1); /* that of the last step alone */
    optimizer_close(&p.o);
}

static double upside_down(const float *w, float *g, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += cos(w[i]);
        g[i] = -sinf(w[i]);
    }
    return sum;
}

/* Where curvature is negative the strong Wolfe conditions still give pairs of positive curvature. */
static void test_lbfgs__keeps_pairs_of_positive_curvature_alone(void **state)
{
    const float w0[3] = { 0.1f, -0.317f, 0.0571f };
    problem p = { .f = upside_down, .n = 3 };
    (void)state;
    problem_open(&p, "history = 4;", w0);
    for (int t = 1; t <= 12; t++) {
        (void)problem_update(&p);
        const size_t n_pairs = (size_t)p.o.global[0];
        assert_in_range(n_pairs, 0, 4);
        for (size_t k = 0; k < n_pairs; k++) {
            const size_t at = ((size_t)p.o.global[1] + 4 - n_pairs + k) % 4;
            double ys = 0;
            for (size_t i = 0; i < 3; i++) {
                ys += (double)p.o.slot[0][at * 3 + i] * p.o.slot[1][at * 3 + i];
            }
            assert_true(ys > 0);
        }
    }
    assert_true(upside_down(p.o.w, p.g, 3) < -2.999);
    optimizer_close(&p.o);
}

/* Values that say the opposite of the gradient: no step lowers them, so the weights stay, and the pairs go. */
static double lying(const float *w, float *g, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum -= (double)w[i] * w[i];
        g[i] = 2 * w[i];
    }
    return sum;
}

static void test_lbfgs__stays_where_no_step_lowers_the_loss(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.317f };
    problem p = { .f = quadratic, .n = 3 };
    float before[3];
    (void)state;
    problem_open(&p, "max_evaluations = 7;", w0);
    (void)problem_update(&p);
    (void)problem_update(&p);
    assert_true(p.o.global[0] == 2);
    memcpy(before, p.o.w, sizeof before);
    p.f = lying;
    p.n_evaluations = 0;
    (void)problem_update(&p);
    assert_memory_equal(p.o.w, before, sizeof before);
    assert_true(p.o.global[0] == 0);
    assert_in_range(p.n_evaluations, 1, 7);
    optimizer_close(&p.o);
}

static void test_lbfgs__stays_in_a_minimum(void **state)
{
    const float w0[3] = { 0 };
    problem p = { .f = lying, .n = 3 };
    (void)state;
    problem_open(&p, "", w0);
    (void)problem_update(&p);
    assert_int_equal(p.n_evaluations, 0);
    assert_memory_equal(p.o.w, w0, sizeof w0);
    optimizer_close(&p.o);
}

/* A layer's lr_scale is its part of H_0: at 0 it never moves, and the rest finds its own minimum. */
static void test_lbfgs__heeds_lr_scale(void **state)
{
    const rig_tensor tensors[VALLEY_TENSORS] = {
        { .name = "valley.matrix", .shape = { 2, { 7, 5 } }, .lr_scale = 0.371 },
        { .name = "other.vector", .shape = { 1, { 13 } }, .lr_scale = 1e-30 },
    };
    valley v;
    optimizer_harness o;
    double squares = 0;
    (void)state;
    valley_open(&v, "lbfgs");
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "lbfgs", "", tensors, VALLEY_TENSORS, v.w0);
    o.objective = valley_loss;
    o.objective_self = &v;
    for (int t = 0; t < 60; t++) {
        valley_update(&v, &o);
    }
    valley_update(&v, &o);
    for (size_t j = 0; j < v.n[0]; j++) {
        squares += (double)v.g[0][j] * v.g[0][j];
    }
    assert_true(sqrt(squares) < 1e-4);
    assert_memory_equal(optimizer_rig_weights(o.rig, 1), v.w0[1], v.n[1] * sizeof(float));
    optimizer_close(&o);
    valley_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lbfgs__follows_torch),
        cmocka_unit_test(test_lbfgs__resumes_from_its_slots_alone),
        cmocka_unit_test(test_lbfgs__solves_a_quadratic_in_about_n_iterations),
        cmocka_unit_test(test_lbfgs__comes_through_rosenbrocks_valley),
        cmocka_unit_test(test_lbfgs__turns_back_where_the_loss_is_not_finite),
        cmocka_unit_test(test_lbfgs__first_step_is_short),
        cmocka_unit_test(test_lbfgs__starts_anew_where_its_direction_does_not_descend),
        cmocka_unit_test(test_lbfgs__keeps_pairs_of_positive_curvature_alone),
        cmocka_unit_test(test_lbfgs__stays_where_no_step_lowers_the_loss),
        cmocka_unit_test(test_lbfgs__stays_in_a_minimum),
        cmocka_unit_test(test_lbfgs__heeds_lr_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
