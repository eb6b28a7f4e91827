/* assay plot: the learning curves of runs, as SVG and as lines of text.
 *
 * One run shows what it trained on against what it was judged by, a colour each. Several runs are compared by what they were judged
 * by: a colour and a dash pattern a run, with the training curve thin behind in the same. */
#include "cli/run_curves.h"
#include "cli/session.h"

#include "base/file.h"
#include "report/curves.h"

#include <math.h>
#include <string.h>

enum { MOST_RUNS = 64, SPARK_WIDTH = 40 };
static const double worth_a_log =
    20; /* largest by smallest value from which on `auto` is a log axis */

typedef struct plotted {
    run_curves run;
    run_curve training, validation;
} plotted;

typedef struct plot_job {
    const cli *cli;
    const arguments *args;
    arena memory;
    const char *metric;
    const char *training_name, *validation_name; /* of columns */
    size_t n;
    plotted *runs; /* [n] */
    const char *output;
    curve *curves;
    size_t n_curves;
    mark *marks;
    size_t n_marks;
} plot_job;

static status no_such_metric(plot_job *j, const run_curves *r, error *err)
{
    const char *const *names, *short_names[128];
    size_t n, n_short = 0;
    text all = { 0 };
    status st = run_curves_names(r, &j->memory, &names, &n, err);
    for (size_t i = 0; st == OK && i < n && n_short < 128; i++) {
        if (strncmp(names[i], "validation.", 11) == 0) short_names[n_short++] = names[i] + 11;
    }
    if (st != OK) {
        return st;
    }
    for (size_t i = 0; i < n_short; i++) {
        text_printf(&all, "%s%s", i ? ", " : "", short_names[i]);
    }
    const char *near = text_nearest(j->metric, short_names, n_short);
    st = near ? fail(err, E_UNKNOWN, "%s: no records of \"%s\": did you mean \"%s\"?", r->folder,
                    j->metric, near)
              : fail(err, E_UNKNOWN, "%s: no records of \"%s\"; expected one of: %s", r->folder,
                    j->metric, n_short ? all.s : "loss");
    text_release(&all);
    return st;
}

static status open_run(plot_job *j, const char *folder, plotted *p, error *err)
{
    status st = OK;
    size_t n = 0;
    TRY(run_curves_open(folder, &j->memory, &p->run, err));
    TRY(run_curves_column(&p->run, j->training_name, &j->memory, &p->training, err));
    TRY(run_curves_column(&p->run, j->validation_name, &j->memory, &p->validation, err));
    n = p->training.n + p->validation.n;
    if (n == 0) {
        const char *header = strchr(p->run.table, '\n');
        const bool is_empty = !header || header[1] == '\0';
        st = is_empty ? fail(err, E_MISSING, "%s: nothing was recorded yet", folder)
                      : no_such_metric(j, &p->run, err);
    }
done:
    return st;
}

static status open_runs(plot_job *j, error *err)
{
    status st = OK;
    const arguments *a = j->args;
    j->metric = option_get(a, "metric") ? option_get(a, "metric") : "loss";
    if (strncmp(j->metric, "validation.", 11) == 0) j->metric += 11;
    j->training_name = arena_printf(&j->memory, "training.%s", j->metric);
    j->validation_name = arena_printf(&j->memory, "validation.%s", j->metric);
    j->runs = arena_alloc_array(&j->memory, a->n, sizeof *j->runs);
    j->curves = arena_alloc_array(&j->memory, 2 * a->n, sizeof *j->curves);
    j->marks = arena_alloc_array(&j->memory, a->n, sizeof *j->marks);
    if (!j->training_name || !j->validation_name || !j->runs || !j->curves || !j->marks) {
        TRY(fail_nomem(err, "the curves"));
    }
    for (size_t i = 0; i < a->n; i++) {
        j->n = i + 1;
        TRY(open_run(j, a->word[i], &j->runs[i], err));
    }
    j->output = option_get(a, "output");
    if (!j->output) {
        j->output = a->n > 1 ? "curves.svg" : path_join(&j->memory, a->word[0], "curves.svg");
    }
    if (!j->output) {
        TRY(fail_nomem(err, "the curves"));
    }
done:
    return st;
}

