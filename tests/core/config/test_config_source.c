/* Reading: grammar, includes, where values come from, and what each bad text is told. */
#include "config/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"
#include "core/config/scratch.h"

static config *parse(const char *written)
{
    config *c = NULL;
    error err = { 0 };
    if (config_parse("t.cfg", written, &c, &err) != OK) fail_msg("%s", err.text);
    return c;
}

static config *load(const char *path)
{
    config *c = NULL;
    error err = { 0 };
    if (config_load(path, &c, &err) != OK) fail_msg("%s", err.text);
    return c;
}

static void expect_load_error(const char *path, status code, const char *message)
{
    config *c = NULL;
    error err = { 0 };
    assert_int_equal(config_load(path, &c, &err), code);
    assert_string_equal(err.text, message);
    assert_int_equal(err.code, code);
    assert_null(c);
}

static void expect_at(const value *v, const char *file, int line)
{
    assert_non_null(v);
    assert_string_equal(v->at.file, file);
    assert_int_equal(v->at.line, line);
    assert_false(v->is_default);
}

typedef struct bad_text {
    const char *written;
    status code;
    const char *message;
} bad_text;

static const bad_text bad_texts[] = {
    { "a = 1;\nb = ;\n", E_PARSE,
        "t.cfg:2: syntax error near \";\": expected a value after \"b =\"" },
    { "m = { units = };", E_PARSE,
        "t.cfg:1: syntax error near \"}\": expected a value after \"units =\"" },
    { "a = { b = 2 };\n}\n", E_PARSE, "t.cfg:2: syntax error near \"}\": no bracket is open here" },
    { "a = {\n b = ( 1, 2 };\n", E_PARSE,
        "t.cfg:2: syntax error near \"}\": the \"(\" of t.cfg:2 is still open" },
    { "a = [ 1,\n 2 );\n", E_PARSE,
        "t.cfg:2: syntax error near \")\": the \"[\" of t.cfg:1 is still open" },
    { "x = 1;\na = {\n b = 3;\n", E_PARSE, "t.cfg:2: the \"{\" here is never closed" },
    { "a", E_PARSE, "t.cfg:1: syntax error near the end: expected \"=\" after \"a\"" },
    { "a =\n", E_PARSE, "t.cfg:2: syntax error near the end: expected a value after \"a =\"" },
    { "a = { b }", E_PARSE, "t.cfg:1: syntax error near \"}\": expected \"=\" after \"b\"" },
    { "o = { type = adam; };", E_PARSE,
        "t.cfg:1: syntax error near \"adam\": text is written in quotes, \"adam\"" },
    { "a = yes;", E_PARSE, "t.cfg:1: syntax error near \"yes\": expected true or false" },
    { "a = off;", E_PARSE, "t.cfg:1: syntax error near \"off\": expected true or false" },
    { "a.b = 1;", E_PARSE,
        "t.cfg:1: syntax error near \".\": a key has no dots, write a = { ... }" },
    { "a = 1;;", E_PARSE, "t.cfg:1: syntax error near \";\": expected a key" },
    { "3 = 1;", E_PARSE, "t.cfg:1: syntax error near \"3\": expected a key" },
    { "{ a = 1; }", E_PARSE, "t.cfg:1: syntax error near \"{\": expected a key and \"=\"" },
    { "_a = 1;", E_PARSE, "t.cfg:1: syntax error near \"_\": expected a key" },
    { "true = 1;", E_PARSE, "t.cfg:1: syntax error near \"true\": expected a key" },
    { "d = { a = 1; }\n 5", E_PARSE,
        "t.cfg:2: syntax error near \"5\": expected \";\" after the value of \"d\"" },
    { "a = 64px;", E_PARSE,
        "t.cfg:1: syntax error near \"64px\": this is no number, and text is written in quotes" },
    { "a = 1.2.3;", E_PARSE,
        "t.cfg:1: syntax error near \"1.2.3\": this is no number, and text is written in quotes" },
    { "a = 1e;", E_PARSE,
        "t.cfg:1: syntax error near \"1e\": this is no number, and text is written in quotes" },
    { "a = -x;", E_PARSE,
        "t.cfg:1: syntax error near \"-x\": this is no number, and text is written in quotes" },
    { "a = \xE2\x80\x9Cx\xE2\x80\x9D;", E_PARSE,
        "t.cfg:1: syntax error near \"\xE2\x80\x9C\": the quotes of text are the straight ones, "
        "\"" },
    { "a = %;", E_PARSE, "t.cfg:1: syntax error near \"%\": expected a value after \"a =\"" },
    { "a = ( { b = 1; }\n { b = 2; } );", E_PARSE,
        "t.cfg:2: syntax error near \"{\": expected \",\" or \")\" in the list of t.cfg:1" },
    { "a = [ 1; 2 ];", E_PARSE,
        "t.cfg:1: syntax error near \";\": expected \",\" or \"]\" in the list of t.cfg:1" },
    { "a = ( , );", E_PARSE, "t.cfg:1: syntax error near \",\": expected a value in this list" },
    { "a = ( 1,, 2 );", E_PARSE,
        "t.cfg:1: syntax error near \",\": expected a value in this list" },
    { "a = \"x;\nb = \"y\";\n", E_PARSE,
        "t.cfg:1: the string that begins here is not closed on its line (a line break is written "
        "\\n)" },
    { "a = \"x\\", E_PARSE,
        "t.cfg:1: the string that begins here is not closed on its line (a line break is written "
        "\\n)" },
    { "a = \"x\\x00y\";", E_PARSE, "t.cfg:1: a string cannot hold the character \\x00" },
    { "\n/* no end\n\n", E_PARSE, "t.cfg:2: the comment that begins here is never closed by */" },
    { "a = /*/ 3;", E_PARSE, "t.cfg:1: the comment that begins here is never closed by */" },
    { "a = 9223372036854775808;", E_RANGE,
        "t.cfg:1: 9223372036854775808 does not fit a 64-bit integer" },
    { "a = -9223372036854775809L;", E_RANGE,
        "t.cfg:1: -9223372036854775809L does not fit a 64-bit integer" },
    { "a = 0xFFFFFFFFFFFFFFFF;", E_RANGE,
        "t.cfg:1: 0xFFFFFFFFFFFFFFFF does not fit a 64-bit integer" },
    { "a = 2e308;", E_RANGE, "t.cfg:1: 2e308 does not fit a 64-bit real" },
    { "a = 1;\nb = 2;\na = 3;\n", E_CONFLICT, "t.cfg:3: \"a\" is already set at t.cfg:1" },
    { "g = { a = 1; h = { a = 2; };\n a = 3; };\n", E_CONFLICT,
        "t.cfg:2: \"a\" is already set at t.cfg:1" },
    { "@include nowhere.cfg\n", E_PARSE,
        "t.cfg:1: syntax error near \"@include\": it is written @include \"name.cfg\"" },
    { "\n@include \"/no/such.cfg\"\n", E_IO,
        "t.cfg:2: @include: /no/such.cfg: cannot open: No such file or directory" },
};

