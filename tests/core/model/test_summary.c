/* The summary of a model, as text and as JSON: the numbers are worked out here by hand. */
#include "base/json.h"
#include "model/replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

/* Ten horizontal strokes. */
#define TEN "──────────"

static void assert_summary(const model_rig *rig, size_t batch, const char *expected)
{
    text t;
    text_init(&t);
    model_summary(rig->m, batch, &t);
    if (strcmp(t.s, expected) != 0) GIVE_UP("found:\n%sexpected:\n%s", t.s, expected);
    text_release(&t);
}

/* Weights: 784 * 1200 + 1200 + 1200 * 10 + 16 floats (the last bias is padded), 4 bytes each. A step: as many for the gradient,
 * outputs 32 * (1200 + 1200 + 10), the gradient of the last, 32 * 10; and 8 bytes a unit for the sum of each bias. */
static void test_summary__is_a_table(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; name = \"hidden\"; units = 1200; trainable = false; },\n"
        "  \"relu\", { type = \"dense\"; name = \"out\"; units = 10; } );",
        vector_of(784));
    assert_summary(&rig, 32,
        "  layer   type   output    parameters          MACs\n"
        "  " TEN TEN TEN TEN "─────────\n"
        "  hidden  dense  1200         942,000       940,800  frozen\n"
        "  relu1   relu   1200               -             -\n"
        "  out     dense  10            12,010        12,000\n"
        "  " TEN TEN TEN TEN "─────────\n"
        "  total                       954,010       952,800\n"
        "  trainable: 12,010\n"
        "  weights 3.6 MiB, a step of 32 samples 3.9 MiB\n");
    assert_int_equal(rig.m->n_flat, 784 * 1200 + 1200 + 1200 * 10 + 16);
    assert_int_equal(replica_bytes(rig.m, 32, 1, true),
        4 * (rig.m->n_flat + 32 * (1200 + 1200 + 10) + 32 * 10) + 8 * (1200 + 10));
    rig_close(&rig);
}

/* A tied matrix counts where it was declared; dimensions are spelled out; coupled samples are pointed at.
 * Weights: 32 + 16 + 16 floats. A step: those, outputs 3 * (6 + 4 + 6 + 6), gradients of all but the first, the biases' sums. */
static void test_summary__counts_what_is_shared_once(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( \"relu\", { type = \"dense\"; name = \"enc\"; units = 4; },\n"
        "  { type = \"dense\"; name = \"dec\"; units = 6; tie = \"enc\"; },\n"
        "  { type = \"model_odd\"; fault = \"couples\"; } );",
        (assay_shape){ 2, { 2, 3 } });
    assert_summary(&rig, 3,
        "  layer       type       output    parameters          MACs\n"
        "  " TEN TEN TEN TEN TEN "───────\n"
        "  relu1       relu       2 x 3              -             -\n"
        "  enc         dense      4                 28            24\n"
        "  dec         dense      6                  6            24\n"
        "  model_odd1  model_odd  6                  -             -  couples "
        "samples: one replica\n"
        "  " TEN TEN TEN TEN TEN "───────\n"
        "  total                                    34            48\n"
        "  weights 256 B, a step of 3 samples 792 B\n");
    rig_close(&rig);
}

/* Weights: 32 + 16 floats. A step: those, nine rows of output and as many of its gradient, and the sums of the bias. */
static void test_summary__shows_time(void **state)
{
    (void)state;
    model_rig rig;
    assert_int_equal(rig_open(&rig, "model = ( { type = \"dense\"; units = 4; } );"), OK);
    assert_int_equal(rig_plan(&rig, vector_of(6), 9), OK);
    assert_summary(&rig, 1,
        "  layer   type   output      parameters          MACs\n"
        "  " TEN TEN TEN TEN TEN "─\n"
        "  dense1  dense  time x 4            28            24\n"
        "  " TEN TEN TEN TEN TEN "─\n"
        "  total                              28            24\n"
        "  MACs are of one time step; over 9 time steps 216\n"
        "  weights 192 B, a step of 1 x 9 time steps 512 B\n");
    rig_close(&rig);
}

