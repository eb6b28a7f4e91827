/* Files: maps, whole-file reading, atomic writing.
 *
 * An atomic write goes to a name of its own in the target's folder (so that rename stays inside one
 * file system), opened with O_EXCL rather than by mkstemp, which would ignore the umask. After the
 * rename the folder is synced: without that a power cut may bring the old name back. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens for reading; directories are refused here, with a better reason than read would give. */
static status open_file(const char *path, int *out_fd, struct stat *out_stat, error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, errno, path, "cannot open");
    int why = 0;
    if (fstat(fd, out_stat) != 0) {
        why = errno;
    } else if (S_ISDIR(out_stat->st_mode)) {
        why = EISDIR;
    }
    if (why) {
        close(fd);
        return fail_errno(err, why, path, "cannot open");
    }
    *out_fd = fd;
    return OK;
}

status file_map_open(const char *path, file_map *out, error *err)
{
    int fd = -1;
    struct stat info;
    const status st = open_file(path, &fd, &info, err);
    if (st != OK) return st;
    file_map map = { .n = (size_t)info.st_size };
    void *memory = map.n ? mmap(NULL, map.n, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    const int why = errno;
    close(fd);
    if (memory == MAP_FAILED) return fail_errno(err, why, path, "cannot map");
    map.data = memory;
    *out = map;
    return OK;
}

void file_map_close(file_map *map)
{
    if (map->data) munmap((void *)map->data, map->n);
    *map = (file_map){ 0 };
}

/* Reads until the end; grows, since a pipe or /proc file does not say its size. */
static status read_all(int fd, const char *path, size_t hint, char **out, size_t *out_n, error *err)
{
    status st = OK;
    size_t capacity = hint + 2, n = 0;
    char *data = malloc(capacity);
    if (!data) TRY(fail_nomem(err, path));
    for (;;) {
        if (n + 1 == capacity) {
            if (!size_product(capacity, 2, &capacity)) TRY(fail_nomem(err, path));
            char *grown = realloc(data, capacity);
            if (!grown) TRY(fail_nomem(err, path));
            data = grown;
        }
        const ssize_t got = read(fd, data + n, capacity - n - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) TRY(fail_errno(err, errno, path, "cannot read"));
        if (got == 0) break;
        n += (size_t)got;
    }
    data[n] = '\0';
    *out = data;
    *out_n = n;
    data = NULL;
done:
    free(data);
    return st;
}

status file_read(const char *path, char **out, size_t *out_n, error *err)
{
    int fd = -1;
    struct stat info;
    status st = open_file(path, &fd, &info, err);
    if (st != OK) return st;
    st = read_all(fd, path, info.st_size > 0 ? (size_t)info.st_size : 0, out, out_n, err);
    close(fd);
    return st;
}

status fd_write_all(int fd, const char *path, const void *data, size_t n, error *err)
{
    const char *rest = data;
    while (n > 0) {
        const ssize_t written = write(fd, rest, n);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(err, errno, path, "cannot write");
        rest += written;
        n -= (size_t)written;
    }
    return OK;
}

static status sync_dir(const char *dir, error *err)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, errno, dir, "cannot open");
    const int why = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    /* EINVAL: a file system that knows no sync of folders. */
    return why == 0 || why == EINVAL ? OK : fail_errno(err, why, dir, "cannot sync");
}

/* A fresh file next to `path`. Several names are tried: a killed process of the same id, or another
 * thread that writes the same file, may hold the first. */
static status open_temporary(arena *a, const char *path, char **out, int *out_fd, error *err)
{
    enum { N_TRIES = 64 };
    int why = EEXIST;
    for (int i = 0; i < N_TRIES && why == EEXIST; i++) {
        char *name = arena_printf(a, "%s.tmp.%ld.%d", path, (long)getpid(), i);
        if (!name) return fail_nomem(err, path);
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *out = name;
            *out_fd = fd;
            return OK;
        }
        why = errno;
    }
    return fail_errno(err, why, path, "cannot create a temporary file beside it");
}

status file_write_atomic_by(
    const char *path, status (*write_to)(int fd, void *arg, error *err), void *arg, error *err)
{
    status st = OK;
    arena names = { 0 };
    char *temporary = NULL;
    int fd = -1;
    const char *dir = path_dir(&names, path); /* before anything is replaced: it may fail */
    if (!dir) TRY(fail_nomem(err, path));
    TRY(open_temporary(&names, path, &temporary, &fd, err));
    TRY(write_to(fd, arg, err));
    if (fsync(fd) != 0) TRY(fail_errno(err, errno, path, "cannot sync"));
    const int closed = close(fd);
    fd = -1;
    if (closed != 0) TRY(fail_errno(err, errno, path, "cannot close"));
    if (rename(temporary, path) != 0) TRY(fail_errno(err, errno, path, "cannot replace"));
    temporary = NULL;
    TRY(sync_dir(dir, err));
done:
    if (fd >= 0) close(fd);
    if (temporary) unlink(temporary);
    arena_release(&names);
    return st;
}

typedef struct bytes {
    const char *path;
    const void *data;
    size_t n;
} bytes;

static status write_bytes(int fd, void *arg, error *err)
{
    const bytes *b = arg;
    return fd_write_all(fd, b->path, b->data, b->n, err);
}

status file_write_atomic(const char *path, const void *data, size_t n, error *err)
{
    bytes b = { path, data, n };
    return file_write_atomic_by(path, write_bytes, &b, err);
}

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static status make_dir(const char *path, error *err)
{
    if (mkdir(path, 0777) == 0 || file_is_dir(path)) return OK;
    return fail_errno(err, errno == EEXIST ? ENOTDIR : errno, path, "cannot create this folder");
}

status file_make_dirs(const char *path, error *err)
{
    status st = OK;
    arena names = { 0 };
    char *prefix = arena_strdup(&names, path);
    if (!prefix) TRY(fail_nomem(err, path));
    for (char *slash = prefix; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        TRY(make_dir(prefix, err));
        *slash = '/';
    }
    TRY(make_dir(path, err));
done:
    arena_release(&names);
    return st;
}
