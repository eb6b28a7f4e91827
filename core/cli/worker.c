/* assay worker: pulls trials of a study that another program began. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_work.h"

#include <math.h>

static status work(study_work *w, error *err)
{
    status st = OK;
    open_study *s = &w->s;
    TRY(study_work_begin(w, err));
    TRY(study_open(s, w->cli, w->args->word[0], option_get(w->args, "name"), STORE_WRITE, err));
    if (!isnan(s->study.closed)) TRY(fail(err, E_CONFLICT, "%s: the study is closed", s->path));
    if (s->study.paused) {
        TRY(fail(err, E_CONFLICT,
            "%s: the study is stopped: assay study resume goes on with it, workers may help then",
            s->path));
    }
    cli_say(w->cli, "  works on %s (%s)", s->study.name, s->path);
    TRY(study_work_on(w, false, err));
done:
    return st;
}

static int run_worker(cli *c, const arguments *a)
{
    error err;
    study_work w = { .cli = c, .args = a };
    const status st = work(&w, &err);
    return study_work_end(&w, st, &err);
}

static const option_row options[] = { STUDY_OPTION_NAME, STUDY_WORK_OPTIONS };

const command command_worker = {
    .name = "worker",
    .arguments = "FILE|NAME",
    .summary = "help with a study that another program runs",
    .doc = "Takes trials of a study and runs them until nothing is left, as the program that began "
           "the study does; any number of workers may come and go. A trial whose worker is killed "
           "is run again by another.\n\n"
           "The store must lie on a disk of this machine.",
    .examples = "assay worker studies/digits.study --jobs 2",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_worker,
};
#else
typedef int no_studies; /* a file holds something */
#endif
