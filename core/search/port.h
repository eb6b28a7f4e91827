/* What the engine asks of a strategy and its pruner, wherever they are: in this process (port_direct.c), or in one of their own
 * (port_remote.c). Private to the room.
 *
 * What comes back is checked for its form here; what it means, and whether it may be, is the engine's to say. */
#ifndef ASSAY_CORE_SEARCH_PORT_H
#define ASSAY_CORE_SEARCH_PORT_H

#include "registry/registry.h"
#include "search/strategy_job.h"

typedef struct port port;

typedef struct port_ops {
    /* Begins both; the engine has seen what the strategy can do. */
    status (*open)(port *p, error *err);
    /* Up to `want` proposals, which the caller has filled in as the contract says. */
    status (*ask)(port *p, uint64_t number, uint64_t want, assay_proposal *out, uint64_t *out_n,
        uint64_t *out_is_over, error *err);
    /* To both; it may be kept back until something else is asked, or `settle`. */
    status (*tell)(port *p, const assay_event *e, error *err);
    status (*settle)(port *p, error *err);
    /* The verdicts of both; GO of one that has none to give. */
    status (*report)(
        port *p, const assay_event *e, uint64_t *out_strategy, uint64_t *out_pruner, error *err);
    status (*explain)(port *p, uint64_t trial, char *out, size_t bytes, error *err);
    /* An answer that may not be: nothing more is asked of it. */
    void (*blame)(port *p, const error *why);
    const outcome *(*outcome)(const port *p);
    status (*printed)(const port *p, text *out, error *err);
    void (*free)(port *p);
} port_ops;

struct port {
    const port_ops *ops;
    uint64_t can; /* ASSAY_SEARCH_... */
    bool has_report; /* the strategy looks at trials on their way */
    const char *label, *pruner_label; /* `search "tpe"`; NULL: there is no pruner */
    const origin *at; /* of the strategy's block */
};

status port_direct_new(registry *r, config *c, value *strategy, value *pruner, uint64_t seed,
    const assay_search_plan *plan, port **out, error *err) MUST_CHECK;

status port_remote_new(const search_place *place, config *c, value *strategy, value *pruner,
    uint64_t seed, const assay_search_plan *plan, port **out, error *err) MUST_CHECK;

/* What travels to and from a process, in this order: a number that the answer repeats, the verb, the events before it. */
typedef enum port_verb {
    PORT_MAKE =
        1, /* seed, plugins, strategy, pruner, plan: can, has_report, labels, the blocks as they were bound */
    PORT_OPEN,
    PORT_TELL, /* nothing but events */
    PORT_ASK, /* number, want: n, is_over, and proposals, in as many messages as it takes */
    PORT_REPORT, /* an event: two verdicts */
    PORT_EXPLAIN, /* trial, bytes: a text */
    PORT_CLOSE, /* no answer: the process ends */
} port_verb;

/* Who is being called, on the worker's page of itself. */
enum { PORT_AT_STRATEGY = 1, PORT_AT_PRUNER = 2 };

/* How many proposals go into one message of an answer. */
size_t port_chunk(size_t n_dimensions);

#endif
