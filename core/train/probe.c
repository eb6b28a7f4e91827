/* Probes.
 *
 * Three things look at three moments of a step. While every replica's own gradient still stands, their norms are taken, for the
 * noise scale; before the update, the outputs of the layers, for dead units; in the update, chunk by chunk, weights, gradient,
 * slots and what the update changed (optimizer_probe.c). Names and room for all numbers are laid out by running the same code that
 * fills them in. With a share below 1 all of this but dead units is of a sample (probe_sample.c), and sums are scaled to estimate
 * those over everything.
 *
 * The gradient noise scale is the simple one of McCandlish, Kaplan, Amodei and the OpenAI Dota Team (2018), An Empirical Model
 * of Large-Batch Training, appendix A.1: with g_r the mean gradient over replica r's b_r samples and g that over all B,
 *
 *     |G|^2 = (B |g|^2 - b |g_r|^2) / (B - b)        S = (|g_r|^2 - |g|^2) / (1/b - 1/B)        noise scale = S / |G|^2
 *
 * with |g_r|^2 averaged over the replicas and 1/b the mean of the 1/b_r, which keeps both unbiased where shards differ in size.
 * Samples count by their weight; the gradient is that of the data, without L2 and before clipping. S and |G|^2 are recorded too,
 * since one step's estimates are noisy and are to be averaged before they are divided. */
#include "train/probe.h"

#include <assay/math.h>

#include "num/vec.h"
#include "train/optimizer_probe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whole rows of a tensor, as objective_part has them. */
typedef struct piece {
    size_t i_tensor, begin, n;
    double whole; /* squares of the data's gradient */
    double unclipped; /* with L2 */
} piece;

struct probe {
    arena memory;
    objective *objective;
    optimizer *optimizer;
    model *model;
    team *team;
    probe_options options;
    double share; /* of the tensors, (0, 1] */
    size_t n_replicas;
    uint64_t step;

    probe_sample *sample; /* [n_tensors] of the replicas' gradients */
    size_t n_pieces;
    piece *pieces;
    double *part_squares; /* [n_pieces, n_replicas] */
    float **rooms; /* [threads] 2 STRETCH_FLOATS */
    double *weights; /* [n_replicas] of the samples that each replica has run */
    double small, inverse_small, big; /* |g_r|^2 (times D^2), 1/b, |g|^2 (times D^2) */
    bool has_noise;
    uint32_t **alive; /* [n_layers][outputs] */
    double *dead; /* [n_layers] share */

    size_t n_values, n_names;
    record_value *values; /* NULL while they are counted */
    record_value nowhere; /* where numbers go that are only counted */
    bool is_naming, is_fresh;
    bool failed; /* memory ran out while naming */
    double denominator;
    float clip_scale;
};

static bool clips_values(const probe *p)
{
    return p->options.clip_value > 0;
}

/* -- each replica's gradient -- */

/* A replica's gradient of the cut; products are made by whole rows. */
static const float *part_of(
    const probe *p, size_t r, const piece *at, const probe_cut *cut, float *room)
{
    const size_t cols = p->model->tensors[at->i_tensor].info.cols;
    const size_t unit = cols <= STRETCH_FLOATS ? cols : 1;
    const size_t begin = cut->begin / unit * unit;
    const size_t end = (cut->begin + cut->n + unit - 1) / unit * unit;
    return objective_part(p->objective, r, at->i_tensor, begin, end - begin, room) +
        (cut->begin - begin);
}

