/* Every tier of optimizer, through plugins that only tests use, against the same thing worked out here. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 9 x 1000 numbers: two chunks of the first matrix. */
#define WIDE \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 9; batch_size = \"all\";" \
    " split = { validation = 0.0; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 1000; }, \"tanh\", { type = \"dense\"; units = 3; } );" \
    " loss = \"softmax_xent\"; train = { replicas = 2; threads = 2; }; "
#define NARROW \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 5; }, \"tanh\", { type = \"dropout\"; }," \
    " { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\"; "
#define SHARP \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;" \
    " split = { validation = 0.0; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 5; }, \"tanh\", { type = \"dense\"; units = 3; } );" \
    " loss = \"softmax_xent\"; "
#define PROBE "optimizer = { type = \"probe\"; lr = 0.0; };"

static const char *const tensors[] = { "dense1.weight", "dense1.bias", "dense2.weight",
    "dense2.bias" };

enum { N_TENSORS = 4 };

static const float *gradient(train_rig *probe, const char *name_of, size_t n)
{
    char name[96];
    snprintf(name, sizeof name, "optimizer/0/%s/g", name_of);
    return rig_slot(probe, name, n);
}

static const float *state_of(train_rig *g, const char *name_of, const char *slot, size_t n)
{
    char name[96];
    snprintf(name, sizeof name, "optimizer/0/%s/%s", name_of, slot);
    return rig_slot(g, name, n);
}

/* Brings the probe to the other's weights and has it take the gradient there. */
static void follow(train_rig *probe, train_rig *g)
{
    size_t n;
    const float *w = rig_weights(g, &n);
    memcpy(rig_weights(probe, NULL), w, n * sizeof *w);
    rig_weights_changed(probe);
    rig_steps(probe, 1);
}

static double squares(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * x[i];
    return sum;
}

static void test_reduce__hands_back_sums_by_tensor_and_model(void **state)
{
    train_rig g, probe;
    double norm = 0.25;
    (void)state;
    rig_init(&g);
    rig_init(&probe);
    rig_open(&g, WIDE "optimizer = { type = \"lars_like\"; lr = 0.02; };", NULL);
    rig_open(&probe, WIDE PROBE, NULL);
    for (int step = 1; step <= 4; step++) {
        float *expected[N_TENSORS];
        size_t n[N_TENSORS];
        double all = 0;
        follow(&probe, &g);
        for (int i = 0; i < N_TENSORS; i++) {
            (void)rig_tensor(&g, tensors[i], &n[i]);
            all += squares(gradient(&probe, tensors[i], n[i]), n[i]);
        }
        norm = 0.9 * norm + 0.1 * sqrt(all);
        for (int i = 0; i < N_TENSORS; i++) {
            const float *w = rig_tensor(&g, tensors[i], NULL);
            const float *dw = gradient(&probe, tensors[i], n[i]);
            const double trust = sqrt(squares(w, n[i])) / (sqrt(squares(dw, n[i])) + 1e-9);
            const double lr = 0.02 * trust / (1 + norm + rig_last_loss(&probe));
            expected[i] = malloc(n[i] * sizeof(float));
            for (size_t k = 0; k < n[i]; k++)
                expected[i][k] = (float)(w[k] - lr * dw[k]);
        }
        rig_steps(&g, 1);
        expect_near(rig_model_slot(&g, "optimizer/0/norm"), norm, 1e-12);
        for (int i = 0; i < N_TENSORS; i++) {
            const float *w = rig_tensor(&g, tensors[i], NULL);
            assert_true(relative_error(w, expected[i], n[i]) < 1e-7);
            const float *seen = state_of(&g, tensors[i], "seen", n[i]);
            for (size_t k = 0; k < n[i]; k++)
                assert_true(seen[k] == (float)step); /* each element once, by one chunk */
            free(expected[i]);
        }
    }
    rig_release(&probe);
    rig_release(&g);
}

