/* Reads an ELF64 file. The registry has refused what is none before; every offset is still compared with the file's size before
 * it is followed, since the tables that are read here are others than there. */
#include "check/elf_file.h"

#include <string.h>

static bool copy_out(const elf_file *f, uint64_t offset, void *out, size_t n)
{
    if (offset > f->map.n || f->map.n - offset < n) return false;
    memcpy(out, f->map.data + offset, n);
    return true;
}

status elf_file_open(const char *path, elf_file *out, error *err)
{
    elf_file f = { 0 };
    const status st = file_map_open(path, &f.map, err);
    if (st != OK) return st;
    if (!copy_out(&f, 0, &f.header, sizeof f.header) ||
        memcmp(f.header.e_ident, ELFMAG, SELFMAG) != 0 ||
        f.header.e_ident[EI_CLASS] != ELFCLASS64) {
        file_map_close(&f.map);
        return fail(err, E_CORRUPT, "%s: is not a 64-bit ELF file", path);
    }
    *out = f;
    return OK;
}

void elf_file_close(elf_file *f)
{
    file_map_close(&f->map);
}

bool elf_file_section(const elf_file *f, size_t i, Elf64_Shdr *out)
{
    const uint64_t at = (uint64_t)i * f->header.e_shentsize;
    return i < f->header.e_shnum && f->header.e_shoff <= UINT64_MAX - at &&
        copy_out(f, f->header.e_shoff + at, out, sizeof *out);
}

bool elf_file_segment(const elf_file *f, size_t i, Elf64_Phdr *out)
{
    const uint64_t at = (uint64_t)i * f->header.e_phentsize;
    return i < f->header.e_phnum && f->header.e_phoff <= UINT64_MAX - at &&
        copy_out(f, f->header.e_phoff + at, out, sizeof *out);
}

/* A string at `offset` of a table; "" where it does not end in it. */
static const char *string_at(const elf_file *f, const Elf64_Shdr *table, uint64_t offset)
{
    if (table->sh_offset > f->map.n || table->sh_size > f->map.n - table->sh_offset) return "";
    if (offset >= table->sh_size) return "";
    const char *s = (const char *)f->map.data + table->sh_offset + offset;
    return memchr(s, '\0', table->sh_size - offset) ? s : "";
}

const char *elf_file_section_name(const elf_file *f, const Elf64_Shdr *s)
{
    Elf64_Shdr names;
    return elf_file_section(f, f->header.e_shstrndx, &names) ? string_at(f, &names, s->sh_name)
                                                             : "";
}

bool elf_file_section_of(const elf_file *f, uint32_t type, Elf64_Shdr *out)
{
    for (size_t i = 0; elf_file_section(f, i, out); i++) {
        if (out->sh_type == type) return true;
    }
    return false;
}

/* The i-th record of a section. */
static bool record_at(const elf_file *f, const Elf64_Shdr *s, size_t i, void *out, size_t bytes)
{
    return s->sh_offset <= f->map.n && i < s->sh_size / bytes &&
        copy_out(f, s->sh_offset + i * bytes, out, bytes);
}

bool elf_file_symbol(const elf_file *f, const Elf64_Shdr *table, size_t i, elf_symbol *out)
{
    Elf64_Shdr strings;
    if (!record_at(f, table, i, &out->entry, sizeof out->entry)) return false;
    const bool has_names = elf_file_section(f, table->sh_link, &strings);
    out->name = has_names ? string_at(f, &strings, out->entry.st_name) : "";
    return true;
}

bool elf_file_dynamic(const elf_file *f, size_t i, Elf64_Dyn *out)
{
    Elf64_Shdr s;
    return elf_file_section_of(f, SHT_DYNAMIC, &s) && record_at(f, &s, i, out, sizeof *out) &&
        out->d_tag != DT_NULL;
}

const char *elf_file_dynamic_string(const elf_file *f, uint64_t offset)
{
    Elf64_Shdr s, strings;
    if (!elf_file_section_of(f, SHT_DYNAMIC, &s)) return "";
    return elf_file_section(f, s.sh_link, &strings) ? string_at(f, &strings, offset) : "";
}
