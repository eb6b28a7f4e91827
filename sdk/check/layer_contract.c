/* What a layer owes to the host: sound declarations, errors that are passed on, memory, the forms in which gradients are asked
 * for. */
#include "check/layer_cases.h"

#include "model/init.h"
#include "num/team.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 4, BATCH = 4 };

static const layer_cases everywhere = { .all_settings = true,
    .options = { .max_time = TIME, .max_batch = BATCH } };
static const layer_cases in_any_case = {
    .all_settings = true, .is_first = true, .options = { .max_time = TIME, .max_batch = BATCH }
};
static const layer_cases at_defaults = { .options = { .max_time = TIME, .max_batch = BATCH } };

/* -- plan -- */

static void plan_fault(
    check_report *rep, const layer_rig *r, const layer_array *a, const char *what)
{
    char title[256];
    check_fail(rep, "plan: parameter \"%s\" %s (%s)", a->name, what,
        layer_rig_title(r, title, sizeof title));
}

static void check_param(const layer_rig *r, const layer_array *a, check_report *rep)
{
    const assay_param *p = &a->param;
    init_spec spec;
    error why = { 0 };
    const uint64_t cols = p->shape.dim[p->shape.n_dims - 1];
    char text_of[200];
    if (p->init && init_named(p->init, NULL, &spec, &why) != OK) {
        snprintf(text_of, sizeof text_of, "wants the initialiser \"%.60s\", which there is not",
            p->init);
        plan_fault(rep, r, a, text_of);
    }
    if (p->role < ASSAY_ROLE_WEIGHT || p->role > ASSAY_ROLE_EMBEDDING) {
        plan_fault(rep, r, a, "has no role: expected one of ASSAY_ROLE_...");
    }
    if (p->layout > ASSAY_LAYOUT_TRANSPOSED) plan_fault(rep, r, a, "has an unknown layout");
    if (p->layout == ASSAY_LAYOUT_TRANSPOSED && p->shape.n_dims != 2) {
        plan_fault(rep, r, a, "is laid out transposed, but is no matrix");
    }
    if (p->blocks && cols % p->blocks != 0) {
        plan_fault(rep, r, a, "has blocks that do not divide its columns");
    }
    if ((p->flags & ASSAY_PARAM_TIE_TRANSPOSED) && p->shape.n_dims != 2) {
        plan_fault(rep, r, a, "may be tied transposed, but is no matrix");
    }
    if (!p->init) {
        check_warn(rep, "plan: parameter \"%s\" names no initialiser and begins at zeros", a->name);
    }
    if (p->init && strcmp(p->init, "zeros") == 0 && p->shape.n_dims == 2 &&
        (p->role == ASSAY_ROLE_WEIGHT || p->role == ASSAY_ROLE_RECURRENT)) {
        check_warn(rep, "plan: the weights \"%s\" begin at zeros: equal units stay equal", a->name);
    }
    const bool is_bias = p->role == ASSAY_ROLE_BIAS || p->role == ASSAY_ROLE_GAIN;
    if (!is_bias && p->shape.n_dims > 2 && p->fan_in == 0) {
        check_warn(rep,
            "plan: parameter \"%s\" has %llu dimensions and no fan_in: initialisers take the first "
            "one for it",
            a->name, (unsigned long long)p->shape.n_dims);
    }
}

static void check_names(const layer_rig *r, check_report *rep)
{
    const size_t n = r->n_params + r->n_buffers;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            const layer_array *a = i < r->n_params ? &r->param[i] : &r->buffer[i - r->n_params];
            const layer_array *b = k < r->n_params ? &r->param[k] : &r->buffer[k - r->n_params];
            if (strcmp(a->name, b->name) == 0) plan_fault(rep, r, a, "is declared twice");
        }
    }
}

/* Products of the host are counted; without any, weights that are matrices are taken to be used once a row. */
static void check_macs(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL;
    char title[256];
    (void)layer_rig_title(r, title, sizeof title);
    if (!(r->plan.macs >= 0 && r->plan.macs < 1e18)) {
        check_fail(rep, "plan: macs is %g, expected a number >= 0 (%s)", r->plan.macs, title);
        return;
    }
    if (!layer_begin(r, TIME, BATCH, &p, rep)) {
        layer_pass_free(p);
        return;
    }
    r->counts_gemm = true;
    r->gemm_macs = 0;
    const bool ok = layer_run_forward(p, rep);
    r->counts_gemm = false;
    const double counted = r->gemm_macs / (TIME * BATCH);
    layer_pass_free(p);
    if (!ok || counted == 0) return;
    if (r->plan.macs < counted / 3 || r->plan.macs > 3 * counted) {
        check_warn(rep,
            "plan: macs is %g per sample and step, but forward's calls of gemm_f32 make %g (%s)",
            r->plan.macs, counted, title);
    }
}

