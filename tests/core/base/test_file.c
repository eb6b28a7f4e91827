/* Files in a folder of this test's own. Also the clock, hashes and stop reasons. */
#include "base/clock.h"
#include "base/file.h"
#include "base/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int enter_folder(void **state)
{
    char template[] = "/tmp/assay-test-file-XXXXXX";
    if (!mkdtemp(template) || chdir(template) != 0) return -1;
    *state = strdup(template);
    return *state ? 0 : -1;
}

static int leave_folder(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", (const char *)*state);
    free(*state);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void test_file__an_atomic_write_replaces_as_a_whole(void **state)
{
    (void)state;
    error e = { 0 };
    assert_int_equal(file_make_dirs("atomic", &e), OK);
    const mode_t before = umask(027);
    assert_int_equal(file_write_atomic("atomic/a.txt", "first, longer", 13, &e), OK);
    assert_int_equal(file_write_atomic("atomic/a.txt", "second", 6, &e), OK);
    umask(before);
    char *content;
    size_t n;
    assert_int_equal(file_read("atomic/a.txt", &content, &n, &e), OK);
    assert_int_equal(n, 6);
    assert_string_equal(content, "second");
    free(content);
    struct stat info;
    assert_int_equal(stat("atomic/a.txt", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(count_entries("atomic"), 1);
}

static status write_half(int fd, void *arg, error *err)
{
    const char *why = arg;
    const status st = fd_write_all(fd, "half", "half", 4, err);
    return st == OK ? fail(err, E_NUMERIC, "%s", why) : st;
}

static void test_file__a_write_that_ends_badly_leaves_the_old_file(void **state)
{
    (void)state;
    error e = { 0 };
    char why[] = "stopped half way";
    assert_int_equal(file_make_dirs("bad", &e), OK);
    assert_int_equal(file_write_atomic("bad/a.txt", "old", 3, &e), OK);
    assert_int_equal(file_write_atomic_by("bad/a.txt", write_half, why, &e), E_NUMERIC);
    assert_string_equal(e.text, why);
    char *content;
    size_t n;
    assert_int_equal(file_read("bad/a.txt", &content, &n, &e), OK);
    assert_string_equal(content, "old");
    free(content);
    assert_int_equal(count_entries("bad"), 1);
    assert_int_equal(file_write_atomic("nowhere/a.txt", "x", 1, &e), E_IO);
    assert_non_null(strstr(e.text, "nowhere/a.txt"));
    assert_int_equal(file_make_dirs("bad/folder/inside", &e), OK);
    assert_int_equal(file_write_atomic("bad/folder", "x", 1, &e), E_IO);
    assert_int_equal(count_entries("bad"), 2);
}

static void test_file__a_leftover_temporary_is_no_obstacle(void **state)
{
    (void)state;
    error e = { 0 };
    char name[64];
    snprintf(name, sizeof name, "left.txt.tmp.%ld.0", (long)getpid());
    assert_int_equal(file_write_atomic(name, "stale", 5, &e), OK);
    assert_int_equal(file_write_atomic("left.txt", "new", 3, &e), OK);
    assert_true(file_exists("left.txt"));
    assert_int_equal(unlink(name), 0);
}

static void test_file__reading_what_is_not_there_names_the_reason(void **state)
{
    (void)state;
    error e = { 0 };
    char *content;
    size_t n;
    file_map map;
    assert_int_equal(file_read("missing.csv", &content, &n, &e), E_IO);
    assert_string_equal(e.text, "missing.csv: cannot open: No such file or directory");
    assert_int_equal(file_map_open("missing.csv", &map, &e), E_IO);
    assert_int_equal(file_make_dirs("d", &e), OK);
    assert_int_equal(file_read("d", &content, &n, &e), E_IO);
    assert_string_equal(e.text, "d: cannot open: Is a directory");
    assert_int_equal(file_map_open("d", &map, &e), E_IO);
    assert_int_equal(fd_write_all(-1, "closed", "x", 1, &e), E_IO);
}

static void test_file__maps_and_reads_agree(void **state)
{
    (void)state;
    enum { N = 70001 };
    static unsigned char bytes[N];
    error e = { 0 };
    for (size_t i = 0; i < N; i++)
        bytes[i] = (unsigned char)(i * i % 253);
    assert_int_equal(file_write_atomic("big.bin", bytes, N, &e), OK);
    file_map map;
    assert_int_equal(file_map_open("big.bin", &map, &e), OK);
    assert_int_equal(map.n, N);
    assert_memory_equal(map.data, bytes, N);
    char *content;
    size_t n;
    assert_int_equal(file_read("big.bin", &content, &n, &e), OK);
    assert_int_equal(n, N);
    assert_memory_equal(content, bytes, N);
    assert_int_equal(content[N], 0);
    free(content);
    file_map_close(&map);
    assert_null(map.data);
    assert_int_equal(file_write_atomic("empty", "", 0, &e), OK);
    assert_int_equal(file_map_open("empty", &map, &e), OK);
    assert_null(map.data);
    file_map_close(&map);
    assert_int_equal(file_read("/proc/self/status", &content, &n, &e), OK); /* says size 0 */
    assert_true(n > 100 && strlen(content) == n);
    free(content);
}

static void test_file__folders_are_made_with_their_parents(void **state)
{
    (void)state;
    error e = { 0 };
    assert_int_equal(file_make_dirs("p/q//r/", &e), OK);
    assert_int_equal(file_make_dirs("p/q/r", &e), OK);
    assert_true(file_is_dir("p/q/r"));
    char absolute[256];
    assert_non_null(getcwd(absolute, 128));
    strcat(absolute, "/p/s/t");
    assert_int_equal(file_make_dirs(absolute, &e), OK);
    assert_true(file_is_dir("p/s/t"));
    assert_int_equal(file_write_atomic("p/file", "x", 1, &e), OK);
    assert_false(file_is_dir("p/file"));
    assert_int_equal(file_make_dirs("p/file/x", &e), E_IO);
    assert_int_equal(file_make_dirs("p/file", &e), E_IO);
    assert_string_equal(e.text, "p/file: cannot create this folder: Not a directory");
    assert_int_equal(file_make_dirs("/proc/nothing/here", &e), E_IO);
}

static void test_path__parts_and_joins(void **state)
{
    (void)state;
    arena a = { 0 };
    assert_string_equal(path_dir(&a, "configs/digits.cfg"), "configs");
    assert_string_equal(path_dir(&a, "digits.cfg"), ".");
    assert_string_equal(path_dir(&a, "/digits.cfg"), "/");
    assert_string_equal(path_base("configs/digits.cfg"), "digits.cfg");
    assert_string_equal(path_base("digits.cfg"), "digits.cfg");
    assert_string_equal(path_join(&a, "configs", "data/x.csv"), "configs/data/x.csv");
    assert_string_equal(path_join(&a, "/", "x.csv"), "/x.csv");
    assert_string_equal(path_join(&a, ".", "x.csv"), "x.csv");
    assert_string_equal(path_join(&a, "configs", "/x.csv"), "/x.csv");
    assert_string_equal(path_absolute(&a, "/a/./b//../c/"), "/a/c");
    assert_string_equal(path_absolute(&a, "/../.."), "/");
    assert_string_equal(path_absolute(&a, "/a/..b/.c"), "/a/..b/.c");
    char here[200];
    assert_non_null(getcwd(here, 128));
    assert_string_equal(path_absolute(&a, "."), here);
    assert_string_equal(path_absolute(&a, "x/.."), here);
    strcat(here, "/x.csv");
    assert_string_equal(path_absolute(&a, "y/../x.csv"), here);
    arena_release(&a);
}

/* The answers are those of xxhsum -H2 (xxHash 0.8.1). */
static void test_hash__is_xxh3_whole_or_in_pieces(void **state)
{
    (void)state;
    char hex[33], pieces[33];
    hash_hex(hex, "", 0);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    assert_true(hash_u64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
    assert_true(hash_u64("a", 1, 1) != hash_u64("a", 1, 2));
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 101);
    hash_hex(hex, bytes, sizeof bytes);
    hash_stream *h = hash_stream_new();
    assert_non_null(h);
    for (size_t i = 0; i < sizeof bytes; i += 8)
        hash_stream_add(h, bytes + i, 8);
    hash_stream_add(h, NULL, 0);
    hash_stream_hex(h, pieces);
    hash_stream_free(h);
    assert_string_equal(hex, pieces);
}

static void test_clock__runs_forward_and_counts_work(void **state)
{
    (void)state;
    const double wall_s = clock_wall_s(), cpu_s = clock_cpu_s(), thread_s = clock_thread_cpu_s();
    volatile double work = 0.0;
    for (int i = 0; i < 1000000; i++)
        work = work + 1e-9 * i;
    assert_true(clock_wall_s() > wall_s);
    assert_true(clock_cpu_s() > cpu_s);
    assert_true(clock_thread_cpu_s() > thread_s);
    const double of_thread_s = clock_thread_cpu_s(); /* read first: both clocks run on */
    assert_true(clock_cpu_s() >= of_thread_s);
    char iso[24];
    int year, month, day, hour, minute, second, n = 0;
    clock_iso(iso);
    assert_int_equal(
        sscanf(iso, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute, &second, &n),
        6);
    assert_int_equal(n, 20);
    assert_int_equal(strlen(iso), 20);
}

static void test_record__stop_reasons_have_their_names(void **state)
{
    (void)state;
    static const char *const names[] = { "running", "epochs", "early_stopping", "target", "time",
        "diverged", "interrupted" };
    for (int i = 0; i < 7; i++)
        assert_string_equal(stop_reason_name((stop_reason)i), names[i]);
    assert_string_equal(stop_reason_name((stop_reason)7), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file__an_atomic_write_replaces_as_a_whole),
        cmocka_unit_test(test_file__a_write_that_ends_badly_leaves_the_old_file),
        cmocka_unit_test(test_file__a_leftover_temporary_is_no_obstacle),
        cmocka_unit_test(test_file__reading_what_is_not_there_names_the_reason),
        cmocka_unit_test(test_file__maps_and_reads_agree),
        cmocka_unit_test(test_file__folders_are_made_with_their_parents),
        cmocka_unit_test(test_path__parts_and_joins),
        cmocka_unit_test(test_hash__is_xxh3_whole_or_in_pieces),
        cmocka_unit_test(test_clock__runs_forward_and_counts_work),
        cmocka_unit_test(test_record__stop_reasons_have_their_names),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
