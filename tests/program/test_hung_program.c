/* A callback that does not return: the run that waits for it can still be ended, and goes on from its last checkpoint. */
#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <signal.h>
#include <string.h>
#include <time.h>

/* Hangs in the update after the fourth, as long as the file `hang` is there. */
static const char plugin_text[] =
    "#include <assay/plugin.h>\n"
    "#include <stdio.h>\n"
    "#include <unistd.h>\n"
    "struct slow { double lr; };\n"
    "static const assay_hyper hypers[] = { ASSAY_LR(slow, 0.1, 1e-3, 1) };\n"
    "static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,\n"
    "    const assay_span *s)\n"
    "{\n"
    "    const struct slow *h = hyper;\n"
    "    (void)ctx;\n"
    "    for (uint64_t i = 0; i < s->n; i++) s->w[i] -= (float)h->lr * s->g[i];\n"
    "    while (step->t > 4 && access(\"hang\", F_OK) == 0) {\n"
    "        fclose(fopen(\"hung\", \"w\"));\n"
    "        sleep(1);\n"
    "    }\n"
    "    return ASSAY_OK;\n"
    "}\n"
    "ASSAY_OPTIMIZER(slow, \"0.1.0\", \"hangs\", ASSAY_HYPERS(slow, hypers), .elem = update);\n";

static const char config_text[] =
    "plugins = ( \"./slow.so\" );\n"
    "name = \"slow\"; seed = 3;\n"
    "data = { type = \"spirals\"; samples = 200; batch_size = 20;\n"
    "    split = { seed = 0; validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 24; }, { type = \"tanh\"; },\n"
    "    { type = \"dense\"; units = 2; } );\n"
    "loss = \"softmax_xent\";\n"
    "optimizer = { type = \"slow\"; lr = 0.03; };\n"
    "train = { epochs = 3; threads = 1; checkpoint = { every = 1; unit = \"step\"; }; };\n";

static pid_t setup(scene *s)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    scene_init(s);
    scene_write(s, "slow.cfg", config_text);
    scene_write(s, "slow.c", plugin_text);
    scene_write(s, "hang", "");
    scene_shell(s,
        "cc -std=gnu11 -O1 -w -fPIC -shared -fvisibility=hidden -I\"$SOURCE/include\" slow.c -o "
        "slow.so");
    const pid_t pid =
        scene_start(s, (const char *const[]){ "train", "slow.cfg", "--progress", "none", NULL });
    for (int i = 0; !scene_has(s, "hung"); i++) {
        if (i == 100 * SCENE_TIME_LIMIT_S) GIVE_UP("it did not get to the step that hangs");
        nanosleep(&pause, NULL);
    }
    return pid;
}

static void expect_said(const scene *s, const char *message)
{
    if (!strstr(s->err.s, message)) GIVE_UP("expected %s\n     got %s", message, s->err.s);
}

static void test_sigterm__ends_a_hung_run_that_then_goes_on_from_its_checkpoint(void **state)
{
    scene s;
    (void)state;
    const pid_t pid = setup(&s);
    assert_int_equal(kill(pid, SIGTERM), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    expect_said(&s, "assay: waiting for a step to end; once more ends at once\n");
    expect_said(&s,
        "assay: error: no step has ended in 10 s since SIGTERM: ending without it; a run goes on "
        "from its last checkpoint\n");
    scene_shell(&s, "rm hang");
    scene_run(&s, "train", "--resume", "runs/slow-1");
    scene_expect(&s, 0);
    expect_said(&s, "after step 4\n");
    scene_run(&s, "train", "slow.cfg", "-q", "--output", "whole");
    scene_expect(&s, 0);
    assert_true(scene_same_bytes(&s, "runs/slow-1/last.safetensors", "whole/last.safetensors"));
    scene_release(&s);
}

static void test_sigint__waits_and_the_second_ends(void **state)
{
    scene s;
    (void)state;
    const pid_t pid = setup(&s);
    const struct timespec longer = { .tv_sec = 12 };
    assert_int_equal(kill(pid, SIGINT), 0);
    nanosleep(&longer, NULL);
    assert_int_equal(
        kill(pid, 0), 0); /* a zombie would answer, too: the code tells which signal it was */
    assert_int_equal(kill(pid, SIGTERM), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 128 + SIGTERM);
    expect_said(&s, "assay: waiting for a step to end; once more ends at once\n");
    assert_null(strstr(s.err.s, "ending without it"));
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigterm__ends_a_hung_run_that_then_goes_on_from_its_checkpoint),
        cmocka_unit_test(test_sigint__waits_and_the_second_ends),
    };
    (void)signal(SIGINT, SIG_DFL); /* a shell's background job begins with it ignored */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
