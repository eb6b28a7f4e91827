/* Where plugins are looked for, in which order, and what a name means when several have it. */
#include "registry/instance.h"
#include "registry/registry.h"

#include <assay/plugin.h>

#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USER_FOLDER "data/assay/plugins/" ASSAY_TEXT(ASSAY_ABI_MAJOR)
#define TINY "good_plugins/every_kind.so"
#define OTHER "good_plugins/other_tiny.so"
#define PLAIN "good_plugins/half_known.so"

static const origin at = { "x.cfg", 3 };

/* Opens a registry with all classes of folders: dirs/, env/, data/ (XDG_DATA_HOME), prog (beside
 * plugins/). */
static void open_all(plugin_fixture *f)
{
    const char *dirs[] = { fixture_path(f, "dirs"), NULL };
    const bool has_dirs = file_is_dir(dirs[0]);
    setenv(
        "ASSAY_PLUGIN_PATH", file_is_dir(fixture_path(f, "env")) ? fixture_path(f, "env") : "", 1);
    setenv("XDG_DATA_HOME", fixture_path(f, "data"), 1);
    assert_int_equal(file_write_atomic(fixture_path(f, "prog"), "x", 1, &f->err), OK);
    const registry_options o = { .program_path = fixture_path(f, "prog"),
        .dirs = has_dirs ? dirs : NULL,
        .log = fixture_log,
        .log_self = f };
    assert_int_equal(registry_new(&o, &f->r, &f->err), OK);
    unsetenv("ASSAY_PLUGIN_PATH");
    unsetenv("XDG_DATA_HOME");
}

static void put(plugin_fixture *f, const char *folder, const char *name, const char *built)
{
    char path[512];
    fixture_folder(f, folder);
    assert_true(snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path);
    fixture_copy(f, built, path);
}

/* "found_by:name " of each file below the fixture's folder. */
static const char *listing(const plugin_fixture *f)
{
    static char out[1024];
    out[0] = '\0';
    const size_t n_dir = strlen(f->dir);
    for (size_t i = 0; i < registry_count(f->r); i++) {
        const plugin_file *file = registry_file(f->r, i);
        if (strncmp(file->path, f->dir, n_dir) != 0) continue;
        const size_t n = strlen(out);
        snprintf(out + n, sizeof out - n, "%s:%s ", file->found_by, file->path + n_dir + 1);
    }
    return out;
}

static void test_search__goes_by_class_and_name(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    put(&f, "plugins/optimizer", "b.so", TINY);
    put(&f, "plugins", "a.so", OTHER);
    put(&f, "plugins/optimizer/deep", "c.so", OTHER); /* two levels down: not searched */
    put(&f, USER_FOLDER, "u.so", TINY);
    put(&f, "env", "z.so", TINY);
    put(&f, "env", "B.so", OTHER);
    put(&f, "env", "notes.txt", OTHER);
    put(&f, "env", ".hidden.so", OTHER);
    put(&f, "dirs", "d.so", TINY);
    open_all(&f);
    assert_string_equal(listing(&f),
        "dirs:dirs/d.so ASSAY_PLUGIN_PATH:env/B.so ASSAY_PLUGIN_PATH:env/z.so "
        "user:" USER_FOLDER "/u.so build:plugins/a.so build:plugins/optimizer/b.so ");
    fixture_release(&f);
}

/* The paths that a program at `program` finds below the fixture's folder. */
static const char *found_by_program(plugin_fixture *f, const char *program)
{
    const registry_options o = { .program_path = fixture_path(f, program), .no_environment = true };
    registry_free(f->r);
    f->r = NULL;
    assert_int_equal(registry_new(&o, &f->r, &f->err), OK);
    return listing(f);
}

static void test_search__goes_with_an_installation_that_was_moved(void **state)
{
    (void)state;
    plugin_fixture f;
    char folder[256], expected[512];
    fixture_init(&f);
    fixture_folder(&f, "moved/bin");
    fixture_folder(&f, "moved/sbin");
    snprintf(folder, sizeof folder, "moved/bin/%s/optimizer", ASSAY_PLUGIN_FOLDER);
    put(&f, folder, "a.so", TINY);
    snprintf(folder, sizeof folder, "moved/%s/optimizer", strstr(ASSAY_PLUGIN_FOLDER, "../") + 3);
    snprintf(expected, sizeof expected, "system:%s/a.so ", folder);
    assert_int_equal(file_write_atomic(fixture_path(&f, "moved/bin/prog"), "x", 1, &f.err), OK);
    assert_int_equal(file_write_atomic(fixture_path(&f, "moved/sbin/prog"), "x", 1, &f.err), OK);
    assert_string_equal(found_by_program(&f, "moved/bin/prog"), expected);
    assert_int_equal(symlink(fixture_path(&f, "moved/bin/prog"), fixture_path(&f, "link")), 0);
    assert_string_equal(found_by_program(&f, "link"), expected);
    /* beside it lies a folder that only looks like its own */
    assert_string_equal(found_by_program(&f, "moved/sbin/prog"), "");
    fixture_release(&f);
}

