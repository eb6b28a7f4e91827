/* The configs that are shipped: each of them runs, and the main job comes to what its header promises. */
#include "core/cli/process.h"

#include <dirent.h>

enum { LEAST_CONFIGS = 5, N_SEEDS = 10 };

static const double promised_accuracy = 0.96; /* of digits.cfg, mean over seeds 1 to 10 */

/* "type = "idx"" needs files that are not in the repository. */
static bool needs_other_files(const char *path)
{
    char *written = slurp(path);
    const bool needs = strstr(written, "type = \"idx\"") != NULL;
    free(written);
    return needs;
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
        if (needs_other_files(path)) {
            print_message("%s: its data are not in the repository: not run\n", e->d_name);
            continue;
        }
        said s = assay("train", path, "--dry-run");
        if (s.code != 0) fail_msg("%s: %s", e->d_name, s.err);
        forget(&s);
        n++;
    }
    closedir(d);
    assert_true(n >= LEAST_CONFIGS);
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
        cmocka_unit_test(test_digits__reaches_the_accuracy_that_is_promised),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
