/* The config's `model` list as a graph: names, links, and every way to get them wrong. */
#include "model/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

static void assert_names(const char *source, size_t n, const char *const *names)
{
    model_rig rig;
    if (rig_open(&rig, source) != OK) GIVE_UP("%s", rig.err.text);
    assert_int_equal(rig.m->n_layers, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rig.m->layers[i].name, names[i]);
        assert_ptr_equal(model_find_layer(rig.m, names[i]), &rig.m->layers[i]);
    }
    assert_null(model_find_layer(rig.m, "nobody"));
    rig_close(&rig);
}

static void test_graph__numbers_the_layers_of_a_type(void **state)
{
    (void)state;
    const char *const names[] = { "dense1", "relu1", "dense2", "tanh1", "relu2" };
    assert_names("model = ( { type = \"dense\"; units = 3; }, \"relu\", { type = \"dense\"; "
                 "units = 3; }, \"tanh\", \"relu\" );",
        5, names);
}

static void test_graph__counts_named_layers_of_a_type_too(void **state)
{
    (void)state;
    const char *const names[] = { "first", "relu2", "gate-3_b" };
    assert_names("model = ( { type = \"relu\"; name = \"first\"; }, \"relu\", { type = \"tanh\"; "
                 "name = \"gate-3_b\"; } );",
        3, names);
}

static void test_graph__takes_a_bare_name_for_a_block(void **state)
{
    (void)state;
    model_rig rig;
    assert_int_equal(rig_open(&rig, "model = ( \"flatten\",\n  \"relu\" );"), OK);
    const layer *l = &rig.m->layers[1];
    assert_string_equal(l->type, "relu");
    assert_int_equal(l->block->at.line, 2);
    assert_int_equal(l->block->kind, VALUE_GROUP); /* so the resolved config says what it is */
    assert_string_equal(value_find(l->block, "type")->as.string, "relu");
    rig_close(&rig);
}

static void test_graph__links_a_layer_to_the_one_before(void **state)
{
    (void)state;
    model_rig rig;
    assert_int_equal(rig_open(&rig, "model = ( \"relu\", \"tanh\", \"relu\" );"), OK);
    for (int i = 0; i < 3; i++) {
        const layer *l = &rig.m->layers[i];
        assert_int_equal(l->n_in, 1);
        assert_int_equal(l->from[0], i == 0 ? FROM_INPUT : i - 1);
    }
    rig_close(&rig);
}

static void test_graph__keeps_the_order_of_from(void **state)
{
    (void)state;
    model_rig rig;
    assert_int_equal(rig_open(&rig,
                         "model = ( { type = \"relu\"; name = \"a\"; },\n"
                         "  { type = \"tanh\"; name = \"b\"; from = \"input\"; },\n"
                         "  { type = \"concat\"; from = ( \"b\", \"input\", \"a\", \"b\" ); } );"),
        OK);
    const layer *l = &rig.m->layers[2];
    assert_int_equal(rig.m->layers[1].from[0], FROM_INPUT);
    assert_int_equal(l->n_in, 4);
    assert_int_equal(l->from[0], 1);
    assert_int_equal(l->from[1], FROM_INPUT);
    assert_int_equal(l->from[2], 0);
    assert_int_equal(l->from[3], 1);
    rig_close(&rig);
}

/* A plugin refuses keys it does not know, so it has not been asked about the host's. */
static void test_graph__keeps_the_reserved_keys_from_the_plugin(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; units = 5; name = \"a\"; },\n"
        "  { type = \"dense\"; units = 5; name = \"b\"; from = \"a\"; init = \"he_normal\";\n"
        "    bias_init = \"ones\"; trainable = false; lr_scale = 0.25; tie = \"a\"; } );",
        vector_of(5));
    rig_close(&rig);
}

typedef struct refused {
    status code;
    const char *source, *message;
} refused;

#define NAME_RULE "a layer's name must not be empty or hold '.', '/', '*', '?', quotes or spaces"

