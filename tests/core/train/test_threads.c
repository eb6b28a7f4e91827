/* How many threads run the replicas never shows; how many replicas there are shows in the last bits only. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The middle matrix has 200 x 120 numbers: several chunks of the optimizer and of the reduction. */
#define SOURCE \
    "data = { type = \"blobs\"; samples = 300; classes = 4; features = 9; spread = 4.5;\n" \
    "  split = { validation = 0.2; test = 0.0; }; batch_size = 32; };\n" \
    "model = ( { type = \"dense\"; units = 200; name = \"a\"; }, \"tanh\", { type = \"dropout\"; " \
    "}," \
    " { type = \"dense\"; units = 120; }, \"relu\", { type = \"dense\"; units = 4; } );\n" \
    "loss = { type = \"softmax_xent\"; }; metrics = ( \"accuracy\", \"f1\", \"confusion\" );\n"
#define TRAIN "epochs = 50; accumulate = 2; clip_norm = 0.9; l2 = 1e-3; "

static const char *const optimizers[] = {
    "{ type = \"adam\"; lr = 0.003; }",
    "{ type = \"sgd\"; lr = 0.05; momentum = 0.9; }",
    "{ type = \"lars_like\"; lr = 0.02; }",
    "{ type = \"factored\"; lr = 0.002; }",
    "{ type = \"keeper\"; lr = 0.05; }",
    "{ type = \"history\"; lr = 0.05; }",
    "{ type = \"averaged\"; lr = 0.05; }",
    "{ type = \"sam_like\"; inner = { type = \"adam\"; lr = 0.003; }; }",
    "{ type = \"lookahead_like\"; inner = { type = \"lars_like\"; lr = 0.02; }; }",
};

static void open_with(
    train_rig *g, const char *optimizer, int replicas, int threads, const char *more)
{
    char source[2048];
    snprintf(source, sizeof source,
        SOURCE "optimizer = %s; train = { replicas = %d; threads = %d; " TRAIN "%s };", optimizer,
        replicas, threads, more);
    rig_open(g, source, NULL);
}

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_threads__never_show_in_the_result(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++) {
        train_rig g;
        rig_init(&g);
        open_with(&g, optimizers[i], 3, 1, "");
        assert_int_equal(trainer_n_replicas(g.t), 3);
        rig_steps(&g, 50);
        save(&g, "one");
        for (int threads = 2; threads <= 4; threads += 2) {
            open_with(&g, optimizers[i], 3, threads, "");
            assert_int_equal(trainer_n_threads(g.t), (size_t)threads);
            rig_steps(&g, 50);
            save(&g, "more");
            if (!rig_same_state(rig_path(&g, "one"), rig_path(&g, "more"))) {
                GIVE_UP("%s with %d threads", optimizers[i], threads);
            }
        }
        rig_release(&g);
    }
}

/* The second matrix has 200 x 900 numbers: chunks are updated several at a time, the more the fewer threads there are. */
static void test_threads__never_show_where_chunks_are_updated_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (int clips = 0; clips < 2; clips++) {
            train_rig g;
            rig_init(&g);
            for (int threads = 1; threads <= 4; threads *= 2) {
                char source[2048];
                snprintf(source, sizeof source,
                    "data = { type = \"blobs\"; samples = 96; classes = 4; features = 9; "
                    "batch_size = 32; };\n"
                    "model = ( { type = \"dense\"; units = 200; }, \"tanh\", { type = \"dense\"; "
                    "units = 900; }, \"relu\", { type = \"dense\"; units = 4; } );\n"
                    "loss = \"softmax_xent\"; optimizer = %s;\n"
                    "train = { epochs = 9; replicas = 2; threads = %d; %s };",
                    optimizers[i], threads, clips ? "clip_norm = 0.7;" : "");
                rig_open(&g, source, NULL);
                rig_steps(&g, 7);
                save(&g, threads == 1 ? "one" : "more");
                if (threads > 1 && !rig_same_state(rig_path(&g, "one"), rig_path(&g, "more"))) {
                    GIVE_UP("%s with %d threads", optimizers[i], threads);
                }
            }
            rig_release(&g);
        }
    }
}

static void test_threads__never_show_in_checks(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    open_with(&g, optimizers[0], 3, 1, "steps = 20; early_stopping = {};");
    rig_run(&g);
    const double validation = g.validation_loss;
    save(&g, "one");
    open_with(&g, optimizers[0], 3, 4, "steps = 20; early_stopping = {};");
    rig_run(&g);
    save(&g, "four");
    assert_true(rig_same_state(rig_path(&g, "one"), rig_path(&g, "four")));
    assert_true(isfinite(validation));
    assert_memory_equal(&validation, &g.validation_loss, sizeof validation);
    rig_release(&g);
}

