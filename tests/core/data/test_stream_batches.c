/* Batches of streams: no step lost or repeated, windows that end early, weights, the layout by shards. */
#include "core/data/timed_batches.h"

/* Every step once, each stream in file order, and what a batch says of it. */
static void check_streams(const dataset *d, part p, batcher_options o)
{
    const assay_data *v = &d->view;
    const size_t window = d->options.window, n_rows = dataset_size(d, p);
    const size_t most = n_rows / window > 0 ? n_rows / window : 1;
    const size_t n = o.batch_size < most ? o.batch_size : most;
    unsigned char seen[STEPS] = { 0 };
    size_t next[STEPS], end[STEPS], n_seen = 0, at = dataset_rows(d, p)[0];
    expected columns[STEPS];
    for (size_t j = 0; j < n; j++) {
        next[j] = at;
        at += n_rows / n + (j < n_rows % n);
        end[j] = at;
    }
    batcher *b = start(d, p, o);
    assert_int_equal(batcher_max_batch(b), n);
    assert_int_equal(batcher_max_time(b), window < n_rows ? window : n_rows);
    assert_true(batcher_max_time(b) <= dataset_max_time(d));
    for (size_t i = 0; i < batcher_n_batches(b); i++) {
        batch x;
        batcher_get(b, i % 3, i, &x); /* no epoch is shuffled */
        assert_true(x.n == n && x.carries && x.starts == (i == 0));
        assert_true(x.weight_sum == batcher_weight_sum(b, 1, i));
        for (size_t j = 0; j < n; j++) {
            const size_t left = end[j] - next[j], length = left < window ? left : window;
            columns[j] = (expected){ next[j], length, next[j], true, true,
                o.class_weights ? d->label_weight : NULL };
            assert_int_equal(x.rows[j], length > 0 ? next[j] : end[j] - 1);
            for (size_t k = 0; k < length; k++, n_seen++)
                assert_int_equal(seen[next[j]++]++, 0);
        }
        check_batch(v, &x, columns);
        assert_true(!o.drop_last || (x.time == window && x.length == NULL));
    }
    assert_int_equal(batcher_n_samples(b), n_seen);
    assert_int_equal(n_seen, o.drop_last ? n_rows / n / window * window * n : n_rows);
    batcher_free(b);
}

static void test_streams__lose_and_repeat_no_step(void **state)
{
    (void)state;
    table *t = new_table();
    const assay_data v = plain_view(t);
    for (size_t window = 1; window < 70; window += window < 12 ? 1 : 7) {
        for (size_t test = 1; test < 40; test += 6) {
            const data_plan plan = { .batches = { .batch_size = 1, .window = window },
                .split = { .method = SPLIT_TIME, .test = (double)test } };
            dataset *d = make(&v, &plan);
            const size_t largest = test > STEPS - test ? test : STEPS - test;
            assert_int_equal(dataset_max_time(d), window < largest ? window : largest);
            for (size_t size = 1; size < 70; size += size < 9 ? 1 : 13) {
                batcher_options o = { .batch_size = size, .shuffle = true, .bucket = 4 };
                o.n_shards = 1 + size % 3;
                check_streams(d, PART_TRAIN, o);
                check_streams(d, PART_TEST, o);
                o.drop_last = true;
                check_streams(d, PART_TRAIN, o);
            }
            dataset_free(d);
        }
    }
    free(t);
}

static void test_streams__weigh_every_step_and_its_label(void **state)
{
    (void)state;
    table *t = new_table();
    const double of_class[] = { 2.385, 0.731, 1.25, 0 };
    assay_data v = plain_view(t);
    for (int weighted = 0; weighted < 2; weighted++) {
        v.weight = weighted ? t->weight : NULL;
        const data_plan plan = { .batches = { .batch_size = 1, .window = 5 },
            .weighting = CLASS_WEIGHTS_GIVEN,
            .class_weights = of_class,
            .n_class_weights = 4 };
        dataset *d = make(&v, &plan);
        for (size_t n_shards = 1; n_shards < 4; n_shards++) {
            batcher_options o = { .batch_size = 4, .n_shards = n_shards };
            check_streams(d, PART_TRAIN, o);
            o.class_weights = true;
            check_streams(d, PART_TRAIN, o);
        }
        dataset_free(d);
    }
    free(t);
}

static void test_streams__have_targets_of_every_kind(void **state)
{
    (void)state;
    table *t = new_table();
    assay_data v = plain_view(t);
    const data_plan plan = { .batches = { .batch_size = 1, .window = 4 } };
    v.x_dtype = ASSAY_I32;
    v.x = t->tokens;
    v.x_stride = sizeof(t->tokens[0]);
    v.vocabulary = STEPS * F + 1;
    v.n_targets = T;
    for (int bytes = 0; bytes < 2; bytes++) {
        v.target = bytes ? ASSAY_TARGET_BINARY : ASSAY_TARGET_REAL;
        v.targets = bytes ? NULL : t->y[0];
        v.targets_u8 = bytes ? t->binary[0] : NULL;
        dataset *d = make(&v, &plan);
        check_streams(d, PART_TRAIN, (batcher_options){ .batch_size = 5, .n_shards = 2 });
        dataset_free(d);
    }
    free(t);
}

static void test_streams__a_stream_may_end_a_window_early(void **state)
{
    (void)state;
    table *t = new_table();
    assay_data v = plain_view(t);
    v.n_samples = 13;
    dataset *d = make(&v, &(data_plan){ .batches = { .batch_size = 3, .window = 4 } });
    batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 3 });
    batch x;
    assert_int_equal(batcher_n_batches(b), 2); /* 5, 4 and 4 steps */
    batcher_get(b, 0, 1, &x);
    assert_true(x.time == 1 && x.n == 3 && x.n_samples == 1 && x.weight_sum == 1);
    assert_true(x.length[0] == 1 && x.length[1] == 0 && x.length[2] == 0);
    assert_true(x.rows[0] == 4 && x.rows[1] == 8 && x.rows[2] == 12);
    batcher_free(b);
    dataset_free(d);
    free(t);
}

static void test_streams__say_what_is_wrong(void **state)
{
    (void)state;
    table *t = new_table();
    assay_data v = plain_view(t);
    batcher *b = NULL;
    error err;
    dataset *d = make(&v, &(data_plan){ .batches = { .batch_size = 3, .window = 4 } });
    batcher_options o = { .batch_size = 0 };
    assert_int_equal(batcher_new(d, PART_TRAIN, &o, &b, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "expected a number, found \"all\""));
    o.batch_size = 3;
    assert_int_equal(batcher_new(d, PART_TEST, &o, &b, &err), E_MISSING);
    assert_string_equal(err.text, "the test part has no samples");
    o.drop_last = true;
    b = start(d, PART_TEST, o);
    assert_true(batcher_n_batches(b) == 0 && batcher_n_samples(b) == 0);
    batcher_free(b);
    dataset_free(d);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams__lose_and_repeat_no_step),
        cmocka_unit_test(test_streams__weigh_every_step_and_its_label),
        cmocka_unit_test(test_streams__have_targets_of_every_kind),
        cmocka_unit_test(test_streams__a_stream_may_end_a_window_early),
        cmocka_unit_test(test_streams__say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
