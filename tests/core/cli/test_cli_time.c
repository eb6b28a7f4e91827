/* Runs on sequences and streams as the commands show them: predictions by row and step, inspect, replay, diff, --trace-nan. */
#include "core/cli/process.h"

#include <math.h>

enum { KEYS = 5, PIECES = 7 };

/* The last three are the test part. */
static const char *const pieces[PIECES] = {
    "0,3 1 2,4 - 0 3,4 1,2 0,1,2,3 4 -",
    "2 2,3",
    "4 3 2 1 0 1",
    "- 1,4 - 1,4 -",
    "0,2,4 1,3 0,2,4 1,3 0 4",
    "1,2 - 3",
    "- - - 0 2,3 2,3 1 0,4 0 2",
};

static const char letters[] = "abcabdabcaadabccabdabdabcdabaabcabdaacabdbabcabcadbcabbdabdabcab";

#define ROLL \
    "name = \"roll\"; data = { type = \"pianoroll\"; file = \"roll.txt\"; keys = 5; batch_size = " \
    "3; split = { " \
    "method = \"time\"; validation = 1; test = 3; }; }; model = ( { type = \"gru\"; units = 7; " \
    "name = \"g\"; }, " \
    "{ type = \"dense\"; units = 5; } ); loss = { type = \"bce_logits\"; }; optimizer = { type = " \
    "\"adam\"; lr = " \
    "0.02; }; train = { epochs = 8; replicas = 2; probe = { every = 1; }; checkpoint = { every = " \
    "1; unit = " \
    "\"step\"; keep = 100; }; };"
/* 64 letters: 63 steps, of which the last 22 are the test part: 4 streams of 6, 6, 5 and 5 */
#define LETTERS(window) \
    "name = \"letters\"; data = { type = \"text\"; file = \"letters.txt\"; window = " window \
    "; batch_size = 4; " \
    "split = { validation = 0; test = 22; }; }; model = ( { type = \"lstm\"; units = 7; name = " \
    "\"l\"; }, { type = " \
    "\"dense\"; units = 4; } ); loss = \"softmax_xent\"; metrics = ( \"accuracy\", " \
    "\"perplexity\" ); optimizer = " \
    "{ type = \"adam\"; lr = 0.02; }; train = { epochs = 8; replicas = 3; probe = { every = 1; " \
    "}; checkpoint = { " \
    "every = 1; unit = \"step\"; keep = 100; }; };"

static int set_up(void **state)
{
    static char *const runs[] = { "roll", "letters", "single", "sums" };
    char all[1024] = "";
    if (enter_scratch(state)) return -1;
    for (size_t i = 0; i < PIECES; i++) {
        strcat(strcat(all, pieces[i]), "\n");
    }
    spill("roll.txt", all);
    spill("letters.txt", letters);
    spill("roll.cfg", ROLL);
    spill("letters.cfg", LETTERS("5"));
    spill("single.cfg", LETTERS("1"));
    spill("sums.cfg",
        "name = \"sums\"; data = { type = \"adding\"; samples = 40; length = 6; split = { "
        "validation = 0; test = "
        "9; }; }; model = ( { type = \"lstm\"; units = 5; return = \"last\"; }, { type = "
        "\"dense\"; units = 1; } ); "
        "loss = \"mse\"; optimizer = \"adam\"; train = { epochs = 3; };");
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        char file[32];
        snprintf(file, sizeof file, "%s.cfg", runs[i]);
        said s = assay("train", file, "-q", "--output", runs[i]);
        if (s.code) fprintf(stderr, "%s: %s", file, s.err);
        if (s.code) return -1;
        forget(&s);
    }
    return 0;
}

static double loss_of(const char *json)
{
    const char *at = strstr(json, "\"loss\": ");
    assert_non_null(at);
    return strtod(at + 8, NULL);
}

/* The next line's number and what follows its comma. */
static double next_number(char **at)
{
    char *end;
    const double v = strtod(*at, &end);
    if (end == *at || (*end != ',' && *end != '\n')) fail_msg("no number: %.40s", *at);
    *at = end + 1;
    return v;
}

static bool sounds(const char *frame, size_t key)
{
    for (const char *s = frame; *s && *s != ' '; s++) {
        if (*s == (char)('0' + key)) return true;
    }
    return false;
}

