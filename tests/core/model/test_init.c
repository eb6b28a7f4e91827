/* Initialisers against PyTorch's parameters (tests/golden/init_pytorch.txt), against Gram-Schmidt in double, and what a config
 * may say about them. */
#include "model/init.h"

#include "base/arena.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h> /* last: its macro `fail` takes the name of ours */

static init_spec named(const char *name)
{
    init_spec spec = { 0 };
    error err = { 0 };
    if (init_named(name, NULL, &spec, &err) != OK) fail_msg("%s", err.text);
    return spec;
}

static float *filled(const init_spec *spec, uint64_t seed, const char *tensor, size_t rows,
    size_t cols, size_t blocks, size_t fan_in, size_t fan_out)
{
    error err = { 0 };
    float *w = mem_aligned(rows * cols, sizeof *w);
    assert_non_null(w);
    const status st =
        init_fill(spec, rng_make(seed, tensor), w, rows, cols, blocks, fan_in, fan_out, &err);
    if (st != OK) fail_msg("%s", err.text);
    return w;
}

typedef struct moments {
    double mean, std, least, most;
} moments;

static moments measure(const float *w, size_t n)
{
    moments m = { 0, 0, INFINITY, -INFINITY };
    for (size_t i = 0; i < n; i++) {
        const double x = (double)w[i];
        m.mean += x / (double)n;
        m.least = fmin(m.least, x);
        m.most = fmax(m.most, x);
    }
    for (size_t i = 0; i < n; i++)
        m.std += ((double)w[i] - m.mean) * ((double)w[i] - m.mean) / (double)n;
    m.std = sqrt(m.std);
    return m;
}

/* n draws of a uniform distribution. Mean and standard deviation: 5 standard errors (those of a uniform are
 * std / sqrt(n) and, with kurtosis 9/5, std sqrt(0.2 / n)). The extremes: none lies outside, and one comes within 12 / n of
 * the width of each end, which fails with probability exp(-12). */
static void assert_uniform(const float *w, size_t n, double min, double max)
{
    const double std = (max - min) / sqrt(12), error_of_mean = std / sqrt((double)n);
    const moments m = measure(w, n);
    assert_true(m.least >= (double)(float)min);
    assert_true(m.most <= (double)(float)max);
    assert_true(m.least - min < 12 * (max - min) / (double)n);
    assert_true(max - m.most < 12 * (max - min) / (double)n);
    assert_true(fabs(m.mean - (min + max) / 2) < 5 * error_of_mean);
    assert_true(fabs(m.std - std) < 5 * error_of_mean * sqrt(0.2));
}

/* The same for a normal one: the standard error of its standard deviation is std / sqrt(2 n); among n there are some beyond two
 * standard deviations at either side, and none beyond seven. */
static void assert_normal(const float *w, size_t n, double mean, double std)
{
    const double error_of_mean = std / sqrt((double)n);
    const moments m = measure(w, n);
    assert_true(fabs(m.mean - mean) < 5 * error_of_mean);
    assert_true(fabs(m.std - std) < 5 * error_of_mean * sqrt(0.5));
    assert_true(m.least < mean - 2 * std && m.least > mean - 7 * std);
    assert_true(m.most > mean + 2 * std && m.most < mean + 7 * std);
}

/* Every row of the file: a large tensor is filled with the row's fans, and its distribution is the one that PyTorch
 * asks its generator for. */
static void test_fill__has_the_distribution_that_pytorch_asks_for(void **state)
{
    (void)state;
    enum { ROWS = 300, COLS = 400 };
    FILE *f = fopen(TEST_SOURCE_DIR "/tests/golden/init_pytorch.txt", "r");
    assert_non_null(f);
    char line[256], name[32], distribution[16];
    size_t n_rows = 0;
    while (fgets(line, sizeof line, f)) {
        size_t fan_in, fan_out;
        double gain, first, second;
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%31s %zu %zu %lf %15s %lf %lf", name, &fan_in, &fan_out,
                             &gain, distribution, &first, &second),
            7);
        init_spec spec = named(name);
        spec.gain = gain;
        if (spec.kind == INIT_UNIFORM) {
            spec.min = first;
            spec.max = second;
        }
        if (spec.kind == INIT_NORMAL) {
            spec.mean = first;
            spec.std = second;
        }
        float *w = filled(&spec, 20240 + n_rows, name, ROWS, COLS, 1, fan_in, fan_out);
        if (strcmp(distribution, "uniform") == 0) {
            assert_uniform(w, ROWS * COLS, first, second);
        } else {
            assert_string_equal(distribution, "normal");
            assert_normal(w, ROWS * COLS, first, second);
        }
        free(w);
        n_rows++;
    }
    fclose(f);
    assert_int_equal(n_rows, 26);
}

