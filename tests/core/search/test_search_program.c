/* assay search as a program: lines in, lines out, and what a log brings back after a crash at any byte. */
#include "base/file.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cmocka.h>
#undef fail

typedef struct scene {
    char dir[64];
    char *out; /* of the last run */
    char *complaint;
    int code;
} scene;

static const char *path(const scene *t, const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", t->dir, name);
    return p;
}

static void put(const scene *t, const char *name, const char *content, size_t n)
{
    error err = { 0 };
    assert_int_equal(file_write_atomic(path(t, name), content, n, &err), OK);
}

static char *get(const scene *t, const char *name)
{
    error err = { 0 };
    char *content;
    size_t n;
    assert_int_equal(file_read(path(t, name), &content, &n, &err), OK);
    return content;
}

/* As on a kernel without Landlock: it does not know the call. */
static void forget_landlock(void)
{
    struct sock_filter code[] = { { BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 },
        { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 444 }, { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
        { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS } };
    const struct sock_fprog whole = { .len = 4, .filter = code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) != 0) {
        _exit(99);
    }
}

static int run_shell(const char *command, bool has_landlock)
{
    int st = -1;
    const pid_t pid = fork();
    if (pid == 0) {
        if (!has_landlock) forget_landlock();
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(98);
    }
    if (pid > 0) (void)waitpid(pid, &st, 0);
    return st;
}

static void run_on(scene *t, const char *flags, const char *input, bool has_landlock)
{
    char command[1000];
    put(t, "in", input, strlen(input));
    snprintf(command, sizeof command, "cd %s && %s/assay search %s <in >out 2>err", t->dir,
        TEST_BUILD_DIR, flags);
    const int st = run_shell(command, has_landlock);
    t->code = WIFEXITED(st) ? WEXITSTATUS(st) : -1;
    free(t->out);
    free(t->complaint);
    t->out = get(t, "out");
    t->complaint = get(t, "err");
}

static void run(scene *t, const char *flags, const char *input)
{
    run_on(t, flags, input, true);
}

static const char config_text[] =
    "space = { lr = \"1e-4..1e-1:log\"; type = [\"sgd\", \"adam\"]; momentum = { low = 0.0; high = "
    "0.99; if = \"type = sgd\"; }; };\ntrials = 9;\n";

