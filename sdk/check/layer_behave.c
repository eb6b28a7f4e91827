/* What a layer's results may depend on: not on what was computed before, on random numbers in evaluation, on how a batch is cut, on
 * other samples unless declared, on later or earlier steps unless declared. */
#include "check/layer_cases.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TIME = 4, BATCH = 5 };

/* Of results that are made of the same numbers in another order or cut. */
static const double cut_tolerance = 2e-5;

static const layer_cases everywhere = { .all_settings = true,
    .options = { .max_time = TIME, .max_batch = BATCH } };

/* -- the same again -- */

/* Another call in between, of other numbers, must leave no trace. */
static bool run_other(layer_pass *p, check_report *rep)
{
    layer_pass *other = NULL;
    const bool ok = layer_begin(p->rig, TIME - 1, BATCH - 1, &other, rep);
    if (ok) layer_pass_fill(other, p->rig->subject->seed + 500);
    if (ok) layer_pass_carry(other, true);
    const bool ran = ok && layer_run(other, rep);
    layer_pass_free(other);
    return ran;
}

static void repeat_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL;
    layer_buffers b = { 0 };
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_buffers_keep(&b, r);
    if (ok) {
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        ok = layer_run(p, rep);
        layer_buffers_restore(&b);
        ok = ok && run_other(p, rep);
        layer_buffers_restore(&b);
        ok = ok && layer_run(q, rep);
    }
    if (ok) {
        (void)layer_same(rep, q, p, COMPARE_ALL, 0,
            "the same call again must give the same bits, whatever was computed in between: "
            "nothing "
            "is kept in variables of the file or at ctx->self");
    }
    layer_buffers_restore(&b);
    layer_buffers_release(&b);
    layer_pass_free(p);
    layer_pass_free(q);
}

void check_layer_repeat(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, repeat_case, rep);
}

/* -- evaluation -- */

static void evaluation_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL, *t = NULL;
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_begin(r, TIME, BATCH, &t, rep) && layer_make_ready(r, false, rep);
    if (ok) {
        p->io.training = q->io.training = 0;
        q->io.draw = 9173;
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        layer_pass_carry(t, true);
        ok = layer_run_forward(p, rep) && layer_run_forward(q, rep) &&
            layer_same(rep, q, p, COMPARE_FORWARD, 0,
                "in evaluation (io->training 0) nothing may depend on io->draw");
    }
    const bool draws = ok && layer_draws(t, rep);
    if (ok && !draws && !r->plan.couples_samples && layer_make_ready(r, true, rep) &&
        layer_run_forward(t, rep)) {
        check_report own = { 0 };
        if (!layer_same(&own, p, t, COMPARE_FORWARD, 1e-6,
                "evaluation differs from training although the layer draws no random numbers and "
                "couples no samples")) {
            check_warn(rep, "%s", own.message);
        }
    }
    layer_pass_free(p);
    layer_pass_free(q);
    layer_pass_free(t);
}

void check_layer_evaluation(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, evaluation_case, rep);
}

/* -- random numbers -- */

static bool differs(const layer_pass *p, const layer_pass *q)
{
    const size_t n = layer_pass_y_size(p);
    return bits_differ(p->y.at, q->y.at, n) < n;
}

enum { N_DRAWS = 400 };

/* Training output with these inputs and this stream, in out[] of the caller. */
static bool output_of(layer_pass *p, const float *x, uint64_t draw, float *out, check_report *rep)
{
    memcpy(p->x[0].at, x, p->x[0].bytes);
    p->io.draw = draw;
    if (!layer_run_forward(p, rep)) return false;
    memcpy(out, p->y.at, p->y.bytes);
    return true;
}

/* Whether the output is affine in the input for given random numbers: f(a) + f(b) = f(a + b) + f(0). Of others the mean need
 * not be what evaluation gives. Leaves x as it was. */
static bool is_affine(layer_pass *p, check_report *rep)
{
    const size_t n_x = layer_pass_x_size(p, 0), n_y = layer_pass_y_size(p);
    float *x = calloc(4 * n_x, sizeof *x), *y = calloc(4 * n_y, sizeof *y);
    bool is = x && y;
    if (is) {
        float *a = x, *b = x + n_x, *sum = x + 2 * n_x;
        memcpy(a, p->x[0].at, p->x[0].bytes);
        ugly_numbers(b, n_x, 0.2, 1.7, p->rig->subject->seed + 91);
        for (size_t i = 0; i < n_x; i++) {
            sum[i] = a[i] + b[i];
        }
        for (size_t k = 0; is && k < 4; k++) {
            is = output_of(p, x + k * n_x, p->io.draw, y + k * n_y, rep);
        }
        for (size_t i = 0; is && i < n_y; i++) {
            const double left = (double)y[i] + (double)y[n_y + i],
                         right = (double)y[2 * n_y + i] + (double)y[3 * n_y + i];
            is = fabs(left - right) <= 1e-5 * (fabs((double)y[i]) + fabs((double)y[n_y + i]) + 1);
        }
        memcpy(p->x[0].at, a, p->x[0].bytes);
    }
    free(x);
    free(y);
    return is;
}

