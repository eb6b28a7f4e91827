/* The pruner patience, on curves whose verdicts are known. */
#include "pruner_rig.h"

static void test_patience__counts_reports_since_the_last_gain(void **state)
{
    rig *g = rig_open("{ type = \"patience\"; patience = 3; min_gain = 0.01; }");
    (void)state;
    assert_int_equal(run(g, 9.7, 0.031), 0); /* bad, but it improves */
    assert_int_equal(run(g, 2.31, 0), 4);
    assert_int_equal(run(g, 2.31, -0.2), 4);
    assert_int_equal(run(g, 2.31, 0.004), 0); /* 0.012 in three reports are a gain */
    assert_int_equal(run(g, 2.31, 0.003), 4); /* 0.009 are none */
    rig_close(g);
}

static void test_patience__waits_for_the_warm_up(void **state)
{
    rig *g = rig_open("{ type = \"patience\"; patience = 3; warm_up = 11.0; }");
    (void)state;
    assert_int_equal(run(g, 2.31, 0), 11);
    rig_close(g);
}

static void test_patience__replays_its_log(void **state)
{
    (void)state;
    expect_replay("{ type = \"patience\"; patience = 4; }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience__counts_reports_since_the_last_gain),
        cmocka_unit_test(test_patience__waits_for_the_warm_up),
        cmocka_unit_test(test_patience__replays_its_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
