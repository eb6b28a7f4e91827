/* The two seccomp filters.
 *
 * Each row of a table says what becomes of one system call: its number, conditions on its arguments, what follows if all hold,
 * and what if not. `write` turns the rows into BPF one after the other; the kernel caches the calls that are allowed whatever
 * their arguments, so order hardly matters.
 *
 * What is not in stage A's table is TRAP: the worker's handler notes the number and the process dies. Calls with which libc,
 * OpenBLAS and the dynamic linker merely ask for something better get an error instead, and so does every number newer than
 * the table: a later libc then falls back. rt_sigaction is among them: the handlers stay ours. clone3 cannot be looked into
 * (its arguments lie in memory), so libc is sent to clone. */
#define _GNU_SOURCE
#include "sandbox/filter.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define NATIVE_ARCHITECTURE 0xc000003eu
#define FIRST_FOREIGN 0x40000000u /* x32's numbers begin here */
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE 0xc00000b7u
#define FIRST_FOREIGN 0u
#else
#define NATIVE_ARCHITECTURE 0u
#define FIRST_FOREIGN 0u
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1u << 2)
#endif

enum { MOST_CODE = 512, MOST_CONDITIONS = 2, NEWEST_KNOWN = 462 };

/* The value that stands for the process's own number. */
#define OWN_PID 0xffffffffu

/* (argument & mask) == value, on 32 of its 64 bits. */
typedef struct condition {
    unsigned argument; /* from 1; 0: no condition */
    bool is_high; /* the upper half */
    uint32_t mask, value;
} condition;

typedef struct rule {
    int nr;
    condition when[MOST_CONDITIONS];
    uint32_t yes, no;
} rule;

#define ANY \
    { \
        { 0, false, 0, 0 }, \
        { \
            0, false, 0, 0 \
        } \
    }
#define IF(argument, mask, value) \
    { \
        { argument, false, mask, value }, \
        { \
            0, false, 0, 0 \
        } \
    }
#define IF_BOTH(argument, mask, value, other, other_mask, other_value) \
    { \
        { argument, false, mask, value }, \
        { \
            other, false, other_mask, other_value \
        } \
    }
#define IF_NULL(argument) \
    { \
        { argument, false, 0xffffffffu, 0 }, \
        { \
            argument, true, 0xffffffffu, 0 \
        } \
    }

#define ALLOW SECCOMP_RET_ALLOW
#define TRAP SECCOMP_RET_TRAP
#define REFUSE(number) (SECCOMP_RET_ERRNO | (uint32_t)(number))
#define MAY(name) \
    { \
        SYS_##name, ANY, ALLOW, ALLOW \
    }
#define MUST_DO_WITHOUT(name, number) \
    { \
        SYS_##name, ANY, REFUSE(number), REFUSE(number) \
    }

