/* Arithmetic on vectors over all weights of a group, in pieces (pieces.h), for optimizers of the tier model.
 *
 * Vectors are numbers; the optimizer says where one lies. Sums are taken in double, in the order of the pieces. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_VECTORS_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_VECTORS_H

#include "pieces.h"

#include <math.h>
#include <string.h>

/* Where a piece of vector `which` lies, or of its `item`, where it is a history; and a tensor's weight in scaled operations. */
typedef struct vectors {
    const pieces *all;
    const void *self;
    float *(*at)(const void *self, const piece *p, int which, uint64_t item);
    double (*scale)(const void *self, const piece *p);
} vectors;

typedef struct vector_term {
    const vectors *v;
    int a, b;
    uint64_t item;
    double factor;
} vector_term;

static inline float *vector_a(const vector_term *t, const piece *p)
{
    return t->v->at(t->v->self, p, t->a, t->item);
}

static inline const float *vector_b(const vector_term *t, const piece *p)
{
    return t->v->at(t->v->self, p, t->b, t->item);
}

static inline void vector_copy_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    memcpy(vector_a(t, p), vector_b(t, p), p->n * sizeof(float));
}

static inline void vector_gradient_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    memcpy(vector_a(t, p), piece_g(p), p->n * sizeof(float));
}

static inline void vector_add_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    const float factor = (float)t->factor, *b = vector_b(t, p);
    float *a = vector_a(t, p);
    for (uint64_t i = 0; i < p->n; i++) {
        a[i] += factor * b[i];
    }
}

static inline void vector_scale_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    const float factor = (float)(t->factor * t->v->scale(t->v->self, p));
    float *a = vector_a(t, p);
    for (uint64_t i = 0; i < p->n; i++) {
        a[i] *= factor;
    }
}

static inline double vector_dot_floats(uint64_t n, const float *a, const float *b)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += (double)a[i] * b[i];
    }
    return sum;
}

static inline void vector_dot_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    p->sum = vector_dot_floats(p->n, vector_a(t, p), vector_b(t, p));
}

static inline void vector_scaled_dot_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    vector_dot_piece(arg, p);
    p->sum *= t->v->scale(t->v->self, p);
}

static inline void vector_dot_gradient_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    p->sum = vector_dot_floats(p->n, vector_a(t, p), piece_g(p));
}

static inline void vector_sizes_piece(const void *arg, piece *p)
{
    const vector_term *t = arg;
    const float *a = vector_a(t, p);
    for (uint64_t i = 0; i < p->n; i++) {
        p->sum += fabs((double)a[i]);
    }
}

static inline double vector_run(
    const vectors *v, piece_function f, int a, int b, uint64_t item, double factor)
{
    const vector_term t = { v, a, b, item, factor };
    return pieces_each(v->all, f, &t);
}

/* a = b */
static inline void vector_copy(const vectors *v, int a, int b, uint64_t item)
{
    (void)vector_run(v, vector_copy_piece, a, b, item, 0);
}

/* a = the spans' g, as it now is */
static inline void vector_copy_gradient(const vectors *v, int a)
{
    (void)vector_run(v, vector_gradient_piece, a, a, 0, 0);
}

/* a += factor b */
static inline void vector_add(const vectors *v, int a, double factor, int b, uint64_t item)
{
    (void)vector_run(v, vector_add_piece, a, b, item, factor);
}

/* a *= factor, times each tensor's weight */
static inline void vector_scale(const vectors *v, int a, double factor)
{
    (void)vector_run(v, vector_scale_piece, a, a, 0, factor);
}

/* a^T b; with each tensor's weight; a^T g; |a|_1 */
static inline double vector_dot(const vectors *v, int a, int b, uint64_t item)
{
    return vector_run(v, vector_dot_piece, a, b, item, 0);
}

static inline double vector_scaled_dot(const vectors *v, int a, int b, uint64_t item)
{
    return vector_run(v, vector_scaled_dot_piece, a, b, item, 0);
}

static inline double vector_dot_gradient(const vectors *v, int a)
{
    return vector_run(v, vector_dot_gradient_piece, a, a, 0, 0);
}

static inline double vector_sum_of_sizes(const vectors *v, int a)
{
    return vector_run(v, vector_sizes_piece, a, a, 0, 0);
}

#endif
