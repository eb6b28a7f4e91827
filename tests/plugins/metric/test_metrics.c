/* Every shipped metric against NumPy's float64 numbers (tests/golden/generate_layers.py), whole and
 * in merged parts, and what each says about a task it cannot judge. Bar: 1e-12, double against
 * double in another order of summation. */
#include "plugins/metric/golden_rows.h"
#include "support/component_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BAR 1e-12

#define CLASS ASSAY_TARGET_CLASS
#define REAL ASSAY_TARGET_REAL
#define BINARY ASSAY_TARGET_BINARY
#define NONE ASSAY_TARGET_NONE

/* One setting of one metric on one table of rows; `first` is where its values begin among the
 * golden ones. */
typedef struct metric_case {
    const char *rows, *id, *hyper[2];
    double value[2];
    uint64_t target, n_classes, first, n_values;
} metric_case;

static const metric_case cases[] = {
    { "accuracy", "accuracy", { NULL }, { 0 }, CLASS, 6, 0, 2 },
    { "accuracy_one", "accuracy", { NULL }, { 0 }, CLASS, 2, 0, 2 },
    { "accuracy_one_half", "accuracy", { "threshold" }, { 0.5 }, CLASS, 2, 0, 2 },
    { "accuracy_binary", "accuracy", { NULL }, { 0 }, BINARY, 0, 0, 2 },
    { "top_k", "top_k", { "k" }, { 3 }, CLASS, 6, 0, 2 },
    { "accuracy", "top_k", { "k" }, { 1 }, CLASS, 6, 0, 2 },
    { "f1", "f1", { NULL }, { 0 }, CLASS, 6, 0, 1 },
    { "f1", "f1", { "average" }, { 1 }, CLASS, 6, 1, 1 },
    { "f1", "f1", { "average" }, { 2 }, CLASS, 6, 2, 1 },
    { "f1_one", "f1", { "average" }, { 0 }, CLASS, 2, 0, 1 },
    { "f1_one", "f1", { "average" }, { 3 }, CLASS, 2, 3, 1 },
    { "f1_one_half", "f1", { "average", "threshold" }, { 3, 0.5 }, CLASS, 2, 3, 1 },
    { "f1_binary", "f1", { "average" }, { 0 }, BINARY, 0, 0, 1 },
    { "f1_binary", "f1", { "average" }, { 1 }, BINARY, 0, 1, 1 },
    { "f1_binary", "f1", { "average" }, { 2 }, BINARY, 0, 2, 1 },
    { "confusion", "confusion", { NULL }, { 0 }, CLASS, 6, 0, 36 },
    { "confusion_one", "confusion", { NULL }, { 0 }, CLASS, 2, 0, 4 },
    { "confusion_one_half", "confusion", { "threshold" }, { 0.5 }, CLASS, 2, 0, 4 },
    { "rmse", "rmse", { NULL }, { 0 }, REAL, 0, 0, 1 },
    { "mae", "mae", { NULL }, { 0 }, REAL, 0, 0, 1 },
    { "r2", "r2", { NULL }, { 0 }, REAL, 0, 0, 1 },
    { "r2", "r2", { "average" }, { 1 }, REAL, 0, 1, 1 },
};

#define N_CASES (sizeof cases / sizeof cases[0])
#define MAX_VALUES 36
#define MAX_SUMS 64

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
    for (int i = 0; i < 2; i++) {
        if (c->hyper[i]) component_set(&m->rig, c->hyper[i], c->value[i]);
    }
    m->task = (assay_task){ .struct_size = sizeof m->task,
        .target = c->target,
        .n_classes = c->n_classes,
        .n_outputs = n_outputs,
        .n_targets = c->target == CLASS ? 1 : n_outputs };
    m->plan = (assay_metric_plan){ .struct_size = sizeof m->plan, .task = &m->task };
    assert_int_equal(m->ops->plan(&m->rig.ctx, m->rig.hyper, &m->plan), ASSAY_OK);
    assert_int_equal(m->plan.n_values, c->n_values);
    assert_in_range(m->plan.n_sums, 1, MAX_SUMS);
}

