/* The program is spawned (by a shell that changes to the folder and becomes it, which POSIX's spawn cannot) with both streams on files that have no name, so that neither can fill up and stop it, and with an
 * environment in which nothing of the user's is left but what sanitizers and coverage are told. */
#include "support/program_scene.h"

#include "base/file.h"

#include <assay/draft_hash.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, N_VARIABLES = 24 };

/* Every test program lies in <build>/tests. */
static const char *build_dir(void)
{
    static char dir[PATH_BYTES];
    const ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    assert_true(n > 0);
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
    *strrchr(dir, '/') = '\0';
    return dir;
}

static int nameless_file(void)
{
    char path[] = "/tmp/assay-stream-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    return fd;
}

void scene_init(scene *s)
{
    static char program[PATH_BYTES + 8];
    *s = (scene){ .build = build_dir() };
    snprintf(program, sizeof program, "%s/assay", s->build);
    s->program = program;
    snprintf(s->dir, sizeof s->dir, "%s/assay-scene-XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    s->out_fd = nameless_file();
    s->err_fd = nameless_file();
    if (!file_exists(program)) GIVE_UP("%s is not built", program);
}

void scene_release(scene *s)
{
    char command[128];
    text_release(&s->out);
    text_release(&s->err);
    close(s->out_fd);
    close(s->err_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

const char *scene_path(const scene *s, const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%.400s", s->dir, name);
    return path;
}

void scene_write(const scene *s, const char *name, const char *content)
{
    FILE *f = fopen(scene_path(s, name), "w");
    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

char *scene_read(const scene *s, const char *name, size_t *out_n)
{
    char *data;
    size_t n;
    error err = { 0 };
    if (file_read(scene_path(s, name), &data, &n, &err) != OK) GIVE_UP("%s", err.text);
    if (out_n) *out_n = n;
    return data;
}

bool scene_has(const scene *s, const char *name)
{
    return access(scene_path(s, name), F_OK) == 0;
}

void scene_shell(const scene *s, const char *line)
{
    text t = { 0 };
    text_printf(&t, "SOURCE='%s' BUILD='%s' DIR='%s'; cd \"$DIR\" && { %s\n}", TEST_SOURCE_DIR,
        s->build, s->dir, line);
    const int code = system(t.s);
    if (code != 0) GIVE_UP("exit code %d: %s", WEXITSTATUS(code), line);
    text_release(&t);
}

/* "NAME=value" of this process, where it has it. */
static void pass_on(char **to, size_t *n, const char *name)
{
    static char kept[N_VARIABLES][PATH_BYTES];
    const char *v = getenv(name);
    if (!v) return;
    snprintf(kept[*n], sizeof kept[0], "%s=%s", name, v);
    to[*n] = kept[*n];
    ++*n;
}

static void fill_environment(const scene *s, char **to)
{
    static const char *const passed[] = { "PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
        "TSAN_OPTIONS", "GCOV_PREFIX", "GCOV_PREFIX_STRIP" };
    static char own[6][PATH_BYTES];
    size_t n = 0, n_own = 0;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        pass_on(to, &n, passed[i]);
    snprintf(own[n_own++], PATH_BYTES, "HOME=%s/home", s->dir);
    snprintf(own[n_own++], PATH_BYTES, "TMPDIR=%s", s->dir);
    snprintf(own[n_own++], PATH_BYTES, "LC_ALL=C");
    if (s->plugin_path) {
        snprintf(own[n_own++], PATH_BYTES, "ASSAY_PLUGIN_PATH=%s", s->plugin_path);
    }
    for (size_t i = 0; i < n_own; i++)
        to[n++] = own[i];
    to[n] = NULL;
}

pid_t scene_start(scene *s, const char *const *words)
{
    char shell[] = "sh", flag[] = "-c", line[] = "cd \"$0\" && exec \"$@\"";
    char *argv[SCENE_MAX_WORDS + 6] = { shell, flag, line, s->dir };
    char *environment[N_VARIABLES + 8];
    posix_spawn_file_actions_t actions;
    const size_t n_before = 4;
    size_t n = n_before;
    pid_t pid;
    argv[n++] = strdup(s->program);
    for (size_t i = 0; words[i]; i++) {
        assert_true(i < SCENE_MAX_WORDS);
        argv[n++] = strdup(words[i]);
    }
    argv[n] = NULL;
    fill_environment(s, environment);
    assert_int_equal(ftruncate(s->out_fd, 0), 0);
    assert_int_equal(ftruncate(s->err_fd, 0), 0);
    assert_true(lseek(s->out_fd, 0, SEEK_SET) == 0 && lseek(s->err_fd, 0, SEEK_SET) == 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, s->out_fd, STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, s->err_fd, STDERR_FILENO), 0);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    for (size_t i = n_before; i < n; i++)
        free(argv[i]);
    return pid;
}

static void read_stream(int fd, text *t)
{
    char piece[4096];
    ssize_t n;
    off_t at = 0;
    text_clear(t);
    text_add(t, "");
    while ((n = pread(fd, piece, sizeof piece, at)) > 0) {
        text_add_bytes(t, piece, (size_t)n);
        at += n;
    }
    assert_int_equal(n, 0);
    if (!t->s) text_add(t, "");
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void scene_wait(scene *s, pid_t pid)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    const double start = now_s();
    int state;
    pid_t got;
    while ((got = waitpid(pid, &state, WNOHANG)) == 0 && now_s() - start < SCENE_TIME_LIMIT_S)
        nanosleep(&pause, NULL);
    const bool is_late = got == 0;
    if (is_late) {
        kill(pid, SIGKILL);
        got = waitpid(pid, &state, 0);
    }
    assert_int_equal(got, pid);
    s->code = WIFSIGNALED(state) ? -WTERMSIG(state) : WEXITSTATUS(state);
    read_stream(s->out_fd, &s->out);
    read_stream(s->err_fd, &s->err);
    if (is_late) GIVE_UP("it did not end in %d s: %s", SCENE_TIME_LIMIT_S, s->err.s);
}

void scene_run_words(scene *s, const char *const *words)
{
    scene_wait(s, scene_start(s, words));
}

void scene_expect(scene *s, int code)
{
    if (s->code != code) {
        GIVE_UP(
            "exit code %d, expected %d\nstdout: %s\nstderr: %s", s->code, code, s->out.s, s->err.s);
    }
}

static void replace(text *t, const char *was, const char *is)
{
    text new = { 0 };
    const char *at = t->s;
    for (const char *hit; (hit = strstr(at, was)); at = hit + strlen(was)) {
        text_add_bytes(&new, at, (size_t)(hit - at));
        text_add(&new, is);
    }
    text_add(&new, at);
    assert_false(new.failed);
    text_release(t);
    *t = new;
}

/* Checksums, which hold times: 32 hex digits in a row. */
static void hide_hashes(text *t)
{
    static const char digits[] = "0123456789abcdef", mask[] = "@HASH@";
    for (char *at = t->s; *at;) {
        const size_t n = strspn(at, digits);
        if (n == 32) {
            memcpy(at, mask, sizeof mask - 1);
            memmove(at + sizeof mask - 1, at + n, strlen(at + n) + 1);
        }
        at += n == 32 ? sizeof mask - 1 : n + (n == 0);
    }
    t->n = strlen(t->s);
}

void scene_mask(const scene *s, text *t)
{
    char draft[32];
    snprintf(draft, sizeof draft, "%016llx", (unsigned long long)ASSAY_DRAFT_HASH);
    replace(t, s->dir, "@DIR@");
    replace(t, s->build, "@BUILD@");
    replace(t, TEST_SOURCE_DIR, "@SOURCE@");
    replace(t, draft, "@DRAFT@");
    hide_hashes(t);
}

bool scene_same_bytes(const scene *s, const char *name, const char *other)
{
    size_t n, n_other;
    char *a = scene_read(s, name, &n), *b = scene_read(s, other, &n_other);
    const bool same = n == n_other && memcmp(a, b, n) == 0;
    if (!same) print_error("%s and %s differ\n", name, other);
    free(a);
    free(b);
    return same;
}
