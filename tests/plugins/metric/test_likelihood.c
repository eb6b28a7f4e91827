/* nll, perplexity and bits_per_char against PyTorch's float64 numbers (tests/golden/generate_sequence_layers.py), whole and in
 * merged parts, and what each says about a task it cannot judge. Bars: 1e-6 of the mean in nats for classes, whose exponentials
 * are floats; 1e-12 for yes and no, which are double against double. What perplexity makes of an error of its mean is that many
 * nats times itself. */
#include "plugins/metric/golden_rows.h"
#include "support/component_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define CLASS ASSAY_TARGET_CLASS
#define REAL ASSAY_TARGET_REAL
#define BINARY ASSAY_TARGET_BINARY
#define NONE ASSAY_TARGET_NONE

enum { NLL, PERPLEXITY, BITS };

/* One setting of one metric on one table of rows. */
typedef struct metric_case {
    const char *rows, *id;
    double features; /* of nll; -1: default */
    uint64_t target, n_classes, i_value;
    double bar;
} metric_case;

static const metric_case cases[] = {
    { "classes", "nll", -1, CLASS, 6, NLL, 1e-6 },
    { "classes", "nll", 0, CLASS, 6, NLL, 1e-6 },
    { "classes", "perplexity", -1, CLASS, 6, PERPLEXITY, 1e-5 },
    { "classes", "bits_per_char", -1, CLASS, 6, BITS, 1e-6 },
    { "many", "nll", -1, CLASS, 523, NLL, 1e-6 },
    { "many", "perplexity", -1, CLASS, 523, PERPLEXITY, 1e-5 },
    { "many", "bits_per_char", -1, CLASS, 523, BITS, 1e-6 },
    { "far", "nll", -1, CLASS, 7, NLL, 1e-6 },
    { "far", "perplexity", -1, CLASS, 7, PERPLEXITY, 1e-5 },
    { "far", "bits_per_char", -1, CLASS, 7, BITS, 1e-6 },
    { "sure", "nll", -1, CLASS, 5, NLL, 1e-6 },
    { "sure", "perplexity", -1, CLASS, 5, PERPLEXITY, 1e-11 },
    { "sure", "bits_per_char", -1, CLASS, 5, BITS, 1e-6 },
    { "one", "nll", -1, CLASS, 2, NLL, 1e-12 },
    { "one", "perplexity", -1, CLASS, 2, PERPLEXITY, 1e-12 },
    { "one", "bits_per_char", -1, CLASS, 2, BITS, 1e-12 },
    { "binary", "nll", -1, BINARY, 0, NLL, 1e-12 },
    { "binary", "nll", 1, BINARY, 0, NLL, 1e-12 },
    { "binary_mean", "nll", 0, BINARY, 0, NLL, 1e-12 },
    { "binary_sure", "nll", -1, BINARY, 0, NLL, 1e-12 },
};

#define N_CASES (sizeof cases / sizeof cases[0])
#define N_SUMS 2

typedef struct metric_rig {
    component_rig rig;
    const assay_metric *ops;
    assay_task task;
    assay_metric_plan plan;
} metric_rig;

static void open_metric(metric_rig *m, const metric_case *c, uint64_t n_outputs)
{
    component_open(&m->rig, TEST_BUILD_DIR, "metric", c->id);
    m->ops = m->rig.component->ops;
    if (c->features >= 0) component_set(&m->rig, "features", c->features);
    m->task = (assay_task){ .struct_size = sizeof m->task,
        .target = c->target,
        .n_classes = c->n_classes,
        .n_outputs = n_outputs,
        .n_targets = c->target == CLASS ? 1 : n_outputs };
    m->plan = (assay_metric_plan){ .struct_size = sizeof m->plan, .task = &m->task };
    assert_int_equal(m->ops->plan(&m->rig.ctx, m->rig.hyper, &m->plan), ASSAY_OK);
    assert_int_equal(m->plan.n_values, 1);
    assert_string_equal(m->plan.names[0], "");
    assert_int_equal(m->plan.n_sums, N_SUMS);
    assert_int_equal(m->plan.direction, 0);
    assert_null(m->ops->merge); /* the host adds sums */
}

static void add(metric_rig *m, const assay_rows *rows, double *sums)
{
    const uint64_t n_allocs = m->rig.n_allocs;
    assert_int_equal(m->ops->add(&m->rig.ctx, m->rig.hyper, rows, sums), ASSAY_OK);
    assert_int_equal(m->rig.n_allocs, n_allocs);
}

static double result(metric_rig *m, const double *sums)
{
    double v = -1;
    assert_int_equal(m->ops->result(&m->rig.ctx, m->rig.hyper, sums, &v), ASSAY_OK);
    return v;
}

