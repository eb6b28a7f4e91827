/* assay study list and status: which studies there are, how far they are, who works on them. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study.h"

#include "base/file.h"
#include "base/json.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RATE_TRIALS = 64 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -- how far a study is -- */

typedef struct standing {
    const open_study *s;
    results *r;
    const char *condition;
    uint64_t n_ended, n_most; /* of at most */
    uint64_t n_at_work; /* of those that are RUNNING in the store */
    double per_s, left_s; /* NaN: not known */
} standing;

static int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Trials a second, by the last ones that ended; NaN where fewer than three have. */
static status take_rate(standing *t, error *err)
{
    size_t n = 0;
    double *ends = malloc((t->r->n_rows + 1) * sizeof *ends);
    if (!ends) return fail_nomem(err, "times");
    for (size_t i = 0; i < t->r->n_rows; i++) {
        if (!isnan(t->r->rows[i].finished)) ends[n++] = t->r->rows[i].finished;
    }
    qsort(ends, n, sizeof *ends, by_time);
    const size_t used = n < RATE_TRIALS ? n : RATE_TRIALS;
    const bool is_known = used >= 3 && ends[n - 1] > ends[n - used];
    t->per_s = is_known ? (double)(used - 1) / (ends[n - 1] - ends[n - used]) : (double)NAN;
    t->left_s = (double)NAN;
    const bool is_running =
        t->n_at_work > 0 && t->n_most > t->n_ended && t->n_most < STUDY_UNLIMITED;
    if (is_known && is_running) t->left_s = (double)(t->n_most - t->n_ended) / t->per_s;
    free(ends);
    return OK;
}

static status stand(const open_study *s, standing *out, error *err)
{
    *out = (standing){ .s = s };
    const status st = study_results(s, &out->r, err);
    if (st != OK) return st;
    const bool is_over = study_is_over(out->r);
    out->condition = study_condition(out->r, is_over);
    out->n_at_work = study_n_at_work(out->r);
    out->n_ended = results_n_ended(out->r);
    out->n_most = declaration_n_tuning(s->declaration) + declaration_n_evaluations(s->declaration);
    if (is_over) out->n_most = out->n_ended;
    return take_rate(out, err);
}

/* -- status -- */

static void label(const terminal *style, text *t, const char *name)
{
    text_printf(t, "  %s%-12s%s  ", terminal_style(style, STYLE_DIM), name,
        terminal_style(style, STYLE_PLAIN));
}

/* "pid 77 on here", of "host/boot/namespace/pid/start". */
static void add_owner(text *t, const char *owner)
{
    const char *field[5];
    size_t n = 0;
    for (const char *c = owner; c && n < 5; c = strchr(c, '/'), c += c != NULL)
        field[n++] = c;
    if (n < 5) {
        study_add_plain(t, owner, 60);
        return;
    }
    text_printf(t, "pid %.*s on ", (int)strcspn(field[3], "/"), field[3]);
    text_printf(t, "%.*s", (int)strcspn(owner, "/"), owner);
}

static void add_states(const standing *t, text *out)
{
    text_printf(out, "%" PRIu64 " of ", t->n_ended);
    if (t->n_most != t->n_ended) text_add(out, "at most ");
    text_printf(out, "%" PRIu64, t->n_most);
    const char *before = ": ";
    for (int i = 0; i < N_TRIAL_STATES; i++) {
        const uint64_t n = i == TRIAL_RUNNING ? t->n_at_work : t->r->count[i];
        if (n == 0) continue;
        text_printf(out, "%s%" PRIu64 " %s", before, n, trial_state_name((trial_state)i));
        before = ", ";
    }
    const uint64_t n_left = t->r->count[TRIAL_RUNNING] - t->n_at_work;
    if (n_left) text_printf(out, "%s%" PRIu64 " interrupted", before, n_left);
    text_add(out, "\n");
}

