/* Every shipped loss against PyTorch's float64 numbers (tests/golden/generate_layers.py), and what
 * each says about a task it cannot judge. Bars: 2.5e-7 for the value, two units in the last place
 * of the float exponentials that are summed in double; 1e-5 of the norm for the gradient, which is
 * float. */
#include "support/component_rig.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define VALUE_BAR 2.5e-7
#define GRADIENT_BAR 1e-5

typedef struct loss_case {
    const char *name, *id, *hyper;
    double value;
} loss_case;

static const loss_case cases[] = {
    { "xent", "softmax_xent", NULL, 0 },
    { "xent_weighted", "softmax_xent", NULL, 0 },
    { "xent_smooth", "softmax_xent", "label_smoothing", 0.1 },
    { "xent_smooth_all", "softmax_xent", "label_smoothing", 1 },
    { "xent_many", "softmax_xent", "label_smoothing", 0.05 },
    { "xent_far", "softmax_xent", NULL, 0 },
    { "xent_sure", "softmax_xent", NULL, 0 },
    { "xent_sure_smooth", "softmax_xent", "label_smoothing", 0.2 },
    { "xent_two", "softmax_xent", NULL, 0 },
    { "mse", "mse", NULL, 0 },
    { "mse_weighted", "mse", NULL, 0 },
    { "mse_sum", "mse", "features", 1 },
    { "mae", "mae", NULL, 0 },
    { "mae_weighted", "mae", NULL, 0 },
    { "mae_sum", "mae", "features", 1 },
    { "huber", "huber", NULL, 0 },
    { "huber_weighted", "huber", NULL, 0 },
    { "huber_sum", "huber", "features", 1 },
    { "huber_07", "huber", "delta", 0.7 },
    { "huber_07_weighted", "huber", "delta", 0.7 },
    { "bce", "bce_logits", NULL, 0 },
    { "bce_weighted", "bce_logits", NULL, 0 },
    { "bce_sum", "bce_logits", "features", 1 },
    { "bce_label", "bce_logits", NULL, 0 },
    { "bce_far", "bce_logits", NULL, 0 },
    { "bce_sure", "bce_logits", NULL, 0 },
};

#define N_CASES (sizeof cases / sizeof cases[0])

static const char *key(const loss_case *c, const char *tensor)
{
    static char text[128];
    snprintf(text, sizeof text, "%s.%s", c->name, tensor);
    return text;
}

/* The rows of a case, borrowed from the file. */
static assay_rows rows_of(const loss_case *c, const golden *file)
{
    size_t dim[8] = { 0 };
    assay_rows rows = { .struct_size = sizeof rows, .y = golden_f32(file, key(c, "y"), NULL) };
    golden_shape(file, key(c, "y"), dim);
    rows.n = dim[0];
    rows.n_outputs = dim[1];
    rows.n_targets = 1;
    if (golden_has(file, key(c, "label"))) {
        rows.label = golden_i32(file, key(c, "label"), NULL);
    } else {
        rows.target = golden_f32(file, key(c, "target"), NULL);
        rows.n_targets = dim[1];
    }
    if (golden_has(file, key(c, "weight"))) rows.weight = golden_f32(file, key(c, "weight"), NULL);
    return rows;
}

static void open_loss(component_rig *rig, const loss_case *c)
{
    component_open(rig, TEST_BUILD_DIR, "loss", c->id);
    if (c->hyper) component_set(rig, c->hyper, c->value);
}

static int run(component_rig *rig, const assay_rows *rows, double scale, float *dy, double *out)
{
    const assay_loss *ops = rig->component->ops;
    return ops->loss(&rig->ctx, rig->hyper, rows, scale, dy, out);
}

/* A gradient buffer of exactly the rows' size, full of NaN. */
static float *gradient_buffer(component_rig *rig, const assay_rows *rows)
{
    float *dy = component_alloc(rig, rows->n * rows->n_outputs * sizeof *dy);
    for (uint64_t i = 0; i < rows->n * rows->n_outputs; i++) {
        dy[i] = NAN;
    }
    return dy;
}

