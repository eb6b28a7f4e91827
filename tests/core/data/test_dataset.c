/* Datasets: the data block from end to end, what is fitted on the training part alone, and every message of the host. */
#include "core/data/fixture.h"
#include "data/internal.h"

#include <math.h>

/* --- through a config and a plugin --------------------------------------------------------------------------------- */

static void test_dataset__digits_as_in_the_readme(void **state)
{
    const dataset *d = fixture_open(*state,
        "type = \"csv\"; file = \"@/digits.csv\"; target = \"digit\"; standardize = true;\n"
        "split = { seed = 0; validation = 0.15; test = 0.15; }; batch_size = 32;");
    text t;
    text_init(&t);
    dataset_describe(d, &t);
    assert_string_equal(
        t.s, "1797 samples (1257 training, 270 validation, 270 test), 64 features, 10 classes");
    text_release(&t);
    assert_int_equal(dataset_options(d)->batch_size, 32);
    assert_true(dataset_options(d)->shuffle);
    assert_false(dataset_options(d)->drop_last);
    assay_task task;
    dataset_task(d, 10, &task);
    assert_int_equal(task.target, ASSAY_TARGET_CLASS);
    assert_int_equal(task.n_classes, 10);
    assert_int_equal(task.n_targets, 1);
    assert_int_equal(task.n_outputs, 10);
}

static void test_dataset__split_hashes_tell_splits_apart(void **state)
{
    char hash[33];
    fixture *f = *state;
    const dataset *d =
        fixture_open(f, "type = \"csv\"; file = \"@/iris.csv\"; split = { test = 30; };");
    assert_int_equal(strlen(dataset_split_hash(d, PART_TEST)), 32);
    strcpy(hash, dataset_split_hash(d, PART_TEST));
    d = fixture_open(f,
        "type = \"csv\"; file = \"@/iris.csv\"; batch_size = \"all\"; split = { test = 0.2; "
        "validation = 0.1; };");
    assert_string_equal(dataset_split_hash(d, PART_TEST), hash);
    assert_int_equal(dataset_options(d)->batch_size, 0);
    d = fixture_open(f, "type = \"csv\"; file = \"@/iris.csv\"; split = { test = 30; seed = 1; };");
    assert_string_not_equal(dataset_split_hash(d, PART_TEST), hash);
}

static void test_dataset__defaults_are_written_into_the_tree(void **state)
{
    fixture *f = *state;
    fixture_open(f, "type = \"csv\"; file = \"@/iris.csv\";");
    const value *block = value_find(config_root(f->c), "data");
    const value *group = value_find(block, "split");
    assert_non_null(group);
    assert_string_equal(value_find(group, "method")->as.string, "random");
    assert_int_equal(value_find(block, "batch_size")->as.integer, 32);
    assert_true(value_find(block, "shuffle")->as.boolean);
    assert_string_equal(value_find(block, "class_weights")->as.string, "none");
    text t;
    config *again = NULL;
    dataset *d = NULL;
    text_init(&t);
    assert_int_equal(config_to_text(f->c, &t, &f->err), OK);
    assert_int_equal(config_parse("again.cfg", t.s, &again, &f->err), OK);
    const status st =
        dataset_open(f->r, again, value_find(config_root(again), "data"), &d, &f->err);
    if (st != OK) fail_msg("%s", f->err.text);
    for (int p = 0; p < N_PARTS; p++) {
        assert_string_equal(dataset_split_hash(d, (part)p), dataset_split_hash(f->d, (part)p));
    }
    text_release(&t);
    dataset_free(d);
    config_free(again);
}

