/* Layers over time: states that are carried from window to window, padding, shorter shards than planned. */
#include "check/layer_cases.h"

#include <stdlib.h>
#include <string.h>

enum { TIME = 6, CUT = 2, BATCH = 4 };

static const double cut_tolerance = 2e-5;

static const layer_cases everywhere = {
    .all_settings = true, .pairs = true, .options = { .max_time = TIME, .max_batch = BATCH }
};

/* Copies rows [first, first + n) of steps. */
static void put_steps(void *to, const void *from, uint64_t first, uint64_t n, size_t per_step)
{
    memcpy((char *)to + first * per_step * sizeof(float), from, n * per_step * sizeof(float));
}

static void put_window(layer_pass *out, const layer_pass *window, uint64_t first)
{
    const layer_rig *r = out->rig;
    const uint64_t n = window->io.time, batch = out->io.batch;
    const bool is_one = r->plan.time_mode == ASSAY_TIME_ONE;
    put_steps(out->y.at, window->y.at, is_one ? 0 : first, window->io.time_out,
        batch * assay_shape_size(&r->plan.out));
    for (size_t i = 0; i < r->plan.n_in; i++) {
        put_steps(
            out->dx[i].at, window->dx[i].at, first, n, batch * assay_shape_size(&r->in_shape[i]));
    }
}

static void copy_state(const layer_rig *r, guarded *to, const guarded *from)
{
    for (size_t i = 0; i < r->n_carry; i++) {
        memcpy(to[i].at, from[i].at, from[i].bytes);
    }
}

/* The gradients of the two windows, the later one first; dy of what a single output has no part in is 0. */
static bool back_through(layer_pass *first, layer_pass *second, layer_pass *out, check_report *rep)
{
    const layer_rig *r = out->rig;
    if (r->plan.time_mode == ASSAY_TIME_ONE) memset(first->dy.at, 0, first->dy.bytes);
    if (!layer_run_backward(second, rep)) return false;
    copy_state(r, first->dcarry_out, second->dcarry_in);
    for (size_t i = 0; i < r->n_params; i++) {
        memcpy(first->dparam[i].at, second->dparam[i].at, second->dparam[i].bytes);
        first->accumulate[i] = 1;
    }
    if (!layer_run_backward(first, rep)) return false;
    for (size_t i = 0; i < r->n_params; i++) {
        memcpy(out->dparam[i].at, first->dparam[i].at, first->dparam[i].bytes);
    }
    copy_state(r, out->dcarry_in, first->dcarry_in);
    return true;
}

static const char carry_meaning[] = "two windows, the second with the state that the first has "
                                    "left in carry_out, must give what the "
                                    "whole sequence gives";

/* One sequence whole, and in two windows. */
static bool split(layer_rig *r, uint64_t cut, bool training, check_report *rep)
{
    layer_pass *whole = NULL, *out = NULL, *first = NULL, *second = NULL;
    bool ok = layer_begin(r, TIME, BATCH, &whole, rep) && layer_begin(r, TIME, BATCH, &out, rep) &&
        layer_begin(r, cut, BATCH, &first, rep) &&
        layer_begin(r, TIME - cut, BATCH, &second, rep) && layer_make_ready(r, training, rep);
    if (ok) {
        layer_pass *const all[] = { whole, out, first, second };
        for (size_t i = 0; i < 4; i++) {
            layer_pass_carry(all[i], true);
            all[i]->io.training = training;
        }
        layer_pass_take(first, whole, 0, 0);
        layer_pass_take(second, whole, cut, 0);
        ok = layer_run_forward(whole, rep) && layer_run_forward(first, rep);
    }
    if (ok) {
        copy_state(r, second->carry_in, first->carry_out);
        ok = layer_run_forward(second, rep);
    }
    if (ok) {
        put_window(out, first, 0);
        put_window(out, second, cut);
        copy_state(r, out->carry_out, second->carry_out);
        ok = layer_same(rep, out, whole, COMPARE_FORWARD, 1e-6, carry_meaning);
    }
    if (ok && training && layer_run_backward(whole, rep) && back_through(first, second, out, rep)) {
        put_window(out, second, cut);
        put_window(out, first, 0);
        ok = layer_same(rep, out, whole, COMPARE_BACKWARD, cut_tolerance, carry_meaning);
    }
    layer_pass_free(whole);
    layer_pass_free(out);
    layer_pass_free(first);
    layer_pass_free(second);
    return ok;
}