static const refused names_refused[] = {
    { E_CONFLICT,
        "model = ( { type = \"relu\"; name = \"a\"; },\n \"tanh\",\n"
        " { type = \"tanh\"; name = \"a\"; } );",
        "x.cfg:3: model[2]: layer \"a\" (tanh): the name is taken by model[0] (line 1); give one "
        "of them "
        "another `name`" },
    { E_CONFLICT, "model = ( { type = \"tanh\"; name = \"relu2\"; },\n \"relu\",\n \"relu\" );",
        "x.cfg:3: model[2]: layer \"relu2\" (relu): the name is taken by model[0] (line 1); give "
        "one of "
        "them another `name`" },
    { E_CONFLICT, "model = ( { type = \"relu\"; name = \"input\"; } );",
        "x.cfg:1: model[0]: layer \"input\" (relu): \"input\" is the name of the model's own "
        "input; choose "
        "another" },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"\"; } );",
        "x.cfg:1: model[0]: layer \"\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a.b\"; } );",
        "x.cfg:1: model[0]: layer \"a.b\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a/b\"; } );",
        "x.cfg:1: model[0]: layer \"a/b\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a b\"; } );",
        "x.cfg:1: model[0]: layer \"a b\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a\\tb\"; } );",
        "x.cfg:1: model[0]: layer \"a b\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a\\nb\"; } );",
        "x.cfg:1: model[0]: layer \"a b\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a*\"; } );",
        "x.cfg:1: model[0]: layer \"a*\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a?\"; } );",
        "x.cfg:1: model[0]: layer \"a?\" (relu): " NAME_RULE },
    { E_RANGE, "model = ( { type = \"relu\"; name = \"a\\\"\"; } );",
        "x.cfg:1: model[0]: layer \"a\"\" (relu): " NAME_RULE },
    { E_TYPE, "model = ( \"relu\",\n { type = \"relu\"; name = 3; } );",
        "x.cfg:2: model[1].name: expected a string, found 3" },
};

static const refused links_refused[] = {
    { E_UNKNOWN,
        "model = ( { type = \"relu\"; name = \"encoder\"; },\n"
        " { type = \"tanh\"; from = \"encodr\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `from` names \"encodr\", but no layer is "
        "called so: "
        "did you mean \"encoder\"?" },
    { E_UNKNOWN, "model = ( { type = \"relu\"; from = \"inptu\"; } );",
        "x.cfg:1: model[0]: layer \"relu1\" (relu): `from` names \"inptu\", but no layer is called "
        "so: did "
        "you mean \"input\"?" },
    { E_UNKNOWN, "model = ( \"relu\",\n { type = \"tanh\"; from = \"somewhere\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `from` names \"somewhere\", but no layer is "
        "called "
        "so" },
    { E_CONFLICT, "model = ( \"relu\",\n { type = \"tanh\"; from = \"relu2\"; },\n \"relu\" );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `from` names \"relu2\", which does not stand "
        "before it "
        "in the list" },
    { E_CONFLICT, "model = ( { type = \"tanh\"; from = \"tanh1\"; } );",
        "x.cfg:1: model[0]: layer \"tanh1\" (tanh): `from` names \"tanh1\", which does not stand "
        "before it "
        "in the list" },
    { E_RANGE, "model = ( \"relu\",\n { type = \"add\"; from = (); } );",
        "x.cfg:2: model[1]: layer \"add1\" (add): `from` is an empty list; name at least one "
        "layer" },
    { E_TYPE, "model = ( \"relu\",\n { type = \"add\"; from = 3; } );",
        "x.cfg:2: model[1].from: expected a string, found 3" },
    { E_TYPE, "model = ( \"relu\",\n { type = \"add\"; from = ( \"relu1\", 2.5 ); } );",
        "x.cfg:2: model[1].from[1]: expected a string, found 2.5" },
    { E_CONFLICT, "model = ( \"relu\",\n \"tanh\",\n { type = \"relu\"; from = \"relu1\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): nothing uses its output; name it in another "
        "layer's "
        "`from` or remove it" },
};

