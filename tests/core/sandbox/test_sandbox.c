/* The sandbox with procedures of the test's own: what is handed over, what is kept apart, what a limit does, and that nothing is
 * left when a host or a fork server is killed. The test program is its own fork server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "base/clock.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- Procedures, by name -- */

static int echo(const void *input, size_t n, worker_io *io)
{
    size_t room;
    unsigned char *out = worker_result(io, &room);
    for (size_t i = 0; i < room; i++) {
        if (out[i] != 0xff)
            return worker_refuse(io, OUTCOME_HOST_ERROR, "byte %zu was written before", i);
    }
    if (n > room) return worker_refuse(io, OUTCOME_HOST_ERROR, "no room");
    if (n) memcpy(out, input, n);
    return 0;
}

/* The sum of an input's bytes; and whether it can be written. */
static int sum_input(const void *input, size_t n, worker_io *io)
{
    size_t n_data, room;
    uint64_t sum = 0;
    const unsigned char *data = worker_input(io, "numbers", &n_data);
    (void)input;
    (void)n;
    if (!data) return worker_refuse(io, OUTCOME_PLUGIN_ERROR, "no input \"numbers\"");
    for (size_t i = 0; i < n_data; i++)
        sum += data[i];
    memcpy(worker_result(io, &room), &sum, sizeof sum);
    return 0;
}

static int write_input(const void *input, size_t n, worker_io *io)
{
    size_t n_data;
    const void *data = worker_input(io, "numbers", &n_data);
    (void)input;
    (void)n;
    worker_at(io, PHASE_STEP, 3);
    *(volatile char *)(uintptr_t)data = 7;
    return 0;
}

/* A byte of a guarded array of 1001 bytes, at the offset in the input. */
static int touch_guarded(const void *input, size_t n, worker_io *io)
{
    int64_t at = 0;
    if (n == sizeof at) memcpy(&at, input, sizeof at);
    volatile unsigned char *p = worker_guarded(io, "weights", 1001);
    if (!p) return worker_refuse(io, OUTCOME_HOST_ERROR, "no memory");
    worker_at(io, PHASE_STEP, 17);
    if (p[0] != 0 || p[1000] != 0) return worker_refuse(io, OUTCOME_HOST_ERROR, "not zeroed");
    p[at] = 1;
    return 0;
}

static int wait_for_ever(const void *input, size_t n, worker_io *io)
{
    char s[32] = "";
    if (n && n < sizeof s) memcpy(s, input, n);
    worker_at(io, PHASE_STEP, 1);
    if (strcmp(s, "sleep") == 0) (void)sleep(1000);
    for (volatile int i = 0;; i = 1 - i) {
    }
    return 0;
}

static int doze(const void *input, size_t n, worker_io *io)
{
    error err;
    (void)input;
    (void)n;
    if (worker_plugins_loaded(io, &err) != OK)
        return worker_refuse(io, OUTCOME_HOST_ERROR, "%s", err.text);
    (void)poll(NULL, 0, 50);
    return 0;
}

static int leave_process(const void *input, size_t n, worker_io *io)
{
    (void)input;
    (void)n;
    (void)io;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();
        (void)sleep(1000);
        _exit(0);
    }
    return pid > 0 ? 0 : worker_refuse(io, OUTCOME_PLUGIN_ERROR, "fork: %s", strerror(errno));
}

static int stop_server(const void *input, size_t n, worker_io *io)
{
    (void)input;
    (void)n;
    (void)io;
    (void)kill(getppid(), SIGKILL);
    (void)sleep(1000);
    return 0;
}

static int open_after_loading(const void *input, size_t n, worker_io *io)
{
    error err;
    const int before = open("/etc/ld.so.cache", O_RDONLY);
    (void)input;
    (void)n;
    worker_at(io, PHASE_LOAD, 0);
    if (before < 0) return worker_refuse(io, OUTCOME_PLUGIN_ERROR, "open: %s", strerror(errno));
    if (worker_plugins_loaded(io, &err) != OK)
        return worker_refuse(io, OUTCOME_HOST_ERROR, "%s", err.text);
    worker_at(io, PHASE_STEP, 2);
    (void)open("/etc/ld.so.cache", O_RDONLY);
    return 0;
}

static int read_declared(const void *input, size_t n, worker_io *io)
{
    (void)n;
    if (open(input, O_RDONLY) < 0)
        return worker_refuse(io, OUTCOME_PLUGIN_ERROR, "%s", strerror(errno));
    return 0;
}

