/* assay eval: the numbers of a run, for any part or a new file, and predictions that others can read. */
#include "core/cli/process.h"

static const char config_text[] =
    "name = \"iris\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" CONFIGS "data/iris.csv\"; target = "
    "\"species\"; standardize = true; split = { validation = 0.2; test = 0.3; }; "
    "batch_size = 16; };\n"
    "model = ( { type = \"dense\"; units = 9; }, { type = \"tanh\"; }, { type = "
    "\"dense\"; units = 3; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\", \"confusion\" );\n"
    "optimizer = { type = \"adam\"; lr = 0.02; }; train = { epochs = 15; };\n";

enum { N_TEST = 45, N_CLASSES = 3 };

static int set_up(void **state)
{
    int failed = enter_scratch(state);
    if (!failed) {
        spill("iris.cfg", config_text);
        said s = assay("train", "iris.cfg", "-q", "--output", "run");
        failed = s.code;
        forget(&s);
    }
    return failed;
}

/* The number behind "key": of a JSON text. */
static double number_of(const char *words, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *at = strstr(words, quoted);
    if (!at) fail_msg("no %s in %s", key, words);
    return strtod(at + strlen(quoted), NULL);
}

static void test_table__has_the_standard_error_and_the_confusion(void **state)
{
    (void)state;
    said s = assay("eval", "run", "--split", "training");
    assert_code(&s, 0);
    assert_contains(s.out, "training");
    assert_contains(s.out, "+-");
    assert_contains(s.out, "versicolor");
    assert_contains(s.err, "75 training samples");
    forget(&s);
}

/* Seven rows of one class, far from the others: all right. 0.05^(1/7) = 0.65184; no row right: 1 - 0.65184 = 0.34816. */
static void test_table__of_a_perfect_share_has_a_bound_and_no_error(void **state)
{
    (void)state;
    char *table = slurp(CONFIGS "data/iris.csv"), *end = table;
    for (size_t i = 0; i < 8; i++) {
        end = strchr(end, '\n') + 1;
    }
    *end = '\0';
    spill("seven.csv", table);
    said s = assay("eval", "run", "--file", "seven.csv", "metrics=accuracy");
    assert_code(&s, 0);
    assert_contains(s.out, "1.0000 (>= 0.6518)\n");
    assert_null(strstr(s.out, "+-"));
    forget(&s);
    for (char *at; (at = strstr(table, "setosa"));) {
        memcpy(at, "virgin", 6);
        memmove(at + 9, at + 6, strlen(at + 6) + 1);
        memcpy(at + 6, "ica", 3);
    }
    spill("seven.csv", table);
    s = assay("eval", "run", "--file", "seven.csv", "metrics=accuracy", "--json");
    assert_code(&s, 0);
    assert_true(number_of(s.out, "accuracy_se") == 0);
    forget(&s);
    s = assay("eval", "run", "--file", "seven.csv", "metrics=accuracy");
    assert_contains(s.out, "0.0000 (<= 0.3482)\n");
    forget(&s);
    free(table);
}

static void test_json__agrees_with_the_run(void **state)
{
    (void)state;
    said trained = assay("train", "iris.cfg", "--json", "-q", "--output", "again");
    said s = assay("eval", "again", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    const char *test = strstr(trained.out, "\"test\": ");
    assert_non_null(test);
    assert_true(number_of(s.out, "loss") == number_of(test, "loss"));
    assert_true(number_of(s.out, "accuracy") == number_of(test, "accuracy"));
    forget(&s);
    s = assay("eval", "again", "--split", "validation", "--json");
    assert_code(&s, 0);
    assert_int_equal((int)number_of(s.out, "samples"), 30);
    forget(&s);
    forget(&trained);
}

static void test_weights__are_those_that_the_run_judged(void **state)
{
    static const struct {
        char *setting;
        const char *which;
    } cases[] = { { "train.early_stopping={restore_best=true;}", "best" },
        { "train.early_stopping={restore_best=false;}", "last" }, { "train.epochs=14", "last" } };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char dir[] = "judged-0", expected[64];
        dir[7] = (char)('0' + i);
        /* a rate at which the last check is hardly the best one */
        said trained = assay("train", "iris.cfg", "--json", "-q", "--output", dir, cases[i].setting,
            "optimizer.lr=0.7");
        assert_code(&trained, 0);
        said s = assay("eval", dir, "--json");
        assert_code(&s, 0);
        const char *test = strstr(trained.out, "\"test\": ");
        assert_true(number_of(s.out, "loss") == number_of(test, "loss"));
        snprintf(expected, sizeof expected, "the %s weights: %s/%s.safetensors", cases[i].which,
            dir, cases[i].which);
        assert_contains(s.err, expected);
        forget(&s);
        s = assay("eval", dir, "--json", "--weights", i == 0 ? "last" : "best");
        assert_code(&s, 0);
        assert_false(number_of(s.out, "loss") == number_of(test, "loss"));
        forget(&s);
        forget(&trained);
    }
}

