/* The rooms that read the blocks keep their keys; here they are found by kind. */
#include "train/block_keys.h"

#include "data/dataset.h"
#include "model/model.h"
#include "train/evaluator.h"
#include "train/optimizer.h"
#include "train/scheduler.h"

#include <string.h>

const char *const *block_keys(const char *kind)
{
    const struct {
        const char *kind;
        const char *const *keys;
    } known[] = {
        { ASSAY_KIND_OPTIMIZER, optimizer_keys },
        { ASSAY_KIND_SCHEDULE, schedule_keys },
        { ASSAY_KIND_LAYER, layer_keys },
        { ASSAY_KIND_METRIC, metric_keys },
        { ASSAY_KIND_DATASET, data_keys },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].kind, kind) == 0) {
            return known[i].keys;
        }
    }
    return NULL;
}
