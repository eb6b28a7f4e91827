/* Mutation fuzzing of the config reader: files with their includes, overrides, and the text written back.
 *
 *     test_fuzz_config                    5000 rounds from seed 1: the test
 *     test_fuzz_config ROUNDS [SEED]      as long as you like; 0 rounds: until stopped
 *
 * Each round takes valid configs, changes them in a few places (bits, bytes, words of the grammar put in, pieces dropped or
 * doubled), and reads them. What is read must be written such that it reads back equal; an override on it, changed likewise,
 * either leaves such a tree or leaves it as it was. What is not read must say why and where. Build with
 * -DASSAY_SANITIZE=address,undefined. A round is a function of its number and the seed; both are printed on a failure, and the
 * files are left where the first line says. */
#include "config/config.h"

#include "base/rng.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 8192, TEST_ROUNDS = 5000 };

static const char *const seeds[] = {
    "name = \"digits\"; seed = 1;\n"
    "data = { type = \"csv\"; file = \"t.csv\"; split = { seed = 0; test = 0.15; }; };\n"
    "model = ( { type = \"dense\"; units = 64; }, \"relu\", { type = \"dense\"; units = 10; }, );\n"
    "train : { epochs = 100; clip_norm = 1.0e-3; best = true; };\n",
    "// a comment\n/* another */ # and another\n"
    "a = [ 1, 2.5, -0x7fL ]; b = ( ( ), { }, \"x\\n\\\"y\\\"\" ); c = -9223372036854775808L;\n"
    "d = 1e308; e = .5; f = 3.; g = 0xFFFFFFFF; h = FALSE; s = \"one\" \"two\";\n",
    "@include \"inc.cfg\"\nx = 1;\ny = { @include \"sub/in.cfg\" };\n",
    "",
};

static const char *const overrides[] = { "train.epochs=3", "+model[3]={ type = \"tanh\"; }",
    "~name", "optimizer.inner.lr=1e-3", "a[0]=\"x\"", "b=( 1, ( 2 ) )", "+new.deep.key=inf",
    "model[0].units=-1", "data.split=0.5", "model[1].slope=0.2", "~b[0]", "x={}" };

static const char *const pieces[] = { "{", "}", "(", ")", "[", "]", ";", ",", "=", ":", "\"", "\\",
    "\\x41", "\\x00", "/*", "*/", "//", "#", "\n", "@include \"inc.cfg\"\n", "@include \"x.cfg\"\n",
    "@include \"", "9223372036854775807", "9223372036854775808", "0x", "1e999", "1e-999", "-", "+",
    ".", "nan", "inf", "true", "a = 1;", "name", "L", "~", "[0]", "[99999999999999999999]", "\xFF",
    "\xC3\xA4", "\r\n", "((((((((((((((((", "{a={a={a={a={a={a={a={" };

enum {
    N_SEEDS = sizeof seeds / sizeof seeds[0],
    N_OVERRIDES = sizeof overrides / sizeof overrides[0],
    N_PIECES = sizeof pieces / sizeof pieces[0]
};

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
    char s[MAX_BYTES + 1];
    size_t n;
} buffer;

/* Replaces s[at..at + n_out) by n_in bytes; nothing happens when that does not fit. */
static void splice(buffer *b, size_t at, size_t n_out, const char *in, size_t n_in)
{
    if (at + n_out > b->n || b->n - n_out + n_in > MAX_BYTES) return;
    char copy[MAX_BYTES];
    memcpy(copy, in, n_in);
    memmove(b->s + at + n_in, b->s + at + n_out, b->n - at - n_out);
    memcpy(b->s + at, copy, n_in);
    b->n = b->n - n_out + n_in;
    b->s[b->n] = '\0';
}

static void mutate(buffer *b, dice *d)
{
    const size_t at = roll(d, b->n + 1), rest = b->n - at;
    const char drawn = (char)(1 + roll(d, 255));
    const char *piece = pieces[roll(d, N_PIECES)];
    switch (roll(d, 6)) {
    case 0: splice(b, at, rest ? 1 : 0, &drawn, 1); break;
    case 1: splice(b, at, 0, piece, strlen(piece)); break;
    case 2: splice(b, at, rest ? 1 : 0, piece, strlen(piece)); break;
    case 3: splice(b, at, roll(d, rest < 24 ? rest + 1 : 24), "", 0); break;
    case 4: splice(b, roll(d, b->n + 1), 0, b->s + at, roll(d, rest < 80 ? rest + 1 : 80)); break;
    default: splice(b, at, rest, "", 0); break; /* cut off */
    }
}

/* One of the texts with up to `most` changes. */
static void make_text(buffer *b, const char *from, size_t most, dice *d)
{
    b->n = strlen(from);
    memcpy(b->s, from, b->n + 1);
    for (size_t n = roll(d, most + 1); n > 0; n--)
        mutate(b, d);
}