static int refuse_politely(const void *input, size_t n, worker_io *io)
{
    (void)input;
    (void)n;
    worker_at(io, PHASE_PLAN, 0);
    return worker_refuse(io, OUTCOME_NONFINITE, "tensor \"dense1.weight\" is NaN\n\033[31m");
}

static int half_done(const void *input, size_t n, worker_io *io)
{
    size_t room;
    float *out = worker_result(io, &room);
    (void)input;
    (void)n;
    for (size_t i = 0; i < room / sizeof *out / 2; i++)
        out[i] = 2.385f;
    return 0;
}

static int tell_pid(const void *input, size_t n, worker_io *io)
{
    size_t room;
    const int64_t pid = getpid();
    (void)input;
    (void)n;
    memcpy(worker_result(io, &room), &pid, sizeof pid);
    return 0;
}

static status prepare_text(server_setup *s, void **out, error *err)
{
    static char prepared[] = "made once";
    (void)s;
    (void)err;
    *out = prepared;
    return OK;
}

static int give_prepared(const void *input, size_t n, worker_io *io)
{
    size_t room;
    (void)input;
    (void)n;
    strcpy(worker_result(io, &room), worker_prepared(io));
    return 0;
}

static const procedure procedures[] = { { "echo", echo, NULL, NULL },
    { "sum input", sum_input, NULL, NULL }, { "write input", write_input, NULL, NULL },
    { "touch guarded", touch_guarded, NULL, NULL }, { "wait", wait_for_ever, NULL, NULL },
    { "doze", doze, NULL, NULL }, { "leave process", leave_process, NULL, NULL },
    { "stop server", stop_server, NULL, NULL },
    { "open after loading", open_after_loading, NULL, NULL },
    { "read declared", read_declared, NULL, NULL }, { "refuse", refuse_politely, NULL, NULL },
    { "half done", half_done, NULL, NULL }, { "pid", tell_pid, NULL, NULL },
    { "prepared", give_prepared, prepare_text, NULL } };

enum { N_PROCEDURES = sizeof procedures / sizeof *procedures };

/* -- The scene -- */

static sandbox *open_with(const sandbox_options *more)
{
    error err;
    sandbox *s = NULL;
    sandbox_options o = *more;
    o.procedures = procedures;
    o.n_procedures = N_PROCEDURES;
    if (sandbox_open(&o, &s, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return s;
}

static sandbox *open_plain(void)
{
    const sandbox_options none = { .program = NULL };
    return open_with(&none);
}

static sandbox_job *start_with(sandbox *s, const sandbox_call *c)
{
    error err;
    sandbox_job *j = NULL;
    if (sandbox_start(s, c, &j, &err) != OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return j;
}

static sandbox_job *wait_for(sandbox *s)
{
    error err;
    sandbox_job *j = NULL;
    assert_int_equal(sandbox_wait(s, -1, &j, &err), OK);
    assert_non_null(j);
    return j;
}

static sandbox_job *run_with(sandbox *s, const sandbox_call *c)
{
    sandbox_job *j = start_with(s, c);
    assert_ptr_equal(wait_for(s), j);
    return j;
}

static void expect(sandbox_job *j, outcome_class class, const char *says)
{
    const outcome *o = job_outcome(j);
    if (o->class != class || !strstr(o->text, says)) {
        print_error("%s: \"%s\"; expected %s and \"%s\"\n", outcome_name(o->class), o->text,
            outcome_name(class), says);
        assert_true(false);
    }
    job_free(j);
}

static bool strict_is_possible(const sandbox *s)
{
    return !sandbox_get_state(s)->is_instrumented && !sandbox_get_state(s)->lacking[0];
}

/* Skips the test, saying why, where strict cannot be. */
static void need_strict(sandbox *s)
{
    if (strict_is_possible(s)) return;
    print_message("skipped: strict is not possible here: %s\n",
        sandbox_get_state(s)->lacking[0] ? sandbox_get_state(s)->lacking : "instrumented");
    sandbox_close(s);
    skip();
}

/* Not there, or dead and only waiting to be counted by whoever adopted it. */
static bool is_gone(int pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f) return true;
    const bool has_line = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    const char *state = has_line ? strrchr(line, ')') : NULL;
    return !state || state[2] == 'Z' || state[2] == 'X';
}

/* Whether it is no more within half a second. */
static bool goes(int pid)
{
    const double until = clock_wall_s() + 0.5;
    while (!is_gone(pid) && clock_wall_s() < until)
        (void)poll(NULL, 0, 5);
    return is_gone(pid);
}

/* -- Handing over -- */

static void test_sandbox__gives_input_and_takes_the_result_at_every_level(void **state)
{
    sandbox *s = open_plain();
    static unsigned char input[200000];
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (unsigned char)(i * 7 + i / 251);
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        for (size_t bytes = 0; bytes <= sizeof input; bytes = bytes * 17 + 3) {
            const sandbox_call c = { .level = (sandbox_level)level,
                .procedure = "echo",
                .input = input,
                .n_input = bytes,
                .result_bytes = bytes + 5,
                .self = input };
            sandbox_job *j = run_with(s, &c);
            const unsigned char *got = job_result(j, &n);
            assert_int_equal(n, bytes + 5);
            assert_memory_equal(got, input, bytes);
            assert_int_equal(got[bytes], 0xff);
            assert_ptr_equal(job_self(j), input);
            expect(j, OUTCOME_OK, "done");
        }
    }
    sandbox_close(s);
}

static void test_sandbox__shares_inputs_read_only(void **state)
{
    unsigned char numbers[10000];
    uint64_t sum = 0, got;
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof numbers; i++)
        sum += numbers[i] = (unsigned char)(i * 13);
    const sandbox_input inputs[] = { { "other", "", 0 }, { "numbers", numbers, sizeof numbers } };
    const sandbox_options o = { .inputs = inputs, .n_inputs = 2 };
    sandbox *s = open_with(&o);
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        const sandbox_call c = {
            .level = (sandbox_level)level, .procedure = "sum input", .result_bytes = 8
        };
        sandbox_job *j = run_with(s, &c);
        memcpy(&got, job_result(j, &n), sizeof got);
        assert_int_equal(got, sum);
        expect(j, OUTCOME_OK, "done");
    }
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "write input" };
    expect(run_with(s, &c), OUTCOME_CRASH, "segmentation fault, phase step, step 3");
    sandbox_close(s);
}