/* 9 * 24 + 28: what stands behind the last step runs once. */
static void test_summary__tells_what_runs_once_a_sequence(void **state)
{
    (void)state;
    model_rig rig;
    text t;
    assert_int_equal(rig_open(&rig,
                         "model = ( { type = \"dense\"; units = 4; }, \"last_step\",\n"
                         "  { type = \"dense\"; units = 7; } );"),
        OK);
    assert_int_equal(rig_plan(&rig, vector_of(6), 9), OK);
    text_init(&t);
    model_summary(rig.m, 3, &t);
    assert_non_null(strstr(t.s, "time x 4            28            24\n"));
    assert_non_null(strstr(t.s, "            28  once a sequence\n"));
    assert_non_null(strstr(t.s, "  MACs are of one time step; over 9 time steps 244\n"));
    assert_non_null(strstr(t.s, ", a step of 3 x 9 time steps "));
    text_release(&t);
    rig_close(&rig);
}

static void test_summary__tells_what_looks_ahead_and_back(void **state)
{
    (void)state;
    model_rig rig;
    text t;
    assert_int_equal(rig_open(&rig,
                         "model = ( { type = \"gru\"; units = 4; },\n"
                         "  { type = \"gru\"; units = 2; bidirectional = true; } );"),
        OK);
    assert_int_equal(rig_plan(&rig, vector_of(6), 9), OK);
    text_init(&t);
    model_summary(rig.m, 3, &t);
    const char *second = strstr(t.s, "  gru2");
    assert_non_null(second);
    const char told[] = "  looks ahead  looks back\n";
    assert_ptr_equal(strstr(t.s, told), second + strcspn(second, "\n") + 1 - strlen(told));
    text_release(&t);
    rig_close(&rig);
}

static void test_summary__says_where_other_inputs_come_from(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; name = \"a\"; units = 7; },\n"
        "  { type = \"dense\"; name = \"b\"; from = \"input\"; units = 5; },\n"
        "  { type = \"concat\"; from = ( \"b\", \"input\", \"a\" ); } );",
        vector_of(6));
    text t;
    text_init(&t);
    model_summary(rig.m, 3, &t);
    assert_non_null(strstr(t.s, "            42\n"));
    assert_non_null(strstr(t.s, "            30  from input\n"));
    assert_non_null(strstr(t.s, "             -  from b, input, a\n"));
    text_release(&t);
    rig_close(&rig);
}

/* Weights: 48 + 16 + 48 + 16 floats. A step: those, outputs 3 * (7 + 5 + 18), gradients of all but the frozen one's, and the sums
 * of both biases. */
static void test_summary__is_json_too(void **state)
{
    (void)state;
    model_rig rig;
    text t;
    json j;
    rig_make(&rig,
        "model = ( { type = \"dense\"; name = \"a\"; units = 7; trainable = false; },\n"
        "  { type = \"dense\"; name = \"b\"; units = 5; },\n"
        "  { type = \"concat\"; from = ( \"b\", \"input\", \"a\" ); } );",
        vector_of(6));
    text_init(&t);
    json_init(&j, &t);
    model_summary_json(rig.m, 3, &j);
    assert_int_equal(j.depth, 0);
    assert_string_equal(t.s,
        "{\"layers\": ["
        "{\"name\": \"a\", \"type\": \"dense\", \"from\": [\"input\"], \"output\": [7], "
        "\"parameters\": 49, \"frozen\": 49, \"macs\": 42.0, \"looks_ahead\": false, "
        "\"looks_back\": false}, "
        "{\"name\": \"b\", \"type\": \"dense\", \"from\": [\"a\"], \"output\": [5], "
        "\"parameters\": 40, \"frozen\": 0, \"macs\": 35.0, \"looks_ahead\": false, "
        "\"looks_back\": false}, "
        "{\"name\": \"concat1\", \"type\": \"concat\", \"from\": [\"b\", \"input\", \"a\"], "
        "\"output\": [18], \"parameters\": 0, \"frozen\": 0, \"macs\": 0.0, \"looks_ahead\": "
        "false, \"looks_back\": false}], "
        "\"parameters\": 89, \"macs\": 77.0, \"weight_bytes\": 512, \"step_bytes\": 1244, "
        "\"couples_samples\": false}");
    text_release(&t);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary__is_a_table),
        cmocka_unit_test(test_summary__counts_what_is_shared_once),
        cmocka_unit_test(test_summary__shows_time),
        cmocka_unit_test(test_summary__tells_what_runs_once_a_sequence),
        cmocka_unit_test(test_summary__tells_what_looks_ahead_and_back),
        cmocka_unit_test(test_summary__says_where_other_inputs_come_from),
        cmocka_unit_test(test_summary__is_json_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
