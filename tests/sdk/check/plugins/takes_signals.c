/* Takes a signal and another locale while it is loaded. */
#include "faulty.h"

#include <locale.h>
#include <signal.h>

__attribute__((constructor)) static void begin(void)
{
    signal(SIGINT, SIG_IGN);
    setlocale(LC_NUMERIC, "C.UTF-8");
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

FAULTY(takes_signals, "takes a signal while it is loaded");
