/* A team of threads.
 *
 * A round is announced through one atomic word, the gate: round number, whether the round is open, and
 * how many workers joined it. A worker joins by raising the count while the round is open; joined
 * workers and the caller take piece after piece, each from its own share first and then from what the
 * others have left. So the same worker mostly meets the same pieces round after round and finds their
 * memory in its own core's cache, which matters most where cores are far apart: taken from one counter,
 * half of an optimizer's state would change cores every step. When the pieces run out the caller
 * closes the gate, learns from the same word how many joined, and waits for as many to leave. So the
 * caller never waits for a worker that is still asleep: a round that is over before it wakes goes by
 * without it, and a short round costs no more than doing it alone.
 *
 * Who waits, spins for SPIN_S and then sleeps on a condition variable; without the limit a second
 * process on the same cores loses most of its time to spinning. A sleeper counts itself before it looks
 * at the gate for the last time and the caller sets the gate before it reads the count, both in
 * sequentially consistent order, so one of the two sees the other; the mutex covers the rest. */
#include "num/team.h"

#include "base/arena.h"
#include "base/clock.h"
#include "num/float_mode.h"
#include "num/scratch.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SPIN_S 20e-6

enum { MOST_THREADS = 4096, HANDLER_STACK_BYTES = 1 << 16 };

/* The gate: the low half counts who joined, then one bit, then the round. */
#define GATE_JOINED UINT64_C(0x7fffffff)
#define GATE_OPEN (UINT64_C(1) << 31)
#define GATE_ROUND (UINT64_C(1) << 32)

typedef struct worker {
    _Alignas(64) team *owner;
    size_t place; /* 0 is the caller, which has no thread */
    pthread_t thread;
    scratch scratches[2]; /* own, and between enter and leave */
    size_t level;

    /* Its share of the round, as others may take it, too. */
    _Alignas(64) atomic_size_t next_piece;
    size_t end_piece;
} worker;

struct team {
    worker *workers; /* [n_threads] */
    size_t n_threads, n_started;
    bool flush_denormals;
    bool alone; /* the caller's: nobody else reads it */
    uint64_t mode_before; /* of the caller */
    pthread_mutex_t lock;
    pthread_cond_t wake, all_left;

    /* The round; written by the caller while the gate is closed. */
    team_task task;
    void *arg;

    _Alignas(64) _Atomic uint64_t gate;
    atomic_bool stop;
    atomic_bool busy; /* a round is running: another call runs its pieces itself */
    atomic_size_t n_asleep;
    _Alignas(64) atomic_size_t n_left; /* joined and done */
    atomic_bool caller_sleeps;
};

/* Who the calling thread is. The one exception to "no mutable file-scope variables": the task's
 * signature carries no worker, and a thread is what it is for life. NULL for threads that are no
 * worker's. */
static _Thread_local const worker *this_worker = NULL;

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One turn of a spin; false when it has lasted SPIN_S. */
static bool spin_on(double *begin_s)
{
    enum { TURNS_A_LOOK = 32 };
    const double now_s = clock_wall_s();
    if (*begin_s < 0.0) *begin_s = now_s;
    if (now_s - *begin_s > SPIN_S) return false;
    for (int i = 0; i < TURNS_A_LOOK; i++)
        pause_briefly();
    return true;
}

/* Pieces [0, n_pieces) cut into as many stretches as there are workers, their lengths alike to one. */
static void share_pieces(team *t, size_t n_pieces)
{
    const size_t each = n_pieces / t->n_threads, n_longer = n_pieces % t->n_threads;
    size_t begin = 0;
    for (size_t i = 0; i < t->n_threads; i++) {
        atomic_store_explicit(&t->workers[i].next_piece, begin, memory_order_relaxed);
        begin += each + (i < n_longer);
        t->workers[i].end_piece = begin;
    }
}

static void take_share(team *t, worker *of)
{
    for (;;) {
        const size_t i = atomic_fetch_add_explicit(&of->next_piece, 1, memory_order_relaxed);
        if (i >= of->end_piece) return;
        t->task(t->arg, i);
    }
}

/* Its own share, then those of the others. */
static void take_pieces(team *t, size_t place)
{
    for (size_t i = 0; i < t->n_threads; i++) {
        take_share(t, &t->workers[(place + i) % t->n_threads]);
    }
}

