/* Paths as text: nothing here looks at the file system but for the current folder.
 *
 * `path_absolute` takes ".." back by text, as a config's reader would; it does not follow links. */
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_dir(arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_strdup(a, ".");
    if (slash == path) return arena_strdup(a, "/");
    return arena_strndup(a, path, (size_t)(slash - path));
}

char *path_join(arena *a, const char *dir, const char *name)
{
    if (name[0] == '/' || dir[0] == '\0' || strcmp(dir, ".") == 0) return arena_strdup(a, name);
    const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";
    return arena_printf(a, "%s%s%s", dir, slash, name);
}

static char *current_dir(arena *a)
{
    enum { LONGEST = 1 << 20 };
    for (size_t n = 256; n <= LONGEST; n *= 2) {
        char *dir = arena_alloc(a, n);
        if (!dir) return NULL;
        if (getcwd(dir, n)) return dir;
        if (errno != ERANGE) return NULL;
    }
    return NULL;
}

/* Drops empty parts, "." and "x/..", in place. `path` begins with a slash. */
static void normalise(char *path)
{
    char *end = path; /* of what is kept: "" or "/a/b" */
    const char *rest = path;
    while (*rest) {
        while (*rest == '/')
            rest++;
        const size_t n = strcspn(rest, "/");
        if (n == 2 && rest[0] == '.' && rest[1] == '.') {
            while (end > path && *--end != '/') {
            }
        } else if (n > 0 && !(n == 1 && rest[0] == '.')) {
            *end++ = '/';
            memmove(end, rest, n);
            end += n;
        }
        rest += n;
    }
    if (end == path) *end++ = '/';
    *end = '\0';
}

char *path_absolute(arena *a, const char *path)
{
    const char *dir = path[0] == '/' ? "" : current_dir(a);
    if (!dir) return NULL;
    char *absolute = arena_printf(a, "%s/%s", dir, path);
    if (absolute) normalise(absolute);
    return absolute;
}
