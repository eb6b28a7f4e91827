/* A port held against what it was ported from: the weights after each step of a recorded run, given its gradients. */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_TRAJECTORY_H
#define ASSAY_SDK_CHECK_OPTIMIZER_TRAJECTORY_H

#include "check/kit.h"

/* The run is the file subject.against, written by sdk/assay_record.py (tensors w0.<name>, g.<name> and w.<name>, the last two with
 * a first dimension of steps; metadata format, version, steps, settings, recorded). Before each step the weights are put where the recorded
 * run had them, so that what is reported is the step that parts and not what it led to. A tensor agrees when the difference is at most
 * subject.tolerance of the recorded step in norm, but for the rounding of the weights themselves. */
void optimizer_trajectory_run(const subject *s, check_report *r);

#endif
