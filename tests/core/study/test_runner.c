/* Trials of a train workload: the chain of jobs gives what `assay train` gives, and says what went wrong; nothing is left behind. */
#include "core/study/runner_rig.h"

#include <pthread.h>
#include <sys/stat.h>

static const char *const small[] = { "train.epochs=3", "model[0].units=16" };

/* The number after a key of a run's record, wherever it stands. */
static double in_record(const run_end *e, const char *key)
{
    char quoted_key[64];
    snprintf(quoted_key, sizeof quoted_key, "\"%s\": ", key);
    const char *at = strstr(e->record, quoted_key);
    if (!at) {
        snprintf(quoted_key, sizeof quoted_key, "\"%s\":", key);
        at = strstr(e->record, quoted_key);
    }
    assert_non_null(at);
    return strtod(at + strlen(quoted_key), NULL);
}

static void test_runner__gives_the_numbers_of_assay_train(void **state)
{
    rig g;
    const double x[] = { 0.00731 };
    (void)state;
    const int code = system("'" PROGRAM "' train -q " CONFIGS "digits.cfg train.epochs=3 "
                            "'model[0].units=16' optimizer.lr=0.00731 '~train.early_stopping' "
                            "--seed 11 -o run >/dev/null 2>&1");
    assert_int_equal(code, 0);
    char *table = slurp("run/metrics.jsonl");
    rig_init(&g, "optimizer.lr=1e-4..1e-1:log");
    rig_train(&g, small, 2);
    rig_open(&g, false, NULL);
    assert_int_equal(runner_n_running(g.r), 0);
    run *n = rig_start(&g, x, 11);
    assert_int_equal(runner_n_running(g.r), 1);
    const run_end *e = rig_end(&g, n);
    assert_int_equal(runner_n_running(g.r), 0);
    assert_ptr_equal(run_self(n), &g);
    rig_expect(e, OUTCOME_OK, "done");
    char expected[64];
    text t = { 0 };
    text_add_real(&t, e->value);
    snprintf(expected, sizeof expected, "%s", t.s);
    text_release(&t);
    if (!strstr(table, expected)) {
        print_error("%s is not in\n%s\n", expected, table);
        abort();
    }
    assert_true(isnan(e->judged));
    assert_true(e->best <= e->value);
    assert_true(e->fidelity == 3);
    assert_true(e->samples > 3 * 1200 && e->samples < 3 * 1300);
    assert_true(e->wall_s > 0 && e->cpu_s > 0);
    for (size_t i = 0; i < e->n_values; i++)
        assert_int_not_equal(strncmp(e->values[i].name, "test.", 5), 0);
    rig_check_json(e->record);
    assert_non_null(strstr(e->record, "\"adam\""));
    assert_non_null(strstr(e->record, "optimizer.lr=0.00731"));
    assert_true(in_record(e, "steps") > 100);
    assert_true(in_record(e, "peak_bytes") > 1e6);
    run_free(n);
    free(table);
    rig_close(&g);
}

/* Strict is not possible of an instrumented program, and is not claimed. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
static const char *const strictest = "process";
#else
static const char *const strictest = "strict";
#endif

static void test_runner__has_the_same_numbers_at_every_level(void **state)
{
    double values[3];
    (void)state;
    for (int k = 0; k < 3; k++) {
        rig g;
        rig_init(&g, NULL);
        rig_train(&g, small, 2);
        g.d.level = k == 0 ? SANDBOX_STRICT : SANDBOX_PROCESS;
        rig_open(&g, k == 2, NULL);
        assert_string_equal(runner_level(g.r), k == 2 ? "none" : k == 1 ? "process" : strictest);
        run *n = rig_start(&g, NULL, 5);
        const run_end *e = rig_end(&g, n);
        rig_expect(e, OUTCOME_OK, "done");
        values[k] = e->value;
        if (k == 2) { /* no server waits for what never comes */
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
            assert_int_equal(errno, ECHILD);
        }
        run_free(n);
        rig_close(&g);
    }
    assert_true(values[0] == values[1] && values[1] == values[2]);
}

