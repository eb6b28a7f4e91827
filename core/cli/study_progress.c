/* The progress of a study.
 *
 * The time that remains is what is left of the trials, at most, at the speed of this program since it began: other hosts' trials
 * are counted where they are seen, in the store's counts. Failures are told as they come, each kind once. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study_progress.h"

#include "cli/study.h"

#include "base/json.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST_BAR = 24 };

static const double most_line_s = 10;

status study_progress_init(study_progress *p, const cli *c, const declaration *d, const char *asked,
    bool as_json, error *err)
{
    *p = (study_progress){ .cli = c, .declaration = d, .as_json = as_json };
    p->kind = c->err.moves ? PROGRESS_BAR : PROGRESS_PLAIN;
    if (asked && strcmp(asked, "plain") == 0) p->kind = PROGRESS_PLAIN;
    if (asked && strcmp(asked, "bar") == 0) p->kind = PROGRESS_BAR;
    if (c->quiet || (asked && strcmp(asked, "none") == 0)) p->kind = PROGRESS_NONE;
    p->best = malloc((d->n_contenders + 1) * sizeof *p->best);
    if (!p->best) return fail_nomem(err, "the display");
    for (size_t i = 0; i < d->n_contenders; i++)
        p->best[i] = (double)NAN;
    p->began_s = p->line_at_s = clock_wall_s();
    return OK;
}

void study_progress_release(study_progress *p)
{
    if (p->cli) study_progress_close(p);
    free(p->best);
    p->best = NULL;
}

void study_progress_tell_best(study_progress *p, size_t i, double best)
{
    const bool max = p->declaration->direction == STORE_MAXIMIZE;
    const double now = p->best[i];
    const bool is_better = isnan(now) || (max ? best > now : best < now);
    if (isfinite(best) && is_better) p->best[i] = best;
}

/* -- the line -- */

/* Pieces that do not fit any more are left out. */
typedef struct line {
    text t;
    size_t used, width;
    bool is_full;
} line;

static void add_piece(line *l, const char *piece)
{
    const size_t n = text_columns(piece) + (l->used ? 2 : 0);
    if (l->is_full || l->used + n > l->width) {
        l->is_full = true;
        return;
    }
    if (l->used) text_add(&l->t, "  ");
    text_add(&l->t, piece);
    l->used += n;
}

static void add_bar(const study_progress *p, line *l)
{
    const terminal *t = &p->cli->err;
    const size_t width = l->width / 4 < WIDEST_BAR ? l->width / 4 : WIDEST_BAR;
    const double share = p->n_total ? (double)p->n_done / (double)p->n_total : 0;
    const size_t halves = (size_t)((share > 1 ? 1 : share) * (double)(2 * width));
    text bar = { 0 };
    text_add(&bar, terminal_style(t, STYLE_CYAN));
    for (size_t i = 0; i < halves / 2; i++)
        text_add(&bar, "━");
    if (halves % 2) text_add(&bar, "╸");
    text_add(&bar, terminal_style(t, STYLE_PLAIN));
    text_add(&bar, terminal_style(t, STYLE_DIM));
    for (size_t i = halves / 2 + halves % 2; i < width; i++)
        text_add(&bar, "─");
    text_add(&bar, terminal_style(t, STYLE_PLAIN));
    if (!bar.failed && bar.s) add_piece(l, bar.s);
    text_release(&bar);
}

static void add_time(const study_progress *p, line *l)
{
    char left[32], piece[48];
    const double spent_s = clock_wall_s() - p->began_s;
    if (p->n_here == 0 || p->n_total <= p->n_done || p->n_total >= STUDY_UNLIMITED) return;
    const double left_s = spent_s / (double)p->n_here * (double)(p->n_total - p->n_done);
    text_duration(left, left_s < 1 ? 1 : floor(left_s + 0.5));
    snprintf(piece, sizeof piece, "ETA %s", left);
    add_piece(l, piece);
}

