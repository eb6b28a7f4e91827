/* How many cores this process may use: its affinity, cut by the quota of its control groups.
 *
 * A container on a large machine sees every core in its affinity, but is stopped for the rest of each
 * period once its quota is used up; as many threads as cores would spend most of their time stopped.
 * The quota is rounded down: a thread that is stopped now and then holds up all others. Version 2 keeps
 * "quota period" in cpu.max, version 1 two files in the hierarchy of the cpu controller. */
#define _GNU_SOURCE /* sched_getaffinity, CPU_COUNT_S */
#include "num/cores.h"
#include "num/team.h"

#include "base/arena.h"
#include "base/file.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "max 100000" or "150000 100000" -> cores; 0 for no limit or no such file. */
static double read_v2(arena *a, const char *dir)
{
    const char *path = arena_printf(a, "%s/cpu.max", dir);
    char *content = NULL;
    size_t n;
    long quota = 0, period = 0;
    if (!path || file_read(path, &content, &n, NULL) != OK) return 0.0;
    const bool is_limited = sscanf(content, "%ld %ld", &quota, &period) == 2;
    free(content);
    return is_limited && quota > 0 && period > 0 ? (double)quota / (double)period : 0.0;
}

static long read_number(arena *a, const char *dir, const char *name)
{
    const char *path = arena_printf(a, "%s/%s", dir, name);
    char *content = NULL;
    size_t n;
    if (!path || file_read(path, &content, &n, NULL) != OK) return 0;
    const long number = strtol(content, NULL, 10);
    free(content);
    return number;
}

static double read_v1(arena *a, const char *dir)
{
    const long quota = read_number(a, dir, "cpu.cfs_quota_us"); /* -1: no limit */
    const long period = read_number(a, dir, "cpu.cfs_period_us");
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0.0;
}

static void take_smaller(double *least, double quota)
{
    if (quota > 0.0 && (*least <= 0.0 || quota < *least)) *least = quota;
}

/* The group at `group` ("/a/b") and those above it, up to the root of the hierarchy. */
static void walk_up(arena *a, const char *root, char *group,
    double (*read_quota)(arena *, const char *), double *least)
{
    for (;;) {
        const char *dir = arena_printf(a, "%s%s", root, group);
        if (dir) take_smaller(least, read_quota(a, dir));
        char *slash = strrchr(group, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *s = controllers; *s; s += strcspn(s, ",") + (s[strcspn(s, ",")] == ',')) {
        if (strncmp(s, "cpu", 3) == 0 && (s[3] == ',' || s[3] == '\0')) return true;
    }
    return false;
}

/* One line of the membership: "number:controllers:/group"; version 2 has number 0, no controllers. */
static void read_line(arena *a, const char *mount, char *line, double *least)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return;
    *controllers++ = '\0';
    *group++ = '\0';
    if (*controllers == '\0') {
        walk_up(a, mount, group, read_v2, least);
    } else if (names_cpu(controllers)) {
        const char *root = arena_printf(a, "%s/cpu", mount);
        if (root) walk_up(a, root, group, read_v1, least);
    }
}

double cores_quota(const char *membership, const char *mount)
{
    char *content = NULL;
    size_t n;
    if (file_read(membership, &content, &n, NULL) != OK) return 0.0;
    arena a = { 0 };
    double least = 0.0;
    char *rest = NULL;
    for (char *line = strtok_r(content, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        read_line(&a, mount, line, &least);
    }
    arena_release(&a);
    free(content);
    return least;
}

/* The cores in this thread's affinity; 0 when the system does not say. */
static size_t affinity_cores(void)
{
#ifdef __linux__
    enum { MOST_CORES = 1 << 16 };
    for (size_t n = 1024; n <= MOST_CORES; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (!set) return 0;
        const size_t bytes = CPU_ALLOC_SIZE(n);
        const int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) return (size_t)count;
    }
#endif
    return 0;
}

size_t team_cores(void)
{
    size_t n_cores = affinity_cores();
    if (n_cores == 0) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        n_cores = online > 0 ? (size_t)online : 1;
    }
    const double quota = cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0.0 && quota < (double)n_cores) n_cores = quota < 1.0 ? 1 : (size_t)quota;
    return n_cores;
}
