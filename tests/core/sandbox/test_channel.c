/* Jobs that stay and talk: messages of any length both ways, and what becomes of one that does not answer. The test program is its own
 * fork server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include "base/clock.h"
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- A procedure that does what each message says by its first byte -- */

enum { CHANNEL = 4 };

static void write_raw(uint64_t length, size_t n)
{
    static char bytes[4096];
    if (write(CHANNEL, &length, sizeof length) < 0 || write(CHANNEL, bytes, n) < 0) abort();
}

static void eat_memory(void)
{
    for (;;)
        memset(malloc(4 << 20), 1, 4 << 20);
}

static bool answer(worker_io *io, const char *s, size_t n, uint64_t number)
{
    worker_at(io, PHASE_STEP, number);
    switch (n ? s[0] : 'e') {
    case 'e': return worker_send(io, s, n); /* echo */
    case 't': return worker_send(io, s, 7) && worker_send(io, s + 7, n - 7); /* in two messages */
    case 'h':
        for (;;)
            (void)pause();
    case 'c':
        (void)close(CHANNEL);
        (void)pause();
        return false;
    case 'x': (void)raise(SIGSEGV); return false;
    case 'q': _exit(3);
    case 'l':
        write_raw(CHANNEL_MOST_BYTES + 1, 100);
        (void)pause();
        return false;
    case 'p':
        write_raw(1000, 100);
        (void)pause();
        return false; /* a part of one */
    case 'm': eat_memory(); return false;
    case 'f': (void)open("/etc/passwd", O_RDONLY); return worker_send(io, "opened", 6);
    case 'b': /* one that is too long is not sent at all */
        return !worker_send(io, s, (size_t)CHANNEL_MOST_BYTES + 1) && worker_send(io, "no", 2);
    default: return false;
    }
}

static int talk(const void *input, size_t n, worker_io *io)
{
    error err;
    size_t room;
    const char *s;
    uint64_t number = 0;
    (void)input;
    (void)n;
    if (worker_plugins_loaded(io, &err) != OK)
        return worker_refuse(io, OUTCOME_HOST_ERROR, "%s", err.text);
    while ((s = worker_receive(io, &room)) != NULL && answer(io, s, room, ++number)) {
    }
    worker_at(io, PHASE_FINISH, 0);
    return 0;
}

static int quick(const void *input, size_t n, worker_io *io)
{
    (void)input;
    (void)n;
    size_t room;
    return worker_receive(io, &room) || worker_send(io, "x", 1) ? 1 : 0; /* it has no channel */
}

static const procedure procedures[] = { { "talk", talk, NULL, NULL },
    { "quick", quick, NULL, NULL } };
enum { N_PROCEDURES = sizeof procedures / sizeof *procedures };

/* -- The scene -- */

typedef struct scene {
    sandbox *s;
    error err;
} scene;

static int open_scene(void **state)
{
    static scene c;
    const sandbox_options o = { .procedures = procedures, .n_procedures = N_PROCEDURES };
    if (sandbox_open(&o, &c.s, &c.err) != OK) {
        print_error("%s\n", c.err.text);
        return -1;
    }
    *state = &c;
    return 0;
}

static int close_scene(void **state)
{
    sandbox_close(((scene *)*state)->s);
    return 0;
}

static sandbox_level strictest(const scene *c)
{
    return sandbox_get_state(c->s)->lacking[0] ? SANDBOX_PROCESS : SANDBOX_STRICT;
}

static sandbox_job *begin_with(scene *c, sandbox_level level, const sandbox_limits *l)
{
    sandbox_job *j = NULL;
    const sandbox_call call = {
        .level = level, .procedure = "talk", .has_channel = true, .limits = l
    };
    const status st = sandbox_start(c->s, &call, &j, &c->err);
    if (st != OK) print_error("%s\n", c->err.text);
    assert_int_equal(st, OK);
    return j;
}

static sandbox_job *begin(scene *c)
{
    return begin_with(c, strictest(c), NULL);
}

static const void *ask(scene *c, sandbox_job *j, const char *what, const void *s, size_t n,
    double timeout_s, size_t *out_n)
{
    const void *got;
    assert_int_equal(job_send(j, what, s, n, timeout_s, &c->err), OK);
    assert_int_equal(job_receive(j, timeout_s, &got, out_n, &c->err), OK);
    return got;
}

