/* The problems of bench_search: lowest values where they are said to be, and the values that other programs' ports have. */
#include "../../bench/search_problems.c"

#include "base/file.h"
#include "search/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#undef fail

static void expect_lowest(const char *name, const double *x, double slack)
{
    const search_problem *p = search_problem_find(name);
    const double v = p->value(x);
    if (fabs(v - p->lowest) > slack) print_error("%s: %.17g\n", name, v);
    assert_true(fabs(v - p->lowest) <= slack);
}

static void test_problems__are_lowest_where_they_should_be(void **state)
{
    (void)state;
    /* optima known to six digits give a value exact to about the square of that, times curvature */
    expect_lowest("branin", (const double[]){ 3.14159265358979, 2.275 }, 1e-9);
    expect_lowest("hartmann6",
        (const double[]){ 0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573 }, 1e-6);
    expect_lowest("rosenbrock5", (const double[]){ 1, 1, 1, 1, 1 }, 0);
    expect_lowest("ackley10",
        (const double[]){ 11.3, -7.9, 4.7, -18.1, 9.1, -2.3, 15.7, -13.9, 6.1, -10.7 }, 1e-14);
    expect_lowest("ellipsoid5", (const double[]){ 1.37, -2.61, 0.83, 3.19, -0.47 }, 0);
    expect_lowest("rastrigin4", (const double[]){ -1.73, 2.29, 0.61, -3.07 }, 0);
    expect_lowest("levy6", (const double[]){ 0.7, -1.9, 2.3, -0.4, 1.1, -2.8 }, 1e-30);
    expect_lowest("kernel7",
        (const double[]){ 1, 316.22776601683796, 0.003981071705534973, NAN, NAN, 1e-5, 0.7 },
        1e-12);
    expect_lowest("whole6",
        (const double[]){ 39.396621227037315, 7, 6.309573444801929e-4, 0.35, 3, 41 }, 1e-12);
}

static void test_spaces__are_read_and_hold_the_lowest_values(void **state)
{
    (void)state;
    for (size_t i = 0; search_problem_get(i); i++) {
        const search_problem *p = search_problem_get(i);
        space s = { 0 };
        error err = { 0 };
        double x[12];
        assert_int_equal(space_add_text(&s, p->space, NULL, &err), OK);
        for (size_t k = 0; k < 12; k++)
            x[k] = (double)NAN;
        (void)space_repair(&s, x); /* the middle */
        assert_true(p->value(x) > p->lowest && isfinite(p->value(x)));
        space_release(&s);
    }
}

/* [{"params": {...}, "value": v}, ...] */
static size_t check_points(const search_problem *p, json_in *j)
{
    space s = { 0 };
    error err = { 0 };
    bool more;
    size_t n = 0;
    assert_int_equal(space_add_text(&s, p->space, NULL, &err), OK);
    assert_int_equal(json_in_open(j, '[', &err), OK);
    for (;; n++) {
        const char *key;
        double x[12], expected;
        assert_int_equal(json_in_more(j, ']', n, &more, &err), OK);
        if (!more) break;
        assert_int_equal(json_in_open(j, '{', &err), OK);
        assert_int_equal(json_in_more(j, '}', 0, &more, &err), OK);
        assert_int_equal(json_in_key(j, &key, &err), OK);
        const status st = space_point_from_json(&s, j, x, &err);
        if (st != OK) print_error("%s: %s\n", p->name, err.text);
        assert_int_equal(st, OK);
        assert_int_equal(json_in_more(j, '}', 1, &more, &err), OK);
        assert_int_equal(json_in_key(j, &key, &err), OK);
        assert_int_equal(json_in_real(j, &expected, &err), OK);
        assert_int_equal(json_in_more(j, '}', 2, &more, &err), OK);
        const double v = p->value(x);
        if (fabs(v - expected) > 1e-12 * (1 + fabs(expected))) {
            print_error("%s, point %zu: %.17g, expected %.17g\n", p->name, n, v, expected);
        }
        assert_true(fabs(v - expected) <= 1e-12 * (1 + fabs(expected)));
    }
    space_release(&s);
    return n;
}