/* An accumulator of exactly the declared size. */
static double *sums_new(metric_rig *m)
{
    return component_alloc(&m->rig, m->plan.n_sums * sizeof(double));
}

static void add(metric_rig *m, const assay_rows *rows, double *sums)
{
    const uint64_t n_allocs = m->rig.n_allocs;
    assert_int_equal(m->ops->add(&m->rig.ctx, m->rig.hyper, rows, sums), ASSAY_OK);
    assert_int_equal(m->rig.n_allocs, n_allocs);
}

/* As the host does it. */
static void merge(metric_rig *m, double *into, const double *from)
{
    if (m->ops->merge) {
        assert_int_equal(m->ops->merge(&m->rig.ctx, m->rig.hyper, into, from), ASSAY_OK);
        return;
    }
    for (uint64_t i = 0; i < m->plan.n_sums; i++) {
        into[i] += from[i];
    }
}

static double *result(metric_rig *m, const double *sums)
{
    double *values = component_alloc(&m->rig, m->plan.n_values * sizeof *values);
    assert_int_equal(m->ops->result(&m->rig.ctx, m->rig.hyper, sums, values), ASSAY_OK);
    return values;
}

static void check(const metric_case *c, const golden *file, const double *values)
{
    size_t n = 0;
    const double *expected = golden_f64(file, rows_key(c->rows, "values"), &n);
    assert_in_range(c->first + c->n_values, 1, n);
    for (uint64_t i = 0; i < c->n_values; i++) {
        const double e = expected[c->first + i];
        if (!(fabs(values[i] - e) <= BAR * fmax(fabs(e), 1))) {
            fail_msg("%s of %s [%d]: %.17g, expected %.17g", c->id, c->rows, (int)i, values[i], e);
        }
    }
}

static void test_metrics__agree_with_their_formulas(void **state)
{
    golden *file = golden_open("metric_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        const assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        open_metric(&m, &cases[k], rows.n_outputs);
        double *sums = sums_new(&m);
        add(&m, &rows, sums);
        check(&cases[k], file, result(&m, sums));
        component_close(&m.rig);
    }
    golden_close(file);
}

static void test_metrics__are_the_same_from_merged_parts(void **state)
{
    static const uint64_t cut[] = { 0, 2, 2, 9, 30, 41 }; // one part is empty
    golden *file = golden_open("metric_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        const assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        assert_int_equal(rows.n, 41);
        open_metric(&m, &cases[k], rows.n_outputs);
        double *whole = sums_new(&m);
        for (size_t i = 0; i + 1 < sizeof cut / sizeof cut[0]; i++) {
            const assay_rows part = rows_part(&rows, cut[i], cut[i + 1]);
            double *sums = sums_new(&m);
            add(&m, &part, sums);
            merge(&m, whole, sums);
        }
        check(&cases[k], file, result(&m, whole));
        component_close(&m.rig);
    }
    golden_close(file);
}

static void test_metrics__give_nan_where_nothing_counts(void **state)
{
    golden *file = golden_open("metric_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        open_metric(&m, &cases[k], rows.n_outputs);
        rows.weight = component_alloc(&m.rig, rows.n * sizeof(float));
        double *sums = sums_new(&m), *empty = sums_new(&m);
        add(&m, &rows, sums);
        merge(&m, sums, empty);
        assert_memory_equal(sums, empty, m.plan.n_sums * sizeof *sums);
        const double *values = result(&m, sums);
        for (uint64_t i = 0; i < m.plan.n_values; i++) {
            assert_true(isnan(values[i]));
        }
        component_close(&m.rig);
    }
    golden_close(file);
}

/* Without weights every row counts once. */
static void test_metrics__take_no_weights_as_ones(void **state)
{
    golden *file = golden_open("metric_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        metric_rig m;
        open_metric(&m, &cases[k], rows.n_outputs);
        float *ones = component_alloc(&m.rig, rows.n * sizeof *ones);
        double *a = sums_new(&m), *b = sums_new(&m);
        for (uint64_t i = 0; i < rows.n; i++) {
            ones[i] = 1;
        }
        rows.weight = ones;
        add(&m, &rows, a);
        rows.weight = NULL;
        add(&m, &rows, b);
        assert_memory_equal(a, b, m.plan.n_sums * sizeof *a);
        component_close(&m.rig);
    }
    golden_close(file);
}

