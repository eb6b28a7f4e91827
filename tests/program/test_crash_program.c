/* A plugin that crashes while the real program trains: which callback of which file it was is said, and the process ends by the
 * same signal. */
#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* An optimizer that crashes as ACT says: in itself, in libc, by using up its stack, before there is anything of it. */
static const char plugin_text[] =
    "#include <assay/plugin.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <unistd.h>\n"
    "struct lion { double lr; };\n"
    "static const assay_hyper hypers[] = { ASSAY_LR(lion, 0.1, 1e-3, 1) };\n"
    "static volatile int zero;\n"
    "static char *volatile nothing;\n"
    "static int deep(volatile char *above, int n)\n"
    "{\n"
    "    volatile char here[4096];\n"
    "    here[n % 4096] = *above;\n"
    "    return n == -1 ? 0 : deep(here, n + 1) + here[0];\n"
    "}\n"
    "static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,\n"
    "    const assay_span *s)\n"
    "{\n"
    "    (void)ctx; (void)hyper; (void)s;\n"
    "    if (step->t < 3) return ASSAY_OK;\n"
    "    if (ACT == 0) *nothing = 1;\n"
    "    if (ACT == 1) abort();\n"
    "    if (ACT == 2) zero = step->t / zero;\n"
    "    if (ACT == 3) memset(nothing, 1, 77777 + (size_t)zero);\n"
    "    if (ACT == 4) { char c = 0; zero = deep(&c, 1); }\n"
    "    if (ACT == 5) __builtin_trap();\n"
    "    if (ACT == 7) { fclose(fopen(\"hung\", \"w\")); while (!zero) sleep(1); }\n"
    "    return ASSAY_OK;\n"
    "}\n"
    "__attribute__((constructor)) static void begin(void) { if (ACT == 6) *nothing = 1; }\n"
    "ASSAY_OPTIMIZER(lion, \"0.1.0\", \"crashes\", ASSAY_HYPERS(lion, hypers), .elem = update);\n";

static const char config_text[] =
    "plugins = ( \"./my plugins/lion.so\" );\n"
    "name = \"crash\"; seed = 3;\n"
    "data = { type = \"spirals\"; samples = 200; batch_size = 20;\n"
    "    split = { seed = 0; validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 24; }, { type = \"tanh\"; },\n"
    "    { type = \"dense\"; units = 2; } );\n"
    "loss = \"softmax_xent\";\n"
    "optimizer = { type = \"lion\"; lr = 0.03; };\n"
    "train = { epochs = 3; checkpoint = { every = 1; unit = \"step\"; }; };\n";

static void setup(scene *s, int act)
{
    char line[256];
    scene_init(s);
    scene_write(s, "crash.cfg", config_text);
    scene_write(s, "lion.c", plugin_text);
    snprintf(line, sizeof line,
        "mkdir 'my plugins' && cc -std=gnu11 -O1 -w -DACT=%d -fPIC -shared -fvisibility=hidden "
        "-I\"$SOURCE/include\" lion.c -o 'my plugins/lion.so'",
        act);
    scene_shell(s, line);
}

static void expect_said(const scene *s, const char *message)
{
    if (!strstr(s->err.s, message)) GIVE_UP("expected %s\n     got %s", message, s->err.s);
}

/* Sanitizers tell of crashes themselves. */
static void skip_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message("a build with sanitizers: they tell of crashes themselves\n");
    skip();
#endif
}

static void expect_crash(int act, int signal, const char *threads, const char *message)
{
    scene s;
    skip_sanitized();
    setup(&s, act);
    scene_run(&s, "train", "crash.cfg", "-q", "--threads", threads);
    scene_expect(&s, -signal);
    expect_said(&s, message);
    scene_release(&s);
}

#define IN_ELEM(signal) \
    "assay: error: " signal " in elem of optimizer \"lion\" ('./my plugins/lion.so'): " \
    "assay plugin check './my plugins/lion.so' finds out more\n"

static void test_null_pointer__names_the_callback(void **state)
{
    (void)state;
    expect_crash(0, SIGSEGV, "1", IN_ELEM("SIGSEGV"));
}

static void test_null_pointer_on_a_worker__names_the_callback(void **state)
{
    (void)state;
    expect_crash(0, SIGSEGV, "3", IN_ELEM("SIGSEGV"));
}

