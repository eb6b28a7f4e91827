/* What makes a comparison doubtful though nothing is wrong.
 *
 * Search spaces decide rankings (Choi et al. 2019, "On empirical comparisons of optimizers for deep learning"): an optimizer that is a special
 * case of another cannot beat it when both are tuned well, unless the other's space leaves it out. So a space that does is said, and so are
 * unequal spaces and budgets, and a protocol that cannot tell luck of tuning from merit. */
#include "declaration/declaration_internal.h"

#include <assay/plugin.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct checking {
    registry *r;
    const declaration *d;
    text *out;
    size_t n;
    status st; /* what went wrong; and why */
    error *err;
    config **runs; // [n_contenders]: the first run as each contender has it; NULL: there is none
} checking;

static void doubt(checking *c, const origin *at, const char *format, ...) PRINTF_LIKE(3, 4);

static void doubt(checking *c, const origin *at, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (at && at->file && at->line > 0) text_printf(c->out, "%s:%d: ", at->file, at->line);
    text_printf(c->out, "%s\n", message);
    c->n++;
}

static const char *id_of(value *block)
{
    const value *type = block && block->kind == VALUE_GROUP ? value_find(block, "type") : block;
    const char *id = type && type->kind == VALUE_STRING ? type->as.string : "";
    const char *colon = strrchr(id, ':');
    return colon ? colon + 1 : id;
}

/* A component's table; NULL where there is none, which is the plan's to say. */
static const component *component_of(checking *c, const char *kind, const char *id)
{
    const component *found = NULL;
    error inner = { 0 };
    if (!*id) return NULL;
    const status st = registry_find(c->r, kind, id, NULL, &found, &inner);
    if (st == E_NOMEM) c->st = fail(c->err, st, "%s", inner.text);
    return st == OK ? found : NULL;
}

/* -- the protocol -- */

bool strategy_looks_at_no_result(value *strategy)
{
    static const char *const names[] = { "random", "qmc", "grid" };
    const char *id = id_of(strategy);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(id, names[i]) == 0) return true;
    return false;
}

static void check_protocol(checking *c)
{
    const declaration *d = c->d;
    const bool learns = !strategy_looks_at_no_result(d->strategy);
    if (d->n_repeats == 1) {
        doubt(c, NULL,
            "repeats = 1: what comes out compares configurations, not contenders: the luck of one "
            "tuning cannot be told from merit");
    }
    if (d->n_evaluations == 0) {
        doubt(c, NULL,
            "evaluations = 0: winners are judged by the trials that chose them, which flatters "
            "whoever was lucky");
    }
    const bool is_of_strategies = d->compare && strcmp(d->compare, "strategies") == 0;
    if (learns && !is_of_strategies) {
        doubt(c, NULL,
            "strategy \"%s\" learns from results, and better for some spaces than for others: "
            "comparisons are made with random or qmc",
            id_of(d->strategy));
    }
    if (d->takes_best) {
        doubt(c, NULL,
            "value = \"best\" takes the best of noisy checks: that rewards noise, and patience is "
            "a hidden schedule");
    }
    if (d->budget_seconds > 0) {
        doubt(c, NULL,
            "budget.seconds depends on the machine and on what else runs there: trials or samples "
            "are the same everywhere");
    }
}

/* -- equal spaces and budgets -- */

static void check_tuned(checking *c)
{
    const declaration *d = c->d;
    size_t n_tuned = 0;
    for (size_t i = 0; i < d->n_contenders; i++)
        n_tuned += d->contenders[i].space.n > 0;
    for (size_t i = 0; i < d->n_contenders && n_tuned > 0; i++) {
        const contender *k = &d->contenders[i];
        if (k->space.n) continue;
        doubt(c, &k->at,
            "contender \"%s\" is not tuned, and others are: it stands for its settings alone",
            k->name);
    }
}

/* How many decades the logarithmic dimensions have together. */
static double decades(const space *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (d->log) sum += log10(d->high / d->low);
    }
    return sum;
}

/* The contenders that have the most and the least of something. */
typedef struct extremes {
    const contender *least, *most;
    double low, high;
} extremes;

static extremes extremes_of(const declaration *d, double (*measure)(const space *))
{
    extremes e = { .low = (double)INFINITY, .high = -(double)INFINITY };
    for (size_t i = 0; i < d->n_contenders; i++) {
        const contender *k = &d->contenders[i];
        if (k->space.n == 0) continue;
        const double v = measure(&k->space);
        if (v < e.low) {
            e.low = v;
            e.least = k;
        }
        if (v > e.high) {
            e.high = v;
            e.most = k;
        }
    }
    return e;
}

