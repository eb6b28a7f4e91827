/* Mutation fuzzing of the safetensors reader.
 *
 *     test_fuzz_safetensors                    5000 rounds from seed 1: the test
 *     test_fuzz_safetensors ROUNDS [SEED]      as long as you like; 0 rounds: until stopped
 *
 * Each round takes a valid file, changes it in a few places (bits, bytes, numbers in the header, pieces dropped, doubled or
 * swapped, lengths mended or not), and opens it. What opens must keep the reader's promises: every byte of every tensor is
 * readable and aligned, names rise and are found, and writing it out and opening that gives the same again. What does
 * not open must say why. Build with -DASSAY_SANITIZE=address,undefined. A round is a function of its number and the seed; both
 * are printed on a failure, and the file is left where the first line says. */
#include "model/safetensors.h"

#include "base/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 8192, TEST_ROUNDS = 5000 };

static const char *const seeds[] = {
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}",
    "{\"__metadata__\":{\"k\":\"v\\u20ac\\ud83d\\ude00\",\"l\":\"\"},\"w\":{\"dtype\":\"F64\","
    "\"shape\":[2],"
    "\"data_offsets\":[0,16]},\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[16,17]},"
    "\"e\":{\"dtype\":\"I64\",\"shape\":[0,7],\"data_offsets\":[17,17]}}   ",
    "{\"x\\n\":{\"shape\":[1,1,1,1,1,1,1,3],\"dtype\":\"BF16\",\"data_offsets\":[4,10]},\"y\":"
    "{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
    "{}",
};
static const size_t seed_data[] = { 24, 17, 10, 0 };

enum { N_SEEDS = sizeof seeds / sizeof seeds[0] };

static const char *const pieces[] = { "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000",
    "\\ud800", "18446744073709551615", "18446744073709551616", "4294967296", "-1", "0", "1e9",
    "null", " ", "\"dtype\":\"F32\",", "\"shape\":[],", "\"data_offsets\":[0,0]",
    "\"__metadata__\":{}", "\"checksum\":\"\"", "F16", "\xED\xA0\x80", "\xF0\x9F\x98\x80", "\xFF" };

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

static void mutate(buffer *b, dice *d)
{
    const size_t at = roll(d, b->n), rest = b->n - at;
    const unsigned char drawn = (unsigned char)roll(d, 256);
    const char *piece = pieces[roll(d, N_PIECES)];
    if (b->n == 0) return;
    switch (roll(d, 7)) {
    case 0: b->s[at] = (unsigned char)(b->s[at] ^ 1u << drawn % 8); break;
    case 1: b->s[at] = drawn; break;
    case 2: splice(b, at, 0, piece, strlen(piece)); break;
    case 3: splice(b, at, 1, piece, strlen(piece)); break;
    case 4: splice(b, at, roll(d, rest < 16 ? rest + 1 : 16), "", 0); break;
    case 5: splice(b, roll(d, b->n), 0, b->s + at, roll(d, rest < 64 ? rest + 1 : 64)); break;
    default: /* another digit for a digit, so that numbers stay numbers */
        for (size_t i = at; i < b->n; i++) {
            if (b->s[i] >= '0' && b->s[i] <= '9') {
                b->s[i] = (unsigned char)('0' + drawn % 10);
                break;
            }
        }
    }
}

/* A valid file, changed. */
static void make_file(buffer *b, dice *d)
{
    const size_t i_seed = roll(d, N_SEEDS), n_header = strlen(seeds[i_seed]);
    b->n = 8 + n_header + seed_data[i_seed];
    memset(b->s, 0x3C, b->n);
    memcpy(b->s + 8, seeds[i_seed], n_header);
    uint64_t length = n_header;
    memcpy(b->s, &length, sizeof length);
    const size_t n_before = b->n;
    for (size_t n = roll(d, 5); n > 0; n--)
        mutate(b, d);
    if (b->n >= 8 && roll(d, 4) != 0) { /* the length field follows what was put in or taken out */
        length = n_header + b->n - n_before;
        memcpy(b->s, &length, sizeof length);
    }
}

