/* All schedules: against torch's (tests/golden/generate_optimizers.py, generate_cycles.py), against their formulas where torch has none, and what
 * they share: units, warm-up, horizon. */
#include "support/fake_host.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_STATE = 16, STEPS_PER_EPOCH = 13 };

typedef struct rig {
    fake_host host;
    const assay_schedule *ops;
    double state[N_STATE];
} rig;

static void rig_open(rig *r, const char *id, const char *options)
{
    *r = (rig){ .ops = NULL };
    fake_host_open(&r->host, TEST_BUILD_DIR "/plugins", "schedule", id);
    fake_host_set(&r->host, options);
    r->ops = r->host.component->ops;
    assert_in_range(r->ops->n_state, 0, N_STATE);
    if (r->ops->validate) {
        assert_int_equal(r->ops->validate(&r->host.ctx, r->host.hyper.bytes), ASSAY_OK);
    }
}

static double factor(rig *r, const assay_when *when)
{
    double out = NAN;
    const int code = r->ops->factor(&r->host.ctx, r->host.hyper.bytes, when, r->state, &out);
    if (code != ASSAY_OK) {
        fail_msg("%s: %d: %s", r->host.component->id, code, r->host.message);
    }
    assert_true(isfinite(out) && out >= 0);
    return out;
}

static assay_when at_step(uint64_t step, uint64_t total_epochs)
{
    return (assay_when){ .struct_size = sizeof(assay_when),
        .step = step,
        .total_steps = total_epochs * STEPS_PER_EPOCH,
        .epoch = step / STEPS_PER_EPOCH,
        .total_epochs = total_epochs,
        .steps_per_epoch = STEPS_PER_EPOCH,
        .monitored = NAN };
}

/* 1e-12: torch multiplies its way from unit to unit, some 40 roundings of a double. */
static void check_near(const char *name, size_t i, double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) {
        fail_msg("%s: unit %zu: %.17g instead of %.17g", name, i, got, want);
    }
}

static void check_golden(const golden *file, const char *name, const char *id, const char *options)
{
    char text[256];
    size_t n;
    const double *want = golden_f64(file, name, &n);
    rig by_step, by_epoch;
    assert_true(n >= 30);
    snprintf(text, sizeof text, "%s every=step", options);
    rig_open(&by_step, id, text);
    snprintf(text, sizeof text, "%s every=epoch", options);
    rig_open(&by_epoch, id, text);
    for (size_t i = 0; i < n; i++) {
        const assay_when step = { .struct_size = sizeof step, .step = i, .total_steps = n };
        const assay_when epoch = at_step(i * STEPS_PER_EPOCH, n);
        check_near(name, i, factor(&by_step, &step), want[i]);
        check_near(name, i, factor(&by_epoch, &epoch), want[i]);
    }
}

static void test_schedules__follow_torch(void **state)
{
    golden *file = golden_open("schedule_factors");
    (void)state;
    check_golden(file, "step", "step", "size=7 gamma=0.43");
    check_golden(file, "multistep", "multistep", "milestones=3,11,12,29 gamma=0.61");
    check_golden(file, "exponential", "exponential", "decay=0.937");
    check_golden(file, "linear", "linear", "end=0.137 over=23");
    check_golden(file, "polynomial", "polynomial", "over=27 power=1.73");
    check_golden(file, "cosine", "cosine", "min=0.0137");
    golden_close(file);
}

static void test_warmup__follows_torch_in_sequence(void **state)
{
    golden *file = golden_open("schedule_factors");
    (void)state;
    check_golden(file, "linear_warmup", "constant", "warmup=9 warmup_start=0.33333333333333331");
    check_golden(file, "warm_step", "step", "size=7 gamma=0.43 warmup=5 warmup_start=0.231");
    check_golden(
        file, "warm_exponential", "exponential", "decay=0.937 warmup=4 warmup_start=0.119");
    check_golden(file, "warm_cosine", "cosine", "warmup=6 warmup_start=0.017");
    golden_close(file);
}

