/* The process of a test, from inside.
 *
 * What ends it before it has reported leaves a last word in the pipe: the signal, and the callback that was running. That one
 * is found without any help of the tests: among the addresses on the stack the outermost that lies in the plugin belongs to
 * what the host has called; the file's symbols say where that function begins, the component's table which callback that is. */
#define _GNU_SOURCE /* dladdr */

#include "check/elf_file.h"
#include "check/guard.h"
#include "check/runner.h"

#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

enum { MOST_FRAMES = 100000, HANDLER_STACK_BYTES = 1 << 17, SPARE_S = 5 };

static const rlim_t memory_limit_bytes = (rlim_t)8 << 30;

/* What a signal handler can reach: there is no other way to it than a variable of the file. Written once, before any of the
 * plugin's code runs. */
static struct {
    const subject *subject;
    elf_file file; /* of the plugin, for its symbols */
    void *stack; /* of the handler */
    _Unwind_Reason_Code (*backtrace)(_Unwind_Trace_Fn, void *); /* NULL: there is no unwinder */
    uintptr_t (*address_of)(struct _Unwind_Context *, int *);
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

static const char *callback_from(const component *c, const void *begin)
{
    for (size_t i = 0; i < N_PLACES; i++) {
        if (callback_address(c, &places[i]) == (uintptr_t)begin) return places[i].name;
    }
    return NULL;
}

static bool is_in_plugin(const subject *s, const void *address, Dl_info *out)
{
    return dladdr(address, out) && out->dli_fname &&
        strcmp(path_base(out->dli_fname), path_base(s->file->path)) == 0;
}

/* The function of the file that an address lies in; false where the file is stripped. */
static bool find_function(const elf_file *f, uint64_t offset, elf_symbol *out)
{
    Elf64_Shdr table;
    if (!elf_file_section_of(f, SHT_SYMTAB, &table)) return false;
    for (size_t i = 1; elf_file_symbol(f, &table, i, out); i++) {
        const Elf64_Sym *e = &out->entry;
        if (ELF64_ST_TYPE(e->st_info) != STT_FUNC || e->st_shndx == SHN_UNDEF) continue;
        if (offset >= e->st_value && offset - e->st_value < e->st_size) return true;
    }
    return false;
}

/* Compilers put what is seldom run into a piece of its own: "update.cold" is a part of "update". */
static bool find_whole(const elf_file *f, const char *part, elf_symbol *out)
{
    Elf64_Shdr table;
    const size_t n = strcspn(part, ".");
    if (!part[n] || !elf_file_section_of(f, SHT_SYMTAB, &table)) return false;
    for (size_t i = 1; elf_file_symbol(f, &table, i, out); i++) {
        if (ELF64_ST_TYPE(out->entry.st_info) != STT_FUNC) continue;
        if (strncmp(out->name, part, n) == 0 && out->name[n] == '\0') return true;
    }
    return false;
}

/* What runs at an address of the plugin: the callback; or the function, if the host knows none that begins so. */
static const char *name_of(const subject *s, const char *address, const char *base)
{
    elf_symbol function, whole;
    const component *c = s->component;
    if (!find_function(&here.file, (uint64_t)(address - base), &function)) {
        const char *name = c ? callback_at(c, address) : NULL;
        return name ? name : "its code that runs when it is loaded";
    }
    if (find_whole(&here.file, function.name, &whole)) function = whole;
    const char *name = c ? callback_from(c, base + function.entry.st_value) : NULL;
    return name ? name : function.name;
}

/* The walk up the stack; the last frame of the plugin's that it meets is the outermost one. */
typedef struct walk {
    const subject *subject;
    size_t n_frames;
    const char *name; /* "": none yet */
} walk;

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *frame, void *arg)
{
    walk *w = arg;
    Dl_info info;
    int is_interrupted = 0;
    const uintptr_t address = here.address_of(frame, &is_interrupted);
    if (address == 0 || w->n_frames++ > MOST_FRAMES) return _URC_END_OF_STACK;
    /* a return address may lie behind the function, where the call was its last instruction */
    const char *at = (const char *)(address - (is_interrupted ? 0 : 1));
    if (is_in_plugin(w->subject, at, &info)) w->name = name_of(w->subject, at, info.dli_fbase);
    return _URC_NO_REASON;
}

