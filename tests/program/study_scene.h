/* Studies of a shell script, which takes a moment and gives a number: what the commands do with a study, not what trials do. */
#ifndef ASSAY_TESTS_PROGRAM_STUDY_SCENE_H
#define ASSAY_TESTS_PROGRAM_STUDY_SCENE_H

#include "support/program_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A parabola of its first argument's tenfold, with the seed in the last digits; while the file `slow` is there it takes a while,
 * and it fails beyond 0.5. */
static const char script_text[] =
    "#!/bin/sh\n"
    "[ -e slow ] && sleep 0.25\n"
    "awk -v x=\"$1\" -v seed=\"$2\" 'BEGIN {\n"
    "    if (x > 0.5) { print \"beyond the edge\" > \"/dev/stderr\"; exit 3 }\n"
    "    y = (10 * x - 1.375) ^ 2 + (seed % 97) / 1e5\n"
    "    print \"{\\\"step\\\": 1, \\\"loss\\\": \" y + 1 \"}\"\n"
    "    print \"{\\\"step\\\": 2, \\\"loss\\\": \" y \"}\"\n"
    "}'\n";

static const char search_text[] =
    "study = {\n"
    "    workloads = ( { name = \"w\"; type = \"command\";\n"
    "        command = ( \"./script.sh\", \"{x}\", \"{seed}\" ); } );\n"
    "    search = \"x=0.0..1.0\";\n"
    "    metric = \"loss\"; strategy = \"random\"; budget = { trials = 12; }; seed = 5;\n"
    "};\n";

static inline void study_scene(scene *s)
{
    scene_init(s);
    scene_write(s, "script.sh", script_text);
    scene_write(s, "search.cfg", search_text);
    scene_shell(s, "chmod +x script.sh");
}

static inline void has(const char *where, const char *what)
{
    const char *said = where ? where : "nothing";
    if (!strstr(said, what)) GIVE_UP("expected %s\n     got %s", what, said);
}

static inline void has_not(const char *where, const char *what)
{
    if (where && strstr(where, what)) GIVE_UP("%s is in %s", what, where);
}

static inline void pause_ms(long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* Until a line of shell succeeds. */
static inline void wait_until(const scene *s, const char *line)
{
    char command[1024];
    snprintf(command, sizeof command,
        "for i in $(seq 600); do if %s; then exit 0; fi; sleep 0.05; done; exit 1", line);
    scene_shell(s, command);
}

#endif