/* Adds the cut's squares, times `scale`. */
static void look_cut(probe *p, size_t i, const probe_cut *cut, double scale)
{
    piece *at = &p->pieces[i];
    float *room = p->rooms[team_worker(p->team)], *sum = room + STRETCH_FLOATS;
    const tensor *t = &p->model->tensors[at->i_tensor];
    for (size_t r = 0; r < objective_n_parts(p->objective); r++) {
        const float *g = part_of(p, r, at, cut, room);
        p->part_squares[i * p->n_replicas + r] += scale * vec_sum_squares(g, cut->n);
        if (r == 0) {
            memcpy(sum, g, cut->n * sizeof *sum);
        } else {
            vec_add(sum, g, cut->n);
        }
    }
    const double whole = scale * vec_sum_squares(sum, cut->n);
    const bool decays = t->info.role == ASSAY_ROLE_WEIGHT || t->info.role == ASSAY_ROLE_RECURRENT;
    at->whole += whole;
    if (clips_values(p) && p->options.l2 > 0 && decays) {
        vec_axpy(sum, p->model->w + t->offset + cut->begin, cut->n, (float)p->options.l2);
        at->unclipped += scale * vec_sum_squares(sum, cut->n);
    } else {
        at->unclipped += whole;
    }
}

static void look_piece(void *arg, size_t i)
{
    probe *p = arg;
    piece *at = &p->pieces[i];
    const probe_sample *s = &p->sample[at->i_tensor];
    const uint64_t draw = probe_sample_draw(at->i_tensor, p->step);
    size_t i_cut = probe_cut_first(s, at->begin);
    at->whole = at->unclipped = 0;
    memset(p->part_squares + i * p->n_replicas, 0, p->n_replicas * sizeof(double));
    for (probe_cut cut; probe_cut_next(s, draw, at->begin, at->begin + at->n, &i_cut, &cut);) {
        look_cut(p, i, &cut, probe_sample_scale(s));
    }
}

static double part_squares(const probe *p, size_t r)
{
    double sum = 0;
    for (size_t i = 0; i < p->n_pieces; i++) {
        sum += p->part_squares[i * p->n_replicas + r];
    }
    return sum;
}

/* Parts are those of the replicas that had samples, in their order. */
static void look_at_parts(void *self)
{
    probe *p = self;
    const size_t n = objective_n_parts(p->objective);
    p->has_noise = false;
    if (n < 2 && !clips_values(p)) {
        return;
    }
    team_run(p->team, p->n_pieces, look_piece, p);
    p->small = p->inverse_small = p->big = 0;
    size_t i_part = 0, n_counted = 0;
    for (size_t r = 0; r < p->n_replicas && i_part < n; r++) {
        if (p->weights[r] > 0) {
            p->small += part_squares(p, i_part) / (p->weights[r] * p->weights[r]);
            p->inverse_small += 1 / p->weights[r];
            n_counted++;
        }
        i_part += p->weights[r] >= 0;
    }
    for (size_t i = 0; i < p->n_pieces; i++) {
        p->big += p->pieces[i].whole;
    }
    p->small /= (double)n_counted;
    p->inverse_small /= (double)n_counted;
    p->has_noise = n_counted > 1;
}

void probe_begin(probe *p, uint64_t step)
{
    p->step = step;
    for (size_t r = 0; r < p->n_replicas; r++) {
        p->weights[r] = -1; /* has run nothing */
    }
    objective_look(p->objective, look_at_parts, p);
}

void probe_add(probe *p, const batch *b)
{
    for (size_t r = 0; r < p->n_replicas; r++) {
        const size_t begin = objective_shard_begin(p->objective, b->n, r);
        const size_t end = objective_shard_begin(p->objective, b->n, r + 1);
        if (begin == end) {
            continue;
        }
        const size_t n = (end - begin) * b->target_time; /* target rows, shard after shard */
        const double weight =
            b->weight ? vec_sum(b->weight + begin * b->target_time, n) : (double)n;
        p->weights[r] = (p->weights[r] > 0 ? p->weights[r] : 0) + weight;
    }
}

/* -- dead units -- */

