/* Plugins that attack who runs them harm nothing but their own job.
 *
 * Each act of acts.h is done by a real plugin in a training; meanwhile a harmless training runs beside it. Then: the class and
 * the reason are as they should be, nothing was breached, nothing outside has changed, no process is left, and the neighbour's
 * result has the same bits as ever. Who runs this as root runs it a second time as an ordinary user. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "sandbox/sandbox.h"
#include "job/job_input.h"
#include "job/train_job.h"
#include "ordinary_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLUGINS TEST_BUILD_DIR "/tests/hostile/"

enum { MOST_ROWS = 512, MOST_TEXT = 4096 };

#define CONFIG_FRONT \
    "plugins = ( \"" PLUGINS "%s.so\" );\n" \
    "data = { type = \"blobs\"; samples = 128; features = 4; batch_size = 16; " \
    "split = { validation = 0.25; test = 0.0; }; };\n" \
    "loss = \"softmax_xent\";\n" \
    "train = { epochs = 4; };\n"
#define CONFIG_MODEL \
    "model = ( { type = \"dense\"; units = 8; }, { type = \"tanh\"; }, { type = \"dense\"; units " \
    "= 3; } );\n"

/* -- The two levels that are compared, and what is expected -- */

typedef struct expectation {
    const char *act;
    outcome_class at_strict;
    const char *says; /* the reason holds this; NULL: no matter */
    outcome_class
        at_process; /* N_OUTCOMES: it reaches outside there, which process does not forbid */
    double stall_s, wall_s; /* 0: the usual ones */
} expectation;

#define SURE N_OUTCOMES
#define PLACE "hostile_optimizer.so+0x"
#define FORBIDDEN(act, call) \
    { \
        act, OUTCOME_VIOLATION, "forbidden system call " call, SURE, 0, 0 \
    }
#define HARMLESS(act) \
    { \
        act, OUTCOME_OK, NULL, SURE, 0, 0 \
    }

