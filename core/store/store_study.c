/* Studies as the store's callers see them: their arguments are checked, and each dimension gets the text by which Optuna describes it. */
#include "store/internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_in.h"

#include <math.h>
#include <string.h>

static status check_range(const store_dimension *d, error *err)
{
    const bool is_int = d->type == DIMENSION_INT;
    if (!isfinite(d->low) || !isfinite(d->high) || d->low > d->high) {
        return fail(err, E_RANGE, "dimension %s: its range is %g to %g: it must be finite and rise",
            quote_name(d->name).s, d->low, d->high);
    }
    if (d->log && d->low <= 0.0) {
        return fail(err, E_RANGE,
            "dimension %s: on a logarithmic scale from %g: it must begin above 0",
            quote_name(d->name).s, d->low);
    }
    if (!(d->step >= 0.0) || !isfinite(d->step) ||
        (d->log && d->step != 0.0 && !(is_int && d->step == 1.0))) {
        return fail(err, E_RANGE, "dimension %s: a step of %g%s", quote_name(d->name).s, d->step,
            d->log ? ": a logarithmic scale has none" : ": it must not be below 0");
    }
    const double most = 9007199254740992.0; /* 2^53: every integer up to there is a double */
    if (is_int &&
        (d->low != floor(d->low) || d->high != floor(d->high) || d->step != floor(d->step) ||
            fabs(d->low) > most || fabs(d->high) > most)) {
        return fail(err, E_RANGE, "dimension %s: %g to %g by %g are no integers",
            quote_name(d->name).s, d->low, d->high, d->step);
    }
    return OK;
}

static status check_dimension(const store_dimension *d, error *err)
{
    status st = store_check_name("a dimension's contender", d->contender, true, err);
    if (st != OK) return st;
    if (!d->name[0] || !store_is_text(d->name, LONGEST_NAME)) {
        return fail(err, E_RANGE, "the dimension %s: 1 to %d bytes of UTF-8", quote_name(d->name).s,
            LONGEST_NAME);
    }
    if (d->type == DIMENSION_REAL || d->type == DIMENSION_INT) return check_range(d, err);
    if (d->type != DIMENSION_CATEGORY) {
        return fail(err, E_RANGE, "dimension %s is of no type that is known (%d)",
            quote_name(d->name).s, (int)d->type);
    }
    if (d->n_choices == 0) {
        return fail(err, E_RANGE, "dimension %s has no choices", quote_name(d->name).s);
    }
    for (size_t i = 0; i < d->n_choices; i++) {
        if (!store_is_text(d->choices[i], LONGEST_NAME)) {
            return fail(err, E_RANGE, "dimension %s: choice %s: at most %d bytes of UTF-8",
                quote_name(d->name).s, quote_name(d->choices[i]).s, LONGEST_NAME);
        }
    }
    return OK;
}

/* As Optuna writes a distribution. */
static void describe(const store_dimension *d, text *out)
{
    static const char *const names[] = { [DIMENSION_REAL] = "FloatDistribution",
        [DIMENSION_INT] = "IntDistribution",
        [DIMENSION_CATEGORY] = "CategoricalDistribution" };
    const bool is_int = d->type == DIMENSION_INT;
    json j;
    json_init(&j, out);
    json_begin_object(&j);
    json_key_string(&j, "name", names[d->type]);
    json_key(&j, "attributes");
    json_begin_object(&j);
    if (d->type == DIMENSION_CATEGORY) {
        json_key(&j, "choices");
        json_begin_array(&j);
        for (size_t i = 0; i < d->n_choices; i++)
            json_string(&j, d->choices[i]);
        json_end_array(&j);
    } else if (is_int) {
        json_key_bool(&j, "log", d->log);
        json_key_int(&j, "step", d->step > 0.0 ? (int64_t)d->step : 1);
        json_key_int(&j, "low", (int64_t)d->low);
        json_key_int(&j, "high", (int64_t)d->high);
    } else {
        json_key(&j, "step");
        if (d->step > 0.0) {
            json_real(&j, d->step);
        } else {
            json_null(&j);
        }
        json_key_real(&j, "low", d->low);
        json_key_real(&j, "high", d->high);
        json_key_bool(&j, "log", d->log);
    }
    json_end_object(&j);
    json_end_object(&j);
}

status study_create(store *s, const store_study_spec *spec, uint64_t *out_study, error *err)
{
    status st = OK;
    arena a = { 0 };
    text description = { 0 };
    char hash[33];
    TRY(store_check_name("the study", spec->name, false, err));
    if (!spec->metric[0] || !store_is_text(spec->metric, LONGEST_NAME)) {
        TRY(fail(err, E_RANGE, "the metric %s: 1 to %d bytes of UTF-8", quote_name(spec->metric).s,
            LONGEST_NAME));
    }
    if (spec->direction != STORE_MINIMIZE && spec->direction != STORE_MAXIMIZE) {
        TRY(fail(err, E_RANGE, "there is no direction %d", (int)spec->direction));
    }
    const char **distributions = arena_alloc_array(&a, spec->n_dimensions, sizeof *distributions);
    if (!distributions) TRY(fail_nomem(err, "the study"));
    for (size_t i = 0; i < spec->n_dimensions; i++) {
        TRY(check_dimension(&spec->dimensions[i], err));
        text_clear(&description);
        describe(&spec->dimensions[i], &description);
        TRY(text_check(&description, err));
        distributions[i] = arena_strdup(&a, description.s);
        if (!distributions[i]) TRY(fail_nomem(err, "the study"));
    }
    hash_hex(hash, spec->declaration, strlen(spec->declaration));
    TRY(s->ops->study_create(s, spec, hash, distributions, out_study, err));
done:
    text_release(&description);
    arena_release(&a);
    return st;
}

status study_find(store *s, const char *name, arena *a, store_study *out, error *err)
{
    return s->ops->study_find(s, name, a, out, err);
}

status study_close(store *s, uint64_t study, error *err)
{
    return s->ops->study_close(s, study, err);
}

status study_pause(store *s, uint64_t study, error *err)
{
    return s->ops->study_pause(s, study, true, err);
}

status study_reopen(store *s, uint64_t study, error *err)
{
    return s->ops->study_pause(s, study, false, err);
}
