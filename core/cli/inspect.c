/* assay inspect: what the probes of a run have seen, as tables and sparklines.
 *
 * Three views of one history: all tensors at a step; one slot of all tensors; one tensor with everything that is known of it. */
#include "base/json.h"
#include "cli/probe_reader.h"
#include "cli/session.h"
#include "report/curves.h"
#include "train/probe_sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPARK_WIDTH = 24, NUMBER_WIDTH = 11 };

typedef struct inspection {
    const cli *cli;
    arena memory;
    probe_history h;
    const char *folder, *tensor, *slot; /* NULL: all */
    size_t n_tensors, n_slots;
    const char **tensors, **slots; /* in the order of the records */
    size_t width; /* of the longest name */
} inspection;

static const char *const columns[][2] = { { "weight_norm", "weight" },
    { "gradient_norm", "gradient" }, { "update_norm", "update" }, { "update_ratio", "upd/weight" },
    { "clipped", "clipped" } };

enum { N_COLUMNS = sizeof columns / sizeof columns[0], RATIO = 3 };

static const char *const probed[] = { "weight", "gradient", "update" };

static void add_name(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(names[i], name) == 0) return;
    }
    names[(*n)++] = name;
}

static status list_names(inspection *p, error *err)
{
    p->tensors = arena_alloc_array(&p->memory, p->h.n_series, sizeof(*p->tensors));
    p->slots = arena_alloc_array(&p->memory, p->h.n_series, sizeof(*p->slots));
    if (!p->tensors || !p->slots) return fail_nomem(err, "a run's probes");
    for (size_t i = 0; i < p->h.n_series; i++) {
        const probe_series *s = &p->h.series[i];
        const size_t n = s->of ? strlen(s->of) : 0;
        p->width = n > p->width ? n : p->width;
        if (s->of && strcmp(s->quantity, "weight_norm") == 0) {
            add_name(p->tensors, &p->n_tensors, s->of);
        }
        if (s->slot) add_name(p->slots, &p->n_slots, s->slot);
    }
    return OK;
}

