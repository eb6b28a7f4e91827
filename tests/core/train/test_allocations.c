/* A step allocates nothing: counted with every shipped layer, optimizer, schedule, loss and dataset, found by their files.
 *
 * This program's allocators take the place of the C library's, for its libraries and plugins too; sanitizers have their own, so
 * there it is skipped. What a component needs in its config is found by trying a few forms; a new one that needs another form is
 * a failure that says so. */
#include "support/train_rig.h"

#include "base/file.h"
#include "num/gemm.h"
#include "num/linalg.h"
#include "num/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
enum { CAN_COUNT = 0 };
static atomic_long n_allocations;
static atomic_int counting;
#else
enum { CAN_COUNT = 1 };

#define REPLACES_LIBC __attribute__((visibility("default")))

static atomic_long n_allocations;
static atomic_int counting;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes);

static void count(void)
{
    if (atomic_load(&counting)) atomic_fetch_add(&n_allocations, 1);
}

REPLACES_LIBC void *malloc(size_t bytes)
{
    count();
    return __libc_malloc(bytes);
}

REPLACES_LIBC void *calloc(size_t n, size_t each)
{
    count();
    return __libc_calloc(n, each);
}

REPLACES_LIBC void *realloc(void *old, size_t bytes)
{
    count();
    return __libc_realloc(old, bytes);
}

REPLACES_LIBC void *aligned_alloc(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

REPLACES_LIBC void *memalign(size_t alignment, size_t bytes)
{
    count();
    return __libc_memalign(alignment, bytes);
}

REPLACES_LIBC int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    count();
    *out = __libc_memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}
#endif

static char dir[512]; /* with the files of datasets that need some */

static long allocations_of(train_rig *g, size_t n_steps)
{
    atomic_store(&n_allocations, 0);
    atomic_store(&counting, 1);
    rig_steps(g, n_steps);
    atomic_store(&counting, 0);
    return atomic_load(&n_allocations);
}

/* Every worker makes itself room once, and which of them takes part in the first steps is the machine's business: rounds go by until
 * one is quiet, and then the next has to be. */
static void expect_none(train_rig *g, const char *source)
{
    rig_steps(g, 2);
    for (int i = 0; i < 5 && allocations_of(g, 20) != 0; i++)
        continue;
    const long n = allocations_of(g, 20);
    if (n != 0) GIVE_UP("%ld allocations in 20 steps of\n%s", n, source);
}

/* Replaces every @ in a form by the id and every $ by the folder of files. */
static void write_form(char *out, size_t size, const char *form, const char *id)
{
    size_t n = 0;
    for (const char *s = form; *s; s++) {
        const char one[2] = { *s, '\0' };
        const char *piece = *s == '@' ? id : *s == '$' ? dir : one;
        n += (size_t)snprintf(out + n, size - n, "%s", piece);
        assert_true(n < size);
    }
}

#define TRAIN_BY(replicas) \
    "train = { replicas = " replicas "; threads = 2; accumulate = 2; clip_norm = 0.5; l2 = 0.01;" \
    " probe = { every = 2; }; };"
#define TRAIN TRAIN_BY("2")
#define DATA \
    "data = { type = \"blobs\"; samples = 70; classes = 3; features = 6; batch_size = 8; }; " \
    "loss = \"softmax_xent\"; "
#define AROUND(middle, train) \
    DATA "optimizer = \"sgd\"; model = ( { type = \"dense\"; units = 6; name = \"a\"; }, " \
         "{ type = \"tanh\"; name = \"b\"; }, " middle \
         ", { type = \"dense\"; units = 3; } ); " train
#define NET \
    "model = ( { type = \"dense\"; units = 6; }, \"dropout\", { type = \"dense\"; units = 3; } " \
    "); "
#define DATASET(inside, units, loss) \
    "data = { type = \"@\"; batch_size = 8; " inside " }; loss = \"" loss \
    "\"; optimizer = \"adam\"; " \
    "model = ( { type = \"dense\"; units = " units "; } ); train = { replicas = 1; };"
#define LOSS(data, units) \
    "data = { batch_size = 8; " data " }; loss = \"@\"; optimizer = \"sgd\"; model = ( { type = " \
    "\"dense\"; units = " units "; } ); " TRAIN

/* Of tokens: one step, or many. */
#define TOKENS(window, middle) \
    "data = { type = \"text\"; file = \"$/words\"; level = \"word\"; batch_size = 3; " window \
    " }; " \
    "loss = \"softmax_xent\"; optimizer = \"adam\"; model = ( " middle \
    ", { type = \"dense\"; units = 6; " \
    "} ); " TRAIN

