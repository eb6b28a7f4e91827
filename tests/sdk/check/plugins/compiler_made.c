/* The variable that a C++ compiler makes for exceptions; that is no fault. */
#include "faulty.h"

static void *made __asm__("DW.ref.__gxx_personality_v0") = (void *)1;

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return *(void *volatile *)&made ? ASSAY_OK : ASSAY_E_NUMERIC;
}

FAULTY(compiler_made, "a variable of the compiler's");
