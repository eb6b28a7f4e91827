/* Which keys contenders may touch.
 *
 * What is compared has one cause: contenders that are said to be optimizers differ in optimizer and schedule, and in nothing that would let
 * a better model or more epochs look like a better optimizer. Other kinds may always have their own learning rate, as no one rate is fair to
 * all models, losses or batch sizes. */
#include "declaration/declaration_internal.h"

#include "train/options.h"

#include <string.h>

static const struct {
    const char *name;
    const char *keys[4];
} comparisons[] = {
    { "optimizers", { "optimizer", "schedule" } }, { "schedules", { "schedule", "optimizer.lr" } },
    { "models", { "model", "optimizer.lr" } }, { "losses", { "loss", "optimizer.lr" } },
    { "batches", { "data.batch_size", "optimizer.lr" } },
    { "strategies", { NULL } }, /* all search the same run, each in its own way */
};

enum { N_COMPARISONS = sizeof comparisons / sizeof comparisons[0] };

const char *override_key(arena *a, const char *assignment)
{
    if (*assignment == '+' || *assignment == '~') assignment++;
    return arena_strndup(a, assignment, strcspn(assignment, "="));
}

/* Behind an index. */
static const char *skip_index(const char *p)
{
    while (*p == '[') {
        const char *end = strchr(p, ']');
        if (!end) break;
        p = end + 1;
    }
    return p;
}

bool key_is_below(const char *key, const char *of)
{
    while (*of) {
        if (*key == '[' && *of != '[') key = skip_index(key);
        if (*key++ != *of++) return false;
    }
    key = skip_index(key);
    return *key == '\0' || *key == '.';
}

bool key_is_permitted(const declaration *d, const char *key)
{
    for (size_t i = 0; i < d->n_touchable; i++) {
        if (key_is_below(key, d->touchable[i])) return true;
    }
    return d->n_touchable == 0;
}

/* "optimizer, schedule and what is below them" */
static void touchable_text(const declaration *d, text *t)
{
    for (size_t i = 0; i < d->n_touchable; i++) {
        text_printf(t, "%s%s",
            i == 0                        ? ""
                : i + 1 == d->n_touchable ? " and "
                                          : ", ",
            d->touchable[i]);
    }
}

status check_key(
    const declaration *d, const contender *k, const char *key, const origin *at, error *err)
{
    static const char *const own[] = { "seed", "name", "study" };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (!key_is_below(key, own[i])) continue;
        return fail_at(err, E_CONFLICT, at,
            "%s: %s is the study's own: contenders may not touch it", contender_label(k, "").s,
            key);
    }
    if (key_is_permitted(d, key)) return OK;
    text keys = { 0 };
    touchable_text(d, &keys);
    const status st =
        fail_at(err, E_CONFLICT, at, "%s: %s is not what is compared: %s%s%s permits %s",
            contender_label(k, "").s, key, d->compare ? "compare = \"" : "compare",
            d->compare ? d->compare : "", d->compare ? "\"" : "", keys.s ? keys.s : "nothing");
    text_release(&keys);
    return st;
}

static status take_name(reading *g, const value *v, error *err)
{
    declaration *d = g->d;
    for (size_t i = 0; i < N_COMPARISONS; i++) {
        if (strcmp(comparisons[i].name, v->as.string) != 0) continue;
        d->compare = comparisons[i].name;
        d->touchable = comparisons[i].keys;
        while (d->n_touchable < 4 && comparisons[i].keys[d->n_touchable])
            d->n_touchable++;
        return OK;
    }
    const char *names[N_COMPARISONS];
    for (size_t i = 0; i < N_COMPARISONS; i++)
        names[i] = comparisons[i].name;
    const guess near = guess_of(v->as.string, names, N_COMPARISONS);
    return fail_at(err, E_UNKNOWN, &v->at,
        "study: compare: expected optimizers, schedules, models, losses, batches, strategies or a "
        "list of keys, found \"%s\"%s",
        v->as.string, near.s);
}

/* The first part of a key is a block of a run's config. */
static status check_block(const value *v, const char *key, error *err)
{
    size_t n = 0;
    while (config_keys[n])
        n++;
    for (size_t i = 0; i < n; i++) {
        if (key_is_below(key, config_keys[i])) return OK;
    }
    char block[64] = "";
    const size_t length = strcspn(key, ".[");
    memcpy(block, key, length < sizeof block ? length : sizeof block - 1);
    const guess near = guess_of(block, config_keys, n);
    return fail_at(err, E_UNKNOWN, &v->at,
        "study: compare: expected keys of a run as in \"optimizer.lr\", found \"%s\"%s", key,
        near.s);
}

status read_compare(reading *g, error *err)
{
    status st = OK;
    value *v = value_find(g->study, "compare");
    if (!v && g->compares && g->has_runs) {
        return fail_at(err, E_MISSING, &g->study->at,
            "study: compare is missing: say what contenders may differ in: \"optimizers\", "
            "\"schedules\", \"models\", \"losses\", \"batches\", \"strategies\" or a list of keys");
    }
    if (!v) return OK;
    if (v->kind == VALUE_STRING) return take_name(g, v, err);
    TRY(read_words(g->d, v, "study: compare", &g->d->touchable, &g->d->n_touchable, err));
    if (g->d->n_touchable == 0) {
        TRY(fail_at(err, E_RANGE, &v->at, "study: compare: the list of keys is empty"));
    }
    for (size_t i = 0; g->has_runs && i < g->d->n_touchable; i++)
        TRY(check_block(v->item[i], g->d->touchable[i], err));
done:
    return st;
}
