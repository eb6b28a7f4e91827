/* assay plugin check, from outside: what it says of plugins that do wrong, each in one way, and of those that do not. */
#include "core/cli/process.h"

#define FAULTY(name) TEST_BUILD_DIR "/tests/faulty_plugins/" name ".so"
#define LIMIT "--time-limit", "60"

/* -- Faults -- */

typedef struct fault {
    const char *plugin, *test;
    int code;
    const char *says[4];
} fault;

static const fault faults[] = {
    { "exits", "defaults", 1, { "EXIT", "ended the process with exit code 3 in create" } },
    { "aborts", "defaults", 1, { "CRASH", "crashed in validate: SIGABRT" } },
    { "crashes", "defaults", 1,
        { "crashed in validate: SIGSEGV (it read or wrote through a NULL pointer) gdb" } },
    { "crashes_loading", "loads", 1, { "CRASH", "crashed in begin: SIGSEGV" } },
    { "prints", "defaults", 0, { "warn", "it prints to standard output", "here I am" } },
    { "prints", "keeps_hypers", 0,
        { "here I am here I am here I am here I am here I am ... and " } },
    { "leaves_file", "creates_quietly", 1, { "(/dev/zero) was left open" } },
    { "meddles", "creates_quietly", 1,
        { "the floating-point mode was changed", "the working directory was changed to /",
            "the environment's variable MEDDLED was added", "threads instead of" } },
    { "takes_signals", "loads_quietly", 1,
        { "the handler of signal 2 (Interrupt) was changed", "loading changes nothing" } },
    { "exports_weak", "exports", 0, { "warn", "it exports weak symbols: helper" } },
    { "executable_stack", "segments", 1, { "it asks for an executable stack" } },
    { "counts", "no_variables", 0,
        { "warn", "it has 808 bytes of variables", "past (800 bytes), n_instances (8 bytes)" } },
    { "compiler_made", "no_variables", 0, { "ok no_variables" } },
    { "writes_hypers", "keeps_hypers", 1, { "has changed the hyperparameter \"lr\"" } },
    { "forgets_nomem", "out_of_memory", 1, { "request 1 for memory gave NULL" } },
    { "describes_anew", "describes_twice", 1, { "another default of \"lr\" when called again" } },
    { "odd_texts", "texts", 1, { "the doc of beta is not valid UTF-8" } },
    { "odd_texts", "hypers", 1, { "\"beta\": an end of its search range [0.5, 1]" } },
};

/* Line breaks are the terminal's: words are compared as they follow each other. */
static void unbroken(char *s)
{
    size_t n = 0;
    for (const char *c = s; *c; c++) {
        const bool is_space = *c == ' ' || *c == '\n';
        if (is_space && n > 0 && s[n - 1] == ' ') continue;
        s[n++] = is_space ? ' ' : *c;
    }
    s[n] = '\0';
}

static said check_fault(const char *plugin, const char *test)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/faulty_plugins/%s.so", TEST_BUILD_DIR, plugin);
    char name[64];
    snprintf(name, sizeof name, "%s", test);
    said s = assay("plugin", "check", path, "--test", name, LIMIT);
    unbroken(s.out);
    return s;
}

static void test_faults__are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const fault *f = &faults[i];
        said s = check_fault(f->plugin, f->test);
        if (s.code != f->code) fail_msg("%s: code %d: %s%s", f->plugin, s.code, s.out, s.err);
        for (size_t k = 0; k < 4 && f->says[k]; k++) {
            if (!strstr(s.out, f->says[k])) {
                fail_msg("%s: \"%s\" is not in: %s", f->plugin, f->says[k], s.out);
            }
        }
        forget(&s);
    }
}

static void test_openmp__is_not_needed(void **state)
{
    (void)state;
    if (access(FAULTY("needs_openmp"), R_OK) != 0) {
        print_message("libgomp was not found\n");
        skip();
    }
    said s = check_fault("needs_openmp", "needs");
    assert_code(&s, 1);
    assert_contains(s.out, "it needs libgomp.so.1, which has threads of its own");
    forget(&s);
}

