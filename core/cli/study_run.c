/* assay study run and resume: declares a study, or finds it, and works on it. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_work.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SWEEPS = MAX_REPEATED };

/* -- run -- */

/* --trials N as an override, after all others; NULL: it was not given. */
static status trials_override(study_work *w, const char **out, error *err)
{
    const char *given = option_get(w->args, "trials");
    *out = NULL;
    if (!given) return OK;
    if (!*given || given[strspn(given, "0123456789")]) {
        return fail(err, E_USAGE, "--trials: expected a whole number from 1, found \"%s\"", given);
    }
    *out = arena_printf(&w->s.memory, "study.budget.trials=%s", given);
    return *out ? OK : fail_nomem(err, "an override");
}

static status load(study_work *w, error *err)
{
    const char *sweeps[MOST_SWEEPS], *trials = NULL;
    const arguments *a = w->args;
    size_t n = 0, n_overrides = 0;
    status st = trials_override(w, &trials, err);
    if (st != OK) return st;
    const char **overrides = arena_alloc_array(&w->s.memory, a->n + 1, sizeof *overrides);
    if (!overrides) return fail_nomem(err, "overrides");
    for (size_t i = 1; i < a->n; i++)
        overrides[n_overrides++] = a->word[i];
    if (trials) overrides[n_overrides++] = trials;
    for (const char *s; n < MOST_SWEEPS && (s = option_nth(a, "sweep", n)) != NULL;)
        sweeps[n++] = s;
    const declaration_options o = { .name = option_get(a, "name"),
        .overrides = overrides,
        .n_overrides = n_overrides,
        .sweeps = sweeps,
        .n_sweeps = n };
    if (file_is_dir(a->word[0])) {
        return fail(err, E_USAGE, "%s: a folder, not a config", a->word[0]);
    }
    if (!file_exists(a->word[0])) {
        return fail(err, E_USAGE, "%s: no such config file", a->word[0]);
    }
    for (size_t i = 0; i < o.n_overrides; i++) {
        if (!strchr(o.overrides[i], '=') && o.overrides[i][0] != '~') {
            return fail(err, E_USAGE,
                "\"%s\" is no override: expected KEY=VALUE, +KEY=VALUE or ~KEY, as in "
                "study.budget.trials=10",
                o.overrides[i]);
        }
    }
    return declaration_load(w->s.session.registry, a->word[0], &o, &w->s.declaration, err);
}

static status open_store(study_work *w, error *err)
{
    status st = OK;
    open_study *s = &w->s;
    const store_options o = { .mode = STORE_CREATE };
    const char *given = option_get(w->args, "store");
    uint64_t id = 0;
    bool is_new = false;
    s->path = given ? given : study_path(&s->memory, s->declaration->name);
    const char *folder = s->path ? path_dir(&s->memory, s->path) : NULL;
    if (!folder) TRY(fail_nomem(err, "a path"));
    TRY(file_make_dirs(folder, err));
    w->is_new_store = !file_exists(s->path);
    TRY(store_open(s->path, &o, &s->store, err));
    TRY(study_declare(s->declaration, s->store, &id, &is_new, err));
    TRY(study_reopen(s->store, id, err));
    TRY(study_find(s->store, s->declaration->name, &s->memory, &s->study, err));
done:
    return st;
}