/* `name` is one of them, or NULL. */
static status check_name(
    const char *name, const char *what, const char *const *names, size_t n, error *err)
{
    size_t at = 0;
    while (name && at < n && strcmp(names[at], name) != 0) {
        at++;
    }
    if (!name || at < n) return OK;
    const char *near = text_nearest(name, names, n);
    if (near) {
        return fail(
            err, E_USAGE, "inspect: there is no %s \"%s\": did you mean \"%s\"?", what, name, near);
    }
    text all = { 0 };
    for (size_t i = 0; i < n; i++) {
        text_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    (void)fail(err, E_USAGE, "inspect: there is no %s \"%s\"; there %s %s", what, name,
        n == 1 ? "is" : "are", all.s ? all.s : "none");
    text_release(&all);
    return E_USAGE;
}

static status read_step(const char *word, uint64_t *out, error *err)
{
    char *end;
    *out = strtoull(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end) {
        return fail(
            err, E_USAGE, "inspect: --step: expected a number of a step, found \"%s\"", word);
    }
    return OK;
}

static status open_run(inspection *p, const arguments *a, error *err)
{
    uint64_t step = 0;
    status st = OK;
    const char *asked = option_get(a, "step");
    p->folder = a->word[0];
    p->tensor = option_get(a, "tensor");
    p->slot = option_get(a, "slot");
    if (asked) TRY(read_step(asked, &step, err));
    TRY(probe_history_read(p->folder, asked ? &step : NULL, &p->memory, &p->h, err));
    TRY(list_names(p, err));
    TRY(check_name(p->tensor, "tensor", p->tensors, p->n_tensors, err));
    TRY(check_name(p->slot, "slot of a tensor's shape", p->slots, p->n_slots, err));
done:
    return st;
}

/* -- for people -- */

static void add_number(text *t, double v)
{
    char number[32];
    snprintf(number, sizeof number, isnan(v) ? "-" : "%.4g", v);
    text_printf(t, "%*s", NUMBER_WIDTH, number);
}

static void add_name_cell(const inspection *p, text *t, const char *name)
{
    text_printf(t, "  %s%*s", name, (int)(p->width + 1 - strlen(name)), "");
}

static double now(const inspection *p, const probe_series *s)
{
    return s ? s->value[p->h.shown] : NAN;
}

static void add_spark(const inspection *p, text *t, const probe_series *s)
{
    text_add(t, "  ");
    if (s) sparkline(s->value, p->h.n_steps, SPARK_WIDTH, p->cli->out.utf8, t);
    text_add(t, "\n");
}

static void add_title(const inspection *p, text *t)
{
    const probe_history *h = &p->h;
    text_printf(t, "%s%s%s  step %llu", terminal_style(&p->cli->out, STYLE_BOLD), p->folder,
        terminal_style(&p->cli->out, STYLE_PLAIN), (unsigned long long)h->step[h->shown]);
    if (h->n_steps > 1) {
        text_printf(t, "; %zu probes from step %llu to %llu", h->n_steps,
            (unsigned long long)h->step[0], (unsigned long long)h->step[h->n_steps - 1]);
    }
    text_add(t, "\n\n");
}

/* Over how much of the tensors the norms at this step are. */
static void add_share(const inspection *p, text *t)
{
    const probe_series *s = probe_find(&p->h, "share", NULL, NULL);
    const double share = now(p, s);
    if (share > 0 && share < 1) {
        char of[32];
        snprintf(of, sizeof of, share > 0.5 ? "%.3g" : "1/%.3g", share > 0.5 ? share : 1 / share);
        text_printf(t,
            "  estimates: norms, cosines and histograms are over %s of the elements of each large "
            "tensor\n\n",
            of);
    }
}

static void begin_head(const inspection *p, text *t)
{
    text_add(t, terminal_style(&p->cli->out, STYLE_DIM));
}

static void end_head(const inspection *p, text *t, const char *over)
{
    text_printf(
        t, "%s%s%s\n", over[0] ? "  " : "", over, terminal_style(&p->cli->out, STYLE_PLAIN));
}

static void add_tensors(const inspection *p, text *t)
{
    begin_head(p, t);
    add_name_cell(p, t, "");
    for (size_t k = 0; k < N_COLUMNS; k++) {
        text_printf(t, "%*s", NUMBER_WIDTH, columns[k][1]);
    }
    end_head(p, t, "upd/weight over the steps");
    for (size_t i = 0; i < p->n_tensors; i++) {
        add_name_cell(p, t, p->tensors[i]);
        for (size_t k = 0; k < N_COLUMNS; k++) {
            add_number(t, now(p, probe_find(&p->h, columns[k][0], NULL, p->tensors[i])));
        }
        add_spark(p, t, probe_find(&p->h, columns[RATIO][0], NULL, p->tensors[i]));
    }
}

static void add_layers(const inspection *p, text *t)
{
    text_add(t, "\n");
    begin_head(p, t);
    add_name_cell(p, t, "");
    text_printf(t, "%*s", NUMBER_WIDTH, "dead units");
    end_head(p, t, "over the steps");
    for (size_t i = 0; i < p->h.n_series; i++) {
        const probe_series *s = &p->h.series[i];
        if (strcmp(s->quantity, "dead") == 0) {
            char share[16];
            snprintf(share, sizeof share, "%.1f %%", 100 * now(p, s));
            add_name_cell(p, t, s->of);
            text_printf(t, "%*s", NUMBER_WIDTH, isnan(now(p, s)) ? "-" : share);
            add_spark(p, t, s);
        }
    }
}

static double mean(const probe_history *h, const probe_series *s)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; s && i < h->n_steps; i++) {
        if (isfinite(s->value[i])) {
            sum += s->value[i];
            n++;
        }
    }
    return n ? sum / (double)n : NAN;
}

/* S and |G|^2 are averaged before they are divided: a quotient of two noisy numbers has no good mean. */
static double mean_noise_scale(const probe_history *h)
{
    const double trace = mean(h, probe_find(h, "noise_trace", NULL, NULL));
    const double squared = mean(h, probe_find(h, "noise_gradient", NULL, NULL));
    return squared > 0 && trace >= 0 ? trace / squared : NAN;
}

