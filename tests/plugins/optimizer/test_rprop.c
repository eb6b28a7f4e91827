/* rprop against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_rprop__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "rprop");
}

static void test_rprop__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rprop", optimizer_check_chunks);
}

static void test_rprop__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rprop", optimizer_check_resume);
}

static void test_rprop__takes_no_elements(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rprop", optimizer_check_empty);
}

enum { STEP, PREVIOUS };

static void test_rprop__follows_the_sign_and_not_the_size(void **state)
{
    /* gradient, step size after it, whether the weight moves, gradient that is kept; eta_minus 0.5, eta_plus 1.25 */
    static const struct {
        float g, step, move, kept;
    } rows[] = {
        { 7.31f, 0.25f, -1, 7.31f }, /* no gradient before: the first step size */
        { 0.0171f, 0.3125f, -1, 0.0171f }, /* the same sign: larger */
        { -731, 0.15625f, 0, 0 }, /* turned: smaller, and the weight stays */
        { -2.3f, 0.15625f, 1, -2.3f }, /* after a turn: neither */
        { -1e-38f, 0.1953125f, 1, -1e-38f }, /* a product of the two would be 0 */
        { -1e-30f, 0.244140625f, 1, -1e-30f },
        { 0, 0.244140625f, 0, 0 }, /* no gradient: neither, and nothing to compare the next with */
        { -0.5f, 0.244140625f, 1, -0.5f },
    };
    const float w0[1] = { 2.385f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "rprop", "lr=0.25 eta_plus=1.25", w0, 1);
    for (size_t i = 0; i < ASSAY_COUNT(rows); i++) {
        const float want = o.w[0] + rows[i].move * rows[i].step;
        optimizer_update(&o, &rows[i].g, OPTIMIZER_WHOLE);
        assert_true(o.slot[STEP][0] == rows[i].step);
        assert_true(o.slot[PREVIOUS][0] == rows[i].kept);
        assert_true(o.w[0] == want);
    }
    optimizer_close(&o);
}

static void test_rprop__keeps_steps_within_their_limits(void **state)
{
    const float w0[1] = { 2.385f }, up[1] = { 0.37f }, down[1] = { -0.37f };
    optimizer_harness o;
    (void)state;
    optimizer_open(
        &o, TEST_BUILD_DIR, "rprop", "lr=0.0137 step_min=0.00371 step_max=0.0431", w0, 1);
    for (int i = 0; i < 9; i++) {
        optimizer_update(&o, up, OPTIMIZER_WHOLE);
    }
    assert_true(o.slot[STEP][0] == 0.0431f);
    for (int i = 0; i < 9; i++) {
        optimizer_update(&o, i % 2 ? up : down, OPTIMIZER_WHOLE); /* every other update is a turn */
        const float halved = ldexpf(0.0431f, -(i / 2 + 1));
        assert_true(o.slot[STEP][0] == (halved > 0.00371f ? halved : 0.00371f));
    }
    assert_true(o.slot[STEP][0] == 0.00371f);
    optimizer_close(&o);
}

/* lr is where step sizes start, not a factor of the steps. */
static void test_rprop__moves_by_step_min_with_lr_zero(void **state)
{
    const float w0[2] = { 0 }, g[2] = { 0.37f, -7.31f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "rprop", "lr=0 step_min=0.0137", w0, 2);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == -0.0137f && o.w[1] == 0.0137f);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "rprop", "lr=0 step_min=0", w0, 2);
    for (int i = 0; i < 5; i++) {
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
    }
    assert_true(o.w[0] == 0 && o.w[1] == 0);
    optimizer_close(&o);
}

static void test_rprop__takes_lr_once(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0.37f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "rprop", "lr=0.25 eta_plus=1.25", w0, 1);
    assert_false(fake_host_row(&o.host, "lr")->flags & ASSAY_SCHED);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    fake_host_set(&o.host, "lr=7.31");
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.slot[STEP][0] == 0.3125f);
    optimizer_close(&o);
}

static void test_rprop__does_not_take_a_nan_for_a_sign(void **state)
{
    const float w0[2] = { 2.385f, 2.385f }, g[2] = { NAN, -NAN };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "rprop", "", w0, 2);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(isnan(o.w[0]) && isnan(o.w[1]));
    optimizer_close(&o);
}

static int validate(const char *options, fake_host *h)
{
    const assay_optimizer *ops;
    fake_host_open(h, TEST_BUILD_DIR "/plugins", "optimizer", "rprop");
    fake_host_set(h, options);
    ops = h->component->ops;
    return ops->validate(&h->ctx, h->hyper.bytes);
}

static void test_rprop__refuses_limits_that_exclude_each_other(void **state)
{
    fake_host h;
    (void)state;
    assert_int_equal(validate("step_min=0.0137 step_max=0.0137", &h), ASSAY_OK);
    assert_int_equal(h.n_reports, 0);
    assert_int_equal(validate("step_min=0.0137 step_max=0.0131", &h), ASSAY_E_INVALID);
    assert_string_equal(h.blamed, "step_min");
    assert_string_equal(h.message, "must not be above step_max");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rprop__follows_torch),
        cmocka_unit_test(test_rprop__does_not_depend_on_chunks),
        cmocka_unit_test(test_rprop__resumes_from_its_slots_alone),
        cmocka_unit_test(test_rprop__takes_no_elements),
        cmocka_unit_test(test_rprop__follows_the_sign_and_not_the_size),
        cmocka_unit_test(test_rprop__keeps_steps_within_their_limits),
        cmocka_unit_test(test_rprop__moves_by_step_min_with_lr_zero),
        cmocka_unit_test(test_rprop__takes_lr_once),
        cmocka_unit_test(test_rprop__does_not_take_a_nan_for_a_sign),
        cmocka_unit_test(test_rprop__refuses_limits_that_exclude_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
