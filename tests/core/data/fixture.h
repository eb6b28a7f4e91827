/* Opens datasets from config text, against the plugins of this build; for tests of the data room and of dataset plugins. */
#ifndef ASSAY_TESTS_CORE_DATA_FIXTURE_H
#define ASSAY_TESTS_CORE_DATA_FIXTURE_H

#include "data/batcher.h"

#include "base/file.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    registry *r;
    config *c;
    dataset *d;
    status st;
    error err;
    char log[4096]; /* every message, one a line */
    char dir[64]; /* where fixture_write puts files */
    char paths[8][96]; /* of those files */
    size_t n_paths;
} fixture;

static void keep_log(void *self, unsigned level, const char *message)
{
    fixture *f = self;
    const size_t n = strlen(f->log);
    (void)level;
    snprintf(f->log + n, sizeof(f->log) - n, "%s\n", message);
}

static inline int fixture_setup(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    fixture *f = calloc(1, sizeof(*f));
    error err;
    if (f == NULL) return -1;
    registry_options o = { .dirs = dirs, .no_environment = true, .log = keep_log, .log_self = f };
    strcpy(f->dir, "/tmp/assay-data-XXXXXX");
    if (mkdtemp(f->dir) == NULL) return -1;
    if (registry_new(&o, &f->r, &err) != OK) return -1;
    *state = f;
    return 0;
}

static inline void fixture_close(fixture *f)
{
    dataset_free(f->d);
    config_free(f->c);
    f->d = NULL;
    f->c = NULL;
}

static inline int fixture_teardown(void **state)
{
    fixture *f = *state;
    fixture_close(f);
    registry_free(f->r);
    for (size_t i = 0; i < f->n_paths; i++)
        unlink(f->paths[i]);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* A file in the fixture's folder; its path. */
static inline const char *fixture_write_bytes(
    fixture *f, const char *name, const void *data, size_t n)
{
    char path[96];
    size_t i = 0;
    snprintf(path, sizeof(path), "%.60s/%.30s", f->dir, name);
    while (i < f->n_paths && strcmp(f->paths[i], path) != 0)
        i++;
    assert_true(i < 8);
    if (i == f->n_paths) strcpy(f->paths[f->n_paths++], path);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    return f->paths[i];
}

static inline const char *fixture_write(fixture *f, const char *name, const char *content)
{
    return fixture_write_bytes(f, name, content, strlen(content));
}

/* Opens `data = { ... };` given by its inside; $ stands for the fixture's folder, @ for configs/data, # for the shared
 * data sets. The outcome is in f->st, f->err and f->d. */
static inline status fixture_try(fixture *f, const char *inside)
{
    text t;
    text_init(&t);
    text_add(&t, "data = {\n");
    for (const char *s = inside; *s != '\0'; s++) {
        const char *path = *s == '$' ? f->dir
            : *s == '@'              ? TEST_SOURCE_DIR "/configs/data"
            : *s == '#'              ? TEST_SOURCE_DIR "/../shared/data"
                                     : NULL;
        if (path != NULL) {
            text_add(&t, path);
        } else {
            text_add_bytes(&t, s, 1);
        }
    }
    text_add(&t, "\n};\n");
    fixture_close(f);
    f->log[0] = '\0';
    memset(&f->err, 0, sizeof(f->err));
    f->st = config_parse("x.cfg", t.s, &f->c, &f->err);
    if (f->st == OK) {
        value *block = value_find(config_root(f->c), "data");
        f->st = dataset_open(f->r, f->c, block, &f->d, &f->err);
    }
    text_release(&t);
    return f->st;
}

static inline const dataset *fixture_open(fixture *f, const char *inside)
{
    if (fixture_try(f, inside) != OK) fail_msg("%s", f->err.text);
    return f->d;
}

/* Opening fails with that status and a message that holds `message`. */
static inline void fixture_refuse(fixture *f, const char *inside, status st, const char *message)
{
    if (fixture_try(f, inside) == OK) fail_msg("accepted, expected: %s", message);
    if (f->st != st || strstr(f->err.text, message) == NULL) {
        fail_msg("expected %s: %s\n       got %s: %s", status_name(st), message, status_name(f->st),
            f->err.text);
    }
}

static inline void assert_near(double x, double expected, double tolerance)
{
    const double e = x - expected;
    if (!(e <= tolerance && e >= -tolerance)) {
        fail_msg("%.9g is not %.9g +- %g", x, expected, tolerance);
    }
}

/* Skips the test, saying why, when the shared data sets are not beside the repository. */
#define NEEDS_SHARED(path) \
    do { \
        if (!file_exists(TEST_SOURCE_DIR "/../shared/data/" path)) { \
            print_message("skipped: no ../shared/data/%s\n", path); \
            skip(); \
        } \
    } while (0)

#endif