/* Lines in the order of the file, targets as the file has them, and the loss that they come to is the one that is told. */
static void expect_roll(
    char *at, size_t first_piece, size_t n_pieces, size_t first_row, double loss)
{
    static const char head[] =
        "row,step,target_0,predicted_0,p_0,target_1,predicted_1,p_1,target_2,predicted_2,p_2,"
        "target_3,predicted_3,p_3,target_4,predicted_4,p_4\n";
    double sum = 0, n = 0;
    assert_memory_equal(at, head, strlen(head));
    at += strlen(head);
    for (size_t i = 0; i < n_pieces; i++) {
        const char *frame = pieces[first_piece + i];
        for (size_t step = 0; (frame = strchr(frame, ' ')); step++, n++) {
            frame++;
            assert_int_equal((int)next_number(&at), (int)(first_row + i));
            assert_int_equal((int)next_number(&at), (int)step);
            for (size_t k = 0; k < KEYS; k++) {
                const double target = next_number(&at), predicted = next_number(&at);
                const double p = next_number(&at);
                assert_int_equal((int)target, sounds(frame, k));
                assert_int_equal((int)predicted, p > 0.5);
                sum -= (target > 0 ? log(p) : log(1 - p)) / KEYS;
            }
        }
    }
    assert_int_equal(*at, '\0');
    if (!(fabs(sum / n - loss) < 1e-5 * loss)) fail_msg("%g and %g", sum / n, loss);
}

static void test_predictions__of_sequences_are_by_row_and_step(void **state)
{
    (void)state;
    said s = assay("eval", "roll", "--json", "--predictions", "p.csv");
    assert_code(&s, 0);
    char *all = slurp("p.csv");
    expect_roll(all, 4, 3, 4, loss_of(s.out));
    free(all);
    forget(&s);
}

/* Rows of another file follow those of the first. */
static void test_predictions__of_another_file_of_sequences_go_on_counting(void **state)
{
    char some[256] = "";
    (void)state;
    for (size_t i = 1; i < 4; i++) {
        strcat(strcat(some, pieces[i]), "\n");
    }
    spill("some.txt", some);
    said s = assay("eval", "roll", "data.test_file=some.txt", "data.split.test=0", "--json",
        "--predictions", "p.csv");
    assert_code(&s, 0);
    char *all = slurp("p.csv");
    expect_roll(all, 1, 3, PIECES, loss_of(s.out));
    free(all);
    forget(&s);
}

/* The table's probabilities are those of the outputs. */
static void test_predictions__as_npy_have_the_same_order(void **state)
{
    (void)state;
    said s = assay("eval", "roll", "--predictions", "p.csv");
    assert_code(&s, 0);
    forget(&s);
    s = assay("eval", "roll", "--predictions", "p.npy");
    assert_code(&s, 0);
    forget(&s);
    char *all = slurp("p.csv"), *at = strchr(all, '\n') + 1;
    FILE *f = fopen("p.npy", "rb");
    char header[129] = "";
    assert_non_null(f);
    assert_int_equal(fread(header, 1, 128, f), 128);
    assert_non_null(strstr(header + 10, "'shape': (16, 5)"));
    for (size_t i = 0; i < 16; i++) {
        (void)next_number(&at);
        (void)next_number(&at);
        for (size_t k = 0; k < KEYS; k++) {
            float y;
            assert_int_equal(fread(&y, sizeof y, 1, f), 1);
            (void)next_number(&at);
            (void)next_number(&at);
            assert_true(fabs(next_number(&at) - 1 / (1 + exp(-(double)y))) < 1e-7);
        }
    }
    assert_int_equal(fgetc(f), EOF);
    fclose(f);
    free(all);
}

/* Streams end at different windows: one that has ended has no line more. */
static void test_predictions__of_streams_are_by_row(void **state)
{
    static char *const runs[] = { "letters", "single" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        static const char head[] = "row,label,predicted,p_a,p_b,p_c,p_d\n";
        double sum = 0, n_right = 0;
        said s = assay("eval", runs[i], "--json", "--predictions", "p.csv");
        assert_code(&s, 0);
        char *all = slurp("p.csv"), *at = all + strlen(head);
        assert_memory_equal(all, head, strlen(head));
        for (size_t row = 63 - 22; row < 63; row++) {
            double p[4];
            assert_int_equal((int)next_number(&at), (int)row);
            const char label = at[0], predicted = at[2];
            assert_int_equal(label, letters[row + 1]);
            at += 4;
            for (size_t k = 0; k < 4; k++) {
                p[k] = next_number(&at);
            }
            for (size_t k = 0; k < 4; k++) {
                assert_true(p[k] <= p[predicted - 'a']);
            }
            sum -= log(p[label - 'a']) / 22;
            n_right += label == predicted;
        }
        assert_int_equal(*at, '\0');
        const double loss = loss_of(s.out);
        if (!(fabs(sum - loss) < 1e-5 * loss)) fail_msg("%g and %g", sum, loss);
        const char *accuracy = strstr(s.out, "\"accuracy\": ");
        assert_true(fabs(strtod(accuracy + 12, NULL) - n_right / 22) < 1e-6);
        free(all);
        forget(&s);
        s = assay("eval", runs[i], "--predictions", "p.npy");
        assert_code(&s, 0);
        all = slurp("p.npy");
        assert_non_null(strstr(all + 10, "'shape': (22, 4)"));
        free(all);
        forget(&s);
    }
}