static void test_abort__names_the_callback_that_called_it(void **state)
{
    (void)state;
    expect_crash(1, SIGABRT, "1", IN_ELEM("SIGABRT"));
}

static void test_division_by_zero__names_the_callback(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip(); /* elsewhere it is no fault */
#endif
    expect_crash(2, SIGFPE, "1", IN_ELEM("SIGFPE"));
}

static void test_fault_in_libc__names_the_callback_that_called_it(void **state)
{
    (void)state;
    expect_crash(3, SIGSEGV, "1", IN_ELEM("SIGSEGV"));
}

static void test_stack_that_is_used_up__names_the_callback(void **state)
{
    (void)state;
    expect_crash(4, SIGSEGV, "1", IN_ELEM("SIGSEGV"));
    expect_crash(4, SIGSEGV, "3", IN_ELEM("SIGSEGV"));
}

static void test_illegal_instruction__names_the_callback(void **state)
{
    (void)state;
#if !defined(__x86_64__)
    skip(); /* elsewhere it is a breakpoint's signal */
#endif
    expect_crash(5, SIGILL, "1", IN_ELEM("SIGILL"));
}

static void test_constructor__is_told_as_loading(void **state)
{
    (void)state;
    expect_crash(6, SIGSEGV, "1",
        "assay: error: SIGSEGV while it was being loaded, in './my plugins/lion.so': "
        "assay plugin check './my plugins/lion.so' finds out more\n");
}

/* A library that is laid before libc's crashes where a run makes its folder. */
static void test_crash_without_a_plugin__is_said_to_be_assays(void **state)
{
    scene s;
    (void)state;
    skip_sanitized();
    setup(&s, 8);
    scene_write(&s, "faulty.c",
        "#include <sys/stat.h>\n"
        "static char *volatile nothing;\n"
        "int mkdir(const char *path, mode_t mode) { *nothing = path[mode & 0]; return 0; }\n");
    scene_shell(&s, "cc -O1 -w -fPIC -shared faulty.c -o faulty.so");
    const char *const program = s.program;
    char preload[600];
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", scene_path(&s, "faulty.so"));
    s.program = "/usr/bin/env";
    scene_run(&s, preload, program, "train", "crash.cfg", "-q");
    scene_expect(&s, -SIGSEGV);
    expect_said(&s,
        "assay: error: SIGSEGV in assay itself, no plugin was running: please report it, with the "
        "config and what assay doctor says\n");
    scene_release(&s);
}

static void wait_for(const scene *s, const char *name)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    for (int i = 0; !scene_has(s, name); i++) {
        if (i == 100 * SCENE_TIME_LIMIT_S) GIVE_UP("there is no %s", name);
        nanosleep(&pause, NULL);
    }
}

static void test_signal_from_outside__is_not_called_a_crash_of_anything(void **state)
{
    scene s;
    char from[64];
    (void)state;
    skip_sanitized();
    setup(&s, 7);
    const pid_t pid = scene_start(&s, (const char *const[]){ "train", "crash.cfg", "-q", NULL });
    wait_for(&s, "hung");
    assert_int_equal(kill(pid, SIGABRT), 0);
    scene_wait(&s, pid);
    scene_expect(&s, -SIGABRT);
    snprintf(from, sizeof from, "assay: error: SIGABRT from process %d\n", (int)getpid());
    expect_said(&s, from);
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_pointer__names_the_callback),
        cmocka_unit_test(test_null_pointer_on_a_worker__names_the_callback),
        cmocka_unit_test(test_abort__names_the_callback_that_called_it),
        cmocka_unit_test(test_division_by_zero__names_the_callback),
        cmocka_unit_test(test_fault_in_libc__names_the_callback_that_called_it),
        cmocka_unit_test(test_stack_that_is_used_up__names_the_callback),
        cmocka_unit_test(test_illegal_instruction__names_the_callback),
        cmocka_unit_test(test_constructor__is_told_as_loading),
        cmocka_unit_test(test_crash_without_a_plugin__is_said_to_be_assays),
        cmocka_unit_test(test_signal_from_outside__is_not_called_a_crash_of_anything),
    };
    const struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
