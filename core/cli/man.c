/* The manual page, in roff, from the tables. */
#include "cli/command.h"

#include <string.h>

/* Text with roff's own characters made harmless; a line never begins with a request. */
static void add_roff(text *t, const char *s)
{
    for (bool begins = true; *s; s++) {
        if (begins && (*s == '.' || *s == '\'')) text_add(t, "\\&");
        if (*s == '\\') {
            text_add(t, "\\e");
        } else if (*s == '-') {
            text_add(t, "\\-");
        } else {
            text_add_bytes(t, s, 1);
        }
        begins = *s == '\n';
    }
}

static void add_option(text *t, const option_row *o)
{
    text_add(t, ".TP\n");
    if (o->letter) text_printf(t, "\\fB\\-%c\\fR, ", o->letter);
    text_add(t, "\\fB");
    add_roff(t, "--");
    add_roff(t, o->name);
    if (o->argument) text_printf(t, "\\fR \\fI%s", o->argument);
    text_add(t, "\\fR\n");
    add_roff(t, o->doc);
    if (o->choices) {
        text_add(t, " (");
        add_roff(t, o->choices);
        text_add(t, ")");
    }
    text_add(t, "\n");
}

static void add_command(text *t, const command *c)
{
    text_printf(t, ".SS assay %s %s\n", c->name, c->arguments);
    for (const char *s = c->doc; *s;) {
        const char *end = strstr(s, "\n\n");
        const size_t n = end ? (size_t)(end - s) : strlen(s);
        char paragraph[2048];
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)n, s);
        add_roff(t, paragraph);
        text_add(t, "\n.PP\n");
        s += n + (end ? 2 : 0);
    }
    for (size_t i = 0; i < c->n_options; i++) {
        add_option(t, &c->options[i]);
    }
    if (c->examples) {
        text_add(t, ".PP\n.nf\n.RS\n");
        add_roff(t, c->examples);
        text_add(t, "\n.RE\n.fi\n");
    }
}

void help_man(text *t)
{
    text_printf(t, ".TH ASSAY 1 \"\" \"assay %s\" \"User Commands\"\n", ASSAY_VERSION);
    text_add(t,
        ".SH NAME\nassay \\- a laboratory for training neural networks\n"
        ".SH SYNOPSIS\n.B assay\n.I COMMAND\n[\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n"
        ".SH DESCRIPTION\nassay trains neural networks from a config file in which every part "
        "(optimizer, schedule, layer, loss, metric, dataset) is a plugin. Its studies search "
        "hyperparameters and compare contenders, by strategies and pruners that are plugins, too.\n"
        "Results go to standard output, everything else to standard error.\n"
        ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count(); i++) {
        add_command(t, command_get(i));
    }
    text_add(t, ".SH OPTIONS OF EVERY COMMAND\n");
    for (size_t i = 0; i < common_count(); i++) {
        add_option(t, common_get(i));
    }
    text_add(t,
        ".SH EXIT STATUS\n.TP\n.B 0\ndone\n.TP\n.B 1\nfailed, or the run diverged\n.TP\n.B "
        "2\nusage or "
        "config error\n.TP\n.B 75\ninterrupted; the run can be resumed\n"
        ".SH ENVIRONMENT\n.TP\n.B ASSAY_PLUGIN_PATH\nfolders to search for plugins, separated by "
        "colons\n.TP\n.B NO_COLOR\nno colour\n"
        ".SH FILES\n.TP\n.I runs/NAME\\-K\nthe folder of a run: config.cfg, run.json, "
        "metrics.jsonl, "
        "metrics.csv, log.txt, checkpoints, best.safetensors, last.safetensors\n"
        ".TP\n.I studies/NAME.study\nthe store of a study (SQLite): what was declared, with the "
        "text of every config, and every trial\n"
        ".PP\nA program \\fBassay\\-foo\\fR on PATH is the command \\fBassay foo\\fR.\n"
        ".SH SEE ALSO\nThe guide for authors of plugins is\n"
        ".I share/doc/assay\\-dev/README.md\nbelow the prefix of an installation,\n"
        ".I sdk/README.md\nin a source tree.\n");
}
