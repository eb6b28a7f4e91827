/* The trainer's inside is read where its interface has no need to show it.
 *
 * What a record says of training is of the step that it is of, or not there. */
#include "support/train_rig.h"

#include "train/internal.h"

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
    " test = 0.2; }; batch_size = 9; }; loss = \"softmax_xent\"; optimizer = \"sgd\";" \
    " model = ( { type = \"dense\"; units = 3; } ); "

/* Looks for the gradient's norm among the values of a record. */
static void find_norm(void *self, const record *r)
{
    double *norm = self;
    for (size_t i = 0; i < r->n_values; i++) {
        if (strcmp(r->values[i].name, "gradient_norm") == 0) *norm = r->values[i].value;
    }
}

static double norm_in_progress(train_rig *g)
{
    double norm = -1; /* none */
    g->t->options.sink = (record_sink){ find_norm, &norm };
    trainer_emit_training(g->t, RECORD_PROGRESS, 0.7);
    return norm;
}

static void test_gradient_norm__is_left_out_where_it_is_of_an_earlier_step(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, RUN, NULL);
    assert_true(norm_in_progress(&g) == -1); /* no step yet */
    rig_steps(&g, 5);
    assert_true(norm_in_progress(&g) == -1); /* made in pieces, and nobody asked */
    rig_steps(&g, 1);
    assert_true(norm_in_progress(&g) > 0); /* the epoch's last is recorded */
    rig_steps(&g, 1);
    assert_true(norm_in_progress(&g) == -1);
    rig_open(&g, RUN "train = { clip_norm = 1.5; };", NULL);
    rig_steps(&g, 2);
    assert_true(norm_in_progress(&g) > 0);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_norm__is_left_out_where_it_is_of_an_earlier_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
