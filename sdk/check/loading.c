/* What a plugin's file must hold to. Nothing of it has been loaded when these tests begin. */
#include "base/clock.h"
#include "base/json_in.h"
#include "check/elf_file.h"
#include "check/kit.h"
#include "check/process_state.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const double slow_load_s = 0.1;

/* -- Loading -- */

static status load(const subject *s, const component **out, error *err)
{
    return registry_find(s->registry, s->kind, s->id, NULL, out, err);
}

/* Whether the component loads; if not, the report says why. */
static bool loads(const subject *s, check_report *r, const component **out)
{
    error err = { 0 };
    if (load(s, out, &err) == OK) return true;
    check_fail(r, "%s", err.text);
    return false;
}

/* By processor time, so that a busy machine is no fault of the plugin's. */
static void test_loads(const subject *s, check_report *r)
{
    const component *c;
    const double start_s = clock_cpu_s();
    if (!loads(s, r, &c)) return;
    const double load_s = clock_cpu_s() - start_s;
    if (load_s > slow_load_s) {
        check_warn(r,
            "loading takes %.0f ms: a plugin is loaded by every run, and prepares nothing "
            "before it is asked to",
            1e3 * load_s);
    }
}

static void test_loads_quietly(const subject *s, check_report *r)
{
    arena a = { 0 };
    text t = { 0 };
    error err = { 0 };
    process_state *before, *after;
    const component *c;
    if (process_state_take(&a, &before, &err) != OK || !loads(s, r, &c) ||
        process_state_take(&a, &after, &err) != OK) {
        check_fail(r, "%s", err.text);
    } else {
        process_state_compare(before, after, &t);
        if (t.n)
            check_fail(r, "after it was loaded %s: loading changes nothing of the process", t.s);
    }
    text_release(&t);
    arena_release(&a);
}

/* -- The description -- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Both are of this host's size or longer: the loader has seen to it. */
static const char *hyper_difference(const assay_hyper *a, const assay_hyper *b)
{
    if (!same_text(a->name, b->name)) return "name";
    if (a->offset != b->offset || a->type != b->type) return "type or offset";
    if (memcmp(&a->def, &b->def, sizeof a->def) != 0) return "default";
    if (memcmp(&a->min, &b->min, sizeof a->min) || memcmp(&a->max, &b->max, sizeof a->max)) {
        return "valid range";
    }
    if (memcmp(&a->tune_min, &b->tune_min, sizeof a->tune_min) ||
        memcmp(&a->tune_max, &b->tune_max, sizeof a->tune_max)) {
        return "search range";
    }
    if (!same_text(a->doc, b->doc) || !same_text(a->unit, b->unit)) return "doc or unit";
    if (a->flags != b->flags) return "flags";
    if (!same_text(a->def_string, b->def_string) || !same_text(a->kind, b->kind)) {
        return "default or kind";
    }
    if (a->n_choices != b->n_choices) return "choices";
    for (uint64_t i = 0; i < a->n_choices; i++) {
        if (!same_text(a->choices[i], b->choices[i])) return "choices";
    }
    return NULL;
}

static void compare_components(const assay_component *a, const assay_component *b, check_report *r)
{
    if (!same_text(a->kind, b->kind) || !same_text(a->id, b->id)) {
        check_fail(r, "the entry gave %s \"%s\" first and %s \"%s\" in its place when called again",
            a->kind, a->id, b->kind, b->id);
        return;
    }
    if (!same_text(a->version, b->version) || !same_text(a->doc, b->doc)) {
        check_fail(r, "%s \"%s\": the entry gives another version or doc when called again",
            a->kind, a->id);
    }
    if (a->n_hypers != b->n_hypers || a->hyper_bytes != b->hyper_bytes) {
        check_fail(r, "%s \"%s\": the entry gives other hyperparameters when called again", a->kind,
            a->id);
        return;
    }
    const uint64_t ops_bytes = *(const uint64_t *)a->ops;
    if (ops_bytes != *(const uint64_t *)b->ops || memcmp(a->ops, b->ops, ops_bytes) != 0) {
        check_fail(
            r, "%s \"%s\": the entry gives other callbacks when called again", a->kind, a->id);
    }
    for (uint64_t i = 0; i < a->n_hypers; i++) {
        const char *x = (const char *)a->hypers + i * a->hyper_stride;
        const char *y = (const char *)b->hypers + i * b->hyper_stride;
        const char *what = hyper_difference((const void *)x, (const void *)y);
        if (what) {
            check_fail(r, "%s \"%s\": the entry gives another %s of \"%s\" when called again",
                a->kind, a->id, what, ((const assay_hyper *)(const void *)x)->name);
        }
    }
}

