/* Overrides: every form, what it leaves behind, and what each bad one is told. */
#include "config/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

static const char sample[] =
    "name = \"digits\";\n"
    "optimizer = { type = \"adam\"; lr = 1e-3; inner = { beta = 0.9; }; };\n"
    "model = ( { type = \"dense\"; units = 64; }, { type = \"relu\"; } );\n"
    "metrics = ( \"accuracy\", \"f1\" );\n"
    "loss = \"mse\";\n"
    "empty = ( );\n"
    "train = { epochs = 3; };\n";

static config *parse(const char *written)
{
    config *c = NULL;
    error err = { 0 };
    if (config_parse("t.cfg", written, &c, &err) != OK) fail_msg("%s", err.text);
    return c;
}

typedef struct good {
    const char *assignment;
    const char *key; /* the top-level key that is looked at */
    const char *expected; /* its value after that, in the file's grammar */
} good;

static const good goods[] = {
    /* values */
    { "name=mnist", "name", "\"mnist\"" },
    { "name=\"a b\"", "name", "\"a b\"" },
    { "name=", "name", "\"\"" },
    { "name=128", "name", "128" },
    { "name=-0x10", "name", "-16" },
    { "name=10000000000", "name", "10000000000L" },
    { "name=10L", "name", "10" },
    { "name=1e-4", "name", "1e-4" },
    { "name=.5", "name", ".5" },
    { "name=true", "name", "true" },
    { "name=False", "name", "false" },
    { "name=yes", "name", "\"yes\"" },
    { "name=null", "name", "\"null\"" },
    { "name=inf", "name", "\"inf\"" },
    { "name=1.2.3", "name", "\"1.2.3\"" },
    { "name=2024-01-05", "name", "\"2024-01-05\"" },
    { "name=3px", "name", "\"3px\"" },
    { "name=3 b = 4", "name", "\"3 b = 4\"" },
    { "name=run#3", "name", "\"run#3\"" },
    { "name=3#x", "name", "\"3#x\"" },
    { "name=1//2", "name", "\"1//2\"" },
    { "name=http://host/x?a=b", "name", "\"http://host/x?a=b\"" },
    { "name=data/*.csv", "name", "\"data/*.csv\"" },
    { "name=@include \"t.cfg\"", "name", "\"@include \\\"t.cfg\\\"\"" },
    { "name=a\nb", "name", "\"a\\nb\"" },
    { "name= spaced", "name", "\" spaced\"" },
    { "name=[1,2.5,\"x\",]", "name", "( 1, 2.5, \"x\" )" },
    { "name={ type = \"x\"; n = 3 }", "name", "{ type = \"x\"; n = 3; }" },
    { "name=( )", "name", "( )" },
    /* setting */
    { "optimizer.lr=0.1", "optimizer", "{ type = \"adam\"; lr = 0.1; inner = { beta = 0.9; }; }" },
    { "optimizer.type=sgd", "optimizer",
        "{ type = \"sgd\"; lr = 1e-3; inner = { beta = 0.9; }; }" },
    { "optimizer.eps=1e-8", "optimizer",
        "{ type = \"adam\"; lr = 1e-3; inner = { beta = 0.9; }; eps = 1e-8; }" },
    { "optimizer.inner.beta=0.5", "optimizer",
        "{ type = \"adam\"; lr = 1e-3; inner = { beta = 0.5; }; }" },
    { "optimizer=sgd", "optimizer", "\"sgd\"" },
    { "model[0].units=128", "model",
        "( { type = \"dense\"; units = 128; }, { type = \"relu\"; } )" },
    { "model[1]={ type = \"tanh\"; }", "model",
        "( { type = \"dense\"; units = 64; }, { type = \"tanh\"; } )" },
    { "metrics[1]=auc", "metrics", "( \"accuracy\", \"auc\" )" },
    { "schedule={ type = \"step\"; }", "schedule", "{ type = \"step\"; }" },
    { "seed=7", "seed", "7" },
    /* a bare name becomes a group */
    { "loss.delta=2", "loss", "{ type = \"mse\"; delta = 2; }" },
    { "loss.type=mae", "loss", "{ type = \"mae\"; }" },
    { "metrics[0].k=5", "metrics", "( { type = \"accuracy\"; k = 5; }, \"f1\" )" },
    { "+loss.inner.delta=2", "loss", "{ type = \"mse\"; inner = { delta = 2; }; }" },
    /* adding */
    { "+optimizer.eps=1e-8", "optimizer",
        "{ type = \"adam\"; lr = 1e-3; inner = { beta = 0.9; }; eps = 1e-8; }" },
    { "+seed=7", "seed", "7" },
    { "+schedule.type=step", "schedule", "{ type = \"step\"; }" },
    { "+search.space[0].low=0.5", "search", "{ space = ( { low = 0.5; } ); }" },
    { "+model[2]={ type = \"dense\"; }", "model",
        "( { type = \"dense\"; units = 64; }, { type = \"relu\"; }, { type = \"dense\"; } )" },
    { "+empty[0]=1", "empty", "( 1 )" },
    /* deleting */
    { "~optimizer.lr", "optimizer", "{ type = \"adam\"; inner = { beta = 0.9; }; }" },
    { "~optimizer.inner", "optimizer", "{ type = \"adam\"; lr = 1e-3; }" },
    { "~model[0]", "model", "( { type = \"relu\"; } )" },
    { "~model[0].units", "model", "( { type = \"dense\"; }, { type = \"relu\"; } )" },
};

