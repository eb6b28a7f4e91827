/* Does what -Ofast does to a shared object (of gcc before 13, and of clang): sets flush-to-zero and denormals-are-zero when it is
 * loaded. */
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
    _mm_setcsr(_mm_getcsr() | 0x8040u);
#else
    fesetround(FE_UPWARD);
#endif
}

ASSAY_OPTIMIZER(bad, "1.0", "changes the mode", ASSAY_NO_HYPERS, .elem = update);
