/* Reading a command line by a command's table, with getopt_long, which also permutes: options and words may mix. */
#include "cli/command.h"

#include <assert.h>
#include <getopt.h>
#include <string.h>

enum { FIRST_LONG = 256 }; /* getopt's answers for options without a letter */

static size_t find_row(const arguments *a, const char *name)
{
    for (size_t i = 0; i < a->n_rows; i++) {
        if (strcmp(a->row[i]->name, name) == 0) {
            return i;
        }
    }
    assert(!"an option of the table");
    return 0;
}

const char *option_get(const arguments *a, const char *name)
{
    return a->value[find_row(a, name)];
}

bool option_has(const arguments *a, const char *name)
{
    return option_get(a, name) != NULL;
}

const char *option_nth(const arguments *a, const char *name, size_t i)
{
    const size_t i_row = find_row(a, name);
    for (size_t k = 0; k < a->n_each; k++) {
        if (a->each[k].i_row == i_row && i-- == 0) {
            return a->each[k].value;
        }
    }
    return NULL;
}

static void collect_rows(const command *cmd, arguments *a)
{
    for (size_t i = 0; i < cmd->n_options; i++) {
        a->row[a->n_rows++] = &cmd->options[i];
    }
    for (size_t i = 0; i < common_count(); i++) {
        a->row[a->n_rows++] = common_get(i);
    }
    assert(a->n_rows <= MAX_OPTIONS);
}

static void fill_tables(const arguments *a, struct option *longs, char *shorts)
{
    *shorts++ = ':';
    for (size_t i = 0; i < a->n_rows; i++) {
        const option_row *r = a->row[i];
        longs[i] = (struct option){ .name = r->name,
            .has_arg = r->argument ? required_argument : no_argument,
            .val = FIRST_LONG + (int)i };
        if (r->letter) {
            *shorts++ = r->letter;
            if (r->argument) *shorts++ = ':';
        }
    }
    longs[a->n_rows] = (struct option){ 0 };
    *shorts = '\0';
}

static status unknown_option(const command *cmd, const arguments *a, const char *word, error *err)
{
    const char *names[MAX_OPTIONS];
    char name[64];
    for (size_t i = 0; i < a->n_rows; i++) {
        names[i] = a->row[i]->name;
    }
    if (word[1] != '-') {
        return fail(err, E_USAGE, "%s: unknown option \"-%c\"; see assay %s --help", cmd->name,
            optopt, cmd->name);
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *near = text_nearest(name, names, a->n_rows);
    return near ? fail(err, E_USAGE, "%s: unknown option \"--%s\": did you mean \"--%s\"?",
                      cmd->name, name, near)
                : fail(err, E_USAGE, "%s: unknown option \"--%s\"; see assay %s --help", cmd->name,
                      name, cmd->name);
}

static bool is_choice(const char *choices, const char *v)
{
    const size_t n = strlen(v);
    for (const char *c = choices; *c;) {
        const size_t k = strcspn(c, "|");
        if (k == n && strncmp(c, v, n) == 0) {
            return true;
        }
        c += k + (c[k] == '|');
    }
    return false;
}

static status take(const command *cmd, arguments *a, size_t i, const char *v, error *err)
{
    const option_row *r = a->row[i];
    if (r->choices && !is_choice(r->choices, v)) {
        return fail(err, E_USAGE, "%s: --%s: expected one of %s, found \"%s\"", cmd->name, r->name,
            r->choices, v);
    }
    a->value[i] = v ? v : "";
    if (a->n_each == MAX_REPEATED) {
        return fail(err, E_USAGE, "%s: more than %d options", cmd->name, (int)MAX_REPEATED);
    }
    a->each[a->n_each].i_row = i;
    a->each[a->n_each++].value = a->value[i];
    return OK;
}

static size_t row_of(const arguments *a, int answer)
{
    if (answer >= FIRST_LONG) {
        return (size_t)(answer - FIRST_LONG);
    }
    size_t i = 0;
    while (a->row[i]->letter != answer) {
        i++;
    }
    return i;
}

static status check_words(const command *cmd, const arguments *a, error *err)
{
    if (a->n < cmd->least && cmd->missing) {
        return fail(err, E_USAGE, "%s: %s", cmd->name, cmd->missing);
    }
    if (a->n < cmd->least) {
        return fail(err, E_USAGE, "%s: something is missing: assay %s %s", cmd->name, cmd->name,
            cmd->arguments);
    }
    if (a->n > cmd->most) {
        return fail(err, E_USAGE, "%s: \"%s\" is one word too many: assay %s%s%s", cmd->name,
            a->word[cmd->most], cmd->name, cmd->arguments[0] ? " " : "", cmd->arguments);
    }
    if (cmd->choices && a->n > 0 && !is_choice(cmd->choices, a->word[0])) {
        return fail(err, E_USAGE, "%s: expected one of %s, found \"%s\"", cmd->name, cmd->choices,
            a->word[0]);
    }
    return OK;
}

/* How many words stand behind "--". */
static size_t count_behind(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) return (size_t)(argc - i - 1);
    }
    return 0;
}

/* The last n words, which getopt leaves in place, are another program's. */
static void split_flags(arguments *a, size_t n)
{
    a->n_flags = n < a->n ? n : a->n;
    a->n -= a->n_flags;
    a->flag = a->word + a->n;
}

status arguments_parse(const command *cmd, int argc, char **argv, arguments *out, error *err)
{
    struct option longs[MAX_OPTIONS + 1];
    char shorts[2 * MAX_OPTIONS + 2];
    const size_t n_behind = count_behind(argc, argv);
    status st = OK;
    *out = (arguments){ 0 };
    collect_rows(cmd, out);
    fill_tables(out, longs, shorts);
    opterr = 0;
    optind = 1;
    for (int answer; (answer = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const char *word = argv[optind > 1 ? optind - 1 : 1];
        if (answer == '?' && optopt >= FIRST_LONG) {
            TRY(fail(err, E_USAGE, "%s: --%s takes no value", cmd->name,
                out->row[optopt - FIRST_LONG]->name));
        }
        if (answer == '?') {
            TRY(unknown_option(cmd, out, word, err));
        }
        if (answer == ':') {
            const option_row *r = out->row[row_of(out, optopt)];
            TRY(fail(err, E_USAGE, "%s: --%s expects %s", cmd->name, r->name, r->argument));
        }
        TRY(take(cmd, out, row_of(out, answer), optarg, err));
    }
    out->word = argv + optind;
    out->n = (size_t)(argc - optind);
    if (cmd->takes_flags) split_flags(out, n_behind);
    if (!option_has(out, "help")) {
        TRY(check_words(cmd, out, err));
    }
done:
    return st;
}
