/* The text dataset: real texts by their published counts, every rule of its levels and samples, and what it says of bad files. */
#include "core/data/fixture.h"

#define TEXT(file) "type = \"text\"; file = \"$/" file "\"; "
#define TINY "type = \"text\"; file = \"#/text/tinyshakespeare.txt\"; "
#define PTB(more) \
    "type = \"text\"; file = \"#/text/ptb.train.txt\"; validation_file = " \
    "\"#/text/ptb.valid.txt\"; " \
    "test_file = \"#/text/ptb.test.txt\"; " more

static const assay_data *open_view(void **state, const char *inside)
{
    return dataset_view(fixture_open(*state, inside));
}

static const int32_t *x_of(const assay_data *v)
{
    return v->x;
}

/* Names of x and, behind them, of the last label: "a|b|c". */
static void check_tokens(const assay_data *v, const char *expected)
{
    text t;
    text_init(&t);
    for (size_t i = 0; i < v->n_samples; i++)
        text_printf(&t, "%s|", v->token_names[x_of(v)[i]]);
    text_add(&t, v->token_names[v->label[v->n_samples - 1]]);
    assert_string_equal(t.s, expected);
    text_release(&t);
}

/* The vocabulary in its order: "a|b|c". */
static void check_names(const assay_data *v, const char *expected)
{
    text t;
    text_init(&t);
    for (size_t i = 0; i < v->vocabulary; i++)
        text_printf(&t, "%s%s", i > 0 ? "|" : "", v->token_names[i]);
    assert_string_equal(t.s, expected);
    text_release(&t);
    assert_int_equal(v->n_classes, v->vocabulary);
    assert_ptr_equal(v->class_names, v->token_names);
}

/* -- real texts -- */

static void test_text__tiny_shakespeare_has_65_characters(void **state)
{
    NEEDS_SHARED("text/tinyshakespeare.txt");
    const assay_data *v = open_view(state, TINY);
    assert_int_equal(v->n_samples, 1115393); /* the last one is a label alone */
    assert_int_equal(v->vocabulary, 65);
    assert_int_equal(v->n_classes, 65);
    assert_int_equal(v->x_dtype, ASSAY_I32);
    assert_int_equal(v->x_shape.dim[0], 1);
    assert_null(v->first_step);
    assert_null(v->token_separator);
    assert_ptr_equal(v->label, x_of(v) + 1); /* no copy */
    assert_string_equal(v->token_names[0], "\n");
    assert_string_equal(v->token_names[64], "z");
    static const char begin[] = "First Citizen:\nBefore we proceed";
    for (size_t i = 0; begin[i + 1] != '\0'; i++) {
        assert_int_equal(v->token_names[x_of(v)[i]][0], begin[i]);
        assert_int_equal(v->token_names[v->label[i]][0], begin[i + 1]);
    }
}

static void test_text__bytes_and_characters_of_ascii_are_the_same(void **state)
{
    NEEDS_SHARED("text/tinyshakespeare.txt");
    const assay_data *v = open_view(state, TINY);
    const size_t bytes = v->n_samples * sizeof(int32_t);
    int32_t *chars = malloc(bytes);
    assert_non_null(chars);
    memcpy(chars, v->x, bytes);
    v = open_view(state, TINY "level = \"byte\";");
    assert_int_equal(v->n_samples, bytes / sizeof(int32_t));
    assert_memory_equal(v->x, chars, bytes);
    assert_string_equal(v->token_names[0], "\n");
    free(chars);
}

static void test_text__tiny_shakespeare_becomes_streams(void **state)
{
    NEEDS_SHARED("text/tinyshakespeare.txt");
    const dataset *d =
        fixture_open(*state, TINY "window = 50; batch_size = 50; split = { validation = 0.1; };");
    assert_true(dataset_is_stream(d));
    assert_int_equal(dataset_size(d, PART_TRAIN) + dataset_size(d, PART_VALIDATION), 1115393);
    const batcher_options o = { .batch_size = 50 };
    batcher *b = NULL;
    error err;
    batch x;
    if (batcher_new(d, PART_TRAIN, &o, &b, &err) != OK) fail_msg("%s", err.text);
    batcher_get(b, 0, 0, &x);
    assert_int_equal(x.time, 50);
    assert_int_equal(x.n, 50);
    const int32_t *tokens = x_of(dataset_view(d));
    for (size_t t = 0; t < x.time; t++) {
        assert_int_equal(x.tokens[t * x.n], tokens[t]); /* the first stream */
        assert_int_equal(x.label[t * x.n], tokens[t + 1]);
    }
    batcher_free(b);
}

