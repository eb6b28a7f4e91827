/* Hyperparameters: one table per component, bound by offset into the author's struct. The host reads the
 * config against it (types, ranges, did-you-mean, file and line), fills in defaults, prints it as docs, and
 * takes the default search space from it.
 *
 *     struct lion { double lr, beta1, beta2; };
 *     static const assay_hyper hypers[] = {
 *         ASSAY_LR(lion, 1e-4, 1e-5, 1e-2),
 *         ASSAY_REAL(lion, beta1, 0.9, 0, 1, "momentum used for the update", .flags = ASSAY_OPEN_MAX),
 *         ASSAY_REAL(lion, beta2, 0.99, 0, 1, "momentum kept as state", .flags = ASSAY_OPEN_MAX),
 *     };
 */
#ifndef ASSAY_HYPER_H
#define ASSAY_HYPER_H

#include "abi.h"

#include <math.h>

#ifdef __cplusplus
extern "C" {
#endif

/* assay_hyper.type, and what the author's struct holds at `offset`. */
#define ASSAY_TYPE_REAL 1u /* double */
#define ASSAY_TYPE_INT 2u /* int64_t */
#define ASSAY_TYPE_BOOL 3u /* int64_t, 0 or 1 */
#define ASSAY_TYPE_ENUM 4u /* int64_t, index into `choices` */
#define ASSAY_TYPE_STRING 5u /* const char *; NULL when there is no default and none was given */
#define ASSAY_TYPE_REALS 6u /* assay_reals */
#define ASSAY_TYPE_INTS 7u /* assay_ints */
#define ASSAY_TYPE_STRINGS 8u /* assay_strings */
#define ASSAY_TYPE_COMPONENT 9u /* const assay_instance *; NULL when none was given */

/* assay_hyper.flags */
#define ASSAY_OPEN_MIN 1u /* min itself is not valid */
#define ASSAY_OPEN_MAX 2u /* max itself is not valid */
#define ASSAY_LOG 4u /* search on a logarithmic scale */
#define ASSAY_TUNE 8u /* part of the default search space, from tune_min to tune_max */
#define ASSAY_SCHED 16u /* a schedule may drive it (REAL only) */
#define ASSAY_REQUIRED 32u /* has no default */
#define ASSAY_PATH 64u /* a STRING that is a path, relative to the file that holds it */
#define ASSAY_DEPRECATED 128u

/* Lists, as the author's struct holds them. */
typedef struct assay_reals {
    const double *item;
    uint64_t n;
} assay_reals;

typedef struct assay_ints {
    const int64_t *item;
    uint64_t n;
} assay_ints;

typedef struct assay_strings {
    const char *const *item;
    uint64_t n;
} assay_strings;

typedef struct assay_hyper {
    const char *name;
    uint64_t offset;
    uint64_t type;
    double def; /* REAL, INT, BOOL, ENUM (index); integers are exact up to 2^53 */
    double min, max; /* valid range of REAL and INT, and of each item of a list of them */
    const char *doc;
    uint64_t flags;
    double tune_min, tune_max; /* search range */
    const char *unit; /* "epochs", "samples"; NULL: a pure number */
    const char *const *choices;
    uint64_t n_choices;
    /* Of a STRING; of a COMPONENT the id of the default one; of a list its default items, separated by spaces. */
    const char *def_string;
    const char *kind; /* of a COMPONENT: "optimizer", "schedule", ... */
} assay_hyper;

#define ASSAY_INF HUGE_VAL

/* Rows. T is the tag of the author's struct, f the field and key; after the doc may follow further fields in the order
 * of the struct: .flags, .tune_min, .tune_max, .unit. Where the key cannot be a field, as `return` or `default`, write the row
 * out: { .name = "return", .offset = offsetof(struct T, last), .type = ASSAY_TYPE_ENUM, .max = n_choices - 1, ... }. */
#define ASSAY_REAL(T, f, default_, min_, max_, ...) \
    ASSAY_ROW_(T, f, double, ASSAY_TYPE_REAL, default_, min_, max_, __VA_ARGS__)
#define ASSAY_INT(T, f, default_, min_, max_, ...) \
    ASSAY_ROW_(T, f, int64_t, ASSAY_TYPE_INT, default_, min_, max_, __VA_ARGS__)
#define ASSAY_BOOL(T, f, default_, ...) \
    ASSAY_ROW_(T, f, int64_t, ASSAY_TYPE_BOOL, default_, 0, 1, __VA_ARGS__)

/* choices_ is an array of strings; default_ an index into it. */
#define ASSAY_ENUM(T, f, default_, choices_, ...) \
    { \
        .name = #f, .offset = ASSAY_OFFSET_(T, f, int64_t), .type = ASSAY_TYPE_ENUM, \
        .def = (default_), .min = 0, \
        .max = (double)(sizeof(choices_) / sizeof((choices_)[0]) - 1), .doc = __VA_ARGS__, \
        .choices = (choices_), .n_choices = sizeof(choices_) / sizeof((choices_)[0]) \
    }

/* default_ may be NULL: no default. */
#define ASSAY_STRING(T, f, default_, ...) \
    { \
        .name = #f, .offset = ASSAY_OFFSET_(T, f, const char *), .type = ASSAY_TYPE_STRING, \
        .def = 0, .min = 0, .max = 0, .doc = __VA_ARGS__, .def_string = (default_) \
    }

/* Lists; default_ is text ("0.5 0.75", "" for none). */
#define ASSAY_REALS(T, f, default_, min_, max_, ...) \
    ASSAY_LIST_ROW_(T, f, assay_reals, ASSAY_TYPE_REALS, default_, min_, max_, __VA_ARGS__)
#define ASSAY_INTS(T, f, default_, min_, max_, ...) \
    ASSAY_LIST_ROW_(T, f, assay_ints, ASSAY_TYPE_INTS, default_, min_, max_, __VA_ARGS__)
#define ASSAY_STRINGS(T, f, default_, ...) \
    ASSAY_LIST_ROW_(T, f, assay_strings, ASSAY_TYPE_STRINGS, default_, 0, 0, __VA_ARGS__)

/* A nested component that the host makes: kind_ is "optimizer", "schedule", ... */
#define ASSAY_COMPONENT(T, f, kind_, ...) \
    { \
        .name = #f, .offset = ASSAY_OFFSET_(T, f, const assay_instance *), \
        .type = ASSAY_TYPE_COMPONENT, .def = 0, .min = 0, .max = 0, .doc = __VA_ARGS__, \
        .kind = (kind_) \
    }

/* The learning rate of an optimizer whose struct has `double lr`. */
#define ASSAY_LR(T, default_, tune_min_, tune_max_) \
    ASSAY_REAL(T, lr, default_, 0, ASSAY_INF, "learning rate", \
        .flags = ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, .tune_min = (tune_min_), \
        .tune_max = (tune_max_))

/* The offset of a field; an array of negative size, which no compiler takes, where the field is not of that C type. */
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define ASSAY_OFFSET_(T, f, c_type) \
    (offsetof(struct T, f) + \
        0 * \
            sizeof(char[_Generic(((struct T *)0)->f, c_type : 1, default \
                                 : -1)]))
#else
#define ASSAY_OFFSET_(T, f, c_type) \
    (offsetof(struct T, f) + \
        0 * sizeof(char[sizeof(((struct T *)0)->f) == sizeof(c_type) ? 1 : -1]))
#endif

#define ASSAY_ROW_(T, f, c_type, type_, default_, min_, max_, ...) \
    { \
        .name = #f, .offset = ASSAY_OFFSET_(T, f, c_type), .type = (type_), .def = (default_), \
        .min = (min_), .max = (max_), .doc = __VA_ARGS__ \
    }
#define ASSAY_LIST_ROW_(T, f, c_type, type_, default_, min_, max_, ...) \
    { \
        .name = #f, .offset = ASSAY_OFFSET_(T, f, c_type), .type = (type_), .def = 0, \
        .min = (min_), .max = (max_), .doc = __VA_ARGS__, .def_string = (default_) \
    }

#ifdef __cplusplus
}
#endif

#endif
