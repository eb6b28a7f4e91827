/* Plugins that cannot be used, and what the program says. */
#include "support/program_bad_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const bad_input rows[] = {
    { "a file that is not there", NULL, "plugins = ( )", "plugins = ( \"./absent.so\" )", { 0 }, 1,
        "bad.cfg:3: @DIR@/absent.so: cannot open: No such file or directory" },
    { "a text", "echo 'int x;' > x.so", "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is not a shared object (no ELF file)" },
    { "an empty file", ": > x.so", "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is not a shared object (no ELF file)" },
    { "a shared object of somebody else", "cp \"$BUILD/tests/bad_plugins/no_info.so\" x.so",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is not a plugin of assay: it has no section .assay_info" },
    { "a plugin cut short", "head -c 40 \"$BUILD/plugins/optimizer/sgd.so\" > x.so",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is cut off: 40 bytes do not hold an ELF header" },
    { "a name where a file is expected", NULL, "plugins = ( )", "plugins = \"lion\"", { 0 }, 1,
        "bad.cfg:3: @DIR@/lion: cannot open: No such file or directory" },
    { "one without an entry",
        "cp \"$BUILD/tests/bad_plugins/no_entry.so\" x.so && sed -i \"s/\\\"sgd\\\"/\\\"bad\\\"/\" "
        "bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:16: optimizer \"bad\": @DIR@/x.so: does not export assay_plugin_v0: end it with "
        "ASSAY_PLUGIN(...) or one of ASSAY_OPTIMIZER(...), ASSAY_LAYER(...) ..." },
    { "one of another draft", "cp \"$BUILD/tests/bad_plugins/other_draft.so\" x.so",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is built from draft 0123456789abcdef of the plugin headers, this "
        "assay has @DRAFT@: rebuild it with this assay's headers" },
    { "one for a later assay", "cp \"$BUILD/tests/bad_plugins/future_abi.so\" x.so",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:3: @DIR@/x.so: is built for version 1 of the plugin ABI, this assay has version "
        "0: rebuild it with this assay's headers" },
    { "one that lacks a symbol",
        "cp \"$BUILD/tests/bad_plugins/undefined_symbol.so\" x.so && sed -i "
        "\"s/\\\"sgd\\\"/\\\"bad\\\"/\" bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:16: optimizer \"bad\": @DIR@/x.so: undefined symbol: function_of_nobody: link "
        "what it needs (-Wl,-z,defs finds this when it is built)" },
    { "one that declines",
        "cp \"$BUILD/tests/bad_plugins/entry_declines.so\" x.so && sed -i "
        "\"s/\\\"sgd\\\"/\\\"bad\\\"/\" bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:16: optimizer \"bad\": @DIR@/x.so: its entry function declined this host (it "
        "returned NULL)" },
    { "one with a hyperparameter outside its struct",
        "cp \"$BUILD/tests/bad_plugins/hyper_outside.so\" x.so && sed -i "
        "\"s/\\\"sgd\\\"/\\\"bad\\\"/\" bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "assay: warning: @DIR@/x.so: optimizer \"bad\" is left out: hyperparameter \"far\": offset "
        "4096 and 8 bytes lie outside its struct of 24 bytes\nassay: error: bad.cfg:16: optimizer "
        "\"bad\": @DIR@/x.so: hyperparameter \"far\": offset 4096 and 8 bytes lie outside its "
        "struct of 24 bytes" },
    { "one with two tiers",
        "cp \"$BUILD/tests/bad_plugins/two_tiers.so\" x.so && sed -i "
        "\"s/\\\"sgd\\\"/\\\"bad\\\"/\" bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "assay: warning: @DIR@/x.so: optimizer \"bad\" is left out: exactly one of elem, tensor "
        "and model must be given, it has 2\nassay: error: bad.cfg:16: optimizer \"bad\": "
        "@DIR@/x.so: exactly one of elem, tensor and model must be given, it has 2" },
    { "two with one id", "cp \"$BUILD/plugins/optimizer/sgd.so\" x.so && cp x.so y.so",
        "plugins = ( )", "plugins = ( \"./x.so\", \"./y.so\" )", { 0 }, 2,
        "bad.cfg:16: optimizer \"sgd\" is ambiguous: @DIR@/x.so and @DIR@/y.so both have it: "
        "remove one of them" },
    { "an unknown optimizer", NULL, "\"sgd\"", "\"adem\"", { 0 }, 2,
        "bad.cfg:16: unknown optimizer \"adem\": did you mean \"adam\"?" },
    { "an unknown layer", NULL, "\"relu\"", "\"rleu\"", { 0 }, 2,
        "bad.cfg:11: unknown layer \"rleu\": did you mean \"relu\"?" },
    { "a loss that is nothing like any", NULL, "\"softmax_xent\"", "\"perplexity_of_a_kind\"",
        { 0 }, 2,
        "bad.cfg:14: unknown loss \"perplexity_of_a_kind\": known are bce_logits, huber, mae, mse, "
        "softmax_xent" },
    { "a plugin that lacks the component", NULL, "\"softmax_xent\"", "\"mse:softmax_xent\"", { 0 },
        2,
        "bad.cfg:14: unknown loss \"mse:softmax_xent\": known are bce_logits, huber, mae, mse, "
        "softmax_xent" },
    { "two settings that exclude each other", NULL, "lr = 0.1", "lr = 0.1; nesterov = true", { 0 },
        2, "bad.cfg:16: optimizer \"sgd\": nesterov: needs a momentum above 0" },
    { "a stranger's own objection",
        "cp \"$SOURCE/tests/support/plugins/failing.c\" strict.c && sed -i -e "
        "\"s/failing/strict/g\" -e \"s/\\.elem = update/.elem = update, .validate = no/\" -e "
        "\"s/^static int update/static int no(assay_ctx *c, const void *h)\\n{\\n    (void)h;\\n   "
        " return c->host->fail(c, ASSAY_E_INVALID, \\\"at\\\", \\\"must be a prime "
        "number\\\");\\n}\\n\\n&/\" strict.c && cc -fPIC -shared -I\"$SOURCE/include\" strict.c -o "
        "x.so && sed -i \"s/\\\"sgd\\\"/\\\"strict\\\"/\" bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )", { 0 }, 2,
        "bad.cfg:16: optimizer \"strict\" (strict 0.1.0, @DIR@/x.so): at: must be a prime number" },
    { "a plugin that gives up",
        "cp \"$BUILD/tests/plugins/failing.so\" x.so && sed -i \"s/\\\"sgd\\\"/\\\"failing\\\"/\" "
        "bad.cfg",
        "plugins = ( )", "plugins = ( \"./x.so\" )",
        { "train", "bad.cfg", "-q", "--output", "gone" }, 1,
        "bad.cfg:16: optimizer \"failing\" (failing 0.1.0, @DIR@/x.so): at: had enough of this" },
    { "information about a file that is not there", NULL, NULL, NULL,
        { "plugin", "info", "./absent.so" }, 2, "./absent.so: no such plugin file" },
    { "information about an unknown component", NULL, NULL, NULL, { "plugin", "info", "adem" }, 2,
        "no component is called \"adem\": did you mean \"adam\"?" },
};

static void test_bad_plugin__is_told_by_file_and_reason(void **state)
{
    (void)state;
    BAD_INPUTS_CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_plugin__is_told_by_file_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
