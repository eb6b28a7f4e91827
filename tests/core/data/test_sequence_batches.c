/* Batches of sequences: padding, weights, the layout by shards, and buckets of much the same length. */
#include "core/data/timed_batches.h"

#include "base/rng.h"

/* --- sequences ------------------------------------------------------------------------------------------------------- */

/* One epoch of sequences: every row once. */
static void check_epoch(const dataset *d, batcher *b, uint64_t epoch, const double *class_weight)
{
    const assay_data *v = &d->view;
    unsigned char seen[SAMPLES] = { 0 };
    expected columns[SAMPLES];
    size_t n = 0;
    for (size_t i = 0; i < batcher_n_batches(b); i++) {
        batch x;
        const double sum = batcher_weight_sum(b, epoch, i);
        batcher_get(b, epoch, i, &x);
        assert_true(x.weight_sum == sum);
        assert_true(!x.starts && !x.carries);
        assert_true(x.n >= 1 && x.n <= batcher_max_batch(b) && x.time <= batcher_max_time(b));
        for (size_t j = 0; j < x.n; j++, n++) {
            const uint32_t row = x.rows[j];
            assert_int_equal(seen[row]++, 0);
            columns[j] = (expected){ v->first_step[row], v->n_steps[row], row, false,
                v->target_per_step != 0, class_weight };
        }
        check_batch(v, &x, columns);
    }
    assert_int_equal(n, batcher_n_samples(b));
}

static void check_sequences(const assay_data *v, const data_plan *plan)
{
    static const size_t sizes[] = { 0, 1, 2, 5, 7, 16, 40 };
    dataset *d = make(v, plan);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t n_shards = 0; n_shards < 4; n_shards++) {
            batcher *b = start(d, PART_TRAIN,
                (batcher_options){ .batch_size = sizes[i],
                    .shuffle = i % 2 == 0,
                    .bucket = 2,
                    .n_shards = n_shards,
                    .class_weights = true,
                    .seed = 5 });
            check_epoch(d, b, 0, d->label_weight);
            check_epoch(d, b, 3, d->label_weight);
            batcher_free(b);
        }
    }
    dataset_free(d);
}

static void test_sequences__are_padded_shard_after_shard(void **state)
{
    (void)state;
    table *t = new_table();
    for (int per_step = 0; per_step < 2; per_step++) {
        assay_data v = sequence_view(t, per_step != 0);
        const data_plan plan = { .split = { .test = 3, .seed = 8 } };
        check_sequences(&v, &plan);
        v.x_dtype = ASSAY_U8;
        v.x = t->bytes;
        v.x_stride = sizeof(t->bytes[0]);
        v.x_scale = 0.125;
        check_sequences(&v, &plan);
        v.x_dtype = ASSAY_I32;
        v.x = t->tokens;
        v.x_stride = sizeof(t->tokens[0]);
        v.vocabulary = STEPS * F + 1;
        check_sequences(&v, &plan);
    }
    free(t);
}

static void test_sequences__have_targets_of_every_kind(void **state)
{
    (void)state;
    table *t = new_table();
    for (int per_step = 0; per_step < 2; per_step++) {
        assay_data v = sequence_view(t, per_step != 0);
        v.label = NULL;
        v.n_classes = 0;
        v.n_targets = T;
        v.target = ASSAY_TARGET_REAL;
        v.targets = t->y[0];
        check_sequences(&v, &(data_plan){ 0 });
        v.target = ASSAY_TARGET_BINARY;
        v.targets = NULL;
        v.targets_u8 = t->binary[0];
        check_sequences(&v, &(data_plan){ 0 });
    }
    free(t);
}

static void test_sequences__weigh_what_samples_and_labels_do(void **state)
{
    (void)state;
    table *t = new_table();
    const double of_class[] = { 2.385, 0.731, 1.25, 0 };
    const data_plan plans[] = { { .split = { .test = 2 } },
        { .weighting = CLASS_WEIGHTS_GIVEN, .class_weights = of_class, .n_class_weights = 4 } };
    for (int per_step = 0; per_step < 2; per_step++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            assay_data v = sequence_view(t, per_step != 0);
            v.weight = weighted ? t->weight : NULL;
            check_sequences(&v, &plans[0]);
            check_sequences(&v, &plans[1]);
        }
    }
    free(t);
}

