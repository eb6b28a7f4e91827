/* The first five follow Dixon and Szego 1978 (branin, hartmann6), Rosenbrock 1960, Ackley 1987 (shifted) and a made-up surface that looks
 * like tuning a recurrent net (mixed, conditional, logarithmic). test_search_problems holds them against values made elsewhere.
 *
 * The rotation is the reflection at the plane normal to (1, 2, ..., n): it has no zeros and needs no table. */
#include "search_problems.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static double sq(double v)
{
    return v * v;
}

static double branin(const double *x)
{
    return sq(x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6) +
        10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10;
}

static double hartmann6(const double *x)
{
    static const double alpha[4] = { 1.0, 1.2, 3.0, 3.2 };
    static const double A[4][6] = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 },
        { 3, 3.5, 1.7, 10, 17, 8 }, { 17, 8, 0.05, 10, 0.1, 14 } };
    static const double P[4][6] = { { 1312, 1696, 5569, 124, 8283, 5886 },
        { 2329, 4135, 8307, 3736, 1004, 9991 }, { 2348, 1451, 3522, 2883, 3047, 6650 },
        { 4047, 8828, 8732, 5743, 1091, 381 } };
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        double e = 0;
        for (size_t k = 0; k < 6; k++)
            e += A[i][k] * sq(x[k] - P[i][k] * 1e-4);
        sum -= alpha[i] * exp(-e);
    }
    return sum;
}

static double rosenbrock5(const double *x)
{
    double sum = 0;
    for (size_t i = 0; i < 4; i++)
        sum += 100 * sq(x[i + 1] - x[i] * x[i]) + sq(1 - x[i]);
    return sum;
}

static double ackley(const double *z, size_t n)
{
    double squares = 0, waves = 0;
    for (size_t i = 0; i < n; i++) {
        squares += z[i] * z[i];
        waves += cos(2 * pi * z[i]);
    }
    return -20 * exp(-0.2 * sqrt(squares / (double)n)) - exp(waves / (double)n) + 20 + exp(1);
}

static double ackley10(const double *x)
{
    static const double shift[10] = { 11.3, -7.9, 4.7, -18.1, 9.1, -2.3, 15.7, -13.9, 6.1, -10.7 };
    double z[10];
    for (size_t i = 0; i < 10; i++)
        z[i] = x[i] - shift[i];
    return ackley(z, 10);
}

/* -- nnmix12 -- */

enum { OPTIMIZER, LR, MOMENTUM, BETA2C, BATCH, CELL, LAYERS, UNITS, DROPOUT, L2, DECAY, GAMMA };
enum { SGD, ADAM, RMSPROP };
enum { RNN, GRU, LSTM };
enum { DECAY_NONE, DECAY_EXP, DECAY_COSINE };

/* Decades from the best rate given the rest. */
static double lr_offset(const double *x)
{
    const double of_batch = 0.5 * log10(x[BATCH] / 32), bits = log2(x[UNITS]);
    double best = -3.1 + of_batch - 0.12 * (bits - 7.6);
    if (x[OPTIMIZER] == SGD) best = -0.5 + 0.8 * log10(1 - x[MOMENTUM]) + of_batch;
    if (x[OPTIMIZER] == ADAM) best = -2.7 + of_batch - 0.12 * (bits - 7.6);
    return log10(x[LR]) - best;
}

static double of_optimizer(const double *x)
{
    if (x[OPTIMIZER] == SGD) return 0.02 + 0.15 * sq(x[MOMENTUM] - 0.9);
    return (x[OPTIMIZER] == ADAM ? 0 : 0.03) + 0.01 * sq(log10(x[BETA2C]) + 2.3);
}

static double of_net(const double *x)
{
    static const double of_cell[] = { 0.25, 0.03, 0 };
    const double size = log2(x[UNITS]) + 0.5 * log2(x[LAYERS]), wanted = 7.5 + 2 * x[DROPOUT];
    return of_cell[(size_t)x[CELL]] + 0.02 * sq(x[LAYERS] - 2) * (x[CELL] == RNN ? 3 : 1) +
        0.05 * sq(size - wanted) + 0.4 * sq(x[DROPOUT] - 0.3);
}

static double nnmix12(const double *x)
{
    const double d = lr_offset(x);
    double f = 0.5 + (d < 0 ? 0.25 * d * d : 0.6 * d * d + (d > 1 ? 2 * (d - 1) : 0));
    f += of_optimizer(x) + of_net(x);
    f += 0.01 * sq(log2(x[BATCH]) - 5) + 0.02 * sq(log10(x[L2]) + 4.5);
    if (x[DECAY] == DECAY_NONE) f += 0.05;
    if (x[DECAY] == DECAY_EXP) f += 0.01 + 0.5 * sq(x[GAMMA] - 0.95);
    return fmin(f, 10);
}

double nnmix12_curve(const double *x, size_t t, size_t n)
{
    static const double late[] = { 0, 0.05, 0.10 };
    const double d = lr_offset(x), end = nnmix12(x), share = (double)t / (double)n;
    const double tau = 4 * pow(10, 0.6 * fmax(0, -d)) * (1 + x[DROPOUT]);
    const double v =
        end < 2.3 ? end + (2.3 - end) * pow(1 + (double)t / tau, -1.5) : 2.3 + (end - 2.3) * share;
    return v + late[(size_t)x[DECAY]] * (1 - share);
}

/* -- shifted and rotated -- */

