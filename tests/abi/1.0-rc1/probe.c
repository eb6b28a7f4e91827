/* Made by tests/abi/store: every type of the contract, for abidiff. */
#include <assay/plugin.h>

/* clang-format off */
struct every_type {
    const struct assay_ctx *assay_ctx;
    const struct assay_gemm *assay_gemm;
    const struct assay_host *assay_host;
    const struct assay_data *assay_data;
    const struct assay_dataset *assay_dataset;
    const struct assay_reals *assay_reals;
    const struct assay_ints *assay_ints;
    const struct assay_strings *assay_strings;
    const struct assay_hyper *assay_hyper;
    const struct assay_param *assay_param;
    const struct assay_buffer *assay_buffer;
    const struct assay_input *assay_input;
    const struct assay_plan *assay_plan;
    const struct assay_prepare *assay_prepare;
    const struct assay_io *assay_io;
    const struct assay_layer *assay_layer;
    const struct assay_task *assay_task;
    const struct assay_rows *assay_rows;
    const struct assay_loss *assay_loss;
    const struct assay_metric_plan *assay_metric_plan;
    const struct assay_metric *assay_metric;
    const struct assay_slot *assay_slot;
    const struct assay_metric_row *assay_metric_row;
    const struct assay_special_case *assay_special_case;
    const struct assay_step *assay_step;
    const struct assay_span *assay_span;
    const struct assay_closure *assay_closure;
    const struct assay_optimizer *assay_optimizer;
    const struct assay_component *assay_component;
    const struct assay_plugin *assay_plugin;
    const struct assay_when *assay_when;
    const struct assay_schedule *assay_schedule;
    const struct assay_dimension *assay_dimension;
    const struct assay_search_plan *assay_search_plan;
    const struct assay_event *assay_event;
    const struct assay_proposal *assay_proposal;
    const struct assay_search *assay_search;
    const struct assay_inner_search *assay_inner_search;
    const struct assay_pruner *assay_pruner;
    const struct assay_shape *assay_shape;
    const struct assay_tensor *assay_tensor;
};

ASSAY_EXPORT extern const struct every_type assay_every_type;
const struct every_type assay_every_type = { 0 };
ASSAY_EXPORT const assay_plugin *assay_entry_type(const assay_host *host);
const assay_plugin *assay_entry_type(const assay_host *host)
{
    (void)host;
    return 0;
}
