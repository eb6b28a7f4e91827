/* lstm, gru and rnn in whole runs: each learns to add two numbers of a sequence, and what cannot
 * be is refused with line, name and range. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *run_of(const char *block)
{
    static char source[1024];
    snprintf(source, sizeof source,
        "name = \"adding\"; seed = 3;\n"
        "data = { type = \"adding\"; samples = 800; length = 8; batch_size = 20;\n"
        "    split = { seed = 0; validation = 0.25; }; };\n"
        "model = ( %s,\n"
        "    { type = \"dense\"; units = 1; } );\n"
        "loss = \"mse\"; optimizer = { type = \"adam\"; lr = 0.01; };\n"
        "train = { epochs = 25; };\n",
        block);
    return source;
}

/* Who puts out the mean of all sums has an error of 1/6. */
static void assert_learns(const char *block)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, run_of(block), NULL);
    rig_run(&g);
    if (!(g.validation_loss < 0.02)) print_error("%s: %g\n", block, g.validation_loss);
    assert_true(g.validation_loss < 0.02);
    rig_release(&g);
}

static void test_recurrent_run__each_learns_to_add(void **state)
{
    (void)state;
    assert_learns("{ type = \"lstm\"; units = 16; return = \"last\"; }");
    assert_learns("{ type = \"lstm\"; units = 9; peepholes = true; bidirectional = true;\n"
                  "    return = \"last\"; }");
    assert_learns("{ type = \"gru\"; units = 16; return = \"last\"; }");
    assert_learns("{ type = \"gru\"; units = 16; reset = \"after\"; bias = \"two\"; return = "
                  "\"last\"; }");
    assert_learns("{ type = \"rnn\"; units = 24; return = \"last\"; }");
    assert_learns("{ type = \"lstm\"; units = 8; }, { type = \"gru\"; units = 8; return = "
                  "\"last\"; }");
}

static void test_recurrent_run__refuses_by_line_name_and_range(void **state)
{
    static const struct {
        const char *layer, *message;
    } cases[] = {
        { "{ type = \"lstm\"; }",
            "x.cfg:4: model[0]: layer \"lstm1\" (lstm): \"units\" is required: length "
            "of the hidden state" },
        { "{ type = \"gru\"; units = 0; }",
            "x.cfg:4: model[0]: layer \"gru1\" (gru): units: expected a whole number "
            "in [1, 16777216], found 0" },
        { "{ type = \"rnn\"; units = 4; recurrent_dropout = 1.0; }",
            "x.cfg:4: model[0]: layer \"rnn1\" (rnn): recurrent_dropout: expected a "
            "real number in [0, 1), found 1.0" },
        { "{ type = \"lstm\"; units = 4; return = \"first\"; }",
            "x.cfg:4: model[0]: layer \"lstm1\" (lstm): return: expected one of "
            "sequence | last, found \"first\"" },
        { "{ type = \"lstm\"; units = 4; bias = true; }",
            "x.cfg:4: model[0]: layer \"lstm1\" (lstm): bias: expected one of one | "
            "two | none, found true" },
        { "{ type = \"gru\"; units = 4; forget_bias = 1.0; }",
            "x.cfg:4: model[0]: layer \"gru1\" (gru): unknown hyperparameter "
            "\"forget_bias\": known are units, return, bidirectional, bias, "
            "recurrent_dropout, reset" },
        { "{ type = \"rnn\"; units = 4; activation = \"gelu\"; }",
            "x.cfg:4: model[0]: layer \"rnn1\" (rnn): activation: expected one of "
            "tanh | relu, found \"gelu\": did you mean \"relu\"?" },
        { "{ type = \"gru\"; units = 4; reset = \"within\"; }",
            "x.cfg:4: model[0]: layer \"gru1\" (gru): reset: expected one of before | "
            "after, found \"within\"" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        train_rig g;
        rig_init(&g);
        assert_true(rig_try(&g, run_of(cases[i].layer), NULL) != OK);
        assert_string_equal(g.err.text, cases[i].message);
        rig_release(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent_run__each_learns_to_add),
        cmocka_unit_test(test_recurrent_run__refuses_by_line_name_and_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
