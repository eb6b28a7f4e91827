/* Configs that make no sense, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "a missing file", NULL, NULL, NULL, { "train", "absent.cfg" }, 2,
        "absent.cfg: no such config file or run folder" },
    { "a folder", "mkdir empty", NULL, NULL, { "train", "empty" }, 2,
        "empty: a folder, not a config; to go on with a run: assay train --resume empty" },
    { "no semicolon and no brace", NULL, "units = 5; name", "units 5; name", { 0 }, 2,
        "bad.cfg:10: syntax error near \"5\": expected \"=\" after \"units\"" },
    { "a bracket that is never closed", NULL, ");\nloss", "\nloss", { 0 }, 2,
        "bad.cfg:14: syntax error near \"loss\": expected \",\" or \")\" in the list of "
        "bad.cfg:9" },
    { "a string that is never closed", NULL, "\"softmax_xent\"", "\"softmax_xent", { 0 }, 2,
        "bad.cfg:14: the string that begins here is not closed on its line (a line break is "
        "written \\n)" },
    { "a binary file", "printf 'a\\0b' > bad.cfg", NULL, NULL, { 0 }, 2,
        "bad.cfg: a NUL byte at offset 1: a config is text" },
    { "an unknown block", NULL, "optimizer =", "optimiser =", { 0 }, 2,
        "bad.cfg:16: unknown block \"optimiser\": did you mean \"optimizer\"?" },
    { "an unknown key", NULL, "lr = 0.1", "lr = 0.1; momentun = 0.9", { 0 }, 2,
        "bad.cfg:16: optimizer \"sgd\": unknown hyperparameter \"momentun\": did you mean "
        "\"momentum\"?" },
    { "an unknown key of the host", NULL, "epochs = 2", "epoch = 2", { 0 }, 2,
        "bad.cfg:17: train: unknown setting \"epoch\": did you mean \"epochs\"?" },
    { "an unknown key of the data", NULL, "batch_size", "batchsize", { 0 }, 2,
        "bad.cfg:6: dataset \"csv\": unknown hyperparameter \"batchsize\": did you mean "
        "\"batch_size\"?" },
    { "text for a whole number", NULL, "units = 5", "units = \"five\"", { 0 }, 2,
        "bad.cfg:10: model[0]: layer \"hidden\" (dense): units: expected a whole number in [1, "
        "16777216], found "
        "\"five\"" },
    { "a real for a whole number", NULL, "units = 5", "units = 5.5", { 0 }, 2,
        "bad.cfg:10: model[0]: layer \"hidden\" (dense): units: expected a whole number in [1, "
        "16777216], found 5.5" },
    { "a list for a group", NULL, "train = { epochs = 2; }", "train = ( 2 )", { 0 }, 2,
        "bad.cfg:17: train: expected a group { ... }, found a list" },
    { "a negative learning rate", NULL, "lr = 0.1", "lr = -0.1", { 0 }, 2,
        "bad.cfg:16: optimizer \"sgd\": lr: expected a real number in [0, inf), found -0.1" },
    { "a choice that is not there", NULL, "epochs = 2", "epochs = 2; validate_unit = \"epochs\"",
        { 0 }, 2,
        "bad.cfg:17: train: validate_unit: expected one of epoch | step, found \"epochs\": did you "
        "mean \"epoch\"?" },
    { "a batch of nothing", NULL, "batch_size = 4", "batch_size = 0", { 0 }, 2,
        "bad.cfg:6: data.batch_size: expected a whole number from 1, or \"all\", found 0" },
    { "an integer that 64 bits do not hold", NULL, "seed = 1", "seed = 99999999999999999999", { 0 },
        2, "bad.cfg:2: 99999999999999999999 does not fit a 64-bit integer" },
    { "a negative seed", NULL, "seed = 1", "seed = -1", { 0 }, 2,
        "bad.cfg:2: config: seed: expected a whole number in [0, 9007199254740992], found -1" },
    { "files that include each other", "echo '@include \"bad.cfg\"' > other.cfg", "seed = 1;",
        "@include \"other.cfg\"", { 0 }, 2,
        "other.cfg:1: these files include each other: bad.cfg -> other.cfg -> bad.cfg" },
    { "an include that is not there", NULL, "seed = 1;", "@include \"absent.cfg\"", { 0 }, 1,
        "bad.cfg:2: @include: absent.cfg: cannot open: No such file or directory" },
    { "a fault in an include", "printf 'x = 1;\\nseed = ;\\n' > other.cfg", "seed = 1;",
        "@include \"other.cfg\"", { 0 }, 2,
        "other.cfg:2: syntax error near \";\": expected a value after \"seed =\"" },
    { "a key set twice", NULL, "seed = 1;", "seed = 1; seed = 2;", { 0 }, 2,
        "bad.cfg:2: \"seed\" is already set at bad.cfg:2" },
    { "no model", NULL, NULL, NULL, { "train", "bad.cfg", "~model" }, 2,
        "bad.cfg: the config has no `model` block; for example model = ( { type = \"dense\"; units "
        "= 10; } );" },
    { "no data", NULL, NULL, NULL, { "train", "bad.cfg", "~data" }, 2,
        "bad.cfg: the config has no `data` block; for example data = { type = \"csv\"; file = "
        "\"table.csv\"; };" },
    { "no loss", NULL, "loss = \"softmax_xent\";", "", { 0 }, 2,
        "bad.cfg: the config has no `loss` block; for example loss = { type = \"softmax_xent\"; "
        "};" },
    { "a block without type", NULL, "{ type = \"sgd\"; lr = 0.1; }", "{ lr = 0.1; }", { 0 }, 2,
        "bad.cfg:16: optimizer: \"type\" is required: which optimizer it is" },
    { "no layers", NULL, NULL, NULL, { "train", "bad.cfg", "model=()" }, 2,
        "command line: model: expected a list of layers, for example ( { type = \"dense\"; units = "
        "10; } )" },
    { "an override of what is not there", NULL, NULL, NULL,
        { "train", "bad.cfg", "optimiser.lr=1" }, 2,
        "command line: optimiser.lr=1: no \"optimiser\" in the config: did you mean "
        "\"optimizer\"?" },
    { "an override beyond the list", NULL, NULL, NULL, { "train", "bad.cfg", "model[7].units=3" },
        2, "command line: model[7].units=3: no item [7]: \"model\" has 3 items, [0] to [2]" },
    { "an override that is not closed", NULL, NULL, NULL, { "train", "bad.cfg", "model=(" }, 2,
        "command line: model=(: the \"(\" here is never closed" },
    { "a word that is no override", NULL, NULL, NULL, { "train", "bad.cfg", "lr" }, 2,
        "\"lr\" is no override: expected KEY=VALUE, +KEY=VALUE or ~KEY, as in optimizer.lr=0.1" },
    { "an override of the wrong type", NULL, NULL, NULL,
        { "train", "bad.cfg", "optimizer.lr=fast" }, 2,
        "command line: optimizer \"sgd\": lr: expected a real number in [0, inf), found \"fast\"" },
    { "a deletion of what is not there", NULL, NULL, NULL, { "train", "bad.cfg", "~schedule" }, 2,
        "command line: ~schedule: no \"schedule\" in the config" },
    { "an addition of what is there", NULL, NULL, NULL, { "train", "bad.cfg", "+seed=2" }, 2,
        "command line: +seed=2: it is already there: leave out the + to change it" },
    { "a monitor that nobody measures", NULL, "epochs = 2",
        "epochs = 2; early_stopping = { monitor = \"validation.acuracy\"; }", { 0 }, 2,
        "bad.cfg:17: early_stopping: monitor: there is no metric \"acuracy\"; there are loss, "
        "accuracy, accuracy_se (more by `metrics`)" },
    { "a monitor of the test part", NULL, "epochs = 2",
        "epochs = 2; early_stopping = { monitor = \"test.loss\"; }", { 0 }, 2,
        "bad.cfg:17: early_stopping: monitor: expected \"validation.<metric>\" or "
        "\"training.<metric>\", found \"test.loss\"; the test part must not steer training" },
    { "a schedule of something that is not there", NULL, "optimizer",
        "schedule = { type = \"step\"; target = \"momentun\"; };\noptimizer", { 0 }, 2,
        "bad.cfg:16: schedule: target \"momentun\" names nothing that a schedule can drive; "
        "expected a hyperparameter of the optimizer (\"lr\"), \"model.<layer>.<hyperparameter>\" "
        "or \"loss.<hyperparameter>\" that is a real number and schedulable" },
    { "a group of tensors that matches nothing", NULL, "{ type = \"sgd\"; lr = 0.1; }",
        "( { type = \"sgd\"; match = \"role:embedding\"; }, { type = \"adam\"; } )", { 0 }, 2,
        "bad.cfg:16: optimizer: this block gets no tensor; the ones before it took all that fit" },
};

static void test_bad_config__is_told_where_and_what(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

static void test_good_config__trains(void **state)
{
    (void)state;
    good_input_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_config__trains),
        cmocka_unit_test(test_bad_config__is_told_where_and_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
