/* assay train: what a run prints, keeps and leaves; how it ends; that a run which was stopped ends as one that was not. */
#include "model/safetensors.h" /* before cmocka, which takes the name `fail` */

#include "core/cli/process.h"

#include <dirent.h>

static const char config_text[] =
    "name = \"small\"; seed = 5;\n"
    "data = { type = \"blobs\"; samples = 300; classes = 4; features = 5; spread = "
    "2.5; split = { validation = 0.2; test = 0.2; }; batch_size = 7; };\n"
    "model = ( { type = \"dense\"; units = 24; }, { type = \"relu\"; }, { type = "
    "\"dropout\"; rate = 0.3; }, { type = \"dense\"; units = 4; } );\n"
    "loss = \"softmax_xent\"; metrics = ( \"accuracy\", \"confusion\" );\n"
    "optimizer = { type = \"adam\"; lr = 0.013; };\n"
    "schedule = { type = \"exponential\"; decay = 0.97; every = \"epoch\"; };\n"
    "train = { epochs = 3; accumulate = 2; clip_norm = 0.7; early_stopping = { patience = "
    "1000000; restore_best = false; }; };\n";

static int set_up(void **state)
{
    const int failed = enter_scratch(state);
    if (!failed) spill("small.cfg", config_text);
    return failed;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_a_run__leaves_its_folder_and_prints_its_result(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg");
    assert_code(&s, 0);
    assert_contains(s.out, "validation");
    assert_contains(s.out, "accuracy");
    assert_contains(s.out, "+-"); /* the C locale has no plus-minus sign */
    assert_contains(s.out, "all epochs are done");
    assert_contains(s.err, "300 samples (180 training, 60 validation, 60 test)");
    assert_contains(s.err, "runs/small-1");
    assert_contains(s.err, "eval runs/small-1");
    static const char *const files[] = { "config.cfg", "run.json", "metrics.jsonl", "metrics.csv",
        "best.safetensors", "last.safetensors", "checkpoints" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "runs/small-1/%s", files[i]);
        if (!is_there(path)) fail_msg("%s is not there", path);
    }
    forget(&s);
}

static void test_a_log__gets_no_escape_codes(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "--progress", "plain");
    assert_code(&s, 0);
    assert_null(strpbrk(s.err, "\033\r"));
    assert_null(strpbrk(s.out, "\033\r"));
    assert_contains(s.err, "epoch 3/3");
    for (const char *c = s.err; *c; c++) {
        if ((unsigned char)*c > 126) fail_msg("not ASCII in the C locale: %s", c);
    }
    forget(&s);
}

static void test_a_bar__hides_the_cursor_and_shows_it_again(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "--progress", "bar", "--color", "never");
    assert_code(&s, 0);
    const char *hidden = strstr(s.err, "\033[?25l"), *shown = strstr(s.err, "\033[?25h");
    assert_non_null(hidden);
    assert_non_null(shown);
    assert_true(hidden < shown);
    assert_null(strstr(shown + 1, "\033["));
    forget(&s);
}

static void test_resume__of_a_run_that_had_ended_says_so(void **state)
{
    static const char ended[] = "where the run had ended: nothing is left to train";
    (void)state;
    said first = assay("train", "small.cfg", "--output", "ended", "train.epochs=2");
    assert_code(&first, 0);
    assert_null(strstr(first.err, ended));
    said s = assay("train", "--resume", "ended");
    assert_code(&s, 0);
    assert_contains(s.err, ended);
    assert_contains(s.out, "accuracy");
    forget(&s);
    s = assay("train", "--resume", "ended", "train.epochs=3");
    assert_code(&s, 0);
    assert_contains(s.err, "after step ");
    char *log = slurp("ended/log.txt");
    assert_contains(log, ": all epochs are done\n");
    assert_contains(log, " best at step ");
    free(log);
    assert_null(strstr(s.err, ended));
    forget(&s);
    forget(&first);
}

static void test_quiet__leaves_the_result_alone(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "-q");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    assert_contains(s.out, "accuracy");
    forget(&s);
}

static void test_quiet__names_what_ran(void **state)
{
    (void)state;
    static const char header[] = "out/quiet  adam (small)  seed 7\n  stopped ";
    said s = assay("train", "small.cfg", "-q", "seed=7", "--output", "out/quiet");
    assert_code(&s, 0);
    assert_true(strncmp(s.out, header, strlen(header)) == 0);
    forget(&s);
    s = assay("train", "small.cfg", "-q", "--output", "out/json", "--json");
    assert_code(&s, 0);
    assert_true(s.out[0] == '{');
    forget(&s);
    s = assay("train", "small.cfg", "--output", "out/loud");
    assert_code(&s, 0);
    assert_null(strstr(s.out, "seed ")); /* the opening says it, on standard error */
    forget(&s);
}

