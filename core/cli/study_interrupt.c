/* Signals, taken by a thread of their own, as in interrupt.c; here they count, since trials that run may be waited for or not. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_interrupt.h"

#include "cli/session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { END_AFTER_S = 10 };

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

/* Past the stream, whose lock another thread may hold; the progress line is painted anew below it. */
static void say(const study_interrupt *i, const char *words)
{
    char line[200];
    if (i->cli->quiet) return;
    const int n = snprintf(line, sizeof line, "%s%s\n", i->cli->err.moves ? "\r\033[K" : "", words);
    const ssize_t written = write(STDERR_FILENO, line, (size_t)n);
    (void)written;
}

static _Noreturn void end_now(const study_interrupt *i, int code)
{
    static const char show_cursor[] = "\r\033[K\033[?25h";
    if (i->cli->err.moves) {
        const ssize_t n = write(STDERR_FILENO, show_cursor, sizeof show_cursor - 1);
        (void)n;
    }
    _exit(code);
}

/* A batch system has said that the time is over. */
static void end_soon(const study_interrupt *i, const sigset_t *set)
{
    const struct timespec time = { .tv_sec = END_AFTER_S };
    const int number = sigtimedwait(set, NULL, &time);
    end_now(i, number > 0 ? 128 + number : EXIT_AGAIN);
}

static void *listen_for_signals(void *self)
{
    study_interrupt *i = self;
    sigset_t set;
    chosen_signals(&set);
    for (;;) {
        int number;
        if (sigwait(&set, &number) != 0) return NULL;
        const int asked = atomic_load(&i->asked);
        if (number != SIGINT) {
            atomic_store(&i->asked, 2);
            say(i, "  ending what runs; the study can be resumed");
            end_soon(i, &set);
        }
        if (asked == 2) end_now(i, 128 + number);
        atomic_store(&i->asked, asked + 1);
        say(i,
            asked == 0 ? "  what runs ends, nothing new begins; once more ends what runs, too"
                       : "  ending what runs; once more ends at once");
    }
}

status study_interrupt_start(study_interrupt *i, const cli *c, error *err)
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

void study_interrupt_stop(study_interrupt *i)
{
    if (!i->was_started) return;
    pthread_cancel(i->thread);
    pthread_join(i->thread, NULL);
    i->was_started = false;
}
#else
typedef int no_studies; /* a file holds something */
#endif
