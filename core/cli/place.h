/* Where things lie that come with the program: beside it in a build tree, below its prefix in an installation. */
#ifndef ASSAY_CORE_CLI_PLACE_H
#define ASSAY_CORE_CLI_PLACE_H

#include "base/arena.h"
#include "base/error.h"

/* The folder of the running program. */
status place_of_program(arena *a, const char **out, error *err) MUST_CHECK;

/* The first that is there of two paths relative to the program's folder; NULL where there is neither. */
status place_find(
    arena *a, const char *built, const char *installed, const char **out, error *err) MUST_CHECK;

/* An example config as it is written on a command line here: "configs/NAME" in a source tree, else the path of the one that
 * comes with the program. NULL where there is none. */
const char *place_of_example(arena *a, const char *name);

#endif
