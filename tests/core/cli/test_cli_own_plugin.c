/* assay plugin new and plugin build: what they make, and every way in which they decline. That each template trains is shown
 * with an installed assay, in tests/sdk. */
#include "core/cli/process.h"

static void expect(said s, int code, const char *message)
{
    char whole[1200];
    snprintf(whole, sizeof whole, "assay: error: %s\n", message);
    assert_code(&s, code);
    assert_string_equal(s.out, "");
    assert_string_equal(s.err, whole);
    forget(&s);
}

static void expect_there(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, R_OK) != 0) fail_msg("%s was not made", path);
}

static void make(char *kind, char *name)
{
    said s = assay("plugin", "new", kind, name, "--quiet");
    assert_code(&s, 0);
    forget(&s);
}

/* -- plugin new -- */

static void test_new__makes_every_file_and_says_what_to_do(void **state)
{
    (void)state;
    static const char *const names[] = { "lion_2.c", "lion_2.cfg", "CMakeLists.txt", "meson.build",
        "Makefile", "README.md", ".gitignore", ".github/workflows/check.yml" };
    said s = assay("plugin", "new", "optimizer", "lion_2");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    assert_string_equal(s.out,
        "lion_2/lion_2.c is an optimizer that works, to be changed into yours\n"
        "next:\n"
        "  " PROGRAM " plugin build lion_2\n"
        "  " PROGRAM " plugin check lion_2/lion_2.so\n"
        "  " PROGRAM " train lion_2/lion_2.cfg\n"
        "the guide for authors: " TEST_SOURCE_DIR "/sdk/README.md\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        expect_there("lion_2", names[i]);
    }
    forget(&s);
}

static void test_new__in_another_language_and_folder(void **state)
{
    (void)state;
    said s = assay("plugin", "new", "layer", "gate", "--lang", "c++", "--folder", "of/mine");
    assert_code(&s, 0);
    expect_there("of/mine/gate", "gate.cpp");
    forget(&s);
}

static void test_new__declines_names_that_would_not_compile(void **state)
{
    (void)state;
    expect(assay("plugin", "new", "loss", "Mine"), 2,
        "plugin new: the name \"Mine\": expected a letter, then letters, digits and underscores, "
        "all in lower case");
    expect(assay("plugin", "new", "loss", "2nd"), 2,
        "plugin new: the name \"2nd\": expected a letter, then letters, digits and underscores, "
        "all in lower case");
    expect(assay("plugin", "new", "loss", "../up"), 2,
        "plugin new: the name \"../up\": expected a letter, then letters, digits and underscores, "
        "all in lower case");
    expect(assay("plugin", "new", "loss", "double"), 2,
        "plugin new: \"double\" is a word of C or C++ and cannot name a struct: choose another "
        "name");
    expect(assay("plugin", "new", "loss", "loss", "--lang", "c++"), 2,
        "plugin new: in C++ \"loss\" already has a meaning inside of a component: choose another "
        "name");
    expect(assay("plugin", "new", "loss",
               "a234567890123456789012345678901234567890123456789012345678901"),
        2, "plugin new: the name has 61 characters: at most 60 will do");
}

static void test_new__declines_command_lines_without_sense(void **state)
{
    (void)state;
    expect(assay("plugin", "new", "optimiser", "x"), 2,
        "plugin new: expected one of optimizer|schedule|layer|loss|metric|dataset|search|pruner, "
        "found "
        "\"optimiser\"");
    expect(assay("plugin", "new", "loss"), 2,
        "plugin new: something is missing: assay plugin new KIND NAME");
    expect(assay("plugin", "new", "loss", "x", "y"), 2,
        "plugin new: \"y\" is one word too many: assay plugin new KIND NAME");
    expect(assay("plugin", "new", "loss", "x", "--lang", "rust"), 2,
        "plugin new: --lang: expected one of c|c++, found \"rust\"");
}

static void test_new__touches_nothing_that_is_there(void **state)
{
    (void)state;
    assert_int_equal(mkdir("mine", 0700), 0);
    spill("mine/mine.c", "precious");
    expect(assay("plugin", "new", "loss", "mine"), 2,
        "plugin new: mine is there already, and nothing in it was touched: choose another name, or "
        "--folder DIR");
    char *left = slurp("mine/mine.c");
    assert_string_equal(left, "precious");
    assert_int_not_equal(access("mine/README.md", F_OK), 0);
    free(left);
}

static void test_new__that_cannot_be_written_says_so(void **state)
{
    (void)state;
    spill("file", "no folder");
    said s = assay("plugin", "new", "loss", "mine", "--folder", "file");
    assert_code(&s, 1);
    assert_contains(s.err, "assay: error: file: ");
    forget(&s);
}

static void test_new__warns_of_a_component_of_that_name(void **state)
{
    (void)state;
    said s = assay("plugin", "new", "optimizer", "sgd");
    assert_code(&s, 0);
    assert_string_equal(s.err,
        "assay: warning: there is an optimizer \"sgd\" already, in " TEST_BUILD_DIR
        "/plugins/optimizer/sgd.so: a config that names your file means yours, but in "
        "folders of plugins the two exclude each other, so another name may be better\n");
    forget(&s);
    s = assay("plugin", "new", "schedule", "adam"); /* of another kind */
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    forget(&s);
}

/* -- plugin build -- */