/* Whether a row of replica r's output of n_rows is padding. */
static bool is_padding(const probe *p, size_t r, size_t row, size_t n_rows)
{
    const batch *b = objective_batch(p->objective);
    const size_t begin = objective_shard_begin(p->objective, b->n, r);
    const size_t n = objective_shard_begin(p->objective, b->n, r + 1) - begin;
    const bool by_step = n_rows == b->time * n;
    return by_step && b->length && row / n >= b->length[begin + row % n];
}

/* alive[j] becomes 1 where y[j] is not 0. */
ASSAY_MULTIVERSION static void note_alive(
    uint32_t *restrict alive, const float *restrict y, size_t size)
{
    for (size_t j = 0; j < size; j++) {
        alive[j] |= y[j] != 0;
    }
}

static void look_at_layer(void *arg, size_t i)
{
    probe *p = arg;
    const size_t size = assay_shape_size(&p->model->layers[i].out);
    uint32_t *alive = p->alive[i];
    size_t n, n_alive = 0;
    memset(alive, 0, size * sizeof *alive);
    for (size_t r = 0; r < p->n_replicas; r++) {
        const float *y = objective_layer_output(p->objective, r, i, &n);
        const size_t n_rows = size > 0 ? n / size : 0;
        const bool has_padding = objective_batch(p->objective)->length != NULL;
        for (size_t row = 0; row < n_rows; row++) {
            if (!has_padding || !is_padding(p, r, row, n_rows)) {
                note_alive(alive, y + row * size, size);
            }
        }
    }
    for (size_t j = 0; j < size; j++) {
        n_alive += alive[j];
    }
    p->dead[i] = size ? 1 - (double)n_alive / (double)size : 0;
}

void probe_look(probe *p)
{
    objective_look(p->objective, NULL, NULL);
    team_run(p->team, p->model->n_layers, look_at_layer, p);
}

/* -- the numbers, and before the first step their names -- */

static record_value *next(probe *p, const char *what, const char *which, const char *of)
{
    const size_t i = p->n_values++;
    if (!p->values) {
        return &p->nowhere;
    }
    if (p->is_naming) {
        p->values[i].name = arena_printf(&p->memory, "%s%s%s%s%s", what, which ? "/" : "",
            which ? which : "", of ? "/" : "", of ? of : "");
        p->failed |= !p->values[i].name;
    }
    return &p->values[i];
}

static void put(probe *p, const char *what, const char *which, const char *of, double v)
{
    next(p, what, which, of)->value = v;
}

static double unclipped_squares(const probe *p, size_t i_tensor)
{
    double sum = 0;
    for (size_t i = 0; i < p->n_pieces; i++) {
        sum += p->pieces[i].i_tensor == i_tensor ? p->pieces[i].unclipped : 0;
    }
    return sum;
}

/* The share of the gradient's norm that clip_value and clip_norm have taken. */
static double clipped(const probe *p, const probed_tensor *t)
{
    if (!clips_values(p)) {
        return 1 - (double)p->clip_scale;
    }
    const double before = unclipped_squares(p, t->index);
    const double share = before > 0 ? 1 - sqrt(t->sums[PROBED_GRADIENT].squares / before) : 0;
    return share > 0 ? share : 0; /* rounding */
}

static void put_histogram(probe *p, const probed_tensor *t)
{
    record_value *v = next(p, "histogram", NULL, t->of->info.name);
    if (p->is_naming) {
        v->matrix = arena_alloc_array(&p->memory, (size_t)N_PROBED * PROBE_BINS, sizeof(double));
        v->rows = N_PROBED;
        v->cols = PROBE_BINS;
        p->failed |= !v->matrix;
    }
    double *to = p->values && v->matrix ? (double *)(uintptr_t)v->matrix : NULL;
    for (size_t what = 0; to && what < N_PROBED; what++) {
        for (size_t i = 0; i < PROBE_BINS; i++) {
            to[what * PROBE_BINS + i] = (double)t->sums[what].bins[i];
        }
    }
}