/* Joins the round at the gate if there is one this worker has not been in. */
static bool join_round(team *t, uint64_t *last_round)
{
    uint64_t gate = atomic_load(&t->gate);
    while ((gate & GATE_OPEN) && gate / GATE_ROUND != *last_round) {
        if (atomic_compare_exchange_weak(&t->gate, &gate, gate + 1)) {
            *last_round = gate / GATE_ROUND;
            return true;
        }
    }
    return false;
}

static void leave_round(team *t)
{
    atomic_fetch_add(&t->n_left, 1);
    if (!atomic_load(&t->caller_sleeps)) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->all_left);
    pthread_mutex_unlock(&t->lock);
}

/* Waits until a round was joined (true) or the team ends (false). */
static bool wait_for_round(team *t, uint64_t *last_round)
{
    double begin_s = -1.0;
    do {
        if (join_round(t, last_round)) return true;
        if (atomic_load(&t->stop)) return false;
    } while (spin_on(&begin_s));
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->n_asleep, 1);
    bool is_joined;
    while (!(is_joined = join_round(t, last_round)) && !atomic_load(&t->stop)) {
        pthread_cond_wait(&t->wake, &t->lock);
    }
    atomic_fetch_sub(&t->n_asleep, 1);
    pthread_mutex_unlock(&t->lock);
    return is_joined;
}

/* Where a thread's own stack is used up, its crash can be told of on this one alone. Sanitizers give threads their own. */
static void lend_handler_stack(unsigned char *bytes, size_t n)
{
#if !defined(NUM_IS_SANITIZED)
    const stack_t stack = { .ss_sp = bytes, .ss_size = n };
    (void)sigaltstack(&stack, NULL);
#else
    (void)bytes;
    (void)n;
#endif
}

static void *worker_main(void *arg)
{
    const worker *self = arg;
    team *t = self->owner;
    unsigned char handler_stack[HANDLER_STACK_BYTES];
    lend_handler_stack(handler_stack, sizeof handler_stack);
    this_worker = self;
    if (t->flush_denormals) float_control_set(float_control_get() | FLOAT_CONTROL_FLUSH);
    uint64_t last_round = 0;
    while (wait_for_round(t, &last_round)) {
        take_pieces(t, self->place);
        leave_round(t);
    }
    return NULL;
}

