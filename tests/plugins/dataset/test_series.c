/* The series dataset: real series, windows that share their steps, and every complaint. */
#include "core/data/fixture.h"

#include <math.h>

#define SERIES(file, more) "type = \"series\"; file = \"$/" file "\"; " more
#define AIRLINE(more) "type = \"series\"; file = \"#/series/airline-passengers.csv\"; " more

static const assay_data *open_view(void **state, const char *inside)
{
    return dataset_view(fixture_open(*state, inside));
}

static const float *x_of(const assay_data *v)
{
    return v->x;
}

static void test_series__airline_passengers(void **state)
{
    NEEDS_SHARED("series/airline-passengers.csv");
    const assay_data *v = open_view(state, AIRLINE("history = 12;"));
    assert_int_equal(v->n_samples, 144 - 12);
    assert_int_equal(v->x_shape.dim[0], 1); /* the month is text */
    assert_string_equal(v->feature_names[0], "Passengers");
    assert_string_equal(v->target_names[0], "Passengers");
    assert_true(x_of(v)[0] == 112 && x_of(v)[143] == 432);
    assert_true(v->targets[0] == 115 && v->targets[131] == 432);
    assert_int_equal(v->target, ASSAY_TARGET_REAL);
    assert_int_equal(v->target_per_step, 0);
    v = open_view(state, AIRLINE("history = 12; transform = \"log\";"));
    assert_true(x_of(v)[0] == (float)log(112) && v->targets[131] == (float)log(432));
}

static void test_series__etth1_has_seven_columns_and_its_target(void **state)
{
    NEEDS_SHARED("series/ETTh1.csv");
    const dataset *d = fixture_open(*state,
        "type = \"series\"; file = \"#/series/ETTh1.csv\"; index = \"date\"; target = \"OT\"; "
        "history "
        "= 96; horizon = 24; split = { method = \"time\"; validation = 2880; test = 2880; };");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 17420 - 96 - 24 + 1);
    assert_int_equal(v->x_shape.dim[0], 7);
    assert_int_equal(dataset_max_time(d), 96);
    assert_true(x_of(v)[6] == 30.5309998f); /* OT of the first hour */
    assert_true(v->targets[0] == x_of(v)[(96 - 1 + 24) * 7 + 6]);
    assert_true(v->targets[v->n_samples - 1] == x_of(v)[17419 * 7 + 6]);
}

static void test_series__windows_share_one_array(void **state)
{
    fixture_write(*state, "s.csv",
        "t,a,b\n1,10,0.5\n2,20,1.5\n3,30,2.5\n4,40,3.5\n5,50,4.5\n6,60,5.5\n7,70,6.5\n");
    const assay_data *v = open_view(state,
        SERIES("s.csv", "index = \"t\"; history = 3; horizon = 2; stride = 2; target = \"b\";"));
    static const uint64_t first[] = { 0, 2 }, steps[] = { 3, 3 };
    assert_int_equal(v->n_samples, 2); /* rows 0-2 and 4, 2-4 and 6 */
    assert_memory_equal(v->first_step, first, sizeof(first));
    assert_memory_equal(v->n_steps, steps, sizeof(steps));
    assert_true(v->targets[0] == 4.5f && v->targets[1] == 6.5f);
    assert_int_equal(v->x_stride, 2 * sizeof(float));
    assert_int_equal(v->x_writable, 1);
    assert_true(x_of(v)[2 * 2] == 30 && x_of(v)[2 * 2 + 1] == 2.5f);
    assert_int_equal(v->n_files, 1);
    v = open_view(state, SERIES("s.csv", "history = 6; columns = ( \"b\", \"0\", \"a\" ); "));
    assert_int_equal(v->n_samples, 1);
}

static void test_series__columns_come_in_their_order(void **state)
{
    fixture_write(*state, "n.csv", "1;10;0.5\r\n2;20;1.5\r\n3;30;2.5");
    const assay_data *v = open_view(
        state, SERIES("n.csv", "separator = \";\"; columns = ( \"2\", \"0\" ); history = 2;"));
    assert_string_equal(v->feature_names[0], "2"); /* there is no header */
    assert_string_equal(v->feature_names[1], "0");
    assert_true(x_of(v)[0] == 0.5f && x_of(v)[1] == 1 && v->targets[0] == 2.5f);
    v = open_view(state,
        SERIES(
            "n.csv", "separator = \"auto\"; columns = ( \"0\" ); target = \"last\"; history = 1;"));
    assert_int_equal(v->n_samples, 2); /* a target that is not seen */
    assert_true(v->targets[0] == 1.5f && v->targets[1] == 2.5f);
}