static void put_tensor(void *self, const probed_tensor *t)
{
    probe *p = self;
    const char *name = t->of->info.name;
    const double w = sqrt(t->sums[PROBED_WEIGHT].squares);
    const double g = sqrt(t->sums[PROBED_GRADIENT].squares);
    const double u = sqrt(t->sums[PROBED_UPDATE].squares);
    put(p, "weight_norm", NULL, name, w);
    put(p, "gradient_norm", NULL, name, g);
    put(p, "update_norm", NULL, name, u);
    put(p, "update_ratio", NULL, name, w > 0 ? u / w : NAN);
    put(p, "clipped", NULL, name, clipped(p, t));
    for (size_t i = 0; i < t->n_slots; i++) {
        if (!t->has_slot[i]) {
            continue;
        }
        const double s = sqrt(t->squares[i]);
        put(p, "slot_norm", t->slots[i].name, name, s);
        put(p, "slot_cosine", t->slots[i].name, name, s > 0 && g > 0 ? t->dots[i] / (s * g) : NAN);
    }
    put_histogram(p, t);
}

static void put_noise(probe *p)
{
    double trace = NAN, squared = NAN, total = 0;
    for (size_t r = 0; r < p->n_replicas; r++) {
        total += p->weights[r] > 0 ? p->weights[r] : 0;
    }
    if (p->has_noise) {
        const double d = p->denominator, small = p->small * d * d;
        const double big = p->big * d * d / (total * total), b = 1 / p->inverse_small;
        squared = (total * big - b * small) / (total - b);
        trace = (small - big) / (1 / b - 1 / total);
    }
    put(p, "noise_gradient", NULL, NULL, squared);
    put(p, "noise_trace", NULL, NULL, trace);
    put(p, "noise_scale", NULL, NULL, squared > 0 ? trace / squared : NAN);
}

static void put_all(probe *p)
{
    p->n_values = 0;
    if (p->share < 1) {
        put(p, "share", NULL, NULL, p->share);
    }
    optimizer_probe_read(p->optimizer, put_tensor, p);
    for (size_t i = 0; i < p->model->n_layers; i++) {
        put(p, "dead", NULL, p->model->layers[i].name, p->dead[i]);
    }
    if (p->n_replicas > 1) {
        put_noise(p);
    }
}

void probe_end(probe *p, double denominator, float clip_scale)
{
    p->denominator = denominator;
    p->clip_scale = clip_scale;
    p->is_fresh = true;
}

size_t probe_take(probe *p, const record_value **out)
{
    if (!p->is_fresh) {
        return 0;
    }
    p->is_fresh = false;
    put_all(p);
    *out = p->values;
    return p->n_values;
}

bool probe_is_due(const probe *p, uint64_t step)
{
    return step % p->options.every == 0;
}

/* -- planning -- */

static size_t piece_length(const assay_tensor *t)
{
    return t->cols <= STRETCH_FLOATS ? STRETCH_FLOATS / t->cols * t->cols : STRETCH_FLOATS;
}

/* What clipping by value takes is a quotient, and needs the optimizer's sample. Otherwise longer stretches serve better: they may be
 * products that are yet to be made. */
static status plan_samples(probe *p, error *err)
{
    const size_t length = clips_values(p) ? PROBE_STRETCH : 16 * PROBE_STRETCH;
    const model *m = p->model;
    p->sample = arena_alloc_array(&p->memory, m->n_tensors, sizeof *p->sample);
    for (size_t i = 0; p->sample && i < m->n_tensors; i++) {
        p->sample[i] = probe_sample_make(m->tensors[i].info.size, length, p->share);
    }
    return p->sample ? OK : fail_nomem(err, "a probe");
}

