/* What a space is read by, inside the room: a draft of a dimension, which blocks, compact texts and tables of hyperparameters fill in. */
#ifndef ASSAY_CORE_SEARCH_SPACE_DRAFT_H
#define ASSAY_CORE_SEARCH_SPACE_DRAFT_H

#include "search/space.h"

/* A dimension as it was written. */
typedef struct draft {
    const char *name, *prefix; /* prefix: of the group it stands in */
    origin at;
    bool has_low, has_high;
    double low, high;
    bool is_whole; /* both ends are written as whole numbers */
    bool is_log, is_int, is_real, is_powers;
    double step; /* 0: none */
    double prior_mean, prior_sd; /* NaN: none */
    const char *choice[SPACE_MOST_CHOICES], *written[SPACE_MOST_CHOICES];
    size_t n_choices;
    const char *condition; /* "optimizer.type=sgd,adam"; NULL: none */
} draft;

draft draft_new(const char *name, const char *prefix, const origin *at);

/* Refuses it in the user's words, with its place. */
status draft_fail(const draft *d, status code, error *err, const char *format, ...)
    PRINTF_LIKE(4, 5);
#define REFUSE(d, err, code, ...) draft_fail(d, code, err, __VA_ARGS__)

/* A choice as it is called, and as a config has it. Copied. */
status draft_add_choice(
    space *s, draft *d, const char *text_of, const char *written, error *err) MUST_CHECK;
/* Judges it and makes it a dimension. */
status draft_add(space *s, draft *d, error *err) MUST_CHECK;

/* In place: spaces out that are not quoted; quotes off. */
void spec_strip(char *written);
char *spec_unquoted(char *s);

/* space_text.c: "1e-4..1e-1:log?optimizer.type=sgd", which is cut to pieces; dimensions whose names get a prefix. */
status draft_add_spec(space *s, draft *d, char *spec, error *err) MUST_CHECK;
status space_add_text_below(
    space *s, const char *written, const char *prefix, const origin *at, error *err) MUST_CHECK;

#endif
