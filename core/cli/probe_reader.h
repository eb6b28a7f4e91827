/* The probes of a run: what train.probe has put into its metrics.jsonl, as numbers by quantity, slot, tensor and step. */
#ifndef ASSAY_CORE_CLI_PROBE_READER_H
#define ASSAY_CORE_CLI_PROBE_READER_H

#include "base/arena.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* One number of every probe, or with `bins` the histograms of the step that was asked for. */
typedef struct probe_series {
    const char *quantity; /* "weight_norm", "slot_cosine", "histogram", "dead", "noise_scale" */
    const char *slot; /* NULL: none */
    const char *of; /* a tensor or layer; NULL: of the step as a whole */
    double *value; /* [n_steps] NaN: not recorded */
    double *bins; /* [rows, cols] of a histogram */
    size_t rows, cols;
} probe_series;

typedef struct probe_history {
    size_t n_steps, n_series;
    uint64_t *step; /* [n_steps] */
    size_t shown; /* among the steps */
    probe_series *series;
} probe_history;

/* Reads <folder>/metrics.jsonl; everything is the arena's. `step` NULL: the last probe's histograms, otherwise those of *step. Errors:
 * E_USAGE: not the folder of a run; E_MISSING: no probes, or none at that step; E_CORRUPT with the line. */
status probe_history_read(
    const char *folder, const uint64_t *step, arena *a, probe_history *out, error *err) MUST_CHECK;

/* The series of that name, or NULL. */
const probe_series *probe_find(
    const probe_history *h, const char *quantity, const char *slot, const char *of);

#endif
