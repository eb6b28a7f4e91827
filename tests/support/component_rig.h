/* One component of a shipped plugin, loaded from its .so, with hyperparameters and a plain host of
 * its own: for tests of a component by itself, without registry, config or model. What does not fit
 * ends the program. */
#ifndef ASSAY_TESTS_SUPPORT_COMPONENT_RIG_H
#define ASSAY_TESTS_SUPPORT_COMPONENT_RIG_H

#include <assay/plugin.h>

typedef struct component_rig {
    assay_ctx ctx; /* first member: what the plugin holds is this */
    assay_host host;
    const assay_component *component;
    void *hyper; /* defaults, then what component_set set */
    char failure[512]; /* the last report of host->fail */
    char failure_hyper[64]; /* "" when it named none */
    char logged[512]; /* the last message of host->log */
    uint64_t n_allocs; /* calls of host->alloc and host->scratch */
    void *owned[128];
    uint64_t n_owned;
} component_rig;

/* <build_dir>/plugins/<kind>/<id>.so. ctx points into the rig, so it must not be moved. */
void component_open(component_rig *rig, const char *build_dir, const char *kind, const char *id);
void component_close(component_rig *rig);

/* A REAL, INT, BOOL or ENUM (index). */
void component_set(component_rig *rig, const char *name, double value);

/* Zeroed memory that lives until component_close. */
void *component_alloc(component_rig *rig, size_t bytes);

#endif
