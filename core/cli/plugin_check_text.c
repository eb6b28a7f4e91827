/* What `assay plugin check` prints.
 *
 * One line per test, below its component; what is wrong is told below its line, with the command that runs that one test under a
 * debugger. Numbers that tests have measured come last, in a table. */
#include "base/json.h"
#include "cli/plugin_check.h"
#include "cli/shell_word.h"

#include <string.h>

enum { INDENT = 8 };

check_counts check_count_outcomes(const check_outcomes *o)
{
    check_counts n = { 0 };
    for (size_t i = 0; i < o->n_jobs; i++) {
        const check_result *r = &o->results[i];
        if (r->end == CHECK_NOT_RUN) {
            n.not_run++;
            continue;
        }
        n.passed += r->report.outcome == CHECK_PASSED;
        n.skipped += r->report.outcome == CHECK_SKIPPED;
        n.warned += r->report.outcome == CHECK_WARNED;
        n.failed += r->report.outcome == CHECK_FAILED;
    }
    return n;
}

/* -- Text -- */

typedef struct mark {
    const char *word;
    text_style style;
} mark;

static mark mark_of(const check_result *r)
{
    if (r->end == CHECK_NOT_RUN) return (mark){ "", STYLE_DIM };
    if (r->end == CHECK_CRASHED) return (mark){ "CRASH", STYLE_RED };
    if (r->end == CHECK_TIMED_OUT) return (mark){ "HANG", STYLE_RED };
    if (r->end == CHECK_EXITED) return (mark){ "EXIT", STYLE_RED };
    switch (r->report.outcome) {
    case CHECK_PASSED: return (mark){ "ok", STYLE_GREEN };
    case CHECK_SKIPPED: return (mark){ "skip", STYLE_DIM };
    case CHECK_WARNED: return (mark){ "warn", STYLE_YELLOW };
    default: return (mark){ "FAIL", STYLE_RED };
    }
}

static void add_spaces(size_t n, text *t)
{
    for (size_t i = 0; i < n; i++)
        text_add(t, " ");
}

/* Words, broken at spaces to the terminal's width, each line indented. */
static void add_wrapped(const char *words, size_t indent, size_t width, text *t)
{
    const size_t room = width > indent + 20 ? width - indent : 20;
    size_t column = 0;
    for (const char *at = words; *at;) {
        at += strspn(at, " ");
        const size_t n = strcspn(at, " \n");
        char word[1024];
        const size_t n_copy = n < sizeof word - 1 ? n : sizeof word - 1;
        memcpy(word, at, n_copy);
        word[n_copy] = '\0';
        const size_t columns = text_columns(word);
        if (column > 0 && column + 1 + columns > room) {
            text_add(t, "\n");
            column = 0;
        }
        if (n > 0 && column == 0) add_spaces(indent, t);
        if (n > 0 && column > 0) text_add(t, " ");
        text_add_bytes(t, at, n);
        column += columns + (column > 0);
        at += n;
        if (*at == '\n') {
            text_add(t, "\n");
            column = 0;
            at++;
        }
    }
    text_add(t, column > 0 ? "\n" : "");
}

/* What runs this one test where a debugger can see it. */
static void add_repeat(
    const check_outcomes *o, const check_target *target, const check_job *j, text *t)
{
    text_add(t, "gdb --args ");
    shell_word_add(t, o->program);
    text_add(t, " plugin check ");
    shell_word_add(t, target->word);
    text_printf(t, " --component %s:%s --test %s --in-process --seed %llu", j->kind, j->id,
        j->test->name, (unsigned long long)o->seed);
    if (o->against) {
        text_add(t, " --against ");
        shell_word_add(t, o->against);
    }
    if (o->against && o->tolerance != CHECK_TOLERANCE) {
        text_add(t, " --tolerance ");
        text_add_real(t, o->tolerance);
    }
}

static size_t name_width(void)
{
    size_t width = 0;
    for (size_t i = 0; i < check_count(); i++) {
        const size_t n = strlen(check_get(i)->name);
        width = n > width ? n : width;
    }
    return width;
}

