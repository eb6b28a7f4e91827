/* What one update is: accumulation, weights, L2, clipping, groups, schedules, ties, links, against computations by hand. */
#include "support/train_rig.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <string.h>

/* 50 samples: six batches of 8 and one of 2. */
#define WEIGHTED \
    "data = { type = \"planted\"; samples = 50; features = 4; classes = 3; weighted = true;" \
    " split = { validation = 0.0; test = 0.0; }; shuffle = true; "
#define SMALL_NET \
    "model = ( { type = \"dense\"; units = 6; }, \"tanh\", { type = \"dense\"; units = 3; } );" \
    " loss = \"softmax_xent\"; optimizer = { type = \"probe\"; lr = 0.3; }; "

static void compare_gradients(train_rig *a, train_rig *b, const char *name, size_t n, double limit)
{
    char slot[96];
    snprintf(slot, sizeof slot, "optimizer/0/%s/g", name);
    const double e = relative_error(rig_slot(a, slot, n), rig_slot(b, slot, n), n);
    if (!(e <= limit)) GIVE_UP("%s: relative error %g", name, e);
}

static void test_accumulation__equals_one_batch_of_all(void **state)
{
    train_rig parts, whole;
    (void)state;
    rig_init(&parts);
    rig_init(&whole);
    rig_open(&parts, WEIGHTED "batch_size = 8; };" SMALL_NET "train = { accumulate = 3; };", NULL);
    rig_open(&whole, WEIGHTED "batch_size = 24; };" SMALL_NET, NULL);
    assert_int_equal(
        trainer_steps_per_epoch(parts.t), 3); /* 3, 3 and 1 batches: 24, 24, 2 samples */
    assert_int_equal(trainer_steps_per_epoch(whole.t), 3);
    for (int step = 0; step < 7; step++) {
        rig_steps(&parts, 1);
        rig_steps(&whole, 1);
        expect_near(rig_last_loss(&parts), rig_last_loss(&whole), 1e-6);
        compare_gradients(&parts, &whole, "dense1.weight", 24, 3e-6);
        compare_gradients(&parts, &whole, "dense2.weight", 18, 3e-6);
        compare_gradients(&parts, &whole, "dense2.bias", 3, 3e-6);
    }
    assert_int_equal(rig_spent(&parts)->samples_backward, 50 + 50 + 24);
    assert_int_equal(rig_spent(&whole)->samples_backward, 50 + 50 + 24);
    rig_release(&whole);
    rig_release(&parts);
}

/* -- linear regression by hand -- */

enum { N = 12, D = 3 };

#define LINEAR \
    "data = { type = \"planted\"; samples = 12; features = 3; batch_size = \"all\";" \
    " split = { validation = 0.0; test = 0.0; }; };" \
    "model = ( { type = \"dense\"; units = 1; init = { type = \"normal\"; std = 0.7; };" \
    " bias_init = { type = \"constant\"; value = -0.731; }; } ); loss = \"mse\"; "
#define LINEAR_PROBE LINEAR "optimizer = { type = \"probe\"; lr = 0.125; }; "

typedef struct line {
    double w[D], b, g[D], gb, loss;
} line;

static void line_gradient(line *l, const float *x, const float *y)
{
    l->gb = l->loss = 0;
    memset(l->g, 0, sizeof l->g);
    for (int i = 0; i < N; i++) {
        double e = l->b - y[i];
        for (int j = 0; j < D; j++)
            e += x[i * D + j] * l->w[j];
        l->loss += e * e / N;
        l->gb += 2 * e / N;
        for (int j = 0; j < D; j++)
            l->g[j] += 2 * e * x[i * D + j] / N;
    }
}

static line line_of(train_rig *g)
{
    const assay_data *view = dataset_view(trainer_data(g->t));
    line l = { .b = *rig_tensor(g, "dense1.bias", NULL) };
    for (int j = 0; j < D; j++)
        l.w[j] = rig_tensor(g, "dense1.weight", NULL)[j];
    line_gradient(&l, view->x, view->targets);
    return l;
}

