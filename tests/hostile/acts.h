/* What a hostile plugin may try, one function each. Included by the plugins of this folder; pure C, raw system calls where libc
 * would be too well-behaved.
 *
 * An act that got what it wanted prints "BREACH" and a word to standard output, which the worker's log keeps; the test also
 * looks for traces outside. All paths are relative to the test's own folder, which is the working directory; signals go to
 * the parent or are the harmless signal 0 or SIGURG, so that an act that gets through does little. Acts that begin processes
 * make few of them. */
#ifndef ASSAY_TESTS_HOSTILE_ACTS_H
#define ASSAY_TESTS_HOSTILE_ACTS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void breach(const char *what)
{
    char line[96];
    const int n = snprintf(line, sizeof line, "BREACH %s\n", what);
    if (write(1, line, (size_t)n) < 0) abort();
}

/* A system call that must not work. */
static inline void attempt(const char *what, long result)
{
    if (result >= 0) breach(what);
}

/* -- Ends of the own process -- */

static inline void act_crash_null(void)
{
    volatile int *volatile p = NULL;
    *p = 1;
}
static inline void act_crash_wild(void)
{
    volatile int *volatile p = (volatile int *)(uintptr_t)0x6660000123;
    *p = 1;
}
static inline void act_crash_illegal(void)
{
    __builtin_trap();
}
static inline void act_crash_divide(void)
{
#if defined(__x86_64__)
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; idivl %%ecx"
                     :
                     :
                     : "eax", "ecx", "edx");
#else
    (void)raise(SIGFPE);
#endif
}
static inline void act_crash_bus(void)
{
    (void)raise(SIGBUS);
}
static inline void act_abort(void)
{
    abort();
}
static inline void act_double_free(void)
{
    void *volatile p = malloc(100000);
    free(p);
    free(p);
}
static inline int act_recurse(volatile char *before)
{
    volatile char frame[8192];
    frame[0] = before ? before[0] : 1;
    return act_recurse(frame) + frame[0];
}
static inline void act_stack_overflow(void)
{
    (void)act_recurse(NULL);
}
static inline void act_exit_zero(void)
{
    exit(0);
}
static inline void act_exit_seven(void)
{
    _exit(7);
}
static inline void act_kill_self(void)
{
    (void)kill(getpid(), SIGKILL);
}
static inline void act_stop_self(void)
{
    (void)kill(getpid(), SIGSTOP);
}
static inline void act_ignore_then_crash(void)
{
    (void)signal(SIGSEGV, SIG_IGN);
    act_crash_null();
}
static inline void act_block_then_crash(void)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    act_crash_null();
}
static inline void act_block_then_forbidden(void)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    attempt("socket with signals blocked", socket(AF_INET, SOCK_STREAM, 0));
}

/* -- Never ending -- */

static inline void act_hang_loop(void)
{
    for (volatile int i = 0;; i = 1 - i) {
    }
}
static inline void act_hang_sleep(void)
{
    for (;;)
        (void)sleep(1000);
}
static inline void act_deadlock(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    (void)pthread_mutex_lock(&lock);
}
static inline void act_hang_after_stopping_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    act_hang_loop();
}

/* -- Memory -- */

static inline void act_memory_malloc(void)
{
    for (;;) {
        char *p = malloc(8 << 20);
        memset(p, 1, 8 << 20); /* NULL in the end */
    }
}
static inline void act_memory_map(void)
{
    for (;;) {
        char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) act_crash_null();
        memset(p, 1, 16 << 20);
    }
}
static inline void act_memory_break(void)
{
    for (;;) {
        char *p = sbrk(8 << 20);
        memset(p, 1, 8 << 20); /* (void *)-1 in the end */
    }
}

/* -- Forging: the pages that the worker shares with the host are found through its own map of memory, which is open. -- */

