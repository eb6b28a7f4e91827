/* Programs as workloads: what they are given, what is made of what they print, and how they end. */
#include "core/study/runner_rig.h"

static const char *argv_of[8];
static char written[2048];

/* A shell script as the program, with its braces doubled; words after it are its arguments. */
static void script(rig *g, const char *text_of, const char *a, const char *b)
{
    size_t n = 0, k = 0;
    for (const char *s = text_of; *s; s++) {
        assert_true(k + 3 < sizeof written);
        if (*s == '{') written[k++] = '{';
        written[k++] = *s;
    }
    written[k] = '\0';
    argv_of[n++] = "sh";
    argv_of[n++] = "-c";
    argv_of[n++] = written;
    argv_of[n++] = "program";
    if (a) argv_of[n++] = a;
    if (b) argv_of[n++] = b;
    rig_command(g, argv_of, n);
}

static const run_end *run_script(rig *g, run **out, const char *text_of)
{
    rig_init(g, NULL);
    script(g, text_of, NULL, NULL);
    rig_open(g, false, NULL);
    *out = rig_start(g, NULL, 17);
    return rig_end(g, *out);
}

static void test_runner_command__fills_in_its_words(void **state)
{
    rig g;
    error err;
    run *n;
    const double x[] = { 0.0625, 1, 24, (double)NAN };
    (void)state;
    rig_init(&g,
        "lr=1e-4..1:log optimizer.type=sgd,adam units=8..64 momentum=0..0.9?optimizer.type=sgd");
    script(&g, "echo \"{\\\"validation.loss\\\": $1}\"; echo \"got $2\"", "{lr}",
        "{optimizer.type}/{units}/{seed}/{fidelity}/{{lr}/{momentum}.");
    g.d.max_fidelity = 27;
    rig_open(&g, false, NULL);
    const run_spec s = { .x = x, .seed = UINT64_MAX, .fidelity = 9, .from = STORE_NO_TRIAL };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->value == 0.0625 && e->best == 0.0625);
    assert_true(e->fidelity == 9);
    assert_non_null(strstr(e->log, "got adam/24/18446744073709551615/9/{lr}/.\n"));
    rig_check_json(e->record);
    assert_non_null(strstr(e->record, "\"0.0625\""));
    assert_non_null(strstr(e->record, "18446744073709551615"));
    run_free(n);
    rig_close(&g);
}

/* Two ways to call a program: what one contender sets and the other searches. */
static void test_runner_command__takes_words_from_what_is_set(void **state)
{
    static const char *const set[] = { "how=\"hard way\"", "lr=0.25" };
    rig g;
    error err;
    run *n;
    (void)state;
    rig_init(&g, "lr=1e-4..1:log how=easy,odd");
    rig_contend(&g, set, 2, NULL);
    script(&g, "echo \"{\\\"validation.loss\\\": $1}\"; echo \"got $2\"", "{lr}", "{how}");
    rig_open(&g, false, NULL);
    const run_spec s = { .contender = 1, .seed = 3, .from = STORE_NO_TRIAL };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->value == 0.25);
    assert_non_null(strstr(e->log, "got hard way\n"));
    run_free(n);
    rig_close(&g);
}

