/* What a study may cost: groups of the block `study` with numbers in them. */
#include "declaration/declaration_internal.h"
#include "declaration/keys.h"

#include "registry/hyper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_TRIALS = 20 };

#define MOST_TRIALS 1e9

static const char *const fallback_words[] = { "error", "process" };
static const char *const level_words[] = { "none", "process", "strict", "auto" };

enum { LEVEL_AUTO = 3 };

struct budget_keys {
    int64_t trials;
    double samples, seconds;
};

static const assay_hyper budget_rows[] = {
    ASSAY_INT(budget_keys, trials, DEFAULT_TRIALS, 1, MOST_TRIALS, "trials of one tuning"),
    ASSAY_REAL(budget_keys, samples, 0, 0, ASSAY_INF,
        "samples through training, of one tuning; 0: no limit", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(budget_keys, seconds, 0, 0, ASSAY_INF,
        "seconds of all trials of one tuning together; 0: no limit", .flags = ASSAY_OPEN_MAX),
};

struct fidelity_keys {
    double max, min;
};

static const assay_hyper fidelity_rows[] = {
    ASSAY_REAL(fidelity_keys, max, 0, 0, 1e12, "epochs of a whole trial; 0: trials have no parts"),
    ASSAY_REAL(fidelity_keys, min, 0, 0, 1e12, "the least epochs that say anything"),
};

struct sandbox_keys {
    int64_t level, fallback, threads;
    double wall, stall, cpu;
};

static const assay_hyper sandbox_rows[] = {
    ASSAY_ENUM(sandbox_keys, level, SANDBOX_STRICT, level_words, "how trials are kept apart"),
    ASSAY_ENUM(sandbox_keys, fallback, 0, fallback_words,
        "what to do where strict is not possible: end, or go on with level process"),
    ASSAY_REAL(sandbox_keys, wall, 60, 0, 1e9, "seconds of a job at most", .flags = ASSAY_OPEN_MIN,
        .unit = "seconds"),
    ASSAY_REAL(sandbox_keys, stall, 10, 0, 1e9, "seconds without a step at most; 0: no limit",
        .unit = "seconds"),
    ASSAY_REAL(sandbox_keys, cpu, 120, 0, 1e9,
        "seconds of all threads at most; 0: no limit beside wall", .unit = "seconds"),
    ASSAY_INT(sandbox_keys, threads, 1, 1, 4096, "threads of a job, in all"),
};

struct retry_keys {
    int64_t lost, crash, timeout;
};

static const assay_hyper retry_rows[] = {
    ASSAY_INT(retry_keys, lost, 3, 0, 1000, "how often a trial may lose its machine"),
    ASSAY_INT(retry_keys, crash, 0, 0, 1000, "how often a trial that broke is tried again"),
    ASSAY_INT(retry_keys, timeout, 0, 0, 1000, "how often one that was too slow is tried again"),
};

/* Bytes, as a number or a text: read one by one below. */
static const assay_hyper size_rows[] = {
    { .name = "memory",
        .type = ASSAY_TYPE_STRING,
        .def_string = "512M",
        .doc = "bytes of a job at most: a number, or with K, M, G, T" },
    { .name = "log_limit",
        .type = ASSAY_TYPE_STRING,
        .def_string = "64K",
        .doc = "bytes of what a job prints that are kept" },
};

const hyper_table study_sandbox_written_table = HYPER_DOCS(size_rows);
const hyper_table study_budget_table = { budget_rows, sizeof budget_rows / sizeof budget_rows[0],
    sizeof(assay_hyper), sizeof(struct budget_keys) };
const hyper_table study_fidelity_table = { fidelity_rows,
    sizeof fidelity_rows / sizeof fidelity_rows[0], sizeof(assay_hyper),
    sizeof(struct fidelity_keys) };
const hyper_table study_sandbox_table = { sandbox_rows,
    sizeof sandbox_rows / sizeof sandbox_rows[0], sizeof(assay_hyper),
    sizeof(struct sandbox_keys) };
const hyper_table study_retry_table = { retry_rows, sizeof retry_rows / sizeof retry_rows[0],
    sizeof(assay_hyper), sizeof(struct retry_keys) };

static status read_budget(reading *g, error *err)
{
    const hyper_bind_options o = { .what = "study: budget", .noun = "key" };
    struct budget_keys keys;
    value *budget;
    status st = OK;
    TRY(study_group(g->d->config, g->study, "budget", &budget, err));
    if (value_find(budget, "samples") || value_find(budget, "seconds")) {
        TRY(study_default_int(g->d->config, budget, "trials", (int64_t)MOST_TRIALS, err));
    }
    TRY(hyper_bind(g->d->config, budget, &study_budget_table, &o, &keys, NULL, err));
    g->d->budget_trials = (uint64_t)keys.trials;
    g->d->budget_samples = keys.samples;
    g->d->budget_seconds = keys.seconds;
    if (keys.trials == (int64_t)MOST_TRIALS && keys.samples == 0 && keys.seconds == 0) {
        const value *v = value_find(budget, "trials");
        st = fail_at(err, E_RANGE, v->is_default ? &budget->at : &v->at,
            "study: budget: nothing limits it: give trials, samples or seconds");
    }
done:
    return st;
}

static status read_fidelity(reading *g, error *err)
{
    const hyper_bind_options o = { .what = "study: fidelity", .noun = "key" };
    struct fidelity_keys keys;
    value *fidelity;
    status st = OK;
    TRY(study_group(g->d->config, g->study, "fidelity", &fidelity, err));
    const bool has_min = value_find(fidelity, "min") != NULL;
    TRY(hyper_bind(g->d->config, fidelity, &study_fidelity_table, &o, &keys, NULL, err));
    if (keys.max == 0 && keys.min > 0) {
        TRY(fail_at(err, E_MISSING, &fidelity->at,
            "study: fidelity: there is a min without a max, the epochs of a whole trial"));
    }
    if (keys.max > 0 && !has_min) {
        value *v = value_find(fidelity, "min");
        keys.min = v->as.real = keys.max < 1 ? keys.max : 1;
    }
    const value *min = value_find(fidelity, "min");
    if (keys.max > 0 && !(keys.min > 0 && keys.min <= keys.max)) {
        TRY(fail_at(err, E_RANGE, &min->at,
            "study: fidelity: min: expected a number above 0 and at most max, %g, found %g",
            keys.max, keys.min));
    }
    g->d->max_fidelity = keys.max;
    g->d->min_fidelity = keys.min;
done:
    return st;
}

/* 1048576, "64K", "512M", "2G". */
static status read_size(
    config *c, value *group, const char *key, size_t otherwise, double *out, error *err)
{
    static const char units[] = "KMGT";
    const value *v = value_find(group, key);
    char what[64];
    snprintf(what, sizeof what, "study: sandbox: %s", key);
    *out = (double)otherwise;
    if (!v) return study_default_int(c, group, key, (int64_t)otherwise, err);
    if (v->kind == VALUE_INT) {
        *out = (double)v->as.integer;
    } else if (v->kind == VALUE_STRING) {
        const char *end;
        *out = text_to_real(v->as.string, &end);
        const char *unit = end > v->as.string && *end ? strchr(units, *end) : NULL;
        if (unit) {
            *out *= ldexp(1, 10 * (int)(unit - units + 1));
            end++;
        }
        if (end == v->as.string || *end) {
            return study_fail_expected(v, what, "bytes, as in 65536 or \"512M\"", err);
        }
    } else {
        return study_fail_expected(v, what, "bytes, as in 65536 or \"512M\"", err);
    }
    if (*out >= 1 && *out <= 0x1p50 && *out == floor(*out)) return OK;
    static const char expected[] = "from 1 byte to 1024T";
    return v->kind == VALUE_STRING
        ? fail_at(
              err, E_RANGE, &v->at, "%s: expected %s, found \"%s\"", what, expected, v->as.string)
        : fail_at(err, E_RANGE, &v->at, "%s: expected %s, found %.0f", what, expected, *out);
}

static status read_sandbox(reading *g, error *err)
{
    static const char *const reserved[] = { "memory", "log_limit", NULL };
    const hyper_bind_options o = { .what = "study: sandbox", .noun = "key", .reserved = reserved };
    struct sandbox_keys keys;
    value *block;
    declaration *d = g->d;
    double memory, log;
    status st = OK;
    TRY(study_group(d->config, g->study, "sandbox", &block, err));
    TRY(hyper_bind(d->config, block, &study_sandbox_table, &o, &keys, NULL, err));
    TRY(read_size(d->config, block, "memory", sandbox_default_limits.memory_bytes, &memory, err));
    TRY(read_size(d->config, block, "log_limit", sandbox_default_limits.log_bytes, &log, err));
    d->is_auto = keys.level == LEVEL_AUTO;
    d->level = d->is_auto ? SANDBOX_STRICT : (sandbox_level)keys.level;
    d->falls_back = keys.fallback != 0;
    d->limits = (sandbox_limits){ .memory_bytes = (uint64_t)memory,
        .wall_s = keys.wall,
        .stall_s = keys.stall,
        .cpu_s = keys.cpu,
        .n_threads = (uint32_t)keys.threads,
        .log_bytes = (size_t)log };
done:
    return st;
}

static status read_retry(reading *g, error *err)
{
    const hyper_bind_options o = { .what = "study: retry", .noun = "key" };
    struct retry_keys keys;
    value *retry;
    status st = OK;
    TRY(study_group(g->d->config, g->study, "retry", &retry, err));
    TRY(hyper_bind(g->d->config, retry, &study_retry_table, &o, &keys, NULL, err));
    g->d->retry_lost = (uint64_t)keys.lost;
    g->d->retry_crash = (uint64_t)keys.crash;
    g->d->retry_timeout = (uint64_t)keys.timeout;
done:
    return st;
}

status read_limits(reading *g, error *err)
{
    status st = OK;
    TRY(read_budget(g, err));
    TRY(read_fidelity(g, err));
    TRY(read_sandbox(g, err));
    TRY(read_retry(g, err));
done:
    return st;
}
