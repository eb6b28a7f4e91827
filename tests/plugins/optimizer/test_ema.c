/* ema: the average against numpy's (tests/golden/generate_optimizers3.py), and that it leaves the training alone. */
#include "support/golden.h"
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_TENSORS = 2, MOST = 64 };

/* The same as in the generator; and the inner optimizer by itself. */
static const struct {
    optimizer_case c;
    const char *inner, *inner_options;
} cases[] = {
    { { "sgd", "inner = { type = \"sgd\"; lr = 0.0731; momentum = 0.83; };" }, "sgd",
        "lr = 0.0731; momentum = 0.83;" },
    { { "adam", "decay = 0.913; inner = { type = \"adam\"; lr = 0.0213; };" }, "adam",
        "lr = 0.0213;" },
    { { "warm_up",
          "decay = 0.437; start = \"warm_up\"; inner = { type = \"sgd\"; lr = 0.0413; };" },
        "sgd", "lr = 0.0413;" },
};

static const char *const names[N_TENSORS] = { "matrix", "vector" };
static const rig_tensor tensors[N_TENSORS] = {
    { .name = "matrix", .shape = { 2, { 7, 5 } } },
    { .name = "vector", .shape = { 1, { 13 } } },
};

static void check_case(const golden *file, size_t i_case)
{
    const optimizer_case *c = &cases[i_case].c;
    const float *w0[N_TENSORS], *g[N_TENSORS], *now[N_TENSORS];
    const double *want[N_TENSORS];
    size_t n[N_TENSORS], n_all = 0;
    optimizer_harness o, inner;
    for (size_t i = 0; i < N_TENSORS; i++) {
        char key[64];
        snprintf(key, sizeof key, "w0.%s", names[i]);
        w0[i] = golden_f32(file, key, &n[i]);
        snprintf(key, sizeof key, "g.%s", names[i]);
        g[i] = golden_f32(file, key, NULL);
        snprintf(key, sizeof key, "%s.%s", c->name, names[i]);
        want[i] = golden_f64(file, key, &n_all);
    }
    assert_in_range(n_all / n[1], 20, 1000);
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "ema", c->options, tensors, N_TENSORS, w0);
    optimizer_open_tensors(&inner, TEST_BUILD_DIR, cases[i_case].inner, cases[i_case].inner_options,
        tensors, N_TENSORS, w0);
    for (size_t t = 0; t < n_all / n[1]; t++) {
        for (size_t i = 0; i < N_TENSORS; i++) {
            now[i] = g[i] + t * n[i];
        }
        optimizer_update_tensors(&o, now, OPTIMIZER_WHOLE);
        optimizer_update_tensors(&inner, now, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < N_TENSORS; i++) {
            float mean[MOST];
            optimizer_eval_weights_at(&o, i, mean);
            const double off = norm_relative_error(mean, want[i] + t * n[i], n[i]);
            if (!(off <= 1e-6)) {
                fail_msg("%s.%s: update %zu: off by %g", c->name, names[i], t + 1, off);
            }
            assert_memory_equal(optimizer_rig_weights(o.rig, i),
                optimizer_rig_weights(inner.rig, i), n[i] * sizeof(float));
        }
    }
    optimizer_close(&o);
    optimizer_close(&inner);
}

static void test_ema__gives_the_average_and_trains_as_its_inner_optimizer(void **state)
{
    golden *file = golden_open("optimizer_ema");
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(cases); i++) {
        check_case(file, i);
    }
    golden_close(file);
}

static void test_ema__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(cases); i++) {
        optimizer_check_resume(TEST_BUILD_DIR, "ema", cases[i].c.options);
        optimizer_check_empty(TEST_BUILD_DIR, "ema", cases[i].c.options);
    }
}

static void test_ema__begins_at_the_weights(void **state)
{
    const float w0[2] = { 2.385f, -0.731f }, g[2] = { 0.317f, 1.37f };
    float mean[2];
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "ema", cases[0].c.options, w0, 2);
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
        cmocka_unit_test(test_ema__gives_the_average_and_trains_as_its_inner_optimizer),
        cmocka_unit_test(test_ema__resumes_from_its_slots_alone),
        cmocka_unit_test(test_ema__begins_at_the_weights),
        cmocka_unit_test(test_ema__without_decay_is_where_the_weights_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