typedef const assay_plugin *entry_function(const assay_host *host);

/* A host whose every service is there and whose every extension is not. */
static const void *no_extension(assay_ctx *ctx, const char *id)
{
    (void)ctx;
    (void)id;
    return NULL;
}

static int quiet_fail(assay_ctx *ctx, int code, const char *hyper, const char *message)
{
    (void)ctx;
    (void)hyper;
    (void)message;
    return code;
}

static void quiet_log(assay_ctx *ctx, uint32_t level, const char *message)
{
    (void)ctx;
    (void)level;
    (void)message;
}

static entry_function *find_entry(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    void *symbol = library ? dlsym(library, ASSAY_TEXT(ASSAY_ENTRY)) : NULL;
    entry_function *entry;
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}

static void test_describes_twice(const subject *s, check_report *r)
{
    const component *c;
    if (!loads(s, r, &c)) return;
    entry_function *entry = find_entry(s->file->path);
    if (!entry) {
        check_fail(r, "%s: its entry is not found again", s->file->path);
        return;
    }
    const assay_host host = { .struct_size = sizeof host,
        .abi_major = ASSAY_ABI_MAJOR,
        .abi_minor = ASSAY_ABI_MINOR,
        .draft_hash = ASSAY_DRAFT_HASH,
        .fail = quiet_fail,
        .log = quiet_log,
        .extension = no_extension };
    const assay_plugin *a = entry(&host), *b = entry(&host);
    if (!a || !b) {
        check_fail(r, "its entry returns NULL when it is called again");
        return;
    }
    if (!same_text(a->name, b->name) || !same_text(a->version, b->version) ||
        a->n_components != b->n_components) {
        check_fail(r, "its entry describes another plugin when it is called again");
        return;
    }
    for (uint64_t i = 0; i < a->n_components; i++)
        compare_components(a->components[i], b->components[i], r);
}

/* -- Texts -- */

static bool is_utf8(const char *s)
{
    for (size_t n = strlen(s); n > 0;) {
        const size_t step = utf8_sequence(s, n);
        if (step == 0) return false;
        s += step;
        n -= step;
    }
    return true;
}

/* One line that says something. */
static void check_line(const char *what, const char *name, const char *line, check_report *r)
{
    if (!line || !line[strspn(line, " \t\n")]) {
        check_fail(r, "the %s of %s is empty: it is what people read about it", what, name);
    } else if (!is_utf8(line)) {
        check_fail(r, "the %s of %s is not valid UTF-8", what, name);
    } else if (strpbrk(line, "\n\r\t\033")) {
        check_fail(
            r, "the %s of %s holds a line break or control character: it is one line", what, name);
    }
}

static void test_texts(const subject *s, check_report *r)
{
    const component *c;
    if (!loads(s, r, &c)) return;
    check_line("doc", c->id, c->doc, r);
    check_line("version", c->id, c->version, r);
    check_line("name", "the plugin", s->file->name, r);
    for (size_t i = 0; i < c->hypers.n; i++) {
        const assay_hyper *h = hyper_row(&c->hypers, i);
        check_line("doc", h->name, h->doc, r);
        if (h->unit) check_line("unit", h->name, h->unit, r);
        for (uint64_t k = 0; k < h->n_choices; k++)
            check_line("choice", h->name, h->choices[k], r);
    }
}

