/* One host at work: the engine runs, the display tells, and at the end the tables are printed. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_work.h"

#include "base/json.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* Checkpoints of paused trials lie beside the store. */
static const char *checkpoints(open_study *s)
{
    return arena_printf(&s->memory, "%s.d", s->path);
}

/* What is there from before. */
static status begin_display(study_work *w, study_progress *p, error *err)
{
    status st = OK;
    results *r = NULL;
    const declaration *d = w->s.declaration;
    TRY(study_progress_init(
        p, w->cli, d, option_get(w->args, "progress"), option_has(w->args, "json"), err));
    TRY(study_results(&w->s, &r, err));
    for (size_t i = 0; i < d->n_contenders; i++) {
        const trial_row *best = r->workloads[0].contenders[i].best;
        if (best) study_progress_tell_best(p, i, best->value);
    }
    const uint64_t n = results_n_ended(r);
    if (n > 0) {
        cli_say(w->cli, "  %llu trials have ended before%s", (unsigned long long)n,
            study_is_over(r) ? "; nothing is left to do" : "; it goes on");
    }
done:
    results_free(r);
    return st;
}

static status tell_json(const study_work *w, const engine_summary *e, error *err)
{
    text t = { 0 };
    json j;
    json_init(&j, &t);
    json_begin_object(&j);
    json_key_string(&j, "event", "end");
    json_key_string(&j, "store", w->s.path);
    json_key_string(&j, "study", w->s.study.name);
    json_key_bool(&j, "is_over", e->is_over);
    json_key_int(&j, "trials_run_here", (int64_t)e->n_run);
    json_key(&j, "states");
    json_begin_object(&j);
    for (int i = 0; i < N_TRIAL_STATES; i++)
        json_key_int(&j, trial_state_name((trial_state)i), (int64_t)e->count[i]);
    json_end_object(&j);
    json_end_object(&j);
    text_add(&t, "\n");
    const int code = cli_put(w->cli, &t);
    return code == EXIT_DONE ? OK : fail(err, E_IO, "standard output cannot be written");
}

static bool has_a_value(const results *r)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        if (r->rows[i].state == TRIAL_DONE) return true;
    }
    return false;
}

/* The end: tables, what to do next, and the exit code. */
static status tell_end(study_work *w, const engine_summary *e, bool tells_all, error *err)
{
    status st = OK;
    results *r = NULL;
    text t = { 0 }, next = { 0 };
    const bool as_json = option_has(w->args, "json");
    TRY(study_results(&w->s, &r, err));
    if (as_json) {
        TRY(tell_json(w, e, err));
    } else if (tells_all) {
        TRY(study_show(&w->s, r, &w->cli->out, false, &t, err));
    }
    w->code = cli_put(w->cli, &t);
    t = (text){ 0 };
    study_add_command(&next, &w->s, e->is_over ? "show" : "resume");
    TRY(text_check(&next, err));
    if (!e->is_over) {
        cli_say(w->cli, "\n  %llu trials run here; the study goes on by: %s",
            (unsigned long long)e->n_run, next.s);
        w->code = EXIT_AGAIN;
    } else if (!has_a_value(r)) {
        TRY(fail(
            err, E_NUMERIC, "no trial of the study has a value; all of them: %s --trials", next.s));
    } else if (!tells_all) {
        cli_say(w->cli, "  %llu trials run here; nothing is left to do; results: %s",
            (unsigned long long)e->n_run, next.s);
    }
done:
    results_free(r);
    text_release(&t);
    text_release(&next);
    return st;
}

status study_work_begin(study_work *w, error *err)
{
    status st = OK;
    const bool is_debugged = option_has(w->args, "debug");
    w->s.cli = w->cli;
    TRY(option_count(w->args, "jobs", is_debugged ? 1 : 0, &w->n_jobs, err));
    if (is_debugged && w->n_jobs != 1) {
        TRY(fail(err, E_USAGE, "--debug runs one trial at a time: leave --jobs out"));
    }
    TRY(study_interrupt_start(&w->interrupt, w->cli, err));
done:
    return st;
}

status study_work_on(study_work *w, bool tells_all, error *err)
{
    status st = OK;
    study_progress p = { 0 };
    engine_summary e = { 0 };
    /* of a study that was read from its store; its strategy's place is made for them */
    TRY(registry_add_config(w->s.session.registry, w->s.declaration->config, err));
    TRY(begin_display(w, &p, err));
    const engine_options o = { .n_jobs = w->n_jobs,
        .is_debugged = option_has(w->args, "debug"),
        .folder = checkpoints(&w->s),
        .interrupt = &w->interrupt.asked,
        .on_news = study_progress_take,
        .on_warning = study_progress_warn,
        .self = &p };
    if (!o.folder) TRY(fail_nomem(err, "a path"));
    TRY(engine_run(
        w->s.session.registry, w->s.declaration, w->s.store, w->s.study.id, &o, &e, err));
    study_progress_close(&p);
    if (e.is_over) (void)rmdir(o.folder); /* unless something is in it; nobody else needs it now */
    if (tells_all) cli_say(w->cli, "%s", "");
    TRY(tell_end(w, &e, tells_all, err));
done:
    study_progress_release(&p);
    return st;
}

int study_work_end(study_work *w, status st, const error *err)
{
    study_interrupt_stop(&w->interrupt);
    study_release(&w->s);
    return st == OK ? w->code : cli_error(w->cli, err);
}
#else
typedef int no_studies; /* a file holds something */
#endif