static const struct bad_case {
    const char *inside;
    status st;
    const char *message;
} bad_cases[] = {
    { "\nbatch_size = 0;", E_RANGE,
        "x.cfg:3: data.batch_size: expected a whole number from 1, or \"all\", found 0" },
    { "batch_size = \"some\";", E_TYPE,
        "data.batch_size: expected a whole number from 1, or \"all\", found \"some\"" },
    { "batch_size = 2.5;", E_TYPE, "data.batch_size: expected a whole number" },
    { "split = 3;", E_RANGE, "data.split: expected a group, found 3" },
    { "split = { tset = 0.1; };", E_UNKNOWN, "did you mean \"test\"?" },
    { "split = { test = -0.1; };", E_RANGE, "test" },
    { "\nsplit = {\n test = 200; };", E_RANGE,
        "x.cfg:4: split.test = 200 leaves none of 150 samples for training" },
    { "\nsplit = { validation = 0.5;\n test = 0.5; };", E_RANGE,
        "x.cfg:3: split: validation (75) and test (75) leave none" },
    { "split = { method = \"sorted\"; };", E_UNKNOWN, "method" },
    { "split = {\n folds = 5;\n fold = 5; };", E_RANGE,
        "x.cfg:4: split.fold = 5: expected 0 to 4" },
    { "shufle = false;", E_UNKNOWN, "did you mean \"shuffle\"?" },
    { "standardize = 1;", E_TYPE, "standardize" },
    { "\nstandardize_target = true;", E_UNSUPPORTED,
        "x.cfg:3: data.standardize_target: the targets are not real numbers" },
    { "class_weights = \"equal\";", E_TYPE,
        "data.class_weights: expected \"none\", \"balanced\" or a list" },
    { "\nclass_weights = ( 1.0, 2.0 );", E_SHAPE,
        "x.cfg:3: data.class_weights: 2 weights for 3 classes" },
    { "class_weights = ( 1.0, -2.0, 1.0 );", E_RANGE,
        "data.class_weights[1] = -2: expected a number from 0" },
    { "class_weights = ( 1.0, \"x\", 1.0 );", E_TYPE, "expected a real number" },
    { "class_weights = ( 0.0, 0.0, 0.0 );", E_RANGE, "all weights of the training part are 0" },
    { "\nsplit = { method = \"time\"; test = 50; }; class_weights = \"balanced\";", E_RANGE,
        "x.cfg:3: data.class_weights: class 2 virginica has no sample in the training part" },
};

static void test_dataset__says_what_is_wrong_and_where(void **state)
{
    for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
        char inside[300];
        snprintf(inside, sizeof(inside), "type = \"csv\"; file = \"@/iris.csv\"; %s",
            bad_cases[i].inside);
        fixture_refuse(*state, inside, bad_cases[i].st, bad_cases[i].message);
    }
    fixture_refuse(*state, "type = \"csw\";", E_UNKNOWN, "did you mean \"csv\"?");
    fixture_refuse(*state, "file = \"x\";", E_MISSING, "type");
}

static void test_dataset__standardised_digits_have_mean_0_and_deviation_1(void **state)
{
    const dataset *d = fixture_open(*state,
        "type = \"csv\"; file = \"@/digits.csv\"; standardize = true; split = { test = 0.3; };");
    const float *x = dataset_view(d)->x;
    for (size_t k = 0; k < 64; k++) {
        double sum = 0, square = 0;
        const size_t n = dataset_size(d, PART_TRAIN);
        for (size_t i = 0; i < n; i++) {
            const double v = x[dataset_rows(d, PART_TRAIN)[i] * 64 + k];
            sum += v;
            square += v * v;
        }
        assert_near(sum / (double)n, 0, 1e-6); /* a rounding of the mean to float */
        if (square > 0) assert_near(square / (double)n, 1, 1e-5);
    }
}

/* --- over views made here ------------------------------------------------------------------------------------------ */

enum { ROWS = 12, FEATURES = 4 };

typedef struct table {
    float x[ROWS][FEATURES], y[ROWS][2];
    int32_t label[ROWS];
    uint32_t part[ROWS], flags[FEATURES];
} table;

/* The last four rows are test rows; feature 2 is constant in training, feature 3 a category. */
static assay_data view_of(table *t)
{
    for (size_t i = 0; i < ROWS; i++) {
        t->part[i] = i < 8 ? ASSAY_PART_TRAIN : ASSAY_PART_TEST;
        t->x[i][0] = 0.731f * (float)(i * i % 7) - 2.385f;
        t->x[i][1] = 1000 + (float)i;
        t->x[i][2] = 0.1f;
        t->x[i][3] = (float)(i % 2);
        t->y[i][0] = 3.5f * (float)i;
        t->y[i][1] = -7.25f;
        t->label[i] = i % 4 == 3;
    }
    t->flags[3] = ASSAY_FEATURE_CATEGORY;
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = ROWS,
        .x_shape = { 1, { FEATURES } },
        .x_dtype = ASSAY_F32,
        .x = t->x,
        .x_stride = sizeof(t->x[0]),
        .feature_flags = t->flags,
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 2,
        .label = t->label,
        .part = t->part };
}

