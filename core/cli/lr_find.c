/* assay lr-find: a range test of the learning rate, as a table, a line, a picture and a suggestion.
 *
 * The config is that of a run, less its schedules; no folder is made and the weights are thrown away. What is suggested comes
 * with what it was read from, and with what is doubtful about it: a curve that does not fall suggests nothing. */
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/session.h"

#include "base/file.h"
#include "base/json.h"
#include "report/curves.h"
#include "train/range_test.h"

#include <math.h>
#include <string.h>

enum { N_ROWS = 12, SPARK_WIDTH = 60 };

typedef struct find_job {
    const cli *cli;
    const arguments *args;
    session session;
    progress progress;
    interrupt interrupt;
    range_options options;
    range_result result;
    const char *output;
    bool had_schedule;
} find_job;

static status read_real(const arguments *a, const char *name, double *inout, error *err)
{
    const char *written = option_get(a, name), *end;
    if (!written) {
        return OK;
    }
    const double v = text_to_real(written, &end);
    if (end == written || *end) {
        return fail(err, E_USAGE, "lr-find: --%s: expected a number, found \"%s\"", name, written);
    }
    *inout = v;
    return OK;
}

static status read_options(find_job *j, error *err)
{
    status st = OK;
    range_options *o = &j->options;
    *o = range_options_usual();
    double n_steps = (double)o->n_steps;
    TRY(read_real(j->args, "from", &o->from, err));
    TRY(read_real(j->args, "to", &o->to, err));
    TRY(read_real(j->args, "smoothing", &o->smoothing, err));
    TRY(read_real(j->args, "steps", &n_steps, err));
    if (!(n_steps >= 1 && n_steps <= 1e7 && n_steps == floor(n_steps))) {
        TRY(fail(err, E_USAGE, "lr-find: --steps: expected a whole number up to 10000000, found %s",
            option_get(j->args, "steps")));
    }
    o->n_steps = (size_t)n_steps;
    const char *output = option_get(j->args, "output");
    j->output = output ? output : "lr-find.svg";
done:
    return st;
}

static void emit(void *self, const record *r)
{
    find_job *j = self;
    if (r->kind != RECORD_NOTE || j->cli->verbose) progress_take(&j->progress, r);
}

static status test(find_job *j, error *err)
{
    status st = OK;
    session *s = &j->session;
    const arguments *a = j->args;
    TRY(read_options(j, err));
    TRY(interrupt_start(&j->interrupt, j->cli, err));
    TRY(session_open(s, j->cli, a->word[0], a->word + 1, a->n - 1, err));
    j->had_schedule = value_find(config_root(s->config), "schedule") != NULL;
    TRY(range_test_prepare(s->config, &j->options, err));
    const trainer_options o = { .sink = { emit, j }, .interrupt = &j->interrupt.asked };
    TRY(session_train(s, &o, err));
    TRY(range_test_run(s->trainer, &j->options, &j->result, err));
    if (j->result.end == RANGE_INTERRUPTED) {
        TRY(fail(err, E_INTERRUPTED, "interrupted after %zu of %zu steps", j->result.n,
            j->options.n_steps));
    }
done:
    progress_close(&j->progress);
    return st;
}

/* -- what it means -- */

/* The more cautious of the two; NaN where nothing is suggested. */
static double suggested(const range_finding *f)
{
    return isnan(f->lowest) ? (double)NAN : fmin(f->steepest, f->tenth_of_lowest);
}

/* The key of the rate that the axis is of: "optimizer.lr"; NULL where it is deeper inside. */
static const char *rate_key(const session *s)
{
    const value *o = value_find(config_root(s->config), "optimizer");
    const bool is_list = o && o->kind == VALUE_LIST;
    const value *block = is_list && o->n ? o->item[0] : o;
    if (!block || block->kind != VALUE_GROUP || !value_find(block, "lr")) {
        return NULL;
    }
    return is_list ? "optimizer[0].lr" : "optimizer.lr";
}