/* What the parameters are is checked exactly, too: each value is the generator's own number, scaled. */
static void test_fill__scales_the_numbers_of_the_stream(void **state)
{
    (void)state;
    enum { N = 35 };
    float u[N], z[N];
    const rng r = rng_make(9, "fc1.weight");
    rng_uniform(r, 0, 0, u, N);
    rng_normal(r, 0, 0, z, N);
    const struct {
        const char *name;
        double gain, half_width, std;
    } kinds[] = {
        { "glorot_uniform", 1.75, 1.75 * sqrt(6.0 / (11 + 23)), 0 },
        { "he_uniform", 0.5, 0.5 * sqrt(6.0 / 11), 0 },
        { "lecun_uniform", 1.25, 1.25 * sqrt(3.0 / 11), 0 },
        { "glorot_normal", 1.75, 0, 1.75 * sqrt(2.0 / (11 + 23)) },
        { "he_normal", 0.5, 0, 0.5 * sqrt(2.0 / 11) },
        { "lecun_normal", 1.25, 0, 1.25 * sqrt(1.0 / 11) },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        init_spec spec = named(kinds[k].name);
        assert_true(spec.gain == 1);
        spec.gain = kinds[k].gain;
        float *w = filled(&spec, 9, "fc1.weight", 5, 7, 1, 11, 23);
        for (size_t i = 0; i < N; i++) {
            const double expected = kinds[k].half_width > 0
                ? kinds[k].half_width * (2 * (double)u[i] - 1)
                : kinds[k].std * (double)z[i];
            /* float's rounding, and that of the double expressions near u = 1/2 */
            assert_true(fabs((double)w[i] - expected) <= 6e-8 * fabs(expected) + 1e-15);
        }
        free(w);
    }
}

static void test_fill__shares_fan_out_among_blocks(void **state)
{
    (void)state;
    const init_spec spec = named("glorot_uniform");
    float *one = filled(&spec, 3, "lstm.weight", 20, 40, 1, 20, 10);
    float *four = filled(&spec, 3, "lstm.weight", 20, 40, 4, 20, 40);
    assert_memory_equal(one, four, 20 * 40 * sizeof *one);
    free(one);
    free(four);
}

static void test_fill__gives_constants(void **state)
{
    (void)state;
    init_spec spec = named("constant");
    assert_true(spec.value == 0);
    spec.value = -0.731;
    const init_spec zeros = named("zeros"), ones = named("ones");
    float *a = filled(&spec, 1, "a", 3, 5, 1, 0, 0), *b = filled(&zeros, 1, "a", 3, 5, 1, 0, 0);
    float *c = filled(&ones, 1, "a", 3, 5, 1, 0, 0);
    for (size_t i = 0; i < 15; i++) {
        assert_true(a[i] == -0.731f);
        assert_true(b[i] == 0.0f);
        assert_true(c[i] == 1.0f);
    }
    free(a);
    free(b);
    free(c);
}

static void test_fill__takes_a_uniform_of_no_width(void **state)
{
    (void)state;
    init_spec spec = named("uniform");
    assert_true(spec.min == -0.05 && spec.max == 0.05);
    spec.min = spec.max = 2.385;
    float *w = filled(&spec, 1, "a", 4, 4, 1, 4, 4);
    for (size_t i = 0; i < 16; i++)
        assert_true(w[i] == 2.385f);
    free(w);
}

/* The rows or columns of a block, whichever are fewer, are orthonormal times the gain. The tolerance is that of
 * Householder's QR in float: a small multiple of n eps, 64 * 6e-8. */
static void assert_orthonormal(const float *w, size_t rows, size_t cols, size_t stride, double gain)
{
    const int is_wide = rows < cols;
    const size_t n = is_wide ? rows : cols, length = is_wide ? cols : rows;
    const size_t step = is_wide ? 1 : stride, next = is_wide ? stride : 1;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double dot = 0;
            for (size_t k = 0; k < length; k++)
                dot += (double)w[i * next + k * step] * (double)w[j * next + k * step];
            assert_true(fabs(dot / (gain * gain) - (i == j)) < 4e-6);
        }
    }
}