#define ANY_WRITE \
    (uint32_t)(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static const rule loading_rules[] = {
    MAY(read),
    MAY(write),
    MAY(readv),
    MAY(writev),
    MAY(pread64),
    MAY(close),
    MAY(lseek),
    MAY(fstat),
    MAY(newfstatat),
    MAY(getdents64),
    MAY(munmap),
    MAY(brk),
    MAY(mremap),
    MAY(madvise),
    MAY(mincore),
    MAY(futex),
    MAY(sched_yield),
    MAY(exit),
    MAY(exit_group),
    MAY(rt_sigreturn),
    MAY(rt_sigprocmask),
    MAY(clock_gettime),
    MAY(clock_getres),
    MAY(gettimeofday),
    MAY(nanosleep),
    MAY(clock_nanosleep),
    MAY(getpid),
    MAY(gettid),
    MAY(getppid),
    MAY(getuid),
    MAY(geteuid),
    MAY(getgid),
    MAY(getegid),
    MAY(getcwd),
    MAY(getrandom),
    MAY(sched_getaffinity),
    MAY(getcpu),
    MAY(getrusage),
    MAY(times),
    MAY(set_robust_list),
    MAY(restart_syscall),
    MAY(uname),
    MAY(sysinfo),
    MAY(readlinkat),
    MAY(faccessat),
    MAY(ppoll),
    MAY(sigaltstack),
    MAY(set_tid_address),
    MAY(capset),
    MAY(statfs),
    MAY(fstatfs),
    MAY(fadvise64),
#ifdef SYS_rseq
    MAY(rseq),
#endif
#ifdef SYS_faccessat2
    MAY(faccessat2),
#endif
#ifdef SYS_stat
    MAY(stat),
    MAY(lstat),
    MAY(access),
    MAY(readlink),
    MAY(poll),
    MAY(pause),
    MAY(time),
    { SYS_open, IF(2, ANY_WRITE, 0), ALLOW, TRAP },
#endif
    { SYS_openat, IF(3, ANY_WRITE, 0), ALLOW, TRAP },
    /* Code comes from files, and what was written is not run. */
    { SYS_mmap, IF(3, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC), TRAP, ALLOW },
    { SYS_mprotect, IF(3, PROT_EXEC, 0), ALLOW, TRAP },
    { SYS_kill, IF(1, 0xffffffffu, OWN_PID), ALLOW, TRAP },
    { SYS_tgkill, IF(1, 0xffffffffu, OWN_PID), ALLOW, TRAP },
    { SYS_prlimit64, IF_NULL(3), ALLOW, REFUSE(EPERM) },
    { SYS_ioctl, IF(2, 0xffffffffu, TCGETS), ALLOW, TRAP },
    { SYS_fcntl, IF(2, ~3u, 0), ALLOW, TRAP }, /* F_DUPFD, F_GETFD, F_SETFD, F_GETFL */
    { SYS_prctl, IF(1, 0xffffffffu, PR_SET_VMA), REFUSE(EINVAL), TRAP },
    { SYS_seccomp, IF(1, 0xffffffffu, SECCOMP_SET_MODE_FILTER), ALLOW, TRAP },
    MUST_DO_WITHOUT(rt_sigaction, EPERM),
    MUST_DO_WITHOUT(clone3, ENOSYS),
    MUST_DO_WITHOUT(statx, ENOSYS),
    MUST_DO_WITHOUT(mbind, ENOSYS),
    MUST_DO_WITHOUT(get_mempolicy, ENOSYS),
    MUST_DO_WITHOUT(set_mempolicy, ENOSYS),
    MUST_DO_WITHOUT(chdir, EPERM),
    MUST_DO_WITHOUT(umask, EPERM),
    MUST_DO_WITHOUT(sched_setaffinity, EPERM),
    MUST_DO_WITHOUT(sched_getscheduler, EPERM),
    MUST_DO_WITHOUT(sched_getparam, EPERM),
    MUST_DO_WITHOUT(setpriority, EPERM),
#ifdef SYS_arch_prctl
    MUST_DO_WITHOUT(arch_prctl, EPERM),
#endif
};

/* On top of the first: the stricter of the two verdicts holds. */
static const rule running_rules[] = {
#ifdef SYS_open
    { SYS_open, ANY, TRAP, TRAP },
#endif
    { SYS_openat, ANY, TRAP, TRAP },
    { SYS_getdents64, ANY, TRAP, TRAP },
    { SYS_seccomp, ANY, TRAP, TRAP },
    { SYS_capset, ANY, TRAP, TRAP },
    { SYS_mmap,
        IF_BOTH(4, MAP_ANONYMOUS | MAP_PRIVATE, MAP_ANONYMOUS | MAP_PRIVATE, 3, PROT_EXEC, 0),
        ALLOW, TRAP },
    { SYS_sigaltstack, ANY, REFUSE(EPERM), REFUSE(EPERM) },
};

/* -- BPF -- */

typedef struct program {
    struct sock_filter code[MOST_CODE];
    size_t n;
    uint32_t own_pid;
} program;

static void emit(program *p, unsigned op, uint32_t k, size_t if_true, size_t if_false)
{
    p->code[p->n++] = (struct sock_filter){
        .code = (uint16_t)op, .jt = (uint8_t)if_true, .jf = (uint8_t)if_false, .k = k
    };
}

static void emit_load(program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_verdict(program *p, uint32_t verdict)
{
    emit(p, BPF_RET | BPF_K, verdict, 0, 0);
}

static size_t n_conditions(const rule *r)
{
    size_t n = 0;
    while (n < MOST_CONDITIONS && r->when[n].argument)
        n++;
    return n;
}

/* Each condition takes four instructions: load, mask, compare, and the verdict if it does not hold. */
static void emit_rule(program *p, const rule *r)
{
    const size_t n = n_conditions(r);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, 4 * n + 1);
    for (size_t i = 0; i < n; i++) {
        const condition *c = &r->when[i];
        const size_t at = offsetof(struct seccomp_data, args) + 8 * (c->argument - 1);
        emit_load(p, at + (c->is_high ? 4 : 0)); /* both processors are little-endian */
        emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, c->value == OWN_PID ? p->own_pid : c->value, 1, 0);
        emit_verdict(p, r->no);
    }
    emit_verdict(p, r->yes);
}

/* Another architecture's calls have other numbers: nothing can be said of them. */
static void emit_head(program *p)
{
    emit_load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0);
    emit_verdict(p, SECCOMP_RET_KILL_PROCESS);
    emit_load(p, offsetof(struct seccomp_data, nr));
    if (FIRST_FOREIGN) {
        emit(p, BPF_JMP | BPF_JGE | BPF_K, FIRST_FOREIGN, 0, 1);
        emit_verdict(p, TRAP);
    }
}