static void test_sequences__class_weights_count_where_they_are_asked_for(void **state)
{
    (void)state;
    table *t = new_table();
    const double of_class[] = { 2.385, 0.731, 1.25, 0 };
    const data_plan plan = {
        .weighting = CLASS_WEIGHTS_GIVEN, .class_weights = of_class, .n_class_weights = 4
    };
    for (int per_step = 0; per_step < 2; per_step++) {
        const assay_data v = sequence_view(t, per_step != 0);
        dataset *d = make(&v, &plan);
        batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 4 });
        check_epoch(d, b, 0, NULL);
        batcher_free(b);
        dataset_free(d);
    }
    free(t);
}

static void test_sequences__standardised_ones_have_zeros_in_padding(void **state)
{
    (void)state;
    table *t = new_table();
    const assay_data v = sequence_view(t, true);
    dataset *d = make(&v, &(data_plan){ .standardize = true });
    batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 0 });
    batch x;
    batcher_get(b, 0, 0, &x);
    assert_int_equal(x.time, 8);
    for (size_t j = 0; j < x.n; j++) {
        for (size_t k = 0; k < x.time; k++) {
            float row[F] = { 0 };
            if (k < t->n[j]) transform_row(&d->features, &d->view, t->first[j] + k, row);
            assert_memory_equal(x.x + (k * x.n + j) * F, row, sizeof(row));
        }
    }
    batcher_free(b);
    dataset_free(d);
    free(t);
}

static void test_sequences__all_are_gathered_once_for_a_number_of_shards(void **state)
{
    (void)state;
    table *t = new_table();
    const assay_data v = sequence_view(t, true);
    dataset *d = make(&v, &(data_plan){ 0 });
    batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 0, .shuffle = true });
    batch x;
    check_epoch(d, b, 0, NULL);
    batcher_get(b, 0, 0, &x);
    const float before = x.x[0];
    t->x[t->first[0]][0] += 1; /* it would be seen if it were gathered again */
    batcher_get(b, 1, 0, &x);
    assert_true(x.x[0] == before);
    for (size_t n_shards = 2; n_shards < 4; n_shards++) {
        batcher_set_shards(b, n_shards);
        check_epoch(d, b, 1, NULL);
    }
    batcher_free(b);
    dataset_free(d);
    free(t);
}

static void test_sequences__of_one_length_are_as_plain_ones(void **state)
{
    (void)state;
    table *t = new_table();
    for (size_t i = 0; i < SAMPLES; i++)
        t->n[i] = 3;
    const assay_data v = sequence_view(t, false);
    assay_data plain = plain_view(t);
    plain.n_samples = SAMPLES;
    dataset *d = make(&v, &(data_plan){ 0 }), *e = make(&plain, &(data_plan){ 0 });
    for (size_t bucket = 0; bucket < 5; bucket++) {
        const batcher_options o = {
            .batch_size = 4, .shuffle = true, .bucket = bucket, .seed = 3, .drop_last = bucket == 2
        };
        batcher *b = start(d, PART_TRAIN, o), *c = start(e, PART_TRAIN, o);
        assert_int_equal(batcher_n_batches(b), batcher_n_batches(c));
        for (size_t i = 0; i < batcher_n_batches(b); i++) {
            batch x, y;
            batcher_get(b, 2, i, &x);
            batcher_get(c, 2, i, &y);
            assert_int_equal(x.n, y.n);
            assert_memory_equal(x.rows, y.rows, x.n * sizeof(uint32_t));
            assert_true(x.length == NULL && x.weight == NULL && x.step_weight == NULL);
        }
        batcher_free(b);
        batcher_free(c);
    }
    dataset_free(d);
    dataset_free(e);
    free(t);
}

static void test_sequences__of_an_empty_part_are_an_error(void **state)
{
    (void)state;
    table *t = new_table();
    const assay_data v = sequence_view(t, true);
    batcher *b = NULL;
    error err;
    batcher_options o = { .batch_size = 3 };
    dataset *d = make(&v, &(data_plan){ 0 });
    assert_int_equal(batcher_new(d, PART_TEST, &o, &b, &err), E_MISSING);
    assert_string_equal(err.text, "the test part has no samples");
    o.drop_last = true;
    b = start(d, PART_TEST, o);
    assert_true(batcher_n_batches(b) == 0 && batcher_n_samples(b) == 0);
    batcher_free(b);
    dataset_free(d);
    free(t);
}

