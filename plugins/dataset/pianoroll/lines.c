/* Piano-rolls from text, a line a piece: "39,46,51 39,46 - 46". What is not exactly that is an error with its line and
 * frame, both from 1: a double space would shift every frame after it by one. */
#include "source.h"

#include "../shared/file.h"

struct reader {
    struct source *s;
    struct file f;
    const unsigned char *at, *end; /* of the line, without its end */
    size_t line, frame; /* from 1 */
};

static int bad(const struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int bad(const struct reader *r, const char *format, ...)
{
    char message[240];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return file_fail(&r->f, ASSAY_E_DATA, ":%zu: frame %zu: %s", r->line, r->frame, message);
}

static int bad_byte(const struct reader *r, const char *expected)
{
    if (r->at == r->end) return bad(r, "expected %s, found the end of the line", expected);
    if (*r->at > ' ' && *r->at < 127) return bad(r, "expected %s, found \"%c\"", expected, *r->at);
    if (*r->at == ' ') return bad(r, "expected %s, found a space", expected);
    return bad(r, "expected %s, found byte 0x%02x", expected, *r->at);
}

static int read_key(struct reader *r, size_t *out)
{
    const size_t most = r->s->keys - 1;
    const unsigned char *first = r->at;
    size_t key = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (key <= most) key = key * 10 + (size_t)(*r->at - '0');
    }
    if (r->at == first) return bad_byte(r, "a key or -");
    if (key > most) {
        const int n = r->at - first < 20 ? (int)(r->at - first) : 20;
        return bad(r, "key %.*s is outside 0 to %zu: does keys count all of the instrument?", n,
            (const char *)first, most);
    }
    *out = key;
    return ASSAY_OK;
}

/* Its keys, up to the space or the end of the line. */
static int read_frame(struct reader *r, uint8_t *frame)
{
    size_t key = 0, before = 0;
    if (r->at == r->end || *r->at == ' ') {
        return bad(r, "is empty: one space stands between frames, and - is silence");
    }
    if (*r->at == '-') {
        r->at++;
        return r->at == r->end || *r->at == ' ' ? ASSAY_OK : bad_byte(r, "a space after -");
    }
    for (size_t n = 0;; n++) {
        const int code = read_key(r, &key);
        if (code != ASSAY_OK) return code;
        if (n > 0 && key <= before) {
            return bad(r, "key %zu after key %zu: keys ascend", key, before);
        }
        frame[key] = 1;
        before = key;
        if (r->at == r->end || *r->at == ' ') return ASSAY_OK;
        if (*r->at != ',') return bad_byte(r, "a comma or a space");
        r->at++;
    }
}

static int read_line(struct reader *r, size_t i)
{
    struct source *s = r->s;
    if (r->at == r->end) {
        return file_fail(&r->f, ASSAY_E_DATA,
            ":%zu: an empty line: each line is a piece of at least one frame", r->line);
    }
    for (r->frame = 1;; r->frame++) {
        int code = frames_reserve(s, 1);
        if (code == ASSAY_OK) code = read_frame(r, s->held->frame + s->n_frames * s->keys);
        if (code != ASSAY_OK) return code;
        s->n_frames++;
        if (r->at == r->end) return piece_add(s, i, r->frame);
        r->at++;
    }
}

static int read_lines(struct reader *r, size_t i)
{
    const unsigned char *at = r->f.map, *end = at + r->f.bytes;
    while (at < end) {
        const unsigned char *newline = memchr(at, '\n', (size_t)(end - at));
        r->at = at;
        r->end = newline != NULL ? newline : end;
        at = newline != NULL ? newline + 1 : end;
        if (r->end > r->at && r->end[-1] == '\r') r->end--;
        r->line++;
        const int code = read_line(r, i);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

int lines_read(struct source *s, size_t i)
{
    struct reader r = { .s = s,
        .f = { .ctx = s->ctx, .key = s->set[i].key, .path = s->set[i].path } };
    s->set[i].file[0] = s->set[i].path;
    int code = file_open(&r.f);
    if (code == ASSAY_OK) code = read_lines(&r, i);
    file_close(&r.f);
    return code;
}
