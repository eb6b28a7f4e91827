/* Mutation fuzzing of the npy dataset: NPY headers and NPZ archives.
 *
 *     test_fuzz_npy                    20000 rounds from seed 1: the test
 *     test_fuzz_npy ROUNDS [SEED]      as long as you like; 0 rounds: until stopped
 *
 * Each round takes a file that numpy wrote (tests/golden/npy), changes it in a few places (bits, bytes, the numbers that
 * count in headers and directories, pieces dropped, doubled or swapped), and opens it as the features of a dataset, whose
 * contract the host checks: every number is looked at. What does not open must say why and name the file. Build with
 * -DASSAY_SANITIZE=address,undefined. A round is a function of its number and the seed; both are printed on a failure,
 * and the file is left where the first line says. */
#include "data/dataset.h"

#include "base/file.h"
#include "base/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 4096, TEST_ROUNDS = 20000 };

/* A golden file, and what else the config says. */
static const struct {
    const char *name, *member, *more;
} seeds[] = {
    { "f4.npy", "", "" },
    { "f8.npy", "", "" },
    { "u1.npy", "", "" },
    { "b1.npy", "", "" },
    { "i8.npy", "", "vocabulary = 7;" },
    { "version3.npy", "", "standardize = true;" },
    { "deep.npy", "", "" },
    { "stored.npz", "/x_train", "" },
    { "deflated.npz", "/x_test", "" },
    { "zip64.npz", "/x_train", "" },
    { "single.npz", "", "" },
};

enum { N_SEEDS = sizeof seeds / sizeof seeds[0] };

static const char *const pieces[] = { "{", "}", "(", ")", ",", ":", "'", "\"", "\\", "L", "\n",
    "'descr': '<f4', ", "'shape': (5, 3), ", "'fortran_order': True, ", "(1, 15)", "(15, 1)",
    "18446744073709551615", "4294967296", "-1", "0", "|u1", ">f4", "|O", "False", "PK\1\2",
    "PK\3\4", "PK\5\6", "PK\6\6", "PK\6\7", "\x93NUMPY\x01", "\xff\xff\xff\xff" };

enum { N_PIECES = sizeof pieces / sizeof pieces[0] };

/* The draws of one round. */
typedef struct dice {
    rng r;
    uint64_t round, i;
} dice;

static size_t roll(dice *d, size_t bound)
{
    return (size_t)rng_below(d->r, d->round, d->i++, bound ? bound : 1);
}

typedef struct buffer {
    unsigned char s[MAX_BYTES];
    size_t n;
} buffer;

/* Replaces s[at..at + n_out) by n_in bytes; nothing happens when that does not fit. */
static void splice(buffer *b, size_t at, size_t n_out, const void *in, size_t n_in)
{
    if (at + n_out > b->n || b->n - n_out + n_in > MAX_BYTES) return;
    unsigned char copy[MAX_BYTES];
    memcpy(copy, in, n_in);
    memmove(b->s + at + n_in, b->s + at + n_out, b->n - at - n_out);
    memcpy(b->s + at, copy, n_in);
    b->n = b->n - n_out + n_in;
}

/* Half of all changes fall on what is not data: the header of an NPY file, the directory of an archive. */
static size_t choose_place(dice *d, const buffer *b)
{
    const size_t near = b->n < 128 ? b->n : 128;
    switch (roll(d, 4)) {
    case 0: return roll(d, near);
    case 1: return b->n - 1 - roll(d, near);
    default: return roll(d, b->n);
    }
}

static void mutate(buffer *b, dice *d)
{
    if (b->n == 0) return;
    const size_t at = choose_place(d, b), rest = b->n - at;
    const unsigned char drawn = (unsigned char)roll(d, 256);
    const char *piece = pieces[roll(d, N_PIECES)];
    const size_t n_piece = strlen(piece);
    switch (roll(d, 8)) {
    case 0: b->s[at] = (unsigned char)(b->s[at] ^ 1u << drawn % 8); break;
    case 1: b->s[at] = drawn; break;
    case 2: splice(b, at, 0, piece, n_piece); break;
    case 3: splice(b, at, n_piece, piece, n_piece); break;
    case 4: splice(b, at, roll(d, rest < 16 ? rest + 1 : 16), "", 0); break;
    case 5: splice(b, roll(d, b->n), 0, b->s + at, roll(d, rest < 64 ? rest + 1 : 64)); break;
    case 6: b->s[at] = (unsigned char)(b->s[at] + (drawn % 2 ? 1 : 255)); break;
    default: /* another digit for a digit, so that numbers stay numbers */
        for (size_t i = at; i < b->n; i++) {
            if (b->s[i] >= '0' && b->s[i] <= '9') {
                b->s[i] = (unsigned char)('0' + drawn % 10);
                break;
            }
        }
    }
}

