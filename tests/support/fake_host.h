/* The least host that a component needs which only computes (optimizers of the elem tier, schedules): loads a plugin's .so,
 * binds hyperparameters written as text, and remembers what was reported. A mistake in a test ends the program. */
#ifndef ASSAY_TESTS_SUPPORT_FAKE_HOST_H
#define ASSAY_TESTS_SUPPORT_FAKE_HOST_H

#include <assay/plugin.h>

enum { FAKE_HOST_ITEMS = 16, FAKE_HOST_HYPER_BYTES = 512 };

typedef struct fake_host {
    assay_ctx ctx; /* first, so that the callbacks find the rest */
    assay_host table;
    const assay_component *component;
    union {
        double align;
        char bytes[FAKE_HOST_HYPER_BYTES];
    } hyper; /* the author's struct */
    int64_t ints[FAKE_HOST_ITEMS]; /* the items of its one list */
    uint64_t n_reports;
    char blamed[64], message[256]; /* of the last report; "" for no hyperparameter */
} fake_host;

/* Loads <folder>/<kind>/<id>.so and fills in the defaults. `h` must not move afterwards: ctx points into it. */
void fake_host_open(fake_host *h, const char *folder, const char *kind, const char *id);

/* "lr=0.1 nesterov=1 every=epoch milestones=3,11": REAL, INT, BOOL, ENUM and INTS by name. */
void fake_host_set(fake_host *h, const char *values);

/* The row of a hyperparameter, or NULL. */
const assay_hyper *fake_host_row(const fake_host *h, const char *name);

/* A BOOL's present value. */
int64_t fake_host_bool(const fake_host *h, const char *name);

#endif