static void test_text__penn_treebank_by_words_has_its_counts(void **state)
{
    NEEDS_SHARED("text/ptb.train.txt");
    const dataset *d = fixture_open(*state, PTB("level = \"word\";"));
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->vocabulary, 10000);
    assert_int_equal(dataset_size(d, PART_TRAIN), 929589 - 1);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 73760 - 1);
    assert_int_equal(dataset_size(d, PART_TEST), 82430 - 1);
    assert_string_equal(v->token_separator, " ");
    assert_string_equal(v->token_names[0], "the");
    assert_string_equal(v->token_names[1], "<unk>");
    assert_string_equal(v->token_names[2], "<eos>");
    assert_int_equal(v->n_files, 3);
    const size_t n = 929588; /* where the validation part begins: "consumers may want to" */
    assert_string_equal(v->token_names[v->label[n - 1]], "<eos>");
    assert_string_equal(v->token_names[x_of(v)[n]], "consumers");
    assert_string_equal(v->token_names[v->label[n]], "may");
}

static void test_text__penn_treebank_by_lines(void **state)
{
    NEEDS_SHARED("text/ptb.train.txt");
    const dataset *d = fixture_open(*state, PTB("level = \"word\"; sample = \"line\";"));
    assert_int_equal(dataset_size(d, PART_TRAIN), 42068);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 3370);
    assert_int_equal(dataset_size(d, PART_TEST), 3761);
    uint64_t n_steps = 0;
    const assay_data *v = dataset_view(d);
    for (size_t i = 0; i < v->n_samples; i++)
        n_steps += v->n_steps[i];
    /* each line but its first token */
    assert_int_equal(n_steps, 929589 + 73760 + 82430 - 42068 - 3370 - 3761);
}

/* -- levels -- */

static void test_text__characters_are_code_points_in_their_order(void **state)
{
    fixture_write(*state, "t.txt",
        "z\xC3\xA9\xF0\x9D\x84\x9E"
        "a\xE2\x82\xAC");
    const assay_data *v = open_view(state, TEXT("t.txt"));
    check_tokens(v, "z|\xC3\xA9|\xF0\x9D\x84\x9E|a|\xE2\x82\xAC");
    check_names(v, "a|z|\xC3\xA9|\xE2\x82\xAC|\xF0\x9D\x84\x9E");
}

static void test_text__bytes_are_named_so_that_they_can_be_shown(void **state)
{
    fixture_write_bytes(*state, "t.bin", "a\\\n\t\xE9\0\x7F", 7);
    const assay_data *v = open_view(state, TEXT("t.bin") "level = \"byte\";");
    check_tokens(v, "a|\\|\n|\t|\\xe9|\\x00|\\x7f");
    check_names(v, "\\x00|\t|\n|\\|a|\\x7f|\\xe9");
}

static void test_text__a_mark_and_crlf_are_characters_but_no_words(void **state)
{
    fixture_write(*state, "t.txt", "\xEF\xBB\xBFto be\r\nor\r\n");
    check_tokens(open_view(state, TEXT("t.txt")), "\xEF\xBB\xBF|t|o| |b|e|\r|\n|o|r|\r|\n");
    check_tokens(open_view(state, TEXT("t.txt") "level = \"word\";"), "to|be|<eos>|or|<eos>");
}

