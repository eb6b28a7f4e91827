/* An instance: what is known of each trial, and the model of it. */
#ifndef ASSAY_PLUGINS_SEARCH_GP_SCENE_H
#define ASSAY_PLUGINS_SEARCH_GP_SCENE_H

#include "parts.h"

enum { NOTE_NONE, NOTE_FIRST, NOTE_PRIOR, NOTE_MODEL, NOTE_LOCAL, NOTE_APART };

/* Why a trial was proposed. */
struct note {
    uint64_t kind, n_results, dimension; // the one with the shortest length scale
    double mean, sd, best, gain, length; // in the units of values
};

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
    uint64_t *order; // [capacity] rows of the model, best first
    uint64_t *is_left_out; // [capacity] of results: whether the model does without
    uint64_t n_rows; // results in the model
    uint64_t n_first; // proposals of the startup design
    struct note *notes; // [n_notes] by trial
    uint64_t n_notes;
    uint64_t n_fitted; // results at the last fit
    uint32_t *directions, *seeds; // NULL: more dimensions than Sobol' points have
    double *u, *row, *low, *high; // [n_dimensions]; [columns] each
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
/* The model's rows from the first n results, in their order; 0 where none of them has a value. `ranked` [n] is for work. */
int scene_fill(struct scene *s, struct ranked *ranked, uint64_t n);
/* All fits that are due up to now, each to the results that there were then. */
void scene_fit(struct scene *s, struct ranked *ranked);

/* -- region.c -- */

/* Whether a proposal is looked for around the best result, and where that is. */
int region_is_for(const struct scene *s, uint64_t proposal);
void region_set(const struct scene *s, double *low, double *high);
/* The category whose choice a proposal has to leave, and that choice; NOT_APART: none. What it then has to improve on. */
uint64_t region_apart(const struct scene *s, uint64_t proposal, uint64_t *out_avoided);
double region_best_apart(const struct scene *s, uint64_t apart, uint64_t avoided);

/* -- explain.c -- */

/* NULL when memory is out. */
struct note *note_get(assay_ctx *ctx, struct scene *s, uint64_t trial);
void note_model(struct note *t, struct scene *s, const double *row, uint64_t kind);
void note_write(const struct scene *s, uint64_t trial, char *out, size_t bytes);

#endif