static dataset *make(const assay_data *v, data_plan plan)
{
    dataset *d = NULL;
    error err;
    if (dataset_make(v, &plan, &d, &err) != OK) fail_msg("%s", err.text);
    return d;
}

static void refuse(const assay_data *v, data_plan plan, status st, const char *message)
{
    dataset *d = NULL;
    error err = { OK, "" };
    plan.at = (origin){ "x.cfg", 7 };
    assert_int_equal(dataset_make(v, &plan, &d, &err), st);
    if (strstr(err.text, message) == NULL) fail_msg("expected %s, got %s", message, err.text);
}

/* All rows of a part as a batch gives them. */
static void gather(const dataset *d, part p, float *to)
{
    batcher *b = NULL;
    error err;
    batch x;
    const batcher_options o = { .batch_size = 0 };
    assert_int_equal(batcher_new(d, p, &o, &b, &err), OK);
    batcher_get(b, 0, 0, &x);
    memcpy(to, x.x, x.n * FEATURES * sizeof(float));
    batcher_free(b);
}

static void test_dataset__standardisation_sees_the_training_part_only(void **state)
{
    (void)state;
    table t = { 0 };
    const assay_data v = view_of(&t);
    float clean[8][FEATURES], poisoned[8][FEATURES], test[4][FEATURES];
    dataset *d = make(&v, (data_plan){ .standardize = true });
    gather(d, PART_TRAIN, clean[0]);
    dataset_free(d);
    for (size_t i = 8; i < ROWS; i++) {
        for (size_t k = 0; k < 3; k++)
            t.x[i][k] = 1e6f;
    }
    d = make(&v, (data_plan){ .standardize = true });
    gather(d, PART_TRAIN, poisoned[0]);
    gather(d, PART_TEST, test[0]);
    assert_memory_equal(clean, poisoned, sizeof(clean));
    assert_true(test[0][0] > 1e5f);
    for (size_t i = 0; i < 8; i++) {
        assert_true(clean[i][2] == 0); /* constant: only centred */
        assert_true(clean[i][3] == (float)(i % 2)); /* a category stays */
        assert_near(clean[i][1], ((double)i - 3.5) / sqrt(5.25), 1e-4); /* 1000 + i in float */
    }
    dataset_free(d);
}

static void test_dataset__in_place_and_gathered_give_the_same_bits(void **state)
{
    (void)state;
    table t = { 0 }, u = { 0 };
    assay_data v = view_of(&t), w = view_of(&u);
    t.x[1][0] = t.x[9][1] = u.x[1][0] = u.x[9][1] = NAN;
    v.missing = w.missing = 1;
    w.x_writable = 1;
    float a[ROWS][FEATURES], b[ROWS][FEATURES];
    dataset *d = make(&v, (data_plan){ .standardize = true });
    dataset *e = make(&w, (data_plan){ .standardize = true });
    gather(d, PART_TRAIN, a[0]);
    gather(d, PART_TEST, a[8]);
    gather(e, PART_TRAIN, b[0]);
    gather(e, PART_TEST, b[8]);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_equal(u.x, b, sizeof(b));
    assert_true(b[1][0] == 0 && b[9][1] == 0);
    assert_true(isnan(t.x[1][0])); /* not writable: untouched */
    assert_int_equal(dataset_view(e)->missing, 0);
    dataset_free(d);
    dataset_free(e);
}