static const expectation acts[] = {
    { "nothing", OUTCOME_OK, NULL, OUTCOME_OK, 0, 0 },
    { "crash_null", OUTCOME_CRASH, "segmentation fault in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "crash_wild", OUTCOME_CRASH, "segmentation fault in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "crash_illegal", OUTCOME_CRASH, "illegal instruction in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "crash_divide", OUTCOME_CRASH, "arithmetic exception in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "crash_bus", OUTCOME_CRASH, "bus error in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "abort", OUTCOME_CRASH, "abort in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "double_free", OUTCOME_CRASH, "abort in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "stack_overflow", OUTCOME_STACK_OVERFLOW, "stack overflow in " PLACE, OUTCOME_STACK_OVERFLOW,
        0, 0 },
    { "exit_zero", OUTCOME_EARLY_EXIT, "with code 0", OUTCOME_EARLY_EXIT, 0, 0 },
    { "exit_seven", OUTCOME_EARLY_EXIT, "with code 7", OUTCOME_EARLY_EXIT, 0, 0 },
    { "kill_self", OUTCOME_CRASH, "killed", OUTCOME_CRASH, 0, 0 },
    { "stop_self", OUTCOME_TIMEOUT, "no progress", OUTCOME_TIMEOUT, 0.3, 0 },
    { "ignore_then_crash", OUTCOME_CRASH, "segmentation fault in " PLACE, OUTCOME_CRASH, 0, 0 },
    { "block_then_crash", OUTCOME_CRASH, "segmentation fault", OUTCOME_CRASH, 0, 0 },
    { "block_then_forbidden", OUTCOME_VIOLATION, "with signals blocked", SURE, 0, 0 },
    { "hang_loop", OUTCOME_TIMEOUT, "no progress", OUTCOME_TIMEOUT, 0.3, 0 },
    { "hang_sleep", OUTCOME_TIMEOUT, "no progress", OUTCOME_TIMEOUT, 0.3, 0 },
    { "deadlock", OUTCOME_TIMEOUT, "no progress", OUTCOME_TIMEOUT, 0.3, 0 },
    { "hang_after_stopping_signals", OUTCOME_TIMEOUT, "no progress", OUTCOME_TIMEOUT, 0.3, 0 },
    { "forge_progress", OUTCOME_TIMEOUT, "not done after 0.5 s", OUTCOME_TIMEOUT, 0, 0.5 },
    { "burn", OUTCOME_CPU_LIMIT, "of processor time", OUTCOME_CPU_LIMIT, 0, 30 },
    { "memory_malloc", OUTCOME_MEMORY_LIMIT, "memory", OUTCOME_MEMORY_LIMIT, 0, 0 },
    { "memory_map", OUTCOME_MEMORY_LIMIT, "memory", OUTCOME_MEMORY_LIMIT, 0, 0 },
    { "memory_break", OUTCOME_MEMORY_LIMIT, "memory", OUTCOME_MEMORY_LIMIT, 0, 0 },
    { "forge_done", OUTCOME_RESULT_INVALID, "is no number", OUTCOME_RESULT_INVALID, 0, 0 },
    { "forge_result", OUTCOME_OK, NULL, OUTCOME_OK, 0, 0 }, /* see forged_results_are_not_read */
    { "forge_nonsense", OUTCOME_EARLY_EXIT, NULL, OUTCOME_EARLY_EXIT, 0, 0 },
    { "log_flood", OUTCOME_OK, NULL, OUTCOME_OK, 0, 0 },
    { "log_escapes", OUTCOME_OK, NULL, OUTCOME_OK, 0, 0 },
    { "every_descriptor", OUTCOME_OK, NULL, OUTCOME_OK, 0, 0 },
    { "rounding", OUTCOME_FLOAT_MODE, "floating-point mode", OUTCOME_FLOAT_MODE, 0, 0 },
#if defined(__x86_64__)
    { "float_traps", OUTCOME_FLOAT_MODE, "floating-point mode", OUTCOME_FLOAT_MODE, 0, 0 },
#endif
    FORBIDDEN("read_secret", "openat in " PLACE),
    FORBIDDEN("read_passwd", "openat in " PLACE),
    FORBIDDEN("list_folder", "openat in " PLACE),
    FORBIDDEN("read_memory_of_parent", "openat in " PLACE),
    FORBIDDEN("own_memory", "openat in " PLACE),
    FORBIDDEN("write_file", "openat in " PLACE),
    FORBIDDEN("write_data", "openat in " PLACE),
    FORBIDDEN("temporary_file", "openat in " PLACE),
    FORBIDDEN("truncate", "truncate in " PLACE),
    FORBIDDEN("unlink", "unlink"),
    FORBIDDEN("unlinkat", "unlinkat in " PLACE),
    FORBIDDEN("rename", "rename"),
    FORBIDDEN("make_folder", "mkdir"),
    FORBIDDEN("symlink", "symlink"),
    FORBIDDEN("link", "link"),
    FORBIDDEN("chmod", ""),
    FORBIDDEN("chown", ""),
    FORBIDDEN("touch", "utimensat in " PLACE),
    FORBIDDEN("fifo", "mknod"),
    FORBIDDEN("lock", "fcntl in " PLACE),
    FORBIDDEN("open_by_handle", "open_by_handle_at in " PLACE),
    FORBIDDEN("grow_result", "ftruncate in " PLACE),
    FORBIDDEN("socket_inet", "socket in " PLACE),
    FORBIDDEN("socket_udp", "socket in " PLACE),
    FORBIDDEN("socket_unix", "socket in " PLACE),
    FORBIDDEN("socketpair", "socketpair in " PLACE),
    FORBIDDEN("pipe", "pipe2 in " PLACE),
    FORBIDDEN("shared_memory", "shmget in " PLACE),
    FORBIDDEN("semaphore", "semget in " PLACE),
    FORBIDDEN("message_queue", "msgget in " PLACE),
    FORBIDDEN("posix_queue", "mq_open in " PLACE),
    FORBIDDEN("keyring", "add_key in " PLACE),
    FORBIDDEN("keyctl", "keyctl in " PLACE),
    FORBIDDEN("io_uring", "io_uring_setup in " PLACE),
    FORBIDDEN("inotify", "inotify_init1 in " PLACE),
    FORBIDDEN("signal_parent", "kill in " PLACE),
    FORBIDDEN("signal_all", "kill in " PLACE),
    FORBIDDEN("signal_group", "kill in " PLACE),
    FORBIDDEN("signal_thread", "tgkill in " PLACE),
    FORBIDDEN("queue_signal", "rt_sigqueueinfo in " PLACE),
    FORBIDDEN("pidfd", "pidfd_open in " PLACE),
    FORBIDDEN("trace_parent", "ptrace in " PLACE),
    FORBIDDEN("trace_me", "ptrace in " PLACE),
    FORBIDDEN("write_parent", "process_vm_writev in " PLACE),
    HARMLESS("lower_limits_of_parent"),
    FORBIDDEN("fork", "clone in " PLACE),
    FORBIDDEN("fork_bomb", "clone in " PLACE),
    FORBIDDEN("vfork", ""),
    HARMLESS("clone3"),
    FORBIDDEN("execute", "execve in " PLACE),
    FORBIDDEN("execute_memory", "memfd_create in " PLACE),
    HARMLESS("thread"),
    FORBIDDEN("daemon", "setsid in " PLACE),
    FORBIDDEN("executable_memory", "mmap in " PLACE),
    FORBIDDEN("patch_host_code", "mprotect in " PLACE),
    { "other_architecture", OUTCOME_VIOLATION, "forbidden system call", SURE, 0, 0 },
    { "foreign_numbers", OUTCOME_VIOLATION, "forbidden system call", SURE, 0, 0 },
    HARMLESS("unknown_number"),
    FORBIDDEN("outlive_parent", "prctl in " PLACE),
    FORBIDDEN("become_dumpable", "prctl in " PLACE),
    FORBIDDEN("become_root", "setuid in " PLACE),
    HARMLESS("raise_limits"),
    FORBIDDEN("namespace", "unshare in " PLACE),
    FORBIDDEN("chroot", "chroot in " PLACE),
    FORBIDDEN("mount", "mount in " PLACE),
    FORBIDDEN("bpf", "bpf in " PLACE),
    FORBIDDEN("perf", "perf_event_open in " PLACE),
    FORBIDDEN("userfaultfd", "userfaultfd in " PLACE),
    FORBIDDEN("filter_again", "seccomp in " PLACE),
    FORBIDDEN("schedule_itself", "sched_setscheduler in " PLACE),
    FORBIDDEN("alarm", "setitimer in " PLACE),
    FORBIDDEN("terminal", "ioctl in " PLACE),
    FORBIDDEN("personality", "personality in " PLACE),
    HARMLESS("new_handlers"),
};

