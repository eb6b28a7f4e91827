/* The command line itself: what goes where, exit codes, and what a mistake is answered with. */
#include "core/cli/process.h"

static void test_version__goes_to_standard_output(void **state)
{
    (void)state;
    said s = assay("--version");
    assert_code(&s, 0);
    assert_true(strncmp(s.out, "assay ", 6) == 0 && s.out[6] >= '0' && s.out[6] <= '9');
    assert_ptr_equal(strchr(s.out, '\n'), s.out + strlen(s.out) - 1);
    assert_string_equal(s.err, "");
    forget(&s);
}

#define PROGRAM_CONFIGS TEST_BUILD_DIR "/configs/"

static void test_nothing__is_answered_with_help_on_standard_error(void **state)
{
    (void)state;
    said s = run_program((char *[]){ (char[]){ PROGRAM }, NULL });
    assert_code(&s, 2);
    assert_string_equal(s.out, "");
    assert_contains(s.err, "usage: assay COMMAND");
    forget(&s);
}

/* Where there is no folder configs, the path of what comes with the program. */
static void test_first_steps__name_a_config_that_is_there(void **state)
{
    (void)state;
    said s = assay("--help");
    assert_contains(s.out, "  assay train " PROGRAM_CONFIGS "digits.cfg   ");
    forget(&s);
    s = assay("config", (char[]){ PROGRAM_CONFIGS "digits.cfg" });
    assert_code(&s, 0);
    forget(&s);
    assert_int_equal(mkdir("configs", 0777), 0);
    spill("configs/digits.cfg", "");
    s = assay("--help");
    assert_contains(s.out, "  assay train configs/digits.cfg   ");
    assert_null(strstr(s.out, PROGRAM_CONFIGS));
    forget(&s);
    assert_int_equal(unlink("configs/digits.cfg"), 0);
    assert_int_equal(rmdir("configs"), 0);
}

static void expect_mistake(said s, const char *message)
{
    assert_code(&s, 2);
    assert_string_equal(s.out, "");
    assert_contains(s.err, message);
    assert_true(strncmp(s.err, "assay: error: ", 14) == 0);
    assert_ptr_equal(strchr(s.err, '\n'), s.err + strlen(s.err) - 1); /* one line */
    forget(&s);
}

static void test_mistakes__are_named_once_with_what_was_meant(void **state)
{
    (void)state;
    expect_mistake(assay("trian"), "unknown command \"trian\": did you mean \"train\"?");
    expect_mistake(
        assay("plugin", "lst"), "unknown command \"plugin lst\": did you mean \"plugin list\"?");
    expect_mistake(assay("plugin"), "there are: plugin list, plugin info");
    expect_mistake(assay("zzzzzz"), "unknown command \"zzzzzz\"; see assay help");
    expect_mistake(assay("--versoin"), "unknown option \"--versoin\"");
    expect_mistake(assay("train", "x.cfg", "--threds", "2"), "did you mean \"--threads\"?");
    expect_mistake(assay("train", "-x"), "train: unknown option \"-x\"");
    expect_mistake(assay("train", "x.cfg", "--threads"), "train: --threads expects N");
    expect_mistake(assay("train", "x.cfg", "--json=2"), "train: --json takes no value");
    expect_mistake(assay("train", "x.cfg", "--progress", "often"),
        "--progress: expected one of auto|bar|plain|none, found \"often\"");
    expect_mistake(assay("train"), "train: which config?");
    expect_mistake(assay("train", "nope.cfg"), "nope.cfg: no such config file or run folder\n");
    expect_mistake(assay("train", "configs/iris.cfg"),
        "configs/iris.cfg: no such config file or run folder; there is an example " PROGRAM_CONFIGS
        "iris.cfg\n");
    expect_mistake(assay("train", "/nowhere/iris.cfg"),
        "/nowhere/iris.cfg: no such config file or run folder\n");
    expect_mistake(assay("train", "."), "a folder, not a config");
    expect_mistake(assay("train", "--resume", "nope"), "nope: not the folder of a run");
    expect_mistake(assay("train", "--resume", "."), "there is no config.cfg in it");
    expect_mistake(assay("train", "x.cfg", "--resume", ".", "--dry-run"), "exclude each other");
    expect_mistake(assay("train", "x.cfg", "-o", "a", "--runs", "b"), "exclude each other");
    expect_mistake(
        assay("train", "x.cfg", "--dry-run", "--json"), "--json is for the result of a run");
    expect_mistake(assay("eval"), "eval: something is missing");
    expect_mistake(assay("eval", "nope"), "nope: not the folder of a run");
    expect_mistake(assay("doctor", "now"), "\"now\" is one word too many");
    expect_mistake(assay("completion", "tcsh"), "expected one of bash|zsh|fish, found \"tcsh\"");
    expect_mistake(assay("help", "trian"), "there is no command \"trian\"");
    expect_mistake(assay("plugin", "info", "adem"), "did you mean \"adam\"?");
    expect_mistake(assay("plugin", "info", "adam", "--json", "--cfg"), "exclude each other");
    expect_mistake(assay("plugin", "info", "./nope.so"), "nope.so");
}

