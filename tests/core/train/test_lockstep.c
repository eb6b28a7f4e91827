/* A run gone through again has the bits it had, at every step; two runs side by side part where they were made to. */
#include "support/train_rig.h"

#include "base/file.h"
#include "train/lockstep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DATA \
    "name = \"again\"; seed = 7;\n" \
    "data = { type = \"blobs\"; samples = 260; classes = 4; features = 5; spread = 4.5;\n" \
    "  split = { seed = 3; validation = 0.2; test = 0.1; }; batch_size = 16; };\n" \
    "loss = { type = \"softmax_xent\"; };\n"
#define MODEL(dropout) \
    "model = ( { type = \"dense\"; units = 16; }, \"tanh\", { type = \"dropout\"; rate = " dropout \
    "; }, { type = \"dense\"; units = 4; } );\n"
#define CHECKPOINT "checkpoint = { every = 1; unit = \"step\"; keep = 1000; };\n"
#define SGD(lr) "optimizer = { type = \"sgd\"; lr = " lr "; };\n"

static const char everything[] = DATA MODEL(
    "0.3") "metrics = ( \"accuracy\" ); optimizer = { type = \"adam\"; lr = 0.02; };\n"
           "schedule = { type = \"plateau\"; patience = 1; factor = 0.5; warmup = 6; };\n"
           "train = { replicas = 3; threads = 2; validate_every = 4; validate_unit = \"step\"; "
           "epochs = 6;\n"
           "  accumulate = 5; clip_norm = 0.7; clip_value = 0.2; l2 = 1e-3; " CHECKPOINT "};\n";

static const char pieces[] =
    DATA MODEL("0.3") SGD("0.0385") "train = { replicas = 2; epochs = 2; " CHECKPOINT "};\n";

static const char closures[] = DATA MODEL(
    "0.3") "optimizer = { type = \"sam_like\"; inner = { type = \"keeper\"; lr = 0.1; }; };\n"
           "train = { epochs = 2; " CHECKPOINT "};\n";

/* Runs with a checkpoint at every step, in the rig's own folder; the number of steps. */
static uint64_t run_whole(train_rig *g, const char *source)
{
    const trainer_options o = { .checkpoint_dir = g->dir };
    rig_open(g, source, &o);
    rig_run(g);
    return g->result.step;
}

static void give_up_on(status st, const train_rig *g)
{
    if (st != OK) GIVE_UP("%s", g->err.text);
}

/* Both at step k: a trainer that went there from checkpoint `from` or before, and the checkpoint. */
static void expect_same(train_rig *again, const train_rig *whole, uint64_t k)
{
    arena a = { 0 };
    const array *x, *y;
    size_t n, m;
    safetensors *f;
    parting p;
    give_up_on(checkpoint_open(whole->dir, k, &f, &again->err), again);
    assert_non_null(f);
    give_up_on(trainer_state(again->t, &a, &x, &n, &again->err), again);
    give_up_on(checkpoint_state(f, &a, &y, &m, &again->err), again);
    give_up_on(states_compare(x, n, y, m, &p, &again->err), again);
    if (p.found) GIVE_UP("step %llu: %s differs", (unsigned long long)k, p.name);
    assert_true(p.n_arrays >= 4);
    safetensors_close(f);
    arena_release(&a);
}

static void check_replay(const char *source)
{
    train_rig whole, again;
    uint64_t from;
    rig_init(&whole);
    rig_init(&again);
    const uint64_t n = run_whole(&whole, source);
    assert_true(n > 14);
    for (uint64_t k = 1; k <= n; k += 4) {
        rig_open(&again, source, NULL);
        give_up_on(trainer_keep_gradient(again.t, &again.err), &again);
        give_up_on(
            trainer_restore_before(again.t, whole.dir, k > 3 ? k - 3 : 0, false, &from, &again.err),
            &again);
        assert_int_equal(from, k > 3 ? k - 3 : 0);
        give_up_on(trainer_run_to(again.t, k, &again.err), &again);
        assert_int_equal(trainer_steps_done(again.t), k);
        expect_same(&again, &whole, k);
    }
    rig_release(&whole);
    rig_release(&again);
}

