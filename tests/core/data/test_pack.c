/* Packs give the batches of the data that they were made of, keep back what they should, and are read with suspicion. */
#include "core/data/fixture.h"
#include "data/internal.h"
#include "data/pack_layout.h"
#undef fail

enum { MOST_INSIDE = 1024 };

typedef struct packed {
    unsigned char *bytes; // [n], aligned
    size_t n;
} packed;

static void must(status st, const error *err)
{
    if (st == OK) return;
    print_error("%s\n", err->text);
    abort();
}

static config *parse(const char *inside)
{
    error err;
    config *c = NULL;
    text t = { 0 };
    text_add(&t, "data = {\n");
    for (const char *s = inside; *s; s++) {
        if (*s == '@') {
            text_add(&t, TEST_SOURCE_DIR "/configs/data");
        } else {
            text_add_bytes(&t, s, 1);
        }
    }
    text_add(&t, "\n};\n");
    must(config_parse("x.cfg", t.s, &c, &err), &err);
    text_release(&t);
    return c;
}

static value *block_of(config *c)
{
    return value_find(config_root(c), "data");
}

/* The dataset itself stays in the fixture. */
static packed pack(fixture *f, const char *inside, pack_use u)
{
    error err;
    packed p;
    text key = { 0 };
    config *c = parse(inside);
    must(dataset_pack_key(c, block_of(c), &key, &err), &err);
    config_free(c);
    fixture_open(f, inside);
    must(dataset_pack_size(f->d, u, key.s, &p.n, &err), &err);
    p.bytes = mem_aligned(p.n, 1);
    assert_non_null(p.bytes);
    memset(p.bytes, 0xff, p.n); /* as a result region is */
    must(dataset_pack(f->d, u, key.s, p.bytes, p.n, &err), &err);
    text_release(&key);
    return p;
}

static status open_as(
    const packed *p, const char *inside, config **out_c, dataset **out, error *err)
{
    *out_c = parse(inside);
    const status st = dataset_open_pack(*out_c, block_of(*out_c), p->bytes, p->n, out, err);
    if (st != OK) config_free(*out_c);
    return st;
}

static batcher *batches_of(const dataset *d, part p)
{
    error err;
    batcher *b = NULL;
    const data_options *o = dataset_options(d);
    const bool trains = p == PART_TRAIN;
    const batcher_options bo = { .batch_size = o->batch_size,
        .shuffle = trains && o->shuffle,
        .drop_last = trains && o->drop_last,
        .bucket = o->bucket,
        .class_weights = trains,
        .n_shards = 2,
        .seed = 7 };
    must(batcher_new(d, p, &bo, &b, &err), &err);
    return b;
}

static void same(const void *a, const void *b, size_t n)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL && n > 0) assert_memory_equal(a, b, n);
}

static void same_batches(const dataset *a, const dataset *b, part p)
{
    batcher *x = batches_of(a, p), *y = batches_of(b, p);
    const size_t features = dataset_features(a);
    const size_t n_targets = dataset_view(a)->n_targets;
    assert_int_equal(batcher_n_batches(x), batcher_n_batches(y));
    assert_true(batcher_n_batches(x) > 0);
    assert_int_equal(batcher_whole_batch(a, p), batcher_whole_batch(b, p));
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        for (size_t i = 0; i < batcher_n_batches(x); i++) {
            batch u, v;
            batcher_get(x, epoch, i, &u);
            batcher_get(y, epoch, i, &v);
            assert_int_equal(u.n, v.n);
            assert_int_equal(u.time, v.time);
            assert_int_equal(u.target_time, v.target_time);
            assert_true(u.weight_sum == v.weight_sum);
            same(u.x, v.x, u.n * u.time * features * sizeof(float));
            same(u.tokens, v.tokens, u.n * u.time * features * sizeof(int32_t));
            same(u.label, v.label, u.n * u.target_time * sizeof(int32_t));
            same(u.target, v.target, u.n * u.target_time * n_targets * sizeof(float));
            same(u.weight, v.weight, u.n * u.target_time * sizeof(float));
            same(u.step_weight, v.step_weight, u.n * u.time * sizeof(float));
            same(u.length, v.length, u.n * sizeof(uint32_t));
            same(u.rows, v.rows, u.n * sizeof(uint32_t));
        }
    }
    batcher_free(x);
    batcher_free(y);
}

