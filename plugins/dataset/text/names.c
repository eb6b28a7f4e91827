/* A vocabulary from a JSON file (RFC 8259): an array of strings, as the vocabulary.json of a run is one. Escapes are decoded; what is decoded never gets longer, so that one block of the file's size holds all names. */
#include "source.h"

struct cursor {
    struct source *s;
    const unsigned char *at, *end;
    unsigned char *to; /* where the next decoded string goes */
};

static int bad(const struct cursor *c, const char *expected)
{
    const struct file *f = &c->s->names;
    size_t line = 1;
    for (const unsigned char *p = f->map; p < c->at; p++)
        line += *p == '\n';
    if (c->at == c->end) {
        return file_fail(
            f, ASSAY_E_DATA, ":%zu: expected %s, found the end of the file", line, expected);
    }
    if (*c->at >= ' ' && *c->at < 127) {
        return file_fail(
            f, ASSAY_E_DATA, ":%zu: expected %s, found \"%c\"", line, expected, *c->at);
    }
    return file_fail(
        f, ASSAY_E_DATA, ":%zu: expected %s, found byte 0x%02x", line, expected, *c->at);
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, unsigned char wanted)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

/* Four hexadecimal digits, or -1. */
static long read_hex(struct cursor *c)
{
    long v = 0;
    if (c->end - c->at < 4) return -1;
    for (int i = 0; i < 4; i++, c->at++) {
        const unsigned char d = *c->at;
        const int digit = d >= '0' && d <= '9' ? d - '0'
            : d >= 'a' && d <= 'f'             ? d - 'a' + 10
            : d >= 'A' && d <= 'F'             ? d - 'A' + 10
                                               : -1;
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

static void write_utf8(struct cursor *c, unsigned long v)
{
    if (v < 0x80) {
        *c->to++ = (unsigned char)v;
        return;
    }
    const int n = v < 0x800 ? 1 : v < 0x10000 ? 2 : 3; // bytes that follow
    static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *c->to++ = (unsigned char)(lead[n] | v >> (6 * n));
    for (int i = n - 1; i >= 0; i--)
        *c->to++ = (unsigned char)(0x80 | (v >> (6 * i) & 0x3f));
}

/* After \u; a pair of surrogates is one character. */
static int read_code(struct cursor *c)
{
    long v = read_hex(c);
    if (v >= 0xd800 && v < 0xdc00 && c->end - c->at >= 2 && c->at[0] == '\\' && c->at[1] == 'u') {
        c->at += 2;
        const long low = read_hex(c);
        v = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (v <= 0 || (v >= 0xd800 && v < 0xe000)) return bad(c, "a character after \\u");
    write_utf8(c, (unsigned long)v);
    return ASSAY_OK;
}

static int read_escape(struct cursor *c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end) return bad(c, "a closing quote");
    const char *found = memchr(from, *c->at, sizeof(from) - 1);
    if (found == NULL && *c->at != 'u') return bad(c, "one of \"\\/bfnrtu after a backslash");
    c->at++;
    if (found == NULL) return read_code(c);
    *c->to++ = (unsigned char)to[found - from];
    return ASSAY_OK;
}

static int read_string(struct cursor *c, struct span *out)
{
    const unsigned char *begin = c->to;
    if (!take(c, '"')) return bad(c, "a string");
    while (c->at < c->end && *c->at != '"') {
        if (*c->at < ' ') return bad(c, "an escape such as \\n");
        if (*c->at != '\\') {
            *c->to++ = *c->at++;
            continue;
        }
        c->at++;
        const int code = read_escape(c);
        if (code != ASSAY_OK) return code;
    }
    if (c->at == c->end) return bad(c, "a closing quote");
    c->at++;
    *out = (struct span){ begin, (size_t)(c->to - begin) };
    return ASSAY_OK;
}

/* \xNN at the level of bytes is that byte. */
static struct span byte_of(struct span token, int64_t level, unsigned char *memory)
{
    static const char digits[] = "0123456789abcdef";
    if (level != LEVEL_BYTE || token.n != 4 || memcmp(token.at, "\\x", 2) != 0) return token;
    const char *high = memchr(digits, token.at[2], 16), *low = memchr(digits, token.at[3], 16);
    if (high == NULL || low == NULL) return token;
    *memory = (unsigned char)((high - digits) * 16 + (low - digits));
    return (struct span){ memory, 1 };
}

static int add_name(struct cursor *c, struct span token)
{
    struct source *s = c->s;
    char quoted[64];
    if (token.n == 0) return bad(c, "a token before this, not an empty string");
    token = byte_of(token, s->hyper->level, c->to);
    c->to++;
    if (vocabulary_find(&s->vocabulary, token) >= 0) {
        token_quote(s->hyper->level, token, quoted, sizeof(quoted));
        return file_fail(&s->names, ASSAY_E_DATA, ": the token \"%s\" comes twice", quoted);
    }
    const int32_t id = vocabulary_add(&s->vocabulary, token);
    if (id < 0) return text_nomem(s->ctx);
    if (token.n == sizeof(UNK) - 1 && memcmp(token.at, UNK, token.n) == 0) s->unknown = id;
    return ASSAY_OK;
}

static int read_names(struct cursor *c)
{
    if (!take(c, '[')) return bad(c, "[ and the names of the tokens");
    while (!take(c, ']')) {
        struct span token = { 0 };
        if (c->s->vocabulary.n > 0 && !take(c, ',')) return bad(c, ", or ]");
        int code = read_string(c, &token);
        if (code == ASSAY_OK) code = add_name(c, token);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

int names_read(struct source *s)
{
    int code = file_open(&s->names);
    if (code == ASSAY_OK) code = utf8_check(&s->names, "convert the file");
    if (code != ASSAY_OK) return code;
    unsigned char *memory = s->ctx->host->alloc(s->ctx, s->names.bytes);
    if (memory == NULL) return text_nomem(s->ctx);
    struct cursor c = { s, s->names.map, s->names.map + s->names.bytes, memory };
    code = read_names(&c);
    if (code != ASSAY_OK) return code;
    skip_blanks(&c);
    if (c.at != c.end) return bad(&c, "nothing more");
    return s->vocabulary.n > 0 ? ASSAY_OK
                               : file_fail(&s->names, ASSAY_E_DATA, ": there is no token in it");
}
