/* What a run recorded, as arrays: columns of its metrics.csv. */
#ifndef ASSAY_CORE_CLI_RUN_CURVES_H
#define ASSAY_CORE_CLI_RUN_CURVES_H

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>

typedef struct run_curve {
    double *step, *value; /* [n] rows that have the number; NaN where it says so */
    size_t n;
} run_curve;

typedef struct run_curves {
    const char *folder;
    const char *name; /* its last part */
    uint64_t best_step; /* of the last check that was the best so far; 0: none */
    char *table; /* metrics.csv */
} run_curves;

/* Reads a run's records. E_MISSING: no such folder, or it is not a run's. */
status run_curves_open(const char *folder, arena *a, run_curves *out, error *err) MUST_CHECK;
void run_curves_close(run_curves *r);

/* One column, from the arena. Its n is 0 where there is none of that name. */
status run_curves_column(
    const run_curves *r, const char *name, arena *a, run_curve *out, error *err) MUST_CHECK;

/* The names of all columns, from the arena, for complaints. */
status run_curves_names(
    const run_curves *r, arena *a, const char *const **out, size_t *out_n, error *err) MUST_CHECK;

#endif
