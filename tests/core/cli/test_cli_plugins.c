/* assay plugin list and info: every component that is shipped can be listed, explained, and started from. */
#include "config/config.h"
#include "core/cli/process.h"

enum { LEAST_COMPONENTS = 30 };

/* Calls each(id, kind) for the lines of `plugin list --ids --kind KIND`. */
static size_t for_each_component(void (*each)(char *id, char *kind))
{
    static char *const kinds[] = { "optimizer", "schedule", "layer", "loss", "metric", "dataset" };
    size_t n = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        said s = assay("plugin", "list", "--ids", "--kind", kinds[i]);
        assert_code(&s, 0);
        for (char *id = s.out, *end; (end = strchr(id, '\n')); id = end + 1, n++) {
            *end = '\0';
            each(id, kinds[i]);
        }
        forget(&s);
    }
    return n;
}

static void check_json(char *id, char *kind)
{
    said s = assay("plugin", "info", id, "--kind", kind, "--json");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    if (!is_json(s.out)) fail_msg("%s: no JSON: %s", id, s.out);
    forget(&s);
}

static void check_fragment(char *id, char *kind)
{
    error err;
    config *c = NULL;
    said s = assay("plugin", "info", id, "--kind", kind, "--cfg");
    assert_code(&s, 0);
    if (config_parse(id, s.out, &c, &err) != OK) fail_msg("%s: %s in: %s", id, err.text, s.out);
    assert_int_equal(config_root(c)->n, 1);
    config_free(c);
    forget(&s);
}

static void test_every_component__is_told_as_json(void **state)
{
    (void)state;
    assert_true(for_each_component(check_json) >= LEAST_COMPONENTS);
}

static void test_every_component__gives_a_config_that_parses(void **state)
{
    (void)state;
    assert_true(for_each_component(check_fragment) >= LEAST_COMPONENTS);
}

static void test_defaults_that_are_printed__are_taken(void **state)
{
    (void)state;
    said s = assay("plugin", "info", "adam", "--cfg");
    assert_code(&s, 0);
    char config_text[8192];
    snprintf(config_text, sizeof config_text,
        "%s\nname = \"d\"; data = { type = \"blobs\"; samples = 60; }; model = ( { type = "
        "\"dense\"; units = 3; } "
        ");\nloss = \"softmax_xent\"; train = { epochs = 1; };\n",
        s.out);
    spill("adam.cfg", config_text);
    said t = assay("train", "adam.cfg", "--dry-run");
    assert_code(&t, 0);
    forget(&t);
    forget(&s);
}

static void test_list__as_json_names_files(void **state)
{
    (void)state;
    said s = assay("plugin", "list", "--all", "--json");
    assert_code(&s, 0);
    assert_true(is_json(s.out));
    assert_contains(s.out, "/optimizer/adam.so");
    assert_contains(s.out, "\"refused_files\"");
    forget(&s);
}

#define BAD_PLUGINS TEST_BUILD_DIR "/tests/bad_plugins"

static void test_refused_files__are_listed_with_the_reason(void **state)
{
    (void)state;
    if (access(BAD_PLUGINS "/future_abi.so", R_OK) != 0)
        fail_msg("build the target test_plugins first");
    setenv("ASSAY_PLUGIN_PATH", BAD_PLUGINS, 1);
    said all = assay("plugin", "list", "--all"), listed = assay("plugin", "list");
    said as_json = assay("plugin", "list", "--all", "--json");
    unsetenv("ASSAY_PLUGIN_PATH");
    assert_code(&all, 0);
    assert_contains(all.out, "future_abi.so");
    assert_contains(all.out, "refused:");
    assert_null(strstr(listed.out, "future_abi.so"));
    assert_null(strstr(listed.out, "refused:"));
    assert_true(is_json(as_json.out));
    forget(&all);
    forget(&listed);
    forget(&as_json);
}

static void test_a_file__is_explained_by_its_path(void **state)
{
    (void)state;
    said s = assay("plugin", "info", TEST_BUILD_DIR "/plugins/optimizer/sgd.so");
    assert_code(&s, 0);
    assert_contains(s.out, "momentum");
    forget(&s);
    s = assay("plugin", "info", BAD_PLUGINS "/future_abi.so");
    assert_code(&s, 2);
    assert_contains(s.err, "future_abi.so");
    forget(&s);
}

static void test_info__tells_the_callbacks_and_slots(void **state)
{
    (void)state;
    said s = assay("plugin", "info", "adam");
    assert_contains(s.out, "\n  callbacks: elem");
    assert_contains(s.out, "; slots: m, v, v_max\n");
    forget(&s);
    s = assay("plugin", "info", "adam", "--json");
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"tier\": \"elem\", \"callbacks\": [\"elem\"");
    assert_contains(s.out, "\"slots\": [\"m\", \"v\", \"v_max\"]");
    forget(&s);
    s = assay("plugin", "info", "dense", "--json");
    assert_contains(s.out, "\"tier\": null, \"callbacks\": [\"plan\", \"forward\", \"backward\"");
    forget(&s);
}

static void test_an_id_in_two_files__is_told(void **state)
{
    (void)state;
    static const char ambiguous[] = "ambiguous";
    said s = assay("plugin", "list", "--all");
    assert_null(strstr(s.out, ambiguous));
    forget(&s);
    assert_int_equal(system("mkdir two && cp " TEST_BUILD_DIR "/plugins/optimizer/sgd.so two/a.so "
                            "&& cp two/a.so two/b.so"),
        0);
    char *folder = realpath("two", NULL);
    assert_non_null(folder);
    setenv("ASSAY_PLUGIN_PATH", folder, 1);
    free(folder);
    s = assay("plugin", "list", "--all");
    assert_contains(s.out, "/b.so has it, too; in a config write \"");
    forget(&s);
    s = assay("plugin", "list", "--all", "--json");
    assert_true(is_json(s.out));
    assert_contains(s.out, "\"ambiguous_with\": \"");
    forget(&s);
    s = assay("doctor");
    unsetenv("ASSAY_PLUGIN_PATH");
    assert_contains(s.out, "optimizer sgd is both in ");
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info__tells_the_callbacks_and_slots),
        cmocka_unit_test(test_an_id_in_two_files__is_told),
        cmocka_unit_test(test_every_component__is_told_as_json),
        cmocka_unit_test(test_every_component__gives_a_config_that_parses),
        cmocka_unit_test(test_defaults_that_are_printed__are_taken),
        cmocka_unit_test(test_list__as_json_names_files),
        cmocka_unit_test(test_refused_files__are_listed_with_the_reason),
        cmocka_unit_test(test_a_file__is_explained_by_its_path),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