/* The loader has compared them; that it does so is part of the contract, too. */
static void test_info(const subject *s, check_report *r)
{
    const component *c;
    if (!loads(s, r, &c)) return;
    for (size_t i = 0; i < s->file->n_components; i++) {
        const component_info *info = &s->file->components[i];
        if (strcmp(info->kind, c->kind) != 0 || strcmp(info->id, c->id) != 0) continue;
        if (strcmp(info->version, c->version) == 0 && strcmp(info->doc, c->doc) == 0) return;
        check_fail(r, "its section .assay_info says version %s, \"%s\"; its description %s, \"%s\"",
            info->version, info->doc, c->version, c->doc);
        return;
    }
    check_fail(r, "it is not in the section .assay_info: describe it by ASSAY_DEFINE_...");
}

/* -- The file -- */

static bool open_file(const subject *s, elf_file *out, check_report *r)
{
    error err = { 0 };
    if (elf_file_open(s->file->path, out, &err) == OK) return true;
    check_fail(r, "%s", err.text);
    return false;
}

/* What the linker's own start files and scripts define. */
static bool is_linkers(const char *name)
{
    static const char *const known[] = { "_init", "_fini", "_edata", "_end", "__bss_start",
        "__data_start", "data_start" };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i]) == 0) return true;
    }
    return false;
}

static bool is_export(const Elf64_Sym *e)
{
    const unsigned bind = ELF64_ST_BIND(e->st_info), type = ELF64_ST_TYPE(e->st_info);
    const unsigned visible = ELF64_ST_VISIBILITY(e->st_other);
    return e->st_shndx != SHN_UNDEF && bind != STB_LOCAL && type != STT_SECTION &&
        (visible == STV_DEFAULT || visible == STV_PROTECTED);
}

static void add_name(text *t, const char *name)
{
    text_printf(t, "%s%s", t->n ? ", " : "", name);
}

static void test_exports(const subject *s, check_report *r)
{
    elf_file f;
    Elf64_Shdr table;
    elf_symbol symbol;
    text strong = { 0 }, weak = { 0 };
    if (!open_file(s, &f, r)) return;
    const bool has_table = elf_file_section_of(&f, SHT_DYNSYM, &table);
    for (size_t i = 1; has_table && elf_file_symbol(&f, &table, i, &symbol); i++) {
        const bool is_own = strncmp(symbol.name, "assay_plugin_v", strlen("assay_plugin_v")) == 0;
        if (!is_export(&symbol.entry) || is_own || is_linkers(symbol.name)) continue;
        add_name(ELF64_ST_BIND(symbol.entry.st_info) == STB_GLOBAL ? &strong : &weak, symbol.name);
    }
    if (strong.n) {
        check_fail(r,
            "it exports %s beside its entry: another library's symbol of that name may take its "
            "place. Make it static, or compile with -fvisibility=hidden",
            strong.s);
    }
    if (weak.n) {
        check_warn(r,
            "it exports weak symbols: %s. Compile with -fvisibility=hidden "
            "-fvisibility-inlines-hidden",
            weak.s);
    }
    text_release(&strong);
    text_release(&weak);
    elf_file_close(&f);
}

static bool begins_with_one(const char *name, const char *const *starts)
{
    for (; *starts; starts++) {
        if (strncmp(name, *starts, strlen(*starts)) == 0) return true;
    }
    return false;
}

