/* TensorBoard event files: read back by a plain decoder of this file, which shares no code with the writer. */
#include "support/train_rig.h"

#include "base/file.h"
#include "train/events.h"
#include "train/run_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SCALARS = 400, MAX_TAG = 48 };

#define CONFIG(train) \
    "name = \"events\"; seed = 7;\n" \
    "data = { type = \"blobs\"; samples = 120; classes = 3; features = 4;\n" \
    "  split = { seed = 3; validation = 0.2; test = 0.1; }; batch_size = 21; };\n" \
    "loss = { type = \"softmax_xent\"; }; metrics = ( \"accuracy\", \"confusion\" );\n" \
    "model = ( { type = \"dense\"; units = 3; } ); optimizer = { type = \"adam\"; lr = 0.02; };\n" \
    "schedule = \"cosine\"; train = { epochs = 3; tensorboard = true; " train " };\n"

typedef struct scalar {
    char tag[MAX_TAG];
    uint64_t step;
    double wall_time;
    float value;
} scalar;

/* What one file holds. */
typedef struct decoded {
    char version[32];
    size_t n_events, n_scalars;
    uint64_t session_step; /* of a session log that starts; 0: none */
    scalar scalars[MAX_SCALARS];
} decoded;

/* -- the decoder: CRC-32C by a table of its remainders, protobuf by its wire types -- */

static uint32_t plain_crc(const unsigned char *p, size_t n)
{
    static uint32_t table[256];
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t v = i;
        for (int k = 0; k < 8; k++)
            v = v & 1 ? 0x82f63b78u ^ v >> 1 : v >> 1;
        table[i] = v;
    }
    uint32_t v = 0xffffffffu;
    while (n-- > 0)
        v = table[(v ^ *p++) & 255] ^ v >> 8;
    return v ^ 0xffffffffu;
}

static uint64_t little(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t unmasked(const unsigned char *p)
{
    const uint32_t rotated = (uint32_t)little(p, 4) - 0xa282ead8u;
    return rotated >> 17 | (uint32_t)(rotated << 15);
}

typedef struct field {
    unsigned number, type;
    uint64_t integer; /* of a varint; the bits of the fixed ones */
    const unsigned char *bytes;
    size_t n;
} field;

static uint64_t next_varint(const unsigned char **at, const unsigned char *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        assert_true(*at < end);
        const unsigned char byte = *(*at)++;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return v;
    }
    GIVE_UP("%s", "a varint without an end");
    return 0;
}

static bool next_field(const unsigned char **at, const unsigned char *end, field *out)
{
    if (*at == end) return false;
    const uint64_t key = next_varint(at, end);
    *out = (field){ .number = (unsigned)(key >> 3), .type = key & 7 };
    switch (out->type) {
    case 0: out->integer = next_varint(at, end); return true;
    case 1: out->n = 8; break;
    case 5: out->n = 4; break;
    case 2: out->n = (size_t)next_varint(at, end); break;
    default: GIVE_UP("wire type %u", out->type);
    }
    assert_true(out->n <= (size_t)(end - *at));
    out->bytes = *at;
    if (out->type != 2) out->integer = little(*at, out->n);
    *at += out->n;
    return true;
}

static void decode_value(const field *of, uint64_t step, double wall_time, decoded *out)
{
    const unsigned char *at = of->bytes;
    field f;
    assert_true(out->n_scalars < MAX_SCALARS);
    scalar *s = &out->scalars[out->n_scalars++];
    *s = (scalar){ .step = step, .wall_time = wall_time, .value = -1e30f };
    while (next_field(&at, of->bytes + of->n, &f)) {
        if (f.number == 1) {
            assert_int_equal(f.type, 2);
            assert_true(f.n < MAX_TAG);
            memcpy(s->tag, f.bytes, f.n);
        } else {
            assert_int_equal(f.number, 2);
            assert_int_equal(f.type, 5);
            const uint32_t bits = (uint32_t)f.integer;
            memcpy(&s->value, &bits, sizeof bits);
        }
    }
}

static void decode_session(const field *of, uint64_t step, decoded *out)
{
    const unsigned char *at = of->bytes;
    field f;
    assert_true(next_field(&at, of->bytes + of->n, &f));
    assert_true(f.number == 1 && f.type == 0 && f.integer == 1);
    out->session_step = step;
}