static void test_sandbox__prepares_once(void **state)
{
    sandbox *s = open_plain();
    size_t n;
    (void)state;
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        const sandbox_call c = {
            .level = (sandbox_level)level, .procedure = "prepared", .result_bytes = 64
        };
        sandbox_job *j = run_with(s, &c);
        assert_string_equal(job_result(j, &n), "made once");
        expect(j, OUTCOME_OK, "done");
    }
    sandbox_close(s);
}

static void test_sandbox__runs_many_side_by_side(void **state)
{
    enum { N = 40 };
    sandbox *s = open_plain();
    sandbox_job *jobs[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        const sandbox_call c = { .level = i % 2 ? SANDBOX_STRICT : SANDBOX_PROCESS,
            .procedure = "echo",
            .input = &i,
            .n_input = sizeof i,
            .result_bytes = sizeof i };
        jobs[i] = start_with(s, &c);
    }
    for (int i = 0; i < N; i++)
        (void)wait_for(s);
    assert_int_equal(sandbox_n_running(s), 0);
    for (int i = 0; i < N; i++) {
        size_t n;
        assert_memory_equal(job_result(jobs[i], &n), &i, sizeof i);
        expect(jobs[i], OUTCOME_OK, "done");
    }
    sandbox_close(s);
}

/* -- What ends a job -- */

static void test_sandbox__says_which_array_was_left(void **state)
{
    static const struct {
        int64_t at;
        outcome_class class;
        const char *says;
    } rows[] = { { 1000, OUTCOME_OK, "done" },
        { 1001, OUTCOME_OUT_OF_BOUNDS, "wrote 1 bytes behind the end of weights" },
        { 1010, OUTCOME_OUT_OF_BOUNDS, "wrote 10 bytes behind the end of weights" },
        { 1024, OUTCOME_OUT_OF_BOUNDS, "touched memory beside weights, phase step, step 17" },
        { -1, OUTCOME_OUT_OF_BOUNDS, "wrote 1 bytes before the begin of weights" },
        { -4000, OUTCOME_OUT_OF_BOUNDS, "touched memory beside weights, phase step, step 17" } };
    sandbox *s = open_plain();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int level = SANDBOX_PROCESS; level <= SANDBOX_STRICT; level++) {
            const sandbox_call c = { .level = (sandbox_level)level,
                .procedure = "touch guarded",
                .input = &rows[i].at,
                .n_input = sizeof rows[i].at };
            expect(run_with(s, &c), rows[i].class, rows[i].says);
        }
    }
    sandbox_close(s);
}

/* The host looks when all is over. */
static void test_sandbox__knows_how_long_a_job_took(void **state)
{
    sandbox *s = open_plain();
    (void)state;
    const sandbox_call c = { .level = SANDBOX_PROCESS, .procedure = "doze" };
    sandbox_job *j = start_with(s, &c);
    (void)poll(NULL, 0, 300);
    assert_ptr_equal(wait_for(s), j);
    assert_int_equal(job_outcome(j)->class, OUTCOME_OK);
    assert_true(job_outcome(j)->wall_s >= 0.05);
    job_free(j);
    sandbox_close(s);
}

