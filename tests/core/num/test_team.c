/* The team: every piece once, nothing lost between rounds, nested rounds, scratch, floating-point
 * modes, quotas. Built with the thread sanitizer too. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "num/cores.h"
#include "num/float_mode.h"
#include "num/gemm.h"
#include "num/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static team *new_team(size_t n_threads, bool flush_denormals)
{
    team *t = NULL;
    error e = { 0 };
    assert_int_equal(team_new(n_threads, flush_denormals, &t, &e), OK);
    assert_int_equal(team_size(t), n_threads);
    return t;
}

static void rest_ms(long ms)
{
    const struct timespec rest = { 0, ms * 1000000 };
    nanosleep(&rest, NULL);
}

enum { MOST_PIECES = 300 };

/* Plain ints on purpose: the sanitizer sees a piece that runs twice, or a round that ends early. */
static int counts[MOST_PIECES];

static void count_piece(void *arg, size_t i)
{
    (void)arg;
    counts[i]++;
}

static void test_team__runs_each_piece_exactly_once(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 2, 3, 8 };
    for (size_t s = 0; s < 4; s++) {
        team *t = new_team(sizes[s], false);
        for (size_t round = 0; round < 400; round++) {
            const size_t n_pieces = round * 7 % MOST_PIECES;
            memset(counts, 0, sizeof counts);
            team_run(t, n_pieces, count_piece, NULL);
            for (size_t i = 0; i < MOST_PIECES; i++)
                assert_int_equal(counts[i], i < n_pieces);
            if (round % 50 == 49) rest_ms(1); /* long enough to fall asleep */
        }
        team_free(t);
    }
    team_free(NULL);
}

enum { SHARED_PIECES = 7 };

typedef struct shared_round {
    team *t;
    atomic_size_t n_done;
    size_t helper_order[SHARED_PIECES]; /* of what worker 1 took; written by it alone */
    size_t n_helped;
} shared_round;

/* The caller stays in its first piece until all others are done, so worker 1 takes them, in its own order. */
static void note_order(void *arg, size_t i)
{
    shared_round *r = arg;
    if (team_worker(r->t) == 1) {
        r->helper_order[r->n_helped++] = i;
    } else {
        const double start = clock_wall_s();
        while (atomic_load(&r->n_done) < SHARED_PIECES - 1 && clock_wall_s() - start < 30)
            rest_ms(1);
    }
    atomic_fetch_add(&r->n_done, 1);
}

static void test_team__a_worker_takes_its_own_share_first_and_then_what_others_left(void **state)
{
    (void)state;
    static const size_t expected[] = { 4, 5, 6, 1, 2, 3 };
    team *t = new_team(2, false);
    for (size_t round = 0; round < 3;) {
        shared_round r = { .t = t };
        team_run(t, SHARED_PIECES, note_order, &r);
        if (r.n_helped == SHARED_PIECES) {
            continue; /* the caller came so late that nothing was left for it */
        }
        assert_int_equal(r.n_helped, SHARED_PIECES - 1);
        assert_memory_equal(r.helper_order, expected, sizeof expected);
        round++;
    }
    team_free(t);
}

static void test_team__many_short_rounds_lose_no_wake_up(void **state)
{
    (void)state;
    enum { N_ROUNDS = 20000 };
    team *t = new_team(3, false);
    memset(counts, 0, sizeof counts);
    for (int round = 0; round < N_ROUNDS; round++)
        team_run(t, 4, count_piece, NULL);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(counts[i], N_ROUNDS);
    team_free(t);
}

typedef struct meeting {
    team *team;
    atomic_size_t n_here;
    size_t worker[3];
} meeting;

/* Waits until all pieces are being run at once, so each has a thread to itself. */
static void meet(void *arg, size_t i)
{
    meeting *m = arg;
    m->worker[i] = team_worker(m->team);
    atomic_fetch_add(&m->n_here, 1);
    while (atomic_load(&m->n_here) < 3)
        rest_ms(1);
}

static void test_team__pieces_run_at_the_same_time_on_workers_of_their_own(void **state)
{
    (void)state;
    meeting m = { .team = new_team(3, false) };
    team *other = new_team(1, false);
    team_run(m.team, 3, meet, &m);
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++)
        seen |= (size_t)1 << m.worker[i];
    assert_int_equal(seen, 7);
    assert_int_equal(team_worker(m.team), 0);
    assert_int_equal(team_worker(other), 0);
    team_free(other);
    team_free(m.team);
}

typedef struct nest {
    team *team;
    int inner[8][8];
    size_t worker[8];
} nest;

typedef struct nest_row {
    nest *nest;
    size_t i;
} nest_row;

