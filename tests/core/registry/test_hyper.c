/* Tables of hyperparameters and their binding: what is taken, what is filled in, and every message.
 */
#include "registry/hyper.h"

#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <math.h>
#include <string.h>
#include <unistd.h>

struct adam {
    double lr, beta1, beta2, limit;
    int64_t steps, nesterov, mode;
    const char *note, *file;
    assay_reals factors;
    assay_ints milestones;
    assay_strings names;
};

static const char *const modes[] = { "mean", "sum", "none" };

static const assay_hyper rows[] = {
    ASSAY_REAL(
        adam, lr, 1e-3, 0, ASSAY_INF, "learning rate", .flags = ASSAY_OPEN_MIN | ASSAY_SCHED),
    ASSAY_REAL(adam, beta1, 0.9, 0, 1, "first moment", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adam, beta2, 0.999, 0, 1, "second moment", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adam, limit, ASSAY_INF, 0, ASSAY_INF, "largest norm"),
    ASSAY_INT(adam, steps, 10, 1, ASSAY_INF, "how many"),
    ASSAY_BOOL(adam, nesterov, 1, "look ahead", .flags = ASSAY_DEPRECATED),
    ASSAY_ENUM(adam, mode, 1, modes, "how to reduce"),
    ASSAY_STRING(adam, note, "a note", "anything"),
    ASSAY_STRING(adam, file, NULL, "a file", .flags = ASSAY_PATH),
    ASSAY_REALS(adam, factors, " 0.5  0.25 ", 0, 1, "factors"),
    ASSAY_INTS(adam, milestones, "", 1, 1000, "when"),
    ASSAY_STRINGS(adam, names, "a b", "names"),
};

static const hyper_table table = { rows, sizeof rows / sizeof rows[0], sizeof rows[0],
    sizeof(struct adam) };

static const char *const reserved[] = { "type", "match", NULL };

static const hyper_bind_options options = { .what = "optimizer \"adam\"", .reserved = reserved };

/* Binds `source`, a group's content after two lines. */
static status bind(plugin_fixture *f, const char *source, struct adam *out)
{
    text t;
    text_init(&t);
    text_printf(&t, "seed = 1;\noptimizer = {\n%s\n};\n", source);
    fixture_parse(f, t.s);
    text_release(&t);
    return hyper_bind(
        f->c, value_find(config_root(f->c), "optimizer"), &table, &options, out, NULL, &f->err);
}

static void test_bind__defaults_go_into_struct_and_tree(void **state)
{
    (void)state;
    plugin_fixture f;
    struct adam h;
    fixture_init(&f);
    assert_int_equal(bind(&f, "type = \"adam\"; lr = 2;", &h), OK);
    assert_true(h.lr == 2 && h.beta1 == 0.9 && h.beta2 == 0.999 && isinf(h.limit));
    assert_true(h.steps == 10 && h.nesterov == 1 && h.mode == 1);
    assert_string_equal(h.note, "a note");
    assert_null(h.file);
    assert_int_equal(h.factors.n, 2);
    assert_true(h.factors.item[0] == 0.5 && h.factors.item[1] == 0.25);
    assert_int_equal(h.milestones.n, 0);
    assert_int_equal(h.names.n, 2);
    assert_string_equal(h.names.item[1], "b");
    const value *group = value_find(config_root(f.c), "optimizer");
    assert_false(value_find(group, "lr")->is_default);
    assert_true(value_find(group, "beta1")->is_default);
    assert_true(value_find(group, "beta1")->as.real == 0.9);
    assert_string_equal(value_find(group, "mode")->as.string, "sum");
    assert_int_equal(value_find(group, "factors")->n, 2);
    assert_int_equal(value_find(group, "milestones")->n, 0);
    assert_true(value_find(group, "nesterov")->as.boolean);
    assert_null(value_find(group, "file")); /* there is no default to write */
    fixture_release(&f);
}

static void test_bind__the_resolved_tree_binds_to_the_same(void **state)
{
    (void)state;
    plugin_fixture f;
    struct adam first, second;
    text t;
    fixture_init(&f);
    assert_int_equal(bind(&f, "lr = 0.1; beta1 = 0.77; mode = \"none\"; steps = 7;", &first), OK);
    text_init(&t);
    assert_int_equal(config_to_text(f.c, &t, &f.err), OK);
    fixture_parse(&f, t.s);
    text_release(&t);
    assert_int_equal(hyper_bind(f.c, value_find(config_root(f.c), "optimizer"), &table, &options,
                         &second, NULL, &f.err),
        OK);
    assert_memory_equal(&first, &second, offsetof(struct adam, note));
    assert_int_equal(second.factors.n, 2);
    assert_true(second.factors.item[1] == 0.25);
    fixture_release(&f);
}

