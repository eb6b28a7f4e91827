/* What an update is told beside the gradient: numbers that are each tensor's own, the factor of clipping, room that holds nothing
 * from one update to the next. */
#include "support/train_rig.h"

#include "train/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <string.h>

/* dense1.weight has 9 x 1000 numbers: two chunks. */
#define DATA \
    "data = { type = \"blobs\"; samples = 60; classes = 3; features = 9; batch_size = 15;" \
    " split = { validation = 0.25; test = 0.0; }; }; loss = \"softmax_xent\"; "
#define MODEL \
    "model = ( { type = \"dense\"; units = 1000; }, \"tanh\", { type = \"dense\"; units = 3; } " \
    "); "
#define PROBED "optimizer = \"stream_probe\"; "

enum { N_SHORTEST = 3, N_FIRST = 9000 };

static const struct {
    const char *tensor;
    size_t n;
} tensors[] = { { "dense1.weight", N_FIRST }, { "dense1.bias", 1000 }, { "dense2.weight", 3000 },
    { "dense2.bias", N_SHORTEST } };

enum { N_TENSORS = 4 };

static const float *slot(train_rig *g, size_t i_tensor, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "optimizer/0/%s/%s", tensors[i_tensor].tensor, name);
    return rig_slot(g, full, tensors[i_tensor].n);
}

static void test_span_draw__is_new_for_every_tensor_and_update(void **state)
{
    enum { N_STEPS = 3, N_ROWS = N_STEPS * (N_TENSORS + 1) };
    float seen[N_ROWS][N_SHORTEST];
    size_t n = 0;
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL PROBED, NULL);
    for (int step = 0; step < N_STEPS; step++) {
        rig_steps(&g, 1);
        for (size_t i = 0; i < N_TENSORS; i++) {
            memcpy(seen[n++], slot(&g, i, "numbers"), sizeof seen[0]);
        }
        for (size_t k = 0; k < N_SHORTEST; k++) {
            seen[n][k] = slot(&g, 0, "whole")[0];
        }
        assert_true(slot(&g, 0, "whole")[0] == slot(&g, 3, "whole")[0]); /* of the update */
        n++;
    }
    for (size_t a = 0; a < N_ROWS; a++) {
        for (size_t b = 0; b < a; b++) {
            assert_true(seen[a][0] != seen[b][0]);
        }
    }
    rig_release(&g);
}

static void test_span_draw__does_not_depend_on_threads_or_a_resume(void **state)
{
    train_rig one, three, resumed;
    (void)state;
    rig_init(&one);
    rig_init(&three);
    rig_init(&resumed);
    rig_open(&one, DATA MODEL PROBED "train = { threads = 1; replicas = 2; };", NULL);
    rig_open(&three, DATA MODEL PROBED "train = { threads = 3; replicas = 2; };", NULL);
    rig_open(&resumed, DATA MODEL PROBED "train = { threads = 1; replicas = 2; };", NULL);
    rig_steps(&one, 2);
    assert_int_equal(trainer_save(one.t, rig_path(&one, "cut"), &one.err), OK);
    rig_steps(&one, 3);
    rig_steps(&three, 5);
    assert_int_equal(trainer_restore(resumed.t, rig_path(&one, "cut"), &resumed.err), OK);
    rig_steps(&resumed, 3);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const size_t bytes = tensors[i].n * sizeof(float);
        assert_memory_equal(slot(&one, i, "numbers"), slot(&three, i, "numbers"), bytes);
        assert_memory_equal(slot(&one, i, "numbers"), slot(&resumed, i, "numbers"), bytes);
    }
    rig_release(&resumed);
    rig_release(&three);
    rig_release(&one);
}

static void test_clip__is_what_the_gradient_was_multiplied_by(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL PROBED "train = { clip_norm = 0.0731; };", NULL);
    rig_steps(&g, 1);
    assert_true(rig_last_norm(&g) > 0.0731);
    expect_near(slot(&g, 0, "clip")[0], 0.0731 / rig_last_norm(&g), 1e-6);
    expect_near(slot(&g, 0, "clip")[N_FIRST - 1], 0.0731 / rig_last_norm(&g), 1e-6);
    rig_open(&g, DATA MODEL PROBED "train = { clip_norm = 731.5; };", NULL);
    rig_steps(&g, 1);
    assert_true(slot(&g, 3, "clip")[0] == 1);
    rig_open(&g, DATA MODEL PROBED, NULL);
    rig_steps(&g, 1);
    assert_true(slot(&g, 3, "clip")[0] == 1);
    rig_release(&g);
}

/* One from before there was such a slot has none of it, either. */
static void test_scratch__is_not_in_checkpoints_and_not_asked_for(void **state)
{
    safetensors *file = NULL;
    train_rig g, resumed;
    (void)state;
    rig_init(&g);
    rig_init(&resumed);
    rig_open(&g, DATA MODEL PROBED, NULL);
    rig_open(&resumed, DATA MODEL PROBED, NULL);
    rig_steps(&g, 2);
    assert_int_equal(trainer_save(g.t, rig_path(&g, "cut"), &g.err), OK);
    assert_int_equal(safetensors_open(rig_path(&g, "cut"), &file, &g.err), OK);
    assert_non_null(safetensors_find(file, "optimizer/0/dense1.weight/numbers"));
    assert_null(safetensors_find(file, "optimizer/0/dense1.weight/room"));
    safetensors_close(file);
    assert_int_equal(trainer_restore(resumed.t, rig_path(&g, "cut"), &resumed.err), OK);
    rig_steps(&g, 1);
    rig_steps(&resumed, 1);
    assert_memory_equal(rig_weights(&g, NULL), rig_weights(&resumed, NULL),
        (N_FIRST + 1000 + 3000 + N_SHORTEST) * sizeof(float));
    rig_release(&resumed);
    rig_release(&g);
}

static void find_scratch(void *self, const record *r)
{
    size_t *n = self;
    for (size_t i = 0; i < r->n_values && r->kind == RECORD_PROBE; i++) {
        n[0] += strstr(r->values[i].name, "numbers") != NULL;
        n[1] += strstr(r->values[i].name, "room") != NULL;
    }
}

static void test_scratch__is_not_probed(void **state)
{
    size_t n[2] = { 0, 0 };
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, DATA MODEL PROBED "train = { probe = { every = 1; }; };", NULL);
    g.t->options.sink = (record_sink){ find_scratch, n };
    rig_steps(&g, 1);
    trainer_emit_probe(g.t);
    assert_true(n[0] > 0);
    assert_int_equal(n[1], 0);
    rig_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_draw__is_new_for_every_tensor_and_update),
        cmocka_unit_test(test_span_draw__does_not_depend_on_threads_or_a_resume),
        cmocka_unit_test(test_clip__is_what_the_gradient_was_multiplied_by),
        cmocka_unit_test(test_scratch__is_not_in_checkpoints_and_not_asked_for),
        cmocka_unit_test(test_scratch__is_not_probed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