static void carry_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL;
    if (r->n_carry == 0 || r->plan.looks_ahead || r->plan.looks_back) {
        if (!r->settings[0])
            check_skip(rep, "the layer carries no state at its defaults, or not all that it needs");
        return;
    }
    const bool draws = layer_begin(r, 1, 1, &p, rep) && layer_draws(p, rep);
    layer_pass_free(p);
    if (rep->outcome == CHECK_FAILED || !split(r, CUT, false, rep)) return;
    if (!draws) (void)(split(r, CUT, true, rep) && split(r, TIME / 2, true, rep));
}

void check_layer_carry(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, carry_case, rep);
}

/* -- padding -- */

static const uint32_t lengths[BATCH] = { 3, 6, 1, 0 };

/* Other numbers in the padding of x. */
static void spoil_padding(layer_pass *p)
{
    const layer_rig *r = p->rig;
    for (size_t i = 0; i < r->plan.n_in; i++) {
        const size_t n = assay_shape_size(&r->in_shape[i]);
        for (uint64_t row = 0; row < p->io.time * p->io.batch; row++) {
            float *x = (float *)p->x[i].at + row * n;
            if (!layer_pass_is_padding(p, row / p->io.batch, row % p->io.batch)) continue;
            if (r->in[i].dtype == ASSAY_F32) ugly_numbers(x, n, 0.3, 4.1, row + 11);
        }
    }
}

/* A result array without what belongs to padding: such rows are made equal. */
static void blank(const layer_pass *p, const layer_pass *q, const guarded *a, const guarded *b,
    uint64_t time, size_t n)
{
    (void)q;
    for (uint64_t row = 0; row < time * p->io.batch; row++) {
        if (!layer_pass_is_padding(p, row / p->io.batch, row % p->io.batch)) continue;
        memset((float *)a->at + row * n, 0, n * sizeof(float));
        memset((float *)b->at + row * n, 0, n * sizeof(float));
    }
}

static void blank_y(const layer_pass *p, const layer_pass *q)
{
    if (p->rig->plan.time_mode != ASSAY_TIME_SAME) return;
    blank(p, q, &p->y, &q->y, p->io.time, assay_shape_size(&p->rig->plan.out));
}

static bool padding_has_no_gradient(const layer_pass *p, check_report *rep)
{
    const layer_rig *r = p->rig;
    char place[64], title[320];
    for (size_t i = 0; i < r->plan.n_in; i++) {
        const size_t n = assay_shape_size(&r->in_shape[i]);
        const float *dx = p->dx_view[i];
        for (size_t k = 0; dx && k < layer_pass_x_size(p, i); k++) {
            const size_t row = k / n;
            if (dx[k] == 0 || !layer_pass_is_padding(p, row / p->io.batch, row % p->io.batch)) {
                continue;
            }
            check_fail(rep,
                "backward: dx[%zu] %s is %g, but that step is padding (io->length), on which no "
                "real "
                "output may depend: expected 0, or the gradient leaks into the layers below (%s)",
                i, layer_place(&r->in_shape[i], p->io.batch, k, place, sizeof place), (double)dx[k],
                layer_pass_title(p, title, sizeof title));
            return false;
        }
    }
    return true;
}

/* Each sample cut to its length must come out the same by itself. */
static bool alone(const layer_pass *p, uint64_t b, check_report *rep)
{
    layer_pass *one = NULL, *from = NULL;
    layer_rig *r = p->rig;
    bool ok = layer_begin(r, lengths[b], 1, &one, rep) &&
        layer_begin(r, lengths[b], 1, &from, rep) && layer_make_ready(r, false, rep);
    if (ok) {
        layer_pass_take(one, p, 0, b);
        layer_pass_carry(one, true);
        layer_pass_carry(from, true);
        one->io.training = from->io.training = 0;
        ok = layer_run_forward(one, rep);
    }
    if (ok) {
        const size_t n = assay_shape_size(&r->plan.out);
        for (uint64_t t = 0; t < one->io.time_out; t++) {
            memcpy((float *)from->y.at + t * n, (const float *)p->y.at + (t * p->io.batch + b) * n,
                n * sizeof(float));
        }
        for (size_t i = 0; i < r->n_carry; i++) {
            memcpy(from->carry_out[i].at, (const float *)p->carry_out[i].at + b * r->carry[i],
                r->carry[i] * sizeof(float));
        }
        ok = layer_same(rep, from, one, COMPARE_FORWARD, cut_tolerance,
            "a sample with padding behind it (io->length) must give what it gives cut to its "
            "length");
    }
    layer_pass_free(one);
    layer_pass_free(from);
    return ok;
}

