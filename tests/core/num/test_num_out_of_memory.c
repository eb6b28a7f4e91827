/* Every aligned allocation of the two lowest rooms fails once, and scratch memory is counted.
 *
 * This program's own aligned_alloc takes the place of the C library's. What leaks after a failure is
 * for the address sanitizer's build of this test to say. */
#include "base/arena.h"
#include "base/file.h"
#include "base/rng.h"
#include "num/gemm.h"
#include "num/linalg.h"
#include "num/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long n_allocations;
static atomic_long fails_at = -1;

void *aligned_alloc(size_t alignment, size_t bytes);

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    if (atomic_fetch_add(&n_allocations, 1) == atomic_load(&fails_at)) return NULL;
    return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
}

/* Runs `scenario` with its first allocation failing, then its second, ... until none is left to. */
static void fail_each(status (*scenario)(error *err))
{
    long n_failed = 0;
    for (;; n_failed++) {
        error e = { 0 };
        atomic_store(&n_allocations, 0);
        atomic_store(&fails_at, n_failed);
        const status st = scenario(&e);
        atomic_store(&fails_at, -1);
        if (atomic_load(&n_allocations) <= n_failed) {
            assert_int_equal(st, OK);
            break;
        }
        assert_int_equal(st, E_NOMEM);
        assert_non_null(strstr(e.text, "out of memory"));
    }
    assert_true(n_failed > 0);
}

static status make_arena_texts(error *err)
{
    arena a = { 0 };
    bool is_done = arena_strdup(&a, "dense1") && arena_printf(&a, "%5000d", 7) &&
        path_absolute(&a, "x/../y") && path_join(&a, "configs", "data") && path_dir(&a, "a/b") &&
        arena_alloc_array(&a, 70000, 31);
    arena_release(&a);
    return is_done ? OK : fail_nomem(err, "texts");
}

static status make_hash(error *err)
{
    hash_stream *h = hash_stream_new();
    const status st = h ? OK : fail_nomem(err, "hash");
    hash_stream_free(h);
    return st;
}

static char folder[64];

static status write_files(error *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a/b", folder);
    status st = file_make_dirs(path, err);
    if (st != OK) return st;
    snprintf(path, sizeof path, "%s/a/b/c.txt", folder);
    return file_write_atomic(path, "x", 1, err);
}

static status make_team(error *err)
{
    team *t = NULL;
    const status st = team_new(2, true, &t, err);
    if (st == OK) team_free(t);
    return st;
}

static status decompose_in(team *room, error *err)
{
    status st = OK;
    float a[12] = { 2.385f, -0.731f, 0.3f, -0.731f, 3.1f, 0.7f, 0.3f, 0.7f, 4.9f, 1.1f, 2.3f,
        0.2f };
    float s[3], u[12], vt[9], copy[12];
    memcpy(copy, a, sizeof copy);
    TRY(linalg_syevd(3, copy, 3, s, room, err));
    memcpy(copy, a, sizeof copy);
    TRY(linalg_geqrf(4, 3, copy, 3, NULL, 0, room, err));
    memcpy(copy, a, sizeof copy);
    TRY(linalg_gesdd(4, 3, copy, 3, s, u, 3, vt, 3, room, err));
done:
    return st;
}

static status decompose(error *err)
{
    return decompose_in(NULL, err);
}

static status decompose_in_scratch(error *err)
{
    team *t = NULL;
    status st = team_new(1, false, &t, err);
    if (st == OK) st = decompose_in(t, err);
    team_free(t);
    return st;
}