static void test_hang__ends_at_the_limit(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("hangs"), "--test", "defaults", "--time-limit", "0.5");
    unbroken(s.out);
    assert_code(&s, 1);
    assert_contains(s.out, "HANG defaults");
    assert_contains(s.out, "still running in validate after 0.5 s");
    forget(&s);
}

static void test_hang__leaves_the_others_less_time_and_then_none(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("hangs"), "--time-limit", "1.5");
    unbroken(s.out);
    assert_code(&s, 1);
    const char *first = strstr(s.out, "still running in validate after 1.5 s");
    assert_non_null(first);
    assert_null(strstr(first + 1, "still running"));
    assert_contains(s.out, " that hung, the other ");
    assert_contains(s.out, " not run in ");
    forget(&s);
}

/* A test that ended is told while another one runs. */
static void test_lines__are_written_as_tests_end(void **state)
{
    (void)state;
    char *const argv[] = { (char[]){ PROGRAM }, "plugin", "check", (char[]){ FAULTY("hangs") },
        "--test", "loads", "--test", "defaults", "--time-limit", "5", NULL };
    const pid_t pid = start(argv);
    const struct timespec a_while = { 0, 20000000 };
    bool is_told = false;
    int how;
    while (!is_told && waitpid(pid, &how, WNOHANG) == 0) {
        char *so_far = slurp("said.out");
        is_told = strstr(so_far, "ok    loads") && !strstr(so_far, "defaults");
        free(so_far);
        nanosleep(&a_while, NULL);
    }
    assert_true(is_told);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &how, 0), pid);
}

static void test_callbacks_of_an_update__are_named_too(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("elem_faults"), "--component", "optimizer:elem_aborts",
        "--test", "optimizer_finite", LIMIT);
    assert_code(&s, 1);
    assert_contains(s.out, "crashed in elem: SIGABRT");
    forget(&s);
    s = assay("plugin", "check", FAULTY("elem_faults"), "--component", "optimizer:elem_hangs",
        "--test", "optimizer_finite", "--time-limit", "1");
    assert_code(&s, 1);
    assert_contains(s.out, "still running in elem after 1 s");
    forget(&s);
}

static void test_crash__names_the_array_that_was_left(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("elem_faults"), "--component",
        "optimizer:elem_lacks_slot", "--test", "optimizer_finite", LIMIT);
    unbroken(s.out);
    assert_contains(s.out,
        "crashed in elem: SIGSEGV (it read or wrote through a NULL pointer; slot[i] is NULL where "
        "none is declared: it declares 1)");
    forget(&s);
    s = assay("plugin", "check", FAULTY("optimizers_elem"), "--component",
        "optimizer:writes_over_end", "--test", "optimizer_bounds", LIMIT);
    unbroken(s.out);
    assert_contains(s.out, "crashed in elem: SIGSEGV (it ");
    assert_contains(s.out, " just past the end of the weights of in.weight (140 bytes))");
    forget(&s);
}

static void test_crash_while_loading__spares_the_other_tests(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("crashes_loading"), LIMIT);
    assert_code(&s, 1);
    assert_contains(s.out, "\n1 failed, ");
    assert_contains(s.out, " not run in ");
    assert_null(strstr(s.out, "loads_quietly"));
    forget(&s);
}

static void test_failure__shows_how_to_repeat_it(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("aborts"), "--test", "defaults", "--seed", "7", LIMIT);
    assert_contains(s.out,
        "gdb --args " PROGRAM " plugin check " FAULTY(
            "aborts") " --component optimizer:aborts --test defaults --in-process --seed 7\n");
    forget(&s);
    s = assay("plugin", "check", FAULTY("aborts"), "--component", "optimizer:aborts", "--test",
        "defaults", "--in-process", "--seed", "7");
    assert_code(&s, 128 + SIGABRT); /* nothing is caught for the debugger's sake */
    forget(&s);
}

