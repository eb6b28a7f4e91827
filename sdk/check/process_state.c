/* The process as a plugin finds it: floating-point mode, signal handlers, locale, threads, open files, limits, working directory,
 * environment. Threads and files are read from /proc, where there is one. */
#include "check/process_state.h"

#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_SIGNALS = 65, MOST_FILES = 1024, N_CATEGORIES = 6, PATH_BYTES = 4096 };

static const int categories[N_CATEGORIES] = { LC_CTYPE, LC_NUMERIC, LC_COLLATE, LC_MONETARY,
    LC_TIME, LC_MESSAGES };
static const char *const category_names[N_CATEGORIES] = { "LC_CTYPE", "LC_NUMERIC", "LC_COLLATE",
    "LC_MONETARY", "LC_TIME", "LC_MESSAGES" };

typedef struct limit_row {
    int resource;
    const char *name;
} limit_row;

static const limit_row limits[] = {
    { RLIMIT_AS, "memory (RLIMIT_AS)" },
    { RLIMIT_CORE, "core files (RLIMIT_CORE)" },
    { RLIMIT_CPU, "processor time (RLIMIT_CPU)" },
    { RLIMIT_DATA, "data (RLIMIT_DATA)" },
    { RLIMIT_FSIZE, "files' sizes (RLIMIT_FSIZE)" },
    { RLIMIT_NOFILE, "open files (RLIMIT_NOFILE)" },
    { RLIMIT_STACK, "stack (RLIMIT_STACK)" },
};

enum { N_LIMITS = sizeof limits / sizeof limits[0] };

struct process_state {
    float_mode mode;
    bool has_signal[N_SIGNALS];
    struct sigaction signals[N_SIGNALS];
    sigset_t blocked;
    char *locale[N_CATEGORIES];
    size_t n_threads;
    bool is_open[MOST_FILES];
    char *file[MOST_FILES]; /* what a descriptor leads to; NULL where that is not known */
    struct rlimit limit[N_LIMITS];
    char folder[PATH_BYTES];
    mode_t mask;
    char **environment; // [n_variables]
    size_t n_variables;
};

extern char **environ;

