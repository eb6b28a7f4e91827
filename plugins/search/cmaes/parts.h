/* The parts of cmaes: what a space is made of, the normal distribution of its numbers and the chances of its choices.
 *
 * A point is drawn as `place`: a coordinate in [0, 1] for each number, then the index of a choice for each unordered category. What has
 * one value only is left out. An ordered category is a number with levels. */
#ifndef ASSAY_PLUGINS_SEARCH_CMAES_PARTS_H
#define ASSAY_PLUGINS_SEARCH_CMAES_PARTS_H

#include "../shared/codec.h"

/* -- columns.c: from the space to places and back -- */

struct columns {
    const assay_search_plan *plan;
    uint64_t n_numbers, n_choices, n; // n: both
    uint64_t *dimension; // [n] the numbers first
    double *levels; // [n] of numbers; 0: a continuum; of choices how many
    double *mean, *deviation; // [n_numbers] the user's prior, or 1/2 and NaN
};

int columns_init(assay_ctx *ctx, struct columns *c, const assay_search_plan *plan);
/* The point of a place; `u` [n_dimensions] is for work. */
void columns_point(const struct columns *c, const double *place, double *u, double *x);
/* The place of a point, of what is inactive `instead`; is_active [n]. */
void columns_place(const struct columns *c, const double *x, const double *instead, double *place,
    unsigned char *is_active);
/* The borders of the level that coordinate u of number j is in; infinite beyond the first and the last. */
void columns_borders(const struct columns *c, uint64_t j, double u, double *low, double *high);

/* -- results of a generation -- */

struct sample {
    uint64_t kind; // SAMPLE_...
    double fidelity, value;
    uint64_t order; // in which they came
    const double *place; // [n]
    const unsigned char *is_active; // [n]
    int is_strange; // from another distribution than the present one
    double weight;
};

enum { SAMPLE_DONE, SAMPLE_PART, SAMPLE_DIVERGED };

/* -- gauss.c -- */

struct gauss {
    const struct columns *columns;
    uint64_t n, lambda, generation, room; // room: rows of y and z
    double *mean, *stretch; // [n]
    double *c, *a; // [n, n] covariance, its Cholesky factor
    double *ps, *pc; // [n] evolution paths
    double *weights; // [room] of the ranks
    double *y, *z, *norm; // [room, n], [room, n], [room] work
    double *yw, *zw, *shift; // [n] work
    double sigma, mu_eff, c1, cmu, cs, ds, cc, chi, margin;
    uint64_t mu;
};

int gauss_init(assay_ctx *ctx, struct gauss *g, const struct columns *c);
/* Afresh: around `mean`, of width sigma or the user's, with lambda samples to a generation. */
int gauss_start(assay_ctx *ctx, struct gauss *g, const double *mean, double sigma, uint64_t lambda,
    double margin);
/* The coordinates [n] of standard normal numbers z. */
void gauss_draw(const struct gauss *g, const double *z, double *place);
/* Learns from lambda samples with weights. */
void gauss_learn(struct gauss *g, const struct sample *samples);
/* The largest standard deviation of a coordinate. */
double gauss_width(const struct gauss *g);
double gauss_condition(const struct gauss *g);

/* -- choices.c -- */

struct choices {
    const struct columns *columns;
    double *chance; // [n_choices, most]
    double *gradient; // [n_choices, most]
    double *path; // [n_free]
    double *natural; // [n_free] work
    uint64_t most, n_free;
    double trust, gamma, least;
    double step; // first length of a step
};

int choices_init(assay_ctx *ctx, struct choices *c, const struct columns *columns);
void choices_start(struct choices *c, double step);
uint64_t choices_draw(const struct choices *c, uint64_t j, double u);
void choices_learn(struct choices *c, const struct sample *samples, uint64_t n);

#endif
