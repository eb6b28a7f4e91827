/* Tables of config keys.
 *
 * The rooms that read keys have them as tables; which of these belong to which block is told here once, for `assay help config`
 * and for the line below a component's own keys. */
#include "cli/keys.h"

#include "data/dataset.h"
#include "model/model.h"
#include "train/evaluator.h"
#include "train/optimizer.h"
#include "train/options.h"
#include "train/scheduler.h"
#ifdef ASSAY_HAS_STUDIES
#include "declaration/keys.h"
#endif

#include <string.h>

enum { MAX_COLUMNS = 6 };

typedef struct host_block {
    const char *prefix; /* of its keys' paths */
    const char *kind; /* of components that these keys stand beside; NULL: none */
    const hyper_table *keys;
} host_block;

static const host_block blocks[] = {
    { "data.", "dataset", &data_written_table },
    { "data.", "dataset", &data_table },
    { "data.split.", NULL, &data_split_table },
    { "model[i].", "layer", &layer_table },
    { "optimizer.", "optimizer", &optimizer_table },
    { "schedule.", "schedule", &schedule_table },
    { "metrics[i].", "metric", &metric_table },
    { "train.", NULL, &train_table },
    { "train.early_stopping.", NULL, &early_stop_table },
    { "train.checkpoint.", NULL, &checkpoint_table },
    { "train.probe.", NULL, &probe_table },
#ifdef ASSAY_HAS_STUDIES
    { "study.", NULL, &study_written_table },
    { "study.", NULL, &study_table },
    { "study.budget.", NULL, &study_budget_table },
    { "study.fidelity.", NULL, &study_fidelity_table },
    { "study.sandbox.", NULL, &study_sandbox_written_table },
    { "study.sandbox.", NULL, &study_sandbox_table },
    { "study.retry.", NULL, &study_retry_table },
#endif
};

enum { N_BLOCKS = sizeof blocks / sizeof blocks[0] };

static void search_text(const assay_hyper *h, text *t)
{
    if (!(h->flags & ASSAY_TUNE)) {
        return;
    }
    text_printf(t, "%g to %g%s", h->tune_min, h->tune_max, h->flags & ASSAY_LOG ? ", log" : "");
}

static void column_text(const assay_hyper *h, size_t i_column, text *t)
{
    switch (i_column) {
    case 0: text_add(t, h->name); break;
    case 1: hyper_type_text(h, t); break;
    case 2:
        if (h->flags & ASSAY_REQUIRED) {
            text_add(t, "required");
        } else {
            hyper_default_text(h, t);
        }
        break;
    case 3: hyper_range_text(h, t); break;
    case 4: search_text(h, t); break;
    default:
        text_add(t, h->doc);
        if (h->unit) text_printf(t, " (in %s)", h->unit);
        break;
    }
}

void keys_table(const hyper_table *keys, const char *prefix, const terminal *style, text *t)
{
    static const char *const titles[MAX_COLUMNS] = { "name", "type", "default", "range", "search",
        "meaning" };
    size_t width[MAX_COLUMNS] = { 0 };
    text cell = { 0 };
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t r = 0; r <= keys->n; r++) {
            text_add(t, pass ? "  " : "");
            for (size_t k = 0; k < MAX_COLUMNS; k++) {
                text_clear(&cell);
                if (r == 0) {
                    text_add(&cell, titles[k]);
                } else {
                    text_add(&cell, k == 0 ? prefix : "");
                    column_text(hyper_row(keys, r - 1), k, &cell);
                }
                const size_t n = cell.s ? text_columns(cell.s) : 0;
                if (pass == 0) {
                    width[k] = n > width[k] ? n : width[k];
                    continue;
                }
                text_add(t,
                    terminal_style(style,
                        r == 0       ? STYLE_DIM
                            : k == 0 ? STYLE_CYAN
                                     : STYLE_PLAIN));
                text_add(t, cell.s ? cell.s : "");
                text_add(t, terminal_style(style, STYLE_PLAIN));
                for (size_t i = n; k + 1 < MAX_COLUMNS && i < width[k] + 2; i++) {
                    text_add(t, " ");
                }
            }
            text_add(t, pass ? "\n" : "");
        }
    }
    text_release(&cell);
}

void keys_of_host(const char *kind, text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < N_BLOCKS; i++) {
        for (size_t k = 0;
             blocks[i].kind && strcmp(blocks[i].kind, kind) == 0 && k < blocks[i].keys->n; k++) {
            text_printf(t, "%s%s", n++ ? ", " : "\n  beside these, of assay's own: ",
                hyper_row(blocks[i].keys, k)->name);
        }
    }
    if (n && strcmp(kind, "dataset") == 0) text_add(t, ", split");
    text_add(t, n ? " (assay help config)\n" : "");
}

void keys_all(const terminal *style, text *t)
{
    for (size_t i = 0; i < N_BLOCKS; i++) {
        text_add(t, "\n");
        keys_table(blocks[i].keys, blocks[i].prefix, style, t);
    }
}
