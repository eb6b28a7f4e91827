/* The generated tasks of long memory, adding and copy_memory: what their equations promise, and that only their own seed
 * counts. Seeds are fixed, so that a statistic that fits always fits; bounds are five deviations of it. */
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

static const assay_data *open_view(void **state, const char *inside)
{
    return dataset_view(fixture_open(*state, inside));
}

/* A copy of x, n numbers of four bytes; to be freed. */
static void *x_copy(const assay_data *v, size_t *out_n)
{
    *out_n = (size_t)(v->n_samples * v->n_steps[0] * v->x_shape.dim[0]);
    void *x = malloc(*out_n * 4);
    assert_non_null(x);
    return memcpy(x, v->x, *out_n * 4);
}

/* -- adding -- */

/* The marked steps of sample i, after checking that there are two and that they are its target. */
static void marks_of(const assay_data *v, size_t i, size_t out[2])
{
    const size_t length = (size_t)v->n_steps[i];
    const float *x = (const float *)v->x + v->first_step[i] * 2;
    size_t n = 0;
    double sum = 0;
    for (size_t t = 0; t < length; t++) {
        assert_true(x[2 * t] >= 0 && x[2 * t] < 1);
        assert_true(x[2 * t + 1] == 0 || x[2 * t + 1] == 1);
        if (x[2 * t + 1] == 0) continue;
        assert_true(n < 2);
        out[n++] = t;
        sum += x[2 * t];
    }
    assert_int_equal(n, 2);
    assert_near(v->targets[i], sum, 2e-7); /* one rounding of a number below 2 */
}

static void test_adding__marks_one_step_in_each_half(void **state)
{
    const assay_data *v = open_view(state, "type = \"adding\"; samples = 3000; length = 7;");
    size_t n_at[7] = { 0 };
    assert_int_equal(v->n_samples, 3000);
    assert_int_equal(v->x_shape.dim[0], 2);
    assert_int_equal(v->target, ASSAY_TARGET_REAL);
    assert_int_equal(v->target_per_step, 0);
    assert_string_equal(v->feature_names[1], "mark");
    assert_int_equal(v->feature_flags[1], ASSAY_FEATURE_CATEGORY);
    for (size_t i = 0; i < v->n_samples; i++) {
        size_t mark[2];
        assert_int_equal(v->n_steps[i], 7);
        assert_int_equal(v->first_step[i], 7 * i);
        marks_of(v, i, mark);
        assert_true(mark[0] < 3 && mark[1] >= 3);
        n_at[mark[0]]++;
        n_at[mark[1]]++;
    }
    for (size_t t = 0; t < 7; t++) {
        const double p = t < 3 ? 1.0 / 3 : 1.0 / 4;
        assert_near((double)n_at[t], 3000 * p, 5 * sqrt(3000 * p * (1 - p)));
    }
}

static void test_adding__marks_two_different_steps_anywhere(void **state)
{
    const assay_data *v =
        open_view(state, "type = \"adding\"; samples = 6000; length = 4; marks = \"anywhere\";");
    size_t n_pair[4][4] = { { 0 } };
    for (size_t i = 0; i < v->n_samples; i++) {
        size_t mark[2];
        marks_of(v, i, mark);
        n_pair[mark[0]][mark[1]]++;
    }
    for (size_t a = 0; a < 4; a++) {
        for (size_t b = a + 1; b < 4; b++) {
            const double p = 1.0 / 6;
            assert_near((double)n_pair[a][b], 6000 * p, 5 * sqrt(6000 * p * (1 - p)));
        }
    }
    v = open_view(state, "type = \"adding\"; samples = 9; length = 2; marks = \"anywhere\";");
    for (size_t i = 0; i < 9; i++) {
        size_t mark[2];
        marks_of(v, i, mark);
    }
}

static void test_adding__chance_is_a_sixth(void **state)
{
    const assay_data *v = open_view(state, "type = \"adding\"; samples = 20000; length = 10;");
    double sum = 0, square = 0;
    for (size_t i = 0; i < v->n_samples; i++) {
        sum += v->targets[i];
        square += pow(v->targets[i] - 1.0, 2);
    }
    /* the sum has variance 1/6; its square about 1 has mean 1/6 and, the fourth moment being 1/15, variance 7/180 */
    assert_near(sum / 20000, 1, 5 * sqrt(1.0 / 6 / 20000));
    assert_near(square / 20000, 1.0 / 6, 5 * sqrt(7.0 / 180 / 20000));
}

/* -- copy_memory -- */

static void check_copy(const assay_data *v, size_t symbols, size_t copied, size_t length)
{
    const size_t n = length + 2 * copied;
    assert_int_equal(v->vocabulary, symbols + 2);
    assert_int_equal(v->n_classes, symbols + 2);
    assert_int_equal(v->target_per_step, 1);
    for (size_t i = 0; i < v->n_samples; i++) {
        const int32_t *x = (const int32_t *)v->x + v->first_step[i];
        const int32_t *label = v->label + v->first_step[i];
        assert_int_equal(v->n_steps[i], n);
        for (size_t t = 0; t < n; t++) {
            if (t < copied) {
                assert_true(x[t] >= 1 && x[t] <= (int32_t)symbols);
                assert_int_equal(label[length + copied + t], x[t]);
            } else {
                assert_int_equal(x[t], t < copied + length - 1 ? 0 : (int32_t)symbols + 1);
            }
            if (t < length + copied) assert_int_equal(label[t], 0);
        }
    }
}