/* Whatever stands in a row of weight 0, labels and targets included. */
static void test_metrics__never_look_at_a_row_of_weight_0(void **state)
{
    golden *file = golden_open("metric_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        assay_rows rows = rows_read(file, cases[k].rows, cases[k].target == CLASS);
        const uint64_t n = rows.n_outputs;
        metric_rig m;
        open_metric(&m, &cases[k], n);
        float *y = component_alloc(&m.rig, rows.n * n * sizeof *y);
        float *target = component_alloc(&m.rig, rows.n * n * sizeof *target);
        int32_t *label = component_alloc(&m.rig, rows.n * sizeof *label);
        memcpy(y, rows.y, rows.n * n * sizeof *y);
        if (rows.target) memcpy(target, rows.target, rows.n * n * sizeof *target);
        for (uint64_t i = 0; i < rows.n; i++) {
            label[i] = !rows.label || rows.weight[i] == 0 ? -1 : rows.label[i];
            for (uint64_t j = 0; rows.weight[i] == 0 && j < n; j++) {
                y[i * n + j] = NAN;
                target[i * n + j] = NAN;
            }
        }
        assert_true(rows.weight[1] == 0 && rows.weight[7] == 0);
        rows.y = y;
        if (rows.label) rows.label = label;
        if (rows.target) rows.target = target;
        double *sums = sums_new(&m);
        add(&m, &rows, sums);
        check(&cases[k], file, result(&m, sums));
        component_close(&m.rig);
    }
    golden_close(file);
}

/* 20 rows, 15 right: p = 0.75, se = sqrt(0.75 0.25 / 20). NaN in place of every answer: none
 * right. */
static void test_accuracy__has_its_standard_error_and_never_counts_nan(void **state)
{
    static const metric_case c = { "", "accuracy", { NULL }, { 0 }, CLASS, 3, 0, 2 };
    float y[20][3];
    int32_t label[20];
    metric_rig m;
    (void)state;
    for (int i = 0; i < 20; i++) {
        label[i] = i % 3;
        for (int j = 0; j < 3; j++) {
            y[i][j] = (j == label[i]) == (i < 15) ? 2.385f : -0.731f;
        }
    }
    const assay_rows rows = { .struct_size = sizeof rows,
        .n = 20,
        .n_outputs = 3,
        .n_targets = 1,
        .y = y[0],
        .label = label };
    open_metric(&m, &c, 3);
    assert_string_equal(m.plan.names[0], "");
    assert_string_equal(m.plan.names[1], "se");
    double *sums = sums_new(&m), *of_nan = sums_new(&m);
    add(&m, &rows, sums);
    double *values = result(&m, sums);
    assert_true(values[0] == 0.75);
    assert_true(fabs(values[1] - sqrt(0.75 * 0.25 / 20)) < BAR);
    for (int i = 0; i < 20; i++) {
        y[i][(i + 1) % 3] = NAN;
    }
    add(&m, &rows, of_nan);
    assert_true(result(&m, of_nan)[0] == 0);
    component_close(&m.rig);
}

/* Targets near 4e6 that vary by 1: sums of squares would lose every digit in double's last 2. */
static void test_r2__keeps_its_digits_far_from_zero(void **state)
{
    static const metric_case c = { "", "r2", { NULL }, { 0 }, REAL, 0, 0, 1 };
    enum { N = 4000 };
    static float y[N], target[N];
    metric_rig m;
    (void)state;
    for (int i = 0; i < N; i++) {
        target[i] = 4194304.0f + (float)(i % 2);
        y[i] = target[i] + (i % 4 < 2 ? 0.5f : -0.5f);
    }
    const assay_rows rows = {
        .struct_size = sizeof rows, .n = N, .n_outputs = 1, .n_targets = 1, .y = y, .target = target
    };
    open_metric(&m, &c, 1);
    double *whole = sums_new(&m);
    for (uint64_t i = 0; i < N; i += 100) {
        const assay_rows part = rows_part(&rows, i, i + 100);
        double *sums = sums_new(&m);
        add(&m, &part, sums);
        merge(&m, whole, sums);
    }
    assert_true(
        fabs(result(&m, whole)[0] - 0) < 1e-9); // residuals 0.25 as large as the variance 0.25
    component_close(&m.rig);
}

