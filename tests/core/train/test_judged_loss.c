/* The trainer's inside is read where its interface has no need to show it.
 *
 * What PQ takes for the training loss is that of all steps since early stopping last judged. */
#include "support/train_rig.h"

#include "train/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>

#define N_JUDGED 4

/* The curve of training losses that PQ sees when it looks at every k-th of 8 epochs. */
static size_t training_curve(train_rig *g, unsigned k, double *out)
{
    char source[1024];
    snprintf(source, sizeof source,
        "data = { type = \"blobs\"; samples = 90; classes = 3; features = 4; spread = 5.0;"
        " split = { seed = 3; validation = 0.2; test = 0.2; }; batch_size = 9; };"
        "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";"
        "optimizer = { type = \"sgd\"; lr = 0.1; }; train = { epochs = 8; early_stopping ="
        " { rule = \"pq\"; alpha = 1e30; strip = 9; every = %u; }; };",
        k);
    rig_open(g, source, NULL);
    rig_run(g);
    for (size_t i = 0; i < g->t->early.n; i++)
        out[i] = g->t->early.training[i];
    return g->t->early.n;
}

static void test_judged_loss__is_of_all_steps_since_the_last_judgement(void **state)
{
    train_rig g;
    double every[2 * N_JUDGED], second[2 * N_JUDGED];
    (void)state;
    rig_init(&g);
    assert_int_equal(training_curve(&g, 1, every), 2 * N_JUDGED);
    assert_int_equal(training_curve(&g, 2, second), N_JUDGED);
    for (size_t i = 0; i < N_JUDGED; i++) /* sums in another order: some 1e-16 each */
        expect_near(second[i], (every[2 * i] + every[2 * i + 1]) / 2, 1e-13);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judged_loss__is_of_all_steps_since_the_last_judgement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
