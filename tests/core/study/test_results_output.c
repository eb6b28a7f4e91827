/* What is said of a study's results: doubts in words, and everything for programs. */
#include "results_rig.h"

#include "base/json_in.h"

/* -- doubts -- */

static void test_check__names_values_on_an_edge(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 0;
    declare(r, two, 1, 3, 1);
    for (uint64_t k = 0; k < 3; k++) {
        tuned(
            r, "sgd", k, k < 2 ? 0.09 : 0.01, 0.5); /* of 3 decades 5 % are 0.15: from 0.0708 on */
        tuned(r, "adam", k, 0.069, 0.5);
        done(r, "sgd", k, 0, 1.0);
        done(r, "adam", k, 0, 1.0);
    }
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 1);
    assert_string_equal(t.s,
        "contender sgd, workload digits: the best optimizer.lr is 0.09 in 2 of 3 tunings, on the "
        "upper edge of its range (0.0001 to 0.1): the range may be too small\n");
    text_release(&t);
}

static void test_check__zero_is_a_natural_bound_and_other_lower_ends_are_not(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 0;
    declare(r, two, 1, 1, 1);
    const store_search where = { STORE_TUNE, "sgd", "digits", 0 };
    put(r, where, 1, "{\"optimizer.lr\": 0.00012, \"momentum\": 0.0, \"kind\": \"b\"}",
        (fate){ TRIAL_DONE, 1.0, 0, NULL });
    tuned(r, "adam", 0, 0.01, 0.5);
    done(r, "sgd", 0, 0, 1.0);
    done(r, "adam", 0, 0, 1.0);
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 1);
    assert_non_null(strstr(t.s, "the best optimizer.lr is 0.00012, on the lower edge"));
    text_release(&t);
}

static void test_check__names_unequal_budgets_once_the_study_is_over(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 7;
    declare(r, two, 1, 1, 1);
    for (int i = 0; i < 5; i++)
        tuned(r, "sgd", 0, 0.01, 1.0 + 0.25 * i);
    tuned(r, "adam", 0, 0.01, 0.5);
    done(r, "sgd", 0, 0, 1.0);
    ran(r, "adam", 0, 0, (fate){ TRIAL_RUNNING, 0, 0, NULL });
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 0);
    r->r->count[TRIAL_RUNNING] = 0;
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 3);
    assert_non_null(strstr(t.s,
        "workload digits: unequal budgets: contender sgd spent 5 trials of tuning, contender adam "
        "1"));
    assert_non_null(strstr(t.s, "sgd spent 6.0k samples in tuning"));
    text_release(&t);
}

/* -- for programs -- */

static void assert_json(const char *written)
{
    error err = { 0 };
    char *strings = malloc(strlen(written) + 1);
    assert_true(written[strlen(written) - 1] == '\n');
    json_in j = { .what = "json", .s = written, .n = strlen(written) - 1, .strings = strings };
    if (json_in_skip(&j, &err) != OK || json_in_end(&j, &err) != OK)
        fail_msg("%s: %s", err.text, written);
    free(strings);
}

static void test_json__is_json_whatever_there_is(void **state)
{
    rig *r = *state;
    text t = { 0 };
    declare(r, two, 2, 2, 1);
    read_back(r);
    OKAY(results_json(r->r, true, &t, err));
    assert_json(t.s);
    tuned(r, "sgd", 1, 0.01, 1e300);
    done(r, "sgd", 0, 0, -1e-300);
    ran(r, "adam", 0, 0, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "a \"quote\", \\ and \033[1m" });
    const store_search where = { STORE_TUNE, "adam", "jsb", 0 };
    put(r, where, UINT64_MAX, "{\"optimizer.lr\": 0.1, \"momentum\": 0.5, \"kind\": \"a\"}",
        (fate){ TRIAL_WAITING, 0, 0, NULL });
    read_back(r);
    text_clear(&t);
    OKAY(results_json(r->r, true, &t, err));
    assert_json(t.s);
    assert_non_null(strstr(t.s, "\"assay_study\": 1"));
    assert_non_null(strstr(t.s, "\"seed\": 18446744073709551615"));
    assert_non_null(strstr(t.s, "\"tuning_value\": 1e+300"));
    assert_non_null(strstr(t.s, "\"has_failures\": true"));
    text_release(&t);
}

static size_t count_of(const char *s, char c)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == c;
    return n;
}

static void test_csv__has_a_row_for_each_evaluation_and_a_column_for_each_metric(void **state)
{
    rig *r = *state;
    text t = { 0 };
    declare(r, two, 1, 1, 2);
    tuned(r, "sgd", 0, 0.01, 1.0);
    done(r, "sgd", 0, 0, 0.625);
    ran(r, "adam", 0, 1, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "a \"b\", c" });
    read_back(r);
    OKAY(results_csv(r->r, r->s, false, &t, err));
    assert_string_equal(t.s,
        "study,workload,contender,repeat,phase,evaluation,trial,seed,state,class,reason,value,"
        "fidelity,samples,wall_s,cpu_s,params,test.accuracy,test.loss\n"
        "contest,digits,sgd,0,evaluation,0,1,0,done,,,0.625,9.0,1200.0,1.5,1.25,"
        "\"{\"\"optimizer.lr\"\": 0.01, \"\"momentum\"\": 0.5, \"\"kind\"\": \"\"a\"\"}\",0.75,"
        "0.625\n"
        "contest,digits,adam,0,evaluation,0,2,1,failed,crash,\"a \"\"b\"\", "
        "c\",,9.0,1200.0,1.5,1.25,"
        "\"{\"\"optimizer.lr\"\": 0.01, \"\"momentum\"\": 0.5, \"\"kind\"\": \"\"a\"\"}\",,\n");
    text_clear(&t);
    OKAY(results_csv(r->r, r->s, true, &t, err));
    assert_int_equal(count_of(t.s, '\n'), 4);
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check__names_values_on_an_edge),
        TEST(test_check__zero_is_a_natural_bound_and_other_lower_ends_are_not),
        TEST(test_check__names_unequal_budgets_once_the_study_is_over),
        TEST(test_json__is_json_whatever_there_is),
        TEST(test_csv__has_a_row_for_each_evaluation_and_a_column_for_each_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