static void emit_loading(program *p, bool may_thread)
{
    const uint32_t thread = may_thread ? ALLOW : REFUSE(EAGAIN);
    const rule clone_rule = { SYS_clone, IF(1, CLONE_THREAD, CLONE_THREAD), thread, TRAP };
    for (size_t i = 0; i < sizeof loading_rules / sizeof *loading_rules; i++)
        emit_rule(p, &loading_rules[i]);
    emit_rule(p, &clone_rule);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, 0, 1);
    emit_verdict(p, REFUSE(ENOSYS));
    emit_verdict(p, TRAP);
}

static void emit_running(program *p)
{
    for (size_t i = 0; i < sizeof running_rules / sizeof *running_rules; i++)
        emit_rule(p, &running_rules[i]);
    emit_verdict(p, ALLOW);
}

bool filter_knows_architecture(void)
{
    return NATIVE_ARCHITECTURE != 0;
}

bool filter_is_possible(void)
{
    const uint32_t action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

status filter_install(filter_stage stage, int pid, bool may_thread, error *err)
{
    program p = { .n = 0, .own_pid = (uint32_t)pid };
    emit_head(&p);
    if (stage == FILTER_LOADING) {
        emit_loading(&p, may_thread);
    } else {
        emit_running(&p);
    }
    const struct sock_fprog whole = { .len = (unsigned short)p.n, .filter = p.code };
    const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole) == 0) return OK;
    return fail_errno(err, errno, "seccomp",
        stage == FILTER_LOADING ? "installing the filter for loading"
                                : "installing the filter for running");
}

/* -- Names, for messages -- */

static const struct call_name {
    int nr;
    const char *name;
} call_names[] = {
#define CALL(name) \
    { \
        SYS_##name, #name \
    }
    CALL(openat),
    CALL(unlinkat),
    CALL(mkdirat),
    CALL(renameat2),
    CALL(linkat),
    CALL(symlinkat),
    CALL(fchmodat),
    CALL(fchmod),
    CALL(fchownat),
    CALL(ftruncate),
    CALL(truncate),
    CALL(utimensat),
    CALL(socket),
    CALL(socketpair),
    CALL(connect),
    CALL(bind),
    CALL(sendto),
    CALL(kill),
    CALL(tkill),
    CALL(tgkill),
    CALL(rt_sigqueueinfo),
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(clone),
    CALL(execve),
    CALL(execveat),
    CALL(setsid),
    CALL(setpgid),
    CALL(prctl),
    CALL(setuid),
    CALL(setresuid),
    CALL(unshare),
    CALL(setns),
    CALL(mount),
    CALL(chroot),
    CALL(memfd_create),
    CALL(io_uring_setup),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(shmget),
    CALL(shmat),
    CALL(semget),
    CALL(msgget),
    CALL(mq_open),
    CALL(inotify_init1),
    CALL(fcntl),
    CALL(flock),
    CALL(ioctl),
    CALL(mmap),
    CALL(mprotect),
    CALL(getdents64),
    CALL(seccomp),
    CALL(pidfd_open),
    CALL(pidfd_send_signal),
    CALL(pipe2),
    CALL(eventfd2),
    CALL(timer_create),
    CALL(setitimer),
    CALL(sched_setscheduler),
    CALL(mlock),
    CALL(mlockall),
    CALL(syslog),
    CALL(setrlimit),
    CALL(personality),
    CALL(reboot),
    CALL(vmsplice),
    CALL(splice),
    CALL(dup),
    CALL(dup3),
    CALL(pwrite64),
    CALL(fallocate),
    CALL(setxattr),
    CALL(acct),
    CALL(swapon),
    CALL(init_module),
    CALL(open_by_handle_at),
    CALL(mknodat),
    CALL(capset),
    CALL(landlock_create_ruleset),
#ifdef SYS_open
    CALL(open),
    CALL(creat),
    CALL(unlink),
    CALL(rename),
    CALL(mkdir),
    CALL(rmdir),
    CALL(chmod),
    CALL(chown),
    CALL(link),
    CALL(symlink),
    CALL(utime),
    CALL(utimes),
    CALL(fork),
    CALL(vfork),
    CALL(pipe),
    CALL(dup2),
    CALL(alarm),
    CALL(mknod),
#endif
#undef CALL
};

const char *system_call_name(int nr, char out[32])
{
    for (size_t i = 0; i < sizeof call_names / sizeof *call_names; i++) {
        if (call_names[i].nr == nr) return call_names[i].name;
    }
    snprintf(out, 32, "number %d", nr);
    return out;
}
