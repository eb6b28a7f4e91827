/* Typed reads of a value, and the one message for a value of the wrong kind.
 *
 * libconfig 1.5 does not find `lr = 1` when asked for a float and turns a big float into INT_MIN when
 * asked for an int. Here an integer is a real, a real is never an integer, and the two infinities and
 * nan, for which the grammar has no number, are spelled as strings. */
#include "config/internal.h"

#include <math.h>
#include <string.h>

static status wrong_kind(const value *v, const char *expected, error *err)
{
    text where, found;
    text_init(&where);
    text_init(&found);
    value_path(v, &where);
    value_describe(v, &found);
    status st = OK;
    TRY(text_check(&where, err));
    TRY(text_check(&found, err));
    st = fail_at(err, E_TYPE, &v->at, "%s: expected %s, found %s", where.s ? where.s : "", expected,
        found.s);
done:
    text_release(&where);
    text_release(&found);
    return st;
}

status value_to_bool(const value *v, bool *out, error *err)
{
    if (v->kind != VALUE_BOOL) return wrong_kind(v, "true or false", err);
    *out = v->as.boolean;
    return OK;
}

status value_to_int(const value *v, int64_t *out, error *err)
{
    if (v->kind != VALUE_INT) return wrong_kind(v, "an integer", err);
    *out = v->as.integer;
    return OK;
}

static bool string_to_real(const char *s, double *out)
{
    if (strcmp(s, "inf") == 0) {
        *out = HUGE_VAL;
    } else if (strcmp(s, "-inf") == 0) {
        *out = -HUGE_VAL;
    } else if (strcmp(s, "nan") == 0) {
        *out = nan("");
    } else {
        return false;
    }
    return true;
}

status value_to_real(const value *v, double *out, error *err)
{
    if (v->kind == VALUE_REAL) {
        *out = v->as.real;
    } else if (v->kind == VALUE_INT) {
        *out = (double)v->as.integer;
    } else if (v->kind != VALUE_STRING || !string_to_real(v->as.string, out)) {
        return wrong_kind(v, "a real number", err);
    }
    return OK;
}

status value_to_string(const value *v, const char **out, error *err)
{
    if (v->kind != VALUE_STRING) return wrong_kind(v, "a string", err);
    *out = v->as.string;
    return OK;
}
