/* The inside of assay train, shared by train.c, report.c (what is printed) and check.c (--dry-run, --overfit-one-batch). */
#ifndef ASSAY_CORE_CLI_TRAIN_H
#define ASSAY_CORE_CLI_TRAIN_H

#include "base/file.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "train/run_folder.h"

typedef struct train_job {
    const cli *cli;
    session session;
    progress progress;
    interrupt interrupt;
    run_folder *folder; /* NULL until it is made */
    const char *path; /* of the folder, for people */
    char checkpoints[4096]; /* read by the trainer while it runs */
    text notes; /* remarks from before there was a folder, each with its NUL */
    bool dry, overfit;
    run_result result;
    int code;
} train_job;

/* The opening: what is trained, on what, how. */
void describe_run(const train_job *j, bool resumed);

/* The end: why it stopped, numbers, where everything is, what to do next. The exit code of printing. */
int describe_end(const train_job *j, bool as_json);

/* Two steps of everything in a temporary folder; prints what would be done. */
status dry_run(train_job *j, error *err) MUST_CHECK;

/* Before the trainer is made: as many steps as it takes, no end by epochs. */
status overfit_settings(session *s, error *err) MUST_CHECK;

/* Trains on the first batch alone and judges; sets j->code. */
status overfit(train_job *j, error *err) MUST_CHECK;

#endif
