/* Every allocation of opening a dataset of sequences fails once: the answer is E_NOMEM, and nothing is lost, as AddressSanitizer's
 * build of this test sees. */
#include "core/data/fixture.h"

#include "support/failing_allocator.h"

#if defined(__SANITIZE_THREAD__)

int main(void)
{
    puts("skipped: the allocator cannot be replaced here");
    return 77;
}

#else

/* Fails the first allocation, the second, ... until opening needs no further one. libcsv, where it reads, asks for less when it
 * does not get what it wants, so `n_spared` of them may do no harm. */
static void check_but(fixture *f, const char *inside, int n_spared)
{
    fixture_open(f, inside); /* everything is loaded, and the tree has its defaults */
    dataset_free(f->d);
    f->d = NULL;
    value *block = value_find(config_root(f->c), "data");
    for (long k = 0;; k++) {
        dataset *d = NULL;
        error err = { .code = OK };
        n_allocations = 0;
        fails_at = k;
        const status st = dataset_open(f->r, f->c, block, &d, &err);
        const bool was_reached = n_allocations > k;
        fails_at = -1;
        dataset_free(d);
        if (!was_reached) {
            assert_int_equal(st, OK);
            assert_true(k > 4);
            break;
        }
        if (st != E_NOMEM && (st != OK || n_spared-- == 0)) {
            fail_msg("allocation %ld failed: %s: %s", k, status_name(st), err.text);
        }
    }
}

static void check(fixture *f, const char *inside)
{
    check_but(f, inside, 0);
}

static void test_text__reports_every_allocation_that_fails(void **state)
{
    fixture *f = *state;
    fixture_write(f, "t.txt", "a b a c\nb a\n");
    fixture_write(f, "u.txt", "c a\n");
    fixture_write(f, "v.json", "[\"a\", \"b\", \"<unk>\", \"<eos>\"]");
    check(f, "type = \"text\"; file = \"$/t.txt\";");
    check(f, "type = \"text\"; file = \"$/t.txt\"; test_file = \"$/u.txt\"; level = \"byte\";");
    check(f, "type = \"text\"; file = \"$/t.txt\"; sample = \"line\"; test_file = \"$/u.txt\";");
    check(f, "type = \"text\"; file = \"$/t.txt\"; level = \"word\"; min_count = 2;");
    check(f, "type = \"text\"; file = \"$/t.txt\"; level = \"word\"; vocabulary = \"$/v.json\";");
}

static void test_pianoroll__reports_every_allocation_that_fails(void **state)
{
    fixture *f = *state;
    static const unsigned char frames[] = "\x93NUMPY\x01\0\x42\0"
                                          "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2)}"
                                          "         \n"
                                          "\1\0\0\0\1\1";
    static const unsigned char lengths[] = "\x93NUMPY\x01\0\x42\0"
                                           "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}"
                                           "          \n"
                                           "\3";
    fixture_write(f, "p.txt", "0 1,3 -\n2 3\n");
    fixture_write_bytes(f, "j.frames.npy", frames, sizeof(frames) - 1);
    fixture_write_bytes(f, "j.lengths.npy", lengths, sizeof(lengths) - 1);
    check(f, "type = \"pianoroll\"; file = \"$/p.txt\"; validation_file = \"$/p.txt\";");
    check(f, "type = \"pianoroll\"; file = \"$/j.frames.npy\"; keys = 2;");
}

static void test_series__reports_every_allocation_that_fails(void **state)
{
    fixture_write(*state, "s.csv", "day,a,b\nmon,1,2\ntue,2,?\nwed,3,4\n");
    check_but(*state, "type = \"series\"; file = \"$/s.csv\"; history = 1; missing = \"mean\";", 1);
}

static void test_long_memory__reports_every_allocation_that_fails(void **state)
{
    check(*state, "type = \"adding\"; samples = 5000; length = 40;");
    check(*state, "type = \"copy_memory\"; samples = 5000; length = 40;");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_text__reports_every_allocation_that_fails),
        T(test_pianoroll__reports_every_allocation_that_fails),
        T(test_series__reports_every_allocation_that_fails),
        T(test_long_memory__reports_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
