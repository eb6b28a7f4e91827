/* Splits: parts are disjoint and complete, sizes and shares are what was asked for, and impossible wishes are refused. */
#include "data/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ROWS = 500 };

static int32_t label[MAX_ROWS];
static uint32_t group[MAX_ROWS], mark[MAX_ROWS];

/* n rows of three classes in the shares 60 %, 30 %, 10 %, mixed. */
static assay_data table(size_t n)
{
    for (size_t i = 0; i < n; i++)
        label[i] = i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2;
    return (assay_data){ .struct_size = sizeof(assay_data),
        .n_samples = n,
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 3,
        .label = label };
}

static split make(const assay_data *d, const split_options *o)
{
    split s;
    error err;
    if (split_make(d, o, &s, &err) != OK) fail_msg("%s", err.text);
    unsigned char seen[MAX_ROWS] = { 0 };
    size_t n = 0;
    for (int p = 0; p < N_PARTS; p++) {
        n += s.n[p];
        for (size_t i = 0; i < s.n[p]; i++) {
            assert_true(s.rows[p][i] < d->n_samples);
            assert_int_equal(seen[s.rows[p][i]]++, 0);
            assert_true(i == 0 || s.rows[p][i] > s.rows[p][i - 1]);
        }
    }
    assert_int_equal(n, d->n_samples);
    return s;
}

static void refuse(const assay_data *d, split_options o, status st, const char *message)
{
    split s;
    error err = { OK, "" };
    o.at = (origin){ "x.cfg", 3 };
    o.test_at = o.validation_at = o.folds_at = o.fold_at = o.method_at = (origin){ "x.cfg", 4 };
    assert_int_equal(split_make(d, &o, &s, &err), st);
    if (strstr(err.text, message) == NULL || strncmp(err.text, "x.cfg:", 6) != 0) {
        fail_msg("expected %s, got %s", message, err.text);
    }
}

static size_t count_class(const split *s, part p, int32_t c)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n[p]; i++)
        n += label[s->rows[p][i]] == c;
    return n;
}

static bool same_rows(const split *a, const split *b, part p)
{
    return a->n[p] == b->n[p] && memcmp(a->rows[p], b->rows[p], a->n[p] * sizeof(uint32_t)) == 0;
}

static void test_split__nothing_asked_trains_on_everything(void **state)
{
    (void)state;
    const assay_data d = table(57);
    split s = make(&d, &(split_options){ 0 });
    assert_int_equal(s.n[PART_TRAIN], 57);
    split_release(&s);
}

static void test_split__fractions_are_rounded_half_up(void **state)
{
    (void)state;
    const assay_data d = table(150);
    split s = make(&d, &(split_options){ .validation = 0.15, .test = 0.29 });
    assert_int_equal(s.n[PART_VALIDATION], 23); /* 22.5 */
    assert_int_equal(s.n[PART_TEST], 44); /* 43.5 */
    split_release(&s);
    s = make(&d, &(split_options){ .validation = 31, .test = 0.1, .method = SPLIT_TIME });
    assert_int_equal(s.n[PART_VALIDATION], 31);
    assert_int_equal(s.n[PART_TEST], 15);
    split_release(&s);
}

static void test_split__test_rows_depend_on_the_seed_alone(void **state)
{
    (void)state;
    const assay_data d = table(200);
    split a = make(&d, &(split_options){ .seed = 5, .test = 0.2 });
    split b = make(&d, &(split_options){ .seed = 5, .test = 0.2, .validation = 0.37 });
    split c = make(&d, &(split_options){ .seed = 5, .test = 0.2, .folds = 7, .fold = 4 });
    split e = make(&d, &(split_options){ .seed = 6, .test = 0.2 });
    assert_true(same_rows(&a, &b, PART_TEST));
    assert_true(same_rows(&a, &c, PART_TEST));
    assert_false(same_rows(&a, &e, PART_TEST));
    split_release(&a);
    split_release(&b);
    split_release(&c);
    split_release(&e);
}

static void test_split__random_is_not_in_file_order(void **state)
{
    (void)state;
    const assay_data d = table(400);
    split s = make(&d, &(split_options){ .seed = 1, .test = 200 });
    size_t n_low = 0;
    for (size_t i = 0; i < s.n[PART_TEST]; i++)
        n_low += s.rows[PART_TEST][i] < 200;
    assert_in_range(n_low, 80, 120); /* 100 +- 4 deviations of 5 */
    split_release(&s);
}