static void test_replay__has_the_bits_of_the_run_at_every_step(void **state)
{
    (void)state;
    check_replay(everything);
    check_replay(pieces);
    check_replay(closures);
}

static const float *array_called(train_rig *g, arena *a, const char *name, size_t *out_n)
{
    const array *all;
    size_t n;
    give_up_on(trainer_state(g->t, a, &all, &n, &g->err), g);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0) {
            *out_n = all[i].n;
            return all[i].data;
        }
    }
    GIVE_UP("there is no %s", name);
    return NULL;
}

/* w after = w before - lr g, to the bit: the gradient is what the optimizer used, clipped or in pieces. */
static void check_gradient(const char *source)
{
    train_rig g;
    arena a = { 0 };
    float before[80];
    size_t n;
    rig_init(&g);
    rig_open(&g, source, NULL);
    give_up_on(trainer_keep_gradient(g.t, &g.err), &g);
    for (uint64_t k = 1; k <= 5; k++) {
        const float *w = array_called(&g, &a, "weights/dense1.weight", &n);
        assert_int_equal(n, 80);
        memcpy(before, w, sizeof before);
        give_up_on(trainer_run_to(g.t, k, &g.err), &g);
        const float *dw = array_called(&g, &a, "gradient/dense1.weight", &n);
        for (size_t i = 0; i < n; i++) {
            const float step = 0.0385f * dw[i];
            assert_true(before[i] - step == w[i]);
        }
        assert_true(memcmp(before, w, sizeof before) != 0);
    }
    arena_release(&a);
    rig_release(&g);
}

static void test_replay__shows_the_gradient_that_the_optimizer_used(void **state)
{
    (void)state;
    check_gradient(pieces);
    check_gradient(DATA MODEL("0.3") SGD("0.0385") "train = { replicas = 2; clip_norm = 0.05; };");
}

static void test_replay__passes_over_damaged_checkpoints_and_those_that_are_not_finite(void **state)
{
    train_rig g, again;
    uint64_t from, last;
    stop_reason stop;
    (void)state;
    rig_init(&g);
    rig_init(&again);
    assert_int_equal(checkpoint_outcome(g.dir, &last, &stop, &g.err), E_MISSING);
    static const char source[] =
        DATA MODEL("0.3") "optimizer = { type = \"trace_optimizer\"; step = 9; tensor = "
                          "\"dense2.bias\"; in_slot = true; };"
                          "train = { steps = 14; " CHECKPOINT "};\n";
    run_whole(&g, source);
    assert_int_equal(
        file_write_atomic(rig_path(&g, "step-00000008.safetensors"), "x", 1, &g.err), OK);
    rig_open(&again, source, NULL);
    give_up_on(trainer_restore_before(again.t, g.dir, 9, false, &from, &again.err), &again);
    assert_int_equal(from, 9);
    rig_open(&again, source, NULL);
    give_up_on(trainer_restore_before(again.t, g.dir, 9, true, &from, &again.err), &again);
    assert_int_equal(from, 7);
    give_up_on(checkpoint_outcome(g.dir, &last, &stop, &g.err), &g);
    assert_int_equal(last, 14);
    assert_int_equal(stop, STOP_EPOCHS);
    rig_release(&g);
    rig_release(&again);
}

/* -- side by side -- */

static lockstep_end walk(train_rig *a, train_rig *b, parting *p)
{
    lockstep_end end;
    const lockstep_run x = { a->t, NULL }, y = { b->t, NULL };
    give_up_on(trainer_keep_gradient(a->t, &a->err), a);
    give_up_on(trainer_keep_gradient(b->t, &a->err), a);
    give_up_on(lockstep_walk(&x, &y, UINT64_MAX, &end, p, &a->err), a);
    return end;
}