static size_t count_entries(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;
    for (const struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static status take_files(arena *a, process_state *s, error *err)
{
    char link[64], path[PATH_BYTES];
    for (int fd = 0; fd < MOST_FILES; fd++) {
        struct stat found;
        s->is_open[fd] = fstat(fd, &found) == 0;
        if (!s->is_open[fd]) continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(link, path, sizeof path - 1);
        if (n <= 0) continue;
        s->file[fd] = arena_strndup(a, path, (size_t)n);
        if (!s->file[fd]) return fail_nomem(err, "the state of the process");
    }
    return OK;
}

static status take_environment(arena *a, process_state *s, error *err)
{
    size_t n = 0;
    while (environ && environ[n])
        n++;
    s->environment = arena_alloc_array(a, n + 1, sizeof *s->environment);
    if (!s->environment) return fail_nomem(err, "the state of the process");
    for (; s->n_variables < n; s->n_variables++) {
        char *copy = arena_strdup(a, environ[s->n_variables]);
        if (!copy) return fail_nomem(err, "the state of the process");
        s->environment[s->n_variables] = copy;
    }
    return OK;
}

static mode_t file_mask(void)
{
    const mode_t mask = umask(0);
    (void)umask(mask);
    return mask;
}

status process_state_take(arena *a, process_state **out, error *err)
{
    process_state *s = arena_alloc(a, sizeof *s);
    status st = OK;
    if (!s) return fail_nomem(err, "the state of the process");
    s->mode = float_mode_get();
    for (int i = 1; i < N_SIGNALS; i++)
        s->has_signal[i] = sigaction(i, NULL, &s->signals[i]) == 0;
    (void)sigprocmask(SIG_SETMASK, NULL, &s->blocked);
    for (size_t i = 0; i < N_CATEGORIES; i++) {
        const char *name = setlocale(categories[i], NULL);
        s->locale[i] = arena_strdup(a, name ? name : "");
        if (!s->locale[i]) TRY(fail_nomem(err, "the state of the process"));
    }
    s->n_threads = count_entries("/proc/self/task");
    TRY(take_files(a, s, err));
    for (size_t i = 0; i < N_LIMITS; i++)
        (void)getrlimit(limits[i].resource, &s->limit[i]);
    if (!getcwd(s->folder, sizeof s->folder)) s->folder[0] = '\0';
    s->mask = file_mask();
    TRY(take_environment(a, s, err));
    *out = s;
done:
    return st;
}

/* -- Comparing -- */

static void begin(text *t)
{
    if (t->n) text_add(t, "; ");
}

static void compare_signals(const process_state *a, const process_state *b, text *t)
{
    for (int i = 1; i < N_SIGNALS; i++) {
        if (!a->has_signal[i] || !b->has_signal[i]) continue;
        const struct sigaction *x = &a->signals[i], *y = &b->signals[i];
        const bool is_same = (x->sa_flags & SA_SIGINFO) == (y->sa_flags & SA_SIGINFO) &&
            x->sa_handler == y->sa_handler;
        if (is_same) continue;
        begin(t);
        text_printf(t, "the handler of signal %d (%s) was changed", i, strsignal(i));
    }
    for (int i = 1; i < N_SIGNALS; i++) {
        if (sigismember(&a->blocked, i) == sigismember(&b->blocked, i)) continue;
        begin(t);
        text_printf(t, "signal %d (%s) was %s", i, strsignal(i),
            sigismember(&b->blocked, i) ? "blocked" : "unblocked");
    }
}

static void compare_files(const process_state *a, const process_state *b, text *t)
{
    for (int i = 0; i < MOST_FILES; i++) {
        const char *was = a->file[i] ? a->file[i] : "", *is = b->file[i] ? b->file[i] : "";
        if (a->is_open[i] == b->is_open[i] && strcmp(was, is) == 0) continue;
        begin(t);
        if (!b->is_open[i]) {
            text_printf(t, "file descriptor %d (%s) was closed", i, was);
        } else if (!a->is_open[i]) {
            text_printf(t, "file descriptor %d (%s) was left open", i, is);
        } else {
            text_printf(t, "file descriptor %d leads to %s instead of %s", i, is, was);
        }
    }
}

/* The value of a variable, by the name that `entry` begins with; NULL when it is not there. */
static const char *find_variable(const process_state *s, const char *variable)
{
    const size_t n = strcspn(variable, "=");
    for (size_t i = 0; i < s->n_variables; i++) {
        if (strncmp(s->environment[i], variable, n) == 0 && s->environment[i][n] == '=') {
            return s->environment[i] + n + 1;
        }
    }
    return NULL;
}

static void compare_environment(const process_state *a, const process_state *b, text *t)
{
    for (size_t i = 0; i < b->n_variables; i++) {
        const char *now = b->environment[i], *was = find_variable(a, now);
        const size_t n = strcspn(now, "=");
        if (was && now[n] == '=' && strcmp(was, now + n + 1) == 0) continue;
        begin(t);
        text_printf(
            t, "the environment's variable %.*s was %s", (int)n, now, was ? "changed" : "added");
    }
    for (size_t i = 0; i < a->n_variables; i++) {
        if (find_variable(b, a->environment[i])) continue;
        begin(t);
        text_printf(t, "the environment's variable %.*s was removed",
            (int)strcspn(a->environment[i], "="), a->environment[i]);
    }
}

static void compare_rest(const process_state *a, const process_state *b, text *t)
{
    for (size_t i = 0; i < N_CATEGORIES; i++) {
        if (strcmp(a->locale[i], b->locale[i]) == 0) continue;
        begin(t);
        text_printf(t, "the locale (%s) was changed from %s to %s", category_names[i], a->locale[i],
            b->locale[i]);
    }
    if (a->n_threads != b->n_threads) {
        begin(t);
        text_printf(t, "the process has %zu threads instead of %zu", b->n_threads, a->n_threads);
    }
    for (size_t i = 0; i < N_LIMITS; i++) {
        if (a->limit[i].rlim_cur == b->limit[i].rlim_cur &&
            a->limit[i].rlim_max == b->limit[i].rlim_max) {
            continue;
        }
        begin(t);
        text_printf(t, "the limit of %s was changed", limits[i].name);
    }
    if (strcmp(a->folder, b->folder) != 0) {
        begin(t);
        text_printf(t, "the working directory was changed to %s", b->folder);
    }
    if (a->mask != b->mask) {
        begin(t);
        text_printf(t, "the mask of new files' permissions was changed to %03o", (unsigned)b->mask);
    }
}

void process_state_compare(const process_state *before, const process_state *after, text *t)
{
    const float_mode *a = &before->mode, *b = &after->mode;
    if (a->rounding != b->rounding || a->control != b->control) {
        begin(t);
        text_add(t, "the floating-point mode was changed: rounding or the flushing of denormals");
    }
    compare_signals(before, after, t);
    compare_files(before, after, t);
    compare_environment(before, after, t);
    compare_rest(before, after, t);
}
