/* A shared object's file: what it exports, needs, and asks the loader for. */
#ifndef ASSAY_SDK_CHECK_ELF_FILE_H
#define ASSAY_SDK_CHECK_ELF_FILE_H

#include "base/file.h"

#include <elf.h>

typedef struct elf_file {
    file_map map;
    Elf64_Ehdr header;
} elf_file;

/* A symbol of .symtab or .dynsym. */
typedef struct elf_symbol {
    const char *name;
    Elf64_Sym entry;
} elf_symbol;

/* Errors: E_IO, E_CORRUPT. */
status elf_file_open(const char *path, elf_file *out, error *err) MUST_CHECK;
void elf_file_close(elf_file *f);

/* The i-th section or segment; false beyond the last, and where the file ends before it. */
bool elf_file_section(const elf_file *f, size_t i, Elf64_Shdr *out);
bool elf_file_segment(const elf_file *f, size_t i, Elf64_Phdr *out);
const char *elf_file_section_name(const elf_file *f, const Elf64_Shdr *s); /* "" when damaged */

/* The first section of that type (SHT_DYNSYM); false when there is none. */
bool elf_file_section_of(const elf_file *f, uint32_t type, Elf64_Shdr *out);

/* The i-th symbol, or entry of the dynamic section; false beyond the last. */
bool elf_file_symbol(const elf_file *f, const Elf64_Shdr *table, size_t i, elf_symbol *out);
bool elf_file_dynamic(const elf_file *f, size_t i, Elf64_Dyn *out);

/* A string of the dynamic section's table: the name of a needed library. "" when damaged. */
const char *elf_file_dynamic_string(const elf_file *f, uint64_t offset);

#endif
