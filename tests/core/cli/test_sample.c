/* assay sample: text and music from small runs, how they begin, and what ends them. */
#include "core/cli/process.h"

#define COMMON "optimizer = { type = \"adam\"; lr = 0.05; }; train = { epochs = 25; };"
#define TEXT(name, file, level, layers) \
    "name = \"" name "\"; seed = 5; data = { type = \"text\"; file = \"" file \
    "\"; level = \"" level "\"; " \
    "window = 8; batch_size = 4; split = { validation = 0; test = 0; }; }; model = ( " layers \
    " ); loss = \"softmax_xent\"; " COMMON
#define NET(n) \
    "{ type = \"embedding\"; size = 6; }, { type = \"lstm\"; units = 12; }, { type = \"dense\"; " \
    "units = " n "; }"

static void repeat(const char *path, const char *piece, int n)
{
    char all[8192] = "";
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        at += (size_t)snprintf(all + at, sizeof all - at, "%s", piece);
        assert_true(at < sizeof all);
    }
    spill(path, all);
}

static int train_all(const char *const *names)
{
    int failed = 0;
    for (size_t i = 0; names[i] && !failed; i++) {
        char file[64], folder[64];
        snprintf(file, sizeof file, "%s.cfg", names[i]);
        snprintf(folder, sizeof folder, "%s", names[i]);
        said s = assay("train", file, "-q", "--output", folder);
        if (s.code) fprintf(stderr, "%s: %s", file, s.err);
        failed = s.code;
        forget(&s);
    }
    return failed;
}

static int set_up(void **state)
{
    static const char *const names[] = { "char", "byte", "word", "roll", "blind", "both", "digits",
        NULL };
    if (enter_scratch(state)) return -1;
    repeat("abc.txt", "abcd\xc3\xa9\n", 40);
    repeat("bytes.txt", "a\\x0a\xe2\x98\x83\r\n", 40);
    repeat("words.txt", "the cat  sat <unk>\n", 40);
    repeat("roll.txt", "0 1,2 - 3,4 0 1,2 - 3,4 0 1,2\n", 12);
    spill("char.cfg", TEXT("char", "abc.txt", "char", NET("6")));
    spill("byte.cfg", TEXT("byte", "bytes.txt", "byte", NET("9")));
    spill("word.cfg", TEXT("word", "words.txt", "word", NET("5")));
    spill("blind.cfg",
        TEXT("blind", "abc.txt", "char",
            "{ type = \"embedding\"; size = 6; }, { type = \"dense\"; units = 6; }"));
    spill("both.cfg",
        "name = \"both\"; data = { type = \"pianoroll\"; file = \"roll.txt\"; keys = 6; batch_size "
        "= 4; split = { validation = 0; test = 0; }; };\nmodel = (\n{ type = \"gru\"; units = 4; "
        "bidirectional = true; }, { type = \"dense\"; units = 6; } ); loss = "
        "\"bce_logits\"; " COMMON);
    spill("roll.cfg",
        "name = \"roll\"; data = { type = \"pianoroll\"; file = \"roll.txt\"; keys = 6; batch_size "
        "= 4; split "
        "= { validation = 0; test = 0; }; }; model = ( { type = \"gru\"; units = 12; }, { type = "
        "\"dense\"; "
        "units = 6; } ); loss = { type = \"bce_logits\"; }; " COMMON);
    spill("digits.cfg",
        "name = \"digits\"; data = { type = \"blobs\"; samples = 40; }; model = ( { type = "
        "\"dense\"; units = 3; "
        "} ); loss = \"softmax_xent\"; " COMMON);
    return train_all(names);
}

static void expect_out(const said *s, const char *out)
{
    assert_code(s, 0);
    assert_string_equal(s->out, out);
}

static void test_text__at_temperature_0_is_the_likeliest(void **state)
{
    (void)state;
    said s = assay("sample", "char", "--prime", "ab", "--length", "11", "--temperature", "0");
    expect_out(&s, "abcd\xc3\xa9\nabcd\xc3\xa9\na\n");
    forget(&s);
    s = assay("sample", "char", "-n", "6", "-t", "0", "-s", "99"); /* the seed says nothing here */
    expect_out(&s, "abcd\xc3\xa9\n\n");
    forget(&s);
}

