/* Signals, taken by a thread of their own.
 *
 * The signals are blocked in all threads and fetched by sigwait, so what follows a Ctrl-C is ordinary code and needs neither
 * a handler nor a global variable. */
#include "cli/interrupt.h"

#include "cli/session.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

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

static void *listen_for_signals(void *self)
{
    interrupt *i = self;
    sigset_t set;
    chosen_signals(&set);
    for (int number; sigwait(&set, &number) == 0;) {
        if (atomic_load(&i->asked)) end_now(i, number);
        atomic_store(&i->asked, number);
        say_what_follows(i);
    }
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