static void plan_case(layer_rig *r, check_report *rep)
{
    for (size_t i = 0; i < r->n_params; i++) {
        check_param(r, &r->param[i], rep);
    }
    check_names(r, rep);
    if (rep->outcome != CHECK_FAILED) check_macs(r, rep);
}

/* What is refused is refused with a reason. */
static void check_refusals(const subject *s, check_report *rep)
{
    const layer_signature *g;
    for (size_t i = 0; (g = layer_signature_get(i)); i++) {
        layer_rig *r = NULL;
        error err = { 0 };
        const status st = layer_rig_open(s, "", g, &at_defaults.options, &r, &err);
        layer_rig_free(r);
        if (st == E_UNSUPPORTED && strstr(err.text, "(it gave no reason)")) {
            check_warn(rep,
                "plan refuses an input of %s without a reason: say what was found and what is "
                "expected by host->fail",
                g->name);
        }
    }
}

void check_layer_plan(const subject *s, check_report *rep)
{
    layer_each(s, &in_any_case, plan_case, rep);
    check_refusals(s, rep);
}

/* -- forward -- */

static void scale_inputs(layer_pass *p, float factor)
{
    for (size_t i = 0; i < p->rig->plan.n_in; i++) {
        float *x = p->x[i].at;
        for (size_t k = 0; p->rig->in[i].dtype == ASSAY_F32 && k < layer_pass_x_size(p, i); k++) {
            x[k] *= factor;
        }
    }
}

/* Both directions with inputs of that size; a fault of large ones is a warning. */
static void run_scaled(layer_rig *r, float factor, bool must, check_report *rep)
{
    layer_pass *p = NULL;
    check_report own = { 0 };
    if (layer_begin(r, TIME, BATCH, &p, rep)) {
        layer_pass_carry(p, true);
        scale_inputs(p, factor);
        (void)layer_run(p, &own);
        if (own.outcome == CHECK_FAILED && must) check_fail(rep, "%s", own.message);
        if (own.outcome == CHECK_FAILED && !must) {
            check_warn(rep, "with inputs about %g: %s", (double)factor, own.message);
        }
    }
    layer_pass_free(p);
}

static void forward_case(layer_rig *r, check_report *rep)
{
    run_scaled(r, 1, true, rep);
    run_scaled(r, 0, true, rep);
    run_scaled(r, 20, true, rep);
    run_scaled(r, 1e4F, false, rep);
}

void check_layer_forward(const subject *s, check_report *rep)
{
    layer_each(s, &in_any_case, forward_case, rep);
}

/* -- bounds -- */

static void bounds_case(layer_rig *r, check_report *rep)
{
    static const uint64_t times[] = { TIME, 1, TIME - 1 }, batches[] = { BATCH, 1, 3 };
    for (size_t i = 0; i < 3; i++) {
        layer_pass *p = NULL;
        if (layer_begin(r, times[i], batches[i], &p, rep)) {
            layer_pass_carry(p, i != 1);
            (void)layer_run(p, rep);
        }
        layer_pass_free(p);
    }
}

void check_layer_bounds(const subject *s, check_report *rep)
{
    const layer_cases before = { .all_settings = true,
        .is_first = true,
        .options = { .max_time = TIME, .max_batch = BATCH, .side = GUARD_BEFORE } };
    layer_each(s, &in_any_case, bounds_case, rep);
    if (rep->outcome != CHECK_FAILED) layer_each(s, &before, bounds_case, rep);
}

/* -- out of memory -- */

enum { MOST_REQUESTS = 64 };

