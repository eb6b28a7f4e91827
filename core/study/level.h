/* How much of the sandbox that a study asks for there is on this machine. */
#ifndef ASSAY_CORE_STUDY_LEVEL_H
#define ASSAY_CORE_STUDY_LEVEL_H

#include "declaration/declaration.h"

/* The level in effect. Strict, where it is not possible: process if the study says that it may fall back, or if it says "auto" and no plugin is
 * in reach that does not come with assay; else E_UNSUPPORTED, with what is missing and what to do. `program` as of sandbox_options. */
status study_level(const declaration *d, const sandbox_state *s, const char *program,
    sandbox_level *out, error *err) MUST_CHECK;

#endif