/* How large a training output is along the one of evaluation: 1 on average where the scale is right. */
static double share_of(const layer_pass *p, const float *expected)
{
    const float *y = p->y.at;
    double along = 0, square = 0;
    for (size_t i = 0; i < layer_pass_y_size(p); i++) {
        along += (double)y[i] * (double)expected[i];
        square += (double)expected[i] * (double)expected[i];
    }
    return square > 0 ? along / square : 1;
}

static void compare_mean(layer_pass *p, const float *expected, check_report *rep)
{
    char title[320];
    double sum = 0, squares = 0;
    for (uint64_t k = 0; k < N_DRAWS; k++) {
        p->io.draw = 5000 + k;
        if (!layer_run_forward(p, rep)) return;
        const double share = share_of(p, expected);
        sum += share;
        squares += share * share;
    }
    const double mean = sum / N_DRAWS,
                 error_of_mean = sqrt(fmax(0, squares / N_DRAWS - mean * mean) / N_DRAWS);
    if (fabs(mean - 1) <= 5 * error_of_mean + 1e-4) return;
    check_fail(rep,
        "forward: over %d draws the output in training is on average %.4g times that of "
        "evaluation (standard error %.2g), expected 1: scale what is kept, by 1 / (1 - rate) for "
        "dropout (%s)",
        N_DRAWS, mean, error_of_mean, layer_pass_title(p, title, sizeof title));
}

/* The mean over random numbers must be what evaluation gives, where it can be told. */
static void mean_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL;
    float *expected = NULL;
    if (r->plan.couples_samples || r->plan.n_in != 1 || r->in[0].dtype != ASSAY_F32) return;
    bool ok = layer_begin(r, TIME, BATCH, &p, rep);
    if (ok) {
        p->is_unwatched = true;
        expected = malloc(p->y.bytes);
    }
    ok = ok && expected && is_affine(p, rep) && layer_make_ready(r, false, rep);
    if (ok) {
        p->io.training = 0;
        ok = layer_run_forward(p, rep) && layer_make_ready(r, true, rep);
        memcpy(expected, p->y.at, p->y.bytes);
        p->io.training = 1;
    }
    if (ok) compare_mean(p, expected, rep);
    free(expected);
    layer_pass_free(p);
}

enum { N_SETTLED = 400 };

/* Running statistics of data that never change come to be those of the data: then evaluation gives what training gives, but for the
 * factor n / (n - 1) of an unbiased variance. At the defaults alone, as other settings may forget slowly. */
static void settle_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL;
    float *trained = NULL;
    if (r->n_buffers == 0 || !r->plan.couples_samples || r->settings[0]) return;
    bool ok = layer_begin(r, TIME, BATCH, &p, rep);
    const size_t n = ok ? layer_pass_y_size(p) : 0;
    if (ok) {
        p->is_unwatched = true;
        trained = malloc(p->y.bytes);
    }
    const size_t n_features = ok ? (size_t)assay_shape_size(&r->in[0].shape) : 1;
    for (size_t i = 0; ok && r->in[0].dtype == ASSAY_F32 && i < layer_pass_x_size(p, 0); i++)
        ((float *)p->x[0].at)[i] *=
            1 + (float)(i % n_features); /* each with statistics of its own */
    for (int i = 0; ok && trained && i < N_SETTLED; i++)
        ok = layer_run_forward(p, rep);
    if (ok && trained) {
        memcpy(trained, p->y.at, p->y.bytes);
        p->io.training = 0;
        ok = layer_make_ready(r, false, rep) && layer_run_forward(p, rep);
    }
    double apart = 0, size = 0;
    for (size_t i = 0; ok && trained && i < n; i++) {
        const double d = (double)((const float *)p->y.at)[i] - (double)trained[i];
        apart += d * d;
        size += (double)trained[i] * (double)trained[i];
    }
    if (!(apart <= 0.01 * size)) {
        check_fail(rep,
            "forward: after %d times the same batch in training, evaluation of it differs from "
            "training by %.2g of the output's size: look at how the buffers are updated (defaults)",
            N_SETTLED, sqrt(apart / size));
    }
    free(trained);
    layer_pass_free(p);
}

