/* A folder with a run and a study in it, for tests of declarations. */
#ifndef TESTS_CORE_STUDY_DECLARATION_SCENE_H
#define TESTS_CORE_STUDY_DECLARATION_SCENE_H

#include "base/file.h"
#include "declaration/declaration.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail

typedef struct scene {
    char folder[64];
    char before[4096];
    registry *r;
    declaration *d;
    text warnings;
    error err;
} scene;

static const char run_text[] =
    "name = \"blobs\";\n"
    "seed = 3;\n"
    "data = { type = \"blobs\"; split = { validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 7; }, { type = \"relu\"; }, { type = \"dense\"; units = "
    "3; } );\n"
    "loss = \"softmax_xent\";\n"
    "metrics = ( \"accuracy\", { type = \"top_k\"; k = 2; name = \"top\"; } );\n"
    "optimizer = { type = \"sgd\"; lr = 0.03; };\n"
    "schedule = { type = \"exponential\"; decay = 0.9; };\n"
    "train = { epochs = 9; };\n";

static inline void spill(const char *path, const char *written)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(written, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline int enter_scene(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    scene *t = calloc(1, sizeof *t);
    assert_non_null(t);
    strcpy(t->folder, "/tmp/assay-declaration-XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    assert_non_null(getcwd(t->before, sizeof t->before));
    assert_int_equal(chdir(t->folder), 0);
    assert_int_equal(registry_new(&o, &t->r, &t->err), OK);
    spill("blobs.cfg", run_text);
    *state = t;
    return 0;
}

static inline int leave_scene(void **state)
{
    scene *t = *state;
    char remove[128];
    declaration_free(t->d);
    registry_free(t->r);
    text_release(&t->warnings);
    assert_int_equal(chdir(t->before), 0);
    snprintf(remove, sizeof remove, "rm -rf %s", t->folder);
    assert_int_equal(system(remove), 0);
    free(t);
    return 0;
}

static inline status load(scene *t, const char *written, const declaration_options *o)
{
    declaration_free(t->d);
    t->d = NULL;
    spill("study.cfg", written);
    return declaration_load(t->r, "study.cfg", o, &t->d, &t->err);
}

static inline const declaration *loaded(scene *t, const char *written)
{
    const status st = load(t, written, NULL);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    return t->d;
}

/* A study of two optimizers on blobs.cfg, with `more` in its block. */
static inline const char *comparison(const char *more)
{
    static char all[8192];
    snprintf(all, sizeof all,
        "study = {\n"
        "  compare = \"optimizers\";\n"
        "  contenders = (\n"
        "    { name = \"sgd\"; set = [\"optimizer.type=sgd\"]; search = "
        "\"optimizer.lr=1e-4..1:log\"; },\n"
        "    { name = \"adam\"; set = [\"optimizer.type=adam\"]; search = "
        "\"optimizer.lr=1e-5..1e-1:log\"; } );\n"
        "  workloads = ( { config = \"blobs.cfg\"; } );\n"
        "%s};\n",
        more);
    return all;
}

#endif