static void add_running(const standing *t, const terminal *style, text *out)
{
    table rows = { 0 };
    const size_t first = table_column(&rows, "trial", true, 0);
    const size_t name = table_column(&rows, "contender", false, 0);
    const size_t on = table_column(&rows, "workload", false, 2);
    const size_t age = table_column(&rows, "for", true, 0);
    const size_t who = table_column(&rows, "by", false, 1);
    for (size_t i = 0; i < t->r->n_rows; i++) {
        char time[32];
        text owner = { 0 };
        const trial_row *row = &t->r->rows[i];
        if (!study_is_at_work(row)) continue;
        const double since = now_s() - row->started;
        text_duration(time, since > 0 ? floor(since) : 0);
        add_owner(&owner, row->owner);
        table_row(&rows);
        table_cell(&rows, first, "%" PRIu64, row->number);
        table_cell(&rows, name, "%s", t->s->declaration->contenders[row->contender].name);
        table_cell(&rows, on, "%s", t->s->declaration->workloads[row->workload].name);
        table_cell(&rows, age, "%s", time);
        table_cell(&rows, who, "%s", owner.s ? owner.s : "");
        text_release(&owner);
    }
    table_end(&rows, style, out);
}

/* Without an exponent: 2770. */
static void add_three_digits(text *out, double v)
{
    char rounded[32];
    snprintf(rounded, sizeof rounded, "%.2e", v);
    text_printf(out, v < 1000.0 ? "%.3g" : "%.0f", v < 1000.0 ? v : strtod(rounded, NULL));
}

static void add_standing(const standing *t, const terminal *style, text *out)
{
    char left[32];
    text_printf(out, "%s", terminal_style(style, STYLE_BOLD));
    study_add_plain(out, t->s->study.name, 0);
    text_printf(out, "%s  %s  (", terminal_style(style, STYLE_PLAIN), t->condition);
    if (strcmp(t->condition, "interrupted") == 0) {
        text_add(out, "its host is gone; go on with: ");
        study_add_command(out, t->s, "resume");
    } else {
        text_add(out, t->s->path);
    }
    text_add(out, ")\n");
    label(style, out, "trials");
    add_states(t, out);
    if (!isnan(t->per_s)) {
        const double per_minute = 60.0 * t->per_s;
        label(style, out, "speed");
        add_three_digits(out, per_minute < 1 ? 60 * per_minute : per_minute);
        text_printf(out, " trials %s", per_minute < 1 ? "an hour" : "a minute");
        if (!isnan(t->left_s)) {
            text_duration(left, t->left_s < 1 ? 1 : floor(t->left_s + 0.5));
            text_printf(out, "; at most %s left", left);
        }
        text_add(out, "\n");
    }
    add_running(t, style, out);
}

static void add_standing_json(const standing *t, text *out)
{
    json j;
    json_init(&j, out);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key_string(&j, "study", t->s->study.name);
    json_key_string(&j, "store", t->s->path);
    json_key_string(&j, "condition", t->condition);
    json_key_int(&j, "ended", (int64_t)t->n_ended);
    json_key_int(&j, "most", (int64_t)t->n_most);
    json_key(&j, "states");
    json_begin_object(&j);
    for (int i = 0; i < N_TRIAL_STATES; i++)
        json_key_int(&j, trial_state_name((trial_state)i), (int64_t)t->r->count[i]);
    json_end_object(&j);
    if (!isnan(t->per_s)) json_key_real(&j, "trials_per_s", t->per_s);
    if (!isnan(t->left_s)) json_key_real(&j, "left_s", t->left_s);
    json_key(&j, "running");
    json_begin_array(&j);
    for (size_t i = 0; i < t->r->n_rows; i++) {
        const trial_row *row = &t->r->rows[i];
        if (row->state != TRIAL_RUNNING) continue;
        json_begin_object(&j);
        json_key_int(&j, "trial", (int64_t)row->number);
        json_key_string(&j, "contender", t->s->declaration->contenders[row->contender].name);
        json_key_string(&j, "workload", t->s->declaration->workloads[row->workload].name);
        json_key_string(&j, "owner", row->owner);
        json_key_real(&j, "started", row->started);
        json_key_real(&j, "lease", row->lease);
        json_key_bool(&j, "is_gone", !study_is_at_work(row));
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(out, "\n");
}

static int run_status(cli *c, const arguments *a)
{
    status st = OK;
    error err_, *err = &err_;
    open_study s = { 0 };
    standing here = { 0 };
    text t = { 0 };
    TRY(study_open(&s, c, a->n ? a->word[0] : NULL, option_get(a, "name"), STORE_READ, err));
    TRY(stand(&s, &here, err));
    if (option_has(a, "json")) {
        add_standing_json(&here, &t);
    } else {
        add_standing(&here, &c->out, &t);
    }
done:
    results_free(here.r);
    study_release(&s);
    if (st == OK) return cli_put(c, &t);
    text_release(&t);
    return cli_error(c, err);
}

static const option_row status_options[] = { STUDY_OPTION_NAME,
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "for programs" } };

