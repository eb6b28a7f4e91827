/* Strategies and pruners that attack who asks them end their own search and nothing else.
 *
 * Each act is done by a real plugin in a search of its own, while another search goes on beside it in the same sandbox. Then: the class and
 * the reason are as they should be and name plugin, phase and call, nothing was breached, nothing outside has changed, no process
 * is left, what was known of trials is known, and the neighbour proposes what it would have proposed alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "search/strategy_job.h"
#include "ordinary_user.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLUGINS TEST_BUILD_DIR "/tests/hostile/"

enum { N_TRIALS = 6, WHOLE = 9 };

static const char *const dimensions = "lr=0.01..1 momentum=0..0.99 type=sgd,adam";

typedef struct expectation {
    const char *act, *place;
    outcome_class class; /* OK: the search comes to its end */
    const char *says, *where; /* the reason holds these; NULL: no matter */
} expectation;

typedef struct scene {
    char dir[64];
    sandbox *sandbox;
    registry *registry;
    config *c;
    space s;
    search *alone, *neighbour;
    uint64_t n_neighbour;
} scene;

/* -- The scene -- */

static void die(const error *err)
{
    print_error("%s\n", err->text);
    abort();
}

static void write_text(const char *name, const char *s)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(s, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool can_be_strict(const scene *c)
{
    return !sandbox_get_state(c->sandbox)->is_instrumented &&
        !sandbox_get_state(c->sandbox)->lacking[0];
}

static int open_scene(void **state)
{
    static const char *const readable[] = { TEST_BUILD_DIR "/tests/hostile", NULL };
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay", .readable = readable };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options so = { .seed = 4 };
    error err;
    scene *c = calloc(1, sizeof *c);
    if (!c) return -1;
    strcpy(c->dir, "/tmp/assay-hostile-XXXXXX");
    if (!mkdtemp(c->dir) || chdir(c->dir) != 0 || chmod(c->dir, 0777) != 0) return -1;
    (void)umask(0);
    write_text("secret", "the test set");
    write_text("victim", "what must stay");
    (void)umask(022);
    if (sandbox_open(&o, &c->sandbox, &err) != OK || registry_new(&ro, &c->registry, &err) != OK ||
        config_parse("n.cfg", "search = \"tpe\";", &c->c, &err) != OK ||
        space_add_text(&c->s, dimensions, NULL, &err) != OK) {
        die(&err);
    }
    value *block = value_find(config_root(c->c), "search");
    const search_place place = { .sandbox = c->sandbox,
        .level = can_be_strict(c) ? SANDBOX_STRICT : SANDBOX_PROCESS };
    if (search_new(c->registry, c->c, block, NULL, &c->s, &so, &c->alone, &err) != OK ||
        search_new_in(&place, c->c, block, NULL, &c->s, &so, &c->neighbour, &err) != OK) {
        die(&err);
    }
    *state = c;
    return 0;
}

static int close_scene(void **state)
{
    scene *c = *state;
    search_free(c->neighbour);
    search_free(c->alone);
    sandbox_close(c->sandbox);
    registry_free(c->registry);
    config_free(c->c);
    space_release(&c->s);
    const bool is_clean =
        unlink("secret") == 0 && unlink("victim") == 0 && chdir("/") == 0 && rmdir(c->dir) == 0;
    free(c);
    return is_clean ? 0 : -1;
}

/* -- Oracles -- */

static void check_folder(const char *act)
{
    struct stat info;
    char line[64] = "";
    size_t n = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    FILE *f = fopen("victim", "r");
    if (!f || !fgets(line, sizeof line, f) || strcmp(line, "what must stay") != 0 || n != 2 ||
        stat("victim", &info) != 0 || (info.st_mode & 07777) != 0666) {
        print_error("%s: the folder has changed\n", act);
        assert_true(false);
    }
    fclose(f);
}

/* The neighbour's process alone is left. */
static void check_processes(const scene *c, const char *act)
{
    char path[96], list[256] = "";
    int n = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", sandbox_server_pid(c->sandbox),
        sandbox_server_pid(c->sandbox));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    (void)!fgets(list, sizeof list, f);
    fclose(f);
    for (const char *p = list; *p; p++)
        n += *p == ' ';
    if (n != 1) print_error("%s: processes: %s\n", act, list);
    assert_int_equal(n, 1);
}

