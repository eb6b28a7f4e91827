/* A reported metric is declared twice. */
#include "bad.h"

static const assay_metric_row metrics[] = { { .name = "norm" }, { .name = "norm" } };

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, ASSAY_METRICS(metrics));
