/* What is not finite ends a run as a result, not an error, and is named: what, where, at which step. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE \
    "data = { type = \"planted\"; samples = 40; batch_size = 8; shuffle = false;" \
    " split = { method = \"time\"; validation = 8; test = 0; }; };" \
    "model = ( { type = \"dense\"; units = 4; }, { type = \"dense\"; units = 1; } ); loss = " \
    "\"mse\"; "

static void expect_divergence(train_rig *g, uint64_t step, const char *what)
{
    char at[32];
    snprintf(at, sizeof at, "step %llu: ", (unsigned long long)step);
    rig_run(g);
    if (g->result.stop != STOP_DIVERGED || !g->result.diverged ||
        strncmp(g->result.diverged, at, strlen(at)) != 0 || !strstr(g->result.diverged, what)) {
        GIVE_UP("expected %s...%s\n     got %s: %s", at, what, stop_reason_name(g->result.stop),
            g->result.diverged ? g->result.diverged : "nothing");
    }
}

static void test_divergence__of_a_rate_too_large_names_the_weight(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINE "optimizer = { type = \"sgd\"; lr = 1e30; };", NULL);
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_DIVERGED);
    assert_non_null(g.result.diverged);
    if (strncmp(g.result.diverged, "step ", 5) != 0 || !strstr(g.result.diverged, "dense")) {
        GIVE_UP("%s", g.result.diverged);
    }
    assert_true(g.result.step < 4);
    rig_release(&g);
}

static void test_divergence__at_the_very_last_update_is_seen(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINE "optimizer = { type = \"sgd\"; lr = 1e38; }; train = { steps = 1; };", NULL);
    expect_divergence(&g, 1, "weight dense");
    rig_open(&g,
        LINE
        "optimizer = { type = \"sgd\"; lr = 1e38; }; train = { steps = 1; early_stopping = {}; };",
        NULL);
    expect_divergence(&g, 1, "weight dense");
    rig_open(&g,
        "data = { type = \"planted\"; split = { validation = 0; test = 0; }; }; model = ( { type = "
        "\"dense\"; units = 1; } ); loss = \"mse\";"
        "optimizer = { type = \"sgd\"; lr = 3e38; weight_decay = 3e38; }; train = { steps = 1; };",
        NULL);
    expect_divergence(&g, 1, "weight dense1");
    rig_release(&g);
}

static void test_divergence__names_a_weight_that_a_file_brought(void **state)
{
    train_rig g;
    char source[1024];
    (void)state;
    rig_init(&g);
    rig_open(&g, LINE "optimizer = \"sgd\";", NULL);
    rig_tensor(&g, "dense1.weight", NULL)[5] = NAN;
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
    snprintf(source, sizeof source, LINE "optimizer = \"sgd\"; train = { init_from = \"%s\"; };",
        rig_path(&g, "w"));
    rig_open(&g, source, NULL);
    expect_divergence(&g, 1, "weight dense1.weight is nan at element 5 of 12");
    rig_release(&g);
}

static void test_divergence__names_the_layer_and_its_step(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    for (int replicas = 1; replicas <= 3; replicas++) {
        char source[1024];
        snprintf(source, sizeof source,
            "data = { type = \"planted\"; samples = 40; batch_size = 8; split = { validation = 0;"
            " test = 0; }; }; model = ( { type = \"dense\"; units = 4; }, { type = \"poison\"; "
            "name = \"arsenic\"; },"
            " \"tanh\", { type = \"dense\"; units = 1; } ); loss = \"mse\"; optimizer = \"sgd\";"
            " schedule = { type = \"multistep\"; milestones = ( 3 ); every = \"step\"; gamma = 0.0;"
            " target = \"model.arsenic.level\"; }; train = { replicas = %d; threads = 2; };",
            replicas);
        rig_open(&g, source, NULL);
        expect_divergence(&g, 4, "the output of layer arsenic is nan at element 0");
        assert_int_equal(g.result.step, 3);
    }
    rig_release(&g);
}

static void test_divergence__data_that_are_not_finite_are_refused_before_the_run(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g,
        "data = { type = \"planted\"; at = 11; }; model = ( { type = \"dense\"; units = 1; } );"
        " loss = \"mse\"; optimizer = \"sgd\";",
        E_RANGE, "sample 11: feature 0 is inf");
    rig_refuse(&g,
        "data = { type = \"planted\"; at = 7; in_target = true; }; model = ( { type = \"dense\"; "
        "units = 1; } );"
        " loss = \"mse\"; optimizer = \"sgd\";",
        E_RANGE, "sample 7: target 0 is inf");
    rig_release(&g);
}

/* The loss is finite and so is the gradient of the first layer; that of the second is too large for a float. */
static void test_divergence__of_the_gradient_leaves_all_weights_as_they_were(void **state)
{
    static const char *const endings[] = { "", " train = { replicas = 3; threads = 2; };",
        " train = { clip_norm = 1e30; };" };
    train_rig g;
    (void)state;
    rig_init(&g);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char source[1024];
        snprintf(source, sizeof source,
            "data = { type = \"planted\"; samples = 40; batch_size = 8; };"
            "model = ( { type = \"dense\"; units = 4; init = { type = \"constant\"; value = "
            "2.385e25; }; },"
            " { type = \"dense\"; units = 1; init = { type = \"constant\"; value = 1.7e-4; }; } );"
            " loss = \"mse\"; optimizer = { type = \"sgd\"; lr = 0.1; };%s",
            endings[i]);
        rig_open(&g, source, NULL);
        expect_divergence(&g, 1, "the gradient is not finite; the gradient of dense2.weight");
        size_t n;
        const float *b = rig_tensor(&g, "dense1.bias", &n);
        for (size_t k = 0; k < n; k++)
            assert_true(b[k] == 0);
    }
    rig_release(&g);
}

static void test_divergence__stays_ended_after_a_restart(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINE "optimizer = { type = \"sgd\"; lr = 1e30; };", NULL);
    rig_run(&g);
    const uint64_t step = g.result.step;
    assert_int_equal(trainer_save(g.t, rig_path(&g, "a"), &g.err), OK);
    rig_open(&g, LINE "optimizer = { type = \"sgd\"; lr = 1e30; };", NULL);
    assert_int_equal(trainer_restore(g.t, rig_path(&g, "a"), &g.err), OK);
    rig_run(&g);
    assert_int_equal(g.result.stop, STOP_DIVERGED);
    assert_int_equal(g.result.step, step);
    assert_non_null(strstr(g.result.diverged, "dense"));
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergence__of_a_rate_too_large_names_the_weight),
        cmocka_unit_test(test_divergence__at_the_very_last_update_is_seen),
        cmocka_unit_test(test_divergence__names_a_weight_that_a_file_brought),
        cmocka_unit_test(test_divergence__names_the_layer_and_its_step),
        cmocka_unit_test(test_divergence__data_that_are_not_finite_are_refused_before_the_run),
        cmocka_unit_test(test_divergence__of_the_gradient_leaves_all_weights_as_they_were),
        cmocka_unit_test(test_divergence__stays_ended_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
