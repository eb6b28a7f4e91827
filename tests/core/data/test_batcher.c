/* Batches: every row once an epoch for every size, an order of (seed, epoch) alone, views where views will do. */
#include "data/batcher.h"
#include "data/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 23, F = 3 };

static float numbers[N][F], reals[N][2], weights[N];
static unsigned char bytes[N][F + 2];
static int32_t labels[N], tokens[N][F];

static assay_data table(void)
{
    for (size_t i = 0; i < N; i++) {
        labels[i] = (int32_t)(i % 4);
        weights[i] = 0.25f * (float)(i % 5);
        for (size_t k = 0; k < F; k++) {
            numbers[i][k] = 2.385f * (float)i - 0.731f * (float)k;
            bytes[i][k] = (unsigned char)(7 * i + k);
            tokens[i][k] = (int32_t)(i * F + k);
        }
        for (size_t k = 0; k < 2; k++)
            reals[i][k] = (float)i + 0.5f * (float)k;
    }
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = N,
        .x_shape = { 1, { F } },
        .x_dtype = ASSAY_F32,
        .x = numbers,
        .x_stride = sizeof(numbers[0]),
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 4,
        .label = labels };
}

static dataset *make(const assay_data *v, const data_plan *plan)
{
    dataset *d = NULL;
    error err;
    if (dataset_make(v, plan, &d, &err) != OK) fail_msg("%s", err.text);
    return d;
}

static batcher *start(const dataset *d, part p, batcher_options o)
{
    batcher *b = NULL;
    error err;
    if (batcher_new(d, p, &o, &b, &err) != OK) fail_msg("%s", err.text);
    return b;
}

/* One epoch: each row of the part at most once, with its own features and label; how many were seen. */
static size_t check_epoch(batcher *b, uint64_t epoch)
{
    unsigned char seen[N] = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < batcher_n_batches(b); i++) {
        batch x;
        batcher_get(b, epoch, i, &x);
        assert_int_equal(x.time, 1);
        assert_true(x.n >= 1 && x.n <= batcher_max_batch(b));
        assert_true(x.weight == NULL && x.weight_sum == (double)x.n);
        for (size_t k = 0; k < x.n; k++, n++) {
            const uint32_t row = x.rows[k];
            assert_int_equal(seen[row]++, 0);
            assert_memory_equal(x.x + k * F, numbers[row], sizeof(numbers[0]));
            assert_int_equal(x.label[k], labels[row]);
        }
    }
    assert_int_equal(n, batcher_n_samples(b));
    return n;
}

static void test_batcher__every_row_once_for_every_size(void **state)
{
    (void)state;
    const assay_data v = table();
    const data_plan plan = { .split = { .test = 4 } };
    dataset *d = make(&v, &plan);
    for (size_t size = 0; size <= N + 1; size++) {
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            batcher *b = start(d, PART_TRAIN,
                (batcher_options){ .batch_size = size, .shuffle = shuffle != 0, .seed = 3 });
            const size_t expected = size == 0 || size > 19 ? 1 : (19 + size - 1) / size;
            assert_int_equal(batcher_n_batches(b), expected);
            for (uint64_t epoch = 0; epoch < 3; epoch++)
                assert_int_equal(check_epoch(b, epoch), 19);
            batcher_free(b);
        }
    }
    dataset_free(d);
}

static void test_batcher__drop_last_leaves_out_what_is_not_full(void **state)
{
    (void)state;
    const assay_data v = table();
    dataset *d = make(&v, &(data_plan){ 0 });
    for (size_t size = 1; size <= N; size++) {
        batcher *b = start(d, PART_TRAIN,
            (batcher_options){ .batch_size = size, .shuffle = true, .drop_last = true });
        assert_int_equal(batcher_n_batches(b), N / size);
        assert_int_equal(check_epoch(b, 7), N / size * size);
        batcher_free(b);
    }
    batcher *b = start(d, PART_TEST, (batcher_options){ .batch_size = 5, .drop_last = true });
    assert_int_equal(batcher_n_batches(b), 0);
    assert_int_equal(batcher_n_samples(b), 0);
    batcher_free(b);
    dataset_free(d);
}

static void test_batcher__empty_part_is_an_error(void **state)
{
    (void)state;
    const assay_data v = table();
    dataset *d = make(&v, &(data_plan){ 0 });
    batcher *b = NULL;
    error err;
    const batcher_options o = { .batch_size = 5 };
    assert_int_equal(batcher_new(d, PART_VALIDATION, &o, &b, &err), E_MISSING);
    assert_string_equal(err.text, "the validation part has no samples");
    dataset_free(d);
}

