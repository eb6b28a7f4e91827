/* Noise on the weights: there while the gradient is taken, gone when the update is made. */
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

#define DATA \
    "data = { type = \"linear\"; samples = 96; features = 5; noise = 0.3; split = { validation = " \
    "0.25; }; batch_size = 24; shuffle = false; };\n"

static void open_with(train_rig *g, const char *layers, const char *rule, const char *train)
{
    char source[1024];
    snprintf(source, sizeof source,
        DATA "model = %s; loss = \"mse\"; optimizer = %s; train = { epochs = 50; %s };", layers,
        rule, train);
    rig_open(g, source, NULL);
}

static const char *const small = "( { type = \"dense\"; units = 7; }, \"tanh\", { type = "
                                 "\"dense\"; units = 1; } )";

static void test_weight_noise__leaves_no_trace_where_nothing_is_updated(void **state)
{
    (void)state;
    train_rig g;
    size_t n;
    float before[4096];
    rig_init(&g);
    open_with(&g, small, "{ type = \"sgd\"; lr = 0.0; momentum = 0.0; }", "weight_noise = 0.4;");
    const float *w = rig_weights(&g, &n);
    assert_true(n <= 4096);
    memcpy(before, w, n * sizeof *w);
    rig_steps(&g, 7);
    assert_memory_equal(before, rig_weights(&g, &n), n * sizeof *w);
    rig_release(&g);
}

/* A linear model with one weight matrix: the loss's gradient at w + e differs from that at w by 2/n X^T X e, so over many
 * steps without an update the loss is larger by the mean of e^T X^T X e / n = deviation^2 (|x|^2 + 1). */
static void test_weight_noise__has_the_deviation_that_was_asked_for(void **state)
{
    (void)state;
    enum { STEPS = 3000 };
    const char *linear = "( { type = \"dense\"; units = 1; } )";
    const char *still = "{ type = \"sgd\"; lr = 0.0; momentum = 0.0; }";
    double loss[2] = { 0 }, squares = 0;
    train_rig g;
    rig_init(&g);
    for (int noisy = 0; noisy < 2; noisy++) {
        open_with(&g, linear, still, noisy ? "weight_noise = 0.31;" : "");
        for (int i = 0; i < STEPS; i++) {
            rig_steps(&g, 1);
            loss[noisy] += rig_last_loss(&g) / STEPS;
        }
    }
    const dataset *d = trainer_data(g.t);
    const assay_data *view = dataset_view(d);
    for (size_t i = 0; i < dataset_size(d, PART_TRAIN); i++) {
        const uint32_t row = dataset_rows(d, PART_TRAIN)[i];
        const float *x =
            (const float *)(const void *)((const char *)view->x + row * view->x_stride);
        for (size_t k = 0; k < 5; k++)
            squares += (double)x[k] * x[k] / (double)dataset_size(d, PART_TRAIN);
    }
    /* The sum's relative deviation over the steps is below sqrt(2 / 3000) = 0.026; four of them. */
    expect_near((loss[1] - loss[0]) / (0.31 * 0.31 * (squares + 1)), 1, 0.11);
    rig_release(&g);
}

static void test_weight_noise__is_new_each_step_and_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    const char *adam = "{ type = \"adam\"; lr = 0.01; }";
    const char *wide = "( { type = \"dense\"; units = 900; }, \"tanh\", { type = \"dense\"; units "
                       "= 1; } )";
    train_rig g;
    rig_init(&g);
    open_with(&g, wide, adam, "weight_noise = 0.075; replicas = 2; threads = 1;");
    rig_steps(&g, 1);
    const double first = rig_last_loss(&g);
    rig_steps(&g, 20);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "one"), &g.err), OK);
    open_with(&g, wide, adam, "weight_noise = 0.075; replicas = 2; threads = 2;");
    rig_steps(&g, 21);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "two"), &g.err), OK);
    assert_true(rig_same_state(rig_path(&g, "one"), rig_path(&g, "two")));

    open_with(&g, wide, "{ type = \"sgd\"; lr = 0.0; momentum = 0.0; }",
        "weight_noise = 0.075; replicas = 2;");
    rig_steps(&g, 1);
    assert_true(rig_last_loss(&g) == first);
    rig_steps(&g, 3); /* three batches an epoch: the first again, at the same weights */
    assert_true(rig_last_loss(&g) != first);
    rig_release(&g);
}

static void test_weight_noise__is_refused_below_zero(void **state)
{
    (void)state;
    train_rig g;
    rig_init(&g);
    rig_refuse(&g,
        DATA "model = ( { type = \"dense\"; units = 1; } ); loss = \"mse\"; optimizer = \"sgd\"; "
             "train = { weight_noise = -0.5; };",
        E_RANGE, "weight_noise");
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight_noise__leaves_no_trace_where_nothing_is_updated),
        cmocka_unit_test(test_weight_noise__has_the_deviation_that_was_asked_for),
        cmocka_unit_test(
            test_weight_noise__is_new_each_step_and_the_same_for_any_number_of_threads),
        cmocka_unit_test(test_weight_noise__is_refused_below_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
