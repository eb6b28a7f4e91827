/* An instance: what is known of each trial, and the model of it. */
#ifndef ASSAY_PLUGINS_SEARCH_GP_SCENE_H
#define ASSAY_PLUGINS_SEARCH_GP_SCENE_H

#include "parts.h"

enum { KNOWN_UNDER_WAY, KNOWN_FAILED, KNOWN_RESULT };

/* A point that has been proposed. */
struct known {
    uint64_t trial, what;
    double value, variance; // of a KNOWN_RESULT; infinite where diverged
    double *x; // [n_dimensions]
};

struct scene {
    const assay_search_plan *plan;
    struct columns columns;
    struct model model;
    struct known *known; // [n_known]
    uint64_t n_known, capacity;
    uint64_t *results, n_results; // [capacity] in the order in which they came
    uint64_t *order; // [capacity] work
    uint64_t n_fitted; // results at the last fit
    uint32_t *directions, *seeds; // NULL: more dimensions than Sobol' points have
    double *u, *row; // [n_dimensions], [columns]
};

/* Results in the order of their values. */
struct ranked {
    double value;
    uint64_t i;
};

/* The trial's entry, a new one under way where it has none; NULL when memory is out. */
struct known *known_get(assay_ctx *ctx, struct scene *s, const assay_event *e);
void scene_result(struct scene *s, struct known *k, const assay_event *e);
/* Whether the point is not to be proposed again; `scene` is a struct scene. */
int scene_has(void *scene, const double *x);
/* The model's rows from the first n results, the best first; 0 where none of them has a value. `ranked` [n] is for work. */
int scene_fill(struct scene *s, struct ranked *ranked, uint64_t n);
/* All fits that are due up to now, each to the results that there were then. */
void scene_fit(struct scene *s, struct ranked *ranked);

#endif
