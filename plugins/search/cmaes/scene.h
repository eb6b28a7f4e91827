/* An instance of cmaes: what is known of each trial, and the generation that is gathering. */
#ifndef ASSAY_PLUGINS_SEARCH_CMAES_SCENE_H
#define ASSAY_PLUGINS_SEARCH_CMAES_SCENE_H

#include "parts.h"

enum { RESTART_NONE, RESTART_IPOP, RESTART_BIPOP };

struct cmaes {
    int64_t population, restarts, quasi;
    double sigma, margin, tolerance, choice_step;
};

enum { TRIAL_NEW, TRIAL_UNDER_WAY, TRIAL_ENDED };

/* Of one trial: where it came from. */
struct trial {
    uint64_t state, run, generation, slot;
    double sigma;
};

/* Places of trials that are under way or wait for their generation to be whole. */
struct slots {
    double *place; // [room, n]
    unsigned char *is_active; // [room, n]
    uint64_t *unused; // [room] stack
    uint64_t n_unused, room;
};

struct scene {
    const assay_search_plan *plan;
    struct columns columns;
    struct gauss gauss;
    struct choices choices;
    struct trial *trials; // [capacity] by number
    uint64_t n_trials, capacity;
    struct slots slots;
    struct sample *samples; // [room] results of this generation
    uint64_t *sample_slot; // [room]
    uint64_t n_samples, room;
    uint64_t run, first_lambda; // restarts so far
    uint64_t spent[2], large; // trials in small and large runs, of bipop; doublings so far
    int is_small;
    double best; // of this run
    uint64_t best_generation; // in which it was found
    double *u, *x, *z; // [n_dimensions], [n_dimensions], [n + 1]
    double *start; // [n_numbers] mean of a run
    uint32_t *directions, *seeds; // NULL: random numbers
};

/* -- scene.c -- */

int scene_init(assay_ctx *ctx, const struct cmaes *h, const assay_search_plan *plan);
/* The place of proposal k from the present distribution. */
void scene_draw(assay_ctx *ctx, struct scene *s, uint64_t k, double *place);
int scene_take(assay_ctx *ctx, const struct cmaes *h, const assay_event *e);

#endif