static void test_batcher__order_is_a_function_of_seed_and_epoch(void **state)
{
    (void)state;
    const assay_data v = table();
    dataset *d = make(&v, &(data_plan){ 0 });
    uint32_t order[4][N];
    const uint64_t seed[] = { 11, 11, 11, 12 }, epoch[] = { 2, 2, 3, 2 };
    for (size_t i = 0; i < 4; i++) {
        batcher *b = start(
            d, PART_TRAIN, (batcher_options){ .batch_size = 5, .shuffle = true, .seed = seed[i] });
        batch x;
        if (i == 1) { /* come from elsewhere, and backwards */
            batcher_get(b, 9, 1, &x);
            for (size_t k = 5; k-- > 0;) {
                batcher_get(b, epoch[i], k, &x);
                memcpy(order[i] + 5 * k, x.rows, x.n * sizeof(uint32_t));
            }
        } else {
            for (size_t k = 0; k < 5; k++) {
                batcher_get(b, epoch[i], k, &x);
                memcpy(order[i] + 5 * k, x.rows, x.n * sizeof(uint32_t));
            }
        }
        batcher_free(b);
    }
    assert_memory_equal(order[0], order[1], sizeof(order[0]));
    assert_memory_not_equal(order[0], order[2], sizeof(order[0]));
    assert_memory_not_equal(order[0], order[3], sizeof(order[0]));
    dataset_free(d);
}

static void test_batcher__consecutive_rows_are_views(void **state)
{
    (void)state;
    assay_data v = table();
    dataset *d = make(&v, &(data_plan){ .split = { .method = SPLIT_TIME, .test = 6 } });
    batch x;
    batcher *b = start(d, PART_TEST, (batcher_options){ .batch_size = 4 });
    batcher_get(b, 0, 1, &x);
    assert_ptr_equal(x.x, numbers[21]);
    assert_ptr_equal(x.label, labels + 21);
    assert_int_equal(x.n, 2);
    batcher_free(b);
    b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 0, .shuffle = true });
    batcher_get(b, 5, 0, &x);
    assert_ptr_equal(x.x, numbers[0]);
    assert_int_equal(x.n, 17);
    batcher_free(b);
    dataset_free(d);
}

static void test_batcher__all_is_gathered_once(void **state)
{
    (void)state;
    assay_data v = table();
    v.x_dtype = ASSAY_U8;
    v.x = bytes;
    v.x_stride = sizeof(bytes[0]);
    v.x_scale = 0.5;
    dataset *d = make(&v, &(data_plan){ .split = { .test = 6, .seed = 4 } });
    batch x, y;
    batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 0, .shuffle = true });
    batcher_get(b, 0, 0, &x);
    for (size_t i = 0; i < x.n; i++) {
        for (size_t k = 0; k < F; k++) {
            assert_true(x.x[i * F + k] == 0.5f * (float)bytes[x.rows[i]][k]);
        }
        assert_int_equal(x.label[i], labels[x.rows[i]]);
    }
    bytes[x.rows[0]][0] ^= 255; /* it would be seen if it were gathered again */
    const float before = x.x[0];
    batcher_get(b, 1, 0, &y);
    assert_ptr_equal(x.x, y.x);
    assert_true(y.x[0] == before);
    batcher_free(b);
    dataset_free(d);
}

static void test_batcher__weights_are_summed(void **state)
{
    (void)state;
    assay_data v = table();
    const double of_class[] = { 2.385, 0.731, 1, 0 };
    const data_plan plans[] = { { .split = { .test = 6, .seed = 4 } },
        { .weighting = CLASS_WEIGHTS_GIVEN, .class_weights = of_class, .n_class_weights = 4 } };
    v.weight = weights;
    for (size_t p = 0; p < 2; p++) {
        dataset *d = make(&v, &plans[p]);
        batcher *b = start(d, PART_TRAIN,
            (batcher_options){ .batch_size = 5, .shuffle = p == 0, .class_weights = true });
        for (size_t i = 0; i < batcher_n_batches(b); i++) {
            batch x;
            double sum = 0;
            batcher_get(b, 1, i, &x);
            for (size_t k = 0; k < x.n; k++) {
                const uint32_t row = x.rows[k];
                const double expected = weights[row] * (p == 1 ? of_class[labels[row]] : 1);
                assert_true(x.weight[k] == (float)expected);
                sum += x.weight[k];
            }
            assert_true(x.weight_sum == sum);
            assert_true(batcher_weight_sum(b, 1, i) == sum);
        }
        batcher_free(b);
        dataset_free(d);
    }
}

