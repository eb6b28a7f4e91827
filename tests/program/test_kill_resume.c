/* Runs that are killed at random moments and resumed end with the bits of a run that nobody touched.
 *
 * Everything with a memory is on: dropout, accumulation, clipping, L2, a schedule, checks within epochs, early stopping, a
 * checkpoint after every step. A round waits until a step drawn at random is on record, lets a drawn time pass, kills, and
 * resumes; what is compared is the weights, the best weights, and every record but its times. Draws are functions of the
 * seed that is printed:
 *
 *     test_kill_resume             20 rounds from seed 1 (5 under a sanitizer): the test
 *     test_kill_resume SEED [ROUNDS] */
#include "support/program_scene.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TEST_ROUNDS = 5 };
#else
enum { TEST_ROUNDS = 20 };
#endif

static uint64_t seed = 1, n_rounds = TEST_ROUNDS;

static const char config_text[] =
    "name = \"killed\"; seed = 7;\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/digits.csv\";\n"
    "    target = \"digit\"; standardize = true; batch_size = 64;\n"
    "    split = { seed = 0; validation = 0.15; test = 0.15; }; };\n"
    "model = ( { type = \"dense\"; units = 192; }, { type = \"relu\"; },\n"
    "    { type = \"dropout\"; rate = 0.25; }, { type = \"dense\"; units = 10; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\" );\n"
    "optimizer = { type = \"adam\"; lr = 0.004; };\n"
    "schedule = { type = \"exponential\"; decay = 0.97; every = \"step\"; };\n"
    "train = { epochs = 20; accumulate = 2; clip_norm = 0.7; l2 = 1e-4; replicas = 2; threads = "
    "2;\n"
    "    log_every = 1; validate_every = 7; validate_unit = \"step\"; train_eval = 100;\n"
    "    early_stopping = { patience = 3; min_delta = 0.01; };\n"
    "    checkpoint = { every = 1; unit = \"step\"; }; };\n";

enum { STREAM_STEPS = 60 };

static const char stream_text[] =
    "name = \"killed\"; seed = 7;\n"
    "data = { type = \"text\"; file = \"killed.txt\"; window = 19; batch_size = 6;\n"
    "    split = { validation = 0.15; test = 0; }; };\n"
    "model = ( { type = \"embedding\"; size = 12; }, { type = \"lstm\"; units = 40; "
    "recurrent_dropout = 0.1; "
    "},\n"
    "    { type = \"dense\"; units = 128; }, \"tanh\", { type = \"dense\"; units = 9; } );\n"
    "loss = \"softmax_xent\"; optimizer = { type = \"adam\"; lr = 0.004; };\n"
    "train = { epochs = 100; steps = 60; accumulate = 2; clip_norm = 0.7; replicas = 2; threads = "
    "2;\n"
    "    log_every = 1; validate_every = 7; validate_unit = \"step\"; early_stopping = { patience "
    "= 50; };\n"
    "    checkpoint = { every = 1; unit = \"step\"; }; };\n";

/* -- what is compared -- */

/* Takes the number after `"key": ` out. */
static void cut_number(char *line, const char *key)
{
    char *at = strstr(line, key);
    if (!at) return;
    at += strlen(key);
    const char *end = at + strcspn(at, ",}");
    memmove(at, end, strlen(end) + 1);
}

