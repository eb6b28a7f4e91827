/* What the tests of optimizers share: tensors of several shapes with weights and gradients that
 * a seed makes, one rig at work on them, and comparisons that say where two of them part. */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_BENCH_H
#define ASSAY_SDK_CHECK_OPTIMIZER_BENCH_H

#include "check/guard.h"
#include "check/optimizer_rig.h"

enum { BENCH_TENSORS = 8 };

/* What an optimizer is tried on. */
typedef struct bench_shapes {
    const rig_tensor *tensor; /* [n] */
    size_t n;
} bench_shapes;

extern const bench_shapes
    bench_small; /* matrices, vectors, one of four dimensions, blocks, single elements */
extern const bench_shapes
    bench_small_before; /* the same, each array with the inaccessible page before it */
extern const bench_shapes bench_wide; /* small ones and one of some thousand elements */
extern const bench_shapes bench_vector; /* one vector */

typedef struct bench {
    const subject *subject;
    const char *settings;
    specimen specimen;
    optimizer_rig *rig;
    const assay_optimizer *ops;
    bench_shapes shapes;
    size_t size[BENCH_TENSORS];
    float *w0[BENCH_TENSORS]; /* first weights */
    float *g[BENCH_TENSORS]; /* of the last update */
    float *centre[BENCH_TENSORS]; /* of the objective that closures evaluate */
    uint64_t seed;
    float sign; /* 1; -1: everything mirrored */
    float scale; /* of gradients; 0: all are zero */
    bool has_objective; /* the gradient is the objective's, whatever the tier */
    bool alike; /* all tensors have the same numbers */
    size_t turn; /* elements are turned by this many places (one vector) */
    rig_update update; /* how the next ones are cut and called */
} bench;

/* False: said in the report. A component that accepts none of the tensors is skipped. */
bool bench_open(bench *b, const subject *s, const char *settings, const bench_shapes *shapes,
    check_report *r) MUST_CHECK;
/* The same with other first weights and gradients than those of the subject's seed. */
bool bench_open_seeded(bench *b, const subject *s, const char *settings, const bench_shapes *shapes,
    uint64_t seed, check_report *r) MUST_CHECK;
/* On a specimen of the caller's, which the bench then owns. */
bool bench_open_on(bench *b, const subject *s, const specimen *p, const char *settings,
    const bench_shapes *shapes, uint64_t seed, check_report *r) MUST_CHECK;
void bench_close(bench *b);

/* Fills in the gradient of the update to come. Of tier model it is that of the objective, else a
 * function of seed and time alone. */
void bench_fill_gradient(bench *b);

/* One update with the gradient as it lies in b->g. */
status bench_update(bench *b, error *err) MUST_CHECK;

/* Both, and again until `t` updates are done. False: said in the report. */
bool bench_run(bench *b, uint64_t t, check_report *r) MUST_CHECK;

/* Whether all state has the same bits; `out` tells where it has not. */
bool bench_same(const bench *a, const bench *b, char *out, size_t room);

/* The largest distance of two tensors' weights, relative to the way that `a` has come; `out_i`:
 * of which tensor. */
double bench_distance(const bench *a, const bench *b, size_t *out_i);

/* Whether weights (and other state) are finite; `out` tells what is not. */
bool bench_is_finite(const bench *b, bool with_state, char *out, size_t room);

/* Weights, and where the model would be evaluated, as bits. */
uint64_t bench_hash_weights(bench *b);

/* The objective of closures: a bowl around `centre`. */
double bench_objective(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh);

/* "the defaults" or the settings. */
const char *bench_under(const char *settings);

/* Calls `test` under each of the subject's settings, but at most `most`, until one fails. */
void bench_each_setting(const subject *s, size_t most, check_report *r,
    void (*test)(const subject *s, const char *settings, check_report *r));

/* Whether it, or one nested in it, takes sums: then another cut may change last bits. */
bool bench_has_sums(const bench *b);

/* Whether a hyperparameter eps is 0: then divisions by zero are what was asked for. */
bool bench_is_without_eps(const bench *b);

/* Where it can be switched off, there is no decay. */
void bench_switch_decay_off(bench *b);

/* A REAL hyperparameter of the component's own; NULL when there is none. */
const assay_hyper *bench_real(const subject *s, const char *name);

#endif