static status step(search *s, uint64_t i, search_trial *out, error *err)
{
    size_t n;
    bool over;
    const status st = search_ask(s, 1, out, &n, &over, err);
    if (st != OK) return st;
    const search_result r = { .trial = out->number,
        .state = ASSAY_TRIAL_DONE,
        .value = 0.731 * (double)(i % 7),
        .standard_error = (double)NAN };
    return search_tell(s, &r, NULL, err);
}

static void check_neighbour(scene *c)
{
    error err;
    search_trial a, b;
    const uint64_t i = c->n_neighbour++;
    if (step(c->alone, i, &a, &err) != OK || step(c->neighbour, i, &b, &err) != OK) die(&err);
    assert_memory_equal(a.x, b.x, c->s.n * sizeof *a.x);
}

static void check_printed(const search *s, bool is_strict)
{
    error err;
    text log = { 0 };
    assert_int_equal(search_printed(s, &log, &err), OK);
    if (is_strict && log.s && strstr(log.s, "BREACH")) {
        print_error("%s", log.s);
        assert_true(false);
    }
    for (size_t i = 0; i < log.n; i++)
        assert_true((log.s[i] >= ' ' && log.s[i] <= '~') || log.s[i] == '\n' || log.s[i] == '\t');
    text_release(&log);
}

/* -- A search with a hostile part -- */

/* Asks, reports, has explained, tells; until something is wrong. *out_done: trials that were told of as done. */
static status go(const scene *c, search *s, size_t *out_done, error *err)
{
    status st = OK;
    for (size_t i = 0; i < N_TRIALS; i++) {
        search_trial got;
        size_t n;
        bool over;
        char line[100];
        uint64_t verdict;
        TRY(search_ask(s, 1, &got, &n, &over, err));
        double x[3];
        memcpy(x, got.x, sizeof x);
        assert_int_equal(n, 1);
        assert_false(space_repair(&c->s, x)); /* whatever was proposed */
        search_result r = { .trial = got.number,
            .state = ASSAY_TRIAL_REPORTED,
            .value = 2.385,
            .standard_error = (double)NAN,
            .fidelity = 1 };
        TRY(search_tell(s, &r, &verdict, err));
        TRY(search_explain(s, got.number, line, sizeof line, err));
        for (const char *p = line; *p; p++)
            assert_true(*p >= ' ');
        r.state = ASSAY_TRIAL_DONE;
        r.fidelity = WHOLE;
        TRY(search_tell(s, &r, NULL, err));
        ++*out_done;
    }
done:
    return st;
}

static void run(scene *c, sandbox_level level, const expectation *e, const char *written)
{
    error err = { 0 };
    config *conf;
    search *s = NULL;
    size_t n_done = 0;
    sandbox_limits l = sandbox_default_limits;
    const search_options o = { .seed = 2, .max_fidelity = WHOLE };
    const search_place place = { .sandbox = c->sandbox, .level = level, .limits = &l };
    l.memory_bytes = UINT64_C(64) << 20;
    l.wall_s = e->class == OUTCOME_TIMEOUT ? 0.4 : 20;
    assert_int_equal(config_parse("h.cfg", written, &conf, &err), OK);
    value *root = config_root(conf);
    status st = search_new_in(
        &place, conf, value_find(root, "search"), value_find(root, "pruner"), &c->s, &o, &s, &err);
    if (st == OK) st = go(c, s, &n_done, &err);
    const bool is_right = (st == OK) == (e->class == OUTCOME_OK) &&
        (st == OK ||
            ((s || strstr(err.text, outcome_name(e->class))) &&
                (!e->says || strstr(err.text, e->says)) &&
                (!e->where || strstr(err.text, e->where)) &&
                strncmp(err.text, "h.cfg:2: ", 9) == 0 && strstr(err.text, "hostile_")));
    if (!is_right) {
        print_error("%s in %s at %s: \"%s\"; expected %s, \"%s\" and \"%s\"\n", e->act, e->place,
            sandbox_level_name(level), err.text, outcome_name(e->class), e->says ? e->says : "",
            e->where ? e->where : "");
        assert_true(false);
    }
    if (s) {
        search_trial again;
        size_t n;
        bool over;
        check_printed(s, level == SANDBOX_STRICT);
        assert_int_equal(search_outcome(s) ? search_outcome(s)->class : OUTCOME_OK, e->class);
        if (st != OK) { /* it stays over, and its trials stay known */
            const outcome *how = search_outcome(s);
            const status expected = how && outcome_is_loss(how) ? E_INTERRUPTED : E_PLUGIN;
            assert_int_equal(st, expected);
            assert_int_equal(expected == E_INTERRUPTED, strcmp(e->act, "kill_self") == 0);
            assert_int_equal(search_ask(s, 1, &again, &n, &over, &err), expected);
            assert_true(search_count(s) >= n_done && (n_done == 0 || search_best(s, NULL)));
        }
    }
    search_free(s);
    config_free(conf);
    check_neighbour(c);
    check_folder(e->act);
    check_processes(c, e->act);
}

