/* What is of one tensor, or of one block of it, is its own: random numbers, the matrices that lie
 * side by side in a tensor, the learning rate of its layer. */
#include "check/optimizer_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- random numbers -- */

enum { N_DRAWN = 6, ALIKE_ROWS = 7, ALIKE_COLS = 5 };

static const rig_tensor alike[] = {
    { .name = "one.weight", .shape = { 2, { ALIKE_ROWS, ALIKE_COLS } } },
    { .name = "other.weight", .shape = { 2, { ALIKE_ROWS, ALIKE_COLS } } },
};

/* A number for the update, or for each tensor, may be meant for all; one for each row or element is not. */
static void draws_under(const subject *s, const char *settings, check_report *r)
{
    const bench_shapes shapes = { alike, 2 };
    bench b = { .alike = true };
    size_t n_drawn = 0;
    if (!bench_open_seeded(&b, s, settings, &shapes, s->seed, r)) {
        return;
    }
    const size_t n = b.size[0];
    for (uint64_t t = 1; t <= N_DRAWN && bench_run(&b, t, r); t++) {
        n_drawn += optimizer_rig_n_random(b.rig);
    }
    const float *one = optimizer_rig_weights(b.rig, 0), *other = optimizer_rig_weights(b.rig, 1);
    const bool has_moved = bits_differ(one, b.w0[0], n) < n;
    if (n_drawn >= 2 * ALIKE_ROWS && has_moved && r->outcome != CHECK_FAILED &&
        bits_differ(one, other, n) == n) {
        check_fail(r,
            "with %s: it drew %zu random numbers in %d updates, and two tensors of the same shape, "
            "weights and gradients were still moved alike; use span->draw as the stream and "
            "span->begin + i as the index",
            bench_under(settings), n_drawn, (int)N_DRAWN);
    }
    if (n_drawn > 0 && !settings[0]) {
        check_measure(r, "random numbers", (double)n_drawn / N_DRAWN, "per update");
    }
    bench_close(&b);
}

void optimizer_test_draws(const subject *s, check_report *r)
{
    bench_each_setting(s, CHECK_MAX_SETTINGS, r, draws_under);
}

/* -- the rate of a layer -- */

/* The second one as good as rests: the rig takes 0 for 1. */
static const rig_tensor scaled[] = {
    { .name = "free.weight", .shape = { 2, { 5, 7 } } },
    { .name = "still.weight", .shape = { 2, { 6, 3 } }, .lr_scale = 1e-30 },
    { .name = "free.bias", .shape = { 1, { 7 } }, .role = ASSAY_ROLE_BIAS },
};
enum { STILL = 1 };

/* The longest way of a weight of one tensor, relative to its size; going to a place and back may
 * round. */
static double way_of(const bench *b, size_t i)
{
    const float *w = optimizer_rig_weights(b->rig, i);
    double most = 0;
    for (size_t k = 0; k < b->size[i]; k++) {
        const double was = (double)b->w0[i][k], off = fabs((double)w[k] - was) / fabs(was);
        most = off <= most ? most : off;
    }
    return most;
}

static void lr_scale_under(const subject *s, const char *settings, check_report *r)
{
    const bench_shapes shapes = { scaled, sizeof scaled / sizeof scaled[0] };
    bench b;
    if (!bench_open(&b, s, settings, &shapes, r)) {
        return;
    }
    if (bench_run(&b, 6, r) && !(way_of(&b, STILL) <= 1e-6)) {
        check_fail(r,
            "with %s: weights of a layer whose lr_scale is 1e-30 moved by up to %.3g of their size "
            "in "
            "6 updates; `hyper` of the callback `model` is without lr_scale: take lr from "
            "span->hyper, which is the same struct with it",
            bench_under(settings), way_of(&b, STILL));
    }
    bench_close(&b);
}

void optimizer_test_lr_scale(const subject *s, check_report *r)
{
    const assay_hyper *lr = bench_real(s, "lr");
    if (!lr) {
        check_skip(r, "it has no learning rate `lr`");
    } else if (!hyper_in_range(lr, 0) || !(lr->flags & ASSAY_SCHED)) {
        check_skip(r, "its learning rate is none that may be 0");
    } else {
        bench_each_setting(s, CHECK_MAX_SETTINGS, r, lr_scale_under);
    }
}