/* In the unit of a step, for schedules that move within an epoch or only know how many steps there are. */
static void check_golden_steps(
    const golden *file, const char *name, const char *id, const char *options)
{
    char text[256];
    size_t n;
    const double *want = golden_f64(file, name, &n);
    rig r;
    assert_true(n >= 30);
    snprintf(text, sizeof text, "%s every=step", options);
    rig_open(&r, id, text);
    for (size_t i = 0; i < n; i++) {
        const assay_when when = { .struct_size = sizeof when, .step = i, .total_steps = n };
        check_near(name, i, factor(&r, &when), want[i]);
    }
}

static void test_cycles__follow_torch(void **state)
{
    golden *file = golden_open("schedule_cycles");
    (void)state;
    check_golden(file, "restarts", "cosine_restarts", "min=0.0137");
    check_golden(file, "restarts_equal", "cosine_restarts", "period=7 multiplier=1");
    check_golden(file, "restarts_triple", "cosine_restarts", "period=3 multiplier=3 min=0.231");
    check_golden(file, "triangular", "cyclic", "base=0.173 up=8");
    check_golden(file, "triangular_skew", "cyclic", "base=0.173 up=5 down=13");
    check_golden(file, "triangular2", "cyclic", "policy=triangular2 base=0.0913 up=7");
    check_golden(
        file, "exp_range", "cyclic", "policy=exp_range base=0.0913 up=6 down=11 gamma=0.973");
    check_golden(file, "one_cycle", "one_cycle", "");
    check_golden(file, "one_cycle_linear", "one_cycle",
        "anneal=linear pct_start=0.413 div=7.31 final_div=238.5");
    check_golden(file, "one_cycle_late", "one_cycle", "pct_start=1");
    check_golden(file, "one_cycle_early", "one_cycle", "pct_start=0");
    golden_close(file);
}

static void test_cycles__turn_a_momentum_as_torch_does(void **state)
{
    golden *file = golden_open("schedule_cycles");
    (void)state;
    check_golden_steps(file, "one_cycle_momentum", "one_cycle", "inverse=1");
    check_golden_steps(file, "cyclic_momentum", "cyclic",
        "policy=triangular2 base=1 max=0.88888888888888884 up=9");
    golden_close(file);
}

static void test_restarts__move_at_every_step_as_in_the_paper(void **state)
{
    golden *file = golden_open("schedule_cycles");
    size_t n;
    const double *want = golden_f64(file, "restarts_smooth", &n);
    rig r;
    (void)state;
    rig_open(&r, "cosine_restarts", "period=2 multiplier=2 min=0.0137");
    for (size_t i = 0; i < n; i++) {
        const assay_when when = at_step(i, 0);
        check_near("restarts_smooth", i, factor(&r, &when), want[i]);
    }
    golden_close(file);
}

static void test_restarts__come_at_10_30_70_and_150(void **state)
{
    rig r;
    uint64_t next = 10;
    double last = 2;
    (void)state;
    rig_open(&r, "cosine_restarts", ""); /* the paper's T0 and T_mult are the defaults */
    for (uint64_t epoch = 0; epoch < 200; epoch++) {
        const assay_when when = at_step(epoch * STEPS_PER_EPOCH, 0);
        const double now = factor(&r, &when);
        assert_true(epoch == 0 || epoch == next ? now == 1 : now < last);
        next = epoch == next ? 2 * next + 10 : next;
        last = now;
    }
    assert_int_equal(next, 310);
}

static void test_cyclic__begins_and_peaks_where_the_paper_says(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "cyclic", "every=epoch up=2 warmup=3"); /* 0.001 to 0.006 of the paper */
    for (uint64_t i = 3 * STEPS_PER_EPOCH; i < 30 * STEPS_PER_EPOCH; i++) {
        const assay_when when = at_step(i, 0);
        const double it = (double)(i - 3 * STEPS_PER_EPOCH), half = 2 * STEPS_PER_EPOCH;
        const double cycle = floor(1 + it / (2 * half));
        const double x = fabs(it / half - 2 * cycle + 1);
        check_near("cyclic", i, factor(&r, &when) * 0.006, 0.001 + 0.005 * fmax(0, 1 - x));
    }
}