static void test_losses__agree_with_pytorch(void **state)
{
    golden *file = golden_open("loss_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        component_rig rig;
        const assay_rows rows = rows_of(&cases[k], file);
        double sum = NAN, alone = NAN;
        open_loss(&rig, &cases[k]);
        float *dy = gradient_buffer(&rig, &rows);
        const double scale = golden_f64(file, key(&cases[k], "scale"), NULL)[0];
        const double expected = golden_f64(file, key(&cases[k], "loss"), NULL)[0];
        assert_int_equal(run(&rig, &rows, scale, dy, &sum), ASSAY_OK);
        assert_int_equal(run(&rig, &rows, scale, NULL, &alone), ASSAY_OK);
        assert_true(alone == sum);
        const double error = fabs(sum - expected) / fabs(expected);
        if (!(error <= VALUE_BAR)) fail_msg("%s: value is off by %g", cases[k].name, error);
        const double apart = norm_relative_error(
            dy, golden_f64(file, key(&cases[k], "dy"), NULL), rows.n * rows.n_outputs);
        if (!(apart <= GRADIENT_BAR)) fail_msg("%s: gradient is off by %g", cases[k].name, apart);
        component_close(&rig);
    }
    golden_close(file);
}

/* Whatever stands in a row of weight 0, value and gradient do not see it. */
static void test_losses__never_look_at_a_row_of_weight_0(void **state)
{
    static const float garbage[] = { NAN, INFINITY, -INFINITY };
    golden *file = golden_open("loss_values");
    (void)state;
    for (size_t k = 0; k < 3 * N_CASES; k++) {
        const float odd = garbage[k / N_CASES];
        component_rig rig;
        assay_rows rows = rows_of(&cases[k % N_CASES], file);
        double sum = NAN, without = NAN;
        open_loss(&rig, &cases[k % N_CASES]);
        const uint64_t n = rows.n * rows.n_outputs;
        float *y = component_alloc(&rig, n * sizeof *y), *dy = gradient_buffer(&rig, &rows);
        float *weight = component_alloc(&rig, rows.n * sizeof *weight);
        float *target = component_alloc(&rig, n * sizeof *target);
        int32_t *label = component_alloc(&rig, rows.n * sizeof *label);
        memcpy(y, rows.y, n * sizeof *y);
        for (uint64_t i = 0; i < rows.n; i++) {
            weight[i] = i == 1 ? 0 : 1;
            label[i] = rows.label ? rows.label[i] : 0;
        }
        if (rows.target) memcpy(target, rows.target, n * sizeof *target);
        if (rows.target) rows.target = target;
        rows.y = y;
        rows.weight = weight;
        assert_int_equal(run(&rig, &rows, 1, NULL, &without), ASSAY_OK);
        for (uint64_t j = 0; j < rows.n_outputs; j++) {
            y[rows.n_outputs + j] = odd;
            target[rows.n_outputs + j] = -odd;
        }
        label[1] = odd > 0 ? INT32_MAX : INT32_MIN;
        if (rows.label) rows.label = label;
        assert_int_equal(run(&rig, &rows, 1, dy, &sum), ASSAY_OK);
        assert_true(sum == without);
        for (uint64_t j = 0; j < rows.n_outputs; j++) {
            assert_true(dy[rows.n_outputs + j] == 0);
        }
        component_close(&rig);
    }
    golden_close(file);
}

static void test_losses__show_a_nan(void **state)
{
    golden *file = golden_open("loss_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        component_rig rig;
        assay_rows rows = rows_of(&cases[k], file);
        double sum = 0;
        open_loss(&rig, &cases[k]);
        const uint64_t n = rows.n * rows.n_outputs;
        float *y = component_alloc(&rig, n * sizeof *y), *dy = gradient_buffer(&rig, &rows);
        memcpy(y, rows.y, n * sizeof *y);
        y[0] = NAN;
        rows.y = y;
        assert_int_equal(run(&rig, &rows, 1, dy, &sum), ASSAY_OK);
        assert_true(isnan(sum));
        assert_true(isnan(dy[0]));
        component_close(&rig);
    }
    golden_close(file);
}

/* Outputs of minus infinity are how a model rules a class out. */
static void test_softmax_xent__accepts_classes_that_are_ruled_out(void **state)
{
    static const float y[4] = { 1.25f, -INFINITY, 0.5f, -INFINITY };
    static const int32_t label[1] = { 2 };
    const assay_rows rows = {
        .struct_size = sizeof rows, .n = 1, .n_outputs = 4, .n_targets = 1, .y = y, .label = label
    };
    component_rig rig;
    double sum = NAN;
    (void)state;
    component_open(&rig, TEST_BUILD_DIR, "loss", "softmax_xent");
    float *dy = gradient_buffer(&rig, &rows);
    assert_int_equal(run(&rig, &rows, 1, dy, &sum), ASSAY_OK);
    assert_true(fabs(sum - (0.75 + log1p(exp(-0.75)))) < 1e-7);
    assert_true(fabsf(dy[1]) < 1e-30f && fabsf(dy[3]) < 1e-30f);
    assert_true(fabsf(dy[0] + dy[2]) < 1e-7f);
    component_close(&rig);
}