static status plan_pieces(probe *p, error *err)
{
    const model *m = p->model;
    size_t n = 0, numbers;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const assay_tensor *t = &m->tensors[i].info;
        n += m->tensors[i].trainable ? (t->size + piece_length(t) - 1) / piece_length(t) : 0;
    }
    p->pieces = arena_alloc_array(&p->memory, n, sizeof *p->pieces);
    p->part_squares = size_product(n, p->n_replicas, &numbers)
        ? arena_alloc_array(&p->memory, numbers, sizeof *p->part_squares)
        : NULL;
    if (!p->pieces || !p->part_squares) {
        return fail_nomem(err, "a probe");
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        const assay_tensor *t = &m->tensors[i].info;
        const size_t most = piece_length(t);
        for (size_t at = 0; m->tensors[i].trainable && at < t->size; at += most) {
            const size_t left = t->size - at;
            p->pieces[p->n_pieces++] = (piece){ i, at, left < most ? left : most, 0, 0 };
        }
    }
    return OK;
}

static status plan_rooms(probe *p, error *err)
{
    const model *m = p->model;
    const size_t n = team_size(p->team);
    bool ok = (p->rooms = arena_alloc_array(&p->memory, n, sizeof(*p->rooms))) &&
        (p->weights = arena_alloc_array(&p->memory, p->n_replicas, sizeof *p->weights)) &&
        (p->alive = arena_alloc_array(&p->memory, m->n_layers, sizeof(*p->alive))) &&
        (p->dead = arena_alloc_array(&p->memory, m->n_layers, sizeof *p->dead));
    for (size_t i = 0; ok && i < n; i++) {
        p->rooms[i] = arena_alloc_array(&p->memory, (size_t)2 * STRETCH_FLOATS, sizeof(float));
        ok = p->rooms[i] != NULL;
    }
    for (size_t i = 0; ok && i < m->n_layers; i++) {
        const size_t size = assay_shape_size(&m->layers[i].out);
        p->alive[i] = arena_alloc_array(&p->memory, size, sizeof(uint32_t));
        ok = p->alive[i] != NULL;
    }
    return ok ? OK : fail_nomem(err, "a probe");
}

/* Counts the numbers, then names them. */
static status plan_values(probe *p, error *err)
{
    put_all(p);
    p->values = arena_alloc_array(&p->memory, p->n_values, sizeof *p->values);
    if (!p->values) {
        return fail_nomem(err, "a probe");
    }
    p->is_naming = true;
    put_all(p);
    p->is_naming = false;
    return p->failed ? fail_nomem(err, "a probe") : OK;
}

static double share_of(const probe *p)
{
    const probe_load l = { .every = p->options.every,
        .macs = p->options.macs,
        .n_params = (double)p->model->n_params,
        .n_slots = optimizer_probe_slots(p->optimizer),
        .n_tensors = p->model->n_tensors,
        .n_replicas = p->n_replicas };
    const double share = p->options.share > 0 ? p->options.share : probe_share_auto(&l);
    bool is_whole = true;
    for (size_t i = 0; i < p->model->n_tensors; i++) {
        const size_t size = p->model->tensors[i].info.size;
        is_whole &= probe_sample_make(size, PROBE_STRETCH, share).n == size;
    }
    return is_whole ? 1 : share;
}

status probe_new(
    objective *o, optimizer *by, team *t, const probe_options *options, probe **out, error *err)
{
    status st = OK;
    probe *p = calloc(1, sizeof *p);
    if (!p) {
        return fail_nomem(err, "a probe");
    }
    p->objective = o;
    p->optimizer = by;
    p->model = objective_model(o);
    p->team = t;
    p->options = *options;
    p->n_replicas = objective_n_replicas(o);
    p->share = share_of(p);
    TRY(optimizer_probe_plan(by, p->share, err));
    TRY(plan_samples(p, err));
    TRY(plan_pieces(p, err));
    TRY(plan_rooms(p, err));
    TRY(plan_values(p, err));
    *out = p;
    p = NULL;
done:
    probe_free(p);
    return st;
}

void probe_free(probe *p)
{
    if (p) {
        arena_release(&p->memory);
        free(p);
    }
}