#define N_ACTS (sizeof acts / sizeof *acts)

/* -- The scene -- */

typedef struct scene {
    char dir[64];
    sandbox *s;
    text reference; /* input of the neighbour */
    train_plan plan;
    train_layout layout;
    unsigned char *expected; /* its result */
} scene;

static void write_text(const char *name, const char *s)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(s, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static text input_of(const char *written)
{
    error err;
    text t = { 0 };
    const job_input in = { .name = "hostile.cfg", .written = written, .seed = 3 };
    if (job_input_write(&in, &t, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return t;
}

static sandbox_job *start(
    scene *c, sandbox_level level, const char *name, const text *input, const sandbox_limits *l)
{
    error err;
    sandbox_job *j = NULL;
    const bool is_train = strcmp(name, "train") == 0;
    const sandbox_call call = { .level = level,
        .procedure = name,
        .input = input->s,
        .n_input = input->n,
        .result_bytes = is_train ? c->layout.bytes : sizeof(train_plan),
        .finite_at = is_train ? c->layout.floats_at : 0,
        .n_finite = is_train ? c->layout.n_floats : 0,
        .limits = l };
    if (sandbox_start(c->s, &call, &j, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return j;
}

/* Waits for all that run. */
static void finish(scene *c, size_t n)
{
    error err;
    for (size_t i = 0; i < n; i++) {
        sandbox_job *j = NULL;
        assert_int_equal(sandbox_wait(c->s, -1, &j, &err), OK);
        assert_non_null(j);
    }
}

static void must_be_ok(const sandbox_job *j)
{
    if (job_outcome(j)->class == OUTCOME_OK) return;
    print_error("%s: %s\n", outcome_name(job_outcome(j)->class), job_outcome(j)->text);
    assert_true(false);
}

static void learn_reference(scene *c)
{
    error err;
    size_t n;
    char written[MOST_TEXT];
    snprintf(written, sizeof written,
        CONFIG_FRONT CONFIG_MODEL "optimizer = { type = \"adam\"; };\n", "hostile_layer");
    c->reference = input_of(written);
    sandbox_job *j = start(c, SANDBOX_STRICT, "plan", &c->reference, NULL);
    finish(c, 1);
    must_be_ok(j);
    memcpy(&c->plan, job_result(j, &n), sizeof c->plan);
    job_free(j);
    assert_int_equal(train_layout_of(c->plan.n_w, c->plan.n_b, 0, MOST_ROWS, &c->layout, &err), OK);
    j = start(c, SANDBOX_STRICT, "train", &c->reference, NULL);
    finish(c, 1);
    must_be_ok(j);
    c->expected = malloc(c->layout.bytes);
    assert_non_null(c->expected);
    memcpy(c->expected, job_result(j, &n), c->layout.bytes);
    job_free(j);
}

static int open_scene(void **state)
{
    error err;
    scene *c = calloc(1, sizeof *c);
    static const char *const readable[] = { TEST_BUILD_DIR "/tests/hostile", NULL };
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay", .readable = readable };
    if (!c) return -1;
    strcpy(c->dir, "/tmp/assay-hostile-XXXXXX");
    if (!mkdtemp(c->dir) || chdir(c->dir) != 0 || chmod(c->dir, 0777) != 0) return -1;
    (void)umask(0);
    write_text("secret", "the test set");
    write_text("victim", "what must stay");
    (void)umask(022);
    if (sandbox_open(&o, &c->s, &err) != OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    learn_reference(c);
    *state = c;
    return 0;
}

static int close_scene(void **state)
{
    scene *c = *state;
    sandbox_close(c->s);
    const bool is_clean =
        unlink("secret") == 0 && unlink("victim") == 0 && chdir("/") == 0 && rmdir(c->dir) == 0;
    text_release(&c->reference);
    free(c->expected);
    free(c);
    return is_clean ? 0 : -1;
}

/* -- Oracles -- */

static void check_folder(const char *act)
{
    struct stat info;
    char line[64] = "";
    size_t n = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    FILE *f = fopen("victim", "r");
    if (!f || !fgets(line, sizeof line, f) || strcmp(line, "what must stay") != 0 || n != 2 ||
        stat("victim", &info) != 0 || (info.st_mode & 07777) != 0666 || info.st_uid != geteuid()) {
        print_error("%s: the folder has changed\n", act);
        assert_true(false);
    }
    fclose(f);
    assert_int_equal(shmget(4711, 0, 0), -1);
}

/* No process of the fork server's is left. */
static void check_processes(const scene *c, const char *act)
{
    char path[96], list[256] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", sandbox_server_pid(c->s),
        sandbox_server_pid(c->s));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    if (fgets(list, sizeof list, f) && list[0]) {
        print_error("%s: processes are left: %s\n", act, list);
        assert_true(false);
    }
    fclose(f);
}

static void check_neighbour(const scene *c, const sandbox_job *j, const char *act)
{
    error err;
    size_t n;
    train_head head;
    const train_row *rows;
    const unsigned char *got = job_result(j, &n);
    must_be_ok(j);
    assert_int_equal(train_result_read(got, n, &c->layout, &head, &rows, &err), OK);
    assert_true(head.n_rows > 10);
    if (memcmp(got + c->layout.floats_at, c->expected + c->layout.floats_at,
            n - c->layout.floats_at) != 0) {
        print_error("%s: the neighbour's result has other bits\n", act);
        assert_true(false);
    }
}

static bool was_breached(const sandbox_job *j)
{
    error err;
    text log = { 0 };
    assert_int_equal(job_log(j, &log, &err), OK);
    const bool found = log.s && strstr(log.s, "BREACH");
    if (found) print_error("%s", strstr(log.s, "BREACH"));
    for (size_t i = 0; i < log.n; i++)
        assert_true((log.s[i] >= ' ' && log.s[i] <= '~') || log.s[i] == '\n' || log.s[i] == '\t');
    text_release(&log);
    return found;
}

/* One hostile job and its neighbour. `where`: what the reason must hold of phase and step. */
static void run(scene *c, sandbox_level level, const expectation *e, outcome_class expected,
    const char *written, const char *where)
{
    sandbox_limits l = sandbox_default_limits;
    l.memory_bytes = UINT64_C(64) << 20;
    l.stall_s = e->stall_s > 0 ? e->stall_s : 5;
    l.wall_s = e->wall_s > 0 ? e->wall_s : 20;
    l.cpu_s = strcmp(e->act, "burn") == 0 ? 1 : 20;
    text input = input_of(written);
    const int server = sandbox_server_pid(c->s);
    sandbox_job *neighbour = start(c, SANDBOX_STRICT, "train", &c->reference, NULL);
    sandbox_job *j = start(c, level, "train", &input, &l);
    finish(c, 2);
    const outcome *o = job_outcome(j);
    const bool is_right = o->class == expected &&
        (level != SANDBOX_STRICT || !e->says || strstr(o->text, e->says)) &&
        (expected == OUTCOME_OK || !where || strstr(o->text, where));
    if (!is_right) {
        print_error("%s at %s: %s: \"%s\"; expected %s, \"%s\" and \"%s\"\n", e->act,
            sandbox_level_name(level), outcome_name(o->class), o->text, outcome_name(expected),
            e->says ? e->says : "", where ? where : "");
        assert_true(false);
    }
    if (level == SANDBOX_STRICT) assert_false(was_breached(j));
    check_neighbour(c, neighbour, e->act);
    check_folder(e->act);
    check_processes(c, e->act);
    assert_int_equal(sandbox_server_pid(c->s), server);
    job_free(neighbour);
    job_free(j);
    text_release(&input);
}

static bool can_be_strict(const scene *c)
{
    return !sandbox_get_state(c->s)->is_instrumented && !sandbox_get_state(c->s)->lacking[0];
}

static void need_strict(const scene *c)
{
    if (can_be_strict(c)) return;
    print_message("skipped: strict is not possible here: %s\n",
        sandbox_get_state(c->s)->lacking[0] ? sandbox_get_state(c->s)->lacking : "instrumented");
    skip();
}

static const expectation *expected_of(const char *name)
{
    for (size_t i = 0; i < N_ACTS; i++) {
        if (strcmp(acts[i].act, name) == 0) return &acts[i];
    }
    print_error("%s is not in the table\n", name);
    abort();
}

/* -- In the optimizer -- */

static void optimizer_config(char out[MOST_TEXT], const char *act, const char *place)
{
    snprintf(out, MOST_TEXT,
        CONFIG_FRONT CONFIG_MODEL
        "optimizer = { type = \"hostile_optimizer\"; act = \"%s\"; place = \"%s\"; };\n",
        "hostile_optimizer", act, place);
}

static void test_hostile__in_a_step_at_strict(void **state)
{
    char written[MOST_TEXT];
    need_strict(*state);
    for (size_t i = 0; i < N_ACTS; i++) {
        const bool can_say =
            strncmp(acts[i].act, "forge_", 6) != 0 && strcmp(acts[i].act, "burn") != 0;
        const bool is_end = acts[i].at_strict == OUTCOME_FLOAT_MODE;
        optimizer_config(written, acts[i].act, "step");
        run(*state, SANDBOX_STRICT, &acts[i], acts[i].at_strict, written,
            is_end        ? "phase finish"
                : can_say ? "phase step, step 5"
                          : NULL);
    }
}

static void test_hostile__in_a_step_at_process(void **state)
{
    char written[MOST_TEXT];
    size_t n = 0;
    for (size_t i = 0; i < N_ACTS; i++) {
        const scene *c = *state;
        /* Instrumented, memory has no limit, and the allocator ends the process itself. */
        const bool is_memory =
            strncmp(acts[i].act, "memory_", 7) == 0 || strcmp(acts[i].act, "double_free") == 0;
        if (acts[i].at_process == SURE || (is_memory && sandbox_get_state(c->s)->is_instrumented))
            continue;
        optimizer_config(written, acts[i].act, "step");
        run(*state, SANDBOX_PROCESS, &acts[i], acts[i].at_process, written, NULL);
        n++;
    }
    assert_true(n >= 24);
}

static void test_hostile__while_it_is_made(void **state)
{
    static const char *const names[] = { "crash_null", "exit_zero", "stack_overflow", "hang_sleep",
        "memory_malloc", "socket_inet", "fork", "write_file", "outlive_parent", "forge_done" };
    static const struct {
        const char *place, *where;
    } places[] = { { "validate", "phase load" }, { "create", "phase load" } };
    char written[MOST_TEXT];
    need_strict(*state);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const expectation e = *expected_of(names[i]);
            optimizer_config(written, names[i], places[k].place);
            run(*state, SANDBOX_STRICT, &e, e.at_strict, written, places[k].where);
        }
    }
}

/* A divergence says in front at which step it was, everything else behind in which phase. */
static const char *place_of(outcome_class c)
{
    return c == OUTCOME_NONFINITE ? "step 6: the loss is not finite" : "phase step";
}

static void test_hostile__with_its_own_weights(void **state)
{
    static const expectation some[] = {
        { "not_a_number", OUTCOME_NONFINITE, "dense1", OUTCOME_NONFINITE, 0, 0 },
        { "far_outside", OUTCOME_CRASH, "segmentation fault in " PLACE, OUTCOME_CRASH, 0, 0 },
        { "refuse", OUTCOME_PLUGIN_ERROR, "had enough [2J of this", OUTCOME_PLUGIN_ERROR, 0, 0 },
    };
    char written[MOST_TEXT];
    scene *c = *state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        /* Instrumented, that place is mapped. */
        if (i == 1 && sandbox_get_state(c->s)->is_instrumented) continue;
        optimizer_config(written, some[i].act, "beyond");
        if (can_be_strict(c))
            run(c, SANDBOX_STRICT, &some[i], some[i].at_strict, written,
                place_of(some[i].at_strict));
        run(c, SANDBOX_PROCESS, &some[i], some[i].at_process, written,
            place_of(some[i].at_process));
    }
}

/* The acts are real: where nothing forbids them, they get what they want, and the test sees it. */
static void test_hostile__acts_succeed_where_nothing_forbids_them(void **state)
{
    static const char *const names[] = { "read_secret", "read_passwd", "list_folder", "socket_inet",
        "socketpair", "pipe", "executable_memory", "signal_parent", "become_dumpable",
        "execute_memory", "inotify", "new_handlers", "lock", "patch_host_code" };
    char written[MOST_TEXT];
    scene *c = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        error err;
        text log = { 0 };
        optimizer_config(written, names[i], "step");
        text input = input_of(written);
        sandbox_job *j = start(c, SANDBOX_PROCESS, "train", &input, NULL);
        finish(c, 1);
        assert_int_equal(job_log(j, &log, &err), OK);
        if (!log.s || !strstr(log.s, "BREACH")) {
            print_error("%s did nothing: %s\n", names[i], job_outcome(j)->text);
            assert_true(false);
        }
        job_free(j);
        text_release(&log);
        text_release(&input);
    }
}

/* -- Elsewhere -- */

static void test_hostile__in_a_layer(void **state)
{
    static const char *const names[] = { "nothing", "crash_null", "stack_overflow", "exit_seven",
        "hang_loop", "memory_malloc", "write_file", "socket_udp", "fork_bomb", "signal_parent",
        "trace_parent", "patch_host_code", "other_architecture", "forge_done" };
    static const char *const places[] = { "plan", "forward", "backward" };
    char written[MOST_TEXT];
    need_strict(*state);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < 3; k++) {
            expectation e = *expected_of(names[i]);
            if (e.says && strstr(e.says, PLACE)) e.says = "in hostile_layer.so+0x";
            if (e.stall_s > 0 && k == 0)
                e = (expectation){ e.act, OUTCOME_TIMEOUT, "not done after", SURE, 0, 0.5 };
            snprintf(written, sizeof written,
                CONFIG_FRONT
                "model = ( { type = \"dense\"; units = 8; }, { type = \"hostile_layer\"; act = "
                "\"%s\"; place = \"%s\"; }, { type = \"dense\"; units = 3; } );\n"
                "optimizer = { type = \"sgd\"; };\n",
                "hostile_layer", names[i], places[k]);
            run(*state, SANDBOX_STRICT, &e, e.at_strict, written,
                k == 0 ? "phase plan" : "phase step, step");
        }
    }
}