static void test_softmax_xent__refuses_a_label_outside_the_classes(void **state)
{
    static const float y[3] = { 1.25f, 0.5f, -0.731f };
    static const int32_t labels[] = { 3, -1 };
    static const char *const why[] = { "label 3 is outside 0..2", "label -1 is outside 0..2" };
    (void)state;
    for (int k = 0; k < 2; k++) {
        const assay_rows rows = { .struct_size = sizeof rows,
            .n = 1,
            .n_outputs = 3,
            .n_targets = 1,
            .y = y,
            .label = &labels[k] };
        component_rig rig;
        double sum = NAN;
        component_open(&rig, TEST_BUILD_DIR, "loss", "softmax_xent");
        assert_int_equal(run(&rig, &rows, 1, NULL, &sum), ASSAY_E_DATA);
        assert_string_equal(rig.failure, why[k]);
        component_close(&rig);
    }
}

typedef struct plan_case {
    const char *id;
    uint64_t target, n_classes, n_outputs, n_targets;
    int code;
    const char *why;
} plan_case;

#define CLASS ASSAY_TARGET_CLASS
#define REAL ASSAY_TARGET_REAL
#define BINARY ASSAY_TARGET_BINARY
#define NONE ASSAY_TARGET_NONE

static const plan_case plans[] = {
    { "softmax_xent", CLASS, 10, 10, 1, ASSAY_OK, "" },
    { "softmax_xent", CLASS, 10, 7, 1, ASSAY_E_SHAPE,
        "the last layer has 7 outputs but the data has 10 classes: give it units = 10" },
    { "softmax_xent", REAL, 0, 1, 1, ASSAY_E_UNSUPPORTED, "use mse for numbers" },
    { "bce_logits", BINARY, 0, 88, 88, ASSAY_OK, "" },
    { "bce_logits", CLASS, 2, 1, 1, ASSAY_OK, "" },
    { "bce_logits", CLASS, 2, 2, 1, ASSAY_E_SHAPE, "give it units = 1" },
    { "bce_logits", CLASS, 5, 5, 1, ASSAY_E_SHAPE, "use the loss softmax_xent" },
    { "bce_logits", REAL, 0, 3, 3, ASSAY_E_UNSUPPORTED, "use mse" },
    { "bce_logits", BINARY, 0, 3, 4, ASSAY_E_SHAPE, "3 outputs but the data has 4 targets" },
    { "mse", REAL, 0, 3, 3, ASSAY_OK, "" },
    { "mse", BINARY, 0, 3, 3, ASSAY_OK, "" },
    { "mse", REAL, 0, 3, 2, ASSAY_E_SHAPE, "give it units = 2" },
    { "mse", CLASS, 10, 10, 1, ASSAY_E_UNSUPPORTED,
        "the data has 10 classes: use the loss softmax_xent" },
    { "mse", NONE, 0, 3, 0, ASSAY_E_UNSUPPORTED, "no targets" },
    { "mae", REAL, 0, 1, 1, ASSAY_OK, "" },
    { "mae", CLASS, 3, 3, 1, ASSAY_E_UNSUPPORTED, "softmax_xent" },
    { "huber", REAL, 0, 2, 2, ASSAY_OK, "" },
    { "huber", REAL, 0, 2, 1, ASSAY_E_SHAPE, "give it units = 1" },
};

static void test_losses__say_what_to_do_about_a_task_that_does_not_fit(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++) {
        const plan_case *p = &plans[k];
        const assay_task task = { .struct_size = sizeof task,
            .target = p->target,
            .n_classes = p->n_classes,
            .n_outputs = p->n_outputs,
            .n_targets = p->n_targets };
        component_rig rig;
        component_open(&rig, TEST_BUILD_DIR, "loss", p->id);
        const assay_loss *ops = rig.component->ops;
        assert_int_equal(ops->plan(&rig.ctx, rig.hyper, &task), p->code);
        if (!strstr(rig.failure, p->why)) fail_msg("%s: %s", p->id, rig.failure);
        component_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses__agree_with_pytorch),
        cmocka_unit_test(test_losses__never_look_at_a_row_of_weight_0),
        cmocka_unit_test(test_losses__show_a_nan),
        cmocka_unit_test(test_softmax_xent__accepts_classes_that_are_ruled_out),
        cmocka_unit_test(test_softmax_xent__refuses_a_label_outside_the_classes),
        cmocka_unit_test(test_losses__say_what_to_do_about_a_task_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
