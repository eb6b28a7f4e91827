/* add, concat and flatten: the shapes they give, and what they say about shapes that do not fit. */
#include "support/layer_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const assay_shape vector3 = { 1, { 3 } }, vector5 = { 1, { 5 } };
static const assay_shape image = { 3, { 2, 4, 5 } }, wide_image = { 3, { 2, 4, 6 } };
static const assay_shape deep_image = { 3, { 7, 4, 5 } };

static int plan_of(layer_harness *l, const char *id, const assay_shape *shapes, uint64_t n)
{
    layer_open(l, TEST_BUILD_DIR, id);
    for (uint64_t i = 0; i < n; i++) {
        layer_input(l, shapes[i]);
    }
    return layer_plan(l, 1, 1);
}

static void assert_refused(const char *id, const assay_shape *shapes, uint64_t n, const char *why)
{
    layer_harness l;
    assert_int_equal(plan_of(&l, id, shapes, n), ASSAY_E_SHAPE);
    if (!strstr(l.rig.failure, why)) fail_msg("%s: %s", id, l.rig.failure);
    layer_close(&l);
}

static void assert_gives(const char *id, const assay_shape *shapes, uint64_t n, assay_shape out)
{
    layer_harness l;
    assert_int_equal(plan_of(&l, id, shapes, n), ASSAY_OK);
    assert_true(assay_shape_equal(&l.plan.out, &out));
    layer_close(&l);
}

static void test_add__wants_two_inputs_of_one_shape(void **state)
{
    (void)state;
    assert_gives("add", (assay_shape[]){ image, image }, 2, image);
    assert_refused("add", &image, 1, "two or more inputs");
    assert_refused("add", (assay_shape[]){ image, image, wide_image }, 3,
        "input 1 is [2, 4, 5] and input 3 is [2, 4, 6]");
    assert_refused("add", (assay_shape[]){ vector3, vector5 }, 2, "[3] and input 2 is [5]");
}

static void test_concat__joins_along_the_first_dimension(void **state)
{
    (void)state;
    assert_gives(
        "concat", (assay_shape[]){ vector3, vector5, vector3 }, 3, (assay_shape){ 1, { 11 } });
    assert_gives(
        "concat", (assay_shape[]){ image, deep_image }, 2, (assay_shape){ 3, { 9, 4, 5 } });
    assert_refused("concat", &image, 1, "two or more inputs");
    assert_refused("concat", (assay_shape[]){ image, wide_image }, 2,
        "differ in the first dimension alone, but input 1 is [2, 4, 5] and input 2 is [2, 4, 6]");
    assert_refused("concat", (assay_shape[]){ image, vector5 }, 2, "input 2 is [5]");
}

static void test_flatten__gives_one_dimension(void **state)
{
    (void)state;
    assert_gives("flatten", &image, 1, (assay_shape){ 1, { 40 } });
    assert_gives("flatten", &vector5, 1, vector5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add__wants_two_inputs_of_one_shape),
        cmocka_unit_test(test_concat__joins_along_the_first_dimension),
        cmocka_unit_test(test_flatten__gives_one_dimension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
