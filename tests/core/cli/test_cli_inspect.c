/* assay inspect: the tables agree with the records, and whoever asks for what is not there is told what is. */
#include "core/cli/process.h"

#include <math.h>

static const char config_text[] =
    "name = \"iris\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" CONFIGS "data/iris.csv\"; target = "
    "\"species\"; standardize = true; split = { validation = 0.2; test = 0.3; }; "
    "batch_size = 16; };\n"
    "model = ( { type = \"dense\"; units = 9; }, { type = \"relu\"; }, { type = "
    "\"dense\"; units = 3; } );\n"
    "loss = \"softmax_xent\"; optimizer = { type = \"adam\"; lr = 0.02; };\n"
    "train = { steps = 23; replicas = 2; clip_norm = 0.1; probe = { every = 5; }; };\n";

static int set_up(void **state)
{
    int failed = enter_scratch(state);
    if (!failed) {
        spill("iris.cfg", config_text);
        said s = assay("train", "iris.cfg", "-q", "--output", "run");
        said plain = assay("train", "iris.cfg", "-q", "--output", "plain", "train.probe.every=0");
        failed = s.code || plain.code;
        forget(&s);
        forget(&plain);
    }
    return failed;
}

/* The number behind the first "key": after `from`. */
static double number_after(const char *words, const char *from, const char *key)
{
    const char *at = strstr(words, from);
    if (!at) fail_msg("no %s in %s", from, words);
    at = strstr(at, key);
    if (!at) fail_msg("no %s behind %s", key, from);
    return strtod(at + strlen(key), NULL);
}

/* The line of metrics.jsonl with that probe; free it. */
static char *probe_line(int step)
{
    char begins[64];
    char *all = slurp("run/metrics.jsonl");
    snprintf(begins, sizeof begins, "{\"record\": \"probe\", \"step\": %d,", step);
    char *line = strstr(all, begins);
    if (!line) fail_msg("no %s", begins);
    *strchr(line, '\n') = '\0';
    line = strdup(line);
    free(all);
    return line;
}

static void test_table__shows_the_last_probe(void **state)
{
    char row[128];
    (void)state;
    said s = assay("inspect", "run");
    assert_code(&s, 0);
    assert_contains(s.out, "run  step 20; 4 probes from step 5 to 20");
    assert_contains(s.out, "upd/weight over the steps");
    assert_contains(s.out, "dead units");
    assert_contains(s.out, "gradient noise scale");
    char *line = probe_line(20);
    snprintf(row, sizeof row, "  dense1.weight %*.4g%*.4g", 11,
        number_after(line, "\"weight_norm/dense1.weight\"", ": "), 11,
        number_after(line, "\"gradient_norm/dense1.weight\"", ": "));
    assert_contains(s.out, row);
    free(line);
    forget(&s);
}

static void test_step__is_found_or_the_nearest_named(void **state)
{
    (void)state;
    said s = assay("inspect", "run", "--step", "10");
    assert_code(&s, 0);
    assert_contains(s.out, "run  step 10;");
    forget(&s);
    s = assay("inspect", "run", "--step", "12");
    assert_code(&s, 2);
    assert_contains(s.err,
        "step 12 was not probed: there are 4 probes from step 5 to 20, the nearest at step 10");
    forget(&s);
}

static void test_tensor__has_slots_and_histograms(void **state)
{
    (void)state;
    said s = assay("inspect", "run", "--tensor", "dense2.weight");
    assert_code(&s, 0);
    assert_contains(s.out, "  m norm ");
    assert_contains(s.out, "  m cosine ");
    assert_contains(s.out, "magnitudes");
    assert_contains(s.out, "2^-32");
    assert_contains(s.out, "\n  update     ");
    assert_null(strstr(s.out, "dense1"));
    forget(&s);
}

static void test_slot__is_a_table_of_its_own(void **state)
{
    (void)state;
    said s = assay("inspect", "run", "--slot", "m");
    assert_code(&s, 0);
    assert_contains(s.out, "of m with the gradient");
    assert_contains(s.out, "dense1.bias");
    assert_contains(s.out, "dense2.weight");
    forget(&s);
    s = assay("inspect", "run", "--slot", "m", "--tensor", "dense1.bias");
    assert_code(&s, 0);
    assert_contains(s.out, "dense1.bias");
    assert_null(strstr(s.out, "dense2.weight"));
    forget(&s);
}