static void test_r2__is_nan_for_a_target_that_does_not_vary(void **state)
{
    static const metric_case c = { "", "r2", { NULL }, { 0 }, REAL, 0, 0, 1 };
    static const float y[3] = { 1.5f, 2.385f, 0.731f }, target[3] = { 2.385f, 2.385f, 2.385f };
    const assay_rows rows = {
        .struct_size = sizeof rows, .n = 3, .n_outputs = 1, .n_targets = 1, .y = y, .target = target
    };
    metric_rig m;
    (void)state;
    open_metric(&m, &c, 1);
    double *sums = sums_new(&m);
    add(&m, &rows, sums);
    assert_true(isnan(result(&m, sums)[0]));
    component_close(&m.rig);
}

static void test_metrics__refuse_a_label_outside_the_classes(void **state)
{
    static const char *const ids[] = { "accuracy", "top_k", "f1", "confusion" };
    static const float y[6] = { 1.25f, 0.5f, -0.731f, 0.25f, 2.385f, 0.125f };
    static const int32_t label[2] = { 1, 3 };
    const assay_rows rows = {
        .struct_size = sizeof rows, .n = 2, .n_outputs = 3, .n_targets = 1, .y = y, .label = label
    };
    (void)state;
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        const metric_case c = { "", ids[k], { k == 1 ? "k" : NULL }, { 2 }, CLASS, 3, 0,
            k == 3      ? 9
                : k < 2 ? 2
                        : 1 };
        metric_rig m;
        open_metric(&m, &c, 3);
        double *sums = sums_new(&m);
        assert_int_equal(m.ops->add(&m.rig.ctx, m.rig.hyper, &rows, sums), ASSAY_E_DATA);
        assert_string_equal(m.rig.failure, "label 3 is outside 0..2");
        component_close(&m.rig);
    }
}

typedef struct plan_case {
    const char *id, *hyper;
    double value;
    uint64_t target, n_classes, n_outputs, n_targets, larger_is_better;
    int code;
    const char *why;
} plan_case;

static const plan_case plans[] = {
    { "accuracy", NULL, 0, CLASS, 10, 10, 1, 1, ASSAY_OK, "" },
    { "accuracy", NULL, 0, CLASS, 2, 1, 1, 1, ASSAY_OK, "" },
    { "accuracy", NULL, 0, BINARY, 0, 5, 5, 1, ASSAY_OK, "" },
    { "accuracy", NULL, 0, CLASS, 10, 7, 1, 1, ASSAY_E_SHAPE,
        "7 outputs but the data has 10 classes: give it units = 10" },
    { "accuracy", NULL, 0, BINARY, 0, 5, 4, 1, ASSAY_E_SHAPE, "give it units = 4" },
    { "accuracy", NULL, 0, REAL, 0, 1, 1, 1, ASSAY_E_UNSUPPORTED, "use rmse, mae or r2" },
    { "top_k", "k", 3, CLASS, 3, 3, 1, 1, ASSAY_OK, "" },
    { "top_k", NULL, 0, CLASS, 3, 3, 1, 1, ASSAY_E_INVALID, "must be at most 3" },
    { "top_k", "k", 1, CLASS, 2, 1, 1, 1, ASSAY_E_UNSUPPORTED, "use accuracy" },
    { "f1", NULL, 0, CLASS, 3, 3, 1, 1, ASSAY_OK, "" },
    { "f1", "average", 3, CLASS, 2, 2, 1, 1, ASSAY_OK, "" },
    { "f1", "average", 3, CLASS, 3, 3, 1, 1, ASSAY_E_INVALID, "data of two classes" },
    { "f1", "average", 3, BINARY, 0, 2, 2, 1, ASSAY_E_INVALID, "data of two classes" },
    { "f1", NULL, 0, REAL, 0, 2, 2, 1, ASSAY_E_UNSUPPORTED, "needs data with classes" },
    { "confusion", NULL, 0, BINARY, 0, 1, 1, 1, ASSAY_OK, "" },
    { "confusion", NULL, 0, BINARY, 0, 2, 2, 1, ASSAY_E_UNSUPPORTED, "use f1" },
    { "confusion", NULL, 0, REAL, 0, 2, 2, 1, ASSAY_E_UNSUPPORTED, "needs data with classes" },
    { "rmse", NULL, 0, REAL, 0, 2, 2, 0, ASSAY_OK, "" },
    { "rmse", NULL, 0, REAL, 0, 2, 3, 0, ASSAY_E_SHAPE, "give it units = 3" },
    { "mae", NULL, 0, CLASS, 3, 3, 1, 0, ASSAY_E_UNSUPPORTED, "use accuracy, top_k or f1" },
    { "mae", NULL, 0, NONE, 0, 3, 0, 0, ASSAY_E_UNSUPPORTED, "no targets" },
    { "r2", NULL, 0, REAL, 0, 2, 2, 1, ASSAY_OK, "" },
    { "r2", NULL, 0, REAL, 0, 2, 1, 1, ASSAY_E_SHAPE, "give it units = 1" },
};

