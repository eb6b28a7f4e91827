/* assay diff: where two runs part.
 *
 * First what they were told and what they recorded, then their checkpoints, then both again in one process from the last checkpoint
 * that they share, step by step, compared to the bit. Where a run cannot be gone through here as it went there (its plugins are not
 * here, or the machine computes otherwise), what the checkpoints hold is all that can be said. */
#include "base/file.h"
#include "base/json.h"
#include "cli/session.h"
#include "train/lockstep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 512, MAX_KEYS = 64 };

typedef struct config_difference {
    const char *path, *a, *b; /* NULL: not there */
} config_difference;

typedef struct record_difference {
    bool found;
    unsigned long long step;
    char column[128], a[64], b[64];
} record_difference;

typedef struct diff_job {
    const cli *cli;
    const arguments *args;
    session run[2];
    const char *checkpoints[2];
    arena memory;
    config_difference keys[MAX_KEYS];
    size_t n_keys;
    record_difference records;
    size_t n_common; /* checkpoints looked at */
    uint64_t same; /* the last step at which they agree */
    parting at_checkpoint;
    bool walked;
    lockstep_end end;
    parting parting;
    const char *why_not; /* they were not gone through again */
    bool failed; /* memory is out */
} diff_job;

/* -- what they were told -- */

static char *kept_text(diff_job *j, text *t)
{
    char *kept = t->failed ? NULL : arena_strdup(&j->memory, t->s ? t->s : "");
    j->failed |= !kept;
    text_release(t);
    return kept;
}

static const char *value_words(diff_job *j, const value *v)
{
    text t = { 0 };
    if (!v) {
        return NULL;
    }
    value_to_text(v, &t);
    return kept_text(j, &t);
}

static void note_key(diff_job *j, const value *a, const value *b)
{
    text t = { 0 };
    value_path(a ? a : b, &t);
    const char *path = kept_text(j, &t);
    if (path && j->n_keys < MAX_KEYS) {
        j->keys[j->n_keys++] = (config_difference){ path, value_words(j, a), value_words(j, b) };
    }
}

static void compare_values(diff_job *j, const value *a, const value *b);

static void compare_groups(diff_job *j, const value *a, const value *b)
{
    for (size_t i = 0; i < a->n; i++) {
        compare_values(j, a->item[i], value_find(b, a->item[i]->name));
    }
    for (size_t i = 0; i < b->n; i++) {
        if (!value_find(a, b->item[i]->name)) note_key(j, NULL, b->item[i]);
    }
}

static void compare_values(diff_job *j, const value *a, const value *b)
{
    if (b && value_equal(a, b)) {
        return;
    }
    if (b && a->kind == VALUE_GROUP && b->kind == VALUE_GROUP) {
        compare_groups(j, a, b);
    } else if (b && a->kind == VALUE_LIST && b->kind == VALUE_LIST && a->n == b->n) {
        for (size_t i = 0; i < a->n; i++) {
            compare_values(j, a->item[i], b->item[i]);
        }
    } else {
        note_key(j, a, b);
    }
}

/* -- what they recorded -- */

/* Cuts a line into its fields, in place. */
static size_t cut(char *line, char **field)
{
    size_t n = 0;
    for (char *at = line; at && n < MAX_COLUMNS;) {
        field[n++] = at;
        at = strchr(at, ',');
        if (at) *at++ = '\0';
    }
    return n;
}

static char *next_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;
    if (!end) {
        return NULL;
    }
    *end = '\0';
    *rest = end + 1;
    return line;
}

typedef struct row {
    char **name, **field;
    size_t n_names, n;
} row;

static bool compare_rows(const row *a, const row *b, record_difference *out)
{
    for (size_t i = 0; i < a->n && i < a->n_names; i++) {
        for (size_t k = 0; k < b->n && k < b->n_names; k++) {
            if (strcmp(a->name[i], b->name[k]) == 0 && strcmp(a->name[i], "wall_s") != 0 &&
                strcmp(a->field[i], b->field[k]) != 0) {
                out->found = true;
                out->step = strtoull(a->field[0], NULL, 10);
                snprintf(out->column, sizeof out->column, "%s", a->name[i]);
                snprintf(out->a, sizeof out->a, "%s", a->field[i]);
                snprintf(out->b, sizeof out->b, "%s", b->field[k]);
                return true;
            }
        }
    }
    return false;
}