static void test_text__words_stand_between_blanks_and_lines_end_in_eos(void **state)
{
    fixture_write(*state, "t.txt", " b  a\tb\v\n\na\f c");
    const assay_data *v = open_view(state, TEXT("t.txt") "level = \"word\";");
    check_tokens(v, "b|a|b|<eos>|<eos>|a|c|<eos>"); /* also for the line that has no end */
    check_names(v, "<eos>|a|b|c"); /* 3 2 2 1: by falling count, then by bytes */
}

static void test_text__rare_words_become_unk(void **state)
{
    fixture_write(*state, "t.txt", "a a a b b c d\na a\n");
    const assay_data *v = open_view(state, TEXT("t.txt") "level = \"word\"; min_count = 2;");
    check_tokens(v, "a|a|a|b|b|<unk>|<unk>|<eos>|a|a|<eos>");
    check_names(v, "a|<eos>|b|<unk>");
    v = open_view(state, TEXT("t.txt") "level = \"word\"; max_vocabulary = 3;");
    check_tokens(v, "a|a|a|<unk>|<unk>|<unk>|<unk>|<eos>|a|a|<eos>");
    check_names(v, "a|<eos>|<unk>");
    check_names(
        open_view(state, TEXT("t.txt") "level = \"word\"; max_vocabulary = 2;"), "<eos>|<unk>");
    check_names(
        open_view(state, TEXT("t.txt") "level = \"word\"; max_vocabulary = 5;"), "a|<eos>|b|c|d");
    check_names(
        open_view(state, TEXT("t.txt") "level = \"word\"; max_vocabulary = 4;"), "a|<eos>|b|<unk>");
}

static void test_text__an_unk_of_the_text_is_taken_for_what_is_rare(void **state)
{
    fixture_write(*state, "t.txt", "<unk> a b b <unk>\n");
    const assay_data *v = open_view(state, TEXT("t.txt") "level = \"word\"; min_count = 2;");
    check_tokens(v, "<unk>|<unk>|b|b|<unk>|<eos>");
    check_names(v, "<unk>|b|<eos>");
    check_names(
        open_view(state, TEXT("t.txt") "level = \"word\"; max_vocabulary = 3;"), "<unk>|b|<eos>");
}

static void test_text__many_words_keep_apart(void **state)
{
    text t;
    text_init(&t);
    for (int i = 0; i < 5000; i++)
        text_printf(&t, "w%d ", i * 7 % 5000);
    fixture_write(*state, "t.txt", t.s);
    const assay_data *v = open_view(state, TEXT("t.txt") "level = \"word\";");
    assert_int_equal(v->vocabulary, 5001);
    assert_int_equal(v->n_samples, 5000);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%d", i * 7 % 5000);
        assert_string_equal(v->token_names[x_of(v)[i]], name);
    }
    text_release(&t);
}

/* -- samples -- */

static void test_text__a_line_is_a_sequence_with_its_end(void **state)
{
    fixture_write(*state, "t.txt", "ab\n\nc\nde");
    const assay_data *v = open_view(state, TEXT("t.txt") "sample = \"line\";");
    static const uint64_t first[] = { 0, 4, 6 }, steps[] = { 2, 1, 2 };
    assert_int_equal(v->n_samples, 3); /* the empty one makes none; the last one gets its end */
    assert_memory_equal(v->first_step, first, sizeof(first));
    assert_memory_equal(v->n_steps, steps, sizeof(steps));
    assert_int_equal(v->target_per_step, 1);
    assert_ptr_equal(v->label, x_of(v) + 1);
    assert_string_equal(v->token_names[x_of(v)[6]], "d");
    assert_string_equal(v->token_names[v->label[7]], "\n");
}

