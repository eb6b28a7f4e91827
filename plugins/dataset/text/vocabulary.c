/* Which tokens there are: a table hashed by FNV-1a (Fowler, Noll, Vo), open addressing, at most half full. */
#include "source.h"

#include <stdlib.h>

int vocabulary_init(struct source *s)
{
    struct vocabulary *v = &s->vocabulary;
    memset(v->single, -1, sizeof(v->single));
    v->n_slots = 1024;
    v->slot = calloc(v->n_slots, sizeof(int32_t));
    if (v->slot == NULL) return text_nomem(s->ctx);
    memset(v->slot, -1, v->n_slots * sizeof(int32_t));
    return ASSAY_OK;
}

void vocabulary_release(struct vocabulary *v)
{
    free(v->entry);
    free(v->slot);
}

/* Where the token is, or the empty slot where it belongs. */
static size_t slot_of(const struct vocabulary *v, struct span token)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < token.n; i++)
        hash = (hash ^ token.at[i]) * UINT64_C(1099511628211);
    size_t at = (size_t)(hash ^ hash >> 32) & (v->n_slots - 1);
    while (v->slot[at] >= 0) {
        const struct span *other = &v->entry[v->slot[at]].token;
        if (other->n == token.n && memcmp(other->at, token.at, token.n) == 0) break;
        at = (at + 1) & (v->n_slots - 1);
    }
    return at;
}

int32_t vocabulary_find(const struct vocabulary *v, struct span token)
{
    return token.n == 1 ? v->single[token.at[0]] : v->slot[slot_of(v, token)];
}

static bool double_slots(struct vocabulary *v)
{
    int32_t *old = v->slot;
    int32_t *slot = calloc(v->n_slots * 2, sizeof(int32_t));
    if (slot == NULL) return false;
    v->n_slots *= 2;
    v->slot = memset(slot, -1, v->n_slots * sizeof(int32_t));
    for (size_t i = 0; i < v->n; i++)
        v->slot[slot_of(v, v->entry[i].token)] = (int32_t)i;
    free(old);
    return true;
}

int32_t vocabulary_add(struct vocabulary *v, struct span token)
{
    if (v->n >= INT32_MAX / 2) return -1;
    if (v->n == v->room) {
        const size_t room = v->room > 0 ? 2 * v->room : 256;
        struct entry *entry = realloc(v->entry, room * sizeof(struct entry));
        if (entry == NULL) return -1;
        v->entry = entry;
        v->room = room;
    }
    if (2 * (v->n + 1) > v->n_slots && !double_slots(v)) return -1;
    const int32_t id = (int32_t)v->n;
    v->slot[slot_of(v, token)] = id;
    if (token.n == 1) v->single[token.at[0]] = id;
    v->entry[v->n++] = (struct entry){ token, 0 };
    return id;
}

static bool is_text(struct span token, const char *word)
{
    return token.n == strlen(word) && memcmp(token.at, word, token.n) == 0;
}

static int by_bytes(const void *a, const void *b)
{
    const struct entry *p = *(const struct entry *const *)a, *q = *(const struct entry *const *)b;
    const size_t n = p->token.n < q->token.n ? p->token.n : q->token.n;
    const int order = memcmp(p->token.at, q->token.at, n); // for UTF-8 that of the code points
    return order != 0 ? order : (p->token.n > q->token.n) - (p->token.n < q->token.n);
}

static int by_count(const void *a, const void *b)
{
    const struct entry *p = *(const struct entry *const *)a, *q = *(const struct entry *const *)b;
    return p->count != q->count ? (p->count < q->count) - (p->count > q->count) : by_bytes(a, b);
}

/* How many of the words that are not <eos> or <unk> stay; they are `n`, by falling count. */
static size_t n_staying(
    const struct text *h, const struct entry *const *word, size_t n, size_t n_special, bool has_unk)
{
    size_t n_stay = 0;
    while (n_stay < n && word[n_stay]->count >= (uint64_t)h->min_count)
        n_stay++;
    if (h->max_vocabulary == 0) return n_stay;
    const size_t most = (size_t)h->max_vocabulary;
    const bool needs_unk = n_stay < n && !has_unk;
    if (n_stay + n_special + needs_unk <= most) return n_stay;
    const size_t taken = n_special + !has_unk; // something goes, so there will be <unk>
    return most > taken ? most - taken : 0;
}

