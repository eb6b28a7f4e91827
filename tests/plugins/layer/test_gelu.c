/* How near exact gelu and its slope are to the truth, over the floats near 0, those in the tails and a
 * sweep between (tests/golden/generate_norms.py): the bound that the plugin's file states. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static double worst_of(const float *got, const double *want, uint64_t n)
{
    double worst = 0;
    for (uint64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)got[i] - want[i]) / fmax(fabs(want[i]), 1));
    }
    return worst;
}

static void test_gelu__is_within_the_error_that_it_states(void **state)
{
    golden *file = golden_open("layer_smooth_values");
    layer_harness l;
    size_t n = 0;
    const float *x = golden_f32(file, "sweep.x", &n);
    const double *y = golden_f64(file, "sweep.y", NULL);
    (void)state;
    assert_true(n > 4000);
    layer_open(&l, TEST_BUILD_DIR, "gelu");
    layer_input(&l, (assay_shape){ 1, { n } });
    assert_int_equal(layer_plan(&l, 1, 1), ASSAY_OK);
    memcpy(l.x[0], x, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        l.dy[i] = 1;
    }
    layer_forward(&l);
    layer_backward(&l);
    const double of_y = worst_of(l.y, y, n);
    const double of_slope = worst_of(l.dx[0], golden_f64(file, "sweep.slope", NULL), n);
    if (!(of_y <= 4e-7 && of_slope <= 4e-7)) fail_msg("y %g, slope %g", of_y, of_slope);
    for (size_t i = 0; i < n; i++) { /* the tail keeps its digits, farther than 1 + erf does */
        const double apart = fabs((double)l.y[i] - y[i]);
        if (x[i] > -5 && apart > 4e-6 * fabs(y[i])) fail_msg("%g at %g", apart, (double)x[i]);
    }
    layer_close(&l);
    golden_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gelu__is_within_the_error_that_it_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
