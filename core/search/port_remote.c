/* A strategy and its pruner in a process of their own, by messages.
 *
 * Each question is one message and its answer another. Events are kept back until something is asked, or the engine wants them told: an ask
 * brings the events before it along, so that a log is replayed with one exchange for each of its asks.
 *
 * The process is not trusted. An answer that is not what it must be, an end of the process and an answer that does not come end it
 * for good, and so does everything that a plugin refuses but an explanation; from then on each call gives the same error. */
#include "search/port.h"

#include "sandbox/sandbox.h"
#include "search/packet.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 600, MOST_PENDING_BYTES = 1 << 20, CHUNK_BYTES = 1 << 20 };

static const double close_s = 1; /* a process that is not wanted any more gets no longer */

typedef struct remote {
    port port; /* first member */
    sandbox_job *job; /* NULL: it has been ended */
    double call_s;
    const assay_search_plan *plan;
    text pending; /* events */
    size_t n_pending;
    uint64_t first_pending, last_pending; /* numbers of their trials */
    text message, log;
    uint64_t sequence;
    outcome outcome; /* how it ended */
    error why; /* code is OK while it can be asked */
    char label[LABEL_BYTES], pruner_label[LABEL_BYTES];
} remote;

size_t port_chunk(size_t n_dimensions)
{
    const size_t n = CHUNK_BYTES / ((n_dimensions + 2) * sizeof(double));
    return n ? n : 1;
}

/* -- The end of it -- */

static void note_end(remote *r, const outcome *o)
{
    error ignored;
    r->outcome = *o;
    if (job_log(r->job, &r->log, &ignored) != OK) text_clear(&r->log);
    job_free(r->job);
    r->job = NULL;
}

/* Ends the process, and is back when it is gone. */
static void await_end(remote *r)
{
    const void *at;
    size_t n;
    error ignored;
    job_end(r->job, OUTCOME_CANCELLED);
    if (job_receive(r->job, close_s, &at, &n, &ignored) != OK) return;
}

/* Ends the process for what it said, not for what it did. */
static void end_for(remote *r, outcome_class class, const char *doing)
{
    outcome o = { .class = class, .exit_code = -1, .violation = -1 };
    snprintf(o.text, sizeof o.text, "%.*s", (int)sizeof o.text - 1, r->why.text);
    snprintf(o.doing, sizeof o.doing, "%s", doing);
    o.phase = job_phase(r->job);
    o.step = job_step(r->job);
    await_end(r);
    note_end(r, &o);
}

static const char *label_of(const remote *r, uint64_t who)
{
    return who == PORT_AT_PRUNER && r->pruner_label[0] ? r->pruner_label : r->label;
}

/* The process has ended by itself, or was ended for a limit. */
static status fail_ended(remote *r, error *err)
{
    outcome o = *job_outcome(r->job);
    const status code = outcome_is_loss(&o) ? E_INTERRUPTED
        : o.class == OUTCOME_HOST_ERROR     ? E_INTERNAL
                                            : E_PLUGIN;
    const char *label = label_of(r, o.step);
    if (o.class == OUTCOME_OK) { /* nobody had asked it to end */
        o.class = OUTCOME_EARLY_EXIT;
        snprintf(o.text, sizeof o.text, "the process ended itself, in %s", o.doing);
    }
    (void)fail_at(&r->why, code, r->port.at, "%s: %s: %s", label, outcome_name(o.class), o.text);
    note_end(r, &o);
    if (err) *err = r->why;
    return code;
}

