/* TensorBoard's event files, without protobuf: a record is its length and its bytes, each under a masked CRC-32C; the bytes
 * are an Event of tensorflow/core/util/event.proto, of which four fields are needed.
 *
 * A record becomes one event with a value per column of metrics.csv that has a number there. That of a step is held back
 * until the next one, since the end of an epoch at the same step brings another loss: TensorBoard would show both. The
 * file is flushed after every epoch and every evaluation. On resume the new file begins with a session log that voids what is later
 * than the checkpoint. Write errors are remembered and told at the end: a full disk must not kill a run. */
#include "train/events.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Fields and their wire types: field << 3 | type. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION = 7
};
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, SESSION_STATUS = 1, SESSION_START = 1 };
enum { MAX_FILES = 1000 };

uint32_t crc32c(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        }
    }
    return ~crc;
}

/* A CRC of data that hold CRCs is weak, hence the mask. */
static uint32_t masked_crc(const void *data, size_t n)
{
    const uint32_t crc = crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

static void add_le(text *t, uint64_t v, size_t n_bytes)
{
    char bytes[8];
    for (size_t i = 0; i < n_bytes; i++) {
        bytes[i] = (char)(v >> (8 * i) & 0xff);
    }
    text_add_bytes(t, bytes, n_bytes);
}

static void add_varint(text *t, uint64_t v)
{
    for (; v > 0x7f; v >>= 7) {
        add_le(t, (v & 0x7f) | 0x80, 1);
    }
    add_le(t, v, 1);
}

static void add_key(text *t, unsigned field, unsigned type)
{
    add_varint(t, field << 3 | type);
}

static void add_int(text *t, unsigned field, uint64_t v)
{
    add_key(t, field, VARINT);
    add_varint(t, v);
}

static void add_double(text *t, unsigned field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    add_key(t, field, FIXED64);
    add_le(t, bits, 8);
}

static void add_float(text *t, unsigned field, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    add_key(t, field, FIXED32);
    add_le(t, bits, 4);
}

static void add_message(text *t, unsigned field, const char *bytes, size_t n)
{
    add_key(t, field, BYTES);
    add_varint(t, n);
    text_add_bytes(t, bytes, n);
}

static void begin_event(events *e)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    text_clear(&e->event);
    add_double(&e->event, EVENT_WALL_TIME, (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
}

static void remember_errno(events *e)
{
    if (e->failed.code == OK) {
        (void)fail_errno(&e->failed, errno, "the TensorBoard events", "writing them");
    }
}

/* The event that was built, as a record. */
static void write_event(events *e)
{
    unsigned char head[12];
    if (text_check(&e->event, &e->failed) != OK || text_check(&e->summary, &e->failed) != OK ||
        text_check(&e->value, &e->failed) != OK) {
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        head[i] = (unsigned char)((uint64_t)e->event.n >> (8 * i) & 0xff);
    }
    const uint32_t head_crc = masked_crc(head, 8), crc = masked_crc(e->event.s, e->event.n);
    for (size_t i = 0; i < 4; i++) {
        head[8 + i] = (unsigned char)(head_crc >> (8 * i) & 0xff);
    }
    const size_t n = e->event.n;
    add_le(&e->event, crc, 4);
    if (text_check(&e->event, &e->failed) != OK) {
        return;
    }
    if (fwrite(head, 1, sizeof head, e->file) != sizeof head ||
        fwrite(e->event.s, 1, n + 4, e->file) != n + 4) {
        remember_errno(e);
    }
}

static status open_file(events *e, const char *dir, error *err)
{
    char host[256] = "localhost", name[400];
    text path = { 0 };
    status st = OK;
    if (gethostname(host, sizeof host - 1) != 0 || !host[0] || strchr(host, '/')) {
        snprintf(host, sizeof host, "localhost");
    }
    const long long now = (long long)time(NULL);
    for (int n = 0; !e->file && n < MAX_FILES; n++) {
        snprintf(name, sizeof name, "events.out.tfevents.%lld.%s.%lld.%d", now, host,
            (long long)getpid(), n);
        text_clear(&path);
        text_printf(&path, "%s/%s", dir, name);
        TRY(text_check(&path, err));
        e->file = fopen(path.s, "wx");
        if (!e->file && errno != EEXIST) {
            break;
        }
    }
    if (!e->file) {
        st = fail_errno(err, errno, path.s, "opening it for writing");
    }
done:
    text_release(&path);
    return st;
}

/* "brain.Event:2", and after a resume a session that begins at the next step. */
static void write_opening(events *e, bool resumed)
{
    static const char version[] = "brain.Event:2";
    begin_event(e);
    add_message(&e->event, EVENT_VERSION, version, sizeof version - 1);
    write_event(e);
    if (resumed) {
        begin_event(e);
        add_int(&e->event, EVENT_STEP, trainer_steps_done(e->trainer) + 1);
        text_clear(&e->value);
        add_int(&e->value, SESSION_STATUS, SESSION_START);
        if (text_check(&e->value, &e->failed) == OK) {
            add_message(&e->event, EVENT_SESSION, e->value.s, e->value.n);
            write_event(e);
        }
    }
}

status events_open(events *e, const char *dir, const trainer *t, bool resumed, error *err)
{
    status st = OK;
    const size_t n = trainer_n_columns(t);
    e->trainer = t;
    e->row = calloc(n + 1, sizeof *e->row);
    e->is_set = calloc(n + 1, 1);
    if (!e->row || !e->is_set) {
        TRY(fail_nomem(err, "the TensorBoard events"));
    }
    TRY(open_file(e, dir, err));
    write_opening(e, resumed);
    if (fflush(e->file) != 0) {
        remember_errno(e);
    }
done:
    return st;
}

/* One value of the summary. */
static void add_scalar(events *e, const char *tag, double v)
{
    text_clear(&e->value);
    add_message(&e->value, VALUE_TAG, tag, strlen(tag));
    add_float(&e->value, VALUE_SIMPLE, (float)v);
    if (text_check(&e->value, &e->failed) == OK) {
        add_message(&e->summary, SUMMARY_VALUE, e->value.s, e->value.n);
    }
}

static void write_row(events *e)
{
    if (!e->has_row) {
        return;
    }
    text_clear(&e->summary);
    for (size_t i = 0; i < trainer_n_columns(e->trainer); i++) {
        if (e->is_set[i]) {
            add_scalar(e, trainer_column(e->trainer, i), e->row[i]);
        }
    }
    if (e->summary.n) {
        begin_event(e);
        add_int(&e->event, EVENT_STEP, e->row_step);
        add_message(&e->event, EVENT_SUMMARY, e->summary.s, e->summary.n);
        write_event(e);
    }
    memset(e->is_set, 0, trainer_n_columns(e->trainer));
    e->has_row = false;
}

/* Whether `column` is "<split>.<name>", or `name` itself where there is no split. */
static bool is_column(const char *column, const char *part_of, const char *name)
{
    const size_t n = part_of ? strlen(part_of) : 0;
    if (!part_of) {
        return strcmp(column, name) == 0;
    }
    return strncmp(column, part_of, n) == 0 && column[n] == '.' &&
        strcmp(column + n + 1, name) == 0;
}

static void keep_value(events *e, const char *part_of, const record_value *v)
{
    for (size_t i = 0; i < trainer_n_columns(e->trainer) && !v->matrix; i++) {
        if (is_column(trainer_column(e->trainer, i), part_of, v->name)) {
            e->row[i] = v->value;
            e->is_set[i] = 1;
        }
    }
}

void events_emit(void *self, const record *r)
{
    events *e = self;
    const bool is_row = r->kind == RECORD_STEP || r->kind == RECORD_EPOCH ||
        (r->kind == RECORD_EVALUATION && !r->is_final);
    if (!e->file) {
        return;
    }
    if (is_row) {
        if (e->row_step != r->step) {
            write_row(e);
        }
        e->row_step = r->step;
        e->has_row = true;
        for (size_t i = 0; i < r->n_values; i++) {
            keep_value(e, r->split, &r->values[i]);
        }
    }
    if (r->kind != RECORD_STEP && (is_row || r->kind == RECORD_END)) {
        write_row(e);
        if (fflush(e->file) != 0) {
            remember_errno(e);
        }
    }
}

status events_close(events *e, error *err)
{
    if (e->file) {
        write_row(e);
        if (fclose(e->file) != 0) {
            remember_errno(e);
        }
        e->file = NULL;
    }
    if (e->failed.code != OK && err) {
        *err = e->failed;
    }
    return e->failed.code;
}

void events_release(events *e)
{
    if (e->file) {
        (void)fclose(e->file);
    }
    free(e->row);
    free(e->is_set);
    text_release(&e->summary);
    text_release(&e->value);
    text_release(&e->event);
    *e = (events){ 0 };
}
