/* The pianoroll dataset: the chorales by their published counts in both formats, every rule of the text, every complaint. */
#include "core/data/fixture.h"

#define ROLL(file) "type = \"pianoroll\"; file = \"$/" file "\"; "
#define MUSIC(name, end) \
    "type = \"pianoroll\"; file = \"#/music/" name ".train." end "\"; validation_file = " \
    "\"#/music/" name ".valid." end "\"; test_file = \"#/music/" name ".test." end "\";"

/* The steps of a part, and one more a piece: its frames. */
static uint64_t n_frames(const dataset *d, part p)
{
    uint64_t n = dataset_size(d, p);
    for (size_t i = 0; i < dataset_size(d, p); i++)
        n += dataset_view(d)->n_steps[dataset_rows(d, p)[i]];
    return n;
}

static void check_parts(
    const dataset *d, const size_t pieces[N_PARTS], const uint64_t frames[N_PARTS])
{
    for (int p = 0; p < N_PARTS; p++) {
        assert_int_equal(dataset_size(d, (part)p), pieces[p]);
        assert_int_equal(n_frames(d, (part)p), frames[p]);
    }
}

static const uint8_t *frame_of(const assay_data *v, size_t i)
{
    return (const uint8_t *)v->x + i * v->x_stride;
}

static void test_pianoroll__jsb_chorales_have_their_counts(void **state)
{
    NEEDS_SHARED("music/jsb-chorales.train.txt");
    static const size_t pieces[] = { 229, 76, 77 };
    static const uint64_t frames[] = { 13807, 4602, 4725 };
    const dataset *d = fixture_open(*state, MUSIC("jsb-chorales", "txt"));
    const assay_data *v = dataset_view(d);
    check_parts(d, pieces, frames);
    assert_int_equal(v->x_dtype, ASSAY_U8);
    assert_int_equal(v->x_stride, 88);
    assert_int_equal(v->target, ASSAY_TARGET_BINARY);
    assert_int_equal(v->n_targets, 88);
    assert_int_equal(v->target_per_step, 1);
    assert_null(v->targets);
    assert_ptr_equal(v->targets_u8, frame_of(v, 1)); /* no copy */
    assert_true(v->x_scale == 1);
    assert_int_equal(v->n_files, 3);
}

static void test_pianoroll__nottingham_has_its_counts(void **state)
{
    NEEDS_SHARED("music/nottingham.train.txt");
    static const size_t pieces[] = { 694, 173, 170 };
    static const uint64_t frames[] = { 176561, 45513, 44463 };
    check_parts(fixture_open(*state, MUSIC("nottingham", "txt")), pieces, frames);
}

static void test_pianoroll__text_and_numpy_hold_the_same(void **state)
{
    NEEDS_SHARED("music/jsb-chorales.train.frames.npy");
    const assay_data *v = dataset_view(fixture_open(*state, MUSIC("jsb-chorales", "txt")));
    const size_t n = v->n_samples, bytes = (13807 + 4602 + 4725) * 88;
    uint8_t *x = malloc(bytes);
    uint64_t *first = malloc(n * sizeof(uint64_t)), *steps = malloc(n * sizeof(uint64_t));
    assert_true(x != NULL && first != NULL && steps != NULL);
    memcpy(x, v->x, bytes);
    memcpy(first, v->first_step, n * sizeof(uint64_t));
    memcpy(steps, v->n_steps, n * sizeof(uint64_t));
    v = dataset_view(fixture_open(*state, MUSIC("jsb-chorales", "frames.npy")));
    assert_int_equal(v->n_samples, n);
    assert_memory_equal(v->x, x, bytes);
    assert_memory_equal(v->first_step, first, n * sizeof(uint64_t));
    assert_memory_equal(v->n_steps, steps, n * sizeof(uint64_t));
    assert_int_equal(v->n_files, 6);
    free(x);
    free(first);
    free(steps);
}

