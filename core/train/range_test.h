/* The range test of a learning rate (Smith 2015, Cyclical learning rates, section 3.3): some hundred updates during which the
 * rate grows from nothing to too much, and what the loss says to it. */
#ifndef ASSAY_CORE_TRAIN_RANGE_TEST_H
#define ASSAY_CORE_TRAIN_RANGE_TEST_H

#include "train/trainer.h"

typedef struct range_options {
    double from, to; /* 0 < from < to */
    size_t n_steps; /* at least RANGE_LEAST_STEPS */
    double smoothing; /* of the moving average, in [0, 1) */
    double blow_up; /* ends where the smoothed loss is more than this many times the lowest, > 1 */
} range_options;

enum { RANGE_LEAST_STEPS = 20 };

/* 1e-7 to 10 in 200 steps, smoothed by 0.9, up to 4 times the lowest loss. */
range_options range_options_usual(void);

/* One update: made at `lr`, on a batch whose loss before it was `loss`. */
typedef struct range_point {
    double lr, loss;
    double
        smooth; /* exponential moving average of the losses up to here, corrected for its start */
} range_point;

typedef enum range_end {
    RANGE_DONE, /* all steps */
    RANGE_BLEW_UP, /* the loss rose too far */
    RANGE_NOT_FINITE, /* loss, gradient or weights are not numbers any more */
    RANGE_INTERRUPTED,
} range_end;

/* What is doubtful about a curve; any of them together. */
enum {
    RANGE_FLAT = 1, /* no fall that stands out from the noise: no suggestion */
    RANGE_RISES = 2, /* no fall, and it blows up: no suggestion */
    RANGE_STEEP_AT_START = 4, /* the loss falls fastest where the interval begins */
    RANGE_LOWEST_AT_END = 8, /* the loss still falls where the interval ends */
};

/* Rates are NaN where there is none. steepest <= lowest <= last. */
typedef struct range_finding {
    unsigned doubts;
    double start_loss; /* the mean of the first tenth */
    double noise; /* standard deviation of the smoothed loss there */
    size_t i_lowest, i_steepest; /* points; of the smoothed loss, and of its fall per decade */
    double steepest; /* rate: the loss falls fastest here */
    double lowest; /* rate: the smoothed loss is lowest */
    double tenth_of_lowest; /* not below the first rate */
    double falls_from; /* rate: a tenth of the whole fall is done; the lower bound of a cycle */
} range_finding;

typedef struct range_result {
    range_point *points; /* [n] */
    size_t n;
    range_end end;
    char why[256]; /* RANGE_NOT_FINITE: what was not */
    range_finding found;
} range_result;

/* What a config must say before trainer_new: `schedule` is taken out, and the run is as long as the test. */
status range_test_prepare(config *c, const range_options *o, error *err) MUST_CHECK;

/* Moves a new trainer along the rates; afterwards its weights are spent. With several parameter groups the rate is that of
 * the first one, and the others keep their ratio to it. E_RANGE: options; E_UNSUPPORTED: the optimizer has no `lr` that can
 * be driven; E_CONFLICT: a schedule drives it already. Records of progress go to the trainer's sink. */
status range_test_run(trainer *t, const range_options *o, range_result *out, error *err) MUST_CHECK;
void range_result_release(range_result *r);

/* Judges n points: what range_test_run does at its end. */
range_finding range_test_judge(const range_point *p, size_t n, range_end end, double smoothing);

#endif
