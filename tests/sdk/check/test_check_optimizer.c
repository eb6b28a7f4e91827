/* What the kit finds in optimizers: each of the tests in a plugin that goes wrong in just that
 * way, and nothing in those that are right. */
#include "check/kit.h"
#include "check/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct found {
    const char *id, *test;
    check_outcome outcome;
    const char *message; /* is in the report's; NULL: it is ended by a signal */
} found;

static registry *open_registry(void)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/tests/faulty_plugins",
        TEST_BUILD_DIR "/plugins/optimizer", NULL };
    const registry_options o = { .dirs = dirs, .no_environment = true };
    registry *r = NULL;
    error err = { 0 };
    if (registry_new(&o, &r, &err) != OK) {
        fail_msg("%s", err.text);
    }
    return r;
}

/* Runs one test, or all of optimizers but that of speed (`test` NULL). */
static void check(registry *r, const char *id, const char *test, check_report *out)
{
    error err = { 0 };
    const component *c = NULL;
    if (registry_find(r, ASSAY_KIND_OPTIMIZER, id, NULL, &c, &err) != OK) {
        fail_msg("%s", err.text);
    }
    const subject s = { .registry = r,
        .component = c,
        .path = c->file->path,
        .seed = 1,
        .time_limit_s = 60,
        .tolerance = CHECK_TOLERANCE,
        .kind = c->kind,
        .id = c->id,
        .file = c->file };
    for (const check_test *t = check_tests_optimizer; t->name; t++) {
        check_report one = { 0 };
        if (test ? strcmp(t->name, test) != 0 : check_is_speed(t)) {
            continue;
        }
        t->run(&s, &one);
        if (!test && one.outcome >= CHECK_WARNED) {
            fail_msg("%s: %s: %s", id, t->name, one.message);
        }
        *out = one;
    }
}

static bool is_found(registry *r, const found *f)
{
    check_report said = { .outcome = CHECK_SKIPPED, .message = "no such test" };
    check(r, f->id, f->test, &said);
    if (said.outcome != f->outcome || !strstr(said.message, f->message)) {
        print_error("%s: %s: outcome %d, \"%s\"; expected %d, \"%s\"\n", f->id, f->test,
            (int)said.outcome, said.message, (int)f->outcome, f->message);
        return false;
    }
    return true;
}

/* What a child would do, must end it by a signal (or, with a sanitizer, by its report). */
static void expect_crash(registry *r, const char *id, const char *test)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        check_report said = { 0 };
        const int nowhere = open("/dev/null", O_WRONLY);
        (void)dup2(nowhere, 2);
        (void)signal(SIGSEGV, SIG_DFL); /* CMocka has taken it */
        check(r, id, test, &said);
        _exit(0);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    if (WIFEXITED(code) && WEXITSTATUS(code) == 0) {
        fail_msg("%s: %s: it was not ended", id, test);
    }
}

