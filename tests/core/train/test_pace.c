/* All threads or one: whichever makes the shorter steps. The clock is the test's own, so what else the machine does counts for nothing. */
#include "train/pace.h"

#include "num/gemm.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#undef fail

static double clock_s = 100;

static double now_s(void)
{
    return clock_s;
}

typedef struct meeting {
    team *t;
    atomic_size_t n_here;
    atomic_bool met; /* two pieces ran at the same time */
} meeting;

/* Waits for another piece, but not for ever. */
static void meet(void *arg, size_t i)
{
    meeting *m = arg;
    (void)i;
    atomic_fetch_add(&m->n_here, 1);
    for (int k = 0; k < 2000 && atomic_load(&m->n_here) < 2; k++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    if (team_worker(m->t) > 0) atomic_store(&m->met, true);
    atomic_store(&m->n_here, 2);
}

static bool runs_alone(team *t)
{
    meeting m = { .t = t };
    team_run(t, 2, meet, &m);
    return !atomic_load(&m.met);
}

static void note_worker(void *arg, size_t i)
{
    (void)i;
    meeting *m = arg;
    if (team_worker(m->t) > 0) atomic_store(&m->met, true);
}

/* Steps of 0.3 ms one way and 3 ms the other; how many steps of the last `n` were made by the caller alone. */
static size_t run(pace *p, size_t n, bool alone_is_fast)
{
    size_t n_alone = 0;
    for (size_t i = 0; i < n; i++) {
        pace_begin(p);
        const bool alone = p->times ? p->n_tried / 4 % 2 == 1 : false;
        clock_s += alone == alone_is_fast ? 0.0003 : 0.003;
        pace_end(p);
        n_alone += alone;
    }
    return n_alone;
}

static void test_pace__takes_the_faster_way(void **state)
{
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        team *t = NULL;
        pace p;
        assert_int_equal(team_new(2, false, &t, NULL), OK);
        pace_init(&p, t, true);
        p.now_s = now_s;
        assert_int_equal(run(&p, 16, alone), 8); /* the trial: turns of four */
        p.next_s += 3600;
        pace_begin(&p);
        assert_int_equal(runs_alone(t), alone);
        pace_end(&p);
        assert_false(runs_alone(t));
        assert_false(p.times); /* nothing is timed until the next one is due */
        p.next_s -= 7200;
        pace_begin(&p);
        assert_true(p.times);
        pace_end(&p);
        team_free(t);
    }
}

static void test_pace__leaves_a_number_that_was_asked_for(void **state)
{
    (void)state;
    team *t = NULL;
    pace p;
    assert_int_equal(team_new(2, false, &t, NULL), OK);
    pace_init(&p, t, false);
    p.now_s = now_s;
    run(&p, 40, true);
    pace_begin(&p);
    assert_false(runs_alone(t));
    pace_end(&p);
    team_free(t);
}

static void test_pace__leaves_long_steps(void **state)
{
    (void)state;
    team *t = NULL;
    pace p;
    assert_int_equal(team_new(2, false, &t, NULL), OK);
    pace_init(&p, t, true);
    p.now_s = now_s;
    for (int i = 0; i < 4; i++) {
        pace_begin(&p);
        clock_s += 0.012;
        pace_end(&p);
    }
    assert_false(p.adapts);
    pace_begin(&p);
    assert_false(runs_alone(t));
    pace_end(&p);
    team_free(t);
}

static void test_alone__every_piece_is_the_callers(void **state)
{
    (void)state;
    team *t = NULL;
    assert_int_equal(team_new(3, false, &t, NULL), OK);
    meeting m = { .t = t };
    team_set_alone(t, true);
    for (int i = 0; i < 100; i++)
        team_run(t, 50, note_worker, &m);
    assert_false(atomic_load(&m.met));
    team_set_alone(t, false);
    assert_false(runs_alone(t));
    team_free(t);
}

int main(void)
{
    num_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pace__takes_the_faster_way),
        cmocka_unit_test(test_pace__leaves_a_number_that_was_asked_for),
        cmocka_unit_test(test_pace__leaves_long_steps),
        cmocka_unit_test(test_alone__every_piece_is_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