/* -- the figure -- */

/* Whether two runs are called the same, so that only their paths tell them apart. */
static bool is_ambiguous(const plot_job *j, size_t i)
{
    for (size_t k = 0; k < j->n; k++) {
        if (k != i && strcmp(j->runs[k].run.name, j->runs[i].run.name) == 0) return true;
    }
    return false;
}

static void add_curve(plot_job *j, const run_curve *from, const char *name, svg_stroke s)
{
    if (from->n) {
        j->curves[j->n_curves++] =
            (curve){ .name = name, .x = from->step, .y = from->value, .n = from->n, .stroke = s };
    }
}

static status add_best(plot_job *j, const plotted *p, svg_stroke s, error *err)
{
    for (size_t i = 0; i < p->validation.n; i++) {
        if (p->run.best_step == 0 || p->validation.step[i] != (double)p->run.best_step) continue;
        const double v = p->validation.value[i];
        const char *label = j->n > 1 ? NULL
                                     : arena_printf(&j->memory, "best: %.4g at step %llu", v,
                                           (unsigned long long)p->run.best_step);
        if (j->n == 1 && !label) {
            return fail_nomem(err, "a mark");
        }
        if (isfinite(v)) {
            j->marks[j->n_marks++] = (mark){ p->validation.step[i], v, label, s };
        }
        return OK;
    }
    return OK;
}

static status add_run(plot_job *j, size_t i, error *err)
{
    const plotted *p = &j->runs[i];
    const svg_stroke main = { i, i, false };
    const bool has_both = p->training.n && p->validation.n;
    if (j->n == 1) {
        add_curve(j, &p->training, j->training_name, (svg_stroke){ 1, 1, false });
        add_curve(j, &p->validation, j->validation_name, main);
    } else {
        const char *name = is_ambiguous(j, i) ? p->run.folder : p->run.name;
        add_curve(j, &p->training, has_both ? NULL : name, (svg_stroke){ i, i, has_both });
        add_curve(j, &p->validation, name, main);
    }
    return add_best(j, p, main, err);
}

static bool wants_log(const plot_job *j)
{
    const char *scale = option_get(j->args, "scale");
    double low = INFINITY, high = -INFINITY;
    if (scale && strcmp(scale, "auto") != 0) {
        return strcmp(scale, "log") == 0;
    }
    for (size_t i = 0; i < j->n_curves; i++) {
        for (size_t k = 0; k < j->curves[i].n; k++) {
            const double v = j->curves[i].y[k];
            if (isfinite(v)) {
                low = fmin(low, v);
                high = fmax(high, v);
            }
        }
    }
    return low > 0 && high / low > worth_a_log;
}

static const char *title_of(plot_job *j)
{
    return j->n == 1 ? arena_printf(&j->memory, "%s: %s", j->runs[0].run.name, j->metric)
                     : arena_printf(&j->memory, "%s of %zu runs", j->validation_name, j->n);
}

static const char *note_of(const plot_job *j)
{
    bool has_training = false;
    for (size_t i = 0; i < j->n; i++) {
        has_training = has_training || (j->runs[i].training.n && j->runs[i].validation.n);
    }
    if (j->n == 1) return NULL;
    return has_training
        ? "Thick: validation; thin: training; the dot: the check with the best weights."
        : "The dot: the check with the best weights.";
}

