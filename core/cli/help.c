/* Help for people, from the tables. */
#include "cli/keys.h"
#include "cli/place.h"
#include "cli/session.h"

#include <string.h>

enum { FIRST_STEP_BYTES = 4200, NAME_WIDTH = 16, OPTION_WIDTH = 26, WIDEST_TEXT = 100 };

static void heading(const terminal *s, text *t, const char *words)
{
    text_printf(
        t, "\n%s%s%s\n", terminal_style(s, STYLE_BOLD), words, terminal_style(s, STYLE_PLAIN));
}

static void option_line(const option_row *o, text *t)
{
    char left[64], letter[8] = "   ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c,", o->letter);
    snprintf(left, sizeof left, "%s --%s%s%s", letter, o->name, o->argument ? " " : "",
        o->argument ? o->argument : "");
    text_printf(t, "  %-*s  %s", OPTION_WIDTH, left, o->doc);
    if (o->choices) text_printf(t, " (%s)", o->choices);
    text_add(t, "\n");
}

/* Paragraphs, broken at blanks so that they fit. */
static void add_paragraphs(const terminal *s, const char *doc, text *t)
{
    const size_t columns = terminal_width(s), width = columns > WIDEST_TEXT ? WIDEST_TEXT : columns;
    for (size_t used = 0; *doc;) {
        const size_t n = strcspn(doc, " \n");
        if (used && used + 1 + n > width) {
            text_add(t, "\n");
            used = 0;
        }
        text_add(t, used ? " " : "");
        text_add_bytes(t, doc, n);
        used += n + (used > 0);
        doc += n;
        for (; *doc == ' ' || *doc == '\n'; doc++) {
            if (*doc == '\n') {
                text_add(t, "\n");
                used = 0;
            }
        }
    }
    text_add(t, "\n");
}

static void command_line(const command *c, const terminal *s, text *t)
{
    text_printf(t, "  %s%-*s%s  %s\n", terminal_style(s, STYLE_CYAN), NAME_WIDTH, c->name,
        terminal_style(s, STYLE_PLAIN), c->summary);
}

/* With a config that is there. */
static void add_first_steps(text *t)
{
    arena a = { 0 };
    const char *found = place_of_example(&a, "digits.cfg");
    const char *path = found ? found : "CONFIG";
    char change[FIRST_STEP_BYTES], line[FIRST_STEP_BYTES];
    const int width = snprintf(change, sizeof change, "assay train %s optimizer.type=sgd", path);
    snprintf(line, sizeof line, "assay train %s", path);
    text_printf(t, "  %-*s   train on real data\n", width, line);
    text_printf(t, "  %s   change anything on the command line\n", change);
    text_printf(t, "  %-*s   judge a run's weights\n", width, "assay eval runs/digits-1");
    arena_release(&a);
}

void help_program(const terminal *s, text *t)
{
    text_printf(t,
        "%sassay%s trains neural networks from a config file; every part of them is a plugin.\n\n"
        "usage: assay COMMAND [ARGUMENT...] [OPTION...]\n",
        terminal_style(s, STYLE_BOLD), terminal_style(s, STYLE_PLAIN));
    heading(s, t, "Commands");
    for (size_t i = 0; i < command_count(); i++) {
        command_line(command_get(i), s, t);
    }
    heading(s, t, "Options of every command");
    for (size_t i = 0; i < common_count(); i++) {
        option_line(common_get(i), t);
    }
    text_printf(t, "  %-*s  %s\n", OPTION_WIDTH, "    --version", "print the version");
    heading(s, t, "First steps");
    add_first_steps(t);
    text_add(t,
        "\nassay COMMAND --help tells more. Exit codes: 0 done, 1 failed, 2 usage or config, 75 "
        "interrupted and resumable.\n");
}

bool help_group(const char *word, const terminal *s, text *t)
{
    const size_t n = strlen(word);
    size_t n_found = 0;
    for (size_t i = 0; i < command_count(); i++) {
        const command *c = command_get(i);
        if (strncmp(c->name, word, n) != 0 || c->name[n] != ' ') continue;
        if (n_found++ == 0) {
            text_printf(t, "usage: %sassay %s%s COMMAND [ARGUMENT...] [OPTION...]\n",
                terminal_style(s, STYLE_BOLD), word, terminal_style(s, STYLE_PLAIN));
            heading(s, t, "Commands");
        }
        command_line(c, s, t);
    }
    if (n_found) text_printf(t, "\nassay %s COMMAND --help tells more.\n", word);
    return n_found > 0;
}

void help_command(const command *c, const terminal *s, text *t)
{
    text_printf(t, "usage: %sassay %s%s%s%s [OPTION...]\n\n", terminal_style(s, STYLE_BOLD),
        c->name, terminal_style(s, STYLE_PLAIN), c->arguments[0] ? " " : "", c->arguments);
    add_paragraphs(s, c->doc, t);
    if (c->n_options) {
        heading(s, t, "Options");
        for (size_t i = 0; i < c->n_options; i++) {
            option_line(&c->options[i], t);
        }
    }
    heading(s, t, "Options of every command");
    for (size_t i = 0; i < common_count(); i++) {
        option_line(common_get(i), t);
    }
    if (c->examples) {
        heading(s, t, "Examples");
        for (const char *line = c->examples; *line;) {
            const size_t n = strcspn(line, "\n");
            text_add(t, "  ");
            text_add_bytes(t, line, n);
            text_add(t, "\n");
            line += n + (line[n] == '\n');
        }
    }
}

static int run_help(cli *c, const arguments *a)
{
    text t = { 0 };
    size_t n;
    if (option_has(a, "man")) {
        help_man(&t);
        return cli_put(c, &t);
    }
    if (a->n == 0) {
        help_program(&c->out, &t);
        return cli_put(c, &t);
    }
    const command *cmd = command_find(a->word, a->n, &n);
    for (size_t i = 0; !cmd && a->n == 1 && i < command_count(); i++) {
        const command *verb = command_get(i);
        n = strlen(a->word[0]);
        if (strncmp(verb->name, a->word[0], n) == 0 && verb->name[n] == ' ') {
            text_add(&t, t.n ? "\n\n" : "");
            help_command(verb, &c->out, &t);
        }
    }
    if (t.n) {
        return cli_put(c, &t);
    }
    if (!cmd) {
        error err;
        (void)fail(&err, E_USAGE, "help: there is no command \"%s%s%s\"; see assay help",
            a->word[0], a->n > 1 ? " " : "", a->n > 1 ? a->word[1] : "");
        return cli_error(c, &err);
    }
    help_command(cmd, &c->out, &t);
    if (cmd == &command_config) {
        heading(&c->out, &t,
            "Keys of a config that are no component's (those are told by assay plugin info)");
        keys_all(&c->out, &t);
    }
    return cli_put(c, &t);
}

static const option_row options[] = {
    { "man", 0, NULL, NULL, COMPLETE_NOTHING, "print the manual page (roff) of the whole program" },
};

const command command_help = { .name = "help",
    .arguments = "[COMMAND]",
    .summary = "explain a command, or print the manual page",
    .doc = "Prints what `assay COMMAND --help` prints; without a command, the list of commands. Of "
           "`config` "
           "it also prints every key that a config may have beside those of components.",
    .examples = "assay help train\nassay help config | less\nassay help --man | man -l -",
    COMMAND_OPTIONS(options),
    .most = 2,
    .completes = COMPLETE_COMMAND,
    .run = run_help };