static void test_pianoroll__batches_hold_the_next_frame(void **state)
{
    NEEDS_SHARED("music/jsb-chorales.train.txt");
    const dataset *d = fixture_open(*state, MUSIC("jsb-chorales", "txt"));
    const assay_data *v = dataset_view(d);
    const batcher_options o = { .batch_size = 16 };
    batcher *b = NULL;
    error err;
    batch x;
    if (batcher_new(d, PART_TRAIN, &o, &b, &err) != OK) fail_msg("%s", err.text);
    batcher_get(b, 0, 0, &x);
    double n_real = 0;
    for (size_t j = 0; j < x.n; j++) {
        const size_t row = x.rows[j], n = (size_t)v->n_steps[row];
        for (size_t k = 0; k < 88; k++) {
            const size_t last = ((n - 1) * x.n + j) * 88 + k;
            assert_true(x.x[j * 88 + k] == frame_of(v, (size_t)v->first_step[row])[k]);
            assert_true(x.target[last] == frame_of(v, (size_t)v->first_step[row] + n)[k]);
        }
        n_real += (double)n;
    }
    assert_true(x.weight_sum == n_real); /* padding never counts */
    batcher_free(b);
}

/* -- the text -- */

static void test_pianoroll__frames_are_lists_of_keys(void **state)
{
    fixture_write(*state, "p.txt", "0,3,4 - 2\r\n-\n1 0,1");
    const dataset *d = fixture_open(*state, ROLL("p.txt") "keys = 5;");
    const assay_data *v = dataset_view(d);
    static const uint8_t frames[] = { 1, 0, 0, 1, 1, /**/ 0, 0, 0, 0, 0, /**/ 0, 0, 1, 0, 0, //
        0, 0, 0, 0, 0, //
        0, 1, 0, 0, 0, /**/ 1, 1, 0, 0, 0 };
    static const uint64_t first[] = { 0, 4 }, steps[] = { 2, 1 };
    assert_int_equal(v->n_samples, 2);
    assert_memory_equal(v->x, frames, sizeof(frames));
    assert_memory_equal(v->first_step, first, sizeof(first));
    assert_memory_equal(v->n_steps, steps, sizeof(steps));
    assert_string_equal(((fixture *)*state)->log,
        "dataset \"pianoroll\": p.txt: 1 of 3 pieces have one frame, so nothing to predict: left "
        "out\n");
}

