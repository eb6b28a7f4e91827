/* Binding: a config group read against a table of hyperparameters into a struct. The same for
 * plugins and for the host's own blocks (`train`, `data.split`), so every key in a config file has
 * a type, range, default and doc. */
#ifndef ASSAY_CORE_REGISTRY_HYPER_H
#define ASSAY_CORE_REGISTRY_HYPER_H

#include <assay/hyper.h>

#include "base/error.h"
#include "config/config.h"

#include <stddef.h>

struct registry;

/* A table of rows as it came from a plugin (stride) or from the core (stride sizeof(assay_hyper)).
 */
typedef struct hyper_table {
    const assay_hyper *rows;
    size_t n, stride;
    size_t bytes; /* of the struct */
} hyper_table;

#define HYPER_TABLE(T, array) \
    ((hyper_table){ \
        array, sizeof(array) / sizeof((array)[0]), sizeof((array)[0]), sizeof(struct T) })

/* A table of keys that their room reads one by one: for docs, not for binding. */
#define HYPER_DOCS(array) \
    { \
        array, sizeof(array) / sizeof((array)[0]), sizeof((array)[0]), 0 \
    }

const assay_hyper *hyper_row(const hyper_table *t, size_t i);
const assay_hyper *hyper_find(const hyper_table *t, const char *name); /* NULL when absent */

/* Whether the table itself makes sense: names, offsets inside the struct and disjoint, defaults in
 * range, search range in valid range, choices. `what` names the component. */
status hyper_table_check(const hyper_table *t, const char *what, error *err) MUST_CHECK;

/* Whether every byte of the author's struct belongs to some row: what no row fills in would silently be 0. E_PLUGIN otherwise. Of a
 * table that hyper_table_check has passed. */
status hyper_check_covered(const hyper_table *t, error *err) MUST_CHECK;

/* Whether no row is named like a key that the host reads in the same block: `keys` (NULL-terminated, may be NULL) and `type`.
 * E_PLUGIN otherwise, naming the row. `kind`: whose block it is. */
status hyper_check_keys(
    const hyper_table *t, const char *kind, const char *const *keys, error *err) MUST_CHECK;

typedef struct hyper_bind_options {
    const char *what; /* `optimizer "adam"`, `train`: for messages */
    const char *const
        *reserved; /* keys of the group that others read, NULL-terminated; may be NULL */
    struct registry *registry; /* for COMPONENT rows; NULL where there are none */
    uint64_t seed; /* of nested instances */
    const char *purpose; /* of nested instances' random numbers */
    const char *noun; /* what an unknown key is called; NULL: "hyperparameter" */
} hyper_bind_options;

/* Fills out_struct (t->bytes, zeroed here). Missing keys get their default, which is also added to
 * the tree, so that the tree is the resolved config. Paths (ASSAY_PATH) become absolute, in the
 * tree too. Lists and strings live in the config's arena. Unknown keys, wrong types, values out of
 * range: file:line, what was found, what was expected, did-you-mean. `group` is a VALUE_GROUP.
 * Nested instances are made and handed back in *out_nested (a NULL-terminated array in the config's
 * arena, or NULL). */
struct instance;
status hyper_bind(config *c, value *group, const hyper_table *t, const hyper_bind_options *o,
    void *out_struct, struct instance ***out_nested, error *err) MUST_CHECK;

/* Whether `v` is in the valid range of a REAL or INT row or of the items of a list. */
bool hyper_in_range(const assay_hyper *row, double v);

/* For docs: "real", "whole number", "one of a | b"; "0.9"; "[0, 1)". Added to `t`. */
void hyper_type_text(const assay_hyper *row, text *t);
void hyper_default_text(const assay_hyper *row, text *t);
void hyper_range_text(const assay_hyper *row, text *t);

#endif