static void test_runner_command__refuses_words_that_mean_nothing(void **state)
{
    static const struct {
        const char *words[2];
        status code;
        const char *says;
    } rows[] = {
        { { "sh", "{rl}" }, E_UNKNOWN, "is called \"rl\": did you mean \"lr\"?" },
        { { "sh", "{lr" }, E_PARSE, "write {{ for {" },
        { { "no-such-program-anywhere", "x" }, E_UNKNOWN, "on PATH" },
        { { "./no-such-program", "x" }, E_UNKNOWN, "in /tmp" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        error err;
        const runner_options o = { .program = PROGRAM };
        rig_init(&g, "lr=1e-4..1:log");
        rig_command(&g, rows[i].words, 2);
        assert_int_equal(runner_open(&g.d, &o, &g.r, &err), rows[i].code);
        if (!strstr(err.text, rows[i].says) || strncmp(err.text, "rig.cfg:12: ", 12) != 0) {
            print_error("%s\n", err.text);
            abort();
        }
        g.r = NULL;
        rig_close(&g);
    }
}

static void test_runner_command__takes_the_last_and_the_best_value(void **state)
{
    rig g;
    error err;
    run *n;
    (void)state;
    rig_init(&g, NULL);
    script(&g,
        "echo '{\"step\": 1, \"fidelity\": 1, \"validation.loss\": 0.5, \"test.loss\": 0.7}'\n"
        "echo 'epoch two' >&2\n"
        "echo '{\"step\": 2, \"fidelity\": 2, \"validation.loss\": 0.25, \"test.loss\": 0.6}'\n"
        "echo '{\"step\": 3, \"fidelity\": 3, \"note\": \"x\", \"list\": [1, {\"a\": 2}],"
        " \"validation.loss\": 0.375, \"test.loss\": 0.8, \"other\": \"inf\"}'\n"
        "printf 'no newline'",
        NULL, NULL);
    rig_open(&g, false, NULL);
    const run_spec s = { .seed = 3, .from = STORE_NO_TRIAL, .reports = true, .judges = true };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    for (int i = 1; i <= 3; i++) {
        const run_news w = rig_wait(&g);
        assert_int_equal(w.kind, RUN_REPORTED);
        assert_ptr_equal(w.run, n);
        assert_true(w.fidelity == i);
        assert_true(w.value == (i == 1 ? 0.5 : i == 2 ? 0.25 : 0.375));
    }
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->value == 0.375 && e->best == 0.25);
    assert_true(e->judged == 0.8 && e->judged_best == 0.6);
    assert_true(e->fidelity == 3);
    assert_int_equal(e->n_values, 7 + 3);
    assert_string_equal(e->values[0].name, "validation.loss");
    assert_int_equal(e->values[6].step, 3);
    assert_true(isinf(e->values[6].value) && !e->values[6].is_last);
    for (size_t i = 7; i < 10; i++)
        assert_true(e->values[i].is_last && !e->values[i].is_scored && e->values[i].step == 3);
    assert_non_null(strstr(e->log, "epoch two\n"));
    assert_non_null(strstr(e->log, "no newline"));
    assert_true(e->outcome->peak_bytes > 0 && e->wall_s > 0);
    run_free(n);
    rig_close(&g);
}

static void test_runner_command__maximises_where_the_study_does(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, NULL);
    script(&g, "for i in 3 9 5; do echo \"{\\\"score\\\": $i}\"; done", NULL, NULL);
    g.d.metric = "score";
    g.d.direction = STORE_MAXIMIZE;
    rig_open(&g, false, NULL);
    run *n = rig_start(&g, NULL, 1);
    const run_end *e = rig_end(&g, n);
    assert_true(e->value == 5 && e->best == 9);
    run_free(n);
    rig_close(&g);
}

