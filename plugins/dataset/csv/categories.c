/* The different values of a column of the main file, sorted so that they do not depend on the order of the rows: by value
 * where all are numbers (1 and 1.0 are one), else by bytes. Found again by bisection. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    const struct category *p = a, *q = b;
    return (p->value > q->value) - (p->value < q->value);
}

static int by_text(const void *a, const void *b)
{
    const struct category *p = a, *q = b;
    return strcmp(p->text, q->text);
}

int categories_make(const struct source *s, size_t column, struct categories *out)
{
    struct categories c = { .is_numeric = true };
    c.item = calloc(s->n_places, sizeof(struct category));
    if (c.item == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++) {
        if (s->place[i].table != TABLE_MAIN) continue;
        const char *cell = source_cell(s, TABLE_MAIN, s->place[i].row, column);
        if (cell == NULL) continue;
        double value = 0;
        if (!number_parse(cell, &value)) c.is_numeric = false;
        c.item[c.n++] = (struct category){ cell, value };
    }
    int (*const order)(const void *, const void *) = c.is_numeric ? by_value : by_text;
    qsort(c.item, c.n, sizeof(struct category), order);
    size_t n = 0;
    for (size_t i = 0; i < c.n; i++) {
        if (n == 0 || order(&c.item[n - 1], &c.item[i]) != 0) c.item[n++] = c.item[i];
    }
    c.n = n;
    *out = c;
    return ASSAY_OK;
}

size_t categories_find(const struct categories *c, const char *cell)
{
    struct category key = { cell, 0 };
    if (c->is_numeric && !number_parse(cell, &key.value)) return SIZE_MAX;
    const struct category *found =
        bsearch(&key, c->item, c->n, sizeof(key), c->is_numeric ? by_value : by_text);
    return found != NULL ? (size_t)(found - c->item) : SIZE_MAX;
}

void categories_name(const struct categories *c, size_t i, char *out, size_t n)
{
    if (c->is_numeric) {
        snprintf(out, n, "%.15g", c->item[i].value);
    } else {
        snprintf(out, n, "%s", c->item[i].text);
    }
}
