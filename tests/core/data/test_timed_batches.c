/* Batches of several steps beside plain loops over the view: padding, weights, the layout by shards, buckets, streams. */
#include "data/batcher.h"
#include "data/internal.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 61, SAMPLES = 17, F = 3, T = 2, MAX_CELLS = 4096 };

/* Sequences of 1 to 8 steps, some of which share steps; every array has an entry for each step. */
typedef struct table {
    float x[STEPS][F], y[STEPS][T], weight[STEPS];
    unsigned char bytes[STEPS][F + 2], binary[STEPS][T];
    int32_t tokens[STEPS][F], label[STEPS];
    uint64_t first[SAMPLES], n[SAMPLES];
} table;

static table *new_table(void)
{
    table *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    for (size_t i = 0; i < STEPS; i++) {
        t->weight[i] = 0.25f * (float)(i * i % 7);
        t->label[i] = (int32_t)(i * i % 11 % 4);
        for (size_t k = 0; k < F; k++) {
            t->x[i][k] = 2.385f * (float)i - 0.731f * (float)k + 0.5f;
            t->bytes[i][k] = (unsigned char)(7 * i + k);
            t->tokens[i][k] = (int32_t)(i * F + k + 1);
        }
        for (size_t k = 0; k < T; k++) {
            t->y[i][k] = 0.37f * (float)i - 4.1f * (float)k + 0.01f;
            t->binary[i][k] = (i + k) % 3 == 0;
        }
    }
    for (size_t i = 0, at = 0; i < SAMPLES; i++) {
        t->n[i] = 1 + i * i % 9;
        t->first[i] = at;
        at = (at + t->n[i] - (i % 4 == 1 && t->n[i] > 2 ? 2 : 0)) % 50;
    }
    return t;
}

static assay_data plain_view(const table *t)
{
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = STEPS,
        .x_shape = { 1, { F } },
        .x_dtype = ASSAY_F32,
        .x = t->x,
        .x_stride = sizeof(t->x[0]),
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 4,
        .label = t->label };
}

