/* The worker's side of a search.
 *
 * The fork server looks for plugins once, by their .assay_info; the worker loads those that its blocks name, lets them check and
 * create (stage A of strict), and gives up files before the first of them opens. From then on it answers one message after the
 * other, and does with an instance exactly what the engine does with one of its own process. */
#include "search/strategy_job.h"

#include "base/file.h"
#include "registry/instance.h"
#include "sandbox/sandbox.h"
#include "search/port.h"
#include "search/packet.h"
#include "search/worker_plugins.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EXPLAIN = 65536, MOST_TRIALS = 1 << 30 };

typedef struct strategy_job {
    worker_io *io;
    registry *registry;
    config *config;
    arena memory;
    assay_search_plan plan;
    instance *strategy, *pruner;
    const assay_search *ops;
    const assay_pruner *pruner_ops;
    bool is_open, is_pruner_open;
    double **
        points; // [n_points] by trial: what an event's x points at, which lives as long as the strategy
    size_t n_points;
    text answer;
} strategy_job;

/* -- Making -- */

/* A block of the message as a value of the config: copied once more, so that the config knows the files it is from, and their folders. */
static status take_block(
    strategy_job *j, packet *p, config *scratch, const char *key, value **out, error *err)
{
    value read;
    bool is_there;
    const status st = packet_get_value(p, scratch, &read, &is_there, err);
    *out = NULL;
    if (st != OK || !is_there || p->is_bad) return st;
    *out = value_copy(j->config, config_root(j->config), key, &read);
    return *out ? OK : fail_nomem(err, key);
}

static status make_instances(
    strategy_job *j, value *strategy, value *pruner, uint64_t seed, error *err)
{
    status st = OK;
    worker_at(j->io, PHASE_LOAD, PORT_AT_STRATEGY);
    TRY(registry_add_config(j->registry, j->config, err));
    TRY(instance_new(j->registry, j->config, ASSAY_KIND_SEARCH, strategy, NULL, seed, "search",
        &j->strategy, err));
    j->ops = j->strategy->component->ops;
    if (!pruner) return OK;
    worker_at(j->io, PHASE_LOAD, PORT_AT_PRUNER);
    TRY(instance_new(
        j->registry, j->config, ASSAY_KIND_PRUNER, pruner, NULL, seed, "pruner", &j->pruner, err));
    j->pruner_ops = j->pruner->component->ops;
done:
    return st;
}

static status make(strategy_job *j, packet *p, error *err)
{
    status st = OK;
    config *scratch = NULL;
    value *plugins, *strategy, *pruner;
    const uint64_t seed = packet_get_u64(p);
    if (j->config) return fail(err, E_INTERNAL, "a strategy is made twice");
    TRY(config_parse("search", "", &scratch, err));
    TRY(config_parse("search", "", &j->config, err));
    TRY(take_block(j, p, scratch, "plugins", &plugins, err));
    TRY(take_block(j, p, scratch, "strategy", &strategy, err));
    TRY(take_block(j, p, scratch, "pruner", &pruner, err));
    TRY(packet_get_plan(p, &j->memory, &j->plan, err));
    if (!packet_is_whole(p) || !strategy) {
        TRY(fail(err, E_INTERNAL, "a search that cannot be read"));
    }
    TRY(make_instances(j, strategy, pruner, seed, err));
    packet_u64(&j->answer, j->ops->can);
    packet_u64(&j->answer, j->ops->report != NULL);
    packet_text(&j->answer, j->strategy->label);
    packet_text(&j->answer, j->pruner ? j->pruner->label : NULL);
    packet_value(&j->answer, strategy);
    packet_value(&j->answer, pruner);
done:
    config_free(scratch);
    return st;
}

static status open_both(strategy_job *j, error *err)
{
    const status st = worker_plugins_loaded(j->io, err);
    if (st != OK) return st;
    instance *i = j->strategy;
    worker_at(j->io, PHASE_PLAN, PORT_AT_STRATEGY);
    int code = j->ops->open(&i->ctx, i->hyper, &j->plan);
    j->is_open = code == ASSAY_OK;
    const status opened = instance_status(i, code, "open", err);
    if (opened != OK || !j->pruner) return opened;
    i = j->pruner;
    worker_at(j->io, PHASE_PLAN, PORT_AT_PRUNER);
    code = j->pruner_ops->open(&i->ctx, i->hyper, &j->plan);
    j->is_pruner_open = code == ASSAY_OK;
    return instance_status(i, code, "open", err);
}

/* -- Events -- */

static status tell_both(strategy_job *j, const assay_event *e, error *err)
{
    instance *i = j->strategy;
    worker_at(j->io, PHASE_STEP, PORT_AT_STRATEGY);
    int code = j->ops->tell(&i->ctx, i->hyper, e, 1, sizeof *e);
    const status st = instance_status(i, code, "tell", err);
    if (st != OK || !j->pruner) return st;
    i = j->pruner;
    worker_at(j->io, PHASE_STEP, PORT_AT_PRUNER);
    code = j->pruner_ops->tell(&i->ctx, i->hyper, e, 1, sizeof *e);
    return instance_status(i, code, "tell", err);
}

