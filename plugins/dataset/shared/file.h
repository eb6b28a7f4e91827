/* Files that a dataset reads as a whole: mapped, and named in messages. */
#ifndef ASSAY_PLUGINS_DATASET_SHARED_FILE_H
#define ASSAY_PLUGINS_DATASET_SHARED_FILE_H

#include <assay/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The end of a path of n bytes: what messages call a file. */
static inline const char *file_name(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '/')
        n--;
    return path + n;
}

/* Maps a file for reading; 0 or an errno. An empty file gives NULL and 0 bytes. */
static inline int file_map(const char *path, unsigned char **out_map, size_t *out_bytes)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int reason = 0;
    void *map = MAP_FAILED;
    if (fstat(fd, &info) != 0) {
        reason = errno;
    } else if (info.st_size > 0) {
        map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        reason = map == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (reason != 0) return reason;
    *out_map = map != MAP_FAILED ? map : NULL;
    *out_bytes = map != MAP_FAILED ? (size_t)info.st_size : 0;
    return 0;
}

/* A file of text while it is read. */
struct file {
    assay_ctx *ctx;
    const char *key; /* the hyperparameter that named it */
    const char *path; /* NULL: not asked for */
    const char *name; /* the end of the path, for messages */
    unsigned char *map;
    size_t bytes;
};

/* "jsb.txt: ..." with the file's hyperparameter; returns `code`. */
static inline int file_fail(const struct file *f, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline int file_fail(const struct file *f, int code, const char *format, ...)
{
    char message[480];
    int n = snprintf(message, sizeof(message), "%.120s", f->name);
    if (n < 0) n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(message + n, sizeof(message) - (size_t)n, format, args);
    va_end(args);
    return f->ctx->host->fail(f->ctx, code, f->key, message);
}

/* Maps f->path; ASSAY_OK or what host->fail gave. */
static inline int file_open(struct file *f)
{
    struct stat info;
    f->name = file_name(f->path, strlen(f->path));
    if (stat(f->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return file_fail(f, ASSAY_E_IO, ": not a file: %.200s", f->path);
    }
    const int reason = file_map(f->path, &f->map, &f->bytes);
    if (reason != 0) {
        return file_fail(
            f, ASSAY_E_IO, ": cannot be opened: %s: %.200s", strerror(reason), f->path);
    }
    return f->map != NULL ? ASSAY_OK : file_fail(f, ASSAY_E_DATA, ": the file is empty");
}

static inline void file_close(struct file *f)
{
    if (f->map != NULL) munmap(f->map, f->bytes);
    f->map = NULL;
}

#endif
