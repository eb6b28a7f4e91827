/* The idx dataset: MNIST as it comes, small files written here, and files that are not what they claim. */
#include "core/data/fixture.h"

enum { N = 3, PIXELS = 6 };

/* Three images of 2 x 3, and their labels 2, 0, 1. */
static const unsigned char images[16 + N * PIXELS] = { 0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, 2, 0, 0, 0,
    3, //
    11, 22, 33, 44, 55, 66, 77, 88, 99, 110, 121, 132, 143, 154, 165, 176, 187, 198 };
static const unsigned char labels[8 + N] = { 0, 0, 8, 1, 0, 0, 0, N, 2, 0, 1 };

static void write_pair(fixture *f)
{
    fixture_write_bytes(f, "i", images, sizeof(images));
    fixture_write_bytes(f, "l", labels, sizeof(labels));
}

static uint32_t crc32_of(const unsigned char *data, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static size_t put_le(unsigned char *to, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)(v >> (8 * i) & 255);
    return n;
}

/* A gzip file of one stored block (RFC 1951, 1952). */
static void write_gzip(fixture *f, const char *name, const unsigned char *data, uint32_t n)
{
    unsigned char out[128] = { 31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 1 };
    size_t at = 11;
    at += put_le(out + at, n, 2);
    at += put_le(out + at, ~n, 2);
    memcpy(out + at, data, n);
    at += n;
    at += put_le(out + at, crc32_of(data, n), 4);
    at += put_le(out + at, n, 4);
    fixture_write_bytes(f, name, out, at);
}

#define PAIR "type = \"idx\"; images = \"$/i\"; labels = \"$/l\"; "

static void check_pair(const dataset *d)
{
    const assay_data *v = dataset_view(d);
    const unsigned char *x = v->x;
    assert_int_equal(v->n_samples, N);
    assert_int_equal(v->x_shape.n_dims, 2);
    assert_int_equal(v->x_shape.dim[0], 2);
    assert_int_equal(v->x_shape.dim[1], 3);
    assert_int_equal(v->x_dtype, ASSAY_U8);
    assert_memory_equal(x, images + 16, N * PIXELS);
    assert_int_equal(v->n_classes, 3);
    assert_true(v->label[0] == 2 && v->label[1] == 0 && v->label[2] == 1);
}

static void test_idx__plain_images_are_mapped(void **state)
{
    fixture *f = *state;
    write_pair(f);
    check_pair(fixture_open(f, PAIR));
    /* a map begins on a page, so its first pixel lies one header behind it */
    assert_int_equal((uintptr_t)dataset_view(f->d)->x % (uintptr_t)sysconf(_SC_PAGESIZE), 16);
}

static void test_idx__reads_gzip(void **state)
{
    fixture *f = *state;
    write_gzip(f, "i", images, sizeof(images));
    write_gzip(f, "l", labels, sizeof(labels));
    check_pair(fixture_open(f, PAIR));
}

static void test_idx__test_files_are_the_test_part(void **state)
{
    fixture *f = *state;
    write_pair(f);
    write_gzip(f, "ti", images, sizeof(images));
    const dataset *d = fixture_open(
        f, PAIR "test_images = \"$/ti\"; test_labels = \"$/l\"; split = { validation = 1; };");
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, 2 * N);
    assert_int_equal(dataset_size(d, PART_TRAIN), 2);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 1);
    assert_int_equal(dataset_size(d, PART_TEST), N);
    assert_int_equal(dataset_rows(d, PART_TEST)[0], N);
    assert_memory_equal((const unsigned char *)v->x + N * PIXELS, images + 16, N * PIXELS);
    assert_int_equal(v->label[N], 2);
    assert_int_equal(v->n_files, 4);
}

static void test_idx__bytes_are_scaled_in_batches(void **state)
{
    fixture *f = *state;
    error err;
    batcher *b = NULL;
    batch x;
    write_pair(f);
    const batcher_options o = { .batch_size = 0 };
    assert_int_equal(
        batcher_new(fixture_open(f, PAIR "scale = 0.25;"), PART_TRAIN, &o, &b, &err), OK);
    batcher_get(b, 0, 0, &x);
    for (size_t i = 0; i < N * PIXELS; i++)
        assert_true(x.x[i] == 0.25f * (float)images[16 + i]);
    batcher_free(b);
}

/* A copy of one of the two files with one byte changed, or cut, or longer. */
static void spoil(fixture *f, const char *name, size_t place, unsigned char byte, size_t n)
{
    unsigned char copy[64] = { 0 };
    const bool is_image = name[0] == 'i';
    memcpy(copy, is_image ? images : labels, is_image ? sizeof(images) : sizeof(labels));
    copy[place] = byte;
    write_pair(f);
    fixture_write_bytes(f, name, copy, n);
}

