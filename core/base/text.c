/* A growable string, and numbers for people. Reals that read back are in text_real.c. */
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(text *t)
{
    *t = (text){ 0 };
}

void text_release(text *t)
{
    free(t->s);
    *t = (text){ 0 };
}

void text_clear(text *t)
{
    t->n = 0;
    t->failed = false;
    if (t->s) t->s[0] = '\0';
}

status text_check(const text *t, error *err)
{
    return t->failed ? fail_nomem(err, "text") : OK;
}

/* Room for `more` bytes and a NUL; false, with `failed` set, when there is none. */
static bool reserve(text *t, size_t more)
{
    if (t->failed) return false;
    if (t->s && more < t->capacity - t->n) return true;
    const size_t limit = SIZE_MAX / 2;
    size_t capacity = t->capacity ? t->capacity : 64;
    if (more < limit - t->n) {
        while (capacity <= t->n + more)
            capacity *= 2;
        char *s = realloc(t->s, capacity);
        if (s) {
            t->s = s;
            t->capacity = capacity;
            return true;
        }
    }
    t->failed = true;
    return false;
}

void text_add_bytes(text *t, const char *s, size_t n)
{
    if (!reserve(t, n)) return;
    if (n > 0) memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

void text_add(text *t, const char *s)
{
    text_add_bytes(t, s, strlen(s));
}

void text_printf(text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) {
        t->failed = true;
    } else if (reserve(t, (size_t)n)) {
        vsnprintf(t->s + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

/* `v` in the largest unit in which it is at least 1 (as printed), with one decimal above the first. */
static void with_unit(char out[32], double v, double step, const char *const *units, size_t n_units)
{
    size_t i = 0;
    double size = fabs(v);
    while (i + 1 < n_units && size >= (i == 0 ? step : step - 0.05)) {
        size /= step;
        i++;
    }
    const char *sign = v < 0 ? "-" : "";
    const bool is_whole = i == 0 && size >= floor(size) && size <= floor(size);
    snprintf(out, 32, is_whole ? "%s%.0f%s" : "%s%.1f%s", sign, size, units[i]);
}

void text_count(char out[32], double count)
{
    static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };
    if (!isfinite(count)) {
        snprintf(out, 32, "?");
        return;
    }
    with_unit(out, count, 1000.0, units, sizeof units / sizeof units[0]);
}

void text_bytes(char out[32], double bytes)
{
    static const char *const units[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
    if (!isfinite(bytes)) {
        snprintf(out, 32, "?");
        return;
    }
    with_unit(out, bytes, 1024.0, units, sizeof units / sizeof units[0]);
}

void text_duration(char out[32], double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds >= 1e12) {
        snprintf(out, 32, "?");
        return;
    }
    if (seconds < 0.9995) {
        snprintf(out, 32, "%.0fms", seconds * 1e3);
        return;
    }
    if (seconds < 59.95) {
        snprintf(out, 32, "%.*fs", seconds != floor(seconds), seconds); /* 14s, but 14.2s */
        return;
    }
    const long long s = llround(seconds), m = s / 60, h = m / 60;
    if (h == 0) {
        snprintf(out, 32, "%lldm %02llds", m, s % 60);
    } else if (h < 24) {
        snprintf(out, 32, "%lldh %02lldm", h, m % 60);
    } else {
        snprintf(out, 32, "%lldd %02lldh", h / 24, h % 24);
    }
}
