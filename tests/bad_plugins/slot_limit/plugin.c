/* `limit` names a row that is no INT. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m", .shape = ASSAY_SLOT_ROWS_ROWS, .limit = "lr" } };

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SLOTS(slots));