static assay_data sequence_view(const table *t, bool target_per_step)
{
    assay_data v = plain_view(t);
    v.n_samples = SAMPLES;
    v.first_step = t->first;
    v.n_steps = t->n;
    v.target_per_step = target_per_step;
    return v;
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

/* --- the oracle ------------------------------------------------------------------------------------------------------ */

/* at[step * n + j]: which row of an array of `time` steps sample j's step is, counted off shard by shard. */
static void place_all(size_t n, size_t time, size_t n_shards, size_t *at)
{
    size_t next = 0;
    assert_true(n * time <= MAX_CELLS);
    for (size_t i = 0; i < n_shards; i++) {
        for (size_t step = 0; step < time; step++) {
            for (size_t j = n * i / n_shards; j < n * (i + 1) / n_shards; j++)
                at[step * n + j] = next++;
        }
    }
    assert_int_equal(next, n * time);
}

/* What is expected of one column. */
typedef struct expected {
    size_t step, length; /* its first step in memory; how many */
    size_t row; /* the sample; of a stream its first here */
    bool is_stream, target_per_step;
    const double *class_weight;
} expected;

static void check_step(const assay_data *v, const batch *b, const expected *e, size_t k, size_t at)
{
    const unsigned char *from = (const unsigned char *)v->x + (e->step + k) * v->x_stride;
    for (size_t i = 0; i < F; i++) {
        const bool is_real = k < e->length;
        if (v->x_dtype == ASSAY_I32) {
            assert_null(b->x);
            assert_int_equal(
                b->tokens[at * F + i], is_real ? ((const int32_t *)(const void *)from)[i] : 0);
        } else {
            const float x = v->x_dtype == ASSAY_F32 ? ((const float *)(const void *)from)[i]
                                                    : (float)v->x_scale * (float)from[i];
            assert_null(b->tokens);
            assert_true(b->x[at * F + i] == (is_real ? x : 0));
        }
    }
}

static double sample_weight(const assay_data *v, const expected *e, size_t k)
{
    if (v->weight == NULL) return 1;
    return v->weight[e->is_stream ? e->row + k : e->row];
}

static void check_target(
    const assay_data *v, const batch *b, const expected *e, size_t k, size_t at, double *sum)
{
    const bool is_real = k < (e->target_per_step ? e->length : 1);
    const size_t row = e->target_per_step ? e->step + k : e->row;
    double weight = is_real ? sample_weight(v, e, k) : 0;
    if (is_real && e->class_weight != NULL) weight *= e->class_weight[v->label[row]];
    assert_true((b->weight != NULL ? b->weight[at] : 1) == (float)weight);
    *sum += (float)weight;
    if (v->target == ASSAY_TARGET_CLASS) {
        assert_null(b->target);
        assert_int_equal(b->label[at], is_real ? v->label[row] : 0);
        return;
    }
    assert_null(b->label);
    for (size_t i = 0; i < T; i++) {
        const float y =
            v->targets_u8 != NULL ? (float)v->targets_u8[row * T + i] : v->targets[row * T + i];
        assert_true(b->target[at * T + i] == (is_real ? y : 0));
    }
}

/* The whole batch; columns[n] in its order. */
static void check_batch(const assay_data *v, const batch *b, const expected *columns)
{
    static size_t at[MAX_CELLS], at_target[MAX_CELLS];
    size_t time = 0, n_real = 0;
    bool is_padded = false;
    double sum = 0;
    for (size_t j = 0; j < b->n; j++) {
        time = columns[j].length > time ? columns[j].length : time;
        n_real += columns[j].length;
    }
    assert_int_equal(b->time, time);
    assert_int_equal(b->target_time, columns[0].target_per_step ? time : 1);
    assert_int_equal(b->n_samples, columns[0].is_stream ? n_real : b->n);
    place_all(b->n, time, b->n_shards, at);
    place_all(b->n, b->target_time, b->n_shards, at_target);
    for (size_t j = 0; j < b->n; j++) {
        const expected *e = &columns[j];
        is_padded = is_padded || e->length < time;
        for (size_t k = 0; k < time; k++) {
            const double w = k < e->length ? sample_weight(v, e, k) : 0;
            const double c = !e->target_per_step && e->class_weight != NULL
                ? e->class_weight[v->label[e->row]]
                : 1;
            const size_t cell = at[k * b->n + j];
            check_step(v, b, e, k, cell);
            assert_true((b->step_weight != NULL ? b->step_weight[cell] : 1) == (float)(w * c));
        }
        for (size_t k = 0; k < b->target_time; k++) {
            const size_t cell = at_target[k * b->n + j];
            assert_int_equal(batch_target_row(b, j, k), cell);
            check_target(v, b, e, k, cell, &sum);
        }
    }
    assert_true((b->length != NULL) == is_padded);
    for (size_t j = 0; is_padded && j < b->n; j++)
        assert_int_equal(b->length[j], columns[j].length);
    const bool weighs = v->weight != NULL || columns[0].class_weight != NULL;
    assert_true(weighs || (b->step_weight != NULL) == is_padded);
    assert_true(weighs || (b->weight != NULL) == (is_padded && columns[0].target_per_step));
    assert_true(b->weight_sum == sum);
}

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

/* --- streams --------------------------------------------------------------------------------------------------------- */

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

/* --- what is refused ------------------------------------------------------------------------------------------------- */

static void test_timed_batches__say_what_is_wrong(void **state)
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
    v = sequence_view(t, true);
    d = make(&v, &(data_plan){ 0 });
    o.drop_last = false;
    assert_int_equal(batcher_new(d, PART_TEST, &o, &b, &err), E_MISSING);
    o.drop_last = true;
    b = start(d, PART_TEST, o);
    assert_true(batcher_n_batches(b) == 0 && batcher_n_samples(b) == 0);
    batcher_free(b);
    dataset_free(d);
    free(t);
}

static void test_timed_batches__that_cannot_be_held_are_refused(void **state)
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
        cmocka_unit_test(test_buckets__save_padding_and_lose_no_sample),
        cmocka_unit_test(test_buckets__are_a_function_of_seed_and_epoch_and_number),
        cmocka_unit_test(test_buckets__drop_last_drops_no_length_in_particular),
        cmocka_unit_test(test_buckets__without_shuffle_there_are_none),
        cmocka_unit_test(test_streams__lose_and_repeat_no_step),
        cmocka_unit_test(test_streams__weigh_every_step_and_its_label),
        cmocka_unit_test(test_streams__have_targets_of_every_kind),
        cmocka_unit_test(test_streams__a_stream_may_end_a_window_early),
        cmocka_unit_test(test_timed_batches__say_what_is_wrong),
        cmocka_unit_test(test_timed_batches__that_cannot_be_held_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
