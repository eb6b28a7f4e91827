/* Every allocation of opening a dataset and laying out batches fails once: the answer is E_NOMEM and nothing is lost; and
 * getting a batch allocates nothing.
 *
 * The allocator is this program's own and hands over to glibc's, so plugins are covered too. AddressSanitizer brings an
 * allocator of its own; under it the test is skipped. */
#include "core/data/fixture.h"
#include "data/internal.h"

#include <errno.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

int main(void)
{
    puts("skipped: the allocator cannot be replaced here");
    return 77;
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

static long n_live, n_made,
    fail_after = -1; /* allocations now; ever; the one that fails, counted down */

static int is_failing(void)
{
    n_made++;
    if (fail_after < 0 || fail_after-- > 0) return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *p)
{
    n_live += p != NULL;
    return p;
}

void *malloc(size_t n)
{
    return is_failing() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t each)
{
    return is_failing() ? NULL : counted(__libc_calloc(n, each));
}

void *realloc(void *p, size_t n)
{
    if (is_failing()) return NULL;
    void *q = __libc_realloc(p, n);
    n_live += p == NULL && q != NULL;
    return q;
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return is_failing() ? NULL : counted(__libc_memalign(alignment, n));
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *p = aligned_alloc(alignment, n);
    if (p == NULL) return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p)
{
    n_live -= p != NULL;
    __libc_free(p);
}

/* Opens, lays out batches, gets one of them and frees all. */
static status run(fixture *f, value *block, error *err)
{
    status st = OK;
    dataset *d = NULL;
    batcher *b = NULL;
    const batcher_options o = { .batch_size = 7, .shuffle = true };
    TRY(dataset_open(f->r, f->c, block, &d, err));
    TRY(batcher_new(d, PART_TRAIN, &o, &b, err));
    batch x;
    const long before = n_made;
    batcher_get(b, 1, 0, &x);
    batcher_get(b, 2, batcher_n_batches(b) - 1, &x);
    if (n_made != before) st = fail_nomem(err, "a batch: it allocated");
done:
    batcher_free(b);
    dataset_free(d);
    return st;
}

/* Fails the first allocation, the second, ... until the run needs no further one. */
static void check(fixture *f, const char *inside)
{
    error err;
    fixture_open(f, inside); /* everything is loaded, and the tree has its defaults */
    dataset_free(f->d);
    f->d = NULL;
    value *block = value_find(config_root(f->c), "data");
    if (run(f, block, &err) != OK) fail_msg("%s", err.text);
    for (long k = 0;; k++) {
        /* what the config's arena takes stays in it: a config of its own for each attempt would hide that */
        const long before = n_live;
        fail_after = k;
        const status st = run(f, block, &err);
        const bool was_reached = fail_after < 0;
        fail_after = -1;
        if (!was_reached) {
            assert_true(k > 3);
            assert_int_equal(st, OK);
            break;
        }
        if (st != E_NOMEM && st != OK) fail_msg("allocation %ld: %s", k, err.text);
        /* the config's arena may have grown by a chunk */
        if (n_live > before + 1) fail_msg("allocation %ld: %ld were lost", k, n_live - before);
    }
}

static void test_data_out_of_memory__csv(void **state)
{
    fixture_write(*state, "m.csv",
        "x,c,t,w\n1.5,a,p,1\n,b,q,1\n3.5,a,p,2\n4.5,,q,1\n5,a,p,1\n6,b,q,3\n7,a,p,1\n8,b,q,1\n9,b,"
        "q,1\n");
    check(*state,
        "type = \"csv\"; file = \"$/m.csv\"; test_file = \"$/m.csv\"; target = \"t\"; weight = "
        "\"w\"; missing = \"mean\";"
        "standardize = true; class_weights = \"balanced\"; split = { method = \"stratified\"; "
        "validation = 2; };");
}

static void test_data_out_of_memory__groups_and_real_targets(void **state)
{
    fixture_write(*state, "g.csv",
        "x,g,t\n1.5,a,0.5\n2,b,0.25\n3.5,a,2\n4.5,c,2\n5,d,1\n6,e,7\n7,f,1\n8,g,1\n9,h,3\n");
    check(*state,
        "type = \"csv\"; file = \"$/g.csv\"; group = \"g\"; standardize_target = true; split = { "
        "test = 2; };");
}

static void test_data_out_of_memory__idx(void **state)
{
    static const unsigned char images[16 + 9] = { 0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1 };
    static const unsigned char labels[8 + 9] = { 0, 0, 8, 1, 0, 0, 0, 9, 2, 0, 1 };
    fixture_write_bytes(*state, "i", images, sizeof(images));
    fixture_write_bytes(*state, "l", labels, sizeof(labels));
    check(*state, "type = \"idx\"; images = \"$/i\"; labels = \"$/l\"; standardize = true;");
    check(*state,
        "type = \"idx\"; images = \"$/i\"; labels = \"$/l\"; test_images = \"$/i\"; test_labels = "
        "\"$/l\";");
}

static void test_data_out_of_memory__npy(void **state)
{
#define NPY TEST_SOURCE_DIR "/tests/golden/npy/"
    check(*state,
        "type = \"npy\"; x = \"" NPY "f4.npy\"; y = \"" NPY "targets.npy\"; standardize = true;");
    check(*state,
        "type = \"npy\"; x = \"" NPY "deflated.npz/x_train\"; y = \"" NPY
        "deflated.npz/y_train\"; test_x = \"" NPY "deflated.npz/x_test\"; test_y = \"" NPY
        "deflated.npz/y_test\";");
}

/* Packs a dataset, opens the pack and lays out batches. */
static status run_pack(const dataset *d, const char *inside, pack_use u, error *err)
{
    status st = OK;
    config *c = NULL;
    text key = { 0 };
    size_t n = 0;
    void *bytes = NULL;
    dataset *packed = NULL;
    batcher *b = NULL;
    const batcher_options o = { .batch_size = 7, .class_weights = u == PACK_TRAIN };
    TRY(config_parse("x.cfg", inside, &c, err));
    value *block = value_find(config_root(c), "data");
    TRY(dataset_pack_key(c, block, &key, err));
    TRY(dataset_pack_size(d, u, key.s, &n, err));
    bytes = mem_aligned(n, 1);
    if (bytes == NULL) TRY(fail_nomem(err, "a pack"));
    TRY(dataset_pack(d, u, key.s, bytes, n, err));
    TRY(dataset_open_pack(c, block, bytes, n, &packed, err));
    TRY(batcher_new(packed, PART_VALIDATION, &o, &b, err));
done:
    batcher_free(b);
    dataset_free(packed);
    free(bytes);
    text_release(&key);
    config_free(c);
    return st;
}

static void test_data_out_of_memory__packs(void **state)
{
    static const char *const insides[] = {
        "type = \"blobs\"; class_weights = \"balanced\"; split = { validation = 9; test = 7; };",
        "type = \"linear\"; standardize_target = true; split = { validation = 9; test = 7; };"
    };
    fixture *f = *state;
    for (size_t i = 0; i < 2 * N_PACKS; i++) {
        error err;
        text whole = { 0 };
        fixture_open(f, insides[i / N_PACKS]);
        text_printf(&whole, "data = { %s };", insides[i / N_PACKS]);
        if (run_pack(f->d, whole.s, (pack_use)(i % N_PACKS), &err) != OK) fail_msg("%s", err.text);
        for (long k = 0;; k++) {
            const long before = n_live;
            fail_after = k;
            const status st = run_pack(f->d, whole.s, (pack_use)(i % N_PACKS), &err);
            const bool was_reached = fail_after < 0;
            fail_after = -1;
            assert_int_equal(n_live, before);
            if (!was_reached) {
                assert_int_equal(st, OK);
                assert_true(k > 10);
                break;
            }
            if (st != E_NOMEM) fail_msg("allocation %ld: %s", k, err.text);
        }
        text_release(&whole);
    }
}

/* The same over a view and a plan of the test's own. */
static status run_view(const assay_data *v, const data_plan *plan, error *err)
{
    status st = OK;
    dataset *d = NULL;
    batcher *b = NULL;
    const batcher_options o = {
        .batch_size = 2, .shuffle = true, .bucket = 2, .class_weights = true, .n_shards = 2
    };
    TRY(dataset_make(v, plan, &d, err));
    TRY(batcher_new(d, PART_TRAIN, &o, &b, err));
    batch x;
    const long before = n_made;
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        batcher_get(b, epoch, batcher_n_batches(b) - 1, &x);
        if (x.weight_sum != batcher_weight_sum(b, epoch, batcher_n_batches(b) - 1)) abort();
    }
    if (n_made != before) st = fail_nomem(err, "a batch: it allocated");
done:
    batcher_free(b);
    dataset_free(d);
    return st;
}

