/* Studies that compare optimizers on a small data set: what the tables say and do not say. */
#include "study_scene.h"

#include <sqlite3.h>

static const char iris_text[] =
    "name = \"iris\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/iris.csv\";\n"
    "    target = \"species\"; standardize = true; batch_size = 16;\n"
    "    split = { seed = 0; validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 7; }, { type = \"relu\"; },\n"
    "    { type = \"dense\"; units = 3; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
    "optimizer = { type = \"sgd\"; lr = 0.1; };\n"
    "train = { epochs = 4; };\n";

static const char contest_text[] =
    "study = {\n"
    "    compare = \"optimizers\"; control = \"sgd\";\n"
    "    workloads = ( { name = \"iris\"; config = \"iris.cfg\"; } );\n"
    "    contenders = (\n"
    "        { name = \"sgd\"; set = ( \"optimizer.type=sgd\" ); search = "
    "\"optimizer.lr=1e-2..1:log\"; },\n"
    "        { name = \"adam\"; set = ( \"optimizer.type=adam\" ); search = "
    "\"optimizer.lr=1e-3..1e-1:log\"; } );\n"
    "    metric = \"validation.loss\"; judged = \"test.loss\"; strategy = \"random\";\n"
    "    budget = { trials = 3; }; repeats = 2; evaluations = 2; seed = 1;\n"
    "    sandbox = { level = \"strict\"; fallback = \"process\"; };\n"
    "};\n";

static void contest(scene *s)
{
    scene_init(s);
    scene_write(s, "iris.cfg", iris_text);
    scene_write(s, "contest.cfg", contest_text);
}

static void test_compare__ranks_and_infers_on_tunings(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg");
    scene_expect(&s, 0);
    has(s.out.s, "2 optimizers on 1 workload: 2 tunings of at most 3 trials each, 2 evaluations");
    has(s.out.s, "test.loss (smaller is better), last weights");
    has(s.out.s, "20 ended\n");
    has(s.out.s, "sgd (control)");
    has(s.out.s, "sd seeds");
    has(s.out.s, "sd tunings");
    has(s.out.s, "minus sgd");
    has(s.out.s, "95 %");
    has(s.out.s,
        "  a contender's test.loss minus that of sgd, of means of each tuning's runs, by "
        "Student's t\n  with 1 degree of freedom; correlation");
    has(s.out.s, "0/4");
    has(s.out.s, "optimizer.lr=");
    has_not(s.out.s, "configuration A");
    has_not(s.out.s, "optimistic");
    has_not(s.out.s, "nan");
    scene_run(&s, "study", "show", "contest", "--json");
    scene_expect(&s, 0);
    has(s.out.s, "\"infers_on\": \"means of repeats\"");
    has(s.out.s, "\"compares\": \"tuned\", \"repeats\": 2, \"paired_runs\": 4");
    scene_write(&s, "all.json", s.out.s);
    scene_shell(
        &s, "command -v python3 > /dev/null || exit 0; python3 -m json.tool all.json > /dev/null");
    scene_run(&s, "study", "show", "contest", "--csv");
    scene_expect(&s, 0);
    has(s.out.s, "study,workload,contender,repeat,phase,evaluation,trial,seed,state,");
    has(s.out.s, "test.loss");
    has(s.out.s, "test.accuracy");
    scene_write(&s, "all.csv", s.out.s);
    scene_shell(&s,
        "test $(wc -l < all.csv) = 9; test $(grep -c '^contest,iris,adam,1,evaluation,' all.csv) = "
        "2");
    scene_run(&s, "study", "check", "contest");
    scene_expect(&s, 0);
    scene_release(&s);
}

