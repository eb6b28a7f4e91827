/* What a metric's plan may say, and what it may not. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>

#define SOURCE \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 4; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; }; loss = \"softmax_xent\"; optimizer = " \
    "\"sgd\";" \
    " model = ( { type = \"dense\"; units = 3; } ); train = { epochs = 1; replicas = 2; }; "

static void refuse(const char *fault, status st, const char *message)
{
    char source[1024];
    train_rig g;
    rig_init(&g);
    snprintf(source, sizeof source,
        SOURCE "metrics = ( { type = \"metric_odd\"; fault = \"%s\"; } );", fault);
    rig_refuse(&g, source, st, message);
    rig_release(&g);
}

static void test_metric_plan__with_names_gives_values(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, SOURCE "metrics = \"metric_odd\";", NULL);
    rig_run(&g);
    assert_int_equal(evaluator_n_values(trainer_evaluator(g.t)), 3);
    assert_string_equal(evaluator_name(trainer_evaluator(g.t), 2), "metric_odd_half");
    rig_release(&g);
}

static void test_metric_plan__without_sense_is_refused(void **state)
{
    (void)state;
    refuse("nameless", E_PLUGIN, "its plan makes no sense");
    refuse("wrapped", E_PLUGIN, "its plan makes no sense");
}

static void test_metric_plan__with_more_sums_than_memory_is_refused(void **state)
{
    (void)state;
    refuse("endless", E_NOMEM, "out of memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metric_plan__with_names_gives_values),
        cmocka_unit_test(test_metric_plan__without_sense_is_refused),
        cmocka_unit_test(test_metric_plan__with_more_sums_than_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
