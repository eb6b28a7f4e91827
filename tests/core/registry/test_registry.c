/* Plugins that are right, plugins that are wrong in every way of tests/bad_plugins, and files that
 * are no plugins. */
#include "registry/registry.h"

#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <dirent.h>
#include <elf.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* A fixture whose registry searches a folder with one built plugin in it. */
static void open_with(plugin_fixture *f, const char *built, const char *name)
{
    fixture_init(f);
    fixture_folder(f, "dir");
    fixture_copy(f, built, name);
    const char *dirs[] = { fixture_path(f, "dir"), NULL };
    fixture_open(f, dirs);
}

static const plugin_file *file_named(const plugin_fixture *f, const char *base)
{
    for (size_t i = 0; i < registry_count(f->r); i++) {
        const plugin_file *file = registry_file(f->r, i);
        if (strcmp(path_base(file->path), base) == 0) return file;
    }
    GIVE_UP("no file %s", base);
    return NULL;
}

static void test_listing__tells_what_the_section_says(void **state)
{
    (void)state;
    plugin_fixture f;
    open_with(&f, "good_plugins/every_kind.so", "dir/every_kind.so");
    const plugin_file *file = file_named(&f, "every_kind.so");
    assert_null(file->refused);
    assert_false(file->is_loaded);
    assert_string_equal(file->found_by, "dirs");
    assert_string_equal(file->name, "every_kind");
    assert_string_equal(file->version, "1.2");
    assert_int_equal(file->abi_major, ASSAY_ABI_MAJOR);
    assert_int_equal(file->abi_minor, ASSAY_ABI_MINOR);
    assert_int_equal(file->target_minor, 0);
    assert_true(file->draft_hash == ASSAY_DRAFT_HASH);
    assert_int_equal(file->n_components, 6);
    bool is_found = false;
    for (size_t i = 0; i < file->n_components; i++) {
        const component_info *c = &file->components[i];
        assert_null(c->refused);
        if (strcmp(c->id, "tiny") != 0) continue;
        is_found = true;
        assert_string_equal(c->kind, "optimizer");
        assert_string_equal(c->version, "1.2");
        assert_string_equal(c->doc, "a tiny optimizer");
    }
    assert_true(is_found);
    fixture_release(&f);
}

static void test_listing__runs_no_plugin_code(void **state)
{
    (void)state;
    plugin_fixture f;
    open_with(&f, "good_plugins/leaves_mark.so", "dir/leaves_mark.so");
    const char *mark = fixture_path(&f, "mark");
    setenv("ASSAY_TEST_MARK", mark, 1);
    assert_null(file_named(&f, "leaves_mark.so")->refused);
    assert_false(file_exists(mark));
    const component *c;
    assert_int_equal(registry_find(f.r, "optimizer", "leaves_mark", NULL, &c, &f.err), OK);
    assert_true(file_exists(mark)); /* so the plugin is one that would have left it */
    unsetenv("ASSAY_TEST_MARK");
    fixture_release(&f);
}

static void test_find__gives_a_component_of_every_kind(void **state)
{
    (void)state;
    static const char *const wanted[][2] = { { "optimizer", "tiny" }, { "schedule", "stair" },
        { "layer", "tiny_layer" }, { "loss", "tiny_loss" }, { "metric", "tiny_metric" },
        { "dataset", "tiny_data" } };
    plugin_fixture f;
    open_with(&f, "good_plugins/every_kind.so", "dir/every_kind.so");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const component *c;
        assert_int_equal(registry_find(f.r, wanted[i][0], wanted[i][1], NULL, &c, &f.err), OK);
        assert_string_equal(c->kind, wanted[i][0]);
        assert_string_equal(c->id, wanted[i][1]);
        assert_non_null(c->ops);
        assert_true(c->file->is_loaded);
        assert_int_equal(strlen(c->file->hash), 32);
    }
    const component *const *all;
    size_t n;
    assert_int_equal(registry_load_file(f.r, registry_file(f.r, 0), &all, &n, &f.err), OK);
    assert_int_equal(n, 6);
    assert_string_equal(all[0]->id, "tiny");
    assert_int_equal(all[0]->hypers.n, 12);
    const assay_optimizer *ops = all[0]->ops;
    assert_int_equal(ops->struct_size, sizeof(assay_optimizer));
    assert_non_null(ops->model);
    assert_null(ops->elem);
    assert_string_equal(f.log.s ? f.log.s : "", "");
    fixture_release(&f);
}