static void test_runner_command__says_how_it_ended(void **state)
{
    static const struct {
        const char *script;
        outcome_class class;
        const char *says;
    } rows[] = {
        { "echo 'bad lr' >&2; exit 3", OUTCOME_EARLY_EXIT,
            "program ended with exit code 3: bad lr" },
        { "echo 'bad lr' >&2; sleep 0.2; echo 'cleaning up'; exit 3", OUTCOME_EARLY_EXIT,
            "program ended with exit code 3: bad lr" },
        { "echo 'bad batch'; exit 3", OUTCOME_EARLY_EXIT, "exit code 3: bad batch" },
        { "exit 4", OUTCOME_EARLY_EXIT, "program ended with exit code 4: it gave no reason" },
        { "kill -SEGV $$", OUTCOME_CRASH, "signal 11" },
        { "kill -KILL $$", OUTCOME_CRASH, "signal 9" },
        { "echo '{\"loss\": 1}'", OUTCOME_RESULT_INVALID,
            "the program ended without \"validation.loss\"; it told loss" },
        { ":", OUTCOME_RESULT_INVALID, "the program ended without \"validation.loss\"" },
        { "echo '{\"validation.loss\": 1} x'", OUTCOME_RESULT_INVALID, "ended without" },
        { "echo '{\"validation.loss\": \"nan\"}'", OUTCOME_NONFINITE, "is nan" },
        { "echo '{\"validation.loss\": 1}'; echo '{\"validation.loss\": \"-inf\"}'",
            OUTCOME_NONFINITE, "is -inf" },
        { "read line || echo '{\"validation.loss\": 1}'", OUTCOME_OK, "done" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        run *n;
        const run_end *e = run_script(&g, &n, rows[i].script);
        rig_expect(e, rows[i].class, rows[i].says);
        rig_check_json(e->record);
        run_free(n);
        rig_close(&g);
    }
}

/* Everything that it started ends with it, for whatever reason. */
static void test_runner_command__keeps_to_its_limits(void **state)
{
    static const struct {
        const char *script;
        outcome_class class;
        const char *says;
    } rows[] = {
        { "sleep 1000 & sleep 1000", OUTCOME_TIMEOUT, "not done after 0.5 s" },
        { "while :; do :; done", OUTCOME_CPU_LIMIT, "of processor time, where 1 s are allowed" },
        { "x=0123456789abcdef; while :; do x=$x$x; done", OUTCOME_MEMORY_LIMIT, "are allowed" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        rig_init(&g, NULL);
        script(&g, rows[i].script, NULL, NULL);
        g.d.limits.wall_s = i == 0 ? 0.5 : 20;
        g.d.limits.cpu_s = i == 1 ? 1 : 0;
        g.d.limits.memory_bytes = i == 2 ? UINT64_C(48) << 20 : UINT64_C(512) << 20;
        rig_open(&g, false, NULL);
        run *n = rig_start(&g, NULL, 1);
        rig_expect(rig_end(&g, n), rows[i].class, rows[i].says);
        run_free(n);
        rig_close(&g);
    }
}

/* By its line of /proc; whoever adopts it may take a moment to bury it. */
static bool is_dead(const char *path)
{
    if (!file_exists(path)) return true;
    char *stat = slurp(path);
    const char *after = strrchr(stat, ')');
    const bool is = !after || after[2] == 'Z' || after[2] == 'X';
    free(stat);
    return is;
}

static void test_runner_command__leaves_no_process(void **state)
{
    rig g;
    run *n;
    char path[64];
    (void)state;
    const run_end *e =
        run_script(&g, &n, "sleep 1000 & echo \"{\\\"validation.loss\\\": 1, \\\"pid\\\": $!}\"");
    rig_expect(e, OUTCOME_OK, "done");
    double pid = 0;
    for (size_t i = 0; i < e->n_values; i++)
        if (strcmp(e->values[i].name, "pid") == 0) pid = e->values[i].value;
    assert_true(pid > 1);
    snprintf(path, sizeof path, "/proc/%.0f/stat", pid);
    bool is_gone = false;
    for (int i = 0; i < 100 && !is_gone; i++) {
        is_gone = is_dead(path);
        if (!is_gone) (void)usleep(20000);
    }
    assert_true(is_gone);
    run_free(n);
    rig_close(&g);
}

/* A host that is killed takes its programs along, and at once. */
static void test_runner_command__ends_with_its_host(void **state)
{
    char told[64], path[64], text_of[256];
    int pid = 0;
    (void)state;
    snprintf(told, sizeof told, "/tmp/assay-tied-%d", (int)getpid());
    snprintf(text_of, sizeof text_of, "echo $$ > %s.new; mv %s.new %s; exec sleep 1000", told, told,
        told);
    const pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0) {
        run *n;
        rig g;
        (void)run_script(&g, &n, text_of);
        _exit(1);
    }
    for (int i = 0; i < 1000 && !file_exists(told); i++)
        (void)usleep(20000);
    char *written_pid = slurp(told);
    assert_int_equal(sscanf(written_pid, "%d", &pid), 1);
    free(written_pid);
    (void)unlink(told);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(kill(host, SIGKILL), 0);
    assert_int_equal(waitpid(host, NULL, 0), host);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    bool is_gone = false;
    for (int i = 0; i < 50 && !is_gone; i++) {
        is_gone = is_dead(path);
        if (!is_gone) (void)usleep(20000);
    }
    if (!is_gone) (void)kill(pid, SIGKILL);
    assert_true(is_gone);
}

/* What the kernel does not take for a program, though it may be executed. */
static void test_runner_command__says_what_cannot_be_run(void **state)
{
    rig g;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/assay-no-program-%d", (int)getpid());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("neither ELF nor script\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0755), 0);
    rig_init(&g, NULL);
    argv_of[0] = path;
    rig_command(&g, argv_of, 1);
    rig_open(&g, false, NULL);
    run *n = rig_start(&g, NULL, 1);
    rig_expect(
        rig_end(&g, n), OUTCOME_LOAD_FAILED, " cannot be started in /tmp: Exec format error");
    run_free(n);
    rig_close(&g);
    assert_int_equal(unlink(path), 0);
}

