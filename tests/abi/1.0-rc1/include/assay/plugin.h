/* What a plugin includes, and the description that it exports.
 *
 * A plugin with one component ends with one line:
 *
 *     ASSAY_OPTIMIZER(lion, "0.1.0", "Lion: sign of interpolated momentum", ASSAY_HYPERS(lion, hypers),
 *         .elem = update, ASSAY_SLOTS(slots));
 *
 * Several components in one file: ASSAY_DEFINE_...(id, ...) for each, and ASSAY_PLUGIN(name, version, &a, &b). */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H

#include "abi.h"
#include "dataset.h"
#include "hyper.h"
#include "layer.h"
#include "loss.h"
#include "math.h"
#include "optimizer.h"
#include "schedule.h"
#include "search.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* assay_component.kind */
#define ASSAY_KIND_OPTIMIZER "optimizer"
#define ASSAY_KIND_SCHEDULE "schedule"
#define ASSAY_KIND_LAYER "layer"
#define ASSAY_KIND_LOSS "loss"
#define ASSAY_KIND_METRIC "metric"
#define ASSAY_KIND_DATASET "dataset"
#define ASSAY_KIND_SEARCH "search"
#define ASSAY_KIND_PRUNER "pruner"

typedef struct assay_component {
    uint64_t struct_size;
    const char *kind;
    const char *id; /* what `type` names in a config: lower case, digits, underscores */
    const char *version;
    const char *doc; /* one line */
    const assay_hyper *hypers;
    uint64_t n_hypers, hyper_stride;
    uint64_t hyper_bytes; /* sizeof the author's struct */
    const void *ops; /* assay_optimizer, assay_layer, ... as `kind` says */
    const char *info; /* its record in section .assay_info */
} assay_component;

typedef struct assay_plugin {
    uint64_t struct_size;
    uint32_t abi_major, header_minor;
    uint64_t target_minor;
    uint64_t draft_hash;
    const char *name, *version, *license, *url; /* the last two may be NULL */
    const assay_component *const *components;
    uint64_t n_components;
    const char *info; /* the text in section .assay_info */
} assay_plugin;

#if defined(__GNUC__)
#define ASSAY_EXPORT __attribute__((visibility("default")))
#define ASSAY_INFO_SECTION __attribute__((section(".assay_info"), used))
#else
#define ASSAY_EXPORT
#define ASSAY_INFO_SECTION
#endif

/* The only exported symbol. */
ASSAY_EXPORT const assay_plugin *ASSAY_ENTRY(const assay_host *host);

#define ASSAY_TEXT_(x) #x
#define ASSAY_TEXT(x) ASSAY_TEXT_(x)

/* A record of .assay_info: NUL-terminated "key=value" lines that a host reads without running anything. */
#define ASSAY_COMPONENT_INFO_(kind_, id_, version_, doc_) \
    "assay.component\nkind=" kind_ "\nid=" #id_ "\nversion=" version_ "\ndoc=" doc_ "\n"
#define ASSAY_PLUGIN_INFO_(name_, version_) \
    "assay.plugin\nname=" #name_ "\nversion=" version_ \
    "\nabi=" ASSAY_TEXT(ASSAY_ABI_MAJOR) "." ASSAY_TEXT(ASSAY_ABI_MINOR) "\ntarget=" ASSAY_TEXT( \
        ASSAY_TARGET_MINOR) "\ndraft=" ASSAY_TEXT(ASSAY_DRAFT_HASH) "\n"

#define ASSAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The hyperparameters of a component: the tag of the author's struct and its table; or none. */
#define ASSAY_HYPERS(T, table) ASSAY_COUNT(table), sizeof(struct T), table
#define ASSAY_NO_HYPERS 0, 0, 0

struct assay_semicolon_;

/* Slots, metrics and special cases of an optimizer, among its ops, in this order after the callbacks that come before them. */
#define ASSAY_SLOTS(array) \
    .slots = (array), .n_slots = ASSAY_COUNT(array), .slot_stride = sizeof((array)[0])
#define ASSAY_METRICS(array) \
    .metrics = (array), .n_metrics = ASSAY_COUNT(array), .metric_stride = sizeof((array)[0])
#define ASSAY_SPECIAL_CASES(array) \
    .special_cases = (array), .n_special_cases = ASSAY_COUNT(array), \
    .special_case_stride = sizeof((array)[0])

