/* The program's commands as tables: parsing, help, the man page and completion all read these. */
#ifndef ASSAY_CORE_CLI_COMMAND_H
#define ASSAY_CORE_CLI_COMMAND_H

#include "cli/terminal.h"

#include <stdbool.h>
#include <stddef.h>

/* What the shell offers in a place. */
typedef enum completion {
    COMPLETE_NOTHING,
    COMPLETE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_CONFIG, /* *.cfg */
    COMPLETE_PLUGIN, /* ids of components */
    COMPLETE_DATA_SET, /* names of public data sets */
    COMPLETE_COMMAND, /* assay's commands */
    COMPLETE_CHOICES, /* of an option's or command's `choices` */
} completion;

typedef struct option_row {
    const char *name; /* long */
    char letter; /* short; 0: none */
    const char *argument; /* what its value is called; NULL: a flag */
    const char *choices; /* "auto|always|never": the only values; may be NULL */
    completion completes;
    const char *doc; /* one line, lower case, no full stop */
} option_row;

enum { MAX_OPTIONS = 24, MAX_REPEATED = 64 };

/* A command line after parsing. */
typedef struct arguments {
    const option_row *row[MAX_OPTIONS]; /* the command's options, then the common ones */
    const char *value[MAX_OPTIONS]; /* "" for a flag that is there; NULL: absent */
    size_t n_rows;
    struct {
        size_t i_row;
        const char *value;
    } each[MAX_REPEATED]; /* options as they came, for those that may be given more than once */
    size_t n_each;
    char **word; /* [n] positional arguments */
    size_t n;
    char **flag; /* [n_flags] what stood behind "--", of a command that takes another program's */
    size_t n_flags;
} arguments;

/* The program while it runs. */
typedef struct cli {
    const char *program; /* as it was called, for what to type next */
    terminal out, err;
    bool quiet;
    bool verbose;
} cli;

typedef struct command {
    const char *name; /* "train", "plugin list" */
    const char *arguments; /* "CONFIG [KEY=VALUE...]"; "" for none */
    const char *summary; /* one line, lower case, no full stop */
    const char *doc; /* paragraphs */
    const char *examples; /* lines "command   # what it does"; may be NULL */
    const option_row *options;
    size_t n_options;
    size_t least, most; /* positional arguments */
    completion completes; /* the first of them */
    const char *choices; /* its only values; may be NULL */
    const char *missing; /* what is said where words are missing; NULL: "something is missing" */
    bool takes_flags; /* words behind "--" are for another program: arguments.flag */
    int (*run)(cli *c, const arguments *a);
} command;

#define COMMAND_OPTIONS(array) .options = (array), .n_options = sizeof(array) / sizeof((array)[0])

extern const command command_inspect, command_replay, command_diff, command_sample;
extern const command command_data_list, command_data_fetch, command_search;
extern const command command_study_run, command_study_resume, command_study_status,
    command_study_list, command_study_show, command_study_stop, command_study_check,
    command_study_export, command_worker;
extern const command command_train, command_eval, command_config, command_model_summary,
    command_plugin_list, command_plugin_info, command_plugin_new, command_plugin_build,
    command_plugin_check, command_plot, command_lr_find, command_doctor, command_completion,
    command_help;

/* All of them, in the order of the help. */
size_t command_count(void);
const command *command_get(size_t i);

/* Options that every command has. */
size_t common_count(void);
const option_row *common_get(size_t i);

/* The command that `word[0..n)` begins with, and how many words name it; NULL when there is none. */
const command *command_find(char *const *word, size_t n, size_t *out_words);

/* The value of an option; NULL when it was not given. The name is one of the table. */
const char *option_get(const arguments *a, const char *name);
bool option_has(const arguments *a, const char *name);

/* The i-th value of an option that may be repeated; NULL beyond the last. */
const char *option_nth(const arguments *a, const char *name, size_t i);

/* Reads argv[1..argc) against the command's table: E_USAGE with did-you-mean. The words are permuted. */
status arguments_parse(
    const command *cmd, int argc, char **argv, arguments *out, error *err) MUST_CHECK;

/* Help texts, added to `t`; `style` says what the stream shows. */
void help_program(const terminal *style, text *t);
/* Of a first word that several commands share, "plugin"; false where none begins with it. */
bool help_group(const char *word, const terminal *style, text *t);
void help_command(const command *cmd, const terminal *style, text *t);
void help_man(text *t);

/* The text of a shell's completion script. */
void completion_script(const char *shell, text *t);

#endif
