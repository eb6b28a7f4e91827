/* What an update costs by itself: the real plugins of every first-order method over models of four sizes, driven through the
 * trainer's own plan, slots and chunks, with a gradient that lies ready as a whole. One thread. Beside it, in turns of one run, a
 * plain loop (plain_loops.c) that reads and writes as many arrays.
 *
 *   bench_optimizer [optim:adam:n235146 ...]
 *
 * Prints a line of JSON per optimizer and size: ns of CPU time per parameter of both, the medians of TURNS turns of at least
 * TURN_S each. The first three sizes are those of networks that `run` trains, all tensors and biases counted; the last is one
 * matrix that no cache holds, for the methods that the peers' optim.c has, too. */
#include "base/clock.h"
#include "base/text.h"
#include "model/model.h"
#include "num/gemm.h"
#include "registry/registry.h"
#include "train/optimizer.h"

#include "plain_loops.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_S 0.02

enum { TURNS = 7, UPDATES_A_LOOK = 50, FEW_PARAMS = 10000, MAX_UNITS = 4 };

typedef struct size {
    size_t n_params, n_in, units[MAX_UNITS]; /* ends with 0 */
    bool bias;
} size;

static const size sizes[] = {
    { 5569, 20, { 64, 64, 1 }, true },
    { 235146, 784, { 256, 128, 10 }, true },
    { 1863690, 784, { 1024, 1024, 10 }, true },
    { 16777216, 4096, { 4096 }, false },
};

/* The rate is so small that weights keep their size over all turns. */
typedef struct method {
    const char *name, *block;
    plain_loop plain;
    /* What the method needs of each array of n numbers, pass after pass: reads > writes. g is the gradient, w the weights, the
     * others are slots. */
    const char *passes;
    bool everywhere; /* on the largest size, too */
} method;

static const method methods[] = {
    { "sgd", "type = \"sgd\"; lr = 1e-6", plain_sgd, "g w > w", true },
    { "sgdm", "type = \"sgd\"; lr = 1e-6; momentum = 0.9", plain_sgdm, "g w m > w m", true },
    { "adagrad", "type = \"adagrad\"; lr = 1e-6", plain_adagrad, "g w s > w s", true },
    { "adam", "type = \"adam\"; lr = 1e-6", plain_adam, "g w m v > w m v", true },
    { "adamw", "type = \"adamw\"; lr = 1e-6", plain_adam, "g w m v > w m v", false },
    { "rmsprop", "type = \"rmsprop\"; lr = 1e-6", plain_adagrad, "g w v > w v", false },
    { "adamax", "type = \"adamax\"; lr = 1e-6", plain_adam, "g w m u > w m u", false },
    { "nadam", "type = \"nadam\"; lr = 1e-6", plain_adam, "g w m v > w m v", false },
    { "radam", "type = \"radam\"; lr = 1e-6", plain_adam, "g w m v > w m v", false },
    { "adadelta", "type = \"adadelta\"; lr = 1e-6", plain_adam, "g w v x > w v x", false },
    { "rprop", "type = \"rprop\"; lr = 1e-6; step_min = 1e-9; step_max = 1e-6", plain_adam,
        "g w s p > w s p", false },
    { "lion", "type = \"lion\"; lr = 1e-6", plain_sgdm, "g w m > w m", false },
    { "adan", "type = \"adan\"; lr = 1e-6", plain_adan, "g w m v n p > w m v n p", false },
    { "adabelief", "type = \"adabelief\"; lr = 1e-6", plain_adam, "g w m s > w m s", false },
    { "yogi", "type = \"yogi\"; lr = 1e-6", plain_adam, "g w m v > w m v", false },
    { "lars", "type = \"lars\"; lr = 1e-6", plain_lars, "g w; g w m > w m", false },
    { "lamb", "type = \"lamb\"; lr = 1e-6", plain_lamb, "g w m v > m v; w m v > w", false },
    /* d stays at d0: the gradient never changes. */
    { "prodigy", "type = \"prodigy\"; growth_rate = 1.0", plain_prodigy,
        "g w w0 s > s; g w m v > w m v", false },
    { "adafactor", "type = \"adafactor\"; lr = 1e-6", plain_adafactor, "g; w; g; g w > w", false },
    { "schedule_free_sgd", "type = \"schedule_free_sgd\"; lr = 1e-6", plain_sgdm, "g w z > w z",
        false },
    { "schedule_free_adamw", "type = \"schedule_free_adamw\"; lr = 1e-6", plain_adam,
        "g w z v > w z v", false },
};

