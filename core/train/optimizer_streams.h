/* Streams of random numbers that optimizers are handed: a function of the update's number and the tensor alone, so that a run which
 * resumes draws what it would have drawn. The trainer and the conformance kit take them from here. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_STREAMS_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_STREAMS_H

#include <assay/optimizer.h>

/* The stream of random numbers of update t, and a tensor's own in it; 4096 further ones behind each. */
static inline uint64_t update_stream(uint64_t t)
{
    return t << 32;
}

static inline uint64_t tensor_stream(uint64_t t, const assay_tensor *of)
{
    return update_stream(t) + ((of->index + 1) << 12);
}

#endif