static void test_runner__runs_with_less_only_where_told(void **state)
{
    rig g;
    error err;
    (void)state;
    rig_init(&g, NULL);
    rig_train(&g, small, 2);
    const runner_options o = { .program = PROGRAM, .pretend_lacking = LACKS_LANDLOCK };
    assert_int_equal(setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1), 0);
    const status st = runner_open(&g.d, &o, &g.r, &err);
    if (st == OK) {
        assert_string_equal(strictest, "process");
        assert_string_equal(runner_level(g.r), strictest);
        rig_close(&g);
        return;
    }
    assert_int_equal(st, E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "Landlock"));
    g.d.is_auto = true; /* a folder of plugins from the environment may hold anybody's */
    assert_int_equal(runner_open(&g.d, &o, &g.r, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "do not come with assay: " TEST_BUILD_DIR "/plugins"));
    assert_int_equal(unsetenv("ASSAY_PLUGIN_PATH"), 0);
    assert_int_equal(runner_open(&g.d, &o, &g.r, &err), OK);
    assert_string_equal(runner_level(g.r), "process");
    runner_close(g.r);
    g.d.is_auto = false;
    g.d.falls_back = true;
    assert_int_equal(runner_open(&g.d, &o, &g.r, &err), OK);
    assert_string_equal(runner_level(g.r), "process");
    run *n = rig_start(&g, NULL, 5);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_non_null(strstr(e->record, "\"process\""));
    assert_non_null(strstr(e->record, "\"strict\"")); /* what was asked for */
    run_free(n);
    rig_close(&g);
}

static void test_runner__judges_the_test_part_when_asked(void **state)
{
    rig g;
    error err;
    run *n;
    (void)state;
    rig_init(&g, NULL);
    rig_train(&g, small, 2);
    g.d.judged = "test.accuracy";
    rig_open(&g, false, NULL);
    const run_spec s = { .seed = 3, .from = STORE_NO_TRIAL, .judges = true };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->judged > 0.5 && e->judged <= 1);
    run_free(n);
    rig_close(&g);
}

/* One plan serves all that differ in what it does not depend on, also those that start before it is made. */
static void test_runner__makes_a_plan_once(void **state)
{
    rig g;
    run *runs[4];
    size_t n_plans = 0;
    (void)state;
    rig_init(&g, "optimizer.lr=1e-4..1e-1:log model[0].units=8..64");
    rig_train(&g, small, 1);
    rig_open(&g, false, NULL);
    for (size_t i = 0; i < 4; i++) {
        const double x[] = { 0.001 * (double)(i + 1), 9 }; /* no plan made at the beginning */
        runs[i] = rig_start(&g, x, 1);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rig_wait(&g).kind, RUN_ENDED);
    for (size_t i = 0; i < 4; i++) {
        const run_end *e = run_get_end(runs[i]);
        rig_expect(e, OUTCOME_OK, "done");
        n_plans += strstr(e->record, "\"plan\"") != NULL;
        assert_non_null(strstr(e->record, "rows_xxh3_128"));
        run_free(runs[i]);
    }
    assert_int_equal(n_plans, 1);
    rig_close(&g);
}

/* The maker of a plan fails by something that the others do not have: they make their own. */
static void test_runner__a_plan_that_fails_is_its_makers_alone(void **state)
{
    rig g;
    run *runs[3];
    error err;
    (void)state;
    rig_init(&g, "model[0].units=8..64 optimizer.beta1=0.5..1.2");
    rig_train(&g, small, 1);
    rig_open(&g, false, NULL);
    for (size_t i = 0; i < 3; i++) {
        const double x[] = { 9, i == 0 ? 1.1 : 0.9 };
        const run_spec s = { .x = x, .seed = 1, .from = STORE_NO_TRIAL };
        assert_int_equal(runner_start(g.r, &s, &runs[i], &err), OK);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig_wait(&g).kind, RUN_ENDED);
    rig_expect(run_get_end(runs[0]), OUTCOME_PLUGIN_ERROR, "beta1");
    rig_check_json(run_get_end(runs[0])->record);
    for (size_t i = 1; i < 3; i++)
        rig_expect(run_get_end(runs[i]), OUTCOME_OK, "done");
    for (size_t i = 0; i < 3; i++)
        run_free(runs[i]);
    rig_close(&g);
}

