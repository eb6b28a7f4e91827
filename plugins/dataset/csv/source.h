/* What the files of the csv dataset share: tables of cells, and what their columns mean. */
#ifndef ASSAY_PLUGINS_DATASET_CSV_SOURCE_H
#define ASSAY_PLUGINS_DATASET_CSV_SOURCE_H

#include <assay/plugin.h>

#include <stdbool.h>

enum { TASK_AUTO, TASK_CLASS, TASK_REAL, TASK_BINARY };
enum { HEADER_AUTO, HEADER_YES, HEADER_NO };
enum { MISSING_ERROR, MISSING_DROP, MISSING_MEAN };
enum { TABLE_MAIN, TABLE_VALIDATION, TABLE_TEST, N_TABLES };

struct csv {
    const char *file, *validation_file, *test_file;
    const char *target;
    assay_strings targets;
    int64_t task;
    const char *separator;
    int64_t header, missing;
    assay_strings missing_values, drop, categorical;
    const char *weight, *group;
};

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
    size_t *map; /* column i of the main table is column map[i] here; SIZE_MAX: there is none */
    bool unlabelled; /* a target is not there: its rows are to be predicted */
};

/* One different value of a column. */
struct category {
    const char *text;
    double value; /* where all are numbers */
};

/* The different values of a column, sorted: by value where all are numbers, else by bytes. */
struct categories {
    struct category *item;
    size_t n;
    bool is_numeric;
};

enum role { ROLE_FEATURE, ROLE_TARGET, ROLE_WEIGHT, ROLE_GROUP, ROLE_DROPPED };

struct column {
    const char *name;
    enum role role;
    bool is_category;
    struct categories categories; /* of a feature or target that is one */
    bool warned; /* about a category that the main file does not have */
};

/* A row that is kept. */
struct place {
    size_t table, row;
};

struct source {
    assay_ctx *ctx;
    const struct csv *hyper;
    struct table table[N_TABLES];
    struct column *column;
    size_t n_columns;
    size_t *target; /* [n_targets] columns, in the order of the config */
    size_t n_targets;
    struct place *place;
    size_t n_places;
};

/* number.c. A decimal number and nothing else but blanks around it; infinities and hexadecimals are not numbers. The
 * calling thread's LC_NUMERIC must be that of "C". */
bool number_parse(const char *s, double *out);

/* table.c. Both return ASSAY_OK or what host->fail gave. `separator` 0 finds it out, `header` is HEADER_... */
int table_read(assay_ctx *ctx, struct table *t, char separator, int64_t header);
void table_free(struct table *t);
const char *table_cell(const struct table *t, size_t row, size_t column);
/* "digits.csv:17: ..." with the file's hyperparameter; line 0 is the file as a whole. */
int table_fail(assay_ctx *ctx, int code, const struct table *t, size_t line, const char *format,
    ...) __attribute__((format(printf, 5, 6)));

/* columns.c. The main table's columns: names, roles, kinds; and where they are in the other files. */
int columns_make(struct source *s);
/* The cell of a main table's column in any table; NULL when it is missing. */
const char *source_cell(const struct source *s, size_t table, size_t row, size_t column);
/* The cell as a number; what is not one is reported with file, line and column. */
int source_number(const struct source *s, size_t table, size_t row, size_t column, double *out);
/* Fails about a cell: `digits.csv:17: column "p3": ...`. */
int source_fail(const struct source *s, size_t table, size_t row, size_t column, const char *format,
    ...) __attribute__((format(printf, 5, 6)));
/* Text in the instance's memory, or NULL. */
char *source_text(const struct source *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* categories.c. */
int categories_make(const struct source *s, size_t column, struct categories *out);
/* Its index, or SIZE_MAX. */
size_t categories_find(const struct categories *c, const char *cell);
/* As written; numbers in their shortest form, so that 1 and 1.0 have one name. */
void categories_name(const struct categories *c, size_t i, char *out, size_t n);

/* features.c. Fills in the x and feature fields of `out`, for the kept rows. */
int features_make(struct source *s, assay_data *out);

/* target.c. Fills in the target fields of `out`, for the kept rows. */
int target_make(struct source *s, assay_data *out);

/* Reports that memory is out. */
int source_nomem(assay_ctx *ctx);

#endif
