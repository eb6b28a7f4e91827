/* assay replay, assay diff and --trace-nan: a step shown again, the place where two runs part, the place where a NaN came from; and
 * the folders stay as they were. */
#include "core/cli/process.h"

static const char config_text[] =
    "name = \"iris\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" CONFIGS "data/iris.csv\"; target = "
    "\"species\"; standardize = true; split = { validation = 0.2; test = 0.3; }; "
    "batch_size = 16; };\n"
    "model = ( { type = \"dense\"; units = 9; }, { type = \"tanh\"; }, { type = "
    "\"dense\"; units = 3; } );\n"
    "loss = \"softmax_xent\";\n"
    "optimizer = { type = \"sgd\"; lr = 0.1; momentum = 0.9; };\n"
    "schedule = { type = \"multistep\"; milestones = ( 40 ); every = \"step\"; gamma = 0.5; };\n"
    "train = { epochs = 12; checkpoint = { every = 7; unit = \"step\"; keep = 4; }; };\n";

/* Every file of every run, so that a change of one shows. */
static char *folders(void)
{
    assert_int_equal(system("find one two -type f | LC_ALL=C sort | xargs cksum > folders.txt"), 0);
    return slurp("folders.txt");
}

static int set_up(void **state)
{
    int failed = enter_scratch(state);
    if (!failed) {
        spill("iris.cfg", config_text);
        said s = assay("train", "iris.cfg", "-q", "--output", "one");
        said t = assay("train", "iris.cfg", "-q", "--output", "two", "schedule.milestones=(50)");
        failed = s.code || t.code;
        forget(&s);
        forget(&t);
    }
    return failed;
}

static void test_replay__shows_what_the_checkpoint_of_that_step_has(void **state)
{
    (void)state;
    char *before = folders();
    said s = assay("replay", "one", "--step", "49", "--watch", "dense1.*", "--npy", "values");
    assert_code(&s, 0);
    assert_contains(s.err, "step 49, gone through again from the checkpoint of step 42");
    assert_contains(s.err, "the same bits as the run's checkpoint of that step");
    assert_contains(s.out, "gradient/dense1.weight");
    assert_contains(s.out, "4 x 9");
    assert_contains(s.out, "optimizer/0/dense1.bias/");
    assert_null(strstr(s.out, "dense2"));
    struct stat about;
    assert_int_equal(stat("values/gradient.dense1.weight.npy", &about), 0);
    assert_int_equal(about.st_size, 128 + 4 * 9 * 4);
    forget(&s);
    char *after = folders();
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_replay__gives_json_from_the_start_where_no_checkpoint_is_old_enough(void **state)
{
    (void)state;
    said s = assay("replay", "one", "-s", "3", "-w", "dense2.bias", "-w", "dense1.bias", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"from\": 0");
    assert_contains(s.out, "\"same_as_checkpoint\": null");
    assert_contains(s.out, "\"schedule\": {\"lr\": 0.1}");
    assert_contains(s.out, "\"name\": \"weights/dense2.bias\", \"shape\": [3]");
    assert_contains(s.out, "\"name\": \"gradient/dense1.bias\", \"shape\": [9]");
    forget(&s);
    s = assay("replay", "one", "--step", "49", "--json", "-q");
    assert_code(&s, 0);
    assert_contains(s.out, "\"from\": 42");
    assert_contains(s.out, "\"same_as_checkpoint\": true");
    assert_contains(s.out, "\"schedule\": {\"lr\": 0.05}");
    forget(&s);
}

static void expect_refusal(said s, const char *words)
{
    assert_code(&s, 2);
    assert_contains(s.err, words);
    forget(&s);
}

static void test_replay__refuses_what_makes_no_sense(void **state)
{
    (void)state;
    expect_refusal(assay("replay", "one"), "which step?");
    expect_refusal(assay("replay", "one", "--step", "x"), "expected a number of updates");
    expect_refusal(assay("replay", "one", "--step", "-3"), "expected a number of updates");
    expect_refusal(
        assay("replay", "one", "--step", "5", "-w", "dens1.bias"), "did you mean \"dense1.bias\"?");
    expect_refusal(assay("replay", "one", "--step", "99999"), "the run ends before step 99999");
    expect_refusal(assay("replay", "iris.cfg", "--step", "1"), "not the folder of a run");
    expect_refusal(assay("diff", "one", "iris.cfg"), "not the folder of a run");
    expect_refusal(assay("diff", "one"), "something is missing");
}

static void test_diff__finds_the_step_of_the_other_milestone(void **state)
{
    (void)state;
    char *before = folders();
    said s = assay("diff", "one", "two");
    assert_code(&s, 1);
    assert_contains(s.out, "schedule.milestones[0]: 40 | 50");
    assert_contains(s.out, "the runs part at step 41 in weights/dense1.weight, element 0 of 36");
    assert_contains(s.out, "ulp apart");
    forget(&s);
    s = assay("diff", "one", "two", "--json");
    assert_code(&s, 1);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"gone_through_again\": true");
    assert_contains(s.out, "\"step\": 41, \"array\": \"weights/dense1.weight\", \"element\": 0");
    forget(&s);
    char *after = folders();
    assert_string_equal(before, after);
    free(before);
    free(after);
}

