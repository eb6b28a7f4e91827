/* Where things lie that come with the program. */
#include "cli/place.h"

#include "base/file.h"

#include <errno.h>
#include <unistd.h>

status place_of_program(arena *a, const char **out, error *err)
{
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return fail_errno(err, errno, "/proc/self/exe", "cannot read");
    self[n] = '\0';
    const char *folder = path_dir(a, self);
    if (!folder) return fail_nomem(err, "a path");
    *out = folder;
    return OK;
}

status place_find(arena *a, const char *built, const char *installed, const char **out, error *err)
{
    const char *const names[] = { built, installed };
    const char *here;
    const status st = place_of_program(a, &here, err);
    if (st != OK) return st;
    *out = NULL;
    for (size_t i = 0; !*out && i < 2; i++) {
        const char *path = path_join(a, here, names[i]);
        path = path ? path_absolute(a, path) : NULL;
        if (!path) return fail_nomem(err, "a path");
        if (access(path, R_OK) == 0) *out = path;
    }
    return OK;
}

const char *place_of_example(arena *a, const char *name)
{
    error none;
    const char *path = path_join(a, "configs", name);
    if (path && access(path, R_OK) == 0) return path;
    const char *built = path, *installed = path_join(a, ASSAY_CONFIG_FOLDER, name);
    if (!built || !installed || place_find(a, built, installed, &path, &none) != OK) return NULL;
    return path;
}