static void test_hostile__in_a_schedule(void **state)
{
    static const char *const names[] = { "nothing", "crash_divide", "abort", "exit_zero",
        "hang_sleep", "memory_map", "read_secret", "unlink", "keyctl", "execute", "pidfd",
        "namespace", "unknown_number" };
    char written[MOST_TEXT];
    need_strict(*state);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expectation e = *expected_of(names[i]);
        if (e.says && strstr(e.says, PLACE)) e.says = "in hostile_schedule.so+0x";
        snprintf(written, sizeof written,
            CONFIG_FRONT CONFIG_MODEL "optimizer = { type = \"sgd\"; };\nschedule = { type = "
                                      "\"hostile_schedule\"; act = \"%s\"; };\n",
            "hostile_schedule", names[i]);
        run(*state, SANDBOX_STRICT, &e, e.at_strict, written, "phase step, step 6");
    }
}

/* What is different while a plugin is loaded: files may be opened, but only declared ones; a changed mode is refused. */
static void test_hostile__while_it_is_loaded(void **state)
{
    static const expectation constructors[] = {
        HARMLESS("nothing"),
        { "crash_null", OUTCOME_CRASH, "segmentation fault in hostile_constructor_crash_null.so+0x",
            SURE, 0, 0 },
        { "exit_zero", OUTCOME_EARLY_EXIT, "code 0", SURE, 0, 0 },
        { "hang_loop", OUTCOME_TIMEOUT, "no progress", SURE, 0.3, 0 },
        { "stack_overflow", OUTCOME_STACK_OVERFLOW, "stack overflow", SURE, 0, 0 },
        { "memory_malloc", OUTCOME_MEMORY_LIMIT, "memory", SURE, 0, 0 },
        { "rounding", OUTCOME_LOAD_FAILED, "floating-point mode (rounding)", SURE, 0, 0 },
        HARMLESS("read_secret"),
        HARMLESS("read_passwd"),
        FORBIDDEN("own_memory", "openat"),
        FORBIDDEN("write_file", "openat"),
        FORBIDDEN("unlink", "unlink"),
        FORBIDDEN("socket_inet", "socket"),
        FORBIDDEN("fork", "clone"),
        FORBIDDEN("execute", "execve"),
        HARMLESS("thread"),
        FORBIDDEN("signal_parent", "kill"),
        FORBIDDEN("trace_parent", "ptrace"),
        FORBIDDEN("outlive_parent", "prctl"),
        HARMLESS("new_handlers"),
        FORBIDDEN("io_uring", "io_uring_setup"),
        HARMLESS("log_flood"),
        FORBIDDEN("executable_memory", "mmap"),
        FORBIDDEN("patch_host_code", "mprotect"),
        { "forge_done", OUTCOME_RESULT_INVALID, "is no number", SURE, 0, 0 },
    };
    static const expectation entries[] = {
        { "crash_null", OUTCOME_CRASH, "segmentation fault in hostile_entry_crash_null.so+0x", SURE,
            0, 0 },
        { "exit_seven", OUTCOME_EARLY_EXIT, "code 7", SURE, 0, 0 },
        { "hang_sleep", OUTCOME_TIMEOUT, "no progress", SURE, 0.3, 0 },
        FORBIDDEN("write_file", "openat"),
        FORBIDDEN("signal_all", "kill"),
        FORBIDDEN("fork_bomb", "clone"),
        FORBIDDEN("keyctl", "keyctl"),
        HARMLESS("list_folder"),
    };
    static const struct {
        const expectation *rows;
        size_t n;
        const char *place;
    } all[] = { { constructors, sizeof constructors / sizeof *constructors, "constructor" },
        { entries, sizeof entries / sizeof *entries, "entry" } };
    char written[MOST_TEXT], name[64];
    need_strict(*state);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < all[k].n; i++) {
            const expectation *e = &all[k].rows[i];
            snprintf(name, sizeof name, "hostile_%s_%s", all[k].place, e->act);
            snprintf(written, sizeof written,
                CONFIG_FRONT CONFIG_MODEL "optimizer = { type = \"hostile_loading\"; };\n", name);
            run(*state, SANDBOX_STRICT, e, e->at_strict, written, "phase load");
        }
    }
}