static status fail_answer(remote *r, const char *doing, error *err, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* An answer that no honest strategy gives. */
static status fail_answer(remote *r, const char *doing, error *err, const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    (void)fail_at(&r->why, E_PLUGIN, r->port.at, "%s: %s: the answer to %s %s",
        label_of(r, job_step(r->job)), outcome_name(OUTCOME_RESULT_INVALID), doing, what);
    end_for(r, OUTCOME_RESULT_INVALID, doing);
    if (err) *err = r->why;
    return E_PLUGIN;
}

static status fail_again(const remote *r, error *err)
{
    if (err) *err = r->why;
    return r->why.code;
}

/* -- One question and its answer -- */

static void begin_message(remote *r, port_verb verb)
{
    text_clear(&r->message);
    packet_u64(&r->message, ++r->sequence);
    packet_u64(&r->message, verb);
    packet_u64(&r->message, r->n_pending);
    if (r->pending.n) text_add_bytes(&r->message, r->pending.s, r->pending.n);
}

static void drop_pending(remote *r)
{
    text_clear(&r->pending);
    r->n_pending = 0;
}

/* "tell 17", "tells 3 to 40"; "" where no event goes along. */
static void describe_events(const remote *r, text *out)
{
    if (r->n_pending && r->first_pending < r->last_pending) {
        text_printf(out, "tells %" PRIu64 " to %" PRIu64, r->first_pending, r->last_pending);
    } else if (r->n_pending) {
        text_printf(out, "tell %" PRIu64, r->last_pending);
    }
}

/* With what is asked behind them: "tells 3 to 40, ask 17". */
static void describe(const remote *r, const char *verb, uint64_t number, char out[DOING_BYTES])
{
    text t = { 0 };
    describe_events(r, &t);
    if (verb) text_printf(&t, "%s%s %" PRIu64, t.n ? ", " : "", verb, number);
    packet_clean(out, DOING_BYTES, t.s);
    text_release(&t);
}

/* The next message that answers, opened up to behind its status; an error of the plugin is one here. */
static status take_answer(remote *r, const char *doing, bool may_go_on, packet *out, error *err)
{
    const void *at;
    size_t n;
    char why[ERROR_TEXT_BYTES];
    const status st = job_receive(r->job, r->call_s, &at, &n, err);
    if (st == E_CORRUPT) return fail_answer(r, doing, err, "%s", "is too long");
    if (st != OK) return st;
    if (!at) return fail_ended(r, err);
    *out = (packet){ .at = at, .end = (const unsigned char *)at + n };
    const uint64_t sequence = packet_get_u64(out), code = packet_get_u64(out);
    if (out->is_bad || sequence != r->sequence || code > E_INTERNAL) {
        return fail_answer(r, doing, err, "%s", "is none to what was asked");
    }
    if (code == OK) return OK;
    packet_clean(why, sizeof why, packet_get_text(out));
    if (!packet_is_whole(out) || !why[0]) {
        return fail_answer(r, doing, err, "%s", "is an error without a reason");
    }
    (void)fail(&r->why, (status)code, "%s", why);
    if (err) *err = r->why;
    if (may_go_on) {
        r->why.code = OK;
    } else {
        const bool is_load = job_phase(r->job) == PHASE_LOAD && (code == E_PLUGIN || code == E_ABI);
        end_for(r, is_load ? OUTCOME_LOAD_FAILED : OUTCOME_PLUGIN_ERROR, doing);
    }
    return (status)code;
}

/* Sends r->message, in which `verb` and all that belongs to it stand. */
static status exchange(remote *r, const char *doing, bool may_go_on, packet *out, error *err)
{
    status st = text_check(&r->message, err);
    if (st == OK) st = text_check(&r->pending, err);
    if (st == OK) st = job_send(r->job, doing, r->message.s, r->message.n, r->call_s, err);
    if (st != OK) return st;
    drop_pending(r);
    return take_answer(r, doing, may_go_on, out, err);
}

/* -- Making -- */

static void take_label(packet *p, char out[LABEL_BYTES], bool *out_is_there)
{
    const char *s = packet_get_text(p);
    *out_is_there = s && s[0];
    packet_clean(out, LABEL_BYTES, s);
}

/* A block as it was bound: *out is a group with defaults in it. Whether there is one is for `wanted` to say. */
static status take_block(packet *p, config *c, bool is_wanted, value *out, error *err)
{
    bool is_there = false;
    const status st = packet_get_value(p, c, out, &is_there, err);
    if (st != OK) return st;
    if (is_there != is_wanted || (is_there && out->kind != VALUE_GROUP)) p->is_bad = true;
    return OK;
}

/* In place of what was written. */
static void adopt(value *block, const value *bound)
{
    block->kind = VALUE_GROUP;
    block->item = bound->item;
    block->n = bound->n;
    for (size_t i = 0; i < block->n; i++)
        block->item[i]->parent = block;
}

/* Until the process has said better. */
static void guess_label(char out[LABEL_BYTES], const char *kind, const value *block)
{
    const value *type = block->kind == VALUE_STRING ? block : value_find(block, "type");
    const bool is_named = type && type->kind == VALUE_STRING;
    char name[200];
    packet_clean(name, sizeof name, is_named ? type->as.string : "?");
    snprintf(out, LABEL_BYTES, "%s \"%s\"", kind, name);
}

static status make(remote *r, config *c, value *strategy, value *pruner, uint64_t seed, error *err)
{
    packet p;
    bool is_named, has_pruner;
    value bound[2];
    char label[LABEL_BYTES], pruner_label[LABEL_BYTES];
    begin_message(r, PORT_MAKE);
    packet_u64(&r->message, seed);
    packet_value(&r->message, value_find(config_root(c), "plugins"));
    packet_value(&r->message, strategy);
    packet_value(&r->message, pruner);
    packet_plan(&r->message, r->plan);
    status st = exchange(r, "loading", false, &p, err);
    if (st != OK) return st;
    r->port.can = packet_get_u64(&p);
    r->port.has_report = packet_get_u64(&p) != 0;
    take_label(&p, label, &is_named);
    take_label(&p, pruner_label, &has_pruner);
    TRY(take_block(&p, c, true, &bound[0], err));
    TRY(take_block(&p, c, pruner != NULL, &bound[1], err));
    if (!packet_is_whole(&p) || !is_named || has_pruner != (pruner != NULL)) {
        return fail_answer(r, "loading", err, "%s", "is no description of them");
    }
    memcpy(r->label, label, sizeof label);
    memcpy(r->pruner_label, pruner_label, sizeof pruner_label);
    r->port.pruner_label = has_pruner ? r->pruner_label : NULL;
    adopt(strategy, &bound[0]);
    if (pruner) adopt(pruner, &bound[1]);
done:
    return st;
}

/* -- What the engine asks -- */

static status open_both(port *p, error *err)
{
    packet answer;
    remote *r = (remote *)p;
    if (r->why.code != OK) return fail_again(r, err);
    begin_message(r, PORT_OPEN);
    const status st = exchange(r, "open", false, &answer, err);
    if (st != OK) return st;
    return packet_is_whole(&answer) ? OK
                                    : fail_answer(r, "open", err, "%s", "says more than it must");
}

/* Puts the proposals of one message behind those that are there. */
static status take_proposals(remote *r, packet *p, const char *doing, assay_proposal *out, size_t n,
    size_t *io_taken, error *err)
{
    const size_t d = (size_t)r->plan->n_dimensions;
    const size_t here = packet_get_count(p, (d + 2) * sizeof(double));
    if (p->is_bad || here > n - *io_taken || (here == 0 && *io_taken < n)) {
        return fail_answer(r, doing, err, "does not hold its %zu proposals", n);
    }
    for (size_t i = 0; i < here; i++) {
        assay_proposal *at = &out[(*io_taken)++];
        at->fidelity = packet_get_real(p);
        at->from_trial = packet_get_u64(p);
        packet_get_reals(p, at->x, d);
    }
    return packet_is_whole(p) ? OK : fail_answer(r, doing, err, "%s", "says more than it must");
}

static status ask(port *p, uint64_t number, uint64_t want, assay_proposal *out, uint64_t *out_n,
    uint64_t *out_is_over, error *err)
{
    status st = OK;
    packet answer;
    char doing[DOING_BYTES];
    remote *r = (remote *)p;
    size_t n_taken = 0;
    if (r->why.code != OK) return fail_again(r, err);
    describe(r, "ask", number, doing);
    begin_message(r, PORT_ASK);
    packet_u64(&r->message, number);
    packet_u64(&r->message, want);
    TRY(exchange(r, doing, false, &answer, err));
    const uint64_t n = packet_get_u64(&answer), is_over = packet_get_u64(&answer);
    if (n > want) { /* the engine says so, as of any other strategy */
        *out_n = n;
        return OK;
    }
    TRY(take_proposals(r, &answer, doing, out, (size_t)n, &n_taken, err));
    while (n_taken < n) {
        TRY(take_answer(r, doing, false, &answer, err));
        TRY(take_proposals(r, &answer, doing, out, (size_t)n, &n_taken, err));
    }
    *out_n = n;
    *out_is_over = is_over;
done:
    return st;
}

static status settle(port *p, error *err)
{
    packet answer;
    char doing[DOING_BYTES];
    remote *r = (remote *)p;
    if (r->why.code != OK) return fail_again(r, err);
    if (r->n_pending == 0) return OK;
    describe(r, NULL, 0, doing);
    begin_message(r, PORT_TELL);
    const status st = exchange(r, doing, false, &answer, err);
    if (st != OK) return st;
    return packet_is_whole(&answer) ? OK
                                    : fail_answer(r, doing, err, "%s", "says more than it must");
}

static status tell(port *p, const assay_event *e, error *err)
{
    remote *r = (remote *)p;
    if (r->why.code != OK) return fail_again(r, err);
    if (r->pending.n > MOST_PENDING_BYTES) {
        const status st = settle(p, err);
        if (st != OK) return st;
    }
    if (r->n_pending++ == 0) r->first_pending = e->trial;
    r->last_pending = e->trial;
    packet_event(&r->pending, e, (size_t)r->plan->n_dimensions);
    return text_check(&r->pending, err);
}

static status report_both(
    port *p, const assay_event *e, uint64_t *out_strategy, uint64_t *out_pruner, error *err)
{
    packet answer;
    char doing[DOING_BYTES];
    remote *r = (remote *)p;
    if (r->why.code != OK) return fail_again(r, err);
    describe(r, "report of", e->trial, doing);
    begin_message(r, PORT_REPORT);
    packet_event(&r->message, e, (size_t)r->plan->n_dimensions);
    const status st = exchange(r, doing, false, &answer, err);
    if (st != OK) return st;
    *out_strategy = packet_get_u64(&answer);
    *out_pruner = packet_get_u64(&answer);
    return packet_is_whole(&answer) ? OK
                                    : fail_answer(r, doing, err, "%s", "is no pair of verdicts");
}

static status explain(port *p, uint64_t trial, char *out, size_t bytes, error *err)
{
    packet answer;
    char doing[DOING_BYTES];
    remote *r = (remote *)p;
    if (r->why.code != OK) return fail_again(r, err);
    describe(r, "explain of", trial, doing);
    begin_message(r, PORT_EXPLAIN);
    packet_u64(&r->message, trial);
    packet_u64(&r->message, bytes);
    const status st = exchange(r, doing, true, &answer, err);
    if (st != OK) return st;
    packet_clean(out, bytes, packet_get_text(&answer));
    return packet_is_whole(&answer) ? OK : fail_answer(r, doing, err, "%s", "is no text");
}

static void blame(port *p, const error *why)
{
    remote *r = (remote *)p;
    if (r->why.code != OK) return;
    r->why = *why;
    if (r->job) end_for(r, OUTCOME_RESULT_INVALID, "");
}

static const outcome *outcome_of(const port *p)
{
    const remote *r = (const remote *)p;
    return r->why.code != OK ? &r->outcome : NULL;
}

static status printed(const port *p, text *out, error *err)
{
    const remote *r = (const remote *)p;
    if (r->job) return job_log(r->job, out, err);
    if (r->log.n) text_add_bytes(out, r->log.s, r->log.n);
    return text_check(out, err);
}

/* Its plugins may close, but not for long. */
static void close_process(remote *r)
{
    const void *at;
    size_t n;
    error ignored;
    drop_pending(r);
    begin_message(r, PORT_CLOSE);
    const double limit_s = r->call_s < close_s ? r->call_s : close_s;
    status st = r->message.failed
        ? E_NOMEM
        : job_send(r->job, "close", r->message.s, r->message.n, limit_s, &ignored);
    if (st == OK) st = job_receive(r->job, limit_s, &at, &n, &ignored);
    (void)st;
    job_free(r->job);
}

static void free_remote(port *p)
{
    remote *r = (remote *)p;
    if (!r) return;
    if (r->job) close_process(r);
    text_release(&r->pending);
    text_release(&r->message);
    text_release(&r->log);
    free(r);
}

static const port_ops remote_ops = { open_both, ask, tell, settle, report_both, explain, blame,
    outcome_of, printed, free_remote };

status port_remote_new(const search_place *place, config *c, value *strategy, value *pruner,
    uint64_t seed, const assay_search_plan *plan, port **out, error *err)
{
    status st = OK;
    const sandbox_limits *l = place->limits ? place->limits : &sandbox_default_limits;
    remote *r = calloc(1, sizeof *r);
    if (!r) return fail_nomem(err, "a search");
    *r = (remote){
        .port = { .ops = &remote_ops, .at = &strategy->at }, .plan = plan, .call_s = l->wall_s
    };
    r->port.label = r->label;
    guess_label(r->label, "search", strategy);
    if (pruner) guess_label(r->pruner_label, "pruner", pruner);
    const sandbox_call call = {
        .level = place->level, .procedure = "strategy", .limits = l, .has_channel = true
    };
    TRY(sandbox_start(place->sandbox, &call, &r->job, err));
    TRY(make(r, c, strategy, pruner, seed, err));
    *out = &r->port;
    r = NULL;
done:
    free_remote((port *)r);
    return st;
}
