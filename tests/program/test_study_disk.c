/* A study on a disk that becomes full at any moment, in a folder or a file that may only be read, with files that may not grow: the
 * program says what to do and ends with 1, and with room again the study comes to the same table as if nothing had been. Trials
 * are paused and continued, so that checkpoints are among what is written.
 *
 * The disk is a small tmpfs in a mount namespace of the test's own, where it may mount one. */
#define _GNU_SOURCE /* unshare */
#include "study_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A checkpoint has more than a MiB: more than the store wants to be left before it begins a trial. */
static const char config_text[] =
    "name = \"iris\";\n"
    "data = { type = \"csv\"; file = \"" TEST_SOURCE_DIR "/configs/data/iris.csv\";\n"
    "    target = \"species\"; standardize = true; batch_size = 32;\n"
    "    split = { seed = 0; validation = 0.2; test = 0.2; }; };\n"
    "model = ( { type = \"dense\"; units = 320; }, { type = \"tanh\"; },\n"
    "    { type = \"dense\"; units = 320; }, { type = \"tanh\"; }, { type = \"dense\"; units = 3; "
    "} );\n"
    "loss = \"softmax_xent\";\n"
    "optimizer = { type = \"adam\"; };\n"
    "train = { epochs = 9; };\n"
    "study = {\n"
    "    search = \"optimizer.lr=1e-4..1e-1:log\"; metric = \"validation.loss\"; seed = 5;\n"
    "    strategy = { type = \"asha\"; startup = 4; }; fidelity = { min = 1; max = 9; };\n"
    "    budget = { trials = 13; }; retry = { lost = %d; };\n"
    "    sandbox = { level = \"strict\"; fallback = \"process\"; };\n"
    "};\n";

enum { DISK_BYTES = 48 << 20 };

/* With the attempts of a trial that may be lost. */
static void scene_of_disk(scene *s, int n_lost)
{
    char text_of_config[sizeof config_text + 16];
    scene_init(s);
    snprintf(text_of_config, sizeof text_of_config, config_text, n_lost);
    scene_write(s, "iris.cfg", text_of_config);
}

/* phase, proposal, seed, state, value, fidelity, params; not what it took. */
static void keep_rows(scene *s, const char *store, const char *to)
{
    char line[256];
    scene_run(s, "study", "show", store, "--csv", "--trials");
    scene_expect(s, 0);
    scene_write(s, "all.csv", s->out.s);
    snprintf(line, sizeof line, "cut -d, -f5-10,12,13,17 all.csv > %s", to);
    scene_shell(s, line);
}

static void run_on(scene *s, const char *store)
{
    scene_run(s, "study", "run", "iris.cfg", "--store", store, "--jobs", "1", "-q");
}

static void make_whole(scene *s)
{
    run_on(s, "whole.study");
    scene_expect(s, 0);
    keep_rows(s, "whole.study", "whole.rows");
    char *rows = scene_read(s, "whole.rows", NULL);
    has(rows, "paused");
    has(rows, "done");
    free(rows);
}

/* Where there is room: sound, and goes on to the same end. */
static void must_go_on(scene *s, const char *store)
{
    run_on(s, store);
    scene_expect(s, 0);
    keep_rows(s, store, "cut.rows");
    assert_true(scene_same_bytes(s, "whole.rows", "cut.rows"));
    scene_run(s, "study", "check", store, "--json");
    scene_expect(s, 0);
    has(s->out.s, "\"is_sound\": true");
}

/* -- A disk -- */

static bool mount_disk(const scene *s)
{
    char options[64];
    const char *disk = scene_path(s, "disk");
    snprintf(options, sizeof options, "size=%d", (int)DISK_BYTES);
    return mkdir(disk, 0700) == 0 && unshare(CLONE_NEWNS) == 0 &&
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", disk, "tmpfs", 0, options) == 0;
}

static void need_disk(scene *s)
{
    if (mount_disk(s)) return;
    print_message("skipped: a tmpfs cannot be mounted here: %s\n", strerror(errno));
    scene_release(s);
    skip();
}

static void unmount_disk(scene *s)
{
    assert_int_equal(umount2(scene_path(s, "disk"), MNT_DETACH), 0);
    scene_release(s);
}

