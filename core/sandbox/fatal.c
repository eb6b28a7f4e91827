/* The handlers of a worker's fatal signals.
 *
 * A handler has no argument of ours, and the core has no variables at file scope: the context lies at the bottom of the
 * alternate stack, whose address the kernel tells every handler that runs on it (uc_stack). A further thread has no such
 * stack; it dies without notes.
 *
 * Where it happened is looked up in /proc/self/maps through a descriptor that was opened before files were closed: reading
 * and lseek are allowed to the end. The instruction may lie in libc, which a plugin has called; then the callers are gone
 * through for the first one in a shared object that is not the system's: by libc's backtrace, which the fork server has called
 * once, so that it is loaded. Where libc has none the stack is searched, which may find an old address. A fault in all this
 * comes back to the handler, which then ends the process by the first signal. */
#define _GNU_SOURCE /* REG_RIP */
#include "sandbox/fatal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FATAL_MAGIC UINT64_C(0x617373617943726f)

enum { MOST_CODE_MAPS = 192, MOST_FRAMES = 64, MOST_STACK_WORDS = 4096, LINE_BYTES = 512 };

/* glibc's; other systems lack it. */
extern int backtrace(void **out, int n) __attribute__((weak));

/* Code of one file. */
typedef struct code_map {
    uint64_t begin, end, file_offset;
    char name[OUTCOME_MODULE_BYTES]; /* without folder */
    bool is_plugin; /* neither the program nor a library of the system */
} code_map;

typedef struct code_maps {
    code_map item[MOST_CODE_MAPS];
    size_t n;
    uint64_t stack_end; /* of the mapping that holds the stack pointer */
} code_maps;

/* Reads lines from a descriptor with nothing but read. */
typedef struct line_reader {
    int fd;
    char bytes[4096];
    size_t n, at;
} line_reader;

static bool next_line(line_reader *r, char out[LINE_BYTES])
{
    size_t n = 0;
    for (;;) {
        if (r->at == r->n) {
            const ssize_t got = read(r->fd, r->bytes, sizeof r->bytes);
            if (got <= 0) return false;
            r->n = (size_t)got;
            r->at = 0;
        }
        const char c = r->bytes[r->at++];
        if (c == '\n') break;
        if (n + 1 < LINE_BYTES) out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static const char *read_hex(const char *s, uint64_t *out)
{
    uint64_t v = 0;
    for (;; s++) {
        const unsigned digit = *s >= '0' && *s <= '9' ? (unsigned)(*s - '0')
            : *s >= 'a' && *s <= 'f'                  ? (unsigned)(*s - 'a' + 10)
                                                      : 16;
        if (digit == 16) break;
        v = v * 16 + digit;
    }
    *out = v;
    return s;
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Of the system, or the program itself (a file without .so). */
static bool is_ours(const char *path)
{
    static const char *const folders[] = { "/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/" };
    if (!strstr(path, ".so")) return true;
    if (strstr(path, "/assay/")) return false; /* an installation's plugins lie in lib, too */
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (begins(path, folders[i])) return true;
    }
    return false;
}

/* begin-end perms offset device inode   path */
static void take_map(code_maps *m, const char *line, uint64_t sp)
{
    uint64_t begin, end, offset;
    const char *s = read_hex(line, &begin);
    s = read_hex(s + (*s == '-'), &end);
    while (*s == ' ')
        s++;
    if (sp >= begin && sp < end) m->stack_end = end;
    if (strlen(s) < 5 || s[2] != 'x' || m->n == MOST_CODE_MAPS) return;
    (void)read_hex(s + 5, &offset);
    const char *path = strchr(s, '/');
    if (!path) return;
    const char *slash = strrchr(path, '/');
    code_map *c = &m->item[m->n++];
    *c = (code_map){ .begin = begin, .end = end, .file_offset = offset };
    size_t n = strlen(slash + 1);
    n = n < sizeof c->name ? n : sizeof c->name - 1;
    memcpy(c->name, slash + 1, n);
    c->is_plugin = !is_ours(path);
}

static const code_map *map_of(const code_maps *m, uint64_t address)
{
    for (size_t i = 0; i < m->n; i++) {
        if (address >= m->item[i].begin && address < m->item[i].end) return &m->item[i];
    }
    return NULL;
}

static const code_map *plugin_at(const code_maps *m, uint64_t address, uint64_t *out_at)
{
    const code_map *c = map_of(m, address);
    *out_at = address;
    return c && c->is_plugin ? c : NULL;
}

static const code_map *find_caller(const code_maps *m, uint64_t *out_at)
{
    void *frames[MOST_FRAMES];
    const int n = backtrace(frames, MOST_FRAMES);
    for (int i = 0; i < n; i++) {
        const code_map *c = plugin_at(m, (uint64_t)(uintptr_t)frames[i], out_at);
        if (c) return c;
    }
    return NULL;
}

/* The plugin's place: of the instruction, or else of the nearest return address. */
static const code_map *find_plugin(const code_maps *m, uint64_t pc, uint64_t sp, uint64_t *out_at)
{
    const code_map *here = plugin_at(m, pc, out_at);
    if (here) return here;
    if (backtrace) return find_caller(m, out_at);
    for (size_t i = 0; i < MOST_STACK_WORDS && sp + 8 * (i + 1) <= m->stack_end; i++) {
        uint64_t word;
        memcpy(&word, (const void *)(uintptr_t)(sp + 8 * i), sizeof word);
        const code_map *c = plugin_at(m, word, out_at);
        if (c) return c;
    }
    return NULL;
}

static void note_place(fatal_context *c, uint64_t pc, uint64_t sp)
{
    code_maps maps = { .n = 0, .stack_end = 0 };
    line_reader r = { .fd = c->maps_fd };
    char line[LINE_BYTES];
    uint64_t at;
    if (c->maps_fd < 0 || lseek(c->maps_fd, 0, SEEK_SET) != 0) return;
    while (next_line(&r, line))
        take_map(&maps, line, sp);
    const code_map *found = find_plugin(&maps, pc, sp & ~UINT64_C(7), &at);
    if (!found) return;
    memcpy(c->page->module, found->name, sizeof found->name);
    c->page->offset = at - found->begin + found->file_offset;
}

static void note_guard(fatal_context *c, const unsigned char *address)
{
    const size_t page = (size_t)4096;
    for (size_t i = 0; i < c->n_guarded; i++) {
        const guarded_array *g = &c->guarded[i];
        if ((address >= g->before && address < g->before + page) ||
            (address >= g->after && address < g->after + page)) {
            c->page->guard = 1;
            memcpy(c->page->guarded, g->name, sizeof c->page->guarded);
        }
    }
}

static void note_registers(status_page *p, const ucontext_t *u)
{
#if defined(__x86_64__)
    p->pc = (uint64_t)u->uc_mcontext.gregs[REG_RIP];
    p->sp = (uint64_t)u->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    p->pc = u->uc_mcontext.pc;
    p->sp = u->uc_mcontext.sp;
#else
    (void)p;
    (void)u;
#endif
}

/* Dies by that signal at the end: its handler is gone (SA_RESETHAND). */
static void send_again(int number)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), number);
    (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
}

