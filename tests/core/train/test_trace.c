/* A value that is not finite is found where it first appears: planted in a layer, the data, the optimizer, the weights. And looking
 * changes nothing. */
#include "support/train_rig.h"

#include "data/batcher.h"
#include "train/trace.h"

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
    "data = { type = \"trace_data\"; size = 0.37; batch_size = 8;" \
    " split = { seed = 5; validation = 8; test = 0; }; };"
#define MODEL(trace_layer) \
    "model = ( { type = \"dense\"; units = 4; }, { type = \"trace_layer\"; name = " \
    "\"odd\"; " trace_layer " }, \"tanh\", { type = \"dense\"; units = 1; } ); loss = \"mse\"; "
#define SGD "optimizer = { type = \"sgd\"; lr = 0.0385; };"

static const trace_finding *traced(train_rig *g, const char *source)
{
    rig_open(g, source, NULL);
    if (trainer_trace(g->t, &g->err) != OK) GIVE_UP("%s", g->err.text);
    rig_run(g);
    return trainer_finding(g->t);
}

static const trace_finding *found(train_rig *g, const char *source)
{
    const trace_finding *f = traced(g, source);
    if (!f) GIVE_UP("nothing was found in %s", source);
    assert_int_equal(g->result.stop, STOP_DIVERGED);
    return f;
}

/* The row of the data that stands at a place of a batch, read from the run's own shuffle. */
static uint32_t row_at(train_rig *g, uint64_t step, size_t place)
{
    batcher *b;
    batch got;
    const dataset *d = trainer_data(g->t);
    const batcher_options o = { .batch_size = 8, .shuffle = true, .seed = 0 };
    if (batcher_new(d, PART_TRAIN, &o, &b, &g->err) != OK) GIVE_UP("%s", g->err.text);
    batcher_get(b, (step - 1) / 4, (size_t)((step - 1) % 4), &got);
    const uint32_t row = got.rows[place];
    batcher_free(b);
    return row;
}

static void expect_hyper(const trace_finding *f, const char *name, double v, bool is_scheduled)
{
    for (size_t i = 0; i < f->n_hypers; i++) {
        if (strcmp(f->hypers[i].name, name) == 0) {
            expect_near(f->hypers[i].value, v, 1e-12);
            assert_int_equal(f->hypers[i].is_scheduled, is_scheduled);
            return;
        }
    }
    GIVE_UP("no %s among the hyperparameters", name);
}

static void test_trace__names_layer_sample_and_scheduled_value_of_an_output(void **state)
{
    train_rig g;
    char source[1024];
    (void)state;
    rig_init(&g);
    for (int replicas = 1; replicas <= 3; replicas++) {
        snprintf(source, sizeof source,
            DATA MODEL("where = 1; step = 7; sample = 5;") SGD
            "schedule = { type = \"multistep\"; milestones = ( 3 ); every = \"step\"; gamma = 0.5;"
            " target = \"model.odd.level\"; }; train = { epochs = 9; replicas = %d; threads = 2; "
            "};",
            replicas);
        const trace_finding *f = found(&g, source);
        assert_int_equal(f->step, 7);
        assert_int_equal(g.result.step, 6);
        assert_string_equal(f->operation, "forward");
        assert_string_equal(f->layer, "odd");
        assert_string_equal(f->type, "trace_layer");
        assert_string_equal(f->tensor, "output");
        assert_int_equal(f->element % 4, 1);
        assert_true(isnan(f->value));
        assert_true(f->has_sample && !f->is_suspect);
        assert_int_equal(f->in_batch, 5);
        assert_int_equal(f->sample, row_at(&g, 7, 5));
        expect_hyper(f, "level", 0.365, true);
        assert_non_null(strstr(g.result.diverged, "step 7: forward of layer odd (trace_layer): "));
        assert_non_null(strstr(g.result.diverged, "trace_layer.level = 0.365 (scheduled)"));
    }
    rig_release(&g);
}

static void test_trace__names_the_sample_of_an_input_gradient(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        DATA MODEL("where = 2; step = 3; sample = 6;") SGD
        "train = { epochs = 2; replicas = 2; };");
    assert_int_equal(f->step, 3);
    assert_string_equal(f->operation, "backward");
    assert_string_equal(f->layer, "odd");
    assert_string_equal(f->tensor, "gradient of input 0");
    assert_true(f->has_sample);
    assert_int_equal(f->in_batch, 6);
    assert_int_equal(f->sample, row_at(&g, 3, 6));
    assert_true(isinf(f->value));
    rig_release(&g);
}

static void test_trace__names_the_tensor_of_a_parameter_gradient(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f =
        found(&g, DATA MODEL("where = 3; step = 2; sample = 1;") SGD "train = { epochs = 2; };");
    assert_int_equal(f->step, 2);
    assert_string_equal(f->operation, "backward");
    assert_string_equal(f->tensor, "gradient of odd.gain");
    assert_int_equal(f->n, 1);
    rig_release(&g);
}

static void test_trace__names_the_row_of_data_that_are_too_large(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        "data = { type = \"trace_data\"; batch_size = 8; split = { method = \"time\"; validation = "
        "8; test = 0; }; }; model = ( { type = \"poison\"; level = 0.5; }, { type = \"dense\"; "
        "units = 1; } ); loss = \"mse\";" SGD);
    assert_string_equal(f->operation, "forward");
    assert_string_equal(f->layer, "poison1");
    assert_true(f->has_sample && !f->is_suspect);
    assert_int_equal(f->sample, 17);
    assert_int_equal(f->element % 3, 1);
    expect_near(f->largest_feature, 2.5e38, 1e32);
    expect_hyper(f, "level", 0.5, false);
    rig_release(&g);
}