static void inner_piece(void *arg, size_t j)
{
    nest_row *row = arg;
    row->nest->inner[row->i][j]++;
    assert_int_equal(team_worker(row->nest->team), row->nest->worker[row->i]);
}

static void outer_piece(void *arg, size_t i)
{
    nest *n = arg;
    nest_row row = { n, i };
    n->worker[i] = team_worker(n->team);
    team_run(n->team, 8, inner_piece, &row);
}

static void test_team__a_nested_round_runs_on_its_worker(void **state)
{
    (void)state;
    for (size_t n_threads = 1; n_threads <= 3; n_threads++) {
        nest n = { .team = new_team(n_threads, false) };
        for (int round = 0; round < 100; round++)
            team_run(n.team, 8, outer_piece, &n);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(n.inner[i / 8][i % 8], 100);
        team_free(n.team);
    }
}

static void test_team__resting_workers_use_no_time(void **state)
{
    (void)state;
    team *t = new_team(3, false);
    team_run(t, MOST_PIECES, count_piece, NULL);
    rest_ms(20);
    const double cpu_s = clock_cpu_s();
    rest_ms(300);
    assert_true(clock_cpu_s() - cpu_s < 0.03); /* two spinning workers would use 0.6 s */
    team_free(t);
}

typedef struct scratch_round {
    team *team;
    void *place[8][3];
    atomic_size_t n_here;
    size_t n_together;
} scratch_round;