static void test_split__stratified_shares_are_within_one(void **state)
{
    (void)state;
    static const double share[] = { 0.6, 0.3, 0.1 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        const assay_data d = table(430);
        split s = make(&d,
            &(split_options){
                .seed = seed, .method = SPLIT_STRATIFIED, .validation = 0.15, .test = 0.17 });
        assert_int_equal(s.n[PART_TEST], 73);
        assert_int_equal(s.n[PART_VALIDATION], 65);
        for (int32_t c = 0; c < 3; c++) {
            const double test = (double)count_class(&s, PART_TEST, c) - 73 * share[c];
            const double validation = (double)count_class(&s, PART_VALIDATION, c) - 65 * share[c];
            if (!(test > -1 && test < 1 && validation > -1 && validation < 1)) {
                fail_msg("seed %d, class %d: off by %g and %g", (int)seed, c, test, validation);
            }
        }
        split_release(&s);
    }
}

/* Every row that is not test is validated in exactly one fold; folds differ by at most one row. */
static void check_folds(const assay_data *d, split_options o, size_t most_apart)
{
    unsigned char seen[MAX_ROWS] = { 0 };
    size_t least = MAX_ROWS, most = 0, n_test = 0;
    for (o.fold = 0; o.fold < o.folds; o.fold++) {
        split s = make(d, &o);
        for (size_t i = 0; i < s.n[PART_VALIDATION]; i++) {
            assert_int_equal(seen[s.rows[PART_VALIDATION][i]]++, 0);
        }
        for (size_t i = 0; i < s.n[PART_TEST]; i++)
            seen[s.rows[PART_TEST][i]] = 1;
        least = s.n[PART_VALIDATION] < least ? s.n[PART_VALIDATION] : least;
        most = s.n[PART_VALIDATION] > most ? s.n[PART_VALIDATION] : most;
        n_test = s.n[PART_TEST];
        split_release(&s);
    }
    for (size_t i = 0; i < d->n_samples; i++)
        assert_int_equal(seen[i], 1);
    assert_true(most - least <= most_apart);
    assert_true(o.test == 0 || n_test > 0);
}

static void test_split__folds_partition_what_is_not_test(void **state)
{
    (void)state;
    const assay_data d = table(143);
    for (uint64_t folds = 2; folds <= 11; folds += 3) {
        check_folds(&d, (split_options){ .folds = folds, .test = 0.2, .seed = 3 }, 1);
        check_folds(&d, (split_options){ .folds = folds, .method = SPLIT_STRATIFIED }, 1);
        check_folds(&d, (split_options){ .folds = folds, .method = SPLIT_TIME, .test = 13 }, 1);
    }
}

static void test_split__stratified_folds_share_every_class(void **state)
{
    (void)state;
    const assay_data d = table(140);
    for (uint64_t fold = 0; fold < 5; fold++) {
        split s =
            make(&d, &(split_options){ .folds = 5, .fold = fold, .method = SPLIT_STRATIFIED });
        assert_in_range(count_class(&s, PART_VALIDATION, 0), 16, 17); /* 84 / 5 */
        assert_in_range(count_class(&s, PART_VALIDATION, 1), 8, 9); /* 42 / 5 */
        assert_in_range(count_class(&s, PART_VALIDATION, 2), 2, 3); /* 14 / 5 */
        split_release(&s);
    }
}

static void test_split__time_keeps_file_order(void **state)
{
    (void)state;
    const assay_data d = table(100);
    split s = make(
        &d, &(split_options){ .method = SPLIT_TIME, .validation = 0.2, .test = 0.1, .seed = 9 });
    assert_int_equal(s.rows[PART_TRAIN][0], 0);
    assert_int_equal(s.rows[PART_TRAIN][s.n[PART_TRAIN] - 1], 69);
    assert_int_equal(s.rows[PART_VALIDATION][0], 70);
    assert_int_equal(s.rows[PART_TEST][0], 90);
    split_release(&s);
}

static void test_split__groups_stay_together(void **state)
{
    (void)state;
    assay_data d = table(300);
    for (size_t i = 0; i < 300; i++)
        group[i] = (uint32_t)(i * i % 43 * 1000003);
    d.group = group;
    for (uint64_t seed = 0; seed < 10; seed++) {
        split s = make(&d, &(split_options){ .seed = seed, .validation = 0.2, .test = 0.2 });
        int where[43];
        memset(where, -1, sizeof(where));
        for (int p = 0; p < N_PARTS; p++) {
            for (size_t i = 0; i < s.n[p]; i++) {
                const size_t g = (size_t)(s.rows[p][i]) * s.rows[p][i] % 43;
                assert_true(where[g] == -1 || where[g] == p);
                where[g] = p;
            }
        }
        assert_in_range(s.n[PART_TEST], 45, 75); /* 60, and no group has more than 14 rows */
        assert_in_range(s.n[PART_VALIDATION], 45, 75);
        split_release(&s);
    }
    check_folds(&d, (split_options){ .folds = 4, .test = 0.2, .seed = 2 }, 14);
}

