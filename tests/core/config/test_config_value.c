/* Values in memory: typed reads and their messages, paths, adding, removing, copying, comparing. */
#include "config/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static config *parse(const char *written)
{
    config *c = NULL;
    error err = { 0 };
    if (config_parse("t.cfg", written, &c, &err) != OK) fail_msg("%s", err.text);
    return c;
}

static const char sample[] = "b = true;\ni = 42;\nr = 2.385;\ns = \"abc\";\nl = ( 1, 2 );\n"
                             "g = { inner = { lr = \"x\"; }; };\n"
                             "model = ( { units = 1; }, { units = 2; },\n { units = 3.0; } );\n"
                             "inf = \"inf\"; minus = \"-inf\"; nan = \"nan\";\n";

typedef enum reader_kind { READ_BOOL, READ_INT, READ_REAL, READ_STRING } reader_kind;

static status read_as(reader_kind kind, const value *v, error *err)
{
    bool b = false;
    int64_t i = 0;
    double r = 0;
    const char *s = NULL;
    switch (kind) {
    case READ_BOOL: return value_to_bool(v, &b, err);
    case READ_INT: return value_to_int(v, &i, err);
    case READ_REAL: return value_to_real(v, &r, err);
    case READ_STRING: return value_to_string(v, &s, err);
    }
    return E_INTERNAL;
}

static void test_config_value__reads_each_kind(void **state)
{
    (void)state;
    config *c = parse(sample);
    const value *root = config_root(c);
    error err = { 0 };
    bool b = false;
    int64_t i = 0;
    double r = 0;
    const char *s = NULL;
    assert_int_equal(value_to_bool(value_find(root, "b"), &b, &err), OK);
    assert_true(b);
    assert_int_equal(value_to_int(value_find(root, "i"), &i, &err), OK);
    assert_true(i == 42);
    assert_int_equal(value_to_real(value_find(root, "r"), &r, &err), OK);
    assert_true(r == 2.385);
    assert_int_equal(value_to_real(value_find(root, "i"), &r, &err), OK);
    assert_true(r == 42.0);
    assert_int_equal(value_to_string(value_find(root, "s"), &s, &err), OK);
    assert_string_equal(s, "abc");
    assert_int_equal(value_to_real(value_find(root, "inf"), &r, &err), OK);
    assert_true(isinf(r) && r > 0);
    assert_int_equal(value_to_real(value_find(root, "minus"), &r, &err), OK);
    assert_true(isinf(r) && r < 0);
    assert_int_equal(value_to_real(value_find(root, "nan"), &r, &err), OK);
    assert_true(isnan(r));
    config_free(c);
}

static void test_config_value__says_what_it_expected_and_found(void **state)
{
    (void)state;
    config *c = parse(sample);
    value *root = config_root(c);
    value *made = value_add(c, value_find(root, "g"), "made");
    assert_non_null(made);
    made->kind = VALUE_STRING;
    made->as.string = "a long string that has sixty-one characters and more \xC3\xA9\xC3\xA9";
    const value *inner = value_find(value_find(root, "g"), "inner");
    const struct {
        reader_kind kind;
        const value *v;
        const char *message;
    } cases[] = {
        { READ_BOOL, value_find(root, "i"), "t.cfg:2: i: expected true or false, found 42" },
        { READ_INT, value_find(root, "r"), "t.cfg:3: r: expected an integer, found 2.385" },
        { READ_INT, value_find(value_find(root, "model")->item[2], "units"),
            "t.cfg:8: model[2].units: expected an integer, found 3.0" },
        { READ_REAL, value_find(inner, "lr"),
            "t.cfg:6: g.inner.lr: expected a real number, found \"x\"" },
        { READ_REAL, value_find(root, "b"), "t.cfg:1: b: expected a real number, found true" },
        { READ_REAL, inner, "t.cfg:6: g.inner: expected a real number, found a group" },
        { READ_STRING, value_find(root, "l"), "t.cfg:5: l: expected a string, found a list" },
        { READ_STRING, value_find(root, "l")->item[1],
            "t.cfg:5: l[1]: expected a string, found 2" },
        { READ_INT, made,
            "default: g.made: expected an integer, found "
            "\"a long string that has sixty-one charact\"..." },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        error err = { 0 };
        assert_int_equal(read_as(cases[i].kind, cases[i].v, &err), E_TYPE);
        assert_string_equal(err.text, cases[i].message);
    }
    config_free(c);
}

static void test_config_value__leaves_the_result_alone_on_errors(void **state)
{
    (void)state;
    config *c = parse(sample);
    double r = -0.731;
    int64_t i = 77;
    assert_int_equal(value_to_real(value_find(config_root(c), "s"), &r, NULL), E_TYPE);
    assert_int_equal(value_to_int(value_find(config_root(c), "r"), &i, NULL), E_TYPE);
    assert_true(r == -0.731);
    assert_true(i == 77);
    config_free(c);
}

static void test_config_value__finds_only_in_groups(void **state)
{
    (void)state;
    config *c = parse(sample);
    assert_null(value_find(NULL, "b"));
    assert_null(value_find(config_root(c), "no"));
    assert_null(value_find(value_find(config_root(c), "l"), "b"));
    assert_null(value_find(value_find(config_root(c), "s"), "b"));
    config_free(c);
}

