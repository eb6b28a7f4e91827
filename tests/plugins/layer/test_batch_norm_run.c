/* batch_norm in the real program: one replica, running statistics in checkpoints and in the weights, the same bits after
 * a resume, and statistics that an optimizer's closure does not move. On the digits, where 1257 rows in batches of
 * 157 leave a last batch of one row, which has no variance. */
#include "support/program_scene.h"

#include "model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS = 24 };

static const char config_text[] =
    "name = \"norm\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/digits.csv\";\n"
    "    target = \"digit\"; standardize = true; batch_size = 157;\n"
    "    split = { seed = 0; validation = 0.15; test = 0.15; }; };\n"
    "model = ( { type = \"dense\"; units = 24; }, \"batch_norm\", \"gelu\",\n"
    "    { type = \"dense\"; units = 10; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
    "optimizer = { type = \"sgd\"; lr = 0.2; momentum = 0.9; };\n"
    "schedule = ( { type = \"one_cycle\"; },\n"
    "    { type = \"one_cycle\"; target = \"momentum\"; inverse = true; } );\n"
    "train = { epochs = 6; checkpoint = { every = 1; unit = \"epoch\"; }; };\n";

static void setup(scene *s)
{
    scene_init(s);
    scene_write(s, "norm.cfg", config_text);
}

static void read_array(const scene *s, const char *file, const char *name, float out[UNITS])
{
    safetensors *f = NULL;
    const void *data = NULL;
    error err = { .code = OK };
    if (safetensors_open(scene_path(s, file), &f, &err) != OK ||
        safetensors_get(f, name, ARRAY_F32, UNITS, &data, &err) != OK) {
        GIVE_UP("%s: %s: %s", file, name, err.text);
    }
    memcpy(out, data, UNITS * sizeof *out);
    safetensors_close(f);
}

/* Finite, and each of them moved away from where it began. */
static void assert_moved(const float *a, float from)
{
    for (size_t i = 0; i < UNITS; i++) {
        assert_true(isfinite(a[i]) && a[i] != from);
    }
}

static void test_batch_norm__is_trained_by_one_replica(void **state)
{
    scene s;
    (void)state;
    setup(&s);
    scene_run(&s, "model", "summary", "norm.cfg");
    scene_expect(&s, 0);
    assert_non_null(strstr(s.out.s, "couples samples: one replica"));
    scene_run(&s, "train", "norm.cfg", "--output", "a", "train.threads=2");
    scene_expect(&s, 0);
    assert_non_null(strstr(s.err.s, "1 replica "));
    scene_run(&s, "train", "norm.cfg", "-q", "--output", "b", "train.replicas=2");
    scene_expect(&s, 2);
    assert_non_null(strstr(s.err.s, "train.replicas is 2, but a layer couples the samples"));
    scene_release(&s);
}

static void test_running_statistics__go_on_from_a_checkpoint_with_the_same_bits(void **state)
{
    float running[UNITS], kept[UNITS];
    scene s;
    (void)state;
    setup(&s);
    scene_run(&s, "train", "norm.cfg", "-q", "--output", "whole");
    scene_expect(&s, 0);
    scene_shell(&s,
        "cp -R whole cut && cd cut && rm checkpoints/step-00000054.safetensors && "
        "rm best.safetensors last.safetensors");
    scene_run(&s, "train", "-q", "--resume", "cut");
    scene_expect(&s, 0);
    assert_true(scene_same_bytes(&s, "whole/last.safetensors", "cut/last.safetensors"));
    assert_true(scene_same_bytes(&s, "whole/best.safetensors", "cut/best.safetensors"));
    read_array(&s, "whole/last.safetensors", "batch_norm1.running_mean", running);
    read_array(&s, "whole/checkpoints/step-00000045.safetensors",
        "buffers/batch_norm1.running_mean", kept);
    assert_moved(running, 0);
    assert_moved(kept, 0);
    assert_true(memcmp(running, kept, sizeof running) != 0);
    read_array(&s, "whole/last.safetensors", "batch_norm1.running_var", running);
    assert_moved(running, 1);
    scene_release(&s);
}

static double test_loss(const scene *s)
{
    const char *test = strstr(s->out.s, "\"test\"");
    const char *loss = test ? strstr(test, "\"loss\": ") : NULL;
    assert_non_null(loss);
    return strtod(loss + strlen("\"loss\": "), NULL);
}

/* Neither the batches of an evaluation make a difference, nor that it is another process: files of
 * weights hold all it needs. 1e-6 is float rounding in products of another height. */
static void test_running_statistics__are_what_an_evaluation_uses(void **state)
{
    static const char *const batches[] = { "data.batch_size=157", "data.batch_size=1",
        "data.batch_size=31" };
    scene s;
    (void)state;
    setup(&s);
    scene_run(&s, "train", "norm.cfg", "-q", "--json", "--output", "run");
    scene_expect(&s, 0);
    const double loss = test_loss(&s);
    assert_true(loss > 0 && loss < 0.5);
    for (size_t i = 0; i < 3; i++) {
        scene_run(&s, "eval", "run", "--weights", "last", "--json", batches[i]);
        scene_expect(&s, 0);
        assert_true(fabs(test_loss(&s) - loss) <= 1e-6 * loss);
    }
    scene_release(&s);
}

/* At a rate of 0 the weights stand still, and so both runs see the same batches in the same state; the
 * closure's passes are at other weights and would leave other statistics. */
static void test_a_closure__does_not_move_them(void **state)
{
    static const char *const names[] = { "batch_norm1.running_mean", "batch_norm1.running_var" };
    float plain[UNITS], sam[UNITS];
    scene s;
    (void)state;
    setup(&s);
    s.plugin_path = TEST_BUILD_DIR "/tests/plugins";
    scene_run(&s, "train", "norm.cfg", "-q", "--output", "plain", "~schedule",
        "optimizer={type=\"sgd\"; lr=0.0;}");
    scene_expect(&s, 0);
    scene_run(&s, "train", "norm.cfg", "-q", "--output", "sam", "~schedule",
        "optimizer={type=\"sam_like\"; inner={type=\"sgd\"; lr=0.0;};}");
    scene_expect(&s, 0);
    for (size_t i = 0; i < 2; i++) {
        read_array(&s, "plain/last.safetensors", names[i], plain);
        read_array(&s, "sam/last.safetensors", names[i], sam);
        assert_moved(plain, i == 0 ? 0 : 1);
        assert_memory_equal(plain, sam, sizeof plain);
    }
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm__is_trained_by_one_replica),
        cmocka_unit_test(test_running_statistics__go_on_from_a_checkpoint_with_the_same_bits),
        cmocka_unit_test(test_running_statistics__are_what_an_evaluation_uses),
        cmocka_unit_test(test_a_closure__does_not_move_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