void check_layer_buffers(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, settle_case, rep);
}

static void draws_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL;
    if (layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_draws(p, rep)) {
        bool any = false, ok = layer_run_forward(p, rep);
        for (uint64_t k = 1; ok && k <= 8 && !any; k++) {
            q->io.draw = p->io.draw + 17 * k;
            ok = layer_run_forward(q, rep);
            any = differs(p, q);
        }
        if (ok && !any && !r->settings[0]) {
            check_fail(rep,
                "forward asks for random numbers but gives the same output for nine values of "
                "io->draw: expected that stream, which is new for every batch");
        }
        if (ok && rep->outcome != CHECK_FAILED) mean_case(r, rep);
    }
    layer_pass_free(p);
    layer_pass_free(q);
}

void check_layer_draws(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, draws_case, rep);
}

/* -- shards -- */

/* Puts the rows of a shard where the whole has them. */
static void put_rows(const layer_pass *shard, void *whole, uint64_t batch, uint64_t begin,
    const void *rows, uint64_t time, size_t per_row)
{
    const size_t bytes = shard->io.batch * per_row * sizeof(float);
    for (uint64_t t = 0; t < time; t++) {
        memcpy((char *)whole + (t * batch + begin) * per_row * sizeof(float),
            (const char *)rows + t * bytes, bytes);
    }
}

static void gather(layer_pass *whole, const layer_pass *shard, uint64_t begin)
{
    const layer_rig *r = whole->rig;
    const uint64_t n = whole->io.batch;
    put_rows(shard, whole->y.at, n, begin, shard->y.at, shard->io.time_out,
        assay_shape_size(&r->plan.out));
    for (size_t i = 0; i < r->plan.n_in; i++) {
        put_rows(shard, whole->dx[i].at, n, begin, shard->dx[i].at, shard->io.time,
            assay_shape_size(&r->in_shape[i]));
    }
    for (size_t i = 0; i < r->n_carry; i++) {
        put_rows(shard, whole->carry_out[i].at, n, begin, shard->carry_out[i].at, 1, r->carry[i]);
        put_rows(shard, whole->dcarry_in[i].at, n, begin, shard->dcarry_in[i].at, 1, r->carry[i]);
    }
}

/* The batch in two pieces; gradients of parameters are added up over them. Results land in `out`. */
static bool run_shards(layer_pass *whole, layer_pass *out, uint64_t cut, check_report *rep)
{
    layer_rig *r = whole->rig;
    bool ok = true;
    for (size_t k = 0; ok && k < 2; k++) {
        const uint64_t begin = k ? cut : 0, n = k ? whole->io.batch - cut : cut;
        layer_pass *p = NULL;
        ok = layer_begin(r, whole->io.time, n, &p, rep);
        if (ok) {
            p->io.batch_begin = begin;
            p->io.batch_total = whole->io.batch;
            layer_pass_take(p, whole, 0, begin);
            layer_pass_carry(p, true);
            for (size_t i = 0; k && i < r->n_params; i++) {
                memcpy(p->dparam[i].at, out->dparam[i].at, p->dparam[i].bytes);
                p->accumulate[i] = 1;
            }
            ok = layer_run(p, rep);
        }
        if (ok) {
            gather(out, p, begin);
            for (size_t i = 0; i < r->n_params; i++) {
                memcpy(out->dparam[i].at, p->dparam[i].at, p->dparam[i].bytes);
            }
        }
        layer_pass_free(p);
    }
    return ok;
}

static void shards_case(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL;
    if (r->plan.couples_samples) return; /* the host does not cut its batches */
    if (layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep)) {
        layer_pass_carry(p, true);
        layer_pass_carry(q, true);
        if (layer_run(p, rep) && run_shards(p, q, 2, rep)) {
            (void)layer_same(rep, q, p, COMPARE_ALL, cut_tolerance,
                "a batch of 5 cut into shards of 2 and 3 (io->batch_begin, batch_total) must give "
                "the same rows; random numbers are named by the sample's place in the whole batch");
        }
    }
    layer_pass_free(p);
    layer_pass_free(q);
}

void check_layer_shards(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, shards_case, rep);
}

/* -- samples -- */

