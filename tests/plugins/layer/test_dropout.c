/* dropout: how much it keeps, that a mask belongs to places in the whole batch, and that the
 * gradient sees the same mask. Counts of kept numbers are judged by the binomial distribution, at
 * five standard deviations. */
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void open_dropout(
    layer_harness *l, double rate, uint64_t time, uint64_t batch, uint64_t features)
{
    layer_open(l, TEST_BUILD_DIR, "dropout");
    component_set(&l->rig, "rate", rate);
    layer_input(l, (assay_shape){ 1, { features } });
    assert_int_equal(layer_plan(l, time, batch), ASSAY_OK);
    fill_numbers(l->x[0], layer_x_size(l, 0), 5);
    fill_numbers(l->dy, layer_y_size(l), 6);
}

static void test_dropout__drops_at_its_rate_and_scales_the_rest(void **state)
{
    static const double rates[] = { 0.1, 0.385, 0.5, 0.9 };
    (void)state;
    for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
        layer_harness l;
        double n_kept = 0, sum = 0;
        open_dropout(&l, rates[k], 3, 50, 100);
        const double n = 15000, keep = 1 - rates[k], sigma = sqrt(n * keep * rates[k]);
        layer_forward(&l);
        for (uint64_t i = 0; i < layer_y_size(&l); i++) {
            if (l.y[i] == 0) continue;
            assert_true(fabsf(l.y[i] - l.x[0][i] * (float)(1 / keep)) <= 1e-6f * fabsf(l.y[i]));
            sum += (double)l.y[i] / (double)l.x[0][i];
            n_kept++;
        }
        assert_true(fabs(n_kept - n * keep) < 5 * sigma);
        assert_true(fabs(sum / n - 1) < 5 * sigma / keep / n); // the expectation is x
        layer_close(&l);
    }
}

static void test_dropout__gives_the_gradient_the_same_mask(void **state)
{
    layer_harness l;
    (void)state;
    open_dropout(&l, 0.5, 3, 5, 7);
    layer_forward(&l);
    layer_backward(&l);
    for (uint64_t i = 0; i < layer_y_size(&l); i++) {
        assert_true(l.dx[0][i] == (l.y[i] == 0 ? 0 : 2 * l.dy[i]));
    }
    layer_close(&l);
}

static void test_dropout__has_the_gradient_of_its_own_forward_pass(void **state)
{
    layer_harness l;
    (void)state;
    open_dropout(&l, 0.3, 3, 2, 5);
    assert_true(layer_gradient_error(&l, 7) < 1e-4);
    layer_close(&l);
}

static void test_dropout__draws_alike_however_the_batch_is_cut(void **state)
{
    enum { TIME = 3, BATCH = 11, FEATURES = 7 };
    static const uint64_t cut[] = { 0, 4, 5, BATCH };
    layer_harness whole;
    (void)state;
    open_dropout(&whole, 0.4, TIME, BATCH, FEATURES);
    layer_forward(&whole);
    for (size_t k = 0; k + 1 < sizeof cut / sizeof cut[0]; k++) {
        const uint64_t n = cut[k + 1] - cut[k], row = FEATURES * sizeof(float);
        layer_harness part;
        open_dropout(&part, 0.4, TIME, n, FEATURES);
        part.io.batch_begin = cut[k];
        part.io.batch_total = BATCH;
        for (uint64_t t = 0; t < TIME; t++) {
            memcpy(part.x[0] + t * n * FEATURES, whole.x[0] + (t * BATCH + cut[k]) * FEATURES,
                n * row);
        }
        layer_forward(&part);
        for (uint64_t t = 0; t < TIME; t++) {
            assert_memory_equal(
                part.y + t * n * FEATURES, whole.y + (t * BATCH + cut[k]) * FEATURES, n * row);
        }
        layer_close(&part);
    }
    layer_close(&whole);
}

static void test_dropout__draws_anew_for_every_batch(void **state)
{
    layer_harness a, b;
    uint64_t n_different = 0;
    (void)state;
    open_dropout(&a, 0.5, 1, 20, 50);
    open_dropout(&b, 0.5, 1, 20, 50);
    b.io.draw++;
    layer_forward(&a);
    layer_forward(&b);
    for (uint64_t i = 0; i < layer_y_size(&a); i++) {
        n_different += (a.y[i] == 0) != (b.y[i] == 0);
    }
    assert_in_range(n_different, 500 - 80, 500 + 80); // half of them, sigma 16
    layer_close(&a);
    layer_close(&b);
}

static void assert_is_identity(layer_harness *l)
{
    layer_forward(l);
    layer_backward(l);
    assert_memory_equal(l->y, l->x[0], layer_y_size(l) * sizeof(float));
    assert_memory_equal(l->dx[0], l->dy, layer_y_size(l) * sizeof(float));
}

static void test_dropout__is_off_in_evaluation_and_at_rate_0(void **state)
{
    layer_harness l;
    (void)state;
    open_dropout(&l, 0.5, 3, 5, 7);
    l.io.training = 0;
    l.saved[0] = NULL;
    assert_is_identity(&l);
    layer_close(&l);
    open_dropout(&l, 0, 3, 5, 7);
    assert_is_identity(&l);
    layer_close(&l);
}

static void test_dropout__may_be_scheduled_but_never_drops_all(void **state)
{
    layer_harness l;
    (void)state;
    layer_open(&l, TEST_BUILD_DIR, "dropout");
    const assay_hyper *rate = l.rig.component->hypers;
    assert_string_equal(rate->name, "rate");
    assert_true(rate->flags & ASSAY_SCHED);
    assert_true(rate->flags & ASSAY_OPEN_MAX);
    assert_true(rate->max == 1 && rate->min == 0);
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropout__drops_at_its_rate_and_scales_the_rest),
        cmocka_unit_test(test_dropout__gives_the_gradient_the_same_mask),
        cmocka_unit_test(test_dropout__has_the_gradient_of_its_own_forward_pass),
        cmocka_unit_test(test_dropout__draws_alike_however_the_batch_is_cut),
        cmocka_unit_test(test_dropout__draws_anew_for_every_batch),
        cmocka_unit_test(test_dropout__is_off_in_evaluation_and_at_rate_0),
        cmocka_unit_test(test_dropout__may_be_scheduled_but_never_drops_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
