/* The tests of losses, metrics, schedules and datasets: the built-in ones pass, and each fault is found by the test that is for
 * it. */
#include "check_scene.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void all_pass(const char *kind, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        expect_passes(kind, ids[i], NULL);
    }
}

static void test_losses__built_in_ones_pass(void **state)
{
    (void)state;
    static const char *const ids[] = { "bce_logits", "huber", "mae", "mse", "softmax_xent" };
    all_pass("loss", ids, N(ids));
    expect_passes("loss", "none", FAULTY_PLUGIN("faulty_losses"));
    expect_figures("loss", "mse", "loss_speed", "loss and gradient");
}

static void test_losses__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "wrong_gradient", "loss_gradient", "the gradient does not belong to the loss",
            "dy[0, 0]" },
        { "forgets_scale", "loss_gradient", "scale is left out", "0.37" },
        { "adds_to_dy", "loss_writes", "dy[0, 0] is not written", "overwritten" },
        { "leaves_zero_weights", "loss_writes", "dy[3, 0] is not written",
            "rows of weight 0 with 0" },
        { "counts_zero_weights", "loss_weights", "rows of weight 0 count", "" },
        { "ignores_weights", "loss_weights", "rows of weight 0 count", "" },
        { "sums_in_float", "loss_sums", "must add up to that of all", "" },
        { "mean_of_call", "loss_sums", "pieces of 700 rows", "" },
        { "changes_rows", "loss_writes", "loss changes y", "" },
        { "other_without_dy", "loss_writes", "out_sum without dy differs", "" },
        { "idle_hyper", "loss_hypers", "\"knob\" shows nowhere", "" },
        { "overflows", "loss_extremes", "with outputs of 10000 either way", "not finite" },
        { "refuses_silently", "loss_plan", "without a reason", "6 classes" },
    };
    expect_faults("loss", FAULTY_PLUGIN("faulty_losses"), faults, N(faults));
}

static void test_metrics__built_in_ones_pass(void **state)
{
    (void)state;
    static const char *const ids[] = { "accuracy", "bits_per_char", "confusion", "f1", "mae", "nll",
        "perplexity", "r2", "rmse", "top_k" };
    all_pass("metric", ids, N(ids));
    expect_passes("metric", "none", FAULTY_PLUGIN("faulty_metrics"));
    expect_passes("metric", "neither", FAULTY_PLUGIN("faulty_metrics"));
    expect_figures("metric", "rmse", "metric_speed", "add");
}

static void test_metrics__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "mean_of_means", "metric_cuts", "add over pieces of the rows", "" },
        { "needs_merge", "metric_cuts", "there is no merge", "" },
        { "merges_one_way", "metric_cuts", "merge of three accumulators", "" },
        { "counts_zero_weights", "metric_weights", "rows of weight 0 must not count", "" },
        { "zero_of_nothing", "metric_weights", "before any row the value must be NaN", "" },
        { "changes_sums", "metric_values", "result changes the sums", "" },
        { "larger_is_better", "metric_direction", "plan says that larger is better", "" },
        { "idle_hyper", "metric_hypers", "\"knob\" shows nowhere", "" },
        { "unknown_direction", "metric_values", "plan sets direction to an unknown number", "" },
        { "counts_rows", "metric_weights", "a row of weight 2 must count as two equal rows", "" },
        { "two_of_one_name", "metric_values", "two values of one name", "" },
        { "remembers", "metric_values", "the same rows again must give the same", "" },
    };
    expect_faults("metric", FAULTY_PLUGIN("faulty_metrics"), faults, N(faults));
}

static void test_schedules__built_in_ones_pass(void **state)
{
    (void)state;
    static const char *const ids[] = { "constant", "cosine", "cosine_restarts", "cyclic",
        "exponential", "inverse_time", "linear", "multistep", "one_cycle", "plateau", "polynomial",
        "step" };
    all_pass("schedule", ids, N(ids));
    expect_passes("schedule", "none", FAULTY_PLUGIN("faulty_schedules"));
    expect_passes("schedule", "follows", FAULTY_PLUGIN("faulty_schedules"));
}

static void test_schedules__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "negative", "schedule_range", "gives -0.02 at step 50", "" },
        { "not_a_number", "schedule_range", "expected a finite number", "" },
        { "needs_monitor", "schedule_range", "gives nan at step 0", "" },
        { "fails_silently", "schedule_range", "say by host->fail what is missing", "" },
        { "counts_in_file", "schedule_pure", "another instance at another step", "" },
        { "counts_at_self", "schedule_pure", "calls with another state in between", "" },
        { "counts_at_self", "schedule_resume", "a run that is resumed", "" },
        { "follows_down_only", "schedule_monitored", "when->monitor_is_max is 1", "" },
        { "keeps_nan", "schedule_monitored", "must not count for ever", "" },
        { "best_in_file", "schedule_monitored", "two runs by turns", "" },
        { "idle_hyper", "schedule_hypers", "\"knob\" shows nowhere", "" },
        { "hides_horizon", "schedule_horizon", "set .horizon = 1", "" },
        { "idle_horizon", "schedule_horizon", "it declares a horizon, but", "" },
    };
    expect_faults("schedule", FAULTY_PLUGIN("faulty_schedules"), faults, N(faults));
}

static void test_datasets__built_in_ones_pass(void **state)
{
    (void)state;
    static const char *const ids[] = { "adding", "blobs", "copy_memory", "linear", "spirals", "csv",
        "idx", "npy", "pianoroll", "series", "text" };
    all_pass("dataset", ids, N(ids));
    expect_passes("dataset", "none", FAULTY_PLUGIN("faulty_datasets"));
}

static void test_datasets__faults_are_found(void **state)
{
    (void)state;
    static const fault faults[] = {
        { "label_outside", "dataset_views", "sample 7: label 3 is outside 0 to 2", "" },
        { "no_targets", "dataset_views", "n_targets is 0, expected 1", "" },
        { "says_too_much", "dataset_views", "x is said to have 720 bytes, but only 240", "" },
        { "not_finite", "dataset_views", "sample 1: feature 1 is inf", "" },
        { "odd_stride", "dataset_views", "x_stride 4", "" },
        { "name_missing", "dataset_views", "a name is NULL", "" },
        { "other_every_time", "dataset_same", "opened twice it gives different data", "" },
        { "shares_memory", "dataset_same", "changes the first one's data", "" },
        { "never_fails", "dataset_out_of_memory", "host->alloc gave NULL", "" },
        { "reads_nothing", "dataset_files", "succeeds although the file is not there", "" },
        { "silent_file", "dataset_files", "say by host->fail which file", "" },
    };
    expect_faults("dataset", FAULTY_PLUGIN("faulty_datasets"), faults, N(faults));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses__built_in_ones_pass),
        cmocka_unit_test(test_losses__faults_are_found),
        cmocka_unit_test(test_metrics__built_in_ones_pass),
        cmocka_unit_test(test_metrics__faults_are_found),
        cmocka_unit_test(test_schedules__built_in_ones_pass),
        cmocka_unit_test(test_schedules__faults_are_found),
        cmocka_unit_test(test_datasets__built_in_ones_pass),
        cmocka_unit_test(test_datasets__faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