static void decode_event(const unsigned char *at, size_t n, decoded *out)
{
    const unsigned char *end = at + n;
    double wall_time = 0;
    uint64_t step = 0;
    field f, inner;
    out->n_events++;
    while (next_field(&at, end, &f)) {
        if (f.number == 1) {
            assert_int_equal(f.type, 1);
            memcpy(&wall_time, &f.integer, sizeof wall_time);
        } else if (f.number == 2) {
            assert_int_equal(f.type, 0);
            step = f.integer;
        } else if (f.number == 3) {
            assert_int_equal(out->n_events, 1);
            assert_true(f.type == 2 && f.n < sizeof out->version);
            memcpy(out->version, f.bytes, f.n);
        } else if (f.number == 7) {
            decode_session(&f, step, out);
        } else {
            assert_int_equal(f.number, 5);
            const unsigned char *p = f.bytes;
            while (next_field(&p, f.bytes + f.n, &inner)) {
                assert_true(inner.number == 1 && inner.type == 2);
                decode_value(&inner, step, wall_time, out);
            }
        }
    }
    assert_true(fabs(wall_time - (double)time(NULL)) < 600);
}

static decoded *decode(const char *path)
{
    char *all = NULL;
    size_t n = 0;
    error err;
    decoded *out = calloc(1, sizeof *out);
    assert_non_null(out);
    assert_int_equal(file_read(path, &all, &n, &err), OK);
    const unsigned char *p = (const unsigned char *)all;
    for (size_t at = 0; at < n;) {
        assert_true(n - at >= 16);
        const size_t length = (size_t)little(p + at, 8);
        assert_int_equal(unmasked(p + at + 8), plain_crc(p + at, 8));
        assert_true(length <= n - at - 16);
        assert_int_equal(unmasked(p + at + 12 + length), plain_crc(p + at + 12, length));
        decode_event(p + at + 12, length, out);
        at += 16 + length;
    }
    free(all);
    return out;
}

/* -- runs -- */

/* The i-th event file of a folder by name, or NULL; how many there are. */
static size_t find_files(const char *dir, size_t i, char out[512])
{
    struct dirent **names;
    size_t n_found = 0;
    const int n = scandir(dir, &names, NULL, alphasort);
    assert_true(n >= 0);
    for (int k = 0; k < n; k++) {
        if (strncmp(names[k]->d_name, "events.out.tfevents.", 20) == 0 && n_found++ == i) {
            snprintf(out, 512, "%.200s/%.280s", dir, names[k]->d_name);
        }
        free(names[k]);
    }
    free(names);
    return n_found;
}

static decoded *decode_nth(const char *dir, size_t i)
{
    char path[512] = "";
    assert_true(find_files(dir, i, path) > i);
    return decode(path);
}

/* The folder is opened before the trainer, which needs its sink. */
typedef struct recorded {
    train_rig g;
    run_folder *folder;
    registry *r;
    config *c;
    trainer *t;
} recorded;

static void open_run(recorded *x, const char *source, bool resumed)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .dirs = dirs, .no_environment = true };
    const char *path = rig_path(&x->g, "run");
    error *err = &x->g.err;
    if ((resumed ? run_folder_open(path, &x->folder, err)
                 : run_folder_create(NULL, NULL, path, &x->folder, err)) != OK ||
        registry_new(&ro, &x->r, err) != OK || config_parse("x.cfg", source, &x->c, err) != OK) {
        GIVE_UP("%s", err->text);
    }
    const trainer_options o = { .sink = run_folder_sink(x->folder),
        .checkpoint_dir = run_folder_checkpoints(x->folder) };
    if (trainer_new(x->r, x->c, &o, &x->t, err) != OK) GIVE_UP("%s", err->text);
}

static status begin(recorded *x, bool resumed)
{
    return run_folder_begin(x->folder, x->t, x->c, x->r, resumed, &x->g.err);
}

static void close_run(recorded *x)
{
    trainer_free(x->t);
    config_free(x->c);
    registry_free(x->r);
    run_folder_free(x->folder);
    *x = (recorded){ .g = x->g };
}

static void whole_run(recorded *x, const char *source)
{
    run_result result;
    open_run(x, source, false);
    if (begin(x, false) != OK || trainer_run(x->t, &result, &x->g.err) != OK ||
        run_folder_end(x->folder, x->t, &x->g.err) != OK) {
        GIVE_UP("%s", x->g.err.text);
    }
    close_run(x);
}