static double dimensions_of(const space *s)
{
    return (double)s->n;
}

static void check_sizes(checking *c)
{
    const extremes n = extremes_of(c->d, dimensions_of), spans = extremes_of(c->d, decades);
    if (c->d->compare && strcmp(c->d->compare, "strategies") == 0) return;
    if (n.most && n.high > n.low) {
        doubt(c, &n.most->at,
            "contender \"%s\" searches %.0f dimension%s, \"%s\" %.0f: with the same trials the one "
            "is searched more thinly, with many trials it has more to gain",
            n.most->name, n.high, n.high == 1 ? "" : "s", n.least->name, n.low);
    }
    if (spans.most && spans.high - spans.low > 0.5) {
        doubt(c, &spans.most->at,
            "contender \"%s\" searches %.1f decades, \"%s\" %.1f: the wider space needs more "
            "trials",
            spans.most->name, spans.high, spans.least->name, spans.low);
    }
}

/* Contenders that are strategies may have numbers of trials of their own. */
static void check_trials(checking *c)
{
    const contender *least = NULL, *most = NULL;
    for (size_t i = 0; i < c->d->n_contenders; i++) {
        const contender *k = &c->d->contenders[i];
        if (k->space.n == 0) continue;
        if (!least || k->trials < least->trials) least = k;
        if (!most || k->trials > most->trials) most = k;
    }
    if (!most || most->trials == least->trials) return;
    doubt(c, &most->at,
        "unequal budgets: contender \"%s\" has %llu trials a tuning, \"%s\" %llu: at the same "
        "budget the order may be another",
        most->name, (unsigned long long)most->trials, least->name,
        (unsigned long long)least->trials);
}

/* Keys that decide how much work a trial is. */
static void check_work(checking *c)
{
    static const char *const keys[] = { "train.epochs", "train.steps", "train.time_limit" };
    for (size_t i = 0; i < c->d->n_contenders; i++) {
        const contender *k = &c->d->contenders[i];
        for (size_t n = 0; n < 3; n++) {
            bool touches = space_find(&k->space, keys[n]) < k->space.n;
            for (size_t o = 0; o < k->n_overrides; o++) {
                const char *set = k->overrides[o] + (*k->overrides[o] == '+');
                const size_t length = strlen(keys[n]);
                touches = touches || (strncmp(set, keys[n], length) == 0 && set[length] == '=');
            }
            if (!touches) continue;
            doubt(c, &k->at,
                "contender \"%s\" touches %s: its trials cost more or less than others", k->name,
                keys[n]);
        }
    }
}

/* -- special cases -- */

value *value_at(value *v, const char *path)
{
    while (v && *path) {
        char key[128];
        const size_t n = strcspn(path, ".[");
        if (n >= sizeof key) return NULL;
        memcpy(key, path, n);
        key[n] = '\0';
        path += n;
        v = v->kind == VALUE_GROUP ? value_find(v, key) : NULL;
        while (v && *path == '[') {
            char *end;
            const unsigned long long i = strtoull(path + 1, &end, 10);
            v = v->kind == VALUE_LIST && i < v->n ? v->item[i] : NULL;
            path = *end == ']' ? end + 1 : end;
        }
        path += *path == '.';
    }
    return v;
}

/* What a run has there, written or by default. NaN: that is not known, or no number. */
static double number_at(checking *c, const config *run, const char *path)
{
    double number;
    value *v = value_at(config_root(run), path);
    if (v) return value_to_real(v, &number, NULL) == OK ? number : (double)NAN;
    if (strncmp(path, "optimizer.", 10) != 0) return (double)NAN;
    const char *id = id_of(value_find(config_root(run), "optimizer"));
    const component *found = component_of(c, ASSAY_KIND_OPTIMIZER, id);
    if (!found) return (double)NAN;
    const assay_hyper *h = hyper_find(&found->hypers, path + 10);
    const bool is_number = h && (h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_INT);
    return is_number ? h->def : (double)NAN;
}

/* A dimension of `general` that the special case does not search. */
static void check_left_out(
    checking *c, const contender *general, size_t i, const contender *special, const config *run)
{
    const assay_dimension *d = &general->space.dimensions[i];
    if (d->type == ASSAY_SPACE_CATEGORY) return;
    const double v = number_at(c, run, d->name);
    if (isnan(v) || (v >= d->low && v <= d->high)) return;
    doubt(c, &general->at,
        "contender \"%s\" leaves out \"%s\": %s is %g there, and searched from %g to %g",
        general->name, special->name, d->name, v, d->low, d->high);
}

