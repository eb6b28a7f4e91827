/* The inside of assay study show, shared by study_show.c (contenders) and study_trials.c (trials). */
#ifndef ASSAY_CORE_CLI_STUDY_SHOW_H
#define ASSAY_CORE_CLI_STUDY_SHOW_H

#include "cli/study.h"

enum { SHOWN_DIGITS = 4 };

typedef struct view {
    const open_study *s;
    const results *r;
    const declaration *d;
    const terminal *style;
    text *out;
    bool is_over; /* nothing is left to do */
} view;

/* The beginning of a line of the head. */
void view_label(const view *v, const char *name);

/* A cell of the last row; NaN leaves it empty. */
void view_number(table *t, size_t column, double v);

/* Of a plain search: the best trials, and the command that trains the best one. */
status view_plain(const view *v, error *err) MUST_CHECK;

/* Every trial. */
void view_trials(const view *v);

#endif
