/* Every allocation of this room fails once: nothing crashes, nothing leaks, and what
 * is reported is that memory is out.
 *
 * This program's own allocators take the place of the C library's; in a sanitizer's build, which
 * has its own, only that of arenas does. While the dynamic linker and libconfig (which reads the
 * texts of special cases) work nothing fails: what they do without memory is not ours. */
#include "registry/instance.h"

#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define NOT_WATCHED \
    __attribute__((no_sanitize("address", "undefined"))) /* sanitizers start by calling these */
#define REPLACES_LIBC NOT_WATCHED __attribute__((visibility("default")))

static long n_allocations, fails_at = -1, n_blocks;

/* Memory, or NULL when it is this call's turn. */
static void *take(size_t alignment, size_t bytes)
{
    void *memory = NULL;
    if (n_allocations++ == fails_at) {
        errno = ENOMEM;
        return NULL;
    }
    if (posix_memalign(&memory, alignment, bytes ? bytes : 1) != 0) return NULL;
    n_blocks++;
    return memory;
}

REPLACES_LIBC void *aligned_alloc(size_t alignment, size_t bytes)
{
    return take(alignment, bytes);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LEAST_FAILURES = 1, COUNTS_BLOCKS = 0 };
#else
enum { LEAST_FAILURES = 10, COUNTS_BLOCKS = 1 };

void __libc_free(void *memory);

REPLACES_LIBC void free(void *memory)
{
    if (memory) n_blocks--;
    __libc_free(memory);
}

REPLACES_LIBC void *malloc(size_t bytes)
{
    return take(16, bytes);
}

REPLACES_LIBC void *calloc(size_t n, size_t each)
{
    if (each && n > SIZE_MAX / each) return NULL;
    void *memory = take(16, n * each);
    if (memory) memset(memory, 0, n * each);
    return memory;
}

REPLACES_LIBC void *realloc(void *old, size_t bytes)
{
    void *memory = take(16, bytes);
    if (!memory || !old) return memory;
    const size_t had = malloc_usable_size(old);
    memcpy(memory, old, had < bytes ? had : bytes);
    free(old);
    return memory;
}

#endif

REPLACES_LIBC void *dlopen(const char *path, int mode)
{
    void *(*next)(const char *, int);
    const long armed = fails_at, so_far = n_allocations;
    fails_at = -1;
    void *symbol = dlsym(RTLD_NEXT, "dlopen");
    memcpy(&next, &symbol, sizeof symbol);
    void *library = next(path, mode);
    fails_at = armed;
    n_allocations = so_far;
    return library;
}

struct config_t;
void config_init(struct config_t *c);
int config_read_string(struct config_t *c, const char *written);

REPLACES_LIBC void config_init(struct config_t *c)
{
    void (*next)(struct config_t *);
    const long armed = fails_at, so_far = n_allocations;
    fails_at = -1;
    void *symbol = dlsym(RTLD_NEXT, "config_init");
    memcpy(&next, &symbol, sizeof symbol);
    next(c);
    fails_at = armed;
    n_allocations = so_far;
}

REPLACES_LIBC int config_read_string(struct config_t *c, const char *written)
{
    int (*next)(struct config_t *, const char *);
    const long armed = fails_at, so_far = n_allocations;
    fails_at = -1;
    void *symbol = dlsym(RTLD_NEXT, "config_read_string");
    memcpy(&next, &symbol, sizeof symbol);
    const int is_read = next(c, written);
    fails_at = armed;
    n_allocations = so_far;
    return is_read;
}

/* Finds, loads, binds and makes an optimizer with two nested components. */
static status make_all(plugin_fixture *f, error *err)
{
    const char *dirs[] = { fixture_path(f, "dir"), NULL };
    const registry_options o = {
        .program_path = fixture_path(f, "bin/prog"), .no_environment = true, .dirs = dirs
    };
    registry *r = NULL;
    instance *i = NULL;
    status st = OK;
    TRY(registry_new(&o, &r, err));
    TRY(registry_add_config(r, f->c, err));
    TRY(instance_new(
        r, f->c, "optimizer", value_find(config_root(f->c), "x"), NULL, 1, "x", &i, err));
    if (i->ctx.host->alloc(&i->ctx, 100000) == NULL) st = fail_nomem(err, "alloc");
done:
    instance_free(i);
    registry_free(r);
    return st;
}

/* One run with allocation `i_failing` failing; whether one was left to fail. */
static bool run_once(plugin_fixture *f, const char *source, long i_failing, status expected)
{
    error err = { 0 };
    const long n_before = n_blocks;
    fixture_load(f, source); /* anew: binding writes into the tree */
    n_allocations = 0;
    fails_at = i_failing;
    const status st = make_all(f, &err);
    fails_at = -1;
    const bool has_failed = i_failing >= 0 && n_allocations > i_failing;
    config_free(f->c);
    f->c = NULL;
    /* building a message may lose a part of it; the fault stays what it was */
    if (st != expected && !(has_failed && st == E_NOMEM)) {
        GIVE_UP("allocation %ld: %s", i_failing, err.text);
    }
    if (has_failed && st == OK) GIVE_UP("allocation %ld failed and nobody noticed", i_failing);
    if (COUNTS_BLOCKS && i_failing >= 0 && n_blocks != n_before) {
        GIVE_UP("allocation %ld: %ld blocks leak", i_failing, n_blocks - n_before);
    }
    return has_failed;
}

/* Runs the scenario whole, then with its first allocation failing, its second, until none is left
 * to. */
static void fail_each(const char *source, status expected)
{
    plugin_fixture f;
    long i_failing = 0;
    fixture_init(&f);
    fixture_folder(&f, "dir/sub");
    fixture_folder(&f, "mine");
    fixture_folder(&f, "bin");
    fixture_copy(&f, "bad_plugins/no_info.so", "bin/prog"); /* any file will do */
    fixture_copy(&f, "good_plugins/every_kind.so", "dir/sub/every_kind.so");
    fixture_copy(&f, "bad_plugins/no_info.so", "dir/no_info.so");
    fixture_copy(&f, "good_plugins/half_known.so", "mine/half_known.so");
    run_once(&f, source, -1, expected); /* what a first loading takes stays taken */
    while (run_once(&f, source, i_failing, expected))
        i_failing++;
    assert_true(i_failing >= LEAST_FAILURES);
    fixture_release(&f);
}

static void test_out_of_memory__making_components(void **state)
{
    (void)state;
    fail_each("plugins = ( \"mine/half_known.so\" );\n"
              "x = { type = \"every_kind:tiny\"; file = \"a\"; factors = ( 0.5 );\n"
              "inner = \"tiny\"; plan = { type = \"stair\"; }; };",
        OK);
}

static void test_out_of_memory__saying_what_is_wrong(void **state)
{
    (void)state;
    fail_each("x = { type = \"tiny\"; lrr = 1; };", E_UNKNOWN);
    fail_each("x = { type = \"tinny\"; };", E_UNKNOWN);
    fail_each("x = { type = \"tiny\"; mode = \"men\"; };", E_UNKNOWN);
    fail_each("x = { type = \"tiny\"; plan = \"stair\"; inner = { type = \"tiny\"; lr = -1; }; };",
        E_RANGE);
    fail_each("plugins = ( \"mine/half_known.so\" ); x = \"broken\";", E_PLUGIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory__making_components),
        cmocka_unit_test(test_out_of_memory__saying_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