static void test_every_command__explains_itself(void **state)
{
    static char *const words[][2] = { { "train", NULL }, { "eval", NULL }, { "inspect", NULL },
        { "config", NULL }, { "model", "summary" }, { "plugin", "list" }, { "plugin", "info" },
        { "doctor", NULL }, { "completion", NULL }, { "help", NULL } };
    (void)state;
    said man = assay("help", "--man");
    assert_code(&man, 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "assay %s%s%s", words[i][0], words[i][1] ? " " : "",
            words[i][1] ? words[i][1] : "");
        said s = words[i][1] ? assay(words[i][0], words[i][1], "--help") : assay(words[i][0], "-h");
        assert_code(&s, 0);
        assert_contains(s.out, name);
        assert_string_equal(s.err, "");
        assert_contains(man.out, name);
        forget(&s);
    }
    forget(&man);
}

static void test_help_of_a_noun__shows_its_verbs(void **state)
{
    (void)state;
    said s = assay("help", "plugin");
    assert_code(&s, 0);
    assert_contains(s.out, "usage: assay plugin list");
    assert_contains(s.out, "usage: assay plugin info");
    forget(&s);
}

static void test_help_option_of_a_noun__lists_its_verbs(void **state)
{
    (void)state;
    said s = assay("plugin", "--help"), short_form = assay("plugin", "-h");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    assert_contains(s.out, "usage: assay plugin COMMAND");
    assert_contains(s.out, "  plugin check      hold a plugin to the contract\n");
    assert_string_equal(s.out, short_form.out);
    forget(&s);
    forget(&short_form);
    s = assay("data", "--help");
    assert_code(&s, 0);
    assert_contains(s.out, "  data fetch ");
    forget(&s);
    s = assay("plugins", "--help");
    assert_code(&s, 2);
    forget(&s);
}

static void test_a_full_disk__is_a_failure(void **state)
{
    (void)state;
    said s = run_program(
        (char *[]){ "/bin/sh", "-c", "exec " PROGRAM " plugin list > /dev/full", NULL });
    assert_code(&s, 1);
    assert_contains(s.err, "standard output cannot be written");
    forget(&s);
}

static void test_options__may_stand_before_the_command(void **state)
{
    (void)state;
    said s = assay("--color", "always", "-q", "doctor");
    assert_code(&s, 0);
    assert_contains(s.out, "\033[");
    forget(&s);
}

static void test_color__is_off_away_from_a_terminal(void **state)
{
    (void)state;
    said s = assay("plugin", "list");
    assert_code(&s, 0);
    assert_null(strchr(s.out, '\033'));
    forget(&s);
}

static void test_a_program_on_path__is_a_command(void **state)
{
    (void)state;
    const char *path = getenv("PATH");
    char *before = strdup(path ? path : ""), with[8192];
    spill("assay-greet", "#!/bin/sh\necho hello \"$@\"\nexit 7\n");
    assert_int_equal(chmod("assay-greet", 0700), 0);
    snprintf(with, sizeof with, "%s:%s", (char *)*state, before);
    setenv("PATH", with, 1);
    said s = assay("greet", "--loud", "you");
    setenv("PATH", before, 1);
    assert_code(&s, 7);
    assert_string_equal(s.out, "hello --loud you\n");
    forget(&s);
    free(before);
}

static void test_completion__is_a_script_that_its_shell_reads(void **state)
{
    static char *const shells[] = { "bash", "zsh", "fish" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char command[128];
        said s = assay("completion", shells[i]);
        assert_code(&s, 0);
        assert_contains(s.out, "plugin list --ids");
        assert_contains(s.out, "overfit-one-batch");
        spill("script", s.out);
        snprintf(command, sizeof command, "! command -v %s > /dev/null || %s -n script", shells[i],
            shells[i]);
        assert_int_equal(system(command), 0);
        forget(&s);
    }
}

static void test_completion__offers_what_fits(void **state)
{
    (void)state;
    if (system("command -v bash > /dev/null") != 0) {
        print_message("skipped: there is no bash\n");
        skip();
    }
    said s = assay("completion", "bash");
    spill("script", s.out);
    forget(&s);
    spill("one.cfg", "");
    spill("asks",
        "PATH=" TEST_BUILD_DIR ":$PATH; . ./script\n"
        "ask() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($#-1)); compopt() { :; }; _assay; echo "
        "\"${COMPREPLY[*]}\"; }\n"
        "ask assay tr; ask assay train one; ask assay train --over; ask assay plugin li\n"
        "ask assay plugin info rms; ask assay train --progress b\n");
    said b = run_program((char *[]){ "/bin/sh", "-c", "exec bash asks", NULL });
    assert_code(&b, 0);
    assert_string_equal(
        b.out, "train\none.cfg\n--overfit-one-batch\nlist\nrms_norm rmse rmsprop\nbar\n");
    forget(&b);
}

static void test_doctor__says_what_it_found(void **state)
{
    (void)state;
    said s = assay("doctor", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "OpenBLAS");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version__goes_to_standard_output),
        cmocka_unit_test(test_nothing__is_answered_with_help_on_standard_error),
        cmocka_unit_test(test_first_steps__name_a_config_that_is_there),
        cmocka_unit_test(test_mistakes__are_named_once_with_what_was_meant),
        cmocka_unit_test(test_every_command__explains_itself),
        cmocka_unit_test(test_help_of_a_noun__shows_its_verbs),
        cmocka_unit_test(test_help_option_of_a_noun__lists_its_verbs),
        cmocka_unit_test(test_a_full_disk__is_a_failure),
        cmocka_unit_test(test_options__may_stand_before_the_command),
        cmocka_unit_test(test_color__is_off_away_from_a_terminal),
        cmocka_unit_test(test_a_program_on_path__is_a_command),
        cmocka_unit_test(test_completion__is_a_script_that_its_shell_reads),
        cmocka_unit_test(test_completion__offers_what_fits),
        cmocka_unit_test(test_doctor__says_what_it_found),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