static void test_batcher__class_weights_count_where_they_are_asked_for(void **state)
{
    (void)state;
    assay_data v = table();
    const double of_class[] = { 2.385, 0.731, 1, 0 };
    const data_plan plan = {
        .weighting = CLASS_WEIGHTS_GIVEN, .class_weights = of_class, .n_class_weights = 4
    };
    for (int weighted = 0; weighted < 2; weighted++) {
        v.weight = weighted ? weights : NULL;
        dataset *d = make(&v, &plan);
        batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 5 });
        batch x;
        batcher_get(b, 0, 1, &x);
        if (weighted) {
            for (size_t k = 0; k < x.n; k++)
                assert_true(x.weight[k] == weights[x.rows[k]]);
        } else {
            assert_null(x.weight);
            assert_true(x.weight_sum == (double)x.n);
        }
        batcher_free(b);
        dataset_free(d);
    }
}

static void test_batcher__real_targets_and_tokens_pass_through(void **state)
{
    (void)state;
    assay_data v = table();
    v.x_dtype = ASSAY_I32;
    v.x = tokens;
    v.x_stride = sizeof(tokens[0]);
    v.vocabulary = N * F;
    v.target = ASSAY_TARGET_REAL;
    v.targets = reals[0];
    v.n_targets = 2;
    v.label = NULL;
    dataset *d = make(&v, &(data_plan){ 0 });
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        batcher *b =
            start(d, PART_TRAIN, (batcher_options){ .batch_size = 4, .shuffle = shuffle != 0 });
        batch x;
        batcher_get(b, 2, 5, &x);
        assert_int_equal(x.n, 3);
        assert_null(x.x);
        assert_null(x.label);
        for (size_t k = 0; k < x.n; k++) {
            assert_memory_equal(x.tokens + k * F, tokens[x.rows[k]], sizeof(tokens[0]));
            assert_memory_equal(x.target + k * 2, reals[x.rows[k]], sizeof(reals[0]));
        }
        batcher_free(b);
    }
    dataset_free(d);
}

static void test_batcher__targets_of_bytes_are_converted(void **state)
{
    (void)state;
    unsigned char binary[N][2];
    assay_data v = table();
    for (size_t i = 0; i < N; i++) {
        binary[i][0] = i * i % 5 > 2;
        binary[i][1] = i % 3 == 1;
    }
    v.target = ASSAY_TARGET_BINARY;
    v.targets_u8 = binary[0];
    v.n_targets = 2;
    v.weight = weights;
    dataset *d = make(&v, &(data_plan){ 0 });
    for (size_t size = 0; size < 12; size += 4) {
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            batcher *b = start(
                d, PART_TRAIN, (batcher_options){ .batch_size = size, .shuffle = shuffle != 0 });
            for (size_t i = 0; i < 2 * batcher_n_batches(b); i++) {
                batch x;
                batcher_get(b, 3, i / 2, &x);
                assert_null(x.label);
                for (size_t k = 0; k < x.n; k++) {
                    const uint32_t row = x.rows[k];
                    assert_true(x.target[2 * k] == binary[row][0]);
                    assert_true(x.target[2 * k + 1] == binary[row][1]);
                    assert_true(x.weight[k] == weights[row] && x.step_weight[k] == x.weight[k]);
                }
            }
            batcher_free(b);
        }
    }
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batcher__every_row_once_for_every_size),
        cmocka_unit_test(test_batcher__drop_last_leaves_out_what_is_not_full),
        cmocka_unit_test(test_batcher__empty_part_is_an_error),
        cmocka_unit_test(test_batcher__order_is_a_function_of_seed_and_epoch),
        cmocka_unit_test(test_batcher__consecutive_rows_are_views),
        cmocka_unit_test(test_batcher__all_is_gathered_once),
        cmocka_unit_test(test_batcher__weights_are_summed),
        cmocka_unit_test(test_batcher__class_weights_count_where_they_are_asked_for),
        cmocka_unit_test(test_batcher__real_targets_and_tokens_pass_through),
        cmocka_unit_test(test_batcher__targets_of_bytes_are_converted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
