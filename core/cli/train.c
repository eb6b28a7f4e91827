/* assay train: a run from a config file, or the rest of one.
 *
 * The trainer is built before the run's folder is made, so that a config that makes no sense leaves nothing behind. Records go
 * to the display and to the folder; remarks that came before there was a folder are handed to it afterwards. */
#include "cli/train.h"

#include "train/trace.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void emit(void *self, const record *r)
{
    train_job *j = self;
    progress_take(&j->progress, r);
    if (j->folder) {
        const record_sink sink = run_folder_sink(j->folder);
        sink.emit(sink.self, r);
    } else if (r->kind == RECORD_NOTE) {
        text_add_bytes(&j->notes, r->text, strlen(r->text) + 1);
    }
}

/* Remarks from before there was a folder. */
static void hand_over_notes(train_job *j)
{
    const record_sink sink = run_folder_sink(j->folder);
    for (size_t i = 0; i < j->notes.n; i += strlen(j->notes.s + i) + 1) {
        const record note = { .kind = RECORD_NOTE, .text = j->notes.s + i };
        sink.emit(sink.self, &note);
    }
}

static status check_options(const arguments *a, error *err)
{
    static const char *const alone[] = { "dry-run", "overfit-one-batch", "resume" };
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        n += option_has(a, alone[i]);
    }
    if (n > 1) {
        return fail(
            err, E_USAGE, "train: --resume, --dry-run and --overfit-one-batch exclude each other");
    }
    if (option_has(a, "resume") && (option_has(a, "output") || option_has(a, "runs"))) {
        return fail(err, E_USAGE,
            "train: --resume goes on in the run's own folder: leave --output and --runs out");
    }
    if (option_has(a, "json") && (option_has(a, "dry-run") || option_has(a, "overfit-one-batch"))) {
        return fail(err, E_USAGE,
            "train: --json is for the result of a run; --dry-run and --overfit-one-batch have "
            "none");
    }
    if (option_has(a, "output") && option_has(a, "runs")) {
        return fail(err, E_USAGE, "train: --output and --runs exclude each other");
    }
    if (!option_has(a, "resume") && a->n == 0) {
        return fail(err, E_USAGE,
            "train: which config? As in: assay train configs/digits.cfg; or: assay train --resume "
            "RUN_DIR");
    }
    return OK;
}

static status open_config(train_job *j, const arguments *a, error *err)
{
    status st = OK;
    const char *resume = option_get(a, "resume");
    session *s = &j->session;
    if (resume) {
        if (!file_is_dir(resume)) {
            TRY(fail(err, E_USAGE, "%s: not the folder of a run", resume));
        }
        TRY(session_open(s, j->cli, resume, a->word, a->n, err));
    } else {
        if (file_is_dir(a->word[0])) {
            TRY(fail(err, E_USAGE,
                "%s: a folder, not a config; to go on with a run: assay train --resume %s",
                a->word[0], a->word[0]));
        }
        TRY(session_open(s, j->cli, a->word[0], a->word + 1, a->n - 1, err));
    }
    if (option_has(a, "seed")) TRY(session_set(s, "seed", option_get(a, "seed"), err));
    if (option_has(a, "threads"))
        TRY(session_set(s, "train.threads", option_get(a, "threads"), err));
    if (j->overfit) TRY(overfit_settings(s, err));
done:
    return st;
}

