/* assay search: a strategy that serves another program, in lines of JSON on standard input and output.
 *
 * Each line that comes in is answered by one line, in order. With a log each answer is on disk before it is given, and a search that is
 * begun with the log of another goes on where that one was: its trials that have no result are `pending`.
 *
 * The strategy and its pruner run in a process of their own (cli/search_place.h), and this one never loads them. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/search_log.h"
#include "cli/search_place.h"
#include "cli/search_request.h"
#include "cli/session.h"

#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINE = 1 << 20, WHY_BYTES = 400 };

struct search_keys {
    int64_t seed, trials, noisy, maximize;
    double max_fidelity, min_fidelity;
};

static const assay_hyper key_rows[] = {
    ASSAY_INT(search_keys, seed, 1, 0, 0x1p53, "seed of the strategy"),
    ASSAY_INT(search_keys, trials, 0, 0, 0x1p53, "budget of trials; 0: without end"),
    ASSAY_BOOL(search_keys, noisy, 0, "the same point gives different values"),
    ASSAY_BOOL(search_keys, maximize, 0, "larger values are better"),
    ASSAY_REAL(search_keys, max_fidelity, 0, 0, ASSAY_INF, "cost of a whole trial; 0: no parts",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(search_keys, min_fidelity, 0, 0, ASSAY_INF, "the least that says anything",
        .flags = ASSAY_OPEN_MAX),
};

typedef struct service {
    const cli *cli;
    const arguments *args;
    session session;
    struct search_keys keys;
    space space;
    sandbox *sandbox; /* NULL: the strategy runs in this process */
    search *search;
    search_log log;
    size_t i_line; /* of the input, from 1 */
    bool is_broken; /* the strategy failed: nothing more can be answered */
} service;

/* -- opening -- */

/* What options say stands in the config, as if it were an override. */
static status take_options(service *v, error *err)
{
    static const struct {
        const char *option, *key;
    } keys[] = { { "strategy", "strategy" }, { "pruner", "pruner" }, { "seed", "seed" },
        { "trials", "trials" } };
    status st = OK;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *given = option_get(v->args, keys[i].option);
        if (given) TRY(session_set(&v->session, keys[i].key, given, err));
    }
    if (option_has(v->args, "maximize")) TRY(session_set(&v->session, "maximize", "true", err));
    for (size_t i = 0; i < v->args->n; i++)
        TRY(config_override(v->session.config, v->args->word[i], err));
    if (!value_find(config_root(v->session.config), "strategy")) {
        TRY(session_set(&v->session, "strategy", "random", err));
    }
done:
    return st;
}

static status read_keys(service *v, error *err)
{
    static const char *const reserved[] = { "space", "strategy", "pruner", "plugins", NULL };
    const hyper_table table = HYPER_TABLE(search_keys, key_rows);
    const hyper_bind_options o = { .what = "search", .reserved = reserved, .noun = "key" };
    return hyper_bind(
        v->session.config, config_root(v->session.config), &table, &o, &v->keys, NULL, err);
}

/* No table tells what the names of another program are, so 0..1 is what is written: whole numbers. */
static void say_two_values(const service *v)
{
    for (size_t i = 0; i < v->space.n; i++) {
        const assay_dimension *d = &v->space.dimensions[i];
        if (d->type != ASSAY_SPACE_INT || d->high - d->low != 1) continue;
        cli_say(v->cli,
            "%s=%.0f..%.0f is searched as two whole numbers: write %.1f..%.1f for all that is "
            "between, or %.0f,%.0f for a choice",
            d->name, d->low, d->high, d->low, d->high, d->low, d->high);
    }
}

/* `written` is a file, or a space in the compact form. */
static status open_space(service *v, const char *written, error *err)
{
    status st = OK;
    session *s = &v->session;
    if (strchr(written, '=')) {
        TRY(session_open_registry(s, v->cli, err));
        TRY(config_parse("command line", "", &s->config, err));
        TRY(take_options(v, err));
        TRY(space_add_text(&v->space, written, &(origin){ "--space", 0 }, err));
    } else if (!file_exists(written)) {
        TRY(fail(err, E_USAGE,
            "--space: \"%s\" is no file, and no space as in 'lr=1e-4..1e-1:log type=sgd,adam'",
            written));
    } else {
        TRY(session_open(s, v->cli, written, NULL, 0, err));
        TRY(take_options(v, err));
        TRY(registry_add_config(s->registry, s->config, err));
        const value *block = value_find(config_root(s->config), "space");
        if (!block) {
            TRY(fail_at(err, E_MISSING, &(origin){ written, 0 },
                "there is no space: expected space = { NAME = [LOW, HIGH]; ... };"));
        }
        TRY(space_add_block(&v->space, block, NULL, err));
    }
    TRY(read_keys(v, err));
    say_two_values(v);
done:
    return st;
}