/* -- blocks -- */

enum { N_BLOCK_UPDATES = 12, MOST_BLOCKS = 4 };

/* Matrices alone, so that those that take nothing else are tried, too. */
static const rig_tensor gates[] = {
    { .name = "gates.weight", .shape = { 2, { 3, 12 } }, .fan_in = 3, .fan_out = 12, .blocks = 4 },
};
static const rig_tensor halves[] = {
    { .name = "halves.weight", .shape = { 2, { 7, 6 } }, .fan_in = 7, .fan_out = 6, .blocks = 2 },
};
static const rig_tensor four[] = {
    { .name = "gate0.weight", .shape = { 2, { 3, 3 } }, .fan_in = 3, .fan_out = 12 },
    { .name = "gate1.weight", .shape = { 2, { 3, 3 } }, .fan_in = 3, .fan_out = 12 },
    { .name = "gate2.weight", .shape = { 2, { 3, 3 } }, .fan_in = 3, .fan_out = 12 },
    { .name = "gate3.weight", .shape = { 2, { 3, 3 } }, .fan_in = 3, .fan_out = 12 },
};
static const rig_tensor two[] = {
    { .name = "half0.weight", .shape = { 2, { 7, 3 } }, .fan_in = 7, .fan_out = 6 },
    { .name = "half1.weight", .shape = { 2, { 7, 3 } }, .fan_in = 7, .fan_out = 6 },
};

/* As one matrix. */
static const rig_tensor gates_as_one[] = {
    { .name = "gates.weight", .shape = { 2, { 3, 12 } }, .fan_in = 3, .fan_out = 12 },
};
static const rig_tensor halves_as_one[] = {
    { .name = "halves.weight", .shape = { 2, { 7, 6 } }, .fan_in = 7, .fan_out = 6 },
};

/* A tensor of blocks, its blocks as tensors, and the same without blocks. */
static const struct stack {
    bench_shapes whole, parts, as_one;
    size_t rows, cols, n_blocks;
} stacks[] = {
    { { gates, 1 }, { four, 4 }, { gates_as_one, 1 }, 3, 12, 4 },
    { { halves, 1 }, { two, 2 }, { halves_as_one, 1 }, 7, 6, 2 },
};

static size_t block_of(const struct stack *k, size_t element)
{
    return element % k->cols / (k->cols / k->n_blocks);
}

/* Where an element of the stack is in its block. */
static size_t place_of(const struct stack *k, size_t element)
{
    const size_t cols = k->cols / k->n_blocks;
    return element / k->cols * cols + element % cols;
}

/* -- a gradient in one of them -- */

static void fill_first_block(bench *b, const struct stack *k, float scale)
{
    bench_fill_gradient(b);
    for (size_t e = 0; e < b->size[0]; e++) {
        b->g[0][e] *= block_of(k, e) == 0 ? scale : 0;
    }
}

/* The first element beyond block 0 that is not where it began; the size where there is none, or
 * where an update goes wrong. */
static size_t moved_beyond(bench *b, const struct stack *k, float scale, check_report *r)
{
    error err = { 0 };
    bench_switch_decay_off(b);
    for (int t = 1; t <= 4; t++) {
        fill_first_block(b, k, scale);
        if (bench_update(b, &err) != OK) {
            check_fail(r, "with %s: update %d: %s", bench_under(b->settings), t, err.text);
            return b->size[0];
        }
    }
    const float *w = optimizer_rig_weights(b->rig, 0);
    size_t e = 0;
    while (
        e < b->size[0] && (block_of(k, e) == 0 || memcmp(&w[e], &b->w0[0][e], sizeof w[e]) == 0)) {
        e++;
    }
    return e;
}

