/* Where the strategies of a study run: one fork server for all of them, at the level of the study's sandbox. */
#ifndef ASSAY_CORE_STUDY_STRATEGY_PLACE_H
#define ASSAY_CORE_STUDY_STRATEGY_PLACE_H

#include "search/strategy_job.h"
#include "declaration/declaration.h"

/* Of level none *out_sandbox is NULL: they run in this process. E_UNSUPPORTED: strict is not possible here, and there is no fallback. */
status strategy_place_open(const registry *r, const declaration *d, const char *program,
    search_place *out_place, sandbox **out_sandbox, error *err) MUST_CHECK;

#endif