/* What two searches must share to have the same log, as a line. */
static status make_header(service *v, text *t, error *err)
{
    json j;
    char id[33];
    text strategy = { 0 }, pruner = { 0 };
    const value *root = config_root(v->session.config);
    const value *p = value_find(root, "pruner");
    status st = space_id(&v->space, id, err);
    if (st != OK) return st;
    value_to_text(value_find(root, "strategy"), &strategy);
    if (p) value_to_text(p, &pruner);
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "assay_search", 1);
    json_key_string(&j, "space", id);
    json_key_string(&j, "strategy", strategy.s);
    if (p) json_key_string(&j, "pruner", pruner.s);
    json_key_int(&j, "seed", v->keys.seed);
    json_key_int(&j, "trials", v->keys.trials);
    json_key_bool(&j, "noisy", v->keys.noisy);
    json_key_bool(&j, "maximize", v->keys.maximize);
    json_key_real(&j, "max_fidelity", v->keys.max_fidelity);
    json_key_real(&j, "min_fidelity", v->keys.min_fidelity);
    json_end_object(&j);
    st = text_check(&strategy, err);
    if (st == OK) st = text_check(&pruner, err);
    if (st == OK) st = text_check(t, err);
    text_release(&strategy);
    text_release(&pruner);
    return st;
}

/* What plugins and registry have had to say so far; a line each. */
static void say_printed(service *v)
{
    error ignored;
    text t = { 0 };
    if (v->search && search_printed(v->search, &t, &ignored) == OK && t.n) {
        for (char *line = strtok(t.s, "\n"); line; line = strtok(NULL, "\n"))
            cli_warn(v->cli, "%s", line);
    }
    text_release(&t);
}

static status begin(service *v, error *err)
{
    status st = OK;
    text header = { 0 };
    search_place place;
    const char *written = option_get(v->args, "space");
    if (!written) {
        return fail(err, E_USAGE,
            "search: --space is missing: a file, or a space as in "
            "'lr=1e-4..1e-1:log type=sgd,adam'");
    }
    TRY(open_space(v, written, err));
    value *root = config_root(v->session.config);
    const search_options o = { .seed = (uint64_t)v->keys.seed,
        .n_trials = (uint64_t)v->keys.trials,
        .max_fidelity = v->keys.max_fidelity,
        .min_fidelity = v->keys.min_fidelity,
        .is_noisy = v->keys.noisy != 0 };
    value *strategy = value_find(root, "strategy"), *pruner = value_find(root, "pruner");
    config *c = v->session.config;
    TRY(place_open(v->cli, v->args, &v->session, &v->sandbox, &place, err));
    TRY(v->sandbox
            ? search_new_in(&place, c, strategy, pruner, &v->space, &o, &v->search, err)
            : search_new(v->session.registry, c, strategy, pruner, &v->space, &o, &v->search, err));
    say_printed(v);
    TRY(make_header(v, &header, err));
    TRY(search_log_open(&v->log, option_get(v->args, "log"), header.s, v->search, &v->space, err));
    if (v->log.n_torn) {
        cli_warn(v->cli, "%s: a last line that was not finished has been cut off", v->log.path);
    }
done:
    text_release(&header);
    return st;
}

static void end(service *v)
{
    search_log_close(&v->log);
    search_free(v->search);
    sandbox_close(v->sandbox);
    space_release(&v->space);
    session_close(&v->session);
}

/* -- answers -- */

static void add_trial(const service *v, const search_trial *t, json *j)
{
    json_key_int(j, "id", (int64_t)t->number);
    json_key(j, "params");
    space_point_to_json(&v->space, t->x, j);
    if (v->keys.max_fidelity > 0) {
        json_key_real(j, "fidelity", t->fidelity > 0 ? t->fidelity : v->keys.max_fidelity);
    }
    if (t->from != ASSAY_NO_TRIAL) json_key_int(j, "from", (int64_t)t->from);
    if (t->replicate) json_key_int(j, "replicate", (int64_t)t->replicate);
}

static void add_trials(const service *v, const search_trial *trials, size_t n, json *j)
{
    json_key(j, "trials");
    json_begin_array(j);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(j);
        add_trial(v, &trials[i], j);
        json_end_object(j);
    }
    json_end_array(j);
}