static const scalar *find_scalar(const decoded *d, const char *tag, uint64_t step)
{
    const scalar *found = NULL;
    for (size_t i = 0; i < d->n_scalars; i++) {
        if (strcmp(d->scalars[i].tag, tag) == 0 && d->scalars[i].step == step) {
            if (found) GIVE_UP("%s at step %llu twice", tag, (unsigned long long)step);
            found = &d->scalars[i];
        }
    }
    return found;
}

/* Every number of metrics.csv is a scalar of that tag at that step, and there are no others. */
static void compare_with_csv(const decoded *d, const char *path)
{
    char *all = NULL, *save = NULL, *tags[32];
    size_t n = 0, n_tags = 0, n_numbers = 0;
    error err;
    assert_int_equal(file_read(path, &all, &n, &err), OK);
    char *line = strtok_r(all, "\n", &save);
    for (char *at = line; at && n_tags < 32; n_tags++) {
        tags[n_tags] = at;
        at = strchr(at, ',');
        if (at) *at++ = '\0';
    }
    while ((line = strtok_r(NULL, "\n", &save))) {
        const uint64_t step = strtoull(line, NULL, 10);
        for (size_t k = 0; k < n_tags; k++) {
            char *comma = strchr(line, ',');
            if (comma) *comma = '\0';
            if (k >= 3 && *line) {
                const scalar *s = find_scalar(d, tags[k], step);
                if (!s) GIVE_UP("no %s at step %llu", tags[k], (unsigned long long)step);
                assert_true(s->value == (float)strtod(line, NULL));
                n_numbers++;
            }
            line = comma ? comma + 1 : strchr(line, '\0');
        }
    }
    assert_int_equal(n_numbers, d->n_scalars);
    assert_true(n_numbers > 10);
    free(all);
}

static void test_crc32c__has_the_check_value(void **state)
{
    static const unsigned char zeros[32] = { 0 };
    (void)state;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(zeros, 32), 0x8a9136aau); /* RFC 3720 B.4 */
    assert_int_equal(plain_crc((const unsigned char *)"123456789", 9), 0xe3069283u);
}

static void check_run(const char *source)
{
    recorded x = { 0 };
    rig_init(&x.g);
    whole_run(&x, source);
    char path[512];
    const char *dir = rig_path(&x.g, "run");
    assert_int_equal(find_files(dir, 0, path), 1);
    assert_int_equal(strcmp(path + strlen(path) - 2, ".0"), 0);
    decoded *d = decode(path);
    assert_string_equal(d->version, "brain.Event:2");
    assert_int_equal(d->session_step, 0);
    assert_non_null(find_scalar(d, "training.loss", 12));
    assert_non_null(find_scalar(d, "lr", 12));
    assert_non_null(find_scalar(d, "validation.loss", 8));
    assert_non_null(find_scalar(d, "validation.accuracy", 12));
    compare_with_csv(d, rig_path(&x.g, "run/metrics.csv"));
    free(d);
    rig_release(&x.g);
}

static void test_events__are_the_numbers_of_metrics_csv(void **state)
{
    (void)state;
    check_run(CONFIG(""));
}

/* At step 12 a step, an epoch and two evaluations are recorded: no number comes twice. */
static void test_events__have_one_value_a_tag_and_step(void **state)
{
    (void)state;
    check_run(CONFIG("log_every = 1; train_eval = 20; validate_every = 2; "
                     "validate_unit = \"step\";"));
}

static void test_events__come_only_when_asked_for(void **state)
{
    recorded x = { 0 };
    char path[512];
    (void)state;
    rig_init(&x.g);
    char *source = strdup(CONFIG(""));
    assert_non_null(source);
    memcpy(strstr(source, "tensorboard = true"), "tensorboard =false", 18);
    whole_run(&x, source);
    free(source);
    assert_int_equal(find_files(rig_path(&x.g, "run"), 0, path), 0);
    rig_release(&x.g);
}