/* One text for each doubt; "" where there is none. */
static void doubts(const find_job *j, text *t)
{
    const unsigned d = j->result.found.doubts;
    const range_options *o = &j->options;
    if (d & RANGE_FLAT) {
        text_printf(t,
            "the loss does not fall more than its noise anywhere from %.3g to %.3g: no rate is "
            "suggested; try a higher --to, more --steps, or assay train --overfit-one-batch\n",
            o->from, o->to);
    }
    if (d & RANGE_RISES) {
        text_printf(t,
            "the loss blows up without having fallen: no rate is suggested; try a --from below "
            "%.3g\n",
            o->from);
    }
    if (d & RANGE_STEEP_AT_START) {
        text_printf(t,
            "the loss falls fastest where the interval begins: the best rate may lie below; try a "
            "--from below %.3g\n",
            o->from);
    }
    if (d & RANGE_LOWEST_AT_END) {
        text_printf(t,
            "the loss is lowest where the interval ends: the best rate may lie above; try a --to "
            "above %.3g\n",
            o->to);
    }
}

static void warn_doubts(const find_job *j)
{
    text t = { 0 };
    doubts(j, &t);
    for (char *line = t.s; line && *line;) {
        char *end = strchr(line, '\n');
        *end = '\0';
        cli_warn(j->cli, "%s", line);
        line = end + 1;
    }
    text_release(&t);
}

static const char *end_name(range_end e)
{
    static const char *const names[] = { "all steps", "blew up", "not finite", "interrupted" };
    return names[e];
}

static void add_end(const find_job *j, text *t)
{
    const range_result *r = &j->result;
    const double last = r->n ? r->points[r->n - 1].lr : j->options.from;
    switch (r->end) {
    case RANGE_BLEW_UP:
        text_printf(t, "step %zu, lr %.3g: the smoothed loss is more than %g times its lowest\n",
            r->n, last, j->options.blow_up);
        break;
    case RANGE_NOT_FINITE: text_printf(t, "%s\n", r->why); break;
    default: text_printf(t, "step %zu, lr %.3g: the end of the interval\n", r->n, last);
    }
}

/* -- the table -- */

/* Whether point i is shown: a dozen evenly spread, the lowest and the steepest. */
static bool is_row(const range_result *r, size_t i)
{
    const bool has_finding = !isnan(r->found.lowest);
    if (has_finding && (i == r->found.i_lowest || i == r->found.i_steepest)) return true;
    const size_t n_rows = has_finding ? N_ROWS - 2 : N_ROWS;
    for (size_t k = 0; k < n_rows; k++) {
        if (i == k * (r->n - 1) / (n_rows - 1)) return true;
    }
    return false;
}

static const char *remark(const range_result *r, size_t i)
{
    const range_finding *f = &r->found;
    if (isnan(f->lowest)) return "";
    if (i == f->i_steepest && i == f->i_lowest) return "falls fastest, lowest";
    return i == f->i_steepest ? "falls fastest" : i == f->i_lowest ? "lowest" : "";
}

static void add_table(const find_job *j, text *t)
{
    const range_result *r = &j->result;
    const terminal *out = &j->cli->out;
    text_printf(t, "  %s  step         lr        loss    smoothed%s\n",
        terminal_style(out, STYLE_DIM), terminal_style(out, STYLE_PLAIN));
    for (size_t i = 0; i < r->n; i++) {
        if (!is_row(r, i)) continue;
        const char *why = remark(r, i);
        text_printf(t, "  %6zu %10.2e %11.5g %11.5g%s%s%s%s\n", i + 1, r->points[i].lr,
            r->points[i].loss, r->points[i].smooth, *why ? "  " : "",
            *why ? terminal_style(out, STYLE_GREEN) : "", why,
            *why ? terminal_style(out, STYLE_PLAIN) : "");
    }
}

static status add_spark(find_job *j, text *t, error *err)
{
    const range_result *r = &j->result;
    double *smooth = arena_alloc_array(&j->session.memory, r->n, sizeof *smooth);
    if (!smooth) {
        return fail_nomem(err, "the curve");
    }
    for (size_t i = 0; i < r->n; i++) {
        smooth[i] = r->points[i].smooth;
    }
    text_printf(t, "\n  %.1e %s", r->points[0].lr, terminal_style(&j->cli->out, STYLE_CYAN));
    sparkline(smooth, r->n, SPARK_WIDTH, j->cli->out.utf8, t);
    text_printf(t, "%s %.1e\n", terminal_style(&j->cli->out, STYLE_PLAIN), r->points[r->n - 1].lr);
    return OK;
}