static void expect_gradient(train_rig *g, const double *weight, double bias)
{
    const float *got = rig_slot(g, "optimizer/0/dense1.weight/g", D);
    for (int j = 0; j < D; j++)
        expect_near(got[j], weight[j], 2e-6);
    expect_near(rig_slot(g, "optimizer/0/dense1.bias/g", 1)[0], bias, 2e-6);
}

static void test_full_batch__is_gradient_descent(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINEAR_PROBE, NULL);
    line l = line_of(&g);
    const assay_data *view = dataset_view(trainer_data(g.t));
    const double first = l.loss;
    for (int step = 0; step < 20; step++) {
        line_gradient(&l, view->x, view->targets);
        for (int j = 0; j < D; j++)
            l.w[j] -= 0.125 * l.g[j];
        l.b -= 0.125 * l.gb;
        rig_steps(&g, 1);
        expect_near(rig_last_loss(&g), l.loss, 2e-6 * (1 + l.loss));
        for (int j = 0; j < D; j++)
            expect_near(rig_tensor(&g, "dense1.weight", NULL)[j], l.w[j], 3e-6);
        expect_near(*rig_tensor(&g, "dense1.bias", NULL), l.b, 3e-6);
    }
    assert_true(l.loss < first / 10);
    rig_release(&g);
}

static void test_l2__enters_objective_and_gradient_for_weights_only(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINEAR_PROBE "train = { l2 = 0.25; };", NULL);
    line l = line_of(&g);
    double expected[D], l2 = 0;
    for (int j = 0; j < D; j++) {
        expected[j] = l.g[j] + 0.25 * l.w[j];
        l2 += 0.125 * l.w[j] * l.w[j];
    }
    rig_steps(&g, 1);
    expect_gradient(&g, expected, l.gb);
    expect_near(rig_last_loss(&g), l.loss, 2e-6);
    expect_near(rig_last_l2(&g), l2, 1e-7);
    rig_release(&g);
}

static void test_l2__comes_before_clipping(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINEAR_PROBE "train = { l2 = 7.5; clip_norm = 0.625; };", NULL);
    line l = line_of(&g);
    double expected[D], norm = l.gb * l.gb;
    for (int j = 0; j < D; j++) {
        expected[j] = l.g[j] + 7.5 * l.w[j];
        norm += expected[j] * expected[j];
    }
    norm = sqrt(norm);
    assert_true(norm > 0.7);
    for (int j = 0; j < D; j++)
        expected[j] *= 0.625 / norm;
    rig_steps(&g, 1);
    expect_gradient(&g, expected, l.gb * 0.625 / norm);
    expect_near(rig_last_norm(&g), norm, 1e-5);
    rig_release(&g);
}

static double clipped(double v, double limit)
{
    return v > limit ? limit : v < -limit ? -limit : v;
}

static void test_clipping__by_value_comes_before_the_norm(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g, LINEAR_PROBE "train = { clip_value = 0.4; clip_norm = 0.5; };", NULL);
    line l = line_of(&g);
    double norm = clipped(l.gb, 0.4) * clipped(l.gb, 0.4), expected[D], n_clipped = 0;
    for (int j = 0; j < D; j++) {
        n_clipped += fabs(l.g[j]) > 0.4;
        expected[j] = clipped(l.g[j], 0.4);
        norm += expected[j] * expected[j];
    }
    norm = sqrt(norm);
    assert_true(n_clipped > 0 && norm > 0.5);
    for (int j = 0; j < D; j++)
        expected[j] *= 0.5 / norm;
    rig_steps(&g, 1);
    expect_gradient(&g, expected, clipped(l.gb, 0.4) * 0.5 / norm);
    rig_release(&g);
}

static void test_clipping__leaves_a_small_gradient_alone(void **state)
{
    train_rig plain, limited;
    size_t n;
    (void)state;
    rig_init(&plain);
    rig_init(&limited);
    rig_open(&plain, LINEAR_PROBE, NULL);
    rig_open(&limited, LINEAR_PROBE "train = { clip_value = 1e3; clip_norm = 1e3; };", NULL);
    rig_steps(&plain, 5);
    rig_steps(&limited, 5);
    const float *w = rig_weights(&plain, &n);
    assert_memory_equal(rig_weights(&limited, NULL), w, n * sizeof *w);
    rig_release(&limited);
    rig_release(&plain);
}

