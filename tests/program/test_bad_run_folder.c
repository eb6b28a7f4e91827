/* Runs that cannot be resumed, weights that do not fit, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "a folder that is not there", NULL, NULL, NULL, { "train", "--resume", "absent" }, 2,
        "absent: not the folder of a run" },
    { "an empty folder", "mkdir empty", NULL, NULL, { "train", "--resume", "empty" }, 2,
        "empty: not the folder of a run: there is no config.cfg in it" },
    { "a checkpoint cut short", "truncate -s -40 run/checkpoints/*", NULL, NULL,
        { "train", "--resume", "run", "-q" }, 1,
        "@DIR@/run/checkpoints/step-00000010.safetensors: got 480 bytes of data, expected 520: the "
        "file was cut off" },
    { "an empty checkpoint", "for f in run/checkpoints/*; do : > \"$f\"; done", NULL, NULL,
        { "train", "--resume", "run", "-q" }, 1,
        "@DIR@/run/checkpoints/step-00000010.safetensors: got 0 bytes, expected at least 8 for the "
        "header's length" },
    { "a flipped bit",
        "for f in run/checkpoints/*; do printf '\\377' | dd of=\"$f\" bs=1 seek=$(($(stat -c %s "
        "\"$f\") - 99)) conv=notrunc status=none; done",
        NULL, NULL, { "train", "--resume", "run", "-q" }, 1,
        "@DIR@/run/checkpoints/step-00000010.safetensors: checksum of the content is @HASH@, "
        "expected \"@HASH@\": the file was damaged or edited" },
    { "a damaged header",
        "for f in run/checkpoints/*; do printf '\\377' | dd of=\"$f\" bs=1 seek=40 conv=notrunc "
        "status=none; done",
        NULL, NULL, { "train", "--resume", "run", "-q" }, 2,
        "@DIR@/run/checkpoints/step-00000010.safetensors: header byte 32: got \"?\", expected "
        "UTF-8" },
    { "a checkpoint of another model", NULL, NULL, NULL,
        { "train", "--resume", "run", "-q", "model[0].units=6" }, 2,
        "@DIR@/run/checkpoints/step-00000010.safetensors: it belongs to another run: not as they "
        "were: model; leave them so, or start a new run" },
    { "a checkpoint of another seed and step", NULL, NULL, NULL,
        { "train", "--resume", "run", "-q", "seed=2", "optimizer.lr=0.2", "train.replicas=2" }, 2,
        "@DIR@/run/checkpoints/step-00000010.safetensors: it belongs to another run: not as they "
        "were: optimizer, seed, train.replicas; leave them so, or start a new run" },
    { "weights named as a checkpoint",
        "cp run/last.safetensors run/checkpoints/step-00000099.safetensors", NULL, NULL,
        { "train", "--resume", "run", "-q" }, 2,
        "@DIR@/run/checkpoints/step-00000099.safetensors: it is no checkpoint of a run; weights "
        "alone are read by train.init_from" },
    { "a damaged config", "echo \"x = ;\" >> run/config.cfg", NULL, NULL,
        { "train", "--resume", "run", "-q" }, 2,
        "run/config.cfg:62: syntax error near \";\": expected a value after \"x =\"" },
    { "the folder of another run", NULL, NULL, NULL, { "train", "bad.cfg", "--output", "run" }, 2,
        "run: there is a run in this folder already; resume it or choose another" },
    { "a run that goes on elsewhere", NULL, NULL, NULL,
        { "train", "--resume", "run", "--output", "other" }, 2,
        "train: --resume goes on in the run's own folder: leave --output and --runs out" },
    { "a folder that cannot be made", ": > file", NULL, NULL,
        { "train", "bad.cfg", "-q", "--output", "file/run" }, 1,
        "@DIR@/file: cannot create this folder: Not a directory" },
    { "weights that are not there", NULL, "epochs = 2",
        "epochs = 2; init_from = \"absent.safetensors\"", { 0 }, 1,
        "bad.cfg:17: train.init_from: @DIR@/absent.safetensors: cannot open: No such file or "
        "directory" },
    { "weights of another shape", NULL, "units = 5;", "units = 6;",
        { "train", "bad.cfg", "+train.init_from=run/last.safetensors" }, 2,
        "command line: train.init_from: @DIR@/run/last.safetensors: not the weights of this model: "
        "hidden.weight has shape [5, 2], expected [6, 2]; hidden.bias has shape [5], expected [6]; "
        "last.weight has shape [3, 5], expected [3, 6]" },
    { "weights of another model", NULL, "\"last\"", "\"end\"",
        { "train", "bad.cfg", "+train.init_from=run/last.safetensors" }, 2,
        "command line: train.init_from: @DIR@/run/last.safetensors: not the weights of this model: "
        "end.weight is missing; end.bias is missing; last.bias is not in the model; last.weight is "
        "not in the model" },
    { "weights cut short", "truncate -s -4 run/last.safetensors", NULL, NULL,
        { "train", "bad.cfg", "+train.init_from=run/last.safetensors" }, 1,
        "command line: train.init_from: @DIR@/run/last.safetensors: got 128 bytes of data, "
        "expected 132: the file was cut off" },
    { "weights that are a config", NULL, NULL, NULL,
        { "train", "bad.cfg", "+train.init_from=bad.cfg" }, 1,
        "command line: train.init_from: @DIR@/bad.cfg: header length is 2459032605894205806, "
        "expected at most 100000000: not a safetensors file?" },
    { "weights to evaluate that are not there", "rm run/*.safetensors", NULL, NULL,
        { "eval", "run" }, 2,
        "run/last.safetensors: no such weights; they are written when a run ends: assay train "
        "--resume run" },
};

static void test_bad_run_folder__is_told_by_file(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_run_folder__is_told_by_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