static const char digits[] =
    "type = \"csv\"; file = \"@/digits.csv\"; target = \"digit\"; standardize = true;"
    "split = { validation = 0.15; test = 0.1; }; batch_size = 37; class_weights = \"balanced\";";
static const char series[] =
    "type = \"series\"; file = \"@/airline.csv\"; index = \"month\"; history = 7;"
    "standardize = true; standardize_target = true;"
    "split = { validation = 11; test = 13; }; batch_size = 5;";
static const char linear[] = "type = \"linear\"; samples = 300; features = 4;"
                             "split = { method = \"time\"; validation = 31; test = 47; }; "
                             "batch_size = 9; window = 6;";

static void test_pack__gives_the_batches_of_its_data(void **state)
{
    static const char *const insides[] = { digits, series, linear };
    for (size_t i = 0; i < 3; i++) {
        error err;
        config *c = NULL;
        dataset *d = NULL;
        packed p = pack(*state, insides[i], PACK_TRAIN);
        const dataset *whole = ((fixture *)*state)->d;
        must(open_as(&p, insides[i], &c, &d, &err), &err);
        same_batches(whole, d, PART_TRAIN);
        same_batches(whole, d, PART_VALIDATION);
        assert_int_equal(dataset_size(d, PART_TEST), 0);
        assert_int_equal(dataset_view(d)->x_writable, 0);
        assert_int_equal(dataset_max_time(d), dataset_max_time(whole));
        for (int k = 0; k < N_PARTS; k++) {
            assert_string_equal(dataset_split_hash(d, (part)k), dataset_split_hash(whole, (part)k));
            assert_int_equal(dataset_whole_size(d, (part)k), dataset_whole_size(whole, (part)k));
        }
        dataset_free(d);
        config_free(c);
        free(p.bytes);
    }
}

/* -- What is kept back -- */

static bool has_bytes(const packed *p, const void *what, size_t n)
{
    for (size_t i = 0; i + n <= p->n; i++) {
        if (p->bytes[i] == *(const unsigned char *)what && memcmp(p->bytes + i, what, n) == 0) {
            return true;
        }
    }
    return false;
}

/* How many rows of a part have their features in the pack. */
static size_t rows_in(const packed *p, const dataset *d, part k)
{
    const assay_data *v = dataset_view(d);
    const size_t bytes = dataset_features(d) * sizeof(float);
    size_t n = 0;
    for (size_t i = 0; i < dataset_size(d, k); i += 9) {
        const unsigned char *x = (const unsigned char *)v->x + dataset_rows(d, k)[i] * v->x_stride;
        n += has_bytes(p, x, bytes);
    }
    return n;
}

static size_t looked_at(const dataset *d, part k)
{
    return (dataset_size(d, k) + 8) / 9;
}

static void test_pack__of_a_trainer_has_nothing_of_the_test_part(void **state)
{
    const fixture *f = *state;
    packed p = pack(*state, digits, PACK_TRAIN);
    const pack_head *h = (const void *)p.bytes;
    const int32_t *label = (const void *)(p.bytes + h->sections[SECTION_LABEL].at);
    const unsigned char *x = p.bytes + h->sections[SECTION_X].at;
    const size_t bytes = dataset_features(f->d) * sizeof(float);
    size_t n_labels = 0;
    assert_int_equal(rows_in(&p, f->d, PART_TRAIN), looked_at(f->d, PART_TRAIN));
    assert_int_equal(rows_in(&p, f->d, PART_TEST), 0);
    for (size_t i = 0; i < dataset_size(f->d, PART_TEST); i++) {
        const uint32_t row = dataset_rows(f->d, PART_TEST)[i];
        n_labels += dataset_view(f->d)->label[row] != 0;
        assert_int_equal(label[row], 0);
        for (size_t k = 0; k < bytes; k++)
            assert_int_equal(x[row * bytes + k], 0);
    }
    assert_true(n_labels > 100); /* they were not zero to begin with */
    free(p.bytes);
}

