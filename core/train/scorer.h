/* Loss and metrics of outputs that were made elsewhere, by components that come with assay alone. */
#ifndef ASSAY_CORE_TRAIN_SCORER_H
#define ASSAY_CORE_TRAIN_SCORER_H

#include "base/record.h"
#include "base/text.h"
#include "data/dataset.h"

typedef struct scorer scorer;

/* Whether a scorer would load the component of a block ("loss" or "metric") or of a name instead of one: whether it lies in the program's
 * own folders, and no other is named in it. Nothing is loaded. Errors as of registry_find; E_TYPE: it names none. */
status scorer_may_load(
    registry *r, const char *kind, const value *block, bool *out, error *err) MUST_CHECK;

/* Reads `loss`, `metrics` and `train` of the config. A component that does not lie in the program's own folders is not loaded: it is named
 * in `skipped` ("metric \"mine\""), which is added to, and counted. n_shards: what batches were cut into when the outputs were made. All
 * are borrowed. */
status scorer_new(registry *r, config *c, const dataset *d, size_t n_outputs, size_t n_shards,
    text *skipped, size_t *out_n_skipped, scorer **out, error *err) MUST_CHECK;
void scorer_free(scorer *s);

/* The numbers of a part; y as predictor_run gives it. Without a loss of its own there is no "loss" among them. */
status scorer_run(scorer *s, part p, const float *y, const record_value **out_values, size_t *out_n,
    error *err) MUST_CHECK;

#endif