static void test_predictions__of_one_target_a_sequence_have_no_step(void **state)
{
    static const char head[] = "row,target_sum,prediction_sum\n";
    size_t n = 0;
    double sum = 0;
    (void)state;
    said s = assay("eval", "sums", "--json", "--predictions", "p.csv");
    assert_code(&s, 0);
    char *all = slurp("p.csv"), *at = all + strlen(head);
    assert_memory_equal(all, head, strlen(head));
    for (double before = -1; *at; n++) {
        const double row = next_number(&at), d = next_number(&at) - next_number(&at);
        assert_true(row > before);
        before = row;
        sum += d * d / 9;
    }
    assert_int_equal(n, 9);
    assert_true(fabs(sum - loss_of(s.out)) < 1e-5 * sum);
    free(all);
    forget(&s);
}

/* -- the commands that look at a run -- */

static void test_inspect__shows_runs_in_time(void **state)
{
    static char *const runs[] = { "roll", "letters", "single" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        said s = assay("inspect", runs[i]);
        assert_code(&s, 0);
        assert_contains(s.out, i ? "l.recurrent" : "g.recurrent");
        forget(&s);
        s = assay("inspect", runs[i], "--json");
        assert_code(&s, 0);
        assert_true(is_json(s.out));
        forget(&s);
    }
}

/* From the checkpoint in the middle of an epoch, to the bits of the run. */
static void test_replay__has_the_bits_of_the_run(void **state)
{
    static const struct {
        char *run, *tensor;
    } cases[] = { { "roll", "g.recurrent" }, { "letters", "l.recurrent" }, { "single", "l.bias" } };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char from[64], other[64], command[256];
        snprintf(other, sizeof other, "%s-bare", cases[i].run);
        snprintf(command, sizeof command, "cp -r %s %s && rm %s/checkpoints/*", cases[i].run, other,
            other);
        assert_int_equal(system(command), 0);
        snprintf(from, sizeof from, "%s", cases[i].tensor);
        said s = assay("replay", cases[i].run, "--step", "5", "-w", from, "--json");
        assert_code(&s, 0);
        assert_true(is_json(s.out));
        said bare =
            assay("replay", other, "--step", "5", "-w", from, "--json"); /* from the start */
        assert_code(&bare, 0);
        const char *a = strstr(s.out, "\"arrays\""), *b = strstr(bare.out, "\"arrays\"");
        assert_non_null(a);
        assert_non_null(b);
        assert_string_equal(a, b);
        forget(&bare);
        forget(&s);
    }
}

static void test_diff__finds_where_streams_part(void **state)
{
    (void)state;
    said s = assay("train", "letters.cfg", "-q", "--output", "same", "train.threads=2");
    assert_code(&s, 0);
    forget(&s);
    s = assay("diff", "letters", "same");
    assert_code(&s, 0);
    assert_contains(s.out, "the same to the bit");
    forget(&s);
    s = assay("train", "letters.cfg", "-q", "--output", "other", "model[0].recurrent_dropout=0.3");
    assert_code(&s, 0);
    forget(&s);
    s = assay("diff", "letters", "other");
    assert_code(&s, 1);
    assert_contains(s.out, "the runs part at step 1 in gradient/");
    forget(&s);
}

static void test_trace_nan__goes_through_runs_in_time(void **state)
{
    (void)state;
    said s = assay("train", "letters.cfg", "-q", "--trace-nan", "--output", "wild",
        "optimizer.type=sgd", "optimizer.lr=3e38");
    assert_code(&s, 1);
    assert_contains(s.err, "diverged at step");
    forget(&s);
    s = assay("train", "roll.cfg", "-q", "--trace-nan", "--output", "tame");
    assert_code(&s, 0);
    forget(&s);
    assert_int_equal(system("cmp -s roll/last.safetensors tame/last.safetensors"), 0);
}

static void test_ways_of_training__take_runs_in_time(void **state)
{
    static char *const files[] = { "roll.cfg", "letters.cfg" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        said s = assay("train", files[i], "--dry-run");
        assert_code(&s, 0);
        forget(&s);
        s = assay("train", files[i], "--overfit-one-batch", "-q", "--output", i ? "fit1" : "fit0");
        assert_code(&s, 0);
        forget(&s);
        s = assay("lr-find", files[i]);
        assert_code(&s, 0);
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_predictions__of_sequences_are_by_row_and_step),
        cmocka_unit_test(test_predictions__of_another_file_of_sequences_go_on_counting),
        cmocka_unit_test(test_predictions__as_npy_have_the_same_order),
        cmocka_unit_test(test_predictions__of_streams_are_by_row),
        cmocka_unit_test(test_predictions__of_one_target_a_sequence_have_no_step),
        cmocka_unit_test(test_inspect__shows_runs_in_time),
        cmocka_unit_test(test_replay__has_the_bits_of_the_run),
        cmocka_unit_test(test_diff__finds_where_streams_part),
        cmocka_unit_test(test_trace_nan__goes_through_runs_in_time),
        cmocka_unit_test(test_ways_of_training__take_runs_in_time),
    };
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