/* plan (and create) with the k-th request refused; false when there is no k-th. */
static bool refuse_plan(layer_rig *r, uint64_t alloc, uint64_t declaration, check_report *rep)
{
    layer_rig_options o = r->options;
    layer_rig *again = NULL;
    error err = { 0 };
    o.fail_alloc = alloc;
    o.fail_declaration = declaration;
    const status st = layer_rig_open(r->subject, r->settings, r->signature, &o, &again, &err);
    const bool struck = st != OK || again->was_refused;
    if (st == OK && struck) {
        check_fail(rep,
            "%s number %llu got %s while planning, and plan returns ASSAY_OK all the same: "
            "expected "
            "it to pass on the failure",
            alloc ? "a request for memory" : "a declaration",
            (unsigned long long)(alloc ? alloc : declaration), alloc ? "NULL" : "a negative code");
    }
    layer_rig_free(again);
    return struck && rep->outcome != CHECK_FAILED;
}

/* A call with a request for scratch memory refused. */
static void refuse_scratch(layer_rig *r, check_report *rep)
{
    for (uint64_t k = 1; k < MOST_REQUESTS && rep->outcome != CHECK_FAILED; k++) {
        layer_pass *p = NULL;
        check_report own = { 0 };
        if (!layer_begin(r, TIME, BATCH, &p, rep)) {
            layer_pass_free(p);
            return;
        }
        r->was_refused = false;
        r->options.fail_alloc = r->n_allocs + r->n_scratches + k;
        const bool ok = layer_run(p, &own);
        const bool struck = r->was_refused;
        r->options.fail_alloc = 0;
        if (ok && struck) {
            check_fail(rep,
                "host->scratch gave NULL in forward or backward, and the call returns ASSAY_OK all "
                "the same: expected ASSAY_E_NOMEM");
        }
        layer_pass_free(p);
        if (!struck) return;
    }
}

/* prepare with its k-th request refused. */
static void refuse_prepare(layer_rig *r, check_report *rep)
{
    for (uint64_t k = 1; k < MOST_REQUESTS && rep->outcome != CHECK_FAILED; k++) {
        error err = { 0 };
        r->was_refused = false;
        r->options.fail_alloc = r->n_allocs + r->n_scratches + k;
        const status st = layer_rig_prepare(r, true, &err);
        r->options.fail_alloc = 0;
        if (!r->was_refused) return;
        if (st == OK) {
            check_fail(rep,
                "host->scratch or host->alloc gave NULL in prepare, and the call returns ASSAY_OK "
                "all the same: expected ASSAY_E_NOMEM");
        }
    }
}

static void memory_case(layer_rig *r, check_report *rep)
{
    for (uint64_t k = 1; k < MOST_REQUESTS && refuse_plan(r, k, 0, rep); k++)
        ;
    for (uint64_t k = 1; k < MOST_REQUESTS && refuse_plan(r, 0, k, rep); k++)
        ;
    if (rep->outcome != CHECK_FAILED) refuse_prepare(r, rep);
    if (rep->outcome != CHECK_FAILED) refuse_scratch(r, rep);
}

void check_layer_out_of_memory(const subject *s, check_report *rep)
{
    layer_each(s, &in_any_case, memory_case, rep);
}

/* -- how gradients are asked for -- */

/* What rounding leaves in an element: 2e-6 of itself, and of the partial sums that it is made of, which are as large as the
 * largest elements, the unit of rounding times the root of how many there are: each number of dy may bring one. */
static double rounding_of(const layer_pass *p, const float *alone, size_t n)
{
    double largest = 0;
    for (size_t k = 0; k < n; k++) {
        largest = fmax(largest, fabs((double)alone[k]));
    }
    return 6e-8 * sqrt((double)layer_pass_y_size(p)) * (largest + 2);
}

/* One array of gradients added to what stood there. */
static bool is_added(
    const layer_pass *p, const layer_pass *q, size_t i, const float *before, check_report *rep)
{
    const layer_array *a = &p->rig->param[i];
    const float *alone = p->dparam[i].at, *added = q->dparam[i].at;
    char place[64], title[320];
    const assay_shape shape = p->rig->transposed[i] ? (assay_shape){ 1, { a->n } } : a->param.shape;
    const double rounding = rounding_of(p, alone, a->n);
    for (size_t k = 0; k < a->n; k++) {
        const double expected = (double)before[k] + (double)alone[k];
        const double size = fabs((double)before[k]) + fabs((double)alone[k]);
        if (fabs((double)added[k] - expected) <= 2e-6 * size + rounding) continue;
        check_fail(rep,
            "backward: the gradient of \"%s\" %s is %.7g where io->accumulate is 1 and %.7g stood "
            "there, expected %.7g: with 1 it is added, with 0 overwritten (%s)",
            a->name, layer_place(&shape, 0, k, place, sizeof place), (double)added[k],
            (double)before[k], expected, layer_pass_title(q, title, sizeof title));
        return false;
    }
    return true;
}