static parting parted(const char *first, const char *second)
{
    train_rig a, b;
    parting p;
    rig_init(&a);
    rig_init(&b);
    rig_open(&a, first, NULL);
    rig_open(&b, second, NULL);
    assert_int_equal(walk(&a, &b, &p), LOCKSTEP_PARTED);
    assert_true(p.found && p.a != p.b && p.n_differ > 0);
    rig_release(&a);
    rig_release(&b);
    return p;
}

static void test_lockstep__finds_one_ulp_in_one_weight(void **state)
{
    train_rig a, b;
    parting p;
    char source[1024];
    (void)state;
    rig_init(&a);
    rig_init(&b);
    rig_open(&a, DATA MODEL("0.3") SGD("0.1"), NULL);
    float *w = rig_tensor(&a, "dense2.weight", NULL);
    const float was = w[37];
    w[37] = nextafterf(was, 9);
    assert_int_equal(trainer_save_weights(a.t, false, rig_path(&a, "w"), &a.err), OK);
    snprintf(source, sizeof source,
        DATA MODEL("0.3") SGD("0.1") "train = { epochs = 1; init_from = \"%s\"; };",
        rig_path(&a, "w"));
    rig_open(&a, DATA MODEL("0.3") SGD("0.1") "train = { epochs = 1; };", NULL);
    rig_open(&b, source, NULL);
    assert_int_equal(walk(&a, &b, &p), LOCKSTEP_PARTED);
    assert_int_equal(p.step, 0);
    assert_string_equal(p.name, "weights/dense2.weight");
    assert_int_equal(p.element, 37);
    assert_int_equal(p.n, 64);
    assert_int_equal(p.n_differ, 1);
    assert_int_equal(p.n_arrays_differ, 1);
    assert_int_equal(p.ulps, 1);
    assert_true(p.a == (double)was && p.b == (double)nextafterf(was, 9));
    rig_release(&a);
    rig_release(&b);
}

static void test_lockstep__finds_a_rate_of_one_ulp_more_in_the_weights(void **state)
{
    (void)state;
    const parting p = parted(
        DATA MODEL("0.3") SGD("0.100000001490116"), DATA MODEL("0.3") SGD("0.100000008940697"));
    assert_int_equal(p.step, 1);
    assert_true(strncmp(p.name, "weights/", 8) == 0);
    assert_true(p.ulps >= 1 && p.ulps < 100);
}

static void test_lockstep__finds_the_step_of_a_milestone(void **state)
{
    (void)state;
    const parting p = parted(DATA MODEL("0.3") SGD("0.1"),
        DATA MODEL("0.3") SGD(
            "0.1") "schedule = { type = \"multistep\"; milestones = ( 13 ); every = \"step\"; };");
    assert_int_equal(p.step, 14);
    assert_true(strncmp(p.name, "weights/", 8) == 0);
}

static void test_lockstep__finds_another_layer_in_the_gradient(void **state)
{
    (void)state;
    const parting p = parted(DATA MODEL("0.3") SGD("0.1"), DATA MODEL("0.31") SGD("0.1"));
    assert_int_equal(p.step, 1);
    assert_true(strncmp(p.name, "gradient/", 9) == 0);
    assert_true(p.n_others > 0);
}

static void test_lockstep__of_equal_runs_ends_where_the_shorter_does(void **state)
{
    train_rig a, b;
    parting p;
    (void)state;
    rig_init(&a);
    rig_init(&b);
    rig_open(&a, DATA MODEL("0.3") SGD("0.1") "train = { epochs = 3; replicas = 2; threads = 1; };",
        NULL);
    rig_open(&b, DATA MODEL("0.3") SGD("0.1") "train = { epochs = 2; replicas = 2; threads = 2; };",
        NULL);
    assert_int_equal(walk(&a, &b, &p), LOCKSTEP_ENDED);
    assert_false(p.found);
    assert_int_equal(trainer_steps_done(a.t), 24);
    assert_int_equal(trainer_steps_done(b.t), 24);
    rig_release(&a);
    rig_release(&b);
}

