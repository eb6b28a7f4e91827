/* The process of a test, from inside.
 *
 * What ends it before it has reported leaves a last word in the pipe: the signal, and the callback that was running. That one
 * is found without any help of the tests: among the addresses on the stack the outermost that lies in the plugin belongs to
 * what the host has called; the file's symbols say where that function begins, the component's table which callback that is. */
#define _GNU_SOURCE /* dladdr */

#include "check/elf_file.h"
#include "check/frames.h"
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
#include <unistd.h>

enum { HANDLER_STACK_BYTES = 1 << 17, SPARE_S = 5 };

static const rlim_t memory_limit_bytes = (rlim_t)8 << 30;

/* What a signal handler can reach: there is no other way to it than a variable of the file. Written once, before any of the
 * plugin's code runs. */
static struct {
    const subject *subject;
    elf_file file; /* of the plugin, for its symbols */
    void *stack; /* of the handler */
    unwinder unwinder;
    int fd;
    volatile sig_atomic_t is_done;
} here = { .fd = -1 };

/* -- Which callback -- */

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
        const char *name = c ? component_callback_at(c, address) : NULL;
        return name ? name : "its code that runs when it is loaded";
    }
    if (find_whole(&here.file, function.name, &whole)) function = whole;
    const char *name = c ? component_callback_from(c, base + function.entry.st_value) : NULL;
    return name ? name : function.name;
}

/* The walk up the stack; the last frame of the plugin's that it meets is the outermost one. */
typedef struct walk {
    const subject *subject;
    const char *name; /* "": none yet */
} walk;

static void visit_frame(void *self, const void *address)
{
    walk *w = self;
    Dl_info info;
    if (is_in_plugin(w->subject, address, &info)) {
        w->name = name_of(w->subject, address, info.dli_fbase);
    }
}

/* "" where nothing on the stack is the plugin's. */
static const char *running_callback(const subject *s)
{
    walk w = { .subject = s, .name = "" };
    unwinder_walk(&here.unwinder, visit_frame, &w);
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

/* Sanitizers reserve an address space of their own, which no limit may touch: this program's, or that of a runtime that a plugin
 * wants and the user has preloaded. */
static bool is_sanitized(void)
{
#if defined(CHECK_IS_SANITIZED)
    return true;
#else
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init");
#endif
}

static void limit(const subject *s)
{
    const struct rlimit none = { 0, 0 }, memory = { memory_limit_bytes, memory_limit_bytes };
    (void)setrlimit(RLIMIT_CORE, &none);
    if (!is_sanitized()) (void)setrlimit(RLIMIT_AS, &memory);
    /* where nobody is left who would end it */
    (void)alarm((unsigned)s->time_limit_s + SPARE_S);
}

status child_begin(const subject *s, int fd, error *err)
{
    limit(s);
    here.subject = s;
    here.fd = fd;
    unwinder_find(&here.unwinder);
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