static void test_sandbox__ends_what_takes_too_long(void **state)
{
    sandbox *s = open_plain();
    sandbox_limits l = sandbox_default_limits;
    (void)state;
    for (int level = SANDBOX_PROCESS; level <= SANDBOX_STRICT; level++) {
        sandbox_call c = { .level = (sandbox_level)level, .procedure = "wait", .limits = &l };
        l.wall_s = 0.2;
        l.stall_s = 10;
        expect(run_with(s, &c), OUTCOME_TIMEOUT, "not done after 0.2 s, phase step, step 1");
        l.wall_s = 10;
        l.stall_s = 0.2;
        c.input = "sleep";
        c.n_input = 6;
        expect(run_with(s, &c), OUTCOME_TIMEOUT, "no progress for 0.2 s, phase step, step 1");
    }
    sandbox_close(s);
}

static void test_sandbox__ends_on_demand(void **state)
{
    error err;
    sandbox *s = open_plain();
    sandbox_job *none = NULL;
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "wait" };
    (void)state;
    sandbox_job *a = start_with(s, &c), *b = start_with(s, &c);
    assert_int_equal(sandbox_wait(s, 0.1, &none, &err), OK);
    assert_null(none);
    assert_int_equal(job_phase(b), PHASE_STEP);
    assert_int_equal(job_step(b), 1);
    job_end(b, OUTCOME_PRUNED);
    assert_ptr_equal(wait_for(s), b);
    job_end(a, OUTCOME_CANCELLED);
    assert_ptr_equal(wait_for(s), a);
    expect(b, OUTCOME_PRUNED, "ended by the study, phase step, step 1");
    expect(a, OUTCOME_CANCELLED, "ended by the study");
    sandbox_close(s);
}

static void test_sandbox__ends_even_what_has_not_begun(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_PROCESS, .procedure = "wait" };
    (void)state;
    sandbox_job *j = start_with(s, &c);
    job_end(j, OUTCOME_CANCELLED);
    assert_ptr_equal(wait_for(s), j);
    expect(j, OUTCOME_CANCELLED, "ended by the study");
    sandbox_close(s);
}

/* Whether a process has children. */
static bool has_children(int pid)
{
    char path[64], list[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const bool is_any = fgets(list, sizeof list, f) != NULL && list[0] != '\0';
    fclose(f);
    return is_any;
}

static void test_sandbox__ends_what_is_freed_before_it_has_begun(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call forgotten = { .level = SANDBOX_PROCESS, .procedure = "wait" };
    const sandbox_call after = { .level = SANDBOX_PROCESS, .procedure = "doze" };
    (void)state;
    job_free(start_with(s, &forgotten));
    expect(run_with(s, &after), OUTCOME_OK, "done");
    const double until = clock_wall_s() + 5;
    while (has_children(sandbox_server_pid(s)) && clock_wall_s() < until)
        (void)poll(NULL, 0, 5);
    assert_false(has_children(sandbox_server_pid(s)));
    sandbox_close(s);
}

static void test_sandbox__believes_no_result_that_is_not_whole(void **state)
{
    sandbox *s = open_plain();
    (void)state;
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        sandbox_call c = { .level = (sandbox_level)level,
            .procedure = "half done",
            .result_bytes = 800,
            .n_finite = 100 };
        expect(run_with(s, &c), OUTCOME_OK, "done");
        c.n_finite = 101;
        expect(run_with(s, &c), OUTCOME_RESULT_INVALID, "value 100 of its result is no number");
        c.finite_at = 8;
        c.n_finite = 99;
        expect(run_with(s, &c), OUTCOME_RESULT_INVALID, "value 98 of its result is no number");
    }
    sandbox_close(s);
}

/* Who says how large a result is may be a plugin. */
static void test_sandbox__makes_no_result_that_memory_cannot_hold(void **state)
{
    const size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    const size_t sizes[] = { all, SIZE_MAX / 2, SIZE_MAX };
    sandbox *s = open_plain();
    (void)state;
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            error err;
            sandbox_job *j = NULL;
            const sandbox_call c = {
                .level = (sandbox_level)level, .procedure = "echo", .result_bytes = sizes[i]
            };
            assert_int_equal(sandbox_start(s, &c, &j, &err), E_RANGE);
            assert_non_null(strstr(err.text, "a result of "));
            assert_null(j);
        }
    }
    sandbox_close(s);
}

