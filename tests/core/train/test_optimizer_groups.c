/* What optimizers that share a run or a thread must not take from each other: gradients, scratch memory, learning rates. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

#define DATA \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; }; loss = \"softmax_xent\"; "
#define MODEL \
    "model = ( { type = \"dense\"; units = 5; }, \"tanh\", { type = \"dense\"; units = 3; } ); "
#define SCALED \
    "model = ( { type = \"dense\"; units = 5; lr_scale = 0.25; }, \"tanh\"," \
    " { type = \"dense\"; units = 3; } ); "

static void test_scratch__outlives_inner_optimizer_and_closure(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA MODEL "optimizer = { type = \"scratch_outer\"; inner = { type = \"scratch_inner\";"
                   " lr = 0.05; }; }; train = { replicas = 3; threads = 2; };",
        NULL);
    rig_steps(&g, 5);
    rig_release(&g);
}

static void test_inner_update__belongs_to_the_tier_model(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA MODEL "optimizer = { type = \"eager_outer\"; inner = { type = \"scratch_inner\"; };"
                   " };",
        NULL);
    assert_int_equal(trainer_step(g.t, &g.err), E_RANGE);
    assert_non_null(strstr(g.err.text, "inner_update belongs to the tier model"));
    rig_release(&g);
}

static void test_closure__leaves_other_groups_their_gradient(void **state)
{
    train_rig both, alone;
    (void)state;
    rig_init(&both);
    rig_init(&alone);
#define CLIPPED DATA MODEL "train = { replicas = 2; clip_norm = 0.125; l2 = 0.01; }; "
    rig_open(&both,
        CLIPPED "optimizer = ( { type = \"sam_like\"; match = \"dense1.*\"; rho = 0.375;"
                " inner = { type = \"sgd\"; lr = 0.0; }; }, { type = \"probe\"; lr = 0.0; } );",
        NULL);
    rig_open(&alone, CLIPPED "optimizer = { type = \"probe\"; lr = 0.0; };", NULL);
    for (int step = 0; step < 3; step++) {
        rig_steps(&both, 1);
        rig_steps(&alone, 1);
        assert_memory_equal(rig_slot(&both, "optimizer/1/dense2.weight/g", 15),
            rig_slot(&alone, "optimizer/0/dense2.weight/g", 15), 15 * sizeof(float));
    }
    rig_release(&alone);
    rig_release(&both);
}

static void test_closure__passes_on_why_it_failed(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA "model = ( { type = \"dense\"; units = 3; },\n { type = \"limited\"; } );\n"
             "optimizer = { type = \"sam_like\"; rho = 1e6; inner = \"sgd\"; };",
        NULL);
    assert_int_not_equal(trainer_step(g.t, &g.err), OK);
    if (!strstr(g.err.text, "x.cfg:3: optimizer \"sam_like\"") ||
        !strstr(g.err.text, "x.cfg:2: model[1]: layer \"limited1\" (limited)") ||
        !strstr(g.err.text, "x is beyond the limit")) {
        GIVE_UP("%s", g.err.text);
    }
    rig_release(&g);
}

static void test_lr_scale__is_refused_where_it_would_have_no_effect(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, DATA SCALED "optimizer = \"differences\";", E_UNSUPPORTED, "lr_scale");
    rig_open(&g, DATA SCALED "optimizer = { type = \"sam_like\"; inner = \"sgd\"; };", NULL);
    rig_steps(&g, 1);
    rig_release(&g);
}

/* The tier model has it in its spans: weights of a layer whose lr_scale is 0 rest. */
static void test_lr_scale__reaches_an_optimizer_of_the_whole_model(void **state)
{
    float start[20];
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA "model = ( { type = \"dense\"; units = 5; lr_scale = 0.0; }, \"tanh\","
             " { type = \"dense\"; units = 3; lr_scale = 0.5; } ); optimizer = \"lbfgs\";",
        NULL);
    memcpy(start, rig_tensor(&g, "dense1.weight", NULL), sizeof start);
    const float before = rig_tensor(&g, "dense2.weight", NULL)[7];
    rig_steps(&g, 4);
    assert_memory_equal(rig_tensor(&g, "dense1.weight", NULL), start, sizeof start);
    assert_true(rig_tensor(&g, "dense2.weight", NULL)[7] != before);
    rig_release(&g);
}

static void test_eval_weights__are_the_same_after_a_resume(void **state)
{
    static const char source[] = DATA MODEL "optimizer = { type = \"place_probe\"; lr = 0.1; };";
    train_rig g, resumed;
    (void)state;
    rig_init(&g);
    rig_init(&resumed);
    rig_open(&g, source, NULL);
    rig_steps(&g, 4);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "cut"), &g.err), OK);
    assert_int_equal(trainer_save_weights(g.t, false, rig_path(&g, "whole"), &g.err), OK);
    rig_open(&resumed, source, NULL);
    assert_int_equal(trainer_restore(resumed.t, rig_path(&g, "cut"), &resumed.err), OK);
    assert_int_equal(trainer_save_weights(resumed.t, false, rig_path(&g, "cut"), &g.err), OK);
    assert_true(rig_same_state(rig_path(&g, "whole"), rig_path(&g, "cut")));
    rig_release(&resumed);
    rig_release(&g);
}

static void test_schedules__may_not_drive_one_number_twice(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g,
        DATA MODEL "optimizer = { type = \"adam\"; }; schedule = ( \"cosine\","
                   " { type = \"step\"; target = \"optimizer.lr\"; } );",
        E_CONFLICT, "\"optimizer.lr\"");
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scratch__outlives_inner_optimizer_and_closure),
        cmocka_unit_test(test_inner_update__belongs_to_the_tier_model),
        cmocka_unit_test(test_closure__leaves_other_groups_their_gradient),
        cmocka_unit_test(test_closure__passes_on_why_it_failed),
        cmocka_unit_test(test_lr_scale__is_refused_where_it_would_have_no_effect),
        cmocka_unit_test(test_lr_scale__reaches_an_optimizer_of_the_whole_model),
        cmocka_unit_test(test_eval_weights__are_the_same_after_a_resume),
        cmocka_unit_test(test_schedules__may_not_drive_one_number_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
