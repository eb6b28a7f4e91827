/* Damaged CSV, IDX, text and piano-roll files: bytes changed, cut off, put in and repeated. Whatever comes of it, it is a dataset or an error
 * with a message; the sanitizers watch the rest. The damage is a function of the round, so a failure can be repeated. */
#include "core/data/fixture.h"

#include "base/rng.h"

enum { ROUNDS = 1500, MAX_BYTES = 2048 };

typedef struct soup {
    unsigned char byte[MAX_BYTES];
    size_t n;
} soup;

static uint64_t draw(uint64_t round, uint64_t *place, uint64_t bound)
{
    return rng_below(rng_make(7, "fuzz"), round, (*place)++, bound);
}

/* One change: a byte that means something, any byte, a cut, or a piece repeated elsewhere. */
static void damage(soup *s, uint64_t round, uint64_t *place)
{
    static const char telling[] = ",;\t\"\r\n?-.eE09xN \xEF\xBB\xBF";
    if (s->n == 0) return;
    const size_t at = draw(round, place, s->n);
    switch (draw(round, place, 4)) {
    case 0: s->byte[at] = (unsigned char)telling[draw(round, place, sizeof(telling))]; break;
    case 1: s->byte[at] = (unsigned char)draw(round, place, 256); break;
    case 2: s->n = draw(round, place, 8) == 0 ? at : s->n; break;
    default: {
        const size_t n = draw(round, place, 40);
        if (at + n > s->n || s->n + n > MAX_BYTES) break;
        memmove(s->byte + at + n, s->byte + at, s->n - at);
        s->n += n;
    }
    }
}

static void load(fixture *f, soup *s, const char *path, size_t most)
{
    char *bytes = NULL;
    size_t n = 0;
    if (file_read(path, &bytes, &n, &f->err) != OK) fail_msg("%s", f->err.text);
    s->n = n < most ? n : most;
    memcpy(s->byte, bytes, s->n);
    free(bytes);
}

static size_t survive(
    fixture *f, const soup *clean, const char *name, const char *const *insides, size_t n)
{
    size_t n_good = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t place = 0;
        soup s = *clean;
        const uint64_t n_damages = 1 + draw(round, &place, 3);
        for (uint64_t k = 0; k < n_damages; k++)
            damage(&s, round, &place);
        fixture_write_bytes(f, name, s.byte, s.n);
        const status st = fixture_try(f, insides[round % n]);
        n_good += st == OK;
        if (st != OK && (f->err.code != st || f->err.text[0] == '\0')) {
            fail_msg("round %d: an error without a message", (int)round);
        }
    }
    return n_good;
}

static void test_fuzz_csv__survives_damage(void **state)
{
    static const char *const insides[] = {
        "type = \"csv\"; file = \"$/f.csv\";",
        "type = \"csv\"; file = \"$/f.csv\"; missing = \"mean\"; standardize = true; separator = "
        "\"auto\";",
        "type = \"csv\"; file = \"$/f.csv\"; missing = \"drop\"; header = \"no\"; test_file = "
        "\"$/f.csv\";",
        "type = \"csv\"; file = \"$/f.csv\"; target = \"1\"; group = \"0\"; weight = \"2\"; split "
        "= { test = 0.3; };",
    };
    soup clean;
    load(*state, &clean, TEST_SOURCE_DIR "/configs/data/iris.csv", 1500);
    while (clean.byte[clean.n - 1] != '\n')
        clean.n--;
    const size_t n_good = survive(*state, &clean, "f.csv", insides, 4);
    assert_in_range(
        n_good, ROUNDS / 100, ROUNDS - ROUNDS / 100); /* neither all lost nor all harmless */
}

static void test_fuzz_idx__survives_damage(void **state)
{
    static const char *const insides[] = { "type = \"idx\"; images = \"$/f\"; labels = \"$/l\";",
        "type = \"idx\"; images = \"$/i\"; labels = \"$/f\"; standardize = true;",
        "type = \"idx\"; images = \"$/i\"; labels = \"$/l\"; test_images = \"$/f\"; test_labels = "
        "\"$/l\";" };
    soup images = { { 0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7 }, 16 + 20 };
    const soup labels = { { 0, 0, 8, 1, 0, 0, 0, 5, 2, 0, 1 }, 8 + 5 };
    fixture_write_bytes(*state, "i", images.byte, images.n);
    fixture_write_bytes(*state, "l", labels.byte, labels.n);
    assert_in_range(survive(*state, &images, "f", insides, 3), 1, ROUNDS - 1);
    assert_in_range(survive(*state, &labels, "f", insides, 3), 1, ROUNDS - 1);
}