static void test_json__has_every_probe(void **state)
{
    (void)state;
    said s = assay("inspect", "run", "--json", "--step", "15");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"step\": 15, \"steps\": [5, 10, 15, 20]");
    char *line = probe_line(15);
    assert_true(number_after(s.out, "\"update_norm\", \"of\": \"dense1.bias\"", "\"value\": ") ==
        number_after(line, "\"update_norm/dense1.bias\"", ": "));
    assert_true(number_after(s.out, "\"noise_trace\"", "\"value\": ") ==
        number_after(line, "\"noise_trace\"", ": "));
    free(line);
    assert_contains(s.out, "\"bins\": [[");
    forget(&s);
    s = assay("inspect", "run", "--json", "--slot", "v", "--tensor", "dense1.bias");
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"quantity\": \"slot_norm\", \"slot\": \"v\", \"of\": \"dense1.bias\"");
    assert_null(strstr(s.out, "weight_norm"));
    assert_null(strstr(s.out, "dense2"));
    forget(&s);
}

static void test_output__is_plain_where_the_locale_is(void **state)
{
    (void)state;
    setenv("LC_ALL", "C", 1);
    said s = assay("inspect", "run", "--tensor", "dense1.weight");
    unsetenv("LC_ALL");
    assert_code(&s, 0);
    for (const char *c = s.out; *c; c++) {
        assert_true((unsigned char)*c < 0x80);
    }
    forget(&s);
}

/* The network is so small that all of it is looked at; one with a matrix of 4096 is not. */
static void test_share__is_told_where_norms_are_estimates(void **state)
{
    (void)state;
    said s = assay("inspect", "run");
    assert_code(&s, 0);
    assert_null(strstr(s.out, "estimates"));
    forget(&s);
    s = assay("train", "iris.cfg", "-q", "--output", "wide", "model[0].units=1024",
        "train.probe.share=0.25");
    assert_code(&s, 0);
    forget(&s);
    s = assay("inspect", "wide");
    assert_code(&s, 0);
    assert_contains(s.out,
        "estimates: norms, cosines and histograms are over 1/4 of the elements of each large");
    forget(&s);
    s = assay("inspect", "wide", "--json", "--tensor", "dense1.weight");
    assert_code(&s, 0);
    assert_contains(s.out, "\"quantity\": \"share\", \"value\": 0.25");
    forget(&s);
}

static void expect_refusal(said s, int code, const char *message)
{
    assert_code(&s, code);
    assert_string_equal(s.out, "");
    assert_contains(s.err, message);
    forget(&s);
}

static void test_mistakes__are_answered_with_what_there_is(void **state)
{
    (void)state;
    expect_refusal(assay("inspect", "nope"), 2, "nope: not the folder of a run");
    expect_refusal(assay("inspect", "."), 2, "there is no metrics.jsonl in it");
    expect_refusal(
        assay("inspect", "plain"), 2, "holds no probes; train with train.probe = { every = 50; }");
    expect_refusal(assay("inspect", "run", "--tensor", "dense1.weigt"), 2,
        "there is no tensor \"dense1.weigt\": did you mean \"dense1.weight\"?");
    expect_refusal(assay("inspect", "run", "--slot", "momentum"), 2,
        "there is no slot of a tensor's shape \"momentum\"; there are m, v");
    expect_refusal(
        assay("inspect", "run", "--step", "x"), 2, "--step: expected a number of a step");
    expect_refusal(
        assay("inspect", "run", "--step", "-3"), 2, "--step: expected a number of a step");
}

static void test_damage__is_named_with_its_line(void **state)
{
    (void)state;
    said made = run_program((char *[]){ "/bin/sh", "-c",
        "mkdir cut broken; head -c -1 run/metrics.jsonl > cut/metrics.jsonl;"
        "grep -n '\"probe\"' run/metrics.jsonl | head -1 | cut -d: -f1 > line;"
        "sed 's/\"weight_norm[^,]*/\"weight_norm\\/x\": oops/' run/metrics.jsonl > "
        "broken/metrics.jsonl;"
        "printf '{\"record\": \"probe\", \"step\": 99, \"val' >> cut/metrics.jsonl",
        NULL });
    assert_code(&made, 0);
    forget(&made);
    said s = assay("inspect", "cut"); /* a run that is under way */
    assert_code(&s, 0);
    assert_contains(s.out, "step 20");
    forget(&s);
    char *line = slurp("line"), message[64];
    snprintf(
        message, sizeof message, "broken/metrics.jsonl:%ld: line byte ", strtol(line, NULL, 10));
    expect_refusal(assay("inspect", "broken"), 1, message);
    expect_refusal(assay("inspect", "broken"), 1, "got \"o\", expected a digit");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table__shows_the_last_probe),
        cmocka_unit_test(test_step__is_found_or_the_nearest_named),
        cmocka_unit_test(test_tensor__has_slots_and_histograms),
        cmocka_unit_test(test_slot__is_a_table_of_its_own),
        cmocka_unit_test(test_json__has_every_probe),
        cmocka_unit_test(test_share__is_told_where_norms_are_estimates),
        cmocka_unit_test(test_output__is_plain_where_the_locale_is),
        cmocka_unit_test(test_mistakes__are_answered_with_what_there_is),
        cmocka_unit_test(test_damage__is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