static void test_tensor_tier__keeps_rows_and_columns(void **state)
{
    train_rig g, probe;
    double row[4] = { 0 }, col[5] = { 0 }, gram[4][4] = { { 0 } }, turned[5][5] = { { 0 } };
    (void)state;
    rig_init(&g);
    rig_init(&probe);
    rig_open(&g, SHARP "optimizer = { type = \"factored\"; lr = 0.01; grams = true; };", NULL);
    rig_open(&probe, SHARP PROBE, NULL);
    for (int step = 1; step <= 6; step++) {
        double mean = 0, expected[4][5];
        follow(&probe, &g);
        const float *dw = gradient(&probe, "dense1.weight", 20);
        for (int i = 0; i < 4; i++) {
            row[i] = 0.9 * row[i] + 0.1 * squares(dw + i * 5, 5) / 5;
            mean += row[i] / 4;
        }
        for (int j = 0; j < 5; j++) {
            double sum = 0;
            for (int i = 0; i < 4; i++)
                sum += (double)dw[i * 5 + j] * dw[i * 5 + j];
            col[j] = 0.9 * col[j] + 0.1 * sum / 4;
        }
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 5; j++) {
                const double v = row[i] * col[j] / mean;
                expected[i][j] = rig_tensor(&g, "dense1.weight", NULL)[i * 5 + j] -
                    0.01 * dw[i * 5 + j] / (sqrt(v) + 1e-8);
                for (int k = 0; k < 4; k++)
                    gram[i][k] += (double)dw[i * 5 + j] * dw[k * 5 + j];
                for (int k = 0; k < 5; k++)
                    turned[j][k] += (double)dw[i * 5 + j] * dw[i * 5 + k];
            }
        }
        rig_steps(&g, 1);
        for (int i = 0; i < 20; i++)
            expect_near(rig_tensor(&g, "dense1.weight", NULL)[i], expected[i / 5][i % 5], 1e-6);
    }
    for (int i = 0; i < 16; i++)
        expect_near(state_of(&g, "dense1.weight", "gram", 16)[i], gram[i / 4][i % 4], 1e-5);
    for (int i = 0; i < 25; i++)
        expect_near(state_of(&g, "dense1.weight", "turned", 25)[i], turned[i / 5][i % 5], 1e-5);
    expect_near(state_of(&g, "dense1.weight", "row", 4)[2], row[2], 1e-6);
    expect_near(state_of(&g, "dense1.weight", "col", 5)[3], col[3], 1e-6);
    assert_true(state_of(&g, "dense1.weight", "count", 1)[0] == 6.5f);
    (void)state_of(&g, "dense1.bias", "gram", 1); /* a vector is one row */
    (void)state_of(&g, "dense1.bias", "turned", 25);
    rig_open(&g, SHARP "optimizer = { type = \"factored\"; };",
        NULL); /* it checks that there are no grams */
    rig_steps(&g, 2);
    rig_release(&probe);
    rig_release(&g);
}

/* -- the model tier -- */

#define SAM NARROW "train = { replicas = 3; threads = 2; clip_norm = 0.125; l2 = 0.01; }; "

static void test_closure__evaluates_the_gradient_elsewhere_with_the_same_draws(void **state)
{
    train_rig sam, probe;
    float start[20], moved[64];
    size_t n;
    (void)state;
    rig_init(&sam);
    rig_init(&probe);
    rig_open(&sam,
        SAM "optimizer = { type = \"sam_like\"; rho = 0.375; inner = { type = \"sgd\"; lr = 0.25; "
            "}; };",
        NULL);
    rig_open(&probe, SAM PROBE, NULL);
    memcpy(start, rig_tensor(&sam, "dense1.weight", NULL), sizeof start);
    rig_steps(&probe, 1);
    double all = 0;
    for (int i = 0; i < N_TENSORS; i++) {
        (void)rig_tensor(&probe, tensors[i], &n);
        all += squares(gradient(&probe, tensors[i], n), n);
    }
    const float scale = (float)(0.375 / sqrt(all));
    float perturbed[N_TENSORS][64];
    for (int i = 0; i < N_TENSORS; i++) {
        const float *w = rig_tensor(&probe, tensors[i], &n);
        for (size_t k = 0; k < n; k++)
            perturbed[i][k] = w[k] + scale * gradient(&probe, tensors[i], n)[k];
    }
    rig_open(&probe, SAM PROBE, NULL); /* step 1 again, with its batch and its masks, elsewhere */
    for (int i = 0; i < N_TENSORS; i++) {
        float *w = rig_tensor(&probe, tensors[i], &n);
        memcpy(w, perturbed[i], n * sizeof *w);
    }
    rig_weights_changed(&probe);
    rig_steps(&probe, 1);
    rig_steps(&sam, 1);
    const float *dw = gradient(&probe, "dense1.weight", 20);
    for (int k = 0; k < 20; k++)
        moved[k] = start[k] - 0.25f * dw[k];
    assert_memory_equal(rig_tensor(&sam, "dense1.weight", NULL), moved, 20 * sizeof *moved);
    expect_near(rig_model_slot(&sam, "optimizer/0/perturbed_loss"),
        rig_last_loss(&probe) + rig_last_l2(&probe), 1e-15);
    rig_release(&probe);
    rig_release(&sam);
}

