/* A search space: named dimensions with ranges, and what a point of it means to a config, to a program and to a strategy.
 *
 * How a space is written. As a block, where nested groups spell the path of a key:
 *
 *     search = {
 *       optimizer = {
 *         type = ["sgd", "adam"];                       # a choice: strings, booleans, or three and more numbers
 *         lr = { low = 1e-5; high = 1e-1; log = true; prior = [1e-3, 1]; };
 *         momentum = { low = 0; high = 0.99; if = "optimizer.type = sgd"; };
 *       };
 *       train = { epochs = [1, 20]; };                  # two numbers are a range: whole ones of whole numbers
 *       units = { name = "model[2].units"; choices = [16, 32]; };
 *       data = { batch_size = "1..256:log2int"; };      # the compact form of one dimension
 *     };
 *
 * or compact, dimensions separated by spaces, as on a command line; `search` may be such a string, too:
 *
 *     optimizer.type=sgd,adam  optimizer.lr=1e-4..1e-1:log  optimizer.momentum=0..0.99?optimizer.type=sgd
 *
 *     LOW..HIGH                  whole numbers where both and the step are written as such, else reals; but reals all the same where
 *                                the reader knows that the name is a real number (space.is_real)
 *     A,B,C                      choices
 *     :log                       on a logarithmic scale
 *     :int  :real                whatever the ends look like
 *     :log2int                   the powers of two in the range, as choices in rising order
 *     :step=S                    low, low + S, low + 2 S, ... up to high
 *     :prior=MEAN/SD             what is expected; SD in the value's unit, or in decades with :log
 *     ?NAME=A,B                  only where choice NAME, written before this one, is A or B
 *
 * A dimension's name is what an override on the command line begins with. Choices keep how they were written: sgd, "1" and 1 are
 * a name, a text and a number.
 *
 * Without a block of its own a component has a default space: the rows of its table that are flagged ASSAY_TUNE.
 *
 * A point is a double per dimension as <assay/search.h> has them: of a choice its index, NaN where inactive. */
#ifndef ASSAY_CORE_SEARCH_SPACE_H
#define ASSAY_CORE_SEARCH_SPACE_H

#include "base/arena.h"
#include "base/json.h"
#include "base/json_in.h"
#include "config/config.h"
#include "registry/hyper.h"

#include <assay/search.h>

enum { SPACE_MOST_CHOICES = 64, SPACE_MOST_DIMENSIONS = 1000 };

typedef struct space {
    arena memory;
    assay_dimension *dimensions; /* [n], for a plan, with a stride of sizeof(assay_dimension) */
    const char *const *
        *written; /* [n][n_choices] of a CATEGORY: its choices as a config has them; else NULL */
    origin *at; /* [n] where each was written */
    size_t n, capacity;
    /* Asked of a range of whole numbers without a step, :int or :real: whether what it names is a real number, so that momentum=0..1
     * is what it seems to be. NULL: nothing is known of names. */
    bool (*is_real)(void *self, const struct space *s, const char *name);
    void *is_real_self;
} space;

void space_init(space *s);
void space_release(space *s);

/* Adds what a block (VALUE_GROUP), a compact text (VALUE_STRING) or a list of such texts says; `prefix` goes before every name
 * ("" or NULL: nothing). Errors name file and line: E_PARSE, E_TYPE, E_RANGE, E_UNKNOWN (a key, a parent, a choice, with
 * did-you-mean), E_CONFLICT (a name twice). After an error the space may only be released. */
status space_add_block(space *s, const value *block, const char *prefix, error *err) MUST_CHECK;

/* The same of a compact text; `at` is where it was written. */
status space_add_text(space *s, const char *written, const origin *at, error *err) MUST_CHECK;

/* The default space of a component: its rows flagged ASSAY_TUNE, by the name prefix.key ("optimizer.lr"). */
status space_add_hypers(
    space *s, const hyper_table *table, const char *prefix, error *err) MUST_CHECK;

/* The dimension of that name; s->n where there is none. */
size_t space_find(const space *s, const char *name);

/* How many points there are; INFINITY where a dimension is continuous. Points that differ in inactive dimensions alone count once. */
double space_count(const space *s);

/* Whether x[i] has a meaning: its parent, if it has one, is active and has one of the choices. Asks x[0..i) alone. */
bool space_is_active(const space *s, const double *x, size_t i);

/* Makes x[n] a point of the space: clips, rounds to steps, sets what is inactive to NaN, what is active and NaN to the middle. True
 * where that changed something. */
bool space_repair(const space *s, double *x);

/* 32 hex digits that two points share when they are the same; x is a point. */
void space_point_id(const space *s, const double *x, char out[33]);

/* What tells spaces apart: names, types, ranges, choices, conditions. 32 hex digits. */
status space_id(const space *s, char out[33], error *err) MUST_CHECK;

/* The value of dimension i as a config has it: 0.01, 32, sgd, "1"; added to `t`. x is not NaN. */
void space_value_text(const space *s, size_t i, double x, text *t);

/* "optimizer.lr=0.01", for config_override; added to `t`. */
void space_override(const space *s, size_t i, double x, text *t);

/* All active dimensions as overrides of a config. */
status space_apply(const space *s, const double *x, config *c, error *err) MUST_CHECK;

/* The active dimensions as an object {"optimizer.lr": 0.01, "optimizer.type": "sgd"}; numbers and booleans as such. */
void space_point_to_json(const space *s, const double *x, json *j);

/* Reads such an object into x[n]. A value outside of its range, an active dimension that is missing, an inactive or unknown one
 * that is there: errors, with did-you-mean. */
status space_point_from_json(const space *s, json_in *j, double *x, error *err) MUST_CHECK;

/* The dimensions as an array of objects, for a log or a program. */
void space_to_json(const space *s, json *j);

#endif