static void test_config_override__sets_adds_and_deletes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goods) / sizeof(*goods); i++) {
        char wanted[256];
        snprintf(wanted, sizeof(wanted), "v = %s;", goods[i].expected);
        config *c = parse(sample), *expected = parse(wanted);
        error err = { 0 };
        status st = config_override(c, goods[i].assignment, &err);
        if (st != OK) fail_msg("%s", err.text);
        const value *v = value_find(config_root(c), goods[i].key);
        assert_non_null(v);
        assert_ptr_equal(v->parent, config_root(c));
        if (!value_equal(v, config_root(expected)->item[0])) fail_msg("%s", goods[i].assignment);
        config_free(c);
        config_free(expected);
    }
}

typedef struct bad {
    const char *assignment;
    status code;
    const char *message; /* after "command line: <assignment>: " */
} bad;

static const char bad_path[] = "expected a path and a value, as in model[2].units=64";

static const bad bads[] = {
    { "optimizer.lr", E_USAGE, bad_path },
    { "+seed", E_USAGE, bad_path },
    { "=3", E_USAGE, bad_path },
    { "", E_USAGE, bad_path },
    { "~", E_USAGE, bad_path },
    { "a..b=1", E_USAGE, bad_path },
    { ".a=1", E_USAGE, bad_path },
    { "a.=1", E_USAGE, bad_path },
    { "[0]=1", E_USAGE, bad_path },
    { "model[]=1", E_USAGE, bad_path },
    { "model[x].units=1", E_USAGE, bad_path },
    { "model[-1].units=1", E_USAGE, bad_path },
    { "model[0=1", E_USAGE, bad_path },
    { "model[0]units=1", E_USAGE, bad_path },
    { "model[99999999999999999999]=1", E_USAGE, bad_path },
    { "_a=1", E_USAGE, bad_path },
    { "true=1", E_USAGE, bad_path },
    { "a b=1", E_USAGE, bad_path },
    { "~seed=1", E_USAGE, "a deletion is written ~path, without a value" },
    { "optimzer.lr=0.1", E_UNKNOWN, "no \"optimzer\" in the config: did you mean \"optimizer\"?" },
    { "optimizer.iner.beta=0.1", E_UNKNOWN,
        "no \"iner\" in \"optimizer\": did you mean \"inner\"?" },
    { "schedule.type=step", E_UNKNOWN,
        "no \"schedule\" in the config: a + in front of the path adds it" },
    { "~optimizer.lrr", E_UNKNOWN, "no \"lrr\" in \"optimizer\": did you mean \"lr\"?" },
    { "~zzzzzz", E_UNKNOWN, "no \"zzzzzz\" in the config" },
    { "model[2].units=1", E_RANGE, "no item [2]: \"model\" has 2 items, [0] to [1]" },
    { "model[2]=1", E_RANGE, "no item [2]: \"model\" has 2 items, [0] to [1]" },
    { "+model[3]=1", E_RANGE, "no item [3]: \"model\" has 2 items, [0] to [1]" },
    { "~metrics[7]", E_RANGE, "no item [7]: \"metrics\" has 2 items, [0] to [1]" },
    { "empty[0]=1", E_RANGE, "no item [0]: \"empty\" is empty" },
    { "+search.space[1].low=0.5", E_RANGE, "no item [1]: the list would be new" },
    { "+loss.inner[1]=2", E_RANGE, "no item [1]: the list would be new" },
    { "+optimizer.lr=1", E_CONFLICT, "it is already there: leave out the + to change it" },
    { "+model[0]=1", E_CONFLICT, "it is already there: leave out the + to change it" },
    { "model.units=3", E_TYPE, "\"model\" is a list: say which item, as in model[0].units" },
    { "optimizer[0]=3", E_TYPE, "\"optimizer\" is a group, not a list" },
    { "train.epochs.x=3", E_TYPE, "\"train.epochs\" is 3, not a group" },
    { "loss[0]=3", E_TYPE, "\"loss\" is \"mse\", not a list" },
    { "loss.inner.x=3", E_TYPE, "\"loss\" is \"mse\", not a group" },
    { "loss.type.x=3", E_TYPE, "\"loss\" is \"mse\", not a group" },
    { "~loss.delta", E_TYPE, "\"loss\" is \"mse\", not a group" },
    { "optimizer.lr=99999999999999999999", E_RANGE,
        "99999999999999999999 does not fit a 64-bit integer" },
    { "optimizer.lr=1e999", E_RANGE, "1e999 does not fit a 64-bit real" },
    { "optimizer={type=adam}", E_PARSE,
        "syntax error near \"adam\": text is written in quotes, \"adam\"" },
    { "optimizer={ a = 1; a = 2; }", E_CONFLICT, "\"a\" is already set" },
    { "model=(1, 2", E_PARSE, "the \"(\" here is never closed" },
    { "model=(1, 2]", E_PARSE, "syntax error near \"]\": the \"(\" is still open" },
    { "model=(1 2)", E_PARSE, "syntax error near \"2\": expected \",\" or \")\" in the list" },
    { "model={ a = 1; } b = 2", E_PARSE, "expected one value" },
    { "name=\"x", E_PARSE,
        "the string that begins here is not closed on its line (a line break is written \\n)" },
};

