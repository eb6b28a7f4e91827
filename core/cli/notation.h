/* How the steps of a run stand in a text: tokens by their names, frames as the pianoroll data set reads them. */
#ifndef ASSAY_CORE_CLI_NOTATION_H
#define ASSAY_CORE_CLI_NOTATION_H

#include "train/run_input.h"

#include <stdio.h>

typedef struct notation {
    const run_input *input;
    size_t n; /* tokens, or features of a frame */
    bool bytes; /* tokens are bytes, named \xNN where they cannot be shown */
    bool is_fresh; /* nothing stands on the line yet */
} notation;

/* One step more at the end of what `to` has. */
void notation_put_token(notation *w, FILE *to, size_t token);
void notation_put_frame(notation *w, FILE *to, const float *frame);

/* The next token of a text, the longest that fits, and *at behind it; *out_more is false at the text's end. E_USAGE where none fits.
 * The tokens must have names. */
status notation_next_token(
    const notation *w, const char **at, size_t *out_token, bool *out_more, error *err) MUST_CHECK;

/* The same of frames[n] with spaces between them. */
status notation_next_frame(
    const notation *w, const char **at, float *frame, bool *out_more, error *err) MUST_CHECK;

/* The token after which a line begins; 0 where there is no such token. */
size_t notation_first(const notation *w);

#endif