static void test_orthogonal__has_orthonormal_columns_when_tall_and_rows_when_wide(void **state)
{
    (void)state;
    const size_t shapes[][2] = { { 64, 64 }, { 50, 13 }, { 13, 50 }, { 1, 7 }, { 7, 1 }, { 1, 1 } };
    const double gains[] = { 1, 1.4142135623730951 };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            const size_t rows = shapes[i][0], cols = shapes[i][1];
            init_spec spec = named("orthogonal");
            spec.gain = gains[k];
            float *w = filled(&spec, 5, "rnn.weight_hh", rows, cols, 1, rows, cols);
            assert_orthonormal(w, rows, cols, cols, gains[k]);
            free(w);
        }
    }
}

static void test_orthogonal__makes_each_block_orthogonal_and_all_different(void **state)
{
    (void)state;
    enum { ROWS = 16, WIDTH = 16, BLOCKS = 4, COLS = WIDTH * BLOCKS };
    const init_spec spec = named("orthogonal");
    float *w = filled(&spec, 5, "lstm.weight_hh", ROWS, COLS, BLOCKS, ROWS, COLS);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_orthonormal(w + i * WIDTH, ROWS, WIDTH, COLS, 1);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(w + i * WIDTH, w + j * WIDTH, WIDTH * sizeof *w);
    }
    free(w);
    w = filled(&spec, 5, "tall", 40, 30, 3, 40, 30);
    for (size_t i = 0; i < 3; i++)
        assert_orthonormal(w + i * 10, 40, 10, 30, 1);
    free(w);
    w = filled(&spec, 5, "wide", 4, 30, 3, 4, 30);
    for (size_t i = 0; i < 3; i++)
        assert_orthonormal(w + i * 10, 4, 10, 30, 1);
    free(w);
}

/* Q with R's diagonal positive is unique, and Gram-Schmidt finds it: so the result is that of the same normal matrix, and
 * of PyTorch's orthogonal_ on it. */
static void test_orthogonal__is_the_q_of_gram_schmidt(void **state)
{
    (void)state;
    enum { M = 9, N = 6 };
    float a[M * N];
    double q[M][N];
    rng_normal(rng_make(77, "w"), 0, 0, a, M * N);
    for (size_t j = 0; j < N; j++) {
        for (size_t i = 0; i < M; i++)
            q[i][j] = (double)a[i * N + j];
        for (size_t again = 0; again < 2 * j; again++) {
            const size_t k = again % j;
            double dot = 0;
            for (size_t i = 0; i < M; i++)
                dot += q[i][j] * q[i][k];
            for (size_t i = 0; i < M; i++)
                q[i][j] -= dot * q[i][k];
        }
        double norm = 0;
        for (size_t i = 0; i < M; i++)
            norm += q[i][j] * q[i][j];
        for (size_t i = 0; i < M; i++)
            q[i][j] /= sqrt(norm);
    }
    const init_spec spec = named("orthogonal");
    float *tall = filled(&spec, 77, "w", M, N, 1, M, N),
          *wide = filled(&spec, 77, "w", N, M, 1, N, M);
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            /* eps times the condition of a 9 x 6 normal matrix, some tens */
            assert_true(fabs((double)tall[i * N + j] - q[i][j]) < 5e-6);
            assert_true(tall[i * N + j] == wide[j * M + i]);
        }
    }
    free(tall);
    free(wide);
}

static void test_fill__is_a_function_of_seed_and_name(void **state)
{
    (void)state;
    const char *const kinds[] = { "uniform", "normal", "he_normal", "glorot_uniform",
        "orthogonal" };
    for (size_t i = 0; i < 5; i++) {
        const init_spec spec = named(kinds[i]);
        float *w = filled(&spec, 8, "fc1.weight", 12, 8, 2, 12, 8);
        float *same = filled(&spec, 8, "fc1.weight", 12, 8, 2, 12, 8);
        float *other_name = filled(&spec, 8, "fc2.weight", 12, 8, 2, 12, 8);
        float *other_seed = filled(&spec, 9, "fc1.weight", 12, 8, 2, 12, 8);
        assert_memory_equal(w, same, 96 * sizeof *w);
        for (size_t k = 0; k < 96; k++)
            assert_true(w[k] != other_name[k] && w[k] != other_seed[k]);
        free(w);
        free(same);
        free(other_name);
        free(other_seed);
    }
}