static void test_dataset__missing_values_become_the_training_mean(void **state)
{
    (void)state;
    table t = { 0 };
    assay_data v = view_of(&t);
    v.missing = 1;
    t.x[0][1] = t.x[10][1] = t.x[10][3] = NAN;
    t.x[11][1] = 5e5f;
    float train[8][FEATURES], test[4][FEATURES];
    dataset *d = make(&v, (data_plan){ 0 });
    gather(d, PART_TRAIN, train[0]);
    gather(d, PART_TEST, test[0]);
    assert_true(train[0][1] == 1004 && test[2][1] == 1004); /* of 1001 .. 1007 */
    assert_true(test[2][3] == 0.5f);
    assert_true(test[3][1] == 5e5f);
    dataset_free(d);
    for (size_t i = 0; i < 8; i++)
        t.x[i][1] = NAN;
    refuse(&v, (data_plan){ 0 }, E_RANGE,
        "feature \"1\" has missing values, and no value in the training part");
}

static void test_dataset__real_targets_are_standardised_and_back(void **state)
{
    (void)state;
    table t = { 0 };
    assay_data v = view_of(&t);
    v.target = ASSAY_TARGET_REAL;
    v.targets = t.y[0];
    v.n_targets = 2;
    v.label = NULL;
    dataset *d = make(&v, (data_plan){ .standardize_target = true });
    batcher *b = NULL;
    error err;
    batch x;
    const batcher_options o = { .batch_size = 0 };
    float back[8][2];
    double sum = 0, square = 0;
    assert_true(dataset_scales_targets(d));
    assert_int_equal(batcher_new(d, PART_TRAIN, &o, &b, &err), OK);
    batcher_get(b, 0, 0, &x);
    for (size_t i = 0; i < 8; i++) {
        sum += x.target[2 * i];
        square += pow(x.target[2 * i], 2);
        assert_true(x.target[2 * i + 1] == 0);
    }
    assert_near(sum, 0, 1e-6);
    assert_near(square / 8, 1, 1e-6);
    memcpy(back, x.target, sizeof(back));
    dataset_unscale_targets(d, back[0], 8);
    for (size_t i = 0; i < 8; i++) {
        assert_near(back[i][0], t.y[i][0], 1e-5);
        assert_near(back[i][1], -7.25, 0);
    }
    batcher_free(b);
    dataset_free(d);
}

static void test_dataset__balanced_classes_weigh_the_same(void **state)
{
    (void)state;
    table t = { 0 };
    const assay_data v = view_of(&t);
    dataset *d = make(&v, (data_plan){ .weighting = CLASS_WEIGHTS_BALANCED });
    double sum[2] = { 0 };
    for (size_t i = 0; i < 8; i++)
        sum[t.label[i]] += d->class_weight[i];
    assert_near(sum[0], 4, 1e-6);
    assert_near(sum[1], 4, 1e-6);
    dataset_free(d);
}

static void test_dataset__refuses_views_that_break_the_contract(void **state)
{
    (void)state;
    table t = { 0 };
    const assay_data good = view_of(&t);
    const data_plan plan = { 0 };
    assay_data v = good;
    v.n_samples = 0;
    refuse(&v, plan, E_PLUGIN, "x.cfg:7: data: the dataset has no samples");
    v = good;
    v.n_samples = UINT64_C(1) << 32;
    refuse(&v, plan, E_UNSUPPORTED, "more than this version can number");
    v = good;
    v.x = NULL;
    refuse(&v, plan, E_PLUGIN, "no features");
    v = good;
    v.x_dtype = 9;
    refuse(&v, plan, E_PLUGIN, "unknown type 9");
    v = good;
    v.x_stride = 8;
    refuse(&v, plan, E_PLUGIN, "x_stride 8 does not fit");
    v = good;
    v.target = 77;
    refuse(&v, plan, E_PLUGIN, "unknown kind 77");
    v = good;
    v.label = NULL;
    refuse(&v, plan, E_PLUGIN, "there are no labels");
    v = good;
    v.n_classes = 1;
    refuse(&v, plan, E_RANGE, "sample 3: label 1 is outside 0 to 0");
    v.n_classes = UINT64_C(1) << 40;
    refuse(&v, plan, E_PLUGIN, "1099511627776 classes: expected at most 2147483647");
    v = good;
    v.target = ASSAY_TARGET_BINARY;
    refuse(&v, plan, E_PLUGIN, "the targets are numbers, but there are none");
    v.n_targets = 2;
    v.targets = t.y[0];
    refuse(&v, plan, E_RANGE, "sample 0: target 1 is -7.25");
    v = good;
    t.x[5][2] = INFINITY;
    refuse(&v, plan, E_RANGE, "sample 5: feature 2 is inf");
    t.x[5][2] = NAN;
    refuse(&v, plan, E_RANGE, "sample 5: feature 2 is nan");
    t.x[5][2] = 0;
    float weights[ROWS] = { 1, 1, -0.5f };
    v.weight = weights;
    refuse(&v, plan, E_RANGE, "sample 2: weight -0.5");
    v = good;
    for (size_t i = 0; i < ROWS; i++)
        t.part[i] = ASSAY_PART_TEST;
    refuse(&v, plan, E_RANGE, "the training part has no samples");
}

