/* The program `assay`: finds the command, reads its options, runs it.
 *
 * A word that is no command may still be one: a program assay-WORD on PATH takes over with the rest of the line. */
#include "cli/session.h"
#include "num/gemm.h"
#ifdef ASSAY_HAS_STUDIES
#include "job/procedures.h"
#include "sandbox/sandbox.h"
#include "sandbox/tied.h"
#endif

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMES = 64 };

/* Index of the first word that is no option; common options may stand before the command. */
static int first_word(int argc, char **argv)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-') {
        i += strcmp(argv[i], "--color") == 0 ? 2 : 1;
    }
    return i;
}

static status unknown_command(const char *word, const char *next, error *err)
{
    const char *names[MAX_NAMES];
    const size_t n = command_count();
    char both[128];
    text verbs = { 0 };
    for (size_t i = 0; i < n; i++) {
        const char *name = command_get(i)->name;
        const size_t len = strlen(word);
        names[i] = name;
        if (strncmp(name, word, len) == 0 && name[len] == ' ') {
            text_printf(&verbs, "%s%s", verbs.n ? ", " : "", name);
        }
    }
    snprintf(both, sizeof both, "%s%s%s", word, next ? " " : "", next ? next : "");
    const char *near = text_nearest(both, names, n);
    if (!near) near = text_nearest(word, names, n);
    if (verbs.n && near && strchr(near, ' ') && next) {
        (void)fail(err, E_USAGE, "unknown command \"%s\": did you mean \"%s\"?", both, near);
    } else if (verbs.n) {
        (void)fail(err, E_USAGE, "\"%s\" is not a command; there are: %s", both, verbs.s);
    } else if (near) {
        (void)fail(err, E_USAGE, "unknown command \"%s\": did you mean \"%s\"?", word, near);
    } else {
        (void)fail(err, E_USAGE, "unknown command \"%s\"; see assay help", word);
    }
    text_release(&verbs);
    return E_USAGE;
}

/* Becomes assay-WORD where there is one. */
static void try_program(char **argv, int at)
{
    char name[256];
    if (strchr(argv[at], '/')) {
        return;
    }
    const int n = snprintf(name, sizeof name, "assay-%s", argv[at]);
    if (n > 0 && (size_t)n < sizeof name) {
        char *const word = argv[at];
        argv[at] = name;
        execvp(name, argv + at);
        argv[at] = word;
    }
}

static int run(cli *c, const command *cmd, int argc, char **argv)
{
    error err;
    arguments a;
    const status st = arguments_parse(cmd, argc, argv, &a, &err);
    if (st != OK) {
        return cli_error(c, &err);
    }
    const char *color = option_get(&a, "color");
    c->out = terminal_open(stdout, color);
    c->err = terminal_open(stderr, color);
    c->quiet = option_has(&a, "quiet");
    c->verbose = option_has(&a, "verbose");
    if (option_has(&a, "help")) {
        text t = { 0 };
        help_command(cmd, &c->out, &t);
        return cli_put(c, &t);
    }
    return cmd->run(c, &a);
}

/* Without a command: --help, --version, or a mistake. */
static int run_bare(cli *c, int argc, char **argv)
{
    text t = { 0 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
            text_printf(&t, "assay %s\n", ASSAY_VERSION);
            return cli_put(c, &t);
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help_program(&c->out, &t);
            return cli_put(c, &t);
        }
    }
    error err;
    if (argc > 1) {
        (void)fail(&err, E_USAGE, "unknown option \"%s\"; see assay --help", argv[1]);
        return cli_error(c, &err);
    }
    help_program(&c->err, &t);
    if (text_check(&t, &err) == OK) terminal_write(&c->err, t.s);
    text_release(&t);
    return EXIT_BAD_USAGE;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

/* What workers of this program can do; `--fork-server FD` is how the program starts itself for that, and `--tied-to PID ...` for programs
 * of others. */
static bool is_started_by_itself(int argc, char **argv, int *out_code)
{
#ifdef ASSAY_HAS_STUDIES
    procedure procedures[STUDY_MOST_PROCEDURES];
    *out_code = tied_main(argc, argv);
    if (*out_code >= 0) return true;
    if (argc == 3 && strcmp(argv[1], "--fork-server") == 0) {
        const size_t n = study_procedures(procedures);
        *out_code = fork_server_main((int)strtol(argv[2], NULL, 10), procedures, n);
        return true;
    }
#else
    (void)argc;
    (void)argv;
    (void)out_code;
#endif
    return false;
}

int main(int argc, char **argv)
{
    int code;
    if (is_started_by_itself(argc, argv, &code)) return code;
    num_init();
    setlocale(LC_CTYPE, "");
    cli c = { .program = argc > 0 ? argv[0] : "assay",
        .out = terminal_open(stdout, NULL),
        .err = terminal_open(stderr, NULL) };
    size_t n_words;
    const int at = first_word(argc, argv);
    if (at >= argc) {
        return run_bare(&c, argc, argv);
    }
    const command *cmd = command_find(argv + at, (size_t)(argc - at), &n_words);
    if (!cmd) {
        error err;
        text t = { 0 };
        try_program(argv, at);
        if (wants_help(argc, argv) && help_group(argv[at], &c.out, &t)) return cli_put(&c, &t);
        (void)unknown_command(argv[at], at + 1 < argc ? argv[at + 1] : NULL, &err);
        return cli_error(&c, &err);
    }
    /* Common options that stood before the command move behind it. */
    const int n = (int)n_words;
    for (int i = at; i + n < argc; i++) {
        argv[i] = argv[i + n];
    }
    return run(&c, cmd, argc - n, argv);
}
