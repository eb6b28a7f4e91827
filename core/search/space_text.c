/* The compact form of a space, as a command line has it. */
#include "search/space_draft.h"

#include <ctype.h>
#include <string.h>

static bool looks_whole(const char *written)
{
    const char *p = *written == '-' || *written == '+' ? written + 1 : written;
    return *p && strspn(p, "0123456789") == strlen(p);
}

static status read_number(const draft *d, const char *written, double *out, error *err)
{
    const char *end;
    *out = text_to_real(written, &end);
    if (end == written || *end) {
        return REFUSE(d, err, E_PARSE, "expected a number, found \"%s\"", written);
    }
    return OK;
}

static status read_range(draft *d, char *low, char *dots, error *err)
{
    status st = OK;
    char *high = dots + 2;
    if (*high == '.') {
        return REFUSE(d, err, E_PARSE, "expected LOW..HIGH with two dots, found \"%s\"", low);
    }
    *dots = '\0';
    TRY(read_number(d, low, &d->low, err));
    TRY(read_number(d, high, &d->high, err));
    d->has_low = d->has_high = true;
    d->is_whole = looks_whole(low) && looks_whole(high);
done:
    return st;
}

/* Cuts at the next `mark` outside of quotes; NULL where there is none. */
static char *cut(char *s, char mark)
{
    bool is_quoted = false;
    for (; *s; s++) {
        if (*s == '"') is_quoted = !is_quoted;
        if (*s == mark && !is_quoted) {
            *s = '\0';
            return s + 1;
        }
    }
    return NULL;
}

static status read_choices(space *s, draft *d, char *list, error *err)
{
    status st = OK;
    for (char *rest; list; list = rest) {
        rest = cut(list, ',');
        const char *written = arena_strdup(&s->memory, list);
        if (!written) return fail_nomem(err, d->name);
        TRY(draft_add_choice(s, d, spec_unquoted(list), written, err));
    }
done:
    return st;
}

static status read_prior(draft *d, char *written, error *err)
{
    status st = OK;
    char *sd = cut(written, '/');
    if (!sd) return REFUSE(d, err, E_PARSE, "expected prior=MEAN/DEVIATION");
    TRY(read_number(d, written, &d->prior_mean, err));
    TRY(read_number(d, sd, &d->prior_sd, err));
done:
    return st;
}

static status read_word(draft *d, char *word, error *err)
{
    static const char *const known[] = { "log", "int", "real", "log2int", "step", "prior" };
    if (strcmp(word, "log") == 0) {
        d->is_log = true;
    } else if (strcmp(word, "int") == 0) {
        d->is_int = true;
    } else if (strcmp(word, "real") == 0) {
        d->is_real = true;
    } else if (strcmp(word, "log2int") == 0) {
        d->is_powers = true;
    } else if (strncmp(word, "step=", 5) == 0) {
        const status st = read_number(d, word + 5, &d->step, err);
        if (st == OK && !(d->step > 0)) {
            return REFUSE(d, err, E_RANGE, "expected a step above 0, found %s", word + 5);
        }
        return st;
    } else if (strncmp(word, "prior=", 6) == 0) {
        return read_prior(d, word + 6, err);
    } else {
        const char *nearest = text_nearest(word, known, sizeof known / sizeof known[0]);
        return REFUSE(d, err, E_UNKNOWN, "unknown word \":%s\"%s%s%s", word,
            nearest ? ": did you mean \":" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    return OK;
}

status draft_add_spec(space *s, draft *d, char *spec, error *err)
{
    status st = OK;
    d->condition = cut(spec, '?');
    char *words = cut(spec, ':');
    char *dots = spec[0] == '"' ? NULL : strstr(spec, "..");
    if (dots) {
        TRY(read_range(d, spec, dots, err));
    } else if (*spec) {
        TRY(read_choices(s, d, spec, err));
    } else {
        TRY(REFUSE(d, err, E_PARSE, "expected LOW..HIGH or choices behind the name"));
    }
    for (char *rest; words; words = rest) {
        rest = cut(words, ':');
        TRY(read_word(d, words, err));
    }
    TRY(draft_add(s, d, err));
done:
    return st;
}

/* The end of a piece: the next space outside of quotes. */
static char *piece_end(char *s)
{
    bool is_quoted = false;
    for (; *s && (is_quoted || !isspace((unsigned char)*s)); s++) {
        if (*s == '"') is_quoted = !is_quoted;
    }
    return s;
}

status space_add_text_below(
    space *s, const char *written, const char *prefix, const origin *at, error *err)
{
    status st = OK;
    char *p = arena_strdup(&s->memory, written);
    if (!p) return fail_nomem(err, "the search space");
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (!*p) break;
        char *piece = p, *end = piece_end(p);
        p = *end ? end + 1 : end;
        *end = '\0';
        char *spec = cut(piece, '=');
        if (!spec) {
            TRY(fail_at(err, E_PARSE, at,
                "search space: expected NAME=LOW..HIGH or NAME=A,B,C, found \"%s\"", piece));
        }
        const bool has_prefix = prefix && *prefix;
        const char *name = has_prefix ? arena_printf(&s->memory, "%s.%s", prefix, piece) : piece;
        if (!name) TRY(fail_nomem(err, piece));
        draft d = draft_new(name, prefix, at);
        TRY(draft_add_spec(s, &d, spec, err));
    }
done:
    return st;
}

status space_add_text(space *s, const char *written, const origin *at, error *err)
{
    return space_add_text_below(s, written, "", at, err);
}