static void must_end(scene *c, sandbox_job *j, const char *s, double timeout_s, outcome_class class,
    const char *says)
{
    size_t n;
    assert_null(ask(c, j, "ask 17", s, strlen(s), timeout_s, &n));
    const outcome *o = job_outcome(j);
    if (o->class != class || !strstr(o->text, says)) print_error("%s\n", o->text);
    assert_int_equal(o->class, class);
    assert_non_null(strstr(o->text, says));
    if (class != OUTCOME_OK) assert_non_null(strstr(o->text, ", in ask 17"));
    assert_string_equal(o->doing, "ask 17");
    /* It stays so, and nothing more is sent. */
    assert_null(ask(c, j, "ask 18", s, strlen(s), timeout_s, &n));
    job_free(j);
}

/* -- Tests -- */

static void test_messages__of_all_lengths_come_back(void **state)
{
    static const size_t lengths[] = { 0, 1, 7, 65528, 65536, 65537, 1000003, CHANNEL_MOST_BYTES };
    scene *c = *state;
    unsigned char *bytes = malloc(CHANNEL_MOST_BYTES);
    assert_non_null(bytes);
    for (size_t i = 0; i < CHANNEL_MOST_BYTES; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    bytes[0] = 'e';
    for (int level = SANDBOX_PROCESS; level <= (int)strictest(c); level++) {
        sandbox_job *j = begin_with(c, (sandbox_level)level, NULL);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            size_t n;
            const void *got = ask(c, j, "echo", bytes, lengths[i], 30, &n);
            assert_non_null(got);
            assert_int_equal(n, lengths[i]);
            if (n) assert_memory_equal(got, bytes, n);
        }
        job_free(j);
    }
    free(bytes);
}

static void test_messages__keep_their_borders(void **state)
{
    size_t n;
    const void *got;
    scene *c = *state;
    sandbox_job *j = begin(c);
    got = ask(c, j, "two", "two more words", 14, 10, &n);
    assert_int_equal(n, 7);
    assert_memory_equal(got, "two mor", 7);
    assert_int_equal(job_receive(j, 10, &got, &n, &c->err), OK);
    assert_int_equal(n, 7);
    assert_memory_equal(got, "e words", 7);
    assert_int_equal(job_phase(j), PHASE_STEP);
    job_free(j);
}

static void test_messages__that_are_too_long_are_refused_on_both_sides(void **state)
{
    size_t n;
    const void *got;
    scene *c = *state;
    sandbox_job *j = begin(c);
    char *bytes = calloc(1, (size_t)CHANNEL_MOST_BYTES + 1);
    assert_non_null(bytes);
    bytes[0] = 'e';
    assert_int_equal(
        job_send(j, "much", bytes, (size_t)CHANNEL_MOST_BYTES + 1, 10, &c->err), E_RANGE);
    bytes[0] = 'b';
    assert_memory_equal(ask(c, j, "much", bytes, CHANNEL_MOST_BYTES, 30, &n), "no", 2);
    assert_int_equal(job_send(j, "lie", "l", 1, 10, &c->err), OK);
    assert_int_equal(job_receive(j, 10, &got, &n, &c->err), E_CORRUPT);
    assert_non_null(strstr(c->err.text, "more than 16777216 bytes"));
    job_free(j);
    free(bytes);
}

static void test_no_answer__is_a_timeout_of_that_call(void **state)
{
    static const char *const silent[] = { "hang", "close", "part" };
    scene *c = *state;
    for (size_t i = 0; i < 3; i++) {
        const double begun = clock_wall_s();
        must_end(c, begin(c), silent[i], 0.3, OUTCOME_TIMEOUT,
            "no answer after 0.3 s, phase step, in ask 17");
        const double took = clock_wall_s() - begun;
        assert_true(took >= 0.3);
    }
}

static void test_time_as_a_whole__has_no_limit(void **state)
{
    size_t n;
    scene *c = *state;
    sandbox_limits l = sandbox_default_limits;
    l.wall_s = l.stall_s = 0.05;
    l.cpu_s = 1;
    sandbox_job *j = begin_with(c, strictest(c), &l);
    for (int i = 0; i < 3; i++) {
        (void)usleep(60000);
        assert_non_null(ask(c, j, "echo", "e", 1, 10, &n));
    }
    job_free(j);
}

