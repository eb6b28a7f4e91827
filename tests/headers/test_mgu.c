/* The recurrent layer of sdk/examples/mgu beside its equations in double, its gradient beside differences, over padding and
 * over the windows of a stream. */
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { IN = 3, UNITS = 5, TIME = 6, BATCH = 4 };

static const uint32_t lengths[BATCH] = { 4, 6, 0, 1 };

static void open_mgu(layer_harness *l, uint64_t time, int last)
{
    layer_open(l, TEST_BUILD_DIR "/tests/headers", "mgu");
    component_set(&l->rig, "units", UNITS);
    component_set(&l->rig, "return", last);
    layer_input(l, (assay_shape){ 1, { IN } });
    assert_int_equal(layer_plan(l, time, BATCH), ASSAY_OK);
    layer_carry(l, 40);
    fill_numbers(l->x[0], layer_x_size(l, 0), 1);
    fill_numbers(l->dy, layer_y_size(l), 2);
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), 10 + i);
        for (uint64_t j = 0; j < layer_param_size(l, i); j++) {
            l->param[i][j] *= 0.4f;
        }
    }
}

/* What the result depends on, in double: the parameters, x, the first states. */
enum {
    AT_W = 0,
    AT_GATE = AT_W + IN * 2 * UNITS,
    AT_NEW = AT_GATE + UNITS * UNITS,
    AT_BIAS = AT_NEW + UNITS * UNITS,
    AT_X = AT_BIAS + 2 * UNITS,
    AT_H = AT_X + TIME * BATCH * IN,
    N_ALL = AT_H + BATCH * UNITS
};

static const int begins[7] = { AT_W, AT_GATE, AT_NEW, AT_BIAS, AT_X, AT_H, N_ALL };

/* Entry k of the six in order: the parameters, then x, then the state; or their gradients. */
static float *entry_of(const layer_harness *l, int k, int gradient)
{
    if (k < 4) return gradient ? l->dparam[k] : l->param[k];
    if (k == 4) return gradient ? l->dx[0] : l->x[0];
    return gradient ? l->dcarry_in[0] : l->carry_in[0];
}

static void gather(const layer_harness *l, int gradient, double out[N_ALL])
{
    for (int k = 0; k < 6; k++) {
        for (int i = begins[k]; i < begins[k + 1]; i++) {
            out[i] = (double)entry_of(l, k, gradient)[i - begins[k]];
        }
    }
}

/* One step of one sample: h[UNITS] becomes the state after x[IN]. */
static void plain_step(const double *v, const double *x, double h[UNITS])
{
    double f[UNITS], next[UNITS];
    for (int j = 0; j < UNITS; j++) {
        double a = v[AT_BIAS + j];
        for (int i = 0; i < IN; i++) {
            a += x[i] * v[AT_W + i * 2 * UNITS + j];
        }
        for (int i = 0; i < UNITS; i++) {
            a += h[i] * v[AT_GATE + i * UNITS + j];
        }
        f[j] = 1 / (1 + exp(-a));
    }
    for (int j = 0; j < UNITS; j++) {
        double a = v[AT_BIAS + UNITS + j];
        for (int i = 0; i < IN; i++) {
            a += x[i] * v[AT_W + i * 2 * UNITS + UNITS + j];
        }
        for (int i = 0; i < UNITS; i++) {
            a += f[i] * h[i] * v[AT_NEW + i * UNITS + j];
        }
        next[j] = (1 - f[j]) * h[j] + f[j] * tanh(a);
    }
    memcpy(h, next, sizeof next);
}

/* y[TIME, BATCH, UNITS]; a sample that has ended keeps its state. */
static void plain_forward(const double *v, const uint32_t *length, double *y)
{
    for (int b = 0; b < BATCH; b++) {
        double h[UNITS];
        memcpy(h, v + AT_H + b * UNITS, sizeof h);
        for (int t = 0; t < TIME; t++) {
            const int row = t * BATCH + b;
            if (!length || (uint32_t)t < length[b]) plain_step(v, v + AT_X + row * IN, h);
            memcpy(y + row * UNITS, h, sizeof h);
        }
    }
}

/* sum(y dy), and the same of the state after the last step. */
static double plain_objective(const layer_harness *l, int last, const double *v)
{
    enum { ROWS = TIME * BATCH, END = (TIME - 1) * BATCH * UNITS };
    double y[ROWS * UNITS], sum = 0;
    plain_forward(v, l->io.length, y);
    for (int i = 0; i < ROWS * UNITS; i++) {
        if (!last) sum += y[i] * (double)l->dy[i];
        if (last && i >= END) sum += y[i] * (double)l->dy[i - END];
        if (i >= END) sum += y[i] * (double)l->dcarry_out[0][i - END];
    }
    return sum;
}