/* A component from its ops; ASSAY_DEFINE_LAYER and the others below name the kind. H is ASSAY_HYPERS(...). */
#define ASSAY_DEFINE_(kind_, type_, id_, version_, doc_, n_, bytes_, table_, ...) \
    static const type_ id_##_ops = { .struct_size = sizeof(type_), __VA_ARGS__ }; \
    static const char id_##_info[] ASSAY_INFO_SECTION = \
        ASSAY_COMPONENT_INFO_(kind_, id_, version_, doc_); \
    static const assay_component id_##_component = { .struct_size = sizeof(assay_component), \
        .kind = kind_, \
        .id = #id_, \
        .version = version_, \
        .doc = doc_, \
        .hypers = table_, \
        .n_hypers = n_, \
        .hyper_stride = sizeof(assay_hyper), \
        .hyper_bytes = bytes_, \
        .ops = &id_##_ops, \
        .info = id_##_info }

/* Who publishes a plugin defines these before the last line: an SPDX id, a page. */
#ifndef ASSAY_PLUGIN_LICENSE
#define ASSAY_PLUGIN_LICENSE 0
#endif
#ifndef ASSAY_PLUGIN_URL
#define ASSAY_PLUGIN_URL 0
#endif

/* The plugin itself: its entry and its info record. The rest are pointers to components. */
#define ASSAY_PLUGIN(name_, version_, ...) \
    static const char name_##_plugin_info[] ASSAY_INFO_SECTION = \
        ASSAY_PLUGIN_INFO_(name_, version_); \
    static const assay_component *const name_##_components[] = { __VA_ARGS__ }; \
    static const assay_plugin name_##_plugin = { .struct_size = sizeof(assay_plugin), \
        .abi_major = ASSAY_ABI_MAJOR, \
        .header_minor = ASSAY_ABI_MINOR, \
        .target_minor = ASSAY_TARGET_MINOR, \
        .draft_hash = ASSAY_DRAFT_HASH, \
        .name = #name_, \
        .version = version_, \
        .license = ASSAY_PLUGIN_LICENSE, \
        .url = ASSAY_PLUGIN_URL, \
        .components = name_##_components, \
        .n_components = ASSAY_COUNT(name_##_components), \
        .info = name_##_plugin_info }; \
    const assay_plugin *ASSAY_ENTRY(const assay_host *host) \
    { \
        (void)host; \
        return &name_##_plugin; \
    } \
    struct assay_semicolon_

#define ASSAY_DEFINE_OPTIMIZER(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_OPTIMIZER, assay_optimizer, id, version, doc, H, __VA_ARGS__)
#define ASSAY_OPTIMIZER(id, version, doc, H, ...) \
    ASSAY_DEFINE_OPTIMIZER(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_SCHEDULE(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_SCHEDULE, assay_schedule, id, version, doc, H, __VA_ARGS__)
#define ASSAY_SCHEDULE(id, version, doc, H, ...) \
    ASSAY_DEFINE_SCHEDULE(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_LAYER(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_LAYER, assay_layer, id, version, doc, H, __VA_ARGS__)
#define ASSAY_LAYER(id, version, doc, H, ...) \
    ASSAY_DEFINE_LAYER(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_LOSS(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_LOSS, assay_loss, id, version, doc, H, __VA_ARGS__)
#define ASSAY_LOSS(id, version, doc, H, ...) \
    ASSAY_DEFINE_LOSS(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_METRIC(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_METRIC, assay_metric, id, version, doc, H, __VA_ARGS__)
#define ASSAY_METRIC(id, version, doc, H, ...) \
    ASSAY_DEFINE_METRIC(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_DATASET(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_DATASET, assay_dataset, id, version, doc, H, __VA_ARGS__)
#define ASSAY_DATASET(id, version, doc, H, ...) \
    ASSAY_DEFINE_DATASET(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_SEARCH(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_SEARCH, assay_search, id, version, doc, H, __VA_ARGS__)
#define ASSAY_SEARCH(id, version, doc, H, ...) \
    ASSAY_DEFINE_SEARCH(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#define ASSAY_DEFINE_PRUNER(id, version, doc, H, ...) \
    ASSAY_DEFINE_(ASSAY_KIND_PRUNER, assay_pruner, id, version, doc, H, __VA_ARGS__)
#define ASSAY_PRUNER(id, version, doc, H, ...) \
    ASSAY_DEFINE_PRUNER(id, version, doc, H, __VA_ARGS__); \
    ASSAY_PLUGIN(id, version, &id##_component)

#ifdef __cplusplus
}
#endif

#endif