/* carry_out of a sample without real steps is its carry_in. */
static bool ended_keeps_state(const layer_pass *p, check_report *rep)
{
    const layer_rig *r = p->rig;
    char title[320];
    for (size_t i = 0; i < r->n_carry; i++) {
        const size_t n = r->carry[i];
        const assay_shape shape = { 1, { n } };
        const comparison c = { .op = "forward",
            .name = "carry_out of a sample without real steps, ",
            .own = r->carry_name[i],
            .meaning = "the state of carry_in must stay as it is",
            .title = layer_pass_title(p, title, sizeof title),
            .shape = &shape };
        if (!compare_arrays(rep, &c, (const float *)p->carry_out[i].at + (BATCH - 1) * n,
                (const float *)p->carry_in[i].at + (BATCH - 1) * n, n)) {
            return false;
        }
    }
    return true;
}

static bool run_padded(layer_pass *p, bool training, const layer_buffers *b, check_report *rep)
{
    layer_buffers_restore(b);
    p->io.training = training;
    return layer_make_ready(p->rig, training, rep) && layer_run_forward(p, rep) &&
        (!training || layer_run_backward(p, rep));
}

static void padding_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL;
    layer_buffers b = { 0 };
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_buffers_keep(&b, r);
    if (ok) {
        layer_pass_lengths(p, lengths);
        layer_pass_lengths(q, lengths);
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        spoil_padding(q);
        ok = run_padded(p, true, &b, rep) && run_padded(q, true, &b, rep) &&
            padding_has_no_gradient(p, rep) && ended_keeps_state(p, rep);
    }
    if (ok) {
        blank_y(p, q);
        ok = layer_same(rep, q, p, COMPARE_ALL, 1e-6,
            "results of real steps must not change with what stands in padding (io->length)");
    }
    ok = ok && run_padded(p, false, &b, rep);
    for (uint64_t k = 0; ok && k < BATCH; k++) {
        ok = lengths[k] == 0 || alone(p, k, rep);
    }
    layer_buffers_restore(&b);
    layer_buffers_release(&b);
    layer_pass_free(p);
    layer_pass_free(q);
}

void check_layer_padding(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, padding_case, rep);
}

/* -- sizes -- */

/* The same shard with a plan of exactly its size and with a larger one. */
static bool same_size(layer_rig *large, uint64_t time, uint64_t batch, check_report *rep)
{
    layer_rig *exact = NULL;
    layer_pass *p = NULL, *q = NULL;
    error err = { 0 };
    layer_rig_options o = large->options;
    o.max_time = time;
    o.max_batch = batch;
    bool ok = true;
    if (layer_rig_open(large->subject, large->settings, large->signature, &o, &exact, &err) != OK) {
        if (err.code == E_UNSUPPORTED || err.code == E_RANGE) return true;
        layer_fault(rep, large, &err);
        return false;
    }
    ok = layer_begin(large, time, batch, &p, rep) && layer_begin(exact, time, batch, &q, rep);
    if (ok) {
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        layer_buffers b = { 0 };
        ok = layer_buffers_keep(&b, large) && layer_run(p, rep) && layer_run(q, rep);
        layer_buffers_restore(&b);
        layer_buffers_release(&b);
    }
    ok = ok &&
        layer_same(rep, p, q, COMPARE_ALL, 1e-6,
            "a plan for more steps and samples (max_time, max_batch) than io brings must give the "
            "same");
    layer_pass_free(p);
    layer_pass_free(q);
    layer_rig_free(exact);
    return ok;
}

static void sizes_case(layer_rig *r, check_report *rep)
{
    (void)(same_size(r, 1, 1, rep) && same_size(r, 1, BATCH, rep) && same_size(r, TIME, 1, rep) &&
        same_size(r, TIME - 1, BATCH - 1, rep));
}

void check_layer_sizes(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, sizes_case, rep);
}
