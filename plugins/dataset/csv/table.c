/* A CSV file into cells, by libcsv in its strict mode (RFC 4180 quoting; LF and CRLF; blank lines are skipped; blanks
 * around an unquoted field are not part of it).
 *
 * libcsv does not count lines, so it is fed one line at a time: a row begins where the first line was fed after the end of
 * the row before. */
#include "../shared/csv_table.h"

#include <csv.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
    struct table *t;
    size_t line, row_line;
    size_t in_row; /* cells of the row so far */
    size_t text_n, text_room, cell_n, cell_room, line_room;
    bool in_record, row_ended, is_ragged, is_out_of_memory;
    size_t ragged_line, ragged_n;
};

int table_fail(
    assay_ctx *ctx, int code, const struct table *t, size_t line, const char *format, ...)
{
    char message[480];
    int n = line > 0 ? snprintf(message, sizeof(message), "%.120s:%zu: ", t->name, line)
                     : snprintf(message, sizeof(message), "%.120s: ", t->name);
    if (n < 0) n = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(message + n, sizeof(message) - (size_t)n, format, args);
    va_end(args);
    return ctx->host->fail(ctx, code, t->key, message);
}

int table_nomem(assay_ctx *ctx)
{
    return ctx->host->fail(ctx, ASSAY_E_NOMEM, NULL, "out of memory for the table");
}

/* Room for `need` items, at least doubling; NULL when memory is out, *p stays. */
static void *grown(void *p, size_t *room, size_t need, size_t each)
{
    if (need <= *room) return p;
    size_t n = *room > 0 ? *room * 2 : 1024;
    if (n < need) n = need;
    if (n > SIZE_MAX / each) return NULL;
    void *q = realloc(p, n * each);
    if (q != NULL) *room = n;
    return q;
}

static void on_cell(void *data, size_t n, void *arg)
{
    struct parse *p = arg;
    if (p->is_out_of_memory || p->is_ragged) return;
    char *text = grown(p->t->text, &p->text_room, p->text_n + n + 1, 1);
    if (text != NULL) p->t->text = text;
    size_t *cell = grown(p->t->cell, &p->cell_room, p->cell_n + 1, sizeof(size_t));
    if (cell != NULL) p->t->cell = cell;
    if (text == NULL || cell == NULL) {
        p->is_out_of_memory = true;
        return;
    }
    cell[p->cell_n++] = p->text_n;
    if (n > 0) memcpy(text + p->text_n, data, n);
    text[p->text_n + n] = '\0';
    p->text_n += n + 1;
    p->in_row++;
}

static void on_row(int terminator, void *arg)
{
    struct parse *p = arg;
    (void)terminator;
    p->row_ended = true;
    if (p->is_out_of_memory || p->is_ragged) return;
    struct table *t = p->t;
    if (t->n_rows == 0) t->n_columns = p->in_row;
    if (p->in_row != t->n_columns) {
        p->is_ragged = true;
        p->ragged_line = p->row_line;
        p->ragged_n = p->in_row;
        return;
    }
    size_t *line = grown(t->line, &p->line_room, t->n_rows + 1, sizeof(size_t));
    if (line == NULL) {
        p->is_out_of_memory = true;
        return;
    }
    t->line = line;
    line[t->n_rows++] = p->row_line;
    p->in_row = 0;
}

static bool is_blank_line(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isspace((unsigned char)s[i])) return false;
    }
    return true;
}

/* What went wrong while parsing, if anything. */
static int parse_result(assay_ctx *ctx, const struct parse *p, int csv_code)
{
    if (p->is_out_of_memory || csv_code == CSV_ENOMEM) return table_nomem(ctx);
    if (p->is_ragged) {
        return table_fail(ctx, ASSAY_E_DATA, p->t, p->ragged_line,
            "expected %zu fields as in the first row, found %zu", p->t->n_columns, p->ragged_n);
    }
    if (csv_code == CSV_EPARSE) {
        return table_fail(ctx, ASSAY_E_DATA, p->t, p->row_line,
            "a quote where none may be: quote the whole field and double the quotes inside it");
    }
    return csv_code == CSV_SUCCESS
        ? ASSAY_OK
        : table_fail(ctx, ASSAY_E_DATA, p->t, p->row_line, "%s", csv_strerror(csv_code));
}

static int parse_lines(
    assay_ctx *ctx, struct parse *p, struct csv_parser *parser, const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        const char *end = memchr(s + at, '\n', n - at);
        const size_t length = end != NULL ? (size_t)(end - (s + at)) + 1 : n - at;
        p->line++;
        if (!p->in_record) p->row_line = p->line;
        p->row_ended = false;
        const size_t done = csv_parse(parser, s + at, length, on_cell, on_row, p);
        const int csv_code = done == length ? CSV_SUCCESS : csv_error(parser);
        const int code = parse_result(ctx, p, csv_code);
        if (code != ASSAY_OK) return code;
        if (p->row_ended) {
            p->in_record = false;
        } else if (!is_blank_line(s + at, length)) {
            p->in_record = true;
        }
        at += length;
    }
    if (csv_fini(parser, on_cell, on_row, p) != 0 && csv_error(parser) == CSV_EPARSE) {
        return table_fail(ctx, ASSAY_E_DATA, p->t, p->row_line, "a quoted field is never closed");
    }
    return parse_result(ctx, p, CSV_SUCCESS);
}