static void test_the_result__says_whose_weights_and_which_rule_it_is_of(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "train.epochs=60", "optimizer.lr=0.3");
    assert_code(&s, 0);
    assert_contains(s.out, "the last weights, as eval does; eval --weights best takes");
    forget(&s);
    s = assay("train", "small.cfg", "train.epochs=60", "optimizer.lr=0.3",
        "train.early_stopping.restore_best=true", "train.early_stopping.rule=gl");
    assert_code(&s, 0);
    assert_contains(s.out, "early: validation.loss, by the rule gl");
    const char *folder = strstr(s.err, "folder ");
    assert_non_null(folder);
    assert_null(strstr(folder + 1, "folder "));
    assert_null(strstr(s.out, "the last weights"));
    forget(&s);
    s = assay("train", "small.cfg", "~train.early_stopping", "~data.split");
    assert_code(&s, 0);
    assert_contains(s.err, "no validation part");
    assert_contains(s.err, " --split training");
    forget(&s);
}

static void test_json__is_the_only_thing_on_standard_output(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "--json", "--output", "here");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"stop\": \"epochs\"");
    assert_true(is_there("here/config.cfg"));
    forget(&s);
    s = assay("train", "small.cfg", "--output", "here");
    assert_code(&s, 2);
    forget(&s);
    s = assay("model", "summary", "here", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    forget(&s);
    s = assay("config", "here", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    forget(&s);
}

static void test_resolved_config__is_a_config_that_resolves_to_itself(void **state)
{
    (void)state;
    said first = assay("config", "small.cfg", "seed=23");
    assert_code(&first, 0);
    spill("resolved.cfg", first.out);
    said again = assay("config", "resolved.cfg");
    assert_code(&again, 0);
    assert_string_equal(first.out, again.out);
    forget(&first);
    forget(&again);
}

static void test_a_config_that_makes_no_sense__leaves_nothing_behind(void **state)
{
    (void)state;
    static char *const wrong[] = { "optimizer.type=adem", "optimizer.beta=0.3", "train.epochs=-1",
        "model[0].units=many", "los=3", "train.early_stopping.monitor=test.loss", "novalue" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        said s = assay("train", "small.cfg", wrong[i], "--runs", "none");
        assert_code(&s, 2);
        assert_string_equal(s.out, "");
        assert_false(is_there("none"));
        forget(&s);
    }
}

static void test_divergence__is_a_failure_that_names_the_place(void **state)
{
    (void)state;
    said s = assay(
        "train", "small.cfg", "optimizer.type=sgd", "optimizer.lr=1e30", "train.clip_norm=0.0");
    assert_code(&s, 1);
    assert_contains(s.err, "error: the run diverged at step");
    assert_contains(s.out, "diverged");
    forget(&s);
}

static void test_dry_run__leaves_nothing_behind(void **state)
{
    (void)state;
    assert_int_equal(mkdir("tmp", 0700), 0);
    setenv("TMPDIR", "tmp", 1);
    said s = assay("train", "small.cfg", "--dry-run", "--runs", "none");
    unsetenv("TMPDIR");
    assert_code(&s, 0);
    assert_contains(s.out, "steps       39: batches of 7, 13 steps an epoch");
    assert_contains(s.out, "all is well");
    assert_false(is_there("none"));
    assert_int_equal(rmdir("tmp"), 0); /* it is empty */
    forget(&s);
}

static void test_overfit_one_batch__tells_a_model_that_learns_from_one_that_cannot(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "--overfit-one-batch");
    assert_code(&s, 0);
    assert_contains(s.out, "by heart");
    forget(&s);
    s = assay("train", "small.cfg", "--overfit-one-batch", "optimizer.lr=1e-9");
    assert_code(&s, 1);
    assert_contains(s.out, "does not learn it");
    forget(&s);
}

/* -- resuming -- */

/* The step of the newest checkpoint of a run; 0 when there is none. */
static unsigned long long newest_checkpoint(const char *run)
{
    char path[128];
    unsigned long long newest = 0, step;
    snprintf(path, sizeof path, "%s/checkpoints", run);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        int end = 0;
        if (sscanf(e->d_name, "step-%llu.safetensors%n", &step, &end) == 1 && end &&
            !e->d_name[end] && step > newest) {
            newest = step;
        }
    }
    if (d) closedir(d);
    return newest;
}

