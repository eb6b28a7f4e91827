/* Completion for shells, generated from the tables. Plugin ids are asked of assay itself when the user presses TAB. */
#include "cli/session.h"

#include <string.h>

static const char *const verbs_of[] = { "plugin", "model", "data" };

/* The words that may follow "assay": commands, or their first words, each once. */
static void first_words(text *t)
{
    const char *last = "";
    size_t last_n = 0;
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = command_get(i)->name;
        const size_t n = strcspn(name, " ");
        if (n != last_n || strncmp(name, last, n) != 0) {
            text_printf(t, "%s%.*s", i ? " " : "", (int)n, name);
        }
        last = name;
        last_n = n;
    }
}

static void second_words(const char *first, text *t)
{
    const size_t n = strlen(first);
    for (size_t i = 0; i < command_count(); i++) {
        const char *name = command_get(i)->name;
        if (strncmp(name, first, n) == 0 && name[n] == ' ') {
            text_printf(t, "%s ", name + n + 1);
        }
    }
}

static void spaced(const char *choices, text *t)
{
    for (; *choices; choices++) {
        text_add_bytes(t, *choices == '|' ? " " : choices, 1);
    }
}

/* -- bash -- */

static void bash_source(completion c, const char *choices, text *t)
{
    switch (c) {
    case COMPLETE_CONFIG: text_add(t, "_assay_configs"); break;
    case COMPLETE_PLUGIN:
        text_add(t, "_assay_words \"$(assay plugin list --ids 2>/dev/null)\"");
        break;
    case COMPLETE_DATA_SET:
        text_add(t, "_assay_words \"$(assay data list --names 2>/dev/null)\"");
        break;
    case COMPLETE_COMMAND: text_add(t, "_assay_words \"$commands\""); break;
    case COMPLETE_FILE: text_add(t, "compopt -o default"); break;
    case COMPLETE_FOLDER: text_add(t, "compopt -o plusdirs"); break;
    case COMPLETE_CHOICES:
        text_add(t, "_assay_words \"");
        spaced(choices, t);
        text_add(t, "\"");
        break;
    default: text_add(t, ":"); break;
    }
}

static void bash_command(const command *c, text *t)
{
    text_printf(t, "    '%s')\n        options='", c->name);
    for (size_t i = 0; i < c->n_options + common_count(); i++) {
        const option_row *o = i < c->n_options ? &c->options[i] : common_get(i - c->n_options);
        text_printf(t, "%s--%s", i ? " " : "", o->name);
    }
    text_add(t, "'\n        case $before in\n");
    for (size_t i = 0; i < c->n_options + common_count(); i++) {
        const option_row *o = i < c->n_options ? &c->options[i] : common_get(i - c->n_options);
        if (!o->argument) {
            continue;
        }
        text_printf(t, "        --%s", o->name);
        if (o->letter) text_printf(t, "|-%c", o->letter);
        text_add(t, ") ");
        bash_source(o->completes, o->choices, t);
        text_add(t, "; return ;;\n");
    }
    text_add(t,
        "        esac\n        case $word in -*) _assay_words \"$options\"; return ;; esac\n       "
        " ");
    bash_source(c->completes, c->choices, t);
    text_add(t, " ;;\n");
}