static void add_bests(const study_progress *p, line *l)
{
    const terminal *t = &p->cli->err;
    const declaration *d = p->declaration;
    for (size_t i = 0; i < d->n_contenders && d->n_workloads == 1; i++) {
        char number[48], piece[256];
        const char *name = d->contenders[i].name[0] ? d->contenders[i].name : "best";
        if (isnan(p->best[i])) continue;
        study_number(number, p->best[i]);
        snprintf(piece, sizeof piece, "%s%.100s%s %s", terminal_style(t, STYLE_DIM), name,
            terminal_style(t, STYLE_PLAIN), number);
        add_piece(l, piece);
    }
}

static void add_count(line *l, uint64_t n, const char *what)
{
    char piece[96];
    snprintf(piece, sizeof piece, "%llu %s", (unsigned long long)n, what);
    if (n) add_piece(l, piece);
}

static void add_place(const study_progress *p, line *l)
{
    char piece[96];
    const unsigned long long total = p->n_total;
    const int digits = snprintf(NULL, 0, "%llu", total);
    if (total >= STUDY_UNLIMITED) {
        snprintf(piece, sizeof piece, "trials %llu", (unsigned long long)p->n_done);
    } else {
        snprintf(
            piece, sizeof piece, "trials %*llu/%llu", digits, (unsigned long long)p->n_done, total);
    }
    add_piece(l, piece);
}

static void paint(study_progress *p)
{
    const terminal *t = &p->cli->err;
    line l = { .width = terminal_width(t) - 3 };
    add_place(p, &l);
    add_bar(p, &l);
    add_time(p, &l);
    add_count(&l, p->n_running, "running");
    add_count(&l, p->n_failed, "failed");
    add_bests(p, &l);
    if (!l.t.failed && l.t.s) {
        terminal_write(t, p->is_painted ? "\r  " : "\033[?25l\r  ");
        terminal_write(t, l.t.s);
        terminal_write(t, "\033[K");
        fflush(t->file);
        p->is_painted = true;
    }
    text_release(&l.t);
}

static void print_line(study_progress *p)
{
    line l = { .width = 4096 };
    add_place(p, &l);
    add_count(&l, p->n_failed, "failed");
    add_time(p, &l);
    add_bests(p, &l);
    if (!l.t.failed && l.t.s) terminal_printf(&p->cli->err, "  %s\n", l.t.s);
    text_release(&l.t);
    p->line_at_s = clock_wall_s();
    p->n_told = p->n_done;
}

/* -- notes -- */

static bool is_news(study_progress *p, int class)
{
    for (size_t i = 0; i < p->n_kinds_shown; i++) {
        if (p->kinds_shown[i] == class) return false;
    }
    if (p->n_kinds_shown == MOST_KINDS_SHOWN) return false;
    p->kinds_shown[p->n_kinds_shown++] = class;
    return true;
}

static void note_failure(study_progress *p, const study_news *n)
{
    text t = { 0 };
    const terminal *to = &p->cli->err;
    const outcome *o = n->end ? n->end->outcome : NULL;
    const bool is_own = o && (o->class == OUTCOME_CANCELLED || o->class == OUTCOME_PRUNED);
    if (!o || is_own || o->class == OUTCOME_OK || p->kind == PROGRESS_NONE) return;
    if (!is_news(p, (int)o->class)) return;
    text_printf(&t, "trial %llu", (unsigned long long)n->trial->number);
    if (n->trial->search.contender[0]) text_printf(&t, " of %s", n->trial->search.contender);
    text_printf(&t, ": %s: ", o->class == OUTCOME_NONFINITE ? "diverged" : outcome_name(o->class));
    study_add_plain(&t, o->text, 0);
    if (n->kind == STUDY_TRIAL_RETRIED) text_add(&t, "; it is run again");
    text_add(&t, " (further ones are counted)");
    if (p->is_painted) terminal_write(to, "\r\033[K");
    p->is_painted = false;
    if (!t.failed) {
        terminal_printf(to, "  %snote%s  %s\n", terminal_style(to, STYLE_YELLOW),
            terminal_style(to, STYLE_PLAIN), t.s);
    }
    text_release(&t);
}

/* -- for programs -- */