/* The gradient is made in pieces here: no layer has it as a whole. */
static void test_trace__suspects_the_row_whose_product_is_too_large(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        "data = { type = \"trace_data\"; batch_size = 8; split = { method = \"time\"; validation = "
        "8; test = 0; }; }; model = ( { type = \"dense\"; units = 1; } ); loss = \"mse\";" SGD);
    assert_string_equal(f->operation, "gradient");
    assert_string_equal(f->tensor, "gradient of dense1.weight");
    assert_string_equal(f->layer, "dense1");
    assert_true(f->has_sample && f->is_suspect);
    assert_int_equal(f->sample, 17);
    expect_hyper(f, "lr", 0.0385, false);
    rig_release(&g);
}

static void test_trace__looks_at_the_validation_part_too(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        "data = { type = \"trace_data\"; at = 37; batch_size = 8; split = { method = \"time\"; "
        "validation = 8; test = 0; }; }; model = ( { type = \"poison\"; level = 0.5; }, { type = "
        "\"dense\"; units = 1; } ); loss = \"mse\";" SGD "train = { epochs = 2; };");
    assert_int_equal(f->step, 4);
    assert_string_equal(f->operation, "evaluation");
    assert_int_equal(f->sample, 37);
    rig_release(&g);
}

#define BREAKS "optimizer = { type = \"trace_optimizer\"; step = 6; tensor = "

static void test_trace__names_the_weight_that_an_optimizer_broke(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        DATA MODEL("") BREAKS "\"dense2.weight\"; element = 2; lr = 0.05; }; schedule = { type = "
                              "\"multistep\"; milestones = ( 1 ); "
                              "every = \"step\"; gamma = 0.5; }; train = { epochs = 3; };");
    assert_int_equal(f->step, 6);
    assert_int_equal(g.result.step, 6);
    assert_string_equal(f->operation, "update");
    assert_string_equal(f->tensor, "dense2.weight");
    assert_int_equal(f->element, 2);
    assert_true(isinf(f->value) && f->value < 0);
    expect_hyper(f, "lr", 0.025, true);
    rig_release(&g);
}

static void test_trace__names_a_slot_before_its_weight_suffers(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    const trace_finding *f = found(&g,
        DATA MODEL("") BREAKS
        "\"odd.gain\"; in_slot = true; element = 0; }; train = { epochs = 3; };");
    assert_int_equal(f->step, 6);
    assert_string_equal(f->tensor, "optimizer/0/odd.gain/m");
    assert_string_equal(f->layer, "odd");
    expect_hyper(f, "lr", 0.037, false);
    rig_release(&g);
}

static void test_trace__names_a_weight_that_a_file_brought(void **state)
{
    train_rig g;
    char source[1024];
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL("") SGD, NULL);
    rig_tensor(&g, "dense1.weight", NULL)[5] = NAN;
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "w"), &g.err), OK);
    snprintf(source, sizeof source, DATA MODEL("") SGD "train = { init_from = \"%s\"; };",
        rig_path(&g, "w"));
    const trace_finding *f = found(&g, source);
    assert_int_equal(f->step, 0);
    assert_string_equal(f->operation, "start");
    assert_string_equal(f->tensor, "dense1.weight");
    assert_int_equal(f->element, 5);
    rig_release(&g);
}

/* Slots that are infinite from the start are meant so: trace_optimizer's `off`. */
static void test_trace__finds_nothing_in_a_sound_run_and_changes_no_bit_of_it(void **state)
{
    static const char *const sources[] = {
        DATA MODEL("") BREAKS "\"none\"; }; train = { epochs = 4; replicas = 2; threads = 2; };",
        DATA MODEL(
            "") "optimizer = { type = \"sam_like\"; inner = { type = \"sgd\"; lr = 0.1; }; }; "
                "train = { epochs = 4; clip_norm = 0.3; l2 = 1e-3; accumulate = 3; };",
    };
    train_rig g;
    (void)state;
    rig_init(&g);
    for (size_t i = 0; i < 2; i++) {
        rig_open(&g, sources[i], NULL);
        rig_run(&g);
        assert_int_equal(trainer_save(g.t, rig_path(&g, "a"), &g.err), OK);
        assert_null(traced(&g, sources[i]));
        assert_int_equal(g.result.stop, STOP_EPOCHS);
        assert_int_equal(trainer_save(g.t, rig_path(&g, "b"), &g.err), OK);
        assert_true(rig_same_state(rig_path(&g, "a"), rig_path(&g, "b")));
    }
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace__names_layer_sample_and_scheduled_value_of_an_output),
        cmocka_unit_test(test_trace__names_the_sample_of_an_input_gradient),
        cmocka_unit_test(test_trace__names_the_tensor_of_a_parameter_gradient),
        cmocka_unit_test(test_trace__names_the_row_of_data_that_are_too_large),
        cmocka_unit_test(test_trace__suspects_the_row_whose_product_is_too_large),
        cmocka_unit_test(test_trace__looks_at_the_validation_part_too),
        cmocka_unit_test(test_trace__names_the_weight_that_an_optimizer_broke),
        cmocka_unit_test(test_trace__names_a_slot_before_its_weight_suffers),
        cmocka_unit_test(test_trace__names_a_weight_that_a_file_brought),
        cmocka_unit_test(test_trace__finds_nothing_in_a_sound_run_and_changes_no_bit_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