static void test_pianoroll__says_what_is_wrong_and_where(void **state)
{
    static const struct {
        const char *content, *message;
    } bad[] = {
        { "0 1\n2 88\n",
            "file: p.txt:2: frame 2: key 88 is outside 0 to 87: does keys count all of the "
            "instrument?" },
        { "0 1 99999999999999999999999\n",
            "p.txt:1: frame 3: key 99999999999999999999 is outside" },
        { "1,0 3\n", "p.txt:1: frame 1: key 0 after key 1: keys ascend" },
        { "2 1,1\n", "p.txt:1: frame 2: key 1 after key 1: keys ascend" },
        { "0  1\n",
            "p.txt:1: frame 2: is empty: one space stands between frames, and - is silence" },
        { " 0 1\n", "p.txt:1: frame 1: is empty" },
        { "0 1 \n", "p.txt:1: frame 3: is empty" },
        { "0 1 \r\n", "p.txt:1: frame 3: is empty" },
        { "0 1\n\n2 3\n", "p.txt:2: an empty line: each line is a piece of at least one frame" },
        { "0, 1\n", "p.txt:1: frame 1: expected a key or -, found a space" },
        { "0,\n", "p.txt:1: frame 1: expected a key or -, found the end of the line" },
        { "0 1\n0 x\n", "p.txt:2: frame 2: expected a key or -, found \"x\"" },
        { "0 1.5\n", "p.txt:1: frame 2: expected a comma or a space, found \".\"" },
        { "0 -1\n", "p.txt:1: frame 2: expected a space after -, found \"1\"" },
        { "0\t1\n", "p.txt:1: frame 1: expected a comma or a space, found byte 0x09" },
        { "0,- 1\n", "p.txt:1: frame 1: expected a key or -, found \"-\"" },
        { "1\n2\n", "p.txt: no piece has two frames, so there is nothing to predict" },
        { "", "file: p.txt: the file is empty" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fixture_write(*state, "p.txt", bad[i].content);
        fixture_refuse(*state, ROLL("p.txt"), E_PARSE, bad[i].message);
    }
    fixture_refuse(*state, ROLL("absent.txt"), E_IO,
        "file: absent.txt: cannot be opened: No such file or directory: /");
    fixture_refuse(*state, "type = \"pianoroll\"; file = \"$\";", E_IO, "not a file: /");
    fixture_refuse(*state, ROLL("p.txt") "keys = 0;", E_RANGE, "keys");
}

static void test_pianoroll__text_has_no_lengths(void **state)
{
    fixture_write(*state, "p.txt", "0 1\n");
    fixture_refuse(*state, ROLL("p.txt") "lengths = \"$/p.txt\";", E_RANGE,
        "lengths: goes with frames from a .npy file or an .npz archive: text says where a piece "
        "ends");
    fixture_refuse(*state, ROLL("p.txt") "test_lengths = \"$/p.txt\";", E_RANGE,
        "test_lengths: lengths without frames");
    fixture_refuse(*state, ROLL("p.txt") "validation_lengths = \"$/p.txt\";", E_RANGE,
        "validation_lengths: lengths without frames");
}

/* -- NumPy -- */

/* An NPY 1.0 file; a shape that begins with F is one in Fortran order. */
static void write_npy(
    fixture *f, const char *name, const char *type, const char *shape, const void *data, size_t n)
{
    const bool is_fortran = shape[0] == 'F';
    unsigned char out[400] = "\x93NUMPY\x01";
    const int length =
        snprintf((char *)out + 10, 200, "{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n",
            type, is_fortran ? "True" : "False", shape + is_fortran);
    out[8] = (unsigned char)length;
    memcpy(out + 10 + length, data, n);
    fixture_write_bytes(f, name, out, 10 + (size_t)length + n);
}

#define WRITE(f, name, type, shape, ...) \
    do { \
        const unsigned char data_[] = { __VA_ARGS__ }; \
        write_npy(f, name, type, shape, data_, sizeof(data_)); \
    } while (0)

static void test_pianoroll__numpy_frames_have_lengths_beside_them(void **state)
{
    fixture *f = *state;
    WRITE(f, "j.frames.npy", "|u1", "5, 2", 1, 0, 0, 1, 0, 0, 1, 1, 0, 1);
    WRITE(f, "j.lengths.npy", "|u1", "3,", 2, 1, 2);
    const assay_data *v = dataset_view(fixture_open(f, ROLL("j.frames.npy") "keys = 2;"));
    static const uint8_t frames[] = { 1, 0, 0, 1, 0, 0, 1, 1, 0, 1 };
    static const uint64_t first[] = { 0, 3 }, steps[] = { 1, 1 };
    assert_int_equal(v->n_samples, 2);
    assert_memory_equal(v->x, frames, sizeof(frames));
    assert_memory_equal(v->first_step, first, sizeof(first));
    assert_memory_equal(v->n_steps, steps, sizeof(steps));
    assert_int_equal(v->n_files, 2);
    assert_non_null(strstr(f->log, "j.frames.npy: 1 of 3 pieces have one frame"));
    WRITE(f, "other.npy", "<i4", "1,", 5, 0, 0, 0);
    v = dataset_view(fixture_open(f, ROLL("j.frames.npy") "keys = 2; lengths = \"$/other.npy\";"));
    assert_int_equal(v->n_samples, 1);
    assert_int_equal(v->n_steps[0], 4);
}

static void test_pianoroll__numpy_frames_may_be_in_fortran_order(void **state)
{
    fixture *f = *state;
    WRITE(f, "j.frames.npy", "|u1", "F3, 2", 1, 0, 0, /**/ 0, 1, 1);
    WRITE(f, "j.lengths.npy", "|u1", "1,", 3);
    const assay_data *v = dataset_view(fixture_open(f, ROLL("j.frames.npy") "keys = 2;"));
    static const uint8_t frames[] = { 1, 0, 0, 1, 0, 1 };
    assert_memory_equal(v->x, frames, sizeof(frames));
    WRITE(f, "j.frames.npy", "|u1", "F3, 2", 1, 0, 0, /**/ 0, 1, 7);
    fixture_refuse(f, ROLL("j.frames.npy") "keys = 2;", E_PARSE,
        "file: j.frames.npy: frame 2: key 1 is 7: expected 0 or 1");
    WRITE(f, "j.frames.npy", "|u1", "F3, 2", 1, 0, 5, /**/ 0, 1, 1);
    fixture_refuse(f, ROLL("j.frames.npy") "keys = 2;", E_PARSE, "frame 2: key 0 is 5");
}

static void test_pianoroll__refuses_arrays_that_do_not_fit(void **state)
{
    fixture *f = *state;
    WRITE(f, "j.frames.npy", "|u1", "3, 2", 1, 0, 0, 1, 0, 2);
    WRITE(f, "plain.npy", "|u1", "3, 2", 1, 0, 0, 1, 0, 1);
    WRITE(f, "j.lengths.npy", "|u1", "2,", 2, 1);
    fixture_refuse(f, ROLL("j.frames.npy") "keys = 2;", E_PARSE,
        "file: j.frames.npy: frame 2: key 1 is 2: expected 0 or 1, frames and keys counted from 0");
    fixture_refuse(f, ROLL("j.frames.npy"), E_SHAPE,
        "file: j.frames.npy: frames are [frames, 88 keys], and this has 2 keys: set keys");
    fixture_refuse(f, ROLL("j.lengths.npy"), E_RANGE,
        "lengths: is missing: only beside NAME.frames.npy it is NAME.lengths.npy");
    fixture_refuse(f, ROLL("j.lengths.npy") "lengths = \"$/j.lengths.npy\";", E_SHAPE,
        "frames are [frames, 88 keys], and this has 1 dimensions");
    static const char with[] = ROLL("plain.npy") "keys = 2; lengths = \"$/j.lengths.npy\";";
    assert_int_equal(dataset_view(fixture_open(f, with))->n_samples, 1);
    WRITE(f, "j.lengths.npy", "|u1", "2,", 2, 2);
    fixture_refuse(f, with, E_PARSE,
        "lengths: j.lengths.npy: piece 1 (from 0) has 2 frames: expected 1 to 1, those of "
        "plain.npy that are left");
    WRITE(f, "j.lengths.npy", "|u1", "1,", 2);
    fixture_refuse(
        f, with, E_PARSE, "lengths: j.lengths.npy: its pieces have 2 frames, and plain.npy has 3");
    WRITE(f, "j.lengths.npy", "|u1", "2,", 0, 3);
    fixture_refuse(f, with, E_PARSE, "piece 0 (from 0) has 0 frames: expected 1 to 3");
    WRITE(f, "j.lengths.npy", "<f4", "1,", 0, 0, 64, 64);
    fixture_refuse(f, with, E_UNSUPPORTED,
        "lengths: j.lengths.npy: lengths are integers, [pieces], and these are <f4 of 1 "
        "dimensions");
    WRITE(f, "plain.npy", "<f4", "1, 2", 0, 0, 128, 63, 0, 0, 0, 0);
    fixture_refuse(f, with, E_UNSUPPORTED,
        "file: plain.npy: frames are |u1 or |b1, and these are <f4: save x.astype('uint8')");
    fixture_refuse(f, ROLL("absent.frames.npy"), E_IO, "file: absent.frames.npy: cannot be opened");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pianoroll__jsb_chorales_have_their_counts),
        T(test_pianoroll__nottingham_has_its_counts),
        T(test_pianoroll__text_and_numpy_hold_the_same),
        T(test_pianoroll__batches_hold_the_next_frame),
        T(test_pianoroll__frames_are_lists_of_keys),
        T(test_pianoroll__says_what_is_wrong_and_where),
        T(test_pianoroll__text_has_no_lengths),
        T(test_pianoroll__numpy_frames_have_lengths_beside_them),
        T(test_pianoroll__numpy_frames_may_be_in_fortran_order),
        T(test_pianoroll__refuses_arrays_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
