/* A layer in a real model that learns, and how fast it is. */
#include "check/layer_cases.h"

#include "base/clock.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- training -- */

/* Small runs, from the plainest on; %s is the layer's block without its closing brace. */
static const char *const runs[] = {
    /* rows of numbers */
    "data = { type = \"blobs\"; samples = 240; features = 4; box = 2; standardize = true; "
    "batch_size = 20; "
    "};"
    "model = ( { type = \"dense\"; units = 8; name = \"first\"; }, %s },"
    "  { type = \"dense\"; units = 3; name = \"last\"; } ); loss = \"softmax_xent\";",
    /* two inputs */
    "data = { type = \"blobs\"; samples = 240; features = 4; box = 2; standardize = true; "
    "batch_size = 20; "
    "};"
    "model = ( { type = \"dense\"; units = 8; name = \"first\"; },"
    "  { type = \"dense\"; units = 8; name = \"second\"; from = ( \"input\" ); },"
    "  %s from = ( \"first\", \"second\" ); },"
    "  { type = \"dense\"; units = 3; name = \"last\"; } ); loss = \"softmax_xent\";",
    /* tokens, a target at every step */
    "data = { type = \"copy_memory\"; samples = 240; length = 3; copied = 2; symbols = 4;"
    "  batch_size = 20; };"
    "model = ( %s }, { type = \"dense\"; units = 6; name = \"last\"; } ); loss = \"softmax_xent\";",
};

/* Sequences, one target each: where the layer keeps the steps the last one is taken. */
static const char *const sequence_runs[] = {
    "data = { type = \"adding\"; samples = 240; length = 6; batch_size = 20; };"
    "model = ( %s }, { type = \"last_step\"; }, { type = \"dense\"; units = 1; name = \"last\"; } "
    ");"
    "loss = \"mse\";",
    "data = { type = \"adding\"; samples = 240; length = 6; batch_size = 20; };"
    "model = ( %s }, { type = \"dense\"; units = 1; name = \"last\"; } ); loss = \"mse\";",
};

enum { N_RUNS = sizeof runs / sizeof runs[0], N_SEQUENCE_RUNS = 2, N_STEPS = 150 };

/* The layer's block with everything at its default, open at the end. */
static status block_text(const subject *s, text *t, error *err)
{
    specimen p;
    status st = specimen_open(s, "", &p, err);
    if (st != OK) return st;
    value_to_text(p.instance->block, t);
    specimen_close(&p);
    st = text_check(t, err);
    while (st == OK && t->n > 0 && t->s[t->n - 1] != '}') {
        t->s[--t->n] = '\0';
    }
    if (st == OK && t->n > 0) t->s[--t->n] = '\0';
    if (st == OK) text_add(t, " name = \"tested\";");
    return text_check(t, err);
}

static status training_loss(trainer *t, double *out, error *err)
{
    const evaluator_options o = { 0 };
    const record_value *values = NULL;
    const status st = trainer_evaluate(t, PART_TRAIN, &o, &values, err);
    if (st == OK) *out = values[0].value;
    return st;
}

/* One run; loss before and after. E_UNSUPPORTED and the like where the model cannot be planned: *out_began stays false. */
static status train(const subject *s, const char *run, const char *block, double lr,
    double *out_first, double *out_last, bool *out_began, error *err)
{
    const trainer_options o = { 0 };
    text t = { 0 };
    config *c = NULL;
    trainer *trained = NULL;
    status st = OK;
    const char *hole = strstr(run, "%s");
    text_add_bytes(&t, run, (size_t)(hole - run));
    text_add(&t, block);
    text_add(&t, hole + 2);
    text_printf(
        &t, " optimizer = { type = \"sgd\"; lr = %g; }; seed = 1; train = { epochs = 100; };", lr);
    TRY(text_check(&t, err));
    TRY(config_parse("the kit's run", t.s, &c, err));
    TRY(trainer_new(s->registry, c, &o, &trained, err));
    *out_began = true;
    TRY(training_loss(trained, out_first, err));
    for (size_t i = 0; i < N_STEPS; i++) {
        TRY(trainer_step(trained, err));
    }
    TRY(training_loss(trained, out_last, err));
done:
    trainer_free(trained);
    config_free(c);
    text_release(&t);
    return st;
}