static void bash(text *t)
{
    text_add(t,
        "# bash completion of assay: source this file, or put it into the folder of completions.\n"
        "_assay_words() { COMPREPLY+=($(compgen -W \"$1\" -- \"$word\")); }\n"
        "_assay_configs() { compopt -o filenames; COMPREPLY+=($(compgen -f -X '!*.cfg' -- "
        "\"$word\") "
        "$(compgen -d -- \"$word\")); }\n"
        "_assay() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options "
        "command\n"
        "    local commands='");
    first_words(t);
    text_add(t,
        "'\n    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then _assay_words \"$commands "
        "--help --version\"; return; fi\n    command=${COMP_WORDS[1]}\n    case $command in\n");
    for (size_t i = 0; i < sizeof verbs_of / sizeof verbs_of[0]; i++) {
        text_printf(
            t, "    %s)\n        if [ \"$COMP_CWORD\" -eq 2 ]; then _assay_words '", verbs_of[i]);
        second_words(verbs_of[i], t);
        text_add(t, "'; return; fi\n        command=\"$command ${COMP_WORDS[2]}\" ;;\n");
    }
    text_add(t, "    esac\n    case $command in\n");
    for (size_t i = 0; i < command_count(); i++) {
        bash_command(command_get(i), t);
    }
    text_add(t, "    esac\n}\ncomplete -F _assay assay\n");
}

/* -- zsh -- */

/* In single quotes, with what _arguments gives a meaning made harmless. */
static void zsh_doc(const char *s, text *t)
{
    for (; *s; s++) {
        if (*s == '\'') {
            text_add(t, "'\\''");
            continue;
        }
        if (strchr("[]:", *s)) text_add(t, "\\");
        text_add_bytes(t, s, 1);
    }
}

static void zsh_source(completion c, const char *choices, text *t)
{
    switch (c) {
    case COMPLETE_CONFIG: text_add(t, "_files -g \"*.cfg\""); break;
    case COMPLETE_PLUGIN: text_add(t, "_assay_plugins"); break;
    case COMPLETE_DATA_SET: text_add(t, "_assay_data_sets"); break;
    case COMPLETE_COMMAND: text_add(t, "_assay_commands"); break;
    case COMPLETE_FILE: text_add(t, "_files"); break;
    case COMPLETE_FOLDER: text_add(t, "_files -/"); break;
    case COMPLETE_CHOICES:
        text_add(t, "(");
        spaced(choices, t);
        text_add(t, ")");
        break;
    default: text_add(t, " "); break;
    }
}

static void zsh_option(const option_row *o, text *t)
{
    text_printf(t, " \\\n            '--%s%s[", o->name, o->argument ? "=" : "");
    zsh_doc(o->doc, t);
    text_add(t, "]");
    if (o->argument) {
        text_printf(t, ":%s:", o->argument);
        zsh_source(o->completes, o->choices, t);
    }
    text_add(t, "'");
}

static void zsh(text *t)
{
    text_add(t,
        "#compdef assay\n"
        "_assay_plugins() { compadd -- ${(f)\"$(assay plugin list --ids 2>/dev/null)\"} }\n"
        "_assay_data_sets() { compadd -- ${(f)\"$(assay data list --names 2>/dev/null)\"} }\n"
        "_assay_commands() { compadd -- ");
    first_words(t);
    text_add(t,
        " }\n_assay() {\n    local command=${words[2]}\n"
        "    if (( CURRENT == 2 )); then _assay_commands; return; fi\n    case $command in\n");
    for (size_t i = 0; i < sizeof verbs_of / sizeof verbs_of[0]; i++) {
        text_printf(t, "    %s)\n        if (( CURRENT == 3 )); then compadd -- ", verbs_of[i]);
        second_words(verbs_of[i], t);
        text_add(t,
            "; return; fi\n        command=\"$command ${words[3]}\"; shift words; (( CURRENT-- "
            ")) ;;\n");
    }
    text_add(t, "    esac\n    shift words; (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; i < command_count(); i++) {
        const command *c = command_get(i);
        text_printf(t, "    '%s')\n        _arguments", c->name);
        for (size_t k = 0; k < c->n_options; k++) {
            zsh_option(&c->options[k], t);
        }
        for (size_t k = 0; k < common_count(); k++) {
            zsh_option(common_get(k), t);
        }
        text_add(t, " \\\n            '*: :");
        zsh_source(c->completes, c->choices, t);
        text_add(t, "' ;;\n");
    }
    text_add(t, "    esac\n}\n_assay \"$@\"\n");
}

