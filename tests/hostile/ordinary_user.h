/* A test that runs as root runs once more as somebody who is not. */
#ifndef ASSAY_TESTS_HOSTILE_ORDINARY_USER_H
#define ASSAY_TESTS_HOSTILE_ORDINARY_USER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

enum { ORDINARY_USER = 54321 };

/* This program again, as an ordinary user; 0 where that passes, or cannot be. */
static inline int as_ordinary_user(const char *name)
{
    int how = 0;
    const pid_t pid = fork();
    if (pid == 0) {
        char copy[64] = "";
        snprintf(copy, sizeof copy, "%s", name);
        char *argv[] = { copy, NULL };
        if (setgid(ORDINARY_USER) != 0 || setuid(ORDINARY_USER) != 0) _exit(78);
        if (access(TEST_BUILD_DIR "/assay", X_OK) != 0) _exit(77);
        (void)execv("/proc/self/exe", argv);
        _exit(77);
    }
    if (pid < 0 || waitpid(pid, &how, 0) != pid || !WIFEXITED(how)) return 1;
    if (WEXITSTATUS(how) == 77 || WEXITSTATUS(how) == 78) {
        print_message("skipped as an ordinary user: the build folder cannot be reached by one\n");
        return 0;
    }
    return WEXITSTATUS(how);
}

#endif