static bool again(layer_pass *p, const layer_buffers *b, check_report *rep)
{
    layer_buffers_restore(b);
    return layer_run(p, rep);
}

static bool check_accumulate(
    const layer_pass *p, layer_pass *q, const layer_buffers *b, check_report *rep)
{
    const layer_rig *r = p->rig;
    float *before[LAYER_RIG_MAX] = { NULL };
    bool ok = true;
    for (size_t i = 0; i < r->n_params && ok; i++) {
        before[i] = malloc(q->dparam[i].bytes);
        ok = before[i] != NULL;
        if (!ok) break;
        ugly_numbers(before[i], r->param[i].n, 0.2, 1.9, 300 + i);
        memcpy(q->dparam[i].at, before[i], q->dparam[i].bytes);
        q->accumulate[i] = 1;
    }
    ok = ok && again(q, b, rep);
    for (size_t i = 0; i < r->n_params && ok; i++) {
        ok = is_added(p, q, i, before[i], rep);
    }
    for (size_t i = 0; i < r->n_params; i++) {
        q->accumulate[i] = 0;
        free(before[i]);
    }
    return ok;
}

static const char leave_out[] =
    "a gradient that nobody wants (NULL in io) must leave the other gradients as they are";

static bool check_without(
    const layer_pass *p, layer_pass *q, const layer_buffers *b, check_report *rep)
{
    const layer_rig *r = p->rig;
    bool ok = true;
    for (size_t i = 0; ok && i < r->plan.n_in; i++) {
        float *kept = q->dx_view[i];
        if (!kept) continue;
        q->dx_view[i] = NULL;
        ok = again(q, b, rep) && layer_same(rep, q, p, COMPARE_BACKWARD, 1e-6, leave_out);
        q->dx_view[i] = kept;
    }
    for (size_t i = 0; ok && i <= r->n_params; i++) { /* the last: none of them is trained */
        for (size_t k = 0; k < r->n_params; k++) {
            q->dparam_view[k] = i == k || i == r->n_params ? NULL : q->dparam[k].at;
        }
        ok = again(q, b, rep) && layer_same(rep, q, p, COMPARE_BACKWARD, 1e-6, leave_out);
    }
    for (size_t k = 0; k < r->n_params; k++) {
        q->dparam_view[k] = q->dparam[k].at;
    }
    return ok;
}

static void zero(guarded *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memset(g[i].at, 0, g[i].bytes);
    }
}

/* carry_in and dcarry_out of NULL are zeros; a dcarry_in of NULL is not wanted. */
static bool check_no_carry(layer_pass *p, layer_pass *q, const layer_buffers *b, check_report *rep)
{
    const layer_rig *r = p->rig;
    if (r->n_carry == 0) return true;
    layer_pass_carry(p, true);
    zero(p->carry_in, r->n_carry);
    zero(p->dcarry_out, r->n_carry);
    layer_pass_carry(q, false);
    if (!again(p, b, rep) || !again(q, b, rep)) return false;
    return layer_same(rep, q, p, COMPARE_ALL, 1e-6,
        "where entries of carry_in and dcarry_out are NULL the same is expected as with zeros");
}

static void backward_case(layer_rig *r, check_report *rep)
{
    static const uint32_t lengths[BATCH] = { 2, 4, 1, 3 };
    layer_pass *p = NULL, *q = NULL;
    layer_buffers b = { 0 };
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_buffers_keep(&b, r);
    for (size_t k = 0; ok && k < 2; k++) {
        if (k) layer_pass_lengths(p, lengths);
        if (k) layer_pass_lengths(q, lengths);
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        ok = again(p, &b, rep) && check_accumulate(p, q, &b, rep) && check_without(p, q, &b, rep);
    }
    ok = ok && check_no_carry(p, q, &b, rep);
    layer_buffers_restore(&b);
    layer_buffers_release(&b);
    layer_pass_free(p);
    layer_pass_free(q);
}

void check_layer_backward(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, backward_case, rep);
}

/* -- prepare -- */