static void check(const metric_case *c, const golden *file, double v)
{
    size_t n = 0;
    const double expected = golden_f64(file, rows_key(c->rows, "values"), &n)[c->i_value];
    assert_int_equal(n, 3);
    const double error = fabs(v - expected) / fabs(expected);
    if (!(error <= c->bar)) {
        fail_msg("%s of %s: %.17g, expected %.17g, off by %g", c->id, c->rows, v, expected, error);
    }
}

static void test_likelihood__agrees_with_pytorch(void **state)
{
    golden *file = golden_open("likelihood_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        const assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        double sums[N_SUMS] = { 0 };
        open_metric(&m, &cases[k], rows.n_outputs);
        add(&m, &rows, sums);
        check(&cases[k], file, result(&m, sums));
        component_close(&m.rig);
    }
    golden_close(file);
}

/* A mean of the parts' results would be another number. */
static void test_likelihood__is_the_same_from_merged_parts(void **state)
{
    static const uint64_t cut[] = { 0, 2, 2, 9, 30, 41 }; // one part is empty
    golden *file = golden_open("likelihood_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        const assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        double whole[N_SUMS] = { 0 };
        assert_int_equal(rows.n, 41);
        open_metric(&m, &cases[k], rows.n_outputs);
        for (size_t i = 0; i + 1 < sizeof cut / sizeof cut[0]; i++) {
            const assay_rows part = rows_part(&rows, cut[i], cut[i + 1]);
            double sums[N_SUMS] = { 0 };
            add(&m, &part, sums);
            whole[0] += sums[0];
            whole[1] += sums[1];
        }
        check(&cases[k], file, result(&m, whole));
        component_close(&m.rig);
    }
    golden_close(file);
}

/* Whatever stands in a row of weight 0. */
static void test_likelihood__never_looks_at_padding(void **state)
{
    golden *file = golden_open("likelihood_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        const uint64_t n = rows.n_outputs;
        metric_rig m;
        double sums[N_SUMS] = { 0 };
        open_metric(&m, &cases[k], n);
        float *y = component_alloc(&m.rig, rows.n * n * sizeof *y);
        float *target = component_alloc(&m.rig, rows.n * n * sizeof *target);
        int32_t *label = component_alloc(&m.rig, rows.n * sizeof *label);
        assert_true(rows.weight[1] == 0 && rows.weight[7] == 0);
        for (uint64_t i = 0; i < rows.n; i++) {
            const int out = rows.weight[i] == 0;
            label[i] = out ? INT32_MIN : rows.label ? rows.label[i] : 0;
            for (uint64_t j = 0; j < n; j++) {
                y[i * n + j] = out ? NAN : rows.y[i * n + j];
                target[i * n + j] = out ? NAN : rows.target ? rows.target[i * n + j] : 0;
            }
        }
        rows.y = y;
        if (rows.label) rows.label = label;
        if (rows.target) rows.target = target;
        add(&m, &rows, sums);
        check(&cases[k], file, result(&m, sums));
        component_close(&m.rig);
    }
    golden_close(file);
}

static void test_likelihood__takes_no_weights_as_ones_and_nothing_as_nan(void **state)
{
    golden *file = golden_open("likelihood_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        double a[N_SUMS] = { 0 }, b[N_SUMS] = { 0 }, none[N_SUMS] = { 0 };
        open_metric(&m, &cases[k], rows.n_outputs);
        float *weight = component_alloc(&m.rig, rows.n * sizeof *weight);
        rows.weight = weight;
        add(&m, &rows, none);
        assert_true(isnan(result(&m, none)));
        for (uint64_t i = 0; i < rows.n; i++) {
            weight[i] = 1;
        }
        add(&m, &rows, a);
        rows.weight = NULL;
        add(&m, &rows, b);
        assert_memory_equal(a, b, sizeof a);
        assert_true(b[1] == 41);
        component_close(&m.rig);
    }
    golden_close(file);
}

static void test_likelihood__shows_a_nan_wherever_it_stands(void **state)
{
    golden *file = golden_open("likelihood_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        const uint64_t n = rows.n_outputs;
        metric_rig m;
        open_metric(&m, &cases[k], n);
        float *y = component_alloc(&m.rig, rows.n * n * sizeof *y);
        for (uint64_t j = 0; j < n; j++) {
            double sums[N_SUMS] = { 0 };
            memcpy(y, rows.y, rows.n * n * sizeof *y);
            y[j] = NAN;
            rows.y = y;
            rows.n = 1;
            add(&m, &rows, sums);
            assert_true(isnan(result(&m, sums)));
            rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        }
        component_close(&m.rig);
    }
    golden_close(file);
}

