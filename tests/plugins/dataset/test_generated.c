/* The generated datasets: what their equations promise, and that only their own seed counts. */
#include "core/data/fixture.h"

#include <math.h>

/* Under a sanitizer, let a request that is too large return NULL as it would without. */
#define SEEN_BY_SANITIZER __attribute__((visibility("default")))
SEEN_BY_SANITIZER const char *__asan_default_options(void);
SEEN_BY_SANITIZER const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static const float *x_of(const dataset *d)
{
    return dataset_view(d)->x;
}

/* A copy of all features, to be freed. */
static float *features_of(fixture *f, const char *inside, size_t *out_n)
{
    const dataset *d = fixture_open(f, inside);
    *out_n = dataset_view(d)->n_samples * dataset_features(d);
    float *x = malloc(*out_n * sizeof(float));
    assert_non_null(x);
    memcpy(x, x_of(d), *out_n * sizeof(float));
    return x;
}

/* The same for the same seed; another for another, without a number in common at the same place. */
static void check_seed(fixture *f, const char *type)
{
    char inside[100];
    size_t n = 0;
    snprintf(inside, sizeof(inside), "type = \"%s\"; seed = 7;", type);
    float *a = features_of(f, inside, &n);
    float *b = features_of(f, inside, &n);
    snprintf(inside, sizeof(inside), "type = \"%s\"; seed = 8;", type);
    float *c = features_of(f, inside, &n);
    assert_memory_equal(a, b, n * sizeof(float));
    size_t n_same = 0;
    for (size_t i = 0; i < n; i++)
        n_same += a[i] == c[i];
    assert_true(n_same < n / 100);
    free(a);
    free(b);
    free(c);
}

static void test_generated__depends_on_its_own_seed(void **state)
{
    check_seed(*state, "spirals");
    check_seed(*state, "blobs");
    check_seed(*state, "linear");
}

static void test_generated__a_longer_one_begins_with_the_shorter(void **state)
{
    static const char *const types[] = { "spirals", "blobs", "linear" };
    for (size_t i = 0; i < 3; i++) {
        char inside[100];
        size_t n = 0, m = 0;
        snprintf(inside, sizeof(inside), "type = \"%s\"; samples = 37;", types[i]);
        float *a = features_of(*state, inside, &n);
        snprintf(inside, sizeof(inside), "type = \"%s\"; samples = 101;", types[i]);
        float *b = features_of(*state, inside, &m);
        assert_true(m > n);
        assert_memory_equal(a, b, n * sizeof(float));
        free(a);
        free(b);
    }
}

static void test_spirals__without_noise_lies_on_its_arms(void **state)
{
    const dataset *d = fixture_open(
        *state, "type = \"spirals\"; samples = 300; arms = 3; turns = 1.25; noise = 0.0;");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_classes, 3);
    for (size_t i = 0; i < v->n_samples; i++) {
        const double x = x_of(d)[2 * i], y = x_of(d)[2 * i + 1], t = hypot(x, y);
        const double angle = 6.283185307179586 * (1.25 * t + v->label[i] / 3.0);
        assert_true(t < 1);
        assert_near(x, t * cos(angle), 1e-5); /* a few roundings of numbers below 1 */
        assert_near(y, t * sin(angle), 1e-5);
    }
}

static void test_blobs__clouds_have_their_spread(void **state)
{
    const dataset *d = fixture_open(
        *state, "type = \"blobs\"; samples = 6000; classes = 2; features = 3; spread = 0.731;");
    const assay_data *v = dataset_view(d);
    for (size_t j = 0; j < 3; j++) {
        double sum = 0, square = 0, n = 0;
        for (size_t i = 0; i < v->n_samples; i++) {
            if (v->label[i] != 1) continue;
            sum += x_of(d)[3 * i + j];
            square += pow(x_of(d)[3 * i + j], 2);
            n += 1;
        }
        assert_true(n == 3000 && fabs(sum / n) < 10.1);
        /* the deviation of a deviation of 3000 draws is 0.731 / sqrt(6000) = 0.0094 */
        assert_near(sqrt(square / n - sum / n * sum / n), 0.731, 0.04);
    }
}

static void test_linear__without_noise_is_one_map(void **state)
{
    const dataset *d = fixture_open(*state,
        "type = \"linear\"; samples = 5; features = 2; targets = 1; noise = 0.0; bias = 2.385;");
    const float *x = x_of(d), *y = dataset_view(d)->targets;
    /* the map through the first two rows gives the others */
    const double det = (double)x[0] * x[3] - (double)x[1] * x[2];
    const double a = ((y[0] - 2.385) * x[3] - (y[1] - 2.385) * x[1]) / det;
    const double b = ((y[1] - 2.385) * x[0] - (y[0] - 2.385) * x[2]) / det;
    for (size_t i = 2; i < 5; i++) {
        assert_near(y[i], a * x[2 * i] + b * x[2 * i + 1] + 2.385, 1e-4);
    }
}

static void test_generated__refuses_what_is_out_of_range(void **state)
{
    fixture_refuse(*state, "type = \"spirals\"; arms = 1;", E_RANGE, "arms");
    fixture_refuse(*state, "type = \"blobs\"; samples = 0;", E_RANGE, "samples");
    fixture_refuse(*state, "type = \"linear\"; noise = -0.5;", E_RANGE, "noise");
    fixture_refuse(*state, "type = \"linear\"; samples = 1000000000; features = 1000000;", E_NOMEM,
        "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_generated__depends_on_its_own_seed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_generated__a_longer_one_begins_with_the_shorter, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_spirals__without_noise_lies_on_its_arms, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_blobs__clouds_have_their_spread, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_linear__without_noise_is_one_map, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_generated__refuses_what_is_out_of_range, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