static void test_runner_command__a_flood_fills_no_memory(void **state)
{
    rig g;
    run *n;
    (void)state;
    /* Log, curves, one endless line; and what counts comes last. */
    const run_end *e = run_script(&g, &n,
        "yes abcdefghijklmnopqrstuvwxyz | head -c 20000000\n"
        "yes '{\"validation.loss\": 2.5, \"a\": 1}' | head -n 150000\n"
        "head -c 3000000 /dev/zero | tr '\\0' '{'\n"
        "echo\n"
        "echo '{\"validation.loss\": 0.125}'");
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->value == 0.125);
    assert_true(e->outcome->log_is_full);
    assert_int_equal(strlen(e->log), 65536);
    assert_in_range(e->n_values, 100000, 101000);
    const run_value *last = &e->values[e->n_values - 2];
    assert_true(last->is_last && last->value == 0.125);
    assert_null(strstr(e->record, "\"values_dropped\": 0,"));
    run_free(n);
    rig_close(&g);
}

/* More reports than there is room for: none is lost. */
static void test_runner_command__waits_to_be_listened_to(void **state)
{
    rig g;
    error err;
    run *n;
    (void)state;
    rig_init(&g, NULL);
    script(&g,
        "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo \"{\\\"fidelity\\\": $i, "
        "\\\"validation.loss\\\": $i.5}\"; done",
        NULL, NULL);
    rig_open(&g, false, NULL);
    const run_spec s = { .seed = 3, .from = STORE_NO_TRIAL, .reports = true };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    for (int i = 1; i <= 1000; i++) {
        const run_news w = rig_wait(&g);
        assert_int_equal(w.kind, RUN_REPORTED);
        assert_true(w.fidelity == i && w.value == i + 0.5);
    }
    rig_expect(rig_end(&g, n), OUTCOME_OK, "done");
    run_free(n);
    rig_close(&g);
}

static void test_runner_command__is_stopped(void **state)
{
    rig g;
    run *runs[2];
    (void)state;
    rig_init(&g, NULL);
    script(&g, "echo '{\"validation.loss\": 1}'; sleep 1000 & sleep 1000", NULL, NULL);
    rig_open(&g, false, NULL);
    for (size_t i = 0; i < 2; i++)
        runs[i] = rig_start(&g, NULL, i);
    run_stop(runs[1], OUTCOME_PRUNED);
    const run_end *e = rig_end(&g, runs[1]);
    rig_expect(e, OUTCOME_PRUNED, "ended by the study");
    const double cpu = clock_cpu_s();
    error err;
    run_news w;
    assert_int_equal(runner_wait(g.r, 1, &w, &err), OK);
    assert_int_equal(w.kind, RUN_NOTHING);
    assert_true(clock_cpu_s() - cpu < 0.1);
    run_stop(runs[0], OUTCOME_CANCELLED);
    rig_expect(rig_end(&g, runs[0]), OUTCOME_CANCELLED, "ended by the study");
    run_free(runs[0]);
    run_free(runs[1]);
    rig_close(&g);
}

static void test_runner_command__leaves_no_descriptor(void **state)
{
    rig g;
    (void)state;
    const size_t before = count_in("/proc/self/fd");
    rig_init(&g, NULL);
    script(&g, "echo '{\"validation.loss\": 1}'", NULL, NULL);
    rig_open(&g, false, NULL);
    for (uint64_t i = 0; i < 200; i++) {
        run *n = rig_start(&g, NULL, i);
        if (i % 10 != 3) rig_expect(rig_end(&g, n), OUTCOME_OK, "done");
        run_free(n);
    }
    assert_int_equal(count_in("/proc/self/fd"), before);
    rig_close(&g);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runner_command__fills_in_its_words),
        cmocka_unit_test(test_runner_command__takes_words_from_what_is_set),
        cmocka_unit_test(test_runner_command__refuses_words_that_mean_nothing),
        cmocka_unit_test(test_runner_command__takes_the_last_and_the_best_value),
        cmocka_unit_test(test_runner_command__maximises_where_the_study_does),
        cmocka_unit_test(test_runner_command__says_how_it_ended),
        cmocka_unit_test(test_runner_command__keeps_to_its_limits),
        cmocka_unit_test(test_runner_command__leaves_no_process),
        cmocka_unit_test(test_runner_command__ends_with_its_host),
        cmocka_unit_test(test_runner_command__says_what_cannot_be_run),
        cmocka_unit_test(test_runner_command__a_flood_fills_no_memory),
        cmocka_unit_test(test_runner_command__waits_to_be_listened_to),
        cmocka_unit_test(test_runner_command__is_stopped),
        cmocka_unit_test(test_runner_command__leaves_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
