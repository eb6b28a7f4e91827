/* NumPy files through the program: predictions that it writes are data that it reads, and a run trains on an archive. */
#include "core/cli/process.h"

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/npy/deflated.npz/"

static const char iris[] =
    "name = \"iris\"; seed = 3;\n"
    "data = { type = \"csv\"; file = \"" CONFIGS "data/iris.csv\"; target = \"species\";\n"
    "  standardize = true; split = { validation = 0.2; test = 0.3; }; batch_size = 16; };\n"
    "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";\n"
    "optimizer = { type = \"adam\"; lr = 0.02; }; train = { epochs = 5; };\n";

/* A model that is the identity: what it predicts is what it read. */
static const char identity[] =
    "name = \"identity\"; seed = 3; data = { type = \"npy\"; x = \"p.npy\"; y = \"p.npy\"; };\n"
    "model = ( \"flatten\" ); loss = \"mse\"; optimizer = \"sgd\"; train = { epochs = 1; };\n";

static const char archive[] =
    "name = \"archive\"; seed = 3;\n"
    "data = { type = \"npy\"; x = \"" GOLDEN "x_train\"; y = \"" GOLDEN "y_train\";\n"
    "  test_x = \"" GOLDEN "x_test\"; test_y = \"" GOLDEN "y_test\"; standardize = true; };\n"
    "model = ( { type = \"dense\"; units = 3; } ); loss = \"softmax_xent\";\n"
    "optimizer = { type = \"adam\"; lr = 0.05; }; train = { epochs = 3; };\n";

static void run(char *const argv[])
{
    said s = run_program(argv);
    assert_code(&s, 0);
    forget(&s);
}

#define RUN(...) run((char *[]){ (char[]){ PROGRAM }, __VA_ARGS__, NULL })

static void test_predictions__read_back_as_the_same_bytes(void **state)
{
    char written[1024], again[1024];
    (void)state;
    spill("iris.cfg", iris);
    spill("identity.cfg", identity);
    RUN("train", "iris.cfg", "-q", "--output", "run");
    RUN("eval", "run", "--predictions", "p.npy");
    RUN("train", "identity.cfg", "-q", "--output", "identity");
    RUN("eval", "identity", "--split", "training", "--predictions", "q.npy");
    FILE *p = fopen("p.npy", "rb"), *q = fopen("q.npy", "rb");
    assert_true(p && q);
    const size_t n = fread(written, 1, sizeof written, p);
    assert_int_equal(n, 128 + 45 * 3 * sizeof(float));
    assert_int_equal(fread(again, 1, sizeof again, q), n);
    assert_memory_equal(written, again, n);
    fclose(p);
    fclose(q);
}

static void test_archive__trains_and_is_evaluated(void **state)
{
    (void)state;
    spill("archive.cfg", archive);
    RUN("train", "archive.cfg", "-q", "--output", "archive");
    char *resolved = slurp("archive/config.cfg");
    assert_contains(resolved, GOLDEN "x_train\"");
    free(resolved);
    said s = assay("eval", "archive", "--json");
    assert_code(&s, 0);
    assert_contains(s.out, "\"samples\": 2");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_predictions__read_back_as_the_same_bytes, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_archive__trains_and_is_evaluated, enter_scratch, leave_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
