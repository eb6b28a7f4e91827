/* The process of a test, from inside.
 *
 * What ends it before it has reported leaves a last word in the pipe: the signal, and the callback that was running. That one is found
 * without any help of the tests: among the addresses on the stack the outermost that lies in the plugin belongs to what the
 * host has called, and the component's table says which callback begins there. */
#define _GNU_SOURCE /* dladdr */

#include "check/runner.h"

#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_FRAMES = 128, HANDLER_STACK_BYTES = 1 << 17, SPARE_S = 5 };

static const rlim_t memory_limit_bytes = (rlim_t)8 << 30;

/* What a signal handler can reach: there is no other way to it than a variable of the file. Written once, before any of the
 * plugin's code runs. */
static struct {
    const subject *subject;
    int fd;
    volatile sig_atomic_t is_done;
} here = { .fd = -1 };

/* -- Which callback -- */

typedef struct callback_place {
    const char *kind, *name;
    size_t offset; /* in the ops */
} callback_place;

#define PLACE(kind_, type, field) \
    { \
        ASSAY_KIND_##kind_, #field, offsetof(type, field) \
    }

static const callback_place places[] = {
    PLACE(OPTIMIZER, assay_optimizer, elem),
    PLACE(OPTIMIZER, assay_optimizer, tensor),
    PLACE(OPTIMIZER, assay_optimizer, model),
    PLACE(OPTIMIZER, assay_optimizer, validate),
    PLACE(OPTIMIZER, assay_optimizer, reduce),
    PLACE(OPTIMIZER, assay_optimizer, combine),
    PLACE(OPTIMIZER, assay_optimizer, eval_weights),
    PLACE(OPTIMIZER, assay_optimizer, create),
    PLACE(OPTIMIZER, assay_optimizer, destroy),
    PLACE(OPTIMIZER, assay_optimizer, save),
    PLACE(OPTIMIZER, assay_optimizer, load),
    PLACE(OPTIMIZER, assay_optimizer, accept),
    PLACE(SCHEDULE, assay_schedule, factor),
    PLACE(SCHEDULE, assay_schedule, validate),
    PLACE(LAYER, assay_layer, plan),
    PLACE(LAYER, assay_layer, forward),
    PLACE(LAYER, assay_layer, backward),
    PLACE(LAYER, assay_layer, validate),
    PLACE(LAYER, assay_layer, prepare),
    PLACE(LAYER, assay_layer, create),
    PLACE(LAYER, assay_layer, destroy),
    PLACE(LOSS, assay_loss, plan),
    PLACE(LOSS, assay_loss, loss),
    PLACE(LOSS, assay_loss, validate),
    PLACE(METRIC, assay_metric, plan),
    PLACE(METRIC, assay_metric, add),
    PLACE(METRIC, assay_metric, result),
    PLACE(METRIC, assay_metric, merge),
    PLACE(METRIC, assay_metric, validate),
    PLACE(DATASET, assay_dataset, open),
    PLACE(DATASET, assay_dataset, validate),
};

enum { N_PLACES = sizeof places / sizeof places[0] };

static uintptr_t callback_address(const component *c, const callback_place *p)
{
    void (*callback)(void);
    if (strcmp(p->kind, c->kind) != 0) return 0;
    memcpy(&callback, (const char *)c->ops + p->offset, sizeof callback);
    return (uintptr_t)callback;
}

const char *callback_at(const component *c, const void *address)
{
    const callback_place *best = NULL;
    uintptr_t begin = 0;
    for (size_t i = 0; i < N_PLACES; i++) {
        const uintptr_t a = callback_address(c, &places[i]);
        if (a == 0 || a > (uintptr_t)address || a < begin) continue;
        best = &places[i];
        begin = a;
    }
    return best ? best->name : NULL;
}

static bool is_in_plugin(const subject *s, const void *address)
{
    Dl_info info;
    if (!dladdr(address, &info) || !info.dli_fname) return false;
    return strcmp(path_base(info.dli_fname), path_base(s->file->path)) == 0;
}

/* The callback that the stack shows; "" where none of it is the plugin's. */
static const char *running_callback(const subject *s)
{
    void *frames[MOST_FRAMES];
    const int n = backtrace(frames, MOST_FRAMES);
    for (int i = n - 1; i >= 0; i--) {
        if (!is_in_plugin(s, frames[i])) continue;
        const char *name = s->component ? callback_at(s->component, frames[i]) : NULL;
        return name ? name : "its code that runs when it is loaded";
    }
    return "";
}

/* -- Last words -- */

static void write_last_words(int signal)
{
    char line[96] = "!", digits[12];
    size_t n = 1, k = 0;
    do
        digits[k++] = (char)('0' + signal % 10);
    while ((signal /= 10) > 0);
    while (k > 0)
        line[n++] = digits[--k];
    line[n++] = ' ';
    const char *name = running_callback(here.subject);
    const size_t n_name = strnlen(name, sizeof line - n - 1);
    memcpy(line + n, name, n_name);
    n += n_name;
    line[n++] = '\n';
    const ssize_t written = write(here.fd, line, n);
    (void)written; /* there is nobody left to tell */
}

static void on_signal(int signal)
{
    const int before = errno;
    if (!here.is_done) write_last_words(signal);
    here.is_done = 1;
    if (signal == SIGTERM) _exit(1);
    errno = before;
    raise(signal); /* its handler is the default one again */
}

static void on_exit_call(void)
{
    if (!here.is_done) write_last_words(0);
}

static status catch_signals(error *err)
{
    static const int caught[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGSYS };
    const stack_t stack = { .ss_sp = malloc(HANDLER_STACK_BYTES), .ss_size = HANDLER_STACK_BYTES };
    void *frames[2];
    if (!stack.ss_sp || backtrace(frames, 2) < 0) return fail_nomem(err, "a test's process");
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND };
    sigemptyset(&a.sa_mask);
    if (sigaltstack(&stack, NULL) != 0) return fail_nomem(err, "a test's process");
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
        if (sigaction(caught[i], &a, NULL) != 0) {
            return fail_errno(err, errno, "sigaction", "a test's process cannot be prepared");
        }
    }
    return atexit(on_exit_call) == 0 ? OK : fail_nomem(err, "a test's process");
}

/* -- Limits -- */

/* Sanitizers reserve an address space of their own, which no limit may touch. */
static void limit(const subject *s)
{
    const struct rlimit none = { 0, 0 }, memory = { memory_limit_bytes, memory_limit_bytes };
    (void)setrlimit(RLIMIT_CORE, &none);
#if !defined(CHECK_IS_SANITIZED)
    (void)setrlimit(RLIMIT_AS, &memory);
#else
    (void)memory;
#endif
    /* where nobody is left who would end it */
    (void)alarm((unsigned)s->time_limit_s + SPARE_S);
}

status child_begin(const subject *s, int fd, error *err)
{
    limit(s);
    here.subject = s;
    here.fd = fd;
    return catch_signals(err);
}

status child_report(int fd, const check_report *r, error *err)
{
    text t = { 0 };
    check_report_to_json(r, &t);
    status st = text_check(&t, err);
    if (st == OK) st = fd_write_all(fd, "the report", t.s, t.n, err);
    here.is_done = 1;
    text_release(&t);
    return st;
}