static void test_closure__is_counted_and_moves_nothing_else(void **state)
{
    static const char source[] =
        "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;"
        " split = { validation = 0.0; test = 0.0; }; };"
        "model = ( { type = \"dense\"; units = 5; }, \"running\", { type = \"dense\"; units = 3; } "
        ");"
        " loss = \"softmax_xent\"; optimizer = ";
    char text_of[1024];
    train_rig sam, plain;
    (void)state;
    rig_init(&sam);
    rig_init(&plain);
    snprintf(text_of, sizeof text_of,
        "%s { type = \"sam_like\"; inner = { type = \"sgd\"; lr = 0.0; }; };", source);
    rig_open(&sam, text_of, NULL);
    snprintf(text_of, sizeof text_of, "%s { type = \"sgd\"; lr = 0.0; };", source);
    rig_open(&plain, text_of, NULL);
    for (int step = 1; step <= 7; step++) {
        rig_steps(&sam, 1);
        rig_steps(&plain, 1);
        const float running = trainer_model(sam.t)->b[0];
        assert_true(running != 0.3f);
        assert_memory_equal(trainer_model(plain.t)->b, &running, sizeof running);
        assert_true(rig_last_loss(&sam) == rig_last_loss(&plain));
    }
    assert_int_equal(rig_spent(&sam)->closure_evaluations, 7);
    assert_int_equal(rig_spent(&sam)->samples_forward, 2 * rig_spent(&plain)->samples_forward);
    assert_int_equal(rig_spent(&sam)->samples_backward, 2 * rig_spent(&plain)->samples_backward);
    assert_int_equal(rig_spent(&plain)->closure_evaluations, 0);
    assert_int_equal(rig_spent(&sam)->steps, 7);
    rig_release(&plain);
    rig_release(&sam);
}

static void test_closure__takes_fresh_draws_and_batches(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, NARROW "optimizer = \"differences\";", NULL);
    rig_steps(&g, 1);
    const double loss = rig_model_slot(&g, "optimizer/0/loss");
    assert_true(rig_model_slot(&g, "optimizer/0/same") == loss);
    assert_true(fabs(rig_model_slot(&g, "optimizer/0/fresh_draws") - loss) > 1e-4);
    assert_true(fabs(rig_model_slot(&g, "optimizer/0/fresh_batch") - loss) > 1e-4);
    assert_int_equal(rig_spent(&g)->closure_evaluations, 4 * 2 + 4);
    assert_int_equal(rig_spent(&g)->samples_forward, 13 * 15);
    assert_int_equal(rig_spent(&g)->samples_backward, 2 * 15);
    rig_open(&g, SHARP "optimizer = \"differences\";", NULL);
    rig_steps(&g, 1);
    assert_true(
        rig_model_slot(&g, "optimizer/0/fresh_draws") == rig_model_slot(&g, "optimizer/0/loss"));
    for (int step = 2; step <= 4; step++) { /* its weights do not move */
        const double next = rig_model_slot(&g, "optimizer/0/fresh_batch");
        assert_true(next != rig_model_slot(&g, "optimizer/0/loss"));
        rig_steps(&g, 1);
        assert_true(rig_model_slot(&g, "optimizer/0/loss") == next);
    }
    rig_release(&g);
}