static void check_narrower(
    checking *c, const contender *general, size_t i, const contender *special, size_t k)
{
    const assay_dimension *d = &general->space.dimensions[i], *s = &special->space.dimensions[k];
    if (d->type == ASSAY_SPACE_CATEGORY || s->type == ASSAY_SPACE_CATEGORY) return;
    if (d->low <= s->low && d->high >= s->high) return;
    doubt(c, &general->at,
        "contender \"%s\" leaves out a part of \"%s\": %s is searched from %g to %g, and there "
        "from %g to %g",
        general->name, special->name, d->name, d->low, d->high, s->low, s->high);
}

/* Both have the same optimizer, and one searches all that the other does. */
static void check_same_kind(checking *c, size_t i_general, size_t i_special)
{
    const contender *general = &c->d->contenders[i_general];
    const contender *special = &c->d->contenders[i_special];
    const bool is_wider = general->space.n > special->space.n;
    for (size_t i = 0; i < special->space.n; i++) {
        const char *name = special->space.dimensions[i].name;
        if (space_find(&general->space, name) == general->space.n) return;
    }
    if (!is_wider) return;
    for (size_t i = 0; i < general->space.n; i++) {
        const size_t k = space_find(&special->space, general->space.dimensions[i].name);
        if (k == special->space.n) {
            check_left_out(c, general, i, special, c->runs[i_special]);
        } else {
            check_narrower(c, general, i, special, k);
        }
    }
}

/* Optimizers that become another one: when `key` goes up to `high`, or down to 0 where `high` is 0. */
static const struct {
    const char *general, *special, *key;
    double high;
} inclusions[] = {
    { "adam", "sgd", "optimizer.eps", 1 },
    { "adamw", "sgd", "optimizer.eps", 1 },
    { "nadam", "sgd", "optimizer.eps", 1 },
    { "radam", "sgd", "optimizer.eps", 1 },
    { "rmsprop", "sgd", "optimizer.eps", 1 },
    { "yogi", "sgd", "optimizer.eps", 1 },
    { "adabelief", "sgd", "optimizer.eps", 1 },
    { "adamw", "adam", "optimizer.weight_decay", 0 },
};

static void check_inclusion(checking *c, size_t i_general, size_t i_special, size_t row)
{
    const contender *k = &c->d->contenders[i_general], *s = &c->d->contenders[i_special];
    const double bound = inclusions[row].high;
    const char *key = inclusions[row].key;
    const size_t i = space_find(&k->space, key);
    const bool is_searched = i < k->space.n;
    const double at = number_at(c, c->runs[i_general], key);
    const double low = is_searched ? k->space.dimensions[i].low : at;
    const double high = is_searched ? k->space.dimensions[i].high : at;
    if (isnan(low) || (bound > 0 ? high >= bound : low <= 0)) return;
    doubt(c, &k->at,
        "contender \"%s\" leaves out \"%s\", which it comes near only where %s goes %s %g: it %s%g",
        k->name, s->name, key, bound > 0 ? "up to" : "down to", bound,
        !is_searched    ? "is "
            : bound > 0 ? "is searched up to "
                        : "is searched from ",
        bound > 0 ? high : low);
}

static void check_pair(checking *c, size_t i, size_t k)
{
    const char *general = id_of(value_find(config_root(c->runs[i]), "optimizer"));
    const char *special = id_of(value_find(config_root(c->runs[k]), "optimizer"));
    if (*general && strcmp(general, special) == 0) check_same_kind(c, i, k);
    for (size_t row = 0; row < sizeof inclusions / sizeof inclusions[0]; row++) {
        const bool is_pair = strcmp(general, inclusions[row].general) == 0 &&
            strcmp(special, inclusions[row].special) == 0;
        if (is_pair && c->d->contenders[i].space.n > 0) check_inclusion(c, i, k, row);
    }
}

/* -- schedules that end with the run -- */

static bool is_tied(checking *c, const char *id)
{
    const component *found = component_of(c, ASSAY_KIND_SCHEDULE, id);
    return found && ((const assay_schedule *)found->ops)->horizon != 0;
}

static void warn_tied(
    checking *c, const contender *k, const workload *w, const config *run, const char *id)
{
    const declaration *d = c->d;
    char who[320] = "";
    if (d->n_contenders > 1) snprintf(who, sizeof who, "contender \"%s\": ", k->name);
    if (d->takes_best && value_at(config_root(run), "train.early_stopping")) {
        doubt(c, &k->at,
            "%sschedule \"%s\" is shaped to the whole run of \"%s\", but early stopping may end it "
            "sooner",
            who, id, w->name);
    }
    if (!d->pruner && !(d->max_fidelity > 0)) return;
    doubt(c, &k->at,
        "%sschedule \"%s\" is shaped to the whole run of \"%s\": what a trial has on the way says "
        "little of its end, and %s judges by that",
        who, id, w->name, d->pruner ? id_of(d->pruner) : id_of(d->strategy));
}