const command command_study_status = {
    .name = "study status",
    .arguments = "[FILE|NAME]",
    .summary = "how far a study is, and who works on it",
    .doc =
        "Whether a study runs, waits for somebody to go on with it, is stopped or done; how many "
        "trials have ended and how; how fast it goes; which trials run, where and since when. It "
        "is "
        "interrupted where what ran was left by a host that is gone: resume runs that again.\n\n"
        "Without a name the newest store in studies/ is taken.",
    .examples = "assay study status digits\nassay study status digits --json",
    COMMAND_OPTIONS(status_options),
    .most = 1,
    .completes = COMPLETE_FILE,
    .run = run_status,
};

/* -- list -- */

typedef struct listing {
    const cli *cli;
    bool as_json;
    json j;
    table rows;
    text out;
    size_t name, condition, trials, best, created, path; /* columns */
    size_t n_bad;
} listing;

/* The best of a plain search, else the first workload's first. */
static void add_best(const standing *t, char out[160])
{
    char number[48];
    const declaration *d = t->s->declaration;
    const result_workload *w = &t->r->workloads[0];
    const result_contender *c = &w->contenders[w->order[0]];
    out[0] = '\0';
    if (c->rank == 0) return;
    study_number(number, t->r->is_judged ? c->median : c->best->value);
    snprintf(out, 160, "%s%s%.100s", number, d->is_plain ? "" : " ",
        d->is_plain ? "" : d->contenders[c->i].name);
}

static void list_standing(listing *l, const standing *t)
{
    char best[160], day[32] = "";
    const time_t created = (time_t)t->s->study.created;
    struct tm parts;
    if (gmtime_r(&created, &parts)) strftime(day, sizeof day, "%Y-%m-%d %H:%M", &parts);
    add_best(t, best);
    if (l->as_json) {
        json_begin_object(&l->j);
        json_key_string(&l->j, "study", t->s->study.name);
        json_key_string(&l->j, "store", t->s->path);
        json_key_string(&l->j, "condition", t->condition);
        json_key_int(&l->j, "ended", (int64_t)t->n_ended);
        json_key_int(&l->j, "most", (int64_t)t->n_most);
        json_key_real(&l->j, "created", t->s->study.created);
        json_end_object(&l->j);
        return;
    }
    table_row(&l->rows);
    table_cell(&l->rows, l->name, "%s", t->s->study.name);
    table_cell(&l->rows, l->condition, "%s", t->condition);
    table_cell(&l->rows, l->trials, "%" PRIu64 "/%" PRIu64, t->n_ended, t->n_most);
    table_cell(&l->rows, l->best, "%s", best);
    table_cell(&l->rows, l->created, "%s", day);
    table_cell(&l->rows, l->path, "%s", t->s->path);
}

/* One that cannot be read is told, and the others are listed. */
static void list_study(listing *l, const char *path, const char *name)
{
    error err;
    open_study s = { 0 };
    standing t = { 0 };
    status st = study_open(&s, l->cli, path, name, STORE_READ, &err);
    if (st == OK) st = stand(&s, &t, &err);
    if (st == OK) {
        list_standing(l, &t);
    } else {
        l->n_bad++;
        cli_warn(l->cli, "%s", err.text);
    }
    results_free(t.r);
    study_release(&s);
}