/* -- weights of samples and classes -- */

/* A softmax regression's weighted mean loss and the gradient of its biases. */
static double weighted_loss(train_rig *g, const double *class_weight, double gb[3])
{
    const assay_data *view = dataset_view(trainer_data(g->t));
    const float *x = view->x, *w = rig_tensor(g, "dense1.weight", NULL);
    const float *b = rig_tensor(g, "dense1.bias", NULL);
    double sum = 0, total = 0;
    memset(gb, 0, 3 * sizeof *gb);
    for (size_t i = 0; i < view->n_samples; i++) {
        double y[3], all = 0;
        const int label = view->label[i];
        const double weight = (view->weight ? view->weight[i] : 1) * class_weight[label];
        for (int c = 0; c < 3; c++) {
            y[c] = b[c];
            for (int j = 0; j < 4; j++)
                y[c] += (double)x[i * 4 + (size_t)j] * w[j * 3 + c];
            all += exp(y[c]);
        }
        for (int c = 0; c < 3; c++)
            gb[c] += weight * (exp(y[c]) / all - (c == label));
        sum += weight * (log(all) - y[label]);
        total += weight;
    }
    for (int c = 0; c < 3; c++)
        gb[c] /= total;
    return sum / total;
}

#define SOFTMAX \
    "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\"; optimizer = " \
    "\"probe\";" \
    " train = { replicas = 3; };"

static void expect_weighted(const char *source, const double *class_weight)
{
    train_rig g;
    double gb[3];
    rig_init(&g);
    rig_open(&g, source, NULL);
    const double loss = weighted_loss(&g, class_weight, gb);
    rig_steps(&g, 1);
    expect_near(rig_last_loss(&g), loss, 1e-6);
    for (int c = 0; c < 3; c++)
        expect_near(rig_slot(&g, "optimizer/0/dense1.bias/g", 3)[c], gb[c], 1e-6);
    rig_release(&g);
}

static void test_weights__of_samples_and_classes_make_a_weighted_mean(void **state)
{
    static const double equal[] = { 1, 1, 1 }, given[] = { 1.25, 2.5, 0.375 };
    (void)state;
    expect_weighted(WEIGHTED "batch_size = \"all\"; };" SOFTMAX, equal);
    expect_weighted(
        WEIGHTED "batch_size = \"all\"; class_weights = ( 1.25, 2.5, 0.375 ); };" SOFTMAX, given);
}

static void test_weights__of_classes_alone(void **state)
{
    static const double given[] = { 1.25, 2.5, 0.375 };
    (void)state;
    expect_weighted("data = { type = \"planted\"; samples = 50; features = 4; classes = 3;"
                    " split = { validation = 0.0; test = 0.0; }; batch_size = \"all\";"
                    " class_weights = ( 1.25, 2.5, 0.375 ); };" SOFTMAX,
        given);
}

/* -- what layers ask for -- */

#define NET_DATA WEIGHTED "batch_size = 10; };"
#define TWO(first, second) \
    NET_DATA "model = ( { type = \"dense\"; units = 6; name = \"a\"; " first " }, \"tanh\", {" \
             " type = \"dense\"; units = 3; name = \"b\"; " second " } );" \
             " loss = \"softmax_xent\"; optimizer = { type = \"probe\"; lr = 0.25; };"

static void test_lr_scale__multiplies_the_rate_of_a_layer(void **state)
{
    train_rig g;
    float before[24];
    (void)state;
    rig_init(&g);
    rig_open(&g, TWO("lr_scale = 0.5;", "lr_scale = 0.0;"), NULL);
    memcpy(before, rig_tensor(&g, "a.weight", NULL), sizeof before);
    const float b = rig_tensor(&g, "b.weight", NULL)[5];
    rig_steps(&g, 1);
    const float *got = rig_slot(&g, "optimizer/0/a.weight/g", 24);
    for (int i = 0; i < 24; i++)
        assert_true(rig_tensor(&g, "a.weight", NULL)[i] == before[i] - 0.125f * got[i]);
    assert_true(rig_tensor(&g, "b.weight", NULL)[5] == b);
    assert_true(rig_slot(&g, "optimizer/0/b.weight/g", 18)[5] != 0);
    assert_true(rig_slot(&g, "optimizer/0/a.bias/lr", 1)[0] == 0.125f);
    rig_release(&g);
}