/* The first number in metrics.csv that differs, among steps and columns that both have. */
static void compare_csv(char *a, char *b, char ***room, record_difference *out)
{
    char *line_a = next_line(&a), *line_b = next_line(&b);
    if (!line_a || !line_b) {
        return;
    }
    row x = { .name = room[0], .field = room[1] }, y = { .name = room[2], .field = room[3] };
    x.n_names = cut(line_a, x.name);
    y.n_names = cut(line_b, y.name);
    line_a = next_line(&a);
    line_b = next_line(&b);
    while (line_a && line_b) {
        const unsigned long long step_a = strtoull(line_a, NULL, 10),
                                 step_b = strtoull(line_b, NULL, 10);
        if (step_a == step_b) {
            x.n = cut(line_a, x.field);
            y.n = cut(line_b, y.field);
            if (compare_rows(&x, &y, out)) {
                return;
            }
        }
        line_a = step_a <= step_b ? next_line(&a) : line_a;
        line_b = step_b <= step_a ? next_line(&b) : line_b;
    }
}

static status compare_records(diff_job *j, error *err)
{
    char *all[2] = { NULL, NULL }, **room[4];
    size_t n;
    status st = OK;
    for (size_t i = 0; i < 4; i++) {
        room[i] = arena_alloc_array(&j->memory, MAX_COLUMNS, sizeof *room[i]);
        if (!room[i]) TRY(fail_nomem(err, "the records"));
    }
    for (size_t i = 0; i < 2; i++) {
        const char *path = path_join(&j->memory, j->run[i].folder, "metrics.csv");
        if (!path) TRY(fail_nomem(err, "the records"));
        if (file_exists(path)) TRY(file_read(path, &all[i], &n, err));
    }
    if (all[0] && all[1]) compare_csv(all[0], all[1], room, &j->records);
done:
    free(all[0]);
    free(all[1]);
    return st;
}

/* -- both once more -- */

/* The last step to go to: a run that was stopped from outside has no more than it has. */
static uint64_t limit_of(const char *dir)
{
    uint64_t step;
    stop_reason stop;
    error none = { 0 };
    return checkpoint_outcome(dir, &step, &stop, &none) == OK &&
            (stop == STOP_TIME || stop == STOP_INTERRUPTED)
        ? step
        : UINT64_MAX;
}

/* Builds a run's trainer and puts it where both agree. */
static status stand_at(diff_job *j, size_t i, error *err)
{
    status st = OK;
    uint64_t step;
    const trainer_options o = { 0 };
    session *s = &j->run[i];
    if (option_has(j->args, "threads"))
        TRY(session_set(s, "train.threads", option_get(j->args, "threads"), err));
    TRY(session_train(s, &o, err));
    TRY(trainer_keep_gradient(s->trainer, err));
    if (j->same > 0) {
        TRY(trainer_restore_before(s->trainer, j->checkpoints[i], j->same, false, &step, err));
        if (step != j->same) {
            TRY(fail(err, E_CORRUPT, "%s: the checkpoint of step %llu cannot be used",
                j->checkpoints[i], (unsigned long long)j->same));
        }
    }
done:
    return st;
}

static status walk(diff_job *j, error *err)
{
    status st = OK;
    const uint64_t a = limit_of(j->checkpoints[0]), b = limit_of(j->checkpoints[1]);
    for (size_t i = 0; i < 2; i++) {
        error why = { 0 };
        st = stand_at(j, i, &why);
        if (st != OK) {
            j->why_not = arena_printf(&j->memory, "%s: %s", j->run[i].folder, why.text);
            return j->why_not ? OK : fail_nomem(err, "the comparison");
        }
    }
    const lockstep_run first = { j->run[0].trainer, j->checkpoints[0] };
    const lockstep_run second = { j->run[1].trainer, j->checkpoints[1] };
    st = lockstep_walk(&first, &second, a < b ? a : b, &j->end, &j->parting, err);
    j->walked = st == OK;
    if (st == OK && (j->end == LOCKSTEP_NOT_A || j->end == LOCKSTEP_NOT_B)) {
        j->why_not = arena_printf(&j->memory,
            "%s: at step %llu it is not what its own checkpoint says (%s): another machine, or "
            "other plugins",
            j->run[j->end == LOCKSTEP_NOT_B].folder, (unsigned long long)j->parting.step,
            j->parting.name);
        j->walked = false;
    }
    return st;
}

