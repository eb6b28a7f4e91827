/* What the files of this room share: the list of plugin files, the kinds, and the way from a file
 * to a component. */
#ifndef ASSAY_CORE_REGISTRY_INTERNAL_H
#define ASSAY_CORE_REGISTRY_INTERNAL_H

#include "base/arena.h"
#include "base/file.h"
#include "registry/instance.h"
#include "registry/registry.h"

/* Who led to a file, in the order of the search. */
typedef enum found_by {
    FOUND_CONFIG,
    FOUND_DIRS,
    FOUND_ENVIRONMENT,
    FOUND_USER,
    FOUND_BUILD,
    FOUND_SYSTEM,
} found_by;

/* A file of the registry. */
typedef struct entry {
    plugin_file file; /* first member: what others hold is this */
    const char *real; /* where links lead to */
    found_by found;
    bool is_own; /* one of the program's own folders has it, whoever else led to it */
    status refused_code; /* of file.refused */
    component_info *infos; /* file.components */
    component *components; /* [file.n_components] once loaded; beside a refused info: zero */
    const component **working; /* [n_working] the others */
    size_t n_working;
    uintptr_t code_begin, code_end; /* its instructions in memory, once loaded */
} entry;

struct registry {
    arena memory;
    entry **entries; // [n]
    size_t n, capacity;
    const entry *loading; /* whose code is being loaded; NULL: none's */
    team *threads;
    registry_log log;
    void *log_self;
    pthread_mutex_t log_lock;
};

/* A warning for the user, through the log; from any thread. */
void registry_note(registry *r, unsigned level, const char *format, ...) PRINTF_LIKE(3, 4);

/* Makes a file known. What is wrong with the file itself is kept as its refusal; only E_NOMEM comes
 * back. */
status registry_add(
    registry *r, const char *path, found_by found, entry **out, error *err) MUST_CHECK;

/* Walks the search path. */
status search_run(registry *r, const registry_options *o, error *err) MUST_CHECK;

/* A piece of a mapped file. */
typedef struct elf_section {
    const char *data; // [n]
    size_t n;
} elf_section;

/* A section of a shared object for this machine, by name; the file is not trusted. */
status elf_section_find(
    const file_map *map, const char *name, elf_section *out, error *why) MUST_CHECK;

/* Whether a shared object exports nothing but its entry: see elf.c; the file is not trusted. */
status elf_exports_check(const file_map *map, error *why) MUST_CHECK;

/* Fills in what the text of .assay_info tells. What it tells of this host's ABI is judged here. */
status info_parse(const elf_section *section, arena *a, entry *e, error *why) MUST_CHECK;

/* Whether a plugin built so can be used by this host. */
status abi_check(int major, int target_minor, unsigned long long draft_hash, error *why) MUST_CHECK;

/* [a-z0-9_]+ */
bool is_id(const char *s);

/* Opens the file, runs its entry, checks and copies what it describes. A fault is kept as the
 * file's (or the component's) refusal; only E_NOMEM comes back. */
status entry_load(registry *r, entry *e, error *err) MUST_CHECK;

/* Takes down where the code of what dlopen has given lies. */
void entry_note_code(entry *e, void *library);

/* What this host knows of a kind of components. */
typedef struct kind_info {
    const char *name;
    size_t bytes; /* of this host's ops struct */
    size_t bytes_0; /* of that of version 0.0: less is malformed */
    size_t validate; /* places of the callbacks that several kinds have; NO_CALLBACK: the kind has
                        none */
    size_t create, destroy;
    status (*check)(const component *c, error *why); /* of what is particular to the kind */
} kind_info;

#define NO_CALLBACK SIZE_MAX

const kind_info *kind_find(const char *name); /* NULL when unknown */

/* The end of a field: the size that a struct must at least have. */
#define END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

/* Whether a plugin's table can be walked: its number, its stride, `least` bytes a row. */
status table_check(const char *what, const void *table, uint64_t n, uint64_t stride, size_t least,
    error *why) MUST_CHECK;

/* Of the kind's ops: which callbacks go together, the tables. (kind_optimizer.c) */
status check_optimizer(const component *c, error *why) MUST_CHECK;

/* Checks one component as its plugin describes it and fills *out with it. */
status component_take(const assay_component *given, const component_info *info,
    const plugin_file *file, arena *a, component *out, error *why) MUST_CHECK;

/* The callbacks that several kinds have; ASSAY_OK where the component has none. */
int component_create(instance *i);
void component_destroy(instance *i);

/* The calling thread's report, one with nothing said where it has none; under the instance's lock. */
report *instance_report(instance *i);
void report_copy(report *to, const report *from);
void report_clear(report *r);

/* The services. */
const assay_host *host_table(void);

/* "0", "0.5", "inf": as short as it reads back equal. */
void hyper_number_text(double v, text *t);
/* The items of a list's default, in the arena: numbers or strings as the row's type says. */
typedef union hyper_item {
    double real;
    int64_t integer;
    const char *string;
} hyper_item;
status hyper_default_items(
    const assay_hyper *row, arena *a, hyper_item **out, size_t *out_n, error *err) MUST_CHECK;

#endif