/* The records without times, and without the marks that a session leaves: its start, its remarks. */
static void read_records(const scene *s, const char *run, text *out)
{
    char name[64];
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    char *all = scene_read(s, name, NULL), *rest = NULL;
    for (char *line = strtok_r(all, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (strstr(line, "\"record\": \"start\"") || strstr(line, "\"record\": \"note\"")) {
            continue;
        }
        cut_number(line, "\"wall_s\": ");
        char *budget = strstr(line, "\"budget\"");
        for (int i = 0; budget && i < 3; i++) {
            static const char *const keys[] = {
                "\"wall_s\": ", "\"cpu_s\": ", "\"optimizer_s\": "
            };
            cut_number(budget, keys[i]);
        }
        text_printf(out, "%s\n", line);
    }
    free(all);
}

/* The table without its column wall_s, the third. */
static void read_table(const scene *s, const char *run, text *out)
{
    char name[64];
    snprintf(name, sizeof name, "%s/metrics.csv", run);
    char *all = scene_read(s, name, NULL), *rest = NULL;
    for (char *line = strtok_r(all, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *second = strchr(line, ','), *third = second ? strchr(second + 1, ',') : NULL;
        const char *fourth = third ? strchr(third + 1, ',') : NULL;
        if (fourth) memmove(third, fourth, strlen(fourth) + 1);
        text_printf(out, "%s\n", line);
    }
    free(all);
}

/* The first line in which they differ. */
static bool same_lines(const char *what, const text *a, const text *b)
{
    size_t at = 0, begin = 0;
    while (a->s[at] && a->s[at] == b->s[at]) {
        if (a->s[at++] == '\n') begin = at;
    }
    if (a->s[at] == b->s[at]) return true;
    print_error("%s: expected %.*s\n%s:      got %.*s\n", what, (int)strcspn(a->s + begin, "\n"),
        a->s + begin, what, (int)strcspn(b->s + begin, "\n"), b->s + begin);
    return false;
}

static bool same_run(const scene *s, const char *run)
{
    char last[64], best[64];
    text a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
    snprintf(last, sizeof last, "%s/last.safetensors", run);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    read_records(s, "reference", &a);
    read_records(s, run, &b);
    read_table(s, "reference", &c);
    read_table(s, run, &d);
    const bool same_weights = scene_same_bytes(s, "reference/last.safetensors", last) &&
        scene_same_bytes(s, "reference/best.safetensors", best);
    const bool same_records = same_lines("metrics.jsonl", &a, &b);
    const bool same_table = same_lines("metrics.csv", &c, &d);
    text_release(&a);
    text_release(&b);
    text_release(&c);
    text_release(&d);
    return same_weights && same_records && same_table;
}

/* -- the killing -- */

static void let_pass(double seconds)
{
    const struct timespec t = { .tv_nsec = (long)(seconds * 1e9) };
    nanosleep(&t, NULL);
}

/* Whether the run has recorded that step. */
static bool has_step(const scene *s, const char *run, uint64_t step)
{
    char name[64], mark[32];
    bool found = false;
    snprintf(name, sizeof name, "%s/metrics.jsonl", run);
    snprintf(mark, sizeof mark, "\"step\": %llu,", (unsigned long long)step);
    if (!scene_has(s, name)) return false;
    char *all = scene_read(s, name, NULL);
    found = strstr(all, mark) != NULL;
    free(all);
    return found;
}

/* Sends the signal `delay` after the step is on record; the step is one that the run still has before it. True when that ended
 * the process, false when the run was over first. */
static bool stop_at(
    scene *s, const char *const *words, const char *run, uint64_t step, double delay, int signal)
{
    siginfo_t ended = { 0 };
    const pid_t pid = scene_start(s, words);
    while (!has_step(s, run, step)) {
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid == pid) break;
        let_pass(1e-4);
    }
    let_pass(delay);
    kill(pid, signal);
    scene_wait(s, pid);
    return signal == SIGKILL ? s->code == -SIGKILL : s->code == 75;
}

static uint64_t make_reference(scene *s)
{
    text records = { 0 };
    unsigned long long n_steps = 0;
    scene_init(s);
    scene_write(s, "killed.cfg", config_text);
    scene_run(s, "train", "killed.cfg", "-q", "--output", "reference");
    scene_expect(s, 0);
    read_records(s, "reference", &records);
    const char *end = strstr(records.s, "\"record\": \"end\"");
    assert_non_null(end);
    assert_int_equal(sscanf(strstr(end, "\"step\":"), "\"step\": %llu", &n_steps), 1);
    if (!strstr(end, "\"stop\": \"early_stopping\"")) GIVE_UP("it should stop early: %s", end);
    text_release(&records);
    assert_true(n_steps > 30);
    return n_steps;
}

/* Rounds beside the scene's reference. */
static void kill_and_resume(scene *s, uint64_t n_steps, uint64_t n)
{
    static const char *const start[] = { "train", "killed.cfg", "-q", "--output", "killed", NULL };
    static const char *const resume[] = { "train", "--resume", "killed", "-q", NULL };
    uint64_t n_killed = 0, draw = 0;
    const rng r = rng_make(seed, "kill");
    print_message("seed %llu, %llu rounds, %llu steps each\n", (unsigned long long)seed,
        (unsigned long long)n, (unsigned long long)n_steps);
    for (uint64_t round = 0; n_killed < n; round++) {
        if (round == 3 * n) GIVE_UP("%llu kills came too late", (unsigned long long)round);
        uint64_t step = 1 + rng_below(r, 0, draw++, n_steps - 1);
        const double delay = 1e-5 * (double)rng_below(r, 0, draw++, 300);
        scene_shell(s, "rm -rf killed");
        n_killed += stop_at(s, start, "killed", step, delay, SIGKILL);
        if (round % 4 == 3) { /* and once more */
            step += rng_below(r, 0, draw++, n_steps - step + 1);
            (void)stop_at(s, resume, "killed", step, delay, SIGKILL);
        }
        scene_run_words(s, resume);
        scene_expect(s, 0);
        if (!same_run(s, "killed")) {
            GIVE_UP("seed %llu, round %llu: killed %g ms after step %llu", (unsigned long long)seed,
                (unsigned long long)round, 1e3 * delay, (unsigned long long)step);
        }
    }
}

static void test_killed_runs__resumed_give_the_same_bits(void **state)
{
    scene s;
    (void)state;
    const uint64_t n_steps = make_reference(&s);
    kill_and_resume(&s, n_steps, n_rounds);
    scene_release(&s);
}

/* What an lstm carries along a text, in the middle of an epoch. */
static void test_killed_streams__resumed_carry_on(void **state)
{
    scene s;
    (void)state;
    char letters[1201] = "";
    scene_init(&s);
    for (uint32_t i = 0, v = 7; i < sizeof letters - 1; i++) {
        v = v * 1664525 + 1013904223;
        letters[i] = "abcd efgh"[(v >> 16) % 9 * (i % 3 > 0)];
    }
    scene_write(&s, "killed.txt", letters);
    scene_write(&s, "killed.cfg", stream_text);
    scene_run(&s, "train", "killed.cfg", "-q", "--output", "reference");
    scene_expect(&s, 0);
    kill_and_resume(&s, STREAM_STEPS, 1 + n_rounds / 4);
    scene_release(&s);
}

static void test_interrupted_run__says_so_and_goes_on(void **state)
{
    static const char *const start[] = { "train", "killed.cfg", "-q", "--output", "killed", NULL };
    scene s;
    (void)state;
    (void)make_reference(&s);
    /* On a machine that is busy the signal may come when the run is over: then it is another's turn. */
    bool is_stopped = false;
    for (int i = 0; i < 20 && !is_stopped; i++) {
        scene_shell(&s, "rm -rf killed");
        is_stopped = stop_at(&s, start, "killed", 2, 0, SIGINT);
        if (!is_stopped && s.code != 0) GIVE_UP("exit code %d: %s", s.code, s.err.s);
    }
    if (!is_stopped) GIVE_UP("20 runs were over before the signal came: %s", s.err.s);
    scene_run(&s, "train", "--resume", "killed", "-q");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

static void test_finished_run__resumed_stays_as_it_is(void **state)
{
    scene s;
    (void)state;
    (void)make_reference(&s);
    scene_shell(&s, "cp -r reference killed");
    scene_run(&s, "train", "--resume", "killed", "-q");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

/* Its end added a check that a longer run does not make; of that nothing may stay. */
static void test_run_made_longer__is_as_if_it_had_been_so_from_the_start(void **state)
{
    scene s;
    (void)state;
    scene_init(&s);
    scene_write(&s, "killed.cfg", config_text);
    scene_run(&s, "train", "killed.cfg", "-q", "--output", "reference", "~train.early_stopping",
        "train.epochs=5");
    scene_expect(&s, 0);
    scene_run(&s, "train", "killed.cfg", "-q", "--output", "killed", "~train.early_stopping",
        "train.epochs=3");
    scene_expect(&s, 0);
    scene_run(&s, "train", "--resume", "killed", "-q", "train.epochs=5");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

static void test_run_without_checkpoint__starts_again(void **state)
{
    scene s;
    (void)state;
    (void)make_reference(&s);
    scene_shell(&s, "cp -r reference killed; rm killed/checkpoints/*");
    scene_run(&s, "train", "--resume", "killed", "-q");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

static void test_torn_record__is_cut_off_on_resume(void **state)
{
    scene s;
    (void)state;
    (void)make_reference(&s);
    scene_shell(&s,
        "cp -r reference killed; rm $(ls killed/checkpoints/* | tail -n 1); "
        "truncate -s -7 killed/metrics.jsonl killed/metrics.csv");
    scene_run(&s, "train", "--resume", "killed", "-q");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

static void test_damaged_last_checkpoint__the_one_before_is_taken(void **state)
{
    scene s;
    (void)state;
    (void)make_reference(&s);
    scene_shell(&s,
        "cp -r reference killed; f=$(ls killed/checkpoints/* | tail -n 1); truncate -s -100 "
        "\"$f\"");
    scene_run(&s, "train", "--resume", "killed", "-q");
    scene_expect(&s, 0);
    assert_true(same_run(&s, "killed"));
    scene_release(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_runs__resumed_give_the_same_bits),
        cmocka_unit_test(test_killed_streams__resumed_carry_on),
        cmocka_unit_test(test_interrupted_run__says_so_and_goes_on),
        cmocka_unit_test(test_finished_run__resumed_stays_as_it_is),
        cmocka_unit_test(test_run_made_longer__is_as_if_it_had_been_so_from_the_start),
        cmocka_unit_test(test_run_without_checkpoint__starts_again),
        cmocka_unit_test(test_torn_record__is_cut_off_on_resume),
        cmocka_unit_test(test_damaged_last_checkpoint__the_one_before_is_taken),
    };
    if (argc > 1) seed = strtoull(argv[1], NULL, 10);
    if (argc > 2) n_rounds = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