static void wake_sleepers(team *t)
{
    if (atomic_load(&t->n_asleep) == 0) return;
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

static void wait_until_left(team *t, size_t n_joined)
{
    double begin_s = -1.0;
    while (atomic_load(&t->n_left) < n_joined) {
        if (spin_on(&begin_s)) continue;
        pthread_mutex_lock(&t->lock);
        atomic_store(&t->caller_sleeps, true);
        while (atomic_load(&t->n_left) < n_joined)
            pthread_cond_wait(&t->all_left, &t->lock);
        atomic_store(&t->caller_sleeps, false);
        pthread_mutex_unlock(&t->lock);
    }
}

static void run_together(team *t, size_t n_pieces, team_task task, void *arg)
{
    t->task = task;
    t->arg = arg;
    share_pieces(t, n_pieces);
    atomic_store(&t->n_left, 0);
    const uint64_t round = atomic_load(&t->gate) / GATE_ROUND + 1;
    atomic_store(&t->gate, round * GATE_ROUND | GATE_OPEN);
    wake_sleepers(t);
    take_pieces(t, 0);
    const uint64_t gate = atomic_fetch_and(&t->gate, ~GATE_OPEN);
    wait_until_left(t, (size_t)(gate & GATE_JOINED));
}

static scratch *scratch_of(worker *w)
{
    return &w->scratches[w->level];
}

/* Which worker got the large piece is chance: all get room for the largest need seen, now rather than
 * in some later round. Where memory is out, the worker that needs it will say so. */
static void share_scratch_peak(team *t)
{
    size_t peak = 0;
    for (size_t i = 0; i < t->n_threads; i++) {
        const size_t own = scratch_of(&t->workers[i])->peak;
        if (own > peak) peak = own;
    }
    for (size_t i = 0; i < t->n_threads; i++) {
        scratch_reserve(scratch_of(&t->workers[i]), peak);
    }
}

static void run_serially(size_t n_pieces, team_task task, void *arg)
{
    for (size_t i = 0; i < n_pieces; i++)
        task(arg, i);
}

/* A team of one has nobody to keep out: the exchange of a larger one waits until all that was stored before has left for the
 * cache, which is a third of a small optimizer's update. */
static bool enter(team *t)
{
    if (t->n_threads > 1) return !atomic_exchange(&t->busy, true);
    if (atomic_load_explicit(&t->busy, memory_order_relaxed)) return false;
    atomic_store_explicit(&t->busy, true, memory_order_relaxed);
    return true;
}

void team_run(team *t, size_t n_pieces, team_task task, void *arg)
{
    if (n_pieces == 0) return;
    if (!enter(t)) {
        run_serially(n_pieces, task, arg);
        return;
    }
    if (t->n_threads == 1 || n_pieces == 1 || t->alone) {
        run_serially(n_pieces, task, arg);
    } else {
        run_together(t, n_pieces, task, arg);
    }
    share_scratch_peak(t);
    atomic_store_explicit(&t->busy, false, memory_order_release);
}

/* Signals are for the program's own thread: workers are started with all of them blocked. */
static status start_workers(team *t, error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int why = 0;
    for (size_t i = 1; i < t->n_threads && why == 0; i++) {
        worker *w = &t->workers[i];
        why = pthread_create(&w->thread, NULL, worker_main, w);
        if (why == 0) t->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why == 0) return OK;
    char what[64];
    snprintf(what, sizeof what, "cannot start thread %zu of %zu", t->n_started + 2, t->n_threads);
    return fail_errno(err, why, "thread team", what);
}

status team_new(size_t n_threads, bool flush_denormals, team **out, error *err)
{
    if (n_threads < 1 || n_threads > MOST_THREADS) {
        return fail(err, E_RANGE, "a team has 1 to %d threads, got %zu", MOST_THREADS, n_threads);
    }
    status st = OK;
    team *t = mem_aligned(1, sizeof *t);
    if (!t) return fail_nomem(err, "thread team");
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->all_left, NULL);
    t->n_threads = n_threads;
    t->flush_denormals = flush_denormals;
    t->mode_before = float_control_get();
    t->workers = mem_aligned(n_threads, sizeof *t->workers);
    if (!t->workers) TRY(fail_nomem(err, "thread team"));
    for (size_t i = 0; i < n_threads; i++) {
        t->workers[i].owner = t;
        t->workers[i].place = i;
    }
    if (flush_denormals) float_control_set(float_control_get() | FLOAT_CONTROL_FLUSH);
    TRY(start_workers(t, err));
    *out = t;
    t = NULL;
done:
    team_free(t);
    return st;
}

void team_free(team *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, true);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < t->n_started; i++)
        pthread_join(t->workers[i + 1].thread, NULL);
    for (size_t i = 0; t->workers && i < t->n_threads; i++) {
        scratch_release(&t->workers[i].scratches[0]);
        scratch_release(&t->workers[i].scratches[1]);
    }
    if (t->flush_denormals) {
        const uint64_t flush_before = t->mode_before & FLOAT_CONTROL_FLUSH;
        float_control_set((float_control_get() & ~FLOAT_CONTROL_FLUSH) | flush_before);
    }
    pthread_cond_destroy(&t->all_left);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t->workers);
    free(t);
}

void team_set_alone(team *t, bool alone)
{
    t->alone = alone;
}

size_t team_size(const team *t)
{
    return t->n_threads;
}

size_t team_worker(const team *t)
{
    return this_worker && this_worker->owner == t ? this_worker->place : 0;
}

void *team_scratch(team *t, size_t bytes)
{
    return scratch_alloc(scratch_of(&t->workers[team_worker(t)]), bytes);
}

void team_scratch_reset(team *t)
{
    scratch_reset(scratch_of(&t->workers[team_worker(t)]));
}

void team_scratch_return(team *t, const void *memory, size_t bytes)
{
    scratch_return(scratch_of(&t->workers[team_worker(t)]), memory, bytes);
}

void team_scratch_enter(team *t)
{
    worker *w = &t->workers[team_worker(t)];
    assert(w->level == 0);
    w->level = 1;
}

void team_scratch_leave(team *t)
{
    worker *w = &t->workers[team_worker(t)];
    assert(w->level == 1);
    scratch_reset(scratch_of(w));
    w->level = 0;
}
