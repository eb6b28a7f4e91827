/* The progress display.
 *
 * The trainer sends records some ten times a second; this file decides when they become visible. On a terminal one line is
 * repainted in place and never wraps: parts that do not fit are left out, the last first. In a log a line comes at the end of an
 * epoch, but not more than one a second, and every ten seconds within a long epoch. The time that remains comes from an
 * exponential moving average of the speed, so that a change of speed shows within seconds. */
#include "cli/progress.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDEST_BAR = 30 };

static const double speed_memory_s = 6, least_line_s = 1, most_line_s = 10;

void progress_init(progress *p, const cli *c, const char *asked)
{
    memset(p, 0, sizeof *p);
    p->out = &c->err;
    p->quiet = c->quiet;
    p->kind = c->err.moves ? PROGRESS_BAR : PROGRESS_PLAIN;
    if (asked && strcmp(asked, "none") == 0) p->kind = PROGRESS_NONE;
    if (asked && strcmp(asked, "plain") == 0) p->kind = PROGRESS_PLAIN;
    if (asked && strcmp(asked, "bar") == 0) p->kind = PROGRESS_BAR;
    if (c->quiet) p->kind = PROGRESS_NONE;
    p->training_loss = p->lr = p->first_loss = p->least_loss = NAN;
}

static void update_speed(progress *p)
{
    const double now = clock_wall_s(), dt = now - p->rate_at_s;
    if (p->rate_at_s == 0 || p->step < p->rate_step) {
        p->rate_at_s = now;
        p->rate_step = p->step;
        return;
    }
    if (dt < 0.2 || p->step == p->rate_step) {
        return;
    }
    const double speed = (double)(p->step - p->rate_step) / dt;
    const double keep = p->steps_per_s > 0 ? exp(-dt / speed_memory_s) : 0;
    p->steps_per_s = keep * p->steps_per_s + (1 - keep) * speed;
    p->rate_at_s = now;
    p->rate_step = p->step;
}

/* "4s", or "" while it is not known. */
static void remaining(const progress *p, char out[32])
{
    out[0] = '\0';
    if (p->total_steps > p->step && p->steps_per_s > 0) {
        const double left_s = (double)(p->total_steps - p->step) / p->steps_per_s;
        text_duration(out, left_s < 1 ? 1 : floor(left_s + 0.5));
    }
}

static bool is_error_of(const part_values *v, size_t i)
{
    const size_t n = strlen(v->name[i]);
    return n > 3 && strcmp(v->name[i] + n - 3, "_se") == 0;
}

/* A line in the making: pieces that do not fit any more are left out. */
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

static void add_value(line *l, const terminal *t, const char *label, double v, const char *mark)
{
    char piece[160];
    const double size = fabs(v);
    const bool is_usual = size == 0 || (size >= 1e-3 && size < 1e4);
    snprintf(piece, sizeof piece, is_usual ? "%s%s%s %.4f%s" : "%s%s%s %.3e%s",
        terminal_style(t, STYLE_DIM), label, terminal_style(t, STYLE_PLAIN), v, mark);
    add_piece(l, piece);
}

static void add_numbers(progress *p, line *l)
{
    const terminal *t = p->out;
    const part_values *v = &p->validation;
    char mark[48], label[PROGRESS_NAME + 8];
    if (!isnan(p->training_loss)) add_value(l, t, "loss", p->training_loss, "");
    for (size_t i = 0; i < v->n; i++) {
        if (is_error_of(v, i)) {
            continue;
        }
        snprintf(label, sizeof label, "%s%s", i == 0 ? "validation " : "", v->name[i]);
        const bool last = i + 1 == v->n || (i + 2 == v->n && is_error_of(v, i + 1));
        snprintf(mark, sizeof mark, "%s%s%s", terminal_style(t, STYLE_GREEN),
            last && p->is_best ? t->moves ? " ★" : " best" : "", terminal_style(t, STYLE_PLAIN));
        add_value(l, t, label, v->value[i], mark);
    }
}

/* [====>----] in what the locale has. */
static void add_bar(const progress *p, line *l)
{
    const size_t width = l->width / 4 < WIDEST_BAR ? l->width / 4 : WIDEST_BAR;
    const double share = p->total_steps ? (double)p->step / (double)p->total_steps : 0;
    const size_t halves = (size_t)((share > 1 ? 1 : share) * (double)(2 * width));
    const terminal *t = p->out;
    text bar = { 0 };
    text_add(&bar, terminal_style(t, STYLE_CYAN));
    for (size_t i = 0; i < halves / 2; i++) {
        text_add(&bar, "━");
    }
    if (halves % 2) text_add(&bar, "╸");
    text_add(&bar, terminal_style(t, STYLE_PLAIN));
    text_add(&bar, terminal_style(t, STYLE_DIM));
    for (size_t i = halves / 2 + halves % 2; i < width; i++) {
        text_add(&bar, "─");
    }
    text_add(&bar, terminal_style(t, STYLE_PLAIN));
    if (!bar.failed) add_piece(l, bar.s);
    text_release(&bar);
}

static void add_place(const progress *p, line *l)
{
    char piece[64];
    const unsigned long long epoch = p->epoch, n = p->n_epochs;
    if (n > 0) {
        const int digits = snprintf(NULL, 0, "%llu", n);
        snprintf(piece, sizeof piece, "epoch %*llu/%llu", digits, epoch, n);
    } else {
        snprintf(piece, sizeof piece, "step %llu", (unsigned long long)p->step);
    }
    add_piece(l, piece);
}