/* Four for every array named. */
static size_t bytes_of(const method *o)
{
    size_t n = 0;
    for (const char *s = o->passes; *s; s++) {
        n += isalnum((unsigned char)*s) && !isalnum((unsigned char)s[1]);
    }
    return n * sizeof(float);
}

/* One optimizer over one model, planned, and the arrays of its plain loop. */
typedef struct scene {
    registry *registry;
    config *config;
    model *model;
    optimizer *optimizer;
    team *team;
    float *g; /* [n_flat] */
    uint64_t t;
    plain_loop plain;
    float *plain_array[MAX_PLAIN_ARRAYS]; /* [n_params] each */
} scene;

static void scene_release(scene *s)
{
    for (size_t i = 0; i < MAX_PLAIN_ARRAYS; i++) {
        free(s->plain_array[i]);
    }
    optimizer_free(s->optimizer);
    free(s->g);
    model_free(s->model);
    team_free(s->team);
    config_free(s->config);
    registry_free(s->registry);
}

static void write_config(const size *z, const method *o, text *t)
{
    text_printf(t, "model = (");
    for (size_t i = 0; i < MAX_UNITS && z->units[i]; i++) {
        text_printf(t, "%s { type = \"dense\"; units = %zu; bias = %s; }", i ? "," : "",
            z->units[i], z->bias ? "true" : "false");
    }
    text_printf(t, " );\noptimizer = { %s; };\n", o->block);
}

/* A gradient between -1 and 1 from a fixed stream. */
static void fill_gradient(float *g, size_t n)
{
    uint32_t x = 2463534242U;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        g[i] = (float)(int32_t)x * 0x1p-31f;
    }
}

static status plan(const size *z, scene *s, error *err)
{
    status st = OK;
    value *root = config_root(s->config);
    const model_options mo = { .in = { .n_dims = 1, .dim = { z->n_in } },
        .in_dtype = ASSAY_F32,
        .max_time = 1,
        .max_batch = 1 };
    TRY(optimizer_new(
        s->registry, s->config, value_find(root, "optimizer"), 1, &s->optimizer, err));
    TRY(model_new(s->registry, s->config, value_find(root, "model"), 1, &s->model, err));
    TRY(model_plan(s->model, s->config, &mo, err));
    if (s->model->n_params != z->n_params) {
        TRY(fail(err, E_INTERNAL, "the model has %zu parameters, expected %zu", s->model->n_params,
            z->n_params));
    }
    TRY(team_new(1, true, &s->team, err));
    registry_set_team(s->registry, s->team);
    s->g = mem_aligned(s->model->n_flat, sizeof *s->g);
    if (!s->g) {
        TRY(fail_nomem(err, "the gradient"));
    }
    fill_gradient(s->g, s->model->n_flat);
    TRY(optimizer_plan(s->optimizer, s->model, s->g, s->team, err));
done:
    return st;
}

/* State begins at zero, as an optimizer's does. */
static status plan_plain(const method *o, scene *s, error *err)
{
    const size_t n = s->model->n_params;
    s->plain = o->plain;
    for (size_t i = 0; i < MAX_PLAIN_ARRAYS; i++) {
        s->plain_array[i] = mem_aligned(n, sizeof(float));
        if (!s->plain_array[i]) {
            return fail_nomem(err, "the arrays of a plain loop");
        }
        memset(s->plain_array[i], 0, n * sizeof(float));
    }
    fill_gradient(s->plain_array[0], n);
    fill_gradient(s->plain_array[1], n);
    return OK;
}

