/* What `assay train` says before and after. */
#include "cli/result.h"
#include "cli/shell_word.h"
#include "cli/train.h"

#include <math.h>
#include <string.h>

static void say_text(const cli *c, text *t)
{
    if (!c->quiet && !t->failed && t->s) terminal_write(&c->err, t->s);
    text_release(t);
}

static void label(const cli *c, text *t, const char *name)
{
    text_printf(t, "  %s%-12s%s  ", terminal_style(&c->err, STYLE_DIM), name,
        terminal_style(&c->err, STYLE_PLAIN));
}

static void add_schedules(const session *s, text *t)
{
    const value *v = value_find(config_root(s->config), "schedule");
    const size_t n = value_n_items(v);
    for (size_t i = 0; i < n; i++) {
        text_printf(t, ", %s", block_type(value_item(v, i)));
    }
    if (n) text_add(t, n > 1 ? " schedules" : " schedule");
}

static const value *early_stopping(const train_job *j)
{
    const value *train = value_find(config_root(j->session.config), "train");
    return value_find(train, "early_stopping");
}

static void add_plan(const train_job *j, text *t)
{
    const trainer *tr = j->session.trainer;
    const unsigned long long per_epoch = trainer_steps_per_epoch(tr);
    const unsigned long long total = trainer_total_steps(tr);
    label(j->cli, t, "steps");
    const value *monitor = value_find(early_stopping(j), "monitor");
    const double limit_s = tree_real(&j->session, "train", "time_limit", 0);
    text_printf(t, "%llu%s: batches of %zu, %llu %s an epoch", total,
        monitor || limit_s > 0 ? " at most" : "", trainer_batch_size(tr), per_epoch,
        per_epoch == 1 ? "step" : "steps");
    if (limit_s > 0) text_printf(t, "; at most %g s", limit_s);
    if (monitor && monitor->kind == VALUE_STRING) {
        text_printf(t, "; stops early on %s", monitor->as.string);
    }
    text_add(t, "\n");
}

void describe_run(const train_job *j, bool resumed)
{
    const cli *c = j->cli;
    const session *s = &j->session;
    trainer *tr = s->trainer;
    text t = { 0 };
    text_printf(&t, "%s%s%s  seed %.0f\n\n", terminal_style(&c->err, STYLE_BOLD),
        tree_string(s, "name", "run"), terminal_style(&c->err, STYLE_PLAIN),
        (double)value_find(config_root(s->config), "seed")->as.integer);
    label(c, &t, "data");
    dataset_describe(trainer_data(tr), &t);
    text_add(&t, "\n\n");
    model_summary(trainer_model(tr), trainer_batch_size(tr), &t);
    text_add(&t, "\n");
    label(c, &t, "optimizer");
    trainer_describe_optimizer(tr, &t);
    add_schedules(s, &t);
    text_printf(&t, "; loss %s\n", block_type(value_find(config_root(s->config), "loss")));
    add_plan(j, &t);
    label(c, &t, "runs on");
    text_printf(&t, "%zu %s × %zu %s\n", trainer_n_replicas(tr),
        trainer_n_replicas(tr) == 1 ? "replica" : "replicas", trainer_n_threads(tr),
        trainer_n_threads(tr) == 1 ? "thread" : "threads");
    label(c, &t, "folder");
    text_printf(&t, "%s\n", j->path);
    if (resumed) {
        label(c, &t, "resumes");
        text_printf(&t, "after step %llu%s\n", (unsigned long long)trainer_steps_done(tr),
            trainer_is_over(tr)
                ? ", where the run had ended: nothing is left to train, its result is told again"
                : "");
    }
    text_add(&t, "\n");
    say_text(c, &t);
}

/* -- the end -- */

/* Whether the final numbers are those of the best weights; else they are of the last ones. */
static bool ends_with_best(const train_job *j)
{
    const value *restores = value_find(early_stopping(j), "restore_best");
    return j->result.best_step > 0 && restores && restores->as.boolean;
}

static void add_early(const train_job *j, text *t)
{
    const value *rule = value_find(early_stopping(j), "rule");
    const char *name = rule && rule->kind == VALUE_STRING ? rule->as.string : "patience";
    if (strcmp(name, "patience") == 0) {
        text_printf(t, "early: %s did not improve any more", j->result.monitor);
    } else {
        text_printf(t, "early: %s, by the rule %s", j->result.monitor, name);
    }
}

static void add_reason(const train_job *j, text *t)
{
    const run_result *r = &j->result;
    switch (r->stop) {
    case STOP_EARLY: add_early(j, t); break;
    case STOP_TARGET: text_printf(t, "%s has reached its target", r->monitor); break;
    case STOP_DIVERGED: text_printf(t, "diverged: %s", r->diverged ? r->diverged : ""); break;
    default: text_add(t, stop_reason_text(r->stop)); break;
    }
}

static void add_speed(const train_job *j, text *t)
{
    char time[32], speed[32];
    const budget *b = &j->result.spent;
    text_duration(time, b->wall_s);
    text_count(speed, b->wall_s > 0 ? (double)b->samples_forward / b->wall_s : 0);
    text_printf(
        t, "%s, %s %s/s", time, speed, dataset_sample_word(trainer_data(j->session.trainer), true));
}

/* What ran: under -q nothing else tells, and results of several runs are read one after the other. */
static void add_header(const train_job *j, text *t)
{
    const session *s = &j->session;
    const value *root = config_root(s->config), *optimizers = value_find(root, "optimizer");
    const terminal *style = &j->cli->out;
    text_printf(t, "%s%s%s  ", terminal_style(style, STYLE_BOLD), j->path,
        terminal_style(style, STYLE_PLAIN));
    for (size_t i = 0; i < value_n_items(optimizers); i++)
        text_printf(t, "%s%s", i ? ", " : "", block_type(value_item(optimizers, i)));
    text_printf(t, " (%s)  seed %.0f\n", tree_string(s, "name", "run"),
        (double)value_find(root, "seed")->as.integer);
}

