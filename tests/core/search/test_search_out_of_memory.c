/* Spaces and searches while memory runs out: each allocation fails once; nothing leaks or breaks, and the reason is said. */
#include "support/failing_allocator.h"

#include "search/strategy_job.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

static const char *const written =
    "type=sgd,adam lr=1e-6..1:log momentum=0..0.99?type=sgd batch=1..256:log2int layers=1..4";

static status life(registry *r, sandbox *box, config *c, error *err)
{
    status st = OK;
    space s = { 0 };
    search *search_of = NULL;
    search_trial got[3];
    size_t n;
    bool over;
    text line = { 0 };
    arena a = { 0 };
    const search_options o = { .seed = 7 };
    TRY(space_add_text(&s, written, NULL, err));
    const search_place place = { .sandbox = box, .level = SANDBOX_PROCESS };
    value *block = value_find(config_root(c), "search");
    TRY(box ? search_new_in(&place, c, block, NULL, &s, &o, &search_of, err)
            : search_new(r, c, block, NULL, &s, &o, &search_of, err));
    for (int i = 0; i < 30; i++) {
        TRY(search_ask(search_of, 3, got, &n, &over, err));
        const search_result result = { .trial = got[0].number,
            .state = ASSAY_TRIAL_DONE,
            .value = 0.731 * i,
            .standard_error = (double)NAN };
        TRY(search_tell(search_of, &result, NULL, err));
    }
    const search_entry e = { .kind = SEARCH_ASKED, .want = 3, .trials = got, .n_trials = n };
    search_entry_to_json(&s, &e, &line);
    TRY(text_check(&line, err));
    char strings[2000];
    search_entry back;
    json_in j = { .what = "entry", .s = line.s, .n = line.n, .strings = strings };
    TRY(search_entry_from_json(&s, &j, &a, &back, err));
    char id[33];
    TRY(space_id(&s, id, err));
done:
    arena_release(&a);
    text_release(&line);
    search_free(search_of);
    space_release(&s);
    return st;
}

static void test_search__says_that_memory_is_out(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    registry *r;
    config *c;
    error err = { 0 };
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(config_parse("x.cfg", "search = { type = \"random\"; };", &c, &err), OK);
    assert_int_equal(life(r, NULL, c, &err), OK);
    n_allocations = 0;
    assert_int_equal(life(r, NULL, c, &err), OK);
    const long n = n_allocations;
    if (n <= 20) print_error("%ld allocations\n", n);
    assert_true(n > 20);
    for (long i = 0; i < n; i++) {
        n_allocations = 0;
        fails_at = i;
        err = (error){ 0 };
        const status st = life(r, NULL, c, &err);
        fails_at = -1;
        if (st != E_NOMEM) print_error("allocation %ld of %ld: %d \"%s\"\n", i, n, st, err.text);
        assert_int_equal(st, E_NOMEM);
        assert_true(err.text[0] != '\0');
    }
    assert_int_equal(life(r, NULL, c, &err), OK);
    config_free(c);
    registry_free(r);
}

/* Of the host: the strategy's process has memory. What only words need may go without. */
static void test_search_in_a_process__says_that_memory_is_out(void **state)
{
    config *c;
    sandbox *box;
    error err = { 0 };
    long n_failed = 0;
    const sandbox_options o = { .program = TEST_BUILD_DIR "/assay" };
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip();
#endif
    assert_int_equal(sandbox_open(&o, &box, &err), OK);
    assert_int_equal(config_parse("x.cfg", "search = { type = \"random\"; };", &c, &err), OK);
    assert_int_equal(life(NULL, box, c, &err), OK);
    n_allocations = 0;
    assert_int_equal(life(NULL, box, c, &err), OK);
    const long n = n_allocations;
    assert_true(n > 20);
    for (long i = 0; i < n; i++) {
        n_allocations = 0;
        fails_at = i;
        err = (error){ 0 };
        const status st = life(NULL, box, c, &err);
        fails_at = -1;
        n_failed += st == E_NOMEM;
        if (st != E_NOMEM && st != OK)
            print_error("allocation %ld of %ld: %d \"%s\"\n", i, n, st, err.text);
        assert_true(st == OK || (st == E_NOMEM && err.text[0] != '\0'));
    }
    assert_true(n_failed > n / 3);
    assert_int_equal(life(NULL, box, c, &err), OK);
    config_free(c);
    sandbox_close(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_search__says_that_memory_is_out),
        cmocka_unit_test(test_search_in_a_process__says_that_memory_is_out) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
