/* assay-fetch as a child.
 *
 * While it runs, assay blocks the signals that would end it and waits for them together with SIGCHLD: whichever comes, the
 * child is asked to end, removes its temporary file, and only then does assay go. The child's line fits into the pipe, so
 * it is read after the end. */
#include "cli/data_helper.h"

#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char helper_name[] = "assay-fetch";

status helper_find(arena *a, const char **out, error *err)
{
    static const char *const folders[] = { ".", ASSAY_FETCH_FOLDER };
    const char *here;
    const status st = place_of_program(a, &here, err);
    if (st != OK) return st;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const char *path = arena_printf(a, "%s/%s/%s", here, folders[i], helper_name);
        if (!path) return fail_nomem(err, "a path");
        if (access(path, X_OK) == 0) {
            *out = path;
            return OK;
        }
    }
    return fail(err, E_IO,
        "this assay was built without assay-fetch, the program that downloads: install the "
        "packages %s, configure and build again (./quickstart does both), or fetch by hand",
        ASSAY_FETCH_PACKAGES);
}

/* SIGCHLD, and what ends a program, those apart that the caller ignores. */
static void awaited_signals(sigset_t *out)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
    sigemptyset(out);
    sigaddset(out, SIGCHLD);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct sigaction now;
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            sigaddset(out, ends[i]);
        }
    }
}

static int spawn(const char *const argv[], const int ends[2], const sigset_t *mask, pid_t *out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int why = posix_spawn_file_actions_init(&files);
    if (why) return why;
    why = posix_spawnattr_init(&attributes);
    if (!why) {
        why = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!why) why = posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
        if (!why) why = posix_spawnattr_setsigmask(&attributes, mask);
        if (!why) why = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (!why) {
            why = posix_spawn(out, argv[0], &files, &attributes, (char *const *)argv, environ);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return why;
}

/* Waits for the child, passing on what asks assay to end. */
static int await(pid_t child, const sigset_t *awaited, bool *out_asked)
{
    static const struct timespec at_once = { 0 };
    int how = 0;
    *out_asked = false;
    while (waitpid(child, &how, WNOHANG) == 0) {
        const int number = sigwaitinfo(awaited, NULL);
        if (number > 0 && number != SIGCHLD) {
            *out_asked = true;
            kill(child, SIGTERM);
        }
    }
    /* A Ctrl-C reaches both, and the child may have gone before assay looked. */
    for (int number; (number = sigtimedwait(awaited, NULL, &at_once)) > 0;) {
        if (number != SIGCHLD) *out_asked = true;
    }
    return how;
}

static void read_line(int fd, helper_answer *out)
{
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < sizeof out->line - 1;) {
        got = read(fd, out->line + n, sizeof out->line - 1 - n);
        if (got > 0) n += (size_t)got;
    }
    out->line[n] = '\0';
    out->line[strcspn(out->line, "\n")] = '\0';
}

static status judge(int how, bool was_asked, helper_answer *out, error *err)
{
    if (was_asked) {
        out->code = FETCH_INTERRUPTED;
    } else if (!WIFEXITED(how)) {
        return fail(err, E_IO, "%s was ended by signal %d", helper_name, WTERMSIG(how));
    } else {
        out->code = (fetch_code)WEXITSTATUS(how);
    }
    if (out->code == FETCH_USAGE || out->code > FETCH_NOT_CONVERTED) {
        return fail(err, E_IO, "%s ended with code %d: is it of another version of assay?",
            helper_name, (int)out->code);
    }
    return OK;
}

status helper_run(const char *const argv[], helper_answer *out, error *err)
{
    sigset_t awaited, before;
    struct sigaction plain = { .sa_handler = SIG_DFL }, children;
    int ends[2], how = 0;
    bool was_asked = false;
    pid_t child;
    if (pipe(ends) != 0) return fail_errno(err, errno, helper_name, "no pipe to it");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    awaited_signals(&awaited);
    sigaction(SIGCHLD, &plain, &children);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    const int why = spawn(argv, ends, &before, &child);
    close(ends[1]);
    if (!why) {
        how = await(child, &awaited, &was_asked);
        read_line(ends[0], out);
    }
    close(ends[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGCHLD, &children, NULL);
    return why ? fail_errno(err, why, argv[0], "cannot run") : judge(how, was_asked, out, err);
}
