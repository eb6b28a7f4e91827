/* Where an optimizer evaluates elsewhere than it trains, layers that keep running statistics have two sets of them. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include "train/internal.h"

#include <math.h>
#include <stdio.h>

#define RUNNING_WITH(settings) \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 13;" \
    " split = { validation = 0.25; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 5; }, \"running\", \"tanh\"," \
    " { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\"; train = { epochs = " \
    "6; " settings "}; "
#define RUNNING RUNNING_WITH("")

/* The mean of what the layer `running` sees of a batch: dense1's output at the weights W, b. */
static double mean_seen(const batch *b, const float *W, const float *bias)
{
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) {
        for (size_t j = 0; j < 5; j++) {
            double y = bias[j];
            for (size_t k = 0; k < 4; k++)
                y += (double)b->x[i * 4 + k] * W[k * 5 + j];
            sum += y;
        }
    }
    return sum / (double)(b->n * 5);
}

/* Those of training where none are asked for, and other weights under them all the same. */
static void test_eval_point__leaves_the_statistics_where_none_are_asked_for(void **state)
{
    train_rig g, plain;
    safetensors *f = NULL;
    const void *saved;
    (void)state;
    rig_init(&g);
    rig_init(&plain);
    rig_open(&g, RUNNING_WITH("recalibrate = 0;") "optimizer = { type = \"averaged\"; lr = 0.5; };",
        NULL);
    rig_open(&plain, RUNNING "optimizer = { type = \"sgd\"; lr = 0.5; };", NULL);
    rig_run(&g);
    rig_run(&plain);
    assert_true(g.validation_loss != plain.validation_loss);
    assert_int_equal(rig_spent(&g)->samples_forward, rig_spent(&plain)->samples_forward);
    const float trained = g.t->model->b[0];
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
    assert_int_equal(safetensors_open(rig_path(&g, "w"), &f, &g.err), OK);
    assert_int_equal(safetensors_get(f, "running1.mean", ARRAY_F32, 1, &saved, &g.err), OK);
    assert_true(*(const float *)saved == trained);
    safetensors_close(f);
    rig_release(&plain);
    rig_release(&g);
}

/* 50 batches of the epoch at the weights that are evaluated, from where training has them: 45 samples are 4 batches. */
static void test_eval_point__has_running_statistics_of_its_own(void **state)
{
    train_rig g, plain;
    safetensors *f = NULL;
    const void *saved;
    (void)state;
    rig_init(&g);
    rig_init(&plain);
    rig_open(&g, RUNNING "optimizer = { type = \"averaged\"; lr = 0.5; };", NULL);
    rig_open(&plain, RUNNING "optimizer = { type = \"sgd\"; lr = 0.5; };", NULL);
    rig_run(&g);
    rig_run(&plain);
    const float trained = g.t->model->b[0];
    assert_true(trained == plain.t->model->b[0]); /* six checks later */
    assert_memory_equal(rig_tensor(&g, "dense2.weight", NULL),
        rig_tensor(&plain, "dense2.weight", NULL), 15 * sizeof(float));
    assert_true(g.validation_loss != plain.validation_loss);

    const float *W = rig_slot(&g, "optimizer/0/dense1.weight/mean", 20);
    const float *bias = rig_slot(&g, "optimizer/0/dense1.bias/mean", 5);
    double mean = trained;
    assert_int_equal(g.t->n_batches, 4);
    for (size_t i = 0; i < 50; i++) {
        batch b;
        batcher_get(g.t->batches, g.t->at.epoch, i % 4, &b);
        mean = 0.9 * mean + 0.1 * mean_seen(&b, W, bias);
    }
    const budget spent = g.t->at.spent;
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
    assert_memory_equal(&spent, &g.t->at.spent, sizeof spent);
    assert_int_equal(safetensors_open(rig_path(&g, "w"), &f, &g.err), OK);
    assert_int_equal(safetensors_get(f, "running1.mean", ARRAY_F32, 1, &saved, &g.err), OK);
    expect_near(*(const float *)saved, mean, 1e-6); /* sums in float over 5 units */
    assert_true(fabs(mean - trained) > 1e-3);
    safetensors_close(f);
    rig_release(&plain);
    rig_release(&g);
}

/* What the passes of a run are over and above those of one without them. */
static uint64_t cost_of(const char *written)
{
    train_rig g, plain;
    rig_init(&g);
    rig_init(&plain);
    rig_open(&g, written, NULL);
    rig_open(&plain, RUNNING "optimizer = { type = \"sgd\"; lr = 0.5; };", NULL);
    rig_run(&g);
    rig_run(&plain);
    assert_int_equal(rig_spent(&g)->samples_backward, rig_spent(&plain)->samples_backward);
    const uint64_t cost = rig_spent(&g)->samples_forward - rig_spent(&plain)->samples_forward;
    rig_release(&plain);
    rig_release(&g);
    return cost;
}

/* A check of each epoch, and the one at the end; 4 batches are 45 samples together, two of them 13 each. */
static void test_eval_point__counts_what_its_statistics_cost(void **state)
{
    (void)state;
    assert_int_equal(cost_of(RUNNING "optimizer = { type = \"averaged\"; lr = 0.5; };"),
        (6 + 1) * (12 * 45 + 2 * 13));
    assert_int_equal(
        cost_of(RUNNING_WITH("recalibrate = 6;") "optimizer = { type = \"averaged\"; lr = 0.5; };"),
        (6 + 1) * (45 + 2 * 13));
}

/* Nor do carried states of streams come out of it changed, and what training draws. */
static void test_eval_point__leaves_training_as_it_was(void **state)
{
#define STREAMS \
    "data = { type = \"planted\"; samples = 300; features = 4; classes = 3; window = 5; " \
    "batch_size = 7;" \
    " split = { validation = 40; test = 0; }; };" \
    "model = ( { type = \"gru\"; units = 6; }, \"running\", \"dropout\", { type = \"dense\"; " \
    "units = 3; } );" \
    " loss = \"softmax_xent\"; train = { epochs = 3; validate_unit = \"step\"; validate_every = " \
    "%d; };" \
    " optimizer = { type = \"averaged\"; lr = 0.2; };"
    char often[1024], never[1024];
    train_rig g, other;
    size_t n;
    (void)state;
    snprintf(often, sizeof often, STREAMS, 1);
    snprintf(never, sizeof never, STREAMS, 1000000);
    rig_init(&g);
    rig_init(&other);
    rig_open(&g, often, NULL);
    rig_open(&other, never, NULL);
    rig_run(&g);
    rig_run(&other);
    const float *w = rig_weights(&g, &n);
    assert_memory_equal(rig_weights(&other, NULL), w, n * sizeof *w);
    assert_memory_equal(
        other.t->model->b, g.t->model->b, g.t->model->n_flat_buffers * sizeof(float));
    assert_true(g.n_checks > 20 && other.n_checks == 1);
    assert_true(other.validation_loss == g.validation_loss);
    rig_release(&other);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval_point__leaves_the_statistics_where_none_are_asked_for),
        cmocka_unit_test(test_eval_point__has_running_statistics_of_its_own),
        cmocka_unit_test(test_eval_point__counts_what_its_statistics_cost),
        cmocka_unit_test(test_eval_point__leaves_training_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
