/* The identity that does something else in its tenth forward or backward pass. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_layer {
    const char *act, *place;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_layer, act, "nothing", "what it does"),
    ASSAY_STRING(hostile_layer, place, "forward", "plan, forward or backward"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *p)
{
    const struct hostile_layer *h = hyper;
    (void)ctx;
    p->out = assay_plan_in(p, 0)->shape;
    if (strcmp(h->place, "plan") == 0) act(h->act);
    return ASSAY_OK;
}

static uint64_t size_of(const assay_io *io)
{
    return io->time * io->batch * assay_shape_size(io->out_shape);
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    static int n_passes;
    const struct hostile_layer *h = hyper;
    (void)ctx;
    memcpy(io->y, io->x[0], size_of(io) * sizeof(float));
    if (strcmp(h->place, "forward") == 0 && ++n_passes == 10) act(h->act);
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    static int n_passes;
    const struct hostile_layer *h = hyper;
    (void)ctx;
    if (io->dx[0]) memcpy(io->dx[0], io->dy, size_of(io) * sizeof(float));
    if (strcmp(h->place, "backward") == 0 && ++n_passes == 10) act(h->act);
    return ASSAY_OK;
}

ASSAY_LAYER(hostile_layer, "0.1.0", "does something else in one pass",
    ASSAY_HYPERS(hostile_layer, hypers), .plan = plan, .forward = forward, .backward = backward);