/* What a contender does to a run is the outcome of its trials, as long as another can be run. */
static void test_runner__says_what_went_wrong(void **state)
{
    static const struct {
        const char *set, *sweep;
        outcome_class class;
        const char *says;
    } rows[] = {
        { "optimizer.lr=1e30", NULL, OUTCOME_NONFINITE, "step 2: " },
        { "train.epochs=100000", NULL, OUTCOME_TIMEOUT, "not done after" },
        { "metrics=()", NULL, OUTCOME_RESULT_INVALID,
            "the run ended without \"validation.accuracy\"; it told " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        error err;
        run *n;
        const double x[] = { 1.5 };
        rig_init(&g, NULL);
        rig_train(&g, small, 2);
        rig_contend(&g, &rows[i].set, rows[i].set != NULL, rows[i].sweep);
        if (i == 2) g.d.metric = "validation.accuracy";
        g.d.limits.wall_s = i == 1 ? 0.7 : 30;
        rig_open(&g, false, NULL);
        const run_spec s = { .contender = 1, .x = x, .seed = 1, .from = STORE_NO_TRIAL };
        assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
        const run_end *e = rig_end(&g, n);
        rig_expect(e, rows[i].class, rows[i].says);
        rig_check_json(e->record);
        run_free(n);
        rig_close(&g);
    }
}

static void test_runner__refuses_workloads_that_cannot_run(void **state)
{
    static const struct {
        const char *override, *says;
    } rows[] = {
        { "optimizer.type=adan2",
            "workload \"digits\" cannot be run: unknown "
            "optimizer \"adan2\": did you mean \"adan\"?" },
        { "data.file=\"none.csv\"", "the data of workload \"digits\": " },
        { "+optimzer=1", "unknown block \"optimzer\": did you mean \"optimizer\"?" },
        { "~data", "no `data` block" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        error err;
        const runner_options o = { .program = PROGRAM };
        const char *const all[] = { small[0], rows[i].override };
        rig_init(&g, NULL);
        rig_train(&g, all, 2);
        assert_int_equal(setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1), 0);
        assert_int_not_equal(runner_open(&g.d, &o, &g.r, &err), OK);
        if (!strstr(err.text, rows[i].says)) {
            print_error("%s\n", err.text);
            abort();
        }
        rig_close(&g);
    }
}

/* A mistake in what it sets is told before the others have cost a night; a point that works anywhere is enough. */
static void test_runner__refuses_contenders_that_cannot_run(void **state)
{
    static const struct {
        const char *set, *sweep, *says;
    } rows[] = {
        { "optimizer.type=adan2", NULL, "did you mean \"adan\"?" },
        { "optimizer.type=adan2", "train.l2=0..1", "did you mean \"adan\"?" },
        { NULL, "no.such.group=1..2", "no.such" },
        { "optimizer.type=adam", "optimizer.beta1=0.9..1.1", NULL },
        { "optimizer.type=adam", "optimizer.beta1=0.9..1.2", NULL }, /* not in the middle */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig g;
        error err;
        const runner_options o = { .program = PROGRAM };
        rig_init(&g, NULL);
        rig_train(&g, small, 2);
        rig_contend(&g, &rows[i].set, rows[i].set != NULL, rows[i].sweep);
        g.contenders[1].at = (origin){ "rig.cfg", 23 };
        assert_int_equal(setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1), 0);
        const status st = runner_open(&g.d, &o, &g.r, &err);
        if (st != OK && !rows[i].says) print_error("%s\n", err.text);
        assert_int_equal(st, rows[i].says ? E_PLUGIN : OK);
        if (rows[i].says &&
            (!strstr(err.text, rows[i].says) ||
                !strstr(err.text, "rig.cfg:23: contender \"other\" cannot be run"))) {
            print_error("%s\n", err.text);
            abort();
        }
        rig_close(&g);
    }
}

