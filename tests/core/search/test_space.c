/* Search spaces: how they are read, what their points mean, how points are repaired and told apart. */
#include "search/space.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

typedef struct scene {
    space s;
    config *c;
    error err;
} scene;

static int setup(void **state)
{
    scene *t = calloc(1, sizeof *t);
    space_init(&t->s);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    scene *t = *state;
    space_release(&t->s);
    config_free(t->c);
    free(t);
    return 0;
}

static status add(scene *t, const char *written)
{
    return space_add_text(&t->s, written, &(origin){ "command line", 0 }, &t->err);
}

static status block(scene *t, const char *written)
{
    config_free(t->c);
    t->c = NULL;
    assert_int_equal(config_parse("x.cfg", written, &t->c, &t->err), OK);
    return space_add_block(&t->s, value_find(config_root(t->c), "search"), NULL, &t->err);
}

static void expect(scene *t, status found, status code, const char *part)
{
    assert_int_equal(found, code);
    if (!strstr(t->err.text, part)) print_error("%s\n", t->err.text);
    assert_non_null(strstr(t->err.text, part));
}

static const char *const mixed =
    "optimizer.type=sgd,adam optimizer.lr=1e-4..1e-1:log:prior=1e-3/0.5 "
    "optimizer.momentum=0..0.99?optimizer.type=sgd "
    "data.batch_size=1..256:log2int train.epochs=3..17:step=7 "
    "bias=true,false";

static void test_compact__reads_every_kind_of_dimension(void **state)
{
    scene *t = *state;
    assert_int_equal(add(t, mixed), OK);
    const assay_dimension *d = t->s.dimensions;
    assert_int_equal(t->s.n, 6);
    assert_int_equal(d[0].type, ASSAY_SPACE_CATEGORY);
    assert_string_equal(d[0].choices[1], "adam");
    assert_int_equal(d[1].type, ASSAY_SPACE_REAL);
    assert_int_equal(d[1].log, 1);
    assert_true(
        fabs(d[1].prior_mean - log(1e-3)) < 1e-12 && fabs(d[1].prior_sd - 0.5 * log(10)) < 1e-12);
    assert_int_equal(d[2].parent, 0);
    assert_int_equal(d[2].parent_choices, 1);
    assert_int_equal(d[3].n_choices, 9);
    assert_int_equal(d[3].ordered, 1);
    assert_string_equal(d[3].choices[8], "256");
    assert_int_equal(d[4].type, ASSAY_SPACE_INT);
    assert_true(d[4].step == 7);
    assert_int_equal(d[5].ordered, 0);
}

static void test_block__says_the_same_as_compact(void **state)
{
    scene *t = *state;
    char compact[33], own[33];
    assert_int_equal(add(t, mixed), OK);
    assert_int_equal(space_id(&t->s, compact, &t->err), OK);
    space_release(&t->s);
    assert_int_equal(
        block(t,
            "search = { optimizer = { type = [\"sgd\", \"adam\"]; lr = { low = 1e-4; high = 1e-1; "
            "log = true; prior = [1e-3, 0.5]; }; momentum = { low = 0.0; high = 0.99; if = \"type "
            "= sgd\"; }; }; data = { batch_size = \"1..256 : log2int\"; }; train = { epochs = { "
            "low = 3; high = 17; step = 7; }; }; b = { name = \"bias\"; choices = [true, false]; "
            "}; };"),
        OK);
    assert_int_equal(space_id(&t->s, own, &t->err), OK);
    assert_string_equal(own, compact);
}

static void test_two_numbers__are_a_range_and_three_are_choices(void **state)
{
    scene *t = *state;
    assert_int_equal(
        block(t, "search = { a = [2, 9]; b = [2, 9.5]; c = [2, 9, 31]; d = [\"x\", \"y\"]; };"),
        OK);
    assert_int_equal(t->s.dimensions[0].type, ASSAY_SPACE_INT);
    assert_int_equal(t->s.dimensions[1].type, ASSAY_SPACE_REAL);
    assert_int_equal(t->s.dimensions[2].ordered, 1);
    assert_int_equal(t->s.dimensions[3].ordered, 0);
}