static void test_one_cycle__stays_at_its_end(void **state)
{
    rig r, inverse;
    (void)state;
    rig_open(&r, "one_cycle", "over=23");
    rig_open(&inverse, "one_cycle", "over=23 inverse=1");
    for (uint64_t i = 22; i < 60; i++) {
        const assay_when when = at_step(i, 0);
        check_near("one_cycle", i, factor(&r, &when), 1 / 25e4);
        check_near("one_cycle", i, factor(&inverse, &when), 1);
    }
}

static void test_one_cycle__may_be_shorter_than_its_own_phases(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 7; n++) { /* factor() checks that it is finite */
        rig r;
        rig_open(&r, "one_cycle", "warmup=2 pct_start=0.5");
        for (uint64_t i = 0; i < 9; i++) {
            const assay_when when = { .struct_size = sizeof when, .step = i, .total_steps = n };
            assert_true(factor(&r, &when) <= 1);
        }
    }
}

static void test_constant__is_one(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "constant", "");
    for (uint64_t i = 0; i < 40; i++) {
        const assay_when when = at_step(i, 0);
        assert_true(factor(&r, &when) == 1);
    }
}

static void test_warmup__moves_at_every_step_where_the_unit_is_an_epoch(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "step", "size=2 gamma=0.5 warmup=3 warmup_start=0.2");
    for (uint64_t i = 0; i < 12 * STEPS_PER_EPOCH; i++) {
        const assay_when when = at_step(i, 12);
        const double x = (double)i / STEPS_PER_EPOCH;
        const double want = x < 3 ? 0.2 + 0.8 * x / 3 : pow(0.5, floor((floor(x) - 3) / 2));
        check_near("warm-up", i, factor(&r, &when), want);
    }
}

static void test_inverse_time__follows_its_formula(void **state)
{
    static const double taus[] = { 1, 7.3, 20 }, powers[] = { 1, 0.5, 0.731 };
    char options[128];
    rig r;
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        const double tau = taus[i / 3], power = powers[i % 3];
        snprintf(options, sizeof options, "tau=%g power=%g", tau, power);
        rig_open(&r, "inverse_time", options);
        for (uint64_t step = 0; step < 60; step++) {
            const assay_when when = at_step(step, 0);
            const double t = (double)step + 1;
            check_near(options, step, factor(&r, &when), pow(tau / fmax(t, tau), power));
        }
    }
}

static void test_inverse_time__can_be_one_over_root_t(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "inverse_time", "power=0.5");
    for (uint64_t t = 1; t < 40; t++) {
        const assay_when when = at_step(t - 1, 0);
        check_near("1 / sqrt(t)", t, factor(&r, &when), 1 / sqrt((double)t));
    }
}

static void test_inverse_time__counts_epochs_if_told(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "inverse_time", "every=epoch tau=2");
    const assay_when first = at_step(2 * STEPS_PER_EPOCH - 1, 9),
                     third = at_step(2 * STEPS_PER_EPOCH, 9);
    assert_true(factor(&r, &first) == 1);
    check_near("third epoch", 2, factor(&r, &third), 2.0 / 3);
}

static void test_linear__is_a_polynomial_of_power_one(void **state)
{
    rig a, b;
    (void)state;
    rig_open(&a, "linear", "end=0.23");
    rig_open(&b, "polynomial", "end=0.23");
    for (uint64_t i = 0; i < 6 * STEPS_PER_EPOCH; i++) {
        const assay_when when = at_step(i, 4); /* goes on after its end */
        check_near("linear", i, factor(&a, &when), factor(&b, &when));
    }
}