static void test_memory__each_allocation_may_fail(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/assay-test-memory-XXXXXX");
    assert_non_null(mkdtemp(folder));
    fail_each(make_arena_texts);
    fail_each(make_hash);
    fail_each(write_files);
    fail_each(make_team);
    fail_each(decompose);
    fail_each(decompose_in_scratch);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void test_memory__scratch_says_when_there_is_none(void **state)
{
    (void)state;
    team *t = NULL;
    error e = { 0 };
    assert_int_equal(team_new(1, false, &t, &e), OK);
    atomic_store(&n_allocations, 0);
    atomic_store(&fails_at, 0);
    assert_null(team_scratch(t, 100));
    atomic_store(&fails_at, -1);
    assert_non_null(team_scratch(t, 100));
    team_free(t);
}

typedef struct crowd {
    team *team;
    atomic_size_t n_missing, n_here;
    size_t
        n_together; /* pieces that end when as many have been done: each has a worker of its own */
} crowd;

/* Takes a different order and mix of sizes by piece; the sum is the same. */
static void use_scratch(void *arg, size_t i)
{
    crowd *c = arg;
    team_scratch_reset(c->team);
    for (size_t k = 0; k < 6; k++) {
        const size_t bytes = 64 * 333 * (1 + (k + i) % 6);
        unsigned char *memory = team_scratch(c->team, bytes);
        if (!memory) {
            atomic_fetch_add(&c->n_missing, 1);
            return;
        }
        memset(memory, 1, bytes);
    }
}

static void test_memory__scratch_allocates_nothing_after_the_first_round(void **state)
{
    (void)state;
    for (size_t n_threads = 1; n_threads <= 3; n_threads++) {
        crowd c = { 0 };
        error e = { 0 };
        assert_int_equal(team_new(n_threads, false, &c.team, &e), OK);
        team_run(c.team, 5, use_scratch, &c);
        atomic_store(&n_allocations, 0);
        for (int round = 0; round < 200; round++)
            team_run(c.team, 5, use_scratch, &c);
        assert_int_equal(atomic_load(&n_allocations), 0);
        assert_int_equal(atomic_load(&c.n_missing), 0);
        team_free(c.team);
    }
}

/* The eigenvectors of a matrix whose work space is larger than a first chunk. */
static void decompose_large(void *arg, size_t i)
{
    enum { N = 131 };
    crowd *c = arg;
    float a[N * N], w[N];
    for (size_t row = 0; row < N; row++) {
        for (size_t j = 0; j < N; j++) {
            const float diagonal = row == j ? 2.385f * (float)row : 0.0f;
            a[row * N + j] = diagonal + 0.731f / (float)(row + j + i + 1);
        }
    }
    team_scratch_reset(c->team);
    if (linalg_syevd(N, a, N, w, c->team, NULL) != OK) atomic_fetch_add(&c->n_missing, 1);
    atomic_fetch_add(&c->n_here, 1);
    while (atomic_load(&c->n_here) < c->n_together)
        sched_yield();
}

/* Which worker meets a large matrix first is chance; once one has, all have the room. */
static void test_memory__work_space_is_there_on_every_worker_once_one_needed_it(void **state)
{
    (void)state;
    crowd c = { 0 };
    error e = { 0 };
    assert_int_equal(team_new(3, false, &c.team, &e), OK);
    atomic_store(&n_allocations, 0);
    team_run(c.team, 1, decompose_large, &c); /* on the caller alone */
    assert_true(atomic_load(&n_allocations) > 0);
    c.n_together = 3;
    atomic_store(&n_allocations, 0);
    for (int round = 0; round < 20; round++) {
        atomic_store(&c.n_here, 0);
        team_run(c.team, 3, decompose_large, &c);
    }
    assert_int_equal(atomic_load(&n_allocations), 0);
    assert_int_equal(atomic_load(&c.n_missing), 0);
    team_free(c.team);
}

int main(void)
{
    num_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory__each_allocation_may_fail),
        cmocka_unit_test(test_memory__scratch_says_when_there_is_none),
        cmocka_unit_test(test_memory__scratch_allocates_nothing_after_the_first_round),
        cmocka_unit_test(test_memory__work_space_is_there_on_every_worker_once_one_needed_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