static void test_metrics__say_what_to_do_about_a_task_that_does_not_fit(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++) {
        const plan_case *p = &plans[k];
        const assay_task task = { .struct_size = sizeof task,
            .target = p->target,
            .n_classes = p->n_classes,
            .n_outputs = p->n_outputs,
            .n_targets = p->n_targets };
        assay_metric_plan plan = { .struct_size = sizeof plan, .task = &task };
        component_rig rig;
        component_open(&rig, TEST_BUILD_DIR, "metric", p->id);
        if (p->hyper) component_set(&rig, p->hyper, p->value);
        const assay_metric *ops = rig.component->ops;
        assert_int_equal(ops->plan(&rig.ctx, rig.hyper, &plan), p->code);
        if (!strstr(rig.failure, p->why)) fail_msg("%s: %s", p->id, rig.failure);
        if (p->code == ASSAY_OK) assert_int_equal(plan.direction, p->larger_is_better);
        component_close(&rig);
    }
}

static void *no_memory(assay_ctx *ctx, uint64_t bytes)
{
    (void)ctx;
    (void)bytes;
    return NULL;
}

static void test_metrics__say_when_memory_is_out(void **state)
{
    static const char *const ids[] = { "f1", "confusion", "r2" };
    (void)state;
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        const assay_task task = { .struct_size = sizeof task,
            .target = k == 2 ? REAL : CLASS,
            .n_classes = 3,
            .n_outputs = 3,
            .n_targets = k == 2 ? 3 : 1 };
        assay_metric_plan plan = { .struct_size = sizeof plan, .task = &task };
        component_rig rig;
        component_open(&rig, TEST_BUILD_DIR, "metric", ids[k]);
        rig.host.alloc = no_memory;
        const assay_metric *ops = rig.component->ops;
        assert_int_equal(ops->plan(&rig.ctx, rig.hyper, &plan), ASSAY_E_NOMEM);
        component_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics__agree_with_their_formulas),
        cmocka_unit_test(test_metrics__are_the_same_from_merged_parts),
        cmocka_unit_test(test_metrics__give_nan_where_nothing_counts),
        cmocka_unit_test(test_metrics__take_no_weights_as_ones),
        cmocka_unit_test(test_metrics__never_look_at_a_row_of_weight_0),
        cmocka_unit_test(test_accuracy__has_its_standard_error_and_never_counts_nan),
        cmocka_unit_test(test_r2__keeps_its_digits_far_from_zero),
        cmocka_unit_test(test_r2__is_nan_for_a_target_that_does_not_vary),
        cmocka_unit_test(test_metrics__refuse_a_label_outside_the_classes),
        cmocka_unit_test(test_metrics__say_when_memory_is_out),
        cmocka_unit_test(test_metrics__say_what_to_do_about_a_task_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