/* -- What is read of a worker -- */

static void test_hostile__forged_results_are_not_read(void **state)
{
    error err;
    size_t n;
    train_head head;
    const train_row *rows;
    char written[MOST_TEXT];
    scene *c = *state;
    optimizer_config(written, "forge_result", "step");
    text input = input_of(written);
    sandbox_job *j = start(c, SANDBOX_STRICT, "train", &input, NULL);
    finish(c, 1);
    assert_int_equal(job_outcome(j)->class,
        OUTCOME_OK); /* all floats are numbers: weights, for the scorer to judge */
    const void *got = job_result(j, &n);
    assert_int_equal(train_result_read(got, n, &c->layout, &head, &rows, &err), E_CORRUPT);
    job_free(j);
    text_release(&input);
}

static void test_hostile__a_flooded_log_is_cut_and_clean(void **state)
{
    error err;
    char written[MOST_TEXT];
    scene *c = *state;
    for (int i = 0; i < 2; i++) {
        text log = { 0 };
        optimizer_config(written, i == 0 ? "log_flood" : "log_escapes", "step");
        text input = input_of(written);
        sandbox_job *j = start(c, SANDBOX_STRICT, "train", &input, NULL);
        finish(c, 1);
        must_be_ok(j);
        assert_int_equal(job_outcome(j)->log_is_full, i == 0);
        assert_int_equal(job_log(j, &log, &err), OK);
        if (i == 0) {
            assert_int_equal(log.n, sandbox_default_limits.log_bytes);
        } else {
            assert_non_null(strstr(log.s, "?]0;owned??[2J???? text"));
        }
        text_release(&log);
        text_release(&input);
        job_free(j);
    }
}