static void test_sandbox__keeps_the_reason_of_a_procedure(void **state)
{
    sandbox *s = open_plain();
    (void)state;
    for (int level = SANDBOX_NONE; level <= SANDBOX_STRICT; level++) {
        const sandbox_call c = { .level = (sandbox_level)level, .procedure = "refuse" };
        expect(run_with(s, &c), OUTCOME_NONFINITE,
            "tensor \"dense1.weight\" is NaN??[31m, phase plan");
    }
    const sandbox_call unknown = { .level = SANDBOX_STRICT, .procedure = "no such" };
    expect(run_with(s, &unknown), OUTCOME_HOST_ERROR, "no procedure is called \"no such\"");
    sandbox_close(s);
}

static void test_sandbox__sweeps_what_a_worker_leaves(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_PROCESS, .procedure = "leave process" };
    (void)state;
    sandbox_job *j = run_with(s, &c);
    if (geteuid() == 0) {
        assert_int_equal(job_outcome(j)->n_leftover, 1);
        expect(j, OUTCOME_LEFTOVER, "left 1 processes behind, which were ended");
    } else {
        expect(j, OUTCOME_PLUGIN_ERROR, "fork: Resource temporarily unavailable");
    }
    sandbox_close(s);
}

/* -- Strict -- */

static void test_sandbox__opens_files_before_stage_b_alone(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "open after loading" };
    (void)state;
    need_strict(s);
    expect(run_with(s, &c), OUTCOME_VIOLATION, "forbidden system call openat, phase step, step 2");
    sandbox_close(s);
}

static void test_sandbox__opens_declared_files_alone(void **state)
{
    const char *const readable[] = { "/etc/hostname", "/etc/no such file", NULL };
    const sandbox_options o = { .readable = readable };
    sandbox *s = open_with(&o);
    sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "read declared" };
    (void)state;
    need_strict(s);
    c.input = "/etc/hostname";
    c.n_input = 14;
    expect(run_with(s, &c), OUTCOME_OK, "done");
    c.input = "/etc/passwd";
    c.n_input = 12;
    expect(run_with(s, &c), OUTCOME_PLUGIN_ERROR, "Permission denied");
    sandbox_close(s);
}

static void test_sandbox__strict_fails_closed(void **state)
{
    static const struct {
        uint32_t lacks;
        const char *says;
    } rows[] = { { LACKS_SECCOMP, "the kernel has no seccomp filters" },
        { LACKS_LANDLOCK, "the kernel has no Landlock" },
        { LACKS_ARCHITECTURE, "system calls of this processor are not known" } };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        error err;
        sandbox_job *j = NULL;
        const sandbox_options o = { .pretend_lacking = rows[i].lacks };
        sandbox *s = open_with(&o);
        sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "pid", .result_bytes = 8 };
        if (!sandbox_get_state(s)->is_instrumented) {
            assert_int_equal(sandbox_start(s, &c, &j, &err), E_UNSUPPORTED);
            assert_non_null(strstr(err.text, "sandbox \"strict\" is not possible here: "));
            assert_non_null(strstr(err.text, rows[i].says));
            assert_null(j);
        }
        c.level = SANDBOX_PROCESS;
        expect(run_with(s, &c), OUTCOME_OK, "done");
        sandbox_close(s);
    }
}

static void test_sandbox__reports_the_level_in_effect(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "echo" };
    (void)state;
    sandbox_job *j = run_with(s, &c);
    assert_int_equal(
        job_level(j), sandbox_get_state(s)->is_instrumented ? SANDBOX_PROCESS : SANDBOX_STRICT);
    expect(j, OUTCOME_OK, "done");
    sandbox_close(s);
}

static void test_sandbox__probes_are_denied(void **state)
{
    error err;
    sandbox_probe probes[N_PROBES];
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay" };
    sandbox *s = open_with(&o);
    (void)state;
    need_strict(s);
    assert_int_equal(sandbox_run_probes(s, probes, &err), OK);
    for (size_t i = 0; i < N_PROBES; i++) {
        if (!probes[i].is_denied) print_error("%s: %s\n", probes[i].what, probes[i].text);
        assert_true(probes[i].is_denied);
    }
    sandbox_close(s);
}

/* -- Death of a fork server, of a host -- */