/* Words on the rest of a line that `used` columns are taken of; cut where a terminal would break it. */
static void add_rest(const char *words, size_t used, const terminal *s, text *t)
{
    const size_t width = terminal_width(s), dots = 3;
    if (!s->is_tty || used + text_columns(words) <= width) {
        text_add(t, words);
        return;
    }
    const size_t room = width > used + dots ? width - used - dots : 0;
    size_t n = 0, columns = 0;
    while (words[n] && columns < room) {
        n++;
        columns += ((unsigned char)words[n] & 0xc0) != 0x80;
    }
    text_add_bytes(t, words, n);
    text_add(t, "...");
}

/* A debugger helps where code has run. What is wrong in a file or a table is said in full. */
static bool has_repeat(const check_result *r, const check_test *test)
{
    const bool is_static = check_is_of_loading(test) || strcmp(test->name, "hypers") == 0;
    return r->report.outcome == CHECK_FAILED && !(is_static && r->end == CHECK_REPORTED);
}

/* The first lines that it printed, and the count of the others. What a sanitizer says before a crash is longer. */
static void add_output(const check_result *r, text *t)
{
    const size_t most = r->end == CHECK_REPORTED ? 5 : 20;
    size_t n_lines = 0;
    if (!r->output[0]) return;
    add_spaces(INDENT, t);
    text_add(t, "it printed:\n");
    for (const char *line = r->output; line && n_lines < most; n_lines++) {
        const size_t n = strcspn(line, "\n");
        add_spaces(INDENT + 2, t);
        text_add_bytes(t, line, n);
        text_add(t, "\n");
        line = line[n] ? line + n + 1 : NULL;
    }
    if (r->n_lines > n_lines) {
        const size_t rest = r->n_lines - n_lines;
        add_spaces(INDENT + 2, t);
        text_printf(t, "... and %zu %s more\n", rest, rest == 1 ? "line" : "lines");
    }
}

static void add_job(const check_outcomes *o, const check_target *target, size_t i, const cli *c,
    size_t width, text *t)
{
    const check_result *r = &o->results[i];
    const check_test *test = o->jobs[i].test;
    const terminal *s = &c->out;
    const mark m = mark_of(r);
    const bool is_bad = r->report.outcome == CHECK_FAILED,
               is_warned = r->report.outcome == CHECK_WARNED;
    if (r->end == CHECK_NOT_RUN || (c->quiet && !is_bad && !is_warned)) return;
    text_printf(
        t, "  %s%-5s%s ", terminal_style(s, m.style), m.word, terminal_style(s, STYLE_PLAIN));
    const char *same = check_same_before(o, target, i);
    const char *root = same ? NULL : check_follows_from(o, target, i);
    const char *beside = r->report.outcome == CHECK_SKIPPED ? r->report.message : test->doc;
    text_printf(t, "%-*s  %s", (int)width, test->name, terminal_style(s, STYLE_DIM));
    if (same) {
        text_printf(t, "as %s", same);
    } else if (root) {
        text_printf(t, "may follow from %s: mend that first", root);
    } else {
        add_rest(beside, INDENT + width + 2, s, t);
    }
    text_printf(t, "%s\n", terminal_style(s, STYLE_PLAIN));
    if ((!is_bad && !is_warned) || same || root) return;
    add_wrapped(r->report.message, INDENT, terminal_width(s), t);
    add_output(r, t);
    if (has_repeat(r, test)) {
        add_spaces(INDENT, t);
        text_add(t, terminal_style(s, STYLE_DIM));
        add_repeat(o, target, &o->jobs[i], t);
        text_printf(t, "%s\n", terminal_style(s, STYLE_PLAIN));
    }
}

