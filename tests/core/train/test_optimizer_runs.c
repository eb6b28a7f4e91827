/* Every built-in optimizer in a real run of two kinds of nets: the number of threads does not show, a run that is cut goes on with the same
 * bits, and what it is there for, a lower loss, comes about. */
#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>

enum { N_STEPS = 40, N_BEFORE = 17 };

static const char *const optimizers[] = {
    "{ type = \"sgd\"; lr = 0.1; momentum = 0.9; }",
    "{ type = \"adagrad\"; lr = 0.05; }",
    "{ type = \"adamw\"; lr = 0.01; amsgrad = true; }",
    "{ type = \"rmsprop\"; lr = 0.003; momentum = 0.7; centered = true; }",
    "{ type = \"lars\"; lr = 0.3; eta = 0.03; }",
    "{ type = \"lamb\"; lr = 0.03; }",
    "{ type = \"adafactor\"; lr = 0.05; beta1 = 0.7; }",
    "{ type = \"adafactor\"; lr = 0.05; }",
    "{ type = \"prodigy\"; d0 = 1e-3; }",
    "{ type = \"schedule_free_sgd\"; lr = 0.5; warmup_steps = 9; }",
    "{ type = \"schedule_free_adamw\"; lr = 0.02; warmup_steps = 9; }",
};

/* Weights, biases and gains. */
static const char rows[] =
    "seed = 7; data = { type = \"blobs\"; samples = 260; classes = 4; features = 9; spread = 2.5;\n"
    "  batch_size = 32; };\n"
    "model = ( { type = \"dense\"; units = 70; }, \"layer_norm\", \"tanh\",\n"
    "  { type = \"dropout\"; rate = 0.1; }, { type = \"dense\"; units = 90; }, \"relu\",\n"
    "  { type = \"dense\"; units = 4; } );\n"
    "loss = \"softmax_xent\";\n";

/* Matrices of several blocks. */
static const char sequences[] =
    "seed = 7; data = { type = \"ragged\"; samples = 96; longest = 7; batch_size = 16; };\n"
    "model = ( { type = \"lstm\"; units = 19; }, { type = \"gru\"; units = 18; },\n"
    "  { type = \"dense\"; units = 1; } );\n"
    "loss = \"mse\";\n";

static const char *const nets[] = { rows, sequences };

static void open_run(train_rig *g, const char *net, const char *optimizer, int threads)
{
    char source[2048];
    snprintf(source, sizeof source,
        "%soptimizer = %s; train = { epochs = 1000; replicas = 2; threads = %d; clip_norm = 5.0; "
        "log_every = 1; };",
        net, optimizer, threads);
    rig_open(g, source, NULL);
}

static void save(train_rig *g, const char *name)
{
    if (trainer_save(g->t, rig_path(g, name), &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void each(void (*check)(train_rig *g, const char *net, const char *optimizer))
{
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        for (size_t k = 0; k < sizeof optimizers / sizeof optimizers[0]; k++) {
            train_rig g;
            rig_init(&g);
            check(&g, nets[i], optimizers[k]);
            rig_release(&g);
        }
    }
}

static void check_threads(train_rig *g, const char *net, const char *optimizer)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        open_run(g, net, optimizer, threads);
        rig_steps(g, N_STEPS);
        save(g, threads == 1 ? "one" : "three");
    }
    if (!rig_same_state(rig_path(g, "one"), rig_path(g, "three"))) {
        GIVE_UP("%s with three threads", optimizer);
    }
}

static void test_optimizer_runs__do_not_show_the_number_of_threads(void **state)
{
    (void)state;
    each(check_threads);
}

static void check_resume(train_rig *g, const char *net, const char *optimizer)
{
    open_run(g, net, optimizer, 1);
    rig_steps(g, N_BEFORE);
    save(g, "cut");
    rig_steps(g, N_STEPS - N_BEFORE);
    save(g, "whole");
    open_run(g, net, optimizer, 1);
    if (trainer_restore(g->t, rig_path(g, "cut"), &g->err) != OK) GIVE_UP("%s", g->err.text);
    rig_steps(g, N_STEPS - N_BEFORE);
    save(g, "resumed");
    if (!rig_same_state(rig_path(g, "whole"), rig_path(g, "resumed"))) {
        GIVE_UP("%s resumed after %d updates", optimizer, N_BEFORE);
    }
}

static void test_optimizer_runs__go_on_with_the_same_bits(void **state)
{
    (void)state;
    each(check_resume);
}

static void check_progress(train_rig *g, const char *net, const char *optimizer)
{
    open_run(g, net, optimizer, 1);
    rig_steps(g, 1);
    const double first = rig_last_loss(g);
    rig_steps(g, 3 * N_STEPS);
    if (!(rig_last_loss(g) < 0.7 * first)) {
        GIVE_UP("%s: from %g to %g", optimizer, first, rig_last_loss(g));
    }
}

static void test_optimizer_runs__lower_the_loss(void **state)
{
    (void)state;
    each(check_progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimizer_runs__do_not_show_the_number_of_threads),
        cmocka_unit_test(test_optimizer_runs__go_on_with_the_same_bits),
        cmocka_unit_test(test_optimizer_runs__lower_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