static void test_sandbox__a_killed_fork_server_loses_jobs_and_comes_back(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call wait_call = { .level = SANDBOX_STRICT, .procedure = "wait" };
    const sandbox_call echo_call = { .level = SANDBOX_STRICT, .procedure = "echo" };
    (void)state;
    for (int i = 0; i < 5; i++) {
        error err;
        sandbox_job *none;
        sandbox_job *j = start_with(s, &wait_call);
        assert_int_equal(sandbox_wait(s, 0.05, &none, &err), OK);
        const int server = sandbox_server_pid(s), worker = job_pid(j);
        assert_true(worker > 0);
        assert_int_equal(kill(server, SIGKILL), 0);
        assert_ptr_equal(wait_for(s), j);
        expect(j, OUTCOME_LOST, "the fork server died");
        assert_true(goes(worker));
        expect(run_with(s, &echo_call), OUTCOME_OK, "done");
        assert_int_not_equal(sandbox_server_pid(s), server);
    }
    sandbox_close(s);
}

static void test_sandbox__loses_them_too_where_the_next_job_notices(void **state)
{
    error err;
    sandbox_job *none;
    sandbox *s = open_plain();
    const sandbox_call wait_call = { .level = SANDBOX_STRICT, .procedure = "wait" };
    const sandbox_call echo_call = { .level = SANDBOX_STRICT, .procedure = "echo" };
    (void)state;
    sandbox_job *lost = start_with(s, &wait_call);
    assert_int_equal(sandbox_wait(s, 0.05, &none, &err), OK);
    const int server = sandbox_server_pid(s);
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_true(goes(server));
    sandbox_job *next = start_with(s, &echo_call);
    assert_ptr_equal(wait_for(s), lost);
    assert_ptr_equal(wait_for(s), next);
    expect(lost, OUTCOME_LOST, "the fork server died");
    expect(next, OUTCOME_OK, "done");
    sandbox_close(s);
}

/* A host without standard streams. */
static void test_sandbox__needs_no_standard_streams(void **state)
{
    int how = 0;
    (void)state;
    const pid_t host = fork();
    if (host == 0) {
        size_t n;
        const int number = 2385;
        const sandbox_call c = { .level = SANDBOX_PROCESS,
            .procedure = "echo",
            .input = &number,
            .n_input = sizeof number,
            .result_bytes = sizeof number };
        (void)close(0);
        (void)close(1);
        (void)close(2);
        sandbox *s = open_plain();
        sandbox_job *j = run_with(s, &c);
        const bool is_right = job_outcome(j)->class == OUTCOME_OK &&
            memcmp(job_result(j, &n), &number, sizeof number) == 0;
        sandbox_close(s);
        _exit(is_right ? 0 : 1);
    }
    assert_int_equal(waitpid(host, &how, 0), host);
    assert_int_equal(how, 0);
}

/* Where the user is root, workers are nobody, and still read what was declared: the folder may be closed to others. */
static void test_sandbox__reads_declared_files_in_closed_folders(void **state)
{
    char dir[] = "/tmp/assay-closed-XXXXXX", open_path[64], other_path[64];
    (void)state;
    assert_non_null(mkdtemp(dir)); /* 0700 */
    snprintf(open_path, sizeof open_path, "%s/declared", dir);
    snprintf(other_path, sizeof other_path, "%s/other", dir);
    close(open(open_path, O_WRONLY | O_CREAT, 0600));
    close(open(other_path, O_WRONLY | O_CREAT, 0600));
    const char *const readable[] = { open_path, NULL };
    const sandbox_options o = { .readable = readable };
    sandbox *s = open_with(&o);
    sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "read declared" };
    c.input = open_path;
    c.n_input = strlen(open_path) + 1;
    if (strict_is_possible(s)) expect(run_with(s, &c), OUTCOME_OK, "done");
    c.input = other_path;
    c.n_input = strlen(other_path) + 1;
    if (strict_is_possible(s)) expect(run_with(s, &c), OUTCOME_PLUGIN_ERROR, "Permission denied");
    sandbox_close(s);
    assert_int_equal(unlink(open_path) + unlink(other_path) + rmdir(dir), 0);
}

static void test_sandbox__survives_a_worker_that_kills_the_fork_server(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_PROCESS, .procedure = "stop server" };
    const sandbox_call echo_call = { .level = SANDBOX_PROCESS, .procedure = "echo" };
    (void)state;
    expect(run_with(s, &c), OUTCOME_LOST, "the fork server died");
    expect(run_with(s, &echo_call), OUTCOME_OK, "done");
    sandbox_close(s);
}