static void add_suggestion(const find_job *j, text *t)
{
    const range_finding *f = &j->result.found;
    const terminal *out = &j->cli->out;
    text_add(t, "\n  stopped       ");
    add_end(j, t);
    if (isnan(f->lowest)) {
        text_add(t, "  suggestion    none\n");
        return;
    }
    text_printf(t, "  steepest      %.2g: the loss falls fastest here\n", f->steepest);
    text_printf(t,
        "  a tenth       %.2g: a tenth of %.2g, where the loss is lowest, just before it gets too "
        "much\n",
        f->tenth_of_lowest, f->lowest);
    text_printf(t, "  cycles        %.2g to %.2g: where the fall begins, and where it ends\n",
        f->falls_from, f->lowest);
    text_printf(t, "  %ssuggestion    %.2g%s: the more cautious of steepest and a tenth\n",
        terminal_style(out, STYLE_BOLD), suggested(f), terminal_style(out, STYLE_PLAIN));
}

static void say_next(const find_job *j)
{
    const session *s = &j->session;
    const char *key = rate_key(s);
    const double lr = suggested(&j->result.found);
    if (strcmp(j->output, "none") != 0) cli_say(j->cli, "  curve in      %s", j->output);
    if (j->had_schedule) {
        cli_say(j->cli, "  schedule      left out here; it multiplies the rate that is found");
    }
    if (key && !isnan(lr) && !s->folder) {
        const char *quote = strchr(key, '[') ? "'" : "";
        cli_say(j->cli, "  try           %s train %s %s%s=%.2g%s", j->cli->program,
            j->args->word[0], quote, key, lr, quote);
    }
}

/* -- JSON -- */

static void key_real_or_null(json *w, const char *key, double v)
{
    if (isnan(v)) {
        json_key(w, key);
        json_null(w);
    } else {
        json_key_real(w, key, v);
    }
}

static void add_json(const find_job *j, text *t)
{
    json w;
    text why = { 0 };
    const range_result *r = &j->result;
    const range_finding *f = &r->found;
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "config", j->args->word[0]);
    json_key_string(&w, "end", end_name(r->end));
    key_real_or_null(&w, "suggestion", suggested(f));
    key_real_or_null(&w, "steepest", f->steepest);
    key_real_or_null(&w, "tenth_of_lowest", f->tenth_of_lowest);
    key_real_or_null(&w, "lowest", f->lowest);
    key_real_or_null(&w, "falls_from", f->falls_from);
    json_key_real(&w, "start_loss", f->start_loss);
    json_key_real(&w, "noise", f->noise);
    doubts(j, &why);
    json_key(&w, "doubts");
    json_begin_array(&w);
    for (char *line = why.s; line && *line;) {
        char *end = strchr(line, '\n');
        *end = '\0';
        json_string(&w, line);
        line = end + 1;
    }
    json_end_array(&w);
    json_key(&w, "points");
    json_begin_array(&w);
    for (size_t i = 0; i < r->n; i++) {
        json_begin_object(&w);
        json_key_real(&w, "lr", r->points[i].lr);
        json_key_real(&w, "loss", r->points[i].loss);
        json_key_real(&w, "smooth", r->points[i].smooth);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    text_add(t, "\n");
    text_release(&why);
}

/* -- the picture -- */

