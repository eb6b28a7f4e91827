/* A program at work; private to runner_command.c (its life), runner_words.c (what it is started with), runner_lines.c (what it says). */
#ifndef ASSAY_CORE_STUDY_RUNNER_COMMAND_H
#define ASSAY_CORE_STUDY_RUNNER_COMMAND_H

#include "sandbox/tied.h"
#include "study/runner_internal.h"

#include <sys/types.h>

enum { LINE_BYTES = 64 * 1024, LAST_BYTES = 200 };

/* One of its two outputs. */
typedef struct stream {
    int fd; /* -1: closed */
    size_t n; /* bytes that wait for their line's end */
    bool is_long; /* in the middle of a line that is longer than the room */
    char bytes[LINE_BYTES];
} stream;

struct command {
    pid_t pid; /* 0: it is no more */
    int pidfd; /* -1: none */
    int refusal; /* to read what kept it from being run; -1: none */
    tied_words words;
    char **argv; // [TIED_WORDS + n_argv], the run's argv at its end
    bool has_exited; /* what it printed may still be there */
    size_t n_after; /* bytes read since */
    double begun_s, looked_s;
    outcome_class limit; /* it was ended for; OUTCOME_OK: it was not */
    uint64_t peak_bytes;
    char last_line[LAST_BYTES]; /* that was no metric: of standard error, where there is one */
    bool has_error_line;
    bool log_is_full;
    run_value last[RUN_MOST_NAMES]; /* the last value of each name */
    size_t n_last;
    double fidelity; /* the last that was told; NaN: none */
    uint64_t n_lines;
    bool is_out_of_memory; /* the host is */
    stream out, err;
    char strings[LINE_BYTES]; /* of a line of JSON */
};

/* runner_words.c: a word with what it names in place; in the run's memory, NULL where that is out. */
char *word_fill_in(run *n, const char *word);

/* runner_lines.c: takes what is there, at most some of it at a time; false: there may be more. */
bool lines_take(run *n);
/* What came without a line's end; and the last value of each name once more. */
void lines_end(run *n);

#endif