static void test_failure__is_told_once(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("aborts"), "--test", "defaults", "--test",
        "keeps_hypers", "--test", "creates_quietly", LIMIT);
    unbroken(s.out);
    assert_code(&s, 1);
    const char *first = strstr(s.out, "crashed in validate");
    assert_non_null(first);
    assert_null(strstr(first + 1, "crashed in validate"));
    assert_contains(s.out, "CRASH keeps_hypers as defaults CRASH creates_quietly as defaults ");
    assert_contains(s.out, " 3 failed in ");
    forget(&s);
}

static void test_one_cause__is_told_once_whatever_the_numbers(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("optimizers_elem"), "--component",
        "optimizer:writes_over_end", LIMIT);
    unbroken(s.out);
    const char *first = strstr(s.out, "crashed in elem");
    assert_non_null(first);
    assert_null(strstr(first + 1, "crashed in elem"));
    assert_contains(s.out, "CRASH optimizer_learns as optimizer_finite ");
    forget(&s);
    s = assay("plugin", "check", FAULTY("optimizers_elem"), "--component", "optimizer:takes_roots",
        "--test", "optimizer_finite", "--test", "optimizer_slots", "--test", "optimizer_hypers",
        LIMIT);
    unbroken(s.out);
    assert_contains(s.out, "FAIL optimizer_finite ");
    assert_null(strstr(s.out, "has no effect"));
    assert_null(strstr(s.out, "is a term missing"));
    forget(&s);
}

static void test_loading_and_tables__need_no_debugger(void **state)
{
    (void)state;
    said s = check_fault("describes_anew", "describes_twice");
    assert_code(&s, 1);
    assert_null(strstr(s.out, "gdb"));
    forget(&s);
    s = check_fault("odd_texts", "hypers");
    assert_code(&s, 1);
    assert_null(strstr(s.out, "gdb"));
    forget(&s);
    s = check_fault("crashes_loading", "loads");
    assert_contains(s.out, "gdb --args ");
    forget(&s);
}

static void test_refused_file__has_the_message_of_a_run(void **state)
{
    (void)state;
    char path[] = TEST_BUILD_DIR "/tests/bad_plugins/no_info.so";
    spill("x.cfg",
        "plugins = ( \"" TEST_BUILD_DIR "/tests/bad_plugins/no_info.so\" );\n"
        "data = { type = \"blobs\"; }; model = ( { type = \"dense\"; units = 3; } );\n"
        "loss = \"softmax_xent\"; optimizer = \"sgd\";\n");
    said run = assay("train", "x.cfg");
    said check = assay("plugin", "check", path);
    assert_code(&check, 1);
    const char *why = strstr(run.err, path);
    assert_non_null(why);
    assert_contains(check.err, why);
    forget(&run);
    forget(&check);
    said entry = assay("plugin", "check", TEST_BUILD_DIR "/tests/bad_plugins/slot_twice.so", LIMIT);
    unbroken(entry.out);
    assert_code(&entry, 1);
    assert_contains(entry.out, "slot_twice.so: slot \"m\" is declared twice");
    forget(&entry);
}

/* -- Plugins that are right -- */

static void test_builtins__pass(void **state)
{
    (void)state;
    static char *const ids[] = { "dense", "mse", "accuracy", "cosine", "blobs" };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        said s = assay("plugin", "check", ids[i], "-q", LIMIT);
        if (s.code != 0) fail_msg("%s: code %d: %s%s", ids[i], s.code, s.out, s.err);
        forget(&s);
    }
}

static void test_file__goes_before_the_builtin_of_its_name(void **state)
{
    (void)state;
    said s =
        assay("plugin", "check", TEST_BUILD_DIR "/plugins/loss/mse.so", "--test", "loads", LIMIT);
    assert_code(&s, 0);
    assert_contains(s.out, TEST_BUILD_DIR "/plugins/loss/mse.so");
    assert_contains(s.out, "\n1 passed in ");
    forget(&s);
    assert_int_equal(system("cp " TEST_BUILD_DIR "/plugins/loss/mse.so ./mine.so"), 0);
    s = assay("plugin", "check", "mine.so", "--test", "loads", LIMIT);
    assert_code(&s, 0);
    assert_contains(s.out, "mse loss  mine.so\n");
    forget(&s);
}

