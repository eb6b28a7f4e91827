/* What the files of the npy dataset share: its arrays, and what the config says about them. */
#ifndef ASSAY_PLUGINS_DATASET_NPY_SOURCE_H
#define ASSAY_PLUGINS_DATASET_NPY_SOURCE_H

#include "../shared/npy_array.h"

enum { TASK_AUTO, TASK_CLASS, TASK_REAL, TASK_BINARY };
enum { MAIN, VALIDATION, TEST, N_SETS };

struct npy {
    const char *x, *y, *validation_x, *validation_y, *test_x, *test_y;
    int64_t task, classes, vocabulary;
    double scale;
};

struct source {
    assay_ctx *ctx;
    const struct npy *hyper;
    struct array x[N_SETS], y[N_SETS];
    uint64_t n_samples;
};

/* features.c and target.c. Fill in their fields of `out`. */
int features_make(struct source *s, assay_data *out);
int targets_make(struct source *s, assay_data *out);

#endif
