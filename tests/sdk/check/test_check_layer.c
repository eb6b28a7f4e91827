/* The tests of layers: every built-in one passes them, and each fault that a layer may have is found by the test that is for it. */
#include "check_scene.h"

/* The outcome of one test of a component of faulty_layers, and words of its message. */
static void expect_outcome(
    const char *id, const char *test, check_outcome outcome, const char *says)
{
    registry *r = NULL;
    subject s;
    scene_open(&r, &s, "layer", id, FAULTY_PLUGIN("faulty_layers"));
    const check_report got = run_one(&s, test);
    if (got.outcome != outcome || !strstr(got.message, says)) {
        GIVE_UP("%s: %s gave %d \"%s\", expected %d \"%s\"", id, test, (int)got.outcome,
            got.message, (int)outcome, says);
    }
    registry_free(r);
}

static void test_layers__built_in_ones_pass(void **state)
{
    (void)state;
    static const char *const ids[] = { "add", "batch_norm", "concat", "dense", "dropout", "elu",
        "embedding", "flatten", "gelu", "gru", "last_step", "layer_norm", "leaky_relu", "lstm",
        "mean_pool", "relu", "rms_norm", "rnn", "sigmoid", "silu", "softmax", "tanh" };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        expect_passes("layer", ids[i], NULL);
    }
}

static void test_layers__a_right_one_of_a_plugin_passes(void **state)
{
    (void)state;
    expect_passes("layer", "none", FAULTY_PLUGIN("faulty_layers"));
    expect_passes("layer", "says_it_looks_back", FAULTY_PLUGIN("faulty_layers"));
    expect_passes("layer", "drops", FAULTY_PLUGIN("faulty_layers"));
    expect_outcome("drops", "layer_draws", CHECK_PASSED, "");
}

static void test_layers__a_surrogate_that_is_right_passes(void **state)
{
    (void)state;
    static const char *const ids[] = { "reverses", "signs" };
    for (size_t i = 0; i < 2; i++) {
        expect_passes("layer", ids[i], FAULTY_PLUGIN("faulty_layers"));
        expect_outcome(ids[i], "layer_gradient", CHECK_SKIPPED, "are not compared: of input 0");
        expect_outcome(ids[i], "layer_gradient_single", CHECK_SKIPPED, "plan sets surrogate");
    }
    expect_outcome("signs", "layer_effects", CHECK_PASSED, "");
}

static void test_layers__one_that_cannot_run_forward_is_reported_once(void **state)
{
    (void)state;
    static const char *const others[] = { "layer_gradient", "layer_gradient_single",
        "layer_backward", "layer_repeat", "layer_shards", "layer_samples", "layer_order",
        "layer_carry", "layer_padding", "layer_sizes", "layer_replicas", "layer_threads",
        "layer_effects", "layer_training" };
    expect_outcome("leaves_out", "layer_forward", CHECK_FAILED, "forward does not write y");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        expect_outcome("leaves_out", others[i], CHECK_SKIPPED, "not run: see layer_forward");
    }
}