static void reflect(const double *x, const double *shift, double *z, size_t n)
{
    double dot = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)(i + 1);
        dot += v * (x[i] - shift[i]);
        length += v * v;
    }
    for (size_t i = 0; i < n; i++)
        z[i] = x[i] - shift[i] - 2 * dot / length * (double)(i + 1);
}

/* Axes from 1 to 1e4, none of them along a coordinate. */
static double ellipsoid5(const double *x)
{
    static const double shift[5] = { 1.37, -2.61, 0.83, 3.19, -0.47 };
    double z[5], sum = 0;
    reflect(x, shift, z, 5);
    for (size_t i = 0; i < 5; i++)
        sum += pow(10, (double)i) * z[i] * z[i];
    return sum;
}

static double rastrigin4(const double *x)
{
    static const double shift[4] = { -1.73, 2.29, 0.61, -3.07 };
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        const double z = x[i] - shift[i];
        sum += z * z - 10 * cos(2 * pi * z) + 10;
    }
    return sum;
}

static double levy6(const double *x)
{
    static const double shift[6] = { 0.7, -1.9, 2.3, -0.4, 1.1, -2.8 };
    double z[6], w[6], sum;
    reflect(x, shift, z, 6);
    for (size_t i = 0; i < 6; i++)
        w[i] = 1 + z[i] / 4;
    sum = sq(sin(pi * w[0])) + sq(w[5] - 1) * (1 + sq(sin(2 * pi * w[5])));
    for (size_t i = 0; i < 5; i++)
        sum += sq(w[i] - 1) * (1 + 10 * sq(sin(pi * w[i] + 1)));
    return sum;
}

/* Whole numbers, steps and logarithms that hang together; x[4] is the index of a power of two. */
static double whole6(const double *x)
{
    const double a = log2(x[0]) - 5.3, b = x[1] - 7, c = log10(x[2]) + 3.2, d = x[3] - 0.35;
    return 0.3 * sq(a + 0.5 * c) + 0.05 * sq(b) + 0.4 * sq(c) + 3 * sq(d - 0.02 * b) +
        0.1 * sq(x[4] - 3) + 0.02 * fabs(x[5] - 41);
}

/* A kernel and what belongs to it: the best branch is not the one whose middle is best. */
static double kernel7(const double *x)
{
    const double C = log10(x[1]);
    double f = 0.1 + 0.02 * sq(log10(x[5]) + 5) + 0.3 * sq(x[6] - 0.7);
    if (x[0] == 0) f += 0.12 + 0.01 * sq(C + 1); /* linear */
    if (x[0] == 1) { /* rbf */
        const double gamma = log10(x[2]);
        f += 0.25 * (1 - exp(-sq(gamma + 2.4) - 0.2 * sq(C + gamma - 0.1)));
    }
    if (x[0] == 2) f += 0.06 + 0.03 * sq(x[3] - 3) + 0.1 * sq(x[4] - 0.4) + 0.02 * sq(C - 0.5);
    return f;
}

#define FIVE(low, high) \
    "x1=" low ".." high ":real x2=" low ".." high ":real x3=" low ".." high ":real x4=" low \
    ".." high ":real x5=" low ".." high ":real"

static const search_problem problems[] = {
    { "branin", "x1=-5..10:real x2=0..15:real", 0.39788735772973816, branin },
    { "hartmann6", FIVE("0", "1") " x6=0..1:real", -3.322368011415515, hartmann6 },
    { "rosenbrock5", FIVE("-5", "10"), 0, rosenbrock5 },
    { "ackley10",
        FIVE("-32.768", "32.768") " x6=-32.768..32.768 x7=-32.768..32.768 x8=-32.768..32.768 "
                                  "x9=-32.768..32.768 x10=-32.768..32.768",
        0, ackley10 },
    { "nnmix12",
        "optimizer=sgd,adam,rmsprop lr=1e-6..1:log:real momentum=0..0.99?optimizer=sgd "
        "beta2c=1e-4..0.5:log?optimizer=adam,rmsprop batch=1..256:log cell=rnn,gru,lstm "
        "layers=1..4 units=8..512:log dropout=0..0.7 l2=1e-8..0.1:log decay=none,exp,cosine "
        "gamma=0.5..0.999?decay=exp",
        0.5, nnmix12 },
    { "ellipsoid5", FIVE("-5", "5"), 0, ellipsoid5 },
    { "rastrigin4", "x1=-5.12..5.12 x2=-5.12..5.12 x3=-5.12..5.12 x4=-5.12..5.12", 0, rastrigin4 },
    { "levy6", FIVE("-10", "10") " x6=-10..10:real", 0, levy6 },
    { "whole6",
        "a=4..1024:int:log b=1..24 c=1e-6..1:log:real d=0..1:step=0.05 e=1..64:log2int g=1..99", 0,
        whole6 },
    { "kernel7",
        "kernel=linear,rbf,poly C=1e-3..1e3:log:real gamma=1e-6..10:log:real?kernel=rbf "
        "degree=2..6?kernel=poly coef=0..1:real?kernel=poly tol=1e-8..1e-1:log weight=0..1:real",
        0.1, kernel7 },
};

const search_problem *search_problem_get(size_t i)
{
    return i < sizeof problems / sizeof problems[0] ? &problems[i] : NULL;
}

const search_problem *search_problem_find(const char *name)
{
    for (size_t i = 0; search_problem_get(i); i++) {
        if (strcmp(problems[i].name, name) == 0) return &problems[i];
    }
    return NULL;
}