static void test_pack__of_a_predictor_has_inputs_alone(void **state)
{
    error err;
    config *c = NULL;
    dataset *d = NULL;
    const fixture *f = *state;
    packed p = pack(*state, digits, PACK_PREDICT);
    const pack_head *h = (const void *)p.bytes;
    assert_int_equal(rows_in(&p, f->d, PART_TRAIN), 0);
    assert_int_equal(rows_in(&p, f->d, PART_VALIDATION), looked_at(f->d, PART_VALIDATION));
    assert_int_equal(rows_in(&p, f->d, PART_TEST), looked_at(f->d, PART_TEST));
    assert_int_equal(h->sections[SECTION_LABEL].bytes, 0);
    assert_int_equal(h->sections[SECTION_TARGETS].bytes, 0);
    assert_int_equal(h->sections[SECTION_WEIGHT].bytes, 0);
    must(open_as(&p, digits, &c, &d, &err), &err);
    assert_null(dataset_view(d)->label);
    assert_int_equal(dataset_size(d, PART_TRAIN), 0);
    assert_int_equal(dataset_pack_use(d), PACK_PREDICT);
    dataset_free(d);
    config_free(c);
    free(p.bytes);
}

static void test_pack__of_a_scorer_has_targets_alone(void **state)
{
    error err;
    config *c = NULL;
    dataset *d = NULL;
    const fixture *f = *state;
    packed p = pack(*state, digits, PACK_SCORE);
    assert_int_equal(rows_in(&p, f->d, PART_VALIDATION), 0);
    assert_int_equal(rows_in(&p, f->d, PART_TEST), 0);
    must(open_as(&p, digits, &c, &d, &err), &err);
    for (int k = 0; k < N_PARTS; k++) {
        for (size_t i = 0; i < dataset_size(f->d, (part)k); i++) {
            const uint32_t row = dataset_rows(f->d, (part)k)[i];
            const int32_t label = dataset_view(f->d)->label[row];
            assert_int_equal(dataset_view(d)->label[row], k == PART_TRAIN ? 0 : label);
        }
    }
    assert_int_equal(dataset_size(d, PART_TEST), dataset_size(f->d, PART_TEST));
    dataset_free(d);
    config_free(c);
    free(p.bytes);
}

/* -- Keys -- */

static void test_pack__lets_batches_vary_and_nothing_else(void **state)
{
    static const struct {
        const char *from, *to;
        const char *says; /* NULL: it is fine */
    } rows[] = {
        { "batch_size = 37", "batch_size = 5", NULL },
        { "batch_size = 37", "batch_size = \"all\"", NULL },
        { "batch_size = 37", "batch_size = 37; shuffle = false; drop_last = true; bucket = 2",
            NULL },
        { "class_weights = \"balanced\";", "", NULL },
        { "standardize = true", "standardize = false", "data.standardize = 0" },
        { "standardize = true;", "", "data.standardize = 0" },
        { "test = 0.1", "test = 0.2", "data.split.test = 0.2" },
        { "validation = 0.15", "seed = 3; validation = 0.15", "data.split.seed = 3" },
        { "type = \"csv\"", "type = \"other\"", "data.type = \"other\"" },
        { "target = \"digit\"", "target = \"x\"", "data.target = \"x\"" },
        { "target = \"digit\"", "target = \"digit\"; weight = \"w\"", "data.weight = \"w\"" },
        { "batch_size = 37", "batch_size = 37; bach_size = 3", "data.bach_size = 3" },
        { "target = \"digit\";", "", "data.target = \"digit\", and the key is gone" },
        { "batch_size = 37", "batch_size = 0", "data.batch_size" },
    };
    packed p = pack(*state, digits, PACK_TRAIN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        error err;
        config *c = NULL;
        dataset *d = NULL;
        char inside[MOST_INSIDE];
        const char *at = strstr(digits, rows[i].from);
        assert_non_null(at);
        snprintf(inside, sizeof inside, "%.*s%s%s", (int)(at - digits), digits, rows[i].to,
            at + strlen(rows[i].from));
        const status st = open_as(&p, inside, &c, &d, &err);
        if (rows[i].says ? st == OK || !strstr(err.text, rows[i].says) : st != OK) {
            print_error("%s: %s\n", rows[i].to, st == OK ? "accepted" : err.text);
            abort();
        }
        if (st != OK) continue;
        batcher_free(batches_of(d, PART_TRAIN));
        dataset_free(d);
        config_free(c);
    }
    free(p.bytes);
}