static void handle(int number, siginfo_t *info, void *context)
{
    const ucontext_t *u = context;
    fatal_context *c = u->uc_stack.ss_sp;
    if (u->uc_stack.ss_size == FATAL_STACK_BYTES && c && c->magic == FATAL_MAGIC) {
        status_page *p = c->page;
        if (c->first) {
            send_again(c->first);
            return;
        }
        c->first = number;
        p->signal = (uint32_t)number;
        p->address = (uint64_t)(uintptr_t)info->si_addr;
        if (number == SIGSYS) p->violation = info->si_syscall + 1;
        note_registers(p, u);
        note_guard(c, info->si_addr);
        note_place(c, p->pc, p->sp);
    }
    send_again(number);
}

/* Guard page, context and stack, guard page. */
static void *new_stack(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *at =
        mmap(NULL, FATAL_STACK_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if (mprotect(at + page, FATAL_STACK_BYTES, PROT_READ | PROT_WRITE) != 0) return NULL;
    return at + page;
}

fatal_context *fatal_watch(status_page *page, int maps_fd, error *err)
{
    static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
    fatal_context *c = new_stack();
    if (!c) {
        (void)fail_nomem(err, "the signal stack");
        return NULL;
    }
    *c = (fatal_context){ .magic = FATAL_MAGIC, .page = page, .maps_fd = maps_fd };
    const stack_t stack = { .ss_sp = c, .ss_size = FATAL_STACK_BYTES };
    struct sigaction action = { .sa_sigaction = handle,
        .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };
    sigemptyset(&action.sa_mask);
    if (sigaltstack(&stack, NULL) != 0) {
        (void)fail_errno(err, errno, "the signal stack", "setting it");
        return NULL;
    }
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        if (sigaction(fatal[i], &action, NULL) != 0) {
            (void)fail_errno(err, errno, "a signal's handler", "setting it");
            return NULL;
        }
    }
    return c;
}

void fatal_warm_up(void)
{
    void *frame[1];
    if (backtrace) (void)backtrace(frame, 1);
}