static void test_json__has_every_test(void **state)
{
    (void)state;
    said s = assay("plugin", "check", FAULTY("aborts"), "--test", "loads", "--test", "defaults",
        "--json", LIMIT);
    assert_code(&s, 1);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"name\": \"loads\", \"outcome\": \"passed\"");
    assert_contains(s.out, "\"name\": \"defaults\", \"outcome\": \"crashed\"");
    assert_contains(s.out, "\"passed\": 1, \"skipped\": 0, \"warned\": 0, \"failed\": 1");
    forget(&s);
}

static void test_list__tells_what_each_test_holds_to(void **state)
{
    (void)state;
    said s = assay("plugin", "check", "--list");
    assert_code(&s, 0);
    assert_contains(s.out, "every kind\n  loads ");
    assert_contains(s.out, "it exports its entry and nothing else\n");
    forget(&s);
    s = assay("plugin", "check", "--list", "--json");
    assert_true(is_json(s.out));
    forget(&s);
}

/* -- Command lines that make no sense -- */

typedef struct mistake {
    char *words[5];
    const char *says;
} mistake;

static void test_mistakes__end_with_code_2(void **state)
{
    (void)state;
    static const mistake mistakes[] = {
        { { NULL }, "nothing to check: name a file or a component" },
        { { "adan_", NULL }, "no component is called \"adan_\"" },
        { { "./none.so", NULL }, "./none.so: no such plugin file" },
        { { "lion.c", NULL },
            "lion.c is a source: assay plugin build lion.c, then check ./lion.so" },
        { { "a/lion.cpp", NULL },
            "a/lion.cpp is a source: assay plugin build a/lion.cpp, then check a/lion.so" },
        { { "adam", "--test", "load", NULL },
            "there is no test \"load\": did you mean \"loads\"?" },
        { { "adam", "--seed", "-1", NULL },
            "--seed: expected a whole number from 0, found \"-1\"" },
        { { "adam", "--time-limit", "0", NULL },
            "--time-limit: expected a number above 0, found \"0\"" },
        { { "adam", "--component", "layer:adam", NULL }, "there is no \"layer:adam\" among them" },
        { { "adam", "--report-fd", "3", NULL },
            "--report-fd goes with --in-process and one --test" },
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char *argv[9] = { (char[]){ PROGRAM }, "plugin", "check" };
        for (size_t k = 0; mistakes[i].words[k]; k++)
            argv[3 + k] = mistakes[i].words[k];
        said s = run_program(argv);
        if (s.code != 2 || !strstr(s.err, mistakes[i].says)) {
            fail_msg("%zu: code %d, \"%s\" is not in: %s", i, s.code, mistakes[i].says, s.err);
        }
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults__are_told),
        cmocka_unit_test(test_openmp__is_not_needed),
        cmocka_unit_test(test_hang__ends_at_the_limit),
        cmocka_unit_test(test_hang__leaves_the_others_less_time_and_then_none),
        cmocka_unit_test(test_lines__are_written_as_tests_end),
        cmocka_unit_test(test_callbacks_of_an_update__are_named_too),
        cmocka_unit_test(test_crash__names_the_array_that_was_left),
        cmocka_unit_test(test_crash_while_loading__spares_the_other_tests),
        cmocka_unit_test(test_failure__shows_how_to_repeat_it),
        cmocka_unit_test(test_failure__is_told_once),
        cmocka_unit_test(test_one_cause__is_told_once_whatever_the_numbers),
        cmocka_unit_test(test_loading_and_tables__need_no_debugger),
        cmocka_unit_test(test_refused_file__has_the_message_of_a_run),
        cmocka_unit_test(test_builtins__pass),
        cmocka_unit_test(test_file__goes_before_the_builtin_of_its_name),
        cmocka_unit_test(test_json__has_every_test),
        cmocka_unit_test(test_list__tells_what_each_test_holds_to),
        cmocka_unit_test(test_mistakes__end_with_code_2),
    };
    return cmocka_run_group_tests_name("plugin_check", tests, enter_scratch, leave_scratch);
}
