/* A port held against what it was ported from: the weights after each step of a recorded run, given its gradients.
 *
 * The file is a safetensors file that sdk/assay_record.py writes, or the generators of tests/golden. Its arrays, a <name> per tensor:
 *
 *   w0.<name>        [shape]         F32       the weights before the first step
 *   g.<name>         [steps, shape]  F32       the gradients; none where the metadata name an objective
 *   <case>.<name>    [steps, shape]  F32, F64  the weights after each step. A case is a run with settings of its own; a file with
 *                                              one case calls it "w". No case is called w0, g, x, k, c or u
 *   x.<case>.<name>  [steps, shape]  F32, F64  optional: where the model would be evaluated (eval_weights), after each step or,
 *                    or [shape]                as [shape], after the last
 *
 * and its metadata:
 *
 *   format = assay-trajectory, version = 1
 *   steps             how many
 *   recorded          what was recorded, for messages: "torch.optim.Adam, float64"
 *   settings.<case>   the optimizer's hyperparameters as in its block of a config: "lr = 0.0319; beta1 = 0.81;". For the case "w"
 *                     also just `settings`
 *   tensor.<name>     optional, what name and shape do not say: "role=recurrent place=output blocks=4 fan_in=7 fan_out=5
 *                     lr_scale=0.5", any of them. Without it the place is hidden, there is one block, and the role is embedding or
 *                     gain where the name ends so, else weight, or bias with one dimension
 *   run               "seated" (the default) or "free", see below
 *   objective         optional, for optimizers that evaluate the loss themselves: "valley", which is
 *                     f(w) = sum_i k_i log cosh(w_i - c_i) + (sum_i u_i w_i)^2 / 2
 *                     over all tensors, of the arrays k.<name>, c.<name>, u.<name>, each [shape] F32 */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_TRAJECTORY_H
#define ASSAY_SDK_CHECK_OPTIMIZER_TRAJECTORY_H

#include "check/kit.h"
#include "check/optimizer_rig.h"

/* Holds the plugin against every case of the file subject.against.
 *
 * Seated: before each step the weights are put where the recorded run had them, so that what is reported is the step that parts and not
 * what it led to. A tensor agrees when the difference is at most subject.tolerance of the recorded step in norm, but for the rounding of
 * the weights themselves.
 *
 * Free: the weights go on from the optimizer's own. That is for those that take differences between two updates, as an L-BFGS may, which are
 * spoilt by the rounding of a seat. Weights that are kept in slots do not ask for it: the optimizers that keep some (lookahead, schedule_free,
 * prodigy) round them as a seat does. A tensor agrees when the difference is at most subject.tolerance of the distance from the first
 * weights, but for a rounding of the weights per step.
 *
 * Where the model would be evaluated is always compared as in a free run. */
void optimizer_trajectory_run(const subject *s, check_report *r);

/* -- the file, for tests that go through it by themselves -- */

enum { TRAJECTORY_MAX_TENSORS = 64, TRAJECTORY_MAX_CASES = 16 };

/* One run. */
typedef struct trajectory_case {
    const char *name, *settings;
    const double *w[TRAJECTORY_MAX_TENSORS]; /* [steps, size] per tensor */
    const double
        *x[TRAJECTORY_MAX_TENSORS]; /* [steps, size], or [size] if x_is_last; NULL: there is none */
    bool x_is_last;
} trajectory_case;

typedef struct trajectory {
    const char *recorded;
    bool is_free, has_objective;
    size_t n_steps, n_tensors, n_cases;
    rig_tensor tensor[TRAJECTORY_MAX_TENSORS];
    size_t size[TRAJECTORY_MAX_TENSORS];
    const float *w0[TRAJECTORY_MAX_TENSORS]; /* [size] */
    const float *g[TRAJECTORY_MAX_TENSORS]; /* [steps, size]; NULL with an objective */
    const float *k[TRAJECTORY_MAX_TENSORS], *c[TRAJECTORY_MAX_TENSORS], *u[TRAJECTORY_MAX_TENSORS];
    trajectory_case run[TRAJECTORY_MAX_CASES]; /* by rising name */
} trajectory;

/* Errors: those of safetensors_open; E_UNSUPPORTED (another format, version, type, objective), E_CORRUPT (metadata that are missing or
 * cannot be read), E_MISSING, E_SHAPE; each names the file. */
status trajectory_open(const char *path, trajectory **out, error *err) MUST_CHECK;
void trajectory_close(trajectory *t);

const trajectory_case *trajectory_find(
    const trajectory *t, const char *name); /* NULL when absent */

/* A rig_objective; self is the trajectory. */
double trajectory_objective(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh);

#endif
