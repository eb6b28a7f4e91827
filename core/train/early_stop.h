/* Early stopping: pure bookkeeping over the recorded curve of a monitored value. */
#ifndef ASSAY_CORE_TRAIN_EARLY_STOP_H
#define ASSAY_CORE_TRAIN_EARLY_STOP_H

#include "base/record.h"
#include "train/options.h"

typedef struct early_stop {
    struct early_stop_options options;
    bool larger_is_better;
    double *curve; /* [n] monitored values, one per check */
    double *training; /* [n] the training loss between checks: of pq */
    size_t n, capacity;
    size_t best; /* index of the best check; n_none when there is none yet */
    size_t since_best; /* checks since the best one */
    size_t rising; /* strips in a row that rose (up) */
    size_t calls; /* validations seen; checks are every `every`-th */
} early_stop;

#define EARLY_STOP_NONE ((size_t)-1)

/* `larger_is_better` settles mode "auto". */
void early_stop_init(early_stop *e, const struct early_stop_options *o, bool larger_is_better);
void early_stop_release(early_stop *e);

/* One validation: the monitored value and the training loss since the last one. Says whether it is the best so far
 * and whether to stop (STOP_NONE, STOP_EARLY, STOP_TARGET, STOP_DIVERGED). */
status early_stop_check(early_stop *e, double monitored, double training, bool *out_best,
    stop_reason *out_stop, error *err) MUST_CHECK;

/* Prechelt 1998, "Early stopping - but when?", for curves where smaller is better.
 * GL(t) = 100 (E(t) / min E - 1). */
double prechelt_gl(const double *validation, size_t n);
/* P_k(t) = 1000 (mean of the last k training errors / their minimum - 1). */
double prechelt_progress(const double *training, size_t n, size_t k);

#endif
