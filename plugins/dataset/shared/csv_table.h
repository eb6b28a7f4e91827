/* Tables of cells from CSV files, for every dataset that reads them. The sources are in csv/: table.c, names.c, cell.c, number.c. */
#ifndef ASSAY_PLUGINS_DATASET_SHARED_CSV_TABLE_H
#define ASSAY_PLUGINS_DATASET_SHARED_CSV_TABLE_H

#include <assay/plugin.h>

#include <stdbool.h>

enum { HEADER_AUTO, HEADER_YES, HEADER_NO };

/* The choices of `header`, in the order of HEADER_..., and the rows that every dataset with tables has. */
#define TABLE_HEADER_CHOICES \
    { \
        "auto", "yes", "no" \
    }
#define TABLE_HYPERS(T, headers_) \
    ASSAY_STRING(T, separator, ",", "between fields: one character, tab, or auto"), \
        ASSAY_ENUM(T, header, HEADER_AUTO, headers_, \
            "whether the first row names the columns; auto: if no field of it is a number or " \
            "comes twice"), \
        ASSAY_STRINGS(T, missing_values, "? NA N/A NaN nan", \
            "what stands for a missing value, besides nothing at all")

/* One file. Cells are NUL-terminated in `text`, row after row. */
struct table {
    const char *key; /* the hyperparameter that named it */
    const char *path; /* NULL: no such file was asked for */
    const char *name; /* the path's last part, for messages */
    char separator;
    char *text;
    size_t *cell; /* [n_rows, n_columns], places in `text` */
    size_t *line; /* [n_rows], from 1 */
    size_t n_rows, n_columns;
    size_t first_row; /* 1 below a header */
    const char **column; /* [n_columns] names, in the instance's memory; NULL before table_names */
};

/* What returns int returns ASSAY_OK or what host->fail gave. */

/* number.c. A decimal number and nothing else but blanks around it; infinities and hexadecimals are not numbers. The
 * calling thread's LC_NUMERIC must be that of "C": see number_in_c_locale. */
bool number_parse(const char *s, double *out);
/* Calls work(arg) with this thread's LC_NUMERIC as in "C"; what it returned. */
int number_in_c_locale(assay_ctx *ctx, int (*work)(void *arg), void *arg);

/* table.c. `path` and `key` are set; `separator` 0 finds it out, `header` is HEADER_... */
int table_read(assay_ctx *ctx, struct table *t, char separator, int64_t header);
void table_free(struct table *t);
const char *table_cell(const struct table *t, size_t row, size_t column);
/* "digits.csv:17: ..." with the file's hyperparameter; line 0 is the file as a whole. */
int table_fail(assay_ctx *ctx, int code, const struct table *t, size_t line, const char *format,
    ...) __attribute__((format(printf, 5, 6)));
/* Reports that memory is out. */
int table_nomem(assay_ctx *ctx);
/* The character that the hyperparameter `separator` means, 0 for auto, -1 for what cannot be one; and the complaint. */
int table_separator(const char *text);
int table_check_separator(assay_ctx *ctx, const char *text);

/* names.c. t->column: from the header, else numbers from 0. */
int table_names(assay_ctx *ctx, struct table *t);
/* By name, as "last", or by number from 0; `key` is the hyperparameter that asks. */
int table_find_column(
    assay_ctx *ctx, const struct table *t, const char *key, const char *name, size_t *out);

/* cell.c */
bool table_is_missing(const assay_strings *missing_values, const char *cell);
/* How many cells of a column are not missing, and how many of these are numbers. */
size_t table_count_numbers(const struct table *t, const assay_strings *missing_values,
    size_t column, size_t *out_n_numbers);
/* A cell (NULL: missing) as a number that a float holds; what is none is reported with file, line and column, and
 * `remedy` says what to do then. */
int table_number(assay_ctx *ctx, const struct table *t, size_t line, const char *column,
    const char *cell, const char *remedy, double *out);

#endif