static void test_config_source__tells_every_bad_text_where_and_why(void **state)
{
    (void)state;
    size_t n = sizeof(bad_texts) / sizeof(*bad_texts);
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        config *c = NULL;
        error err = { 0 };
        status st = config_parse("t.cfg", bad_texts[i].written, &c, &err);
        if (st == OK) fail_msg("accepted: %s", bad_texts[i].written);
        assert_string_equal(err.text, bad_texts[i].message);
        assert_int_equal(st, bad_texts[i].code);
        assert_int_equal(err.code, bad_texts[i].code);
        assert_null(c);
    }
}

static void test_config_source__limits_nesting(void **state)
{
    (void)state;
    char deep[256] = "a = ", message[] = "t.cfg:1: brackets nest deeper than 64 levels";
    size_t at = strlen(deep);
    memset(deep + at, '(', 64);
    memset(deep + at + 64, ')', 64);
    config_free(parse(deep));
    memset(deep + at, '(', 65);
    memset(deep + at + 65, ')', 65);
    config *c = NULL;
    error err = { 0 };
    assert_int_equal(config_parse("t.cfg", deep, &c, &err), E_PARSE);
    assert_string_equal(err.text, message);
}

static int64_t integer(const config *c, const char *key)
{
    const value *v = value_find(config_root(c), key);
    assert_non_null(v);
    assert_int_equal(v->kind, VALUE_INT);
    return v->as.integer;
}

