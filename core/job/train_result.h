/* What the worker writes of a training's result and the host does not name. Private to the room. */
#ifndef ASSAY_CORE_JOB_TRAIN_RESULT_H
#define ASSAY_CORE_JOB_TRAIN_RESULT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Behind the head: what the host may look at while the job runs. All ones at first, as the whole region is. */
typedef struct train_live {
    _Atomic uint64_t n_rows; /* that are whole */
    _Atomic uint64_t n_samples; /* forward, so far */
} train_live;

size_t train_live_at(void); /* bytes from the front of the result */

#endif