static void test_seed__makes_the_text(void **state)
{
    (void)state;
    said a = assay("sample", "char", "--length", "300", "--temperature", "3", "--seed", "7");
    said b = assay("sample", "char", "--length", "300", "--temperature", "3", "--seed", "7");
    said c = assay("sample", "char", "--length", "300", "--temperature", "3", "--seed", "8");
    said d = assay("sample", "char", "--length", "40", "--temperature", "3", "--seed", "7");
    assert_code(&a, 0);
    assert_true(strlen(a.out) > 300);
    assert_string_equal(a.out, b.out);
    assert_string_not_equal(a.out, c.out);
    assert_memory_equal(a.out, d.out, strlen(d.out) - 1); /* a shorter one is its beginning */
    forget(&a);
    forget(&b);
    forget(&c);
    forget(&d);
}

static void test_length__of_0_is_the_beginning_alone(void **state)
{
    (void)state;
    said s = assay("sample", "char", "--length", "0");
    expect_out(&s, "\n");
    forget(&s);
    s = assay("sample", "char", "--length", "0", "--prime", "d\xc3\xa9");
    expect_out(&s, "d\xc3\xa9\n");
    forget(&s);
    s = assay("sample", "char", "--temperature", "0", "--prime", "");
    assert_code(&s, 0);
    assert_true(strlen(s.out) > 500); /* so many tokens, some of two bytes */
    forget(&s);
}

static void refuse(const said *s, const char *message)
{
    assert_code(s, 2);
    assert_string_equal(s->out, "");
    assert_contains(s->err, message);
}

static void test_beginning__that_does_not_fit_is_refused_before_any_output(void **state)
{
    (void)state;
    said s = assay("sample", "char", "--prime", "abQd");
    refuse(&s, "assay: error: sample: --prime: no token of the run's vocabulary fits \"Qd\"\n");
    forget(&s);
    s = assay("sample", "word", "--prime", "the\ndog");
    expect_out(&s, s.out); /* <unk>, as in its data */
    assert_memory_equal(s.out, "the\n<unk>", 9);
    forget(&s);
    s = assay("sample", "byte", "--prime", "ab");
    refuse(&s, "fits \"b\"");
    forget(&s);
}

static void test_words__stand_apart_and_lines_end(void **state)
{
    (void)state;
    said s = assay("sample", "word", "-t", "0", "-n", "7", "--prime", " the\tcat ");
    expect_out(&s, "the cat sat <unk>\nthe cat sat <unk>\n");
    forget(&s);
    s = assay("sample", "word", "-t", "0", "-n", "3", "--prime", "the cat sat <unk>\n");
    expect_out(&s, "the cat sat <unk>\nthe cat sat\n");
    forget(&s);
    s = assay("sample", "word", "-t", "0", "-n", "2"); /* after a line's end */
    expect_out(&s, "the cat\n");
    forget(&s);
}

/* The bytes themselves are written; a beginning may have them, or a byte's name. */
static void test_bytes__are_written_as_they_are(void **state)
{
    (void)state;
    said s = assay("sample", "byte", "-t", "0", "-n", "12", "--prime", "a");
    expect_out(&s, "a\\x0a\xe2\x98\x83\r\na\\x\n");
    forget(&s);
    s = assay("sample", "byte", "-t", "0", "-n", "3", "--prime", "\xe2");
    expect_out(&s, "\xe2\x98\x83\r\n");
    forget(&s);
    s = assay("sample", "byte", "-t", "0", "-n", "2", "--prime", "\\xe2\\x98");
    expect_out(&s, "\xe2\x98\x83\r\n");
    forget(&s);
}

static void test_frames__are_written_as_the_data_has_them(void **state)
{
    (void)state;
    said s = assay("sample", "roll", "--prime", "0 1,2", "--temperature", "0", "--length", "4");
    expect_out(&s, "0 1,2 - 3,4 0 1,2\n");
    forget(&s);
    s = assay("sample", "roll", "--length", "70", "--temperature", "5", "--seed", "3");
    assert_code(&s, 0);
    size_t n = 1;
    for (const char *at = s.out; *at; at++) {
        n += *at == ' ';
    }
    assert_int_equal(n, 70);
    spill("again.txt", s.out); /* and the data set reads them */
    forget(&s);
    s = assay("eval", "roll", "--split", "training", "data.file=again.txt");
    assert_code(&s, 0);
    forget(&s);
}

static void test_frames__of_a_beginning_are_read_strictly(void **state)
{
    static const char *const wrong[] = { "6", "0 1,6", "0,", "0, 1", ",1", "1,,2", "-1", "+1", "--",
        "-,1", "1-", "0x1", "1\t2", "99999999999999999999999", "0 1, 64", "0,\n1", " 1,2 3, " };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char prime[64];
        snprintf(prime, sizeof prime, "%s", wrong[i]);
        said s = assay("sample", "roll", "--prime", prime);
        refuse(&s,
            "sample: --prime: expected frames of keys from 0 to 5 with commas between them, or -; "
            "found \"");
        forget(&s);
    }
    said s = assay("sample", "roll", "--length", "0", "--prime", "  5,0   - 3 ");
    expect_out(&s, "0,5 - 3\n");
    forget(&s);
}

