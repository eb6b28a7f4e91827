/* The config's `train` block, bound by table. */
#ifndef ASSAY_CORE_TRAIN_OPTIONS_H
#define ASSAY_CORE_TRAIN_OPTIONS_H

#include "config/config.h"
#include "registry/hyper.h"

#include <stdbool.h>
#include <stdint.h>

enum { UNIT_EPOCH, UNIT_STEP };
enum { CHECKPOINT_SECOND, CHECKPOINT_STEP, CHECKPOINT_EPOCH };
enum { MODE_AUTO, MODE_MIN, MODE_MAX };
enum { RULE_PATIENCE, RULE_GL, RULE_PQ, RULE_UP };

/* train = { ... } */
struct train_options {
    int64_t epochs, steps;
    double time_limit;
    double clip_norm, clip_value, l2, weight_noise;
    int64_t accumulate;
    int64_t replicas, threads;
    int64_t validate_every, validate_unit;
    int64_t train_eval, recalibrate, log_every;
    int64_t tensorboard;
    int64_t flush_denormals;
    const char *init_from;
};

/* train.early_stopping = { ... } */
struct early_stop_options {
    const char *monitor;
    int64_t mode, rule;
    int64_t every, patience;
    double min_delta;
    int64_t relative, restore_best, stop_on_nan;
    double target;
    double alpha;
    int64_t strip, strips;
};

/* train.checkpoint = { ... } */
struct checkpoint_options {
    int64_t every, unit, keep;
};

/* train.probe = { ... } */
struct probe_settings {
    int64_t every;
    double share; /* 0: automatic */
};

typedef struct train_config {
    struct train_options train;
    bool stops_early;
    struct early_stop_options early;
    struct checkpoint_options checkpoint;
    struct probe_settings probe; /* every = 0: none */
} train_config;

extern const hyper_table train_table, early_stop_table, checkpoint_table, probe_table;

/* Reads `train` of the root; adds it and every default to the tree. */
status train_config_read(config *c, train_config *out, error *err) MUST_CHECK;

/* The keys at the top level of a config, NULL-terminated. */
extern const char *const config_keys[];

/* Refuses keys at the top level that no room reads, with did-you-mean. E_MISSING: there is a study and no run. */
status config_check_keys(const config *c, error *err) MUST_CHECK;

#endif