/* How often c occurs in the first line outside quotes. */
static size_t count_in_first_line(const char *s, size_t n, char c)
{
    size_t count = 0;
    bool quoted = false;
    for (size_t i = 0; i < n && (quoted || s[i] != '\n'); i++) {
        if (s[i] == '"') quoted = !quoted;
        if (s[i] == c && !quoted) count++;
    }
    return count;
}

/* The separator that occurs most in the first line. */
static char guess_separator(const char *s, size_t n)
{
    static const char candidates[] = ",;\t|";
    size_t most = 0, best = 0;
    for (size_t k = 0; k < 4; k++) {
        const size_t count = count_in_first_line(s, n, candidates[k]);
        if (count > most) {
            most = count;
            best = k;
        }
    }
    return candidates[best];
}

/* A table has a feature and a target, so a first line of one field means another separator, if there is one in it. */
static int check_separator(assay_ctx *ctx, const struct table *t, const char *s, size_t n)
{
    const char likely = guess_separator(s, n);
    if (count_in_first_line(s, n, t->separator) > 0) return ASSAY_OK;
    if (count_in_first_line(s, n, likely) == 0) return ASSAY_OK;
    const char is[] = { t->separator, '\0' }, other[] = { likely, '\0' };
    return table_fail(ctx, ASSAY_E_DATA, t, 1,
        "is one field between separators \"%s\": should separator be \"%s\"?",
        t->separator == '\t' ? "tab" : is, likely == '\t' ? "tab" : other);
}

static int parse_text(assay_ctx *ctx, struct table *t, const char *s, size_t n)
{
    struct parse p = { .t = t };
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) return table_nomem(ctx);
    csv_set_delim(&parser, (unsigned char)t->separator);
    const int code = parse_lines(ctx, &p, &parser, s, n);
    csv_free(&parser);
    return code;
}

static int read_file(assay_ctx *ctx, const struct table *t, char **out, size_t *out_n)
{
    char *s = NULL;
    size_t n = 0, room = 0, got = 0;
    FILE *f = fopen(t->path, "rb");
    if (f == NULL) {
        if (errno == ENOMEM) return table_nomem(ctx);
        return table_fail(
            ctx, ASSAY_E_IO, t, 0, "cannot be opened: %s: %.240s", strerror(errno), t->path);
    }
    int code = ASSAY_OK;
    do {
        char *q = grown(s, &room, n + 65536, 1);
        if (q == NULL) {
            code = table_nomem(ctx);
            break;
        }
        s = q;
        got = fread(s + n, 1, room - n, f);
        n += got;
    } while (got > 0);
    if (code == ASSAY_OK && ferror(f)) {
        code = table_fail(ctx, ASSAY_E_IO, t, 0, "cannot be read: %s", strerror(errno));
    }
    fclose(f);
    if (code != ASSAY_OK) {
        free(s);
        return code;
    }
    *out = s;
    *out_n = n;
    return ASSAY_OK;
}

/* A header by its looks: no field is a number and no two are equal. */
static bool looks_like_header(const struct table *t)
{
    double v = 0;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (number_parse(table_cell(t, 0, i), &v)) return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(table_cell(t, 0, i), table_cell(t, 0, j)) == 0) return false;
        }
    }
    return true;
}

static int check_rows(assay_ctx *ctx, struct table *t, int64_t header)
{
    if (t->n_rows == 0) return table_fail(ctx, ASSAY_E_DATA, t, 0, "the file is empty");
    const bool has_header = header == HEADER_YES || (header == HEADER_AUTO && looks_like_header(t));
    t->first_row = has_header ? 1 : 0;
    if (t->n_rows == t->first_row) {
        return table_fail(ctx, ASSAY_E_DATA, t, t->line[0], "only a header, no rows below it");
    }
    return ASSAY_OK;
}

int table_read(assay_ctx *ctx, struct table *t, char separator, int64_t header)
{
    char *s = NULL;
    size_t n = 0;
    const char *slash = strrchr(t->path, '/');
    t->name = slash != NULL ? slash + 1 : t->path;
    int code = read_file(ctx, t, &s, &n);
    if (code != ASSAY_OK) return code;
    const bool has_bom = n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0;
    const char *begin = s + (has_bom ? 3 : 0);
    const size_t length = n - (has_bom ? 3 : 0);
    t->separator = separator != 0 ? separator : guess_separator(begin, length);
    if (memchr(begin, '\0', length) != NULL) {
        code = table_fail(ctx, ASSAY_E_DATA, t, 0,
            "has NUL bytes, so it is not text in UTF-8: convert or unpack it first");
    }
    if (code == ASSAY_OK) code = check_separator(ctx, t, begin, length);
    if (code == ASSAY_OK) code = parse_text(ctx, t, begin, length);
    if (code == ASSAY_OK) code = check_rows(ctx, t, header);
    free(s);
    return code;
}

const char *table_cell(const struct table *t, size_t row, size_t column)
{
    return t->text + t->cell[row * t->n_columns + column];
}

void table_free(struct table *t)
{
    free(t->text);
    free(t->cell);
    free(t->line);
}

int table_separator(const char *text)
{
    if (strcmp(text, "auto") == 0) return 0;
    if (strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0) return '\t';
    const unsigned char c = (unsigned char)text[0];
    const bool fits = c != '\0' && c < 128 && strchr("\"\r\n0123456789+-.eE", c) == NULL;
    return fits && text[1] == '\0' ? c : -1;
}

int table_check_separator(assay_ctx *ctx, const char *text)
{
    if (table_separator(text) >= 0) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_INVALID, "separator",
        "must be one character that no number contains, \"tab\" or \"auto\"");
}