static void test_predictions__are_a_row_per_sample(void **state)
{
    (void)state;
    said s = assay("eval", "run", "--predictions", "p.csv");
    assert_code(&s, 0);
    forget(&s);
    char *all = slurp("p.csv");
    const char head[] = "row,label,predicted,p_setosa,p_versicolor,p_virginica\n";
    assert_memory_equal(all, head, strlen(head));
    size_t n = 0;
    for (char *line = all + strlen(head), *end; (end = strchr(line, '\n')); line = end + 1, n++) {
        unsigned row;
        char label[16], predicted[16];
        double p[N_CLASSES];
        assert_int_equal(sscanf(line, "%u,%15[^,],%15[^,],%lf,%lf,%lf", &row, label, predicted,
                             &p[0], &p[1], &p[2]),
            6);
        assert_true(row < 150);
        assert_true(p[0] + p[1] + p[2] > 1 - 1e-6 && p[0] + p[1] + p[2] < 1 + 1e-6);
        const size_t best = p[0] > p[1] ? (p[0] > p[2] ? 0 : 2) : p[1] > p[2] ? 1 : 2;
        static const char *const names[] = { "setosa", "versicolor", "virginica" };
        assert_string_equal(predicted, names[best]);
    }
    assert_int_equal(n, N_TEST);
    free(all);
}

static void test_npy__is_what_numpy_reads(void **state)
{
    (void)state;
    said s = assay("eval", "run", "--predictions", "p.npy");
    assert_code(&s, 0);
    forget(&s);
    FILE *f = fopen("p.npy", "rb");
    unsigned char head[128];
    assert_non_null(f);
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    assert_memory_equal(head, "\x93NUMPY\x01\x00", 8);
    const size_t data_at = 10 + (size_t)head[8] + 256 * (size_t)head[9];
    assert_int_equal(data_at % 64, 0);
    assert_int_equal(head[data_at - 1], '\n');
    assert_memory_equal(
        head + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (45, 3), }", 60);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(ftell(f), (long)(data_at + N_TEST * N_CLASSES * sizeof(float)));
    fclose(f);
}

/* What follows the n-th comma of a line, to its end. */
static char *after_commas(char *line, int n)
{
    for (; n > 0; n--) {
        line = strchr(line, ',') + 1;
    }
    return strndup(line, strcspn(line, "\n"));
}

/* The rows of the test part as a file of their own must get the very same outputs: what was fitted on the training part
 * (standardisation) stays what it was. */
