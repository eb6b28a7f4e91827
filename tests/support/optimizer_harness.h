/* Runs an optimizer by itself, straight from its .so, and the checks that every one of them must pass.
 *
 * All tiers, on one tensor or several, on the kit's watched arrays (check/optimizer_rig.h): what a callback may not write is found
 * wherever it happens. */
#ifndef ASSAY_TESTS_SUPPORT_OPTIMIZER_HARNESS_H
#define ASSAY_TESTS_SUPPORT_OPTIMIZER_HARNESS_H

#include "support/fake_host.h"

#include <stdbool.h>
#include <stddef.h>

struct optimizer_rig;
struct optimizer_scene;
struct rig_tensor;

enum { OPTIMIZER_SLOTS = 8, OPTIMIZER_WHOLE = 0 };

/* One optimizer on its tensors, with its state. `w`, `slot` and `n` are those of the first tensor that it accepts. */
typedef struct optimizer_harness {
    fake_host host; /* what is set here (fake_host_set) holds from the next update on */
    const assay_optimizer *ops;
    size_t n;
    uint64_t t; /* updates done */
    float *w; /* [n] */
    float *slot
        [OPTIMIZER_SLOTS]; /* in the order of their declaration; NULL where one does not exist, and for
                                     what belongs to the group */
    double *global; /* the group's slots, in order; NULL where there are none */
    double loss; /* of the next update's batch; 0 at first */
    /* What a closure evaluates (rig_objective); NULL: it finds `loss` and the update's own gradient wherever it asks. */
    double (*objective)(
        void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh);
    void *objective_self;
    struct optimizer_rig *rig; /* tensor by tensor: optimizer_rig_weights, optimizer_rig_slot */
    struct optimizer_scene *scene;
} optimizer_harness;

/* Loads `id` from below `build_folder`/plugins, with `options` ("lr=0.1 momentum=0.9", or as in a config: "lr = 0.1; inner = { type =
 * \"adam\"; };"), and copies w0[n], one vector "w". */
void optimizer_open(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const float *w0, size_t n);

/* The same on tensors of any shape, w0 an array each. */
void optimizer_open_tensors(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const struct rig_tensor *tensors, size_t n_tensors,
    const float *const *w0);
void optimizer_close(optimizer_harness *o);

/* Takes over t, weights and all state of another one with the same options and tensors. */
void optimizer_restore(optimizer_harness *o, const optimizer_harness *from);

/* One update with the gradient g[n]; of tier elem in chunks of `chunk` elements, the last one first; OPTIMIZER_WHOLE for one chunk. */
void optimizer_update(optimizer_harness *o, const float *g, size_t chunk);
void optimizer_update_tensors(optimizer_harness *o, const float *const *g, size_t chunk);

/* Where it is to be evaluated, the i-th tensor: out as large as that. */
void optimizer_eval_weights_at(optimizer_harness *o, size_t i_tensor, float *out);

/* Every update of every case in tests/golden/optimizer_<id>.safetensors, run freely (check/optimizer_trajectory.h): the weights, and how far
 * they have moved from where they started, agree to 1e-5 in norm, tensor by tensor; the distance but for the rounding of the weights
 * themselves where the gradients do not depend on them. So does where the model is evaluated, where the file tells it. */
void optimizer_check_golden(const char *build_folder, const char *id);

/* One of the checks below with the settings of every case there. */
typedef void (*optimizer_check)(const char *build_folder, const char *id, const char *options);
void optimizer_check_cases(const char *build_folder, const char *id, optimizer_check check);

/* The recorded runs themselves; trajectory_close. */
struct trajectory *optimizer_golden(const char *id);

/* The settings of one case, as in a config. */
typedef struct optimizer_settings {
    char text[256];
} optimizer_settings;
optimizer_settings optimizer_case_settings(const char *id, const char *name);

/* Chunks of 1, 7 and 4096 elements against the whole, bitwise (with sums to 1e-5 of the way, since they are cut with the chunks); a run
 * that is resumed against one that is not, bitwise; no elements; and with lr = 0 and weight_decay = 0 the weights stay. */
void optimizer_check_chunks(const char *build_folder, const char *id, const char *options);
void optimizer_check_resume(const char *build_folder, const char *id, const char *options);
void optimizer_check_empty(const char *build_folder, const char *id, const char *options);
void optimizer_check_lr_zero(const char *build_folder, const char *id, const char *options);

/* With `options` it is the optimizer `of` with the options `as`: after every update the way from the first weights is the same, to
 * `tolerance` of itself. */
void optimizer_check_special_case(const char *build_folder, const char *id, const char *options,
    const char *of, const char *as, double tolerance);

#endif
