/* Downloads.
 *
 * The bytes go to a temporary file beside the target while their checksum grows; the target is replaced when everything has
 * come and is right, so neither half a file nor a wrong one ever bears its name. Nothing is resumed: the files are small and
 * a fresh start cannot be wrong. Signals stay blocked and are looked for where curl calls back, at least once a second,
 * which needs neither a handler nor a global variable. An https address is never left for http. */
#include "fetch/download.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { CONNECT_S = 20, SILENT_S = 30, MOST_REDIRECTS = 10 };

static const double repaint_s = 0.1;

typedef struct transfer {
    download *asked;
    digest digest;
    char *out_sha256;
    error *err;
    int fd;
    bool is_too_long, is_unwritten; /* why the writing ended; no failure of curl's */
    fetch_code code;
    double began_s, painted_s;
} transfer;

static const char *shown_name(const transfer *t)
{
    return path_base(t->asked->path);
}

static size_t take(char *data, size_t each, size_t n_items, void *self)
{
    transfer *t = self;
    const uint64_t limit = t->asked->expected.n_bytes;
    const size_t n = each * n_items; /* at most CURL_MAX_WRITE_SIZE */
    t->is_too_long = limit && n > limit - t->digest.n_bytes;
    if (t->is_too_long) return 0;
    t->is_unwritten = fd_write_all(t->fd, t->asked->path, data, n, t->err) != OK;
    if (t->is_unwritten) return 0;
    digest_add(&t->digest, data, n);
    return n;
}

static void paint(transfer *t, curl_off_t total, curl_off_t now)
{
    const double at = clock_wall_s(), took = at - t->began_s;
    char of[32] = "", got[32], rate[32];
    if (at - t->painted_s < repaint_s) return;
    t->painted_s = at;
    text_bytes(got, (double)now);
    text_bytes(rate, took > 0 ? (double)now / took : 0);
    if (total > 0) text_bytes(of, (double)total);
    fprintf(t->asked->progress, "\r  %s  %s%s%s  %s/s\033[K", shown_name(t), got,
        total > 0 ? " of " : "", of, rate);
    fflush(t->asked->progress);
}

static void paint_end(transfer *t)
{
    const double took = clock_wall_s() - t->began_s, n = (double)t->digest.n_bytes;
    char got[32], time[32], rate[32];
    if (!t->asked->progress) return;
    if (t->asked->repaints) fputs("\r\033[K", t->asked->progress);
    if (t->code == FETCH_DONE) {
        text_bytes(got, n);
        text_duration(time, took);
        text_bytes(rate, took > 0 ? n / took : 0);
        fprintf(t->asked->progress, "  %s  %s in %s, %s/s\n", shown_name(t), got, time, rate);
    }
    fflush(t->asked->progress);
}

static bool has_signal(const sigset_t *watched)
{
    sigset_t waiting;
    if (sigpending(&waiting) != 0) return false;
    for (int i = 1; i < NSIG; i++) {
        if (sigismember(watched, i) == 1 && sigismember(&waiting, i) == 1) return true;
    }
    return false;
}

/* Curl asks whether to go on. */
static int look_around(
    void *self, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    transfer *t = self;
    (void)up_total;
    (void)up;
    if (t->asked->progress && t->asked->repaints) paint(t, total, now);
    return has_signal(&t->asked->until);
}

static CURLcode set_up(CURL *curl, transfer *t, char words[CURL_ERROR_SIZE])
{
    const bool is_https = strncmp(t->asked->url, "https:", 6) == 0;
    CURLcode c = CURLE_OK;
#define SET(option, v) \
    if (c == CURLE_OK) c = curl_easy_setopt(curl, option, v)
    SET(CURLOPT_URL, t->asked->url);
    SET(CURLOPT_ERRORBUFFER, words);
    SET(CURLOPT_WRITEFUNCTION, take);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_XFERINFOFUNCTION, look_around);
    SET(CURLOPT_XFERINFODATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, (long)SILENT_S);
    SET(CURLOPT_USERAGENT, "assay-fetch/" ASSAY_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, is_https ? "https" : "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    SET(CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTPS | (is_https ? 0 : CURLPROTO_HTTP)));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
#undef SET
    return c;
}

static fetch_code http_failure(transfer *t, CURL *curl)
{
    long number = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &number);
    (void)fail(t->err, E_IO, "%s: the server answers with status %ld", t->asked->url, number);
    return number >= 500 || number == 408 || number == 429 ? FETCH_LATER : FETCH_HTTP;
}

