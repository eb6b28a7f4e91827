/* A folder of its own for a test, as the working directory, so that messages name files briefly. */
#ifndef ASSAY_TESTS_CONFIG_SCRATCH_H
#define ASSAY_TESTS_CONFIG_SCRATCH_H

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct scratch {
    char before[1024];
    char dir[64];
} scratch;

static inline int scratch_enter(scratch *s)
{
    snprintf(s->dir, sizeof(s->dir), "/tmp/test_config.XXXXXX");
    if (!getcwd(s->before, sizeof(s->before)) || !mkdtemp(s->dir)) return -1;
    return chdir(s->dir);
}

static inline int scratch_leave(scratch *s)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
    int failed = chdir(s->before);
    return system(command) == 0 ? failed : -1;
}

static inline void scratch_write(const char *name, const char *content)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

#endif