/* At its defaults, with the first inputs that it takes. */
static bool is_surrogate(const subject *s)
{
    const layer_rig_options o = { .max_time = 4, .max_batch = 4 };
    const layer_signature *g;
    for (size_t i = 0; (g = layer_signature_get(i)); i++) {
        layer_rig *r = NULL;
        error err = { 0 };
        if (layer_rig_open(s, "", g, &o, &r, &err) != OK) continue;
        const bool is = r->plan.surrogate != 0;
        layer_rig_free(r);
        return is;
    }
    return false;
}

/* Whether the loss of this run falls with a large or a small step; true, too, where it cannot begin. Of a surrogate nothing is
 * asked but that it runs. */
static bool learns(
    const subject *s, const char *run, const char *block, bool *out_began, check_report *rep)
{
    static const double rates[] = { 0.05, 0.005 };
    double first = 0, last = 0;
    error err = { 0 };
    for (size_t i = 0; i < 2; i++) {
        const status st = train(s, run, block, rates[i], &first, &last, out_began, &err);
        if (!*out_began) return true;
        if (st != OK && st != E_NUMERIC) {
            check_fail(rep, "in a small model: %s", err.text);
            return false;
        }
        if (st == OK && last < 0.97 * first) return true;
    }
    if (is_surrogate(s)) {
        check_skip(rep,
            "a small model with this layer does not learn, which is nothing against it: plan sets "
            "surrogate, and a gradient that is reversed, say, leads uphill");
        return true;
    }
    check_fail(rep,
        "a small model with this layer does not learn: after %d steps of sgd (lr %g) the loss is "
        "%.4g, "
        "and began at %.4g (%.60s ...)",
        N_STEPS, rates[1], last, first, run);
    return false;
}

/* A run needs built-in components: without them there is nothing to say. */
static bool has_builtins(const subject *s, check_report *rep)
{
    const component *c = NULL;
    error err = { 0 };
    if (registry_find(s->registry, ASSAY_KIND_DATASET, "blobs", NULL, &c, &err) == OK &&
        registry_find(s->registry, ASSAY_KIND_LAYER, "dense", NULL, &c, &err) == OK) {
        return true;
    }
    check_skip(rep, "the built-in components that the run needs are not there: %s", err.text);
    return false;
}

void check_layer_training(const subject *s, check_report *rep)
{
    text block = { 0 };
    error err = { 0 };
    size_t n_begun = 0;
    bool ok = has_builtins(s, rep) && !layer_is_broken(s);
    if (!ok) layer_tell_broken(rep); /* after any other reason not to run */
    if (ok && block_text(s, &block, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; ok && i < N_RUNS; i++) {
        bool began = false;
        ok = rep->outcome != CHECK_FAILED && learns(s, runs[i], block.s, &began, rep);
        n_begun += began;
    }
    for (size_t i = 0, begun = 0; ok && i < N_SEQUENCE_RUNS && !begun; i++) {
        bool began = false;
        ok = learns(s, sequence_runs[i], block.s, &began, rep);
        begun += began;
        n_begun += began;
    }
    if (ok && n_begun == 0) check_skip(rep, "the layer fits into none of the small models");
    text_release(&block);
}

/* -- speed -- */

enum { SPEED_TIME = 16, SPEED_BATCH = 64, SPEED_UNITS = 128 };

typedef struct speed {
    double forward_ns, backward_ns; /* per sample and step */
    double macs;
} speed;

/* Products with the host's own, as soon as they are asked for. */
static int timed_grad_gemm(const assay_io *io, uint64_t i_param, uint64_t rows, const float *a,
    uint64_t lda, const float *b, uint64_t ldb)
{
    const layer_pass *p = io->host_data;
    const layer_rig *r = p->rig;
    const assay_shape *shape = &r->param[i_param].param.shape;
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_a = 1,
        .m = shape->dim[0],
        .n = shape->dim[1],
        .k = rows,
        .alpha = 1,
        .a = a,
        .lda = lda,
        .b = b,
        .ldb = ldb,
        .c = io->dparam[i_param],
        .ldc = shape->dim[1] };
    r->real->gemm_f32(&r->specimen.instance->ctx, &g);
    return ASSAY_OK;
}