static void test_model__without_memory_warns(void **state)
{
    (void)state;
    said s = assay("sample", "blind", "-n", "3");
    assert_code(&s, 0);
    assert_contains(s.err, "assay: warning: the model carries nothing from step to step");
    forget(&s);
    s = assay("sample", "char", "-n", "3");
    assert_string_equal(s.err, "");
    forget(&s);
}

static void test_runs__that_cannot_be_sampled_are_refused(void **state)
{
    (void)state;
    said s = assay("sample", "digits");
    refuse(&s, "digits: sample needs a model whose output is its next input");
    forget(&s);
    s = assay("sample", "char.cfg");
    refuse(&s, "char.cfg: not the folder of a run");
    forget(&s);
    s = assay("sample", "both");
    refuse(&s, "layer \"gru1\" (gru): what it puts out at a time step depends on later ones");
    forget(&s);
    s = assay("sample", "char", "--weights", "none.safetensors");
    refuse(&s, "none.safetensors: no such weights");
    forget(&s);
    s = assay("sample", "char", "--weights", "word/last.safetensors");
    assert_true(s.code != 0 && !s.out[0]);
    forget(&s);
    s = assay("sample", "roll", "loss=mse");
    refuse(&s, "sample needs a model whose output is its next input");
    forget(&s);
}

static void test_options__out_of_range_are_refused(void **state)
{
    static const struct {
        const char *option, *words, *expected;
    } cases[] = {
        { "--length", "-1", "--length: expected a whole number from 0 to 2^53, found \"-1\"" },
        { "--length", "1.5", "--length: expected a whole number" },
        { "--seed", "x", "--seed: expected a whole number from 0 to 2^53, found \"x\"" },
        { "--seed", "1e300", "--seed: expected" },
        { "--temperature", "-0.5",
            "--temperature: expected a number from 0 to 1000, found \"-0.5\"" },
        { "--temperature", "nan", "--temperature: expected" }, { "--temperature", "", "found \"\"" }
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char option[32], words[32];
        snprintf(option, sizeof option, "%s", cases[i].option);
        snprintf(words, sizeof words, "%s", cases[i].words);
        said s = assay("sample", "char", option, words);
        refuse(&s, cases[i].expected);
        forget(&s);
    }
}

static void test_old_run__is_told_how_to_get_its_input(void **state)
{
    (void)state;
    assert_int_equal(system("cp -r char old && rm old/input.json old/vocabulary.json"), 0);
    said s = assay("sample", "old");
    refuse(&s, "input.json: no such file; the run is older than it, and assay train --resume ");
    forget(&s);
    s = assay("train", "--resume", "old", "-q");
    assert_code(&s, 0);
    forget(&s);
    s = assay("sample", "old", "-t", "0", "-n", "3", "--prime", "a");
    expect_out(&s, "abcd\n");
    forget(&s);
}

static void test_damaged_files__of_a_run_are_named(void **state)
{
    static const char *const inputs[] = { "{",
        "{\"dtype\": \"i32\", \"shape\": [5], \"vocabulary\": 6, "
        "\"target\": \"class\", \"targets\": 6, \"separator\": \"\"}",
        "{\"dtype\": \"i32\", \"shape\": [1], "
        "\"vocabulary\": 2000000000, \"target\": \"class\", \"targets\": 2000000000}",
        "{\"dtype\": \"f32\", "
        "\"shape\": [4294967295], \"target\": \"binary\", \"targets\": 4294967295}",
        "{\"dtype\": \"i32\", "
        "\"shape\": [1], \"vocabulary\": 5, \"target\": \"class\", \"targets\": 5}" };
    (void)state;
    assert_int_equal(system("cp -r char damaged"), 0);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        spill("damaged/input.json", inputs[i]);
        said s = assay("sample", "damaged");
        assert_true(s.code == 1 || s.code == 2);
        assert_string_equal(s.out, "");
        assert_contains(s.err, "assay: error: ");
        forget(&s);
    }
}

