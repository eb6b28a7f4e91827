/* Runs that are under way: what they tell, how they are stopped, what waiting for them costs. */
#include "core/study/runner_rig.h"

static void check_reports(bool is_debugged)
{
    rig g;
    error err;
    run *n;
    size_t k = 0;
    double last = 0, values[160];
    const char *const longer[] = { "train.epochs=150", "model[0].units=4" };
    rig_init(&g, NULL);
    rig_train(&g, longer, 2);
    rig_open(&g, is_debugged, NULL);
    const run_spec s = { .seed = 3, .from = STORE_NO_TRIAL, .reports = true };
    assert_int_equal(runner_start(g.r, &s, &n, &err), OK);
    for (;;) {
        const run_news w = rig_wait(&g);
        assert_ptr_equal(w.run, n);
        if (w.kind == RUN_ENDED) break;
        assert_int_equal(w.kind, RUN_REPORTED);
        assert_true(w.fidelity > last && w.fidelity < 150);
        last = w.fidelity;
        values[k++] = w.value;
    }
    const run_end *e = run_get_end(n);
    rig_expect(e, OUTCOME_OK, "done");
    assert_int_equal(k, 149); /* what it is in the end the end says */
    for (size_t i = 0, k_seen = 0; i < e->n_values; i++) {
        const run_value *v = &e->values[i];
        if (strcmp(v->name, "validation.loss") != 0 || v->is_scored || v->is_last) continue;
        assert_true(k_seen == 149 || v->value == values[k_seen]);
        k_seen += k_seen < 149;
    }
    run_free(n);
    rig_close(&g);
}

/* All of them, however fast they come. */
static void test_runner__tells_the_metric_on_the_way(void **state)
{
    (void)state;
    check_reports(false);
    check_reports(true);
}

static void test_runner__stops_what_runs(void **state)
{
    rig g;
    run *runs[3];
    const char *const longer[] = { "train.epochs=100000" };
    const double x[] = { 9 };
    (void)state;
    rig_init(&g, "model[0].units=8..64");
    rig_train(&g, longer, 1);
    rig_open(&g, false, NULL);
    for (size_t i = 0; i < 3; i++)
        runs[i] = rig_start(&g, x, i);
    run_stop(runs[2], OUTCOME_CANCELLED); /* it waits for the plan of the first */
    run_stop(runs[0], OUTCOME_PRUNED); /* which the second then makes */
    assert_ptr_equal(rig_wait(&g).run, runs[2]);
    assert_ptr_equal(rig_wait(&g).run, runs[0]);
    rig_expect(run_get_end(runs[0]), OUTCOME_PRUNED, "ended by the study");
    rig_expect(run_get_end(runs[2]), OUTCOME_CANCELLED, "ended by the study");
    error err;
    run_news w;
    assert_int_equal(runner_wait(g.r, 0.3, &w, &err), OK);
    assert_int_equal(w.kind, RUN_NOTHING);
    run_stop(runs[1], OUTCOME_PRUNED);
    rig_expect(rig_end(&g, runs[1]), OUTCOME_PRUNED, "ended by the study");
    for (size_t i = 0; i < 3; i++)
        run_free(runs[i]);
    rig_close(&g);
}

static void test_runner__leaves_nothing_behind(void **state)
{
    rig g;
    size_t before = 0;
    (void)state;
    rig_init(&g, NULL);
    const char *const tiny[] = { "train.epochs=1", "model[0].units=4" };
    rig_train(&g, tiny, 2);
    const size_t outside = count_in("/proc/self/fd");
    rig_open(&g, false, NULL);
    for (uint64_t i = 0; i < 60; i++) {
        run *n = rig_start(&g, NULL, i);
        if (i % 10 == 3) run_stop(n, OUTCOME_CANCELLED);
        if (i % 10 == 5) {
            run_free(n); /* under way */
            continue;
        }
        (void)rig_end(&g, n);
        run_free(n);
        if (i == 8) before = count_in("/proc/self/fd");
    }
    assert_int_equal(count_in("/proc/self/fd"), before);
    rig_close(&g);
    assert_int_equal(count_in("/proc/self/fd"), outside);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_runner__waiting_costs_nothing(void **state)
{
    rig g;
    error err;
    run_news w;
    (void)state;
    rig_init(&g, NULL);
    const char *const longer[] = { "train.epochs=100000", "model[0].units=16" };
    rig_train(&g, longer, 2);
    rig_open(&g, false, NULL);
    run *n = rig_start(&g, NULL, 1);
    const double cpu = clock_cpu_s();
    assert_int_equal(runner_wait(g.r, 2, &w, &err), OK);
    assert_int_equal(w.kind, RUN_NOTHING);
    const double used = clock_cpu_s() - cpu;
    if (used > 0.2) print_error("%g s of processor time in 2 s\n", used);
    assert_true(used < 0.2); /* eighty looks; a loop that spins uses all of it */
    run_free(n);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runner__tells_the_metric_on_the_way),
        cmocka_unit_test(test_runner__stops_what_runs),
        cmocka_unit_test(test_runner__leaves_nothing_behind),
        cmocka_unit_test(test_runner__waiting_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