static const char *const layer_forms[] = {
    AROUND("{ type = \"@\"; }", TRAIN),
    AROUND("{ type = \"@\"; }", TRAIN_BY("1")), /* couples samples */
    AROUND("{ type = \"@\"; units = 5; }", TRAIN),
    AROUND("{ type = \"@\"; from = ( \"a\", \"b\" ); }", TRAIN),
    TOKENS("window = 7;", "{ type = \"@\"; size = 4; }"),
    "data = { type = \"ragged\"; samples = 70; last = true; batch_size = 8; }; loss = \"mse\"; "
    "optimizer "
    "= \"sgd\"; model = ( \"@\", { type = \"dense\"; units = 1; } ); " TRAIN,
    NULL,
};
static const char *const optimizer_forms[] = {
    DATA NET TRAIN "optimizer = \"@\"; schedule = \"plateau\";",
    DATA NET TRAIN "optimizer = { type = \"@\"; inner = \"adam\"; };",
    DATA NET TRAIN "optimizer = \"@\";", /* no rate that a schedule could drive */
    DATA NET TRAIN "optimizer = ( { type = \"@\"; match = \"dims:2\"; }, \"adam\" );",
    NULL,
};
/* Matrices whose decompositions and copies need more scratch memory than a worker begins with. */
#define LARGE_NET \
    "model = ( { type = \"dense\"; units = 131; }, { type = \"dense\"; units = 149; }, " \
    "{ type = \"dense\"; units = 3; } ); "
static const char *const matrix_forms[] = {
    DATA LARGE_NET TRAIN "optimizer = { type = \"@\"; every = 3; };",
    DATA LARGE_NET TRAIN "optimizer = \"@\";",
    DATA LARGE_NET TRAIN "optimizer = ( { type = \"@\"; match = \"dims:2\"; }, \"adam\" );",
    NULL,
};
static const char *const schedule_forms[] = {
    DATA NET TRAIN "optimizer = \"sgd\"; schedule = \"@\";",
    DATA NET TRAIN "optimizer = \"sgd\"; schedule = { type = \"@\"; milestones = ( 2, 5 ); };",
    NULL,
};
static const char *const dataset_forms[] = {
    DATASET("", "3", "softmax_xent"),
    DATASET("", "2", "softmax_xent"),
    DATASET("", "1", "mse"),
    DATASET("file = \"" TEST_SOURCE_DIR "/configs/data/iris.csv\"; target = \"species\";", "3",
        "softmax_xent"),
    DATASET("images = \"$/images\"; labels = \"$/labels\";", "3", "softmax_xent"),
    DATASET("x = \"" TEST_SOURCE_DIR "/tests/golden/npy/f4.npy\"; y = \"" TEST_SOURCE_DIR
            "/tests/golden/npy/labels_i8.npy\";",
        "3", "softmax_xent"),
    TOKENS("window = 5;", "{ type = \"embedding\"; size = 4; }, { type = \"lstm\"; units = 5; }"),
    "data = { type = \"@\"; batch_size = 8; samples = 70; length = 9; }; loss = \"mse\"; optimizer "
    "= "
    "\"adam\"; model = ( { type = \"lstm\"; units = 5; return = \"last\"; }, { type = \"dense\"; "
    "units = 1; "
    "} ); " TRAIN,
    "data = { type = \"@\"; batch_size = 8; samples = 70; length = 9; symbols = 4; copied = 2; }; "
    "loss = "
    "\"softmax_xent\"; optimizer = \"adam\"; model = ( { type = \"gru\"; units = 5; }, { type = "
    "\"dense\"; "
    "units = 6; } ); " TRAIN,
    "data = { type = \"@\"; batch_size = 3; file = \"$/roll\"; keys = 5; }; loss = { type = "
    "\"bce_logits\"; }; optimizer = \"adam\"; model = ( { type = \"rnn\"; units = 5; }, { type = "
    "\"dense\"; "
    "units = 5; } ); " TRAIN,
    "data = { type = \"@\"; batch_size = 8; file = \"" TEST_SOURCE_DIR
    "/configs/data/iris.csv\"; history = 6; }; loss = \"mse\"; optimizer = \"adam\"; model = ( { "
    "type = "
    "\"lstm\"; units = 5; return = \"last\"; }, { type = \"dense\"; units = 1; } ); " TRAIN,
    NULL,
};
/* Every recurrent layer, on streams and on sequences of unequal length. */
static const char *const stream_forms[] = {
    "data = { type = \"planted\"; samples = 139; features = 3; weighted = true; window = 5; "
    "batch_size = 6; "
    "}; loss = \"mse\"; optimizer = { type = \"sam_like\"; inner = \"adam\"; }; model = ( { type = "
    "\"@\"; "
    "units = 7; recurrent_dropout = 0.2; }, { type = \"dense\"; units = 1; } ); " TRAIN,
    NULL,
};
static const char *const sequence_forms[] = {
    "data = { type = \"ragged\"; samples = 70; weighted = true; batch_size = 8; }; loss = \"mse\"; "
    "optimizer "
    "= \"adam\"; model = ( { type = \"@\"; units = 7; bidirectional = true; }, \"layer_norm\", { "
    "type = "
    "\"dense\"; units = 1; } ); " TRAIN,
    NULL,
};
static const char *const loss_forms[] = {
    LOSS("type = \"blobs\"; samples = 70;", "3"),
    LOSS("type = \"linear\"; samples = 70; targets = 2;", "2"),
    LOSS("type = \"blobs\"; samples = 70; classes = 2;", "1"),
    NULL,
};

