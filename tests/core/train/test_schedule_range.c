/* What a schedule makes of a hyperparameter must be a value that the config could have given it. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

#define RUN \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4; split = { validation = " \
    "0.2;" \
    " test = 0.2; }; batch_size = 9; }; loss = \"softmax_xent\"; "
#define MODEL \
    "model = ( { type = \"dense\"; units = 5; }, { type = \"dropout\"; rate = 0.4; }," \
    " { type = \"dense\"; units = 3; } ); "
#define SGD "optimizer = { type = \"sgd\"; lr = 0.05; momentum = 0.6; }; "
#define GROWS(target) \
    "\nschedule = ( \"constant\", { type = \"exponential\"; decay = 1.5; every = \"step\"; " \
    "target = \"" target "\"; } );"

/* Steps until one fails; the number of those that did not. */
static size_t steps_until_refused(train_rig *g, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        if (trainer_step(g->t, &g->err) != OK) return i;
    }
    return most;
}

static void expect_refused(const char *source, size_t step, const char *message)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, source, NULL);
    const size_t done = steps_until_refused(&g, 20);
    if (done != step || g.err.code != E_RANGE || strcmp(g.err.text, message) != 0) {
        GIVE_UP("expected %s at %zu\n     got %s at %zu", message, step, g.err.text, done);
    }
    rig_release(&g);
}

static void test_schedules__keep_optimizers_in_range(void **state)
{
    (void)state;
    expect_refused(RUN MODEL SGD GROWS("momentum"), 2,
        "x.cfg:2: schedule \"exponential\": momentum is 1.35 at step 2, outside its valid range "
        "[0, 1): 0.6 times the factor 2.25");
}

static void test_schedules__keep_layers_in_range(void **state)
{
    (void)state;
    expect_refused(RUN MODEL SGD GROWS("model.dropout1.rate"), 3,
        "x.cfg:2: schedule \"exponential\": model.dropout1.rate is 1.35 at step 3, outside its "
        "valid range [0, 1): 0.4 times the factor 3.375");
}

static void test_schedules__may_reach_a_closed_end(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN MODEL SGD "schedule = \"linear\"; train = { epochs = 1; };", NULL);
    assert_int_equal(steps_until_refused(&g, 10), 10); /* down to lr = 0 */
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules__keep_optimizers_in_range),
        cmocka_unit_test(test_schedules__keep_layers_in_range),
        cmocka_unit_test(test_schedules__may_reach_a_closed_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