/* How many of `want` the budget has left. */
static uint64_t within_budget(const service *v, uint64_t want)
{
    const uint64_t most = (uint64_t)v->keys.trials, n = search_count(v->search);
    if (most == 0) return want;
    return n >= most ? 0 : want < most - n ? want : most - n;
}

static status answer_ask(service *v, const request *q, json *j, error *err)
{
    status st = OK;
    const uint64_t want = within_budget(v, q->number);
    search_trial *trials = calloc(want + 1, sizeof *trials);
    search_entry e = { .kind = SEARCH_ASKED, .want = want, .is_over = true };
    if (!trials) return fail_nomem(err, "trials");
    if (want > 0) {
        v->is_broken = true; /* until the answer is on disk */
        TRY(search_ask(v->search, want, trials, &e.n_trials, &e.is_over, err));
        e.trials = trials;
        TRY(search_log_add(&v->log, &v->space, &e, err));
        v->is_broken = false;
    }
    if (q->number == 1 && e.n_trials == 1) {
        add_trial(v, &trials[0], j);
    } else if (e.n_trials > 0) {
        add_trials(v, trials, e.n_trials, j);
    } else {
        json_key_bool(j, e.is_over ? "over" : "wait", true);
    }
done:
    free(trials);
    return st;
}

/* A tell that the engine refuses changes nothing; that it is looked at first is what keeps a bad line out of the log. */
static status answer_tell(service *v, const request *q, json *j, error *err)
{
    static const char *const verdicts[] = { "go", "stop", "pause" };
    status st = OK;
    search_entry e = { .kind = SEARCH_TOLD, .result = q->result };
    if (v->keys.maximize) e.result.value = -e.result.value;
    TRY(search_tell(v->search, &e.result, &e.verdict, err));
    v->is_broken = true;
    TRY(search_log_add(&v->log, &v->space, &e, err));
    v->is_broken = false;
    if (e.result.state == ASSAY_TRIAL_REPORTED) {
        json_key_string(j, "verdict", verdicts[e.verdict]);
    } else {
        json_key_bool(j, "ok", true);
    }
done:
    if (st == E_PLUGIN || st == E_NOMEM) v->is_broken = true;
    return st;
}

static status answer_explain(service *v, const request *q, json *j, error *err)
{
    char why[WHY_BYTES] = "";
    const status st = search_explain(v->search, q->number, why, sizeof why, err);
    if (st == OK) {
        json_key_int(j, "id", (int64_t)q->number);
        json_key_string(j, "why", why);
    }
    return st;
}

static status answer_pending(service *v, json *j, error *err)
{
    uint64_t state;
    size_t n = 0;
    const size_t count = search_count(v->search);
    search_trial *trials = calloc(count + 1, sizeof *trials);
    if (!trials) return fail_nomem(err, "trials");
    for (uint64_t i = 0, seen = 0; seen < count; i++) {
        const search_trial *t = search_trial_find(v->search, i, &state);
        seen += t != NULL;
        if (t && (state == ASSAY_TRIAL_RUNNING || state == ASSAY_TRIAL_REPORTED)) trials[n++] = *t;
    }
    add_trials(v, trials, n, j);
    free(trials);
    return OK;
}

static void answer_best(service *v, json *j)
{
    double best;
    const search_trial *t = search_best(v->search, &best);
    if (!t) {
        json_key_bool(j, "none", true);
        return;
    }
    add_trial(v, t, j);
    json_key_real(j, "value", v->keys.maximize ? -best : best);
}

static status answer(service *v, const char *line, size_t n, json *j, error *err)
{
    request q;
    const status st = request_read(line, n, &q, err);
    if (st != OK) return st;
    switch (q.verb) {
    case VERB_ASK: return answer_ask(v, &q, j, err);
    case VERB_TELL:
    case VERB_REPORT: return answer_tell(v, &q, j, err);
    case VERB_EXPLAIN: return answer_explain(v, &q, j, err);
    case VERB_PENDING: return answer_pending(v, j, err);
    case VERB_BEST: answer_best(v, j); return OK;
    }
    return fail(err, E_INTERNAL, "a verb without an answer");
}

