/* From the facts about a dead process to its class and one sentence.
 *
 * Order of judgement: what the host itself did; what the kernel says of the end; what the exit code and the page say. The page
 * is the worker's own, so a plugin can write it: it chooses words, and can make a job's outcome worse, never better than what
 * the kernel and the result show. */
#include "sandbox/outcome.h"

#include "base/text.h"
#include "sandbox/wire.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *const names[N_OUTCOMES] = { "ok", "plugin error", "load failed", "crash",
    "stack overflow", "early exit", "timeout", "cpu limit", "memory limit", "violation",
    "out of bounds", "nonfinite", "float mode", "thread leak", "leftover", "nonlocal",
    "result invalid", "output limit", "lost", "host error", "cancelled", "pruned" };

static const char *const phases[N_PHASES] = { "start", "load", "plan", "step", "evaluate",
    "finish" };

static const uint64_t stack_reach = 65536; /* a fault so near to the stack pointer is an overflow */

const char *outcome_name(outcome_class c)
{
    return (unsigned)c < N_OUTCOMES ? names[c] : NULL;
}

const char *phase_name(worker_phase p)
{
    return (unsigned)p < N_PHASES ? phases[p] : "unknown";
}

bool outcome_is_result(outcome_class c)
{
    return c >= OUTCOME_PLUGIN_ERROR && c <= OUTCOME_OUTPUT_LIMIT;
}

bool outcome_is_loss(const outcome *o)
{
    return o->class == OUTCOME_LOST || (o->class == OUTCOME_CRASH && o->signal == SIGKILL);
}

static const char *signal_name(int s)
{
    switch (s) {
    case SIGSEGV: return "segmentation fault";
    case SIGBUS: return "bus error";
    case SIGFPE: return "arithmetic exception";
    case SIGILL: return "illegal instruction";
    case SIGABRT: return "abort";
    case SIGSYS: return "forbidden system call";
    case SIGXCPU: return "processor time limit";
    case SIGXFSZ: return "file size limit";
    case SIGTRAP: return "trap";
    case SIGKILL: return "killed";
    case SIGTERM: return "terminated";
    default: return NULL;
    }
}