static void test_inner__steps_as_it_would_alone(void **state)
{
    train_rig outer, alone;
    float start[20], expected[20];
    (void)state;
    rig_init(&outer);
    rig_init(&alone);
    rig_open(&outer,
        NARROW "optimizer = { type = \"lookahead_like\"; k = 5; alpha = 0.375; inner = { type = "
               "\"adam\"; lr = 0.02; }; };",
        NULL);
    rig_open(&alone, NARROW "optimizer = { type = \"adam\"; lr = 0.02; };", NULL);
    memcpy(start, rig_tensor(&alone, "dense1.weight", NULL), sizeof start);
    for (int step = 1; step <= 4; step++) {
        rig_steps(&outer, 1);
        rig_steps(&alone, 1);
        assert_memory_equal(rig_tensor(&outer, "dense1.weight", NULL),
            rig_tensor(&alone, "dense1.weight", NULL), sizeof start);
    }
    rig_steps(&outer, 1);
    rig_steps(&alone, 1);
    for (int k = 0; k < 20; k++)
        expected[k] = start[k] + 0.375f * (rig_tensor(&alone, "dense1.weight", NULL)[k] - start[k]);
    assert_memory_equal(rig_tensor(&outer, "dense1.weight", NULL), expected, sizeof expected);
    assert_memory_equal(rig_slot(&outer, "optimizer/0/inner0/dense1.weight/m", 20),
        rig_slot(&alone, "optimizer/0/dense1.weight/m", 20), sizeof expected);
    rig_release(&alone);
    rig_release(&outer);
}

static void test_inner__schedules_reach_it(void **state)
{
    train_rig outer, alone;
    (void)state;
    rig_init(&outer);
    rig_init(&alone);
    rig_open(&outer,
        NARROW "optimizer = { type = \"lookahead_like\"; k = 1000; inner = { type = \"sgd\"; lr = "
               "0.5; }; }; schedule = \"cosine\"; train = { epochs = 4; };",
        NULL);
    rig_open(&alone,
        NARROW "optimizer = { type = \"sgd\"; lr = 0.5; }; schedule = \"cosine\"; train = { epochs "
               "= 4; };",
        NULL);
    rig_steps(&outer, 8);
    rig_steps(&alone, 8);
    assert_memory_equal(rig_tensor(&outer, "dense1.weight", NULL),
        rig_tensor(&alone, "dense1.weight", NULL), 20 * sizeof(float));
    rig_release(&alone);
    rig_release(&outer);
}

static void test_inner__of_tier_model_is_refused(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g,
        NARROW "optimizer = { type = \"lookahead_like\";\n inner = { type = \"sam_like\"; inner"
               " = \"sgd\"; }; };",
        E_UNSUPPORTED, "x.cfg:2: optimizer \"sam_like\": cannot be an inner optimizer");
    rig_release(&g);
}

static void test_inner__that_evaluates_elsewhere_is_refused(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g,
        NARROW "optimizer = { type = \"lookahead_like\";\n inner = { type = \"averaged\"; }; };",
        E_UNSUPPORTED, "x.cfg:2: optimizer \"averaged\": cannot be an inner optimizer");
    rig_release(&g);
}

/* -- evaluation elsewhere -- */

