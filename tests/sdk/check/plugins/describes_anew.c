/* Describes itself in another way every second time. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

static const assay_optimizer ops = {
    .struct_size = sizeof(assay_optimizer), .elem = update, .validate = validate
};
static const assay_hyper other_hypers[] = { ASSAY_LR(faulty, 0.2, 0.01, 1) };
static const char plugin_text[] ASSAY_INFO_SECTION = ASSAY_PLUGIN_INFO_(describes_anew, "0.1.0");
static const char component_text[] ASSAY_INFO_SECTION =
    ASSAY_COMPONENT_INFO_("optimizer", describes_anew, "0.1.0", "a doc");

#define COMPONENT(name_, table_) \
    static const assay_component name_ = { .struct_size = sizeof(assay_component), \
        .kind = "optimizer", \
        .id = "describes_anew", \
        .version = "0.1.0", \
        .doc = "a doc", \
        .hypers = table_, \
        .n_hypers = 1, \
        .hyper_stride = sizeof(assay_hyper), \
        .hyper_bytes = sizeof(struct faulty), \
        .ops = &ops, \
        .info = component_text }

#define PLUGIN(name_, components_) \
    static const assay_plugin name_ = { .struct_size = sizeof(assay_plugin), \
        .abi_major = ASSAY_ABI_MAJOR, \
        .target_minor = ASSAY_TARGET_MINOR, \
        .draft_hash = ASSAY_DRAFT_HASH, \
        .name = "describes_anew", \
        .version = "0.1.0", \
        .components = components_, \
        .n_components = 1, \
        .info = plugin_text }

COMPONENT(first, hypers);
COMPONENT(second, other_hypers);
static const assay_component *const first_all[] = { &first }, *const second_all[] = { &second };
PLUGIN(first_plugin, first_all);
PLUGIN(second_plugin, second_all);

const assay_plugin *ASSAY_ENTRY(const assay_host *host)
{
    static int n_calls;
    (void)host;
    return n_calls++ % 2 ? &second_plugin : &first_plugin;
}
