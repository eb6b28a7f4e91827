/* What plugins and configs ask for that no run can be made of, each with the line at fault. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

#define DATA \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4;" \
    " split = { seed = 3; validation = 0.2; test = 0.2; }; batch_size = 9; };" \
    "loss = \"softmax_xent\"; "
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tie__cannot_make_two_parameters_of_a_layer_one),
        cmocka_unit_test(test_tie__of_two_parameters_to_two_is_possible),
        cmocka_unit_test(test_save__must_give_what_it_announced),
        cmocka_unit_test(test_product__of_impossible_sizes_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