static void *interrupt_soon(void *asked)
{
    (void)usleep(300000);
    atomic_store((atomic_int *)asked, 1);
    return NULL;
}

/* A pipe that nobody writes to: who opens it to read waits for ever. */
static void test_runner__gives_up_data_that_hang(void **state)
{
    rig g;
    error err;
    char set[128], path[64];
    pthread_t other;
    atomic_int asked = 0;
    const char *overrides[] = { set };
    const runner_options o = { .program = PROGRAM, .interrupt = &asked };
    (void)state;
    snprintf(path, sizeof path, "/tmp/assay-hangs-%d", (int)getpid());
    snprintf(set, sizeof set, "data.file=%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    rig_init(&g, NULL);
    rig_train(&g, overrides, 1);
    assert_int_equal(setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1), 0);
    assert_int_equal(pthread_create(&other, NULL, interrupt_soon, &asked), 0);
    assert_int_equal(runner_open(&g.d, &o, &g.r, &err), E_INTERRUPTED);
    assert_int_equal(atomic_load(&asked), 1);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    rig_close(&g);
    assert_int_equal(unlink(path), 0);
}

/* The scorer's numbers are those of the trainer, from whose weights they are made. */
static void test_runner__scores_what_training_left(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, NULL);
    const char *const longer[] = { "train.epochs=40", "model[0].units=16", "optimizer.lr=0.02" };
    rig_train(&g, longer, 3);
    rig_open(&g, false, NULL);
    run *n = rig_start(&g, NULL, 3);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_non_null(strstr(e->record, "scored"));
    assert_true(e->best < e->value); /* far behind the best check */
    size_t n_scored = 0, n_last = 0, n_best = 0;
    double told = NAN, scored = NAN;
    for (size_t i = 0; i < e->n_values; i++) {
        const run_value *v = &e->values[i];
        if (strcmp(v->name, "validation.loss") != 0) continue;
        n_scored += v->is_scored;
        n_last += v->is_scored && v->is_last && !v->is_best;
        n_best += v->is_scored && v->is_best && !v->is_last;
        if (v->is_scored && v->is_last) scored = v->value;
        if (!v->is_scored && v->is_last) told = v->value;
    }
    assert_int_equal(n_scored, 2);
    assert_int_equal(n_last, 1);
    assert_int_equal(n_best, 1);
    assert_true(told == scored && scored == e->value);
    run_free(n);
    rig_close(&g);
}

/* The best check counts where the study says so; then training may stop early, too. */
static void test_runner__takes_the_best_check(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, NULL);
    const char *const longer[] = { "train.epochs=60", "model[0].units=16", "optimizer.lr=0.05",
        "train.early_stopping.patience=3" };
    rig_train(&g, longer, 4);
    g.d.takes_best = true;
    rig_open(&g, false, NULL);
    run *n = rig_start(&g, NULL, 3);
    const run_end *e = rig_end(&g, n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_true(e->fidelity < 60); /* it stopped */
    assert_true(e->best < e->value);
    run_free(n);
    rig_close(&g);
}

/* Data that a space changes are in no pack: the run opens them itself, and its word is taken. */
static void test_runner__opens_data_that_were_not_loaded(void **state)
{
    rig g;
    (void)state;
    rig_init(&g, "data.standardize=true,false");
    rig_train(&g, small, 2);
    rig_open(&g, false, NULL);
    for (int k = 0; k < 2; k++) {
        const double x[] = { k };
        run *n = rig_start(&g, x, 3);
        const run_end *e = rig_end(&g, n);
        rig_expect(e, OUTCOME_OK, "done");
        assert_true(isfinite(e->value) && isfinite(e->best));
        assert_non_null(strstr(e->record, k ? "reported" : "scored"));
        run_free(n);
    }
    rig_close(&g);
}