static void say_warnings(const study_work *w, const text *warnings)
{
    const terminal *t = &w->cli->err;
    for (const char *line = warnings->s; line && *line;) {
        const size_t n = strcspn(line, "\n");
        terminal_printf(t, "  %snote%s  %.*s\n", terminal_style(t, STYLE_YELLOW),
            terminal_style(t, STYLE_PLAIN), (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* What is doubtful of what was declared. */
static status say_doubts(const study_work *w, error *err)
{
    text warnings = { 0 };
    size_t n = 0;
    const status st =
        declaration_check(w->s.session.registry, w->s.declaration, &warnings, &n, err);
    if (st == OK && !w->cli->quiet) say_warnings(w, &warnings);
    text_release(&warnings);
    return st;
}

static status describe(const study_work *w, error *err)
{
    status st = OK;
    const open_study *s = &w->s;
    const terminal *t = &w->cli->err;
    if (!w->cli->quiet) {
        terminal_printf(t, "%s%s%s  %s, declared as %.8s\n", terminal_style(t, STYLE_BOLD),
            s->study.name, terminal_style(t, STYLE_PLAIN), s->path, s->study.declaration_hash);
    }
    if (!s->declaration->is_plain) TRY(say_doubts(w, err));
done:
    return st;
}

static status plan(study_work *w, error *err)
{
    text t = { 0 };
    const status st = study_plan(&w->s, &w->cli->out, &t, err);
    if (st != OK) {
        text_release(&t);
        return st;
    }
    w->code = cli_put(w->cli, &t);
    return say_doubts(w, err);
}

static status begin(study_work *w, error *err)
{
    status st = OK;
    TRY(study_work_begin(w, err));
    TRY(session_open_registry(&w->s.session, w->cli, err));
    TRY(load(w, err));
    if (option_has(w->args, "dry-run")) {
        TRY(plan(w, err));
    } else {
        TRY(open_store(w, err));
        TRY(describe(w, err));
        TRY(study_work_on(w, true, err));
    }
done:
    return st;
}

/* A study that cannot begin leaves nothing behind, so that its config may be mended: what it was declared as is bound by its first trial. */
static bool has_no_trial(const open_study *s)
{
    results *r = NULL;
    error inner;
    const bool is_read = s->store && s->study.id && study_results(s, &r, &inner) == OK;
    const bool has_none = is_read && r->n_rows == 0;
    results_free(r);
    return has_none;
}

static void remove_store(const char *path)
{
    static const char *const endings[] = { "", "-wal", "-shm" };
    char name[4096 + 8];
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const int n = snprintf(name, sizeof name, "%s%s", path, endings[i]);
        if (n > 0 && (size_t)n < sizeof name) (void)unlink(name);
    }
    const int n = snprintf(name, sizeof name, "%s.d", path);
    if (n > 0 && (size_t)n < sizeof name) (void)rmdir(name); /* unless something is in it */
}

static int run_run(cli *c, const arguments *a)
{
    error err;
    char path[4096] = "";
    study_work w = { .cli = c, .args = a };
    const status st = begin(&w, &err);
    if (st != OK && w.is_new_store && has_no_trial(&w.s)) {
        snprintf(path, sizeof path, "%s", strlen(w.s.path) < sizeof path ? w.s.path : "");
    }
    const int code = study_work_end(&w, st, &err);
    if (*path) remove_store(path);
    return code;
}

static const option_row options[] = {
    { "store", 0, "FILE", NULL, COMPLETE_FILE, "where it is kept (default studies/NAME.study)" },
    { "name", 0, "NAME", NULL, COMPLETE_NOTHING, "of the study (default: the config's)" },
    { "sweep", 0, "SPACE", NULL, COMPLETE_NOTHING,
        "dimensions to search, as optimizer.lr=1e-4..1e-1:log; may be repeated" },
    { "trials", 0, "N", NULL, COMPLETE_NOTHING, "of one tuning: study.budget.trials=N" },
    { "dry-run", 'n', NULL, NULL, COMPLETE_NOTHING,
        "print the trials and what they would cost; nothing is run or kept" },
    STUDY_WORK_OPTIONS,
};

const command command_study_run = {
    .name = "study run",
    .arguments = "CONFIG [KEY=VALUE...]",
    .summary = "search hyperparameters, or compare contenders fairly",
    .doc =
        "Runs the study that a config's block `study` declares, or a search over the dimensions of "
        "--sweep. Trials run in processes of their own, in a sandbox, as many at once as there are "
        "cores; a trial that crashes, hangs or diverges is a result and harms nothing else.\n\n"
        "The declaration, with the text of every file that it names, is stored before the first "
        "trial. The same command again goes on where the study was, however it ended; a config "
        "that says something else is refused. Other programs may help at the same time: assay "
        "worker FILE.\n\n"
        "KEY=VALUE sets anything in the config. A space is written as NAME=LOW..HIGH[:log|:int|"
        ":step=S] or NAME=A,B,C, several with blanks between; ?NAME=A behind it makes it "
        "conditional. LOW..HIGH of a key that is a real number are reals; of a program's words "
        "0..1 are two whole numbers, 0.0..1.0 all that is between.\n\n"
        "Ctrl-C lets what runs end and begins nothing more, a second one ends what runs, too, with "
        "exit code 75; a third one ends the program at once, with exit code 130. In each case the "
        "study can be resumed. The tables are printed "
        "to standard output, everything else to standard error.",
    .examples =
        "assay study run configs/digits.cfg --sweep 'optimizer.lr=1e-4..1e-1:log' --trials 20\n"
        "assay study run digits.cfg --sweep 'optimizer.lr=1e-4..1e-1:log optimizer.type=sgd,adam'\n"
        "assay study run optimizers.cfg --dry-run\n"
        "assay study run optimizers.cfg --jobs 2 study.repeats=5",
    COMMAND_OPTIONS(options),
    .least = 1,
    .missing = "which config? As in: assay study run configs/digits.cfg --sweep "
               "'optimizer.lr=1e-4..1e-1:log'",
    .most = 1024,
    .completes = COMPLETE_CONFIG,
    .run = run_run,
};

/* -- resume -- */

static status resume(study_work *w, error *err)
{
    status st = OK;
    open_study *s = &w->s;
    TRY(study_work_begin(w, err));
    TRY(study_open(s, w->cli, w->args->n ? w->args->word[0] : NULL, option_get(w->args, "name"),
        STORE_WRITE, err));
    TRY(study_reopen(s->store, s->study.id, err));
    s->study.paused = false;
    TRY(describe(w, err));
    TRY(study_work_on(w, true, err));
done:
    return st;
}

static int run_resume(cli *c, const arguments *a)
{
    error err;
    study_work w = { .cli = c, .args = a };
    const status st = resume(&w, &err);
    return study_work_end(&w, st, &err);
}

static const option_row resume_options[] = { STUDY_OPTION_NAME, STUDY_WORK_OPTIONS };

const command command_study_resume = {
    .name = "study resume",
    .arguments = "[FILE|NAME]",
    .summary = "go on with a study that was stopped or interrupted",
    .doc = "Goes on where a study was: after Ctrl-C, after assay study stop, after a crash of the "
           "machine. Everything that it needs is in its store, the text of its configs too. What "
           "was under way is run again with the same seed; nothing is counted twice, and the same "
           "trials are proposed as if nothing had been.\n\n"
           "Without a name the newest store in studies/ is taken.",
    .examples = "assay study resume digits\nassay study resume studies/digits.study --jobs 1",
    COMMAND_OPTIONS(resume_options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_resume,
};
#else
typedef int no_studies; /* a file holds something */
#endif