/* Weights that ran away: no text is made of them. */
static void test_output__that_is_not_finite_is_said(void **state)
{
    (void)state;
    said s = assay("train", "blind.cfg", "-q", "--output", "wild",
        "+model[0].init={type=\"constant\";value=1e30;}",
        "+model[1].init={type=\"constant\";value=1e30;}"); /* whose products are infinite */
    assert_code(&s, 1);
    forget(&s);
    s = assay("sample", "wild", "-n", "20");
    assert_code(&s, 1);
    assert_contains(s.err, "last.safetensors: the model's output is not finite at token ");
    forget(&s);
}

/* -- how it ends -- */

/* By a signal as ever, or where that is ignored by the error; an endless text is no reason to go on. */
static void test_closed_pipe__ends_it(void **state)
{
    (void)state;
    assert_int_equal(system("bash -c '" PROGRAM
                            " sample char -n 9000000000 2> pipe.err | head -c 10 > pipe.out; "
                            "echo ${PIPESTATUS[0]} > pipe.code'"),
        0);
    char *code = slurp("pipe.code"), *out = slurp("pipe.out"), *err = slurp("pipe.err");
    assert_string_equal(code, "141\n"); /* 128 + SIGPIPE */
    assert_int_equal(strlen(out), 10);
    assert_string_equal(err, "");
    free(code);
    free(out);
    free(err);
    assert_int_equal(system("bash -c 'trap \"\" PIPE; " PROGRAM
                            " sample char -n 9000000000 2> pipe.err | head -c 10 > "
                            "pipe.out; echo ${PIPESTATUS[0]} > pipe.code'"),
        0);
    code = slurp("pipe.code"), err = slurp("pipe.err");
    assert_string_equal(code, "1\n");
    assert_contains(err, "standard output cannot be written");
    free(code);
    free(err);
}

static void test_full_disk__is_said(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) skip();
    assert_int_equal(
        WEXITSTATUS(system(PROGRAM " sample char -n 9000000000 > /dev/full 2> full.err")), 1);
    char *err = slurp("full.err");
    assert_contains(err, "standard output cannot be written");
    free(err);
}

/* What is made until then is there, with the end of its line. */
static void test_interrupt__ends_the_text_where_it_is(void **state)
{
    struct stat st;
    (void)state;
    char *const argv[] = { (char[]){ PROGRAM }, "sample", "char", "-n", "9000000000", NULL };
    const pid_t pid = start(argv);
    do {
        usleep(2000);
        assert_int_equal(stat("said.out", &st), 0);
    } while (st.st_size == 0);
    kill(pid, SIGINT);
    said s = finish(pid);
    assert_code(&s, 75);
    assert_string_equal(s.err, "");
    assert_true(s.out[strlen(s.out) - 1] == '\n');
    forget(&s);
}

static void test_help__knows_it(void **state)
{
    (void)state;
    said s = assay("help");
    assert_contains(s.out, "sample");
    forget(&s);
    s = assay("help", "sample");
    assert_code(&s, 0);
    assert_contains(s.out, "--temperature");
    assert_contains(s.out, "--prime");
    forget(&s);
    s = assay("help", "--man");
    assert_contains(s.out, "sample");
    forget(&s);
    static const char *const shells[] = { "bash", "zsh", "fish" };
    for (size_t i = 0; i < 3; i++) {
        char shell[8];
        snprintf(shell, sizeof shell, "%s", shells[i]);
        s = assay("completion", shell);
        assert_code(&s, 0);
        assert_contains(s.out, "sample");
        assert_contains(s.out, "temperature");
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__at_temperature_0_is_the_likeliest),
        cmocka_unit_test(test_seed__makes_the_text),
        cmocka_unit_test(test_length__of_0_is_the_beginning_alone),
        cmocka_unit_test(test_beginning__that_does_not_fit_is_refused_before_any_output),
        cmocka_unit_test(test_words__stand_apart_and_lines_end),
        cmocka_unit_test(test_bytes__are_written_as_they_are),
        cmocka_unit_test(test_frames__are_written_as_the_data_has_them),
        cmocka_unit_test(test_frames__of_a_beginning_are_read_strictly),
        cmocka_unit_test(test_model__without_memory_warns),
        cmocka_unit_test(test_runs__that_cannot_be_sampled_are_refused),
        cmocka_unit_test(test_options__out_of_range_are_refused),
        cmocka_unit_test(test_old_run__is_told_how_to_get_its_input),
        cmocka_unit_test(test_damaged_files__of_a_run_are_named),
        cmocka_unit_test(test_output__that_is_not_finite_is_said),
        cmocka_unit_test(test_closed_pipe__ends_it),
        cmocka_unit_test(test_full_disk__is_said),
        cmocka_unit_test(test_interrupt__ends_the_text_where_it_is),
        cmocka_unit_test(test_help__knows_it),
    };
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
