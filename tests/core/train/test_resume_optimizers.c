/* Built-in optimizers with more state than slots like the tensor: a run that is cut and goes on in a new trainer ends with
 * the same bits, and so does one with another number of threads. */
#include "support/train_rig.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <string.h>

/* Gates side by side, matrices of both shapes, vectors; dropout, whose masks a closure must find again; 12 batches an epoch. */
#define DATA \
    "name = \"resume\"; seed = 7; data = { type = \"ragged\"; samples = 61; longest = 9;" \
    " batch_size = 4; split = { validation = 9; test = 0; }; };" \
    "model = ( { type = \"lstm\"; units = 7; }, \"dropout\", { type = \"dense\"; units = 5; }," \
    " \"tanh\", { type = \"dense\"; units = 1; } ); loss = \"mse\"; "
#define TRAIN \
    "train = { replicas = 2; epochs = 4; clip_norm = 0.7; l2 = 1e-3; " \
    "checkpoint = { every = 1; unit = \"step\"; keep = 1000; }; threads = "

static const struct {
    const char *id, *optimizer;
} cases[] = {
    { "muon",
        "( { match = \"dims:2\"; type = \"muon\"; lr = 0.01; },"
        " { type = \"adamw\"; lr = 0.002; } )" },
    { "shampoo", "{ type = \"shampoo\"; lr = 0.01; every = 3; momentum = 0.8; }" },
    { "soap", "{ type = \"soap\"; every = 4; }" },
    { "lbfgs", "{ type = \"lbfgs\"; history = 4; max_evaluations = 6; }" },
    { "sam", "{ type = \"sam\"; inner = { type = \"adam\"; lr = 0.01; }; }" },
    { "asam",
        "{ type = \"sam\"; adaptive = true; rho = 0.5; inner = { type = \"soap\"; every = 3; }; "
        "}" },
    { "lookahead", "{ type = \"lookahead\"; k = 5; inner = { type = \"adam\"; lr = 0.01; }; }" },
    { "ema",
        "( { match = \"dims:2\"; type = \"ema\"; decay = 0.9; inner = { type = \"muon\"; }; },"
        " { type = \"ema\"; decay = 0.9; inner = { type = \"adam\"; lr = 0.01; }; } )" },
    { "ema that warms up",
        "{ type = \"ema\"; start = \"warm_up\"; inner = { type = \"shampoo\"; every = 2; }; }" },
};

enum { N_CASES = sizeof cases / sizeof cases[0], MOST = 4096 };

static const char *source_of(size_t i, int threads)
{
    static char out[MOST];
    const int n = snprintf(
        out, sizeof out, DATA "optimizer = %s; " TRAIN "%d; };", cases[i].optimizer, threads);
    assert_in_range(n, 1, MOST - 1);
    return out;
}

static void save(train_rig *g, const char *path)
{
    if (trainer_save(g->t, path, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

/* Runs to the end with a checkpoint at every step. */
static void run_whole(train_rig *g, const char *source)
{
    char dir[200];
    assert_int_equal(file_make_dirs(rig_path(g, "checkpoints"), &g->err), OK);
    snprintf(dir, sizeof dir, "%s", rig_path(g, "checkpoints"));
    const trainer_options o = { .checkpoint_dir = dir };
    rig_open(g, source, &o);
    rig_run(g);
    save(g, rig_path(g, "end"));
}

static void check_cut(train_rig *whole, size_t i, unsigned step)
{
    char name[64];
    train_rig g;
    rig_init(&g);
    rig_open(&g, source_of(i, 1), NULL);
    snprintf(name, sizeof name, "checkpoints/step-%08u.safetensors", step);
    if (trainer_restore(g.t, rig_path(whole, name), &g.err) != OK) GIVE_UP("%s", g.err.text);
    rig_run(&g);
    save(&g, rig_path(&g, "end"));
    assert_int_equal(g.result.step, whole->result.step);
    if (!rig_same_state(rig_path(whole, "end"), rig_path(&g, "end"))) {
        GIVE_UP("%s: resumed at step %u", cases[i].id, step);
    }
    rig_release(&g);
}

static void test_resume__at_any_step_gives_the_same_bits(void **state)
{
    static const unsigned cuts[] = { 1, 6, 17, 40 };
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        train_rig whole;
        rig_init(&whole);
        run_whole(&whole, source_of(i, 1));
        assert_true(whole.result.step > 40);
        for (size_t k = 0; k < sizeof cuts / sizeof cuts[0]; k++) {
            check_cut(&whole, i, cuts[k]);
        }
        rig_release(&whole);
    }
}

static void test_threads__do_not_show(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        train_rig one, three;
        rig_init(&one);
        rig_init(&three);
        rig_open(&one, source_of(i, 1), NULL);
        rig_steps(&one, 20);
        rig_open(&three, source_of(i, 3), NULL);
        rig_steps(&three, 20);
        size_t n;
        const float *w = rig_weights(&one, &n);
        if (memcmp(w, rig_weights(&three, NULL), n * sizeof *w) != 0) {
            GIVE_UP("%s: three threads give other bits than one", cases[i].id);
        }
        rig_release(&one);
        rig_release(&three);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume__at_any_step_gives_the_same_bits),
        cmocka_unit_test(test_threads__do_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