static status point_of(strategy_job *j, uint64_t trial, double **out, error *err)
{
    const size_t d = (size_t)j->plan.n_dimensions;
    if (trial >= MOST_TRIALS) return fail(err, E_INTERNAL, "a trial without a number");
    if (trial >= j->n_points) {
        const size_t n =
            (size_t)(trial + 1) > 2 * j->n_points ? (size_t)(trial + 1) : 2 * j->n_points;
        double **points = realloc(j->points, n * sizeof *points);
        if (!points) return fail_nomem(err, "trials");
        memset(points + j->n_points, 0, (n - j->n_points) * sizeof *points);
        j->points = points;
        j->n_points = n;
    }
    if (!j->points[trial]) {
        j->points[trial] = arena_alloc_array(&j->memory, d + 1, sizeof *j->points[trial]);
    }
    *out = j->points[trial];
    return *out ? OK : fail_nomem(err, "a trial");
}

static status take_event(strategy_job *j, packet *p, assay_event *out, error *err)
{
    double *x = NULL;
    if (!j->strategy) return fail(err, E_INTERNAL, "an event before there is a strategy");
    packet ahead = *p; /* the number comes first, and says where x goes */
    const status st = point_of(j, packet_get_u64(&ahead), &x, err);
    if (st != OK) return st;
    packet_get_event(p, out, x, (size_t)j->plan.n_dimensions);
    return p->is_bad ? fail(err, E_INTERNAL, "an event that cannot be read") : OK;
}

/* Those that stand before what is asked. */
static status tell_all(strategy_job *j, packet *p, error *err)
{
    status st = OK;
    const size_t n = packet_get_count(p, 6 * sizeof(double));
    for (size_t i = 0; i < n && st == OK; i++) {
        assay_event e;
        st = take_event(j, p, &e, err);
        if (st == OK) st = tell_both(j, &e, err);
    }
    return st;
}

/* -- Asking -- */

typedef struct batch {
    assay_proposal *proposals; // [want]
    double *x; // [want, n_dimensions]
    size_t want;
} batch;

static status batch_new(const strategy_job *j, uint64_t want, batch *out, error *err)
{
    const size_t d = j->plan.n_dimensions ? (size_t)j->plan.n_dimensions : 1;
    *out = (batch){ .want = (size_t)want };
    out->proposals = calloc(out->want + 1, sizeof *out->proposals);
    out->x = calloc(out->want * d + 1, sizeof *out->x);
    if (!out->proposals || !out->x) return fail_nomem(err, "proposals");
    for (size_t i = 0; i < out->want * d; i++)
        out->x[i] = (double)NAN;
    for (size_t i = 0; i < out->want; i++) {
        out->proposals[i] = (assay_proposal){
            .struct_size = sizeof(assay_proposal), .x = out->x + i * d, .from_trial = ASSAY_NO_TRIAL
        };
    }
    return OK;
}

static void batch_free(batch *b)
{
    free(b->proposals);
    free(b->x);
}

/* Proposals as they come out; the first message has begun with their number. More of them than were wanted are not there to be sent. */
static bool send_proposals(strategy_job *j, const batch *b, size_t n, uint64_t sequence)
{
    const size_t d = (size_t)j->plan.n_dimensions, most = port_chunk(d);
    for (size_t at = 0; at < n || at == 0; at += most) {
        const size_t here = n - at < most ? n - at : most;
        if (at > 0) {
            text_clear(&j->answer);
            packet_u64(&j->answer, sequence);
            packet_u64(&j->answer, OK);
        }
        packet_u64(&j->answer, here);
        for (size_t i = at; i < at + here; i++) {
            packet_real(&j->answer, b->proposals[i].fidelity);
            packet_u64(&j->answer, b->proposals[i].from_trial);
            packet_reals(&j->answer, b->x + i * (d ? d : 1), d);
        }
        if (j->answer.failed || !worker_send(j->io, j->answer.s, j->answer.n)) return false;
    }
    return true;
}

static status ask(strategy_job *j, packet *p, uint64_t sequence, bool *out_sent, error *err)
{
    status st = OK;
    batch b = { 0 };
    uint64_t n = 0, is_over = 0;
    const uint64_t number = packet_get_u64(p), want = packet_get_u64(p);
    instance *i = j->strategy;
    if (!i || p->is_bad) return fail(err, E_INTERNAL, "an ask that cannot be read");
    TRY(batch_new(j, want, &b, err));
    worker_at(j->io, PHASE_STEP, PORT_AT_STRATEGY);
    const int code = j->ops->ask(
        &i->ctx, i->hyper, number, want, b.proposals, sizeof *b.proposals, &n, &is_over);
    TRY(instance_status(i, code, "ask", err));
    packet_u64(&j->answer, n);
    packet_u64(&j->answer, is_over);
    *out_sent = true;
    if (!send_proposals(j, &b, n <= want ? (size_t)n : 0, sequence)) {
        TRY(fail_nomem(err, "an answer"));
    }
done:
    batch_free(&b);
    return st;
}