static const refused blocks_refused[] = {
    { E_TYPE, "model = ();",
        "x.cfg:1: model: expected a list of layers, for example ( { type = \"dense\"; units = 10; "
        "} )" },
    { E_TYPE, "\nmodel = { type = \"dense\"; };",
        "x.cfg:2: model: expected a list of layers, for example ( { type = \"dense\"; units = 10; "
        "} )" },
    { E_MISSING, "model = ( \"relu\",\n { units = 3; } );",
        "x.cfg:2: model[1]: expected a name or a group with `type`, for example { type = "
        "\"dense\"; "
        "units = 10; }" },
    { E_MISSING, "model = ( 3 );",
        "x.cfg:1: model[0]: expected a name or a group with `type`, for example { type = "
        "\"dense\"; "
        "units = 10; }" },
    { E_MISSING, "model = ( { type = 3; } );",
        "x.cfg:1: model[0]: expected a name or a group with `type`, for example { type = "
        "\"dense\"; "
        "units = 10; }" },
    { E_UNKNOWN, "model = ( \"relu\",\n { type = \"dropout\";\n  rat = 0.3; } );",
        "x.cfg:3: model[1]: layer \"dropout1\" (dropout): unknown hyperparameter \"rat\": did you "
        "mean \"rate\"?" },
    { E_UNKNOWN, "model = ( \"relu\",\n { type = \"dence\"; } );",
        "x.cfg:2: unknown layer \"dence\": did you mean \"dense\"?" },
    { E_MISSING, "model = ( \"dense\" );",
        "x.cfg:1: model[0]: layer \"dense1\" (dense): \"units\" is required: outputs of a row" },
};

static void refuse_all(const refused *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_refused(rows[i].source, vector_of(3), rows[i].code, rows[i].message);
}

static void test_graph__refuses_bad_names(void **state)
{
    (void)state;
    refuse_all(names_refused, sizeof names_refused / sizeof names_refused[0]);
}

/* A name keys the layer's random numbers, whole. */
static void test_graph__refuses_names_without_end(void **state)
{
    (void)state;
    char name[202], source[512], message[512];
    memset(name, 'n', sizeof name);
    name[201] = '\0';
    snprintf(source, sizeof source, "model = ( { type = \"dropout\"; name = \"%s\"; } );", name);
    snprintf(message, sizeof message,
        "x.cfg:1: model[0]: layer \"%s\" (dropout): a layer's name has at most 200 bytes", name);
    assert_refused(source, vector_of(3), E_RANGE, message);
    const char *const longest[] = { name + 1 };
    snprintf(
        source, sizeof source, "model = ( { type = \"dropout\"; name = \"%s\"; } );", name + 1);
    assert_names(source, 1, longest);
}

static void test_graph__refuses_links_that_lead_nowhere(void **state)
{
    (void)state;
    refuse_all(links_refused, sizeof links_refused / sizeof links_refused[0]);
}

static void test_graph__refuses_blocks_that_are_no_layers(void **state)
{
    (void)state;
    refuse_all(blocks_refused, sizeof blocks_refused / sizeof blocks_refused[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__numbers_the_layers_of_a_type),
        cmocka_unit_test(test_graph__counts_named_layers_of_a_type_too),
        cmocka_unit_test(test_graph__takes_a_bare_name_for_a_block),
        cmocka_unit_test(test_graph__links_a_layer_to_the_one_before),
        cmocka_unit_test(test_graph__keeps_the_order_of_from),
        cmocka_unit_test(test_graph__keeps_the_reserved_keys_from_the_plugin),
        cmocka_unit_test(test_graph__refuses_bad_names),
        cmocka_unit_test(test_graph__refuses_names_without_end),
        cmocka_unit_test(test_graph__refuses_links_that_lead_nowhere),
        cmocka_unit_test(test_graph__refuses_blocks_that_are_no_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