/* Until everything has ended: who may stop when he likes what he sees has made no test. */
static void test_compare__has_no_verdict_before_its_end(void **state)
{
    scene s;
    sqlite3 *db;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg", "study.seed=2", "-q");
    scene_expect(&s, 0);
    has_not(s.out.s, "not yet");
    has_not(s.out.s, "no verdict");
    assert_int_equal(sqlite3_open(scene_path(&s, "studies/contest.study"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE trial SET state = 0 WHERE number = 19", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    scene_run(&s, "study", "show", "contest");
    scene_expect(&s, 0);
    has(s.out.s, "  not yet\n");
    has(s.out.s, "  no verdict before all tunings have ended: a look in between is no test\n");
    has_not(s.out.s, "better\n");
    has_not(s.out.s, "worse\n");
    has_not(s.out.s, "undecided");
    scene_release(&s);
}

static void test_compare__of_one_tuning_says_what_is_compared(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg", "study.repeats=1");
    scene_expect(&s, 0);
    has(s.out.s, "this compares configuration A with configuration B, not optimizers");
    has(s.out.s, "study.repeats=3 or more and --name contest-2\n");
    has(s.out.s, "1 tuning of at most 3 trials, 2 evaluations");
    has_not(s.out.s, "95 %");
    has_not(s.out.s, "  better");
    has_not(s.out.s, "undecided");
    scene_run(&s, "study", "show", "--json");
    has(s.out.s, "\"compares\": \"configurations\"");
    has(s.out.s, "\"low\": null");
    scene_run(&s, "study", "check", "contest");
    scene_expect(&s, 0);
    has(s.out.s, "warning: ");
    has_not(s.out.s, "contest:");
    scene_run(&s, "study", "check", "contest.cfg", "study.repeats=1");
    scene_expect(&s, 0);
    has(s.out.s, "warning: contest.cfg:");
    scene_release(&s);
}

static void test_compare__without_evaluations_says_that_tuning_is_optimistic(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg", "study.evaluations=0");
    scene_expect(&s, 0);
    has(s.out.s, "best tuned");
    has(s.out.s, "optimistic");
    has_not(s.out.s, "minus sgd");
    scene_release(&s);
}

/* Names no optimizer that could be loaded for one contender: it comes last, with the reason. */
static void test_compare__a_contender_that_never_works_comes_last(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg",
        "study.contenders[1].search=\"optimizer.lr=1e30..1e31:log\"");
    scene_expect(&s, 0);
    has(s.out.s, "adam: no evaluation has ended: none of its 6 trials of tuning has a value");
    has(s.out.s, "diverged");
    has(s.err.s, "(further ones are counted)\n");
    has_not(s.out.s, "-nan");
    scene_release(&s);
}

static void test_dry_run__adds_up_the_samples(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg", "--dry-run");
    scene_expect(&s, 0);
    has(s.out.s, "sgd, tuning 2");
    /* 90 rows of 150 are for training; 4 epochs of them. */
    has(s.out.s, "iris      sgd                    6            4           360    3.6k");
    has(s.out.s, "in all at most 20 trials, 7.2k samples forward and backward");
    has_not(s.out.s, "-v shows all");
    scene_run(&s, "study", "run", "contest.cfg", "--dry-run", "study.repeats=9", "--trials", "5");
    scene_expect(&s, 0);
    has(s.out.s, "sgd, tuning 1");
    has_not(s.out.s, "sgd, tuning 2");
    has(s.out.s, "the first of 9 tunings; -v shows all");
    has(s.out.s, "iris      sgd                   45 ");
    scene_run(&s, "study", "run", "contest.cfg", "--dry-run", "study.repeats=9", "-v");
    scene_expect(&s, 0);
    has(s.out.s, "sgd, tuning 9");
    assert_false(scene_has(&s, "studies"));
    scene_release(&s);
}

/* A search over the file of a run: what it prints trains the best one, with the loss that the study saw. */
static void test_sweep__ends_in_the_command_that_trains_the_best(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "iris.cfg", "--sweep",
        "optimizer.lr=1e-2..1:log optimizer.type=sgd,adam", "+study.budget.trials=4",
        "+study.value=\"last\"", "+study.sandbox.fallback=\"process\"");
    scene_expect(&s, 0);
    has(s.out.s, TEST_BUILD_DIR "/assay train iris.cfg"); /* as the program was called */
    scene_write(&s, "shown", s.out.s);
    scene_shell(&s,
        "set -e; line=$(grep -o 'assay train iris.cfg .*' shown | cut -d' ' -f2-); "
        "best=$(awk '$1 == \"best\" { print $2 }' shown); "
        "\"$BUILD/assay\" $line -q --json --output run > trained.json; "
        "awk -v best=$best '{ i = index($0, \"\\\"validation\\\": {\\\"loss\\\": \"); "
        "v = substr($0, i + 24) + 0; exit !(v - best < 1e-4 && best - v < 1e-4) }' trained.json");
    scene_release(&s);
}

/* What is wrong in a config can be mended: nothing was declared by it. */
static void test_run__that_cannot_begin_leaves_nothing(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "iris.cfg", "--sweep", "optimizer.lrr=0.1..1",
        "study.sandbox.fallback=process");
    scene_expect(&s, 2);
    has(s.err.s, "unknown hyperparameter \"lrr\": did you mean \"lr\"?");
    has_not(s.err.s, "phase");
    assert_false(scene_has(&s, "studies/iris.study"));
    scene_run(&s, "study", "run", "iris.cfg", "--sweep", "optimizer.lr=0.1..1", "--trials", "2",
        "study.sandbox.fallback=process");
    scene_expect(&s, 0);
    has(s.out.s, "2 ended");
    scene_release(&s);
}

static void test_debug__gives_the_same_numbers_in_one_process(void **state)
{
    scene s;
    (void)state;
    contest(&s);
    scene_run(&s, "study", "run", "contest.cfg", "-q", "--name", "a");
    scene_expect(&s, 0);
    scene_run(&s, "study", "run", "contest.cfg", "-q", "--name", "b", "--debug");
    scene_expect(&s, 0);
    scene_shell(&s,
        "for n in a b; do \"$BUILD/assay\" study show $n --csv --trials | cut -d, -f2-6,8-9,12 | "
        "sort > $n.rows; done; cmp a.rows b.rows");
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare__ranks_and_infers_on_tunings),
        cmocka_unit_test(test_compare__has_no_verdict_before_its_end),
        cmocka_unit_test(test_compare__of_one_tuning_says_what_is_compared),
        cmocka_unit_test(test_compare__without_evaluations_says_that_tuning_is_optimistic),
        cmocka_unit_test(test_compare__a_contender_that_never_works_comes_last),
        cmocka_unit_test(test_dry_run__adds_up_the_samples),
        cmocka_unit_test(test_sweep__ends_in_the_command_that_trains_the_best),
        cmocka_unit_test(test_run__that_cannot_begin_leaves_nothing),
        cmocka_unit_test(test_debug__gives_the_same_numbers_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