static void test_fill__says_which_sizes_make_no_sense(void **state)
{
    (void)state;
    float w[12];
    error err = { 0 };
    const rng r = rng_make(1, "w");
    init_spec spec = named("he_normal");
    assert_int_equal(init_fill(&spec, r, w, 3, 4, 3, 3, 4, &err), E_SHAPE);
    assert_string_equal(err.text, "init: got 4 columns, expected a multiple of the 3 blocks");
    assert_int_equal(init_fill(&spec, r, w, 3, 4, 0, 3, 4, &err), E_SHAPE);
    assert_int_equal(init_fill(&spec, r, w, SIZE_MAX, 2, 1, 3, 4, &err), E_SHAPE);
    assert_int_equal(init_fill(&spec, r, w, 3, 4, 1, 0, 4, &err), E_RANGE);
    assert_string_equal(err.text, "init \"he_normal\": got a fan_in of 0, expected at least 1");
    spec = named("glorot_uniform");
    assert_int_equal(init_fill(&spec, r, w, 3, 4, 1, 0, 0, &err), E_RANGE);
    assert_string_equal(err.text,
        "init \"glorot_uniform\": got a sum of fan_in and fan_out of 0, expected at least 1");
    assert_int_equal(init_fill(&spec, r, w, 3, 4, 1, 0, 4, &err), OK);
}

static void test_add__shifts_each_block_of_each_row(void **state)
{
    (void)state;
    const double shift[3] = { 0.731, -2.385, 1e30 };
    float w[12];
    for (size_t i = 0; i < 12; i++)
        w[i] = 0.25f * (float)i;
    init_add(w, 2, 6, 3, shift);
    for (size_t i = 0; i < 12; i++)
        assert_true(w[i] == (float)(0.25 * (double)i + shift[i % 6 / 2]));
}

static void test_named__suggests_the_nearest_name(void **state)
{
    (void)state;
    init_spec spec;
    error err = { 0 };
    const origin at = { "x.cfg", 7 };
    assert_int_equal(init_named("he_norml", &at, &spec, &err), E_UNKNOWN);
    assert_string_equal(
        err.text, "x.cfg:7: unknown initialiser \"he_norml\": did you mean \"he_normal\"?");
    assert_int_equal(init_named("#", NULL, &spec, &err), E_UNKNOWN);
    assert_string_equal(err.text,
        "unknown initialiser \"#\": known are zeros, ones, constant, uniform, normal, "
        "glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, "
        "orthogonal");
}

static config *parsed(const char *written)
{
    config *c = NULL;
    error err = { 0 };
    if (config_parse("x.cfg", written, &c, &err) != OK) fail_msg("%s", err.text);
    return c;
}

static init_spec from(const char *written)
{
    config *c = parsed(written);
    init_spec spec = { 0 };
    error err = { 0 };
    if (init_from_value(c, value_find(config_root(c), "init"), &spec, &err) != OK) {
        fail_msg("%s", err.text);
    }
    config_free(c);
    return spec;
}

static void test_from_value__reads_a_name_or_a_block(void **state)
{
    (void)state;
    init_spec spec = from("init = \"he_normal\";");
    assert_int_equal(spec.kind, INIT_HE_NORMAL);
    assert_true(spec.gain == 1);
    spec = from("init = { type = \"normal\"; std = 0.125; };");
    assert_int_equal(spec.kind, INIT_NORMAL);
    assert_true(spec.mean == 0 && spec.std == 0.125);
    spec = from("init = { type = \"uniform\"; min = -2; max = 3.5; };");
    assert_int_equal(spec.kind, INIT_UNIFORM);
    assert_true(spec.min == -2 && spec.max == 3.5);
    spec = from("init = { value = -0.731; type = \"constant\"; };");
    assert_int_equal(spec.kind, INIT_CONSTANT);
    assert_true(spec.value == -0.731);
    spec = from("init = { type = \"orthogonal\"; gain = 2; };");
    assert_int_equal(spec.kind, INIT_ORTHOGONAL);
    assert_true(spec.gain == 2);
    spec = from("init = { type = \"zeros\"; };");
    assert_int_equal(spec.kind, INIT_ZEROS);
    spec = from("init = \"ones\";");
    assert_int_equal(spec.kind, INIT_ONES);
}

static void test_from_value__writes_what_it_assumed_into_the_tree(void **state)
{
    (void)state;
    config *c = parsed("init = \"normal\"; bias = { type = \"glorot_uniform\"; };");
    init_spec spec;
    error err = { 0 };
    value *init = value_find(config_root(c), "init"), *bias = value_find(config_root(c), "bias");
    assert_int_equal(init_from_value(c, init, &spec, &err), OK);
    assert_int_equal(init_from_value(c, bias, &spec, &err), OK);
    assert_int_equal(init->kind, VALUE_GROUP);
    assert_string_equal(value_find(init, "type")->as.string, "normal");
    assert_int_equal(value_find(init, "type")->at.line, 1);
    assert_true(value_find(init, "mean")->as.real == 0);
    assert_true(value_find(init, "std")->as.real == 0.05);
    assert_true(value_find(bias, "gain")->as.real == 1);
    assert_true(value_find(bias, "gain")->is_default);
    init_spec again;
    assert_int_equal(init_from_value(c, init, &again, &err), OK);
    assert_int_equal(again.kind, INIT_NORMAL);
    assert_true(again.std == 0.05);
    config_free(c);
}

