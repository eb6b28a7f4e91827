/* The commands of studies as a user meets them: begun, interrupted, helped with, gone on with, looked at. */
#include "study_scene.h"

#include <sqlite3.h>

/* What does not depend on when and where trials ran: contender, repeat, phase, proposal, trial's seed, state, value, params. */
static void keep_rows(scene *s, const char *name, const char *to)
{
    char line[512];
    scene_run(s, "study", "show", name, "--csv", "--trials");
    scene_expect(s, 0);
    scene_write(s, "all.csv", s->out.s);
    snprintf(line, sizeof line, "cut -d, -f2-6,8-9,12,17 all.csv | sort > %s", to);
    scene_shell(s, line);
}

static void test_run__searches_shows_and_keeps(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg");
    scene_expect(&s, 0);
    has(s.out.s, "search  declared as ");
    has(s.out.s, "1 tuning of at most 12 trials\n");
    has(s.out.s, "loss (smaller is better)");
    has(s.out.s, "12 ended (");
    has(s.out.s, "  best          ");
    has(s.out.s, "\n  5  ");
    has(s.out.s, "early exit");
    has(s.out.s, "best value of a tuning is optimistic");
    has(s.err.s, "trials 12/12");
    has_not(s.out.s, "\033");
    has(s.out.s, "study.evaluations=5 --name search-2\n");
    scene_shell(&s, "test \"$(ls studies)\" = search.study"); /* no log, no empty folder */
    scene_write(&s, "first", s.out.s);
    scene_shell(&s, /* four digits of a small value, too */
        "awk '$1 == \"best\" { gsub(/[.]/, \"\", $2); sub(/^0+/, \"\", $2); exit length($2) != 4 "
        "}' first");
    scene_run(&s, "study", "run", "search.cfg");
    scene_expect(&s, 0);
    has(s.err.s, "12 trials have ended before; nothing is left to do");
    scene_write(&s, "second", s.out.s);
    assert_true(scene_same_bytes(&s, "first", "second"));
    scene_run(&s, "study", "show");
    has(s.err.s, "studies/search.study");
    scene_write(&s, "third", s.out.s);
    assert_true(scene_same_bytes(&s, "first", "third"));
    scene_shell(&s, "test \"$(ls studies)\" = search.study"); /* nor do readers leave one */
    scene_run(&s, "study", "stop", "search");
    scene_expect(&s, 0);
    has(s.err.s, "search is done: there is nothing to stop");
    scene_release(&s);
}

static void test_run__another_declaration_is_refused_by_name(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q");
    scene_expect(&s, 0);
    scene_run(&s, "study", "run", "search.cfg", "study.budget.trials=13");
    scene_expect(&s, 2);
    has(s.err.s, "declared otherwise");
    has(s.err.s, "--name");
    has(s.err.s, "--store");
    scene_run(&s, "study", "run", "search.cfg", "study.budget.trials=3", "--name", "other", "-q");
    scene_expect(&s, 0);
    assert_true(scene_has(&s, "studies/other.study"));
    scene_run(
        &s, "study", "run", "search.cfg", "-q", "--store", "deep/er/x.study", "--name", "third");
    scene_expect(&s, 0);
    assert_true(scene_has(&s, "deep/er/x.study"));
    scene_run(&s, "study", "list");
    scene_expect(&s, 0);
    has(s.out.s, "other   done     3/3");
    has(s.out.s, "search  done   12/12");
    scene_release(&s);
}