/* Fills the disk but for `left` bytes. */
static void fill_disk(const scene *s, size_t left)
{
    static const char zeros[65536];
    struct stat info;
    const int fd = open(scene_path(s, "disk/filler"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(ftruncate(fd, info.st_size > (off_t)left ? info.st_size - (off_t)left : 0), 0);
    close(fd);
}

static void test_a_full_disk__is_told_and_resumed_from(void **state)
{
    enum { MIB = 1 << 20 };
    scene s;
    int n_refused = 0, n_of_checkpoints = 0;
    (void)state;
    scene_of_disk(&s, 0);
    make_whole(&s);
    need_disk(&s);
    for (size_t left = 0; left < DISK_BYTES;
         left += left < 2 * MIB ? 256 << 10 : 2 * MIB + (300 << 10)) {
        fill_disk(&s, left);
        run_on(&s, "disk/s.study");
        if (s.code != 0) {
            scene_expect(&s, 1);
            n_refused++;
            n_of_checkpoints += strstr(s.err.s, ".ckpt") != NULL;
            has(s.err.s, "disk/s.study");
            has(s.err.s, "resume");
        }
        assert_int_equal(unlink(scene_path(&s, "disk/filler")), 0);
        must_go_on(&s, "disk/s.study");
        scene_shell(&s, "rm -r disk/*");
    }
    print_message(
        "%d refused, %d of them while a checkpoint was written\n", n_refused, n_of_checkpoints);
    assert_true(n_refused > 10);
    assert_true(n_of_checkpoints > 3);
    unmount_disk(&s);
}

/* -- What may only be read -- */

static void must_refuse(scene *s, const char *what)
{
    scene_expect(s, 1);
    has(s->err.s, "disk/s.study");
    has(s->err.s, what);
}

static void test_a_folder_that_may_only_be_read__is_told_and_harmless(void **state)
{
    scene s;
    (void)state;
    scene_of_disk(&s, 0);
    make_whole(&s);
    need_disk(&s);
    const char *disk = scene_path(&s, "disk");
    for (int n = 0; n < 2; n++) { /* before there is a store, and when there is half of one */
        assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        run_on(&s, "disk/s.study");
        must_refuse(&s, "its file system may only be read");
        assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT, NULL), 0);
        if (n == 0) {
            fill_disk(&s, 9 << 20);
            run_on(&s, "disk/s.study");
            scene_expect(&s, 1);
            assert_int_equal(unlink(scene_path(&s, "disk/filler")), 0);
        }
    }
    assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    scene_run(&s, "study", "show", "disk/s.study", "--trials"); /* to look at it is no harm */
    scene_expect(&s, 0);
    assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT, NULL), 0);
    must_go_on(&s, "disk/s.study");
    unmount_disk(&s);
}

static void test_a_store_that_may_only_be_read__is_told_and_harmless(void **state)
{
    scene s;
    (void)state;
    scene_of_disk(&s, 0);
    make_whole(&s);
    need_disk(&s);
    fill_disk(&s, 9 << 20);
    run_on(&s, "disk/s.study");
    scene_expect(&s, 1);
    assert_int_equal(unlink(scene_path(&s, "disk/filler")), 0);
    const char *store = scene_path(&s, "disk/s.study");
    assert_int_equal(mount(store, store, NULL, MS_BIND, NULL), 0);
    assert_int_equal(mount(NULL, store, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    run_on(&s, "disk/s.study");
    must_refuse(&s, "may only be read: permit writing to the file and its folder");
    assert_int_equal(umount2(store, 0), 0);
    must_go_on(&s, "disk/s.study");
    unmount_disk(&s);
}

/* -- Files that may not grow -- */

static void test_files_that_may_not_grow__are_told_and_resumed_from(void **state)
{
    scene s;
    int n_refused = 0;
    (void)state;
    scene_of_disk(&s, 1); /* where not even that it was given back can be written */
    make_whole(&s);
    for (int kib = 0; kib < 4096; kib += kib < 256 ? 32 : kib / 2) {
        char line[512];
        snprintf(line, sizeof line,
            "(trap '' XFSZ; ulimit -f %d; exec \"$BUILD/assay\" study run iris.cfg --store s.study "
            "--jobs 1 -q 2>&1 > /dev/null) | cat > said; true",
            2 * kib);
        scene_shell(&s, line);
        char *said = scene_read(&s, "said", NULL);
        const bool was_refused = strstr(said, "assay: error: ") != NULL;
        if (said[0] && !was_refused) has(said, "the strict sandbox is not possible here");
        if (was_refused && !strstr(said, "s.study") && !strstr(said, "resumed"))
            GIVE_UP("%d KiB: %s", kib, said);
        n_refused += was_refused;
        free(said);
        must_go_on(&s, "s.study");
        scene_shell(&s, "rm -r s.study*");
    }
    print_message("%d refused\n", n_refused);
    assert_true(n_refused > 5);
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_disk__is_told_and_resumed_from),
        cmocka_unit_test(test_a_folder_that_may_only_be_read__is_told_and_harmless),
        cmocka_unit_test(test_a_store_that_may_only_be_read__is_told_and_harmless),
        cmocka_unit_test(test_files_that_may_not_grow__are_told_and_resumed_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