static void test_config_value__added_values_are_defaults(void **state)
{
    (void)state;
    config *c = parse("g = { }; l = ( );");
    value *g = value_find(config_root(c), "g"), *l = value_find(config_root(c), "l");
    char name[16];
    for (int i = 0; i < 37; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        value *v = value_add(c, g, name);
        assert_non_null(v);
        v->kind = VALUE_INT;
        v->as.integer = i;
        assert_non_null(value_add(c, l, NULL));
    }
    assert_int_equal(g->n, 37);
    assert_int_equal(l->n, 37);
    const value *v = value_find(g, "k36");
    assert_true(v->as.integer == 36);
    assert_true(v->is_default);
    assert_string_equal(v->at.file, "default");
    assert_int_equal(v->at.line, 0);
    assert_string_equal(value_dir(c, v), ".");
    config_free(c);
}

static void test_config_value__removes_by_key_and_keeps_the_order(void **state)
{
    (void)state;
    config *c = parse("a = 1; b = 2; c = 3; d = 4; e = 5;");
    value *root = config_root(c);
    assert_true(value_remove(root, "b"));
    assert_false(value_remove(root, "b"));
    assert_true(value_remove(root, "e"));
    assert_non_null(value_add(c, root, "f"));
    assert_non_null(value_add(c, root, "g"));
    assert_int_equal(root->n, 5);
    const char *const names[] = { "a", "c", "d", "f", "g" };
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(root->item[i]->name, names[i]);
    config_free(c);
}

static void test_config_value__copies_outlive_where_they_came_from(void **state)
{
    (void)state;
    config *from =
        parse("o = { type = \"adam\"; betas = ( 0.9, 0.999 ); inner = { x = true; }; };");
    config *to = parse("z = 1;\n");
    const value *o = value_find(config_root(from), "o");
    value *copy = value_copy(to, config_root(to), "p", o);
    assert_non_null(copy);
    assert_true(value_equal(copy, o));
    config_free(from);
    assert_string_equal(copy->name, "p");
    assert_ptr_equal(copy->parent, config_root(to));
    assert_string_equal(copy->item[0]->at.file, "t.cfg");
    assert_int_equal(copy->item[0]->at.line, 1);
    assert_false(copy->item[0]->is_default);
    assert_string_equal(value_find(copy, "type")->as.string, "adam");
    text path;
    text_init(&path);
    value_path(copy->item[1]->item[1], &path);
    assert_string_equal(path.s, "p.betas[1]");
    text_release(&path);
    config_free(to);
}

static void test_config_value__equality_is_of_content(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "v = { a = 1; b = 2; };", "v = { b = 2; a = 1; };", true },
        { "v = { a = 1; };", "v = { a = 1; b = 2; };", false },
        { "v = { a = 1; };", "v = { b = 1; };", false },
        { "v = ( 1, 2 );", "v = [ 1, 2 ];", true },
        { "v = ( 1, 2 );", "v = ( 2, 1 );", false },
        { "v = ( );", "v = { };", false },
        { "v = 1;", "v = 1.0;", false },
        { "v = 0.0;", "v = -0.0;", false },
        { "v = \"a\";", "v = \"b\";", false },
        { "v = true;", "v = false;", false },
        { "v = true;", "v = True;", true },
        { "v = 0.1;", "v = 0.1000000000000000055;", true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        config *a = parse(cases[i].a), *b = parse(cases[i].b);
        assert_int_equal(value_equal(config_root(a), config_root(b)), cases[i].equal);
        assert_int_equal(value_equal(config_root(b), config_root(a)), cases[i].equal);
        config_free(a);
        config_free(b);
    }
}

static void test_config_value__one_may_stand_without_a_list(void **state)
{
    (void)state;
    config *c = parse(sample);
    value *one = value_find(config_root(c), "s"), *several = value_find(config_root(c), "model");
    assert_int_equal(value_n_items(NULL), 0);
    assert_int_equal(value_n_items(one), 1);
    assert_ptr_equal(value_item(one, 0), one);
    assert_int_equal(value_n_items(several), 3);
    assert_ptr_equal(value_item(several, 2), several->item[2]);
    config_free(c);
}

static void test_config_value__free_of_nothing_is_legal(void **state)
{
    (void)state;
    config_free(NULL);
    config *c = parse("a = 1;");
    assert_non_null(arena_strdup(config_arena(c), "x"));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_value__reads_each_kind),
        cmocka_unit_test(test_config_value__says_what_it_expected_and_found),
        cmocka_unit_test(test_config_value__leaves_the_result_alone_on_errors),
        cmocka_unit_test(test_config_value__finds_only_in_groups),
        cmocka_unit_test(test_config_value__added_values_are_defaults),
        cmocka_unit_test(test_config_value__removes_by_key_and_keeps_the_order),
        cmocka_unit_test(test_config_value__copies_outlive_where_they_came_from),
        cmocka_unit_test(test_config_value__equality_is_of_content),
        cmocka_unit_test(test_config_value__one_may_stand_without_a_list),
        cmocka_unit_test(test_config_value__free_of_nothing_is_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