/* -- fish -- */

static void fish_source(completion c, const char *choices, text *t)
{
    switch (c) {
    case COMPLETE_CONFIG: text_add(t, " -k -a '(__fish_complete_suffix .cfg)'"); break;
    case COMPLETE_PLUGIN: text_add(t, " -a '(assay plugin list --ids 2>/dev/null)'"); break;
    case COMPLETE_DATA_SET: text_add(t, " -a '(assay data list --names 2>/dev/null)'"); break;
    case COMPLETE_FILE: text_add(t, " -F"); break;
    case COMPLETE_FOLDER: text_add(t, " -a '(__fish_complete_directories)'"); break;
    case COMPLETE_CHOICES:
        text_add(t, " -a '");
        spaced(choices, t);
        text_add(t, "'");
        break;
    case COMPLETE_COMMAND:
        text_add(t, " -a '");
        first_words(t);
        text_add(t, "'");
        break;
    default: break;
    }
}

static void fish_quoted(const char *s, text *t)
{
    for (; *s; s++) {
        text_add(t, *s == '\'' || *s == '\\' ? "\\" : "");
        text_add_bytes(t, s, 1);
    }
}

static void fish_option(const char *condition, const option_row *o, text *t)
{
    text_printf(t, "complete -c assay%s -l %s", condition, o->name);
    if (o->letter) text_printf(t, " -s %c", o->letter);
    if (o->argument) {
        text_add(t, " -x");
        fish_source(o->completes, o->choices, t);
    }
    text_add(t, " -d '");
    fish_quoted(o->doc, t);
    text_add(t, "'\n");
}

static void fish(text *t)
{
    text_add(t,
        "# fish completion of assay: put it into ~/.config/fish/completions/assay.fish\n"
        "complete -c assay -f\ncomplete -c assay -n __fish_use_subcommand -a '");
    first_words(t);
    text_add(t, "'\n");
    for (size_t i = 0; i < common_count(); i++) {
        fish_option("", common_get(i), t);
    }
    for (size_t i = 0; i < command_count(); i++) {
        const command *c = command_get(i);
        char condition[256];
        const char *space = strchr(c->name, ' ');
        if (space) {
            const int n = (int)(space - c->name);
            text_printf(t,
                "complete -c assay -n '__fish_seen_subcommand_from %.*s; and not "
                "__fish_seen_subcommand_from %s' -a '%s' -d '",
                n, c->name, space + 1, space + 1);
            fish_quoted(c->summary, t);
            text_add(t, "'\n");
            snprintf(condition, sizeof condition,
                " -n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'", n,
                c->name, space + 1);
        } else {
            snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'", c->name);
        }
        for (size_t k = 0; k < c->n_options; k++) {
            fish_option(condition, &c->options[k], t);
        }
        if (c->completes != COMPLETE_NOTHING) {
            text_printf(t, "complete -c assay%s", condition);
            fish_source(c->completes, c->choices, t);
            text_add(t, "\n");
        }
    }
}

void completion_script(const char *shell, text *t)
{
    if (strcmp(shell, "bash") == 0) {
        bash(t);
    } else if (strcmp(shell, "zsh") == 0) {
        zsh(t);
    } else {
        fish(t);
    }
}

static int run_completion(cli *c, const arguments *a)
{
    text t = { 0 };
    completion_script(a->word[0], &t);
    return cli_put(c, &t);
}

const command command_completion = { .name = "completion",
    .arguments = "bash|zsh|fish",
    .summary = "print the completion script of a shell",
    .doc =
        "Prints a script that teaches the shell assay's commands, options, plugin ids and config "
        "files.",
    .examples = "eval \"$(assay completion bash)\"\n"
                "assay completion fish > ~/.config/fish/completions/assay.fish",
    .least = 1,
    .most = 1,
    .completes = COMPLETE_CHOICES,
    .choices = "bash|zsh|fish",
    .run = run_completion };