/* -- Damage -- */

/* Uses all of a pack that was let in. */
static void use(const dataset *d)
{
    for (int k = 0; k < N_PARTS; k++) {
        if (dataset_size(d, (part)k) == 0) continue;
        batcher *b = batches_of(d, (part)k);
        for (size_t i = 0; i < batcher_n_batches(b); i++) {
            batch now;
            batcher_get(b, 0, i, &now);
        }
        batcher_free(b);
    }
}

static const char small[] =
    "type = \"linear\"; samples = 40; features = 3; standardize_target = true;"
    "split = { validation = 9; test = 7; }; batch_size = 8;";
static const char classes[] = "type = \"blobs\"; split = { validation = 9; test = 7; };";
static const char sums[] = "type = \"adding\"; length = 7; samples = 40;"
                           "split = { validation = 9; test = 7; };";
static const char *const all[] = { small, classes, sums };

static status try(const packed *p, const char *inside)
{
    error err;
    config *c = NULL;
    dataset *d = NULL;
    const status st = open_as(p, inside, &c, &d, &err);
    if (st != OK) return st;
    use(d);
    dataset_free(d);
    config_free(c);
    return OK;
}

static void test_pack__damaged_heads_are_refused(void **state)
{
    for (size_t k = 0; k < 3 * N_PACKS; k++) {
        packed p = pack(*state, all[k / N_PACKS], (pack_use)(k % N_PACKS));
        assert_int_equal(try(&p, all[k / N_PACKS]), OK);
        for (size_t i = 0; i < sizeof(pack_head); i++) {
            p.bytes[i] ^= (unsigned char)(1 + i % 255);
            assert_int_equal(try(&p, all[k / N_PACKS]), E_CORRUPT);
            p.bytes[i] ^= (unsigned char)(1 + i % 255);
        }
        free(p.bytes);
    }
}

/* Cut off anywhere, in memory of just that size. */
static void test_pack__truncated_packs_are_refused(void **state)
{
    packed p = pack(*state, sums, PACK_TRAIN);
    for (size_t n = 0; n < p.n; n += n < 64 ? 1 : 61) {
        packed cut = { mem_aligned(n, 1), n };
        assert_non_null(cut.bytes);
        memcpy(cut.bytes, p.bytes, n);
        assert_int_equal(try(&cut, sums), E_CORRUPT);
        free(cut.bytes);
    }
    free(p.bytes);
}

static void seal(packed *p)
{
    pack_head *h = (void *)p->bytes;
    h->checksum = pack_head_checksum(h);
}

