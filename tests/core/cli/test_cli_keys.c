/* The keys that are the host's: what `assay help config` prints from the tables, and what configs/README.md tells of them. */
#include "core/cli/process.h"

enum { MAX_KEYS = 128, MAX_KEY = 96 };

typedef struct keys {
    size_t n;
    char name[MAX_KEYS][MAX_KEY];
} keys;

static void add_key(keys *k, const char *prefix, const char *name, size_t n)
{
    assert_true(k->n < MAX_KEYS);
    snprintf(k->name[k->n++], MAX_KEY, "%s%.*s", prefix, (int)n, name);
}

static bool has_key(const keys *k, const char *name)
{
    for (size_t i = 0; i < k->n; i++) {
        if (strcmp(k->name[i], name) == 0) return true;
    }
    return false;
}

/* The first words of the table rows: those with a dot. */
static keys printed_keys(void)
{
    keys k = { 0 };
    said s = assay("help", "config");
    assert_code(&s, 0);
    const char *at = strstr(s.out, "no component's");
    assert_non_null(at);
    for (; (at = strstr(at, "\n  ")); at++) {
        const char *word = at + 3;
        const size_t n = strcspn(word, " \n");
        if (memchr(word, '.', n)) add_key(&k, "", word, n);
    }
    forget(&s);
    return k;
}

/* The words in backticks of a row's first cell; `.unit` after `checkpoint.every` is checkpoint.unit. */
static void add_row(keys *k, const char *prefix, const char *row)
{
    char group[MAX_KEY] = "";
    const char *end = row + 2 + strcspn(row + 2, "|");
    for (const char *at = row; (at = memchr(at, '`', (size_t)(end - at))); at++) {
        const char *word = ++at;
        at += strcspn(at, "`");
        const char *dot = memchr(word, '.', (size_t)(at - word));
        char whole[2 * MAX_KEY];
        if (dot && dot > word) {
            snprintf(group, sizeof group, "%.*s", (int)(dot - word), word);
        }
        snprintf(whole, sizeof whole, "%s%.*s", dot == word ? group : "", (int)(at - word), word);
        add_key(k, prefix, whole, strlen(whole));
    }
}

static keys told_keys(const char *readme)
{
    static const char *const sections[][2] = { { "\n## data", "data." },
        { "\n## model", "model[i]." }, { "\n## optimizer", NULL }, { "\n## train", "train." },
        { "\nEarly stopping is on", "train.early_stopping." }, { "\n## study", "study." } };
    keys k = { 0 };
    const char *prefix = NULL;
    for (const char *at = readme; (at = strchr(at, '\n')); at++) {
        for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
            const size_t n = strlen(sections[i][0]);
            if (strncmp(at, sections[i][0], n) == 0) prefix = sections[i][1];
        }
        if (prefix && strncmp(at, "\n| `", 4) == 0) add_row(&k, prefix, at + 1);
    }
    return k;
}

static void test_readme__tells_every_key_of_the_tables_and_no_other(void **state)
{
    (void)state;
    char *readme = slurp(CONFIGS "README.md");
    const keys printed = printed_keys(), told = told_keys(readme);
    assert_true(printed.n > 40 && told.n > 40);
    for (size_t i = 0; i < told.n; i++) {
        if (!has_key(&printed, told.name[i])) {
            fail_msg("configs/README.md tells of %s, help config does not", told.name[i]);
        }
    }
    for (size_t i = 0; i < printed.n; i++) {
        /* those of a kind that the README has no table for are told in its text */
        const char *name = printed.name[i];
        char quoted[MAX_KEY];
        snprintf(quoted, sizeof quoted, "`%s`", strrchr(name, '.') + 1);
        const bool in_text = strncmp(name, "optimizer.", 10) == 0 ||
            strncmp(name, "schedule.", 9) == 0 || strncmp(name, "metrics[i].", 11) == 0;
        if (in_text ? !strstr(readme, quoted) : !has_key(&told, name)) {
            fail_msg("help config prints %s, configs/README.md does not tell of it", name);
        }
    }
    free(readme);
}

static void test_help_config__has_type_default_range_and_meaning(void **state)
{
    (void)state;
    said s = assay("help", "config");
    assert_contains(s.out, "one of random | stratified | time  random");
    assert_contains(s.out, "[0, 4096]");
    assert_contains(s.out, "a factor on the learning rate");
    forget(&s);
    s = assay("config", "--help"); /* the command alone */
    assert_code(&s, 0);
    assert_null(strstr(s.out, "data.split"));
    forget(&s);
}

/* No key is printed that a config may not have. */
static void test_help_config__prints_keys_that_a_config_may_have(void **state)
{
    const keys printed = printed_keys();
    (void)state;
    spill("all.cfg",
        "data = { type = \"blobs\"; }; model = ( { type = \"dense\"; units = 3; } );\n"
        "loss = \"softmax_xent\"; optimizer = { type = \"sgd\"; }; schedule = { type = \"cosine\"; "
        "};\n"
        "metrics = ( { type = \"accuracy\"; } ); train = { early_stopping = { }; };\n");
    for (size_t i = 0; i < printed.n; i++) {
        char assignment[MAX_KEY + 8];
        char name[MAX_KEY];
        snprintf(name, sizeof name, "%s", printed.name[i]);
        char *place = strstr(name, "[i]");
        if (place) place[1] = '0';
        /* of no right type for any key: what is told is the value, never that the key is unknown */
        snprintf(assignment, sizeof assignment, "+%s={}", name);
        said s = assay("config", "all.cfg", assignment);
        if (strstr(s.err, "unknown")) fail_msg("%s: %s", assignment, s.err);
        forget(&s);
    }
}

static void test_plugin_info__tells_what_stands_beside_in_one_line(void **state)
{
    static const struct {
        char *id;
        const char *line;
    } cases[] = {
        { "dense",
            "\n  beside these, of assay's own: name, from, init, recurrent_init, bias_init, "
            "trainable, "
            "lr_scale, tie" },
        { "adam", "\n  beside these, of assay's own: match" },
        { "cosine", "\n  beside these, of assay's own: target" },
        { "accuracy", "\n  beside these, of assay's own: name" },
        { "csv",
            "\n  beside these, of assay's own: batch_size, class_weights, shuffle, drop_last, "
            "window, "
            "bucket, standardize, standardize_target, split" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        said s = assay("plugin", "info", cases[i].id);
        assert_code(&s, 0);
        assert_contains(s.out, cases[i].line);
        forget(&s);
    }
    said s = assay("plugin", "info", "mse");
    assert_null(strstr(s.out, "beside these"));
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readme__tells_every_key_of_the_tables_and_no_other),
        cmocka_unit_test(test_help_config__has_type_default_range_and_meaning),
        cmocka_unit_test(test_help_config__prints_keys_that_a_config_may_have),
        cmocka_unit_test(test_plugin_info__tells_what_stands_beside_in_one_line),
    };
    setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
