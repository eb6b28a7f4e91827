/* Last words of a process that a fault ends.
 *
 * The plugin that a user has just written is the likeliest to crash, and a bare "Segmentation fault" sends him to a debugger for
 * what one line can say: which callback of which file. Of the addresses on the stack the outermost one that lies in a plugin
 * belongs to what the host has called, so a crash in libc that a plugin has called is still the plugin's. Where no plugin is on
 * the stack the fault is assay's.
 *
 * The handler uses nothing but numbers and texts that were there before, and write. The walk up a stack that is not whole may
 * fault in its turn: the handler then begins again without it, from the address of the instruction alone. Then the signal is
 * raised anew with its default action, which leaves a core dump of the first fault where the system makes such. */
#define _GNU_SOURCE /* REG_RIP */
#include "cli/last_words.h"

#include "base/file.h"
#include "check/frames.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { HANDLER_STACK_BYTES = 1 << 16, LINE_BYTES = 10000, FOLDER_BYTES = 4096 };

static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
static const char *const names[] = { "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT" };

enum { N_FATAL = sizeof fatal / sizeof fatal[0], N_REGISTRIES = 2 };

/* What a handler can reach: there is no other way to it than a variable of the file. */
static struct {
    const registry *_Atomic registry[N_REGISTRIES]; /* NULL: none */
    unwinder unwinder;
    char folder[FOLDER_BYTES]; /* working directory, "" if it is not known */
    bool moves; /* standard error has a cursor, and it may be hidden */
    pthread_t thread; /* that crashed first */
    atomic_flag is_taken; /* by it */
    volatile sig_atomic_t is_walking;
    unsigned char stack[HANDLER_STACK_BYTES];
} here = { .is_taken = ATOMIC_FLAG_INIT };

/* -- A line, put together without the C library's formatting -- */

typedef struct last_line {
    char s[LINE_BYTES];
    size_t n;
} last_line;

static void add_bytes(last_line *l, const char *s, size_t n)
{
    const size_t room = sizeof l->s - l->n;
    n = n < room ? n : room;
    memcpy(l->s + l->n, s, n);
    l->n += n;
}

static void add(last_line *l, const char *s)
{
    add_bytes(l, s, strlen(s));
}

static void add_number(last_line *l, unsigned long v)
{
    char digits[24];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    add_bytes(l, digits + n, sizeof digits - n);
}

/* As a shell takes it, from here where that is shorter. */
static void add_path(last_line *l, const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%=";
    const size_t n = strlen(here.folder);
    const bool is_below = n > 1 && strncmp(path, here.folder, n) == 0 && path[n] == '/';
    const char *rest = is_below ? path + n : path;
    const bool quotes = rest[strspn(rest, plain)] != '\0';
    add(l, quotes ? "'" : "");
    add(l, is_below ? "." : "");
    for (; *rest; rest++) {
        if (*rest == '\'') {
            add(l, "'\\''");
        } else {
            add_bytes(l, rest, 1);
        }
    }
    add(l, quotes ? "'" : "");
}

static void add_advice(last_line *l, const plugin_file *file)
{
    add(l, ": assay plugin check ");
    add_path(l, file->path);
    add(l, " finds out more\n");
}

/* -- Where it was -- */

typedef struct finding {
    code_place place;
    const plugin_file *loading; /* NULL: none is */
    bool is_found;
} finding;

/* The last one that is kept is the outermost. */
static void take_frame(void *self, const void *address)
{
    finding *f = self;
    for (size_t i = 0; i < N_REGISTRIES; i++) {
        const registry *r = atomic_load(&here.registry[i]);
        if (r && registry_code_at(r, address, &f->place)) f->is_found = true;
        if (r && registry_loading(r)) f->loading = registry_loading(r);
    }
}

static const void *instruction(const void *context)
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    return (const void *)(uintptr_t)u->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)(uintptr_t)u->uc_mcontext.pc;
#else
    (void)u;
    return NULL;