static void test_values__are_those_of_other_programs(void **state)
{
    static const char path[] = TEST_SOURCE_DIR "/../shared/peers/search/vectors.json";
    char *content;
    size_t n, n_points = 0;
    bool more;
    error err = { 0 };
    (void)state;
    if (!file_exists(path)) {
        print_message("../shared/peers/search/vectors.json is not there\n");
        skip();
    }
    assert_int_equal(file_read(path, &content, &n, &err), OK);
    char *strings = malloc(n + 1);
    json_in j = { .what = "vectors", .s = content, .n = n, .strings = strings };
    assert_int_equal(json_in_open(&j, '{', &err), OK);
    for (size_t i = 0;; i++) {
        const char *name;
        assert_int_equal(json_in_more(&j, '}', i, &more, &err), OK);
        if (!more) break;
        assert_int_equal(json_in_key(&j, &name, &err), OK);
        assert_non_null(search_problem_find(name));
        n_points += check_points(search_problem_find(name), &j);
    }
    assert_int_equal(n_points, 100);
    free(strings);
    free(content);
}

static void test_curves__end_near_their_problem(void **state)
{
    const double x[12] = { ADAM, 1e-3, NAN, 0.005, 32, LSTM, 2, 194, 0.3, 1e-4, DECAY_COSINE, NAN };
    (void)state;
    double before = 3;
    for (size_t t = 1; t <= 81; t += 8) {
        const double v = nnmix12_curve(x, t, 81);
        assert_true(v < before && v > nnmix12(x));
        before = v;
    }
    assert_true(before - nnmix12(x) < 0.05);
}

/* Made by functions.curve of ../shared/peers/search with its noise left out, for points of vectors.json. */
static void test_curves__are_those_of_other_programs(void **state)
{
    static const size_t epochs[4] = { 1, 9, 27, 81 };
    static const struct {
        double x[12], loss[4];
    } golden[] = {
        { { ADAM, 0.024894972605317724, NAN, 0.10809402711373234, 75, GRU, 2, 23,
              0.3053598874299338, 4.087397606523603e-06, DECAY_EXP, 0.6302839098459271 },
            { 2.1165299729788307, 1.5611415187790152, 1.3916269407281765, 1.3075894875664358 } },
        { { RMSPROP, 1.1118888223152746e-05, NAN, 0.01112623430169507, 5, LSTM, 1, 71,
              0.5147733516133097, 0.0001245562660239673, DECAY_NONE, NAN },
            { 2.2831040362480644, 2.1704093367697386, 2.0102663018349474, 1.8169610398331615 } },
        { { SGD, 1.715082906524093e-05, 0.07706360808068259, NAN, 93, GRU, 1, 52,
              0.018809024074954637, 3.758100943838437e-05, DECAY_COSINE, NAN },
            { 2.443085484503397, 2.7877693605305724, 3.563308081591718, 5.889924244775154 } },
        { { ADAM, 0.7938819337526842, NAN, 0.11975700059135316, 1, RNN, 3, 73, 0.1098865812287415,
              1.8463969733592618e-06, DECAY_NONE, NAN },
            { 2.3950617283950617, 3.1555555555555554, 4.866666666666667, 10.0 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        for (size_t k = 0; k < 4; k++) {
            const double v = nnmix12_curve(golden[i].x, epochs[k], 81);
            if (fabs(v - golden[i].loss[k]) > 1e-12) print_error("%zu, %zu: %.17g\n", i, k, v);
            assert_true(fabs(v - golden[i].loss[k]) <= 1e-12);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems__are_lowest_where_they_should_be),
        cmocka_unit_test(test_spaces__are_read_and_hold_the_lowest_values),
        cmocka_unit_test(test_values__are_those_of_other_programs),
        cmocka_unit_test(test_curves__end_near_their_problem),
        cmocka_unit_test(test_curves__are_those_of_other_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
