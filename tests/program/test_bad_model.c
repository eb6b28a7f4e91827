/* Models that cannot be, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "more classes than outputs", NULL, "units = 3", "units = 2", { 0 }, 2,
        "bad.cfg:14: loss \"softmax_xent\": the last layer has 2 outputs but the data has 3 "
        "classes: give it units = 3" },
    { "classes for a loss of numbers", NULL, "\"softmax_xent\"", "\"mse\"", { 0 }, 2,
        "bad.cfg:14: loss \"mse\": compares numbers, but the data has 3 classes: use the loss "
        "softmax_xent" },
    { "a metric of numbers for classes", NULL, "\"accuracy\"", "\"rmse\"", { 0 }, 2,
        "bad.cfg:15: metric \"rmse\": compares numbers, but the data has classes: use accuracy, "
        "top_k or f1" },
    { "inputs that do not add up", NULL, "{ type = \"dense\"; units = 3; name = \"last\"; }",
        "{ type = \"add\"; from = ( \"relu1\", \"input\" ); }, { type = \"dense\"; units = 3; }",
        { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"add1\" (add): adds inputs of one shape, but input 1 is [5] "
        "and input 2 is "
        "[2]" },
    { "an unknown input", NULL, "name = \"last\";", "name = \"last\"; from = \"hiden\";", { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"last\" (dense): `from` names \"hiden\", but no layer is "
        "called so: "
        "did you mean \"hidden\"?" },
    { "an input from below", NULL, "{ type = \"relu\"; }", "{ type = \"relu\"; from = \"last\"; }",
        { 0 }, 2,
        "bad.cfg:11: model[1]: layer \"relu1\" (relu): `from` names \"last\", which does not stand "
        "before "
        "it in the list" },
    { "an output that nobody uses", NULL, "name = \"last\";", "name = \"last\"; from = \"input\";",
        { 0 }, 2,
        "bad.cfg:11: model[1]: layer \"relu1\" (relu): nothing uses its output; name it in another "
        "layer's "
        "`from` or remove it" },
    { "a name taken twice", NULL, "\"last\"", "\"hidden\"", { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"hidden\" (dense): the name is taken by model[0] (line 10); "
        "give one "
        "of them another `name`" },
    { "a name with a dot", NULL, "\"last\"", "\"the.last\"", { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"the.last\" (dense): a layer's name must not be empty or "
        "hold '.', "
        "'/', '*', '?', quotes or spaces" },
    { "a tie to nothing", NULL, "name = \"last\";", "name = \"last\"; tie = \"hiden\";", { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"last\" (dense): `tie = \"hiden\"`: no earlier layer of that "
        "name "
        "has a parameter that this one can share" },
    { "a tie of other shapes", NULL, "name = \"last\";", "name = \"last\"; tie = \"hidden\";",
        { 0 }, 2,
        "bad.cfg:12: model[2]: layer \"last\" (dense): `tie`: hidden.weight has 2 x 5 numbers and "
        "cannot "
        "stand for this layer's weight" },
    { "a tie of a layer without parameters", NULL, "{ type = \"relu\"; }",
        "{ type = \"relu\"; tie = \"hidden\"; }", { 0 }, 2,
        "bad.cfg:11: model[1]: layer \"relu1\" (relu): `tie = \"hidden\"`: no earlier layer of "
        "that name "
        "has a parameter that this one can share" },
    { "an unknown initialiser", NULL, "units = 5;", "units = 5; init = \"glorot_unifrom\";", { 0 },
        2, "bad.cfg:10: unknown initialiser \"glorot_unifrom\": did you mean \"glorot_uniform\"?" },
    { "an initialiser with an unknown setting", NULL, "units = 5;",
        "units = 5; init = { type = \"normal\"; sd = 1; };", { 0 }, 2,
        "bad.cfg:10: init \"normal\": unknown hyperparameter \"sd\": did you mean \"std\"?" },
    { "an initialiser for nothing", NULL, "{ type = \"relu\"; }",
        "{ type = \"relu\"; init = \"zeros\"; }", { 0 }, 2,
        "bad.cfg:11: model[1]: layer \"relu1\" (relu): `init` is set, but this layer has no "
        "parameters" },
    { "a dense layer without units", NULL, "units = 5; name", "name", { 0 }, 2,
        "bad.cfg:10: model[0]: layer \"hidden\" (dense): \"units\" is required: outputs of a row" },
    { "a rate of one", NULL, "{ type = \"relu\"; }", "{ type = \"dropout\"; rate = 1.0; }", { 0 },
        2,
        "bad.cfg:11: model[1]: layer \"dropout1\" (dropout): rate: expected a real number in [0, "
        "1), found 1.0" },
    { "a layer that is a number", NULL, "{ type = \"relu\"; }", "7", { 0 }, 2,
        "bad.cfg:11: model[1]: expected a name or a group with `type`, for example { type = "
        "\"dense\"; units = 10; }" },
    { "a negative scale of the learning rate", NULL, "units = 5;", "units = 5; lr_scale = -1.0;",
        { 0 }, 2,
        "bad.cfg:10: model[0]: layer \"hidden\" (dense): lr_scale: expected a number >= 0, found "
        "-1" },
};

static void test_bad_model__is_told_by_layer(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_model__is_told_by_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
