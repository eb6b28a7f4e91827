/* Working on a study: what `study run`, `study resume` and `worker` share. */
#ifndef ASSAY_CORE_CLI_STUDY_WORK_H
#define ASSAY_CORE_CLI_STUDY_WORK_H

#include "cli/study.h"
#include "cli/study_interrupt.h"
#include "cli/study_progress.h"

typedef struct study_work {
    cli *cli;
    const arguments *args;
    open_study s;
    study_interrupt interrupt;
    unsigned n_jobs; /* 0: as many as there are cores */
    bool is_new_store; /* made by this command */
    int code; /* of the program, where all went well */
} study_work;

#define STUDY_WORK_OPTIONS \
    { "jobs", 'j', "N", NULL, COMPLETE_NOTHING, "trials at once (default: as many as cores)" }, \
        { "debug", 0, NULL, NULL, COMPLETE_NOTHING, \
            "everything in this process, one trial at a time: for gdb and perf" }, \
        { "progress", 0, "HOW", "auto|bar|plain|none", COMPLETE_CHOICES, \
            "how progress is shown; auto: a bar on a terminal, lines elsewhere" }, \
    { \
        "json", 0, NULL, NULL, COMPLETE_NOTHING, "news and the result as lines of JSON" \
    }

/* Before anything else: reads the options, and listens for signals. */
status study_work_begin(study_work *w, error *err) MUST_CHECK;

/* Runs trials of the open study until nothing is left or somebody stops it, and shows what came of it (tells_all), or how far it is. */
status study_work_on(study_work *w, bool tells_all, error *err) MUST_CHECK;

/* Ends a command: releases everything, prints an error; the exit code. */
int study_work_end(study_work *w, status st, const error *err);

/* What would be run and what it would cost, added to `out`; nothing is stored. */
status study_plan(const open_study *s, const terminal *style, text *out, error *err) MUST_CHECK;

#endif