static void test_trainable__false_leaves_a_layer_as_it_is(void **state)
{
    train_rig fixed, whole;
    float before[24];
    (void)state;
    rig_init(&fixed);
    rig_init(&whole);
    rig_open(&fixed, TWO("trainable = false;", "") "train = { l2 = 0.1; };", NULL);
    rig_open(&whole, TWO("", "") "train = { l2 = 0.1; };", NULL);
    memcpy(before, rig_tensor(&fixed, "a.weight", NULL), sizeof before);
    rig_steps(&fixed, 1);
    rig_steps(&whole, 1);
    compare_gradients(&fixed, &whole, "b.weight", 18, 0);
    rig_steps(&fixed, 12);
    assert_memory_equal(rig_tensor(&fixed, "a.weight", NULL), before, sizeof before);
    rig_open(&fixed, TWO("", "trainable = false;"), NULL); /* below it gradients still flow */
    rig_open(&whole, TWO("", ""), NULL);
    rig_steps(&fixed, 1);
    rig_steps(&whole, 1);
    compare_gradients(&fixed, &whole, "a.weight", 24, 0);
    rig_release(&whole);
    rig_release(&fixed);
}

/* -- parameter groups -- */

#define GROUPS(list) \
    NET_DATA \
    "model = ( { type = \"dense\"; units = 6; name = \"a\"; }, \"tanh\", { type = " \
    "\"dense\"; units = 5; name = \"m\"; }, \"tanh\", { type = \"dense\"; units = 3; name = " \
    "\"b\"; } ); loss = \"softmax_xent\"; optimizer = ( " list " );"

static void test_groups__the_first_match_wins(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        GROUPS("{ type = \"probe\"; lr = 0.5; match = \"role:bias\"; },"
               "{ type = \"probe\"; lr = 0.25; match = ( \"place:hidden\", \"dims:2\" ); },"
               "{ type = \"probe\"; lr = 0.125; match = \"b.*\"; }, { type = \"probe\"; lr = 1; }"),
        NULL);
    rig_steps(&g, 1);
    assert_true(rig_slot(&g, "optimizer/0/a.bias/lr", 1)[0] == 0.5f);
    assert_true(rig_slot(&g, "optimizer/0/b.bias/lr", 1)[0] == 0.5f);
    assert_true(rig_slot(&g, "optimizer/1/m.weight/lr", 1)[0] == 0.25f);
    assert_true(rig_slot(&g, "optimizer/2/b.weight/lr", 1)[0] == 0.125f);
    assert_true(rig_slot(&g, "optimizer/3/a.weight/lr", 1)[0] == 1);
    text described = { 0 };
    trainer_describe_optimizer(g.t, &described);
    assert_string_equal(
        described.s, "probe (3 tensors), probe (1 tensor), probe (1 tensor), probe (1 tensor)");
    text_release(&described);
    rig_release(&g);
}