/* --- sequences ------------------------------------------------------------------------------------------------------- */

/* Five samples over the 12 steps of a table; the second shares two steps with the first, step 9 is nobody's. */
static uint64_t first_step[] = { 0, 2, 5, 6, 10 }, n_steps[] = { 4, 3, 1, 3, 2 };

static assay_data sequences_of(table *t)
{
    assay_data v = view_of(t);
    v.n_samples = 5;
    v.first_step = first_step;
    v.n_steps = n_steps;
    v.part = NULL;
    return v;
}

static const char *described(const dataset *d, char *to, size_t n)
{
    text t;
    text_init(&t);
    dataset_describe(d, &t);
    snprintf(to, n, "%s", t.s);
    text_release(&t);
    return to;
}

static void test_dataset__describes_sequences_and_streams(void **state)
{
    (void)state;
    table t = { 0 };
    int32_t tokens[ROWS] = { 3, 1, 2, 0 };
    unsigned char bytes[ROWS][2] = { { 1, 0 } };
    char line[200];
    assay_data v = sequences_of(&t);
    v.target = ASSAY_TARGET_BINARY;
    v.targets_u8 = bytes[0];
    v.n_targets = 2;
    v.target_per_step = 1;
    dataset *d = make(&v, (data_plan){ .split = { .method = SPLIT_TIME, .test = 2 } });
    assert_string_equal(described(d, line, sizeof(line)),
        "5 sequences of 1 to 4 steps (3 training, 2 test), 4 features, 2 binary targets");
    assert_true(dataset_has_time(d) && dataset_has_target_per_step(d) && !dataset_is_stream(d));
    assert_string_equal(dataset_sample_word(d, true), "sequences");
    assert_string_equal(dataset_sample_word(d, false), "sequence");
    assert_int_equal(dataset_max_time(d), 4);
    dataset_free(d);
    v = view_of(&t);
    v.part = NULL;
    v.x_dtype = ASSAY_I32;
    v.x = tokens;
    v.x_shape = (assay_shape){ 1, { 1 } };
    v.x_stride = sizeof(tokens[0]);
    v.vocabulary = 65;
    d = make(&v,
        (data_plan){ .batches = { .batch_size = 3, .window = 5 },
            .split = { .method = SPLIT_TIME, .test = 4 } });
    assert_string_equal(described(d, line, sizeof(line)),
        "12 steps as streams of windows of 5 (8 training, 4 test), 65 tokens, 2 classes");
    assert_true(dataset_has_time(d) && dataset_has_target_per_step(d) && dataset_is_stream(d));
    assert_int_equal(dataset_max_time(d), 5);
    dataset_free(d);
    d = make(&v, (data_plan){ 0 });
    assert_true(!dataset_has_time(d) && !dataset_has_target_per_step(d));
    assert_int_equal(dataset_max_time(d), 1);
    dataset_free(d);
}