static void test_polynomial__falls_to_its_end(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "polynomial", "end=0.23 power=1.73 over=31 warmup=4");
    for (uint64_t i = 4; i < 60; i++) {
        const assay_when when = at_step(i, 0);
        const double done = fmin((double)(i - 4) / 31, 1);
        check_near("polynomial", i, factor(&r, &when), 0.23 + 0.77 * pow(1 - done, 1.73));
    }
}

static void test_cosine__stays_at_its_minimum(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "cosine", "min=0.0731 over=17");
    for (uint64_t i = 17; i < 80; i++) {
        const assay_when when = at_step(i, 0);
        check_near("cosine", i, factor(&r, &when), 0.0731);
    }
}

static void test_horizon__is_what_the_run_has(void **state)
{
    rig r;
    assay_when when = at_step(5 * STEPS_PER_EPOCH, 0);
    (void)state;
    when.total_steps = 10 * STEPS_PER_EPOCH;
    rig_open(&r, "linear", "every=epoch"); /* epochs from steps */
    check_near("half", 5, factor(&r, &when), 0.5);
    rig_open(&r, "linear", "every=step");
    check_near("half", 5, factor(&r, &when), 0.5);
    when.total_epochs = 20;
    rig_open(&r, "linear", "every=epoch");
    check_near("quarter", 5, factor(&r, &when), 0.75);
    rig_open(&r, "linear", "every=epoch warmup=2 warmup_start=1"); /* 3 of 18 */
    check_near("after warm-up", 5, factor(&r, &when), 1 - 3.0 / 18);
}

static void test_horizon__may_be_eaten_by_the_warmup(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, "cosine", "warmup=50");
    for (uint64_t i = 0; i < 60; i++) {
        assay_when when = at_step(i, 0);
        when.total_steps = 40;
        const double got = factor(&r, &when);
        check_near("cosine", i, got, i <= 50 ? (double)i / 50 : 0);
    }
}

static void test_horizon__must_be_known(void **state)
{
    static const char *const ids[] = { "cosine", "linear", "polynomial", "one_cycle" };
    static const char *const units[] = { "every=step", "every=epoch" };
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        const assay_when when = at_step(5, 0);
        double out = 0;
        rig r;
        rig_open(&r, ids[i / 2], units[i % 2]);
        assert_int_equal(r.ops->horizon, 1);
        assert_int_equal(
            r.ops->factor(&r.host.ctx, r.host.hyper.bytes, &when, r.state, &out), ASSAY_E_INVALID);
        assert_string_equal(r.host.blamed, "over");
        assert_non_null(strstr(r.host.message, "length of the run is not known"));
        fake_host_set(&r.host, "over=17");
        assert_true(factor(&r, &when) > 0);
    }
}

static void test_multistep__asks_for_milestones(void **state)
{
    fake_host h;
    const assay_schedule *ops;
    (void)state;
    fake_host_open(&h, TEST_BUILD_DIR "/plugins", "schedule", "multistep");
    ops = h.component->ops;
    assert_true(fake_host_row(&h, "milestones")->flags & ASSAY_REQUIRED);
    assert_int_equal(ops->validate(&h.ctx, h.hyper.bytes), ASSAY_E_INVALID);
    assert_string_equal(h.blamed, "milestones");
}

static void check_plateau(const golden *file, const char *name, const char *monitored,
    uint64_t is_max, const char *options)
{
    size_t n, n_values;
    const double *want = golden_f64(file, name, &n);
    const double *values = golden_f64(file, monitored, &n_values);
    rig r;
    assert_int_equal(n, n_values);
    assert_true(want[n - 1] < want[0]); /* or it shows nothing */
    rig_open(&r, "plateau", options);
    for (uint64_t step = 0; step < 3 * n; step++) { /* three updates after each check */
        assay_when when = at_step(step + 3, 0);
        when.n_checks = step / 3 + 1;
        when.monitored = values[step / 3];
        when.monitor_is_max = is_max;
        check_near(name, step / 3, factor(&r, &when), want[step / 3]);
    }
}

