/* What a cell says: a number, something else, or nothing. */
#include "../shared/csv_table.h"

#include <string.h>

bool table_is_missing(const assay_strings *missing_values, const char *cell)
{
    if (cell[0] == '\0') return true;
    for (uint64_t i = 0; i < missing_values->n; i++) {
        const char *word = missing_values->item[i];
        if (word[0] == cell[0] && strcmp(word, cell) == 0) return true; // most cells differ at once
    }
    return false;
}

size_t table_count_numbers(const struct table *t, const assay_strings *missing_values,
    size_t column, size_t *out_n_numbers)
{
    size_t n_cells = 0, n_numbers = 0;
    double v = 0;
    for (size_t row = t->first_row; row < t->n_rows; row++) {
        const char *cell = table_cell(t, row, column);
        if (table_is_missing(missing_values, cell)) continue;
        n_cells++;
        n_numbers += number_parse(cell, &v);
    }
    *out_n_numbers = n_numbers;
    return n_cells;
}

int table_number(assay_ctx *ctx, const struct table *t, size_t line, const char *column,
    const char *cell, const char *remedy, double *out)
{
    const double largest = 3.4028234663852886e38;
    if (cell == NULL) {
        return table_fail(ctx, ASSAY_E_DATA, t, line,
            "column \"%.60s\": expected a number, found a missing value", column);
    }
    if (!number_parse(cell, out)) {
        return table_fail(ctx, ASSAY_E_DATA, t, line,
            "column \"%.60s\": expected a number, found \"%.60s\": %s", column, cell, remedy);
    }
    if (!(*out <= largest && *out >= -largest)) {
        return table_fail(ctx, ASSAY_E_DATA, t, line,
            "column \"%.60s\": %.60s is too large for a 32-bit float", column, cell);
    }
    return ASSAY_OK;
}
