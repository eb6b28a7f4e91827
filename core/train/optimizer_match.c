/* Which tensors a parameter group takes: patterns over roles, places, dimensions and names.
 *
 * Patterns are checked before there is a model: a typo in a block that no tensor gets to must not pass. */
#include "train/optimizer_match.h"

#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = { "", "weight", "recurrent", "bias", "gain", "embedding" };
static const char *const place_names[] = { "", "input", "hidden", "output" };

/* One pattern: "role:bias", "place:hidden", "dims:2", or a name pattern with * and ?. */
static bool pattern_matches(const char *pattern, const assay_tensor *t)
{
    if (strncmp(pattern, "role:", 5) == 0) {
        return strcmp(pattern + 5, role_names[t->role]) == 0;
    }
    if (strncmp(pattern, "place:", 6) == 0) {
        return strcmp(pattern + 6, place_names[t->place]) == 0;
    }
    if (strncmp(pattern, "dims:", 5) == 0) {
        return (uint64_t)strtoull(pattern + 5, NULL, 10) == t->shape.n_dims;
    }
    return text_matches(pattern, t->name);
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static status check_pattern(const value *v, error *err)
{
    const char *pattern;
    status st = value_to_string(v, &pattern, err);
    if (st != OK) {
        return st;
    }
    if (strncmp(pattern, "role:", 5) == 0 && !is_one_of(pattern + 5, role_names, 6)) {
        return fail_at(err, E_UNKNOWN, &v->at,
            "match: there is no role \"%s\"; expected weight, recurrent, bias, gain or embedding",
            pattern + 5);
    }
    if (strncmp(pattern, "place:", 6) == 0 && !is_one_of(pattern + 6, place_names, 4)) {
        return fail_at(err, E_UNKNOWN, &v->at,
            "match: there is no place \"%s\"; expected input, hidden or output", pattern + 6);
    }
    if (strncmp(pattern, "dims:", 5) == 0 &&
        !(pattern[5] >= '1' && pattern[5] <= '0' + ASSAY_MAX_DIMS && pattern[6] == '\0')) {
        return fail_at(err, E_RANGE, &v->at, "match: expected dims:1 to dims:%d, found \"%s\"",
            ASSAY_MAX_DIMS, pattern);
    }
    return OK;
}

status match_check(const value *match, error *err)
{
    status st = OK;
    for (size_t i = 0; i < value_n_items(match) && st == OK; i++) {
        st = check_pattern(value_item(match, i), err);
    }
    return st;
}

bool match_fits(const value *match, const assay_tensor *t)
{
    for (size_t i = 0; i < value_n_items(match); i++) {
        if (!pattern_matches(value_item(match, i)->as.string, t)) {
            return false;
        }
    }
    return true;
}

const char *match_role_name(uint32_t role)
{
    return role_names[role];
}

const char *match_place_name(uint32_t place)
{
    return place_names[place];
}