static void need_strict(const scene *c)
{
    if (can_be_strict(c)) return;
    print_message("skipped: strict is not possible here: %s\n",
        sandbox_get_state(c->sandbox)->lacking[0] ? sandbox_get_state(c->sandbox)->lacking
                                                  : "instrumented");
    skip();
}

/* -- Tests -- */

#define PLACE "in hostile_search.so+0x"
#define FORBIDDEN(act, place, call, where) \
    { \
        act, place, OUTCOME_VIOLATION, "forbidden system call " call, where \
    }

static const expectation searches[] = {
    { "nothing", "ask", OUTCOME_OK, NULL, NULL },
    { "crash_null", "validate", OUTCOME_CRASH, PLACE, "phase load, in loading" },
    { "crash_null", "open", OUTCOME_CRASH, PLACE, "phase plan, in open" },
    { "crash_null", "ask", OUTCOME_CRASH, PLACE, "phase step, in ask 3" },
    { "crash_null", "tell", OUTCOME_CRASH, PLACE, "phase step, in tell 3" },
    { "crash_null", "report", OUTCOME_CRASH, PLACE, "phase step, in tell 3, report of 3" },
    { "crash_null", "explain", OUTCOME_CRASH, PLACE, "phase step, in explain of 3" },
    { "abort", "ask", OUTCOME_CRASH, "abort " PLACE, "in ask 3" },
    { "stack_overflow", "ask", OUTCOME_STACK_OVERFLOW, PLACE, "in ask 3" },
    { "kill_self", "tell", OUTCOME_CRASH, "killed", "in tell 3" },
    { "exit_zero", "validate", OUTCOME_EARLY_EXIT, "with code 0", "in loading" },
    { "exit_zero", "open", OUTCOME_EARLY_EXIT, "with code 0", "in open" },
    { "exit_seven", "ask", OUTCOME_EARLY_EXIT, "with code 7", "in ask 3" },
    { "exit_seven", "report", OUTCOME_EARLY_EXIT, "with code 7", "report of 3" },
    { "hang_loop", "ask", OUTCOME_TIMEOUT, "no answer after 0.4 s", "phase step, in ask 3" },
    { "hang_sleep", "open", OUTCOME_TIMEOUT, "no answer after 0.4 s", "phase plan, in open" },
    { "hang_sleep", "validate", OUTCOME_TIMEOUT, "no answer after 0.4 s",
        "phase load, in loading" },
    { "deadlock", "tell", OUTCOME_TIMEOUT, "no answer after 0.4 s", "in tell 3" },
    { "stop_self", "report", OUTCOME_TIMEOUT, "no answer after 0.4 s", "report of 3" },
    { "memory_malloc", "ask", OUTCOME_MEMORY_LIMIT, "memory", "in ask 3" },
    { "memory_map", "tell", OUTCOME_MEMORY_LIMIT, "memory", "in tell 3" },
    { "memory_malloc", "open", OUTCOME_MEMORY_LIMIT, "memory", "in open" },
    { "forge_done", "ask", OUTCOME_EARLY_EXIT, "ended itself, in ask 3", NULL },
    { "forge_nonsense", "tell", OUTCOME_EARLY_EXIT, NULL, "in tell 3" },
    { "log_flood", "ask", OUTCOME_OK, NULL, NULL },
    { "log_escapes", "tell", OUTCOME_OK, NULL, NULL },
    { "channel_garbage", "ask", OUTCOME_RESULT_INVALID, "none to what was asked", "ask 3" },
    { "channel_garbage", "open", OUTCOME_RESULT_INVALID, "none to what was asked", "open" },
    { "channel_length", "tell", OUTCOME_RESULT_INVALID, "is too long", "tell 3" },
    { "channel_flood", "report", OUTCOME_RESULT_INVALID, "none to what was asked", "report of 3" },
    { "channel_part", "ask", OUTCOME_TIMEOUT, "no answer after 0.4 s", "in ask 3" },
    { "channel_close", "ask", OUTCOME_EARLY_EXIT, "ended itself, in ask 3", NULL },
    { "channel_read", "ask", OUTCOME_TIMEOUT, "no answer after 0.4 s", "in ask 3" },
    { "propose_many", "ask", OUTCOME_RESULT_INVALID, "gives 1000001 proposals where 1 were wanted",
        "ask 3" },
    { "propose_endless", "ask", OUTCOME_RESULT_INVALID, "a fidelity of inf is outside of [0, 9]",
        "ask 3" },
    { "propose_no_fidelity", "ask", OUTCOME_RESULT_INVALID, "is outside of [0, 9]", "ask 3" },
    { "propose_negative", "ask", OUTCOME_RESULT_INVALID, "-1 is outside of [0, 9]", "ask 3" },
    { "propose_from_running", "ask", OUTCOME_RESULT_INVALID,
        "continues trial 0, which is not paused", "ask 3" },
    { "propose_from_future", "ask", OUTCOME_RESULT_INVALID,
        "continues trial 77, which is not paused", "ask 3" },
    { "propose_nan", "ask", OUTCOME_OK, NULL, NULL }, /* repaired: the point lies in the space */
    { "propose_infinite", "ask", OUTCOME_OK, NULL, NULL },
    { "propose_outside", "ask", OUTCOME_OK, NULL, NULL },
    { "propose_elsewhere", "ask", OUTCOME_OK, NULL, NULL }, /* its own pointer is not followed */
    { "verdict", "report", OUTCOME_RESULT_INVALID, "gives 77, which is no verdict", "report" },
    { "code", "ask", OUTCOME_PLUGIN_ERROR, "ask returned 12345", NULL },
    { "endless_line", "explain", OUTCOME_OK, NULL, NULL },
};