static void add_end(json *j, const study_news *n)
{
    const run_end *e = n->end;
    const store_trial *t = n->trial;
    const bool is_tuning = t->search.phase == STORE_TUNE;
    const bool best = n->declaration->takes_best;
    const double v = is_tuning ? (best ? e->best : e->value) : best ? e->judged_best : e->judged;
    if (n->kind == STUDY_TRIAL_ENDED) json_key_string(j, "state", trial_state_name(n->state));
    json_key_string(j, "class", outcome_name(e->outcome->class));
    if (e->outcome->class != OUTCOME_OK) json_key_string(j, "reason", e->outcome->text);
    if (isfinite(v)) json_key_real(j, "value", v);
    json_key_real(j, "fidelity", e->fidelity);
    json_key_int(j, "samples", (int64_t)e->samples);
    json_key_real(j, "wall_s", e->wall_s);
    json_key_real(j, "cpu_s", e->cpu_s);
}

static void tell_program(const study_progress *p, const study_news *n)
{
    static const char *const events[] = { "begun", "ended", "retried" };
    const store_trial *t = n->trial;
    text out = { 0 };
    json j;
    json_init(&j, &out);
    json_begin_object(&j);
    json_key_string(&j, "event", events[n->kind]);
    json_key_int(&j, "trial", (int64_t)t->number);
    json_key_string(&j, "phase", t->search.phase == STORE_TUNE ? "tuning" : "evaluation");
    json_key_string(&j, "contender", t->search.contender);
    json_key_string(&j, "workload", t->search.workload);
    json_key_int(&j, "repeat", (int64_t)t->search.repeat);
    json_key_int(&j, "seed", (int64_t)t->seed);
    json_key(&j, "params");
    text_add(&out, t->params);
    j.after_key = false;
    if (n->end) add_end(&j, n);
    json_key_int(&j, "done", (int64_t)n->n_done);
    json_key_int(&j, "total", (int64_t)n->n_total);
    json_end_object(&j);
    text_add(&out, "\n");
    (void)cli_put(p->cli, &out);
}

/* -- news -- */

static void take_end(study_progress *p, const study_news *n)
{
    if (p->n_running) p->n_running--;
    p->n_here += n->kind == STUDY_TRIAL_ENDED;
    if (n->kind == STUDY_TRIAL_ENDED && n->state == TRIAL_DONE &&
        n->trial->search.phase == STORE_TUNE) {
        for (size_t i = 0; i < p->declaration->n_contenders; i++) {
            const char *name = p->declaration->contenders[i].name;
            if (p->declaration->is_plain || strcmp(name, n->trial->search.contender) == 0) {
                study_progress_tell_best(
                    p, i, p->declaration->takes_best ? n->end->best : n->end->value);
            }
        }
    }
    note_failure(p, n);
}

void study_progress_take(void *self, const study_news *n)
{
    study_progress *p = self;
    p->n_done = n->n_done;
    p->n_total = n->n_total;
    p->n_failed = n->n_bad;
    if (n->kind == STUDY_TRIAL_BEGUN) {
        p->n_running++;
    } else {
        take_end(p, n);
    }
    if (p->as_json) tell_program(p, n);
    if (p->kind == PROGRESS_BAR) paint(p);
    const double since = clock_wall_s() - p->line_at_s;
    if (p->kind == PROGRESS_PLAIN && n->kind == STUDY_TRIAL_ENDED &&
        (since >= most_line_s || p->n_here == 1)) {
        print_line(p);
    }
}

void study_progress_warn(void *self, const char *said)
{
    study_progress *p = self;
    study_progress_close(p);
    cli_warn(p->cli, "%s", said);
}

void study_progress_close(study_progress *p)
{
    if (p->kind == PROGRESS_BAR && p->is_painted) {
        terminal_write(&p->cli->err, "\r\033[K\033[?25h");
        fflush(p->cli->err.file);
    }
    p->is_painted = false;
    if (p->kind == PROGRESS_PLAIN && p->n_told < p->n_done) print_line(p);
}
#else
typedef int no_studies; /* a file holds something */
#endif
