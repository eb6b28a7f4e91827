/* Bad input for the real program: a row says how one good thing is spoiled and what the program must say. */
#ifndef TEST_PROGRAM_BAD_INPUT_H
#define TEST_PROGRAM_BAD_INPUT_H

#include <stddef.h>

typedef struct bad_input {
    const char *name; /* of the row */
    const char *make; /* a line of shell (see scene_shell), run first; may be NULL */
    const char *was, *is; /* what is replaced in the good config, once; NULL: nothing */
    const char *words[8]; /* of the command line; NULL: train bad.cfg */
    int code;
    const char *
        says; /* all of stderr, masked as by scene_mask; "assay: error: " and the last line's end may be left out */
} bad_input;

/* Runs every row in a fresh folder that holds bad.cfg and t.csv and, below run/, a finished run of them: the exit code, stderr to the
 * letter, nothing on stdout, no run folder left behind. Fails at the end, having shown all rows that went wrong. */
void bad_inputs_check(const bad_input *rows, size_t n);

/* The same scene with nothing spoiled: the program trains. */
void good_input_check(void);

#define BAD_INPUTS_CHECK(rows) bad_inputs_check(rows, sizeof(rows) / sizeof((rows)[0]))

#endif