static void judge_needed(const subject *s, const char *name, check_report *r)
{
    static const char *const forbidden[] = { "libgomp", "libomp.", "libiomp", "libopenblas",
        "libblas", "libcblas", "liblapack", "libmkl", "libblis", "libatlas", "libtbb", NULL };
    static const char *const plain[] = { "libc.so", "libm.so", "ld-linux", "ld64", "libgcc_s",
        "libpthread.so", "libdl.so", "librt.so", "libstdc++", "libc++", "libasan", "libubsan",
        "libtsan", "liblsan", "libmvec", NULL };
    static const char *const formats[] = { "libz.", "libcsv", "libhdf5", "libpng", "libjpeg",
        "libtiff", "libsndfile", "libarrow", "libparquet", "libzstd", "libbz2", "liblzma",
        "libarchive", "libsqlite3", NULL };
    if (begins_with_one(name, forbidden)) {
        check_fail(r,
            "it needs %s, which has threads of its own beside assay's: use host->gemm_f32, "
            "the host's linear algebra and host->parallel_for",
            name);
    } else if (!begins_with_one(name, plain) &&
        !(strcmp(s->kind, ASSAY_KIND_DATASET) == 0 && begins_with_one(name, formats))) {
        check_warn(r, "it needs %s, which has to be there wherever the plugin is used", name);
    } else if (begins_with_one(name, (const char *const[]){ "libstdc++", "libc++", NULL })) {
        check_skip(r,
            "it needs %s, which is all right where it is installed: -static-libstdc++ does "
            "without",
            name);
    }
}

static void test_needs(const subject *s, check_report *r)
{
    elf_file f;
    Elf64_Dyn entry;
    if (!open_file(s, &f, r)) return;
    for (size_t i = 0; elf_file_dynamic(&f, i, &entry); i++) {
        if (entry.d_tag == DT_NEEDED)
            judge_needed(s, elf_file_dynamic_string(&f, entry.d_un.d_val), r);
    }
    elf_file_close(&f);
}

static void test_segments(const subject *s, check_report *r)
{
    elf_file f;
    Elf64_Phdr p;
    Elf64_Dyn entry;
    bool says_stack = false;
    if (!open_file(s, &f, r)) return;
    for (size_t i = 0; elf_file_segment(&f, i, &p); i++) {
        says_stack = says_stack || p.p_type == PT_GNU_STACK;
        if (p.p_type == PT_GNU_STACK && (p.p_flags & PF_X)) {
            check_fail(r,
                "it asks for an executable stack, for the whole process: link with -z "
                "noexecstack (an assembler file without a .note.GNU-stack section, or a nested "
                "function, is the usual cause)");
        }
        if (p.p_type == PT_LOAD && (p.p_flags & PF_W) && (p.p_flags & PF_X)) {
            check_fail(r, "it has memory that is both writable and executable");
        }
    }
    if (!says_stack) {
        check_fail(r, "it does not say that its stack is not executable: link with -z noexecstack");
    }
    for (size_t i = 0; elf_file_dynamic(&f, i, &entry); i++) {
        if (entry.d_tag == DT_TEXTREL ||
            (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL))) {
            check_fail(r,
                "its code has to be changed when it is loaded (text relocations): compile "
                "with -fPIC");
        }
    }
    elf_file_close(&f);
}

/* -- Variables of the file -- */

enum { MOST_NAMED = 5, TOLERATED_BYTES = 64 };

typedef struct variable {
    const char *name;
    uint64_t bytes;
} variable;

/* Writable data, those apart that are constant once the loader has filled in addresses. */
static bool is_writable_data(const elf_file *f, const Elf64_Shdr *s)
{
    const char *name = elf_file_section_name(f, s);
    const bool is_data = strncmp(name, ".data", 5) == 0 || strncmp(name, ".bss", 4) == 0 ||
        strncmp(name, ".tdata", 6) == 0 || strncmp(name, ".tbss", 5) == 0;
    return is_data && strncmp(name, ".data.rel.ro", 12) != 0 && (s->sh_flags & SHF_WRITE);
}

/* Of the compiler's start files, of libgcc and of instrumentation; of C++ what exceptions and <iostream> need. */
static bool is_toolchains(const char *name)
{
    static const char *const starts[] = { "completed.", "__dso_handle", "__TMC_END__", "__cpu_",
        "__asan", "__odr_asan", "__llvm", "__gcov", "__prof", "__data_start", "data_start",
        "__bss_start", "_edata", "_end", "__tsan", "__ubsan", ".L", "__gcc_", "_ZGV", "DW.ref.",
        "_ZStL8__ioinit", NULL };
    return name[0] == '\0' || begins_with_one(name, starts);
}