static status list_store(listing *l, const char *path, error *err)
{
    status st = OK;
    store *s = NULL;
    store_cursor *c = NULL;
    store_study y;
    const store_options o = { .mode = STORE_READ };
    TRY(store_open(path, &o, &s, err));
    TRY(studies_open(s, &c, err));
    for (bool is_row = true;;) {
        TRY(studies_next(c, &y, &is_row, err));
        if (!is_row) break;
        list_study(l, path, y.name);
    }
done:
    store_cursor_close(c);
    store_close(s);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The stores of a folder, by name. */
static status find_stores(
    arena *a, const char *folder, const char ***out, size_t *out_n, error *err)
{
    size_t n = 0, capacity = 0;
    const char **paths = NULL;
    DIR *d = opendir(folder);
    if (!d) return fail_errno(err, errno, folder, "no folder of studies");
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        const size_t length = strlen(e->d_name);
        if (length < 7 || strcmp(e->d_name + length - 6, ".study") != 0) continue;
        if (n == capacity) {
            const size_t more = capacity ? 2 * capacity : 64;
            const char **wider = arena_alloc_array(a, more, sizeof *wider);
            if (!wider) break;
            if (n) memcpy((void *)wider, (void *)paths, n * sizeof *paths);
            paths = wider;
            capacity = more;
        }
        paths[n] = arena_printf(a, "%s/%s", folder, e->d_name);
        if (!paths[n]) break;
        n++;
    }
    closedir(d);
    if (n) qsort((void *)paths, n, sizeof *paths, by_name);
    *out = paths;
    *out_n = n;
    return OK;
}

static void begin_listing(listing *l)
{
    l->name = table_column(&l->rows, "study", false, 0);
    l->condition = table_column(&l->rows, "is", false, 0);
    l->trials = table_column(&l->rows, "trials", true, 0);
    l->best = table_column(&l->rows, "best", false, 2);
    l->created = table_column(&l->rows, "begun (UTC)", false, 1);
    l->path = table_column(&l->rows, "store", false, 3);
    json_init(&l->j, &l->out);
    if (l->as_json) json_begin_array(&l->j);
}

static int run_list(cli *c, const arguments *a)
{
    status st = OK;
    error err_, *err = &err_;
    arena memory = { 0 };
    const char *folder = a->n ? a->word[0] : "studies", **paths = NULL;
    size_t n = 0;
    listing l = { .cli = c, .as_json = option_has(a, "json") };
    begin_listing(&l);
    if (a->n > 0 || file_is_dir(folder)) TRY(find_stores(&memory, folder, &paths, &n, err));
    for (size_t i = 0; i < n; i++) {
        error why;
        if (list_store(&l, paths[i], &why) != OK) {
            l.n_bad++;
            cli_warn(c, "%s", why.text);
        }
    }
    if (n == 0) cli_say(c, "  there is no study in %s/; begin one: assay study run CONFIG", folder);
done:
    if (l.as_json) {
        json_end_array(&l.j);
        text_add(&l.out, "\n");
    }
    table_end(&l.rows, &c->out, &l.out);
    arena_release(&memory);
    if (st == OK) {
        const int code = cli_put(c, &l.out);
        return code == EXIT_DONE && l.n_bad ? EXIT_FAILED : code;
    }
    text_release(&l.out);
    return cli_error(c, err);
}

static const option_row list_options[] = {
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "for programs" },
};

const command command_study_list = {
    .name = "study list",
    .arguments = "[FOLDER]",
    .summary = "the studies of a folder",
    .doc =
        "A line for each study of the stores (*.study) in a folder, by default studies/: whether "
        "it runs, how many trials have ended of at most how many, what is best so far.",
    .examples = "assay study list\nassay study list ../other/studies --json",
    COMMAND_OPTIONS(list_options),
    .most = 1,
    .completes = COMPLETE_FOLDER,
    .run = run_list,
};
#else
typedef int no_studies; /* a file holds something */
#endif