/* Opens the first form that is accepted. */
static void open_some(train_rig *g, const char *kind, const char *id, const char *const *forms,
    char *source, size_t size)
{
    text why = { 0 };
    for (size_t i = 0; forms[i]; i++) {
        write_form(source, size, forms[i], id);
        if (rig_try(g, source, NULL) == OK) {
            text_release(&why);
            return;
        }
        text_printf(&why, "  %s\n", g->err.text);
    }
    GIVE_UP("no form of config here suits %s \"%s\"; add one:\n%s", kind, id, why.s);
}

/* Every <build>/plugins/<kind>/<id>.so. */
static void expect_none_of_kind(const char *kind, const char *const *forms)
{
    char folder[512], source[2048];
    size_t n = 0;
    if (!CAN_COUNT) {
        print_message(
            "skipped: a sanitizer, or another C library than glibc, has allocators of its own\n");
        skip();
    }
    snprintf(folder, sizeof folder, "%s/plugins/%s", TEST_BUILD_DIR, kind);
    DIR *d = opendir(folder);
    if (!d) GIVE_UP("%s: %s", folder, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        char *end = strstr(e->d_name, ".so");
        if (!end || end[3] != '\0') continue;
        *end = '\0';
        train_rig g;
        rig_init(&g);
        open_some(&g, kind, e->d_name, forms, source, sizeof source);
        expect_none(&g, source);
        rig_release(&g);
        n++;
    }
    closedir(d);
    if (n == 0) GIVE_UP("%s holds no plugins", folder);
    print_message("%zu components of kind %s\n", n, kind);
}

static void test_step__allocates_nothing_with_any_layer(void **state)
{
    (void)state;
    expect_none_of_kind("layer", layer_forms);
}

static void test_step__allocates_nothing_with_any_optimizer(void **state)
{
    (void)state;
    expect_none_of_kind("optimizer", optimizer_forms);
}

static void test_step__allocates_nothing_with_any_schedule(void **state)
{
    (void)state;
    expect_none_of_kind("schedule", schedule_forms);
}

static void test_step__allocates_nothing_with_any_dataset(void **state)
{
    (void)state;
    expect_none_of_kind("dataset", dataset_forms);
}

static void test_step__allocates_nothing_with_any_loss(void **state)
{
    (void)state;
    expect_none_of_kind("loss", loss_forms);
}

static void test_step__allocates_nothing_in_tiers_that_no_shipped_optimizer_has(void **state)
{
    static const char *const ids[] = { "lars_like", "factored", "history", "averaged", "sam_like",
        "lookahead_like" };
    char source[2048];
    (void)state;
    if (!CAN_COUNT) skip();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        train_rig g;
        rig_init(&g);
        open_some(&g, "optimizer", ids[i], optimizer_forms, source, sizeof source);
        expect_none(&g, source);
        rig_release(&g);
    }
}

/* What OpenBLAS itself allocates in a decomposition whose work space it is given: its kernels for small products on some processors
 * (core types SkylakeX and Cooperlake) do, which is not ours to mend. */
static long allocations_of_openblas(void)
{
    enum { N = 149 };
    static float a[N * N], w[N];
    team *t;
    error err;
    long n = 0;
    assert_int_equal(team_new(1, false, &t, &err), OK);
    for (int round = 0; round < 3; round++) {
        uint32_t state = 20231;
        for (size_t i = 0; i < N; i++) {
            for (size_t k = 0; k <= i; k++) {
                state = state * 1664525u + 1013904223u;
                a[i * N + k] = a[k * N + i] = (float)(state >> 8) / 16777216.0f - 0.5f;
            }
        }
        atomic_store(&n_allocations, 0);
        atomic_store(&counting, 1);
        assert_int_equal(linalg_syevd(N, a, N, w, t, &err), OK);
        atomic_store(&counting, 0);
        n = atomic_load(&n_allocations);
        team_scratch_reset(t);
    }
    team_free(t);
    return n;
}