static inline unsigned char *shared_pages(size_t *out_n)
{
    static char text[65536];
    size_t n = 0;
    if (lseek(3, 0, SEEK_SET) != 0) return NULL;
    for (ssize_t got; n + 1 < sizeof text && (got = read(3, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    char *at = strstr(text, "assay result");
    while (at && at > text && at[-1] != '\n')
        at--;
    unsigned long begin, end;
    if (!at || sscanf(at, "%lx-%lx", &begin, &end) != 2) return NULL;
    *out_n = end - begin;
    return (unsigned char *)begin;
}
/* Fields of the status page: phase u32, step u64 at 8, done u32 at 16, code i32 at 20. */
static inline void act_forge_done(void)
{
    size_t n;
    unsigned char *p = shared_pages(&n);
    const uint32_t one = 1, zero = 0;
    if (!p) _exit(0);
    memcpy(p + 16, &one, 4);
    memcpy(p + 20, &zero, 4);
    _exit(0);
}
/* The result, too: floats that are numbers everywhere. The host's reader must see that the head is none. */
static inline void act_forge_result(void)
{
    size_t n;
    unsigned char *p = shared_pages(&n);
    if (p) memset(p + 4096, 0x3f, n - 4096);
    act_forge_done();
}
static inline void act_forge_nonsense(void)
{
    size_t n;
    unsigned char *p = shared_pages(&n);
    if (p) memset(p, 0xee, n);
    _exit(0);
}
static inline void act_forge_progress(void)
{
    size_t n;
    unsigned char *p = shared_pages(&n);
    for (uint64_t i = 1; p; i++) {
        memcpy(p + 8, &i, 8);
    }
}
static inline void act_burn(void)
{
    act_forge_progress();
}

/* -- Output -- */

static inline void act_log_flood(void)
{
    char line[4096];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 4096; i++)
        (void)!write(1, line, sizeof line);
}
static inline void act_log_escapes(void)
{
    static const char bytes[] = "\033]0;owned\007\033[2J\0\xff\xfe\r text";
    (void)!write(2, bytes, sizeof bytes);
}
static inline void act_every_descriptor(void)
{
    for (int fd = 4; fd < 1024; fd++) {
        if (write(fd, "x", 1) >= 0) breach("an open descriptor");
    }
}

/* -- Numbers -- */

static inline void act_rounding(void)
{
    (void)fesetround(FE_UPWARD);
}
static inline void act_float_traps(void)
{
#if defined(__x86_64__)
    unsigned word;
    __asm__ volatile("stmxcsr %0" : "=m"(word));
    word &= ~(1u << 10); /* overflow traps: rare enough to come to the end */
    __asm__ volatile("ldmxcsr %0" : : "m"(word));
#endif
}

/* -- Files -- */

static inline void act_read_secret(void)
{
    attempt("read secret", open("secret", O_RDONLY));
}
static inline void act_read_passwd(void)
{
    attempt("read /etc/passwd", open("/etc/passwd", O_RDONLY));
}
static inline void act_list_folder(void)
{
    attempt("list folder", open(".", O_RDONLY | O_DIRECTORY));
}
static inline void act_read_memory_of_parent(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
    attempt("read the parent's memory", open(path, O_RDONLY));
}
static inline void act_own_memory(void)
{
    attempt("/proc/self/mem", open("/proc/self/mem", O_RDWR));
}
static inline void act_write_file(void)
{
    attempt("write file", open("made", O_WRONLY | O_CREAT, 0644));
}
static inline void act_write_data(void)
{
    attempt("write victim", open("victim", O_WRONLY));
}
static inline void act_temporary_file(void)
{
    attempt("temporary file", open("/tmp", O_TMPFILE | O_RDWR, 0600));
}
static inline void act_truncate(void)
{
    attempt("truncate", truncate("victim", 0));
}
static inline void act_unlink(void)
{
    attempt("unlink", unlink("victim"));
}
static inline void act_unlinkat(void)
{
    attempt("unlinkat", unlinkat(AT_FDCWD, "victim", 0));
}
static inline void act_rename(void)
{
    attempt("rename", rename("victim", "moved"));
}
static inline void act_make_folder(void)
{
    attempt("mkdir", mkdir("made", 0755));
}
static inline void act_symlink(void)
{
    attempt("symlink", symlink("/etc/passwd", "made"));
}
static inline void act_link(void)
{
    attempt("link", link("victim", "made"));
}
static inline void act_chmod(void)
{
    attempt("chmod", chmod("victim", 0777));
}
static inline void act_chown(void)
{
    attempt("chown", chown("victim", 65534, 65534));
}
static inline void act_touch(void)
{
    attempt("utimensat", utimensat(AT_FDCWD, "victim", NULL, 0));
}
static inline void act_fifo(void)
{
    attempt("mknod", mkfifo("made", 0644));
}
static inline void act_lock(void)
{
    struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
    attempt("a lock", fcntl(0, F_SETLK, &whole));
}
static inline void act_open_by_handle(void)
{
    struct {
        unsigned bytes;
        int type;
        char f[8];
    } handle = { 8, 1, { 2 } };
    attempt("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}
static inline void act_grow_result(void)
{
    attempt("ftruncate", ftruncate(1, 1 << 30));
}

/* -- Network and other ways to talk -- */

static inline void act_socket_inet(void)
{
    attempt("socket", socket(AF_INET, SOCK_STREAM, 0));
}
static inline void act_socket_udp(void)
{
    attempt("socket", socket(AF_INET6, SOCK_DGRAM, 0));
}
static inline void act_socket_unix(void)
{
    attempt("socket", socket(AF_UNIX, SOCK_STREAM, 0));
}
static inline void act_socketpair(void)
{
    int fds[2];
    attempt("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}
static inline void act_pipe(void)
{
    int fds[2];
    attempt("pipe", syscall(SYS_pipe2, fds, 0));
}
static inline void act_shared_memory(void)
{
    attempt("shmget", syscall(SYS_shmget, 4711, 4096, 01666));
}
static inline void act_semaphore(void)
{
    attempt("semget", syscall(SYS_semget, 4711, 1, 01666));
}
static inline void act_message_queue(void)
{
    attempt("msgget", syscall(SYS_msgget, 4711, 01666));
}
static inline void act_posix_queue(void)
{
    attempt("mq_open", syscall(SYS_mq_open, "assay_hostile", O_RDWR | O_CREAT, 0666, NULL));
}
static inline void act_keyring(void)
{
    attempt("add_key", syscall(SYS_add_key, "user", "assay", "x", 1, -4));
}
static inline void act_keyctl(void)
{
    attempt("keyctl", syscall(SYS_keyctl, 0, -3, 1));
}
static inline void act_io_uring(void)
{
    char room[256] = { 0 };
    attempt("io_uring", syscall(SYS_io_uring_setup, 4, room));
}
static inline void act_inotify(void)
{
    attempt("inotify", syscall(SYS_inotify_init1, 0));
}

/* -- Other processes -- */

static inline void act_signal_parent(void)
{
    attempt("signal to the parent", kill(getppid(), SIGURG));
}
static inline void act_signal_all(void)
{
    attempt("signal to all", kill(-1, 0));
}
static inline void act_signal_group(void)
{
    attempt("signal to a group", kill(0, 0));
}
static inline void act_signal_thread(void)
{
    attempt("tgkill", syscall(SYS_tgkill, getppid(), getppid(), 0));
}
static inline void act_queue_signal(void)
{
    siginfo_t info = { .si_code = SI_QUEUE };
    attempt("sigqueue", syscall(SYS_rt_sigqueueinfo, getppid(), SIGURG, &info));
}
static inline void act_pidfd(void)
{
    attempt("pidfd_open", syscall(SYS_pidfd_open, getppid(), 0));
}
static inline void act_trace_parent(void)
{
    attempt("ptrace", syscall(SYS_ptrace, 0x4206, getppid(), 0, 0));
}
static inline void act_trace_me(void)
{
    attempt("ptrace", syscall(SYS_ptrace, 0, 0, 0, 0));
}
static inline void act_write_parent(void)
{
    char byte = 0;
    const struct {
        void *base;
        size_t n;
    } here = { &byte, 1 };
    attempt("process_vm_writev", syscall(SYS_process_vm_writev, getppid(), &here, 1, &here, 1, 0));
}
static inline void act_lower_limits_of_parent(void)
{
    const struct rlimit none = { 0, 0 };
    attempt("prlimit of the parent", syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, &none, NULL));
}

/* -- New processes and code -- */

static inline void act_fork(void)
{
    const pid_t pid = fork();
    if (pid == 0) {
        (void)sleep(30);
        _exit(0);
    }
    attempt("fork", pid);
}
static inline void act_fork_bomb(void)
{
    for (int i = 0; i < 16; i++)
        act_fork();
}
static inline void act_vfork(void)
{
    const pid_t pid = vfork();
    if (pid == 0) _exit(0);
    attempt("vfork", pid);
}
static inline void act_clone3(void)
{
    uint64_t args[8] = { 0, 0, 0, 0, SIGCHLD };
    const long pid = syscall(SYS_clone3, args, sizeof args);
    if (pid == 0) _exit(0);
    attempt("clone3", pid);
}
static inline void act_execute(void)
{
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo BREACH exec; : > made", NULL };
    (void)execv("/bin/sh", argv);
}
static inline void act_execute_memory(void)
{
    attempt("memfd_create", syscall(SYS_memfd_create, "x", 0));
}
static inline void *act_thread_body(void *unused)
{
    (void)unused;
    breach("a thread");
    return NULL;
}
static inline void act_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, act_thread_body, NULL) == 0) (void)pthread_join(t, NULL);
}
static inline void act_daemon(void)
{
    attempt("setsid", setsid());
    const pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();
        if (fork() == 0) (void)sleep(30);
        _exit(0);
    }
    attempt("fork", pid);
}
static inline void act_executable_memory(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) breach("executable memory");
}
static inline void act_patch_host_code(void)
{
    const uintptr_t code = (uintptr_t)&exit & ~(uintptr_t)4095;
    attempt("patch host code", mprotect((void *)code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}
static inline void act_other_architecture(void)
{
#if defined(__x86_64__)
    long pid = 20; /* getpid of the 32-bit table */
    __asm__ volatile("int $0x80" : "+a"(pid) : : "memory", "r8", "r9", "r10", "r11");
    attempt("int 0x80", pid);
#else
    attempt("an unknown call", syscall(SYS_ptrace, 0, 0, 0, 0));
#endif
}
static inline void act_foreign_numbers(void)
{
#if defined(__x86_64__)
    attempt("x32 call", syscall(0x40000000 + 39));
#else
    attempt("an unknown call", syscall(SYS_ptrace, 0, 0, 0, 0));
#endif
}
static inline void act_unknown_number(void)
{
    attempt("a call that nobody knows", syscall(999));
}

/* -- Escaping what holds it -- */

static inline void act_outlive_parent(void)
{
    attempt("clearing the death signal", prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
}
static inline void act_become_dumpable(void)
{
    attempt("dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}
static inline void act_become_root(void)
{
    attempt("setuid", syscall(SYS_setuid, 0));
}
static inline void act_raise_limits(void)
{
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    attempt("raising a limit", syscall(SYS_prlimit64, 0, RLIMIT_DATA, &all, NULL));
}
static inline void act_namespace(void)
{
    attempt("unshare", unshare(CLONE_NEWUSER));
}
static inline void act_chroot(void)
{
    attempt("chroot", chroot("."));
}
static inline void act_mount(void)
{
    attempt("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, ""));
}
static inline void act_bpf(void)
{
    char room[128] = { 0 };
    attempt("bpf", syscall(SYS_bpf, 0, room, sizeof room));
}
static inline void act_perf(void)
{
    char room[128] = { 0 };
    attempt("perf_event_open", syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
}
static inline void act_userfaultfd(void)
{
    attempt("userfaultfd", syscall(SYS_userfaultfd, 1));
}
static inline void act_filter_again(void)
{
    attempt("seccomp", syscall(SYS_seccomp, 1, 0, NULL));
}
static inline void act_schedule_itself(void)
{
    const struct sched_param p = { .sched_priority = 1 };
    attempt("real-time priority", sched_setscheduler(0, SCHED_FIFO, &p));
}
static inline void act_alarm(void)
{
    const struct itimerval soon = { .it_value = { .tv_usec = 1 } };
    attempt("setitimer", setitimer(ITIMER_REAL, &soon, NULL));
}
static inline void act_terminal(void)
{
    char c = 'x';
    attempt("typing into the terminal", ioctl(0, TIOCSTI, &c));
}
static inline void act_personality(void)
{
    attempt("personality", syscall(SYS_personality, 0x0040000));
}
static inline void act_new_handlers(void)
{
    struct sigaction action = { .sa_handler = SIG_IGN };
    attempt("a new handler", sigaction(SIGSYS, &action, NULL));
}

/* -- The channel of a job that is talked to: a length of eight bytes, then the message -- */

enum { CHANNEL = 4 };

static inline void send_words(uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t words[3] = { a, b, c };
    (void)!write(CHANNEL, words, sizeof words);
}
static inline void act_channel_garbage(void)
{
    send_words(16, 0xeeeeeeeeeeeeeeee, 0xeeeeeeeeeeeeeeee);
}
static inline void act_channel_length(void)
{
    send_words((uint64_t)1 << 40, 1, 0);
}
static inline void act_channel_part(void)
{
    send_words(1 << 20, 1, 0);
    act_hang_sleep();
}
static inline void act_channel_flood(void)
{
    static const char zeros[4096];
    for (int i = 0; i < 64; i++)
        (void)!write(CHANNEL, zeros, sizeof zeros);
}
static inline void act_channel_close(void)
{
    (void)close(CHANNEL);
}
static inline void act_channel_read(void)
{
    char rest[64];
    (void)!read(CHANNEL, rest, sizeof rest); /* nothing comes until this is answered */
}

/* -- By name -- */

/* The formatter does not come to rest on this list. */
/* clang-format off */
#define HOSTILE_ACTS(X) \
    X(crash_null) X(crash_wild) X(crash_illegal) X(crash_divide) X(crash_bus) X(abort) \
    X(double_free) X(stack_overflow) X(exit_zero) X(exit_seven) X(kill_self) X(stop_self) \
    X(ignore_then_crash) X(block_then_crash) X(block_then_forbidden) X(hang_loop) X(hang_sleep) \
    X(deadlock) X(hang_after_stopping_signals) X(memory_malloc) X(memory_map) X(memory_break) \
    X(forge_done) X(forge_result) X(forge_nonsense) X(forge_progress) X(burn) X(log_flood) \
    X(log_escapes) X(every_descriptor) X(rounding) X(float_traps) X(read_secret) X(read_passwd) \
    X(list_folder) X(read_memory_of_parent) X(own_memory) X(write_file) X(write_data) \
    X(temporary_file) X(truncate) X(unlink) X(unlinkat) X(rename) X(make_folder) X(symlink) \
    X(link) X(chmod) X(chown) X(touch) X(fifo) X(lock) X(open_by_handle) X(grow_result) \
    X(socket_inet) X(socket_udp) X(socket_unix) X(socketpair) X(pipe) X(shared_memory) \
    X(semaphore) X(message_queue) X(posix_queue) X(keyring) X(keyctl) X(io_uring) X(inotify) \
    X(signal_parent) X(signal_all) X(signal_group) X(signal_thread) X(queue_signal) X(pidfd) \
    X(trace_parent) X(trace_me) X(write_parent) X(lower_limits_of_parent) X(fork) X(fork_bomb) \
    X(vfork) X(clone3) X(execute) X(execute_memory) X(thread) X(daemon) X(executable_memory) \
    X(patch_host_code) X(other_architecture) X(foreign_numbers) X(unknown_number) \
    X(outlive_parent) X(become_dumpable) X(become_root) X(raise_limits) X(namespace) X(chroot) \
    X(mount) X(bpf) X(perf) X(userfaultfd) X(filter_again) X(schedule_itself) X(alarm) \
    X(terminal) X(personality) X(new_handlers) X(channel_garbage) X(channel_length) \
    X(channel_part) X(channel_flood) X(channel_close) X(channel_read)
/* clang-format on */

static inline void act(const char *name)
{
#define TRY_ACT(word) \
    if (strcmp(name, #word) == 0) { \
        act_##word(); \
        return; \
    }
    HOSTILE_ACTS(TRY_ACT)
#undef TRY_ACT
    if (strcmp(name, "nothing") != 0) abort(); /* a name that is none must not pass for harmless */
}

#endif