static status compare(diff_job *j, error *err)
{
    status st = OK;
    for (size_t i = 0; i < 2; i++) {
        session *s = &j->run[i];
        s->beside = i ? &j->run[0] : NULL;
        TRY(session_open(s, j->cli, j->args->word[i], NULL, 0, err));
        if (!s->folder)
            TRY(fail(err, E_USAGE, "%s: a config, not the folder of a run", j->args->word[i]));
        j->checkpoints[i] = path_join(&j->memory, s->folder, "checkpoints");
        if (!j->checkpoints[i]) TRY(fail_nomem(err, "a path"));
    }
    compare_values(j, config_root(j->run[0].config), config_root(j->run[1].config));
    if (j->failed) TRY(fail_nomem(err, "the comparison"));
    TRY(compare_records(j, err));
    TRY(checkpoints_compare(
        j->checkpoints[0], j->checkpoints[1], &j->n_common, &j->same, &j->at_checkpoint, err));
    if (option_has(j->args, "checkpoints")) {
        j->why_not = "only checkpoints were asked for";
    } else {
        TRY(walk(j, err));
    }
done:
    return st;
}

/* -- what came of it -- */

static const parting *result_of(const diff_job *j)
{
    const parting *p = j->walked ? &j->parting : &j->at_checkpoint;
    return p->found ? p : NULL;
}

static bool ends_differ(const diff_job *j)
{
    return j->walked && !j->parting.found &&
        trainer_steps_done(j->run[0].trainer) != trainer_steps_done(j->run[1].trainer);
}

static void add_number(text *t, const char *which, double v, bool is_double)
{
    text_printf(t, is_double ? "  %-8s %.17g  (%a)\n" : "  %-8s %.9g  (%a)\n", which, v, v);
}

static void add_parting(const parting *p, bool at_checkpoint, text *t)
{
    text_printf(t, "%s step %llu in %s, element %zu of %zu\n",
        at_checkpoint ? "the checkpoints differ first at" : "the runs part at",
        (unsigned long long)p->step, p->name, p->element, p->n);
    add_number(t, "first", p->a, p->is_double);
    add_number(t, "second", p->b, p->is_double);
    text_printf(t, "  %llu ulp apart; %zu of its %zu elements differ, and %zu of %zu arrays",
        (unsigned long long)p->ulps, p->n_differ, p->n, p->n_arrays_differ, p->n_arrays);
    for (size_t i = 0; i < p->n_others; i++) {
        text_printf(t, "%s%s", i ? ", " : ": also ", p->others[i]);
    }
    text_add(t, p->n_others + 1 < p->n_arrays_differ ? ", ...\n" : "\n");
}

static void add_words(const diff_job *j, text *t)
{
    for (size_t i = 0; i < j->n_keys; i++) {
        const config_difference *d = &j->keys[i];
        text_printf(
            t, "  config       %s: %s | %s\n", d->path, d->a ? d->a : "-", d->b ? d->b : "-");
    }
    if (j->n_keys == 0) text_add(t, "  config       the same\n");
    if (j->records.found) {
        text_printf(t, "  records      differ first at step %llu: %s: %s | %s\n", j->records.step,
            j->records.column, j->records.a, j->records.b);
    } else {
        text_add(t, "  records      the same, as far as both go\n");
    }
    text_printf(
        t, "  checkpoints  %zu of the same steps compared%s", j->n_common, j->same ? "" : "\n");
    if (j->same) text_printf(t, ", the same up to step %llu\n", (unsigned long long)j->same);
    if (j->why_not) text_printf(t, "  not gone through again: %s\n", j->why_not);
    const parting *p = result_of(j);
    if (p) {
        add_parting(p, !j->walked, t);
    } else if (j->walked) {
        const char *why[2];
        const trainer *a = j->run[0].trainer, *b = j->run[1].trainer;
        const stop_reason stop_a = trainer_stopped(a, &why[0]),
                          stop_b = trainer_stopped(b, &why[1]);
        const uint64_t n = trainer_steps_done(a) < trainer_steps_done(b) ? trainer_steps_done(a)
                                                                         : trainer_steps_done(b);
        text_printf(t,
            "the same to the bit up to step %llu; there the first: %s%s%s; the second: %s%s%s\n",
            (unsigned long long)n, stop_reason_name(stop_a), why[0] ? ": " : "",
            why[0] ? why[0] : "", stop_reason_name(stop_b), why[1] ? ": " : "",
            why[1] ? why[1] : "");
    } else {
        text_add(t, "the checkpoints of the same steps are the same to the bit\n");
    }
}