/* Gives sample 0 other inputs. */
static void change_sample(layer_pass *p, uint64_t seed)
{
    layer_pass *other = NULL;
    error err = { 0 };
    const layer_rig *r = p->rig;
    if (layer_pass_new(p->rig, p->io.time, p->io.batch, &other, &err) != OK) return;
    layer_pass_fill(other, seed);
    for (size_t i = 0; i < r->plan.n_in; i++) {
        const size_t n = assay_shape_size(&r->in_shape[i]);
        for (uint64_t t = 0; t < p->io.time; t++) {
            const size_t at = 4 * t * p->io.batch * n;
            memcpy((char *)p->x[i].at + at, (char *)other->x[i].at + at, 4 * n);
        }
    }
    layer_pass_free(other);
}

/* The first row of y, but for those of sample 0, that differs; rows when none does. */
static uint64_t other_row(const layer_pass *p, const layer_pass *q)
{
    const size_t n = assay_shape_size(&p->rig->plan.out);
    const uint64_t rows = p->io.time_out * p->io.batch;
    const float *a = p->y.at, *b = q->y.at;
    for (uint64_t i = 0; i < rows; i++) {
        if (i % p->io.batch != 0 && bits_differ(a + i * n, b + i * n, n) < n) return i;
    }
    return rows;
}

/* Whether other samples' outputs change with sample 0. */
static bool is_coupled(layer_rig *r, bool training, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL;
    layer_buffers b = { 0 };
    bool coupled = false;
    if (layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_make_ready(r, training, rep) && layer_buffers_keep(&b, r)) {
        p->io.training = q->io.training = training;
        change_sample(q, r->subject->seed + 77);
        bool ok = layer_run_forward(p, rep);
        layer_buffers_restore(&b);
        ok = ok && layer_run_forward(q, rep);
        layer_buffers_restore(&b);
        coupled = ok && other_row(p, q) < p->io.time_out * p->io.batch;
    }
    layer_buffers_release(&b);
    layer_pass_free(p);
    layer_pass_free(q);
    return coupled;
}

/* In evaluation a permuted batch gives permuted rows. */
static void permute(layer_rig *r, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL, *one = NULL;
    bool ok = layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_make_ready(r, false, rep);
    if (ok) {
        p->io.training = q->io.training = 0;
        layer_pass_carry(p, true);
        ok = layer_run_forward(p, rep);
    }
    for (uint64_t b = 0; ok && b < BATCH; b++) {
        ok = layer_begin(r, TIME, 1, &one, rep);
        if (ok) {
            layer_pass_take(one, p, 0, b);
            layer_pass_carry(one, true);
            one->io.training = 0;
            one->io.batch_begin = BATCH - 1 - b;
            one->io.batch_total = BATCH;
            ok = layer_run_forward(one, rep);
        }
        if (ok) gather(q, one, b);
        layer_pass_free(one);
        one = NULL;
    }
    if (ok) {
        layer_pass_carry(q, true);
        (void)layer_same(rep, q, p, COMPARE_FORWARD, cut_tolerance,
            "in evaluation a sample by itself must give what it gives in a batch, wherever it "
            "stands");
    }
    layer_pass_free(p);
    layer_pass_free(q);
}

static void samples_case(layer_rig *r, check_report *rep)
{
    const bool training = is_coupled(r, true, rep);
    const bool coupled = training || is_coupled(r, false, rep);
    if (rep->outcome == CHECK_FAILED) return;
    if (coupled && !r->plan.couples_samples) {
        error err = { 0 };
        (void)!fail(&err, E_PLUGIN,
            "another sample's output changes with the input of sample 0%s: set "
            "plan->couples_samples, "
            "or keep samples apart",
            training ? "" : " in evaluation");
        layer_fault(rep, r, &err);
        return;
    }
    if (!coupled && r->plan.couples_samples) {
        check_warn(rep,
            "plan sets couples_samples, but no output changes with another sample: batches could "
            "be "
            "shared out among threads without it");
    }
    permute(r, rep);
}

void check_layer_samples(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, samples_case, rep);
}

/* -- order of steps -- */

/* Rows of one step of x are those of another pass. */
static void take_step(layer_pass *p, const layer_pass *from, uint64_t t)
{
    for (size_t i = 0; i < p->rig->plan.n_in; i++) {
        const size_t bytes = 4 * BATCH * assay_shape_size(&p->rig->in_shape[i]);
        memcpy((char *)p->x[i].at + t * bytes, (const char *)from->x[i].at + t * bytes, bytes);
    }
}

