/* A host whose table ends early: with an older one the services at the end are not there, and what a plugin asks for by ASSAY_HAS must
 * not lie beyond it. The table is cut after every field and stands right before a page that cannot be read. */
#include <assay/plugin.h>

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIRST_SERVICE = 24, MAX_FIELDS = 64 };

/* Where each field of the host's table begins, as the release has it. */
static size_t host_fields(size_t *offsets)
{
    size_t n = 0;
#define AT(type, field, at) \
    if (strcmp(#type, "assay_host") == 0 && n < MAX_FIELDS) offsets[n++] = (at)
#define AT_LEAST(type, bytes)
#define EXACTLY(type, bytes)
#define IS(constant, number)
#include ABI_LAYOUT
    return n;
}

static void nothing(void)
{
}

/* A table with something in every place, cut to `bytes` before a page that is not there. */
static assay_host *cut_table(char *page, size_t page_bytes, size_t bytes)
{
    char *at = page + page_bytes - bytes;
    void (*const filler)(void) = nothing;
    for (size_t i = FIRST_SERVICE; i < bytes; i += sizeof filler) {
        memcpy(at + i, &filler, sizeof filler);
    }
    const uint64_t size = bytes;
    memcpy(at, &size, sizeof size);
    return (assay_host *)(void *)at;
}

static void test_host_table__may_end_after_any_field(void **state)
{
    (void)state;
    typedef const assay_plugin *entry_function(const assay_host *);
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    char *page =
        mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    assert_int_equal(mprotect(page + page_bytes, page_bytes, PROT_NONE), 0);
    void *library = dlopen(ABI_CAREFUL, RTLD_NOW | RTLD_LOCAL);
    if (!library) print_error("%s\n", dlerror());
    assert_non_null(library);
    void *symbol = dlsym(library, ASSAY_TEXT(ASSAY_ENTRY));
    entry_function *entry;
    memcpy(&entry, &symbol, sizeof symbol);
    size_t offsets[MAX_FIELDS];
    const size_t n = host_fields(offsets);
    int n_services = 0;
    for (size_t i = 0; i < n; i++) {
        if (offsets[i] < FIRST_SERVICE - 8) {
            continue;
        }
        const assay_host *host = cut_table(page, page_bytes, offsets[i] + 8);
        const assay_plugin *p = entry(host);
        const assay_schedule *ops = p->components[0]->ops;
        assay_ctx ctx = { .struct_size = sizeof ctx, .host = host };
        assert_int_equal(ops->validate(&ctx, NULL), n_services);
        n_services++;
    }
    assert_int_equal(n_services, 21); /* none, then one more each time */
    munmap(page, 2 * page_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        test_host_table__may_end_after_any_field) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