static void add_noise(const inspection *p, text *t)
{
    const probe_series *s = probe_find(&p->h, "noise_scale", NULL, NULL);
    if (s) {
        text_printf(t, "\n  gradient noise scale %.4g samples at this step, %.4g over all probes\n",
            now(p, s), mean_noise_scale(&p->h));
    }
}

static void add_slots(const inspection *p, text *t, const char *name)
{
    begin_head(p, t);
    add_name_cell(p, t, "");
    text_printf(t, "%*s%*s", NUMBER_WIDTH, "norm", NUMBER_WIDTH, "cosine");
    text_printf(t, "  of %s with the gradient;", name);
    end_head(p, t, "cosine over the steps");
    for (size_t i = 0; i < p->n_tensors; i++) {
        const probe_series *norm = probe_find(&p->h, "slot_norm", name, p->tensors[i]);
        const probe_series *cosine = probe_find(&p->h, "slot_cosine", name, p->tensors[i]);
        if (norm && (!p->tensor || strcmp(p->tensor, p->tensors[i]) == 0)) {
            add_name_cell(p, t, p->tensors[i]);
            add_number(t, now(p, norm));
            add_number(t, now(p, cosine));
            add_spark(p, t, cosine);
        }
    }
}

static void add_histograms(const inspection *p, text *t)
{
    const probe_series *s = probe_find(&p->h, "histogram", NULL, p->tensor);
    if (!s || s->rows != N_PROBED || s->cols != PROBE_BINS) return;
    const size_t n = PROBE_BINS - 3;
    text_add(t, "\n");
    begin_head(p, t);
    text_printf(t, "  %-10s 2^%d%*s2^%d%9s%9s%9s", "magnitudes", PROBE_FIRST, (int)n - 8, "",
        PROBE_END, "zero", "below", "above");
    end_head(p, t, "");
    for (size_t i = 0; i < N_PROBED; i++) {
        const double *bins = s->bins + i * s->cols;
        double all = 0;
        for (size_t k = 0; k < s->cols; k++) {
            all += bins[k];
        }
        text_printf(t, "  %-10s ", probed[i]);
        sparkline(bins + 2, n, n, p->cli->out.utf8, t);
        const double shares[] = { bins[0], bins[1], bins[s->cols - 1] };
        for (size_t k = 0; k < 3; k++) {
            text_printf(t, "%7.1f %%", all > 0 ? 100 * shares[k] / all : 0);
        }
        text_add(t, "\n");
    }
}

static void add_tensor(const inspection *p, text *t)
{
    begin_head(p, t);
    text_printf(t, "  %-20s%*s", p->tensor, NUMBER_WIDTH, "now");
    end_head(p, t, "over the steps");
    for (size_t k = 0; k < N_COLUMNS; k++) {
        const probe_series *s = probe_find(&p->h, columns[k][0], NULL, p->tensor);
        text_printf(t, "  %-20s", columns[k][1]);
        add_number(t, now(p, s));
        add_spark(p, t, s);
    }
    for (size_t i = 0; i < p->h.n_series; i++) {
        const probe_series *s = &p->h.series[i];
        if (s->slot && strcmp(s->of, p->tensor) == 0) {
            char name[64];
            snprintf(name, sizeof name, "%.40s %s", s->slot, s->quantity + strlen("slot_"));
            text_printf(t, "  %-20s", name);
            add_number(t, now(p, s));
            add_spark(p, t, s);
        }
    }
    add_histograms(p, t);
}

static void describe(const inspection *p, text *t)
{
    add_title(p, t);
    add_share(p, t);
    if (p->slot) {
        add_slots(p, t, p->slot);
    } else if (p->tensor) {
        add_tensor(p, t);
    } else {
        add_tensors(p, t);
        add_layers(p, t);
        add_noise(p, t);
    }
}

/* -- for programs -- */