static void test_text__files_of_their_own_are_parts_and_end_for_themselves(void **state)
{
    fixture_write(*state, "a.txt", "abc");
    fixture_write(*state, "b.txt", "db");
    fixture_write(*state, "c.txt", "aeca");
    const dataset *d = fixture_open(
        *state, TEXT("a.txt") "validation_file = \"$/b.txt\"; test_file = \"$/c.txt\";");
    const assay_data *v = dataset_view(d);
    static const int32_t x[] = { 0, 1, 3, 0, 4, 2 }, label[] = { 1, 2, 1, 4, 2, 0 };
    assert_int_equal(v->n_samples, 6);
    check_names(v, "a|b|c|d|e"); /* of all files */
    assert_memory_equal(v->x, x, sizeof(x));
    assert_memory_equal(v->label, label, sizeof(label));
    assert_int_equal(dataset_size(d, PART_TRAIN), 2);
    assert_int_equal(dataset_size(d, PART_VALIDATION), 1);
    assert_int_equal(dataset_rows(d, PART_TEST)[0], 3);
    d = fixture_open(*state, TEXT("a.txt") "test_file = \"$/c.txt\"; sample = \"line\";");
    v = dataset_view(d);
    assert_int_equal(v->first_step[1], 4);
    assert_int_equal(v->part[1], ASSAY_PART_TEST);
    assert_int_equal(v->n_steps[1], 4);
}

/* -- vocabularies from a file -- */

static void test_text__a_vocabulary_gives_the_order(void **state)
{
    fixture_write(*state, "t.txt", "ab\xC3\xA9\n");
    fixture_write(*state, "v.json", "[\"\\u00e9\", \"b\", \"\\n\",\n \"\\ud834\\udd1e\", \"a\"]\n");
    const assay_data *v = open_view(state, TEXT("t.txt") "vocabulary = \"$/v.json\";");
    static const int32_t x[] = { 4, 1, 0 };
    check_names(v, "\xC3\xA9|b|\n|\xF0\x9D\x84\x9E|a");
    assert_memory_equal(v->x, x, sizeof(x));
    assert_int_equal(v->n_files, 2); /* it decides what the tokens are */
    fixture_write(*state, "v.json", "[\"a\", \"b\", \"<unk>\"]");
    v = open_view(state, TEXT("t.txt") "vocabulary = \"$/v.json\";");
    check_names(v, "a|b|<unk>");
    check_tokens(v, "a|b|<unk>|<unk>");
}

static void test_text__its_own_names_read_back_give_the_same_tokens(void **state)
{
    fixture_write_bytes(*state, "t.bin", "a\\\n\xE9\0\x7F", 6);
    fixture_write(
        *state, "v.json", "[\"\\\\xe9\", \"\\\\\", \"\\n\", \"\\\\x00\", \"\\\\x7f\", \"a\"]");
    const assay_data *v =
        open_view(state, TEXT("t.bin") "level = \"byte\"; vocabulary = \"$/v.json\";");
    check_names(v, "\\xe9|\\|\n|\\x00|\\x7f|a");
    check_tokens(v, "a|\\|\n|\\xe9|\\x00|\\x7f");
}

static void test_text__says_where_a_token_is_unknown(void **state)
{
    fixture *f = *state;
    fixture_write(f, "t.txt", "abba\na\xC3\xA9q\n");
    fixture_write(f, "v.json", "[\"a\", \"b\", \"\\n\", \"\\u00e9\"]");
    fixture_refuse(f, TEXT("t.txt") "vocabulary = \"$/v.json\";", E_PARSE,
        "file: t.txt:2:3: \"q\" is not among the 4 tokens of v.json: add it, or \"<unk>\" for all "
        "that are unknown");
    fixture_refuse(f, TEXT("t.txt") "vocabulary = \"$/v.json\"; level = \"byte\";", E_PARSE,
        "t.txt:2:2: \"\\xc3\" is not among");
    fixture_write(f, "v.json", "[\"a\", \"b\", \"\xC3\xA9q\"]");
    fixture_refuse(f, TEXT("t.txt") "vocabulary = \"$/v.json\";", E_PARSE,
        "t.txt:1:5: \"\\n\" is not among the 3 tokens");
    fixture_write(f, "w.txt", "a b\n  a \xC3\xA9q\n");
    fixture_write(f, "v.json", "[\"a\", \"b\", \"<eos>\"]");
    fixture_refuse(f, TEXT("w.txt") "vocabulary = \"$/v.json\"; level = \"word\";", E_PARSE,
        "w.txt:2:5: \"\xC3\xA9q\" is not among the 3 tokens");
}

