/* Does what -Ofast does to a shared object: sets flush-to-zero and denormals-are-zero when it is
 * loaded. */
#include <assay/plugin.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

static void change_mode(void) __attribute__((constructor));

static void change_mode(void)
{
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#else
    fesetround(FE_UPWARD);
#endif
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(flushes_denormals, "1.0", "changes the mode", ASSAY_NO_HYPERS, .elem = update);