static void test_find__suggests_or_lists(void **state)
{
    (void)state;
    plugin_fixture f;
    const origin at = { "x.cfg", 3 };
    const component *c;
    open_with(&f, "good_plugins/every_kind.so", "dir/every_kind.so");
    assert_int_equal(registry_find(f.r, "optimizer", "tinny", &at, &c, &f.err), E_UNKNOWN);
    assert_string_equal(f.err.text, "x.cfg:3: unknown optimizer \"tinny\": did you mean \"tiny\"?");
    assert_int_equal(registry_find(f.r, "schedule", "cosine", &at, &c, &f.err), E_UNKNOWN);
    assert_string_equal(f.err.text, "x.cfg:3: unknown schedule \"cosine\": known are stair");
    assert_int_equal(registry_find(f.r, "teapot", "pot", &at, &c, &f.err), E_UNKNOWN);
    assert_string_equal(f.err.text,
        "x.cfg:3: unknown teapot \"pot\": no plugin with any teapot was found (`plugins` in the "
        "config, ASSAY_PLUGIN_PATH)");
    assert_int_equal(registry_find(f.r, "optimizer", "other:tiny", &at, &c, &f.err), E_UNKNOWN);
    assert_string_equal(f.err.text, "x.cfg:3: unknown optimizer \"other:tiny\": known are tiny");
    fixture_release(&f);
}

/* How the processor rounds and treats denormals is as it was, although a plugin has changed it. */
static void is_put_back(const char *name, const char *changes)
{
    plugin_fixture f;
    char built[64], file[64];
    snprintf(built, sizeof built, "bad_plugins/%s.so", name);
    snprintf(file, sizeof file, "dir/%s.so", name);
    open_with(&f, built, file);
    const int rounding = fegetround();
#if defined(__SSE__)
    const unsigned before = _mm_getcsr() & ~0x3fu;
#endif
    const component *c;
    assert_null(registry_file(f.r, 0)->refused); /* nothing of it has run */
    assert_int_equal(registry_find(f.r, "optimizer", "bad", NULL, &c, &f.err), E_PLUGIN);
    assert_non_null(strstr(f.err.text, changes));
#if defined(__SSE__)
    assert_int_equal(_mm_getcsr() & ~0x3fu, before);
#endif
    assert_int_equal(fegetround(), rounding);
    volatile float denormal = 1e-40F;
    assert_true(denormal * 0.5F > 0);
    fixture_release(&f);
}

static void test_load__puts_the_floating_point_mode_back_and_refuses(void **state)
{
    (void)state;
    is_put_back("flushes_denormals", "loading it changes the floating-point mode");
    is_put_back("entry_rounds", "its entry changes the floating-point mode (rounding)");
}

static void test_load__lets_be_what_nobody_can_take(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    open_with(&f, "good_plugins/exports_weak.so", "dir/exports_weak.so");
    if (registry_find(f.r, "optimizer", "exports_weak", NULL, &c, &f.err) != OK)
        GIVE_UP("%s", f.err.text);
    fixture_release(&f);
}

static void test_load__takes_what_works_of_a_plugin(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    open_with(&f, "good_plugins/half_known.so", "dir/half_known.so");
    const plugin_file *file = file_named(&f, "half_known.so");
    assert_null(file->refused);
    assert_int_equal(registry_find(f.r, "optimizer", "plain", NULL, &c, &f.err), OK);
    assert_int_equal(registry_find(f.r, "optimizer", "broken", NULL, &c, &f.err), E_PLUGIN);
    assert_non_null(strstr(f.err.text, "exactly one of elem, tensor and model"));
    assert_int_equal(registry_find(f.r, "teapot", "pot", NULL, &c, &f.err), E_PLUGIN);
    assert_non_null(strstr(f.err.text, "\"teapot\" is no kind that this assay knows"));
    const component *const *all;
    size_t n;
    assert_int_equal(registry_load_file(f.r, file, &all, &n, &f.err), OK);
    assert_int_equal(n, 1);
    assert_string_equal(all[0]->id, "plain");
    assert_non_null(strstr(f.log.s, "optimizer \"broken\" is left out: exactly one of"));
    fixture_release(&f);
}

