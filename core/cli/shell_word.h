/* Words of a command line that somebody may copy. */
#ifndef ASSAY_CORE_CLI_SHELL_WORD_H
#define ASSAY_CORE_CLI_SHELL_WORD_H

#include "base/text.h"

/* The word as a shell takes it: as it is where that is safe, else in single quotes. */
void shell_word_add(text *t, const char *word);

#endif
