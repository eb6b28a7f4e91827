/* A strategy and its pruner in this process. */
#include "registry/instance.h"
#include "search/port.h"

#include <stdlib.h>

typedef struct direct {
    port port; /* first member */
    const assay_search_plan *plan;
    instance *strategy, *pruner; /* pruner may be NULL */
    const assay_search *ops;
    const assay_pruner *pruner_ops;
    bool is_open, is_pruner_open;
} direct;

static status open_both(port *p, error *err)
{
    direct *d = (direct *)p;
    instance *i = d->strategy;
    int code = d->ops->open(&i->ctx, i->hyper, d->plan);
    d->is_open = code == ASSAY_OK;
    const status st = instance_status(i, code, "open", err);
    if (st != OK || !d->pruner) return st;
    i = d->pruner;
    code = d->pruner_ops->open(&i->ctx, i->hyper, d->plan);
    d->is_pruner_open = code == ASSAY_OK;
    return instance_status(i, code, "open", err);
}

static status ask(port *p, uint64_t number, uint64_t want, assay_proposal *out, uint64_t *out_n,
    uint64_t *out_is_over, error *err)
{
    const direct *d = (direct *)p;
    instance *i = d->strategy;
    const int code = d->ops->ask(
        &i->ctx, i->hyper, number, want, out, sizeof(assay_proposal), out_n, out_is_over);
    return instance_status(i, code, "ask", err);
}

static status tell(port *p, const assay_event *e, error *err)
{
    const direct *d = (direct *)p;
    instance *i = d->strategy;
    int code = d->ops->tell(&i->ctx, i->hyper, e, 1, sizeof *e);
    const status st = instance_status(i, code, "tell", err);
    if (st != OK || !d->pruner) return st;
    i = d->pruner;
    code = d->pruner_ops->tell(&i->ctx, i->hyper, e, 1, sizeof *e);
    return instance_status(i, code, "tell", err);
}

static status settle(port *p, error *err)
{
    (void)p;
    (void)err;
    return OK;
}

static status report_both(
    port *p, const assay_event *e, uint64_t *out_strategy, uint64_t *out_pruner, error *err)
{
    status st = OK;
    const direct *d = (direct *)p;
    if (d->ops->report) {
        instance *i = d->strategy;
        const int code = d->ops->report(&i->ctx, i->hyper, e, out_strategy);
        TRY(instance_status(i, code, "report", err));
    }
    if (d->pruner) {
        instance *i = d->pruner;
        const int code = d->pruner_ops->report(&i->ctx, i->hyper, e, out_pruner);
        TRY(instance_status(i, code, "report", err));
    }
done:
    return st;
}

static status explain(port *p, uint64_t trial, char *out, size_t bytes, error *err)
{
    const direct *d = (direct *)p;
    instance *i = d->strategy;
    out[0] = '\0';
    if (!d->ops->explain) return OK;
    const int code = d->ops->explain(&i->ctx, i->hyper, trial, out, bytes);
    out[bytes - 1] = '\0';
    return instance_status(i, code, "explain", err);
}

static void blame(port *p, const error *why)
{
    (void)p;
    (void)why;
}

static const outcome *no_outcome(const port *p)
{
    (void)p;
    return NULL;
}

static status printed(const port *p, text *out, error *err)
{
    (void)p;
    return text_check(out, err);
}

static void free_both(port *p)
{
    direct *d = (direct *)p;
    if (!d) return;
    if (d->is_open) d->ops->close(&d->strategy->ctx);
    if (d->is_pruner_open) d->pruner_ops->close(&d->pruner->ctx);
    instance_free(d->strategy);
    instance_free(d->pruner);
    free(d);
}

static const port_ops direct_ops = { open_both, ask, tell, settle, report_both, explain, blame,
    no_outcome, printed, free_both };

status port_direct_new(registry *r, config *c, value *strategy, value *pruner, uint64_t seed,
    const assay_search_plan *plan, port **out, error *err)
{
    status st = OK;
    direct *d = calloc(1, sizeof *d);
    if (!d) return fail_nomem(err, "a search");
    *d = (direct){ .port = { .ops = &direct_ops, .at = &strategy->at }, .plan = plan };
    TRY(instance_new(r, c, ASSAY_KIND_SEARCH, strategy, NULL, seed, "search", &d->strategy, err));
    d->ops = d->strategy->component->ops;
    d->port.can = d->ops->can;
    d->port.has_report = d->ops->report != NULL;
    d->port.label = d->strategy->label;
    if (pruner) {
        TRY(instance_new(r, c, ASSAY_KIND_PRUNER, pruner, NULL, seed, "pruner", &d->pruner, err));
        d->pruner_ops = d->pruner->component->ops;
        d->port.pruner_label = d->pruner->label;
    }
    *out = &d->port;
    d = NULL;
done:
    free_both((port *)d);
    return st;
}