static void add_json(const diff_job *j, text *t)
{
    json w;
    const parting *p = result_of(j);
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "first", j->args->word[0]);
    json_key_string(&w, "second", j->args->word[1]);
    json_key(&w, "config");
    json_begin_array(&w);
    for (size_t i = 0; i < j->n_keys; i++) {
        json_begin_object(&w);
        json_key_string(&w, "key", j->keys[i].path);
        json_key_string(&w, "first", j->keys[i].a);
        json_key_string(&w, "second", j->keys[i].b);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_key(&w, "records_differ_at");
    if (j->records.found) {
        json_int(&w, (int64_t)j->records.step);
    } else {
        json_null(&w);
    }
    json_key_int(&w, "checkpoints_compared", (int64_t)j->n_common);
    json_key_int(&w, "same_checkpoint", (int64_t)j->same);
    json_key_bool(&w, "gone_through_again", j->walked);
    json_key_bool(&w, "part", p != NULL || ends_differ(j));
    if (p) {
        json_key_int(&w, "step", (int64_t)p->step);
        json_key_string(&w, "array", p->name);
        json_key_int(&w, "element", (int64_t)p->element);
        json_key_int(&w, "of", (int64_t)p->n);
        json_key_int(&w, "elements_that_differ", (int64_t)p->n_differ);
        json_key_real(&w, "first_value", p->a);
        json_key_real(&w, "second_value", p->b);
        json_key_int(&w, "ulps", p->ulps > INT64_MAX ? INT64_MAX : (int64_t)p->ulps);
    }
    json_end_object(&w);
    text_add(t, "\n");
}

static int run_diff(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    diff_job *j = calloc(1, sizeof *j);
    if (!j) {
        (void)fail_nomem(&err, "the comparison");
        return cli_error(c, &err);
    }
    j->cli = c;
    j->args = a;
    const status st = compare(j, &err);
    int code;
    if (st != OK) {
        code = cli_error(c, &err);
    } else {
        if (option_has(a, "json")) {
            add_json(j, &t);
        } else {
            add_words(j, &t);
        }
        code = cli_put(c, &t);
        if (code == EXIT_DONE && (result_of(j) || ends_differ(j))) code = EXIT_FAILED;
    }
    session_close(&j->run[0]);
    session_close(&j->run[1]);
    arena_release(&j->memory);
    free(j);
    return code;
}

static const option_row options[] = {
    { "checkpoints", 0, NULL, NULL, COMPLETE_NOTHING,
        "compare what the checkpoints hold and go through nothing again" },
    { "threads", 't', "N", NULL, COMPLETE_NOTHING, "train.threads; never changes the result" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_diff = { .name = "diff",
    .arguments = "RUN_A RUN_B",
    .summary = "find the first step and tensor where two runs part",
    .doc = "Compares what two runs were told and what they recorded, then goes through both again "
           "side by side, from the last "
           "checkpoint that they share, and compares gradients, weights and the optimizers' state "
           "to the bit after every step. "
           "Neither folder is written to.\n\n"
           "Where a run cannot be gone through again here, or does not come out as its own "
           "checkpoints say, the checkpoints are "
           "compared. The exit code is 0 when no difference was found and 1 when one was.",
    .examples = "assay diff runs/digits-1 runs/digits-2\n"
                "assay diff runs/here-1 runs/elsewhere-1 --checkpoints",
    COMMAND_OPTIONS(options),
    .least = 2,
    .most = 2,
    .completes = COMPLETE_FOLDER,
    .run = run_diff };
