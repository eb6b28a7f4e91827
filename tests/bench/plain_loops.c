/* Plain loops; the first four are those of the peers' optim.c, statement by statement.
 *
 * This file alone is compiled with -ffast-math and for the processor at hand: sums are taken in float and in any order, roots and
 * quotients by estimates that are refined. What the plugins do exactly is measured against what a program that need not be
 * exact could do. */
#include "plain_loops.h"

#include <math.h>

static const float rate = 1e-6f, eps = 1e-8f;

void plain_sgd(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1];
    for (size_t i = 0; i < n; i++) {
        w[i] -= rate * g[i];
    }
}

void plain_sgdm(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict m = array[2];
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + g[i];
        w[i] -= rate * m[i];
    }
}

void plain_adagrad(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict v = array[2];
    for (size_t i = 0; i < n; i++) {
        v[i] += g[i] * g[i];
        w[i] -= rate * g[i] / (sqrtf(v[i]) + 1e-10f);
    }
}

void plain_adam(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict m = array[2], *restrict v = array[3];
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        w[i] -= rate * m[i] / (sqrtf(v[i]) + eps);
    }
}

/* The arrays are parameters: of so many, compilers heed `restrict` only there. */
static void adan(size_t n_elements, const float *restrict g, float *restrict w, float *restrict m,
    float *restrict v, float *restrict n, float *restrict p)
{
    for (size_t i = 0; i < n_elements; i++) {
        const float d = g[i] - p[i], ahead = g[i] + 0.92f * d;
        m[i] = 0.98f * m[i] + 0.02f * g[i];
        v[i] = 0.92f * v[i] + 0.08f * d;
        n[i] = 0.99f * n[i] + 0.01f * ahead * ahead;
        w[i] -= rate * (m[i] + 0.92f * v[i]) / (sqrtf(n[i]) + eps);
        p[i] = g[i];
    }
}

/* g w m v n p > w m v n p */
void plain_adan(size_t n, float *const *array)
{
    adan(n, array[0], array[1], array[2], array[3], array[4], array[5]);
}

/* g w; g w m > w m */
void plain_lars(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict m = array[2];
    float of_weights = 0, of_gradient = 0;
    for (size_t i = 0; i < n; i++) {
        of_weights += w[i] * w[i];
        of_gradient += g[i] * g[i];
    }
    const float by = rate * sqrtf(of_weights) / (sqrtf(of_gradient) + eps);
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + by * (g[i] + 1e-4f * w[i]);
        w[i] -= m[i];
    }
}

/* g w m v > m v; w m v > w */
void plain_lamb(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict m = array[2], *restrict v = array[3];
    float of_weights = 0, of_step = 0;
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        const float u = m[i] / (sqrtf(v[i]) + eps) + 0.01f * w[i];
        of_weights += w[i] * w[i];
        of_step += u * u;
    }
    const float by = rate * sqrtf(of_weights) / (sqrtf(of_step) + eps);
    for (size_t i = 0; i < n; i++) {
        w[i] -= by * (m[i] / (sqrtf(v[i]) + eps) + 0.01f * w[i]);
    }
}

/* g w w0 s > s; g w m v > w m v */
void plain_prodigy(size_t n, float *const *array)
{
    const float *restrict g = array[0];
    float *restrict w = array[1], *restrict m = array[2], *restrict v = array[3];
    float *restrict s = array[4], *restrict w0 = array[5];
    float progress = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        s[i] = 0.999f * s[i] + 0.001f * g[i];
        progress += g[i] * (w0[i] - w[i]);
        length += fabsf(s[i]);
    }
    const float found = progress / (length + eps), d = found < rate ? rate : rate * 1.001f;
    for (size_t i = 0; i < n; i++) {
        m[i] = 0.9f * m[i] + 0.1f * d * g[i];
        v[i] = 0.999f * v[i] + 0.001f * d * d * g[i] * g[i];
        w[i] -= d * m[i] / (sqrtf(v[i]) + d * eps);
    }
}

enum { ROW = 256 };

/* g; w; g; g w > w, with a factor for every column of a matrix with rows of ROW. */
static void adafactor(size_t n, const float *restrict g, float *restrict w, float *restrict column)
{
    float of_gradient = 0, of_weights = 0, of_step = 0;
    for (size_t begin = 0; begin < n; begin += ROW) {
        const size_t n_columns = n - begin < ROW ? n - begin : ROW;
        for (size_t j = 0; j < n_columns; j++) {
            const float square = g[begin + j] * g[begin + j];
            column[j] += square;
            of_gradient += square;
        }
    }
    for (size_t i = 0; i < n; i++) {
        of_weights += w[i] * w[i];
    }
    for (size_t j = 0; j < ROW; j++) {
        column[j] = 1 / sqrtf(column[j] / of_gradient + eps);
    }
    for (size_t begin = 0; begin < n; begin += ROW) {
        const size_t n_columns = n - begin < ROW ? n - begin : ROW;
        for (size_t j = 0; j < n_columns; j++) {
            const float u = g[begin + j] * column[j];
            of_step += u * u;
        }
    }
    const float by = rate * sqrtf(of_weights) / (sqrtf(of_step) + eps);
    for (size_t begin = 0; begin < n; begin += ROW) {
        const size_t n_columns = n - begin < ROW ? n - begin : ROW;
        for (size_t j = 0; j < n_columns; j++) {
            w[begin + j] -= by * g[begin + j] * column[j];
        }
    }
}

void plain_adafactor(size_t n, float *const *array)
{
    float column[ROW] = { 0 };
    adafactor(n, array[0], array[1], column);
}