static void test_config_source__keeps_integers_that_libconfig_would_wrap(void **state)
{
    (void)state;
    config *c = parse("a = 10000000000; b = 2147483648; c = -2147483649, d = 3000000000L\n"
                      "e = 0xFFFFFFFF; f = -9223372036854775808; g = 9223372036854775807;\n"
                      "h = -0x10; i = +7; j = 010; k = 42LL; l = -2147483648; m = 0xffL;");
    assert_true(integer(c, "a") == INT64_C(10000000000));
    assert_true(integer(c, "b") == INT64_C(2147483648));
    assert_true(integer(c, "c") == INT64_C(-2147483649));
    assert_true(integer(c, "d") == INT64_C(3000000000));
    assert_true(integer(c, "e") == INT64_C(4294967295));
    assert_true(integer(c, "f") == INT64_MIN);
    assert_true(integer(c, "g") == INT64_MAX);
    assert_true(integer(c, "h") == -16);
    assert_true(integer(c, "i") == 7);
    assert_true(integer(c, "j") == 10);
    assert_true(integer(c, "k") == 42);
    assert_true(integer(c, "l") == INT32_MIN);
    assert_true(integer(c, "m") == 255);
    config_free(c);
}

static void test_config_source__reads_reals_booleans_and_strings(void **state)
{
    (void)state;
    config *c = parse(
        "a = 1e-3; b = .5; c = 2.; d = -0.731E+2; t = True; f = FALSE;\n"
        "s = \"one \" /* and */ \"two\" # three\n \"\\x41\\t\\\"\\\\\\n\\q\"; u = \"\xC3\xA9\";");
    const value *r = config_root(c);
    const double expected[] = { 1e-3, .5, 2., -0.731E+2 };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->item[i]->kind, VALUE_REAL);
        assert_memory_equal(&r->item[i]->as.real, &expected[i], sizeof(double));
    }
    assert_int_equal(r->item[4]->kind, VALUE_BOOL);
    assert_true(r->item[4]->as.boolean);
    assert_false(r->item[5]->as.boolean);
    assert_int_equal(r->item[6]->kind, VALUE_STRING);
    assert_string_equal(r->item[6]->as.string, "one twoA\t\"\\\n\\q");
    assert_string_equal(r->item[7]->as.string, "\xC3\xA9");
    config_free(c);
}

static void test_config_source__takes_lists_arrays_mixed_kinds_and_last_commas(void **state)
{
    (void)state;
    config *c = parse("\xEF\xBB\xBF"
                      "a = [ 1, 2.5, \"x\", ];\r\n b : ( { c = 1, }, ( ), [ ], { }, )\n// end\n");
    const value *a = value_find(config_root(c), "a"), *b = value_find(config_root(c), "b");
    assert_int_equal(a->kind, VALUE_LIST);
    assert_int_equal(a->n, 3);
    assert_int_equal(a->item[0]->kind, VALUE_INT);
    assert_int_equal(a->item[1]->kind, VALUE_REAL);
    assert_int_equal(a->item[2]->kind, VALUE_STRING);
    assert_int_equal(b->kind, VALUE_LIST);
    assert_int_equal(b->n, 4);
    assert_int_equal(b->item[0]->kind, VALUE_GROUP);
    assert_int_equal(b->item[0]->n, 1);
    assert_int_equal(b->item[1]->kind, VALUE_LIST);
    assert_int_equal(b->item[2]->kind, VALUE_LIST);
    assert_int_equal(b->item[3]->kind, VALUE_GROUP);
    assert_int_equal(b->item[3]->n, 0);
    assert_ptr_equal(b->item[0]->item[0]->parent, b->item[0]);
    assert_ptr_equal(b->item[0]->parent, b);
    assert_ptr_equal(b->parent, config_root(c));
    assert_null(config_root(c)->parent);
    config_free(c);
}

static void test_config_source__an_empty_text_is_an_empty_group(void **state)
{
    (void)state;
    const char *const empty[] = { "", "\n\n", "# nothing", "/* */ // here" };
    for (size_t i = 0; i < 4; i++) {
        config *c = parse(empty[i]);
        assert_int_equal(config_root(c)->kind, VALUE_GROUP);
        assert_int_equal(config_root(c)->n, 0);
        config_free(c);
    }
}

static void test_config_source__knows_the_line_of_every_value(void **state)
{
    (void)state;
    config *c = parse("# one\n"
                      "metrics = ( \"a\",\n"
                      "  \"b\"\n"
                      ");\n"
                      "model = (\n"
                      "  { type =\n"
                      "      \"dense\"; units = 64; },\n"
                      "  /* two\n"
                      "     lines */ { type = \"relu\"; }\n"
                      ");\n");
    const value *metrics = value_find(config_root(c), "metrics");
    const value *model = value_find(config_root(c), "model");
    expect_at(metrics, "t.cfg", 2);
    expect_at(metrics->item[0], "t.cfg", 2);
    expect_at(metrics->item[1], "t.cfg", 3);
    expect_at(model, "t.cfg", 5);
    expect_at(model->item[0], "t.cfg", 6);
    expect_at(value_find(model->item[0], "type"), "t.cfg", 6);
    expect_at(value_find(model->item[0], "units"), "t.cfg", 7);
    expect_at(model->item[1], "t.cfg", 9);
    config_free(c);
}

