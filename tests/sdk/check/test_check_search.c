/* The tests of search strategies and pruners: the built-in ones pass, and each fault is found by the test that is for it. */
#include "check_scene.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void test_searches__built_in_ones_pass(void **state)
{
    static const char *const ids[] = { "grid", "random", "qmc" };
    (void)state;
    for (size_t i = 0; i < N(ids); i++)
        expect_passes("search", ids[i], NULL);
    expect_passes("search", "none", FAULTY_PLUGIN("faulty_searches"));
    expect_figures("search", "random", "search_speed", "ask and tell, first 500");
}

static void test_searches__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "outside", "search_bounds", "outside of [-2.385, 7.31]", "proposal 11" },
        { "between_steps", "search_bounds", "layers is", "which is not 1 + k 1" },
        { "keeps_inactive", "search_bounds", "although it is inactive: expected NaN", "" },
        { "too_many", "search_bounds", "proposals where 1 were wanted", "" },
        { "writes_behind", "search_bounds", "writes behind x[n_dimensions]", "" },
        { "counts_in_file", "search_same", "what is remembered belongs on ctx->self", "" },
        { "counts_asks", "search_replay", "a fresh one that is told the same events", "" },
        { "one_point_per_ask", "search_batches", "of one ask are the same point", "" },
        { "waits_for_ever", "search_bounds", "the search stands still", "" },
        { "nan_after_diverged", "search_fates", "x is nan", "" },
        { "changes_mode", "search_bounds", "ask changes the rounding mode", "" },
        { "ends", "search_bounds", "`can` has ASSAY_SEARCH_FINITE", "" },
        { "long_explain", "search_explain", "explain writes more than its 100 bytes", "" },
        { "never_fails", "search_out_of_memory", "return ASSAY_E_NOMEM", "" },
        { "idle_hyper", "search_hypers", "\"knob\" shows", "in no proposal" },
    };
    expect_faults("search", FAULTY_PLUGIN("faulty_searches"), faults, N(faults));
}

static void test_pruners__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "no_verdict", "pruner_verdicts", "report does not write its verdict", "" },
        { "odd_verdict", "pruner_verdicts", "report gives what is no verdict", "" },
        { "silent", "pruner_verdicts", "report", "(it gave no reason)" },
        { "changes_mode", "pruner_verdicts", "changes the floating-point mode", "" },
        { "in_one_place", "pruner_same", "what is remembered belongs on ctx->self", "" },
        { "learns_in_report", "pruner_replay", "a fresh one that is told the same events", "" },
        { "never_fails", "pruner_out_of_memory", "return ASSAY_E_NOMEM", "" },
        { "idle_hyper", "pruner_hypers", "\"knob\" shows", "in no verdict" },
    };
    expect_passes("pruner", "none", FAULTY_PLUGIN("faulty_pruners"));
    expect_faults("pruner", FAULTY_PLUGIN("faulty_pruners"), faults, N(faults));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_searches__built_in_ones_pass),
        cmocka_unit_test(test_searches__faults_are_found),
        cmocka_unit_test(test_pruners__faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