static void test_bind__values_of_each_type(void **state)
{
    (void)state;
    plugin_fixture f;
    struct adam h;
    fixture_init(&f);
    assert_int_equal(bind(&f,
                         "beta1 = 0; steps = 3000000000L; nesterov = false; mode = \"mean\";\n"
                         "note = \"\"; factors = [ 1.0, 0.0 ]; milestones = ( 30, 60 );\n"
                         "names = ( \"x\" ); limit = \"inf\"; match = \"role:bias\";",
                         &h),
        OK);
    assert_true(h.beta1 == 0 && h.steps == 3000000000 && h.nesterov == 0 && h.mode == 0);
    assert_string_equal(h.note, "");
    assert_true(h.factors.n == 2 && h.factors.item[0] == 1);
    assert_true(h.milestones.n == 2 && h.milestones.item[1] == 60);
    assert_true(h.names.n == 1 && strcmp(h.names.item[0], "x") == 0);
    fixture_release(&f);
}

static void test_bind__paths_become_absolute_in_the_tree_too(void **state)
{
    (void)state;
    plugin_fixture f;
    struct adam h;
    fixture_init(&f);
    fixture_load(&f, "optimizer = { file = \"data/../x.csv\"; note = \"data/x\"; };");
    value *group = value_find(config_root(f.c), "optimizer");
    assert_int_equal(hyper_bind(f.c, group, &table, &options, &h, NULL, &f.err), OK);
    assert_string_equal(h.file, fixture_path(&f, "x.csv"));
    assert_string_equal(value_find(group, "file")->as.string, h.file);
    assert_string_equal(h.note, "data/x");
    fixture_release(&f);
}

/* What the user writes, and what they are told. */
static const struct bad_input {
    const char *source;
    status st;
    const char *message;
} bad_inputs[] = {
    { "beta = 0.5;", E_UNKNOWN, "unknown hyperparameter \"beta\": did you mean \"beta1\"?" },
    { "mach = \"x\";", E_UNKNOWN, "unknown hyperparameter \"mach\": did you mean \"match\"?" },
    { "warmup_fraction = 1;", E_UNKNOWN,
        "unknown hyperparameter \"warmup_fraction\": known are lr, beta1, beta2, limit, steps, "
        "nesterov, mode, note, file, factors, milestones, names" },
    { "lr = -1;", E_RANGE, "lr: expected a real number in (0, inf), found -1" },
    { "lr = 0.0;", E_RANGE, "lr: expected a real number in (0, inf), found 0.0" },
    { "lr = \"inf\";", E_RANGE, "lr: expected a real number in (0, inf), found \"inf\"" },
    { "lr = \"nan\";", E_RANGE, "lr: expected a real number in (0, inf), found \"nan\"" },
    { "lr = \"fast\";", E_TYPE, "lr: expected a real number in (0, inf), found \"fast\"" },
    { "lr = true;", E_TYPE, "lr: expected a real number in (0, inf), found true" },
    { "beta1 = 1.0;", E_RANGE, "beta1: expected a real number in [0, 1), found 1.0" },
    { "beta1 = { a = 1; };", E_TYPE, "beta1: expected a real number in [0, 1), found a group" },
    { "limit = -0.5;", E_RANGE, "limit: expected a real number in [0, inf], found -0.5" },
    { "steps = 3.0;", E_TYPE, "steps: expected a whole number in [1, inf), found 3.0" },
    { "steps = 0;", E_RANGE, "steps: expected a whole number in [1, inf), found 0" },
    { "steps = \"all\";", E_TYPE, "steps: expected a whole number in [1, inf), found \"all\"" },
    { "nesterov = 1;", E_TYPE, "nesterov: expected true or false, found 1" },
    { "mode = \"men\";", E_UNKNOWN,
        "mode: expected one of mean | sum | none, found \"men\": did you mean \"mean\"?" },
    { "mode = \"quantile\";", E_UNKNOWN,
        "mode: expected one of mean | sum | none, found \"quantile\"" },
    { "mode = 1;", E_TYPE, "mode: expected one of mean | sum | none, found 1" },
    { "note = 3;", E_TYPE, "note: expected a string, found 3" },
    { "file = ( \"x\" );", E_TYPE, "file: expected a path in quotes, found a list" },
    { "factors = 0.5;", E_TYPE, "factors: expected a list of real numbers, found 0.5" },
    { "factors = ( 0.5, 1.5 );", E_RANGE,
        "factors[1]: expected a real number in [0, 1], found 1.5" },
    { "milestones = ( 0 );", E_RANGE,
        "milestones[0]: expected a whole number in [1, 1000], found 0" },
    { "milestones = ( 1, 2.5 );", E_TYPE,
        "milestones[1]: expected a whole number in [1, 1000], found 2.5" },
    { "names = ( 1 );", E_TYPE, "names[0]: expected a string, found 1" },
    { "names = \"x\";", E_TYPE, "names: expected a list of strings, found \"x\"" },
};

