/* Rows of outputs beside targets, on watched memory, for the tests of losses and metrics. */
#ifndef ASSAY_SDK_CHECK_ROWS_H
#define ASSAY_SDK_CHECK_ROWS_H

#include "check/guard.h"
#include "check/subject.h"

#include <assay/loss.h>

/* What a loss or metric may be asked to compare. */
typedef struct task_case {
    const char *name; /* "3 real targets" */
    assay_task task;
} task_case;

const task_case *task_case_get(size_t i); /* NULL behind the last */
const task_case *task_mismatch_get(size_t i); /* where outputs and targets do not fit */

typedef struct row_set {
    const task_case *of;
    size_t n;
    guarded y, label, target, weight;
    assay_rows rows;
    snapshot was[4];
} row_set;

/* n rows, drawn by seed: y of both signs, every label, weights some of which are 0. */
status row_set_new(
    const task_case *of, size_t n, uint64_t seed, row_set *out, error *err) MUST_CHECK;
void row_set_free(row_set *s);

/* Outputs that say what the targets are: of classes and binary targets logits of +-12, or 0 and 1. */
void row_set_make_right(row_set *s, bool logits);

/* Rows [begin, begin + n) of it; borrowed. */
assay_rows row_set_part(const row_set *s, size_t begin, size_t n);

/* Rows of weight w, a whole number, w times over with weight 1. */
status row_set_repeat(const row_set *s, row_set *out, error *err) MUST_CHECK;

/* What a callback may only read is remembered and compared; NULL, or the name of what has changed. */
status row_set_watch(row_set *s, error *err) MUST_CHECK;
const char *row_set_changed(row_set *s);

/* Runs `run` for each setting and each task that `takes` says the component takes; skips where there is none. */
typedef struct task_run {
    const subject *subject;
    const char *settings;
    const task_case *of;
    specimen specimen;
    check_report *rep;
} task_run;

void each_task(
    const subject *s, int (*plan)(task_run *r), void (*run)(task_run *r), check_report *rep);

/* "softmax_xent with 4 classes, settings ..." for messages. */
const char *task_title(const task_run *r, char *out, size_t n);

#endif