static void test_layers__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "wrong_sign", "layer_gradient", "input 0 (x[0])", "it has the wrong sign" },
        { "dropped_term", "layer_gradient", "parameter \"bias\" [4]", "it is missing" },
        { "twice", "layer_gradient", "parameter \"weight\" [0]", "it is twice as large" },
        { "wrong_carry_gradient", "layer_gradient", "the carried state \"s\" [0, 0]",
            "with carried states" },
        { "wrong_sign", "layer_gradient_single", "input 0", "time 1, batch 1" },
        { "overwrites", "layer_backward", "\"weight\" [0]", "where io->accumulate is 1" },
        { "adds", "layer_forward", "the gradient of parameter weight", "must be overwritten" },
        { "leaves_out", "layer_forward", "forward does not write y", "[3, 3, 4]" },
        { "not_finite", "layer_forward", "forward gives inf in y", "expected a finite number" },
        { "writes_before", "layer_forward", "forward writes outside of y", "" },
        { "changes_input", "layer_forward", "forward changes x[0]", "which it may only read" },
        { "counts_calls", "layer_repeat", "the same call again must give the same bits",
            "y [0, 0, 0]" },
        { "keeps_at_self", "layer_forward", "what plan got from host->alloc", "" },
        { "keeps_in_file", "layer_replicas", "two replicas that take turns", "dx[0]" },
        { "couples", "layer_samples", "set plan->couples_samples", "" },
        { "looks_ahead", "layer_order", "set plan->looks_ahead", "" },
        { "draws_in_evaluation", "layer_evaluation", "nothing may depend on io->draw", "y [" },
        { "draws_alike", "layer_draws", "the same output for nine values of io->draw", "" },
        { "draws_by_shard", "layer_shards", "the sample's place in the whole batch", "y [" },
        { "carries_less", "layer_carry", "two windows", "" },
        { "counts_padding", "layer_padding", "", "padding" },
        { "leaks_padding", "layer_padding", "that step is padding", "dx[0] [0, 3, 0]" },
        { "sized_by_plan", "layer_samples", "a sample by itself", "" },
        { "prepares_once", "layer_prepare", "after the weights have changed", "" },
        { "allocates", "layer_forward", "forward asks host->alloc for memory", "" },
        { "ignores_refusal", "layer_out_of_memory", "a declaration number 1", "returns ASSAY_OK" },
        { "ignores_parameter", "layer_effects", "parameter \"third\" is never used", "" },
        { "ignores_buffer", "layer_effects", "buffer \"rest\" is never used", "" },
        { "unknown_initialiser", "layer_plan", "the initialiser \"glorrot\"", "" },
        { "rounds_up", "layer_forward", "forward changes the rounding mode", "" },
        { "learns_backwards", "layer_training", "does not learn", "" },
        { "product_of_scratch", "layer_forward", "does not lie whole in x, dy, y or saved",
            "\"third\"" },
        { "product_twice", "layer_forward", "twice in one call", "\"third\"" },
        { "writes_buffer", "layer_forward", "changes buffer \"rest\"", "couples samples" },
        { "shares_memory", "layer_threads", "four threads on one instance", "" },
        { "ignores_transposed", "layer_gradient_transposed", "stored transposed", "" },
        { "reverses_and_drops", "layer_gradient", "parameter \"bias\" [4]", "it is missing" },
        { "calls_itself_surrogate", "layer_gradient", "leave surrogate at 0", "" },
        { "looks_back", "layer_order", "but the layer carries nothing", "set plan->looks_back" },
        { "looks_back_for_nothing", "layer_order", "plan sets looks_back, but no output", "" },
        { "overruns_saved", "layer_forward", "forward writes outside of saved[1]", "3 floats" },
        { "overruns_scratch", "layer_bounds", "writes outside of scratch[1]", "12 bytes" },
        { "overruns_prepared", "layer_forward", "prepare writes outside of prepared[0]",
            "12 bytes" },
        { "prepares_without_memory", "layer_out_of_memory", "gave NULL in prepare", "" },
        { "drops_without_scale", "layer_draws", "on average 0.7", "scale what is kept" },
        { "idle_hyper", "layer_hypers", "\"knob\" shows nowhere", "" },
    };
    expect_faults(
        "layer", FAULTY_PLUGIN("faulty_layers"), faults, sizeof faults / sizeof faults[0]);
}

static void test_layers__speed_is_measured(void **state)
{
    (void)state;
    expect_figures("layer", "dense", "layer_speed", "forward");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers__built_in_ones_pass),
        cmocka_unit_test(test_layers__a_right_one_of_a_plugin_passes),
        cmocka_unit_test(test_layers__a_surrogate_that_is_right_passes),
        cmocka_unit_test(test_layers__one_that_cannot_run_forward_is_reported_once),
        cmocka_unit_test(test_layers__faults_are_found),
        cmocka_unit_test(test_layers__speed_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