static void test_new_file__is_seen_as_the_run_saw_its_data(void **state)
{
    (void)state;
    said s = assay("eval", "run", "--predictions", "old.csv");
    assert_code(&s, 0);
    forget(&s);
    char *table = slurp(CONFIGS "data/iris.csv"), *old = slurp("old.csv");
    FILE *f = fopen("new.csv", "w");
    assert_non_null(f);
    fprintf(f, "%.*s\n", (int)strcspn(table, "\n"), table);
    for (char *line = strchr(old, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
        const char *from = table;
        for (long skip = strtol(line, NULL, 10) + 1; skip > 0; skip--) {
            from = strchr(from, '\n') + 1;
        }
        fprintf(f, "%.*s\n", (int)strcspn(from, "\n"), from);
    }
    fclose(f);
    s = assay("eval", "run", "--file", "new.csv", "--predictions", "new-p.csv");
    assert_code(&s, 0);
    assert_contains(s.err, "45 samples of new.csv, ");
    forget(&s);
    char *got = slurp("new-p.csv");
    char *a = strchr(old, '\n') + 1, *b = strchr(got, '\n') + 1;
    for (long i = 0; i < N_TEST; i++) {
        char *x = after_commas(a, 1), *y = after_commas(b, 1);
        assert_int_equal(strtol(b, NULL, 10), i);
        assert_string_equal(x, y);
        free(x);
        free(y);
        a = strchr(a, '\n') + 1;
        b = strchr(b, '\n') + 1;
    }
    free(table);
    free(old);
    free(got);
}

/* iris.csv without its last column, the target; with `rows` rows. */
static void write_unlabelled(const char *name, size_t rows)
{
    char *table = slurp(CONFIGS "data/iris.csv"), *line = table;
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    for (size_t i = 0; i <= rows; i++, line = strchr(line, '\n') + 1) {
        int n = (int)strcspn(line, "\n");
        while (line[--n] != ',') {
        }
        fprintf(f, "%.*s\n", n, line);
    }
    fclose(f);
    free(table);
}

static void test_new_file__without_the_target_is_predicted_and_not_judged(void **state)
{
    (void)state;
    write_unlabelled("bare.csv", 7);
    said s = assay("eval", "run", "--file", "bare.csv", "--predictions", "bare-p.csv");
    assert_code(&s, 0);
    assert_string_equal(s.out, "");
    assert_contains(s.err, "bare.csv has no column \"species\", the target");
    assert_contains(s.err, "7 samples of bare.csv");
    assert_contains(s.err, "no loss and no metrics");
    forget(&s);
    char *got = slurp("bare-p.csv");
    size_t n = 0;
    for (char *at = strchr(got, '\n') + 1; *at; at = strchr(at, '\n') + 1, n++) {
        unsigned row;
        char predicted[32];
        assert_int_equal(sscanf(at, "%u,,%31[^,],", &row, predicted), 2);
        assert_int_equal(row, n);
        assert_string_equal(predicted, "setosa");
    }
    assert_int_equal(n, 7);
    free(got);
    s = assay("eval", "run", "--file", "bare.csv", "--predictions", "bare-p.csv", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_null(strstr(s.out, "\"loss\""));
    forget(&s);
}

static void expect_refusal(said s, const char *message)
{
    assert_code(&s, 2);
    assert_string_equal(s.out, "");
    assert_contains(s.err, message);
    forget(&s);
}

static void test_refusals__say_what_to_do(void **state)
{
    (void)state;
    expect_refusal(assay("eval", "run", "--file", "nope.csv"), "nope.csv: no such file");
    expect_refusal(assay("eval", "run", "--predictions", "p.txt"), "ends in .csv or .npy");
    expect_refusal(assay("eval", "run", "--weights", "nope.safetensors"), "no such weights");
    expect_refusal(
        assay("eval", "run", "--split", "all"), "expected one of training|validation|test");
    expect_refusal(
        assay("eval", "run", "--file", "iris.cfg", "--split", "training"), "leave --split out");
    expect_refusal(assay("eval", "run", "model[0].units=10"), "dense1");
    expect_refusal(assay("eval", "run", "data.split.test=0"), "the test part is empty");
}

static void test_refusals__of_a_new_file_name_the_option(void **state)
{
    (void)state;
    write_unlabelled("bare.csv", 7);
    expect_refusal(assay("eval", "run", "--file", "bare.csv"), "--predictions");
    spill("narrow.csv", "sepal_length_cm,species\n5.1,setosa\n");
    expect_refusal(assay("eval", "run", "--file", "narrow.csv"),
        "eval: --file: narrow.csv:1: has no column \"sepal_width_cm\"");
    spill("odd.csv",
        "sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm,species\n5.1,3,2,1,oak\n");
    expect_refusal(assay("eval", "run", "--file", "odd.csv"),
        "eval: --file: odd.csv:2: column \"species\": class \"oak\" does not occur in iris.csv");
}

static void test_generated_data__have_no_file(void **state)
{
    (void)state;
    spill("blobs.cfg",
        "name = \"b\"; data = { type = \"blobs\"; samples = 90; split = { test = 0.2; }; };\n"
        "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";\n"
        "optimizer = \"sgd\"; train = { epochs = 1; };\n");
    said s = assay("train", "blobs.cfg", "-q", "--output", "blobs");
    assert_code(&s, 0);
    forget(&s);
    expect_refusal(assay("eval", "blobs", "--file", "iris.cfg"), "--file is for csv data");
}

static void test_regression__predicts_in_the_units_of_the_data(void **state)
{
    (void)state;
    spill("linear.cfg",
        "name = \"l\"; seed = 2; data = { type = \"linear\"; samples = 200; bias = 50.0; noise = "
        "0.01; "
        "standardize_target = true; split = { test = 0.2; }; };\n"
        "model = ( { type = \"dense\"; units = 1; } ); loss = \"mse\"; metrics = \"r2\";\n"
        "optimizer = { type = \"adam\"; lr = 0.05; }; train = { epochs = 80; };\n");
    said s = assay("train", "linear.cfg", "-q", "--output", "linear");
    assert_code(&s, 0);
    forget(&s);
    s = assay("eval", "linear", "--json", "--predictions", "l.csv");
    assert_code(&s, 0);
    assert_true(number_of(s.out, "r2") > 0.99);
    forget(&s);
    char *all = slurp("l.csv");
    size_t n = 0;
    for (char *line = strchr(all, '\n') + 1; *line; line = strchr(line, '\n') + 1, n++) {
        double target, predicted;
        assert_int_equal(sscanf(line, "%*d,%lf,%lf", &target, &predicted), 2);
        assert_true(predicted - target < 1 && target - predicted < 1);
    }
    assert_int_equal(n, 40);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table__has_the_standard_error_and_the_confusion),
        cmocka_unit_test(test_table__of_a_perfect_share_has_a_bound_and_no_error),
        cmocka_unit_test(test_json__agrees_with_the_run),
        cmocka_unit_test(test_weights__are_those_that_the_run_judged),
        cmocka_unit_test(test_predictions__are_a_row_per_sample),
        cmocka_unit_test(test_npy__is_what_numpy_reads),
        cmocka_unit_test(test_new_file__is_seen_as_the_run_saw_its_data),
        cmocka_unit_test(test_new_file__without_the_target_is_predicted_and_not_judged),
        cmocka_unit_test(test_refusals__say_what_to_do),
        cmocka_unit_test(test_refusals__of_a_new_file_name_the_option),
        cmocka_unit_test(test_generated_data__have_no_file),
        cmocka_unit_test(test_regression__predicts_in_the_units_of_the_data),
    };
    setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