static void paint(progress *p)
{
    line l = { .width = terminal_width(p->out) - 3 };
    char left[32], piece[64];
    add_place(p, &l);
    if (p->total_steps) {
        add_bar(p, &l);
        snprintf(piece, sizeof piece, "%3.0f%%", 100 * (double)p->step / (double)p->total_steps);
        add_piece(&l, piece);
    }
    remaining(p, left);
    snprintf(piece, sizeof piece, "ETA %-5s", left[0] ? left : "-");
    if (p->total_steps) add_piece(&l, piece);
    add_numbers(p, &l);
    if (!l.t.failed && l.t.s) {
        terminal_write(p->out, p->is_painted ? "\r  " : "\033[?25l\r  ");
        terminal_write(p->out, l.t.s);
        terminal_write(p->out, "\033[K");
        fflush(p->out->file);
        p->is_painted = true;
    }
    text_release(&l.t);
}

static void print_line(progress *p)
{
    line l = { .width = 4096 };
    char left[32], piece[64];
    add_place(p, &l);
    snprintf(piece, sizeof piece, "step %llu", (unsigned long long)p->step);
    if (p->n_epochs) add_piece(&l, piece);
    add_numbers(p, &l);
    if (!isnan(p->lr)) add_value(&l, p->out, "lr", p->lr, "");
    remaining(p, left);
    snprintf(piece, sizeof piece, "ETA %s", left);
    if (left[0]) add_piece(&l, piece);
    if (!l.t.failed && l.t.s) terminal_printf(p->out, "  %s\n", l.t.s);
    fflush(p->out->file);
    text_release(&l.t);
    p->line_at_s = clock_wall_s();
    p->line_due = false;
}

static void take_values(part_values *to, const record *r)
{
    to->n = 0;
    for (size_t i = 0; i < r->n_values && to->n < PROGRESS_VALUES; i++) {
        if (!r->values[i].matrix) {
            snprintf(to->name[to->n], PROGRESS_NAME, "%s", r->values[i].name);
            to->value[to->n++] = r->values[i].value;
        }
    }
}

static void take_training(progress *p, const record *r)
{
    for (size_t i = 0; i < r->n_values; i++) {
        const record_value *v = &r->values[i];
        if (strcmp(v->name, "training.loss") == 0) p->training_loss = v->value;
        if (strcmp(v->name, "lr") == 0) p->lr = v->value;
    }
    if (r->kind == RECORD_EPOCH) {
        if (p->n_epoch_records++ == 0) p->first_loss = p->least_loss = p->training_loss;
        p->least_loss = fmin(p->least_loss, p->training_loss);
    }
}

static void take_evaluation(progress *p, const record *r)
{
    static const char *const parts[] = { "training", "validation", "test" };
    for (size_t i = 0; r->is_final && i < 3; i++) {
        if (strcmp(r->split, parts[i]) == 0) take_values(&p->final[i], r);
    }
    if (!r->is_final && strcmp(r->split, "validation") == 0) {
        take_values(&p->validation, r);
        p->is_best = r->is_best != 0;
        p->last_check = r->step;
        if (r->is_best) p->best_step = r->step;
    }
}

static void show_note(progress *p, const char *note)
{
    if (p->is_painted) terminal_write(p->out, "\r\033[K");
    p->is_painted = false;
    terminal_printf(p->out, "  %snote%s  %s\n", terminal_style(p->out, STYLE_YELLOW),
        terminal_style(p->out, STYLE_PLAIN), note);
}

static void show_in_log(progress *p, const record *r)
{
    const double since = clock_wall_s() - p->line_at_s;
    const bool is_check = r->kind == RECORD_EVALUATION && !r->is_final;
    if (p->line_due && !is_check && (since >= least_line_s || r->kind == RECORD_END)) {
        print_line(p);
    } else if (r->kind == RECORD_EPOCH || is_check) {
        p->line_due = true;
    } else if (r->kind == RECORD_PROGRESS && since >= most_line_s) {
        print_line(p);
    }
}

void progress_take(progress *p, const record *r)
{
    if (r->kind == RECORD_NOTE) {
        if (!p->quiet) show_note(p, r->text);
        return;
    }
    if (p->kind == PROGRESS_PLAIN && r->kind != RECORD_EVALUATION) {
        show_in_log(p, r); /* what came before belongs to the line of the epoch before */
    }
    p->step = r->step;
    p->epoch = r->epoch > 0 ? r->epoch : 1;
    p->epoch_place = r->epoch_place;
    p->total_steps = r->total_steps;
    p->n_epochs = r->n_epochs;
    if (r->kind == RECORD_START) {
        p->rate_at_s = 0;
        p->line_at_s = clock_wall_s();
    }
    update_speed(p);
    if (r->kind == RECORD_EVALUATION) {
        take_evaluation(p, r);
    } else {
        take_training(p, r);
    }
    if (p->kind == PROGRESS_PLAIN && r->kind == RECORD_EVALUATION) {
        show_in_log(p, r);
    }
    if (p->kind == PROGRESS_BAR && !r->is_final &&
        (r->kind == RECORD_START || r->kind == RECORD_PROGRESS || r->kind == RECORD_END)) {
        paint(p);
    }
}

void progress_close(progress *p)
{
    if (p->kind == PROGRESS_BAR && p->is_painted) {
        terminal_write(p->out, "\r\033[K\033[?25h");
        fflush(p->out->file);
    }
    p->is_painted = false;
}