static void make_tree(const char *leaf)
{
    assert_int_equal(mkdir("exp", 0777), 0);
    assert_int_equal(mkdir("exp/parts", 0777), 0);
    assert_int_equal(mkdir("shared", 0777), 0);
    scratch_write("exp/main.cfg", "a = 1;\n@include \"parts/model.cfg\"\nz = 9;\n");
    scratch_write("exp/parts/model.cfg",
        "# model\nmodel = (\n  @include \"layer.cfg\"\n);\n"
        "@include \"../../shared/train.cfg\" y = 8;");
    scratch_write(
        "exp/parts/layer.cfg", "{ type = \"dense\";\n units = 64; },\n{ type = \"relu\"; }");
    scratch_write("shared/train.cfg", leaf);
}

static void test_config_source__includes_are_relative_to_the_file_that_holds_them(void **state)
{
    (void)state;
    make_tree("\ntrain = {\n epochs = 3; };\n");
    config *c = load("exp/main.cfg");
    const value *r = config_root(c);
    const value *model = value_find(r, "model");
    expect_at(value_find(r, "a"), "exp/main.cfg", 1);
    expect_at(model, "exp/parts/model.cfg", 2);
    assert_int_equal(model->n, 2);
    expect_at(model->item[0], "exp/parts/layer.cfg", 1);
    expect_at(value_find(model->item[0], "units"), "exp/parts/layer.cfg", 2);
    expect_at(model->item[1], "exp/parts/layer.cfg", 3);
    expect_at(value_find(r, "train"), "exp/parts/../../shared/train.cfg", 2);
    expect_at(value_find(value_find(r, "train"), "epochs"), "exp/parts/../../shared/train.cfg", 3);
    expect_at(value_find(r, "y"), "exp/parts/model.cfg", 5);
    expect_at(value_find(r, "z"), "exp/main.cfg", 3);
    assert_string_equal(value_dir(c, value_find(r, "z")), "exp");
    assert_string_equal(value_dir(c, model->item[0]), "exp/parts");
    assert_string_equal(value_dir(c, value_find(r, "train")), "exp/parts/../../shared");
    config_free(c);
}

static void test_config_source__errors_in_includes_name_the_included_file(void **state)
{
    (void)state;
    make_tree("\ntrain = {\n epochs = three; };\n");
    expect_load_error("exp/main.cfg", E_PARSE,
        "exp/parts/../../shared/train.cfg:3: syntax error near \"three\": text is written in "
        "quotes, "
        "\"three\"");
}

static void test_config_source__errors_after_includes_name_the_right_line(void **state)
{
    (void)state;
    scratch_write("a.cfg", "x = 1;\n@include \"b.cfg\"\nw = 3; v = ;\n");
    scratch_write("b.cfg", "y = 1;\n\n\nz = 2;\n\n\n");
    expect_load_error(
        "a.cfg", E_PARSE, "a.cfg:3: syntax error near \";\": expected a value after \"v =\"");
}

static void test_config_source__duplicates_across_files_name_both(void **state)
{
    (void)state;
    scratch_write("a.cfg", "seed = 1;\n\n@include \"b.cfg\"\n");
    scratch_write("b.cfg", "\nseed = 2;\n");
    expect_load_error("a.cfg", E_CONFLICT, "b.cfg:2: \"seed\" is already set at a.cfg:1");
}

static void test_config_source__brackets_left_open_by_an_include_name_it(void **state)
{
    (void)state;
    scratch_write("a.cfg", "@include \"b.cfg\"\nx = 1;\n");
    scratch_write("b.cfg", "\ng = {\n");
    expect_load_error("a.cfg", E_PARSE, "b.cfg:2: the \"{\" here is never closed");
}

static void test_config_source__refuses_include_loops(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0777), 0);
    scratch_write("a.cfg", "x = 1;\n@include \"d/b.cfg\"\n");
    scratch_write("d/b.cfg", "\n@include \"../a.cfg\"\n");
    scratch_write("self.cfg", "@include \"./self.cfg\"\n");
    expect_load_error("a.cfg", E_CONFLICT,
        "d/b.cfg:2: these files include each other: a.cfg -> d/b.cfg -> d/../a.cfg");
    expect_load_error("self.cfg", E_CONFLICT,
        "self.cfg:1: these files include each other: self.cfg -> ./self.cfg");
}