static int setup(void **state)
{
    scene *t = calloc(1, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/assay-search-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    put(t, "space.cfg", config_text, sizeof config_text - 1);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    scene *t = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", t->dir);
    assert_int_equal(system(command), 0);
    free(t->out);
    free(t->complaint);
    free(t);
    return 0;
}

/* The i-th line of what came out, from 0; without its end. */
static const char *line(const scene *t, size_t i)
{
    static char lines[4][2000];
    static unsigned turn;
    char *to = lines[turn++ % 4];
    const char *p = t->out;
    for (; i > 0 && p && *p; i--)
        p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
    snprintf(to, sizeof lines[0], "%.*s", p ? (int)strcspn(p, "\n") : 0, p ? p : "");
    return to;
}

static size_t n_lines(const scene *t)
{
    size_t n = 0;
    for (const char *p = t->out; *p; p++)
        n += *p == '\n';
    return n;
}

static void test_lines__are_answered_one_by_one(void **state)
{
    scene *t = *state;
    run(t, "--space space.cfg --seed 3",
        "{\"ask\": 1}\n{\"tell\": 0, \"value\": 0.25}\n\n{\"ask\": 2}\n{\"tell\": 1, \"value\": "
        "-0.731}\n"
        "{\"best\": true}\n{\"pending\": true}\n{\"report\": 2, \"value\": 3}\n{\"explain\": 0}\n");
    assert_int_equal(t->code, 0);
    assert_int_equal(n_lines(t), 8);
    assert_int_equal(strncmp(line(t, 0), "{\"id\": 0, \"params\": {\"lr\": ", 26), 0);
    assert_string_equal(line(t, 1), "{\"ok\": true}");
    assert_non_null(strstr(line(t, 2), "{\"trials\": [{\"id\": 1, "));
    assert_non_null(strstr(line(t, 4), "\"value\": -0.731"));
    assert_non_null(strstr(line(t, 5), "{\"trials\": [{\"id\": 2, "));
    assert_string_equal(line(t, 6), "{\"verdict\": \"go\"}");
    assert_string_equal(
        line(t, 7), "{\"id\": 0, \"why\": \"random point 0, uniform in the space\"}");
}

static void test_bad_lines__are_named_and_change_nothing(void **state)
{
    static const char *const bad[] = { "nonsense", "{}", "[1]", "{\"ask\": 0}", "{\"ask\": 1} x",
        "{\"ask\": -1}", "{\"tel\": 0}", "{\"tell\": 0}", "{\"tell\": 5, \"value\": 1}",
        "{\"ask\": 1, \"tell\": 0}", "{\"tell\": 0, \"state\": \"gone\"}", "{\"ask\": 1",
        "{\"explain\": 4}", "{\"tell\": 0, \"value\": 1, \"fidelity\": -2}" };
    enum { N = sizeof bad / sizeof bad[0] };
    scene *t = *state;
    text in = { 0 };
    text_add(&in, "{\"ask\": 1}\n");
    for (size_t i = 0; i < N; i++)
        text_printf(&in, "%s\n", bad[i]);
    text_add(&in, "{\"tell\": 0, \"value\": 1}\n{\"ask\": 1}\n");
    run(t, "--space space.cfg --seed 3 --log log", in.s);
    text_release(&in);
    assert_int_equal(t->code, 0);
    assert_int_equal(n_lines(t), N + 3);
    for (size_t i = 0; i < N; i++) {
        char number[32];
        snprintf(number, sizeof number, "\"line\": %zu}", i + 2);
        if (!strstr(line(t, i + 1), number)) print_error("%s: %s\n", bad[i], line(t, i + 1));
        assert_int_equal(strncmp(line(t, i + 1), "{\"error\": \"", 11), 0);
        assert_non_null(strstr(line(t, i + 1), number));
    }
    assert_string_equal(line(t, N + 1), "{\"ok\": true}");
    assert_int_equal(strncmp(line(t, N + 2), "{\"id\": 1, ", 10), 0);
    char *log = get(t, "log");
    size_t n = 0;
    for (const char *p = log; *p; p++)
        n += *p == '\n';
    assert_int_equal(n, 4); /* its header, two asks, a tell */
    free(log);
}

static void test_budget__ends_the_search(void **state)
{
    scene *t = *state;
    run(t, "--space 'a=0.0..1' --trials 3", "{\"ask\": 2}\n{\"ask\": 2}\n{\"ask\": 1}\n");
    assert_int_equal(n_lines(t), 3);
    assert_non_null(strstr(line(t, 1), "{\"id\": 2"));
    assert_null(strstr(line(t, 1), "{\"id\": 3"));
    assert_string_equal(line(t, 2), "{\"over\": true}");
}

static void test_maximize__turns_values(void **state)
{
    scene *t = *state;
    run(t, "--space 'a=0.0..1' --maximize",
        "{\"ask\": 2}\n{\"tell\": 0, \"value\": 0.25}\n{\"tell\": 1, \"value\": 0.75}\n{\"best\": "
        "true}\n");
    assert_non_null(strstr(line(t, 3), "{\"id\": 1, "));
    assert_non_null(strstr(line(t, 3), "\"value\": 0.75}"));
}

/* Cut off after any byte, the log brings back all that was on whole lines, and the rest of the session comes out as it did. */
static void test_log__cut_anywhere_goes_on_as_before(void **state)
{
    static const char first[] = "{\"ask\": 2}\n{\"tell\": 1, \"value\": 0.5}\n{\"ask\": 1}\n"
                                "{\"tell\": 0, \"state\": \"diverged\"}\n{\"ask\": 3}\n";
    static const char *const flags = "--space space.cfg --strategy qmc --seed 3 --log log";
    scene *t = *state;
    run(t, flags, first);
    assert_int_equal(t->code, 0);
    char whole_out[4000];
    snprintf(whole_out, sizeof whole_out, "%s", t->out);
    char *log = get(t, "log");
    const size_t n = strlen(log), n_header = strcspn(log, "\n") + 1;
    for (size_t cut = 0; cut <= n; cut += cut < n_header ? n_header / 3 : 23) {
        put(t, "log", log, cut);
        size_t n_done = 0; /* requests whose entry is whole */
        for (size_t i = n_header; i < cut; i++)
            n_done += log[i] == '\n';
        const char *rest = first, *expected = whole_out;
        for (size_t i = 0; i < n_done; i++) {
            rest = strchr(rest, '\n') + 1;
            expected = strchr(expected, '\n') + 1;
        }
        run(t, flags, rest);
        if (t->code != 0) print_error("cut at %zu: %s\n", cut, t->complaint);
        assert_int_equal(t->code, 0);
        assert_string_equal(t->out, expected);
        char *again = get(t, "log");
        assert_string_equal(again, log);
        free(again);
    }
    free(log);
}

static void expect_refusal(scene *t, const char *flags, const char *part)
{
    run(t, flags, "{\"ask\": 1}\n");
    if (!strstr(t->complaint, part)) print_error("%s\n", t->complaint);
    assert_int_not_equal(t->code, 0);
    assert_string_equal(t->out, "");
    assert_non_null(strstr(t->complaint, part));
}

static void test_start__is_refused_with_a_reason(void **state)
{
    scene *t = *state;
    expect_refusal(t, "", "--space is missing");
    expect_refusal(t, "--space none.cfg", "none.cfg");
    expect_refusal(t, "--space 'a=3..1'", "low <= high");
    expect_refusal(t, "--space space.cfg --strategy gird", "did you mean");
    expect_refusal(t, "--space space.cfg triasl=4", "unknown key \"triasl\"");
    expect_refusal(t, "--space space.cfg --seed x", "seed");
    put(t, "empty.cfg", "trials = 3;\n", 12);
    expect_refusal(t, "--space empty.cfg", "there is no space");
    run(t, "--space space.cfg --log log", "{\"ask\": 1}\n");
    expect_refusal(
        t, "--space space.cfg --log log --seed 2", "log:1: the log is of another search");
    char *log = get(t, "log");
    *strstr(log, "\"x\": [") = 'y';
    put(t, "log", log, strlen(log));
    expect_refusal(t, "--space space.cfg --log log", "log:2");
    free(log);
}

/* -- where the strategy runs -- */

static const char session_text[] =
    "{\"ask\": 3}\n{\"tell\": 0, \"value\": 0.5}\n{\"tell\": 2, \"value\": 0.25}\n{\"ask\": 2}\n"
    "{\"explain\": 3}\n{\"best\": true}\n";

static void test_sandbox__changes_no_answer_and_no_log(void **state)
{
    static const char *const places[] = { "", "--sandbox auto", "--sandbox process", "--debug",
        "--sandbox none --debug" };
    scene *t = *state;
    char flags[200], *out = NULL, *log = NULL;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(flags, sizeof flags, "--space space.cfg --strategy tpe --seed 3 --log log%zu %s",
            i, places[i]);
        run(t, flags, session_text);
        if (t->code != 0) print_error("%s\n", t->complaint);
        assert_int_equal(t->code, 0);
        assert_string_equal(t->complaint, "");
        const char name[] = { 'l', 'o', 'g', (char)('0' + i), '\0' };
        char *own = get(t, name);
        if (i == 0) {
            out = strdup(t->out);
            log = own;
            continue;
        }
        assert_string_equal(t->out, out);
        assert_string_equal(
            own, log); /* the blocks with their defaults, too: any may go on from any */
        free(own);
    }
    run(t, "--space space.cfg --strategy tpe --seed 3 --log log0 --sandbox none", "{\"ask\": 1}\n");
    assert_int_equal(strncmp(line(t, 0), "{\"id\": 5, ", 10), 0);
    run(t, "--space space.cfg --strategy tpe --seed 3 --log log0", "{\"ask\": 1}\n");
    assert_int_equal(strncmp(line(t, 0), "{\"id\": 6, ", 10), 0);
    free(out);
    free(log);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HAS_STRICT 1
#else
#define HAS_STRICT 0 /* an instrumented build never asks for it */
#endif

static void test_without_landlock__only_what_comes_with_assay_runs_by_itself(void **state)
{
    static const char brought[] =
        "plugins = ( \"" TEST_BUILD_DIR "/tests/hostile/hostile_search.so\" );\n"
        "space = { lr = \"1e-4..1e-1:log\"; };\nstrategy = \"hostile_search\";\n";
    scene *t = *state;
    if (!HAS_STRICT) skip();
    put(t, "brought.cfg", brought, sizeof brought - 1);
    run_on(t, "--space space.cfg", "{\"ask\": 1}\n", false);
    assert_int_equal(t->code, 0);
    assert_int_equal(strncmp(t->out, "{\"id\": 0, ", 10), 0);
    assert_non_null(strstr(t->complaint,
        "the strict sandbox is not possible here: the kernel has no "
        "Landlock"));
    assert_non_null(strstr(t->complaint, "the strategy comes with assay and runs in a process"));
    run_on(t, "--space space.cfg --sandbox strict", "{\"ask\": 1}\n", false);
    assert_int_not_equal(t->code, 0);
    assert_string_equal(t->out, "");
    assert_non_null(strstr(t->complaint, "--sandbox strict is not possible here"));
    run_on(t, "--space brought.cfg", "{\"ask\": 1}\n", false);
    assert_int_not_equal(t->code, 0);
    assert_string_equal(t->out, "");
    assert_non_null(strstr(t->complaint, "\"hostile_search\" does not come with assay"));
    run_on(t, "--space brought.cfg --sandbox process", "{\"ask\": 1}\n", false);
    assert_int_equal(t->code, 0);
    assert_string_equal(t->complaint, "");
    assert_int_equal(strncmp(t->out, "{\"id\": 0, ", 10), 0);
}

static void test_a_strategy_that_breaks__ends_the_search_and_not_what_is_known(void **state)
{
    static const char brought[] =
        "plugins = ( \"" TEST_BUILD_DIR "/tests/hostile/hostile_search.so\" );\n"
        "space = { lr = \"1e-4..1e-1:log\"; };\n"
        "strategy = { type = \"hostile_search\"; act = \"exit_seven\"; at = 2; };\n";
    scene *t = *state;
    put(t, "brought.cfg", brought, sizeof brought - 1);
    run(t, "--space brought.cfg --log log",
        "{\"ask\": 1}\n{\"tell\": 0, \"value\": 1}\n{\"ask\": 1}\n{\"ask\": 1}\n{\"best\": "
        "true}\n");
    assert_int_not_equal(t->code, 0);
    assert_int_equal(n_lines(t), 4);
    assert_int_equal(strncmp(line(t, 2), "{\"id\": 1, ", 10), 0);
    assert_non_null(strstr(line(t, 3),
        "early exit: the process ended itself with code 7, phase "
        "step, in ask 2"));
    assert_non_null(strstr(line(t, 3), "brought.cfg:3: search \\\"hostile_search\\\""));
    run(t, "--space brought.cfg --log log", "{\"pending\": true}\n{\"best\": true}\n");
    assert_int_equal(t->code, 0);
    assert_int_equal(strncmp(line(t, 0), "{\"trials\": [{\"id\": 1, ", 22), 0);
    assert_int_equal(strncmp(line(t, 1), "{\"id\": 0, ", 10), 0);
}

static void test_places__that_contradict_each_other_are_refused(void **state)
{
    scene *t = *state;
    expect_refusal(t, "--space space.cfg --debug --sandbox process",
        "--debug runs the strategy in this process, --sandbox process does not");
    expect_refusal(t, "--space space.cfg --sandbox jail", "jail");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        ROW(test_lines__are_answered_one_by_one),
        ROW(test_bad_lines__are_named_and_change_nothing),
        ROW(test_budget__ends_the_search),
        ROW(test_maximize__turns_values),
        ROW(test_log__cut_anywhere_goes_on_as_before),
        ROW(test_start__is_refused_with_a_reason),
        ROW(test_sandbox__changes_no_answer_and_no_log),
        ROW(test_without_landlock__only_what_comes_with_assay_runs_by_itself),
        ROW(test_a_strategy_that_breaks__ends_the_search_and_not_what_is_known),
        ROW(test_places__that_contradict_each_other_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
