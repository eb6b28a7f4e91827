/* Sets how vectors round when it is loaded, and leaves the x87 unit, which fegetround asks, as it was. */
#include "bad.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#else
#include <fenv.h>
#endif

static void change_mode(void) __attribute__((constructor));

static void change_mode(void)
{
#if defined(__SSE__)
    _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
#else
    fesetround(FE_UPWARD);
#endif
}

ASSAY_OPTIMIZER(bad, "1.0", "changes the mode", ASSAY_NO_HYPERS, .elem = update);