static void test_eval_weights__are_where_checks_and_files_look(void **state)
{
    train_rig g, other;
    const record_value *values;
    const evaluator_options all = { 0 };
    float mean[20], trained[20];
    (void)state;
    rig_init(&g);
    rig_init(&other);
    rig_open(&g, NARROW "optimizer = { type = \"averaged\"; lr = 0.5; }; train = { epochs = 5; };",
        NULL);
    rig_open(
        &other, NARROW "optimizer = { type = \"sgd\"; lr = 0.5; }; train = { epochs = 5; };", NULL);
    rig_run(&g);
    rig_run(&other);
    memcpy(trained, rig_tensor(&g, "dense1.weight", NULL), sizeof trained);
    memcpy(mean, state_of(&g, "dense1.weight", "mean", 20), sizeof mean);
    assert_memory_equal(trained, rig_tensor(&other, "dense1.weight", NULL), sizeof trained);
    assert_memory_not_equal(trained, mean, sizeof mean);
    assert_true(g.validation_loss != other.validation_loss);
    for (int i = 0; i < N_TENSORS; i++) {
        size_t n;
        float *w = rig_tensor(&other, tensors[i], &n);
        memcpy(w, state_of(&g, tensors[i], "mean", n), n * sizeof *w);
    }
    rig_weights_changed(&other);
    assert_int_equal(trainer_evaluate(other.t, PART_VALIDATION, &all, &values, &g.err), OK);
    assert_true(values[0].value == g.validation_loss);
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
    char source[1024];
    snprintf(source, sizeof source, NARROW "optimizer = \"sgd\"; train = { init_from = \"%s\"; };",
        rig_path(&g, "w"));
    rig_open(&other, source, NULL);
    assert_memory_equal(rig_tensor(&other, "dense1.weight", NULL), mean, sizeof mean);
    assert_memory_equal(rig_tensor(&g, "dense1.weight", NULL), trained, sizeof trained);
    rig_release(&other);
    rig_release(&g);
}

static void test_eval_weights__are_in_checkpoints_beside_the_training_point(void **state)
{
    train_rig g;
    safetensors *f = NULL;
    const void *weights, *mean;
    (void)state;
    rig_init(&g);
    rig_open(&g, NARROW "optimizer = { type = \"averaged\"; lr = 0.5; };", NULL);
    rig_steps(&g, 5);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "a"), &g.err), OK);
    assert_int_equal(safetensors_open(rig_path(&g, "a"), &f, &g.err), OK);
    assert_int_equal(
        safetensors_get(f, "weights/dense1.weight", ARRAY_F32, 20, &weights, &g.err), OK);
    assert_int_equal(
        safetensors_get(f, "optimizer/0/dense1.weight/mean", ARRAY_F32, 20, &mean, &g.err), OK);
    assert_memory_equal(weights, rig_tensor(&g, "dense1.weight", NULL), 20 * sizeof(float));
    assert_memory_equal(mean, state_of(&g, "dense1.weight", "mean", 20), 20 * sizeof(float));
    assert_memory_not_equal(weights, mean, 20 * sizeof(float));
    safetensors_close(f);
    rig_release(&g);
}

/* -- prepare -- */

static void run_with_gain(train_rig *g, const char *optimizer, const char *prepared)
{
    char source[1024];
    snprintf(source, sizeof source,
        "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4; spread = 5.0; "
        "batch_size = 15;"
        " split = { validation = 0.25; test = 0.25; }; };"
        "model = ( { type = \"dense\"; units = 5; }, { type = \"gain\"; prepared = %s; }, \"tanh\","
        " { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\"; optimizer = %s;"
        " train = { steps = 40; replicas = 2; validate_every = 3; validate_unit = \"step\";"
        " early_stopping = { patience = 6; }; };",
        prepared, optimizer);
    rig_open(g, source, NULL);
    rig_run(g);
}

static void test_prepare__follows_every_change_of_the_weights(void **state)
{
    static const char *const optimizers[] = { "{ type = \"sgd\"; lr = 0.3; }",
        "{ type = \"averaged\"; lr = 0.3; }",
        "{ type = \"sam_like\"; rho = 0.5; inner = { type = \"adam\"; lr = 0.05; }; }" };
    (void)state;
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        train_rig by_prepare, straight;
        size_t n;
        rig_init(&by_prepare);
        rig_init(&straight);
        run_with_gain(&by_prepare, optimizers[i], "true");
        run_with_gain(&straight, optimizers[i], "false");
        const float *w = rig_weights(&straight, &n);
        assert_memory_equal(rig_weights(&by_prepare, NULL), w, n * sizeof *w);
        assert_true(rig_tensor(&straight, "gain1.gain", NULL)[0] != 1);
        assert_true(by_prepare.result.best_value == straight.result.best_value);
        assert_int_equal(by_prepare.result.step, straight.result.step);
        assert_true(by_prepare.validation_loss == straight.validation_loss);
        assert_true(by_prepare.test_loss == straight.test_loss);
        rig_release(&straight);
        rig_release(&by_prepare);
    }
}

