/* Finds a section of an ELF64 shared object by name, and what it exports, in a file that may be
 * anything.
 *
 * Every offset and size comes from the file and is compared with the file's size before it is
 * followed; structures are copied out, since nothing says that they are aligned. Only what is
 * needed is read: the file header, the section headers, their names, the dynamic symbols.
 *
 * A plugin exports its entry and nothing else: RTLD_LOCAL hides it from other plugins, but a symbol
 * of the same name in a library that is there first (or is preloaded) takes its place in the plugin
 * itself, without a word, and then it runs another one's code. */
#include "registry/internal.h"

#include <assay/plugin.h>

#include <elf.h>
#include <string.h>

#if defined(__x86_64__)
enum { THIS_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { THIS_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { THIS_MACHINE = EM_RISCV };
#elif defined(__powerpc64__)
enum { THIS_MACHINE = EM_PPC64 };
#else
#error "core/registry/elf.c: name this machine's ELF number"
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { THIS_ORDER = ELFDATA2MSB };
#else
enum { THIS_ORDER = ELFDATA2LSB };
#endif

/* Copies `n` bytes at `offset`; false when they are not all in the file. */
static bool copy_out(const file_map *map, uint64_t offset, void *out, size_t n)
{
    if (offset > map->n || map->n - offset < n) return false;
    memcpy(out, map->data + offset, n);
    return true;
}

static status read_header(const file_map *map, Elf64_Ehdr *h, error *why)
{
    if (map->n < EI_NIDENT || memcmp(map->data, ELFMAG, SELFMAG) != 0) {
        return fail(why, E_PLUGIN, "is not a shared object (no ELF file)");
    }
    if (map->data[EI_CLASS] != ELFCLASS64) {
        return fail(why, E_PLUGIN, "is built for a 32-bit machine, this assay for a 64-bit one");
    }
    if (map->data[EI_DATA] != THIS_ORDER) {
        return fail(why, E_PLUGIN, "is built for a machine of another byte order");
    }
    if (!copy_out(map, 0, h, sizeof *h)) {
        return fail(why, E_PLUGIN, "is cut off: %zu bytes do not hold an ELF header", map->n);
    }
    if (h->e_machine != THIS_MACHINE) {
        return fail(why, E_PLUGIN, "is built for another machine (ELF machine %u, this is %u)",
            (unsigned)h->e_machine, (unsigned)THIS_MACHINE);
    }
    if (h->e_type != ET_DYN) {
        return fail(why, E_PLUGIN, "is not a shared object (ELF type %u): link it with -shared",
            (unsigned)h->e_type);
    }
    return OK;
}

static status read_section(
    const file_map *map, const Elf64_Ehdr *h, unsigned i, Elf64_Shdr *out, error *why)
{
    const uint64_t at = (uint64_t)i * h->e_shentsize;
    if (h->e_shoff > UINT64_MAX - at || !copy_out(map, h->e_shoff + at, out, sizeof *out)) {
        return fail(why, E_PLUGIN, "is damaged: section header %u lies outside the file", i);
    }
    return OK;
}

/* The bytes of a section. */
static status section_bytes(
    const file_map *map, const Elf64_Shdr *s, const char *name, elf_section *out, error *why)
{
    if (s->sh_type == SHT_NOBITS || s->sh_offset > map->n || map->n - s->sh_offset < s->sh_size) {
        return fail(why, E_PLUGIN, "is damaged: section %s lies outside the file", name);
    }
    out->data = (const char *)map->data + s->sh_offset;
    out->n = s->sh_size;
    return OK;
}

/* Whether the string at `offset` of a string table is `name`; the table's end ends a string too. */
static status name_is(
    const elf_section *names, uint32_t offset, const char *name, bool *out, error *why)
{
    if (offset >= names->n || !memchr(names->data + offset, '\0', names->n - offset)) {
        return fail(why, E_PLUGIN, "is damaged: the name of a section has no end");
    }
    *out = strcmp(names->data + offset, name) == 0;
    return OK;
}

/* The file header of a file that has a table of sections. */
static status read_table(const file_map *map, Elf64_Ehdr *h, error *why)
{
    const status st = read_header(map, h, why);
    if (st != OK) return st;
    if (h->e_shoff == 0 || h->e_shnum == 0) {
        return fail(
            why, E_PLUGIN, "has no section table: do not strip it with --strip-section-headers");
    }
    if (h->e_shentsize < sizeof(Elf64_Shdr) || h->e_shstrndx >= h->e_shnum) {
        return fail(why, E_PLUGIN, "is damaged: its section table makes no sense");
    }
    return OK;
}

status elf_section_find(const file_map *map, const char *name, elf_section *out, error *why)
{
    Elf64_Ehdr h;
    Elf64_Shdr header;
    elf_section names = { 0 };
    status st = read_table(map, &h, why);
    if (st == OK) st = read_section(map, &h, h.e_shstrndx, &header, why);
    if (st == OK) st = section_bytes(map, &header, "of names", &names, why);
    for (unsigned i = 1; st == OK && i < h.e_shnum; i++) {
        bool is_it = false;
        st = read_section(map, &h, i, &header, why);
        if (st == OK) st = name_is(&names, header.sh_name, name, &is_it, why);
        if (st == OK && is_it) return section_bytes(map, &header, name, out, why);
    }
    if (st != OK) return st;
    return fail(why, E_MISSING, "is not a plugin of assay: it has no section %s", name);
}

#define ENTRY_TEXT ASSAY_TEXT(ASSAY_ENTRY)

/* Defined here, strong, and for everybody to see. */
static bool is_strong(const Elf64_Sym *s)
{
    const unsigned type = ELF64_ST_TYPE(s->st_info);
    return s->st_shndx != SHN_UNDEF && ELF64_ST_BIND(s->st_info) == STB_GLOBAL &&
        ELF64_ST_VISIBILITY(s->st_other) == STV_DEFAULT &&
        (type == STT_FUNC || type == STT_OBJECT || type == STT_TLS || type == STT_GNU_IFUNC);
}

/* The entry of this or another version: a file may serve several. */
static bool is_entry(const char *name)
{
    const char *stem = "assay_plugin_v";
    const size_t n = strlen(stem);
    return strncmp(name, stem, n) == 0 && name[n] &&
        name[n + strspn(name + n, "0123456789")] == '\0';
}

/* What nobody gave a name to by hand: those that the language keeps for compilers, linkers and their libraries (sanitizers'
 * among them), and the one that gcc's library for --coverage has beside those. */
static bool is_of_tools(const char *name)
{
    return name[0] == '_' || strcmp(name, "mangle_path") == 0;
}

static status check_symbols(const elf_section *symbols, const elf_section *names, error *why)
{
    for (size_t i = 0; i < symbols->n / sizeof(Elf64_Sym); i++) {
        Elf64_Sym s;
        memcpy(&s, symbols->data + i * sizeof s, sizeof s);
        if (!is_strong(&s)) continue;
        if (s.st_name >= names->n || !memchr(names->data + s.st_name, '\0', names->n - s.st_name)) {
            return fail(why, E_PLUGIN, "is damaged: the name of a symbol has no end");
        }
        const char *name = names->data + s.st_name;
        if (is_of_tools(name) || is_entry(name)) continue;
        return fail(why, E_PLUGIN,
            "exports \"%s\" beside %s, which another library may take or replace: make it static "
            "or build with -fvisibility=hidden",
            name, ENTRY_TEXT);
    }
    return OK;
}

status elf_exports_check(const file_map *map, error *why)
{
    Elf64_Ehdr h;
    Elf64_Shdr header, names_header;
    elf_section symbols = { 0 }, names = { 0 };
    status st = read_table(map, &h, why);
    for (unsigned i = 1; st == OK && i < h.e_shnum; i++) {
        TRY(read_section(map, &h, i, &header, why));
        if (header.sh_type != SHT_DYNSYM) continue;
        if (header.sh_entsize != sizeof(Elf64_Sym) || header.sh_link >= h.e_shnum) {
            return fail(why, E_PLUGIN, "is damaged: its table of symbols makes no sense");
        }
        TRY(section_bytes(map, &header, "of symbols", &symbols, why));
        TRY(read_section(map, &h, header.sh_link, &names_header, why));
        TRY(section_bytes(map, &names_header, "of symbols' names", &names, why));
        TRY(check_symbols(&symbols, &names, why));
    }
done:
    return st;
}