/* A host of its own: opens, starts workers, tells their numbers through a pipe, waits to be killed. */
static void be_host(int out, sandbox_level level, const char *how)
{
    error err;
    sandbox_job *none;
    int pids[4];
    sandbox *s = open_plain();
    pids[0] = sandbox_server_pid(s);
    for (int i = 0; i < 3; i++) {
        const sandbox_call c = {
            .level = level, .procedure = "wait", .input = how, .n_input = strlen(how) + 1
        };
        sandbox_job *j = start_with(s, &c);
        while (job_pid(j) == 0 || job_step(j) == 0)
            if (sandbox_wait(s, 0.01, &none, &err) != OK) _exit(1);
        pids[i + 1] = job_pid(j);
    }
    if (write(out, pids, sizeof pids) != sizeof pids) _exit(1);
    while (sandbox_wait(s, 1, &none, &err) == OK) {
    }
    _exit(1);
}

static void test_sandbox__nothing_is_left_of_a_killed_host(void **state)
{
    static const struct {
        sandbox_level level;
        const char *how;
    } ways[] = { { SANDBOX_STRICT, "loop" }, { SANDBOX_STRICT, "sleep" },
        { SANDBOX_PROCESS, "loop" }, { SANDBOX_PROCESS, "sleep" } };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int ends[2], pids[4];
        assert_int_equal(pipe(ends), 0);
        const pid_t host = fork();
        if (host == 0) be_host(ends[1], ways[i].level, ways[i].how);
        assert_int_equal(read(ends[0], pids, sizeof pids), sizeof pids);
        close(ends[0]);
        close(ends[1]);
        assert_int_equal(kill(host, SIGKILL), 0);
        const double begun = clock_wall_s();
        assert_int_equal(waitpid(host, NULL, 0), host);
        for (int k = 0; k < 4; k++)
            assert_true(goes(pids[k]));
        assert_true(clock_wall_s() - begun < 2.5);
    }
}

static void test_sandbox__closing_ends_everything(void **state)
{
    error err;
    sandbox_job *none;
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_PROCESS, .procedure = "wait" };
    (void)state;
    sandbox_job *j = start_with(s, &c);
    assert_int_equal(sandbox_wait(s, 0.05, &none, &err), OK);
    const int worker = job_pid(j), server = sandbox_server_pid(s);
    sandbox_close(s);
    assert_true(is_gone(server));
    assert_true(goes(worker));
}

static void test_sandbox__says_what_is_wrong_with_a_program(void **state)
{
    error err;
    sandbox *s = NULL;
    sandbox_options o = { .program = "/no/such/program" };
    (void)state;
    assert_int_equal(sandbox_open(&o, &s, &err), E_IO);
    assert_non_null(strstr(err.text, "/no/such/program"));
    o.program = "/bin/true";
    assert_int_equal(sandbox_open(&o, &s, &err), E_IO);
    assert_non_null(strstr(err.text, "/bin/true: "));
    assert_null(s);
}

static void test_sandbox__levels_have_names(void **state)
{
    error err;
    sandbox_level l = SANDBOX_NONE;
    (void)state;
    assert_int_equal(sandbox_level_read("strict", &l, &err), OK);
    assert_int_equal(l, SANDBOX_STRICT);
    assert_string_equal(sandbox_level_name(SANDBOX_PROCESS), "process");
    assert_int_equal(sandbox_level_read("tight", &l, &err), E_UNKNOWN);
    assert_string_equal(
        err.text, "no sandbox is called \"tight\"; expected none, process or strict");
}

/* -- Programs that are no fork servers, or not at once: this one by other names -- */

/* How often the program of that path was started, this time included. */
static long count_start(const char *program)
{
    char path[160];
    snprintf(path, sizeof path, "%s.starts", program);
    FILE *f = fopen(path, "a");
    if (!f || fputc('x', f) == EOF) abort();
    const long n = ftell(f);
    fclose(f);
    return n;
}

static bool has_name(const char *program, const char *name)
{
    const char *slash = strrchr(program, '/');
    return strcmp(slash ? slash + 1 : program, name) == 0;
}

/* Does not know --fork-server, and does what it always does: opens a sandbox. */
static int be_ignorant(const char *program)
{
    error err;
    sandbox *s = NULL;
    const sandbox_options o = { .program = program };
    if (count_start(program) > 20) return 3; /* the machine should live */
    return sandbox_open(&o, &s, &err) == E_INTERNAL && strstr(err.text, "--fork-server FD") ? 0 : 4;
}