/* One line in, one line out; the exit code of writing. */
static int serve(service *v, const char *line, size_t n, error *err)
{
    json j;
    text t = { 0 };
    json_init(&j, &t);
    json_begin_object(&j);
    const status st =
        n <= MOST_LINE ? answer(v, line, n, &j, err) : fail(err, E_RANGE, "the line is too long");
    if (st != OK) {
        v->is_broken = v->is_broken || search_outcome(v->search);
        text_clear(&t);
        json_init(&j, &t);
        json_begin_object(&j);
        json_key_string(&j, "error", err->text);
        json_key_int(&j, "line", (int64_t)v->i_line);
    }
    json_end_object(&j);
    text_add(&t, "\n");
    const int code = cli_put(v->cli, &t);
    return fflush(v->cli->out.file) == 0 ? code : EXIT_FAILED;
}

static int serve_all(service *v)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int code = EXIT_DONE;
    error err = { 0 };
    while (code == EXIT_DONE && !v->is_broken && (n = getline(&line, &room, stdin)) >= 0) {
        v->i_line++;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n > 0) code = serve(v, line, (size_t)n, &err);
    }
    free(line);
    return v->is_broken && code == EXIT_DONE ? cli_error(v->cli, &err) : code;
}

static int run_search(cli *c, const arguments *a)
{
    error err = { 0 };
    service v = { .cli = c, .args = a };
    const status st = begin(&v, &err);
    const int code = st == OK ? serve_all(&v) : cli_error(c, &err);
    end(&v);
    return code;
}

static const option_row options[] = {
    { "space", 0, "FILE", NULL, COMPLETE_CONFIG,
        "what is searched: a config with a block `space`, or a space in compact form" },
    { "strategy", 's', "NAME", NULL, COMPLETE_PLUGIN, "who proposes (default random)" },
    { "pruner", 0, "NAME", NULL, COMPLETE_PLUGIN, "who stops trials that report" },
    { "seed", 0, "N", NULL, COMPLETE_NOTHING, "seed of the strategy (default 1)" },
    { "trials", 'n', "N", NULL, COMPLETE_NOTHING, "budget of trials (default without end)" },
    { "maximize", 0, NULL, NULL, COMPLETE_NOTHING, "larger values are better" },
    { "sandbox", 0, "LEVEL", PLACE_NAMES, COMPLETE_CHOICES,
        "where the strategy runs (default auto: strict where that is possible)" },
    { "debug", 0, NULL, NULL, COMPLETE_NOTHING,
        "run the strategy in this process: for gdb and perf" },
    { "log", 0, "FILE", NULL, COMPLETE_FILE, "keep everything here; go on where it ends" },
};

const command command_search = {
    .name = "search",
    .arguments = "--space FILE [KEY=VALUE...]",
    .summary = "propose hyperparameters to another program, by lines of JSON",
    .doc =
        "Reads a line of JSON at a time from standard input and answers each with one line.\n\n"
        "{\"ask\": 1} gives {\"id\": 0, \"params\": {...}}, {\"ask\": 4} gives {\"trials\": "
        "[...]}; "
        "{\"wait\": true} means that results are needed first, {\"over\": true} that nothing is "
        "left. "
        "{\"tell\": 0, \"value\": 0.25} takes a result, with \"error\" its standard error; without "
        "a "
        "value {\"tell\": 0, \"state\": \"failed\"}, \"diverged\", \"pruned\" or \"lost\". "
        "{\"report\": "
        "0, \"value\": 0.4, \"fidelity\": 3} gives a verdict: go, stop or pause. {\"explain\": 0} "
        "says "
        "why, {\"best\": true} what is best, {\"pending\": true} which trials have no result. A "
        "line "
        "that cannot be read gives {\"error\": ..., \"line\": ...} and changes nothing.\n\n"
        "The file has a block `space`, and may have `strategy`, `pruner`, `seed`, `trials`, "
        "`noisy`, "
        "`maximize`, `max_fidelity` and `min_fidelity`. The same strategy, seed, space and results "
        "give the same proposals. With --log each answer is on disk before it is given.\n\n"
        "The strategy runs in a process of its own, which at --sandbox strict can open no file but "
        "plugins, no connection and no other process; at process it is only kept from breaking "
        "this "
        "one by accident. auto is strict; where the system cannot do that, plugins that come with "
        "assay run at process, with a warning, and others are refused.",
    .examples = "assay search --space space.cfg --strategy grid --seed 3 --log s.log\n"
                "assay search --space 'lr=1e-4..1e-1:log type=sgd,adam' --trials 20",
    COMMAND_OPTIONS(options),
    .least = 0,
    .most = 64,
    .run = run_search,
};
#else
typedef int no_studies; /* a file holds something */
#endif