static status write_figure(find_job *j, error *err)
{
    status st = OK;
    text svg = { 0 };
    const range_result *r = &j->result;
    arena *a = &j->session.memory;
    double *lr = arena_alloc_array(a, r->n, sizeof *lr);
    double *loss = arena_alloc_array(a, r->n, sizeof *loss);
    double *smooth = arena_alloc_array(a, r->n, sizeof *smooth);
    const char *title = arena_printf(
        a, "%s: range test of the learning rate", tree_string(&j->session, "name", "run"));
    const char *steepest = arena_printf(a, "falls fastest: %.2g", r->found.steepest);
    const char *tenth =
        arena_printf(a, "a tenth of the lowest's rate: %.2g", r->found.tenth_of_lowest);
    const char *lowest = arena_printf(a, "lowest: %.2g", r->found.lowest);
    if (!lr || !loss || !smooth || !title || !steepest || !tenth || !lowest) {
        return fail_nomem(err, "the picture");
    }
    for (size_t i = 0; i < r->n; i++) {
        lr[i] = r->points[i].lr;
        loss[i] = r->points[i].loss;
        smooth[i] = r->points[i].smooth;
    }
    const curve curves[] = { { "smoothed training loss", lr, smooth, r->n, { 0, 0, false }, false },
        { "loss of each batch", lr, loss, r->n, { 0, 0, true }, true } };
    const mark marks[] = { { r->found.tenth_of_lowest, NAN, tenth, { 0 } },
        { r->found.steepest, NAN, steepest, { 0 } }, { r->found.lowest, NAN, lowest, { 0 } } };
    const figure f = { .title = title,
        .description = "Training loss over the learning rate, by assay lr-find",
        .x = { "learning rate", true },
        .y = { "training loss", false },
        .curves = curves,
        .n_curves = 2,
        .marks = marks,
        .n_marks = isnan(r->found.lowest) ? 0 : 3 };
    TRY(figure_svg(&f, &svg, err));
    TRY(file_write_atomic(j->output, svg.s, svg.n, err));
done:
    text_release(&svg);
    return st;
}

static status print_result(find_job *j, int *out_code, error *err)
{
    status st = OK;
    text t = { 0 };
    if (option_has(j->args, "json")) {
        add_json(j, &t);
    } else {
        if (j->result.n) {
            add_table(j, &t);
            TRY(add_spark(j, &t, err));
        }
        add_suggestion(j, &t);
    }
    *out_code = cli_put(j->cli, &t);
    t = (text){ 0 };
done:
    text_release(&t);
    return st;
}

static int run_lr_find(cli *c, const arguments *a)
{
    error err;
    int code = EXIT_DONE;
    find_job j = { .cli = c, .args = a };
    progress_init(&j.progress, c, option_get(a, "progress"));
    status st = test(&j, &err);
    if (st == OK && j.result.n && strcmp(j.output, "none") != 0) st = write_figure(&j, &err);
    if (st == OK) st = print_result(&j, &code, &err);
    if (st != OK) {
        code = cli_error(c, &err);
    } else if (code == EXIT_DONE) {
        say_next(&j);
        warn_doubts(&j);
    }
    interrupt_stop(&j.interrupt);
    range_result_release(&j.result);
    session_close(&j.session);
    return code;
}

static const option_row options[] = {
    { "from", 0, "LR", NULL, COMPLETE_NOTHING, "the lowest rate (default 1e-7)" },
    { "to", 0, "LR", NULL, COMPLETE_NOTHING, "the highest rate (default 10)" },
    { "steps", 'n', "N", NULL, COMPLETE_NOTHING, "updates from lowest to highest (default 200)" },
    { "smoothing", 0, "B", NULL, COMPLETE_NOTHING,
        "of the loss: share of the past in its moving average (default 0.9)" },
    { "output", 'o', "FILE", NULL, COMPLETE_FILE,
        "the picture (default lr-find.svg; \"none\" for none)" },
    { "progress", 0, "HOW", "auto|bar|plain|none", COMPLETE_CHOICES,
        "how progress is shown; auto: a bar on a terminal, lines elsewhere" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print the result as JSON" },
};

const command command_lr_find = { .name = "lr-find",
    .arguments = "CONFIG [KEY=VALUE...]",
    .summary = "find a learning rate by a range test",
    .doc =
        "Trains what the config describes for some hundred updates while the learning rate grows "
        "by a constant factor, and shows the loss against it: too small a rate changes nothing, a "
        "good one lets the loss fall, too large a one makes it rise. Ends early where the loss is "
        "more than 4 times its lowest. No run folder is made; schedules are left out.\n\n"
        "Suggests the rate where the loss falls fastest or a tenth of the rate where it is "
        "lowest, whichever is less. It is a place to begin a search at, not its result. With "
        "several parameter groups the rate is that of the first one, and the others keep their "
        "ratio to it.",
    .examples = "assay lr-find configs/digits.cfg\n"
                "assay lr-find configs/digits.cfg optimizer.type=sgd --from 1e-4 --to 100\n"
                "assay lr-find configs/digits.cfg --json --output none",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_CONFIG,
    .run = run_lr_find };