/* Texts from a worker are shown on terminals and kept in files. */
static void copy_clean(char *out, size_t n, const volatile char *s, size_t most)
{
    size_t k = 0;
    for (; k + 1 < n && k < most && s[k]; k++) {
        const char c = s[k];
        out[k] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[k] = '\0';
}

/* "<what> in adam.so+0x12, phase step, step 20" */
static void say(outcome *o, outcome_class class, const char *format, ...) PRINTF_LIKE(3, 4);

/* "step 20: the loss is not finite" says itself when that was. */
static bool tells_its_step(const outcome *o)
{
    char begins[40];
    const int n = snprintf(begins, sizeof begins, "step %llu:", (unsigned long long)o->step);
    return o->step > 0 && !o->module[0] && !o->doing[0] && o->phase == PHASE_STEP &&
        strncmp(o->text, begins, (size_t)n) == 0;
}

static void say(outcome *o, outcome_class class, const char *format, ...)
{
    va_list args;
    size_t n;
    o->class = class;
    va_start(args, format);
    (void)vsnprintf(o->text, sizeof o->text, format, args);
    va_end(args);
    n = strlen(o->text);
    if (tells_its_step(o)) return;
    if (o->module[0]) {
        n += (size_t)snprintf(o->text + n, sizeof o->text - n, " in %s+0x%llx", o->module,
            (unsigned long long)o->offset);
    }
    if (n < sizeof o->text) {
        n += (size_t)snprintf(o->text + n, sizeof o->text - n, ", phase %s", phase_name(o->phase));
    }
    if (o->doing[0] && n < sizeof o->text) {
        snprintf(o->text + n, sizeof o->text - n, ", in %s", o->doing);
    } else if (o->step > 0 && n < sizeof o->text) {
        snprintf(o->text + n, sizeof o->text - n, ", step %llu", (unsigned long long)o->step);
    }
}

static void read_page(const outcome_facts *f, outcome *o)
{
    const volatile status_page *p = f->page;
    const uint32_t phase = p->phase;
    o->phase = phase < N_PHASES ? (worker_phase)phase : PHASE_START;
    o->step = p->step;
    o->code = p->code;
    const int32_t violation = p->violation;
    o->violation = violation > 0 ? violation - 1 : -1;
    o->offset = p->offset;
    copy_clean(o->module, sizeof o->module, p->module, sizeof p->module);
}

static void say_limit(const outcome_facts *f, outcome *o)
{
    char limit[32], peak[32];
    text_bytes(limit, (double)f->limits.memory_bytes);
    text_bytes(peak, (double)o->peak_bytes);
    if (f->limit == OUTCOME_MEMORY_LIMIT) {
        say(o, f->limit, "used %s of memory, where %s are allowed", peak, limit);
    } else if (f->call_s > 0) {
        say(o, OUTCOME_TIMEOUT, "no answer after %g s", f->call_s);
    } else if (f->is_stall) {
        say(o, OUTCOME_TIMEOUT, "no progress for %g s", f->limits.stall_s);
    } else {
        say(o, OUTCOME_TIMEOUT, "not done after %g s", f->limits.wall_s);
    }
}

/* In START and FINISH no plugin should be running: a rule broken there is our own fault, unless a plugin is found on the stack. */
static void say_violation(const outcome_facts *f, outcome *o)
{
    char name[32];
    const bool is_ours = !o->module[0] && (o->phase == PHASE_START || o->phase == PHASE_FINISH);
    const outcome_class class = is_ours ? OUTCOME_HOST_ERROR : OUTCOME_VIOLATION;
    if (f->page->signal == SIGSYS && o->violation >= 0) {
        say(o, class, "forbidden system call %s", system_call_name(o->violation, name));
    } else {
        say(o, class, "forbidden system call of another architecture or with signals blocked");
    }
}

static bool is_near_stack(const volatile status_page *p)
{
    const uint64_t a = p->address, sp = p->sp;
    return sp != 0 && (a > sp ? a - sp : sp - a) <= stack_reach;
}

static bool used_up_memory(const outcome_facts *f, const outcome *o)
{
    return (double)o->peak_bytes >= 0.7 * (double)f->limits.memory_bytes;
}

static void judge_signal(const outcome_facts *f, outcome *o)
{
    const volatile status_page *p = f->page;
    const char *name = signal_name(o->signal);
    const bool is_fault = p->signal == (uint32_t)o->signal;
    char limit[32], array[NAME_BYTES], other[32];
    text_bytes(limit, (double)f->limits.memory_bytes);
    copy_clean(array, sizeof array, p->guarded, sizeof p->guarded);
    const double cpu_limit = f->limits.cpu_s > 0 ? f->limits.cpu_s : 1e300;
    snprintf(other, sizeof other, "signal %d", o->signal);
    if (o->signal == SIGXCPU || (o->signal == SIGKILL && o->cpu_s >= cpu_limit)) {
        say(o, OUTCOME_CPU_LIMIT, "used %.3g s of processor time, where %g s are allowed", o->cpu_s,
            f->limits.cpu_s);
    } else if (o->signal == SIGXFSZ) {
        say(o, OUTCOME_OUTPUT_LIMIT, "wrote a file beyond its limit");
    } else if (o->signal == SIGSYS) {
        say_violation(f, o);
    } else if (o->signal == SIGSEGV && is_fault && p->guard) {
        say(o, OUTCOME_OUT_OF_BOUNDS, "touched memory beside %s", array);
    } else if (o->signal == SIGSEGV && is_fault && is_near_stack(p)) {
        say(o, OUTCOME_STACK_OVERFLOW, "stack overflow");
    } else if (used_up_memory(f, o)) {
        say(o, OUTCOME_MEMORY_LIMIT, "%s after memory ran out (%s are allowed)",
            name ? name : other, limit);
    } else {
        say(o, OUTCOME_CRASH, "%s", name ? name : other);
    }
}

static size_t first_nonfinite(const outcome_facts *f)
{
    for (size_t i = 0; i < f->n_finite; i++) {
        if (!isfinite(f->finite[i])) return i;
    }
    return f->n_finite;
}

/* A worker's own word on what it is: only classes that a procedure may choose. */
static void judge_refusal(const outcome_facts *f, outcome *o)
{
    char why[REFUSAL_BYTES];
    uint32_t c = f->page->class;
    copy_clean(why, sizeof why, f->page->text, sizeof f->page->text);
    const bool is_known = c == OUTCOME_LOAD_FAILED || c == OUTCOME_NONFINITE ||
        c == OUTCOME_FLOAT_MODE || c == OUTCOME_HOST_ERROR || c == OUTCOME_OUT_OF_BOUNDS ||
        c == OUTCOME_THREAD_LEAK;
    o->module[0] = '\0';
    say(o, is_known ? (outcome_class)c : OUTCOME_PLUGIN_ERROR, "%s",
        why[0] ? why : "the procedure gave up without a reason");
}

static void judge_exit(const outcome_facts *f, outcome *o)
{
    const bool is_done = f->page->done == 1;
    const size_t bad = first_nonfinite(f);
    if (o->exit_code == 120 || o->exit_code == 121) {
        say(o, OUTCOME_HOST_ERROR, "the worker could not map its %s",
            o->exit_code == 120 ? "result" : "input");
    } else if (o->exit_code != 0 || !is_done) {
        say(o, OUTCOME_EARLY_EXIT, "the process ended itself with code %d", o->exit_code);
    } else if (f->page->code != 0) {
        judge_refusal(f, o);
    } else if (bad < f->n_finite) {
        say(o, OUTCOME_RESULT_INVALID, "said to be done, but value %zu of its result is no number",
            bad);
    } else if (f->n_leftover > 0) {
        say(o, OUTCOME_LEFTOVER, "left %u processes behind, which were ended", f->n_leftover);
    } else {
        o->class = OUTCOME_OK;
        snprintf(o->text, sizeof o->text, "done");
    }
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

void outcome_judge(const outcome_facts *f, outcome *o)
{
    const bool by_signal = WIFSIGNALED(f->status);
    const uint64_t counted = (uint64_t)f->used.ru_maxrss * 1024;
    *o = (outcome){ .signal = by_signal ? WTERMSIG(f->status) : 0,
        .exit_code = WIFEXITED(f->status) ? WEXITSTATUS(f->status) : -1,
        .wall_s = f->wall_s,
        .cpu_s = seconds(f->used.ru_utime) + seconds(f->used.ru_stime),
        .peak_bytes = counted > f->peak_bytes ? counted : f->peak_bytes,
        .n_leftover = f->n_leftover,
        .log_is_full = f->log_is_full };
    read_page(f, o);
    if (f->doing) copy_clean(o->doing, sizeof o->doing, f->doing, sizeof o->doing);
    if (f->asked != OUTCOME_OK) {
        say(o, f->asked, "ended by the study");
    } else if (f->limit != OUTCOME_OK && (o->signal == SIGKILL || f->is_lost)) {
        say_limit(f, o);
    } else if (f->is_lost) {
        say(o, OUTCOME_LOST, "the fork server died");
    } else if (f->fork_errno) {
        say(o, OUTCOME_HOST_ERROR, "no process could be made: %s", strerror(f->fork_errno));
    } else if (by_signal) {
        judge_signal(f, o);
    } else {
        judge_exit(f, o);
    }
}