static void refused(const char *written, status code, const char *message)
{
    config *c = parsed(written);
    init_spec spec = { .gain = 17 };
    error err = { 0 };
    const status st = init_from_value(c, value_find(config_root(c), "init"), &spec, &err);
    assert_string_equal(err.text, message);
    assert_int_equal(st, code);
    assert_true(spec.gain == 17);
    config_free(c);
}

static void test_from_value__names_file_line_and_fault(void **state)
{
    (void)state;
    refused("\ninit = 3;", E_TYPE,
        "x.cfg:2: expected the name of an initialiser or a block { type = ...; }, found 3");
    refused("init = { gain = 2.0; };", E_MISSING,
        "x.cfg:1: initialiser: \"type\" is required: which initialiser it is");
    refused("init = \"xavier\";", E_UNKNOWN,
        "x.cfg:1: unknown initialiser \"xavier\": known are zeros, ones, constant, uniform, "
        "normal, "
        "glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, "
        "orthogonal");
    refused("init = {\n type = \"orthogonl\"; };", E_UNKNOWN,
        "x.cfg:2: unknown initialiser \"orthogonl\": did you mean \"orthogonal\"?");
    refused("init = \"constant\";", E_MISSING,
        "x.cfg:1: init \"constant\": \"value\" is required: every element");
    refused("init = { type = \"zeros\"; gain = 2.0; };", E_UNKNOWN,
        "x.cfg:1: init \"zeros\": unknown hyperparameter \"gain\": it has none");
    refused("init = { type = \"he_normal\";\n std = 2.0; };", E_UNKNOWN,
        "x.cfg:2: init \"he_normal\": unknown hyperparameter \"std\": known are gain");
    refused("init = { type = \"he_normal\"; gian = 2.0; };", E_UNKNOWN,
        "x.cfg:1: init \"he_normal\": unknown hyperparameter \"gian\": did you mean \"gain\"?");
    refused("init = { type = \"he_normal\"; gain = 0; };", E_RANGE,
        "x.cfg:1: init \"he_normal\": gain: expected a real number in (0, 1e+30], found 0");
    refused("init = { type = \"normal\"; std = -0.5; };", E_RANGE,
        "x.cfg:1: init \"normal\": std: expected a real number in [0, 1e+30], found -0.5");
    refused("init = { type = \"normal\"; std = \"wide\"; };", E_TYPE,
        "x.cfg:1: init \"normal\": std: expected a real number in [0, 1e+30], found \"wide\"");
    refused("init = { type = \"uniform\"; min = 0.5;\n max = -0.25; };", E_RANGE,
        "x.cfg:1: init \"uniform\": min 0.5 is above max -0.25");
    refused("init = { type = \"uniform\";\n max = -0.25; };", E_RANGE,
        "x.cfg:2: init \"uniform\": min -0.05 is above max -0.25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill__has_the_distribution_that_pytorch_asks_for),
        cmocka_unit_test(test_fill__scales_the_numbers_of_the_stream),
        cmocka_unit_test(test_fill__shares_fan_out_among_blocks),
        cmocka_unit_test(test_fill__gives_constants),
        cmocka_unit_test(test_fill__takes_a_uniform_of_no_width),
        cmocka_unit_test(test_orthogonal__has_orthonormal_columns_when_tall_and_rows_when_wide),
        cmocka_unit_test(test_orthogonal__makes_each_block_orthogonal_and_all_different),
        cmocka_unit_test(test_orthogonal__is_the_q_of_gram_schmidt),
        cmocka_unit_test(test_fill__is_a_function_of_seed_and_name),
        cmocka_unit_test(test_fill__says_which_sizes_make_no_sense),
        cmocka_unit_test(test_add__shifts_each_block_of_each_row),
        cmocka_unit_test(test_named__suggests_the_nearest_name),
        cmocka_unit_test(test_from_value__reads_a_name_or_a_block),
        cmocka_unit_test(test_from_value__writes_what_it_assumed_into_the_tree),
        cmocka_unit_test(test_from_value__names_file_line_and_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