static status report_both(strategy_job *j, packet *p, error *err)
{
    status st = OK;
    assay_event e;
    uint64_t own = ASSAY_VERDICT_GO, other = ASSAY_VERDICT_GO;
    TRY(take_event(j, p, &e, err));
    if (j->ops->report) {
        instance *i = j->strategy;
        worker_at(j->io, PHASE_STEP, PORT_AT_STRATEGY);
        TRY(instance_status(i, j->ops->report(&i->ctx, i->hyper, &e, &own), "report", err));
    }
    if (j->pruner) {
        instance *i = j->pruner;
        worker_at(j->io, PHASE_STEP, PORT_AT_PRUNER);
        TRY(instance_status(
            i, j->pruner_ops->report(&i->ctx, i->hyper, &e, &other), "report", err));
    }
    packet_u64(&j->answer, own);
    packet_u64(&j->answer, other);
done:
    return st;
}

static status explain(strategy_job *j, packet *p, error *err)
{
    status st = OK;
    char *line = NULL;
    instance *i = j->strategy;
    const uint64_t trial = packet_get_u64(p), bytes = packet_get_u64(p);
    if (!i || p->is_bad || bytes < 1) return fail(err, E_INTERNAL, "a question without a trial");
    const size_t room = bytes < MOST_EXPLAIN ? (size_t)bytes : MOST_EXPLAIN;
    line = calloc(room, 1);
    if (!line) return fail_nomem(err, "a line");
    worker_at(j->io, PHASE_STEP, PORT_AT_STRATEGY);
    if (j->ops->explain) {
        const int code = j->ops->explain(&i->ctx, i->hyper, trial, line, room);
        TRY(instance_status(i, code, "explain", err));
    }
    line[room - 1] = '\0';
    packet_text(&j->answer, line);
done:
    free(line);
    return st;
}

/* -- Answering -- */

static status answer(
    strategy_job *j, packet *p, uint64_t sequence, uint64_t verb, bool *out_sent, error *err)
{
    const status st = tell_all(j, p, err);
    if (st != OK) return st;
    switch (verb) {
    case PORT_MAKE: return make(j, p, err);
    case PORT_OPEN:
        return j->strategy ? open_both(j, err) : fail(err, E_INTERNAL, "no strategy to open");
    case PORT_TELL: return OK;
    case PORT_ASK: return ask(j, p, sequence, out_sent, err);
    case PORT_REPORT: return report_both(j, p, err);
    case PORT_EXPLAIN: return explain(j, p, err);
    default: return fail(err, E_INTERNAL, "nothing goes by the number %d", (int)verb);
    }
}

static void begin_answer(strategy_job *j, uint64_t sequence, status st)
{
    text_clear(&j->answer);
    packet_u64(&j->answer, sequence);
    packet_u64(&j->answer, st);
}

/* False: the host wants no more. */
static bool turn(strategy_job *j)
{
    size_t n;
    error err = { 0 };
    bool is_sent = false;
    const unsigned char *message = worker_receive(j->io, &n);
    if (!message) return false;
    packet p = { .at = message, .end = message + n };
    const uint64_t sequence = packet_get_u64(&p), verb = packet_get_u64(&p);
    if (verb == PORT_CLOSE) return false;
    begin_answer(j, sequence, OK);
    const status st = answer(j, &p, sequence, verb, &is_sent, &err);
    if (st != OK) {
        begin_answer(j, sequence, st);
        packet_text(&j->answer, err.text);
    } else if (is_sent) {
        return true;
    }
    return !j->answer.failed && worker_send(j->io, j->answer.s, j->answer.n);
}

static void close_both(strategy_job *j)
{
    if (j->is_open) {
        worker_at(j->io, PHASE_STEP, PORT_AT_STRATEGY);
        j->ops->close(&j->strategy->ctx);
    }
    if (j->is_pruner_open) {
        worker_at(j->io, PHASE_STEP, PORT_AT_PRUNER);
        j->pruner_ops->close(&j->pruner->ctx);
    }
}

static int run(const void *input, size_t n, worker_io *io)
{
    strategy_job j = { .io = io, .registry = worker_plugins_take(io) };
    (void)input;
    (void)n;
    while (turn(&j)) {
    }
    close_both(&j);
    instance_free(j.strategy);
    instance_free(j.pruner);
    config_free(j.config);
    arena_release(&j.memory);
    text_release(&j.answer);
    free(j.points);
    return 0;
}

const procedure strategy_procedure = { "strategy", run, worker_plugins_find,
    worker_plugins_forget };