/* Parts of a trial, one after the other, come to what the whole comes to. */
static void test_runner__goes_on_from_checkpoints(void **state)
{
    rig g;
    error err;
    run *n;
    double whole = NAN;
    (void)state;
    rig_init(&g, NULL);
    rig_train(&g, small, 2);
    rig_open(&g, false, "checkpoints");
    for (int k = 0; k < 5; k++) {
        const char *const says[] = { NULL, NULL, "used", "damaged", "missing" };
        const bool is_first = k == 1;
        const run_spec s = { .seed = 3,
            .fidelity = is_first ? 2 : 5,
            .number = (uint64_t)k,
            .from = k == 4 ? 77
                : k >= 2   ? 1
                           : STORE_NO_TRIAL,
            .keeps_checkpoint = is_first };
        if (k == 3) {
            FILE *f = fopen("checkpoints/trial-1.ckpt", "r+b");
            assert_non_null(f);
            assert_int_equal(fseek(f, 1001, SEEK_SET), 0);
            const int was = fgetc(f);
            assert_int_equal(fseek(f, 1001, SEEK_SET), 0);
            assert_int_equal(fputc(was ^ 4, f), was ^ 4);
            assert_int_equal(fclose(f), 0);
        }
        assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
        const run_end *e = rig_end(&g, n);
        rig_expect(e, OUTCOME_OK, "done");
        assert_true(e->fidelity == (is_first ? 2 : 5));
        if (k == 0) whole = e->value;
        if (is_first) assert_true(e->value != whole);
        if (k >= 2) {
            assert_true(e->value == whole);
            if (!strstr(e->record, says[k])) {
                print_error("%s\n", e->record);
                abort();
            }
        }
        assert_int_equal(file_exists("checkpoints/trial-0.ckpt"), 0);
        run_free(n);
    }
    rig_close(&g);
}

static void test_runner__knows_the_cost(void **state)
{
    rig g;
    error err;
    double samples = 0;
    const char *const more[] = { "train.epochs=7" };
    const char *const wrong[] = { "optimizer.type=adan2" };
    (void)state;
    rig_init(&g, NULL);
    rig_train(&g, small, 2);
    rig_open(&g, false, NULL);
    assert_int_equal(runner_cost(g.r, 0, more, 1, &samples, &err), OK);
    assert_true(samples > 7 * 1200 && samples < 7 * 1300);
    assert_int_equal(runner_cost(g.r, 0, wrong, 1, &samples, &err), E_PLUGIN);
    assert_non_null(strstr(err.text, "did you mean \"adan\"?"));
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_runner__gives_the_numbers_of_assay_train, enter_scratch, leave_scratch),
        cmocka_unit_test(test_runner__has_the_same_numbers_at_every_level),
        cmocka_unit_test(test_runner__runs_with_less_only_where_told),
        cmocka_unit_test(test_runner__judges_the_test_part_when_asked),
        cmocka_unit_test(test_runner__makes_a_plan_once),
        cmocka_unit_test(test_runner__a_plan_that_fails_is_its_makers_alone),
        cmocka_unit_test(test_runner__says_what_went_wrong),
        cmocka_unit_test(test_runner__refuses_workloads_that_cannot_run),
        cmocka_unit_test(test_runner__refuses_contenders_that_cannot_run),
        cmocka_unit_test(test_runner__gives_up_data_that_hang),
        cmocka_unit_test(test_runner__scores_what_training_left),
        cmocka_unit_test(test_runner__takes_the_best_check),
        cmocka_unit_test(test_runner__opens_data_that_were_not_loaded),
        cmocka_unit_test_setup_teardown(
            test_runner__goes_on_from_checkpoints, enter_scratch, leave_scratch),
        cmocka_unit_test(test_runner__knows_the_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
