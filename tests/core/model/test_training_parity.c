/* The whole program against PyTorch: the same data, first weights, objective and optimizer give the same weights after 1, 5 and
 * 25 steps. Data come through a CSV file and weights through a weight file, as a user's would.
 *
 * Tolerance: PyTorch computes in float64, we in float32; 25 steps of rounding to 6e-8 stay below 1e-5 of a tensor's norm,
 * and a wrong constant anywhere in an update does not. */
#include "train/trainer.h"

#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "support/plugin_fixture.h"

enum { N_IN = 6, N_PARAMS_MOST = 128 };

#define TOLERANCE 1e-5

/* Folder of the data, optimizer, steps, replicas; l2 and clip_norm are the generator's. */
#define CONFIG \
    "name = \"parity\";  seed = 3;\n" \
    "data = { type = \"csv\"; file = \"%s/data.csv\"; target = \"target\"; batch_size = " \
    "\"all\";\n" \
    "  shuffle = false; split = { validation = 0.0; test = 0.0; }; };\n" \
    "model = ( { type = \"dense\"; name = \"fc1\"; units = 9; }, \"relu\",\n" \
    "  { type = \"dense\"; name = \"fc2\"; units = 8; }, \"tanh\",\n" \
    "  { type = \"dense\"; name = \"fc3\"; units = 4; } );\n" \
    "loss = { type = \"softmax_xent\"; };\n" \
    "optimizer = %s;\n" \
    "train = { steps = %d; epochs = 1000; replicas = %d; threads = 1; l2 = 0.0317; clip_norm " \
    "= 0.213;\n" \
    "  init_from = \"" TEST_SOURCE_DIR "/tests/golden/model_training_weights.safetensors\"; };\n"

typedef struct parity {
    golden *g;
    char dir[64];
} parity;

/* Floats are written such that they read back as they were. */
static int write_data(void **state)
{
    static parity p = { .dir = "/tmp/test_parity.XXXXXX" };
    size_t n = 0;
    p.g = golden_open("model_training");
    if (!mkdtemp(p.dir)) return -1;
    char path[128];
    snprintf(path, sizeof path, "%s/data.csv", p.dir);
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    const int32_t *target = golden_i32(p.g, "target", &n);
    const float *x = golden_f32(p.g, "x", NULL);
    fputs("a,b,c,d,e,f,target\n", f);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < N_IN; j++)
            fprintf(f, "%.9g,", (double)x[i * N_IN + j]);
        fprintf(f, "%d\n", target[i]);
    }
    *state = &p;
    return fclose(f);
}

static int remove_data(void **state)
{
    parity *p = *state;
    char command[128];
    golden_close(p->g);
    snprintf(command, sizeof command, "rm -rf '%s'", p->dir);
    return system(command);
}

static void as_ours(const tensor *t, const double *theirs, double *ours)
{
    const size_t rows = t->info.rows, cols = t->info.cols;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++)
            ours[i * cols + j] = theirs[rows > 1 ? j * rows + i : j];
    }
}

static void assert_weights(const parity *p, const model *m, const char *optimizer, int steps)
{
    assert_int_equal(m->n_tensors, 6);
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        char name[64];
        double ours[N_PARAMS_MOST];
        size_t n;
        snprintf(name, sizeof name, "%s.%d.%s", optimizer, steps, t->export_name);
        const double *theirs = golden_f64(p->g, name, &n);
        assert_int_equal(n, t->info.size);
        assert_true(n <= N_PARAMS_MOST);
        as_ours(t, theirs, ours);
        const double e = norm_relative_error(m->w + t->offset, ours, n);
        if (!(e < TOLERANCE)) GIVE_UP("%s is off by %g of its norm", name, e);
    }
}

static void train(const parity *p, const char *name, const char *optimizer, int steps, int replicas)
{
    const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const trainer_options to = { 0 };
    registry *r;
    config *c;
    trainer *t;
    run_result result;
    error err = { 0 };
    char source[2048];
    snprintf(source, sizeof source, CONFIG, p->dir, optimizer, steps, replicas);
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    if (config_parse("x.cfg", source, &c, &err) != OK) GIVE_UP("%s", err.text);
    if (trainer_new(r, c, &to, &t, &err) != OK) GIVE_UP("%s", err.text);
    if (trainer_run(t, &result, &err) != OK) GIVE_UP("%s", err.text);
    assert_int_equal(result.step, steps);
    assert_int_equal(trainer_n_replicas(t), replicas);
    assert_weights(p, trainer_model(t), name, steps);
    trainer_free(t);
    config_free(c);
    registry_free(r);
}

static void agree(void **state, const char *name, const char *optimizer)
{
    static const int steps[] = { 1, 5, 25 };
    for (size_t i = 0; i < 3; i++)
        train(*state, name, optimizer, steps[i], 1);
    train(*state, name, optimizer, 25, 3);
}

static void test_training_parity__the_generators_objective_is_the_configs(void **state)
{
    const parity *p = *state;
    assert_true(golden_f64(p->g, "l2", NULL)[0] == 0.0317);
    assert_true(golden_f64(p->g, "clip_norm", NULL)[0] == 0.213);
}

static void test_training_parity__sgd_with_momentum(void **state)
{
    agree(state, "sgd", "{ type = \"sgd\"; lr = 0.137; momentum = 0.87; }");
}

static void test_training_parity__adam(void **state)
{
    agree(state, "adam", "{ type = \"adam\"; lr = 0.0173; beta1 = 0.87; beta2 = 0.983; }");
}

static void test_training_parity__adamw(void **state)
{
    agree(state, "adamw", "{ type = \"adamw\"; lr = 0.0131; weight_decay = 0.0731; }");
}

static void test_training_parity__adagrad(void **state)
{
    agree(state, "adagrad", "{ type = \"adagrad\"; lr = 0.0731; }");
}

static void test_training_parity__rmsprop(void **state)
{
    agree(state, "rmsprop", "{ type = \"rmsprop\"; lr = 0.0071; alpha = 0.93; momentum = 0.37; }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_parity__the_generators_objective_is_the_configs),
        cmocka_unit_test(test_training_parity__sgd_with_momentum),
        cmocka_unit_test(test_training_parity__adam),
        cmocka_unit_test(test_training_parity__adamw),
        cmocka_unit_test(test_training_parity__adagrad),
        cmocka_unit_test(test_training_parity__rmsprop),
    };
    return cmocka_run_group_tests(tests, write_data, remove_data);
}