static void test_text__refuses_vocabularies_that_are_none(void **state)
{
    static const struct {
        const char *content, *message;
    } bad[] = {
        { "", "vocabulary: v.json: the file is empty" },
        { "[]", "v.json: there is no token in it" },
        { "[\"a\", \"a\"]", "v.json: the token \"a\" comes twice" },
        { "[\"a\", 1]", "v.json:1: expected a string, found \"1\"" },
        { "[\"a\"\n\"b\"]", "v.json:2: expected , or ], found \"\"\"" },
        { "[\"a\", \"b\"", "v.json:1: expected , or ], found the end of the file" },
        { "[\"a\", \"\"]", "v.json:1: expected a token before this, not an empty string" },
        { "[\"a\", \"b", "v.json:1: expected a closing quote, found the end of the file" },
        { "[\"a\nb\"]", "v.json:1: expected an escape such as \\n, found byte 0x0a" },
        { "[\"\\q\"]", "v.json:1: expected one of \"\\/bfnrtu after a backslash, found \"q\"" },
        { "[\"\\u12g4\"]", "v.json:1: expected a character after \\u" },
        { "[\"\\ud834x\"]", "v.json:1: expected a character after \\u" },
        { "[\"\\u0000\"]", "v.json:1: expected a character after \\u" },
        { "[\"a\", \"b\"] 1", "v.json:1: expected nothing more, found \"1\"" },
        { "{\"tokens\": [\"a\"]}",
            "v.json:1: expected [ and the names of the tokens, found \"{\"" },
        { "\"a\"", "v.json:1: expected [ and the names of the tokens" },
        { "[\"a\xFF\"]",
            "v.json:1: the byte at offset 3, 0xff, is not valid UTF-8: convert the file" },
    };
    fixture_write(*state, "t.txt", "abab");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fixture_write(*state, "v.json", bad[i].content);
        fixture_refuse(*state, TEXT("t.txt") "vocabulary = \"$/v.json\";", E_PARSE, bad[i].message);
    }
    fixture_refuse(*state, TEXT("t.txt") "vocabulary = \"$/absent.json\";", E_IO,
        "vocabulary: absent.json: cannot be opened: No such file or directory: /");
}

/* -- files that are refused -- */

static void test_text__refuses_what_is_not_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, offset;
        const char *found;
    } bad[] = {
        { "a\nb\xE9"
          "c",
            5, 3, "0xe9" }, /* Latin-1 */
        { "ab\xC0\xAF", 4, 2, "0xc0" }, /* overlong */
        { "a\xE0\x80\xAF", 4, 1, "0xe0" }, /* overlong */
        { "a\xED\xA0\x80", 4, 1, "0xed" }, /* a surrogate */
        { "a\xF4\x90\x80\x80", 5, 1, "0xf4" }, /* above U+10FFFF */
        { "ab\xE2\x82", 4, 2, "0xe2" }, /* cut off */
        { "a\x80", 2, 1, "0x80" }, /* in the middle */
        { "a\xF5\x80\x80\x80", 5, 1, "0xf5" },
        { "ab\0c", 4, 2, "0x00" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char message[200];
        fixture_write_bytes(*state, "t.txt", bad[i].bytes, bad[i].n);
        snprintf(message, sizeof(message),
            "file: t.txt:%d: the byte at offset %zu, %s, is not valid UTF-8: convert the file, or "
            "set level to \"byte\"",
            i == 0 ? 2 : 1, bad[i].offset, bad[i].found);
        fixture_refuse(*state, TEXT("t.txt"), E_PARSE, message);
        fixture_refuse(*state, TEXT("t.txt") "level = \"word\";", E_PARSE, message);
        assert_int_equal(
            open_view(state, TEXT("t.txt") "level = \"byte\";")->n_samples, bad[i].n - 1);
    }
}