static void test_idx__says_what_is_wrong(void **state)
{
    fixture *f = *state;
    spoil(f, "i", 0, 1, sizeof(images));
    fixture_refuse(f, PAIR, E_PARSE, "x.cfg:2: dataset \"idx\": images: i: not an IDX file");
    spoil(f, "i", 2, 13, sizeof(images));
    fixture_refuse(f, PAIR, E_UNSUPPORTED, "another type than unsigned bytes");
    spoil(f, "i", 3, 1, sizeof(images));
    fixture_refuse(
        f, PAIR, E_PARSE, "images: i: 1 dimensions where images, with two to five, are expected");
    spoil(f, "l", 3, 3, sizeof(labels));
    fixture_refuse(
        f, PAIR, E_PARSE, "labels: l: 3 dimensions where labels, with one, are expected");
    spoil(f, "i", 0, 0, sizeof(images) - 1);
    fixture_refuse(f, PAIR, E_PARSE, "images: i: the file ends before its last value");
    spoil(f, "i", 0, 0, 9);
    fixture_refuse(f, PAIR, E_PARSE, "images: i: the file ends before its last value");
    spoil(f, "i", 0, 0, sizeof(images) + 1);
    fixture_refuse(f, PAIR, E_PARSE, "images: i: has bytes after its last value");
    spoil(f, "l", 0, 0, sizeof(labels) - 1);
    fixture_refuse(f, PAIR, E_PARSE, "labels: l: the file ends before its last value");
    spoil(f, "l", 0, 0, sizeof(labels) + 1);
    fixture_refuse(f, PAIR, E_PARSE, "labels: l: has bytes after its last value");
    spoil(f, "i", 11, 0, sizeof(images));
    fixture_refuse(f, PAIR, E_PARSE, "images: i: a dimension of size 0");
    spoil(f, "l", 7, N - 1, sizeof(labels) - 1);
    fixture_refuse(f, PAIR, E_PARSE, "labels: l: 2 labels for 3 images of i");
    write_pair(f);
    fixture_refuse(
        f, PAIR "classes = 2;", E_PARSE, "labels: l: label 2 of sample 0 is outside 0 to 1");
    fixture_refuse(f, "type = \"idx\"; images = \"$/absent\"; labels = \"$/l\";", E_IO,
        "images: absent: cannot be opened: No such file or directory: /");
    fixture_refuse(
        f, PAIR "test_images = \"$/i\";", E_RANGE, "test_images and test_labels come together");
}

static void test_idx__header_that_claims_too_much_is_refused(void **state)
{
    fixture *f = *state;
    unsigned char huge[16] = { 0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255 };
    write_pair(f);
    fixture_write_bytes(f, "i", huge, sizeof(huge));
    fixture_refuse(f, PAIR, E_PARSE, "claims more bytes than a file may have");
    /* 256 GiB: refused before memory is taken for them */
    memcpy(huge + 4, (const unsigned char[]){ 0, 4, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0 }, 12);
    write_gzip(f, "i", huge, sizeof(huge));
    fixture_refuse(f, PAIR "test_images = \"$/i\"; test_labels = \"$/l\";", E_PARSE,
        "the file ends before its last value");
}

static void test_idx__test_files_must_fit(void **state)
{
    fixture *f = *state;
    unsigned char wide[16 + N * PIXELS] = { 0 };
    memcpy(wide, images, sizeof(images));
    wide[11] = 3;
    wide[15] = 2;
    write_pair(f);
    fixture_write_bytes(f, "ti", wide, sizeof(wide));
    fixture_refuse(f, PAIR "test_images = \"$/ti\"; test_labels = \"$/l\";", E_SHAPE,
        "test_images: ti: its images are of another size");
    unsigned char other[sizeof(labels)];
    memcpy(other, labels, sizeof(labels));
    other[9] = 7;
    fixture_write_bytes(f, "tl", other, sizeof(other));
    fixture_refuse(f, PAIR "test_images = \"$/i\"; test_labels = \"$/tl\";", E_PARSE,
        "test_labels: tl: label 7 of sample 1 is outside 0 to 2");
}

static void test_idx__broken_gzip_is_refused(void **state)
{
    fixture *f = *state;
    char *bytes = NULL;
    size_t n = 0;
    write_pair(f);
    write_gzip(f, "i", images, sizeof(images));
    char path[96];
    snprintf(path, sizeof(path), "%.60s/i", f->dir);
    assert_int_equal(file_read(path, &bytes, &n, &f->err), OK);
    fixture_write_bytes(f, "i", bytes, n - 9);
    fixture_refuse(f, PAIR, E_PARSE, "images: i: ");
    bytes[n - 5] = (char)~bytes[n - 5]; /* the checksum */
    fixture_write_bytes(f, "i", bytes, n);
    fixture_refuse(f, PAIR, E_PARSE, "images: i: ");
    free(bytes);
}

static void test_idx__reads_mnist(void **state)
{
    NEEDS_SHARED("mnist/train-images-idx3-ubyte.gz");
    const dataset *d = fixture_open(*state,
        "type = \"idx\"; images = \"#/mnist/train-images-idx3-ubyte.gz\"; labels = "
        "\"#/mnist/train-labels-idx1-ubyte.gz\"; test_images = "
        "\"#/mnist/t10k-images-idx3-ubyte.gz\"; "
        "test_labels = \"#/mnist/t10k-labels-idx1-ubyte.gz\"; split = { validation = 10000; };");
    const assay_data *v = dataset_view(d);
    static const int first[] = { 5, 0, 4, 1, 9, 2, 1, 3, 1, 4 };
    assert_int_equal(v->n_samples, 70000);
    assert_int_equal(v->x_shape.dim[0], 28);
    assert_int_equal(v->n_classes, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(v->label[i], first[i]);
    assert_int_equal(v->label[60000], 7);
    assert_int_equal(dataset_size(d, PART_TRAIN), 50000);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 10000);
    assert_int_equal(dataset_size(d, PART_TEST), 10000);
    double sum = 0;
    const unsigned char *x = v->x;
    for (size_t i = 0; i < 60000u * 784u; i++)
        sum += x[i];
    /* the mean that is commonly given for the training images, 0.1307 */
    assert_near(sum / 255 / (60000.0 * 784), 0.1307, 5e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_idx__plain_images_are_mapped, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_idx__reads_gzip, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__test_files_are_the_test_part, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__bytes_are_scaled_in_batches, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__says_what_is_wrong, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__header_that_claims_too_much_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__test_files_must_fit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_idx__broken_gzip_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_idx__reads_mnist, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
