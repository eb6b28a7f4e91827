/* Recurrent layers from a weight file in PyTorch's names and shapes, and back: an LSTM, a bidirectional GRU and a linear layer over
 * sequences agree with PyTorch in float64, outputs and gradients; what is saved is the file again.
 *
 * Tolerance: 1e-5 of a tensor's norm, for sums of some tens of products in float over seven steps. */
#include "model/replica.h"

#include "model/weights.h"
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

#define GOLDEN_DIR TEST_SOURCE_DIR "/tests/golden/"
#define WEIGHTS GOLDEN_DIR "model_recurrent_weights.safetensors"
#define TOLERANCE 1e-5

enum { TIME = 7, BATCH = 3, FEATURES = 5, OUTPUTS = 3 };

static void make(model_rig *rig)
{
    const model_options o = {
        .in = vector_of(FEATURES), .in_dtype = ASSAY_F32, .max_time = TIME, .max_batch = BATCH
    };
    const char *source =
        "model = ( { type = \"lstm\"; name = \"l\"; units = 6; bias = \"two\"; },\n"
        "  { type = \"gru\"; name = \"g\"; units = 4; bias = \"two\"; reset = \"after\"; "
        "bidirectional = true; },\n"
        "  { type = \"dense\"; name = \"out\"; units = 3; } );";
    if (rig_open(rig, source) != OK) GIVE_UP("%s", rig->err.text);
    if (model_plan(rig->m, rig->c, &o, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    if (weights_load(rig->m, WEIGHTS, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    assert_int_equal(model_prepare(rig->m, true, &rig->err), OK);
}

static void pass(model_rig *rig, replica *r, const golden *g)
{
    const shard s = {
        .n = BATCH, .time = TIME, .x = golden_f32(g, "x", NULL), .batch_total = BATCH
    };
    assert_int_equal(replica_forward(r, &s, true, &rig->err), OK);
    memcpy(replica_output_gradient(r), golden_f32(g, "dy", NULL),
        TIME * BATCH * OUTPUTS * sizeof(float));
    assert_int_equal(replica_backward(r, false, &rig->err), OK);
    replica_finish(r);
}

static void assert_gradient(const tensor *t, const float *g, const golden *expected)
{
    double ours[512];
    char name[64];
    size_t n;
    snprintf(name, sizeof name, "d.%s", t->export_name);
    const double *theirs = golden_f64(expected, name, &n);
    const size_t rows = t->info.rows, cols = t->info.cols;
    assert_int_equal(n, t->info.size);
    for (size_t i = 0; i < n; i++) {
        const size_t turned = i % cols * rows + i / cols;
        ours[i] = theirs[t->layout == ASSAY_LAYOUT_TRANSPOSED ? turned : i];
    }
    const double e = norm_relative_error(g + t->offset, ours, n);
    if (!(e < TOLERANCE)) GIVE_UP("%s is off by %g of its norm", name, e);
}

static void test_recurrent__agrees_with_pytorch_on_its_own_weights(void **state)
{
    (void)state;
    model_rig rig;
    replica *r = NULL;
    size_t n;
    golden *g = golden_open("model_recurrent");
    make(&rig);
    assert_int_equal(replica_new(rig.m, BATCH, TIME, true, &r, &rig.err), OK);
    pass(&rig, r, g);
    const double *y = golden_f64(g, "y", &n);
    assert_int_equal(n, TIME * BATCH * OUTPUTS);
    assert_true(norm_relative_error(replica_output(r), y, n) < TOLERANCE);
    for (size_t i = 0; i < rig.m->n_tensors; i++)
        assert_gradient(&rig.m->tensors[i], replica_gradient(r), g);
    assert_int_equal(rig.m->n_tensors, 4 + 8 + 2);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

static void test_recurrent__saves_what_pytorch_would(void **state)
{
    (void)state;
    char path[] = "/tmp/assay-recurrent-XXXXXX";
    const int fd = mkstemp(path);
    model_rig rig;
    safetensors *ours = NULL, *theirs = NULL;
    assert_true(fd >= 0);
    make(&rig);
    assert_int_equal(weights_save(rig.m, NULL, path, NULL, 0, &rig.err), OK);
    assert_int_equal(safetensors_open(path, &ours, &rig.err), OK);
    assert_int_equal(safetensors_open(WEIGHTS, &theirs, &rig.err), OK);
    for (size_t i = 0; i < rig.m->n_tensors; i++) {
        const array *a = safetensors_find(ours, rig.m->tensors[i].export_name);
        const array *b = safetensors_find(theirs, rig.m->tensors[i].export_name);
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(a->n_dims, b->n_dims);
        assert_memory_equal(a->dim, b->dim, a->n_dims * sizeof a->dim[0]);
        assert_int_equal(b->dtype, ARRAY_F64);
        for (size_t k = 0; k < a->n; k++) {
            float x;
            double z;
            memcpy(&x, (const char *)a->data + k * sizeof x, sizeof x);
            memcpy(&z, (const char *)b->data + k * sizeof z, sizeof z);
            assert_true((double)x == z);
        }
    }
    safetensors_close(ours);
    safetensors_close(theirs);
    rig_close(&rig);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent__agrees_with_pytorch_on_its_own_weights),
        cmocka_unit_test(test_recurrent__saves_what_pytorch_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