static void test_config_override__tells_every_bad_one_why_and_changes_nothing(void **state)
{
    (void)state;
    config *before = parse(sample);
    for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
        char message[512];
        snprintf(
            message, sizeof(message), "command line: %s: %s", bads[i].assignment, bads[i].message);
        config *c = parse(sample);
        error err = { 0 };
        status st = config_override(c, bads[i].assignment, &err);
        if (st == OK) fail_msg("accepted: %s", bads[i].assignment);
        assert_string_equal(err.text, message);
        assert_int_equal(st, bads[i].code);
        if (!value_equal(config_root(c), config_root(before))) {
            fail_msg("changed by: %s", bads[i].assignment);
        }
        config_free(c);
    }
    config_free(before);
}

static void expect_override(config *c, const char *assignment)
{
    error err = { 0 };
    if (config_override(c, assignment, &err) != OK) fail_msg("%s", err.text);
}

static void test_config_override__marks_the_new_value_and_only_it(void **state)
{
    (void)state;
    config *c = parse(sample);
    expect_override(c, "optimizer.betas=( 0.9, 0.99 )");
    expect_override(c, "loss.delta=x");
    expect_override(c, "+schedule.type=step");
    const value *optimizer = value_find(config_root(c), "optimizer");
    const value *betas = value_find(optimizer, "betas");
    const value *loss = value_find(config_root(c), "loss");
    assert_string_equal(betas->at.file, "command line");
    assert_int_equal(betas->at.line, 0);
    assert_string_equal(betas->item[1]->at.file, "command line");
    assert_false(betas->is_default);
    assert_false(value_find(config_root(c), "schedule")->is_default);
    assert_string_equal(value_find(config_root(c), "schedule")->at.file, "command line");
    assert_ptr_equal(betas->item[1]->parent, betas);
    assert_string_equal(optimizer->at.file, "t.cfg");
    assert_string_equal(loss->at.file, "t.cfg");
    assert_string_equal(value_find(loss, "type")->at.file, "t.cfg");
    assert_int_equal(value_find(loss, "type")->at.line, 5);
    assert_string_equal(value_dir(c, betas), ".");
    error err = { 0 };
    double r = 0;
    assert_int_equal(value_to_real(value_find(loss, "delta"), &r, &err), E_TYPE);
    assert_string_equal(err.text, "command line: loss.delta: expected a real number, found \"x\"");
    config_free(c);
}

static void test_config_override__later_ones_see_earlier_ones(void **state)
{
    (void)state;
    config *c = parse("");
    expect_override(c, "optimizer=adam");
    expect_override(c, "optimizer.lr=0.1");
    expect_override(c, "optimizer.lr=0.2");
    expect_override(c, "+model[0]=relu");
    expect_override(c, "+model[1]=tanh");
    expect_override(c, "~model[0]");
    config *expected = parse("optimizer = { type = \"adam\"; lr = 0.2; }; model = ( \"tanh\" );");
    assert_true(value_equal(config_root(c), config_root(expected)));
    config_free(expected);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_override__sets_adds_and_deletes),
        cmocka_unit_test(test_config_override__tells_every_bad_one_why_and_changes_nothing),
        cmocka_unit_test(test_config_override__marks_the_new_value_and_only_it),
        cmocka_unit_test(test_config_override__later_ones_see_earlier_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
