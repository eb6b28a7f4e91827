/* Problems that search strategies are measured on: five that other programs have been measured on, and five shifted or rotated ones that
 * nothing was tuned on. All are minimised. */
#ifndef TESTS_BENCH_SEARCH_PROBLEMS_H
#define TESTS_BENCH_SEARCH_PROBLEMS_H

#include <stddef.h>

typedef struct search_problem {
    const char *name;
    const char *space; /* in the compact form of search/space.h */
    double lowest;
    double (*value)(const double *x); /* x as a point of the space has it: of a choice its index */
} search_problem;

/* The i-th; NULL behind the last. */
const search_problem *search_problem_get(size_t i);
const search_problem *search_problem_find(const char *name); /* NULL when there is none */

/* Mean of epoch `t` of `n` of a net with the hyperparameters of nnmix12: curves that cross, with nnmix12 where they would end. */
double nnmix12_curve(const double *x, size_t t, size_t n);

#endif