static void test_fuzz_idx__survives_damaged_gzip(void **state)
{
    NEEDS_SHARED("mnist/t10k-labels-idx1-ubyte.gz");
    static const char *const insides[] = { "type = \"idx\"; images = \"$/i\"; labels = \"$/f\";" };
    soup labels;
    load(*state, &labels, TEST_SOURCE_DIR "/../shared/data/mnist/t10k-labels-idx1-ubyte.gz",
        MAX_BYTES - 64);
    const soup images = { { 0, 0, 8, 3, 0, 0, 0x27, 0x10, 0, 0, 0, 1, 0, 0, 0, 1 }, 16 };
    fixture_write_bytes(*state, "i", images.byte, images.n);
    survive(*state, &labels, "f", insides, 1);
}

/* A text and, damaged in its turn, a vocabulary for it. */
static void test_fuzz_text__survives_damage(void **state)
{
    static const char *const texts[] = { "type = \"text\"; file = \"$/f.txt\";",
        "type = \"text\"; file = \"$/f.txt\"; sample = \"line\"; test_file = \"$/f.txt\";",
        "type = \"text\"; file = \"$/f.txt\"; level = \"word\"; min_count = 2; window = 2;",
        "type = \"text\"; file = \"$/f.txt\"; vocabulary = \"$/v.json\";" };
    static const char *const names[] = {
        "type = \"text\"; file = \"$/t.txt\"; vocabulary = \"$/f.json\";",
        "type = \"text\"; file = \"$/t.txt\"; vocabulary = \"$/f.json\"; level = \"byte\";"
    };
    static const char content[] = "na\xC3\xAFve \xE2\x82\xAC to be\r\nor not\nto be\n\nna na",
                      json[] = "[\"\\\\x61\", \"a\", "
                               "\"\\u00ef\", \"\\ud834\\udd1e\", \"\\n\", \"<unk>\"]\n";
    soup clean = { .n = sizeof(content) - 1 }, vocabulary = { .n = sizeof(json) - 1 };
    memcpy(clean.byte, content, clean.n);
    memcpy(vocabulary.byte, json, vocabulary.n);
    fixture_write(*state, "t.txt", content);
    fixture_write(*state, "v.json", json);
    assert_in_range(survive(*state, &clean, "f.txt", texts, 4), ROUNDS / 100, ROUNDS - 1);
    assert_in_range(survive(*state, &vocabulary, "f.json", names, 2), ROUNDS / 100, ROUNDS - 1);
}

static void test_fuzz_pianoroll__survives_damage(void **state)
{
    static const char *const insides[] = {
        "type = \"pianoroll\"; file = \"$/f.txt\";",
        "type = \"pianoroll\"; file = \"$/f.txt\"; keys = 40; test_file = \"$/f.txt\";",
    };
    static const char content[] = "0,12,39 12 - 40\r\n87 1,2,3\n- - 7\n";
    soup clean = { .n = sizeof(content) - 1 };
    memcpy(clean.byte, content, clean.n);
    assert_in_range(survive(*state, &clean, "f.txt", insides, 2), ROUNDS / 100, ROUNDS - 1);
}

static void test_fuzz_pianoroll__survives_damaged_arrays(void **state)
{
    static const char *const insides[] = {
        "type = \"pianoroll\"; file = \"$/x.frames.npy\"; keys = 2; lengths = \"$/f.npy\";",
        "type = \"pianoroll\"; file = \"$/f.npy\"; keys = 2; lengths = \"$/x.lengths.npy\";",
    };
    static const char frames[] = "\x93NUMPY\x01\0\x42\0"
                                 "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2)}"
                                 "         \n"
                                 "\1\0\0\0\1\1",
                      lengths[] = "\x93NUMPY\x01\0\x42\0"
                                  "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}"
                                  "          \n"
                                  "\3";
    soup x = { .n = sizeof(frames) - 1 }, n = { .n = sizeof(lengths) - 1 };
    memcpy(x.byte, frames, x.n);
    memcpy(n.byte, lengths, n.n);
    fixture_write_bytes(*state, "x.frames.npy", x.byte, x.n);
    fixture_write_bytes(*state, "x.lengths.npy", n.byte, n.n);
    assert_in_range(survive(*state, &n, "f.npy", insides, 1), 1, ROUNDS - 1);
    assert_in_range(survive(*state, &x, "f.npy", insides + 1, 1), 1, ROUNDS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_fuzz_csv__survives_damage, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_fuzz_idx__survives_damage, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_fuzz_idx__survives_damaged_gzip, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_fuzz_text__survives_damage, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_fuzz_pianoroll__survives_damage, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(
            test_fuzz_pianoroll__survives_damaged_arrays, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