/* Opens a sandbox whose program is this one by another name; how often it was started. */
static status open_by_name(const char *name, long *out_n_starts, sandbox **out, error *err)
{
    char folder[] = "/tmp/assay-sandbox-XXXXXX", path[64], command[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char self[1024];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    assert_int_equal(symlink(self, path), 0);
    const sandbox_options o = { .program = path };
    const status st = sandbox_open(&o, out, err);
    *out_n_starts = count_start(path) - 1;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    return st;
}

static void test_sandbox__a_program_that_is_no_fork_server_is_started_once(void **state)
{
    error err;
    long n;
    sandbox *s = NULL;
    (void)state;
    assert_int_equal(open_by_name("ignorant", &n, &s, &err), E_IO);
    assert_non_null(strstr(err.text, "can this program be run with --fork-server?"));
    assert_int_equal(n, 1);
}

static void test_sandbox__a_fork_server_that_is_killed_while_it_starts_is_started_again(
    void **state)
{
    error err;
    long n;
    sandbox *s = NULL;
    (void)state;
    assert_int_equal(open_by_name("third", &n, &s, &err), OK);
    assert_int_equal(n, 3);
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "echo", .result_bytes = 50 };
    expect(run_with(s, &c), OUTCOME_OK, "done");
    sandbox_close(s);
    s = NULL;
    assert_int_equal(open_by_name("never", &n, &s, &err), E_IO);
    assert_int_equal(n, 5);
}

static void test_sandbox__descriptors_do_not_pile_up(void **state)
{
    sandbox *s = open_plain();
    const sandbox_call c = { .level = SANDBOX_STRICT, .procedure = "echo", .result_bytes = 5000 };
    (void)state;
    expect(run_with(s, &c), OUTCOME_OK, "done");
    const int before = dup(0);
    close(before);
    for (int i = 0; i < 1000; i++)
        expect(run_with(s, &c), OUTCOME_OK, "done");
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    sandbox_close(s);
}

int main(int argc, char **argv)
{
    if (has_name(argv[0], "ignorant")) return be_ignorant(argv[0]);
    if ((has_name(argv[0], "third") && count_start(argv[0]) < 3) ||
        (has_name(argv[0], "never") && count_start(argv[0]))) {
        (void)kill(getpid(), SIGKILL);
    }
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0) {
        return fork_server_main(atoi(argv[2]), procedures, N_PROCEDURES);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox__gives_input_and_takes_the_result_at_every_level),
        cmocka_unit_test(test_sandbox__shares_inputs_read_only),
        cmocka_unit_test(test_sandbox__prepares_once),
        cmocka_unit_test(test_sandbox__runs_many_side_by_side),
        cmocka_unit_test(test_sandbox__says_which_array_was_left),
        cmocka_unit_test(test_sandbox__knows_how_long_a_job_took),
        cmocka_unit_test(test_sandbox__ends_what_takes_too_long),
        cmocka_unit_test(test_sandbox__ends_on_demand),
        cmocka_unit_test(test_sandbox__ends_even_what_has_not_begun),
        cmocka_unit_test(test_sandbox__ends_what_is_freed_before_it_has_begun),
        cmocka_unit_test(test_sandbox__believes_no_result_that_is_not_whole),
        cmocka_unit_test(test_sandbox__makes_no_result_that_memory_cannot_hold),
        cmocka_unit_test(test_sandbox__keeps_the_reason_of_a_procedure),
        cmocka_unit_test(test_sandbox__sweeps_what_a_worker_leaves),
        cmocka_unit_test(test_sandbox__opens_files_before_stage_b_alone),
        cmocka_unit_test(test_sandbox__opens_declared_files_alone),
        cmocka_unit_test(test_sandbox__strict_fails_closed),
        cmocka_unit_test(test_sandbox__reports_the_level_in_effect),
        cmocka_unit_test(test_sandbox__probes_are_denied),
        cmocka_unit_test(test_sandbox__a_killed_fork_server_loses_jobs_and_comes_back),
        cmocka_unit_test(test_sandbox__loses_them_too_where_the_next_job_notices),
        cmocka_unit_test(test_sandbox__needs_no_standard_streams),
        cmocka_unit_test(test_sandbox__reads_declared_files_in_closed_folders),
        cmocka_unit_test(test_sandbox__survives_a_worker_that_kills_the_fork_server),
        cmocka_unit_test(test_sandbox__nothing_is_left_of_a_killed_host),
        cmocka_unit_test(test_sandbox__closing_ends_everything),
        cmocka_unit_test(test_sandbox__says_what_is_wrong_with_a_program),
        cmocka_unit_test(test_sandbox__levels_have_names),
        cmocka_unit_test(test_sandbox__a_program_that_is_no_fork_server_is_started_once),
        cmocka_unit_test(
            test_sandbox__a_fork_server_that_is_killed_while_it_starts_is_started_again),
        cmocka_unit_test(test_sandbox__descriptors_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
