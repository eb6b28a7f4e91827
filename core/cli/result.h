/* Numbers as people and programs read them: what a run or an evaluation came to. */
#ifndef ASSAY_CORE_CLI_RESULT_H
#define ASSAY_CORE_CLI_RESULT_H

#include "base/json.h"
#include "cli/progress.h"
#include "train/trainer.h"

/* A table with a row per metric and a column per part: `0.9733 ± 0.0049` where a metric has a standard error. Of a share of
 * 0 or 1, whose estimated error is 0 however few the rows, it is the one-sided 95 % bound: `1.0000 (≥ 0.9050)`. Parts without
 * values are left out. */
typedef struct result_column {
    const char *title;
    const part_values *values;
    double rows; /* that count, see result_rows; 0: not known, then there is no bound */
} result_column;

void result_table(const result_column *columns, size_t n_columns, const terminal *style, text *t);

/* How many rows of a part count: (sum w)^2 / sum w^2 (Kish's effective size); 0: none, so there is nothing to judge by. */
double result_rows(const dataset *d, part p);

/* {"loss": 0.1, "accuracy": 0.97, "accuracy_se": 0.01} */
void result_json(json *j, const part_values *v);

/* A matrix with a row per true class. */
void result_matrix(const char *name, const record_value *v, const assay_data *d, text *t);

#endif