static void test_sequences__that_cannot_be_held_are_refused(void **state)
{
    (void)state;
    static const unsigned char nothing[1];
    uint64_t first[2] = { 0, 1 }, n[2] = { UINT32_MAX, 3 };
    /* bytes are not looked at before they are gathered, and so can be as many as one likes */
    const assay_data v = { .struct_size = sizeof(v),
        .n_samples = 2,
        .x_shape = { 1, { UINT64_C(1) << 31 } },
        .x_dtype = ASSAY_U8,
        .x = nothing,
        .x_stride = UINT64_C(1) << 31,
        .first_step = first,
        .n_steps = n };
    batcher *b = NULL;
    error err;
    dataset *d = make(&v, &(data_plan){ 0 });
    const batcher_options o = { .batch_size = 2 };
    assert_int_equal(batcher_new(d, PART_TRAIN, &o, &b, &err), E_NOMEM);
    assert_string_equal(err.text,
        "out of memory for batches of 2 sequences of 4294967295 steps: make data.batch_size "
        "smaller");
    dataset_free(d);
}

/* --- buckets --------------------------------------------------------------------------------------------------------- */

enum { MANY = 500 };

static assay_data many(uint64_t *first, uint64_t *n)
{
    static float x[256];
    for (size_t i = 0; i < MANY; i++) {
        n[i] = 1 + i * i * i % 97;
        first[i] = i % 150;
    }
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = MANY,
        .x_shape = { 1, { 1 } },
        .x_dtype = ASSAY_F32,
        .x = x,
        .x_stride = sizeof(float),
        .first_step = first,
        .n_steps = n };
}

/* Steps of all batches of an epoch, padding included; rows in their order, and how many. */
static size_t padded_steps(batcher *b, uint64_t epoch, uint32_t *rows, size_t *out_n)
{
    size_t steps = 0, n = 0;
    for (size_t i = 0; i < batcher_n_batches(b); i++) {
        batch x;
        batcher_get(b, epoch, i, &x);
        steps += x.n * x.time;
        memcpy(rows + n, x.rows, x.n * sizeof(uint32_t));
        n += x.n;
    }
    *out_n = n;
    return steps;
}

static void assert_each_once(const uint32_t *rows, size_t n)
{
    unsigned char seen[MANY] = { 0 };
    for (size_t i = 0; i < n; i++)
        assert_int_equal(seen[rows[i]]++, 0);
}

static void test_buckets__save_padding_and_lose_no_sample(void **state)
{
    (void)state;
    uint64_t first[MANY], length[MANY];
    uint32_t rows[MANY];
    const assay_data v = many(first, length);
    dataset *d = make(&v, &(data_plan){ 0 });
    size_t real = 0, n = 0, before = SIZE_MAX;
    static const size_t buckets[] = { 1, 2, 4, 12, 1000 };
    for (size_t i = 0; i < MANY; i++)
        real += length[i];
    for (size_t i = 0; i < 5; i++) {
        batcher *b = start(d, PART_TRAIN,
            (batcher_options){
                .batch_size = 16, .shuffle = true, .bucket = buckets[i], .seed = 7 });
        size_t steps = 0;
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            steps += padded_steps(b, epoch, rows, &n);
            assert_int_equal(n, MANY);
            assert_each_once(rows, n);
        }
        assert_true(steps < before && steps >= 3 * real);
        before = steps;
        batcher_free(b);
    }
    assert_true((double)before < 1.1 * 3 * (double)real); /* all in one pool: hardly any */
    dataset_free(d);
}

/* The rule, written out: shuffle, cut into pools, sort each by insertion, cut into batches, shuffle these. */
static void expect_order(const uint64_t *length, size_t pool, size_t size, uint64_t seed,
    uint64_t epoch, bool drop_last, uint32_t *rows, uint32_t *batches)
{
    const size_t n_batches = MANY / size + (!drop_last && MANY % size > 0);
    const size_t n = drop_last ? n_batches * size : MANY;
    for (uint32_t i = 0; i < MANY; i++)
        rows[i] = i;
    rng_shuffle(rng_make(seed, "shuffle"), epoch, rows, MANY);
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = rows[i];
        size_t k = i;
        for (; k % pool > 0 && length[rows[k - 1]] > length[row]; k--)
            rows[k] = rows[k - 1];
        rows[k] = row;
    }
    for (uint32_t i = 0; i < n_batches; i++)
        batches[i] = i;
    rng_shuffle(rng_make(seed, "shuffle/batches"), epoch, batches, n_batches);
}

