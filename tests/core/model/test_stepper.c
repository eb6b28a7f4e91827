/* A model run step by step is the model run over the whole sequence. */
#include "model/replica.h"
#include "model/stepper.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/model_rig.h"

enum { TIME = 13, IN = 5 };

static const char *const models[] = {
    "model = ( { type = \"lstm\"; units = 7; }, { type = \"dense\"; units = 3; } );",
    "model = ( { type = \"lstm\"; units = 6; peepholes = true; }, \"tanh\", { type = \"gru\"; "
    "units = 4; }, "
    "{ type = \"dense\"; units = 2; } );",
    "model = ( { type = \"gru\"; units = 6; reset = \"before\"; bias = \"two\"; }, { type = "
    "\"rnn\"; units = "
    "9; activation = \"relu\"; }, { type = \"dropout\"; rate = 0.4; } );",
    "model = ( { type = \"dense\"; units = 4; }, { type = \"rnn\"; units = 3; recurrent_dropout = "
    "0.3; }, "
    "\"layer_norm\", { type = \"concat\"; from = ( \"layer_norm1\", \"dense1\" ); } );",
    "model = ( { type = \"dense\"; units = 4; }, \"relu\" );",
};
enum { N_MODELS = sizeof models / sizeof models[0] };

static void make(model_rig *rig, const char *source)
{
    if (rig_open(rig, source) != OK) GIVE_UP("%s", rig->err.text);
    if (rig_plan(rig, vector_of(IN), TIME) != OK) GIVE_UP("%s", rig->err.text);
    if (model_prepare(rig->m, false, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
}

static const float *step(model_rig *rig, stepper *s, const float *x)
{
    const float *y;
    if (stepper_step(s, x, NULL, &y, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    return y;
}

static void run_whole(model_rig *rig, const float *x, float *y)
{
    replica *r;
    const shard all = { .n = 1, .time = TIME, .x = x, .batch_total = 1 };
    assert_int_equal(replica_new(rig->m, 1, TIME, false, &r, &rig->err), OK);
    if (replica_forward(r, &all, false, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    memcpy(y, replica_output(r), TIME * model_n_outputs(rig->m) * sizeof *y);
    replica_free(r);
}

/* Products over one row and over many are summed in other orders: a few units of the 24th bit of sums of some size 1. */
static void test_stepper__is_a_replica_over_the_whole_sequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODELS; i++) {
        model_rig rig;
        stepper *s;
        float x[TIME * IN], whole[TIME * 16], first[TIME * 16];
        make(&rig, models[i]);
        const size_t n = model_n_outputs(rig.m);
        assert_true(n <= 16);
        rng_normal(rng_make(31 + i, "x"), 0, 0, x, TIME * IN);
        run_whole(&rig, x, whole);
        assert_int_equal(stepper_new(rig.m, &s, &rig.err), OK);
        for (int again = 0; again < 3; again++) {
            for (size_t t = 0; t < TIME; t++) {
                const float *y = step(&rig, s, x + t * IN);
                for (size_t k = 0; k < n; k++) {
                    if (!(fabs((double)y[k] - (double)whole[t * n + k]) < 2e-6)) {
                        GIVE_UP("model %zu step %zu output %zu: %g and %g", i, t, k, (double)y[k],
                            (double)whole[t * n + k]);
                    }
                }
                if (again == 0) memcpy(first + t * n, y, n * sizeof *y);
                assert_memory_equal(first + t * n, y, n * sizeof *y);
            }
            stepper_rewind(s);
        }
        stepper_free(s);
        rig_close(&rig);
    }
}

/* Without a rewind the second time round is another: what is carried is carried. */
static void test_stepper__goes_on_until_it_is_rewound(void **state)
{
    model_rig rig;
    stepper *s;
    float x[IN], first[3];
    (void)state;
    make(&rig, models[0]);
    rng_normal(rng_make(7, "x"), 0, 0, x, IN);
    assert_int_equal(stepper_new(rig.m, &s, &rig.err), OK);
    memcpy(first, step(&rig, s, x), sizeof first);
    assert_memory_not_equal(first, step(&rig, s, x), sizeof first);
    stepper_rewind(s);
    assert_memory_equal(first, step(&rig, s, x), sizeof first);
    stepper_free(s);
    rig_close(&rig);
    stepper_free(NULL);
}

/* Two of one model have nothing in common but the weights. */
static void test_steppers__of_one_model_do_not_meet(void **state)
{
    model_rig rig;
    stepper *a, *b;
    float x[2 * IN], y[3];
    (void)state;
    make(&rig, models[0]);
    rng_normal(rng_make(9, "x"), 0, 0, x, 2 * IN);
    assert_int_equal(stepper_new(rig.m, &a, &rig.err), OK);
    assert_int_equal(stepper_new(rig.m, &b, &rig.err), OK);
    (void)step(&rig, a, x);
    memcpy(y, step(&rig, a, x + IN), sizeof y);
    (void)step(&rig, b, x);
    stepper_rewind(a);
    (void)step(&rig, a, x + IN);
    assert_memory_equal(y, step(&rig, b, x + IN), sizeof y);
    stepper_free(a);
    stepper_free(b);
    rig_close(&rig);
}

/* What a step puts out is not known before the last one is. */
static void test_stepper__refuses_layers_that_look_ahead(void **state)
{
    model_rig rig;
    stepper *s;
    (void)state;
    make(&rig,
        "model = ( { type = \"lstm\"; units = 3; },\n { type = \"gru\"; units = 4; name = "
        "\"both\"; "
        "bidirectional = true; }, { type = \"dense\"; units = 2; } );");
    assert_false(model_find_layer(rig.m, "lstm1")->looks_ahead);
    assert_true(model_find_layer(rig.m, "both")->looks_ahead);
    assert_int_equal(stepper_new(rig.m, &s, &rig.err), E_UNSUPPORTED);
    assert_string_equal(rig.err.text,
        "x.cfg:2: model[1]: layer \"both\" (gru): what it puts out at a time step depends on later "
        "ones, so the model cannot run step by step");
    rig_close(&rig);
}

static void test_stepper__reads_tokens(void **state)
{
    static const int32_t tokens[] = { 3, 0, 8, 8, 1 };
    static const char source[] =
        "model = ( { type = \"embedding\"; size = 4; }, { type = \"lstm\"; units = 5; }, { type = "
        "\"dense\"; units = 9; } );";
    model_rig rig;
    stepper *s;
    replica *r;
    (void)state;
    if (rig_open(&rig, source) != OK) GIVE_UP("%s", rig.err.text);
    const model_options o = {
        .in = vector_of(1), .in_dtype = ASSAY_I32, .vocabulary = 9, .max_time = 5, .max_batch = 1
    };
    if (model_plan(rig.m, rig.c, &o, &rig.err) != OK) GIVE_UP("%s", rig.err.text);
    if (model_prepare(rig.m, false, &rig.err) != OK) GIVE_UP("%s", rig.err.text);
    assert_int_equal(replica_new(rig.m, 1, 5, false, &r, &rig.err), OK);
    const shard all = { .n = 1, .time = 5, .tokens = tokens, .batch_total = 1 };
    assert_int_equal(replica_forward(r, &all, false, &rig.err), OK);
    assert_int_equal(stepper_new(rig.m, &s, &rig.err), OK);
    for (size_t t = 0; t < 5; t++) {
        const float *y;
        assert_int_equal(stepper_step(s, NULL, &tokens[t], &y, &rig.err), OK);
        for (size_t k = 0; k < 9; k++) {
            assert_true(fabs((double)y[k] - (double)replica_output(r)[t * 9 + k]) < 1e-6);
        }
    }
    stepper_free(s);
    replica_free(r);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stepper__is_a_replica_over_the_whole_sequence),
        cmocka_unit_test(test_stepper__goes_on_until_it_is_rewound),
        cmocka_unit_test(test_steppers__of_one_model_do_not_meet),
        cmocka_unit_test(test_stepper__refuses_layers_that_look_ahead),
        cmocka_unit_test(test_stepper__reads_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
