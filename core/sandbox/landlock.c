/* Landlock, by its three system calls. The constants are the kernel's interface and are written here, since the headers of a
 * system are often older than its kernel: what the running kernel knows is asked of it. */
#define _GNU_SOURCE /* O_PATH */
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum { GET_VERSION = 1, PATH_BENEATH = 1 };

#define READ_FILE (UINT64_C(1) << 2)
#define READ_FOLDER (UINT64_C(1) << 3)

/* struct landlock_ruleset_attr of ABI 6; older kernels take the front of it. */
typedef struct ruleset_attr {
    uint64_t files; /* 13 rights in ABI 1, refer 2, truncate 3, device ioctl 5 */
    uint64_t network; /* TCP bind and connect, ABI 4 */
    uint64_t scoped; /* abstract sockets and signals, ABI 6 */
} ruleset_attr;

typedef struct path_beneath_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed)) path_beneath_attr;

int landlock_abi(void)
{
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

status landlock_new(int *out_fd, error *err)
{
    const int abi = landlock_abi();
    const unsigned n_rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    const ruleset_attr all = { .files = (UINT64_C(1) << n_rights) - 1, .network = 3, .scoped = 3 };
    const size_t bytes = abi >= 6 ? sizeof all : abi >= 4 ? 16 : 8;
    const long fd = syscall(SYS_landlock_create_ruleset, &all, bytes, 0);
    if (fd < 0) return fail_errno(err, errno, "Landlock", "making a ruleset");
    *out_fd = (int)fd;
    return OK;
}

static status add_rule(int fd, int at, const char *path, error *err)
{
    struct stat info;
    if (fstat(at, &info) != 0) return fail_errno(err, errno, path, "asking what it is");
    const path_beneath_attr a = {
        .allowed = S_ISDIR(info.st_mode) ? READ_FILE | READ_FOLDER : READ_FILE, .parent_fd = at
    };
    return syscall(SYS_landlock_add_rule, fd, PATH_BENEATH, &a, 0) == 0
        ? OK
        : fail_errno(err, errno, path, "letting workers read it");
}

status landlock_allow_read(int fd, const char *path, error *err)
{
    const int at = open(path, O_PATH | O_CLOEXEC);
    if (at < 0) return OK;
    const status st = add_rule(fd, at, path, err);
    close(at);
    return st;
}

status landlock_enter(int fd, error *err)
{
    return syscall(SYS_landlock_restrict_self, fd, 0) == 0
        ? OK
        : fail_errno(err, errno, "Landlock", "entering the ruleset");
}