static void test_text__refuses_what_has_nothing_to_predict(void **state)
{
    fixture *f = *state;
    fixture_write(f, "e.txt", "");
    fixture_write(f, "a.txt", "a");
    fixture_write(f, "aaa.txt", "aaa");
    fixture_write(f, "ab.txt", "ab");
    fixture_write(f, "blank.txt", "  ");
    fixture_write(f, "lines.txt", "\n\n\n");
    fixture_refuse(f, TEXT("e.txt"), E_PARSE, "file: e.txt: the file is empty");
    fixture_refuse(f, TEXT("a.txt"), E_PARSE,
        "file: a.txt: fewer than two tokens, so there is nothing to predict");
    fixture_refuse(f, TEXT("ab.txt") "test_file = \"$/a.txt\";", E_PARSE,
        "test_file: a.txt: fewer than two tokens, so there is nothing to predict");
    fixture_refuse(f, TEXT("aaa.txt"), E_PARSE,
        "file: aaa.txt: every token is the same, so there is nothing to predict");
    fixture_refuse(f, TEXT("blank.txt") "level = \"word\";", E_PARSE,
        "file: blank.txt: there is no word in it");
    fixture_refuse(f, TEXT("ab.txt") "level = \"word\"; test_file = \"$/blank.txt\";", E_PARSE,
        "test_file: blank.txt: fewer than two tokens, so there is nothing to predict");
    fixture_refuse(f, TEXT("lines.txt") "sample = \"line\";", E_PARSE,
        "file: lines.txt: no line has two tokens, so there is nothing to predict");
}

static void test_text__refuses_what_does_not_go_together(void **state)
{
    fixture *f = *state;
    fixture_write(f, "ab.txt", "ab");
    fixture_write(f, "v.json", "[\"ab\"]");
    fixture_refuse(f, TEXT("ab.txt") "min_count = 2;", E_RANGE,
        "min_count: only words become <unk>: set level to \"word\"");
    fixture_refuse(f, TEXT("ab.txt") "level = \"byte\"; max_vocabulary = 20;", E_RANGE,
        "max_vocabulary: only words become <unk>");
    fixture_refuse(f, TEXT("ab.txt") "level = \"word\"; vocabulary = \"$/v.json\"; min_count = 3;",
        E_RANGE, "min_count: vocabulary names the tokens already: give one of the two");
    fixture_refuse(f, TEXT("ab.txt") "level = \"word\"; max_vocabulary = 1;", E_RANGE,
        "max_vocabulary: must be 0, or at least 2: <eos> and <unk> are among the words");
    fixture_refuse(f, "type = \"text\";", E_MISSING, "file");
    fixture_refuse(f, TEXT("absent.txt"), E_IO,
        "file: absent.txt: cannot be opened: No such file or directory: /");
    fixture_refuse(f, "type = \"text\"; file = \"$\";", E_IO, "not a file: /");
    fixture_refuse(f, TEXT("ab.txt") "sample = \"line\"; window = 5;", E_CONFLICT,
        "the data has sequences of its own");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_text__tiny_shakespeare_has_65_characters),
        T(test_text__bytes_and_characters_of_ascii_are_the_same),
        T(test_text__tiny_shakespeare_becomes_streams),
        T(test_text__penn_treebank_by_words_has_its_counts),
        T(test_text__penn_treebank_by_lines),
        T(test_text__characters_are_code_points_in_their_order),
        T(test_text__bytes_are_named_so_that_they_can_be_shown),
        T(test_text__a_mark_and_crlf_are_characters_but_no_words),
        T(test_text__words_stand_between_blanks_and_lines_end_in_eos),
        T(test_text__rare_words_become_unk),
        T(test_text__an_unk_of_the_text_is_taken_for_what_is_rare),
        T(test_text__many_words_keep_apart),
        T(test_text__a_line_is_a_sequence_with_its_end),
        T(test_text__files_of_their_own_are_parts_and_end_for_themselves),
        T(test_text__a_vocabulary_gives_the_order),
        T(test_text__its_own_names_read_back_give_the_same_tokens),
        T(test_text__says_where_a_token_is_unknown),
        T(test_text__refuses_vocabularies_that_are_none),
        T(test_text__refuses_what_is_not_utf8),
        T(test_text__refuses_what_has_nothing_to_predict),
        T(test_text__refuses_what_does_not_go_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