static bool is_wanted(const inspection *p, const probe_series *s)
{
    if (strcmp(s->quantity, "share") == 0) return true;
    const bool of_tensor = s->of && strcmp(s->quantity, "dead") != 0;
    if (p->slot && (!s->slot || strcmp(s->slot, p->slot) != 0)) return false;
    return !p->tensor || (of_tensor && strcmp(s->of, p->tensor) == 0);
}

static void bins_json(const probe_series *s, json *j)
{
    json_key(j, "bins");
    json_begin_array(j);
    for (size_t i = 0; i < s->rows; i++) {
        json_begin_array(j);
        for (size_t k = 0; k < s->cols; k++) {
            json_real(j, s->bins[i * s->cols + k]);
        }
        json_end_array(j);
    }
    json_end_array(j);
}

static void series_json(const inspection *p, const probe_series *s, json *j)
{
    json_begin_object(j);
    json_key_string(j, "quantity", s->quantity);
    if (s->slot) json_key_string(j, "slot", s->slot);
    if (s->of) json_key_string(j, "of", s->of);
    if (strcmp(s->quantity, "histogram") == 0) {
        bins_json(s, j);
    } else {
        json_key_real(j, "value", now(p, s));
        json_key(j, "values");
        json_begin_array(j);
        for (size_t i = 0; i < p->h.n_steps; i++) {
            json_real(j, s->value[i]);
        }
        json_end_array(j);
    }
    json_end_object(j);
}

static void describe_json(const inspection *p, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key_string(&j, "run", p->folder);
    json_key_int(&j, "step", (int64_t)p->h.step[p->h.shown]);
    json_key(&j, "steps");
    json_begin_array(&j);
    for (size_t i = 0; i < p->h.n_steps; i++) {
        json_int(&j, (int64_t)p->h.step[i]);
    }
    json_end_array(&j);
    json_key(&j, "series");
    json_begin_array(&j);
    for (size_t i = 0; i < p->h.n_series; i++) {
        if (is_wanted(p, &p->h.series[i])) series_json(p, &p->h.series[i], &j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

static int run_inspect(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    inspection p = { .cli = c };
    int code;
    if (open_run(&p, a, &err) != OK) {
        code = cli_error(c, &err);
    } else {
        if (option_has(a, "json")) {
            describe_json(&p, &t);
        } else {
            describe(&p, &t);
        }
        code = cli_put(c, &t);
    }
    arena_release(&p.memory);
    return code;
}

static const option_row options[] = {
    { "step", 0, "N", NULL, COMPLETE_NOTHING, "the probe at that step (default the last)" },
    { "tensor", 't', "NAME", NULL, COMPLETE_NOTHING, "all that is known of one tensor" },
    { "slot", 0, "NAME", NULL, COMPLETE_NOTHING,
        "one slot of the optimizer: norm, and cosine with the gradient" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_inspect = { .name = "inspect",
    .arguments = "RUN_DIR",
    .summary = "look inside a run: weights, gradients, updates, optimizer state",
    .doc = "Shows what train.probe = { every = N; } has recorded: for each tensor the norms of "
           "weights, gradient (clipped) and update, the ratio of update to weights, the share that "
           "clipping took; with --slot the optimizer's state before the update; with --tensor also "
           "histograms of magnitudes; for each layer the share of outputs that were 0 for a whole "
           "batch; and with several replicas the gradient noise scale (McCandlish et al. 2018). A "
           "probe does not change the run. Where a probe of everything would slow the run down, "
           "train.probe.share is below 1, which is told: then all this but the dead outputs is "
           "estimated from a random share of each large tensor, a norm to about 1 % over 10000 of "
           "its numbers and 3 % over 1000, in the root of their number; sparse gradients double "
           "that.",
    .examples = "assay train configs/digits.cfg '+train.probe.every=50'\n"
                "assay inspect runs/digits-1\n"
                "assay inspect runs/digits-1 --tensor dense1.weight --step 100\n"
                "assay inspect runs/digits-1 --slot m --json",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1,
    .completes = COMPLETE_FOLDER,
    .run = run_inspect };