/* Every descriptor, process and mapping is given back. */
static void test_hostile__nothing_piles_up(void **state)
{
    char written[MOST_TEXT];
    struct stat before, after;
    scene *c = *state;
    optimizer_config(written, "crash_null", "step");
    text input = input_of(written);
    assert_int_equal(stat("/proc/self/fd", &before), 0);
    const int fd_before = dup(0);
    close(fd_before);
    for (int i = 0; i < 100; i++) {
        sandbox_job *j = start(c, SANDBOX_STRICT, "train", &input, NULL);
        finish(c, 1);
        assert_int_equal(job_outcome(j)->class, OUTCOME_CRASH);
        job_free(j);
    }
    const int fd_after = dup(0);
    close(fd_after);
    assert_int_equal(fd_after, fd_before);
    assert_int_equal(stat("/proc/self/fd", &after), 0);
    check_processes(c, "crash_null");
    text_release(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile__in_a_step_at_strict),
        cmocka_unit_test(test_hostile__in_a_step_at_process),
        cmocka_unit_test(test_hostile__while_it_is_made),
        cmocka_unit_test(test_hostile__with_its_own_weights),
        cmocka_unit_test(test_hostile__acts_succeed_where_nothing_forbids_them),
        cmocka_unit_test(test_hostile__in_a_layer),
        cmocka_unit_test(test_hostile__in_a_schedule),
        cmocka_unit_test(test_hostile__while_it_is_loaded),
        cmocka_unit_test(test_hostile__forged_results_are_not_read),
        cmocka_unit_test(test_hostile__a_flooded_log_is_cut_and_clean),
        cmocka_unit_test(test_hostile__nothing_piles_up),
    };
    const int failed = cmocka_run_group_tests_name(
        geteuid() == 0 ? "as root" : "as an ordinary user", tests, open_scene, close_scene);
    return failed || geteuid() != 0 ? failed : as_ordinary_user("test_hostile");
}