/* "" where nothing on the stack is the plugin's. */
static const char *running_callback(const subject *s)
{
    walk w = { .subject = s, .name = "" };
    if (here.backtrace) (void)here.backtrace(visit_frame, &w);
    return w.name;
}

/* -- Last words -- */

/* An address below this comes from a null pointer, by an index or a member of a struct. */
enum { NEAR_NULL = 1 << 16 };

static const char *access_of(const void *context)
{
#if defined(__x86_64__)
    enum { IS_WRITE = 2 }; /* of a page fault's error code */
    const ucontext_t *u = context;
    return u->uc_mcontext.gregs[REG_ERR] & IS_WRITE ? "wrote" : "read";
#else
    (void)context;
    return "read or wrote";
#endif
}

/* In an optimizer a slot is a pointer of each span, and those that are not declared are NULL. */
static void describe_null(const subject *s, const char *callback, char *out, size_t room)
{
    static const char *const updates[] = { "elem", "tensor", "model", "reduce" };
    bool is_update = false;
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++)
        is_update = is_update || strcmp(callback, updates[i]) == 0;
    const bool has_slots = s->component && strcmp(s->kind, ASSAY_KIND_OPTIMIZER) == 0 && is_update;
    if (!has_slots) {
        snprintf(out, room, "it read or wrote through a NULL pointer");
        return;
    }
    const assay_optimizer *o = s->component->ops;
    snprintf(out, room,
        "it read or wrote through a NULL pointer; slot[i] is NULL where none is declared: it "
        "declares %llu",
        (unsigned long long)o->n_slots);
}

/* What the address of a fault tells; "" for nothing. Where the processor does not say which address it was, the system says 0
 * and another code. */
static void describe_fault(
    const siginfo_t *info, const void *context, const char *callback, char *out, size_t room)
{
    char where[200];
    out[0] = '\0';
    const bool has_address = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    if (info->si_signo != SIGSEGV || !has_address) return;
    if ((uintptr_t)info->si_addr < NEAR_NULL) {
        describe_null(here.subject, callback, out, room);
    } else if (guard_describe(info->si_addr, where, sizeof where)) {
        snprintf(out, room, "it %s %s", access_of(context), where);
    }
}

/* "!<signal> <callback>\t<what the address tells>"; snprintf of these takes neither a lock nor memory. */
static void write_last_words(int signal, const siginfo_t *info, const void *context)
{
    char line[512], fault[300] = "";
    const char *callback = running_callback(here.subject);
    if (info) describe_fault(info, context, callback, fault, sizeof fault);
    const int n = snprintf(line, sizeof line, "!%d %.96s\t%s\n", signal, callback, fault);
    const ssize_t written = write(here.fd, line, n > 0 ? (size_t)n : 0);
    (void)written; /* there is nobody left to tell */
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    const int before = errno;
    if (!here.is_done) write_last_words(signal, info, context);
    here.is_done = 1;
    if (signal == SIGTERM) _exit(1);
    errno = before;
    raise(signal); /* its handler is the default one again */
}

static void on_exit_call(void)
{
    if (!here.is_done) write_last_words(0, NULL, NULL);
}

/* The unwinder is the compiler's, in a library that the program itself does not need; without it a message names no callback. */
static void find_unwinder(void)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    void *backtrace = library ? dlsym(library, "_Unwind_Backtrace") : NULL;
    void *address_of = library ? dlsym(library, "_Unwind_GetIPInfo") : NULL;
    if (!backtrace || !address_of) return;
    memcpy(&here.backtrace, &backtrace, sizeof backtrace); /* C has no cast for it */
    memcpy(&here.address_of, &address_of, sizeof address_of);
}

static status catch_signals(error *err)
{
    static const int caught[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTERM, SIGSYS };
    here.stack = malloc(HANDLER_STACK_BYTES);
    const stack_t stack = { .ss_sp = here.stack, .ss_size = HANDLER_STACK_BYTES };
    if (!stack.ss_sp) return fail_nomem(err, "a test's process");
    struct sigaction a = { .sa_sigaction = on_signal,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND };
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
    find_unwinder();
    const status st = elf_file_open(s->file->path, &here.file, err);
    return st == OK ? catch_signals(err) : st;
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