static void rests_beyond(
    const subject *s, const char *settings, const struct stack *k, check_report *r)
{
    bench none, first;
    if (!bench_open(&none, s, settings, &k->whole, r)) {
        return;
    }
    if (!bench_open(&first, s, settings, &k->whole, r)) {
        bench_close(&none);
        return;
    }
    if (!bench_is_without_eps(&none) && moved_beyond(&none, k, 0, r) == none.size[0] &&
        r->outcome != CHECK_FAILED) {
        const size_t e = moved_beyond(&first, k, 1, r);
        if (e < first.size[0]) {
            check_fail(r,
                "with %s: a gradient in block 0 of %s alone moves element %zu, which is of block "
                "%zu, from %.9g to %.9g; without any it rests. Look at which columns a block has: "
                "block b of B has those from b * cols / B on",
                bench_under(settings), k->whole.tensor[0].name, e, block_of(k, e),
                (double)first.w0[0][e], (double)optimizer_rig_weights(first.rig, 0)[e]);
        }
    }
    bench_close(&none);
    bench_close(&first);
}

/* -- blocks as tensors -- */

/* Whether nothing that it keeps is of the tensor as a whole. */
static bool keeps_blocks_apart(const bench *b)
{
    const size_t n = optimizer_rig_n_arrays(b->rig);
    for (size_t i = 0; i < n; i++) {
        const rig_array a = optimizer_rig_array(b->rig, i);
        if (a.name && !a.is_same && a.n_blocks < 2) {
            return false;
        }
    }
    return b->ops->tensor && b->ops->n_sums == 0;
}

static void hand_out(const struct stack *k, const float *whole, float *const *parts)
{
    for (size_t e = 0; e < k->rows * k->cols; e++) {
        parts[block_of(k, e)][place_of(k, e)] = whole[e];
    }
}

static bool update_both(bench *whole, bench *parts, const struct stack *k, check_report *r)
{
    error err = { 0 };
    for (int t = 1; t <= N_BLOCK_UPDATES; t++) {
        bench_fill_gradient(whole);
        hand_out(k, whole->g[0], parts->g);
        parts->update.loss = whole->update.loss;
        parts->update.clip = whole->update.clip;
        if (bench_update(whole, &err) != OK || bench_update(parts, &err) != OK) {
            check_fail(r, "with %s: update %d: %s", bench_under(whole->settings), t, err.text);
            return false;
        }
    }
    return true;
}

static void compare_blocks(
    const bench *whole, const bench *parts, const struct stack *k, check_report *r)
{
    const float *w = optimizer_rig_weights(whole->rig, 0);
    for (size_t b = 0; b < k->n_blocks && r->outcome == CHECK_PASSED; b++) {
        const float *x = optimizer_rig_weights(parts->rig, b);
        double off = 0, way = 0, size = 0;
        for (size_t e = 0; e < whole->size[0]; e++) {
            if (block_of(k, e) == b) {
                const double at = (double)x[place_of(k, e)];
                off += pow((double)w[e] - at, 2);
                way += pow(at - (double)whole->w0[0][e], 2);
                size += at * at;
            }
        }
        const double beyond = sqrt(off) - N_BLOCK_UPDATES * 0x1p-24 * sqrt(size);
        if (!(beyond <= 1e-4 * sqrt(way))) {
            check_warn(r,
                "with %s: block %zu of %s, of %zu blocks, is off by %.3g of its way after %d "
                "updates from where it goes as a tensor of its own; look at which columns and "
                "which part of its slots a block has, unless a number of the whole tensor is "
                "meant to count",
                bench_under(whole->settings), b, k->whole.tensor[0].name, k->n_blocks,
                sqrt(off / way), (int)N_BLOCK_UPDATES);
        }
    }
}

static void moves_like_tensors(
    const subject *s, const char *settings, const struct stack *k, check_report *r)
{
    bench whole, parts;
    float *w[MOST_BLOCKS];
    if (!bench_open(&whole, s, settings, &k->whole, r)) {
        return;
    }
    if (!keeps_blocks_apart(&whole) || !bench_open(&parts, s, settings, &k->parts, r)) {
        bench_close(&whole);
        return;
    }
    for (size_t b = 0; b < k->n_blocks; b++) {
        w[b] = optimizer_rig_weights(parts.rig, b);
    }
    hand_out(k, optimizer_rig_weights(whole.rig, 0), w);
    if (update_both(&whole, &parts, k, r) && optimizer_rig_n_random(whole.rig) == 0) {
        compare_blocks(&whole, &parts, k, r);
    }
    bench_close(&whole);
    bench_close(&parts);
}