static void test_interrupt__what_runs_ends_and_the_rest_comes_as_it_would_have(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q", "--name", "whole");
    scene_expect(&s, 0);
    keep_rows(&s, "whole", "whole.rows");
    scene_write(&s, "slow", "");
    const pid_t pid = scene_start(&s,
        (const char *const[]){
            "study", "run", "search.cfg", "--name", "cut", "--jobs", "2", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status cut 2> /dev/null | grep -q ' failed'");
    assert_int_equal(kill(pid, SIGINT), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    has(s.err.s, "what runs ends, nothing new begins; once more ends what runs, too");
    has(s.err.s, "the study goes on by: assay study resume cut");
    has(s.out.s, "unfinished: what follows is preliminary");
    scene_run(&s, "study", "status", "cut");
    has(s.out.s, "cut  waiting  (studies/cut.study)");
    has_not(s.out.s, "running");
    scene_shell(&s, "rm slow; mv search.cfg gone.cfg");
    scene_run(&s, "study", "resume", "cut");
    scene_expect(&s, 0);
    has(s.err.s, "it goes on");
    scene_write(&s, "said", s.err.s);
    scene_write(&s, "shown", s.out.s);
    /* Those of the first session are counted, too. */
    scene_shell(&s,
        "n=$(grep -o 'ended ([0-9]* failed' shown | tr -cd 0-9); test \"$n\" -gt 1; "
        "grep -q \"trials 12/12  $n failed\" said");
    keep_rows(&s, "cut", "cut.rows");
    assert_true(scene_same_bytes(&s, "whole.rows", "cut.rows"));
    scene_release(&s);
}

static void test_sigterm__ends_what_runs_and_leaves_it_to_be_run_again(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_write(&s, "slow", "");
    const pid_t pid =
        scene_start(&s, (const char *const[]){ "study", "run", "search.cfg", "--jobs", "2", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status search 2> /dev/null | grep -q ' done'");
    assert_int_equal(kill(pid, SIGTERM), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    scene_shell(&s, "rm slow");
    scene_run(&s, "study", "resume", "-q");
    scene_expect(&s, 0);
    scene_run(&s, "study", "show", "--json");
    has(s.out.s, "\"waiting\": 0, \"running\": 0");
    scene_release(&s);
}

static void test_kill__a_study_goes_on_after_it(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q", "--name", "whole");
    keep_rows(&s, "whole", "whole.rows");
    scene_write(&s, "slow", "");
    const pid_t pid = scene_start(&s,
        (const char *const[]){
            "study", "run", "search.cfg", "--name", "cut", "--jobs", "2", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status cut 2> /dev/null | grep -q ' done'");
    scene_run(&s, "study", "status", "cut");
    has(s.out.s, "cut  running  (studies/cut.study)");
    assert_int_equal(kill(pid, SIGKILL), 0);
    scene_wait(&s, pid);
    scene_run(&s, "study", "status", "cut");
    scene_expect(&s, 0);
    has(s.out.s, "cut  interrupted  (its host is gone; go on with: assay study resume cut)\n");
    has(s.out.s, " interrupted\n");
    has_not(s.out.s, "running");
    has_not(s.out.s, " left");
    has_not(s.out.s, "pid");
    scene_run(&s, "study", "status", "cut", "--json");
    has(s.out.s, "\"condition\": \"interrupted\"");
    has(s.out.s, "\"is_gone\": true");
    has_not(s.out.s, "\"left_s\"");
    scene_run(&s, "study", "list");
    has(s.out.s, "cut    interrupted");
    scene_run(&s, "study", "show", "cut");
    has(s.out.s, " interrupted; unfinished");
    scene_shell(&s, "rm slow");
    scene_run(&s, "study", "resume", "cut", "-q");
    scene_expect(&s, 0);
    keep_rows(&s, "cut", "cut.rows");
    assert_true(scene_same_bytes(&s, "whole.rows", "cut.rows"));
    scene_release(&s);
}

static void test_stop__ends_every_host_and_resume_takes_it_back(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_write(&s, "slow", "");
    const pid_t pid =
        scene_start(&s, (const char *const[]){ "study", "run", "search.cfg", "--jobs", "1", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status search 2> /dev/null | grep -q ' done'");
    scene_shell(&s, "\"$BUILD/assay\" study stop search 2> stopped");
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    char *said = scene_read(&s, "stopped", NULL);
    has(said, "to go on: assay study resume search");
    free(said);
    scene_run(&s, "study", "status", "search");
    has(s.out.s, "search  stopped");
    scene_run(&s, "worker", "search");
    scene_expect(&s, 2);
    has(s.err.s, "the study is stopped: assay study resume");
    scene_shell(&s, "rm slow");
    scene_run(&s, "study", "resume", "search", "-q");
    scene_expect(&s, 0);
    scene_run(&s, "study", "status", "search", "--json");
    has(s.out.s, "\"condition\": \"done\"");
    scene_release(&s);
}

static void test_worker__shares_the_trials_and_counts_none_twice(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q", "--name", "whole");
    keep_rows(&s, "whole", "whole.rows");
    scene_write(&s, "slow", "");
    const pid_t pid = scene_start(&s,
        (const char *const[]){
            "study", "run", "search.cfg", "--name", "two", "--jobs", "1", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status two 2> /dev/null | grep -q ' running'");
    scene_shell(&s, "\"$BUILD/assay\" worker two --jobs 2 2> helped");
    scene_wait(&s, pid);
    scene_expect(&s, 0);
    char *said = scene_read(&s, "helped", NULL);
    has(said, "works on two (studies/two.study)");
    has(said, "trials run here; nothing is left to do");
    has_not(said, "  0 trials run here");
    free(said);
    keep_rows(&s, "two", "two.rows");
    assert_true(scene_same_bytes(&s, "whole.rows", "two.rows"));
    scene_run(&s, "study", "check", "two");
    scene_expect(&s, 0);
    scene_release(&s);
}

static void test_dry_run__prints_the_trials_and_keeps_nothing(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "--dry-run");
    scene_expect(&s, 0);
    has(s.out.s, "     11  x=");
    has(s.out.s, "in all at most 12 trials");
    has(s.out.s, "nothing was run");
    assert_false(scene_has(&s, "studies"));
    scene_write(&s, "plan", s.out.s);
    scene_run(&s, "study", "run", "search.cfg", "-q");
    scene_run(&s, "study", "show", "--trials");
    scene_write(&s, "ran", s.out.s);
    /* Every point that was told of is one that was run. */
    scene_shell(&s,
        "grep -o 'x=[0-9.e-]*' plan | sort > planned; grep -o 'x=[0-9.e-]*' ran | sort > run; "
        "cmp planned run; test $(wc -l < run) = 12");
    scene_release(&s);
}

static void test_failures__of_all_trials_are_the_programs_own(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "study.search=\"x=0.6..1\"");
    scene_expect(&s, 1);
    has(s.out.s, "none of 12 trials has a value");
    has(s.out.s, "12  early exit");
    has(s.err.s, "no trial of the study has a value");
    scene_run(&s, "study", "show", "--json");
    scene_expect(&s, 0);
    has(s.out.s, "\"failed\": 12");
    scene_run(&s, "study", "list");
    has(s.out.s, "12/12");
    scene_release(&s);
}

/* What a store holds is shown, whatever it is, without reaching the terminal. */
static void test_show__takes_escape_sequences_for_text(void **state)
{
    scene s;
    sqlite3 *db;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q");
    assert_int_equal(sqlite3_open(scene_path(&s, "studies/search.study"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
            "UPDATE attempt SET reason = 'red' || char(27) || '[31m' || char(155) || '2J' || "
            "char(10) || 'lies' WHERE reason <> ''; UPDATE trial SET params = '{\"x\": \"' || "
            "'\\u001b[2J' || '\"}' WHERE number = 3",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    scene_run(&s, "study", "show", "--trials");
    scene_expect(&s, 0);
    has(s.out.s, "red?[31m?2J lies");
    has(s.out.s, "x=?[2J");
    has_not(s.out.s, "\033");
    has_not(s.out.s, "\xc2\x9b");
    scene_release(&s);
}

static void test_json__is_a_line_for_each_piece_of_news(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "--json", "-q");
    scene_expect(&s, 0);
    scene_write(&s, "news", s.out.s);
    scene_shell(&s,
        "test $(grep -c '\"event\": \"begun\"' news) = 12; "
        "test $(grep -c '\"event\": \"ended\"' news) = 12; "
        "tail -n 1 news | grep -q '\"event\": \"end\".*\"is_over\": true'");
    scene_shell(&s,
        "command -v python3 > /dev/null || exit 0; python3 -c 'import json\n"
        "for line in open(\"news\"): json.loads(line)'");
    scene_release(&s);
}

static void test_export__writes_what_optuna_reads(void **state)
{
    scene s;
    sqlite3 *db;
    sqlite3_stmt *q;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q");
    scene_run(&s, "study", "export", "search");
    scene_expect(&s, 2);
    has(s.err.s, "--to is missing");
    scene_run(&s, "study", "export", "search", "--to", "o.db");
    scene_expect(&s, 0);
    assert_int_equal(sqlite3_open(scene_path(&s, "o.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                         "SELECT count(*), version_num FROM trials, alembic_version", -1, &q, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(q, 0), 12);
    assert_string_equal((const char *)sqlite3_column_text(q, 1), "v3.2.0.a");
    sqlite3_finalize(q);
    sqlite3_close(db);
    scene_run(&s, "study", "export", "search", "--to", "o.db");
    scene_expect(&s, 2);
    scene_run(&s, "study", "export", "search", "--to", "old.db", "--optuna", "3.1");
    scene_expect(&s, 0);
    scene_release(&s);
}

static void test_list__tells_of_a_store_that_cannot_be_read_and_lists_the_others(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "list");
    scene_expect(&s, 0);
    has(s.err.s, "there is no study in studies/; begin one: assay study run CONFIG");
    scene_run(&s, "study", "list", "elsewhere");
    scene_expect(&s, 1);
    has(s.err.s, "elsewhere: no folder of studies");
    scene_run(&s, "study", "run", "search.cfg", "-q");
    scene_write(&s, "studies/broken.study", "this is no database, whatever its name says\n");
    scene_run(&s, "study", "list");
    scene_expect(&s, 1);
    has(s.out.s, "search  done   12/12");
    has(s.err.s, "broken.study");
    scene_shell(&s, "rm studies/broken.study");
    scene_run(&s, "study", "list", "--json");
    scene_expect(&s, 0);
    has(s.out.s, "[{\"study\": \"search\"");
    scene_release(&s);
}

static void test_check__of_a_store_finds_the_edge(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "-q", "study.search=\"x=0.137..0.5\"",
        "study.budget.trials=40");
    scene_expect(&s, 0);
    scene_run(&s, "study", "check", "search");
    scene_expect(&s, 0);
    has(s.out.s, "warning: the best x is 0.1");
    has(s.out.s, "on the lower edge of its range (0.137 to 0.5)");
    scene_run(&s, "study", "check", "search", "--json");
    has(s.out.s, "\"is_sound\": true");
    has(s.out.s, "the range may be too small");
    scene_release(&s);
}

static void test_mistakes__are_named_with_what_to_do(void **state)
{
    static const struct {
        const char *words[8];
        const char *message;
    } table[] = {
        { { "study", "run", "nope.cfg", NULL }, "nope.cfg: no such config file" },
        { { "study", "run", ".", NULL }, ".: a folder, not a config" },
        { { "study", "run", NULL },
            "study run: which config? As in: assay study run configs/digits.cfg --sweep" },
        { { "study", "run", "search.cfg", "trials", NULL }, "\"trials\" is no override" },
        { { "study", "run", "search.cfg", "--jobs", "0", NULL },
            "--jobs: expected a whole number from 1 to 10000, found \"0\"" },
        { { "study", "run", "search.cfg", "--jobs", "2", "--debug", NULL }, "leave --jobs out" },
        { { "study", "show", "nope", NULL }, "nope: no such store, and there is no studies/nope" },
        { { "study", "show", NULL }, "there is no study in studies/" },
        { { "study", "show", "x", "--csv", "--json", NULL }, "exclude each other" },
        { { "study", "show", "search.cfg", NULL }, "search.cfg: no store of a study" },
        { { "study", "shwo", NULL }, "did you mean \"study show\"?" },
        { { "study", NULL }, "there are: study run, study resume" },
        { { "worker", NULL }, "worker: something is missing" },
    };
    scene s;
    (void)state;
    study_scene(&s);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        scene_run_words(&s, table[i].words);
        scene_expect(&s, 2);
        has(s.err.s, table[i].message);
    }
    scene_release(&s);
}

/* The strategy's process may read the folders of the plugins that the study names, when it is read from its store, too. */
static void test_resume__has_strategies_of_the_users_own(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_shell(&s,
        "mkdir own; cp \"$BUILD/plugins/search/qmc.so\" own/mine.so; touch slow; "
        "{ echo 'plugins = ( \"own/mine.so\" );'; sed 's/\"random\"/\"qmc\"/' search.cfg; } > "
        "own.cfg");
    const pid_t pid =
        scene_start(&s, (const char *const[]){ "study", "run", "own.cfg", "--jobs", "2", NULL });
    wait_until(&s, "\"$BUILD/assay\" study status own 2> /dev/null | grep -q ' done'");
    assert_int_equal(kill(pid, SIGINT), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    scene_shell(&s, "rm slow");
    scene_run(&s, "study", "resume", "own");
    scene_expect(&s, 0);
    has(s.out.s, "12 ended (");
    has_not(s.out.s, "unfinished");
    scene_release(&s);
}

/* A budget of samples or seconds, and a grid, end before there are as many trials as there might be. */
static void test_show__knows_that_a_grid_is_over(void **state)
{
    scene s;
    (void)state;
    study_scene(&s);
    scene_run(&s, "study", "run", "search.cfg", "study.strategy=grid", "study.search=x=0.1,0.3,0.4",
        "--trials", "9");
    scene_expect(&s, 0);
    has(s.out.s, "1 tuning of at most 9 trials");
    has_not(s.out.s, "unfinished");
    scene_run(&s, "study", "status", "search");
    has(s.out.s, "search  done  (");
    scene_run(
        &s, "study", "run", "search.cfg", "--name", "timed", "study.budget={ seconds=0.01; }");
    scene_expect(&s, 0);
    has(s.out.s, "as many trials as its budget has");
    has_not(s.out.s, "unfinished");
    has_not(s.err.s, "1000000000");
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run__searches_shows_and_keeps),
        cmocka_unit_test(test_run__another_declaration_is_refused_by_name),
        cmocka_unit_test(test_interrupt__what_runs_ends_and_the_rest_comes_as_it_would_have),
        cmocka_unit_test(test_sigterm__ends_what_runs_and_leaves_it_to_be_run_again),
        cmocka_unit_test(test_kill__a_study_goes_on_after_it),
        cmocka_unit_test(test_resume__has_strategies_of_the_users_own),
        cmocka_unit_test(test_show__knows_that_a_grid_is_over),
        cmocka_unit_test(test_stop__ends_every_host_and_resume_takes_it_back),
        cmocka_unit_test(test_worker__shares_the_trials_and_counts_none_twice),
        cmocka_unit_test(test_dry_run__prints_the_trials_and_keeps_nothing),
        cmocka_unit_test(test_failures__of_all_trials_are_the_programs_own),
        cmocka_unit_test(test_show__takes_escape_sequences_for_text),
        cmocka_unit_test(test_json__is_a_line_for_each_piece_of_news),
        cmocka_unit_test(test_export__writes_what_optuna_reads),
        cmocka_unit_test(test_list__tells_of_a_store_that_cannot_be_read_and_lists_the_others),
        cmocka_unit_test(test_check__of_a_store_finds_the_edge),
        cmocka_unit_test(test_mistakes__are_named_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
