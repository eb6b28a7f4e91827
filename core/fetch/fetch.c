/* The program assay-fetch, which `assay data fetch` runs: downloads, checks, converts.
 *
 * It is a program of its own so that assay links neither libcurl nor what that links, which would take longer to load than
 * a small run takes. It says one line on standard output, for its caller, and its progress on standard error. */
#include "fetch/codes.h"
#include "fetch/download.h"
#include "fetch/pianoroll.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: assay-fetch [--sha256 HEX] [--md5 HEX] [--bytes N] [--progress none|end|line] URL "
    "FILE\n"
    "       assay-fetch --check [--sha256 HEX] [--md5 HEX] [--bytes N] FILE\n"
    "       assay-fetch --pianorolls FILE.mat PREFIX\n"
    "`assay data fetch` runs it; `assay data list` names the data sets.\n";

typedef struct request {
    enum { DOWNLOAD, CHECK, PIANOROLLS } task;
    expectation expected;
    const char *progress;
    char **word;
    int n_words;
} request;

static bool read_bytes(const char *s, uint64_t *out)
{
    char *end;
    if (s[0] < '0' || s[0] > '9') return false;
    *out = strtoull(s, &end, 10);
    return *end == '\0';
}

static bool is_hex(const char *s, size_t n)
{
    return !s || (strlen(s) == n && strspn(s, "0123456789abcdef") == n);
}

static bool read_request(int argc, char **argv, request *out)
{
    static const struct option options[] = { { "check", no_argument, NULL, 'c' },
        { "pianorolls", no_argument, NULL, 'p' }, { "sha256", required_argument, NULL, 's' },
        { "md5", required_argument, NULL, 'm' }, { "bytes", required_argument, NULL, 'b' },
        { "progress", required_argument, NULL, 'g' }, { NULL, 0, NULL, 0 } };
    request r = { .progress = "end" };
    opterr = 0;
    for (int answer; (answer = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (answer) {
        case 'c': r.task = CHECK; break;
        case 'p': r.task = PIANOROLLS; break;
        case 's': r.expected.sha256 = optarg; break;
        case 'm': r.expected.md5 = optarg; break;
        case 'b':
            if (!read_bytes(optarg, &r.expected.n_bytes)) return false;
            break;
        case 'g': r.progress = optarg; break;
        default: return false;
        }
    }
    r.word = argv + optind;
    r.n_words = argc - optind;
    *out = r;
    return r.n_words == (r.task == CHECK ? 1 : 2) && is_hex(r.expected.sha256, 64) &&
        is_hex(r.expected.md5, 32) &&
        (strcmp(r.progress, "none") == 0 || strcmp(r.progress, "end") == 0 ||
            strcmp(r.progress, "line") == 0);
}

/* Blocks what ends a program, those apart that the caller ignores; a broken connection and
 * a limit on files are errors, no signals. */
static void block_signals(sigset_t *out_ends)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
    sigset_t blocked;
    sigemptyset(out_ends);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct sigaction now;
        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            sigaddset(out_ends, ends[i]);
        }
    }
    blocked = *out_ends;
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

static fetch_code run_download(const request *r, char sha256[65], error *err)
{
    const bool is_silent = strcmp(r->progress, "none") == 0;
    download d = { .url = r->word[0],
        .path = r->word[1],
        .expected = r->expected,
        .progress = is_silent ? NULL : stderr,
        .repaints = strcmp(r->progress, "line") == 0 };
    block_signals(&d.until);
    return download_run(&d, sha256, err);
}

static fetch_code run_check(const request *r, char sha256[65], error *err)
{
    const status st = digest_check_file(r->word[0], &r->expected, sha256, err);
    return st == OK ? FETCH_DONE : st == E_CORRUPT ? FETCH_WRONG : FETCH_NOT_WRITTEN;
}

static fetch_code run_pianorolls(const request *r, error *err)
{
    const status st = pianoroll_convert(r->word[0], r->word[1], err);
    return st == OK                   ? FETCH_DONE
        : st == E_IO || st == E_NOMEM ? FETCH_NOT_WRITTEN
                                      : FETCH_NOT_CONVERTED;
}

int main(int argc, char **argv)
{
    request r;
    error err = { .text = "" };
    char sha256[65] = "";
    fetch_code code = FETCH_USAGE;
    if (!read_request(argc, argv, &r)) {
        fputs(usage, stderr);
        return FETCH_USAGE;
    }
    switch (r.task) {
    case DOWNLOAD: code = run_download(&r, sha256, &err); break;
    case CHECK: code = run_check(&r, sha256, &err); break;
    case PIANOROLLS: code = run_pianorolls(&r, &err); break;
    }
    printf("%s\n", code == FETCH_DONE ? sha256 : err.text);
    return code;
}