/* Somebody who knows how packs are made changes the head and puts it right: refused, or harmless. */
static void test_pack__hostile_heads_do_no_harm(void **state)
{
    static const unsigned char flips[] = { 0x01, 0x80, 0xff };
    size_t n_refused = 0;
    for (size_t k = 0; k < 3 * N_PACKS; k++) {
        packed p = pack(*state, all[k / N_PACKS], (pack_use)(k % N_PACKS));
        for (size_t i = 0; i < 3 * sizeof(pack_head); i++) {
            unsigned char *at = p.bytes + i / 3;
            *at ^= flips[i % 3];
            seal(&p);
            n_refused += try(&p, all[k / N_PACKS]) != OK;
            *at ^= flips[i % 3];
        }
        free(p.bytes);
    }
    assert_true(n_refused > 9 * sizeof(pack_head));
}

/* The same of what the head does not cover. */
static void test_pack__hostile_sections_do_no_harm(void **state)
{
    size_t n_refused = 0, n_tried = 0;
    for (size_t k = 0; k < 3 * N_PACKS; k++) {
        packed p = pack(*state, all[k / N_PACKS], (pack_use)(k % N_PACKS));
        for (size_t i = sizeof(pack_head); i < p.n; i += 1 + i % 3) {
            p.bytes[i] ^= 0x81;
            n_refused += try(&p, all[k / N_PACKS]) != OK;
            n_tried++;
            p.bytes[i] ^= 0x81;
        }
        free(p.bytes);
    }
    assert_true(n_refused > 100 && n_refused < n_tried);
}

/* Numbers that a flipped bit hardly makes. */
static void test_pack__hostile_numbers_are_refused(void **state)
{
    packed p = pack(*state, sums, PACK_TRAIN);
    pack_head *h = (void *)p.bytes;
    uint64_t *n_steps = (void *)(p.bytes + h->sections[SECTION_N_STEPS].at);
    uint64_t *first = (void *)(p.bytes + h->sections[SECTION_FIRST_STEP].at);
    uint32_t *rows = (void *)(p.bytes + h->sections[SECTION_ROWS_TRAIN].at);
    const uint32_t row = rows[0];
    const uint64_t was = n_steps[row], began = first[row];
    n_steps[row] = UINT64_MAX;
    assert_int_equal(try(&p, sums), E_CORRUPT);
    n_steps[row] = 0;
    assert_int_equal(try(&p, sums), E_CORRUPT);
    n_steps[row] = was;
    first[row] = UINT64_MAX - 2;
    assert_int_equal(try(&p, sums), E_CORRUPT);
    first[row] = h->n_steps - was + 1;
    assert_int_equal(try(&p, sums), E_CORRUPT);
    first[row] = began;
    rows[0] = (uint32_t)h->n_samples;
    assert_int_equal(try(&p, sums), E_CORRUPT);
    rows[0] = row;
    assert_int_equal(try(&p, sums), OK);
    const uint64_t x_at = h->sections[SECTION_X].at;
    h->sections[SECTION_X].at = x_at + 4;
    seal(&p);
    assert_int_equal(try(&p, sums), E_CORRUPT);
    h->sections[SECTION_X].at = p.n / PACK_ALIGNMENT * PACK_ALIGNMENT;
    seal(&p);
    assert_int_equal(try(&p, sums), E_CORRUPT);
    h->sections[SECTION_X].at = UINT64_MAX - 63;
    seal(&p);
    assert_int_equal(try(&p, sums), E_CORRUPT);
    free(p.bytes);
    p = pack(*state, classes, PACK_SCORE);
    h = (void *)p.bytes;
    int32_t *label = (void *)(p.bytes + h->sections[SECTION_LABEL].at);
    label[5] = -1;
    assert_int_equal(try(&p, classes), E_CORRUPT);
    label[5] = (int32_t)h->n_classes;
    assert_int_equal(try(&p, classes), E_CORRUPT);
    free(p.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_pack__gives_the_batches_of_its_data, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__of_a_trainer_has_nothing_of_the_test_part, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__of_a_predictor_has_inputs_alone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__of_a_scorer_has_targets_alone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__lets_batches_vary_and_nothing_else, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__damaged_heads_are_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__truncated_packs_are_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__hostile_heads_do_no_harm, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__hostile_sections_do_no_harm, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_pack__hostile_numbers_are_refused, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