static void test_series__gaps_get_the_training_parts_mean(void **state)
{
    fixture_write(*state, "s.csv", "a,b\n1,10\n2,?\n4,30\n5,40\n6,\n");
    const assay_data *v = open_view(state,
        SERIES(
            "s.csv", "history = 2; missing = \"mean\"; split = { method = \"time\"; test = 1; };"));
    assert_int_equal(v->n_samples, 3);
    assert_true(v->targets[0] == 4 && v->targets[2] == 6);
    /* the windows that are trained on see the rows 0 to 2: 10 and 30 */
    assert_near(x_of(v)[3], 20, 1e-5);
    fixture_refuse(*state, SERIES("s.csv", "history = 2;"), E_PARSE,
        "file: s.csv:3: column \"b\": a missing value: set missing to \"mean\", or leave the "
        "column out");
    fixture_refuse(*state, SERIES("s.csv", "history = 2; missing = \"mean\"; target = \"b\";"),
        E_PARSE,
        "file: s.csv:6: column \"b\": a missing value, and no mean for it as it is the target");
    /* what is no target may be missing: here the second row */
    v = open_view(state,
        SERIES("s.csv",
            "history = 2; missing = \"mean\"; target = \"b\"; stride = 2; columns = ( "
            "\"b\" ); horizon = 2;"));
    assert_int_equal(v->n_samples, 1);
    assert_true(v->targets[0] == 40);
}

static void test_series__says_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *more, *message;
        status st;
    } bad[] = {
        { "history = 3; columns = ( \"day\" );",
            "columns: column \"day\" is text, and a series is numbers", E_RANGE },
        { "history = 3; columns = ( \"a\" ); target = \"day\";",
            "target: column \"day\" is text, and a series is numbers", E_RANGE },
        { "history = 3; columns = ( \"a\", \"a\" );", "columns: column \"a\" is named twice",
            E_RANGE },
        { "history = 3; index = \"a\"; columns = ( \"a\" );",
            "columns: column \"a\" is the index, which is not seen", E_RANGE },
        { "history = 3; columns = ( \"a\" ); target = \"bb\";",
            "target: s.csv has no column \"bb\": did you mean \"b\"?", E_RANGE },
        { "history = 3; index = \"month\";",
            "index: s.csv has no column \"month\": it has 4, from \"day\" to \"c\"", E_RANGE },
        { "history = 4; columns = ( \"a\" );",
            "file: s.csv: 4 rows are too few: a history of 4 and a horizon of 1 take 5", E_PARSE },
        { "history = 2; horizon = 3; columns = ( \"a\" );",
            "4 rows are too few: a history of 2 and a horizon of 3 take 5", E_PARSE },
        { "history = 3; columns = ( \"b\" );",
            "file: s.csv:4: column \"b\": expected a number, found \"x\": add it to "
            "missing_values, or leave the column out",
            E_PARSE },
        { "history = 3; columns = ( \"a\" ); transform = \"log\";",
            "file: s.csv:3: column \"a\": 0 has no logarithm: set transform to \"none\"", E_PARSE },
        { "history = 3;",
            "file: s.csv: column \"c\": every value is missing: leave it out of columns", E_PARSE },
        { "history = 3; separator = \"e\";",
            "separator: must be one character that no number contains", E_RANGE },
        { "history = 0;", "history", E_RANGE },
        { "columns = ( \"a\" );", "history", E_MISSING },
    };
    fixture_write(*state, "s.csv", "day,a,b,c\nmon,1,1,\ntue,0,2,\nwed,1,x,\nthu,3,4,\n");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char inside[200];
        snprintf(inside, sizeof(inside), SERIES("s.csv", "%s"), bad[i].more);
        fixture_refuse(*state, inside, bad[i].st, bad[i].message);
    }
    fixture_write(*state, "t.csv", "day,mood\nmon,good\ntue,bad\n");
    fixture_refuse(
        *state, SERIES("t.csv", "history = 1;"), E_PARSE, "file: t.csv: no column of numbers");
    fixture_refuse(*state, SERIES("absent.csv", "history = 1;"), E_IO,
        "file: absent.csv: cannot be opened: No such file or directory: /");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_series__airline_passengers),
        T(test_series__etth1_has_seven_columns_and_its_target),
        T(test_series__windows_share_one_array),
        T(test_series__columns_come_in_their_order),
        T(test_series__gaps_get_the_training_parts_mean),
        T(test_series__says_what_is_wrong_and_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