/* -- histories, failures -- */

static void test_times__keeps_a_history_of_slots(void **state)
{
    train_rig g, probe;
    enum { LENGTH = 3, STEPS = 8, SIZE = 9000 };
    static float past[STEPS][SIZE];
    (void)state;
    rig_init(&g);
    rig_init(&probe);
    rig_open(&g, WIDE "optimizer = { type = \"history\"; lr = 0.05; length = 3; };", NULL);
    rig_open(&probe, WIDE PROBE, NULL);
    for (int step = 0; step < STEPS; step++) {
        static float expected[SIZE];
        const int filled = step + 1 < LENGTH ? step + 1 : LENGTH;
        follow(&probe, &g);
        memcpy(past[step], gradient(&probe, "dense1.weight", SIZE), sizeof past[step]);
        for (int k = 0; k < SIZE; k++) {
            double sum = 0;
            for (int i = 0; i < filled; i++)
                sum += past[step - i][k];
            expected[k] = (float)(rig_tensor(&g, "dense1.weight", NULL)[k] - 0.05 * sum / filled);
        }
        rig_steps(&g, 1);
        assert_true(relative_error(rig_tensor(&g, "dense1.weight", NULL), expected, SIZE) < 1e-7);
    }
    const float *kept = state_of(&g, "dense1.weight", "past", LENGTH * SIZE);
    for (int i = 0; i < LENGTH; i++) /* step 7 lies in item 7 mod 3 */
        assert_memory_equal(
            kept + (STEPS - 1 - i) % LENGTH * SIZE, past[STEPS - 1 - i], sizeof past[0]);
    rig_release(&probe);
    rig_release(&g);
}

static void test_failure__names_file_line_and_reason(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, NARROW "\n\noptimizer = { type = \"failing\";\n at = 3; };", NULL);
    rig_steps(&g, 2);
    assert_int_equal(trainer_step(g.t, &g.err), E_NUMERIC);
    assert_non_null(strstr(g.err.text, "x.cfg:4: optimizer \"failing\""));
    assert_non_null(strstr(g.err.text, "at: had enough of this"));
    rig_open(&g, NARROW "\n\noptimizer = { type = \"failing\"; says_why = false; };", NULL);
    rig_steps(&g, 2);
    assert_int_equal(trainer_run(g.t, &g.result, &g.err), E_NUMERIC);
    assert_non_null(strstr(g.err.text, "x.cfg:3: optimizer \"failing\""));
    assert_non_null(strstr(g.err.text, "elem"));
    rig_open(&g,
        NARROW "optimizer = { type = \"sam_like\"; inner =\n { type = \"failing\"; at = 1; }; };",
        NULL);
    assert_int_equal(trainer_step(g.t, &g.err), E_NUMERIC); /* as the inner one said */
    if (!strstr(g.err.text, "x.cfg:") || !strstr(g.err.text, "had enough of this")) {
        GIVE_UP("%s", g.err.text);
    }
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce__hands_back_sums_by_tensor_and_model),
        cmocka_unit_test(test_tensor_tier__keeps_rows_and_columns),
        cmocka_unit_test(test_closure__evaluates_the_gradient_elsewhere_with_the_same_draws),
        cmocka_unit_test(test_closure__is_counted_and_moves_nothing_else),
        cmocka_unit_test(test_closure__takes_fresh_draws_and_batches),
        cmocka_unit_test(test_inner__steps_as_it_would_alone),
        cmocka_unit_test(test_inner__schedules_reach_it),
        cmocka_unit_test(test_inner__of_tier_model_is_refused),
        cmocka_unit_test(test_inner__that_evaluates_elsewhere_is_refused),
        cmocka_unit_test(test_eval_weights__are_where_checks_and_files_look),
        cmocka_unit_test(test_eval_weights__are_in_checkpoints_beside_the_training_point),
        cmocka_unit_test(test_prepare__follows_every_change_of_the_weights),
        cmocka_unit_test(test_times__keeps_a_history_of_slots),
        cmocka_unit_test(test_failure__names_file_line_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