/* What only strict forbids. */
static const expectation forbidden[] = {
    FORBIDDEN("read_secret", "open", "openat", "phase plan, in open"),
    FORBIDDEN("read_secret", "ask", "openat " PLACE, "in ask 3"),
    FORBIDDEN("read_passwd", "tell", "openat " PLACE, "in tell 3"),
    FORBIDDEN("write_file", "ask", "openat " PLACE, "in ask 3"),
    FORBIDDEN("write_file", "validate", "openat", "phase load, in loading"),
    FORBIDDEN("unlink", "report", "unlink", "report of 3"),
    FORBIDDEN("fork", "ask", "clone " PLACE, "in ask 3"),
    FORBIDDEN("fork", "open", "clone " PLACE, "in open"),
    FORBIDDEN("socket_inet", "tell", "socket " PLACE, "in tell 3"),
    FORBIDDEN("execute", "ask", "execve " PLACE, "in ask 3"),
    FORBIDDEN("signal_parent", "tell", "kill " PLACE, "in tell 3"),
    FORBIDDEN("trace_parent", "ask", "ptrace " PLACE, "in ask 3"),
    FORBIDDEN("executable_memory", "ask", "mmap " PLACE, "in ask 3"),
    FORBIDDEN("patch_host_code", "explain", "mprotect " PLACE, "in explain of 3"),
    { "thread", "ask", OUTCOME_OK, NULL, NULL },
    { "raise_limits", "tell", OUTCOME_OK, NULL, NULL },
};

static void run_search(scene *c, sandbox_level level, const expectation *e)
{
    char written[1000];
    snprintf(written, sizeof written,
        "plugins = ( \"" PLUGINS "hostile_search.so\" );\n"
        "search = { type = \"hostile_search\"; act = \"%s\"; place = \"%s\"; };\n",
        e->act, e->place);
    run(c, level, e, written);
}

static void test_hostile_search__at_strict(void **state)
{
    need_strict(*state);
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++)
        run_search(*state, SANDBOX_STRICT, &searches[i]);
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        run_search(*state, SANDBOX_STRICT, &forbidden[i]);
}