static status open_scene(const size *z, const method *o, scene *s, error *err)
{
    status st = OK;
    text t = { 0 };
    const registry_options ro = { .program_path = TEST_BUILD_DIR "/assay", .no_environment = true };
    write_config(z, o, &t);
    TRY(text_check(&t, err));
    TRY(registry_new(&ro, &s->registry, err));
    TRY(config_parse("bench_optimizer", t.s, &s->config, err));
    TRY(plan(z, s, err));
    TRY(plan_plain(o, s, err));
done:
    text_release(&t);
    return st;
}

static status update_once(scene *s, error *err)
{
    const update u = { .t = ++s->t, .loss = 1, .scale = 1 };
    update_finding found;
    return optimizer_update(s->optimizer, &u, &found, err);
}

static status plain_once(scene *s, error *err)
{
    (void)err;
    s->plain(s->model->n_params, s->plain_array);
    return OK;
}

/* One or the other for at least TURN_S; CPU seconds per parameter and update. */
static status take_turn(scene *s, status (*once)(scene *, error *), double *out, error *err)
{
    const size_t n = s->model->n_params;
    const double start = clock_cpu_s();
    double elapsed;
    size_t updates = 0;
    do {
        for (int i = 0; i < (n < FEW_PARAMS ? UPDATES_A_LOOK : 1); i++, updates++) {
            status st = once(s, err);
            if (st != OK) {
                return st;
            }
        }
        elapsed = clock_cpu_s() - start;
    } while (elapsed < TURN_S);
    *out = elapsed / (double)updates / (double)n;
    return OK;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The first turn warms up. */
static double median_ns(double *turns)
{
    qsort(turns + 1, TURNS, sizeof *turns, compare);
    return turns[1 + TURNS / 2] * 1e9;
}

static status measure(const char *name, const size *z, const method *o, error *err)
{
    double turns[TURNS + 1], plain_turns[TURNS + 1];
    scene s = { 0 };
    status st = OK;
    TRY(open_scene(z, o, &s, err));
    for (int i = 0; i <= TURNS; i++) {
        TRY(take_turn(&s, update_once, &turns[i], err));
        TRY(take_turn(&s, plain_once, &plain_turns[i], err));
    }
    printf("{\"workload\":\"%s\",\"threads\":1,\"unit\":\"ns/param\",\"bytes_per_param\":%zu,"
           "\"passes\":\"%s\",\"assay\":%.5g,\"plain\":%.5g}\n",
        name, bytes_of(o), o->passes, median_ns(turns), median_ns(plain_turns));
    fflush(stdout);
done:
    scene_release(&s);
    return st;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc == 1;
}

int main(int argc, char **argv)
{
    enum { N_SIZES = sizeof sizes / sizeof sizes[0], N_METHODS = sizeof methods / sizeof *methods };
    error err = { 0 };
    char name[64];
    int n_rows = 0;
    num_init();
    for (size_t i = 0; i < (size_t)N_SIZES * N_METHODS; i++) {
        const size *z = &sizes[i / N_METHODS];
        const method *o = &methods[i % N_METHODS];
        if (z == &sizes[N_SIZES - 1] && !o->everywhere) {
            continue;
        }
        snprintf(name, sizeof name, "optim:%s:n%zu", o->name, z->n_params);
        if (!is_wanted(name, argc, argv)) {
            continue;
        }
        if (measure(name, z, o, &err) != OK) {
            fprintf(stderr, "bench_optimizer: %s\n", err.text);
            return 1;
        }
        n_rows++;
    }
    if (n_rows == 0) {
        fprintf(stderr, "bench_optimizer: no such row; expected as optim:adam:n235146\n");
        return 2;
    }
    return 0;
}