static void test_config_source__a_file_may_be_included_twice(void **state)
{
    (void)state;
    scratch_write("a.cfg", "p = { @include \"b.cfg\" };\nq = { @include \"b.cfg\" };\n");
    scratch_write("b.cfg", "x = 5;");
    config *c = load("a.cfg");
    assert_true(value_equal(value_find(config_root(c), "p"), value_find(config_root(c), "q")));
    expect_at(value_find(value_find(config_root(c), "q"), "x"), "b.cfg", 1);
    config_free(c);
}

static void test_config_source__limits_the_depth_of_includes(void **state)
{
    (void)state;
    char name[32], content[64];
    for (int i = 0; i < 17; i++) {
        snprintf(name, sizeof(name), "f%d.cfg", i);
        snprintf(content, sizeof(content), "@include \"f%d.cfg\"\n", i + 1);
        scratch_write(name, content);
    }
    scratch_write("f17.cfg", "x = 1;\n");
    config_free(load("f1.cfg"));
    expect_load_error("f0.cfg", E_RANGE, "f16.cfg:1: includes nest deeper than 16 files");
}

static void test_config_source__names_files_that_cannot_be_read(void **state)
{
    (void)state;
    expect_load_error("none.cfg", E_IO, "none.cfg: cannot open: No such file or directory");
    expect_load_error(".", E_IO, ".: cannot open: Is a directory");
    scratch_write("a.cfg", "\n\n@include \"gone.cfg\"\n");
    expect_load_error(
        "a.cfg", E_IO, "a.cfg:3: @include: gone.cfg: cannot open: No such file or directory");
}

static void test_config_source__refuses_a_file_that_is_no_text(void **state)
{
    (void)state;
    FILE *f = fopen("a.cfg", "w");
    assert_non_null(f);
    assert_int_equal(fwrite("x = 1;\0y", 1, 8, f), 8);
    assert_int_equal(fclose(f), 0);
    expect_load_error("a.cfg", E_PARSE, "a.cfg: a NUL byte at offset 6: a config is text");
}

static void test_config_source__a_parsed_text_starts_at_the_working_directory(void **state)
{
    (void)state;
    scratch_write("b.cfg", "y = 5;\n");
    config *c = NULL;
    error err = { 0 };
    assert_int_equal(config_parse("else/where.cfg", "x = 1;\n@include \"b.cfg\"", &c, &err), OK);
    expect_at(value_find(config_root(c), "x"), "else/where.cfg", 1);
    expect_at(value_find(config_root(c), "y"), "b.cfg", 1);
    assert_string_equal(value_dir(c, value_find(config_root(c), "x")), ".");
    config_free(c);
}

static int enter(void **state)
{
    static scratch s;
    *state = &s;
    return scratch_enter(&s);
}

static int leave(void **state)
{
    return scratch_leave(*state);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_source__tells_every_bad_text_where_and_why),
        cmocka_unit_test(test_config_source__limits_nesting),
        cmocka_unit_test(test_config_source__keeps_integers_that_libconfig_would_wrap),
        cmocka_unit_test(test_config_source__reads_reals_booleans_and_strings),
        cmocka_unit_test(test_config_source__takes_lists_arrays_mixed_kinds_and_last_commas),
        cmocka_unit_test(test_config_source__an_empty_text_is_an_empty_group),
        cmocka_unit_test(test_config_source__knows_the_line_of_every_value),
        IN_FOLDER(test_config_source__includes_are_relative_to_the_file_that_holds_them),
        IN_FOLDER(test_config_source__errors_in_includes_name_the_included_file),
        IN_FOLDER(test_config_source__errors_after_includes_name_the_right_line),
        IN_FOLDER(test_config_source__duplicates_across_files_name_both),
        IN_FOLDER(test_config_source__brackets_left_open_by_an_include_name_it),
        IN_FOLDER(test_config_source__refuses_include_loops),
        IN_FOLDER(test_config_source__a_file_may_be_included_twice),
        IN_FOLDER(test_config_source__limits_the_depth_of_includes),
        IN_FOLDER(test_config_source__names_files_that_cannot_be_read),
        IN_FOLDER(test_config_source__refuses_a_file_that_is_no_text),
        IN_FOLDER(test_config_source__a_parsed_text_starts_at_the_working_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
