/* What the plugins here share: an optimizer "bad" that would be all right, and the pieces of a
 * description written by hand. Each folder then goes wrong in one way; its file `expected` holds
 * "kind id" and the message that asking for that component must give (@FILE@ stands for the
 * plugin's path, @DRAFT@ for this host's hash). */
#ifndef BAD_H
#define BAD_H

#include <assay/plugin.h>

struct bad {
    double lr;
    int64_t n, flag;
};

#define GOOD_ROWS \
    ASSAY_LR(bad, 0.1, 0.01, 1), ASSAY_INT(bad, n, 1, 1, 10, "a count"), \
        ASSAY_BOOL(bad, flag, 0, "a switch")

static inline int update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

/* The parts, each as it should be; the fields that follow replace earlier ones. */
#define PLUGIN_INFO \
    static const char plugin_info[] ASSAY_INFO_SECTION = ASSAY_PLUGIN_INFO_(bad, "1.0")
#define COMPONENT_INFO(name, id) \
    static const char name[] ASSAY_INFO_SECTION = \
        ASSAY_COMPONENT_INFO_("optimizer", id, "1.0", "a doc")
#define OPS(...) \
    static const assay_optimizer ops = { \
        .struct_size = sizeof(assay_optimizer), .elem = update, __VA_ARGS__ \
    }
#define COMPONENT(name, ...) \
    static const assay_component name = { .struct_size = sizeof(assay_component), \
        .kind = "optimizer", \
        .id = "bad", \
        .version = "1.0", \
        .doc = "a doc", \
        .hyper_stride = sizeof(assay_hyper), \
        .ops = &ops, \
        .info = component_info, \
        __VA_ARGS__ }
#define DESCRIPTION(...) \
    static const assay_plugin description = { .struct_size = sizeof(assay_plugin), \
        .abi_major = ASSAY_ABI_MAJOR, \
        .target_minor = ASSAY_TARGET_MINOR, \
        .draft_hash = ASSAY_DRAFT_HASH, \
        .name = "bad", \
        .version = "1.0", \
        .components = all, \
        .n_components = sizeof(all) / sizeof(all[0]), \
        .info = plugin_info, \
        __VA_ARGS__ }
#define PLUGIN(...) \
    DESCRIPTION(__VA_ARGS__); \
    const assay_plugin *ASSAY_ENTRY(const assay_host *host) \
    { \
        (void)host; \
        return &description; \
    } \
    struct assay_semicolon_

#endif
