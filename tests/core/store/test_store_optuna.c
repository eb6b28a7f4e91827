/* What Optuna makes of a store: with_optuna.py reads the views and the exported files, where Optuna is installed. What SQL alone can
 * tell is told without it. */
#include "store_rig.h"

#include <sqlite3.h>
#include <sys/wait.h>

static rig shared;

static store_trial run_next(rig *r)
{
    return must_claim(r);
}

static void end_as(
    rig *r, const store_trial *t, trial_state state, int attempt_class, const char *reason)
{
    store_result result = done_with(0.5 - (double)t->number / 64.0);
    result.state = state;
    if (state == TRIAL_DIVERGED) result.value = -(double)INFINITY;
    result.attempt_class = attempt_class;
    result.reason = reason;
    OKAY(trial_finish(r->s, trial_hold(t), &result, err));
}

static void fill_study(rig *r)
{
    store_trial t;
    bool is_new;
    store_trial_spec spec = usual_trial(UINT64_MAX - 2,
        "{\"optimizer.lr\": 0.1, \"units\": 4, \"cell\": \"lstm\", \"free\": 2.5, \"word\": "
        "\"x\"}");
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    for (uint64_t i = 1; i < 12; i++) {
        spec = usual_trial(i, "{\"optimizer.lr\": 1e-6, \"cell\": \"gru\"}");
        OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    }
    t = run_next(r);
    const store_point points[] = { { 1, "validation.loss", 2.0 }, { 1, "training.loss", 7.0 },
        { 2, "validation.loss", (double)INFINITY }, { 3, "validation.loss", -(double)INFINITY },
        { 4, "validation.loss", (double)NAN }, { (1 << 20) + 2, "validation.loss", 0.25 } };
    OKAY(trial_report(r->s, trial_hold(&t), points, 6, NULL, err));
    end_as(r, &t, TRIAL_DONE, 0, "");
    t = run_next(r);
    const store_point first[] = { { 1, "validation.loss", 1.5 }, { 2, "validation.loss", 9.0 } };
    const store_point second[] = { { 2, "validation.loss", 1.25 } };
    OKAY(trial_report(r->s, trial_hold(&t), first, 2, NULL, err));
    OKAY(trial_release(r->s, trial_hold(&t), ATTEMPT_LOST, "", err));
    t = run_next(r);
    OKAY(trial_report(r->s, trial_hold(&t), second, 1, NULL, err));
    end_as(r, &t, TRIAL_DONE, 0, "");
    static const trial_state ends[] = { TRIAL_DONE, TRIAL_DONE, TRIAL_PRUNED, TRIAL_PAUSED,
        TRIAL_FAILED, TRIAL_DIVERGED, TRIAL_TIMEOUT, TRIAL_LOST };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        t = run_next(r);
        end_as(r, &t, ends[i], ends[i] == TRIAL_LOST ? ATTEMPT_LOST : (int)ends[i] - 2,
            "nan in \"layer 2\" \xc3\xa4");
    }
    run_next(r);
    spec = usual_trial(1, "{}");
    spec.search = (store_search){ STORE_TUNE, "adam", "spirals", 2 };
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
    spec.search.phase = STORE_EVALUATE;
    OKAY(trial_add(r->s, r->study, &spec, &t, &r->a, &is_new, err));
}

static int enter(void **state)
{
    (void)state;
    rig_open(&shared, &implementations[0]);
    fill_study(&shared);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    rig_close(&shared);
    return 0;
}

static char *ask(const char *file, const char *sql)
{
    static char out[200];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    snprintf(out, sizeof out, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    sqlite3_close(db);
    return out;
}

static void test_optuna__an_export_is_sound_and_says_its_revision(void **state)
{
    (void)state;
    OKAY(store_export_optuna(shared.s, 0, "a.db", "3.1", err));
    OKAY(store_export_optuna(shared.s, shared.study, "b.db", "3.2", err));
    OKAY(store_export_optuna(shared.s, 77, "none.db", "3.2", err));
    assert_string_equal(ask("a.db", "SELECT version_num FROM alembic_version"), "v3.0.0.d");
    assert_string_equal(ask("b.db", "SELECT version_num FROM alembic_version"), "v3.2.0.a");
    assert_string_equal(ask("b.db", "PRAGMA integrity_check"), "ok");
    assert_string_equal(ask("b.db", "SELECT count(*) FROM pragma_foreign_key_check"), "0");
    assert_string_equal(
        ask("b.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'trials_study_id_key'"), "1");
    assert_string_equal(ask("a.db", "SELECT count(*) FROM trials"), "14");
    assert_string_equal(ask("b.db", "SELECT count(*) FROM trials"), "14");
    assert_string_equal(ask("none.db", "SELECT count(*) FROM trials"), "0");
    SAYS(E_CONFLICT, "exists", store_export_optuna(shared.s, 0, "a.db", "3.1", err));
    SAYS(E_IO, "no/a.db", store_export_optuna(shared.s, 0, "no/a.db", "3.1", err));
    assert_int_not_equal(system("ls *.tmp.* > found 2> /dev/null"), 0);
}

static void test_optuna__the_views_have_what_the_tables_have(void **state)
{
    (void)state;
    static const char *const questions[] = {
        "SELECT group_concat(number || state, ' ') FROM (SELECT * FROM trials ORDER BY study_id, "
        "number)",
        "SELECT count(*) || ' ' || sum(param_value) FROM trial_params",
        "SELECT group_concat(trial_id || value || value_type, ' ') FROM (SELECT * FROM "
        "trial_values ORDER BY trial_id)",
        "SELECT count(*) || ' ' || group_concat(intermediate_value_type, ' ') FROM (SELECT * FROM "
        "trial_intermediate_values ORDER BY trial_id, step)",
        "SELECT count(*) FROM trial_user_attributes",
        "SELECT value_json FROM study_system_attributes LIMIT 1",
        "SELECT schema_version FROM version_info",
        "SELECT count(*) FROM trial_heartbeats",
        "SELECT count(*) FROM trial_system_attributes",
    };
    OKAY(store_export_optuna(shared.s, 0, "same.db", "3.1", err));
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        char views[200];
        strcpy(views, ask("study.db", questions[i]));
        assert_string_equal(ask("same.db", questions[i]), views);
    }
}

static void test_optuna__opens_the_store_and_goes_on_with_an_export(void **state)
{
    (void)state;
    rig *r = &shared;
    OKAY(store_export_optuna(r->s, 0, "tables-3.1.db", "3.1", err));
    OKAY(store_export_optuna(r->s, 0, "tables-3.2.db", "3.2", err));
    store_close(r->s);
    r->s = NULL;
    assert_int_equal(system("cp study.db views-3.1.db && cp study.db views-3.2.db"), 0);
    const store_options later = { .mode = STORE_WRITE, .optuna = "3.2" };
    OKAY(store_open("views-3.2.db", &later, &r->s, err));
    store_close(r->s);
    r->s = open_as(r, "one", STORE_WRITE);
    char command[400];
    snprintf(command, sizeof command,
        "[ -x /usr/bin/python3 ] || { echo 'skipped: no /usr/bin/python3'; exit 77; }; LD_PRELOAD= "
        "PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 '%s/tests/core/store/with_optuna.py' .",
        TEST_SOURCE_DIR);
    const int how = system(command);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 77) skip();
    assert_int_equal(WEXITSTATUS(how), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optuna__an_export_is_sound_and_says_its_revision),
        cmocka_unit_test(test_optuna__the_views_have_what_the_tables_have),
        cmocka_unit_test(test_optuna__opens_the_store_and_goes_on_with_an_export),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