/* -- a slot's blocks -- */

/* Whether some item of the array's block is not as it was at first. */
static bool is_block_written(const rig_array *now, const rig_array *first, size_t block)
{
    const size_t each = now->n / now->n_items / now->n_blocks;
    for (size_t i = 0; i < now->n_items; i++) {
        const size_t at = (i * now->n_blocks + block) * each;
        if (bits_differ(now->floats + at, first->floats + at, each) < each) {
            return true;
        }
    }
    return false;
}

static void compare_slot(const char *settings, const struct stack *k, const rig_array *now,
    const rig_array *first, check_report *r)
{
    size_t n_written = 0, missing = 0;
    for (size_t b = 0; b < now->n_blocks; b++) {
        const bool is_written = is_block_written(now, first, b);
        n_written += is_written;
        missing = is_written ? missing : b;
    }
    if (n_written > 0 && n_written < now->n_blocks) {
        check_fail(r,
            "with %s: slot \"%s\" of %s has a part for each of %zu blocks, and that of block %zu "
            "was not written in %d updates with gradients in all of them; the parts lie one after "
            "another",
            bench_under(settings), now->name, k->whole.tensor[0].name, now->n_blocks, missing,
            (int)N_BLOCK_UPDATES);
    }
}

static void writes_each(
    const subject *s, const char *settings, const struct stack *k, check_report *r)
{
    bench b, fresh;
    if (!bench_open(&b, s, settings, &k->whole, r)) {
        return;
    }
    if (!bench_open(&fresh, s, settings, &k->whole, r)) {
        bench_close(&b);
        return;
    }
    if (bench_run(&b, N_BLOCK_UPDATES, r)) {
        for (size_t i = 0; i < optimizer_rig_n_arrays(b.rig); i++) {
            const rig_array now = optimizer_rig_array(b.rig, i);
            const rig_array first = optimizer_rig_array(fresh.rig, i);
            if (now.name && now.n_blocks > 1 && now.n > 0) {
                compare_slot(settings, k, &now, &first, r);
            }
        }
    }
    bench_close(&b);
    bench_close(&fresh);
}

static bool has_block_slots(const assay_optimizer *o)
{
    bool any = false;
    for (size_t i = 0; i < (size_t)o->n_slots; i++) {
        const assay_slot *row = (const void *)((const char *)o->slots + i * (size_t)o->slot_stride);
        any |= (row->flags & ASSAY_SLOT_PER_BLOCK) != 0;
    }
    return any;
}

/* Whether tensor->blocks makes a difference. What takes no notice of blocks may take norms of whole
 * tensors, say, and is right. */
static bool looks_at_blocks(const subject *s, const char *settings, const struct stack *k)
{
    check_report own = { 0 };
    bench whole, one;
    bool differs = false;
    if (!bench_open(&whole, s, settings, &k->whole, &own)) {
        return false;
    }
    if (bench_open(&one, s, settings, &k->as_one, &own)) {
        differs = bench_run(&whole, 3, &own) && bench_run(&one, 3, &own) &&
            bench_hash_weights(&whole) != bench_hash_weights(&one);
        bench_close(&one);
    }
    bench_close(&whole);
    return differs;
}

static void blocks_under(const subject *s, const char *settings, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0] && r->outcome != CHECK_FAILED; i++) {
        if (!has_block_slots(o) && !looks_at_blocks(s, settings, &stacks[i])) {
            continue;
        }
        writes_each(s, settings, &stacks[i], r);
        if (!o->model && r->outcome != CHECK_FAILED) {
            rests_beyond(s, settings, &stacks[i], r);
        }
        if (r->outcome != CHECK_FAILED) {
            moves_like_tensors(s, settings, &stacks[i], r);
        }
    }
}

void optimizer_test_blocks(const subject *s, check_report *r)
{
    const assay_optimizer *o = s->component->ops;
    if (!has_block_slots(o) && !o->tensor) {
        check_skip(r, "none of its slots is ASSAY_SLOT_PER_BLOCK, and it is not of tier tensor");
        return;
    }
    bench_each_setting(s, 16, r, blocks_under);
}