/* The path as seen from here, where that is shorter. */
static const char *short_path(const char *path, char *here, size_t bytes)
{
    const size_t n = getcwd(here, bytes) ? strlen(here) : 0;
    return n > 0 && strncmp(path, here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static status set_checkpoints(train_job *j, const char *dir, error *err)
{
    const int n = snprintf(j->checkpoints, sizeof j->checkpoints, "%s", dir);
    return n >= 0 && (size_t)n < sizeof j->checkpoints
        ? OK
        : fail(err, E_RANGE, "%s: the path is too long", dir);
}

/* Makes or opens the run's folder, and restores what is in it. */
static status open_folder(train_job *j, const arguments *a, error *err)
{
    char here[4096];
    status st = OK;
    session *s = &j->session;
    const char *resume = option_get(a, "resume"), *runs = option_get(a, "runs");
    run_folder *f = NULL;
    if (resume) {
        TRY(run_folder_open(resume, &f, err));
        st = trainer_restore_latest(s->trainer, run_folder_checkpoints(f), err);
        if (st == E_MISSING) {
            cli_say(j->cli, "  there is no checkpoint yet: starting from the beginning");
            st = OK;
        }
        TRY(st);
    } else {
        TRY(run_folder_create(
            runs ? runs : "runs", tree_string(s, "name", "run"), option_get(a, "output"), &f, err));
    }
    TRY(set_checkpoints(j, run_folder_checkpoints(f), err));
    j->path = arena_strdup(&s->memory, short_path(run_folder_path(f), here, sizeof here));
    if (!j->path) {
        TRY(fail_nomem(err, "the run folder's name"));
    }
    TRY(run_folder_begin(f, s->trainer, s->config, s->registry, resume != NULL, err));
    j->folder = f;
    f = NULL;
    hand_over_notes(j);
done:
    run_folder_free(f);
    return st;
}

/* Trains, and writes what is to be kept. A folder is told even when training fails. */
static status run(train_job *j, error *err)
{
    error later;
    status st = trainer_run(j->session.trainer, &j->result, err);
    progress_close(&j->progress);
    if (st != OK) {
        const record_sink sink = run_folder_sink(j->folder);
        const record note = { .kind = RECORD_NOTE, .text = err->text };
        sink.emit(sink.self, &note);
        return st;
    }
    st = run_folder_end(j->folder, j->session.trainer, &later);
    if (st != OK) {
        *err = later;
    }
    return st;
}

static int exit_code_of(const train_job *j)
{
    switch (j->result.stop) {
    case STOP_DIVERGED: return EXIT_FAILED;
    case STOP_INTERRUPTED: return EXIT_AGAIN;
    default: return EXIT_DONE;
    }
}

static status train(train_job *j, const arguments *a, error *err)
{
    status st = OK;
    TRY(check_options(a, err));
    TRY(interrupt_start(&j->interrupt, j->cli, err));
    TRY(open_config(j, a, err));
    const trainer_options o = { .sink = { emit, j },
        .interrupt = &j->interrupt.asked,
        .checkpoint_dir = j->dry || !j->overfit ? j->checkpoints : NULL,
        .dry_run = j->dry,
        .overfit_one_batch = j->overfit };
    TRY(session_train(&j->session, &o, err));
    if (option_has(a, "trace-nan")) TRY(trainer_trace(j->session.trainer, err));
    if (j->dry) {
        TRY(dry_run(j, err));
        j->code = EXIT_DONE;
    } else if (j->overfit) {
        TRY(overfit(j, err));
    } else {
        TRY(open_folder(j, a, err));
        describe_run(j, option_has(a, "resume"));
        TRY(run(j, err));
        j->code = describe_end(j, option_has(a, "json"));
        if (j->code == EXIT_DONE) j->code = exit_code_of(j);
    }
done:
    return st;
}

static int run_train(cli *c, const arguments *a)
{
    error err;
    train_job j = {
        .cli = c, .dry = option_has(a, "dry-run"), .overfit = option_has(a, "overfit-one-batch")
    };
    progress_init(&j.progress, c, j.dry ? "none" : option_get(a, "progress"));
    const status st = train(&j, a, &err);
    progress_close(&j.progress);
    interrupt_stop(&j.interrupt);
    run_folder_free(j.folder);
    session_close(&j.session);
    text_release(&j.notes);
    return st == OK ? j.code : cli_error(c, &err);
}

static const option_row options[] = {
    { "output", 'o', "DIR", NULL, COMPLETE_FOLDER, "the run's folder, exactly this one" },
    { "runs", 0, "DIR", NULL, COMPLETE_FOLDER, "where run folders are made (default runs)" },
    { "resume", 'r', "RUN_DIR", NULL, COMPLETE_FOLDER,
        "go on from the latest checkpoint of a run" },
    { "dry-run", 'n', NULL, NULL, COMPLETE_NOTHING, "two steps of everything, nothing is kept" },
    { "overfit-one-batch", 0, NULL, NULL, COMPLETE_NOTHING,
        "train on one batch, to see whether the model can learn at all" },
    { "trace-nan", 0, NULL, NULL, COMPLETE_NOTHING,
        "check every operation; end at the first value that is not finite, and name it" },
    { "threads", 't', "N", NULL, COMPLETE_NOTHING, "train.threads; never changes the result" },
    { "seed", 's', "N", NULL, COMPLETE_NOTHING, "the run's seed" },
    { "progress", 0, "HOW", "auto|bar|plain|none", COMPLETE_CHOICES,
        "how progress is shown; auto: a bar on a terminal, lines elsewhere" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print the result as JSON" },
};

const command command_train = { .name = "train",
    .arguments = "CONFIG [KEY=VALUE...]",
    .summary = "train a model from a config file, or resume a run",
    .doc = "Trains what the config describes, in a new folder runs/NAME-K: the resolved config, "
           "metrics, "
           "checkpoints, the best and the last weights.\n\n"
           "KEY=VALUE sets anything in the config, +KEY=VALUE adds it, ~KEY removes it. Ctrl-C "
           "ends a run "
           "so that it can be resumed; a second one ends it at once, with what its last checkpoint "
           "has. SIGTERM and SIGHUP are the first and, where no step ends within 10 s, the second, "
           "with exit code 75. A resumed run gives the same "
           "numbers as one that was never stopped.\n\n"
           "The result is printed to standard output, everything else to standard error.",
    .examples = "assay train configs/digits.cfg\n"
                "assay train configs/digits.cfg optimizer.type=adagrad optimizer.lr=0.05\n"
                "assay train configs/digits.cfg 'model[0].units=128' --seed 7\n"
                "assay train --resume runs/digits-1 train.epochs=500",
    COMMAND_OPTIONS(options),
    .most = 1024,
    .completes = COMPLETE_CONFIG,
    .run = run_train };