static void test_search__never_looks_into_the_working_directory(void **state)
{
    (void)state;
    plugin_fixture f;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    assert_int_equal(chdir(f.dir), 0);
    setenv("ASSAY_PLUGIN_PATH", ":plugins:./plugins::", 1);
    const registry_options o = { .program_path = "prog", .log = fixture_log, .log_self = &f };
    assert_int_equal(registry_new(&o, &f.r, &f.err), OK);
    unsetenv("ASSAY_PLUGIN_PATH");
    assert_int_equal(chdir(before), 0);
    assert_string_equal(listing(&f), "");
    assert_string_equal(f.log.s,
        "2 ASSAY_PLUGIN_PATH: an empty element is ignored\n"
        "2 ASSAY_PLUGIN_PATH: \"plugins\" is not an absolute path: ignored\n"
        "2 ASSAY_PLUGIN_PATH: \"./plugins\" is not an absolute path: ignored\n"
        "2 ASSAY_PLUGIN_PATH: an empty element is ignored\n"
        "2 ASSAY_PLUGIN_PATH: an empty element is ignored\n");
    fixture_release(&f);
}

static void test_search__a_named_folder_that_is_missing_is_told(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    setenv("ASSAY_PLUGIN_PATH", "/no/such/folder", 1);
    const char *dirs[] = { "/nor/this", NULL };
    const registry_options o = { .dirs = dirs, .log = fixture_log, .log_self = &f };
    assert_int_equal(registry_new(&o, &f.r, &f.err), OK);
    unsetenv("ASSAY_PLUGIN_PATH");
    assert_string_equal(f.log.s,
        "2 plugin folder: \"/nor/this\" is not a folder: ignored\n"
        "2 ASSAY_PLUGIN_PATH: \"/no/such/folder\" is not a folder: ignored\n");
    fixture_release(&f);
}

static void test_search__one_file_counts_once_with_its_first_finder(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    put(&f, "env", "a.so", TINY);
    fixture_folder(&f, "plugins");
    assert_int_equal(symlink(fixture_path(&f, "env/a.so"), fixture_path(&f, "plugins/a.so")), 0);
    open_all(&f);
    assert_string_equal(listing(&f), "ASSAY_PLUGIN_PATH:env/a.so ");
    assert_int_equal(registry_add_file(f.r, fixture_path(&f, "plugins/a.so"), NULL, &f.err), OK);
    assert_string_equal(listing(&f), "config:env/a.so ");
    fixture_release(&f);
}

static status find(plugin_fixture *f, const char *type, const component **c)
{
    return registry_find(f->r, "optimizer", type, &at, c, &f->err);
}

static bool is_own(plugin_fixture *f)
{
    bool own = false;
    assert_int_equal(registry_is_own(f->r, "optimizer", "tiny", &at, &own, &f->err), OK);
    assert_false(registry_file(f->r, 0)->is_loaded);
    return own;
}

/* The program's own is what lies in its folders, though the environment leads there, too; what somebody brings is not. */
static void test_is_own__tells_who_brought_a_component(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        bool own;
    } rows[] = { { "plugins", true }, { "dirs", true }, { "env", false }, { USER_FOLDER, false } };
    bool own = false;
    plugin_fixture f;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_init(&f);
        put(&f, rows[i].folder, "a.so", TINY);
        open_all(&f);
        assert_int_equal(is_own(&f), rows[i].own);
        assert_int_equal(registry_is_own(f.r, "optimizer", "none", &at, &own, &f.err), E_UNKNOWN);
        fixture_release(&f);
    }
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    fixture_folder(&f, "env");
    assert_int_equal(symlink(fixture_path(&f, "plugins/a.so"), fixture_path(&f, "env/a.so")), 0);
    open_all(&f);
    assert_string_equal(listing(&f), "ASSAY_PLUGIN_PATH:env/a.so ");
    assert_true(is_own(&f));
    put(&f, "brought", "b.so", TINY);
    assert_int_equal(registry_add_file(f.r, fixture_path(&f, "brought/b.so"), NULL, &f.err), OK);
    assert_int_equal(registry_is_own(f.r, "optimizer", "tiny", &at, &own, &f.err), E_CONFLICT);
    fixture_release(&f);
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    put(&f, "brought", "b.so", TINY);
    open_all(&f);
    assert_int_equal(registry_add_file(f.r, fixture_path(&f, "brought/b.so"), NULL, &f.err), OK);
    assert_false(is_own(&f)); /* it goes before the program's */
    fixture_release(&f);
}

