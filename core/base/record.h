/* Plain records: what a run says about itself. `train` emits them to a sink, which may be a run folder,
 * a progress bar, or later a study's store; neither side knows the other. */
#ifndef ASSAY_CORE_BASE_RECORD_H
#define ASSAY_CORE_BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* Why a run ended. Values are written into files: never renumber. */
typedef enum stop_reason {
    STOP_NONE = 0, /* still running */
    STOP_EPOCHS = 1, /* the planned epochs or steps are done */
    STOP_EARLY = 2, /* early stopping */
    STOP_TARGET = 3, /* the monitored metric reached its target */
    STOP_TIME = 4, /* the wall-clock budget is used up */
    STOP_DIVERGED = 5, /* NaN or infinity */
    STOP_INTERRUPTED = 6, /* the user said so; resumable */
} stop_reason;

const char *stop_reason_name(stop_reason r);

/* The same for people: "all epochs are done". */
const char *stop_reason_text(stop_reason r);

typedef enum record_kind {
    RECORD_START, /* once, before the first step (or after a resume) */
    RECORD_STEP, /* every train.log_every steps: running training loss, learning rate */
    RECORD_PROGRESS, /* the same, several times a second, for a display alone */
    RECORD_EVALUATION, /* metrics of a split, at a check */
    RECORD_EPOCH, /* an epoch ended: its running loss */
    RECORD_NOTE, /* a warning or remark for the user, in `text` */
    RECORD_END, /* once: why it ended, and the final numbers */
    RECORD_PROBE, /* every train.probe.every steps: a look inside the step */
} record_kind;

/* One named number. A matrix-valued metric has `rows` x `cols` values at `matrix`. */
typedef struct record_value {
    const char *name; /* "loss", "validation.accuracy", "lr" */
    double value;
    const double *matrix; /* [rows, cols] or NULL */
    size_t rows, cols;
} record_value;

/* What has been spent so far; counted by the host. */
typedef struct budget {
    uint64_t steps; /* optimizer updates */
    uint64_t samples_forward; /* samples through forward while training, closures included */
    uint64_t samples_backward;
    uint64_t closure_evaluations;
    uint64_t samples_evaluated; /* in validation and test */
    double cpu_s, wall_s, optimizer_s;
} budget;

typedef struct record {
    record_kind kind;
    uint64_t step; /* updates done */
    uint64_t epoch; /* epochs begun, from 1 */
    double epoch_place; /* epochs done as a real number */
    uint64_t total_steps; /* planned horizon; 0 when unknown */
    uint64_t n_epochs; /* planned; 0 when unknown */
    const char *split; /* of an evaluation: "training", "validation", "test" */
    const record_value *values;
    size_t n_values;
    const budget *spent;
    stop_reason stop; /* of RECORD_END */
    const char *text; /* a note; why it diverged */
    int is_best; /* of an evaluation: the best so far */
    int is_final; /* of an evaluation: at the final weights, after the run */
} record;

/* Where records go. `emit` copies what it keeps. */
typedef struct record_sink {
    void (*emit)(void *self, const record *r);
    void *self;
} record_sink;

#endif
