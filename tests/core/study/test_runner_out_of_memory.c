/* Allocations of the host fail, one after the other: an error comes back or the run is none of the plugins' (it is run again), nothing
 * leaks, and no number is taken for what it is not.
 *
 * The linker's --wrap (test_runner_out_of_memory.link) puts the allocators below between the core's libraries and the C library's; what
 * libconfig allocates inside does not fail. */
#include "core/study/runner_rig.h"
#include "support/wrapped_allocator.h"

/* E_NOMEM by whatever way it shows. */
static status one_run(rig *g, error *err)
{
    run *n = NULL;
    run_news w = { .kind = RUN_NOTHING };
    const run_spec s = { .seed = 3, .fidelity = 1, .from = STORE_NO_TRIAL, .reports = true };
    status st = runner_start(g->r, &s, &n, err);
    while (st == OK && w.kind != RUN_ENDED)
        st = runner_wait(g->r, -1, &w, err);
    if (st == OK) {
        const run_end *e = run_get_end(n);
        const outcome_class c = e->outcome->class;
        if (c == OUTCOME_OK) {
            const long n_of_host = n_allocations;
            const long at = fails_at;
            fails_at = -1;
            rig_check_json(e->record);
            n_allocations = n_of_host;
            fails_at = at;
            assert_true(e->value > 0);
        }
        if (c == OUTCOME_HOST_ERROR) st = fail(err, E_NOMEM, "%s", e->outcome->text);
        if (c != OUTCOME_OK && c != OUTCOME_HOST_ERROR) {
            st = fail(err, E_INTERNAL, "%s: %s", outcome_name(c), e->outcome->text);
        }
    }
    run_free(n);
    return st;
}

static status scenario(rig *g, error *err)
{
    const runner_options o = { .program = PROGRAM };
    status st = runner_open(&g->d, &o, &g->r, err);
    if (st == OK) st = one_run(g, err);
    runner_close(g->r);
    g->r = NULL;
    return st;
}

/* From the first allocation on, `stride` apart. */
static void sweep(rig *g, long stride)
{
    error err;
    long n;
    assert_int_equal(setenv("ASSAY_PLUGIN_PATH", TEST_BUILD_DIR "/plugins", 1), 0);
    if (scenario(g, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    const size_t before = count_in("/proc/self/fd");
    for (n = 0;; n += stride) {
        n_allocations = 0;
        fails_at = n;
        const status st = scenario(g, &err);
        fails_at = -1;
        if (n_allocations <= n) {
            assert_int_equal(st, OK);
            break;
        }
        /* Words of a message may be lost without harm: then the run is as it was. */
        if (st != E_NOMEM && st != OK) {
            print_error("allocation %ld: %s: %s\n", n, status_name(st), err.text);
            abort();
        }
        assert_int_equal(count_in("/proc/self/fd"), before);
    }
    assert_true(n >= 8);
}

static void test_runner_out_of_memory__of_a_program(void **state)
{
    rig g;
    (void)state;
    static const char *const words[] = { "sh", "-c",
        "echo '{{\"validation.loss\": 1.5, \"a\": 2}'; echo log" };
    rig_init(&g, NULL);
    rig_command(&g, words, 3);
    sweep(&g, 1);
    rig_close(&g);
}

/* A runner of train workloads reads tables of all plugins: a sample of its allocations. */
static void test_runner_out_of_memory__of_a_chain_of_jobs(void **state)
{
    rig g;
    (void)state;
    static const char *const small[] = { "train.epochs=1", "model[0].units=8" };
    rig_init(&g, NULL);
    rig_train(&g, small, 2);
    g.d.level = SANDBOX_PROCESS;
    sweep(&g, 11);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runner_out_of_memory__of_a_program),
        cmocka_unit_test(test_runner_out_of_memory__of_a_chain_of_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