static void test_step__allocates_nothing_with_large_matrices(void **state)
{
    static const char *const ids[] = { "muon", "adafactor", "shampoo", "soap" };
    char source[2048];
    (void)state;
    if (!CAN_COUNT) skip();
    const long theirs = allocations_of_openblas();
    if (theirs > 0)
        print_message("without shampoo and soap: OpenBLAS itself allocates %ld times\n", theirs);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] - (theirs > 0 ? 2 : 0); i++) {
        train_rig g;
        rig_init(&g);
        open_some(&g, "optimizer", ids[i], matrix_forms, source, sizeof source);
        expect_none(&g, source);
        rig_release(&g);
    }
}

static void test_step__allocates_nothing_on_streams_and_sequences(void **state)
{
    static const char *const ids[] = { "lstm", "gru", "rnn" };
    char source[2048];
    (void)state;
    if (!CAN_COUNT) skip();
    for (size_t i = 0; i < 2 * sizeof ids / sizeof ids[0]; i++) {
        train_rig g;
        rig_init(&g);
        open_some(
            &g, "layer", ids[i / 2], i % 2 ? stream_forms : sequence_forms, source, sizeof source);
        expect_none(&g, source);
        rig_release(&g);
    }
}

static void test_counting__sees_what_the_core_and_this_program_allocate(void **state)
{
    train_rig g;
    (void)state;
    if (!CAN_COUNT) skip();
    atomic_store(&n_allocations, 0);
    atomic_store(&counting, 1);
    void *volatile memory = malloc(77);
    atomic_store(&counting, 0);
    free(memory);
    assert_int_equal(atomic_load(&n_allocations), 1);
    rig_init(&g);
    atomic_store(&n_allocations, 0);
    atomic_store(&counting, 1);
    rig_open(&g, DATA NET TRAIN "optimizer = \"adam\";", NULL);
    atomic_store(&counting, 0);
    assert_true(atomic_load(&n_allocations) > 50);
    rig_release(&g);
}

/* 30 images of 2 x 2 in 3 classes, as idx files. */
static int write_files(void **state)
{
    unsigned char images[16 + 120] = { 0, 0, 8, 3, 0, 0, 0, 30, 0, 0, 0, 2, 0, 0, 0, 2 };
    unsigned char labels[8 + 30] = { 0, 0, 8, 1, 0, 0, 0, 30 };
    char path[600];
    error err;
    (void)state;
    for (int i = 0; i < 120; i++)
        images[16 + i] = (unsigned char)(i * 37 % 251);
    for (int i = 0; i < 30; i++)
        labels[8 + i] = (unsigned char)(i % 3);
    strcpy(dir, "/tmp/assay-allocations-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    static const char roll[] = "0 1,2 - 3,4 0\n1 2\n4 3 2 1 0 1 2 3\n- 0 - 1,3\n2 3 4\n";
    static const char words[] =
        "the cat sat on a\non a cat the cat sat\nthe a the a on cat sat on the\n";
    snprintf(path, sizeof path, "%s/roll", dir);
    if (file_write_atomic(path, roll, sizeof roll - 1, &err) != OK) return -1;
    snprintf(path, sizeof path, "%s/words", dir);
    if (file_write_atomic(path, words, sizeof words - 1, &err) != OK) return -1;
    snprintf(path, sizeof path, "%s/images", dir);
    if (file_write_atomic(path, images, sizeof images, &err) != OK) return -1;
    snprintf(path, sizeof path, "%s/labels", dir);
    return file_write_atomic(path, labels, sizeof labels, &err) == OK ? 0 : -1;
}

static int remove_files(void **state)
{
    char command[600];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    num_init(); /* as the program does: the threads of OpenBLAS allocate */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting__sees_what_the_core_and_this_program_allocate),
        cmocka_unit_test(test_step__allocates_nothing_with_any_layer),
        cmocka_unit_test(test_step__allocates_nothing_with_any_optimizer),
        cmocka_unit_test(test_step__allocates_nothing_with_any_schedule),
        cmocka_unit_test(test_step__allocates_nothing_with_any_dataset),
        cmocka_unit_test(test_step__allocates_nothing_with_any_loss),
        cmocka_unit_test(test_step__allocates_nothing_with_large_matrices),
        cmocka_unit_test(test_step__allocates_nothing_on_streams_and_sequences),
        cmocka_unit_test(test_step__allocates_nothing_in_tiers_that_no_shipped_optimizer_has),
    };
    return cmocka_run_group_tests(tests, write_files, remove_files);
}