/* Keeps the largest, in falling order. */
static void keep_largest(variable *largest, size_t *n, variable v)
{
    size_t i = *n < MOST_NAMED ? (*n)++ : MOST_NAMED;
    if (i == MOST_NAMED) {
        if (largest[--i].bytes >= v.bytes) return;
    }
    for (; i > 0 && largest[i - 1].bytes < v.bytes; i--)
        largest[i] = largest[i - 1];
    largest[i] = v;
}

static uint64_t variables(const elf_file *f, variable *largest, size_t *n)
{
    Elf64_Shdr table, section;
    elf_symbol symbol;
    uint64_t bytes = 0;
    if (!elf_file_section_of(f, SHT_SYMTAB, &table)) return 0;
    for (size_t i = 1; elf_file_symbol(f, &table, i, &symbol); i++) {
        const unsigned type = ELF64_ST_TYPE(symbol.entry.st_info);
        if ((type != STT_OBJECT && type != STT_TLS) || is_toolchains(symbol.name)) continue;
        if (!elf_file_section(f, symbol.entry.st_shndx, &section)) continue;
        if (!is_writable_data(f, &section)) continue;
        bytes += symbol.entry.st_size;
        keep_largest(largest, n, (variable){ symbol.name, symbol.entry.st_size });
    }
    return bytes;
}

/* Without names: what the sections hold, a little for the compiler's own left out. */
static uint64_t section_bytes(const elf_file *f)
{
    Elf64_Shdr s;
    uint64_t bytes = 0;
    for (size_t i = 0; elf_file_section(f, i, &s); i++) {
        if (is_writable_data(f, &s)) bytes += s.sh_size;
    }
    return bytes > TOLERATED_BYTES ? bytes - TOLERATED_BYTES : 0;
}

static void test_no_variables(const subject *s, check_report *r)
{
    elf_file f;
    Elf64_Shdr table;
    variable largest[MOST_NAMED];
    text names = { 0 };
    size_t n = 0;
    if (!open_file(s, &f, r)) return;
    const bool has_names = elf_file_section_of(&f, SHT_SYMTAB, &table);
    const uint64_t bytes = has_names ? variables(&f, largest, &n) : section_bytes(&f);
    for (size_t i = 0; i < n; i++) {
        text_printf(&names, "%s%s (%llu bytes)", i ? ", " : "", largest[i].name,
            (unsigned long long)largest[i].bytes);
    }
    if (bytes > 0) {
        check_warn(r,
            "it has %llu bytes of variables that outlive a call%s%s: two instances share "
            "them, and a resumed run has lost them. Use slots, ctx->self or host->alloc; what "
            "never "
            "changes is const",
            (unsigned long long)bytes, n ? ": " : "", n ? names.s : "");
    }
    text_release(&names);
    elf_file_close(&f);
}

const check_test check_tests_loading[] = {
    { "loads", NULL, "it loads with all symbols resolved, and soon", test_loads },
    { "loads_quietly", NULL, "loading it changes nothing of the process", test_loads_quietly },
    { "describes_twice", NULL, "its entry gives the same description whenever it is called",
        test_describes_twice },
    { "texts", NULL, "names and docs are there, on one line, in UTF-8", test_texts },
    { "info", NULL, "its section .assay_info says what its description says", test_info },
    { "exports", NULL, "it exports its entry and nothing else", test_exports },
    { "needs", NULL, "it needs no library with threads of its own, nor one that may be missing",
        test_needs },
    { "segments", NULL, "no executable stack, no writable code, no text relocations",
        test_segments },
    { "no_variables", NULL, "it keeps nothing in variables of the file", test_no_variables },
    { .name = NULL },
};