static void test_an_end_instead_of_an_answer__is_told_with_its_class(void **state)
{
    scene *c = *state;
    must_end(c, begin(c), "x", 10, OUTCOME_CRASH, "segmentation fault");
    must_end(c, begin(c), "q", 10, OUTCOME_EARLY_EXIT, "with code 3");
    if (!sandbox_get_state(c->s)->is_instrumented)
        must_end(c, begin(c), "m", 30, OUTCOME_MEMORY_LIMIT, "memory");
    if (strictest(c) == SANDBOX_STRICT && !sandbox_get_state(c->s)->is_instrumented)
        must_end(c, begin(c), "f", 10, OUTCOME_VIOLATION, "forbidden system call openat");
    must_end(c, begin(c), "?", 10, OUTCOME_OK, "done"); /* the procedure returned */
}

static void test_a_fork_server_that_dies__takes_its_talkers_along(void **state)
{
    size_t n;
    scene *c = *state;
    sandbox_job *j = begin(c);
    assert_non_null(ask(c, j, "echo", "e", 1, 10, &n));
    (void)kill(sandbox_server_pid(c->s), SIGKILL);
    assert_null(ask(c, j, "echo", "h", 1, 10, &n));
    assert_int_equal(job_outcome(j)->class, OUTCOME_LOST);
    job_free(j);
    j = begin(c); /* a new one is there */
    assert_non_null(ask(c, j, "echo", "e", 1, 10, &n));
    job_free(j);
}

static void test_other_jobs__are_waited_for_apart(void **state)
{
    size_t n;
    scene *c = *state;
    sandbox_job *a = begin(c), *b = begin(c), *j = NULL, *quick_one = NULL;
    const sandbox_call call = { .level = strictest(c), .procedure = "quick" };
    assert_int_equal(sandbox_n_running(c->s), 0);
    assert_int_equal(sandbox_wait(c->s, -1, &j, &c->err), OK);
    assert_null(j);
    assert_int_equal(sandbox_start(c->s, &call, &quick_one, &c->err), OK);
    assert_int_equal(sandbox_n_running(c->s), 1);
    assert_non_null(ask(c, a, "echo", "e", 1, 10, &n));
    assert_null(ask(c, b, "echo", "x", 1, 10, &n)); /* it ends meanwhile */
    assert_int_equal(sandbox_wait(c->s, -1, &j, &c->err), OK);
    assert_ptr_equal(j, quick_one);
    assert_int_equal(job_outcome(j)->class, OUTCOME_OK);
    assert_int_equal(sandbox_wait(c->s, -1, &j, &c->err), OK);
    assert_null(j);
    assert_int_equal(job_send(quick_one, "x", "x", 1, 1, &c->err), E_INTERNAL);
    job_free(quick_one);
    job_free(b);
    job_free(a);
}

static void test_without_a_process__there_is_nobody_to_talk_to(void **state)
{
    scene *c = *state;
    sandbox_job *j = NULL;
    const sandbox_call call = { .procedure = "talk", .has_channel = true };
    assert_int_equal(sandbox_start(c->s, &call, &j, &c->err), E_UNSUPPORTED);
    assert_null(j);
}

static void test_talking__leaves_nothing_behind(void **state)
{
    size_t n;
    scene *c = *state;
    const int before = dup(0);
    close(before);
    for (int i = 0; i < 50; i++) {
        sandbox_job *j = begin(c);
        assert_non_null(ask(c, j, "echo", "e", 1, 10, &n));
        job_free(j);
    }
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0) {
        return fork_server_main((int)strtol(argv[2], NULL, 10), procedures, N_PROCEDURES);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages__of_all_lengths_come_back),
        cmocka_unit_test(test_messages__keep_their_borders),
        cmocka_unit_test(test_messages__that_are_too_long_are_refused_on_both_sides),
        cmocka_unit_test(test_no_answer__is_a_timeout_of_that_call),
        cmocka_unit_test(test_time_as_a_whole__has_no_limit),
        cmocka_unit_test(test_an_end_instead_of_an_answer__is_told_with_its_class),
        cmocka_unit_test(test_a_fork_server_that_dies__takes_its_talkers_along),
        cmocka_unit_test(test_other_jobs__are_waited_for_apart),
        cmocka_unit_test(test_without_a_process__there_is_nobody_to_talk_to),
        cmocka_unit_test(test_talking__leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, open_scene, close_scene);
}
