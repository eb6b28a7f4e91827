/* What the procedures of a study do alike: find the plugins, read the config, say why they give up. */
#ifndef ASSAY_CORE_JOB_H
#define ASSAY_CORE_JOB_H

#include "registry/registry.h"
#include "sandbox/worker.h"
#include "job/job_input.h"

typedef struct job {
    worker_io *io;
    registry *own; /* at level none; in a worker the inherited one serves */
    registry *registry;
    job_input input;
    config *
        config; /* parsed, with the overrides, the seed, and no more threads than the call allows */
    const void *pack; // [n_pack] the input that job_input.data names; NULL: none
    size_t n_pack;
} job;

/* Begins phase load. */
status job_open(job *j, worker_io *io, const void *input, size_t n, error *err) MUST_CHECK;
void job_close(job *j);

/* worker_refuse in the class that the error calls for; `is_early`: plugins are still being loaded. */
int job_refuse(const job *j, bool is_early, const error *err);

/* The result region, which must have `bytes`; `what` it is of. */
status job_result_room(
    const job *j, const char *what, size_t bytes, unsigned char **out, error *err) MUST_CHECK;

#endif
