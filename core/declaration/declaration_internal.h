/* What the files of a declaration share. */
#ifndef ASSAY_CORE_DECLARATION_INTERNAL_H
#define ASSAY_CORE_DECLARATION_INTERNAL_H

#include "declaration/declaration.h"

/* A declaration that is being read. */
typedef struct reading {
    registry *r;
    declaration *d;
    value *study;
    const char *path; /* the file; NULL: it is read back */
    const declaration_options *o;
    const char **run_overrides; // [n_run_overrides]: those of `o` that are not of the study
    size_t n_run_overrides;
    bool compares; /* more than one contender */
    bool has_runs; /* a workload that trains */
} reading;

/* declaration_read.c: the block `study`, all but contenders and workloads. */

/* A group of that name below `parent`, made when it is not there. */
status study_group(config *c, value *parent, const char *name, value **out, error *err) MUST_CHECK;
/* A whole number that a key has when nothing was written. */
status study_default_int(
    config *c, value *group, const char *key, int64_t v, error *err) MUST_CHECK;
/* E_TYPE: what was expected of a value, and what it is. */
status study_fail_expected(
    const value *v, const char *what, const char *expected, error *err) MUST_CHECK;
/* A string, or a list of them, in the declaration's memory. */
status read_words(declaration *d, value *v, const char *what, const char *const **out,
    size_t *out_n, error *err) MUST_CHECK;
/* "digits" of "configs/digits.cfg". */
const char *config_base_name(arena *a, const char *path);
/* As a name of the store; `what` is whose. */
status check_store_name(
    const char *name, const char *what, const origin *at, error *err) MUST_CHECK;
status read_settings(reading *g, error *err) MUST_CHECK;
/* What needs contenders and workloads. */
status read_judgement(reading *g, error *err) MUST_CHECK;

/* declaration_limits.c: budget, fidelity, sandbox, retry. */
status read_limits(reading *g, error *err) MUST_CHECK;

/* declaration_workload.c */
status read_workloads(reading *g, error *err) MUST_CHECK;
/* What the settings of the study make of them. */
status finish_workloads(reading *g, error *err) MUST_CHECK;
/* Every place in {} of a program's words has a value from every contender. */
status check_commands(const declaration *d, error *err) MUST_CHECK;
/* What a run's config is, with the overrides of the workload and further ones in it. */
status workload_tree(
    const workload *w, const char *const *overrides, size_t n, config **out, error *err) MUST_CHECK;
/* config_override, but that an error says `at` and `what`. */
status override_at(
    config *c, const char *assignment, const origin *at, const char *what, error *err) MUST_CHECK;
/* Adds to a list of overrides. */
status add_override(declaration *d, workload *w, const char *assignment, error *err) MUST_CHECK;

/* declaration_paths.c: overrides that make relative paths absolute which do not begin in the folder of the workload's own file: those of files
 * that it includes, and those of its overrides, which begin in `folder`. */
status add_absolute_paths(reading *g, workload *w, const char *folder, error *err) MUST_CHECK;

/* declaration_contender.c */
/* Whether a strategy or pruner is there; from a file, not from a store, it must be. */
status check_component(reading *g, const value *v, const char *kind, error *err) MUST_CHECK;

status read_contenders(reading *g, error *err) MUST_CHECK;
status check_contenders(reading *g, error *err) MUST_CHECK;

/* declaration_compare.c */
status read_compare(reading *g, error *err) MUST_CHECK;
/* The path of an override: "+optimizer.lr=1" gives "optimizer.lr". */
const char *override_key(arena *a, const char *assignment);
/* Whether a key is `of` or below it; "optimizer[1].lr" is below "optimizer.lr", too. */
bool key_is_below(const char *key, const char *of);
bool key_is_permitted(const declaration *d, const char *key);
/* E_CONFLICT: contenders may not touch it. */
status check_key(const declaration *d, const contender *k, const char *key, const origin *at,
    error *err) MUST_CHECK;

/* declaration_metric.c */
/* The direction of a shipped metric by the last part of its name. */
status metric_direction(const declaration *d, const char *metric, bool *out_is_known,
    store_direction *out, error *err) MUST_CHECK;
status check_metric(const declaration *d, const char *metric, const char *key, const origin *at,
    error *err) MUST_CHECK;

/* declaration_types.c: what tables know of the names of a contender's space, while it is read. */
typedef struct typing {
    reading *g;
    const contender *contender; /* with its overrides */
    config *run;
    bool is_tried, ran_out; /* the run was made, or not; memory ran out */
} typing;
/* As space.is_real, with the typing for `self`. */
bool typing_is_real(void *self, const struct space *s, const char *name);
void typing_release(typing *t);

/* declaration_check.c: "optimizer.lr", "model[2].units" below `v`; NULL where it is not written. */
value *value_at(value *v, const char *path);

/* declaration_space.c */
/* The default space of the components of a run: of what contenders may touch, without what the contender sets. */
status default_space(reading *g, contender *k, const origin *at, error *err) MUST_CHECK;
/* A dimension in the compact form. E_UNSUPPORTED: a choice that the form does not hold. */
status dimension_text(const space *s, size_t i, text *t, error *err) MUST_CHECK;

/* declaration_text.c */
/* A file's text with its includes in it, line for line: what is included stands on the line that includes it. `study`: what to do
 * with the block of that name at the top. In the arena. */
status config_whole_text(
    arena *a, const char *path, bool drops_study, const char **out, error *err) MUST_CHECK;

/* declaration_write.c */
status write_declaration(const declaration *d, text *out, error *err) MUST_CHECK;

/* Whose fault it is, for messages: `contender "adam"`, of a plain search `study`; and `key` behind it. */
typedef struct label {
    char s[300];
} label;
label contender_label(const contender *k, const char *key);

/* " did you mean "x"?" or nothing, for messages. */
typedef struct guess {
    char s[96];
} guess;
guess guess_of(const char *word, const char *const *known, size_t n);

#endif
