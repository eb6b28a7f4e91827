/* Files into tokens: checked as UTF-8 first, then cut and numbered in one pass.
 *
 * The numbers are in the order of first occurrence until vocabulary_settle brings them into the vocabulary's. */
#include "source.h"

#include <stdlib.h>

/* Room for one item more, doubling. */
#define GROW(list) \
    ((list)->n < (list)->room || grow(&(list)->item, &(list)->room, sizeof(*(list)->item)))

/* `item` is the address of a pointer to any type. */
static bool grow(void *item, size_t *room, size_t each)
{
    const size_t n = *room > 0 ? *room * 2 : 4096;
    void *p = NULL;
    if (n > SIZE_MAX / each) return false;
    memcpy(&p, item, sizeof(p));
    p = realloc(p, n * each);
    if (p == NULL) return false;
    memcpy(item, &p, sizeof(p));
    *room = n;
    return true;
}

/* The bytes of the code point that begins there: 1 to 4, 0 if it is none (Unicode 15, table 3-7: no overlong forms, no
 * surrogates, nothing above U+10FFFF), or NUL. */
static size_t code_point(const unsigned char *p, size_t n)
{
    const unsigned char a = p[0];
    if (a < 0x80) return a != 0;
    const size_t length = a >= 0xf0 ? 4 : a >= 0xe0 ? 3 : 2;
    if (a < 0xc2 || a > 0xf4 || n < length) return 0;
    const unsigned char least = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < least || p[1] > most) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

int utf8_check(const struct file *f, const char *remedy)
{
    size_t line = 1;
    for (size_t i = 0; i < f->bytes;) {
        const size_t n = code_point(f->map + i, f->bytes - i);
        if (n == 0) {
            return file_fail(f, ASSAY_E_DATA,
                ":%zu: the byte at offset %zu, 0x%02x, is not valid UTF-8: %s", line, i, f->map[i],
                remedy);
        }
        line += f->map[i] == '\n';
        i += n;
    }
    return ASSAY_OK;
}

/* Where a file is being cut. */
struct cutter {
    struct source *s;
    const struct file *f;
    const unsigned char *at, *end;
    bool in_line; /* something came since the last line end */
};

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Lines and columns from 1, in characters (bytes at the level of bytes). */
static int fail_unknown(const struct cutter *c, const unsigned char *at, struct span token)
{
    char quoted[64];
    size_t line = 1, column = 1;
    for (const unsigned char *p = c->f->map; p < at; p++) {
        const bool is_new = c->s->hyper->level == LEVEL_BYTE || (*p & 0xc0) != 0x80;
        column = *p == '\n' ? 1 : column + is_new;
        line += *p == '\n';
    }
    token_quote(c->s->hyper->level, token, quoted, sizeof(quoted));
    return file_fail(c->f, ASSAY_E_DATA,
        ":%zu:%zu: \"%s\" is not among the %zu tokens of %.100s: add it, or \"" UNK
        "\" for all that are unknown",
        line, column, quoted, c->s->vocabulary.n, c->s->names.name);
}

/* One token more; `at` is where it stands. */
static int push(struct cutter *c, const unsigned char *at, struct span token)
{
    struct source *s = c->s;
    int32_t id = vocabulary_find(&s->vocabulary, token);
    if (id < 0 && s->hyper->vocabulary == NULL) {
        id = vocabulary_add(&s->vocabulary, token);
        if (id < 0) return text_nomem(s->ctx);
    }
    if (id < 0) id = s->unknown;
    if (id < 0) return fail_unknown(c, at, token);
    s->vocabulary.entry[id].count++;
    if (!GROW(&s->held->ids)) return text_nomem(s->ctx);
    s->held->ids.item[s->held->ids.n++] = id;
    c->in_line = true;
    return ASSAY_OK;
}

static int push_line_end(struct cutter *c, const unsigned char *at)
{
    static const unsigned char newline[] = "\n", eos[] = EOS;
    struct source *s = c->s;
    const int code = s->hyper->level == LEVEL_WORD
        ? push(c, at, (struct span){ eos, sizeof(eos) - 1 })
        : push(c, at, (struct span){ newline, 1 });
    c->in_line = false;
    if (code != ASSAY_OK || s->hyper->sample != SAMPLE_LINE) return code;
    if (!GROW(&s->line_end)) return text_nomem(s->ctx);
    s->line_end.item[s->line_end.n++] = s->held->ids.n;
    return ASSAY_OK;
}

/* The bytes of the token that begins there, which is no line end; 0: a blank. */
static size_t token_bytes(const struct cutter *c)
{
    if (c->s->hyper->level == LEVEL_BYTE) return 1;
    if (c->s->hyper->level == LEVEL_CHAR) return code_point(c->at, (size_t)(c->end - c->at));
    const unsigned char *p = c->at;
    while (p < c->end && *p != '\n' && !is_blank(*p))
        p++;
    return (size_t)(p - c->at);
}

static int cut(struct cutter *c)
{
    while (c->at < c->end) {
        const unsigned char *at = c->at;
        const size_t n = *at == '\n' ? 0 : token_bytes(c);
        int code = ASSAY_OK;
        if (*at == '\n') code = push_line_end(c, at);
        if (n > 0) code = push(c, at, (struct span){ at, n });
        if (code != ASSAY_OK) return code;
        c->at += n > 0 ? n : 1;
    }
    const bool wants_end = c->s->hyper->level == LEVEL_WORD || c->s->hyper->sample == SAMPLE_LINE;
    return c->in_line && wants_end ? push_line_end(c, c->end) : ASSAY_OK;
}

static int read_file(struct source *s, struct file *f)
{
    int code = file_open(f);
    if (code == ASSAY_OK && s->hyper->level != LEVEL_BYTE) {
        code = utf8_check(f, "convert the file, or set level to \"byte\"");
    }
    if (code != ASSAY_OK) return code;
    struct cutter c = { .s = s, .f = f, .at = f->map, .end = f->map + f->bytes };
    const bool has_mark = f->bytes >= 3 && memcmp(f->map, "\xEF\xBB\xBF", 3) == 0;
    if (has_mark && s->hyper->level == LEVEL_WORD) c.at += 3;
    return cut(&c);
}

int tokens_read(struct source *s)
{
    struct ids *ids = &s->held->ids;
    for (size_t k = 0; k < N_FILES; k++) {
        const int code = s->file[k].path != NULL ? read_file(s, &s->file[k]) : ASSAY_OK;
        if (code != ASSAY_OK) return code;
        s->end[k] = ids->n;
        s->n_lines[k] = s->line_end.n;
    }
    if (ids->n == 0) return file_fail(&s->file[MAIN], ASSAY_E_DATA, ": there is no word in it");
    int32_t *fit = realloc(ids->item, ids->n * sizeof(int32_t));
    if (fit == NULL) return text_nomem(s->ctx);
    ids->item = fit;
    ids->room = ids->n;
    return ASSAY_OK;
}
