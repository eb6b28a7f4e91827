/* Tables of metrics. A standard error stands beside the value that it is of. */
#include "cli/result.h"

#include <math.h>
#include <string.h>

enum { LEFT_WIDTH = 14, CELL_WIDTH = 22 };

static size_t find_value(const part_values *v, const char *name)
{
    size_t i = 0;
    while (i < v->n && strcmp(v->name[i], name) != 0) {
        i++;
    }
    return i;
}

/* Whether this is "x_se" of an x that is there. */
static bool is_error(const part_values *v, size_t i)
{
    char name[PROGRESS_NAME];
    const size_t n = strlen(v->name[i]);
    if (n < 4 || strcmp(v->name[i] + n - 3, "_se") != 0) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(n - 3), v->name[i]);
    return find_value(v, name) < v->n;
}

/* What a share of rows may be at 95 %, one-sided, where none of n is wrong, or right: p^n = 0.05 ("rule of three", Hanley and
 * Lippman-Hand 1983). Rounded to the safe side. */
static int add_bound(char *out, size_t size, bool all, double n)
{
    const double p = pow(0.05, 1 / n), steps = 1e4;
    return all ? snprintf(out, size, " (≥ %.4f)", floor(p * steps) / steps)
               : snprintf(out, size, " (≤ %.4f)", ceil((1 - p) * steps) / steps);
}

static void cell(const part_values *v, const char *name, double n_rows, char out[64])
{
    char error_name[PROGRESS_NAME + 4];
    const size_t i = find_value(v, name);
    out[0] = '\0';
    if (i == v->n) {
        return;
    }
    snprintf(error_name, sizeof error_name, "%s_se", name);
    const size_t i_error = find_value(v, error_name);
    const double x = isnan(v->value[i]) ? (double)NAN : v->value[i]; /* never "-nan" */
    const double size = fabs(x);
    const char *format = size != 0 && (size < 1e-3 || size >= 1e4) ? "%.4g" : "%.4f";
    int n = snprintf(out, 64, format, x);
    if (i_error == v->n || n < 0 || n >= 64) {
        return;
    }
    const bool is_certain = v->value[i_error] <= 0 && (x <= 0 || x >= 1);
    if (is_certain && n_rows > 0) {
        (void)add_bound(out + n, 64 - (size_t)n, x >= 1, n_rows);
    } else if (!is_certain) {
        n += snprintf(out + n, 64 - (size_t)n, " ± ");
        snprintf(out + n, 64 - (size_t)n, format, v->value[i_error]);
    }
}

static void pad(text *t, const char *s, size_t width)
{
    text_add(t, s);
    for (size_t n = text_columns(s); n < width; n++) {
        text_add(t, " ");
    }
}

/* Takes back the blanks that a line ends with. */
static void end_line(text *t, const char *closing)
{
    while (t->n && t->s[t->n - 1] == ' ') {
        t->s[--t->n] = '\0';
    }
    text_printf(t, "%s\n", closing);
}

void result_table(const result_column *c, size_t n_columns, const terminal *style, text *t)
{
    const part_values *names = NULL;
    for (size_t k = 0; k < n_columns; k++) {
        if (!names && c[k].values->n) names = c[k].values;
    }
    if (!names) {
        return;
    }
    size_t left = LEFT_WIDTH;
    for (size_t i = 0; i < names->n; i++) {
        const size_t n = strlen(names->name[i]) + 2;
        left = n > left ? n : left;
    }
    text_printf(t, "  %*s%s", (int)left, "", terminal_style(style, STYLE_DIM));
    for (size_t k = 0; k < n_columns; k++) {
        if (c[k].values->n) pad(t, c[k].title, CELL_WIDTH);
    }
    end_line(t, terminal_style(style, STYLE_PLAIN));
    for (size_t i = 0; i < names->n; i++) {
        if (is_error(names, i)) {
            continue;
        }
        text_add(t, "  ");
        pad(t, names->name[i], left);
        text_add(t, terminal_style(style, STYLE_BOLD));
        for (size_t k = 0; k < n_columns; k++) {
            char numbers[64];
            cell(c[k].values, names->name[i], c[k].rows, numbers);
            if (c[k].values->n) pad(t, numbers, CELL_WIDTH);
        }
        end_line(t, terminal_style(style, STYLE_PLAIN));
    }
}

double result_rows(const dataset *d, part p)
{
    const uint32_t *rows = dataset_rows(d, p);
    const float *weight = dataset_view(d)->weight;
    double sum = 0, squares = 0;
    for (size_t i = 0; i < dataset_size(d, p); i++) {
        const double w = weight ? weight[rows[i]] : 1;
        sum += w;
        squares += w * w;
    }
    return squares > 0 ? sum * sum / squares : 0;
}

void result_json(json *j, const part_values *v)
{
    json_begin_object(j);
    for (size_t i = 0; i < v->n; i++) {
        json_key_real(j, v->name[i], v->value[i]);
    }
    json_end_object(j);
}

void result_matrix(const char *name, const record_value *v, const assay_data *d, text *t)
{
    const bool named = d->class_names && d->n_classes == v->rows;
    size_t width = 5, left = 5;
    for (size_t i = 0; i < v->rows * v->cols; i++) {
        const int n = snprintf(NULL, 0, "%g", v->matrix[i]);
        width = (size_t)n > width ? (size_t)n : width;
    }
    for (size_t r = 0; named && r < v->rows; r++) {
        const size_t n = text_columns(d->class_names[r]);
        left = n > left ? n : left;
    }
    text_printf(t, "\n  %s (a row per true class, a column per predicted one)\n", name);
    for (size_t r = 0; r < v->rows; r++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", r);
        text_add(t, "  ");
        pad(t, named ? d->class_names[r] : number, left);
        for (size_t k = 0; k < v->cols; k++) {
            text_printf(t, " %*g", (int)width, v->matrix[r * v->cols + k]);
        }
        text_add(t, "\n");
    }
}
