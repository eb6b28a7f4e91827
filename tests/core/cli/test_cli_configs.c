/* The configs that are shipped: each of them runs, and the main job comes to what its header promises. */
#include "core/cli/process.h"

#include <dirent.h>

enum { LEAST_CONFIGS = 8, N_SEEDS = 10 };

static const double promised_accuracy = 0.96; /* of digits.cfg, mean over seeds 1 to 10 */

/* Whether its data are in the repository: of those that are not, the dataset reads files that `data fetch` gets. What a config
 * includes counts. */
static bool has_own_files(const char *path)
{
    static const char include[] = "@include \"";
    static const char *const fetched[] = { "idx", "pianoroll", "text" };
    bool has = true;
    char *written = slurp(path);
    for (size_t i = 0; i < sizeof fetched / sizeof fetched[0]; i++) {
        char type[32];
        snprintf(type, sizeof type, "type = \"%s\"", fetched[i]);
        has = has && strstr(written, type) == NULL;
    }
    const char *at = strstr(written, include);
    if (at) {
        char included[4096];
        at += sizeof include - 1;
        snprintf(included, sizeof included, CONFIGS "%.*s", (int)strcspn(at, "\""), at);
        has = has && has_own_files(included);
    }
    free(written);
    return has;
}

/* Each runs, or says how to get what it lacks. */
/* Some are studies of other configs, and no runs. */
static bool is_study_alone(const char *path)
{
    char *written = slurp(path);
    const bool is = strstr(written, "\nstudy = {") != NULL &&
        strstr(written, "\nmodel = (") == NULL && strstr(written, "@include") == NULL;
    free(written);
    return is;
}

static void test_every_config__holds_together(void **state)
{
    (void)state;
    size_t n = 0;
    DIR *d = opendir(CONFIGS);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        const size_t length = strlen(e->d_name);
        snprintf(path, sizeof path, CONFIGS "%s", e->d_name);
        if (length < 5 || strcmp(e->d_name + length - 4, ".cfg") != 0) {
            continue;
        }
        said s = is_study_alone(path) ? assay("study", "check", path)
                                      : assay("train", path, "--dry-run");
        if (s.code != 0 && !has_own_files(path)) {
            assert_code(&s, 1);
            assert_contains(s.err, "assay data fetch ");
            print_message("%s: its data are not here: not run\n", e->d_name);
        } else if (s.code != 0) {
            fail_msg("%s: %s", e->d_name, s.err);
        } else {
            n++;
        }
        forget(&s);
    }
    closedir(d);
    assert_true(n >= LEAST_CONFIGS);
}

static void test_absent_data__are_told_how_to_be_got(void **state)
{
    (void)state;
    said s = assay("train", (char[]){ CONFIGS "jsb-gru.cfg" },
        "data.file=/no where/music/jsb-chorales.train.txt", "--dry-run");
    assert_code(&s, 1);
    assert_contains(s.err, "No such file or directory: /no where/music/jsb-chorales.train.txt");
    assert_contains(s.err, "to get it: assay data fetch jsb-chorales --to '/no where'");
    forget(&s);
    s = assay("train", (char[]){ CONFIGS "shakespeare-lstm.cfg" },
        "data.file=text/tinyshakespeare.txt", "--dry-run");
    assert_code(&s, 1);
    assert_contains(s.err, "to get it: assay data fetch tinyshakespeare --to ");
    forget(&s);
    s = assay("train", (char[]){ CONFIGS "shakespeare-lstm.cfg" }, "data.file=/nowhere/mytext.txt",
        "--dry-run");
    assert_code(&s, 1);
    assert_null(strstr(s.err, "data fetch"));
    forget(&s);
}

static double test_accuracy(char *seed)
{
    said s = assay("train", (char[]){ CONFIGS "digits.cfg" }, "--seed", seed, "--json", "-q");
    assert_code(&s, 0);
    const char *test = strstr(s.out, "\"test\": ");
    assert_non_null(test);
    const char *accuracy = strstr(test, "\"accuracy\": ");
    assert_non_null(accuracy);
    const double value = strtod(accuracy + strlen("\"accuracy\": "), NULL);
    forget(&s);
    return value;
}

static void test_digits__reaches_the_accuracy_that_is_promised(void **state)
{
    (void)state;
    double sum = 0;
    for (int i = 1; i <= N_SEEDS; i++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", i);
        sum += test_accuracy(seed);
    }
    print_message("mean test accuracy over %d seeds: %.4f\n", N_SEEDS, sum / N_SEEDS);
    assert_true(sum / N_SEEDS >= promised_accuracy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_config__holds_together),
        cmocka_unit_test(test_absent_data__are_told_how_to_be_got),
        cmocka_unit_test(test_digits__reaches_the_accuracy_that_is_promised),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