static void use_scratch(void *arg, size_t i)
{
    scratch_round *r = arg;
    team_scratch_reset(r->team);
    for (size_t k = 0; k < 3; k++) {
        const size_t bytes = 50000 * (k + 1) + i;
        unsigned char *memory = team_scratch(r->team, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        memset(memory, (int)i + 1, bytes);
        r->place[i][k] = memory;
    }
    for (size_t k = 0; k < 3; k++) {
        const unsigned char *memory = r->place[i][k];
        assert_true(memory[0] == i + 1 && memory[50000 * (k + 1) + i - 1] == i + 1);
    }
    atomic_fetch_add(&r->n_here, 1);
    while (atomic_load(&r->n_here) < r->n_together)
        rest_ms(1);
}

/* The caller alone runs the first round. The others' first piece must find its memory ready: had it
 * allocated, its places would have moved into one chunk a round later. */
static void test_team__scratch_is_ready_after_the_first_round_on_every_worker(void **state)
{
    (void)state;
    scratch_round r = { .team = new_team(3, false), .n_together = 0 };
    team_run(r.team, 1, use_scratch, &r); /* on the caller alone */
    atomic_store(&r.n_here, 0);
    r.n_together = 3;
    team_run(r.team, 3, use_scratch, &r);
    void *first[3][3];
    memcpy(first, r.place, sizeof first);
    for (int round = 0; round < 20; round++) {
        atomic_store(&r.n_here, 0);
        team_run(r.team, 3, use_scratch, &r);
        for (size_t i = 0; i < 3; i++) { /* each worker's places are one of the first's */
            bool is_known = false;
            for (size_t j = 0; j < 3; j++)
                is_known |= r.place[i][0] == first[j][0];
            assert_true(is_known);
        }
    }
    team_free(r.team);
}

static void test_team__scratch_is_reused_after_a_reset(void **state)
{
    (void)state;
    team *t = new_team(1, false);
    void *first[20];
    for (size_t i = 0; i < 20; i++) {
        first[i] = team_scratch(t, 9973 * i);
        assert_non_null(first[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(first[i], first[j]);
    }
    team_scratch_reset(t);
    for (size_t i = 0; i < 20; i++)
        assert_ptr_equal(team_scratch(t, 9973 * i), first[i]);
    assert_null(team_scratch(t, SIZE_MAX));
    team_free(t);
}

static void note_mode(void *arg, size_t i)
{
    meeting *m = arg;
    const volatile float tiny = FLT_MIN;
    const volatile float flushed = tiny / 4.0f;
    m->worker[i] = flushed > 0.0f;
    atomic_fetch_add(&m->n_here, 1);
    while (atomic_load(&m->n_here) < 3)
        rest_ms(1);
}

static void test_team__denormals_are_flushed_on_every_worker_until_it_ends(void **state)
{
    (void)state;
    if (FLOAT_CONTROL_FLUSH == 0) {
        print_message("skipped: the floating-point control word of this machine is not known\n");
        skip();
    }
    const uint64_t mode = float_control_get();
    meeting m = { .team = new_team(3, true) };
    team_run(m.team, 3, note_mode, &m);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(m.worker[i], 0);
    team_free(m.team);
    assert_true(float_control_get() == mode);
    m = (meeting){ .team = new_team(3, false) };
    team_run(m.team, 3, note_mode, &m);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(m.worker[i], 1);
    team_free(m.team);
}

static void test_team__impossible_sizes_are_refused(void **state)
{
    (void)state;
    team *t = NULL;
    error e = { 0 };
    assert_int_equal(team_new(0, false, &t, &e), E_RANGE);
    assert_string_equal(e.text, "a team has 1 to 4096 threads, got 0");
    assert_int_equal(team_new(SIZE_MAX, false, &t, &e), E_RANGE);
    assert_null(t);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

/* In a child whose address space holds a few stacks only. */
static int start_in_little_space(void)
{
    const rlim_t megabytes = 1 << 20;
    const struct rlimit little = { 256 * megabytes, 256 * megabytes };
    team *t = NULL;
    error e = { 0 };
    if (setrlimit(RLIMIT_AS, &little) != 0) return 2;
    const uint64_t mode = float_control_get();
    const status st = team_new(1000, true, &t, &e);
    if ((st != E_IO && st != E_NOMEM) || t || !strstr(e.text, "cannot start thread")) return 3;
    return float_control_get() == mode ? 0 : 4;
}

static void test_team__threads_that_cannot_start_are_reported(void **state)
{
    (void)state;
    if (IS_SANITIZED) {
        print_message("skipped: a sanitizer needs more address space than the test leaves\n");
        skip();
    }
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(start_in_little_space());
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void write_file(const char *dir, const char *name, const char *content)
{
    arena names = { 0 };
    error e = { 0 };
    assert_int_equal(file_make_dirs(dir, &e), OK);
    const char *path = path_join(&names, dir, name);
    assert_int_equal(file_write_atomic(path, content, strlen(content), &e), OK);
    arena_release(&names);
}

static void test_cores__the_smallest_quota_of_all_groups_counts(void **state)
{
    (void)state;
    char folder[] = "/tmp/assay-test-cores-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_file(".", "membership", "4:memory:/a\n3:cpu,cpuacct:/x/y\n0::/a/b\nnonsense\n");
    assert_true(cores_quota("membership", "mount") == 0.0); /* no files at all */
    write_file("mount/a/b", "cpu.max", "max 100000\n");
    assert_true(cores_quota("membership", "mount") == 0.0);
    write_file("mount/a", "cpu.max", "350000 100000\n");
    assert_true(cores_quota("membership", "mount") == 3.5);
    write_file("mount/cpu/x/y", "cpu.cfs_quota_us", "-1\n");
    write_file("mount/cpu/x/y", "cpu.cfs_period_us", "100000\n");
    assert_true(cores_quota("membership", "mount") == 3.5);
    write_file("mount/cpu", "cpu.cfs_quota_us", "125000\n");
    write_file("mount/cpu", "cpu.cfs_period_us", "50000\n");
    assert_true(cores_quota("membership", "mount") == 2.5);
    write_file("mount", "cpu.max", "50000 100000\n");
    assert_true(cores_quota("membership", "mount") == 0.5);
    assert_true(cores_quota("missing", "mount") == 0.0);
    assert_int_equal(chdir("/"), 0);
    char command[128] = "rm -rf ";
    assert_int_equal(system(strcat(command, folder)), 0);
}

static void test_cores__there_is_at_least_one_and_no_more_than_the_machine_has(void **state)
{
    (void)state;
    assert_true(team_cores() >= 1);
    assert_true(team_cores() <= (size_t)sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    num_init(); /* its pool, which this program links, would spin through the first tests */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_team__runs_each_piece_exactly_once),
        cmocka_unit_test(test_team__a_worker_takes_its_own_share_first_and_then_what_others_left),
        cmocka_unit_test(test_team__many_short_rounds_lose_no_wake_up),
        cmocka_unit_test(test_team__pieces_run_at_the_same_time_on_workers_of_their_own),
        cmocka_unit_test(test_team__a_nested_round_runs_on_its_worker),
        cmocka_unit_test(test_team__resting_workers_use_no_time),
        cmocka_unit_test(test_team__scratch_is_ready_after_the_first_round_on_every_worker),
        cmocka_unit_test(test_team__scratch_is_reused_after_a_reset),
        cmocka_unit_test(test_team__denormals_are_flushed_on_every_worker_until_it_ends),
        cmocka_unit_test(test_team__impossible_sizes_are_refused),
        cmocka_unit_test(test_team__threads_that_cannot_start_are_reported),
        cmocka_unit_test(test_cores__the_smallest_quota_of_all_groups_counts),
        cmocka_unit_test(test_cores__there_is_at_least_one_and_no_more_than_the_machine_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