static void test_events__are_on_disk_after_every_epoch(void **state)
{
    recorded x = { 0 };
    (void)state;
    rig_init(&x.g);
    open_run(&x, CONFIG(""), false);
    assert_int_equal(begin(&x, false), OK);
    decoded *d = decode_nth(rig_path(&x.g, "run"), 0);
    assert_int_equal(d->n_events, 1);
    free(d);
    const record_value loss = { .name = "training.loss", .value = 2.385 };
    record r = { .kind = RECORD_STEP, .step = 3, .values = &loss, .n_values = 1 };
    const record_sink sink = run_folder_sink(x.folder);
    sink.emit(sink.self, &r);
    r.kind = RECORD_EPOCH;
    r.step = 4;
    sink.emit(sink.self, &r);
    d = decode_nth(rig_path(&x.g, "run"), 0);
    assert_int_equal(d->n_scalars, 2);
    assert_true(find_scalar(d, "training.loss", 4)->value == 2.385f);
    free(d);
    const record_value nan = { .name = "training.loss", .value = NAN };
    r = (record){ .kind = RECORD_EPOCH, .step = UINT64_C(1) << 40, .values = &nan, .n_values = 1 };
    sink.emit(sink.self, &r);
    d = decode_nth(rig_path(&x.g, "run"), 0);
    assert_true(isnan(find_scalar(d, "training.loss", UINT64_C(1) << 40)->value));
    free(d);
    close_run(&x);
    rig_release(&x.g);
}

static void test_events__go_on_in_another_file_after_a_resume(void **state)
{
    recorded x = { 0 };
    run_result result;
    char path[512];
    (void)state;
    rig_init(&x.g);
    open_run(&x, CONFIG(""), false);
    assert_int_equal(begin(&x, false), OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(trainer_step(x.t, &x.g.err), OK);
    assert_int_equal(trainer_save(x.t, rig_path(&x.g, "cut"), &x.g.err), OK);
    close_run(&x);
    open_run(&x, CONFIG(""), true);
    assert_int_equal(trainer_restore(x.t, rig_path(&x.g, "cut"), &x.g.err), OK);
    if (begin(&x, true) != OK || trainer_run(x.t, &result, &x.g.err) != OK ||
        run_folder_end(x.folder, x.t, &x.g.err) != OK) {
        GIVE_UP("%s", x.g.err.text);
    }
    close_run(&x);
    const char *dir = rig_path(&x.g, "run");
    assert_int_equal(find_files(dir, 0, path), 2);
    size_t n_resumed = 0;
    for (size_t i = 0; i < 2; i++) {
        decoded *d = decode_nth(dir, i);
        assert_string_equal(d->version, "brain.Event:2");
        if (d->session_step) {
            assert_int_equal(d->session_step, 6);
            assert_non_null(find_scalar(d, "training.loss", 12));
            n_resumed++;
        }
        free(d);
    }
    assert_int_equal(n_resumed, 1);
    rig_release(&x.g);
}

/* A folder that is not there, and a disk that is full once the run is under way. */
static void test_events__errors_are_told(void **state)
{
    recorded x = { 0 };
    events e = { 0 };
    (void)state;
    rig_init(&x.g);
    open_run(&x, CONFIG(""), false);
    assert_int_equal(events_open(&e, rig_path(&x.g, "nowhere"), x.t, false, &x.g.err), E_IO);
    assert_non_null(strstr(x.g.err.text, "nowhere/events.out.tfevents."));
    events_release(&e);
    assert_int_equal(events_open(&e, x.g.dir, x.t, false, &x.g.err), OK);
    assert_int_equal(fclose(e.file), 0);
    e.file = fopen("/dev/full", "w");
    assert_non_null(e.file);
    const record_value loss = { .name = "training.loss", .value = 2.385 };
    const record r = { .kind = RECORD_EPOCH, .step = 3, .values = &loss, .n_values = 1 };
    events_emit(&e, &r);
    assert_int_equal(events_close(&e, &x.g.err), E_IO);
    assert_non_null(strstr(x.g.err.text, "the TensorBoard events"));
    events_release(&e);
    close_run(&x);
    rig_release(&x.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c__has_the_check_value),
        cmocka_unit_test(test_events__are_the_numbers_of_metrics_csv),
        cmocka_unit_test(test_events__have_one_value_a_tag_and_step),
        cmocka_unit_test(test_events__come_only_when_asked_for),
        cmocka_unit_test(test_events__are_on_disk_after_every_epoch),
        cmocka_unit_test(test_events__go_on_in_another_file_after_a_resume),
        cmocka_unit_test(test_events__errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