static void test_build__of_a_file_and_of_a_folder(void **state)
{
    (void)state;
    make("metric", "off_by");
    said s = assay("plugin", "build", "off_by/off_by.c", "--debug", "-v");
    assert_code(&s, 0);
    assert_string_equal(s.out, "off_by/off_by.so\n");
    assert_contains(s.err, " -O0 -g ");
    forget(&s);
    assert_int_equal(unlink("off_by/off_by.so"), 0);
    s = assay("plugin", "build", "off_by/", "--", "-DNOT_USED=some words");
    assert_code(&s, 0);
    assert_string_equal(s.out, "off_by/off_by.so\n");
    assert_string_equal(s.err, "");
    forget(&s);
    s = assay("plugin", "info", "off_by/off_by.so");
    assert_code(&s, 0);
    forget(&s);
}

static void test_build__takes_c_and_cpp_together(void **state)
{
    (void)state;
    make("loss", "both");
    spill("both/helper.cpp",
        "extern \"C\" double helper(double v);\ndouble helper(double v) { return v; }\n");
    spill("both/word.h", "not a source");
    said s = assay("plugin", "build", "both", "-o", "both/other.so", "-v");
    assert_code(&s, 0);
    assert_contains(s.err, " -std=c11 ");
    assert_contains(s.err, " -std=c++17 ");
    forget(&s);
    s = assay("plugin", "info", "both/other.so");
    assert_code(&s, 0);
    forget(&s);
    assert_int_equal(system("nm -D --defined-only both/other.so | grep -q helper"), 1 << 8);
}

static void test_build__passes_on_what_the_compiler_says(void **state)
{
    (void)state;
    spill("wrong.c", "int f(\n");
    said s = assay("plugin", "build", "wrong.c");
    assert_code(&s, 1);
    assert_string_equal(s.out, "");
    assert_contains(s.err, "wrong.c:1:");
    assert_contains(
        s.err, "assay: error: plugin build: cc did not build wrong.so: its reasons stand above\n");
    assert_int_not_equal(access("wrong.so", F_OK), 0);
    forget(&s);
    spill("loose.c", "int not_here(void);\nint f(void);\nint f(void) { return not_here(); }\n");
    s = assay("plugin", "build", "loose.c");
    assert_code(&s, 1);
    assert_contains(s.err, "not_here"); /* -z defs: told now, not when it is loaded */
    forget(&s);
}

static void test_build__declines_what_would_crash(void **state)
{
    (void)state;
    static const char *const sources[] = { "int f(void);\nint f(void) { }\n",
        "int f(void);\nint f(void) { return not_declared(); }\n",
        "int f(int *p);\nint f(int *p) { p = 3; return *p; }\n" };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        spill("wrong.c", sources[i]);
        said s = assay("plugin", "build", "wrong.c", "--", "-Wl,-z,undefs");
        assert_code(&s, 1);
        assert_contains(s.err, "wrong.c:2:");
        forget(&s);
    }
    spill("wrong.cpp", "int f();\nint f() { }\n");
    said s = assay("plugin", "build", "wrong.cpp");
    assert_code(&s, 1);
    assert_contains(s.err, "wrong.cpp:2:");
    forget(&s);
}

static void test_build__declines_what_is_no_source(void **state)
{
    (void)state;
    spill("x.f90", "");
    assert_int_equal(mkdir("empty", 0700), 0);
    make("loss", "fine");
    expect(assay("plugin", "build", "none.c"), 2, "plugin build: none.c: no such file or folder");
    expect(assay("plugin", "build", "x.f90"), 2,
        "plugin build: x.f90: expected a source (.c, .cpp, .cc, .cxx) or a folder of them");
    expect(assay("plugin", "build", "empty"), 2,
        "plugin build: there is no source (.c, .cpp, .cc, .cxx) in the folder empty");
    expect(assay("plugin", "build", "fine", "empty"), 2,
        "plugin build: \"empty\" is one word too many: assay plugin build [FILE|FOLDER] [-- "
        "FLAG...]");
    expect(assay("plugin", "build", "fine", "-o", "fine.o"), 2,
        "plugin build: --output fine.o: expected a name that ends in .so, which is what assay "
        "looks for");
}

static void test_build__says_which_compiler_is_missing(void **state)
{
    (void)state;
    char *path = strdup(getenv("PATH"));
    make("loss", "fine");
    setenv("CC", "ccc -v", 1);
    expect(assay("plugin", "build", "fine"), 1,
        "plugin build: CC names \"ccc\", which is not there: correct or unset it");
    unsetenv("CC");
    setenv("PATH", "/none", 1);
    expect(assay("plugin", "build", "fine"), 1,
        "plugin build: there is no C compiler: install one (Debian: gcc), or name it by CC");
    setenv("PATH", path, 1);
    setenv("CC", "env cc", 1); /* several words */
    said s = assay("plugin", "build", "fine");
    assert_code(&s, 0);
    forget(&s);
    unsetenv("CC");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_new__makes_every_file_and_says_what_to_do, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__in_another_language_and_folder, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__declines_names_that_would_not_compile, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__declines_command_lines_without_sense, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__touches_nothing_that_is_there, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__that_cannot_be_written_says_so, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_new__warns_of_a_component_of_that_name, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__of_a_file_and_of_a_folder, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__takes_c_and_cpp_together, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__passes_on_what_the_compiler_says, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__declines_what_would_crash, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__declines_what_is_no_source, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(
            test_build__says_which_compiler_is_missing, enter_scratch, leave_scratch),
    };
    unsetenv("CC");
    unsetenv("CXX");
    setenv("XDG_DATA_HOME", "/none", 1);
    unsetenv("ASSAY_PLUGIN_PATH");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