static void check_view(const assay_data *v, const data_plan *plan, long at_least)
{
    error err;
    if (run_view(v, plan, &err) != OK) fail_msg("%s", err.text);
    for (long k = 0;; k++) {
        const long before = n_live;
        fail_after = k;
        const status st = run_view(v, plan, &err);
        const bool was_reached = fail_after < 0;
        fail_after = -1;
        assert_int_equal(n_live, before);
        if (!was_reached) {
            assert_int_equal(st, OK);
            assert_true(k >= at_least);
            return;
        }
        if (st != E_NOMEM) fail_msg("allocation %ld: %s", k, status_name(st));
    }
}

static void test_data_out_of_memory__sequences_and_streams(void **state)
{
    (void)state;
    enum { STEPS = 12 };
    static const float x[STEPS] = { 0.5f, 2.385f, -0.731f, 4, 1.5f, 2, 7, 0.25f, 3, -2, 1, 9 };
    static const int32_t label[STEPS] = { 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0 };
    static const uint64_t first[] = { 0, 2, 5, 6, 10 }, n[] = { 4, 3, 1, 3, 2 };
    static const float weight[STEPS] = { 1, 0.5f, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    assay_data v = { .struct_size = sizeof(v),
        .n_samples = 5,
        .x_shape = { 1, { 1 } },
        .x_dtype = ASSAY_F32,
        .x = x,
        .x_stride = sizeof(float),
        .missing = 1,
        .target = ASSAY_TARGET_CLASS,
        .n_classes = 2,
        .label = label,
        .target_per_step = 1,
        .first_step = first,
        .n_steps = n,
        .weight = weight };
    data_plan plan = { .standardize = true,
        .weighting = CLASS_WEIGHTS_BALANCED,
        .split = { .method = SPLIT_TIME, .test = 1 } };
    check_view(&v, &plan, 25);
    v.target_per_step = 0;
    check_view(&v, &plan, 25);
    v.first_step = v.n_steps = NULL;
    v.n_samples = STEPS;
    plan.batches = (data_options){ .batch_size = 2, .window = 3 };
    check_view(&v, &plan, 20);
    v.target = ASSAY_TARGET_REAL;
    v.targets = x;
    v.n_targets = 1;
    plan.weighting = CLASS_WEIGHTS_NONE;
    plan.standardize_target = true;
    check_view(&v, &plan, 20);
}

static void test_data_out_of_memory__generated(void **state)
{
    check(*state, "type = \"spirals\"; samples = 40;");
    check(
        *state, "type = \"blobs\"; samples = 40; split = { folds = 4; method = \"stratified\"; };");
    check(*state, "type = \"linear\"; samples = 40; split = { folds = 4; };");
    check(*state, "type = \"linear\"; samples = 40; window = 5; batch_size = 3;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__csv, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__groups_and_real_targets, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__idx, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__npy, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__packs, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_data_out_of_memory__sequences_and_streams),
        cmocka_unit_test_setup_teardown(
            test_data_out_of_memory__generated, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