/* Through one descriptor: emptying a file by name and closing it makes some file systems sync. */
static void write_whole(int fd, const buffer *b)
{
    if (pwrite(fd, b->s, b->n, 0) != (ssize_t)b->n || ftruncate(fd, (off_t)b->n) != 0) {
        perror("x.cfg");
        exit(2);
    }
}

static config *copy_of(const config *c, text *written)
{
    error err = { 0 };
    config *again = NULL;
    text_clear(written);
    if (config_to_text(c, written, &err) != OK ||
        config_parse("again.cfg", written->s ? written->s : "", &again, &err) != OK) {
        printf("%s\n%s\n", err.text, written->s ? written->s : "");
        return NULL;
    }
    return again;
}

/* Written out and read again it is the same; NULL or the promise that was broken. */
static const char *check_rewritten(const config *c)
{
    text written = { 0 };
    config *again = copy_of(c, &written);
    const char *broken = !again                            ? "cannot be read back"
        : !value_equal(config_root(c), config_root(again)) ? "reads back as something else"
                                                           : NULL;
    if (broken) printf("%s\n", written.s ? written.s : "");
    config_free(again);
    text_release(&written);
    return broken;
}

static const char *check_error(status st, const error *err, const char *begin, const void *object)
{
    if (object) return "an object comes with an error";
    if (err->code != st) return "the error's code is not the status";
    if (strchr(err->text, '\n')) return "the message has several lines";
    if (begin && strncmp(err->text, begin, strlen(begin)) != 0) {
        printf("%s\n", err->text);
        return "the message names no place";
    }
    return NULL;
}

static const char *check_override(config *c, dice *d)
{
    buffer b;
    error err = { 0 };
    text written = { 0 };
    make_text(&b, overrides[roll(d, N_OVERRIDES)], 2, d);
    config *before = copy_of(c, &written);
    const status st = config_override(c, b.s, &err);
    const char *broken = NULL;
    if (st == OK) {
        broken = check_rewritten(c);
    } else {
        broken = check_error(st, &err, "command line: ", NULL);
        if (!broken && before && !value_equal(config_root(c), config_root(before))) {
            broken = "an override that was refused changed the tree";
        }
    }
    if (broken) printf("override %s\n", b.s);
    config_free(before);
    text_release(&written);
    return broken;
}

static const char *run_round(dice *d, int fd, int inner_fd, size_t *n_read)
{
    buffer b;
    error err = { 0 };
    config *c = NULL;
    make_text(&b, "z = 1; w = ( 2, 3 );\n", 1, d);
    write_whole(inner_fd, &b);
    make_text(&b, seeds[roll(d, N_SEEDS)], 4, d);
    write_whole(fd, &b);
    const status st = config_load("x.cfg", &c, &err);
    if (st != OK) {
        const bool is_inner = strncmp(err.text, "x.cfg", 5) != 0 &&
            (strstr(err.text, "inc.cfg") || strstr(err.text, "in.cfg"));
        return check_error(st, &err, is_inner ? NULL : "x.cfg", c);
    }
    ++*n_read;
    const char *broken = check_rewritten(c);
    for (size_t n = roll(d, 3); !broken && n > 0; n--)
        broken = check_override(c, d);
    config_free(c);
    return broken;
}

int main(int argc, char **argv)
{
    const uint64_t n_rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : TEST_ROUNDS;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    char folder[] = "/tmp/fuzz_config_XXXXXX";
    const buffer inner = { "k = 1; @include \"../inc.cfg\"\n", 29 };
    size_t n_read = 0;
    uint64_t round = 0;
    if (!mkdtemp(folder) || chdir(folder) != 0 || system("mkdir sub") != 0) return 2;
    const int fd = open("x.cfg", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const int inner_fd = open("inc.cfg", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const int sub_fd = open("sub/in.cfg", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || inner_fd < 0 || sub_fd < 0) return 2;
    write_whole(sub_fd, &inner);
    close(sub_fd);
    printf("seed %llu, folder %s\n", (unsigned long long)seed, folder);
    fflush(stdout);
    for (; n_rounds == 0 || round < n_rounds; round++) {
        dice d = { rng_make(seed, "fuzz config"), round, 0 };
        const char *broken = run_round(&d, fd, inner_fd, &n_read);
        if (broken) {
            printf("round %llu: %s\n", (unsigned long long)round, broken);
            return 1;
        }
    }
    printf("%llu rounds, %zu configs read\n", (unsigned long long)round, n_read);
    close(fd);
    close(inner_fd);
    if (chdir("/") != 0) return 2;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    if (system(command) != 0) return 2;
    if (n_read == 0 || n_read == round) {
        printf("nothing was tested: %s\n", n_read ? "no config was refused" : "none was read");
        return 1;
    }
    return 0;
}
