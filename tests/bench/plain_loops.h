/* Plain loops that read and write as many arrays as an optimizer does: what an update could cost at best on this machine.
 *
 * They know neither tensors nor hyperparameters, and are compiled as a program for one machine would be (see CMakeLists.txt). */
#ifndef TEST_BENCH_PLAIN_LOOPS_H
#define TEST_BENCH_PLAIN_LOOPS_H

#include <stddef.h>

enum { MAX_PLAIN_ARRAYS = 6 };

/* array[0] is the gradient, array[1] the weights, the rest is state; [n] each, not overlapping. */
typedef void (*plain_loop)(size_t n, float *const *array);

/* The four of the peers' optim.c. */
void plain_sgd(size_t n, float *const *array);
void plain_sgdm(size_t n, float *const *array);
void plain_adagrad(size_t n, float *const *array);
void plain_adam(size_t n, float *const *array);

/* Others, with arithmetic like Adam's. */
void plain_adan(size_t n, float *const *array);
void plain_lars(size_t n, float *const *array);
void plain_lamb(size_t n, float *const *array);
void plain_prodigy(size_t n, float *const *array);
void plain_adafactor(size_t n, float *const *array);

#endif
