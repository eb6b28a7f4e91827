/* Changes what belongs to the process: rounding, working directory, environment, a limit, the number of threads. */
#define _POSIX_C_SOURCE 200809L

#include "faulty.h"

#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void *wait_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    pthread_t thread;
    struct rlimit r;
    (void)ctx;
    (void)hyper;
    fesetround(FE_UPWARD);
    if (chdir("/")) return ASSAY_E_IO;
    setenv("MEDDLED", "yes", 1);
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur -= 1;
    setrlimit(RLIMIT_NOFILE, &r);
    return pthread_create(&thread, NULL, wait_for_ever, NULL) == 0 ? ASSAY_OK : ASSAY_E_INTERNAL;
}

FAULTY(meddles, "changes what belongs to the process");