/* Through one descriptor: emptying a file by name and closing it makes some file systems sync. */
static void write_whole(int fd, const buffer *b)
{
    if (pwrite(fd, b->s, b->n, 0) != (ssize_t)b->n || ftruncate(fd, (off_t)b->n) != 0) {
        perror("x.safetensors");
        exit(2);
    }
}

/* What an opened file promises; NULL or the promise that was broken. */
static const char *check_opened(const safetensors *s)
{
    volatile unsigned char sum = 0;
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const array *a = safetensors_at(s, i);
        const unsigned char *data = a->data;
        for (size_t k = 0; k < a->bytes; k++)
            sum = (unsigned char)(sum + data[k]);
        if (a->n > 0 && (uintptr_t)a->data % (a->bytes / a->n) != 0) return "data are unaligned";
        if (safetensors_find(s, a->name) != a) return "a tensor is not found by its name";
        if (i > 0 && strcmp(safetensors_at(s, i - 1)->name, a->name) >= 0) {
            return "names do not rise";
        }
    }
    return NULL;
}

/* Written out and opened again it is the same. */
static const char *check_rewritten(const safetensors *s, const char *path)
{
    array arrays[64];
    error err = { 0 };
    safetensors *again = NULL;
    const char *broken = NULL;
    const size_t n = safetensors_count(s);
    if (n > 64) return NULL;
    for (size_t i = 0; i < n; i++)
        arrays[i] = *safetensors_at(s, i);
    if (safetensors_write(path, arrays, n, NULL, 0, &err) != OK) return "cannot be written again";
    if (safetensors_open(path, &again, &err) != OK) return "cannot be opened again";
    if (safetensors_count(again) != n) broken = "tensors were lost";
    for (size_t i = 0; i < n && !broken; i++) {
        const array *a = safetensors_at(again, i), *b = &arrays[i];
        if (strcmp(a->name, b->name) != 0 || strcmp(a->dtype_name, b->dtype_name) != 0 ||
            a->n_dims != b->n_dims || memcmp(a->dim, b->dim, sizeof a->dim) != 0 ||
            a->bytes != b->bytes || (a->bytes && memcmp(a->data, b->data, a->bytes) != 0)) {
            broken = "a tensor changed";
        }
    }
    safetensors_close(again);
    return broken;
}

static const char *run_round(
    dice *d, int fd, const char *path, const char *second, size_t *n_opened)
{
    buffer b;
    error err = { 0 };
    safetensors *s = NULL;
    make_file(&b, d);
    write_whole(fd, &b);
    const status st = safetensors_open(path, &s, &err);
    if (st != OK) {
        if (s) return "an object comes with an error";
        if (err.code != st) return "the error's code is not the status";
        return strncmp(err.text, path, strlen(path)) == 0 ? NULL : "the message names no file";
    }
    ++*n_opened;
    const char *broken = check_opened(s);
    /* fsync makes rewriting slow: one in 64 */
    if (!broken && d->round % 64 == 0) broken = check_rewritten(s, second);
    safetensors_close(s);
    return broken;
}

int main(int argc, char **argv)
{
    const uint64_t n_rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : TEST_ROUNDS;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    char folder[] = "/tmp/fuzz_safetensors_XXXXXX", path[64], second[64];
    size_t n_opened = 0;
    uint64_t round = 0;
    if (!mkdtemp(folder)) return 2;
    snprintf(path, sizeof path, "%s/x.safetensors", folder);
    snprintf(second, sizeof second, "%s/y.safetensors", folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return 2;
    printf("seed %llu, file %s\n", (unsigned long long)seed, path);
    fflush(stdout);
    for (; n_rounds == 0 || round < n_rounds; round++) {
        dice d = { rng_make(seed, "fuzz safetensors"), round, 0 };
        const char *broken = run_round(&d, fd, path, second, &n_opened);
        if (broken) {
            printf("round %llu: %s\n", (unsigned long long)round, broken);
            return 1;
        }
    }
    printf("%llu rounds, %zu files opened\n", (unsigned long long)round, n_opened);
    close(fd);
    unlink(path);
    unlink(second);
    rmdir(folder);
    if (n_opened == 0 || n_opened == round) {
        printf("nothing was tested: %s\n", n_opened ? "no file was refused" : "no file opened");
        return 1;
    }
    return 0;
}