static void test_bind__each_bad_input_has_its_message(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof bad_inputs / sizeof bad_inputs[0]; i++) {
        const struct bad_input *bad = &bad_inputs[i];
        struct adam h;
        text expected;
        text_init(&expected);
        text_printf(&expected, "x.cfg:3: optimizer \"adam\": %s", bad->message);
        const status st = bind(&f, bad->source, &h);
        if (st != bad->st || strcmp(f.err.text, expected.s) != 0) {
            GIVE_UP("%s\n  expected %s\n  got      %s (%s)", bad->source, expected.s, f.err.text,
                status_name(st));
        }
        text_release(&expected);
    }
    fixture_release(&f);
}

struct block {
    double rate;
};

static void test_bind__required_and_words_of_the_hosts_own_blocks(void **state)
{
    (void)state;
    static const assay_hyper own[] = {
        ASSAY_REAL(block, rate, 0, 0, 1, "how much is dropped", .flags = ASSAY_REQUIRED),
    };
    const hyper_table t = HYPER_TABLE(block, own);
    const hyper_bind_options o = { .what = "train", .noun = "setting" };
    plugin_fixture f;
    struct block h;
    fixture_init(&f);
    fixture_parse(&f, "\ntrain = { };");
    value *group = value_find(config_root(f.c), "train");
    assert_int_equal(hyper_bind(f.c, group, &t, &o, &h, NULL, &f.err), E_MISSING);
    assert_string_equal(f.err.text, "x.cfg:2: train: \"rate\" is required: how much is dropped");
    fixture_parse(&f, "train = { rat = 0.5; };");
    group = value_find(config_root(f.c), "train");
    assert_int_equal(hyper_bind(f.c, group, &t, &o, &h, NULL, &f.err), E_UNKNOWN);
    assert_string_equal(
        f.err.text, "x.cfg:1: train: unknown setting \"rat\": did you mean \"rate\"?");
    const hyper_table none = { NULL, 0, sizeof(assay_hyper), 0 };
    assert_int_equal(hyper_bind(f.c, group, &none, &o, &h, NULL, &f.err), E_UNKNOWN);
    assert_string_equal(f.err.text, "x.cfg:1: train: unknown setting \"rat\": it has none");
    fixture_release(&f);
}

static void test_table__walks_by_stride(void **state)
{
    (void)state;
    struct wide {
        assay_hyper row;
        uint64_t later[3];
    };
    static const struct wide wide[] = {
        { ASSAY_REAL(adam, lr, 1e-3, 0, 1, "learning rate"), { 1, 2, 3 } },
        { ASSAY_REAL(adam, beta1, 0.9, 0, 1, "first moment"), { 4, 5, 6 } },
    };
    const hyper_table t = { &wide[0].row, 2, sizeof wide[0], sizeof(struct adam) };
    assert_string_equal(hyper_row(&t, 1)->name, "beta1");
    assert_ptr_equal(hyper_find(&t, "beta1"), &wide[1].row);
    assert_null(hyper_find(&t, "beta2"));
    assert_int_equal(hyper_table_check(&t, "x", NULL), OK);
}

static void test_table_check__accepts_ours_and_names_what(void **state)
{
    (void)state;
    error err;
    assert_int_equal(hyper_table_check(&table, "optimizer \"adam\"", &err), OK);
    static const assay_hyper bad[] = { ASSAY_INT(adam, steps, 0.5, 0, 10, "a count") };
    const hyper_table t = HYPER_TABLE(adam, bad);
    assert_int_equal(hyper_table_check(&t, "optimizer \"adam\"", &err), E_TYPE);
    assert_string_equal(err.text,
        "optimizer \"adam\": hyperparameter \"steps\": its default is not a whole number");
}

