/* Exports what no library can take from it or its tools give away: a weak symbol, one whose name the language keeps, one that only
 * it sees, what --coverage brings, and the entry of a version to come. */
#include <assay/plugin.h>

#define SHOWN __attribute__((visibility("default")))

SHOWN __attribute__((weak)) int weak_one(int i);
SHOWN int _kept(int i);
SHOWN int mangle_path(int i);
__attribute__((visibility("protected"))) int protected_one(int i);
SHOWN const assay_plugin *assay_plugin_v7(const assay_host *host);

int weak_one(int i)
{
    return i + 1;
}

int _kept(int i)
{
    return i + 2;
}

int mangle_path(int i)
{
    return i + 4;
}

int protected_one(int i)
{
    return i + 3;
}

const assay_plugin *assay_plugin_v7(const assay_host *host)
{
    (void)host;
    return 0;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(
    exports_weak, "1.0", "exports more than its entry", ASSAY_NO_HYPERS, .elem = update);
