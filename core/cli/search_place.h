/* Where `assay search` runs its strategy: --sandbox and --debug. */
#ifndef ASSAY_CORE_CLI_SEARCH_PLACE_H
#define ASSAY_CORE_CLI_SEARCH_PLACE_H

#include "cli/session.h"
#include "search/strategy_job.h"

/* What to do about what was asked for. */
typedef struct place_choice {
    sandbox_level level; /* NONE: in this process */
    bool is_less; /* than strict, which was not possible: say so */
} place_choice;

/* `wanted` is one of PLACE_NAMES, `lacking` why strict is not possible ("": it is), `brought` the component that is not one of assay's own (NULL:
 * all are). E_UNSUPPORTED: strict is asked for or needed, and not possible. */
status place_choose(const char *wanted, const char *lacking, const char *brought, place_choice *out,
    error *err) MUST_CHECK;

#define PLACE_NAMES "auto|strict|process|none"

/* The name of a component in the blocks that does not come from assay's own folders; NULL: they all do. Nothing is loaded. */
const char *place_find_brought(const registry *r, const value *strategy, const value *pruner);

/* Opens the sandbox that is asked for, if any: *out is NULL where the strategy runs in this process. */
status place_open(const cli *c, const arguments *a, const session *s, sandbox **out,
    search_place *out_place, error *err) MUST_CHECK;

#endif