/* The components that ship with assay go the same way as everybody's. */
static void test_load__takes_every_builtin_whole(void **state)
{
    (void)state;
    plugin_fixture f;
    const char *dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    size_t n_files = 0;
    fixture_init(&f);
    fixture_open(&f, dirs);
    for (size_t i = 0; i < registry_count(f.r); i++) {
        const plugin_file *file = registry_file(f.r, i);
        const component *const *all;
        size_t n;
        if (strcmp(file->found_by, "dirs") != 0) continue;
        n_files++;
        if (registry_load_file(f.r, file, &all, &n, &f.err) != OK) GIVE_UP("%s", f.err.text);
        assert_int_equal(n, file->n_components);
    }
    assert_true(n_files >= 20);
    assert_null(f.log.s);
    fixture_release(&f);
}

static void replace(text *t, const char *mark, const char *by)
{
    text out;
    text_init(&out);
    const char *at = t->s, *hit;
    while ((hit = strstr(at, mark)) != NULL) {
        text_add_bytes(&out, at, (size_t)(hit - at));
        text_add(&out, by);
        at = hit + strlen(mark);
    }
    text_add(&out, at);
    text_release(t);
    *t = out;
}

/* The file `expected` of a bad plugin: "kind id" (or an empty line) and the message. */
static void read_expected(const char *name, const char *path, char wanted[64], text *message)
{
    char file[512], number[32];
    char *content;
    size_t n;
    error err;
    snprintf(file, sizeof file, "%s/tests/bad_plugins/%s/expected", TEST_SOURCE_DIR, name);
    if (file_read(file, &content, &n, &err) != OK) GIVE_UP("%s", err.text);
    char *line = strchr(content, '\n');
    assert_non_null(line);
    *line++ = '\0';
    snprintf(wanted, 64, "%s", content);
    line[strcspn(line, "\n")] = '\0';
    text_init(message);
    text_add(message, line);
    free(content);
    replace(message, "@FILE@", path);
    snprintf(number, sizeof number, "%016llx", (unsigned long long)ASSAY_DRAFT_HASH);
    replace(message, "@DRAFT@", number);
    snprintf(number, sizeof number, "%zu", sizeof(assay_plugin));
    replace(message, "@PLUGIN_BYTES@", number);
    snprintf(number, sizeof number, "%zu", sizeof(assay_component));
    replace(message, "@COMPONENT_BYTES@", number);
    snprintf(number, sizeof number, "%zu", sizeof(assay_optimizer));
    replace(message, "@OPTIMIZER_BYTES@", number);
    snprintf(number, sizeof number, "%zu", sizeof(assay_slot));
    replace(message, "@SLOT_BYTES@", number);
    snprintf(number, sizeof number, "%zu", sizeof(assay_special_case));
    replace(message, "@SPECIAL_CASE_BYTES@", number);
#if defined(__SSE__)
    replace(message, "@FLUSHED@", "flush-to-zero, denormals-are-zero");
#else
    replace(message, "@FLUSHED@", "rounding");
#endif
}

/* Whether a bad plugin is refused as its folder expects. */
static bool is_refused_as_expected(const char *name)
{
    plugin_fixture f;
    char built[300], file[300], wanted[64];
    text expected, got;
    snprintf(built, sizeof built, "bad_plugins/%s.so", name);
    snprintf(file, sizeof file, "dir/%s.so", name);
    open_with(&f, built, file);
    const char *path = fixture_path(&f, file);
    read_expected(name, path, wanted, &expected);
    text_init(&got);
    char *id = strchr(wanted, ' ');
    if (id) {
        const component *c;
        *id++ = '\0';
        if (registry_find(f.r, wanted, id, NULL, &c, &f.err) != OK) text_add(&got, f.err.text);
    } else if (registry_file(f.r, 0)->refused) {
        text_printf(&got, "%s: %s", path, registry_file(f.r, 0)->refused);
    }
    const bool is_it = strcmp(got.s ? got.s : "", expected.s) == 0;
    if (!is_it)
        print_error("%s\n  expected %s\n  got      %s\n", name, expected.s, got.s ? got.s : "");
    text_release(&got);
    text_release(&expected);
    fixture_release(&f);
    return is_it;
}

