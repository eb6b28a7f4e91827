#include "search/packet.h"

#include <string.h>

enum { MOST_DEPTH = 32 };

/* -- Writing -- */

void packet_u64(text *t, uint64_t v)
{
    char bytes[sizeof v];
    memcpy(bytes, &v, sizeof v);
    text_add_bytes(t, bytes, sizeof bytes);
}

void packet_real(text *t, double v)
{
    char bytes[sizeof v];
    memcpy(bytes, &v, sizeof v);
    text_add_bytes(t, bytes, sizeof bytes);
}

void packet_reals(text *t, const double *v, size_t n)
{
    if (n) text_add_bytes(t, (const char *)(const void *)v, n * sizeof *v);
}

void packet_text(text *t, const char *s)
{
    if (!s) {
        packet_u64(t, UINT64_MAX);
        return;
    }
    const size_t n = strlen(s) + 1;
    packet_u64(t, n);
    text_add_bytes(t, s, n);
}

static void put_content(text *t, const value *v)
{
    switch (v->kind) {
    case VALUE_BOOL: packet_u64(t, v->as.boolean); break;
    case VALUE_INT: packet_u64(t, (uint64_t)v->as.integer); break;
    case VALUE_REAL: packet_real(t, v->as.real); break;
    case VALUE_STRING: packet_text(t, v->as.string); break;
    case VALUE_LIST:
    case VALUE_GROUP:
        packet_u64(t, v->n);
        for (size_t i = 0; i < v->n; i++)
            packet_value(t, v->item[i]);
        break;
    }
}

void packet_value(text *t, const value *v)
{
    packet_u64(t, v ? 1 : 0);
    if (!v) return;
    packet_text(t, v->name);
    packet_u64(t, v->kind);
    packet_text(t, v->at.file);
    packet_u64(t, (uint64_t)v->at.line);
    packet_u64(t, v->is_default);
    put_content(t, v);
}

static void put_dimension(text *t, const assay_dimension *d)
{
    const double reals[] = { d->low, d->high, d->step, d->prior_mean, d->prior_sd };
    packet_text(t, d->name);
    packet_u64(t, d->type);
    packet_reals(t, reals, sizeof reals / sizeof reals[0]);
    packet_u64(t, d->log);
    packet_u64(t, d->ordered);
    packet_u64(t, d->parent);
    packet_u64(t, d->parent_choices);
    packet_u64(t, d->n_choices);
    for (uint64_t i = 0; i < d->n_choices; i++)
        packet_text(t, d->choices[i]);
}

void packet_plan(text *t, const assay_search_plan *p)
{
    packet_u64(t, p->n_trials);
    packet_real(t, p->max_fidelity);
    packet_real(t, p->min_fidelity);
    packet_u64(t, p->is_noisy);
    packet_u64(t, p->n_dimensions);
    for (uint64_t i = 0; i < p->n_dimensions; i++)
        put_dimension(t, assay_dimension_at(p, i));
}

void packet_event(text *t, const assay_event *e, size_t n_dimensions)
{
    const double reals[] = { e->value, e->standard_error, e->fidelity };
    packet_u64(t, e->trial);
    packet_u64(t, e->state);
    packet_u64(t, e->replicate);
    packet_reals(t, reals, sizeof reals / sizeof reals[0]);
    packet_reals(t, e->x, n_dimensions);
}

/* -- Reading -- */

static bool take(packet *p, void *out, size_t n)
{
    if (p->is_bad || (size_t)(p->end - p->at) < n) {
        p->is_bad = true;
        if (n) memset(out, 0, n);
        return false;
    }
    if (n) memcpy(out, p->at, n);
    p->at += n;
    return true;
}

uint64_t packet_get_u64(packet *p)
{
    uint64_t v;
    (void)take(p, &v, sizeof v);
    return v;
}

double packet_get_real(packet *p)
{
    double v;
    (void)take(p, &v, sizeof v);
    return v;
}

void packet_get_reals(packet *p, double *out, size_t n)
{
    (void)take(p, out, n * sizeof *out);
}

const char *packet_get_text(packet *p)
{
    const uint64_t n = packet_get_u64(p);
    if (p->is_bad || n == UINT64_MAX) return NULL;
    const char *s = (const char *)p->at;
    if (n == 0 || n > (size_t)(p->end - p->at) || memchr(s, '\0', (size_t)n) != s + n - 1) {
        p->is_bad = true;
        return NULL;
    }
    p->at += n;
    return s;
}

size_t packet_get_count(packet *p, size_t least_bytes)
{
    const uint64_t n = packet_get_u64(p);
    if (!p->is_bad && n <= (size_t)(p->end - p->at) / least_bytes) return (size_t)n;
    p->is_bad = true;
    return 0;
}

static status copy_text(packet *p, arena *a, const char **out, error *err)
{
    const char *s = packet_get_text(p);
    *out = s ? arena_strdup(a, s) : NULL;
    return s && !*out ? fail_nomem(err, "a message") : OK;
}

/* Values of one file share its name. */
static status get_file(packet *p, arena *a, const char **last, const char **out, error *err)
{
    const char *s = packet_get_text(p);
    *out = s;
    if (!s) return OK;
    if (!*last || strcmp(*last, s) != 0) *last = arena_strdup(a, s);
    *out = *last;
    return *last ? OK : fail_nomem(err, "a message");
}