static void test_groups__refuse_tensors_without_a_block_and_blocks_without_tensors(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_refuse(&g, GROUPS("{ type = \"probe\"; match = \"role:bias\"; }"), E_MISSING,
        "no block's `match` fits a.weight (role weight, place input)");
    rig_refuse(&g,
        GROUPS("{ type = \"probe\"; match = \"*\"; }, { type = \"sgd\"; match = \"role:bias\"; }"),
        E_CONFLICT, "gets no tensor");
    rig_refuse(
        &g, GROUPS("{ type = \"probe\"; }, { type = \"sgd\"; }"), E_CONFLICT, "gets no tensor");
    rig_refuse(&g, GROUPS("{ type = \"probe\"; match = \"role:biass\"; }, \"sgd\""), E_UNKNOWN,
        "there is no role \"biass\"");
    rig_refuse(&g, GROUPS("{ type = \"probe\"; match = \"place:middle\"; }, \"sgd\""), E_UNKNOWN,
        "there is no place \"middle\"");
    static const char *const dims[] = { "abc", "", "0", "2x", "-1", "17" };
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        char source[1024], expected[64];
        snprintf(source, sizeof source,
            GROUPS("{ type = \"probe\"; match = \"dims:%s\"; }, \"sgd\""), dims[i]);
        snprintf(expected, sizeof expected, "expected dims:1 to dims:%d, found \"dims:%s\"",
            ASSAY_MAX_DIMS, dims[i]);
        rig_refuse(&g, source, E_RANGE, expected);
    }
    rig_refuse(&g, GROUPS(""), E_RANGE, "expected at least one block");
    rig_release(&g);
}

/* -- schedules -- */

static void test_schedules__drive_what_their_targets_name(void **state)
{
    train_rig g;
    (void)state;
    rig_init(&g);
    rig_open(&g,
        WEIGHTED
        "batch_size = 10; }; model = ( { type = \"dropout\"; rate = 0.8; name = \"drop1\"; },"
        " { type = \"dense\"; units = 3; lr_scale = 0.5; } ); loss = \"softmax_xent\";"
        " optimizer = { type = \"probe\"; lr = 0.5; momentum = 0.75; };"
        " schedule = ( { type = \"multistep\"; milestones = ( 2 ); every = \"step\"; gamma = 0.5; "
        "},"
        " { type = \"multistep\"; milestones = ( 3 ); every = \"step\"; gamma = 0.25; target ="
        " \"momentum\"; }, { type = \"multistep\"; milestones = ( 1 ); every = \"step\"; gamma = "
        "0.0;"
        " target = \"model.drop1.rate\"; } );",
        NULL);
    static const float lr[] = { 0.25f, 0.25f, 0.125f, 0.125f };
    static const float momentum[] = { 0.75f, 0.75f, 0.75f, 0.1875f };
    static const double equal[] = { 1, 1, 1 };
    double gb[3];
    for (int step = 0; step < 4; step++) {
        rig_steps(&g, 1);
        assert_true(rig_slot(&g, "optimizer/0/dense1.bias/lr", 1)[0] == lr[step]);
        assert_true(rig_slot(&g, "optimizer/0/dense1.bias/momentum", 1)[0] == momentum[step]);
    }
    /* with a rate of 0 all five batches of an epoch, at fixed weights, are the whole data */
    rig_open(&g,
        WEIGHTED
        "batch_size = \"all\"; }; model = ( { type = \"dropout\"; rate = 0.8; name ="
        " \"drop1\"; }, { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";"
        " optimizer = { type = \"probe\"; lr = 0.0; }; schedule = { type = \"multistep\";"
        " milestones = ( 1 ); every = \"step\"; gamma = 0.0; target = \"model.drop1.rate\"; };",
        NULL);
    const double loss = weighted_loss(&g, equal, gb);
    rig_steps(&g, 1);
    assert_true(fabs(rig_last_loss(&g) - loss) > 1e-3);
    rig_steps(&g, 1);
    expect_near(rig_last_loss(&g), loss, 1e-6);
    rig_release(&g);
}

static void test_schedules__refuse_targets_that_name_nothing(void **state)
{
    static const char *const targets[] = { "lrr", "model.a.rate", "model.c.rate", "loss.alpha",
        "model.a.units" };
    train_rig g;
    (void)state;
    rig_init(&g);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char source[1024];
        snprintf(source, sizeof source,
            "%s schedule = { type = \"exponential\"; target = \"%s\"; };", TWO("", ""), targets[i]);
        rig_refuse(&g, source, E_UNKNOWN, "names nothing that a schedule can drive");
    }
    rig_refuse(&g, TWO("", "") "schedule = ( \"cosine\", \"linear\" );", E_CONFLICT,
        "two schedules drive \"lr\"");
    rig_release(&g);
}

