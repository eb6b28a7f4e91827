/* What the commands of studies share: finding a store, opening a study of it, its tables. */
#ifndef ASSAY_CORE_CLI_STUDY_H
#define ASSAY_CORE_CLI_STUDY_H

#include "cli/session.h"
#include "study/results.h"

/* A study of a store that is open. Zeroed before study_open. */
typedef struct open_study {
    const cli *cli;
    session session; /* its registry */
    arena memory;
    const char *path; /* of the store */
    store *store;
    store_study study;
    declaration *declaration;
} open_study;

/* A number of trials from which on it limits nothing: a budget of samples or seconds has as many. */
#define STUDY_UNLIMITED 1000000000

/* "studies/NAME.study", where a study of that name lies unless told otherwise. NULL when memory is out. */
const char *study_path(arena *a, const char *name);

/* Whether it is a file of SQLite. */
bool study_is_store(const char *path);

/* The store that `word` means: a file, or a name below studies/; NULL: the newest there. E_MISSING. `name` picks
 * one of several studies of a store; NULL: there is but one. */
status study_open(open_study *s, const cli *c, const char *word, const char *name, store_mode mode,
    error *err) MUST_CHECK;
void study_release(open_study *s);

/* Its trials, sorted in. */
status study_results(const open_study *s, results **out, error *err) MUST_CHECK;

/* Whether somebody runs it: it was claimed, its lease has not run out, and its owner is not known to be dead. */
bool study_is_at_work(const trial_row *t);
uint64_t study_n_at_work(const results *r);

/* "done", "stopped", "closed", "running", "stopping", "waiting" or, where trials were left by a host that is gone, "interrupted". */
const char *study_condition(const results *r, bool is_over);
/* Whether everything that the declaration wants has ended. Sees no further than its rows, so a tuning that ended early by its
 * budget counts as over when its winner has its evaluations, or nothing waits. */
bool study_is_over(const results *r);

/* -- text -- */

/* A number as tables show it: four significant digits (of 10000 to 999999 all before the point); "-" of NaN. */
void study_number(char out[48], double v);

/* One line of printable characters, whatever a store holds; cut to `most` columns (0: whole). */
void study_add_plain(text *t, const char *s, size_t most);

/* {"optimizer.lr": 0.01, "kind": "a"} as optimizer.lr=0.01 kind=a; `digits` 0: exactly. */
void study_add_params(text *t, const char *params, int digits);

/* How to look, and to go on: "assay study show NAME", or with the file's path where that is not where it is looked for. */
void study_add_command(text *t, const open_study *s, const char *what);

/* -- tables -- */

enum { TABLE_COLUMNS = 16 };

/* Cells of text, columns as wide as they need; where the terminal is narrower those of least weight go. */
typedef struct table {
    arena memory;
    size_t n_columns, n_rows, capacity;
    struct {
        const char *title;
        bool is_right;
        int weight; /* 0: never left out */
        bool is_left_out;
        size_t width;
    } column[TABLE_COLUMNS];
    const char ***row; // [n_rows][TABLE_COLUMNS]
    bool has_failed;
} table;

/* The column's number. */
size_t table_column(table *t, const char *title, bool is_right, int weight);
void table_row(table *t);
/* Sets a cell of the last row. */
void table_cell(table *t, size_t column, const char *format, ...) PRINTF_LIKE(3, 4);
/* Adds it to `out`, and releases it. */
void table_end(table *t, const terminal *style, text *out);

/* The tables of `assay study show`, added to `out`. */
status study_show(const open_study *s, const results *r, const terminal *style, bool with_trials,
    text *out, error *err) MUST_CHECK;

/* -- options that several have -- */

#define STUDY_OPTION_NAME \
    { \
        "name", 0, "NAME", NULL, COMPLETE_NOTHING, "which study of a store that has several" \
    }

/* A whole number from 1 of an option; `otherwise` where it was not given. */
status option_count(
    const arguments *a, const char *name, unsigned otherwise, unsigned *out, error *err) MUST_CHECK;

#endif