static status get_value(packet *p, config *c, value *out, const char **file, int depth, error *err);

static status get_items(packet *p, config *c, value *out, const char **file, int depth, error *err)
{
    const size_t n = packet_get_count(p, sizeof(uint64_t));
    for (size_t i = 0; i < n && !p->is_bad; i++) {
        if (packet_get_u64(p) != 1) p->is_bad = true;
        const char *name = packet_get_text(p);
        if (p->is_bad || (out->kind == VALUE_GROUP) != (name != NULL)) {
            p->is_bad = true;
            return OK;
        }
        value *item = value_add(c, out, name);
        if (!item) return fail_nomem(err, "a message");
        const status st = get_value(p, c, item, file, depth + 1, err);
        if (st != OK) return st;
    }
    return OK;
}

/* What stands behind a value's name. */
static status get_value(packet *p, config *c, value *out, const char **file, int depth, error *err)
{
    status st = OK;
    const uint64_t kind = packet_get_u64(p);
    TRY(get_file(p, config_arena(c), file, &out->at.file, err));
    out->at.line = (int)(packet_get_u64(p) & 0x7fffffff);
    out->is_default = packet_get_u64(p) != 0;
    if (kind > VALUE_GROUP || depth > MOST_DEPTH) p->is_bad = true;
    if (p->is_bad) return OK;
    out->kind = (value_kind)kind;
    switch (out->kind) {
    case VALUE_BOOL: out->as.boolean = packet_get_u64(p) != 0; break;
    case VALUE_INT: out->as.integer = (int64_t)packet_get_u64(p); break;
    case VALUE_REAL: out->as.real = packet_get_real(p); break;
    case VALUE_STRING:
        TRY(copy_text(p, config_arena(c), &out->as.string, err));
        if (!out->as.string) p->is_bad = true;
        break;
    case VALUE_LIST:
    case VALUE_GROUP: TRY(get_items(p, c, out, file, depth, err)); break;
    }
done:
    return st;
}

status packet_get_value(packet *p, config *c, value *out, bool *out_is_there, error *err)
{
    const char *file = NULL;
    *out_is_there = packet_get_u64(p) != 0;
    *out = (value){ .kind = VALUE_GROUP };
    if (!*out_is_there) return OK;
    const status st = copy_text(p, config_arena(c), &out->name, err);
    return st == OK ? get_value(p, c, out, &file, 0, err) : st;
}

static status get_dimension(packet *p, arena *a, assay_dimension *d, error *err)
{
    status st = OK;
    double reals[5];
    *d = (assay_dimension){ .struct_size = sizeof *d };
    TRY(copy_text(p, a, &d->name, err));
    d->type = packet_get_u64(p);
    packet_get_reals(p, reals, 5);
    d->low = reals[0];
    d->high = reals[1];
    d->step = reals[2];
    d->prior_mean = reals[3];
    d->prior_sd = reals[4];
    d->log = packet_get_u64(p);
    d->ordered = packet_get_u64(p);
    d->parent = packet_get_u64(p);
    d->parent_choices = packet_get_u64(p);
    d->n_choices = packet_get_count(p, sizeof(uint64_t));
    const char **choices = arena_alloc_array(a, d->n_choices + 1, sizeof *choices);
    if (!choices) TRY(fail_nomem(err, "a space"));
    for (uint64_t i = 0; i < d->n_choices; i++)
        TRY(copy_text(p, a, &choices[i], err));
    d->choices = d->n_choices ? choices : NULL;
done:
    return st;
}

status packet_get_plan(packet *p, arena *a, assay_search_plan *out, error *err)
{
    *out = (assay_search_plan){ .struct_size = sizeof *out,
        .dimension_stride = sizeof(assay_dimension) };
    out->n_trials = packet_get_u64(p);
    out->max_fidelity = packet_get_real(p);
    out->min_fidelity = packet_get_real(p);
    out->is_noisy = packet_get_u64(p);
    out->n_dimensions = packet_get_count(p, 12 * sizeof(uint64_t));
    assay_dimension *d = arena_alloc_array(a, out->n_dimensions + 1, sizeof *d);
    if (!d) return fail_nomem(err, "a space");
    out->dimensions = d;
    for (uint64_t i = 0; i < out->n_dimensions; i++) {
        const status st = get_dimension(p, a, &d[i], err);
        if (st != OK) return st;
    }
    return OK;
}

void packet_get_event(packet *p, assay_event *out, double *x, size_t n_dimensions)
{
    double reals[3];
    *out = (assay_event){ .struct_size = sizeof *out, .x = x };
    out->trial = packet_get_u64(p);
    out->state = packet_get_u64(p);
    out->replicate = packet_get_u64(p);
    packet_get_reals(p, reals, 3);
    out->value = reals[0];
    out->standard_error = reals[1];
    out->fidelity = reals[2];
    packet_get_reals(p, x, n_dimensions);
}

bool packet_is_whole(const packet *p)
{
    return !p->is_bad && p->at == p->end;
}

void packet_clean(char *out, size_t bytes, const char *s)
{
    size_t n = 0;
    for (; s && s[n] && n + 1 < bytes; n++) {
        const unsigned char c = (unsigned char)s[n];
        out[n] = c < ' ' || c == 0x7f ? '?' : s[n];
    }
    out[n] = '\0';
}