static fetch_code ended_early(transfer *t, CURL *curl)
{
    curl_off_t total = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
    if (total > 0) {
        (void)fail(t->err, E_IO, "%s: the connection ended after %" PRIu64 " of %" PRId64 " bytes",
            t->asked->url, t->digest.n_bytes, (int64_t)total);
    } else {
        (void)fail(t->err, E_IO, "%s: the connection ended early", t->asked->url);
    }
    return FETCH_NO_NETWORK;
}

static fetch_code no_network(transfer *t, const char *words)
{
    (void)fail(t->err, E_IO, "%s: %s", t->asked->url, words);
    return FETCH_NO_NETWORK;
}

/* Curl says the same of what it could not take in itself, of which t->err knows nothing. */
static fetch_code writing_ended(transfer *t, const char *words)
{
    if (t->is_unwritten) return FETCH_NOT_WRITTEN; /* t->err says why */
    if (!t->is_too_long) return no_network(t, words);
    (void)fail(t->err, E_CORRUPT, "%s: more than the expected %" PRIu64 " bytes", t->asked->url,
        t->asked->expected.n_bytes);
    return FETCH_WRONG;
}

static fetch_code judge(transfer *t, CURL *curl, CURLcode c, const char *given)
{
    const char *words = given[0] ? given : curl_easy_strerror(c);
    switch (c) {
    case CURLE_OK: return FETCH_DONE;
    case CURLE_ABORTED_BY_CALLBACK:
        (void)fail(t->err, E_INTERRUPTED, "%s: interrupted", t->asked->url);
        return FETCH_INTERRUPTED;
    case CURLE_WRITE_ERROR: return writing_ended(t, words);
    case CURLE_HTTP_RETURNED_ERROR: return http_failure(t, curl);
    case CURLE_TOO_MANY_REDIRECTS:
        (void)fail(t->err, E_IO, "%s: more than %d redirections", t->asked->url, MOST_REDIRECTS);
        return FETCH_HTTP;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        (void)fail(t->err, E_USAGE,
            "%s: it, or what it redirects to, is no address to fetch from (https stays https)",
            t->asked->url);
        return FETCH_HTTP;
    case CURLE_OUT_OF_MEMORY: (void)fail_nomem(t->err, "a download"); return FETCH_NOT_WRITTEN;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR: return ended_early(t, curl);
    case CURLE_COULDNT_RESOLVE_HOST: return no_network(t, "the host's address was not found");
    case CURLE_COULDNT_RESOLVE_PROXY: return no_network(t, "the proxy's address was not found");
    case CURLE_COULDNT_CONNECT: return no_network(t, "no connection to the host or its proxy");
    case CURLE_OPERATION_TIMEDOUT: return no_network(t, "no answer in time");
    default: return no_network(t, words);
    }
}

static status transfer_to(int fd, void *self, error *err)
{
    char words[CURL_ERROR_SIZE] = "";
    transfer *t = self;
    status st = OK;
    CURL *curl = curl_easy_init();
    t->fd = fd;
    t->code = FETCH_NOT_WRITTEN;
    if (!curl) return fail_nomem(err, "a download");
    CURLcode c = set_up(curl, t, words);
    if (c == CURLE_OK) c = curl_easy_perform(curl);
    t->code = judge(t, curl, c, words);
    curl_easy_cleanup(curl);
    if (t->code != FETCH_DONE) return err->code;
    st = digest_check(&t->digest, &t->asked->expected, t->asked->url, t->out_sha256, err);
    if (st != OK) t->code = FETCH_WRONG;
    return st;
}

fetch_code download_run(download *d, char out_sha256[65], error *err)
{
    transfer t = { .asked = d,
        .out_sha256 = out_sha256,
        .err = err,
        .code = FETCH_NOT_WRITTEN,
        .began_s = clock_wall_s() };
    digest_init(&t.digest);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)fail(err, E_IO, "libcurl cannot be initialised");
        return FETCH_NOT_WRITTEN;
    }
    const status st = file_write_atomic_by(d->path, transfer_to, &t, err);
    curl_global_cleanup();
    if (st != OK && t.code == FETCH_DONE) t.code = FETCH_NOT_WRITTEN;
    paint_end(&t);
    return t.code;
}