/* order[0 .. return) are the entries that stay, in their order. */
static size_t order_words(const struct text *h, const struct vocabulary *v, struct entry **order)
{
    size_t n = 0, n_special = 0;
    bool has_unk = false;
    qsort(order, v->n, sizeof(*order), by_count);
    struct entry **word = order + v->n; /* scratch of the same size */
    for (size_t i = 0; i < v->n; i++) {
        const bool is_unk = is_text(order[i]->token, UNK);
        has_unk |= is_unk;
        if (is_unk || is_text(order[i]->token, EOS)) {
            n_special++;
        } else {
            word[n++] = order[i];
        }
    }
    const size_t n_stay = n_staying(h, (const struct entry *const *)word, n, n_special, has_unk);
    size_t kept = 0, seen = 0;
    for (size_t i = 0; i < v->n; i++) {
        const bool is_special = is_text(order[i]->token, UNK) || is_text(order[i]->token, EOS);
        if (is_special || seen++ < n_stay) order[kept++] = order[i];
    }
    return kept;
}

/* Puts the entries into that order, those that are not in it become <unk>; to[old id] = new id. */
static int renumber(struct source *s, struct entry **order, size_t n_kept, int32_t *to)
{
    static const unsigned char unk[] = UNK;
    struct vocabulary *v = &s->vocabulary;
    const bool some_go = n_kept < v->n;
    int32_t unknown = -1;
    struct entry *sorted = calloc(n_kept + 1, sizeof(struct entry));
    if (sorted == NULL) return text_nomem(s->ctx);
    memset(to, -1, v->n * sizeof(int32_t));
    for (size_t i = 0; i < n_kept; i++) {
        to[order[i] - v->entry] = (int32_t)i;
        sorted[i] = *order[i];
        if (is_text(sorted[i].token, UNK)) unknown = (int32_t)i;
    }
    if (some_go && unknown < 0) {
        unknown = (int32_t)n_kept;
        sorted[n_kept++] = (struct entry){ { unk, sizeof(unk) - 1 }, 0 };
    }
    for (size_t i = 0; i < v->n; i++) {
        if (to[i] < 0) to[i] = unknown;
    }
    free(v->entry);
    v->entry = sorted;
    v->n = v->room = n_kept;
    return ASSAY_OK;
}

int vocabulary_settle(struct source *s)
{
    struct vocabulary *v = &s->vocabulary;
    struct ids *ids = &s->held->ids;
    struct entry **order = calloc(2 * v->n, sizeof(*order));
    int32_t *to = calloc(v->n, sizeof(int32_t));
    int code = ASSAY_OK;
    if (order == NULL || to == NULL) {
        code = text_nomem(s->ctx);
    } else {
        size_t n_kept = v->n;
        for (size_t i = 0; i < v->n; i++)
            order[i] = &v->entry[i];
        if (s->hyper->level == LEVEL_WORD) {
            n_kept = order_words(s->hyper, v, order);
        } else {
            qsort(order, v->n, sizeof(*order), by_bytes);
        }
        code = renumber(s, order, n_kept, to);
    }
    for (size_t i = 0; i < ids->n && code == ASSAY_OK; i++)
        ids->item[i] = to[ids->item[i]];
    free(order);
    free(to);
    return code;
}

/* Writes the name and its NUL; the bytes of both. `out` NULL: only counts. */
static size_t write_name(const struct source *s, struct span token, char *out)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char c = token.at[0];
    const bool is_plain = s->hyper->level != LEVEL_BYTE || token.n > 1 || (c >= ' ' && c < 127) ||
        c == '\n' || c == '\t';
    if (out != NULL && is_plain) {
        memcpy(out, token.at, token.n);
        out[token.n] = '\0';
    } else if (out != NULL) {
        const char name[] = { '\\', 'x', hex[c >> 4], hex[c & 15], '\0' };
        memcpy(out, name, sizeof(name));
    }
    return is_plain ? token.n + 1 : 5;
}

int vocabulary_names(const struct source *s, const char *const **out)
{
    const struct vocabulary *v = &s->vocabulary;
    size_t bytes = 0;
    for (size_t i = 0; i < v->n; i++)
        bytes += write_name(s, v->entry[i].token, NULL);
    const char **name = s->ctx->host->alloc(s->ctx, v->n * sizeof(char *));
    char *text = s->ctx->host->alloc(s->ctx, bytes);
    if (name == NULL || text == NULL) return text_nomem(s->ctx);
    for (size_t i = 0; i < v->n; i++) {
        name[i] = text;
        text += write_name(s, v->entry[i].token, text);
    }
    *out = name;
    return ASSAY_OK;
}

void token_quote(int64_t level, struct span token, char *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < token.n && n + 5 < room; i++) {
        const unsigned char c = token.at[i];
        const bool is_plain = c >= ' ' && c != 127 && (c < 128 || level != LEVEL_BYTE);
        const bool is_first = (c & 0xc0) != 0x80;
        if (is_plain && is_first && level != LEVEL_BYTE && n + 9 > room) break; // no half character
        if (is_plain) {
            out[n++] = (char)c;
        } else if (c == '\n') {
            n += (size_t)snprintf(out + n, room - n, "\\n");
        } else {
            n += (size_t)snprintf(out + n, room - n, "\\x%02x", c);
        }
    }
    out[n] = '\0';
}
