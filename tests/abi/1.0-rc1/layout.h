/* Made by tests/abi/store: fields and constants of ABI 1.0-rc1. Never edited. Who wants the rows for something else
 * defines their macros first. */
#include <assay/plugin.h>

#ifndef AT
#define AT(type, field, offset) \
    _Static_assert(offsetof(struct type, field) == (offset), "field moved: " #type "." #field)
#define AT_LEAST(type, bytes) \
    _Static_assert(sizeof(struct type) >= (bytes), "struct shrank: " #type)
#define EXACTLY(type, bytes) \
    _Static_assert(sizeof(struct type) == (bytes), "struct may not change: " #type)
#define IS(constant, number) _Static_assert((constant) == (number), "constant changed: " #constant)
#endif

#define TEXTS(TEXT) \
    TEXT(ASSAY_KIND_OPTIMIZER, "optimizer") \
    TEXT(ASSAY_KIND_SCHEDULE, "schedule") \
    TEXT(ASSAY_KIND_LAYER, "layer") \
    TEXT(ASSAY_KIND_LOSS, "loss") \
    TEXT(ASSAY_KIND_METRIC, "metric") \
    TEXT(ASSAY_KIND_DATASET, "dataset") \
    TEXT(ASSAY_KIND_SEARCH, "search") \
    TEXT(ASSAY_KIND_PRUNER, "pruner") \
    TEXT(ASSAY_INNER_SEARCH, "assay.inner_search/draft")

/* clang-format off */
IS(ASSAY_OK, 0);
IS(ASSAY_E_INVALID, (-1));
IS(ASSAY_E_NOMEM, (-2));
IS(ASSAY_E_UNSUPPORTED, (-3));
IS(ASSAY_E_SHAPE, (-4));
IS(ASSAY_E_NUMERIC, (-5));
IS(ASSAY_E_IO, (-6));
IS(ASSAY_E_DATA, (-7));
IS(ASSAY_E_INTERNAL, (-8));
IS(ASSAY_LOG_DEBUG, 0u);
IS(ASSAY_LOG_INFO, 1u);
IS(ASSAY_LOG_WARNING, 2u);
IS(ASSAY_PART_ANY, 0u);
IS(ASSAY_PART_TRAIN, 1u);
IS(ASSAY_PART_VALIDATION, 2u);
IS(ASSAY_PART_TEST, 3u);
IS(ASSAY_FEATURE_CATEGORY, 1u);
IS(ASSAY_TYPE_REAL, 1u);
IS(ASSAY_TYPE_INT, 2u);
IS(ASSAY_TYPE_BOOL, 3u);
IS(ASSAY_TYPE_ENUM, 4u);
IS(ASSAY_TYPE_STRING, 5u);
IS(ASSAY_TYPE_REALS, 6u);
IS(ASSAY_TYPE_INTS, 7u);
IS(ASSAY_TYPE_STRINGS, 8u);
IS(ASSAY_TYPE_COMPONENT, 9u);
IS(ASSAY_OPEN_MIN, 1u);
IS(ASSAY_OPEN_MAX, 2u);
IS(ASSAY_LOG, 4u);
IS(ASSAY_TUNE, 8u);
IS(ASSAY_SCHED, 16u);
IS(ASSAY_REQUIRED, 32u);
IS(ASSAY_PATH, 64u);
IS(ASSAY_DEPRECATED, 128u);
IS(ASSAY_LAYOUT_SAME, 0u);
IS(ASSAY_LAYOUT_TRANSPOSED, 1u);
IS(ASSAY_PARAM_TIE, 1u);
IS(ASSAY_PARAM_TIE_TRANSPOSED, 2u);
IS(ASSAY_TIME_SAME, 0u);
IS(ASSAY_TIME_ONE, 1u);
IS(ASSAY_TARGET_NONE, 0u);
IS(ASSAY_TARGET_CLASS, 1u);
IS(ASSAY_TARGET_REAL, 2u);
IS(ASSAY_TARGET_BINARY, 3u);
IS(ASSAY_METRIC_SMALLER_IS_BETTER, 0u);
IS(ASSAY_METRIC_LARGER_IS_BETTER, 1u);
IS(ASSAY_METRIC_NEITHER, 2u);
IS(ASSAY_SLOT_SAME, 0u);
IS(ASSAY_SLOT_ROWS, 1u);
IS(ASSAY_SLOT_COLS, 2u);
IS(ASSAY_SLOT_ROWS_ROWS, 3u);
IS(ASSAY_SLOT_COLS_COLS, 4u);
IS(ASSAY_SLOT_SCALAR, 5u);
IS(ASSAY_SLOT_MODEL, 6u);
IS(ASSAY_SLOT_MATRICES, 1u);
IS(ASSAY_SLOT_PER_BLOCK, 2u);
IS(ASSAY_SLOT_SCRATCH, 4u);
IS(ASSAY_CLOSURE_GRADIENT, 1u);
IS(ASSAY_CLOSURE_FRESH_BATCH, 2u);
IS(ASSAY_CLOSURE_FRESH_DRAWS, 4u);
IS(ASSAY_PLUGIN_LICENSE, 0);
IS(ASSAY_PLUGIN_URL, 0);
IS(ASSAY_SPACE_REAL, 1u);
IS(ASSAY_SPACE_INT, 2u);
IS(ASSAY_SPACE_CATEGORY, 3u);
IS(ASSAY_TRIAL_RUNNING, 1u);
IS(ASSAY_TRIAL_REPORTED, 2u);
IS(ASSAY_TRIAL_DONE, 3u);
IS(ASSAY_TRIAL_PAUSED, 4u);
IS(ASSAY_TRIAL_PRUNED, 5u);
IS(ASSAY_TRIAL_DIVERGED, 6u);
IS(ASSAY_TRIAL_FAILED, 7u);
IS(ASSAY_TRIAL_LOST, 8u);
IS(ASSAY_VERDICT_GO, 0u);
IS(ASSAY_VERDICT_STOP, 1u);
IS(ASSAY_VERDICT_PAUSE, 2u);
IS(ASSAY_SEARCH_CATEGORIES, 1u);
IS(ASSAY_SEARCH_CONDITIONS, 2u);
IS(ASSAY_SEARCH_NOISE, 4u);
IS(ASSAY_SEARCH_FIDELITY, 8u);
IS(ASSAY_SEARCH_FINITE, 16u);
IS(ASSAY_MAX_DIMS, 4);
IS(ASSAY_F32, 1u);
IS(ASSAY_I32, 2u);
IS(ASSAY_U8, 3u);
IS(ASSAY_ROLE_WEIGHT, 1u);
IS(ASSAY_ROLE_RECURRENT, 2u);
IS(ASSAY_ROLE_BIAS, 3u);
IS(ASSAY_ROLE_GAIN, 4u);
IS(ASSAY_ROLE_EMBEDDING, 5u);
IS(ASSAY_PLACE_INPUT, 1u);
IS(ASSAY_PLACE_HIDDEN, 2u);
IS(ASSAY_PLACE_OUTPUT, 3u);

AT(assay_ctx, struct_size, 0);
AT(assay_ctx, host, 8);
AT(assay_ctx, self, 16);
AT_LEAST(assay_ctx, 24);

AT(assay_gemm, struct_size, 0);
AT(assay_gemm, trans_a, 8);
AT(assay_gemm, trans_b, 12);
AT(assay_gemm, m, 16);
AT(assay_gemm, n, 24);
AT(assay_gemm, k, 32);
AT(assay_gemm, alpha, 40);
AT(assay_gemm, beta, 48);
AT(assay_gemm, a, 56);
AT(assay_gemm, lda, 64);
AT(assay_gemm, b, 72);
AT(assay_gemm, ldb, 80);
AT(assay_gemm, c, 88);
AT(assay_gemm, ldc, 96);
AT(assay_gemm, packed_b, 104);
AT_LEAST(assay_gemm, 112);

AT(assay_host, struct_size, 0);
AT(assay_host, abi_major, 8);
AT(assay_host, abi_minor, 12);
AT(assay_host, draft_hash, 16);
AT(assay_host, fail, 24);
AT(assay_host, log, 32);
AT(assay_host, metric, 40);
AT(assay_host, alloc, 48);
AT(assay_host, scratch, 56);
AT(assay_host, random_u32, 64);
AT(assay_host, uniform_f32, 72);
AT(assay_host, normal_f32, 80);
AT(assay_host, gemm_f32, 88);
AT(assay_host, pack_b_bytes, 96);
AT(assay_host, pack_b, 104);
AT(assay_host, potrf_f32, 112);
AT(assay_host, trsm_f32, 120);
AT(assay_host, syevd_f32, 128);
AT(assay_host, geqrf_f32, 136);
AT(assay_host, gesdd_f32, 144);
AT(assay_host, parallel_for, 152);
AT(assay_host, inner_update, 160);
AT(assay_host, inner_factor, 168);
AT(assay_host, extension, 176);
AT_LEAST(assay_host, 184);

AT(assay_data, struct_size, 0);
AT(assay_data, n_samples, 8);
AT(assay_data, x_shape, 16);
AT(assay_data, x_dtype, 56);
AT(assay_data, x_writable, 60);
AT(assay_data, x, 64);
AT(assay_data, x_stride, 72);
AT(assay_data, x_scale, 80);
AT(assay_data, vocabulary, 88);
AT(assay_data, token_names, 96);
AT(assay_data, token_separator, 104);
AT(assay_data, feature_names, 112);
AT(assay_data, feature_flags, 120);
AT(assay_data, missing, 128);
AT(assay_data, target, 136);
AT(assay_data, n_classes, 144);
AT(assay_data, class_names, 152);
AT(assay_data, n_targets, 160);
AT(assay_data, target_names, 168);
AT(assay_data, label, 176);
AT(assay_data, targets, 184);
AT(assay_data, targets_u8, 192);
AT(assay_data, target_per_step, 200);
AT(assay_data, first_step, 208);
AT(assay_data, n_steps, 216);
AT(assay_data, weight, 224);
AT(assay_data, part, 232);
AT(assay_data, group, 240);
AT(assay_data, files, 248);
AT(assay_data, n_files, 256);
AT_LEAST(assay_data, 264);

AT(assay_dataset, struct_size, 0);
AT(assay_dataset, open, 8);
AT(assay_dataset, close, 16);
AT(assay_dataset, validate, 24);
AT_LEAST(assay_dataset, 32);

AT(assay_reals, item, 0);
AT(assay_reals, n, 8);
EXACTLY(assay_reals, 16);

AT(assay_ints, item, 0);
AT(assay_ints, n, 8);
EXACTLY(assay_ints, 16);

AT(assay_strings, item, 0);
AT(assay_strings, n, 8);
EXACTLY(assay_strings, 16);

AT(assay_hyper, name, 0);
AT(assay_hyper, offset, 8);
AT(assay_hyper, type, 16);
AT(assay_hyper, def, 24);
AT(assay_hyper, min, 32);
AT(assay_hyper, max, 40);
AT(assay_hyper, doc, 48);
AT(assay_hyper, flags, 56);
AT(assay_hyper, tune_min, 64);
AT(assay_hyper, tune_max, 72);
AT(assay_hyper, unit, 80);
AT(assay_hyper, choices, 88);
AT(assay_hyper, n_choices, 96);
AT(assay_hyper, def_string, 104);
AT(assay_hyper, kind, 112);
AT_LEAST(assay_hyper, 120);

AT(assay_param, struct_size, 0);
AT(assay_param, name, 8);
AT(assay_param, shape, 16);
AT(assay_param, role, 56);
AT(assay_param, flags, 60);
AT(assay_param, init, 64);
AT(assay_param, init_value, 72);
AT(assay_param, fan_in, 80);
AT(assay_param, fan_out, 88);
AT(assay_param, blocks, 96);
AT(assay_param, export_name, 104);
AT(assay_param, layout, 112);
AT(assay_param, init_shift, 120);
AT_LEAST(assay_param, 128);

AT(assay_buffer, struct_size, 0);
AT(assay_buffer, name, 8);
AT(assay_buffer, size, 16);
AT(assay_buffer, init, 24);
AT(assay_buffer, export_name, 32);
AT_LEAST(assay_buffer, 40);

AT(assay_input, struct_size, 0);
AT(assay_input, shape, 8);
AT(assay_input, dtype, 48);
AT(assay_input, needs_grad, 52);
AT(assay_input, vocabulary, 56);
AT_LEAST(assay_input, 64);

AT(assay_plan, struct_size, 0);
AT(assay_plan, host_data, 8);
AT(assay_plan, in, 16);
AT(assay_plan, n_in, 24);
AT(assay_plan, in_stride, 32);
AT(assay_plan, max_time, 40);
AT(assay_plan, max_batch, 48);
AT(assay_plan, out, 56);
AT(assay_plan, time_mode, 96);
AT(assay_plan, couples_samples, 104);
AT(assay_plan, macs, 112);
AT(assay_plan, param, 120);
AT(assay_plan, buffer, 128);
AT(assay_plan, saved, 136);
AT(assay_plan, carry, 144);
AT(assay_plan, prepared, 152);
AT(assay_plan, scratch, 160);
AT(assay_plan, looks_ahead, 168);
AT(assay_plan, looks_back, 176);
AT(assay_plan, surrogate, 184);
AT_LEAST(assay_plan, 192);

AT(assay_prepare, struct_size, 0);
AT(assay_prepare, in, 8);
AT(assay_prepare, n_in, 16);
AT(assay_prepare, in_stride, 24);
AT(assay_prepare, out_shape, 32);
AT(assay_prepare, param, 40);
AT(assay_prepare, transposed, 48);
AT(assay_prepare, prepared, 56);
AT(assay_prepare, training, 64);
AT_LEAST(assay_prepare, 72);

AT(assay_io, struct_size, 0);
AT(assay_io, host_data, 8);
AT(assay_io, training, 16);
AT(assay_io, token_inputs, 20);
AT(assay_io, time, 24);
AT(assay_io, batch, 32);
AT(assay_io, time_out, 40);
AT(assay_io, batch_begin, 48);
AT(assay_io, batch_total, 56);
AT(assay_io, draw, 64);
AT(assay_io, n_in, 72);
AT(assay_io, in_shape, 80);
AT(assay_io, x, 88);
AT(assay_io, dx, 96);
AT(assay_io, out_shape, 104);
AT(assay_io, y, 112);
AT(assay_io, dy, 120);
AT(assay_io, param, 128);
AT(assay_io, dparam, 136);
AT(assay_io, accumulate, 144);
AT(assay_io, transposed, 152);
AT(assay_io, buffer, 160);
AT(assay_io, prepared, 168);
AT(assay_io, saved, 176);
AT(assay_io, carry_in, 184);
AT(assay_io, carry_out, 192);
AT(assay_io, dcarry_out, 200);
AT(assay_io, dcarry_in, 208);
AT(assay_io, scratch, 216);
AT(assay_io, weight, 224);
AT(assay_io, length, 232);
AT(assay_io, grad_gemm, 240);
AT_LEAST(assay_io, 248);

AT(assay_layer, struct_size, 0);
AT(assay_layer, plan, 8);
AT(assay_layer, forward, 16);
AT(assay_layer, backward, 24);
AT(assay_layer, validate, 32);
AT(assay_layer, prepare, 40);
AT(assay_layer, create, 48);
AT(assay_layer, destroy, 56);
AT_LEAST(assay_layer, 64);

AT(assay_task, struct_size, 0);
AT(assay_task, target, 8);
AT(assay_task, n_classes, 16);
AT(assay_task, n_outputs, 24);
AT(assay_task, n_targets, 32);
AT(assay_task, class_names, 40);
AT(assay_task, target_names, 48);
AT_LEAST(assay_task, 56);

AT(assay_rows, struct_size, 0);
AT(assay_rows, n, 8);
AT(assay_rows, n_outputs, 16);
AT(assay_rows, n_targets, 24);
AT(assay_rows, y, 32);
AT(assay_rows, label, 40);
AT(assay_rows, target, 48);
AT(assay_rows, weight, 56);
AT_LEAST(assay_rows, 64);

AT(assay_loss, struct_size, 0);
AT(assay_loss, plan, 8);
AT(assay_loss, loss, 16);
AT(assay_loss, validate, 24);
AT_LEAST(assay_loss, 32);

AT(assay_metric_plan, struct_size, 0);
AT(assay_metric_plan, task, 8);
AT(assay_metric_plan, n_sums, 16);
AT(assay_metric_plan, n_values, 24);
AT(assay_metric_plan, names, 32);
AT(assay_metric_plan, rows, 40);
AT(assay_metric_plan, cols, 48);
AT(assay_metric_plan, direction, 56);
AT_LEAST(assay_metric_plan, 64);

AT(assay_metric, struct_size, 0);
AT(assay_metric, plan, 8);
AT(assay_metric, add, 16);
AT(assay_metric, result, 24);
AT(assay_metric, merge, 32);
AT(assay_metric, validate, 40);
AT_LEAST(assay_metric, 48);

AT(assay_slot, name, 0);
AT(assay_slot, shape, 8);
AT(assay_slot, init, 16);
AT(assay_slot, times, 24);
AT(assay_slot, when, 32);
AT(assay_slot, limit, 40);
AT(assay_slot, flags, 48);
AT_LEAST(assay_slot, 56);

AT(assay_metric_row, name, 0);
AT(assay_metric_row, doc, 8);
AT(assay_metric_row, per_tensor, 16);
AT_LEAST(assay_metric_row, 24);

AT(assay_special_case, of, 0);
AT(assay_special_case, when, 8);
AT(assay_special_case, as, 16);
AT(assay_special_case, after, 24);
AT(assay_special_case, tolerance, 32);
AT(assay_special_case, doc, 40);
AT_LEAST(assay_special_case, 48);

AT(assay_step, struct_size, 0);
AT(assay_step, t, 8);
AT(assay_step, loss, 16);
AT(assay_step, sums, 24);
AT(assay_step, global, 32);
AT(assay_step, draw, 40);
AT(assay_step, n_tensors, 48);
AT(assay_step, n_elements, 56);
AT(assay_step, clip, 64);
AT_LEAST(assay_step, 72);

AT(assay_span, struct_size, 0);
AT(assay_span, tensor, 8);
AT(assay_span, begin, 16);
AT(assay_span, n, 24);
AT(assay_span, w, 32);
AT(assay_span, g, 40);
AT(assay_span, slot, 48);
AT(assay_span, slot_stride, 56);
AT(assay_span, sums, 64);
AT(assay_span, hyper, 72);
AT(assay_span, draw, 80);
AT_LEAST(assay_span, 88);

AT(assay_closure, struct_size, 0);
AT(assay_closure, host_data, 8);
AT(assay_closure, evaluate, 16);
AT_LEAST(assay_closure, 24);

AT(assay_optimizer, struct_size, 0);
AT(assay_optimizer, elem, 8);
AT(assay_optimizer, tensor, 16);
AT(assay_optimizer, model, 24);
AT(assay_optimizer, slots, 32);
AT(assay_optimizer, n_slots, 40);
AT(assay_optimizer, slot_stride, 48);
AT(assay_optimizer, validate, 56);
AT(assay_optimizer, n_sums, 64);
AT(assay_optimizer, reduce, 72);
AT(assay_optimizer, combine, 80);
AT(assay_optimizer, eval_weights, 88);
AT(assay_optimizer, metrics, 96);
AT(assay_optimizer, n_metrics, 104);
AT(assay_optimizer, metric_stride, 112);
AT(assay_optimizer, create, 120);
AT(assay_optimizer, destroy, 128);
AT(assay_optimizer, save, 136);
AT(assay_optimizer, load, 144);
AT(assay_optimizer, accept, 152);
AT(assay_optimizer, special_cases, 160);
AT(assay_optimizer, n_special_cases, 168);
AT(assay_optimizer, special_case_stride, 176);
AT_LEAST(assay_optimizer, 184);

AT(assay_component, struct_size, 0);
AT(assay_component, kind, 8);
AT(assay_component, id, 16);
AT(assay_component, version, 24);
AT(assay_component, doc, 32);
AT(assay_component, hypers, 40);
AT(assay_component, n_hypers, 48);
AT(assay_component, hyper_stride, 56);
AT(assay_component, hyper_bytes, 64);
AT(assay_component, ops, 72);
AT(assay_component, info, 80);
AT_LEAST(assay_component, 88);

AT(assay_plugin, struct_size, 0);
AT(assay_plugin, abi_major, 8);
AT(assay_plugin, header_minor, 12);
AT(assay_plugin, target_minor, 16);
AT(assay_plugin, draft_hash, 24);
AT(assay_plugin, name, 32);
AT(assay_plugin, version, 40);
AT(assay_plugin, license, 48);
AT(assay_plugin, url, 56);
AT(assay_plugin, components, 64);
AT(assay_plugin, n_components, 72);
AT(assay_plugin, info, 80);
AT_LEAST(assay_plugin, 88);

AT(assay_when, struct_size, 0);
AT(assay_when, step, 8);
AT(assay_when, total_steps, 16);
AT(assay_when, epoch, 24);
AT(assay_when, total_epochs, 32);
AT(assay_when, steps_per_epoch, 40);
AT(assay_when, n_checks, 48);
AT(assay_when, monitored, 56);
AT(assay_when, monitor_is_max, 64);
AT_LEAST(assay_when, 72);

AT(assay_schedule, struct_size, 0);
AT(assay_schedule, factor, 8);
AT(assay_schedule, n_state, 16);
AT(assay_schedule, horizon, 24);
AT(assay_schedule, validate, 32);
AT_LEAST(assay_schedule, 40);

AT(assay_dimension, struct_size, 0);
AT(assay_dimension, name, 8);
AT(assay_dimension, type, 16);
AT(assay_dimension, low, 24);
AT(assay_dimension, high, 32);
AT(assay_dimension, log, 40);
AT(assay_dimension, step, 48);
AT(assay_dimension, choices, 56);
AT(assay_dimension, n_choices, 64);
AT(assay_dimension, ordered, 72);
AT(assay_dimension, parent, 80);
AT(assay_dimension, parent_choices, 88);
AT(assay_dimension, prior_mean, 96);
AT(assay_dimension, prior_sd, 104);
AT_LEAST(assay_dimension, 112);

AT(assay_search_plan, struct_size, 0);
AT(assay_search_plan, dimensions, 8);
AT(assay_search_plan, n_dimensions, 16);
AT(assay_search_plan, dimension_stride, 24);
AT(assay_search_plan, n_trials, 32);
AT(assay_search_plan, max_fidelity, 40);
AT(assay_search_plan, min_fidelity, 48);
AT(assay_search_plan, is_noisy, 56);
AT_LEAST(assay_search_plan, 64);

AT(assay_event, struct_size, 0);
AT(assay_event, trial, 8);
AT(assay_event, state, 16);
AT(assay_event, x, 24);
AT(assay_event, value, 32);
AT(assay_event, standard_error, 40);
AT(assay_event, fidelity, 48);
AT(assay_event, replicate, 56);
AT_LEAST(assay_event, 64);

AT(assay_proposal, struct_size, 0);
AT(assay_proposal, x, 8);
AT(assay_proposal, fidelity, 16);
AT(assay_proposal, from_trial, 24);
AT_LEAST(assay_proposal, 32);

AT(assay_search, struct_size, 0);
AT(assay_search, can, 8);
AT(assay_search, open, 16);
AT(assay_search, ask, 24);
AT(assay_search, tell, 32);
AT(assay_search, close, 40);
AT(assay_search, validate, 48);
AT(assay_search, report, 56);
AT(assay_search, explain, 64);
AT_LEAST(assay_search, 72);

AT(assay_inner_search, struct_size, 0);
AT(assay_inner_search, id, 8);
AT(assay_inner_search, can, 16);
AT(assay_inner_search, open, 24);
AT(assay_inner_search, ask, 32);
AT(assay_inner_search, tell, 40);
AT(assay_inner_search, report, 48);
AT(assay_inner_search, explain, 56);
AT(assay_inner_search, close, 64);
AT_LEAST(assay_inner_search, 72);

AT(assay_pruner, struct_size, 0);
AT(assay_pruner, open, 8);
AT(assay_pruner, tell, 16);
AT(assay_pruner, report, 24);
AT(assay_pruner, close, 32);
AT(assay_pruner, validate, 40);
AT_LEAST(assay_pruner, 48);

AT(assay_shape, n_dims, 0);
AT(assay_shape, dim, 8);
EXACTLY(assay_shape, 40);

AT(assay_tensor, struct_size, 0);
AT(assay_tensor, name, 8);
AT(assay_tensor, layer, 16);
AT(assay_tensor, index, 24);
AT(assay_tensor, shape, 32);
AT(assay_tensor, size, 72);
AT(assay_tensor, rows, 80);
AT(assay_tensor, cols, 88);
AT(assay_tensor, role, 96);
AT(assay_tensor, place, 100);
AT(assay_tensor, fan_in, 104);
AT(assay_tensor, fan_out, 112);
AT(assay_tensor, depth, 120);
AT(assay_tensor, blocks, 128);
AT(assay_tensor, tied, 136);
AT_LEAST(assay_tensor, 144);
/* clang-format on */