static void test_mgu__is_its_equations(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const int last = k % 2;
        layer_harness l;
        double v[N_ALL], y[TIME * BATCH * UNITS];
        open_mgu(&l, TIME, last);
        if (k / 2) l.io.length = lengths;
        layer_forward(&l);
        gather(&l, 0, v);
        plain_forward(v, l.io.length, y);
        const double *end = y + (TIME - 1) * BATCH * UNITS;
        /* 1e-6: some roundings of 6e-8 of numbers near 1 */
        for (uint64_t i = 0; i < layer_y_size(&l); i++) {
            assert_true(fabs((double)l.y[i] - (last ? end[i] : y[i])) < 1e-6);
        }
        for (int i = 0; i < BATCH * UNITS; i++) {
            assert_true(fabs((double)l.carry_out[0][i] - end[i]) < 1e-6);
        }
        layer_close(&l);
    }
}

/* Against central differences of the equations in double, whose own error is some 1e-9. */
static void test_mgu__has_the_gradient_of_its_equations(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        layer_harness l;
        double v[N_ALL], found[N_ALL], off = 0, size = 0;
        open_mgu(&l, TIME, k % 2);
        if (k / 2) l.io.length = lengths;
        layer_forward(&l);
        layer_backward(&l);
        gather(&l, 0, v);
        gather(&l, 1, found);
        for (int i = 0; i < N_ALL; i++) {
            const double at = v[i], step = 1e-5;
            v[i] = at + step;
            const double above = plain_objective(&l, k % 2, v);
            v[i] = at - step;
            const double below = plain_objective(&l, k % 2, v);
            v[i] = at;
            const double expected = (above - below) / (2 * step);
            off = fmax(off, fabs(expected - found[i]));
            size = fmax(size, fabs(expected));
        }
        if (!(off < 1e-6 * size)) fail_msg("case %d: off by %g of %g", k, off, size);
        layer_close(&l);
    }
}

static void assert_close(const float *a, const float *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        assert_true(fabs((double)(a[i] - b[i])) <= 2e-6 * (1 + fabs((double)b[i])));
    }
}

static void test_mgu__two_windows_are_one_stream(void **state)
{
    const uint64_t half = TIME / 2, rows = half * BATCH;
    layer_harness whole, first, second;
    (void)state;
    open_mgu(&whole, TIME, 0);
    open_mgu(&first, half, 0);
    open_mgu(&second, half, 0);
    memcpy(first.x[0], whole.x[0], rows * IN * sizeof(float));
    memcpy(second.x[0], whole.x[0] + rows * IN, rows * IN * sizeof(float));
    memcpy(first.dy, whole.dy, rows * UNITS * sizeof(float));
    memcpy(second.dy, whole.dy + rows * UNITS, rows * UNITS * sizeof(float));
    layer_forward(&whole);
    layer_forward(&first);
    memcpy(second.carry_in[0], first.carry_out[0], BATCH * UNITS * sizeof(float));
    layer_forward(&second);
    layer_backward(&whole);
    layer_backward(&second);
    memcpy(first.dcarry_out[0], second.dcarry_in[0], BATCH * UNITS * sizeof(float));
    layer_backward(&first);
    assert_close(first.y, whole.y, rows * UNITS);
    assert_close(second.y, whole.y + rows * UNITS, rows * UNITS);
    assert_close(first.dx[0], whole.dx[0], rows * IN);
    assert_close(second.dx[0], whole.dx[0] + rows * IN, rows * IN);
    assert_close(first.dcarry_in[0], whole.dcarry_in[0], BATCH * UNITS);
    for (uint64_t p = 0; p < whole.n_param; p++) {
        for (uint64_t k = 0; k < layer_param_size(&whole, p); k++) {
            first.dparam[p][k] += second.dparam[p][k];
        }
        assert_close(first.dparam[p], whole.dparam[p], layer_param_size(&whole, p));
    }
    layer_close(&whole);
    layer_close(&first);
    layer_close(&second);
}

static void test_mgu__refuses_tokens(void **state)
{
    layer_harness l;
    (void)state;
    layer_open(&l, TEST_BUILD_DIR "/tests/headers", "mgu");
    component_set(&l.rig, "units", UNITS);
    layer_tokens(&l, 7);
    assert_int_equal(layer_plan(&l, TIME, BATCH), ASSAY_E_UNSUPPORTED);
    assert_non_null(strstr(l.rig.failure, "put an embedding before it"));
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mgu__is_its_equations),
        cmocka_unit_test(test_mgu__has_the_gradient_of_its_equations),
        cmocka_unit_test(test_mgu__two_windows_are_one_stream),
        cmocka_unit_test(test_mgu__refuses_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