static void test_bad_plugins__are_refused_each_for_its_reason(void **state)
{
    (void)state;
    DIR *folders = opendir(TEST_SOURCE_DIR "/tests/bad_plugins");
    assert_non_null(folders);
    size_t n = 0, n_wrong = 0;
    const struct dirent *d;
    while ((d = readdir(folders)) != NULL) {
        char path[1024];
        snprintf(path, sizeof path, "%s/tests/bad_plugins/%s/plugin.c", TEST_SOURCE_DIR, d->d_name);
        if (d->d_name[0] == '.' || !file_exists(path)) continue;
        n++;
        n_wrong += !is_refused_as_expected(d->d_name);
    }
    closedir(folders);
    assert_true(n >= 20);
    assert_int_equal(n_wrong, 0);
}

/* A plugin's bytes, to be damaged. */
typedef struct bytes {
    unsigned char *data;
    size_t n;
} bytes;

static bytes good_bytes(plugin_fixture *f)
{
    char *data;
    bytes b;
    fixture_copy(f, "good_plugins/other_tiny.so", "good.so");
    assert_int_equal(file_read(fixture_path(f, "good.so"), &data, &b.n, &f->err), OK);
    b.data = (unsigned char *)data;
    return b;
}

/* What adding a file of these bytes says; a name of its own, since a file counts once. */
static const char *verdict(plugin_fixture *f, const unsigned char *data, size_t n)
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "damaged%u.so", number++);
    const char *path = fixture_path(f, name);
    assert_int_equal(file_write_atomic(path, data, n, &f->err), OK);
    if (registry_add_file(f->r, path, NULL, &f->err) == OK) return "fine";
    const size_t n_path = strlen(path);
    assert_memory_equal(f->err.text, path, n_path);
    return f->err.text + n_path + 2;
}