static void test_dataset__refuses_sequences_that_break_the_contract(void **state)
{
    (void)state;
    table t = { 0 };
    const assay_data good = sequences_of(&t);
    const data_plan plan = { 0 };
    uint64_t first[5], n[5];
    assay_data v = good;
    v.n_steps = NULL;
    refuse(&v, plan, E_PLUGIN,
        "x.cfg:7: data: sequences need both first_step and n_steps, and there is only first_step");
    v = good;
    v.first_step = NULL;
    refuse(&v, plan, E_PLUGIN, "and there is only n_steps");
    v = good;
    v.first_step = memcpy(first, first_step, sizeof(first));
    v.n_steps = memcpy(n, n_steps, sizeof(n));
    n[3] = 0;
    refuse(&v, plan, E_PLUGIN, "sample 3 has no steps");
    n[3] = UINT64_C(1) << 32;
    refuse(
        &v, plan, E_UNSUPPORTED, "sample 3: 4294967296 steps are more than this version can count");
    n[3] = 3;
    first[3] = UINT64_MAX - 2;
    refuse(&v, plan, E_PLUGIN, "sample 3: 3 steps from step 18446744073709551613 on cannot be");
    first[3] = UINT64_MAX / 16 - 1;
    refuse(&v, plan, E_PLUGIN, "steps of 16 bytes with 0 targets are more than can be");
    v = good;
    v.target_per_step = 2;
    refuse(&v, plan, E_PLUGIN, "target_per_step is 2: expected 0 or 1");
    v = good;
    t.x[7][2] = INFINITY;
    refuse(&v, plan, E_RANGE, "sample 3, step 1: feature 2 is inf");
    t.x[7][2] = 0;
    t.x[9][0] = NAN;
    refuse(&v, plan, E_RANGE, "step 9 in memory: feature 0 is nan");
    t.x[9][0] = 0;
    t.label[11] = 2; /* not a label of a sample, but of a step */
    dataset_free(make(&v, plan));
    v.target_per_step = 1;
    refuse(&v, plan, E_RANGE, "sample 4, step 1: label 2 is outside 0 to 1");
    t.label[11] = 0;
    refuse(&v, (data_plan){ .split = { .method = SPLIT_STRATIFIED, .test = 1 } }, E_UNSUPPORTED,
        "split.method = \"stratified\" needs one class for each sample, and here every step has "
        "one");
}

static void test_dataset__targets_of_bytes_are_binary_and_alone(void **state)
{
    (void)state;
    table t = { 0 };
    unsigned char bytes[ROWS][2] = { { 1, 0 }, { 0, 1 } };
    float floats[ROWS][2] = { { 0 } };
    assay_data v = view_of(&t);
    v.targets_u8 = bytes[0];
    v.n_targets = 2;
    refuse(&v, (data_plan){ 0 }, E_PLUGIN, "targets of bytes, but the targets are not binary");
    v.target = ASSAY_TARGET_BINARY;
    v.targets = floats[0];
    refuse(&v, (data_plan){ 0 }, E_PLUGIN, "targets of bytes and of floats: expected one of them");
    v.targets = NULL;
    bytes[6][1] = 2;
    refuse(&v, (data_plan){ 0 }, E_RANGE, "sample 6: target 1 is 2");
    bytes[6][1] = 1;
    dataset_free(make(&v, (data_plan){ 0 }));
    static const char *const names[] = { "a", "b" };
    v.token_names = names;
    refuse(&v, (data_plan){ 0 }, E_PLUGIN, "names of tokens, but the features are not tokens");
}

static void test_dataset__steps_are_standardised_once(void **state)
{
    (void)state;
    table t = { 0 }, u = { 0 };
    assay_data v = sequences_of(&t), w = sequences_of(&u);
    w.x_writable = 1;
    const data_plan plan = { .standardize = true, .split = { .method = SPLIT_TIME, .test = 2 } };
    double sum = 0, square = 0; /* training has steps 0 to 5, of which 2 and 3 twice */
    for (size_t i = 0; i < 6; i++)
        sum += t.x[i][0] / 6;
    for (size_t i = 0; i < 6; i++)
        square += pow(t.x[i][0] - sum, 2) / 6;
    dataset *d = make(&v, plan), *e = make(&w, plan);
    for (size_t i = 0; i < ROWS; i++) {
        float row[FEATURES];
        transform_row(&d->features, &d->view, i, row);
        assert_near(
            row[0], (t.x[i][0] - sum) / sqrt(square), 1e-6); /* a rounding of each to float */
        assert_memory_equal(row, u.x[i], sizeof(row));
    }
    dataset_free(d);
    dataset_free(e);
}

