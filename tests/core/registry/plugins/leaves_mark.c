/* Runs code as soon as it is loaded: creates the file that ASSAY_TEST_MARK names. */
#include <assay/plugin.h>

#include <stdio.h>
#include <stdlib.h>

static void leave_mark(void) __attribute__((constructor));

static void leave_mark(void)
{
    const char *path = getenv("ASSAY_TEST_MARK");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) fclose(file);
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(leaves_mark, "1.0", "marks its loading", ASSAY_NO_HYPERS, .elem = update);