static void test_hostile_search__at_process(void **state)
{
    const scene *c = *state;
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        expectation e = searches[i];
        if (sandbox_get_state(c->sandbox)->is_instrumented) {
            if (strncmp(e.act, "memory_", 7) == 0) continue; /* there is no limit on memory */
            if (strcmp(e.act, "stack_overflow") == 0) continue;
            e.says = e.says && strstr(e.says, PLACE) ? NULL : e.says;
            if (strcmp(e.act, "exit_zero") == 0) e.says = NULL; /* its leak check has a code */
        }
        run_search(*state, SANDBOX_PROCESS, &e);
    }
}

static void test_hostile_search__while_it_is_loaded(void **state)
{
    static const expectation rows[] = {
        { "crash_null", "", OUTCOME_CRASH, "hostile_search_constructor_crash_null.so+0x",
            "phase load, in loading" },
        { "exit_zero", "", OUTCOME_EARLY_EXIT, "with code 0", "in loading" },
        { "hang_sleep", "", OUTCOME_TIMEOUT, "no answer after 0.4 s", "phase load, in loading" },
        { "memory_malloc", "", OUTCOME_MEMORY_LIMIT, "memory", "in loading" },
        FORBIDDEN("write_file", "", "openat", "phase load, in loading"),
        { "read_secret", "", OUTCOME_OK, NULL, NULL }, /* an error for it, and no secret */
        FORBIDDEN("socket_inet", "", "socket", "in loading"),
        FORBIDDEN("fork", "", "clone", "in loading"),
        { "channel_garbage", "", OUTCOME_RESULT_INVALID, "none to what was asked", "loading" },
    };
    char written[1000];
    need_strict(*state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(written, sizeof written,
            "plugins = ( \"" PLUGINS "hostile_search_constructor_%s.so\" );\n"
            "search = \"hostile_search\";\n",
            rows[i].act);
        run(*state, SANDBOX_STRICT, &rows[i], written);
    }
}

static void test_hostile_pruner__at_strict(void **state)
{
#undef PLACE
#define PLACE "in hostile_pruner.so+0x"
    static const expectation rows[] = {
        { "nothing", "report", OUTCOME_OK, NULL, NULL },
        { "crash_null", "open", OUTCOME_CRASH, PLACE, "pruner \"hostile_pruner\"" },
        { "crash_null", "tell", OUTCOME_CRASH, PLACE, "in tell 3" },
        { "crash_divide", "report", OUTCOME_CRASH, PLACE, "report of 3" },
        { "exit_seven", "report", OUTCOME_EARLY_EXIT, "with code 7", "pruner \"hostile_pruner\"" },
        { "hang_loop", "report", OUTCOME_TIMEOUT, "no answer after 0.4 s", "report of 3" },
        { "hang_sleep", "tell", OUTCOME_TIMEOUT, "pruner \"hostile_pruner\"", "in tell 3" },
        { "memory_map", "report", OUTCOME_MEMORY_LIMIT, "memory", "report of 3" },
        { "channel_garbage", "report", OUTCOME_RESULT_INVALID, "none to what was asked", NULL },
        { "verdict", "report", OUTCOME_RESULT_INVALID, "which is no verdict",
            "pruner \"hostile_pruner\"" },
        FORBIDDEN("read_secret", "report", "openat " PLACE, "report of 3"),
        FORBIDDEN("write_file", "tell", "openat " PLACE, "in tell 3"),
        FORBIDDEN("fork_bomb", "report", "clone " PLACE, "report of 3"),
        FORBIDDEN("socket_udp", "open", "socket " PLACE, "in open"),
        { "log_flood", "report", OUTCOME_OK, NULL, NULL },
    };
    char written[1000];
    need_strict(*state);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(written, sizeof written,
            "plugins = ( \"" PLUGINS "hostile_pruner.so\" );\n"
            "search = \"random\"; pruner = { type = \"hostile_pruner\"; act = \"%s\"; place = "
            "\"%s\"; };\n",
            rows[i].act, rows[i].place);
        run(*state, SANDBOX_STRICT, &rows[i], written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_search__at_strict),
        cmocka_unit_test(test_hostile_search__at_process),
        cmocka_unit_test(test_hostile_search__while_it_is_loaded),
        cmocka_unit_test(test_hostile_pruner__at_strict),
    };
    const int failed = cmocka_run_group_tests_name(
        geteuid() == 0 ? "as root" : "as an ordinary user", tests, open_scene, close_scene);
    return failed || geteuid() != 0 ? failed : as_ordinary_user("test_hostile_search");
}