static void test_find__two_files_of_one_class_are_ambiguous(void **state)
{
    (void)state;
    plugin_fixture f;
    char expected[1200];
    const component *c;
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    put(&f, "plugins", "b.so", OTHER);
    open_all(&f);
    assert_int_equal(find(&f, "tiny", &c), E_CONFLICT);
    snprintf(expected, sizeof expected,
        "x.cfg:3: optimizer \"tiny\" is ambiguous: %s/plugins/a.so and %s/plugins/b.so both have "
        "it: "
        "write \"every_kind:tiny\" or \"other_tiny:tiny\"",
        f.dir, f.dir);
    assert_string_equal(f.err.text, expected);
    assert_int_equal(find(&f, "other_tiny:tiny", &c), OK);
    assert_string_equal(c->version, "7.0");
    assert_int_equal(find(&f, "every_kind:tiny", &c), OK);
    assert_string_equal(c->version, "1.2");
    fixture_release(&f);
}

static void test_find__copies_of_one_plugin_are_ambiguous_for_good(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    fixture_init(&f);
    put(&f, "env", "a.so", TINY);
    put(&f, "env", "b.so", TINY);
    open_all(&f);
    assert_int_equal(find(&f, "every_kind:tiny", &c), E_CONFLICT);
    assert_non_null(strstr(f.err.text, "both have it: remove one of them"));
    fixture_release(&f);
}

/* Puts TINY and OTHER into two folders and asks for "tiny": the version that comes, or "ambiguous".
 */
static const char *winner(const char *first, const char *second)
{
    plugin_fixture f;
    const component *c;
    fixture_init(&f);
    put(&f, first, "a.so", TINY);
    put(&f, second, "b.so", OTHER);
    open_all(&f);
    const status st = find(&f, "tiny", &c);
    const char *got = st == OK ? (strcmp(c->version, "1.2") == 0 ? "first" : "second")
                               : (st == E_CONFLICT ? "ambiguous" : "error");
    fixture_release(&f);
    return got;
}

static void test_find__only_the_programs_own_folders_give_way(void **state)
{
    (void)state;
    assert_string_equal(winner("dirs", "plugins"), "first");
    assert_string_equal(winner("plugins", "dirs"), "second");
    assert_string_equal(winner("env", "plugins"), "ambiguous");
    assert_string_equal(winner(USER_FOLDER, "plugins"), "ambiguous");
    assert_string_equal(winner("dirs", "env"), "ambiguous");
    assert_string_equal(winner("env", USER_FOLDER), "ambiguous");
}

static void test_find__a_file_of_the_config_goes_before_a_builtin(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    put(&f, "mine", "b.so", OTHER);
    open_all(&f);
    assert_int_equal(find(&f, "tiny", &c), OK);
    assert_int_equal(registry_add_file(f.r, fixture_path(&f, "mine/b.so"), NULL, &f.err), OK);
    for (int i = 0; i < 3; i++) { /* as by three layers of one type: said once */
        assert_int_equal(find(&f, "tiny", &c), OK);
        assert_string_equal(c->file->path, fixture_path(&f, "mine/b.so"));
    }
    char expected[1200];
    snprintf(expected, sizeof expected,
        "optimizer \"tiny\" is that of %s/mine/b.so, which the config names, not assay's own",
        f.dir);
    const char *said = strstr(f.log.s, expected);
    assert_non_null(said);
    assert_null(strstr(said + 1, expected));
    fixture_release(&f);
}

static void test_find__a_deleted_file_is_a_reason(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    char expected[1200];
    fixture_init(&f);
    put(&f, "plugins", "a.so", TINY);
    open_all(&f);
    assert_int_equal(unlink(fixture_path(&f, "plugins/a.so")), 0);
    assert_int_equal(find(&f, "tiny", &c), E_IO);
    snprintf(expected, sizeof expected, "%s/plugins/a.so", f.dir);
    assert_non_null(strstr(f.err.text, expected));
    assert_non_null(strstr(f.err.text, "No such file or directory"));
    fixture_release(&f);
}