/* Whether outputs of steps [from, to) change with the input of a step, in evaluation. */
static bool depends_on_step(
    layer_rig *r, uint64_t step, uint64_t from, uint64_t to, check_report *rep)
{
    layer_pass *p = NULL, *q = NULL, *other = NULL;
    bool found = false;
    if (layer_begin(r, TIME, BATCH, &p, rep) && layer_begin(r, TIME, BATCH, &q, rep) &&
        layer_begin(r, TIME, BATCH, &other, rep) && layer_make_ready(r, false, rep)) {
        p->io.training = q->io.training = 0;
        layer_pass_fill(other, r->subject->seed + 78);
        take_step(q, other, step);
        const size_t row = BATCH * assay_shape_size(&r->plan.out), n = (to - from) * row;
        found = layer_run_forward(p, rep) && layer_run_forward(q, rep) &&
            bits_differ(
                (const float *)p->y.at + from * row, (const float *)q->y.at + from * row, n) < n;
    }
    layer_pass_free(p);
    layer_pass_free(q);
    layer_pass_free(other);
    return found;
}

static void order_fault(const layer_rig *r, const char *what, check_report *rep)
{
    error err = { 0 };
    (void)!fail(&err, E_PLUGIN, "%s", what);
    layer_fault(rep, r, &err);
}

static void ahead_case(layer_rig *r, check_report *rep)
{
    const bool found = depends_on_step(r, TIME - 1, 0, TIME - 1, rep);
    if (rep->outcome == CHECK_FAILED) return;
    if (found && !r->plan.looks_ahead) {
        order_fault(r,
            "what forward puts out at early steps changes with the input of the last one: set "
            "plan->looks_ahead, since such a layer cannot go step by step",
            rep);
    }
    if (!found && r->plan.looks_ahead) {
        check_warn(rep,
            "plan sets looks_ahead, but no output changes with the input of a later step: the "
            "layer could go step by step without it");
    }
}

/* Whether what is carried is all that is known of earlier steps is layer_carry's to say. */
static void back_case(layer_rig *r, check_report *rep)
{
    bool found = false;
    if (r->n_carry > 0 && !r->plan.looks_back) return;
    for (uint64_t t = 0; t + 1 < TIME && !found; t++) {
        found = depends_on_step(r, t, t + 1, TIME, rep);
    }
    if (rep->outcome == CHECK_FAILED) return;
    if (found && !r->plan.looks_back) {
        order_fault(r,
            "what forward puts out at a step changes with the input of an earlier one, but the "
            "layer carries nothing: declare what it remembers by plan->carry and go on from "
            "io->carry_in, or set plan->looks_back, since such a layer cannot go step by step",
            rep);
    }
    if (!found && r->plan.looks_back) {
        check_warn(rep,
            "plan sets looks_back, but no output changes with the input of an earlier step: the "
            "layer could go step by step without it");
    }
}

static void order_case(layer_rig *r, check_report *rep)
{
    if (r->plan.time_mode == ASSAY_TIME_ONE) return; /* one output of all steps */
    ahead_case(r, rep);
    if (rep->outcome != CHECK_FAILED) back_case(r, rep);
}

void check_layer_order(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, order_case, rep);
}

/* -- replicas -- */

static void replicas_case(layer_rig *r, check_report *rep)
{
    layer_pass *p[2] = { NULL, NULL }, *q[2] = { NULL, NULL };
    bool ok = true;
    if (r->plan.couples_samples) return; /* there is one replica of such a model */
    for (size_t i = 0; ok && i < 2; i++) {
        ok = layer_begin(r, TIME - i, BATCH - 2 * i, &p[i], rep) &&
            layer_begin(r, TIME - i, BATCH - 2 * i, &q[i], rep);
        if (!ok) break;
        layer_pass_fill(p[i], r->subject->seed + i);
        layer_pass_fill(q[i], r->subject->seed + i);
        layer_pass_carry(p[i], true);
        layer_pass_carry(q[i], true);
        ok = layer_run(p[i], rep);
    }
    ok = ok && layer_run_forward(q[0], rep) && layer_run_forward(q[1], rep) &&
        layer_run_backward(q[0], rep) && layer_run_backward(q[1], rep);
    for (size_t i = 0; ok && i < 2; i++) {
        ok = layer_same(rep, q[i], p[i], COMPARE_ALL, 0,
            "two replicas that take turns (forward, forward, backward, backward) must give what "
            "each "
            "gives by itself: what backward needs stands in saved memory, not at ctx->self");
    }
    for (size_t i = 0; i < 2; i++) {
        layer_pass_free(p[i]);
        layer_pass_free(q[i]);
    }
}

void check_layer_replicas(const subject *s, check_report *rep)
{
    layer_each(s, &everywhere, replicas_case, rep);
}
