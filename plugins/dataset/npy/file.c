/* Files: found, mapped, and told apart by how they begin. A path may go on inside an archive, as in "digits.npz/images". */
#include "../shared/file.h"
#include "../shared/npy_array.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int array_fail(const struct array *a, int code, const char *format, ...)
{
    char message[480];
    int n = snprintf(message, sizeof(message), "%.120s: ", a->name);
    if (n < 0) n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(message + n, sizeof(message) - (size_t)n, format, args);
    va_end(args);
    return a->ctx->host->fail(a->ctx, code, a->key, message);
}

void array_quote(const void *bytes, size_t n, char *out, size_t room)
{
    const unsigned char *from = bytes;
    size_t i = 0;
    for (; i < n && i + 1 < room; i++)
        out[i] = from[i] >= ' ' && from[i] < 127 ? (char)from[i] : '?';
    out[i] = '\0';
}

int array_nomem(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the arrays");
}

static int fail_system(const struct array *a, int reason)
{
    return array_fail(a, ASSAY_E_IO, "cannot be opened: %s: %.200s", strerror(reason), a->path);
}

/* Where a file stands in the middle of the path, the rest names a member. */
static int find_file(struct array *a)
{
    struct stat info;
    a->name = file_name(a->path, strlen(a->path));
    a->file = a->path;
    if (stat(a->path, &info) == 0) {
        return S_ISREG(info.st_mode) ? ASSAY_OK
                                     : array_fail(a, ASSAY_E_IO, "not a file: %.200s", a->path);
    }
    const int reason = errno;
    if (reason != ENOTDIR) return fail_system(a, reason);
    const size_t n = strlen(a->path) + 1;
    char *file = a->ctx->host->alloc(a->ctx, n);
    if (file == NULL) return array_nomem(a->ctx);
    memcpy(file, a->path, n);
    for (char *slash = strrchr(file, '/'); slash != NULL; slash = strrchr(file, '/')) {
        *slash = '\0';
        if (stat(file, &info) != 0) continue;
        if (!S_ISREG(info.st_mode)) break;
        a->file = file;
        a->member = a->path + (slash - file) + 1;
        a->name = file_name(a->path, (size_t)(slash - file));
        return ASSAY_OK;
    }
    return fail_system(a, reason);
}

static int map_file(struct array *a)
{
    const int reason = file_map(a->file, &a->map, &a->map_bytes);
    if (reason != 0) return fail_system(a, reason);
    return a->map != NULL ? ASSAY_OK : array_fail(a, ASSAY_E_DATA, "the file is empty");
}

/* How a zip archive with members begins, and one without. */
static bool is_zip(const struct array *a)
{
    return a->map_bytes >= 4 &&
        (memcmp(a->map, "PK\3\4", 4) == 0 || memcmp(a->map, "PK\5\6", 4) == 0);
}

int array_open(struct array *a)
{
    int code = find_file(a);
    if (code == ASSAY_OK) code = map_file(a);
    if (code != ASSAY_OK) return code;
    if (is_zip(a)) {
        code = zip_open(a);
        return code == ASSAY_OK ? header_read(a) : code;
    }
    if (a->member != NULL) {
        return array_fail(
            a, ASSAY_E_DATA, "there is nothing inside this file: it is no NPZ archive");
    }
    a->content = a->map;
    a->content_bytes = a->map_bytes;
    return header_read(a);
}

void array_close(struct array *a)
{
    if (a->map != NULL) munmap(a->map, a->map_bytes);
    free(a->inflated);
    a->map = NULL;
    a->inflated = NULL;
    a->data = NULL;
}
