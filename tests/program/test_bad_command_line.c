/* Command lines that make no sense, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "an unknown command", NULL, NULL, NULL, { "trian", "bad.cfg" }, 2,
        "unknown command \"trian\": did you mean \"train\"?" },
    { "a command that is nothing like any", NULL, NULL, NULL, { "frobnicate" }, 2,
        "unknown command \"frobnicate\"; see assay help" },
    { "half a command", NULL, NULL, NULL, { "plugin" }, 2,
        "\"plugin\" is not a command; there are: plugin list, plugin info, plugin new, plugin "
        "build, plugin check" },
    { "half a command and a wrong half", NULL, NULL, NULL, { "plugin", "lsit" }, 2,
        "unknown command \"plugin lsit\": did you mean \"plugin list\"?" },
    { "an unknown option", NULL, NULL, NULL, { "train", "bad.cfg", "--ouput", "x" }, 2,
        "train: unknown option \"--ouput\": did you mean \"--output\"?" },
    { "an unknown letter", NULL, NULL, NULL, { "train", "bad.cfg", "-x" }, 2,
        "train: unknown option \"-x\"; see assay train --help" },
    { "an option before any command", NULL, NULL, NULL, { "--frobnicate" }, 2,
        "unknown option \"--frobnicate\"; see assay --help" },
    { "an option without its value", NULL, NULL, NULL, { "train", "bad.cfg", "--output" }, 2,
        "train: --output expects DIR" },
    { "a value for a flag", NULL, NULL, NULL, { "train", "bad.cfg", "--dry-run=2" }, 2,
        "train: --dry-run takes no value" },
    { "a choice that is not there", NULL, NULL, NULL, { "train", "bad.cfg", "--progress", "loud" },
        2, "train: --progress: expected one of auto|bar|plain|none, found \"loud\"" },
    { "no config", NULL, NULL, NULL, { "train" }, 2,
        "train: which config? As in: assay train configs/digits.cfg; or: assay train --resume "
        "RUN_DIR" },
    { "two options that exclude each other", NULL, NULL, NULL,
        { "train", "bad.cfg", "--dry-run", "--overfit-one-batch" }, 2,
        "train: --resume, --dry-run and --overfit-one-batch exclude each other" },
    { "threads that are no number", NULL, NULL, NULL, { "train", "bad.cfg", "--threads", "many" },
        2, "command line: train: threads: expected a whole number in [0, 4096], found \"many\"" },
    { "a seed that is no number", NULL, NULL, NULL, { "train", "bad.cfg", "--seed", "x" }, 2,
        "command line: config: seed: expected a whole number in [0, 9007199254740992], found "
        "\"x\"" },
    { "a word too many", NULL, NULL, NULL, { "plugin", "list", "sgd" }, 2,
        "plugin list: \"sgd\" is one word too many: assay plugin list" },
    { "a shell that nobody knows", NULL, NULL, NULL, { "completion", "tcsh" }, 2,
        "completion: expected one of bash|zsh|fish, found \"tcsh\"" },
    { "no run to evaluate", NULL, NULL, NULL, { "eval" }, 2,
        "eval: something is missing: assay eval RUN_DIR [KEY=VALUE...]" },
    { "a part that is not there", NULL, NULL, NULL, { "eval", "run", "--split", "tests" }, 2,
        "eval: --split: expected one of training|validation|test, found \"tests\"" },
    { "another schedule over the keys of the one in the file", NULL, "train = {",
        "schedule = { type = \"exponential\"; decay = 0.9; }; train = {",
        { "train", "bad.cfg", "schedule.type=cosine" }, 2,
        "bad.cfg:17: schedule \"cosine\": unknown hyperparameter \"decay\": it was meant for the "
        "type "
        "in the file; schedule=cosine leaves out all of that one's keys, ~schedule.decay only "
        "this" },
    { "another layer over the keys of the one in the file", NULL, NULL, NULL,
        { "train", "bad.cfg", "model[0].type=tanh" }, 2,
        "bad.cfg:10: model[0]: layer \"hidden\" (tanh): unknown hyperparameter \"units\": it was "
        "meant for the type "
        "in the "
        "file; model[0]=tanh leaves out all of that one's keys, ~model[0].units only this" },
    { "a key that is wrong by itself", NULL, NULL, NULL,
        { "train", "bad.cfg", "optimizer.type=adam", "+optimizer.momentun=0.9" }, 2,
        "command line: optimizer \"adam\": unknown hyperparameter \"momentun\": known are lr, "
        "beta1, beta2, eps, amsgrad, weight_decay" },
    { "a summary of nothing", NULL, NULL, NULL, { "model", "summary", "absent.cfg" }, 2,
        "absent.cfg: no such config file or run folder" },
};

static void test_bad_command_line__is_told_what_to_type(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_command_line__is_told_what_to_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