static void test_plateau__follows_torch(void **state)
{
    golden *file = golden_open("schedule_factors");
    (void)state;
    check_plateau(
        file, "plateau.relative", "monitored.falling", 0, "factor=0.37 patience=2 threshold=3e-2");
    check_plateau(file, "plateau.cooldown", "monitored.falling", 0,
        "factor=0.61 patience=1 cooldown=4 threshold=3e-3 threshold_mode=absolute min=0.0913");
    check_plateau(
        file, "plateau.max", "monitored.rising", 1, "factor=0.43 patience=1 threshold=7e-3");
    check_plateau(file, "plateau.max_absolute", "monitored.rising", 1,
        "factor=0.53 patience=0 cooldown=2 threshold=1.7e-2 threshold_mode=absolute");
    golden_close(file);
}

static void test_plateau__is_one_before_the_first_check_and_counts_a_first_nan(void **state)
{
    rig r;
    assay_when when = at_step(0, 0);
    (void)state;
    rig_open(&r, "plateau", "patience=0 factor=0.5");
    assert_true(factor(&r, &when) == 1);
    when.n_checks = 1; /* NaN is never better */
    assert_true(factor(&r, &when) == 0.5);
    when.n_checks = 2;
    when.monitored = 1e30;
    assert_true(factor(&r, &when) == 0.5);
}

static void test_plateau__resumes_from_its_state(void **state)
{
    golden *file = golden_open("schedule_factors");
    size_t n;
    const double *values = golden_f64(file, "monitored.falling", &n);
    rig a, b;
    (void)state;
    rig_open(&a, "plateau", "patience=1 factor=0.7 cooldown=2");
    for (uint64_t i = 0; i < n; i++) {
        assay_when when = at_step(i, 0);
        rig_open(&b, "plateau", "patience=1 factor=0.7 cooldown=2");
        memcpy(b.state, a.state, sizeof a.state);
        when.n_checks = i;
        when.monitored = i > 0 ? values[i - 1] : NAN;
        assert_true(factor(&a, &when) == factor(&b, &when));
        assert_memory_equal(a.state, b.state, sizeof a.state);
    }
    golden_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules__follow_torch),
        cmocka_unit_test(test_warmup__follows_torch_in_sequence),
        cmocka_unit_test(test_cycles__follow_torch),
        cmocka_unit_test(test_cycles__turn_a_momentum_as_torch_does),
        cmocka_unit_test(test_restarts__move_at_every_step_as_in_the_paper),
        cmocka_unit_test(test_restarts__come_at_10_30_70_and_150),
        cmocka_unit_test(test_cyclic__begins_and_peaks_where_the_paper_says),
        cmocka_unit_test(test_one_cycle__stays_at_its_end),
        cmocka_unit_test(test_one_cycle__may_be_shorter_than_its_own_phases),
        cmocka_unit_test(test_constant__is_one),
        cmocka_unit_test(test_warmup__moves_at_every_step_where_the_unit_is_an_epoch),
        cmocka_unit_test(test_inverse_time__follows_its_formula),
        cmocka_unit_test(test_inverse_time__can_be_one_over_root_t),
        cmocka_unit_test(test_inverse_time__counts_epochs_if_told),
        cmocka_unit_test(test_linear__is_a_polynomial_of_power_one),
        cmocka_unit_test(test_polynomial__falls_to_its_end),
        cmocka_unit_test(test_cosine__stays_at_its_minimum),
        cmocka_unit_test(test_horizon__is_what_the_run_has),
        cmocka_unit_test(test_horizon__may_be_eaten_by_the_warmup),
        cmocka_unit_test(test_horizon__must_be_known),
        cmocka_unit_test(test_multistep__asks_for_milestones),
        cmocka_unit_test(test_plateau__follows_torch),
        cmocka_unit_test(test_plateau__is_one_before_the_first_check_and_counts_a_first_nan),
        cmocka_unit_test(test_plateau__resumes_from_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