/* -- starting weights -- */

static void test_init_from__starts_from_a_file(void **state)
{
    train_rig g;
    char source[2048];
    float kept[24];
    (void)state;
    rig_init(&g);
    rig_open(&g, TWO("", ""), NULL);
    rig_steps(&g, 4);
    memcpy(kept, rig_tensor(&g, "a.weight", NULL), sizeof kept);
    if (trainer_save_weights(g.t, false, rig_path(&g, "w.safetensors"), &g.err) != OK) {
        GIVE_UP("%s", g.err.text);
    }
    snprintf(source, sizeof source, "seed = 9; %s train = { init_from = \"%s\"; };", TWO("", ""),
        rig_path(&g, "w.safetensors"));
    rig_open(&g, source, NULL);
    assert_memory_equal(rig_tensor(&g, "a.weight", NULL), kept, sizeof kept);
    snprintf(source, sizeof source, "%s train = { init_from = \"%s\"; };",
        GROUPS("{ type = \"sgd\"; }"), rig_path(&g, "w.safetensors"));
    rig_refuse(&g, source, E_SHAPE, "m.weight is missing");
    snprintf(source, sizeof source, "%s train = { init_from = \"%s\"; };", TWO("", ""),
        rig_path(&g, "nothing"));
    rig_refuse(&g, source, E_IO, "nothing");
    rig_release(&g);
}

/* -- gradients of whole models against differences -- */

#define DIFFERENCES "loss = \"softmax_xent\"; optimizer = \"differences\"; "

/* Along a random direction in every tensor. Central differences with h = 0.01 of a float loss: 1e-7 / 0.01 from rounding,
 * h^2 from truncation, both some 1e-4 of slopes of the order of 0.1. */
static void expect_differences(const char *source, const char *const *tensors, size_t n)
{
    train_rig g;
    rig_init(&g);
    rig_open(&g, source, NULL);
    rig_steps(&g, 1);
    double apart = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        char name[96];
        snprintf(name, sizeof name, "optimizer/0/%s/by_difference", tensors[i]);
        const double by_difference = rig_slot(&g, name, 1)[0];
        snprintf(name, sizeof name, "optimizer/0/%s/by_gradient", tensors[i]);
        const double by_gradient = rig_slot(&g, name, 1)[0];
        apart += (by_difference - by_gradient) * (by_difference - by_gradient);
        size += by_gradient * by_gradient;
        if (fabs(by_difference - by_gradient) > 1e-3 * (0.03 + fabs(by_gradient))) {
            GIVE_UP(
                "%s: %g by differences, %g by gradient", tensors[i], by_difference, by_gradient);
        }
    }
    assert_true(size > 1e-4);
    assert_true(sqrt(apart / size) < 2e-3);
    assert_true(rig_model_slot(&g, "optimizer/0/same") == rig_model_slot(&g, "optimizer/0/loss"));
    assert_true(rig_model_slot(&g, "optimizer/0/gradient_again") == 0);
    rig_release(&g);
}

#define EXPECT_DIFFERENCES(source, ...) \
    do { \
        static const char *const names[] = { __VA_ARGS__ }; \
        expect_differences(source, names, sizeof names / sizeof names[0]); \
    } while (0)

static void test_gradients__of_a_stack_with_everything_on(void **state)
{
    (void)state;
    EXPECT_DIFFERENCES(NET_DATA
        "model = ( { type = \"dense\"; units = 6; }, \"tanh\", { type = \"dropout\"; rate = 0.4; },"
        " { type = \"dense\"; units = 3; } );" DIFFERENCES
        "train = { l2 = 0.05; accumulate = 2; replicas = 3; };",
        "dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias");
}

static void test_gradients__of_tied_layers(void **state)
{
    (void)state;
    EXPECT_DIFFERENCES(NET_DATA
        "model = ( { type = \"dense\"; units = 4; name = \"a\"; }, \"tanh\", { type = \"dense\";"
        " units = 4; tie = \"a\"; name = \"c\"; }, \"tanh\", { type = \"dense\"; units = 3; name = "
        "\"b\"; } );" DIFFERENCES "train = { replicas = 2; accumulate = 2; l2 = 0.05; };",
        "a.weight", "a.bias", "c.bias", "b.weight");
}

