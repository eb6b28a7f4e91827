/* The columns of metrics.csv: "step,epoch,wall_s" and one per number of the record. */
#ifndef ASSAY_CORE_TRAIN_RUN_TABLE_H
#define ASSAY_CORE_TRAIN_RUN_TABLE_H

#include "base/error.h"
#include "base/text.h"

#include <stddef.h>

/* Adds the first line to `out`. */
void run_table_header(const char *const *columns, size_t n, text *out);

/* Gives a table that is there other columns, those of a run that goes on with another set of metrics: what has the same name is
 * kept, new ones are empty so far, and others are dropped (metrics.jsonl keeps them). Leaves one that fits as it is. */
status run_table_fit(const char *path, const char *const *columns, size_t n, error *err) MUST_CHECK;

#endif