static void test_faults__are_found_each_by_its_test(void **state)
{
    static const found rows[] = {
        { "counts_from_chunk", "optimizer_chunks", CHECK_FAILED, "indices without span->begin" },
        { "depends_on_place", "optimizer_places", CHECK_WARNED, "look for wrong indices" },
        { "shares_room", "optimizer_threads", CHECK_FAILED, "look for `static` variables" },
        { "counts_calls", "optimizer_instances", CHECK_FAILED, "instances share nothing" },
        { "counts_calls", "optimizer_resume", CHECK_FAILED, "belongs in a slot" },
        { "writes_neighbour", "optimizer_bounds", CHECK_FAILED,
            "elements 0 to 3 of in.weight) changed element 3 of the weights of in.weight" },
        { "writes_gradient", "optimizer_bounds", CHECK_FAILED,
            "changed element 0 of the gradient of in.weight" },
        { "writes_hyper", "optimizer_bounds", CHECK_FAILED,
            "of the struct of hyperparameters of in.weight" },
        { "writes_rows", "optimizer_bounds", CHECK_FAILED,
            "changed element 0 of the slot \"rows\" of in.weight" },
        { "hoards_scratch", "optimizer_finite", CHECK_FAILED, "after update 1 with gradients" },
        { "draws_alike", "optimizer_draws", CHECK_FAILED, "use span->draw" },
        { "draws_own", "optimizer_draws", CHECK_FAILED, "use span->draw" },
        { "crosses_blocks", "optimizer_blocks", CHECK_FAILED,
            "a gradient in block 0 of gates.weight alone moves element 3, which is of block 1" },
        { "crosses_in_matrices", "optimizer_blocks", CHECK_FAILED, "which is of block 1" },
        { "one_block_slot", "optimizer_blocks", CHECK_FAILED, "that of block 3 was not written" },
        { "counts_blocks", "optimizer_blocks", CHECK_WARNED, "as a tensor of its own" },
        { "mixes_blocks", "optimizer_blocks", CHECK_WARNED, "as a tensor of its own" },
        { "rounds_up", "optimizer_finite", CHECK_FAILED, "changed the rounding mode" },
        { "wants_elements", "optimizer_empty", CHECK_FAILED, "no elements" },
        { "takes_roots", "optimizer_finite", CHECK_FAILED, "after update 1 with gradients" },
        { "without_eps", "optimizer_rest", CHECK_FAILED, "look for 0 / 0" },
        { "loses_squares", "optimizer_extremes", CHECK_FAILED, "eps belongs into that sum" },
        { "looks_aside", "optimizer_poison", CHECK_FAILED, "changes element 3 of in.weight" },
        { "goes_uphill", "optimizer_learns", CHECK_FAILED, "Look at the sign of the step" },
        { "goes_uphill", "optimizer_direction", CHECK_WARNED, "go uphill" },
        { "by_fours", "optimizer_gradient", CHECK_FAILED, "are the last elements left out" },
        { "drifts", "optimizer_mirror", CHECK_WARNED, "something added" },
        { "steps_without_lr", "optimizer_lr_zero", CHECK_FAILED, "every step is a multiple of lr" },
        { "grows", "optimizer_decay", CHECK_FAILED, "look at the sign of the decay term" },
        { "never_rests", "optimizer_rest", CHECK_WARNED, "weights should rest" },
        { "forgets_momentum", "optimizer_hypers", CHECK_FAILED,
            "hyperparameter \"momentum\" has no effect" },
        { "forgets_momentum", "optimizer_slots", CHECK_WARNED, "slot \"v\" has no effect" },
        { "keeps_room", "optimizer_slots", CHECK_WARNED, "Then flag it ASSAY_SLOT_SCRATCH" },
        { "spare_slot", "optimizer_slots", CHECK_WARNED, "slot \"spare\" was never written" },
        { "other_metric", "optimizer_finite", CHECK_FAILED,
            "reported metric 3, but 1 are declared" },
        { "nan_metrics", "optimizer_finite", CHECK_FAILED, "reported metric \"speed\" as" },
        { "silent_metric", "optimizer_metrics", CHECK_WARNED, "and reported none" },
        { "allocates_in_elem", "optimizer_finite", CHECK_FAILED,
            "host->alloc, which is [control]" },
        { "ignores_nomem", "optimizer_memory", CHECK_FAILED, "return ASSAY_E_NOMEM" },
        { "claims_too_much", "optimizer_special_cases", CHECK_FAILED,
            "special case \"sgd\" (it is not)" },
        { "unknown_case", "optimizer_special_cases", CHECK_FAILED, "no_such_optimizer" },
        { "sums_chunks", "optimizer_chunks", CHECK_FAILED,
            "what a chunk adds to the sums must not depend" },
        { "moves_in_reduce", "optimizer_bounds", CHECK_FAILED,
            "reduce may write its sums and the SAME slots" },
        { "global_in_elem", "optimizer_bounds", CHECK_FAILED, "of the value of the model" },
        { "swallows_error", "optimizer_closure", CHECK_FAILED, "hand the code on" },
        { "trusts_loss", "optimizer_closure", CHECK_WARNED, "a loss of NaN or infinity" },
        { "stays_at_probe", "optimizer_lr_zero", CHECK_FAILED, "puts the weights back" },
        { "unknown_flags", "optimizer_finite", CHECK_FAILED, "are not ASSAY_CLOSURE_" },
        { "counts_questions", "optimizer_eval_weights", CHECK_FAILED,
            "a function of weights and state alone" },
        { "answers_half", "optimizer_eval_weights", CHECK_FAILED, "it writes out[n], all" },
        { "moves_when_asked", "optimizer_eval_weights", CHECK_FAILED,
            "it may write out[n] and nothing else" },
        { "answers_too_early", "optimizer_eval_weights", CHECK_FAILED,
            "at step->t 0, before the first update, it gives w" },
        { "answers_before_start", "optimizer_eval_weights", CHECK_FAILED,
            "with start = 1000000: after 3 updates" },
        { "decays_to_nan", "optimizer_decay", CHECK_FAILED, "of in.weight NaN in 3 updates" },
        { "leaves_bias", "optimizer_gradient", CHECK_FAILED, "is this tensor left out" },
        { "leaves_first", "optimizer_gradient", CHECK_FAILED, "is it left out, or its step" },
        { "wanders", "optimizer_rest", CHECK_WARNED, "weights should rest" },
        { "one_rate", "optimizer_lr_scale", CHECK_FAILED, "take lr from span->hyper" },
        { "saves_nothing", "optimizer_resume", CHECK_FAILED, "belongs in a slot" },
        { "loads_anything", "optimizer_save", CHECK_FAILED, "bytes of garbage" },
        { "one_rate_late", "optimizer_schedule", CHECK_FAILED,
            "hyperparameters that a schedule changes" },
    };
    registry *r = open_registry();
    size_t n_missed = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        n_missed += !is_found(r, &rows[i]);
    }
    assert_int_equal(n_missed, 0);
    registry_free(r);
}

static void test_steps_over_an_end__are_signals(void **state)
{
    registry *r = open_registry();
    (void)state;
    expect_crash(r, "writes_over_end", "optimizer_bounds");
    expect_crash(r, "writes_before_begin", "optimizer_bounds");
    expect_crash(r, "over_scratch", "optimizer_finite");
    expect_crash(r, "sums_over_end", "optimizer_bounds");
    registry_free(r);
}

static void test_right_ones__pass(void **state)
{
    static const char *const ids[] = { "right", "claims_rightly", "right_sums", "right_tensor",
        "right_model", "right_place", "right_own", "right_scratch", "right_clip", "right_draws",
        "draws_once", "right_blocks", "right_noise", "right_without_slot", "right_tensor_norm",
        "right_proximal", "right_multiplying", "right_late" };
    check_report last;
    registry *r = open_registry();
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        check(r, ids[i], NULL, &last);
    }
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults__are_found_each_by_its_test),
        cmocka_unit_test(test_steps_over_an_end__are_signals),
        cmocka_unit_test(test_right_ones__pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
