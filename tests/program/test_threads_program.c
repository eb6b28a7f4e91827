/* The same replicas on 1, 2 and 4 threads leave files with the same bits. */
#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <stdlib.h>

static const char config_text[] =
    "name = \"threads\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/digits.csv\";\n"
    "    target = \"digit\"; standardize = true; batch_size = 50;\n"
    "    split = { seed = 0; validation = 0.15; test = 0.15; }; };\n"
    "model = ( { type = \"dense\"; units = 48; }, { type = \"tanh\"; },\n"
    "    { type = \"dropout\"; rate = 0.25; }, { type = \"dense\"; units = 10; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\", \"f1\" );\n"
    "optimizer = { type = \"adamw\"; lr = 0.003; };\n"
    "schedule = { type = \"cosine\"; };\n"
    "train = { epochs = 3; accumulate = 2; clip_norm = 0.7; l2 = 1e-4; replicas = 3;\n"
    "    checkpoint = { every = 0; }; };\n";

static void train(scene *s, const char *run, const char *override, const char *second)
{
    scene_run(s, "train", "threads.cfg", "-q", "--output", run, override, second);
    scene_expect(s, 0);
}

static void setup(scene *s)
{
    scene_init(s);
    scene_write(s, "threads.cfg", config_text);
    train(s, "one", "train.threads=1", "train.replicas=3");
}

static void test_threads__never_change_the_weights(void **state)
{
    scene s;
    (void)state;
    setup(&s);
    train(&s, "two", "train.threads=2", "train.replicas=3");
    train(&s, "four", "train.threads=4", "train.replicas=3");
    assert_true(scene_same_bytes(&s, "one/last.safetensors", "two/last.safetensors"));
    assert_true(scene_same_bytes(&s, "one/best.safetensors", "two/best.safetensors"));
    assert_true(scene_same_bytes(&s, "one/last.safetensors", "four/last.safetensors"));
    assert_true(scene_same_bytes(&s, "one/best.safetensors", "four/best.safetensors"));
    scene_release(&s);
}

/* So that the test above cannot pass by comparing what never changes. */
static void test_seed_and_replicas__do_change_them(void **state)
{
    scene s;
    size_t n, n_other;
    (void)state;
    setup(&s);
    train(&s, "seeded", "train.threads=2", "seed=4");
    train(&s, "cut", "train.threads=2", "train.replicas=2");
    char *one = scene_read(&s, "one/last.safetensors", &n);
    const char *const others[] = { "seeded/last.safetensors", "cut/last.safetensors" };
    for (int i = 0; i < 2; i++) {
        char *other = scene_read(&s, others[i], &n_other);
        assert_int_equal(n, n_other);
        assert_memory_not_equal(one, other, n);
        free(other);
    }
    free(one);
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads__never_change_the_weights),
        cmocka_unit_test(test_seed_and_replicas__do_change_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