static void test_gradients__of_layers_tied_turned_over(void **state)
{
    (void)state;
    EXPECT_DIFFERENCES(NET_DATA
        "model = ( { type = \"dense\"; units = 7; name = \"a\"; }, \"tanh\", { type = \"dense\";"
        " units = 4; tie = \"a.weight\"; name = \"c\"; }, \"tanh\", { type = \"dense\"; units = 3; "
        "name = \"b\"; } );" DIFFERENCES "train = { replicas = 2; };",
        "a.weight", "a.bias", "c.bias", "b.weight");
}

static void test_gradients__through_adds_and_fan_out(void **state)
{
    (void)state;
    EXPECT_DIFFERENCES(NET_DATA
        "model = ( { type = \"dense\"; units = 5; name = \"a\"; }, { type = \"tanh\"; name = "
        "\"ta\"; },"
        " { type = \"dense\"; units = 5; name = \"m\"; }, { type = \"tanh\"; name = \"tm\"; },"
        " { type = \"add\"; from = ( \"ta\", \"tm\", \"ta\" ); name = \"s\"; },"
        " { type = \"dense\"; units = 5; from = \"s\"; name = \"n\"; }, { type = \"tanh\"; name = "
        "\"tn\"; },"
        " { type = \"concat\"; from = ( \"s\", \"tn\", \"input\", \"ta\" ); },"
        " { type = \"dense\"; units = 3; name = \"b\"; } );" DIFFERENCES
        "train = { replicas = 3; };",
        "a.weight", "a.bias", "m.weight", "m.bias", "n.weight", "n.bias", "b.weight", "b.bias");
}

static void test_gradients__past_a_layer_that_is_not_trained(void **state)
{
    (void)state;
    EXPECT_DIFFERENCES(NET_DATA
        "model = ( { type = \"dense\"; units = 5; name = \"z\"; trainable = false; },"
        " { type = \"tanh\"; name = \"tz\"; }, { type = \"dense\"; units = 5; name = \"a\"; },"
        " { type = \"tanh\"; name = \"ta\"; }, { type = \"add\"; from = ( \"tz\", \"ta\" ); },"
        " { type = \"dense\"; units = 5; trainable = false; }, \"tanh\","
        " { type = \"dense\"; units = 3; name = \"b\"; } );" DIFFERENCES,
        "a.weight", "a.bias", "b.weight");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accumulation__equals_one_batch_of_all),
        cmocka_unit_test(test_full_batch__is_gradient_descent),
        cmocka_unit_test(test_l2__enters_objective_and_gradient_for_weights_only),
        cmocka_unit_test(test_l2__comes_before_clipping),
        cmocka_unit_test(test_clipping__by_value_comes_before_the_norm),
        cmocka_unit_test(test_clipping__leaves_a_small_gradient_alone),
        cmocka_unit_test(test_weights__of_samples_and_classes_make_a_weighted_mean),
        cmocka_unit_test(test_weights__of_classes_alone),
        cmocka_unit_test(test_lr_scale__multiplies_the_rate_of_a_layer),
        cmocka_unit_test(test_trainable__false_leaves_a_layer_as_it_is),
        cmocka_unit_test(test_groups__the_first_match_wins),
        cmocka_unit_test(test_groups__refuse_tensors_without_a_block_and_blocks_without_tensors),
        cmocka_unit_test(test_schedules__drive_what_their_targets_name),
        cmocka_unit_test(test_schedules__refuse_targets_that_name_nothing),
        cmocka_unit_test(test_init_from__starts_from_a_file),
        cmocka_unit_test(test_gradients__of_a_stack_with_everything_on),
        cmocka_unit_test(test_gradients__of_tied_layers),
        cmocka_unit_test(test_gradients__of_layers_tied_turned_over),
        cmocka_unit_test(test_gradients__through_adds_and_fan_out),
        cmocka_unit_test(test_gradients__past_a_layer_that_is_not_trained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