static void test_errors__name_place_and_way_out(void **state)
{
    static const struct {
        const char *written;
        status code;
        const char *part;
    } bad[] = {
        { "search = {\n lr = [3, 1]; };", E_RANGE, "x.cfg:2: search space: lr: expected low <=" },
        { "search = {\n\n lr = 3; };", E_TYPE, "x.cfg:3: search space: lr: expected a range" },
        { "search = { lr = { low = 0; high = 1; log = true; }; };", E_RANGE, "above 0" },
        { "search = { lr = { low = 1; hihg = 2; }; };", E_UNKNOWN, "did you mean \"high\"?" },
        { "search = { lr = { low = 1; }; };", E_MISSING, "both low and high" },
        { "search = { lr = { low = 1; high = 3; step = 0; }; };", E_TYPE, "step above 0" },
        { "search = { lr = { low = 1; high = 2; type = \"integer\"; }; };", E_TYPE, "\"int\"" },
        { "search = { a = [\"x\", \"x\"]; };", E_CONFLICT, "there twice" },
        { "search = { a = [\"x\"]; b = { low = 1; high = 2; if = \"aa = x\"; }; };", E_UNKNOWN,
            "did you mean \"a\"?" },
        { "search = { a = [\"sgd\"]; b = { low = 1; high = 2; if = \"a = sdg\"; }; };", E_UNKNOWN,
            "did you mean \"sgd\"?" },
        { "search = { a = \"1..2:lgo\"; };", E_UNKNOWN, "did you mean \":log\"?" },
        { "search = { a = \"1..x\"; };", E_PARSE, "expected a number, found \"x\"" },
        { "search = { a = \"0...1\"; };", E_PARSE, "with two dots, found \"0...1\"" },
        { "search = { a = \"0.5..2:int\"; };", E_TYPE, "whole numbers need" },
        { "search = { a = \"5..7:log2int\"; };", E_RANGE, "no power of two" },
        { "search = { a = \"1..2:prior=1\"; };", E_PARSE, "prior=MEAN" },
        { "search = { a = \"1..2:prior=1/0\"; };", E_RANGE, "deviation above 0" },
        { "search = \"a=1..2 b\";", E_PARSE, "found \"b\"" },
        { "search = \"a=1..2 a=3..4\";", E_CONFLICT, "a: it is there twice" },
        { "search = ( 3 );", E_TYPE, "expected a text" },
        { "search = 3;", E_TYPE, "expected a group" },
        { "search = { a = \"x,,y\"; };", E_PARSE, "empty" },
    };
    scene *t = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect(t, block(t, bad[i].written), bad[i].code, bad[i].part);
        space_release(&t->s);
    }
}

static void test_repair__clips_rounds_and_clears(void **state)
{
    scene *t = *state;
    assert_int_equal(add(t, mixed), OK);
    double x[6] = { 1.3, 7.31, 0.5, -2, 11.2, 0.49 };
    assert_true(space_repair(&t->s, x));
    assert_true(x[0] == 1 && x[1] == 0.1 && isnan(x[2]) && x[3] == 0 && x[4] == 10 && x[5] == 0);
    assert_false(space_repair(&t->s, x));
    double y[6] = { 0, NAN, NAN, 4, 900, 1 };
    assert_true(space_repair(&t->s, y));
    assert_true(fabs(y[1] - sqrt(1e-5)) < 1e-12 && fabs(y[2] - 0.495) < 1e-12 && y[4] == 17);
}

static void test_count__adds_branches_and_multiplies_the_rest(void **state)
{
    scene *t = *state;
    assert_int_equal(add(t, "a=x,y,z b=1..5?a=x c=p,q?a=x,y d=1..3?c=q e=0..1:step=0.25"), OK);
    /* x: 5 (1 + 3); y: 1 + 3; z: 1; times 5 */
    assert_true(space_count(&t->s) == 5 * (20 + 4 + 1));
    assert_int_equal(add(t, "f=0.5..2.5"), OK);
    assert_true(isinf(space_count(&t->s)));
}

static void test_overrides__are_what_a_config_reads(void **state)
{
    scene *t = *state;
    text o = { 0 };
    const double x[6] = { 0, 0.00731, 0.25, 5, 10, 1 };
    const char *choice;
    double v;
    assert_int_equal(add(t, mixed), OK);
    assert_int_equal(
        config_parse(
            "x.cfg", "optimizer = { type = \"adam\"; }; data = {}; train = {};", &t->c, &t->err),
        OK);
    assert_int_equal(space_apply(&t->s, x, t->c, &t->err), OK);
    const value *optimizer = value_find(config_root(t->c), "optimizer");
    assert_int_equal(value_to_string(value_find(optimizer, "type"), &choice, &t->err), OK);
    assert_string_equal(choice, "sgd");
    assert_int_equal(value_to_real(value_find(optimizer, "lr"), &v, &t->err), OK);
    assert_true(v == 0.00731);
    space_override(&t->s, 3, x[3], &o);
    assert_string_equal(o.s, "data.batch_size=32");
    text_release(&o);
}

static void read_point(scene *t, const char *written, status code, const char *part, double *x)
{
    char strings[400];
    json_in j = { .what = "point", .s = written, .n = strlen(written), .strings = strings };
    const status st = space_point_from_json(&t->s, &j, x, &t->err);
    if (code == OK) {
        assert_int_equal(st, OK);
    } else {
        expect(t, st, code, part);
    }
}