/* Of four classes as likely as each other one needs 2 bits; a class that is ruled out surprises without end. */
static void test_likelihood__has_the_units_of_its_name(void **state)
{
    static const char *const ids[] = { "nll", "perplexity", "bits_per_char" };
    static const double of_four[] = { 1.3862943611198906, 4, 2 };
    static const float even[4] = { 2.385f, 2.385f, 2.385f, 2.385f };
    static const float out[4] = { 2.385f, -INFINITY, -0.731f, 1.5f };
    static const int32_t label[1] = { 1 };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        const metric_case c = { "", ids[k], -1, CLASS, 4, 0, 0 };
        assay_rows rows = { .struct_size = sizeof rows,
            .n = 1,
            .n_outputs = 4,
            .n_targets = 1,
            .y = even,
            .label = label };
        metric_rig m;
        double sums[N_SUMS] = { 0 };
        open_metric(&m, &c, 4);
        add(&m, &rows, sums);
        assert_true(fabs(result(&m, sums) - of_four[k]) < 1e-12);
        rows.y = out;
        add(&m, &rows, sums);
        assert_true(isinf(result(&m, sums)));
        component_close(&m.rig);
    }
}

static void test_likelihood__refuses_a_label_outside_the_classes(void **state)
{
    static const char *const ids[] = { "nll", "perplexity", "bits_per_char" };
    static const float y[6] = { 1.25f, 0.5f, -0.731f, 0.25f, 2.385f, 0.125f };
    static const int32_t label[2] = { 1, 3 };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        const metric_case c = { "", ids[k], -1, CLASS, 3, 0, 0 };
        const assay_rows rows = { .struct_size = sizeof rows,
            .n = 2,
            .n_outputs = 3,
            .n_targets = 1,
            .y = y,
            .label = label };
        metric_rig m;
        double sums[N_SUMS] = { 0 };
        open_metric(&m, &c, 3);
        assert_int_equal(m.ops->add(&m.rig.ctx, m.rig.hyper, &rows, sums), ASSAY_E_DATA);
        assert_string_equal(m.rig.failure, "label 3 is outside 0..2");
        component_close(&m.rig);
    }
}

static const struct {
    const char *id;
    uint64_t target, n_classes, n_outputs, n_targets;
    int code;
    const char *why;
} plans[] = {
    { "nll", CLASS, 10, 10, 1, ASSAY_OK, "" },
    { "nll", CLASS, 2, 1, 1, ASSAY_OK, "" },
    { "nll", BINARY, 0, 88, 88, ASSAY_OK, "" },
    { "nll", BINARY, 0, 87, 88, ASSAY_E_SHAPE, "give it units = 88" },
    { "nll", CLASS, 10, 7, 1, ASSAY_E_SHAPE, "give it units = 10" },
    { "nll", REAL, 0, 1, 1, ASSAY_E_UNSUPPORTED, "use rmse, mae or r2" },
    { "nll", NONE, 0, 1, 0, ASSAY_E_UNSUPPORTED, "needs data with classes" },
    { "perplexity", CLASS, 10, 10, 1, ASSAY_OK, "" },
    { "perplexity", BINARY, 0, 5, 5, ASSAY_E_UNSUPPORTED, "needs data with classes" },
    { "bits_per_char", CLASS, 10, 10, 1, ASSAY_OK, "" },
    { "bits_per_char", CLASS, 10, 9, 1, ASSAY_E_SHAPE, "give it units = 10" },
    { "bits_per_char", REAL, 0, 5, 5, ASSAY_E_UNSUPPORTED, "needs data with classes" },
};

static void test_likelihood__says_what_to_do_about_a_task_that_does_not_fit(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++) {
        const assay_task task = { .struct_size = sizeof task,
            .target = plans[k].target,
            .n_classes = plans[k].n_classes,
            .n_outputs = plans[k].n_outputs,
            .n_targets = plans[k].n_targets };
        assay_metric_plan plan = { .struct_size = sizeof plan, .task = &task };
        component_rig rig;
        component_open(&rig, TEST_BUILD_DIR, "metric", plans[k].id);
        const assay_metric *ops = rig.component->ops;
        assert_int_equal(ops->plan(&rig.ctx, rig.hyper, &plan), plans[k].code);
        if (!strstr(rig.failure, plans[k].why)) fail_msg("%s: %s", plans[k].id, rig.failure);
        component_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_likelihood__agrees_with_pytorch),
        cmocka_unit_test(test_likelihood__is_the_same_from_merged_parts),
        cmocka_unit_test(test_likelihood__never_looks_at_padding),
        cmocka_unit_test(test_likelihood__takes_no_weights_as_ones_and_nothing_as_nan),
        cmocka_unit_test(test_likelihood__shows_a_nan_wherever_it_stands),
        cmocka_unit_test(test_likelihood__has_the_units_of_its_name),
        cmocka_unit_test(test_likelihood__refuses_a_label_outside_the_classes),
        cmocka_unit_test(test_likelihood__says_what_to_do_about_a_task_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