static void test_lockstep__refuses_other_models(void **state)
{
    train_rig a, b;
    parting p;
    lockstep_end end;
    (void)state;
    rig_init(&a);
    rig_init(&b);
    rig_open(&a, DATA "model = ( { type = \"dense\"; units = 4; } );" SGD("0.1"), NULL);
    rig_open(
        &b, DATA "model = ( { type = \"dense\"; units = 4; bias = false; } );" SGD("0.1"), NULL);
    const lockstep_run x = { a.t, NULL }, y = { b.t, NULL };
    assert_int_equal(lockstep_walk(&x, &y, 3, &end, &p, &a.err), E_SHAPE);
    assert_non_null(strstr(a.err.text, "the second run has no dense1.bias"));
    assert_int_equal(lockstep_walk(&y, &x, 3, &end, &p, &a.err), E_SHAPE);
    assert_non_null(strstr(a.err.text, "the first run has no dense1.bias"));
    rig_open(&b,
        DATA "model = ( { type = \"dense\"; units = 5; }, { type = \"dense\"; units = 4; } );" SGD(
            "0.1"),
        NULL);
    const lockstep_run z = { b.t, NULL };
    assert_int_equal(lockstep_walk(&x, &z, 3, &end, &p, &a.err), E_SHAPE);
    assert_non_null(
        strstr(a.err.text, "dense1.weight has 20 numbers in one run and 25 in the other"));
    rig_release(&a);
    rig_release(&b);
}

/* A checkpoint of another run, put in the place of one's own: as if another machine had made it. */
static void test_lockstep__sees_that_a_run_is_not_what_its_checkpoint_says(void **state)
{
    train_rig a, b, c;
    parting p;
    lockstep_end end;
    size_t n;
    uint64_t same;
    (void)state;
    rig_init(&a);
    rig_init(&b);
    rig_init(&c);
    run_whole(&a, pieces);
    run_whole(&b,
        DATA MODEL("0.3")
            SGD("0.0385") "schedule = { type = \"multistep\"; milestones = ( 5 ); every = "
                          "\"step\"; }; train = { replicas = 2; epochs = 2; " CHECKPOINT "};\n");
    give_up_on(checkpoints_compare(a.dir, b.dir, &n, &same, &p, &a.err), &a);
    assert_int_equal(n, 6);
    assert_int_equal(same, 5);
    assert_int_equal(p.step, 6);
    assert_true(strncmp(p.name, "weights/", 8) == 0);
    rig_open(&a, pieces, NULL);
    rig_open(&c, pieces, NULL);
    const lockstep_run own = { a.t, a.dir }, foreign = { c.t, b.dir };
    give_up_on(lockstep_walk(&own, &foreign, 9, &end, &p, &a.err), &a);
    assert_int_equal(end, LOCKSTEP_NOT_B);
    assert_int_equal(p.step, 6);
    rig_open(&a, pieces, NULL);
    rig_open(&c, pieces, NULL);
    const lockstep_run own_again = { a.t, a.dir }, foreign_again = { c.t, b.dir };
    give_up_on(lockstep_walk(&foreign_again, &own_again, 9, &end, &p, &a.err), &a);
    assert_int_equal(end, LOCKSTEP_NOT_A);
    rig_release(&a);
    rig_release(&b);
    rig_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay__has_the_bits_of_the_run_at_every_step),
        cmocka_unit_test(test_replay__shows_the_gradient_that_the_optimizer_used),
        cmocka_unit_test(
            test_replay__passes_over_damaged_checkpoints_and_those_that_are_not_finite),
        cmocka_unit_test(test_lockstep__finds_one_ulp_in_one_weight),
        cmocka_unit_test(test_lockstep__finds_a_rate_of_one_ulp_more_in_the_weights),
        cmocka_unit_test(test_lockstep__finds_the_step_of_a_milestone),
        cmocka_unit_test(test_lockstep__finds_another_layer_in_the_gradient),
        cmocka_unit_test(test_lockstep__of_equal_runs_ends_where_the_shorter_does),
        cmocka_unit_test(test_lockstep__refuses_other_models),
        cmocka_unit_test(test_lockstep__sees_that_a_run_is_not_what_its_checkpoint_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
