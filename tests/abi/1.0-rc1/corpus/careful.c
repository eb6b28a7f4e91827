/* Looks at every service of the host before it uses one: how many there are comes back from `validate`. */
#include <assay/plugin.h>

#define COUNT_SERVICE(f) n += ASSAY_HAS(assay_host, host, f) && host->f != 0;

static int validate(assay_ctx *ctx, const void *hyper)
{
    const assay_host *host = ctx->host;
    int n = 0;
    (void)hyper;
    COUNT_SERVICE(fail)
    COUNT_SERVICE(log)
    COUNT_SERVICE(metric)
    COUNT_SERVICE(alloc)
    COUNT_SERVICE(scratch)
    COUNT_SERVICE(random_u32)
    COUNT_SERVICE(uniform_f32)
    COUNT_SERVICE(normal_f32)
    COUNT_SERVICE(gemm_f32)
    COUNT_SERVICE(pack_b_bytes)
    COUNT_SERVICE(pack_b)
    COUNT_SERVICE(potrf_f32)
    COUNT_SERVICE(trsm_f32)
    COUNT_SERVICE(syevd_f32)
    COUNT_SERVICE(geqrf_f32)
    COUNT_SERVICE(gesdd_f32)
    COUNT_SERVICE(parallel_for)
    COUNT_SERVICE(inner_update)
    COUNT_SERVICE(inner_factor)
    COUNT_SERVICE(extension)
    return n;
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    (void)ctx, (void)hyper, (void)when, (void)state;
    *out_factor = 1;
    return ASSAY_OK;
}

ASSAY_SCHEDULE(careful, "1.0.0", "constant, and curious about its host", ASSAY_NO_HYPERS,
    .factor = factor, .validate = validate);
