/* What plugins and configs ask for that no run can be made of, each with the line at fault. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <string.h>

#define DATA \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4;" \
    " split = { seed = 3; validation = 0.2; test = 0.2; }; batch_size = 9; };" \
    "loss = \"softmax_xent\"; "
#define MANY \
    "loss = \"softmax_xent\"; optimizer = \"sgd\"; model = ( { type = \"dense\"; units = 3; } ); "
#define DENSE "{ type = \"dense\"; units = 3; }"

static void refuse(const char *source, status st, const char *message)
{
    train_rig g;
    rig_init(&g);
    rig_refuse(&g, source, st, message);
    rig_release(&g);
}

static void test_tie__cannot_make_two_parameters_of_a_layer_one(void **state)
{
    (void)state;
    refuse(DATA "optimizer = \"sgd\"; model = ( " DENSE ", { type = \"twins\"; name = \"a\"; },"
                "\n { type = \"twins\"; name = \"b\"; tie = \"a.left\"; } );",
        E_CONFLICT, "x.cfg:2: model[2]: layer \"b\" (twins): `tie`: a.left would stand for two");
    refuse(DATA "optimizer = \"sgd\"; model = ( " DENSE
                ",\n { type = \"twins\"; name = \"a\"; tie = \"a.left\"; } );",
        E_CONFLICT, "x.cfg:2: model[1]: layer \"a\" (twins): `tie`: a.left would stand for two");
}

static void test_tie__of_two_parameters_to_two_is_possible(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA "optimizer = \"sgd\"; model = ( " DENSE ", { type = \"twins\"; name = \"a\"; },"
             " { type = \"twins\"; name = \"b\"; tie = \"a\"; } );",
        NULL);
    rig_steps(&g, 2);
    rig_release(&g);
}

static void test_save__must_give_what_it_announced(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA "model = ( " DENSE " );\noptimizer = \"fickle\";", NULL);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "a"), &g.err), E_PLUGIN);
    assert_string_equal(
        g.err.text, "x.cfg:2: optimizer \"fickle\": save announced 24 bytes and then gave 16");
    rig_release(&g);
}

static void test_product__of_impossible_sizes_ends_the_run(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA "optimizer = \"sgd\"; model = ( " DENSE ",\n \"odd_product\" );", NULL);
    assert_int_equal(trainer_step(g.t, &g.err), E_PLUGIN);
    assert_string_equal(g.err.text,
        "x.cfg:2: model[1]: layer \"odd_product1\" (odd_product): a product whose matrix C has "
        "rows "
        "of 3 numbers and a stride of 2");
    rig_release(&g);
}

static void test_match__is_checked_even_where_no_tensor_reaches_it(void **state)
{
    static const char *const wrong[] = { "role:biases", "place:nowhere", "dims:2x" };
    char source[1024];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(source, sizeof source,
            DATA "model = ( " DENSE " );\noptimizer = ( { type = \"sgd\"; match = \"*\"; },\n"
                 " { type = \"sgd\"; match = ( \"a\", \"%s\" ); } );",
            wrong[i]);
        refuse(source, i == 2 ? E_RANGE : E_UNKNOWN, "x.cfg:3: match: ");
    }
    refuse(DATA "model = ( " DENSE " );\noptimizer = ( \"sgd\", { type = \"sgd\"; match = 3; } );",
        E_TYPE, "x.cfg:2: ");
}

static void test_epochs__of_more_steps_than_can_be_counted_are_refused(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        DATA "optimizer = \"sgd\"; model = ( " DENSE " ); train = { epochs = 1000000000000; };",
        NULL);
    assert_int_equal(trainer_total_steps(g.t), 6000000000000);
    rig_refuse(&g,
        "data = { type = \"blobs\"; samples = 40000; batch_size = 1; };" MANY
        "train = {\n epochs = 1000000000000; };",
        E_RANGE, "x.cfg:2: train.epochs: 1000000000000 epochs of 40000 steps are more steps than");
    rig_open(&g,
        "data = { type = \"blobs\"; samples = 40000; batch_size = 1; };" MANY
        "train = {\n epochs = 1000000000000; steps = 71; };",
        NULL);
    assert_int_equal(trainer_total_steps(g.t), 71);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tie__cannot_make_two_parameters_of_a_layer_one),
        cmocka_unit_test(test_tie__of_two_parameters_to_two_is_possible),
        cmocka_unit_test(test_save__must_give_what_it_announced),
        cmocka_unit_test(test_match__is_checked_even_where_no_tensor_reaches_it),
        cmocka_unit_test(test_epochs__of_more_steps_than_can_be_counted_are_refused),
        cmocka_unit_test(test_product__of_impossible_sizes_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