static void test_dataset__targets_of_steps_are_standardised_once(void **state)
{
    (void)state;
    table t = { 0 };
    assay_data v = sequences_of(&t);
    for (size_t i = 0; i < ROWS; i++)
        t.y[i][0] = i < 6 ? 2.385f * (float)(i * i % 5) : 1e6f;
    v.target = ASSAY_TARGET_REAL;
    v.targets = t.y[0];
    v.n_targets = 2;
    v.target_per_step = 1;
    double sum = 0, square = 0;
    for (size_t i = 0; i < 6; i++)
        sum += t.y[i][0] / 6;
    for (size_t i = 0; i < 6; i++)
        square += pow(t.y[i][0] - sum, 2) / 6;
    dataset *d = make(&v,
        (data_plan){ .standardize_target = true, .split = { .method = SPLIT_TIME, .test = 2 } });
    for (size_t i = 0; i < 6; i++) {
        assert_near(d->targets[2 * i], (t.y[i][0] - sum) / sqrt(square), 1e-6);
        assert_true(d->targets[2 * i + 1] == 0);
    }
    assert_true(d->targets[2 * 11] > 1e4f);
    dataset_free(d);
    const uint64_t apart[] = { 2, 7, 0 }, lengths[] = { 3, 2, 4 }; /* steps 0 to 4, 7 and 8 */
    v.n_samples = 3;
    v.first_step = apart;
    v.n_steps = lengths;
    d = make(&v, (data_plan){ .standardize_target = true });
    assert_near(d->target_mean[0], ((0 + 1 + 4 + 4 + 1) * 2.385 + 2e6) / 7, 0.1); /* 1e6 in float */
    dataset_free(d);
    v = sequences_of(&t);
    for (size_t i = 0; i < 5; i++)
        t.y[i][0] = 2.385f * (float)(i * i % 5);
    v.target = ASSAY_TARGET_REAL;
    v.targets = t.y[0];
    v.n_targets = 2; /* the first five rows are the samples' */
    d = make(&v, (data_plan){ .standardize_target = true });
    assert_near(d->target_mean[0], (0 + 1 + 4 + 4 + 1) * 2.385 / 5, 1e-6);
    dataset_free(d);
}

static void test_dataset__balanced_labels_of_steps_weigh_the_same(void **state)
{
    (void)state;
    table t = { 0 };
    assay_data v = sequences_of(&t);
    v.target_per_step = 1;
    dataset *d = make(&v, (data_plan){ .weighting = CLASS_WEIGHTS_BALANCED });
    double sum[2] = { 0 }; /* 13 labels, as two steps are two samples' */
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < n_steps[i]; k++) {
            const int32_t label = t.label[first_step[i] + k];
            sum[label] += d->label_weight[label];
        }
    }
    assert_near(sum[0], 6.5, 1e-12);
    assert_near(sum[1], 6.5, 1e-12);
    assert_null(d->class_weight);
    dataset_free(d);
}

/* --- streams --------------------------------------------------------------------------------------------------------- */

static void test_dataset__a_window_asks_for_file_order(void **state)
{
    fixture *f = *state;
    const dataset *d = fixture_open(
        f, "type = \"csv\"; file = \"@/iris.csv\"; window = 7; split = { test = 30; };");
    const value *group = value_find(value_find(config_root(f->c), "data"), "split");
    assert_string_equal(value_find(group, "method")->as.string, "time");
    assert_int_equal(dataset_options(d)->window, 7);
    assert_int_equal(dataset_options(d)->bucket, 4);
    assert_int_equal(dataset_rows(d, PART_TEST)[0], 120);
    fixture_refuse(f,
        "type = \"csv\"; file = \"@/iris.csv\"; window = 7;\nsplit = { test = 30;\nmethod = "
        "\"random\"; };",
        E_CONFLICT,
        "x.cfg:4: data.window = 7 needs consecutive samples, and those of the training part are "
        "not: use data.split.method = \"time\"");
    fixture_refuse(f,
        "type = \"csv\"; file = \"@/iris.csv\"; window = 7; split = { folds = 3; fold = 1; };",
        E_CONFLICT, "use data.split.method = \"time\" without folds");
    fixture_open(
        f, "type = \"csv\"; file = \"@/iris.csv\"; window = 7; split = { folds = 3; fold = 2; };");
    fixture_refuse(f, "type = \"csv\"; file = \"@/iris.csv\"; window = 7;\nbatch_size = \"all\";",
        E_CONFLICT, "x.cfg:3: data.batch_size = \"all\" with data.window = 7");
    fixture_refuse(f, "type = \"csv\"; file = \"@/iris.csv\"; window = -1;", E_RANGE, "window");
    fixture_refuse(f, "type = \"csv\"; file = \"@/iris.csv\"; bucket = 1.5;", E_TYPE, "bucket");
}