static void assert_same_weights(const char *a, const char *b)
{
    error err;
    safetensors *x = NULL, *y = NULL;
    if (safetensors_open(a, &x, &err) != OK || safetensors_open(b, &y, &err) != OK)
        fail_msg("%s", err.text);
    assert_int_equal(safetensors_count(x), safetensors_count(y));
    assert_true(safetensors_count(x) >= 4);
    for (size_t i = 0; i < safetensors_count(x); i++) {
        const array *p = safetensors_at(x, i), *q = safetensors_find(y, p->name);
        assert_non_null(q);
        assert_int_equal(p->n, q->n);
        if (memcmp(p->data, q->data, p->n * sizeof(float)) != 0) fail_msg("%s differs", p->name);
    }
    safetensors_close(x);
    safetensors_close(y);
}

/* Stops a run that would never end by a signal, resumes it for some more steps, and trains as many at one go. */
static void stop_and_resume(int number, int expected_code, char *stopped, char *whole)
{
    char steps[64];
    char a[128], b[128];
    char *argv[] = { (char[]){ PROGRAM }, "train", "small.cfg", "-q", "train.epochs=1000000000",
        "+train.checkpoint={ every = 3; unit = \"step\"; }", "--output", stopped, NULL };
    const pid_t pid = start(argv);
    while (newest_checkpoint(stopped) < 30) {
        if (waitpid(pid, &(int){ 0 }, WNOHANG) != 0)
            fail_msg("the run ended by itself: %s", slurp("said.err"));
        nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    }
    assert_int_equal(kill(pid, number), 0);
    said s = finish(pid);
    assert_code(&s, expected_code);
    forget(&s);
    snprintf(steps, sizeof steps, "train.steps=%llu", newest_checkpoint(stopped) + 37);
    s = assay("train", "--resume", stopped, steps);
    assert_code(&s, 0);
    assert_contains(s.err, "after step");
    forget(&s);
    s = assay("train", "small.cfg", "-q", "train.epochs=1000000000", steps, "--output", whole);
    assert_code(&s, 0);
    forget(&s);
    snprintf(a, sizeof a, "%s/last.safetensors", stopped);
    snprintf(b, sizeof b, "%s/last.safetensors", whole);
    assert_same_weights(a, b);
    snprintf(a, sizeof a, "%s/best.safetensors", stopped);
    snprintf(b, sizeof b, "%s/best.safetensors", whole);
    assert_same_weights(a, b);
}

static void test_interrupted__ends_resumably_and_resumes_to_the_same_bits(void **state)
{
    (void)state;
    stop_and_resume(SIGINT, 75, "int", "int-whole");
    stop_and_resume(SIGTERM, 75, "term", "term-whole");
}

static void test_killed__resumes_to_the_same_bits(void **state)
{
    (void)state;
    stop_and_resume(SIGKILL, 128 + SIGKILL, "kill", "kill-whole");
}

static void test_resume__of_another_model_is_refused(void **state)
{
    (void)state;
    said s = assay("train", "small.cfg", "-q", "--output", "first");
    assert_code(&s, 0);
    forget(&s);
    s = assay("train", "--resume", "first", "model[0].units=25");
    assert_code(&s, 2);
    assert_contains(s.err, "another run");
    forget(&s);
    s = assay("train", "--resume", "first", "train.epochs=4");
    assert_code(&s, 0);
    assert_contains(s.out, "epoch 4,");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run__leaves_its_folder_and_prints_its_result),
        cmocka_unit_test(test_a_log__gets_no_escape_codes),
        cmocka_unit_test(test_a_bar__hides_the_cursor_and_shows_it_again),
        cmocka_unit_test(test_resume__of_a_run_that_had_ended_says_so),
        cmocka_unit_test(test_quiet__names_what_ran),
        cmocka_unit_test(test_quiet__leaves_the_result_alone),
        cmocka_unit_test(test_the_result__says_whose_weights_and_which_rule_it_is_of),
        cmocka_unit_test(test_json__is_the_only_thing_on_standard_output),
        cmocka_unit_test(test_resolved_config__is_a_config_that_resolves_to_itself),
        cmocka_unit_test(test_a_config_that_makes_no_sense__leaves_nothing_behind),
        cmocka_unit_test(test_divergence__is_a_failure_that_names_the_place),
        cmocka_unit_test(test_dry_run__leaves_nothing_behind),
        cmocka_unit_test(test_overfit_one_batch__tells_a_model_that_learns_from_one_that_cannot),
        cmocka_unit_test(test_interrupted__ends_resumably_and_resumes_to_the_same_bits),
        cmocka_unit_test(test_killed__resumes_to_the_same_bits),
        cmocka_unit_test(test_resume__of_another_model_is_refused),
    };
    setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, set_up, leave_scratch);
}
