/* What the files of the csv dataset share: what the columns of its tables mean. */
#ifndef ASSAY_PLUGINS_DATASET_CSV_SOURCE_H
#define ASSAY_PLUGINS_DATASET_CSV_SOURCE_H

#include "../shared/csv_table.h"

enum { TASK_AUTO, TASK_CLASS, TASK_REAL, TASK_BINARY };
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

/* Where the columns are in one of the files. */
struct mapping {
    size_t *at; /* column i of the main table is column at[i] here; SIZE_MAX: there is none */
    bool unlabelled; /* a target is not there: its rows are to be predicted */
};

/* A row that is kept. */
struct place {
    size_t table, row;
};

struct source {
    assay_ctx *ctx;
    const struct csv *hyper;
    assay_data *out;
    struct table table[N_TABLES];
    struct mapping mapping[N_TABLES];
    struct column *column;
    size_t n_columns;
    size_t *target; /* [n_targets] columns, in the order of the config */
    size_t n_targets;
    struct place *place;
    size_t n_places;
};

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

#endif