static void prepare_case(layer_rig *r, check_report *rep)
{
    const uint64_t seed = r->subject->seed + 40;
    layer_rig *fresh = NULL;
    layer_pass *p = NULL, *q = NULL;
    error err = { 0 };
    if (layer_rig_open(r->subject, r->settings, r->signature, &r->options, &fresh, &err) != OK) {
        layer_fault(rep, r, &err);
        return;
    }
    layer_rig_fill(fresh, seed);
    bool ok = layer_begin(fresh, TIME, BATCH, &q, rep) && layer_begin(r, TIME, BATCH, &p, rep) &&
        layer_run(p, rep) && layer_run(q, rep);
    if (ok) {
        layer_rig_fill(r, seed);
        ok = layer_make_ready(r, true, rep) && layer_run(p, rep) &&
            layer_same(rep, p, q, COMPARE_ALL, 0,
                "after the weights have changed and prepare was called a new instance with these "
                "weights gives something else: what is made of weights stands in prepared memory");
    }
    if (ok) {
        p->io.training = q->io.training = 0;
        layer_rig_fill(r, seed);
        layer_rig_fill(fresh, seed);
        ok = layer_make_ready(r, false, rep) && layer_make_ready(fresh, true, rep) &&
            layer_run_forward(p, rep) && layer_run_forward(q, rep) &&
            layer_same(rep, p, q, COMPARE_FORWARD, 0,
                "in evaluation prepare with training 0 must be enough");
    }
    for (size_t i = 0; ok && i < r->n_params; i++) {
        if (bits_differ(r->param[i].v, fresh->param[i].v, r->param[i].n) == r->param[i].n) continue;
        check_fail(
            rep, "prepare changes parameter \"%s\", which it may only read", r->param[i].name);
        ok = false;
    }
    layer_pass_free(p);
    layer_pass_free(q);
    layer_rig_free(fresh);
}

void check_layer_prepare(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, prepare_case, rep);
}

/* -- threads -- */

enum { N_THREADS = 4, N_ROUNDS = 6 };

typedef struct crowd {
    layer_pass *pass[N_THREADS];
    check_report report[N_THREADS];
} crowd;

static void crowd_piece(void *arg, size_t i)
{
    crowd *c = arg;
    for (size_t k = 0; k < N_ROUNDS && c->report[i].outcome != CHECK_FAILED; k++) {
        (void)layer_run(c->pass[i], &c->report[i]);
    }
}

static bool run_crowd(layer_rig *r, team *t, check_report *rep)
{
    crowd c = { { NULL }, { { 0 } } };
    layer_pass *serial[N_THREADS] = { NULL };
    bool ok = true;
    for (size_t i = 0; ok && i < N_THREADS; i++) {
        ok = layer_begin(r, TIME, BATCH, &c.pass[i], rep) &&
            layer_begin(r, TIME, BATCH, &serial[i], rep);
        if (!ok) break;
        layer_pass_fill(c.pass[i], r->subject->seed + i);
        layer_pass_fill(serial[i], r->subject->seed + i);
        ok = layer_run(serial[i], rep);
    }
    if (ok) team_run(t, N_THREADS, crowd_piece, &c);
    for (size_t i = 0; ok && i < N_THREADS; i++) {
        if (c.report[i].outcome == CHECK_FAILED) check_fail(rep, "%s", c.report[i].message);
        ok = c.report[i].outcome != CHECK_FAILED &&
            layer_same(rep, c.pass[i], serial[i], COMPARE_ALL, 0,
                "four threads on one instance must give the bits of one: forward and backward "
                "write "
                "only what io hands them");
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        layer_pass_free(c.pass[i]);
        layer_pass_free(serial[i]);
    }
    return ok;
}

static void threads_case(layer_rig *r, check_report *rep)
{
    team *before = registry_team(r->subject->registry), *t = NULL;
    error err = { 0 };
    if (r->plan.couples_samples) return; /* one replica */
    if (team_new(N_THREADS, false, &t, &err) != OK) {
        check_skip(rep, "no threads: %s", err.text);
        return;
    }
    registry_set_team(r->subject->registry, t);
    (void)run_crowd(r, t, rep);
    registry_set_team(r->subject->registry, before);
    team_free(t);
}

void check_layer_threads(const subject *s, check_report *rep)
{
    layer_each(s, &at_defaults, threads_case, rep);
}
