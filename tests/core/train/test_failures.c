/* Of several callbacks that fail at once the same one is told of in every run, whichever thread was first. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <string.h>

#define BLOBS \
    "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4;" \
    " split = { seed = 3; validation = 0.2; test = 0.2; }; batch_size = 8; };" \
    "loss = \"softmax_xent\"; train = { replicas = 4; threads = 4; };\n"
#define DENSE "{ type = \"dense\"; units = 3; }"

static void expect_failure(const char *source, const char *message)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, source, NULL);
    const status st = trainer_step(g.t, &g.err);
    if (st != E_NUMERIC || strcmp(g.err.text, message) != 0) {
        GIVE_UP("expected %s\n     got %s: %s", message, status_name(st), g.err.text);
    }
    rig_release(&g);
}

static void test_failures__of_replicas_are_told_by_the_first_replica(void **state)
{
    (void)state;
    expect_failure(BLOBS "model = ( " DENSE ", \"failing_layer\" ); optimizer = \"sgd\";",
        "x.cfg:2: model[1]: layer \"failing_layer1\" (failing_layer): sample 0 is not to its "
        "taste");
}

static void test_failures__of_tensors_are_told_by_the_first_tensor(void **state)
{
    (void)state;
    expect_failure(BLOBS "model = ( " DENSE ", " DENSE " ); optimizer = \"failing_tensors\";",
        "x.cfg:2: optimizer \"failing_tensors\": tensor 0 is not to its taste");
}

static void test_failures__in_a_range_are_told_by_its_first_part(void **state)
{
    (void)state;
    expect_failure(BLOBS "model = ( " DENSE " ); optimizer = \"failing_range\";",
        "x.cfg:2: optimizer \"failing_range\": part 0 is not to its taste");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures__of_replicas_are_told_by_the_first_replica),
        cmocka_unit_test(test_failures__of_tensors_are_told_by_the_first_tensor),
        cmocka_unit_test(test_failures__in_a_range_are_told_by_its_first_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