/* One wrong row each. */
static void test_table_check__finds_what_is_wrong(void **state)
{
    (void)state;
    static const char *const twice[] = { "a", "b", "a" };
    static const char *const empty[] = { "a", "" };
    static const struct {
        assay_hyper row;
        const char *message;
    } bad[] = {
        { { .type = ASSAY_TYPE_BOOL, .doc = "d" }, "hyperparameter 0 has no name" },
        { { .name = "Lr", .type = ASSAY_TYPE_BOOL, .doc = "d" },
            "hyperparameter \"Lr\": its name is not a lower-case letter followed by lower-case "
            "letters, digits and underscores" },
        { { .name = "type", .type = ASSAY_TYPE_BOOL, .doc = "d" },
            "hyperparameter \"type\" is a key of assay's own in every block: give it another "
            "name" },
        { { .name = "x", .type = ASSAY_TYPE_BOOL }, "hyperparameter \"x\" has no doc" },
        { { .name = "x", .type = ASSAY_TYPE_BOOL, .doc = "d", .offset = 4 },
            "hyperparameter \"x\": its offset 4 is not a multiple of 8: REAL wants a "
            "double, INT, BOOL and ENUM an int64_t" },
        { { .name = "x", .type = ASSAY_TYPE_BOOL, .doc = "d", .def = 2 },
            "hyperparameter \"x\": its default is neither 0 nor 1" },
        { { .name = "x", .type = ASSAY_TYPE_ENUM, .doc = "d" },
            "hyperparameter \"x\": it has no choices" },
        { { .name = "x", .type = ASSAY_TYPE_ENUM, .doc = "d", .choices = twice, .n_choices = 3 },
            "hyperparameter \"x\": choice \"a\" is there twice" },
        { { .name = "x", .type = ASSAY_TYPE_ENUM, .doc = "d", .choices = empty, .n_choices = 2 },
            "hyperparameter \"x\": choice 1 is empty" },
        { { .name = "x", .type = ASSAY_TYPE_REALS, .doc = "d", .max = 1, .def_string = "0.5 no" },
            "hyperparameter \"x\": default item \"no\" is not a real number" },
        { { .name = "x", .type = ASSAY_TYPE_INTS, .doc = "d", .max = 9, .def_string = "1 2.5" },
            "hyperparameter \"x\": default item \"2.5\" is not a whole number" },
        { { .name = "x", .type = ASSAY_TYPE_INTS, .doc = "d", .max = 9, .def_string = "1 10" },
            "hyperparameter \"x\": default item \"10\" is outside its valid range" },
        { { .name = "x", .type = ASSAY_TYPE_COMPONENT, .doc = "d" },
            "hyperparameter \"x\": \"\" is no kind of components" },
        { { .name = "x", .type = ASSAY_TYPE_INT, .doc = "d", .max = 9, .flags = ASSAY_SCHED },
            "hyperparameter \"x\": a schedule can only drive a real" },
        { { .name = "x", .type = ASSAY_TYPE_BOOL, .doc = "d", .flags = ASSAY_PATH },
            "hyperparameter \"x\": only a string can be a path" },
        { { .name = "x",
              .type = ASSAY_TYPE_REAL,
              .doc = "d",
              .max = 9,
              .tune_max = 1,
              .flags = ASSAY_TUNE | ASSAY_LOG },
            "hyperparameter \"x\": a search on a logarithmic scale cannot start at 0" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error err = { 0 };
        const hyper_table t = { &bad[i].row, 1, sizeof(assay_hyper), 16 };
        assert_int_not_equal(hyper_table_check(&t, NULL, &err), OK);
        assert_string_equal(err.text, bad[i].message);
    }
}

static const char *texts(const assay_hyper *row)
{
    static char out[256];
    text t;
    text_init(&t);
    hyper_type_text(row, &t);
    text_add(&t, "; ");
    hyper_default_text(row, &t);
    text_add(&t, "; ");
    hyper_range_text(row, &t);
    strcpy(out, t.s);
    text_release(&t);
    return out;
}

static void test_texts__say_type_default_and_range(void **state)
{
    (void)state;
    static const char *const expected[] = { "real; 0.001; (0, inf)", "real; 0.9; [0, 1)",
        "real; 0.999; [0, 1)", "real; inf; [0, inf]", "whole number; 10; [1, inf)",
        "true or false; true; ", "one of mean | sum | none; sum; ", "string; \"a note\"; ",
        "path; none; ", "list of reals; [0.5, 0.25]; [0, 1]",
        "list of whole numbers; []; [1, 1000]", "list of strings; [a, b]; " };
    for (size_t i = 0; i < table.n; i++)
        assert_string_equal(texts(&rows[i]), expected[i]);
    const assay_hyper inner = { .name = "x", .type = ASSAY_TYPE_COMPONENT, .kind = "optimizer" };
    assert_string_equal(texts(&inner), "component (optimizer); none; ");
    const assay_hyper needed = { .name = "x", .type = ASSAY_TYPE_STRING, .flags = ASSAY_REQUIRED };
    assert_string_equal(texts(&needed), "string; required; ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind__defaults_go_into_struct_and_tree),
        cmocka_unit_test(test_bind__the_resolved_tree_binds_to_the_same),
        cmocka_unit_test(test_bind__values_of_each_type),
        cmocka_unit_test(test_bind__paths_become_absolute_in_the_tree_too),
        cmocka_unit_test(test_bind__each_bad_input_has_its_message),
        cmocka_unit_test(test_bind__required_and_words_of_the_hosts_own_blocks),
        cmocka_unit_test(test_table__walks_by_stride),
        cmocka_unit_test(test_table_check__accepts_ours_and_names_what),
        cmocka_unit_test(test_table_check__finds_what_is_wrong),
        cmocka_unit_test(test_texts__say_type_default_and_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