static bool load(const char *name, buffer *out)
{
    char path[512], *bytes = NULL;
    size_t n = 0;
    error err;
    snprintf(path, sizeof path, "%s/tests/golden/npy/%s", TEST_SOURCE_DIR, name);
    if (file_read(path, &bytes, &n, &err) != OK || n > MAX_BYTES) {
        printf("%s\n", n > MAX_BYTES ? "a seed is too large" : err.text);
        free(bytes);
        return false;
    }
    memcpy(out->s, bytes, n);
    out->n = n;
    free(bytes);
    return true;
}

static status open_data(registry *r, const char *written, error *err)
{
    config *c = NULL;
    dataset *d = NULL;
    status st = OK;
    TRY(config_parse("x.cfg", written, &c, err));
    TRY(dataset_open(r, c, value_find(config_root(c), "data"), &d, err));
done:
    dataset_free(d);
    config_free(c);
    return st;
}

static const char *run_round(
    registry *r, const buffer *clean, dice *d, int fd, const char *path, size_t *n_opened)
{
    char written[400];
    error err = { 0 };
    const size_t i = roll(d, N_SEEDS);
    buffer b = clean[i];
    for (size_t n = 1 + roll(d, 4); n > 0; n--)
        mutate(&b, d);
    if (pwrite(fd, b.s, b.n, 0) != (ssize_t)b.n || ftruncate(fd, (off_t)b.n) != 0) {
        return "the file cannot be written";
    }
    snprintf(written, sizeof written, "data = { type = \"npy\"; x = \"%s%s\"; %s };", path,
        seeds[i].member, seeds[i].more);
    const status st = open_data(r, written, &err);
    if (st == OK) {
        ++*n_opened;
        return NULL;
    }
    if (err.code != st) return "the error's code is not the status";
    /* a number that is not finite is found by the host, which knows only the block */
    const bool is_named =
        strstr(err.text, "x: x.npy") != NULL || strstr(err.text, "feature") != NULL;
    return is_named ? NULL : "the message names no file";
}

static int fuzz(uint64_t n_rounds, uint64_t seed, registry *r, const char *path, int fd)
{
    static buffer clean[N_SEEDS];
    size_t n_opened = 0;
    uint64_t round = 0;
    for (size_t i = 0; i < N_SEEDS; i++) {
        if (!load(seeds[i].name, &clean[i])) return 2;
    }
    for (; n_rounds == 0 || round < n_rounds; round++) {
        dice d = { rng_make(seed, "fuzz npy"), round, 0 };
        const char *broken = run_round(r, clean, &d, fd, path, &n_opened);
        if (broken) {
            printf("round %llu: %s\n", (unsigned long long)round, broken);
            return 1;
        }
    }
    printf("%llu rounds, %zu files opened\n", (unsigned long long)round, n_opened);
    unlink(path);
    if (n_opened == 0 || n_opened == round) {
        printf("nothing was tested: %s\n", n_opened ? "no file was refused" : "no file opened");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const uint64_t n_rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : TEST_ROUNDS;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const registry_options o = { .dirs = dirs, .no_environment = true };
    char folder[] = "/tmp/fuzz_npy_XXXXXX", path[64];
    registry *r = NULL;
    error err;
    if (registry_new(&o, &r, &err) != OK || !mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/x.npy", folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return 2;
    printf("seed %llu, file %s\n", (unsigned long long)seed, path);
    fflush(stdout);
    const int code = fuzz(n_rounds, seed, r, path, fd);
    close(fd);
    if (code == 0) rmdir(folder);
    registry_free(r);
    return code;
}