#endif
}

static void let_through(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_FATAL; i++)
        sigaddset(&set, fatal[i]);
    pthread_sigmask(how, &set, NULL);
}

static finding find_place(const void *context)
{
    finding f = { .is_found = false };
    const bool has_faulted = here.is_walking;
    take_frame(&f, instruction(context));
    if (has_faulted || !here.unwinder.backtrace) return f;
    here.is_walking = 1;
    let_through(SIG_UNBLOCK);
    unwinder_walk(&here.unwinder, take_frame, &f);
    let_through(SIG_BLOCK);
    return f;
}

static void describe(last_line *l, const void *context)
{
    const finding f = find_place(context);
    if (f.is_found && f.place.callback) {
        add(l, " in ");
        add(l, f.place.callback);
        add(l, " of ");
        add(l, f.place.component->kind);
        add(l, " \"");
        add(l, f.place.component->id);
        add(l, "\" (");
        add_path(l, f.place.file->path);
        add(l, ")");
        add_advice(l, f.place.file);
    } else if (f.is_found || f.loading) {
        const plugin_file *file = f.is_found ? f.place.file : f.loading;
        add(l, f.loading ? " while it was being loaded, in " : " in ");
        add_path(l, file->path);
        add_advice(l, file);
    } else {
        add(l,
            " in assay itself, no plugin was running: please report it, with the config and what "
            "assay doctor says\n");
    }
}

/* -- The handler -- */

static void say(int number, const siginfo_t *info, const void *context)
{
    last_line l;
    l.n = 0;
    if (here.moves) add(&l, "\r\033[K\033[?25h");
    add(&l, "assay: error: ");
    for (size_t i = 0; i < N_FATAL; i++) {
        if (fatal[i] == number) add(&l, names[i]);
    }
    if (info->si_code <= 0 && info->si_pid != getpid()) {
        add(&l, " from process ");
        add_number(&l, (unsigned long)info->si_pid);
        add(&l, "\n");
    } else {
        describe(&l, context);
    }
    const ssize_t written = write(STDERR_FILENO, l.s, l.n);
    (void)written; /* there is nobody left to tell */
}

/* Of several threads the first one speaks, and ends the others with it. */
static bool is_ours(void)
{
    if (!atomic_flag_test_and_set(&here.is_taken)) {
        here.thread = pthread_self();
        return true;
    }
    return pthread_equal(here.thread, pthread_self());
}

static void handle(int number, siginfo_t *info, void *context)
{
    while (!is_ours())
        (void)pause();
    say(number, info, context);
    (void)signal(number, SIG_DFL);
    (void)raise(number); /* blocked until the handler returns to where it happened */
}

void last_words_prepare(const cli *c, const registry *r)
{
#if !defined(ASSAY_IS_SANITIZED)
    const stack_t stack = { .ss_sp = here.stack, .ss_size = sizeof here.stack };
    struct sigaction a = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&a.sa_mask);
    if (!here.unwinder.backtrace) unwinder_find(&here.unwinder);
    if (!getcwd(here.folder, sizeof here.folder)) here.folder[0] = '\0';
    here.moves = c->err.moves;
    for (size_t i = 0; i < N_REGISTRIES; i++) {
        const registry *none = NULL;
        if (atomic_compare_exchange_strong(&here.registry[i], &none, r)) break;
    }
    /* without the stack a fault is still told, but for one of a stack that is used up */
    (void)sigaltstack(&stack, NULL);
    for (size_t i = 0; i < N_FATAL; i++)
        (void)sigaction(fatal[i], &a, NULL);
#else
    (void)c;
    (void)r;
    (void)handle;
#endif
}

void last_words_forget(const registry *r)
{
    for (size_t i = 0; i < N_REGISTRIES; i++) {
        const registry *mine = r;
        (void)atomic_compare_exchange_strong(&here.registry[i], &mine, NULL);
    }
}