/* Numbers with three digits that count. */
static void add_figures(const check_outcomes *o, const check_target *target, const cli *c, text *t)
{
    size_t width = 0;
    const check_figure *f;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = target->first_job; i < target->first_job + target->n_jobs; i++) {
            const check_report *r = &o->results[i].report;
            for (size_t k = 0; k < r->n_figures; k++) {
                f = &r->figure[k];
                const size_t n = text_columns(f->name);
                if (pass == 0) {
                    width = n > width ? n : width;
                    continue;
                }
                text_printf(t, "        %s%s%s", terminal_style(&c->out, STYLE_CYAN), f->name,
                    terminal_style(&c->out, STYLE_PLAIN));
                add_spaces(width - n + 2, t);
                text_printf(t, "%10.3g %s\n", f->value, f->unit);
            }
        }
    }
}

static void add_count(size_t n, const char *what, const terminal *s, text_style style, text *line)
{
    if (n == 0) return;
    text_printf(line, "%s%s%zu %s%s", line->n ? ", " : "", terminal_style(s, style), n, what,
        terminal_style(s, STYLE_PLAIN));
}

static void add_counts(const check_outcomes *o, const terminal *s, text *t)
{
    const check_counts n = check_count_outcomes(o);
    text line = { 0 };
    add_count(n.failed, "failed", s, STYLE_RED, &line);
    add_count(n.warned, n.warned == 1 ? "warning" : "warnings", s, STYLE_YELLOW, &line);
    add_count(n.passed, "passed", s, STYLE_GREEN, &line);
    add_count(n.skipped, "skipped", s, STYLE_PLAIN, &line);
    add_count(n.not_run, "not run", s, STYLE_PLAIN, &line);
    text_printf(t, "%s in %.1f s\n", line.s ? line.s : "", o->duration_s);
    text_release(&line);
}

static const check_target *target_of(const check_outcomes *o, size_t i_job)
{
    size_t i = 0;
    while (i_job >= o->targets[i].first_job + o->targets[i].n_jobs)
        i++;
    return &o->targets[i];
}

/* Whether the job has ended, or will never begin since the component's file does not load. */
static bool is_settled(const check_outcomes *o, size_t i_job)
{
    const size_t first = target_of(o, i_job)->first_job;
    return o->results[i_job].end != CHECK_NOT_RUN ||
        (check_is_of_loading(o->jobs[first].test) &&
            o->results[first].report.outcome == CHECK_FAILED);
}

static void add_heading(check_teller *teller, const check_target *target, text *t)
{
    const terminal *s = &teller->cli->out;
    if (teller->headed == target) return;
    text_printf(t, "%s%s%s%s %s  %s%s%s\n", teller->headed ? "\n" : "",
        terminal_style(s, STYLE_BOLD), target->id, terminal_style(s, STYLE_PLAIN), target->kind,
        terminal_style(s, STYLE_DIM), target->is_file ? target->word : target->path,
        terminal_style(s, STYLE_PLAIN));
    teller->headed = target;
}

/* Why some tests have no line. */
static void add_not_run(const check_outcomes *o, const check_target *target, text *t)
{
    size_t n_hangs = 0, n_not_run = 0;
    for (size_t i = target->first_job; i < target->first_job + target->n_jobs; i++) {
        n_hangs += o->results[i].end == CHECK_TIMED_OUT;
        n_not_run += o->results[i].end == CHECK_NOT_RUN;
    }
    if (n_hangs == 0 || n_not_run == 0) return;
    add_spaces(INDENT, t);
    text_printf(t, "after %zu that hung, the other %zu %s not run\n", n_hangs, n_not_run,
        n_not_run == 1 ? "test is" : "tests are");
}

static void tell_next(check_teller *teller, text *t)
{
    const check_outcomes *o = teller->outcomes;
    const size_t i = teller->n_told++;
    const check_target *target = target_of(o, i);
    text line = { 0 };
    add_job(o, target, i, teller->cli, name_width(), &line);
    if (i + 1 == target->first_job + target->n_jobs) {
        add_not_run(o, target, &line);
        if (!teller->cli->quiet) add_figures(o, target, teller->cli, &line);
    }
    if (line.n) {
        add_heading(teller, target, t);
        text_add_bytes(t, line.s, line.n);
    }
    t->failed = t->failed || line.failed;
    text_release(&line);
}

