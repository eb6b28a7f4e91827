/* What a process gives up by ordinary means: resources, privileges, an own life after its parent's. */
#define _GNU_SOURCE /* setresuid, getresuid */
#include "base/file.h"
#include "sandbox/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { NOBODY = 65534, MOST_FILES = 64, CAPABILITY_VERSION = 0x20080522, READ_SEARCH = 2 };

static const uint64_t spare_bytes = UINT64_C(64) << 20; /* of address space beyond the budget */

/* Lower than it is, never higher. */
static status limit(int what, const char *name, uint64_t soft, uint64_t hard, error *err)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0) return fail_errno(err, errno, name, "reading the limit");
    if (now.rlim_max != RLIM_INFINITY && hard > now.rlim_max) hard = now.rlim_max;
    const struct rlimit new = { .rlim_cur = soft < hard ? soft : hard, .rlim_max = hard };
    return setrlimit(what, &new) == 0 ? OK : fail_errno(err, errno, name, "setting the limit");
}

/* Pages of address space and of data, from /proc/self/statm. */
static void used_bytes(uint64_t *out_space, uint64_t *out_data)
{
    char line[256] = "";
    unsigned long long all = 0, data = 0;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        const ssize_t n = read(fd, line, sizeof line - 1);
        line[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    (void)sscanf(line, "%llu %*u %*u %*u %*u %llu", &all, &data);
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    *out_space = all * page;
    *out_data = data * page;
}

/* What is mapped already differs from machine to machine (OpenBLAS by its threads), so the budget comes on top of it. An
 * instrumented build maps terabytes. */
static status limit_memory(const sandbox_limits *l, error *err)
{
    uint64_t space, data;
    status st = OK;
#ifndef SANDBOX_IS_SANITIZED
    used_bytes(&space, &data);
    TRY(limit(RLIMIT_AS, "address space", space + l->memory_bytes + spare_bytes,
        space + l->memory_bytes + spare_bytes, err));
    TRY(limit(RLIMIT_DATA, "data", data + l->memory_bytes, data + l->memory_bytes, err));
done:
#else
    (void)l;
    (void)err;
    (void)space;
    (void)data;
    (void)spare_bytes;
    (void)used_bytes;
#endif
    return st;
}

status confine_limits(const sandbox_limits *l, error *err)
{
    status st = OK;
    const double cpu = l->cpu_s > 0 ? l->cpu_s : l->wall_s * l->n_threads + 1;
    const uint64_t cpu_s = cpu < 1e9 ? (uint64_t)ceil(cpu) : UINT64_C(1000000000);
    TRY(limit_memory(l, err));
    TRY(limit(RLIMIT_CPU, "processor time", cpu_s, cpu_s + 1, err));
    TRY(limit(RLIMIT_FSIZE, "file size", 1 << 20, 1 << 20, err));
    TRY(limit(RLIMIT_NOFILE, "open files", MOST_FILES, MOST_FILES, err));
    TRY(limit(RLIMIT_CORE, "core files", 0, 0, err));
    TRY(limit(RLIMIT_STACK, "stack", 8 << 20, 8 << 20, err));
    /* Counts all processes and threads of the user, so only nothing or much can be said. Root is not bound by it. */
    TRY(limit(
        RLIMIT_NPROC, "processes", l->n_threads > 1 ? 4096 : 1, l->n_threads > 1 ? 4096 : 1, err));
    TRY(limit(RLIMIT_MSGQUEUE, "message queues", 0, 0, err));
    TRY(limit(RLIMIT_RTPRIO, "real-time priority", 0, 0, err));
    TRY(limit(RLIMIT_MEMLOCK, "locked memory", 0, 0, err));
done:
    return st;
}

/* The kernel's struct, in which the second half is for capabilities from 32 on. */
static status set_capabilities(uint32_t low, error *err)
{
    const struct {
        uint32_t version;
        int pid;
    } head = { CAPABILITY_VERSION, 0 };
    const struct {
        uint32_t effective, permitted, inheritable;
    } sets[2] = { { low, low, 0 }, { 0, 0, 0 } };
    return syscall(SYS_capset, &head, sets) == 0
        ? OK
        : fail_errno(err, errno, "capabilities", "dropping them");
}

static status become_nobody(error *err)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 ||
        setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
        prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) {
        return fail_errno(err, errno, "nobody", "becoming that user");
    }
    return set_capabilities(1u << READ_SEARCH, err);
}

status confine_privileges(bool is_root, error *err)
{
    const status st = is_root ? become_nobody(err) : confine_drop(err);
    if (st != OK) return st;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail_errno(err, errno, "no_new_privs", "setting it");
    }
    return OK;
}

status confine_drop(error *err)
{
    return set_capabilities(0, err);
}

status confine_to_parent(int parent, error *err)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return fail_errno(err, errno, "the worker", "binding it to its parent");
    }
    return getppid() == parent ? OK : fail(err, E_INTERRUPTED, "the parent is gone");
}

void confine_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0) return;
    for (int fd = first; fd < 4096; fd++)
        close(fd);
}
