/* Mutation fuzzing of what is read from plugin files before any of their code runs: the ELF headers and .assay_info.
 *
 *     test_fuzz_plugin                    2000 rounds from seed 1: the test
 *     test_fuzz_plugin ROUNDS [SEED]      as long as you like; 0 rounds: until stopped
 *
 * Each round takes a built plugin, changes it in a few places (bytes of the header, of the section table, of the names, of
 * .assay_info; the end cut off), and has a registry list the folder that it lies in, as `assay plugin list` does. The file must
 * be listed, with a reason or with components whose every text can be read; never loaded. Build with
 * -DASSAY_SANITIZE=address,undefined. A round is a function of its number and the seed; both are printed on a failure, and the
 * file is left where the first line says. */
#include "registry/registry.h"

#include "base/file.h"
#include "base/rng.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEST_ROUNDS = 2000 };

/* The draws of one round. */
typedef struct dice {
    rng r;
    uint64_t round, i;
} dice;

static size_t roll(dice *d, size_t bound)
{
    return (size_t)rng_below(d->r, d->round, d->i++, bound ? bound : 1);
}

/* A stretch of the file that the reader looks at. */
typedef struct stretch {
    size_t at, n;
} stretch;

enum { HEADER, SECTIONS, NAMES, INFO, N_STRETCHES };

typedef struct plugin {
    char *s; // [n]
    size_t n;
    stretch part[N_STRETCHES];
} plugin;

/* Where things are; the file was just built and is trusted. */
static bool find_parts(plugin *p)
{
    Elf64_Ehdr h;
    Elf64_Shdr names, section;
    memcpy(&h, p->s, sizeof h);
    memcpy(&names, p->s + h.e_shoff + h.e_shstrndx * sizeof names, sizeof names);
    p->part[HEADER] = (stretch){ 0, sizeof h };
    p->part[SECTIONS] = (stretch){ h.e_shoff, h.e_shnum * sizeof section };
    p->part[NAMES] = (stretch){ names.sh_offset, names.sh_size };
    for (unsigned i = 1; i < h.e_shnum; i++) {
        memcpy(&section, p->s + h.e_shoff + i * sizeof section, sizeof section);
        if (strcmp(p->s + names.sh_offset + section.sh_name, ".assay_info") == 0) {
            p->part[INFO] = (stretch){ section.sh_offset, section.sh_size };
            return true;
        }
    }
    return false;
}

/* Few bytes at a time: most files must still be recognisable, or only the first check is tested. */
static void mutate(char *s, const plugin *p, dice *d)
{
    static const char drawn[] = "\0\1\2\3\4\7\x7F\x80\xFF=;\n AZaz09._-\"";
    const stretch *part = &p->part[roll(d, N_STRETCHES)];
    const size_t at = part->at + roll(d, part->n);
    switch (roll(d, 4)) {
    case 0: s[at] = (char)(s[at] ^ 1 << roll(d, 8)); break;
    case 1: s[at] = drawn[roll(d, sizeof drawn)]; break;
    case 2: s[at] = (char)roll(d, 256); break;
    default: { /* a whole number of 8 bytes that is near nothing or near everything */
        const uint64_t numbers[] = { 0, 1, UINT64_MAX, UINT64_MAX - 63, INT64_MAX, p->n, p->n - 1,
            p->n + 1, UINT32_MAX };
        const uint64_t v = numbers[roll(d, sizeof numbers / sizeof numbers[0])];
        const size_t aligned = at / 8 * 8;
        if (aligned + sizeof v <= p->n) memcpy(s + aligned, &v, sizeof v);
    }
    }
}

static void write_whole(int fd, const char *s, size_t n)
{
    if (pwrite(fd, s, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n) != 0) {
        perror("x.so");
        exit(2);
    }
}

static size_t length_of(const char *s)
{
    return s ? strlen(s) : 0;
}

/* What a listing promises; NULL or the promise that was broken. */
static const char *check_listed(const registry *r, const char *path, size_t *n_taken)
{
    const plugin_file *f = NULL;
    volatile size_t sum = 0;
    for (size_t i = 0; i < registry_count(r); i++) {
        if (strcmp(registry_file(r, i)->path, path) == 0) f = registry_file(r, i);
    }
    if (!f) return "the file is not listed";
    if (f->is_loaded) return "the file was loaded";
    if (f->refused) return *f->refused ? NULL : "the reason is empty";
    sum += length_of(f->name) + length_of(f->version);
    for (size_t i = 0; i < f->n_components; i++) {
        const component_info *c = &f->components[i];
        if (!c->kind || !c->id) return "a component without kind or id";
        sum += strlen(c->kind) + strlen(c->id) + length_of(c->version) + length_of(c->doc) +
            length_of(c->refused);
    }
    ++*n_taken;
    return NULL;
}

static const char *run_round(
    dice *d, const plugin *p, int fd, const char *folder, const char *path, size_t *n_taken)
{
    error err = { 0 };
    registry *r = NULL;
    const char *const dirs[] = { folder, NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    char *s = malloc(p->n);
    if (!s) exit(2);
    memcpy(s, p->s, p->n);
    for (size_t n = roll(d, 4); n > 0; n--)
        mutate(s, p, d);
    write_whole(fd, s, roll(d, 8) ? p->n : roll(d, p->n + 1));
    free(s);
    if (registry_new(&o, &r, &err) != OK) return "the registry fails as a whole";
    const char *broken = check_listed(r, path, n_taken);
    registry_free(r);
    return broken;
}

/* Every test program lies in <build>/tests. */
static bool read_plugin(plugin *p)
{
    char path[4096];
    error err = { 0 };
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    if (n <= 0) return false;
    path[n] = '\0';
    strcpy(strrchr(path, '/'), "/../plugins/optimizer/sgd.so");
    if (file_read(path, &p->s, &p->n, &err) != OK) {
        printf("%s\n", err.text);
        return false;
    }
    return find_parts(p);
}

int main(int argc, char **argv)
{
    const uint64_t n_rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : TEST_ROUNDS;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    char folder[] = "/tmp/fuzz_plugin_XXXXXX", path[64];
    plugin p = { 0 };
    size_t n_taken = 0;
    uint64_t round = 0;
    if (!read_plugin(&p) || !mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/x.so", folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return 2;
    printf("seed %llu, file %s\n", (unsigned long long)seed, path);
    fflush(stdout);
    for (; n_rounds == 0 || round < n_rounds; round++) {
        dice d = { rng_make(seed, "fuzz plugin"), round, 0 };
        const char *broken = run_round(&d, &p, fd, folder, path, &n_taken);
        if (broken) {
            printf("round %llu: %s\n", (unsigned long long)round, broken);
            return 1;
        }
    }
    printf("%llu rounds, %zu files taken\n", (unsigned long long)round, n_taken);
    close(fd);
    unlink(path);
    rmdir(folder);
    free(p.s);
    if (n_taken == 0 || n_taken == round) {
        printf("nothing was tested: %s\n", n_taken ? "no file was refused" : "no file was taken");
        return 1;
    }
    return 0;
}
