/* What the parts of gp share. */
#ifndef ASSAY_PLUGINS_SEARCH_GP_PARTS_H
#define ASSAY_PLUGINS_SEARCH_GP_PARTS_H

#include "../shared/codec.h"
#include "../shared/sobol.h"

#include <stdint.h>

/* Rows of the model: those that a fit chooses, results since that fit, trials under way. */
enum { MOST_CHOSEN = 320, MOST_NEW = 32, MOST_BELIEVED = 64 };
enum { MOST_ROWS = MOST_CHOSEN + MOST_NEW + MOST_BELIEVED, MOST_LENGTHS_OF_A_CHOICE = 6 };

/* -- columns.c: the space as the model sees it: a column of [0, 1] for a number, one for each choice of a category -- */

/* A normal density in the unit of the column; sd 0: nothing is expected. */
struct prior {
    double mean, sd;
};

struct columns {
    const assay_search_plan *plan;
    uint64_t n, n_lengths; // columns; length scales, which columns may share
    uint64_t *first, *width; // [n_dimensions] columns of a dimension; width 1: a number
    uint64_t *length; // [n] which length scale a column has
    uint64_t *is_choice; // [n_lengths] whether it is of choices
    struct prior *prior; // [n_dimensions]
    int has_prior;
};

int columns_init(assay_ctx *ctx, struct columns *c, const assay_search_plan *plan);
void columns_encode(const struct columns *c, const double *x, double *row);
void columns_decode(const struct columns *c, const double *row, double *x);
/* The row of the point that a row means: numbers at their levels, inactive dimensions at their place. `x` is for work. */
void columns_settle(const struct columns *c, double *row, double *x);
void columns_choose(const struct columns *c, uint64_t dimension, uint64_t choice, double *row);
int columns_is_category(const struct columns *c, uint64_t dimension);

/* -- matrix.c: lower triangles, row-major -- */

double dot(const double *a, const double *b, uint64_t n);
/* a = L L^T in place, below and on the diagonal, of rows `from` to n, those before being done; 0 where a is not positive definite. Row i
 * depends on those above alone: how often it is called does not matter to a bit. */
int cholesky(double *a, uint64_t from, uint64_t n, uint64_t ld);
/* L x = b in place, of rows `from` to n, those before being done. */
void solve_lower(const double *l, uint64_t from, uint64_t n, uint64_t ld, double *x);
void solve_lower_transposed(const double *l, uint64_t n, uint64_t ld, double *x);
/* Row i of t, from column i on, is column i of L^-1. */
void invert_lower(const double *l, uint64_t n, uint64_t ld, double *t);

/* -- descend.c -- */

typedef double (*descend_function)(void *arg, const double *x, double *g);

enum { DESCEND_PAIRS = 8 };

/* Minimises f in the box from x on; work is [descend_work(n)]. Gives the value at the new x. */
uint64_t descend_work(uint64_t n);
double descend(descend_function f, void *arg, const double *low, const double *high, double *x,
    uint64_t n, int most_steps, double *work);

/* -- prior.c -- */

void prior_read(struct columns *c);
/* w log(density) of the point x with this row; adds its gradient to g unless that is NULL. */
double prior_log(const struct columns *c, const double *x, const double *row, double w, double *g);
/* Makes of u [n_dimensions], uniform, a point drawn from the density. */
void prior_bend(const struct columns *c, double *u);

/* -- values.c -- */

/* y = (bend((value - at) / scale, power) - mean) / sd */
struct values {
    double at, scale, power, mean, sd;
};

/* -- model.c -- */

struct model {
    const struct columns *columns;
    uint64_t n, n_columns, n_parameters, ld; // rows at present
    uint64_t n_factored; // rows of l that stand as long as theta does
    double *x, *z; // [ld, n_columns] rows; rows by length scale
    double *y, *noise; // [ld] standardised values; what is known of their variances
    int has_noise; // some variance is known
    struct values values;
    double *theta; // [n_parameters] logarithms: length scales, variance, noise
    double *inverse; // [n_columns] 1 / length scale
    double *l, *t,
        *slope; // [ld, ld] Cholesky factor; its inverse; of the kernel by the squared distance
    double *alpha, *k, *v, *g; // [ld] K^-1 y; work; [n_columns]
    double *low, *high, *start, *work; // of the fit
    double best; // what a point has to improve on: the lowest mean at a row
};

int model_init(assay_ctx *ctx, struct model *m, const struct columns *c);
/* Fits theta to the rows: from where it is; with `is_cold` from a rougher and noisier start, too. */
void model_start(struct model *m); // theta at the prior's mode
void model_fit(struct model *m, int is_cold);
/* Prepares predictions at the theta that it has; of rows that are as they were at the last call nothing is done again. */
int model_factor(struct model *m);
/* Adds a row that is believed to have the value that the model expects there. */
void model_believe(struct model *m, const double *row);
/* Mean and standard deviation at a row; with their gradients unless d_mean is NULL. */
void model_predict(
    struct model *m, const double *row, double *mean, double *sd, double *d_mean, double *d_sd);

/* m->y, values of which the best is `low`, as the model sees them; m->noise likewise. */
void values_set(struct model *m, double low, double median);
/* The value that y stands for, and how much of it a small step in y is. */
double values_back(const struct values *w, double y, double *out_slope);

/* The first half of a prediction: m->k and m->v become the covariances with the rows; gives the variance before anything is known. */
double model_compare(struct model *m, const double *row, double *out_mean);

static const double least_variance = 1e-12;

/* -- improve.c -- */

/* The logarithm of the expected improvement and, unless g is NULL, its gradient. */
double log_improvement(struct model *m, const double *row, double *g, double *work);
/* The same; -HUGE_VAL as soon as it is certain to be below `least`, which is before the variance is known: what is known of a part of the
 * rows bounds it from above, and a larger variance is a larger improvement. */
double log_improvement_above(struct model *m, const double *row, double least);

/* -- acquire.c -- */

#define NOT_APART UINT64_MAX

struct acquire {
    assay_ctx *ctx;
    const struct columns *columns;
    struct model *model;
    const uint32_t *directions, *seeds; // of Sobol' points; NULL: random ones
    const uint64_t *order; // rows of the model, best first
    uint64_t n_done; // rows that are results
    uint64_t proposal, place; // the stream of random numbers and where it stands
    uint64_t n_candidates;
    const double *low, *high; // [columns] where to look
    int is_local; // around the best row
    double prior_weight;
    uint64_t apart, avoided; // a category that must not have this choice; or NOT_APART
    /* Whether a point has been proposed before and is not to be proposed again. */
    int (*is_known)(void *arg, const double *x);
    void *arg;
};

uint64_t acquire_candidates(uint64_t n_sobol);
/* Where the improvement is largest; row [n_columns]. */
int acquire_best(struct acquire *a, double *row);

#endif