static status write_figure(plot_job *j, error *err)
{
    status st = OK;
    text svg = { 0 };
    for (size_t i = 0; i < j->n; i++) {
        TRY(add_run(j, i, err));
    }
    const figure f = { .title = title_of(j),
        .description = "Learning curves, by assay plot",
        .x = { "step", false },
        .y = { j->metric, wants_log(j) },
        .curves = j->curves,
        .n_curves = j->n_curves,
        .marks = j->marks,
        .n_marks = j->n_marks,
        .note = note_of(j) };
    if (!f.title) {
        TRY(fail_nomem(err, "the title"));
    }
    TRY(figure_svg(&f, &svg, err));
    TRY(file_write_atomic(j->output, svg.s, svg.n, err));
done:
    text_release(&svg);
    return st;
}

/* -- the terminal -- */

static void spark_row(const plot_job *j, const char *left, int left_width, const char *name,
    const run_curve *c, text *t)
{
    const terminal *out = &j->cli->out;
    if (c->n == 0) {
        return;
    }
    text_printf(t, "  %s%-*s%s  %-*s  %s", terminal_style(out, STYLE_BOLD), left_width, left,
        terminal_style(out, STYLE_PLAIN), (int)strlen(j->validation_name), name,
        terminal_style(out, STYLE_CYAN));
    sparkline(c->value, c->n, SPARK_WIDTH, out->utf8, t);
    text_printf(
        t, "%s  %.4g to %.4g", terminal_style(out, STYLE_PLAIN), c->value[0], c->value[c->n - 1]);
}

static int print_sparks(const plot_job *j)
{
    text t = { 0 };
    size_t width = 0;
    for (size_t i = 0; i < j->n; i++) {
        const size_t n = strlen(j->runs[i].run.name);
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < j->n; i++) {
        const plotted *p = &j->runs[i];
        const char *left = p->run.name;
        spark_row(j, left, (int)width, j->training_name, &p->training, &t);
        if (p->training.n) {
            text_add(&t, "\n");
            left = "";
        }
        spark_row(j, left, (int)width, j->validation_name, &p->validation, &t);
        for (size_t k = 0; k < p->validation.n; k++) {
            if (p->run.best_step && p->validation.step[k] == (double)p->run.best_step) {
                text_printf(&t, ", best %.4g at step %llu", p->validation.value[k],
                    (unsigned long long)p->run.best_step);
                break;
            }
        }
        if (p->validation.n) text_add(&t, "\n");
    }
    return cli_put(j->cli, &t);
}

static int run_plot(cli *c, const arguments *a)
{
    error err;
    plot_job j = { .cli = c, .args = a };
    status st = open_runs(&j, &err);
    if (st == OK) st = write_figure(&j, &err);
    int code = st == OK ? print_sparks(&j) : cli_error(c, &err);
    if (code == EXIT_DONE) cli_say(c, "  curves in %s", j.output);
    for (size_t i = 0; i < j.n; i++) {
        run_curves_close(&j.runs[i].run);
    }
    arena_release(&j.memory);
    return code;
}

static const option_row options[] = {
    { "metric", 'm', "NAME", NULL, COMPLETE_NOTHING, "which metric (default loss)" },
    { "output", 'o', "FILE", NULL, COMPLETE_FILE,
        "the picture (default RUN_DIR/curves.svg; curves.svg for several runs)" },
    { "scale", 0, "HOW", "auto|linear|log", COMPLETE_CHOICES,
        "of the values; auto: log where they span much" },
};

const command command_plot = { .name = "plot",
    .arguments = "RUN_DIR [RUN_DIR...]",
    .summary = "draw the learning curves of one or several runs",
    .doc =
        "Draws training.NAME and validation.NAME of metrics.csv over the steps, as an SVG picture "
        "that any browser opens, and as a line of text for each. The check with the best weights "
        "is marked.",
    .examples = "assay plot runs/digits-1\n"
                "assay plot runs/digits-1 runs/digits-2 --metric accuracy --output both.svg",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = MOST_RUNS,
    .completes = COMPLETE_FOLDER,
    .run = run_plot };
