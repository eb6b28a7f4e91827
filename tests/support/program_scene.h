/* The real program as a user meets it: a folder of its own to work in, an environment of its own, a time limit, what it says
 * on either stream. */
#ifndef TEST_PROGRAM_SCENE_H
#define TEST_PROGRAM_SCENE_H

#include "base/text.h"

#include "support/plugin_fixture.h" /* GIVE_UP */

#include <stdbool.h>
#include <sys/types.h>

enum { SCENE_MAX_WORDS = 32, SCENE_TIME_LIMIT_S = 120 };

typedef struct scene {
    char dir
        [64]; /* where the program runs; removed at the end; in memory where the system has such */
    const char *build; /* of this test: <build>/assay is the program */
    const char *program; /* <build>/assay, until a test says otherwise */
    const char *plugin_path; /* ASSAY_PLUGIN_PATH; NULL: not set */
    text out, err; /* of the last program that was waited for */
    int code; /* its exit code; -signal when a signal ended it */
    int out_fd, err_fd; /* files without a name */
} scene;

void scene_init(scene *s);
void scene_release(scene *s);

/* "<dir>/<name>"; one of eight static buffers that take turns. */
const char *scene_path(const scene *s, const char *name);

void scene_write(const scene *s, const char *name, const char *content);

/* The whole file; free it. */
char *scene_read(const scene *s, const char *name, size_t *out_n);

bool scene_has(const scene *s, const char *name);

/* Runs a line of shell in the folder, with SOURCE, BUILD and DIR set; it must succeed. */
void scene_shell(const scene *s, const char *line);

/* Starts `words` (NULL-terminated; the program's name is not among them). */
pid_t scene_start(scene *s, const char *const *words);

/* Waits until it ends; after SCENE_TIME_LIMIT_S it is killed and the test given up. */
void scene_wait(scene *s, pid_t pid);

/* Both. scene_run(&s, "train", "x.cfg") */
void scene_run_words(scene *s, const char *const *words);
#define scene_run(s, ...) scene_run_words(s, (const char *const[]){ __VA_ARGS__, NULL })

/* The same, and the exit code must be `code`. */
void scene_expect(scene *s, int code);

/* `t` with the scene's folder as @DIR@, the build's as @BUILD@, the sources' as @SOURCE@ this host's draft hash as
 * @DRAFT@, and checksums as @HASH@. */
void scene_mask(const scene *s, text *t);

/* Both files of the folder have the same bytes; says which do not. */
bool scene_same_bytes(const scene *s, const char *name, const char *other);

#endif
