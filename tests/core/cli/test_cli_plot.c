/* assay plot: pictures and lines of what runs recorded, and what is no run. */
#include "core/cli/process.h"

/* A run's folder with that table; the second check is its best. */
static void make_run(const char *folder, const char *table)
{
    char path[256];
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/metrics.csv", folder);
    spill(path, table);
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder);
    spill(path,
        "{\"record\": \"evaluation\", \"step\": 40, \"epoch\": 1.0, \"split\": \"validation\", "
        "\"best\": true}\n"
        "{\"record\": \"evaluation\", \"step\": 80, \"epoch\": 2.0, \"split\": \"validation\", "
        "\"best\": true}\n"
        "{\"record\": \"evaluation\", \"step\": 120, \"epoch\": 3.0, \"split\": \"validation\", "
        "\"best\": false}\n");
}

static const char usual[] =
    "step,epoch,wall_s,training.loss,lr,validation.loss,validation.accuracy\n"
    "20,0.5,0.1,1.731,0.01,,\n"
    "40,1.0,0.2,0.9731,0.01,0.8385,0.731\n"
    "80,2.0,0.3,0.5517,0.01,0.4731,0.831\n"
    "120,3.0,0.4,0.2385,0.01,0.5173,0.852\n";

static size_t count_of(const char *in, const char *what)
{
    size_t n = 0;
    while ((in = strstr(in, what)) != NULL) {
        in += strlen(what);
        n++;
    }
    return n;
}

static bool is_xml(const char *path)
{
    char command[512];
    snprintf(command, sizeof command,
        "command -v python3 > /dev/null || exit 0; python3 -c "
        "'import sys, xml.dom.minidom as d; d.parse(sys.argv[1])' '%s'",
        path);
    return system(command) == 0;
}

static void test_one_run__is_drawn_in_its_folder(void **state)
{
    (void)state;
    make_run("first", usual);
    said s = assay("plot", "first/");
    assert_code(&s, 0);
    assert_contains(s.out, "training.loss    #");
    assert_contains(s.out, "1.731 to 0.2385");
    assert_contains(s.out, "0.8385 to 0.5173, best 0.4731 at step 80");
    assert_contains(s.err, "first/curves.svg");
    char *svg = slurp("first/curves.svg");
    assert_true(is_xml("first/curves.svg"));
    assert_contains(svg, ">first: loss<");
    assert_contains(svg, ">training.loss<");
    assert_contains(svg, ">validation.loss<");
    assert_contains(svg, ">best: 0.4731 at step 80<");
    assert_int_equal(count_of(svg, "<circle"), 1);
    assert_int_equal(count_of(svg, "M"), 2); /* an empty cell is no gap */
    free(svg);
    forget(&s);
}

static void test_several_runs__share_a_picture(void **state)
{
    (void)state;
    make_run("first", usual);
    make_run("sec & <ond>", usual);
    assert_int_equal(mkdir("deeper", 0700), 0);
    make_run("deeper/first", usual);
    said s = assay("plot", "first", "sec & <ond>", "deeper/first");
    assert_code(&s, 0);
    char *svg = slurp("curves.svg");
    assert_true(is_xml("curves.svg"));
    assert_contains(svg, ">validation.loss of 3 runs<");
    assert_contains(svg, ">sec &amp; &lt;ond&gt;<");
    assert_contains(svg, ">deeper/first<"); /* two are called first */
    assert_int_equal(count_of(svg, "<circle"), 3);
    assert_int_equal(count_of(svg, "<path"), 6);
    assert_int_equal(count_of(svg, "class=\"legend\""), 3);
    free(svg);
    forget(&s);
}

static void test_another_metric__is_drawn_where_it_was_asked_for(void **state)
{
    (void)state;
    make_run("first", usual);
    said s = assay("plot", "first", "--metric", "accuracy", "--output", "here.svg", "-q");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    assert_contains(s.out, "0.731 to 0.852");
    assert_int_equal(access("here.svg", F_OK), 0);
    assert_int_not_equal(access("first/curves.svg", F_OK), 0);
    forget(&s);
    s = assay("plot", "first", "--metric", "validation.accuracy", "--scale", "log");
    assert_code(&s, 0);
    forget(&s);
}

static void test_a_run_of_now__is_drawn(void **state)
{
    (void)state;
    said s = assay("train", CONFIGS "digits.cfg", "train.epochs=3", "-o", "now", "-q");
    assert_code(&s, 0);
    forget(&s);
    s = assay("plot", "now");
    assert_code(&s, 0);
    assert_contains(s.out, ", best ");
    assert_true(is_xml("now/curves.svg"));
    forget(&s);
    s = assay(
        "train", "--resume", "now", "train.epochs=4", "-q"); /* the picture is not in the way */
    assert_code(&s, 0);
    forget(&s);
}

static void test_a_torn_or_diverged_table__is_drawn_as_far_as_it_goes(void **state)
{
    (void)state;
    make_run("torn",
        "step,epoch,wall_s,training.loss,validation.loss\n"
        "40,1.0,0.2,0.9731,0.8385\n80,2.0,0.3,nan,nan\n120,3.0,0.4,0.2385,0.3\n160,4.0,0.");
    said s = assay("plot", "torn");
    assert_code(&s, 0);
    assert_true(is_xml("torn/curves.svg"));
    char *svg = slurp("torn/curves.svg");
    assert_null(strstr(svg, "=\"nan"));
    free(svg);
    forget(&s);
}

static void expect_mistake(said s, int code, const char *message)
{
    assert_code(&s, code);
    assert_string_equal(s.out, "");
    assert_contains(s.err, message);
    forget(&s);
}

static void test_mistakes__are_named(void **state)
{
    (void)state;
    make_run("first", usual);
    make_run("empty", "step,epoch,wall_s,training.loss,validation.loss\n");
    make_run("lost", "step,epoch,wall_s,training.loss,validation.loss\n40,1.0,0.2,nan,nan\n");
    expect_mistake(assay("plot"), 2, "plot: something is missing");
    expect_mistake(assay("plot", "nope"), 2, "nope: not the folder of a run");
    expect_mistake(assay("plot", "."), 2, "there is no metrics.csv in it");
    expect_mistake(assay("plot", "empty"), 2, "empty: nothing was recorded yet");
    expect_mistake(assay("plot", "lost"), 2, "there is no number to draw");
    expect_mistake(assay("plot", "first", "--metric", "acuracy"), 2, "did you mean \"accuracy\"?");
    expect_mistake(assay("plot", "first", "--metric", "zzz"), 2, "expected one of: loss, accuracy");
    expect_mistake(assay("plot", "first", "--scale", "odd"), 2, "expected one of auto|linear|log");
    expect_mistake(assay("plot", "first", "-o", "no/such/folder.svg"), 1, "no/such");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_one_run__is_drawn_in_its_folder, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_several_runs__share_a_picture, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_another_metric__is_drawn_where_it_was_asked_for, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(test_a_run_of_now__is_drawn, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(test_a_torn_or_diverged_table__is_drawn_as_far_as_it_goes,
            enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(test_mistakes__are_named, enter_scratch, leave_scratch),
    };
    setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
