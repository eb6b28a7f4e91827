/* Runs the built program and keeps what it said; files live in a folder of the test's own. */
#ifndef ASSAY_TESTS_CORE_CLI_PROCESS_H
#define ASSAY_TESTS_CORE_CLI_PROCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM TEST_BUILD_DIR "/assay"
#define CONFIGS TEST_SOURCE_DIR "/configs/"

extern char **environ;

typedef struct said {
    int code; /* exit code; 128 + number of a signal that killed it */
    char *out, *err;
} said;

/* Everything happens in a new folder, which is the working directory. */
static inline int enter_scratch(void **state)
{
    char *dir = strdup("/tmp/assay-test-cli-XXXXXX");
    *state = dir;
    return dir && mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static inline int leave_scratch(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", (char *)*state);
    const int failed = chdir("/") || system(command);
    free(*state);
    return failed;
}

static inline char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *all = calloc(1, 1);
    size_t n = 0;
    for (int c; f && (c = fgetc(f)) != EOF;) {
        if ((n + 1) % 4096 == 0 || n == 0) all = realloc(all, n + 8192);
        all[n++] = (char)c;
        all[n] = '\0';
    }
    if (f) fclose(f);
    return all;
}

static inline void spill(const char *path, const char *written)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(written, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline pid_t start(char *const argv[])
{
    pid_t pid;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "said.out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, "said.err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, argv[0], &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static inline said finish(pid_t pid)
{
    int how;
    while (waitpid(pid, &how, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return (said){ WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how), slurp("said.out"),
        slurp("said.err") };
}

static inline said run_program(char *const argv[])
{
    return finish(start(argv));
}

/* said s = assay("train", "x.cfg"); */
#define assay(...) run_program((char *[]){ (char[]){ PROGRAM }, __VA_ARGS__, NULL })
/* String literals are not writable, argv is not const: nothing writes to them but getopt's reordering of pointers. */

static inline void forget(said *s)
{
    free(s->out);
    free(s->err);
}

static inline void assert_contains(const char *words, const char *part)
{
    if (!strstr(words, part)) fail_msg("\"%s\" is not in: %s", part, words);
}

static inline void assert_code(const said *s, int code)
{
    if (s->code != code)
        fail_msg("exit code %d, expected %d; it said: %s%s", s->code, code, s->out, s->err);
}

/* Whether a JSON reader that is not ours takes it; true where there is none. */
static inline bool is_json(const char *written)
{
    spill("candidate.json", written);
    const int how =
        system("command -v python3 > /dev/null || exit 0; python3 -m json.tool candidate.json "
               "> /dev/null");
    return how == 0;
}

#endif