static void test_add_config__takes_paths_from_the_file_that_holds_them(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    fixture_init(&f);
    put(&f, "mine", "b.so", OTHER);
    fixture_open(&f, NULL);
    fixture_load(&f, "plugins = ( \"./mine/b.so\" );\n");
    assert_int_equal(registry_add_config(f.r, f.c, &f.err), OK);
    assert_string_equal(listing(&f), "config:mine/b.so ");
    const value *list = value_find(config_root(f.c), "plugins");
    assert_string_equal(list->item[0]->as.string, fixture_path(&f, "mine/b.so"));
    assert_int_equal(find(&f, "tiny", &c), OK);
    fixture_release(&f);
}

static void test_add_config__refusals_name_the_line(void **state)
{
    (void)state;
    plugin_fixture f;
    char expected[1200], cwd[512];
    fixture_init(&f);
    fixture_open(&f, NULL);
    assert_non_null(getcwd(cwd, sizeof cwd));
    fixture_parse(&f, "a = 1;\nplugins = ( \"./gone.so\" );\n");
    assert_int_equal(registry_add_config(f.r, f.c, &f.err), E_IO);
    snprintf(expected, sizeof expected,
        "x.cfg:2: %s/gone.so: cannot open: No such file or directory", cwd);
    assert_string_equal(f.err.text, expected);
    fixture_parse(&f, "plugins = ( 3 );\n");
    assert_int_equal(registry_add_config(f.r, f.c, &f.err), E_TYPE);
    assert_string_equal(f.err.text, "x.cfg:1: plugins: expected the path of a file in quotes");
    fixture_parse(&f, "plugins = { a = 1; };\n");
    assert_int_equal(registry_add_config(f.r, f.c, &f.err), E_TYPE);
    assert_string_equal(f.err.text, "x.cfg:1: plugins: expected a list of files: ( \"./x.so\" )");
    fixture_copy(&f, "bad_plugins/other_draft.so", "old.so");
    fixture_load(&f, "plugins = ( \"old.so\" );\n");
    assert_int_equal(registry_add_config(f.r, f.c, &f.err), E_ABI);
    assert_non_null(strstr(f.err.text, "x.cfg:1: "));
    assert_non_null(strstr(f.err.text, "rebuild it with this assay's headers"));
    fixture_release(&f);
}

static void test_labels__name_the_file_of_what_the_user_brought(void **state)
{
    (void)state;
    plugin_fixture f;
    instance *i;
    char expected[1200];
    fixture_init(&f);
    put(&f, "plugins", "a.so", PLAIN);
    put(&f, "env", "b.so", TINY);
    open_all(&f);
    fixture_parse(&f, "a = \"plain\"; b = \"tiny\";\n");
    value *root = config_root(f.c);
    assert_int_equal(
        instance_new(f.r, f.c, "optimizer", value_find(root, "a"), NULL, 1, "a", &i, &f.err), OK);
    assert_string_equal(i->label, "optimizer \"plain\"");
    instance_free(i);
    assert_int_equal(
        instance_new(f.r, f.c, "optimizer", value_find(root, "b"), NULL, 1, "b", &i, &f.err), OK);
    snprintf(expected, sizeof expected, "optimizer \"tiny\" (every_kind 1.2, %s/env/b.so)", f.dir);
    assert_string_equal(i->label, expected);
    instance_free(i);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search__goes_by_class_and_name),
        cmocka_unit_test(test_search__goes_with_an_installation_that_was_moved),
        cmocka_unit_test(test_search__never_looks_into_the_working_directory),
        cmocka_unit_test(test_search__a_named_folder_that_is_missing_is_told),
        cmocka_unit_test(test_search__one_file_counts_once_with_its_first_finder),
        cmocka_unit_test(test_find__two_files_of_one_class_are_ambiguous),
        cmocka_unit_test(test_find__copies_of_one_plugin_are_ambiguous_for_good),
        cmocka_unit_test(test_find__only_the_programs_own_folders_give_way),
        cmocka_unit_test(test_find__a_file_of_the_config_goes_before_a_builtin),
        cmocka_unit_test(test_find__a_deleted_file_is_a_reason),
        cmocka_unit_test(test_add_config__takes_paths_from_the_file_that_holds_them),
        cmocka_unit_test(test_add_config__refusals_name_the_line),
        cmocka_unit_test(test_is_own__tells_who_brought_a_component),
        cmocka_unit_test(test_labels__name_the_file_of_what_the_user_brought),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