static void check_choice(checking *c, const contender *k, const workload *w, const config *run)
{
    const size_t i = space_find(&k->space, "schedule.type");
    if (i == k->space.n) return;
    const assay_dimension *d = &k->space.dimensions[i];
    for (uint64_t n = 0; d->type == ASSAY_SPACE_CATEGORY && n < d->n_choices; n++) {
        if (is_tied(c, d->choices[n])) warn_tied(c, k, w, run, d->choices[n]);
    }
}

static status contender_run(const contender *k, const workload *w, config **out, error *err)
{
    return workload_tree(w, k->overrides, k->n_overrides, out, err);
}

static status check_schedules(checking *c, const contender *k, const workload *w, error *err)
{
    config *run = NULL;
    status st = contender_run(k, w, &run, err);
    if (st != OK) return st;
    value *schedules = value_find(config_root(run), "schedule");
    if (space_find(&k->space, "schedule.type") < k->space.n) {
        check_choice(c, k, w, run);
    } else {
        for (size_t i = 0; i < value_n_items(schedules); i++) {
            const char *id = id_of(value_item(schedules, i));
            if (is_tied(c, id)) warn_tied(c, k, w, run, id);
        }
    }
    config_free(run);
    return OK;
}

/* -- whole numbers that may be meant as reals -- */

/* Of a program's words no table tells the type. */
static void check_two_values(checking *c, const contender *k)
{
    for (size_t i = 0; i < k->space.n; i++) {
        const assay_dimension *d = &k->space.dimensions[i];
        if (d->type != ASSAY_SPACE_INT || d->high - d->low != 1) continue;
        doubt(c, &k->space.at[i],
            "%s=%.0f..%.0f is searched as two whole numbers: write %.1f..%.1f for all that is "
            "between, or %.0f,%.0f for a choice",
            d->name, d->low, d->high, d->low, d->high, d->low, d->high);
    }
}

static void check_programs(checking *c)
{
    bool has_program = false;
    for (size_t i = 0; i < c->d->n_workloads; i++)
        has_program = has_program || c->d->workloads[i].kind == WORKLOAD_COMMAND;
    for (size_t i = 0; has_program && i < c->d->n_contenders; i++)
        check_two_values(c, &c->d->contenders[i]);
}

/* -- all -- */

static status open_runs(checking *c, error *err)
{
    const declaration *d = c->d;
    const workload *first = NULL;
    status st = OK;
    for (size_t i = 0; i < d->n_workloads && !first; i++)
        if (d->workloads[i].kind == WORKLOAD_TRAIN) first = &d->workloads[i];
    if (!first) return OK;
    c->runs = calloc(d->n_contenders, sizeof *c->runs);
    if (!c->runs) return fail_nomem(err, "a check");
    for (size_t i = 0; i < d->n_contenders; i++)
        TRY(contender_run(&d->contenders[i], first, &c->runs[i], err));
done:
    return st;
}

static void close_runs(checking *c)
{
    for (size_t i = 0; c->runs && i < c->d->n_contenders; i++)
        config_free(c->runs[i]);
    free(c->runs);
}

static status check_runs(checking *c, error *err)
{
    status st = OK;
    const declaration *d = c->d;
    for (size_t i = 0; i < d->n_workloads; i++) {
        for (size_t k = 0; d->workloads[i].kind == WORKLOAD_TRAIN && k < d->n_contenders; k++)
            TRY(check_schedules(c, &d->contenders[k], &d->workloads[i], err));
    }
done:
    return st;
}

status declaration_check(registry *r, const declaration *d, text *out, size_t *out_n, error *err)
{
    status st = OK;
    checking c = { .r = r, .d = d, .out = out, .err = err };
    TRY(open_runs(&c, err));
    if (d->n_contenders > 1) {
        check_protocol(&c);
        check_tuned(&c);
        check_sizes(&c);
        check_trials(&c);
        check_work(&c);
        for (size_t i = 0; c.runs && i < d->n_contenders; i++) {
            for (size_t k = 0; k < d->n_contenders; k++)
                if (k != i) check_pair(&c, i, k);
        }
    }
    check_programs(&c);
    TRY(check_runs(&c, err));
    TRY(c.st);
    TRY(text_check(out, err));
    *out_n = c.n;
done:
    close_runs(&c);
    return st;
}
