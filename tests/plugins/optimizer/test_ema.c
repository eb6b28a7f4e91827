/* ema: the average against numpy's (tests/golden/generate_optimizers3.py), and that it leaves the training alone. */
#include "support/golden.h"
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"
#include "check/optimizer_trajectory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_TENSORS = 4, MOST = 64 };

/* The optimizer that a case wraps, by itself: inner = { type = "sgd"; lr = 0.1; } */
typedef struct inner_settings {
    char id[32], text[128];
} inner_settings;

static inner_settings inner_of(const trajectory_case *c)
{
    inner_settings out;
    const char *inner = strstr(c->settings, "inner = {");
    assert_non_null(inner);
    assert_int_equal(sscanf(inner, "inner = { type = \"%31[a-z]\"; %127[^}]", out.id, out.text), 2);
    return out;
}

static void check_case(const trajectory *k, const trajectory_case *c)
{
    const inner_settings alone = inner_of(c);
    const float *now[MOST_TENSORS];
    optimizer_harness o, inner;
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "ema", c->settings, k->tensor, k->n_tensors, k->w0);
    optimizer_open_tensors(
        &inner, TEST_BUILD_DIR, alone.id, alone.text, k->tensor, k->n_tensors, k->w0);
    for (size_t t = 0; t < k->n_steps; t++) {
        for (size_t i = 0; i < k->n_tensors; i++) {
            now[i] = k->g[i] + t * k->size[i];
        }
        optimizer_update_tensors(&o, now, OPTIMIZER_WHOLE);
        optimizer_update_tensors(&inner, now, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < k->n_tensors; i++) {
            float mean[MOST];
            optimizer_eval_weights_at(&o, i, mean);
            const double off = norm_relative_error(mean, c->x[i] + t * k->size[i], k->size[i]);
            if (!(off <= 1e-6)) {
                fail_msg("%s.%s: update %zu: off by %g", c->name, k->tensor[i].name, t + 1, off);
            }
            assert_memory_equal(optimizer_rig_weights(o.rig, i),
                optimizer_rig_weights(inner.rig, i), k->size[i] * sizeof(float));
        }
    }
    optimizer_close(&o);
    optimizer_close(&inner);
}

static void test_ema__gives_the_average_and_trains_as_its_inner_optimizer(void **state)
{
    trajectory *k = optimizer_golden("ema");
    (void)state;
    assert_in_range(k->n_tensors, 1, MOST_TENSORS);
    for (size_t i = 0; i < k->n_cases; i++) {
        assert_false(k->run[i].x_is_last);
        check_case(k, &k->run[i]);
    }
    trajectory_close(k);
}

static void test_ema__follows_the_published_rule(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "ema");
}

static void test_ema__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "ema", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "ema", optimizer_check_empty);
}

static void test_ema__begins_at_the_weights(void **state)
{
    const float w0[2] = { 2.385f, -0.731f }, g[2] = { 0.317f, 1.37f };
    float mean[2];
    optimizer_harness o;
    const optimizer_settings sgd = optimizer_case_settings("ema", "sgd");
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "ema", sgd.text, w0, 2);
    optimizer_eval_weights_at(&o, 0, mean);
    assert_memory_equal(mean, w0, sizeof mean); /* no update yet */
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    optimizer_eval_weights_at(&o, 0, mean);
    assert_memory_equal(mean, o.w, sizeof mean); /* of one, unbiased */
    optimizer_close(&o);
}

static void test_ema__without_decay_is_where_the_weights_are(void **state)
{
    const float w0[2] = { 2.385f, -0.731f };
    float mean[2];
    optimizer_harness o;
    (void)state;
    optimizer_open(
        &o, TEST_BUILD_DIR, "ema", "decay = 0.0; inner = { type = \"sgd\"; lr = 0.1; };", w0, 2);
    for (int t = 1; t <= 5; t++) {
        const float g[2] = { 0.317f * (float)t, 1.37f / (float)t };
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        optimizer_eval_weights_at(&o, 0, mean);
        assert_memory_equal(mean, o.w, sizeof mean);
    }
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ema__follows_the_published_rule),
        cmocka_unit_test(test_ema__gives_the_average_and_trains_as_its_inner_optimizer),
        cmocka_unit_test(test_ema__resumes_from_its_slots_alone),
        cmocka_unit_test(test_ema__begins_at_the_weights),
        cmocka_unit_test(test_ema__without_decay_is_where_the_weights_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
