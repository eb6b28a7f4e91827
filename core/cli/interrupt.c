/* Signals, taken by a thread of their own.
 *
 * The signals are blocked in all threads and fetched by sigwait, so what follows a Ctrl-C is ordinary code and needs neither
 * a handler nor a global variable.
 *
 * A run ends between two steps, and a plugin's callback that does not return keeps it from ever getting there. Who sits at the
 * terminal is told so and decides; a batch system, which sends SIGTERM once and then waits or kills, is not made to: the process
 * ends by itself, with the code of a run that can be resumed, which it can be from its last checkpoint. */
#include "cli/interrupt.h"

#include "cli/session.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SAY_AFTER_S = 3, END_AFTER_S = 10 };

static void chosen_signals(sigset_t *set)
{
    static const int candidates[] = { SIGINT, SIGTERM, SIGHUP };
    sigemptyset(set);
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        struct sigaction now;
        if (sigaction(candidates[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            sigaddset(set, candidates[i]);
        }
    }
}

static void end_now(const interrupt *i, int number)
{
    static const char show_cursor[] = "\r\033[K\033[?25h";
    if (i->cli->err.moves) {
        const ssize_t n = write(STDERR_FILENO, show_cursor, sizeof show_cursor - 1);
        (void)n;
    }
    _exit(128 + number);
}

/* On a terminal alone; the progress line is painted anew below it. */
static void say_what_follows(const interrupt *i)
{
    static const char words[] =
        "\r\033[K  ending after this step, to be resumed; once more ends at once\n";
    if (i->cli->err.moves && !i->cli->quiet) {
        const ssize_t n = write(STDERR_FILENO, words, sizeof words - 1);
        (void)n;
    }
}

/* Past the stream, whose lock a callback that hangs may hold. */
static void write_line(const interrupt *i, const char *words)
{
    char line[256];
    const int n = snprintf(line, sizeof line, "%s%s", i->cli->err.moves ? "\r\033[K" : "", words);
    const ssize_t written = write(STDERR_FILENO, line, (size_t)n);
    (void)written;
}

/* Until a moment; a signal that comes before ends the process. */
static void wait_until(const interrupt *i, const sigset_t *set, double moment_s)
{
    for (double left; (left = moment_s - clock_wall_s()) > 0;) {
        const double whole = floor(fmin(left, 3600));
        const struct timespec time = { .tv_sec = (time_t)whole,
            .tv_nsec = (long)(1e9 * (fmin(left, 3600) - whole)) };
        const int number = sigtimedwait(set, NULL, &time);
        if (number > 0) end_now(i, number);
        if (number < 0 && errno != EAGAIN && errno != EINTR) return;
    }
}

/* The process, while it holds whatever the step holds: nothing is waited for and nothing is freed. */
static void end_without_the_step(const interrupt *i, int number)
{
    char line[200];
    snprintf(line, sizeof line,
        "assay: error: no step has ended in %d s since SIG%s: ending without it; a run goes on "
        "from its last checkpoint\n%s",
        (int)END_AFTER_S, number == SIGHUP ? "HUP" : "TERM", i->cli->err.moves ? "\033[?25h" : "");
    write_line(i, line);
    _exit(EXIT_AGAIN);
}

static void *listen_for_signals(void *self)
{
    interrupt *i = self;
    int number;
    sigset_t set;
    chosen_signals(&set);
    if (sigwait(&set, &number) != 0) return NULL;
    const double start_s = clock_wall_s();
    atomic_store(&i->asked, number);
    say_what_follows(i);
    wait_until(i, &set, start_s + SAY_AFTER_S);
    if (!i->cli->quiet) {
        write_line(i, "assay: waiting for a step to end; once more ends at once\n");
    }
    if (number != SIGINT) {
        wait_until(i, &set, start_s + END_AFTER_S);
        end_without_the_step(i, number);
    }
    wait_until(i, &set, (double)INFINITY);
    return NULL;
}

status interrupt_start(interrupt *i, const cli *c, error *err)
{
    sigset_t set;
    atomic_init(&i->asked, 0);
    i->cli = c;
    i->was_started = false;
    chosen_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    const int failed = pthread_create(&i->thread, NULL, listen_for_signals, i);
    if (failed) {
        return fail(err, E_IO, "the thread that waits for Ctrl-C: %s", strerror(failed));
    }
    i->was_started = true;
    return OK;
}

void interrupt_stop(interrupt *i)
{
    if (i->was_started) {
        pthread_cancel(i->thread);
        pthread_join(i->thread, NULL);
        i->was_started = false;
    }
}