static void test_dataset__streams_are_made_of_plain_samples_in_order(void **state)
{
    (void)state;
    table t = { 0 };
    uint32_t groups[ROWS] = { 0 };
    assay_data v = sequences_of(&t);
    const data_plan plan = { .batches = { .batch_size = 2, .window = 3 },
        .window_at = { "x.cfg", 9 },
        .split = { .method = SPLIT_TIME } };
    refuse(&v, plan, E_CONFLICT,
        "x.cfg:9: data.window = 3: the data has sequences of its own, and streams are made of "
        "plain "
        "samples: remove window");
    v = view_of(&t);
    v.group = groups;
    refuse(&v, plan, E_CONFLICT, "data.window = 3: the data has groups");
    v.group = NULL;
    t.part[4] = ASSAY_PART_TEST;
    refuse(&v, plan, E_CONFLICT, "those of the training part are not");
}

static void test_dataset__tokens_have_a_vocabulary_and_no_mean(void **state)
{
    (void)state;
    table t = { 0 };
    int32_t tokens[ROWS][FEATURES] = { { 3, 1, 2, 0 } };
    assay_data v = view_of(&t);
    v.x_dtype = ASSAY_I32;
    v.x = tokens;
    v.vocabulary = 3;
    refuse(&v, (data_plan){ 0 }, E_RANGE, "sample 0: token 3 is outside the vocabulary of 3");
    v.vocabulary = (uint64_t)INT32_MAX + 1;
    refuse(&v, (data_plan){ 0 }, E_PLUGIN,
        "a vocabulary of 2147483648 tokens: expected at most 2147483647");
    v.vocabulary = 4;
    refuse(&v, (data_plan){ .standardize = true }, E_UNSUPPORTED, "the features are tokens");
    dataset_free(make(&v, (data_plan){ 0 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_dataset__digits_as_in_the_readme, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_dataset__split_hashes_tell_splits_apart, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_dataset__defaults_are_written_into_the_tree, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_dataset__says_what_is_wrong_and_where, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_dataset__standardised_digits_have_mean_0_and_deviation_1, fixture_setup,
            fixture_teardown),
        cmocka_unit_test(test_dataset__standardisation_sees_the_training_part_only),
        cmocka_unit_test(test_dataset__in_place_and_gathered_give_the_same_bits),
        cmocka_unit_test(test_dataset__missing_values_become_the_training_mean),
        cmocka_unit_test(test_dataset__real_targets_are_standardised_and_back),
        cmocka_unit_test(test_dataset__balanced_classes_weigh_the_same),
        cmocka_unit_test(test_dataset__refuses_views_that_break_the_contract),
        cmocka_unit_test(test_dataset__tokens_have_a_vocabulary_and_no_mean),
        cmocka_unit_test(test_dataset__describes_sequences_and_streams),
        cmocka_unit_test(test_dataset__refuses_sequences_that_break_the_contract),
        cmocka_unit_test(test_dataset__targets_of_bytes_are_binary_and_alone),
        cmocka_unit_test(test_dataset__steps_are_standardised_once),
        cmocka_unit_test(test_dataset__targets_of_steps_are_standardised_once),
        cmocka_unit_test(test_dataset__balanced_labels_of_steps_weigh_the_same),
        cmocka_unit_test_setup_teardown(
            test_dataset__a_window_asks_for_file_order, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_dataset__streams_are_made_of_plain_samples_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
