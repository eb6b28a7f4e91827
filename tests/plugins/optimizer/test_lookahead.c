/* lookahead against the paper's algorithm (tests/golden/generate_optimizers3.py), and what is its own: the slow weights. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_lookahead__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "lookahead");
}

static void test_lookahead__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lookahead", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "lookahead", optimizer_check_empty);
}

enum { N = 9001 }; /* more than a piece */

static float w0[N], g[N];

static void fill(int t)
{
    for (int i = 0; i < N; i++) {
        w0[i] = 2.385f * sinf(0.731f * (float)i);
        g[i] = cosf(0.317f * (float)i + 1.37f * (float)t);
    }
}

/* Until the k-th update it is the inner one, to the bit; then everything is at the slow weights. */
static void test_lookahead__goes_a_part_of_the_way_every_k_updates(void **state)
{
    optimizer_harness o, inner;
    static float slow[N];
    (void)state;
    fill(0);
    memcpy(slow, w0, sizeof slow);
    optimizer_open(&o, TEST_BUILD_DIR, "lookahead",
        "k = 4; alpha = 0.625; inner = { type = \"sgd\"; lr = 0.0731; };", w0, N);
    optimizer_open(&inner, TEST_BUILD_DIR, "sgd", "lr = 0.0731;", w0, N);
    for (int t = 1; t <= 8; t++) {
        fill(t);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        optimizer_update(&inner, g, OPTIMIZER_WHOLE);
        if (t % 4 == 0) {
            for (int i = 0; i < N; i++) {
                slow[i] = 0.625f * inner.w[i] + 0.375f * slow[i];
                inner.w[i] = slow[i]; /* goes on from there, as it should */
            }
        }
        assert_memory_equal(o.w, inner.w, sizeof slow);
        assert_memory_equal(o.slot[0], slow, sizeof slow);
    }
    optimizer_close(&o);
    optimizer_close(&inner);
}

static void test_lookahead__with_alpha_one_is_its_inner_optimizer(void **state)
{
    optimizer_harness o, inner;
    (void)state;
    fill(0);
    optimizer_open(&o, TEST_BUILD_DIR, "lookahead",
        "k = 2; alpha = 1.0; inner = { type = \"adam\"; lr = 0.0731; };", w0, N);
    optimizer_open(&inner, TEST_BUILD_DIR, "adam", "lr = 0.0731;", w0, N);
    for (int t = 1; t <= 7; t++) {
        fill(t);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        optimizer_update(&inner, g, OPTIMIZER_WHOLE);
        assert_memory_equal(o.w, inner.w, sizeof w0);
    }
    optimizer_close(&o);
    optimizer_close(&inner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookahead__follows_the_paper),
        cmocka_unit_test(test_lookahead__resumes_from_its_slots_alone),
        cmocka_unit_test(test_lookahead__goes_a_part_of_the_way_every_k_updates),
        cmocka_unit_test(test_lookahead__with_alpha_one_is_its_inner_optimizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