static void test_replicas__agree_to_rounding(void **state)
{
    static const int counts[] = { 2, 3, 7, 33 }; /* 33: more than a batch has samples */
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        train_rig one, many;
        size_t n;
        rig_init(&one);
        rig_init(&many);
        open_with(&one, optimizers[1], 1, 1, "");
        open_with(&many, optimizers[1], counts[i], 2, "");
        for (int step = 0; step < 10; step++) {
            rig_steps(&one, 1);
            rig_steps(&many, 1);
            /* float sums of 64 samples in another order: a few units in the 24th bit */
            expect_near(rig_last_loss(&many), rig_last_loss(&one), 3e-6);
        }
        const float *w = rig_weights(&one, &n);
        assert_true(relative_error(rig_weights(&many, NULL), w, n) < 3e-6);
        rig_release(&many);
        rig_release(&one);
    }
}

static void test_replicas__draw_the_same_dropout_masks(void **state)
{
    train_rig g;
    double first[2], without;
    (void)state;
    rig_init(&g);
    for (int i = 0; i < 2; i++) {
        open_with(&g, optimizers[1], i ? 5 : 1, 1, "");
        rig_steps(&g, 1);
        first[i] = rig_last_loss(&g);
    }
    expect_near(first[1], first[0], 1e-6);
    char source[2048];
    snprintf(source, sizeof source,
        SOURCE "optimizer = %s; schedule = { type = \"multistep\"; milestones = ( 1 ); };"
               "train = { replicas = 1; " TRAIN " };",
        optimizers[1]);
    char *rate = strstr(source, "\"dropout\"");
    memcpy(rate, "\"tanh\"   ", 9);
    rig_open(&g, source, NULL);
    rig_steps(&g, 1);
    without = rig_last_loss(&g);
    assert_true(fabs(without - first[0]) > 1e-3); /* the masks were there */
    rig_release(&g);
}

static void test_replicas__may_be_more_than_a_batch_has_samples(void **state)
{
    static const char tiny[] =
        "data = { type = \"blobs\"; samples = 5; features = 9; batch_size = %d;"
        " split = { validation = 0.0; test = 0.0; }; }; model = ( { type = \"dense\"; units = 3; } "
        ");"
        " loss = \"softmax_xent\"; optimizer = \"adam\"; train = { replicas = %d; threads = 2; };";
    train_rig one, many;
    (void)state;
    rig_init(&one);
    rig_init(&many);
    for (int size = 1; size <= 3; size++) {
        char source[512];
        size_t n;
        snprintf(source, sizeof source, tiny, size, 1);
        rig_open(&one, source, NULL);
        snprintf(source, sizeof source, tiny, size, 4); /* with 1 sample only the last has work */
        rig_open(&many, source, NULL);
        rig_steps(&one, 7);
        rig_steps(&many, 7);
        const float *w = rig_weights(&one, &n);
        assert_true(relative_error(rig_weights(&many, NULL), w, n) < 3e-6);
    }
    rig_release(&many);
    rig_release(&one);
}

static void test_draws__differ_by_step(void **state)
{
    train_rig g;
    double last = -1;
    (void)state;
    rig_init(&g);
    /* all samples in each batch and weights that stand still: what changes is the mask */
    rig_open(&g,
        "data = { type = \"blobs\"; samples = 40; batch_size = \"all\"; split = { validation = "
        "0.0; test = 0.0; }; };"
        "model = ( { type = \"dropout\"; }, { type = \"dense\"; units = 3; } ); loss = "
        "\"softmax_xent\";"
        "optimizer = { type = \"probe\"; lr = 0.0; };",
        NULL);
    for (int step = 0; step < 3; step++) {
        rig_steps(&g, 1);
        assert_true(fabs(rig_last_loss(&g) - last) > 1e-4);
        last = rig_last_loss(&g);
    }
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads__never_show_in_the_result),
        cmocka_unit_test(test_threads__never_show_where_chunks_are_updated_together),
        cmocka_unit_test(test_threads__never_show_in_checks),
        cmocka_unit_test(test_replicas__agree_to_rounding),
        cmocka_unit_test(test_replicas__draw_the_same_dropout_masks),
        cmocka_unit_test(test_replicas__may_be_more_than_a_batch_has_samples),
        cmocka_unit_test(test_draws__differ_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
