/* The conformance kit: what a component must hold to, as named tests.
 *
 * A test is a row of a table and a function that looks at one component; it reports what it found and never prints, exits or
 * catches signals. `runner_run` runs each of them in a child process of its own, so that a crash, a hang or a runaway is a
 * result like any other; `check_here` runs one of them in this process, for a debugger. */
#ifndef ASSAY_SDK_CHECK_KIT_H
#define ASSAY_SDK_CHECK_KIT_H

#include "base/error.h"
#include "base/text.h"
#include "registry/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum check_outcome {
    CHECK_PASSED,
    CHECK_SKIPPED, /* does not apply to this component; the message says why */
    CHECK_WARNED,
    CHECK_FAILED,
} check_outcome;

/* A number that a test measured: "ns per parameter". */
typedef struct check_figure {
    const char *name, *unit; /* static text */
    double value;
} check_figure;

enum { CHECK_MAX_FIGURES = 16 };

/* What a test found. The worst outcome counts, and of those the first message. */
typedef struct check_report {
    check_outcome outcome;
    char message[1024]; /* what was expected, what was found, what to do */
    check_figure figure[CHECK_MAX_FIGURES];
    size_t n_figures;
} check_report;

void check_fail(check_report *r, const char *format, ...) PRINTF_LIKE(2, 3);
void check_warn(check_report *r, const char *format, ...) PRINTF_LIKE(2, 3);
void check_skip(check_report *r, const char *format, ...) PRINTF_LIKE(2, 3);
void check_measure(check_report *r, const char *name, double v, const char *unit);

/* Float arithmetic in another order moves a step by some 1e-7 of its length; a wrong constant by more than this. */
#define CHECK_TOLERANCE 2e-5

/* A component under test. */
typedef struct subject {
    registry *registry;
    const component *component; /* NULL in the tests of loading, which load it themselves */
    const char *path; /* of its file, as the user named it */
    uint64_t seed; /* of all that a test draws */
    double time_limit_s; /* of one test */
    const char *against; /* a recorded run that a port is held against; NULL: none */
    double tolerance; /* of a port, relative to a step's length; CHECK_TOLERANCE unless told */
    const char *kind, *id; /* of the component */
    const plugin_file *file;
} subject;

/* A test whose name ends in "_speed" measures time: it runs while no other does. */
typedef struct check_test {
    const char *name; /* "optimizer_chunks" */
    const char *kind; /* "optimizer"; NULL: every kind */
    const char *doc; /* what it holds the component to, one line */
    void (*run)(const subject *s, check_report *r);
} check_test;

/* The tests of one kind (one file or more each), ended by a row without a name. Those of loading run on a file of which nothing
 * has been loaded yet. */
extern const check_test check_tests_loading[], check_tests_general[], check_tests_optimizer[],
    check_tests_layer[], check_tests_schedule[], check_tests_loss[], check_tests_metric[],
    check_tests_dataset[], check_tests_search[], check_tests_pruner[];

/* All of them, in the order in which they run. */
size_t check_count(void);
const check_test *check_get(size_t i);
const check_test *check_find(const char *name); /* NULL when there is none */

bool check_applies(const check_test *t, const char *kind);
bool check_is_speed(const check_test *t);
bool check_is_of_loading(const check_test *t);

#endif
