/* What the tests of layers share: the settings and inputs that they go through, and comparing two passes. */
#ifndef ASSAY_SDK_CHECK_LAYER_CASES_H
#define ASSAY_SDK_CHECK_LAYER_CASES_H

#include "check/layer_rig.h"

typedef struct layer_cases {
    bool all_settings; /* else the defaults alone */
    bool pairs; /* two of them at a time, too */
    bool is_first; /* runs where layer_forward fails, too; others leave such cases out */
    layer_rig_options options;
    size_t
        most_signatures; /* per setting; 0: all with the defaults, one of each sort with others */
} layer_cases;

/* Runs `run` for a rig of each case; an instance each. Skips where the layer takes none of the inputs. */
void layer_each(const subject *s, const layer_cases *c,
    void (*run)(layer_rig *r, check_report *rep), check_report *rep);

/* Whether layer_forward fails with the defaults, and what a test that needs it says then. */
bool layer_is_broken(const subject *s);
void layer_tell_broken(check_report *rep);

/* Reports what a rig or pass found. */
void layer_fault(check_report *rep, const layer_rig *r, const error *err);

/* What of two passes is compared. */
enum {
    COMPARE_Y = 1,
    COMPARE_CARRY = 2, /* carry_out */
    COMPARE_DX = 4,
    COMPARE_DPARAM = 8,
    COMPARE_DCARRY = 16, /* dcarry_in */
    COMPARE_FORWARD = COMPARE_Y | COMPARE_CARRY,
    COMPARE_BACKWARD = COMPARE_DX | COMPARE_DPARAM | COMPARE_DCARRY,
    COMPARE_ALL = COMPARE_FORWARD | COMPARE_BACKWARD,
};

/* Whether found[n] is expected[n]: bit for bit where tolerance is 0, else to that share of the largest number in both. Reports the
 * worst element: "<op>: <name> [1, 0, 2] is 0.3, expected 0.6: <meaning> (<title>)". */
typedef struct comparison {
    const char *op, *name, *own, *meaning, *title;
    const assay_shape *shape; /* of a row, or of the parameter */
    uint64_t batch; /* 0: of a parameter */
    double tolerance;
} comparison;

bool compare_arrays(
    check_report *rep, const comparison *c, const float *found, const float *expected, size_t n);

/* The same of what two passes of equal extents have written; entries that are NULL in either are left out. */
bool layer_same(check_report *rep, const layer_pass *found, const layer_pass *expected,
    unsigned what, double tolerance, const char *meaning);

/* forward, and backward; false after reporting a fault. */
bool layer_run(layer_pass *p, check_report *rep);
bool layer_run_forward(layer_pass *p, check_report *rep);
bool layer_run_backward(layer_pass *p, check_report *rep);
bool layer_begin(layer_rig *r, uint64_t time, uint64_t batch, layer_pass **out, check_report *rep);
bool layer_make_ready(layer_rig *r, bool training, check_report *rep);

/* Whether forward asks for random numbers while training. */
bool layer_draws(layer_pass *p, check_report *rep);

/* Buffers, to be put back. */
typedef struct layer_buffers {
    snapshot was[LAYER_RIG_MAX];
    size_t n;
} layer_buffers;

bool layer_buffers_keep(layer_buffers *b, const layer_rig *r);
void layer_buffers_restore(const layer_buffers *b);
void layer_buffers_release(layer_buffers *b);

/* The tests, by file. */
void check_layer_plan(const subject *s, check_report *rep);
void check_layer_forward(const subject *s, check_report *rep);
void check_layer_bounds(const subject *s, check_report *rep);
void check_layer_out_of_memory(const subject *s, check_report *rep);
void check_layer_gradient(const subject *s, check_report *rep);
void check_layer_gradient_transposed(const subject *s, check_report *rep);
void check_layer_gradient_single(const subject *s, check_report *rep);
void check_layer_backward(const subject *s, check_report *rep);
void check_layer_repeat(const subject *s, check_report *rep);
void check_layer_evaluation(const subject *s, check_report *rep);
void check_layer_draws(const subject *s, check_report *rep);
void check_layer_buffers(const subject *s, check_report *rep);
void check_layer_shards(const subject *s, check_report *rep);
void check_layer_samples(const subject *s, check_report *rep);
void check_layer_order(const subject *s, check_report *rep);
void check_layer_carry(const subject *s, check_report *rep);
void check_layer_padding(const subject *s, check_report *rep);
void check_layer_sizes(const subject *s, check_report *rep);
void check_layer_replicas(const subject *s, check_report *rep);
void check_layer_threads(const subject *s, check_report *rep);
void check_layer_prepare(const subject *s, check_report *rep);
void check_layer_effects(const subject *s, check_report *rep);
void check_layer_hypers(const subject *s, check_report *rep);
void check_layer_training(const subject *s, check_report *rep);
void check_layer_speed(const subject *s, check_report *rep);

#endif