static void test_split__marked_rows_stand(void **state)
{
    (void)state;
    assay_data d = table(100);
    for (size_t i = 0; i < 100; i++)
        mark[i] = i < 60 ? ASSAY_PART_ANY : ASSAY_PART_TEST;
    mark[99] = ASSAY_PART_TRAIN;
    d.part = mark;
    split s = make(&d, &(split_options){ .validation = 0.25 });
    assert_int_equal(s.n[PART_VALIDATION], 15);
    assert_int_equal(s.n[PART_TEST], 39);
    assert_int_equal(s.rows[PART_TEST][0], 60);
    assert_true(s.rows[PART_VALIDATION][14] < 60);
    assert_int_equal(s.rows[PART_TRAIN][45], 99);
    split_release(&s);
    s = make(&d, &(split_options){ .folds = 3, .fold = 1, .method = SPLIT_STRATIFIED });
    assert_int_equal(s.n[PART_VALIDATION], 20);
    split_release(&s);
    refuse(&d, (split_options){ .test = 0.1 }, E_CONFLICT, "file of its own for the test part");
    mark[3] = ASSAY_PART_VALIDATION;
    refuse(&d, (split_options){ .validation = 5 }, E_CONFLICT,
        "file of its own for the validation part");
    refuse(&d, (split_options){ .folds = 5 }, E_CONFLICT, "remove folds from split");
}

static void test_split__refuses_what_cannot_be(void **state)
{
    (void)state;
    assay_data d = table(40);
    refuse(
        &d, (split_options){ .validation = 0.5, .test = 0.5 }, E_RANGE, "leave none of 40 samples");
    refuse(
        &d, (split_options){ .validation = 20, .test = 25 }, E_RANGE, "leave none of 40 samples");
    refuse(&d, (split_options){ .test = 40 }, E_RANGE, "split.test = 40 leaves none of 40 samples");
    refuse(&d, (split_options){ .test = 1e9 }, E_RANGE, "leaves none of 40 samples");
    refuse(&d, (split_options){ .test = 2.5 }, E_RANGE, "a fraction below 1 or a whole number");
    refuse(&d, (split_options){ .validation = 0.01 }, E_RANGE, "is less than one sample");
    refuse(&d, (split_options){ .folds = 1 }, E_RANGE, "expected at least 2");
    refuse(&d, (split_options){ .folds = 5, .fold = 5 }, E_RANGE,
        "expected 0 to 4, as there are 5 folds");
    refuse(&d, (split_options){ .fold = 2 }, E_CONFLICT, "split.fold without split.folds");
    refuse(&d, (split_options){ .folds = 5, .validation = 0.1 }, E_CONFLICT, "exclude each other");
    refuse(&d, (split_options){ .folds = 39, .test = 2 }, E_RANGE, "there are only 38 samples");
    refuse(&d, (split_options){ .folds = 5, .method = SPLIT_STRATIFIED }, E_RANGE,
        "class \"2\" has 4 samples, too few for the 5 parts");
    d = table(15);
    refuse(&d, (split_options){ .test = 0.2, .method = SPLIT_STRATIFIED }, E_RANGE,
        "class \"2\" has 1 samples, too few for the 2 parts");
    d.target = ASSAY_TARGET_REAL;
    refuse(&d, (split_options){ .method = SPLIT_STRATIFIED }, E_UNSUPPORTED, "needs classes");
    for (size_t i = 0; i < 15; i++)
        group[i] = 1;
    d.group = group;
    refuse(&d, (split_options){ .test = 0.2 }, E_RANGE,
        "the test part has no samples: there are too few groups");
    refuse(&d, (split_options){ .test = 0.2, .method = SPLIT_TIME }, E_CONFLICT,
        "groups stay together only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split__nothing_asked_trains_on_everything),
        cmocka_unit_test(test_split__fractions_are_rounded_half_up),
        cmocka_unit_test(test_split__test_rows_depend_on_the_seed_alone),
        cmocka_unit_test(test_split__random_is_not_in_file_order),
        cmocka_unit_test(test_split__stratified_shares_are_within_one),
        cmocka_unit_test(test_split__folds_partition_what_is_not_test),
        cmocka_unit_test(test_split__stratified_folds_share_every_class),
        cmocka_unit_test(test_split__time_keeps_file_order),
        cmocka_unit_test(test_split__groups_stay_together),
        cmocka_unit_test(test_split__marked_rows_stand),
        cmocka_unit_test(test_split__refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
