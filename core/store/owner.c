/* Who holds a trial, and whether it is still there.
 *
 * A process id alone names many processes one after the other, and in each container others. So an owner is named by host,
 * boot, namespace of process ids, process id and the moment at which the process began; where one of the first three is not
 * ours nothing can be said, but for an earlier boot of this host. */
#include "store/store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first word of a file; "-" where it cannot be read. */
static void read_word(const char *path, char *out, size_t n)
{
    snprintf(out, n, "-");
    FILE *file = fopen(path, "re");
    if (!file) return;
    char line[128];
    if (fgets(line, sizeof line, file)) {
        line[strcspn(line, " /\n")] = '\0';
        if (line[0] && strlen(line) < n) strcpy(out, line);
    }
    fclose(file);
}

/* When a process began, in ticks since boot; false where there is none, or where it is dead and only not waited for yet. */
static bool read_start(const char *process, unsigned long long *out)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", process);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    const size_t n = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[n] = '\0';
    const char *rest = strrchr(line, ')'); /* the name before it may hold anything */
    if (!rest || rest[1] != ' ' || rest[2] == 'Z' || rest[2] == 'X') return false;
    enum { FIELDS_FROM_STATE_TO_START = 19 };
    rest += 2;
    for (int i = 0; i < FIELDS_FROM_STATE_TO_START; i++) {
        rest = strchr(rest, ' ');
        if (!rest) return false;
        rest++;
    }
    *out = strtoull(rest, NULL, 10);
    return true;
}

/* "host/boot/namespace" of this process. */
static void read_place(char out[OWNER_BYTES])
{
    char host[80] = "-", boot[64], space[48] = "-", link[64];
    if (gethostname(host, sizeof host) != 0) snprintf(host, sizeof host, "-");
    host[sizeof host - 1] = '\0';
    for (char *c = host; *c; c++) {
        if (*c == '/' || !isprint((unsigned char)*c)) *c = '_';
    }
    read_word("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    const ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link - 1);
    if (n > 0) {
        link[n] = '\0';
        const char *digits = link + strcspn(link, "0123456789");
        snprintf(space, sizeof space, "%.*s", (int)strspn(digits, "0123456789"), digits);
    }
    snprintf(out, OWNER_BYTES, "%s/%s/%s", host, boot, space);
}

void owner_self(char out[OWNER_BYTES])
{
    char place[OWNER_BYTES];
    unsigned long long start = 0;
    read_place(place);
    read_start("self", &start);
    snprintf(out, OWNER_BYTES, "%.200s/%ld/%llu", place, (long)getpid(), start);
}

/* Cuts a copy of an owner's name into its five words. */
static bool cut(char *owner, char *word[5])
{
    for (int i = 0; i < 5; i++) {
        word[i] = owner;
        owner += strcspn(owner, "/");
        if ((*owner == '\0') != (i == 4)) return false;
        if (i < 4) *owner++ = '\0';
    }
    return word[3][0] && strspn(word[3], "0123456789") == strlen(word[3]);
}

bool owner_is_dead(const char *owner)
{
    char theirs[OWNER_BYTES], ours[OWNER_BYTES];
    char *their[5], *our[5];
    unsigned long long start = 0;
    if (strlen(owner) >= sizeof theirs) return false;
    strcpy(theirs, owner);
    owner_self(ours);
    if (!cut(theirs, their) || !cut(ours, our) || strcmp(their[0], our[0]) != 0) return false;
    if (strcmp(our[1], "-") == 0 || strcmp(their[1], "-") == 0) return false;
    if (strcmp(their[1], our[1]) != 0) return true;
    if (strcmp(our[2], "-") == 0 || strcmp(their[2], our[2]) != 0) return false;
    return !read_start(their[3], &start) || start != strtoull(their[4], NULL, 10);
}