static void add_result(const train_job *j, text *t)
{
    const run_result *r = &j->result;
    const terminal *style = &j->cli->out;
    if (j->cli->quiet) add_header(j, t);
    const dataset *d = trainer_data(j->session.trainer);
    const result_column columns[] = { { "validation", &j->progress.final[1],
                                          result_rows(d, PART_VALIDATION) },
        { "test", &j->progress.final[2], result_rows(d, PART_TEST) } };
    text_printf(t, "  %s%-14s%s", terminal_style(style, STYLE_DIM), "stopped",
        terminal_style(style, STYLE_PLAIN));
    text_printf(
        t, "step %llu, epoch %llu, ", (unsigned long long)r->step, (unsigned long long)r->epoch);
    add_reason(j, t);
    text_add(t, "\n");
    if (r->best_step > 0) {
        text_printf(t, "  %s%-14s%sstep %llu, %s %.4g\n", terminal_style(style, STYLE_DIM), "best",
            terminal_style(style, STYLE_PLAIN), (unsigned long long)r->best_step, r->monitor,
            r->best_value);
    }
    text_printf(t, "  %s%-14s%s", terminal_style(style, STYLE_DIM), "time",
        terminal_style(style, STYLE_PLAIN));
    add_speed(j, t);
    text_add(t, "\n");
    if (r->stop == STOP_INTERRUPTED || columns[0].values->n + columns[1].values->n == 0) {
        return;
    }
    if (!ends_with_best(j) && r->best_step > 0 && r->best_step != r->step) {
        text_printf(t,
            "  %s%-14s%sthe last weights, as eval does; eval --weights best takes the best ones\n",
            terminal_style(style, STYLE_DIM), "judged", terminal_style(style, STYLE_PLAIN));
    }
    text_add(t, "\n");
    result_table(columns, 2, style, t);
}

static void add_budget(json *j, const budget *b)
{
    json_key(j, "spent");
    json_begin_object(j);
    json_key_int(j, "steps", (int64_t)b->steps);
    json_key_int(j, "samples_forward", (int64_t)b->samples_forward);
    json_key_int(j, "samples_backward", (int64_t)b->samples_backward);
    json_key_int(j, "samples_evaluated", (int64_t)b->samples_evaluated);
    json_key_real(j, "wall_s", b->wall_s);
    json_key_real(j, "cpu_s", b->cpu_s);
    json_end_object(j);
}

static void add_result_json(const train_job *j, text *t)
{
    const run_result *r = &j->result;
    json w;
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "folder", run_folder_path(j->folder));
    json_key_string(&w, "stop", stop_reason_name(r->stop));
    json_key_int(&w, "step", (int64_t)r->step);
    json_key_int(&w, "epoch", (int64_t)r->epoch);
    json_key_string(&w, "monitor", r->monitor);
    json_key_int(&w, "best_step", (int64_t)r->best_step);
    json_key_real(&w, "best_value", r->best_value);
    if (r->diverged) json_key_string(&w, "diverged", r->diverged);
    json_key_string(&w, "weights", ends_with_best(j) ? "best" : "last");
    json_key(&w, "validation");
    result_json(&w, &j->progress.final[1]);
    json_key(&w, "test");
    result_json(&w, &j->progress.final[2]);
    add_budget(&w, &r->spent);
    json_end_object(&w);
    text_add(t, "\n");
}

static void next_step(
    const train_job *j, text *t, const char *what, const char *before, const char *after)
{
    label(j->cli, t, what);
    shell_word_add(t, j->cli->program);
    text_add(t, before);
    shell_word_add(t, j->path);
    text_printf(t, "%s\n", after);
}

/* For eval, which takes the test part unless told otherwise. */
static const char *which_part(const dataset *d)
{
    return dataset_size(d, PART_TEST) > 0      ? ""
        : dataset_size(d, PART_VALIDATION) > 0 ? " --split validation"
                                               : " --split training";
}

static void describe_next(const train_job *j)
{
    text t = { 0 };
    const stop_reason stop = j->result.stop;
    text_add(&t, "\n");
    if (stop == STOP_INTERRUPTED) {
        next_step(j, &t, "resume", " train --resume ", "");
    } else if (stop == STOP_DIVERGED) {
        label(j->cli, &t, "next");
        text_add(&t, "a smaller optimizer.lr, or train.clip_norm=1; the records are in ");
        text_printf(&t, "%s\n", j->path);
    } else {
        next_step(j, &t, "evaluate", " eval ", which_part(trainer_data(j->session.trainer)));
        if (stop == STOP_EPOCHS || stop == STOP_TIME) {
            next_step(j, &t, "train on", " train --resume ",
                stop == STOP_EPOCHS ? " train.epochs=N" : " train.time_limit=SECONDS");
        }
    }
    say_text(j->cli, &t);
}

int describe_end(const train_job *j, bool as_json)
{
    text t = { 0 };
    if (as_json) {
        add_result_json(j, &t);
    } else {
        add_result(j, &t);
    }
    const int code = cli_put(j->cli, &t);
    if (j->result.stop == STOP_DIVERGED) {
        error err;
        (void)fail(&err, E_NUMERIC, "the run diverged at %s",
            j->result.diverged ? j->result.diverged : "");
        (void)cli_error(j->cli, &err);
    }
    describe_next(j);
    return code;
}