/* 0.1 and the next float: what the optimizer computes with is one ulp off. */
static void test_diff__finds_a_rate_that_is_one_ulp_off(void **state)
{
    (void)state;
    said s =
        assay("train", "iris.cfg", "-q", "--output", "ulp", "optimizer.lr=0.10000000894069672");
    assert_code(&s, 0);
    forget(&s);
    s = assay("diff", "one", "ulp", "--json");
    assert_code(&s, 1);
    assert_contains(s.out, "\"key\": \"optimizer.lr\", \"first\": \"0.1\"");
    assert_contains(s.out, "\"step\": 1, \"array\": \"weights/");
    forget(&s);
}

static void test_diff__of_checkpoints_alone_is_as_fine_as_they_are(void **state)
{
    (void)state;
    said s = assay("diff", "one", "two", "--checkpoints");
    assert_code(&s, 1);
    assert_contains(s.out, "the checkpoints differ first at step 42 in weights/dense1.bias");
    forget(&s);
}

static void test_diff__finds_nothing_between_a_run_and_itself(void **state)
{
    (void)state;
    said s = assay("diff", "one", "one", "--threads", "2");
    assert_code(&s, 0);
    assert_contains(s.out, "config       the same");
    assert_contains(s.out, "records      the same");
    assert_contains(s.out, "the same to the bit up to step 60");
    forget(&s);
}

/* A row of a table that is finite, and far too large. */
static void spill_table(void)
{
    FILE *f = fopen("huge.csv", "w");
    assert_non_null(f);
    assert_true(fputs("a,b,y\n", f) >= 0);
    for (int i = 0; i < 40; i++) {
        assert_true(
            fprintf(f, "%g,%g,%g\n", i == 23 ? 2.5e38 : 0.1 * i, 0.3 - 0.01 * i, 0.2 * i) > 0);
    }
    assert_int_equal(fclose(f), 0);
}

static const char huge_text[] =
    "name = \"huge\"; data = { type = \"csv\"; file = \"huge.csv\"; target = \"y\"; batch_size = 4;"
    " shuffle = false; split = { method = \"time\"; validation = 8; test = 0; }; };\n"
    "model = ( { type = \"dense\"; units = 3; }, { type = \"dense\"; units = 1; } ); loss = "
    "\"mse\";\n"
    "optimizer = { type = \"sgd\"; lr = 0.01; };\n"
    "train = { epochs = 2; checkpoint = { every = 2; unit = \"step\"; }; };\n";

static void test_trace_nan__names_the_row_of_the_table(void **state)
{
    (void)state;
    spill_table();
    spill("huge.cfg", huge_text);
    said s = assay("train", "huge.cfg", "-q", "--output", "huge");
    assert_code(&s, 1);
    forget(&s);
    s = assay("replay", "huge", "--trace-nan");
    assert_code(&s, 0);
    assert_contains(s.err, "gone through again from the checkpoint of step 5");
    assert_contains(s.out, "step 6: ");
    assert_contains(s.out, "sample 23 of the data (3 in the batch)");
    assert_contains(s.out, "whose features reach 2.5e+38 in size");
    forget(&s);
    s = assay("replay", "huge", "--trace-nan", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"found\": true, \"step\": 6");
    assert_contains(s.out, "sample\": 23");
    forget(&s);
    s = assay("train", "huge.cfg", "-q", "--output", "traced", "--trace-nan");
    assert_code(&s, 1);
    forget(&s);
    char *log = slurp("traced/metrics.jsonl");
    assert_contains(log, "sample 23 of the data");
    free(log);
}

static void test_trace_nan__of_a_sound_run_says_so(void **state)
{
    (void)state;
    said s = assay("replay", "one", "--trace-nan");
    assert_code(&s, 0);
    assert_contains(s.out, "everything is finite up to step 60");
    forget(&s);
    s = assay("replay", "one", "--trace-nan", "--step", "44");
    assert_code(&s, 0);
    assert_contains(s.err, "from the checkpoint of step 42 to step 44");
    assert_contains(s.out, "everything is finite up to step 44");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay__shows_what_the_checkpoint_of_that_step_has),
        cmocka_unit_test(test_replay__gives_json_from_the_start_where_no_checkpoint_is_old_enough),
        cmocka_unit_test(test_replay__refuses_what_makes_no_sense),
        cmocka_unit_test(test_diff__finds_the_step_of_the_other_milestone),
        cmocka_unit_test(test_diff__finds_a_rate_that_is_one_ulp_off),
        cmocka_unit_test(test_diff__of_checkpoints_alone_is_as_fine_as_they_are),
        cmocka_unit_test(test_diff__finds_nothing_between_a_run_and_itself),
        cmocka_unit_test(test_trace_nan__names_the_row_of_the_table),
        cmocka_unit_test(test_trace_nan__of_a_sound_run_says_so),
    };
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
