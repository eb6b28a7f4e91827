/* assay lr-find: what it prints, what it leaves alone, and when it suggests nothing. On digits, with several optimizers. */
#include "core/cli/process.h"

#include <math.h>

#define DIGITS CONFIGS "digits.cfg"

static void test_the_table__ends_in_a_suggestion(void **state)
{
    (void)state;
    said s = assay("lr-find", DIGITS);
    assert_code(&s, 0);
    assert_contains(s.out, "smoothed");
    assert_contains(s.out, "falls fastest");
    assert_contains(s.out, "lowest");
    assert_contains(s.out, "stopped       step ");
    assert_contains(s.out, "more than 4 times its lowest");
    assert_contains(s.out, "suggestion    0.");
    assert_contains(s.err, "lr-find.svg");
    assert_contains(s.err, "schedule      left out");
    assert_contains(s.err, "optimizer.lr=");
    for (const char *c = s.out; *c; c++) {
        if ((unsigned char)*c > 126) fail_msg("not ASCII in the C locale: %s", c);
    }
    size_t n_rows = 0;
    for (const char *line = s.out; (line = strstr(line, "e-0")) != NULL; line++)
        n_rows++;
    assert_true(n_rows >= 10);
    assert_int_equal(access("lr-find.svg", F_OK), 0);
    assert_int_not_equal(access("runs", F_OK), 0); /* no run was made */
    forget(&s);
}

static double number_of(const char *json, const char *key)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\": ", key);
    const char *at = strstr(json, quoted);
    if (!at) fail_msg("there is no %s in: %.400s", key, json);
    return strtod(at + strlen(quoted), NULL);
}

static void expect_sound(const char *json)
{
    double last = 0, lr = 0;
    size_t n = 0;
    assert_true(is_json(json));
    const double first = number_of(json, "lr");
    for (const char *at = json; (at = strstr(at, "\"lr\": ")) != NULL; n++) {
        lr = strtod(at + 6, &(char *){ NULL });
        assert_true(lr > last);
        last = lr;
        at++;
    }
    assert_true(n >= 20);
    const double suggestion = number_of(json, "suggestion");
    const double steepest = number_of(json, "steepest"), lowest = number_of(json, "lowest");
    const double tenth = number_of(json, "tenth_of_lowest"), from = number_of(json, "falls_from");
    assert_true(first <= suggestion && suggestion < last);
    assert_true(first <= steepest && steepest <= lowest && lowest <= last);
    assert_true(first <= tenth && tenth < lowest);
    assert_true(first <= from && from <= lowest);
    assert_true(suggestion == fmin(steepest, tenth));
}

static void test_json__is_sound_for_any_optimizer(void **state)
{
    (void)state;
    static char *const optimizers[] = { "optimizer.type=adam", "optimizer.type=sgd",
        "optimizer.type=adagrad", "optimizer.type=rmsprop" };
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        said s = assay("lr-find", DIGITS, "~optimizer", "+optimizer={type=\"sgd\";}", optimizers[i],
            "--json", "--output", "none", "--from", "1e-6", "--to", "100", "-q");
        assert_code(&s, 0);
        assert_string_equal(s.err, "");
        expect_sound(s.out);
        assert_contains(s.out, "\"end\": \"blew up\"");
        forget(&s);
    }
    assert_int_not_equal(access("none", F_OK), 0);
    assert_int_not_equal(access("lr-find.svg", F_OK), 0);
}

static void test_the_seed__decides_everything(void **state)
{
    (void)state;
    said one = assay("lr-find", DIGITS, "--json", "seed=3", "-o", "one.svg");
    said two = assay("lr-find", DIGITS, "--json", "seed=3", "train.threads=2", "-o", "two.svg");
    said other = assay("lr-find", DIGITS, "--json", "seed=4", "-o", "other.svg");
    assert_code(&one, 0);
    assert_code(&two, 0);
    assert_string_equal(one.out, two.out);
    assert_string_not_equal(one.out, other.out);
    char *first = slurp("one.svg"), *second = slurp("two.svg");
    assert_true(strlen(first) > 1000);
    assert_string_equal(first, second);
    free(first);
    free(second);
    forget(&one);
    forget(&two);
    forget(&other);
}

static void test_a_doubtful_curve__is_told_and_suggests_nothing_or_less(void **state)
{
    (void)state;
    said s = assay("lr-find", DIGITS, "--from", "1e-9", "--to", "1e-8");
    assert_code(&s, 0);
    assert_contains(s.out, "suggestion    none");
    assert_contains(s.err, "warning: the loss does not fall more than its noise");
    assert_null(strstr(s.err, "try           "));
    forget(&s);
    s = assay("lr-find", DIGITS, "--from", "1e-9", "--to", "1e-8", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"suggestion\": null");
    forget(&s);
    s = assay("lr-find", DIGITS, "--from", "1e-6", "--to", "3e-3");
    assert_code(&s, 0);
    assert_contains(s.err, "lowest where the interval ends");
    forget(&s);
}

static void test_parameter_groups__are_named_by_the_first(void **state)
{
    (void)state;
    said s = assay("lr-find", CONFIGS "groups.cfg", "--output", "none");
    assert_code(&s, 0);
    assert_contains(s.err, "'optimizer[0].lr=");
    forget(&s);
}

static void expect_mistake(said s, const char *message)
{
    assert_code(&s, 2);
    assert_string_equal(s.out, "");
    assert_contains(s.err, message);
    forget(&s);
}

static void test_mistakes__are_named(void **state)
{
    (void)state;
    expect_mistake(assay("lr-find"), "lr-find: something is missing");
    expect_mistake(assay("lr-find", "nope.cfg"), "nope.cfg: no such config file");
    expect_mistake(assay("lr-find", DIGITS, "--from", "much"), "--from: expected a number");
    expect_mistake(assay("lr-find", DIGITS, "--from", "2", "--to", "1"), "0 < from < to");
    expect_mistake(assay("lr-find", DIGITS, "--steps", "7.5"), "--steps: expected a whole number");
    expect_mistake(assay("lr-find", DIGITS, "--steps", "7"), "7 steps are too few");
    expect_mistake(assay("lr-find", DIGITS, "--smoothing", "1"), "smoothing 1");
    expect_mistake(assay("lr-find", DIGITS, "optimizer.lr=0"), "needs a rate above 0");
    said s = assay("lr-find", DIGITS, "--output", "no/such/folder.svg");
    assert_code(&s, 1);
    assert_contains(s.err, "no/such");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_the_table__ends_in_a_suggestion, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_json__is_sound_for_any_optimizer, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_the_seed__decides_everything, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(test_a_doubtful_curve__is_told_and_suggests_nothing_or_less,
            enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_parameter_groups__are_named_by_the_first, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(test_mistakes__are_named, enter_scratch, leave_scratch),
    };
    setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