/* The fastest of some calls within a tenth of a second. */
static bool best_of(layer_pass *p, bool backward, double *out_ns, check_report *rep)
{
    const layer_rig *r = p->rig;
    instance *i = r->specimen.instance;
    error err = { 0 };
    double best = INFINITY, spent = 0;
    for (size_t k = 0; k < 200 && (k < 3 || spent < 0.1); k++) {
        if (backward && !layer_run_forward(p, rep)) return false;
        const double begin = clock_thread_cpu_s();
        const int code = backward ? r->ops->backward(&i->ctx, i->hyper, &p->io)
                                  : r->ops->forward(&i->ctx, i->hyper, &p->io);
        const double took = clock_thread_cpu_s() - begin;
        if (instance_status(i, code, backward ? "backward" : "forward", &err) != OK) {
            check_fail(rep, "%s", err.text);
            return false;
        }
        best = fmin(best, took);
        spent += took;
    }
    *out_ns = 1e9 * best / (double)(p->io.time * p->io.batch);
    return true;
}

static bool measure(layer_rig *r, speed *out, check_report *rep)
{
    layer_pass *p = NULL;
    bool ok = layer_begin(r, SPEED_TIME, SPEED_BATCH, &p, rep);
    out->macs = r->plan.macs;
    if (ok) {
        p->is_unwatched = true;
        p->io.grad_gemm = timed_grad_gemm;
        ok = best_of(p, false, &out->forward_ns, rep) && best_of(p, true, &out->backward_ns, rep);
    }
    layer_pass_free(p);
    return ok;
}

static const layer_signature wide[] = {
    { "128 numbers", 1, { { { 1, { SPEED_UNITS } }, 0 } } },
    { "two inputs of 128 numbers", 2,
        { { { 1, { SPEED_UNITS } }, 0 }, { { 1, { SPEED_UNITS } }, 0 } } },
    { "tokens below 128", 1, { { { 1, { 1 } }, SPEED_UNITS } } },
    { "8 x 16 x 16 numbers", 1, { { { 3, { 8, 16, 16 } }, 0 } } },
};

static const char *speed_settings(const component *c)
{
    return hyper_find(&c->hypers, "units") ? "units = 128;"
        : hyper_find(&c->hypers, "size")   ? "size = 128;"
                                           : "";
}

/* The built-in that it is compared with: a subject like another. */
static bool measure_other(const subject *s, const char *id, speed *out)
{
    const layer_rig_options o = { .max_time = SPEED_TIME, .max_batch = SPEED_BATCH };
    subject other = *s;
    layer_rig *r = NULL;
    error err = { 0 };
    check_report own = { 0 };
    if (registry_find(s->registry, ASSAY_KIND_LAYER, id, NULL, &other.component, &err) != OK) {
        return false;
    }
    const bool ok = layer_rig_open(&other, "units = 128;", &wide[0], &o, &r, &err) == OK &&
        measure(r, out, &own);
    layer_rig_free(r);
    return ok;
}

static void tell_speed(const subject *s, const layer_rig *r, const speed *own, check_report *rep)
{
    speed other;
    const bool carries = r->n_carry > 0;
    check_measure(rep, "forward", own->forward_ns, "ns per sample and step");
    check_measure(rep, "backward", own->backward_ns, "ns per sample and step");
    if (own->macs > 0) {
        check_measure(rep, "forward, declared work", 2 * own->macs / own->forward_ns, "GF/s");
    }
    if (!measure_other(s, carries ? "lstm" : "dense", &other)) return;
    check_measure(rep, carries ? "forward of lstm" : "forward of dense", other.forward_ns,
        "ns per sample and step");
    check_measure(rep, carries ? "backward of lstm" : "backward of dense", other.backward_ns,
        "ns per sample and step");
}

void check_layer_speed(const subject *s, check_report *rep)
{
    const layer_rig_options o = { .max_time = SPEED_TIME, .max_batch = SPEED_BATCH };
    error err = { 0 };
    speed own;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        layer_rig *r = NULL;
        const status st = layer_rig_open(s, speed_settings(s->component), &wide[i], &o, &r, &err);
        if (st != OK) continue;
        if (measure(r, &own, rep)) tell_speed(s, r, &own, rep);
        layer_rig_free(r);
        return;
    }
    check_skip(rep, "the layer takes none of the inputs that are timed: %s", err.text);
}
