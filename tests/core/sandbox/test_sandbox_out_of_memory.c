/* Every allocation of the host fails once: an error comes back, nothing leaks, and the next try works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "sandbox/sandbox.h"
#include "support/failing_allocator.h"

#include <unistd.h>

static int echo(const void *input, size_t n, worker_io *io)
{
    size_t room;
    memcpy(worker_result(io, &room), input, n);
    return 0;
}

static const procedure procedures[] = { { "echo", echo, NULL, NULL } };

static status run(sandbox *s, sandbox_level level, error *err)
{
    static const unsigned char input[100000] = { 2, 3, 8, 5 };
    sandbox_job *j = NULL;
    text log = { 0 };
    const sandbox_call c = { .level = level,
        .procedure = "echo",
        .input = input,
        .n_input = sizeof input,
        .result_bytes = sizeof input };
    status st = sandbox_start(s, &c, &j, err);
    if (st == OK) st = sandbox_wait(s, -1, &j, err);
    if (st == OK && job_outcome(j)->class != OUTCOME_OK) {
        st = fail(err, E_INTERNAL, "%s", job_outcome(j)->text);
    }
    if (st == OK) st = job_log(j, &log, err);
    if (st == OK) job_free(j);
    text_release(&log);
    return st;
}

/* Opens, runs at each level, closes. */
static status scenario(error *err)
{
    static const char *const readable[] = { "/etc/hostname", NULL };
    static const sandbox_input inputs[] = { { "numbers", "2385", 4 } };
    const sandbox_options o = { .procedures = procedures,
        .n_procedures = 1,
        .readable = readable,
        .inputs = inputs,
        .n_inputs = 1 };
    sandbox *s = NULL;
    status st = sandbox_open(&o, &s, err);
    for (int level = SANDBOX_NONE; st == OK && level <= SANDBOX_PROCESS; level++)
        st = run(s, (sandbox_level)level, err);
    sandbox_close(s);
    return st;
}

static void test_sandbox_out_of_memory__every_allocation_may_fail_once(void **state)
{
    error err;
    long n;
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    assert_int_equal(scenario(&err), OK);
    const int fd = dup(0);
    close(fd);
    for (n = 0;; n++) {
        n_allocations = 0;
        fails_at = n;
        const status st = scenario(&err);
        fails_at = -1;
        if (n_allocations <= n) {
            assert_int_equal(st, OK);
            break;
        }
        if (st != E_NOMEM) {
            print_error("allocation %ld: %s: %s\n", n, status_name(st), st == OK ? "" : err.text);
            assert_true(false);
        }
        const int after = dup(0);
        close(after);
        assert_int_equal(after, fd);
    }
    assert_true(n >= 8);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0) {
        return fork_server_main(atoi(argv[2]), procedures, 1);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox_out_of_memory__every_allocation_may_fail_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