static void test_elf__damage_has_a_name(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    fixture_open(&f, NULL);
    bytes good = good_bytes(&f);
    assert_string_equal(verdict(&f, good.data, good.n), "fine");
    assert_string_equal(verdict(&f, good.data, 0), "is not a shared object (no ELF file)");
    assert_string_equal(verdict(&f, good.data, 3), "is not a shared object (no ELF file)");
    assert_string_equal(
        verdict(&f, good.data, 40), "is cut off: 40 bytes do not hold an ELF header");
    const size_t n_first = sizeof(Elf64_Ehdr);
    assert_non_null(strstr(verdict(&f, good.data, n_first), "lies outside the file"));
    const char *script = "#!/bin/sh\necho this is no plugin, it is a script with a longer text\n";
    assert_string_equal(verdict(&f, (const unsigned char *)script, strlen(script)),
        "is not a shared object (no ELF file)");

    Elf64_Ehdr h, saved;
    memcpy(&saved, good.data, sizeof saved);
#define DAMAGED(change, expected) \
    do { \
        h = saved; \
        change; \
        memcpy(good.data, &h, sizeof h); \
        const char *said = verdict(&f, good.data, good.n); \
        if (!strstr(said, expected)) GIVE_UP("%s: %s", #change, said); \
        memcpy(good.data, &saved, sizeof saved); \
    } while (0)
    DAMAGED(h.e_ident[EI_CLASS] = ELFCLASS32, "32-bit machine");
    DAMAGED(h.e_ident[EI_DATA] = 9, "another byte order");
    DAMAGED(h.e_machine = EM_SPARC, "is built for another machine (ELF machine 2, this is ");
    DAMAGED(h.e_type = ET_REL, "is not a shared object (ELF type 1): link it with -shared");
    DAMAGED(h.e_shoff = 0, "has no section table");
    DAMAGED(h.e_shnum = 0, "has no section table");
    DAMAGED(h.e_shoff = good.n, "lies outside the file");
    DAMAGED(h.e_shoff = UINT64_MAX - 8, "lies outside the file");
    DAMAGED(h.e_shentsize = 8, "its section table makes no sense");
    DAMAGED(h.e_shentsize = 0, "its section table makes no sense");
    DAMAGED(h.e_shstrndx = h.e_shnum, "its section table makes no sense");
#undef DAMAGED
    free(good.data);
    fixture_release(&f);
}

/* The place in the file of a section's header, by name. */
static size_t header_of(const bytes *b, const char *name)
{
    Elf64_Ehdr h;
    Elf64_Shdr s, names;
    memcpy(&h, b->data, sizeof h);
    memcpy(&names, b->data + h.e_shoff + (size_t)h.e_shstrndx * sizeof names, sizeof names);
    for (size_t i = 0; i < h.e_shnum; i++) {
        const size_t at = h.e_shoff + i * sizeof s;
        memcpy(&s, b->data + at, sizeof s);
        if (strcmp((const char *)b->data + names.sh_offset + s.sh_name, name) == 0) return at;
    }
    GIVE_UP("no section %s", name);
    return 0;
}

static void test_elf__a_lying_section_is_not_followed(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    fixture_open(&f, NULL);
    bytes good = good_bytes(&f);
    Elf64_Shdr s, saved;
#define DAMAGED(name, change, expected) \
    do { \
        const size_t at = header_of(&good, name); \
        memcpy(&saved, good.data + at, sizeof saved); \
        s = saved; \
        change; \
        memcpy(good.data + at, &s, sizeof s); \
        const char *said = verdict(&f, good.data, good.n); \
        if (!strstr(said, expected)) GIVE_UP("%s: %s", #change, said); \
        memcpy(good.data + at, &saved, sizeof saved); \
    } while (0)
    DAMAGED(".assay_info", s.sh_offset = good.n + 1, "section .assay_info lies outside the file");
    DAMAGED(".assay_info", s.sh_offset = UINT64_MAX, "section .assay_info lies outside the file");
    DAMAGED(".assay_info", s.sh_size = UINT64_MAX, "section .assay_info lies outside the file");
    DAMAGED(".assay_info", s.sh_type = SHT_NOBITS, "section .assay_info lies outside the file");
    DAMAGED(".assay_info", s.sh_name = UINT32_MAX, "the name of a section has no end");
    DAMAGED(".assay_info", s.sh_name = 0, "it has no section .assay_info");
    DAMAGED(".assay_info", s.sh_size = 20, "a record has no end");
    DAMAGED(".assay_info", s.sh_size = 0, "has 0 plugin records instead of one");
    DAMAGED(".dynsym", s.sh_offset = good.n + 1, "section of symbols lies outside the file");
    DAMAGED(".dynsym", s.sh_size = UINT64_MAX, "section of symbols lies outside the file");
    DAMAGED(".dynsym", s.sh_entsize = 8, "its table of symbols makes no sense");
    DAMAGED(".dynsym", s.sh_entsize = 0, "its table of symbols makes no sense");
    DAMAGED(".dynsym", s.sh_link = 0xffff, "its table of symbols makes no sense");
    DAMAGED(".dynstr", s.sh_offset = UINT64_MAX, "section of symbols' names lies outside the file");
    DAMAGED(".dynstr", s.sh_size = 1, "the name of a symbol has no end");
    DAMAGED(".shstrtab", s.sh_offset = good.n, "section of names lies outside the file");
    DAMAGED(".shstrtab", s.sh_size = 1, "the name of a section has no end");
#undef DAMAGED
    free(good.data);
    fixture_release(&f);
}

/* A symbol's number for its name may be any. */
static void test_elf__a_lying_symbol_is_not_followed(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    fixture_open(&f, NULL);
    bytes good = good_bytes(&f);
    Elf64_Shdr symbols;
    memcpy(&symbols, good.data + header_of(&good, ".dynsym"), sizeof symbols);
    size_t n_told = 0;
    for (size_t i = 0; i < symbols.sh_size / sizeof(Elf64_Sym); i++) {
        unsigned char *at = good.data + symbols.sh_offset + i * sizeof(Elf64_Sym);
        Elf64_Sym s, saved;
        memcpy(&saved, at, sizeof saved);
        s = saved;
        s.st_name = UINT32_MAX;
        memcpy(at, &s, sizeof s);
        n_told += strstr(verdict(&f, good.data, good.n), "the name of a symbol has no end") != NULL;
        memcpy(at, &saved, sizeof saved);
    }
    assert_int_equal(n_told, 1); /* that of the entry: the others are not looked at */
    free(good.data);
    fixture_release(&f);
}

/* A stretch of the file where a byte is changed. */
typedef struct stretch {
    size_t begin, n;
} stretch;

static stretch stretch_of(const bytes *b, const char *section)
{
    Elf64_Shdr s;
    memcpy(&s, b->data + header_of(b, section), sizeof s);
    return (stretch){ s.sh_offset, s.sh_size };
}

/* Any byte may be anything: the reader gives a reason or takes it, and stays inside the file (for
 * sanitizers to see). */
static void test_elf__random_damage_never_harms_the_reader(void **state)
{
    (void)state;
    plugin_fixture f;
    fixture_init(&f);
    fixture_open(&f, NULL);
    bytes good = good_bytes(&f);
    Elf64_Ehdr h;
    memcpy(&h, good.data, sizeof h);
    const stretch where[] = { { 0, sizeof h },
        { header_of(&good, ".assay_info"), sizeof(Elf64_Shdr) },
        { header_of(&good, ".dynsym"), sizeof(Elf64_Shdr) }, stretch_of(&good, ".dynsym"),
        stretch_of(&good, ".dynstr"), { h.e_shoff, good.n - h.e_shoff } };
    const size_t n_where = sizeof where / sizeof where[0];
    uint32_t seed = 2385;
    size_t n_refused = 0;
    for (size_t round = 0; round < 600; round++) {
        bytes b = { malloc(good.n), good.n };
        assert_non_null(b.data);
        memcpy(b.data, good.data, good.n);
        for (size_t k = 0; k < 3; k++) {
            const stretch *w = &where[(round + k) % n_where];
            seed = seed * 1664525u + 1013904223u;
            b.data[w->begin + (seed >> 8) % w->n] = (unsigned char)(seed >> 3);
        }
        const size_t n = round % 4 == 0 ? (seed >> 4) % good.n : good.n;
        n_refused += strcmp(verdict(&f, b.data, n), "fine") != 0;
        free(b.data);
    }
    assert_true(n_refused > 100);
    free(good.data);
    fixture_release(&f);
}

static const char *address_of_model(const component *c)
{
    const assay_optimizer *o = c->ops;
    const char *address;
    memcpy(&address, &o->model, sizeof address);
    return address;
}

static void test_code__of_a_loaded_plugin_is_found_by_address(void **state)
{
    (void)state;
    plugin_fixture f;
    const component *c;
    code_place place = { 0 };
    const origin at = { "x.cfg", 1 };
    open_with(&f, "good_plugins/every_kind.so", "dir/every_kind.so");
    assert_null(registry_loading(f.r));
    assert_int_equal(registry_find(f.r, ASSAY_KIND_OPTIMIZER, "tiny", &at, &c, &f.err), OK);
    assert_null(registry_loading(f.r));
    const char *model = address_of_model(c);
    assert_true(registry_code_at(f.r, model + 1, &place));
    assert_ptr_equal(place.file, c->file);
    assert_ptr_equal(place.component, c);
    assert_string_equal(place.callback, "model");
    assert_string_equal(component_callback_at(c, model + 1), "model");
    assert_string_equal(component_callback_from(c, model), "model");
    assert_null(component_callback_from(c, model + 1));
    assert_null(component_callback_at(c, NULL));
    assert_false(registry_code_at(f.r, c->ops, &place)); /* data, and the host's */
    assert_false(registry_code_at(f.r, NULL, &place));
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code__of_a_loaded_plugin_is_found_by_address),
        cmocka_unit_test(test_listing__tells_what_the_section_says),
        cmocka_unit_test(test_listing__runs_no_plugin_code),
        cmocka_unit_test(test_find__gives_a_component_of_every_kind),
        cmocka_unit_test(test_find__suggests_or_lists),
        cmocka_unit_test(test_load__puts_the_floating_point_mode_back_and_refuses),
        cmocka_unit_test(test_load__lets_be_what_nobody_can_take),
        cmocka_unit_test(test_load__takes_what_works_of_a_plugin),
        cmocka_unit_test(test_load__takes_every_builtin_whole),
        cmocka_unit_test(test_bad_plugins__are_refused_each_for_its_reason),
        cmocka_unit_test(test_elf__damage_has_a_name),
        cmocka_unit_test(test_elf__a_lying_section_is_not_followed),
        cmocka_unit_test(test_elf__a_lying_symbol_is_not_followed),
        cmocka_unit_test(test_elf__random_damage_never_harms_the_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