static void test_buckets__are_a_function_of_seed_and_epoch_and_number(void **state)
{
    (void)state;
    uint64_t first[MANY], length[MANY];
    uint32_t rows[MANY], batches[MANY];
    const assay_data v = many(first, length);
    dataset *d = make(&v, &(data_plan){ 0 });
    for (int drop_last = 0; drop_last < 2; drop_last++) {
        batcher *b = start(d, PART_TRAIN,
            (batcher_options){ .batch_size = 13,
                .shuffle = true,
                .bucket = 3,
                .seed = 11,
                .drop_last = drop_last != 0 });
        assert_int_equal(batcher_n_batches(b), drop_last ? 38 : 39);
        for (uint64_t epoch = 4; epoch-- > 0;) { /* backwards: nothing depends on what was before */
            expect_order(length, 39, 13, 11, epoch, drop_last != 0, rows, batches);
            for (size_t i = batcher_n_batches(b); i-- > 0;) {
                batch x;
                batcher_get(b, epoch, i, &x);
                assert_int_equal(x.n, batches[i] == 38 ? 6 : 13);
                assert_memory_equal(x.rows, rows + 13 * batches[i], x.n * sizeof(uint32_t));
            }
        }
        batcher_free(b);
    }
    dataset_free(d);
}

static void test_buckets__drop_last_drops_no_length_in_particular(void **state)
{
    (void)state;
    enum { EPOCHS = 200 };
    uint64_t first[MANY], length[MANY];
    uint32_t rows[MANY];
    const assay_data v = many(first, length);
    dataset *d = make(&v, &(data_plan){ 0 });
    batcher *b = start(d, PART_TRAIN,
        (batcher_options){
            .batch_size = 150, .shuffle = true, .bucket = 100, .drop_last = true, .seed = 2 });
    double mean = 0, dropped = 0;
    for (size_t i = 0; i < MANY; i++)
        mean += (double)length[i] / MANY;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        size_t n = 0, sum = 0;
        (void)padded_steps(b, epoch, rows, &n);
        assert_int_equal(n, 450);
        assert_each_once(rows, n);
        for (size_t i = 0; i < n; i++)
            sum += length[rows[i]];
        dropped += (mean * MANY - (double)sum) / 50 / EPOCHS;
    }
    /* lengths deviate by 28; the mean of 50 * 200 draws by 0.28: 5 of these */
    if (!(dropped > mean - 1.4 && dropped < mean + 1.4)) {
        fail_msg("seed 2: dropped %g, mean %g", dropped, mean);
    }
    batcher_free(b);
    dataset_free(d);
}

static void test_buckets__without_shuffle_there_are_none(void **state)
{
    (void)state;
    uint64_t first[MANY], length[MANY];
    uint32_t rows[MANY];
    const assay_data v = many(first, length);
    dataset *d = make(&v, &(data_plan){ 0 });
    batcher *b = start(d, PART_TRAIN, (batcher_options){ .batch_size = 16, .bucket = 4 });
    size_t n = 0;
    (void)padded_steps(b, 0, rows, &n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i], i);
    batcher_free(b);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences__are_padded_shard_after_shard),
        cmocka_unit_test(test_sequences__have_targets_of_every_kind),
        cmocka_unit_test(test_sequences__weigh_what_samples_and_labels_do),
        cmocka_unit_test(test_sequences__class_weights_count_where_they_are_asked_for),
        cmocka_unit_test(test_sequences__standardised_ones_have_zeros_in_padding),
        cmocka_unit_test(test_sequences__all_are_gathered_once_for_a_number_of_shards),
        cmocka_unit_test(test_sequences__of_one_length_are_as_plain_ones),
        cmocka_unit_test(test_sequences__of_an_empty_part_are_an_error),
        cmocka_unit_test(test_sequences__that_cannot_be_held_are_refused),
        cmocka_unit_test(test_buckets__save_padding_and_lose_no_sample),
        cmocka_unit_test(test_buckets__are_a_function_of_seed_and_epoch_and_number),
        cmocka_unit_test(test_buckets__drop_last_drops_no_length_in_particular),
        cmocka_unit_test(test_buckets__without_shuffle_there_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