void check_text_go_on(check_teller *teller, text *t)
{
    const check_outcomes *o = teller->outcomes;
    while (teller->n_told < o->n_jobs && is_settled(o, teller->n_told))
        tell_next(teller, t);
}

void check_text_end(check_teller *teller, text *t)
{
    while (teller->n_told < teller->outcomes->n_jobs)
        tell_next(teller, t);
    text_add(t, teller->headed ? "\n" : "");
    add_counts(teller->outcomes, &teller->cli->out, t);
}

/* -- JSON -- */

static void result_json_of(const check_outcomes *o, const check_target *target, size_t i, json *j)
{
    const check_result *r = &o->results[i];
    text repeat = { 0 };
    json_begin_object(j);
    json_key_string(j, "name", o->jobs[i].test->name);
    json_key_string(j, "outcome", check_result_name(r));
    json_key_string(j, "message", r->report.message[0] ? r->report.message : NULL);
    json_key_string(j, "output", r->output[0] ? r->output : NULL);
    json_key_int(j, "output_lines", (int64_t)r->n_lines);
    json_key_real(j, "duration_s", r->duration_s);
    json_key(j, "figures");
    json_begin_array(j);
    for (size_t k = 0; k < r->report.n_figures; k++) {
        json_begin_object(j);
        json_key_string(j, "name", r->report.figure[k].name);
        json_key_real(j, "value", r->report.figure[k].value);
        json_key_string(j, "unit", r->report.figure[k].unit);
        json_end_object(j);
    }
    json_end_array(j);
    add_repeat(o, target, &o->jobs[i], &repeat);
    if (r->report.outcome == CHECK_FAILED) json_key_string(j, "repeat", repeat.s);
    json_end_object(j);
    text_release(&repeat);
}

void check_json(const check_outcomes *o, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key_int(&j, "seed", (int64_t)o->seed);
    json_key(&j, "components");
    json_begin_array(&j);
    for (size_t i = 0; i < o->n_targets; i++) {
        const check_target *target = &o->targets[i];
        json_begin_object(&j);
        json_key_string(&j, "kind", target->kind);
        json_key_string(&j, "id", target->id);
        json_key_string(&j, "file", target->path);
        json_key(&j, "tests");
        json_begin_array(&j);
        for (size_t k = target->first_job; k < target->first_job + target->n_jobs; k++)
            result_json_of(o, target, k, &j);
        json_end_array(&j);
        json_end_object(&j);
    }
    json_end_array(&j);
    const check_counts n = check_count_outcomes(o);
    json_key_int(&j, "passed", (int64_t)n.passed);
    json_key_int(&j, "skipped", (int64_t)n.skipped);
    json_key_int(&j, "warned", (int64_t)n.warned);
    json_key_int(&j, "failed", (int64_t)n.failed);
    json_key_int(&j, "not_run", (int64_t)n.not_run);
    json_key_real(&j, "duration_s", o->duration_s);
    json_end_object(&j);
    text_add(t, "\n");
}

/* -- The list of tests -- */

void check_list_text(const terminal *style, text *t)
{
    const size_t width = name_width();
    const char *kind = "";
    for (size_t i = 0; i < check_count(); i++) {
        const check_test *test = check_get(i);
        const char *own = test->kind ? test->kind : "every kind";
        if (strcmp(own, kind) != 0) {
            text_printf(t, "%s%s%s%s\n", i ? "\n" : "", terminal_style(style, STYLE_BOLD), own,
                terminal_style(style, STYLE_PLAIN));
        }
        kind = own;
        text_printf(t, "  %s%-*s%s  %s\n", terminal_style(style, STYLE_CYAN), (int)width,
            test->name, terminal_style(style, STYLE_PLAIN), test->doc);
    }
}

void check_list_json(text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key(&j, "tests");
    json_begin_array(&j);
    for (size_t i = 0; i < check_count(); i++) {
        const check_test *test = check_get(i);
        json_begin_object(&j);
        json_key_string(&j, "name", test->name);
        json_key_string(&j, "kind", test->kind);
        json_key_string(&j, "doc", test->doc);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}
