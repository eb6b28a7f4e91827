/* A parameter group's `match`: a pattern, or a list of patterns that must all fit; NULL fits every tensor. A pattern is "role:bias",
 * "place:hidden", "dims:2", or one of names with * and ?. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_MATCH_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_MATCH_H

#include <assay/tensor.h>

#include "config/config.h"

#include <stdbool.h>

/* Errors: E_TYPE, E_UNKNOWN (no such role or place), E_RANGE (dimensions). */
status match_check(const value *match, error *err) MUST_CHECK;

/* Of one that match_check has passed. */
bool match_fits(const value *match, const assay_tensor *t);

const char *match_role_name(uint32_t role);
const char *match_place_name(uint32_t place);

#endif