static void test_json__goes_there_and_back(void **state)
{
    scene *t = *state;
    text out = { 0 };
    json j;
    double back[6];
    const double x[6] = { 1, 0.00731, NAN, 5, 17, 1 };
    assert_int_equal(add(t, mixed), OK);
    json_init(&j, &out);
    space_point_to_json(&t->s, x, &j);
    assert_string_equal(out.s,
        "{\"optimizer.type\": \"adam\", \"optimizer.lr\": 0.00731, \"data.batch_size\": 32, "
        "\"train.epochs\": 17, \"bias\": false}");
    read_point(t, out.s, OK, NULL, back);
    for (size_t i = 0; i < 6; i++)
        assert_true(x[i] == back[i] || (isnan(x[i]) && isnan(back[i])));
    text_release(&out);
}

static void test_json__refuses_what_is_no_point(void **state)
{
    scene *t = *state;
    double x[3];
    assert_int_equal(add(t, "type=sgd,adam lr=0.5..2.5 momentum=1..9:step=4?type=sgd"), OK);
    read_point(t, "{\"type\": \"adam\", \"lr\": 2.6}", E_RANGE, "lr: expected a value in", x);
    read_point(t, "{\"type\": \"adma\", \"lr\": 1}", E_RANGE, "did you mean \"adam\"?", x);
    read_point(t, "{\"type\": 3, \"lr\": 1}", E_RANGE, "found 3", x);
    read_point(t, "{\"typ\": \"adam\"}", E_UNKNOWN, "did you mean \"type\"?", x);
    read_point(t, "{\"type\": \"adam\"}", E_MISSING, "lr is missing", x);
    read_point(t, "{\"lr\": 1, \"lr\": 1}", E_CONFLICT, "lr is there twice", x);
    read_point(t, "{\"type\": \"adam\", \"lr\": 1, \"momentum\": 5}", E_CONFLICT,
        "no meaning with this choice of type", x);
    read_point(
        t, "{\"type\": \"sgd\", \"lr\": 1, \"momentum\": 6}", E_RANGE, "none of its values", x);
}

static void test_ids__are_of_points_and_of_spaces(void **state)
{
    scene *t = *state;
    char a[33], b[33];
    assert_int_equal(add(t, "type=sgd,adam lr=-0.5..2.5?type=sgd"), OK);
    space_point_id(&t->s, (const double[]){ 1, NAN }, a);
    space_point_id(&t->s, (const double[]){ 1, -(double)NAN }, b);
    assert_string_equal(a, b);
    space_point_id(&t->s, (const double[]){ 0, -0.0 }, a);
    space_point_id(&t->s, (const double[]){ 0, 0.0 }, b);
    assert_string_equal(a, b);
    space_point_id(&t->s, (const double[]){ 0, 1e-300 }, b);
    assert_string_not_equal(a, b);
    assert_int_equal(space_id(&t->s, a, &t->err), OK);
    assert_int_equal(add(t, "more=1..2"), OK);
    assert_int_equal(space_id(&t->s, b, &t->err), OK);
    assert_string_not_equal(a, b);
}

struct tuned {
    double lr;
    int64_t n, flag, way, other;
};

static void test_hypers__give_the_default_space(void **state)
{
    static const char *const ways[] = { "up", "down" };
    static const assay_hyper rows[] = {
        ASSAY_LR(tuned, 1e-3, 1e-5, 1e-2),
        ASSAY_INT(tuned, n, 3, 1, 9, "n", .flags = ASSAY_TUNE, .tune_min = 2, .tune_max = 7),
        ASSAY_BOOL(tuned, flag, 0, "flag", .flags = ASSAY_TUNE),
        ASSAY_ENUM(tuned, way, 0, ways, "way"),
        ASSAY_INT(tuned, other, 3, 1, 9, "not searched"),
    };
    const hyper_table table = HYPER_TABLE(tuned, rows);
    scene *t = *state;
    assert_int_equal(space_add_hypers(&t->s, &table, "optimizer", &t->err), OK);
    assert_int_equal(t->s.n, 3);
    assert_string_equal(t->s.dimensions[0].name, "optimizer.lr");
    assert_int_equal(t->s.dimensions[0].log, 1);
    assert_true(t->s.dimensions[0].low == 1e-5 && t->s.dimensions[1].high == 7);
    assert_int_equal(t->s.dimensions[1].type, ASSAY_SPACE_INT);
    assert_string_equal(t->s.written[2][1], "true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        ROW(test_compact__reads_every_kind_of_dimension),
        ROW(test_block__says_the_same_as_compact),
        ROW(test_two_numbers__are_a_range_and_three_are_choices),
        ROW(test_errors__name_place_and_way_out),
        ROW(test_repair__clips_rounds_and_clears),
        ROW(test_count__adds_branches_and_multiplies_the_rest),
        ROW(test_overrides__are_what_a_config_reads),
        ROW(test_json__goes_there_and_back),
        ROW(test_json__refuses_what_is_no_point),
        ROW(test_ids__are_of_points_and_of_spaces),
        ROW(test_hypers__give_the_default_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