static void test_copy_memory__repeats_what_was_shown(void **state)
{
    const assay_data *v = open_view(state, "type = \"copy_memory\"; samples = 50;");
    check_copy(v, 8, 10, 100); /* 120 steps, 10 classes, as in the papers */
    assert_string_equal(v->token_names[9], "9");
    assert_string_equal(v->token_separator, " ");
    check_copy(open_view(state,
                   "type = \"copy_memory\"; samples = 7; symbols = 3; copied = 4; length = 1;"),
        3, 4, 1);
}

static void test_copy_memory__symbols_have_equal_shares(void **state)
{
    const assay_data *v = open_view(state, "type = \"copy_memory\"; samples = 4000; length = 5;");
    double n_at[10] = { 0 };
    for (size_t i = 0; i < v->n_samples; i++) {
        for (size_t j = 0; j < 10; j++)
            n_at[((const int32_t *)v->x)[v->first_step[i] + j]]++;
    }
    for (size_t s = 1; s <= 8; s++)
        assert_near(n_at[s], 40000.0 / 8, 5 * sqrt(40000 * 7.0 / 64));
}

/* The loss of whoever remembers nothing: sure of 0, then one of 8. */
static void test_copy_memory__plateau_is_that_of_the_papers(void **state)
{
    const assay_data *v = open_view(state, "type = \"copy_memory\"; samples = 30;");
    double sum = 0, n = 0;
    for (size_t i = 0; i < v->n_samples; i++) {
        for (size_t t = 0; t < v->n_steps[i]; t++, n++)
            sum += v->label[v->first_step[i] + t] != 0 ? log(8) : 0;
    }
    assert_near(sum / n, 0.1733, 5e-5); /* 10 ln 8 / 120, to the digits that are published */
}

/* -- both -- */

static void check_seed(void **state, const char *type, double most_equal)
{
    char inside[120];
    size_t n = 0;
    snprintf(inside, sizeof(inside), "type = \"%s\"; samples = 300; seed = 7;", type);
    uint32_t *a = x_copy(open_view(state, inside), &n), *b = x_copy(open_view(state, inside), &n);
    snprintf(inside, sizeof(inside), "type = \"%s\"; samples = 300; seed = 8;", type);
    uint32_t *c = x_copy(open_view(state, inside), &n);
    snprintf(inside, sizeof(inside), "type = \"%s\"; samples = 70; seed = 7;", type);
    size_t m = 0;
    uint32_t *d = x_copy(open_view(state, inside), &m);
    size_t n_same = 0, n_drawn = 0;
    assert_memory_equal(a, b, n * 4);
    assert_true(m < n);
    assert_memory_equal(a, d, m * 4); /* a longer one begins with the shorter */
    const size_t steps = n / 300, drawn = strcmp(type, "adding") == 0 ? steps : 10;
    for (size_t i = 0; i < n; i++) {
        const bool is_drawn = strcmp(type, "adding") == 0 ? i % 2 == 0 : i % steps < drawn;
        n_same += is_drawn && a[i] == c[i];
        n_drawn += is_drawn;
    }
    assert_true((double)n_same <= most_equal * (double)n_drawn);
    free(a);
    free(b);
    free(c);
    free(d);
}

static void test_long_memory__depends_on_its_own_seed(void **state)
{
    check_seed(state, "adding", 0.001);
    check_seed(state, "copy_memory", 1.0 / 8 + 5 * sqrt(7.0 / 64 / 3000)); /* by chance, one of 8 */
}

static void test_long_memory__batches_hold_whole_sequences(void **state)
{
    const dataset *d = fixture_open(
        *state, "type = \"adding\"; samples = 60; length = 11; split = { test = 20; };");
    const batcher_options o = { .batch_size = 8 };
    batcher *b = NULL;
    error err;
    batch x;
    assert_int_equal(dataset_size(d, PART_TEST), 20);
    if (batcher_new(d, PART_TRAIN, &o, &b, &err) != OK) fail_msg("%s", err.text);
    batcher_get(b, 0, 0, &x);
    assert_int_equal(x.time, 11);
    assert_int_equal(x.target_time, 1);
    for (size_t j = 0; j < x.n; j++) {
        double sum = 0;
        for (size_t t = 0; t < 11; t++)
            sum += (double)x.x[(t * x.n + j) * 2] * (double)x.x[(t * x.n + j) * 2 + 1];
        assert_near(x.target[j], sum, 2e-7);
    }
    batcher_free(b);
}

static void test_long_memory__refuses_what_is_out_of_range(void **state)
{
    fixture_refuse(*state, "type = \"adding\"; length = 1;", E_RANGE, "length");
    fixture_refuse(*state, "type = \"adding\"; samples = 0;", E_RANGE, "samples");
    fixture_refuse(*state, "type = \"copy_memory\"; symbols = 1;", E_RANGE, "symbols");
    fixture_refuse(*state, "type = \"copy_memory\"; copied = 0;", E_RANGE, "copied");
    fixture_refuse(*state, "type = \"adding\"; samples = 4294967295; length = 1000000;", E_NOMEM,
        "out of memory for the sequences");
    fixture_refuse(*state, "type = \"copy_memory\"; samples = 4294967295; length = 1000000;",
        E_NOMEM, "out of memory for the sequences");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_adding__marks_one_step_in_each_half),
        T(test_adding__marks_two_different_steps_anywhere),
        T(test_adding__chance_is_a_sixth),
        T(test_copy_memory__repeats_what_was_shown),
        T(test_copy_memory__symbols_have_equal_shares),
        T(test_copy_memory__plateau_is_that_of_the_papers),
        T(test_long_memory__depends_on_its_own_seed),
        T(test_long_memory__batches_hold_whole_sequences),
        T(test_long_memory__refuses_what_is_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
