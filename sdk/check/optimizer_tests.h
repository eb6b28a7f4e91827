/* The tests of optimizers, by file. Only sdk/check/optimizer*.c include this. */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_TESTS_H
#define ASSAY_SDK_CHECK_OPTIMIZER_TESTS_H

#include "check/optimizer_bench.h"

/* optimizer_cuts.c */
void optimizer_test_chunks(const subject *s, check_report *r);
void optimizer_test_threads(const subject *s, check_report *r);
void optimizer_test_bounds(const subject *s, check_report *r);
void optimizer_test_empty(const subject *s, check_report *r);
void optimizer_test_places(const subject *s, check_report *r);

/* optimizer_numbers.c */
void optimizer_test_finite(const subject *s, check_report *r);
void optimizer_test_extremes(const subject *s, check_report *r);
void optimizer_test_poison(const subject *s, check_report *r);
void optimizer_test_rest(const subject *s, check_report *r);
void optimizer_test_lr_zero(const subject *s, check_report *r);
void optimizer_test_decay(const subject *s, check_report *r);
void optimizer_test_mirror(const subject *s, check_report *r);

/* Whether weights stay where they are without gradient and weight_decay. */
bool optimizer_rests(const subject *s, const char *settings) MUST_CHECK;

/* optimizer_tensors.c */
void optimizer_test_draws(const subject *s, check_report *r);
void optimizer_test_lr_scale(const subject *s, check_report *r);
void optimizer_test_blocks(const subject *s, check_report *r);

/* optimizer_state.c */
void optimizer_test_resume(const subject *s, check_report *r);
void optimizer_test_instances(const subject *s, check_report *r);
void optimizer_test_schedule(const subject *s, check_report *r);
void optimizer_test_save(const subject *s, check_report *r);

/* optimizer_uses.c */
void optimizer_test_slots(const subject *s, check_report *r);
void optimizer_test_hypers(const subject *s, check_report *r);
void optimizer_test_gradient(const subject *s, check_report *r);
void optimizer_test_metrics(const subject *s, check_report *r);

/* optimizer_services.c */
void optimizer_test_memory(const subject *s, check_report *r);
void optimizer_test_closure(const subject *s, check_report *r);
void optimizer_test_eval_weights(const subject *s, check_report *r);

/* optimizer_learn.c */
void optimizer_test_learns(const subject *s, check_report *r);
void optimizer_test_direction(const subject *s, check_report *r);

/* optimizer_special.c */
void optimizer_test_special_cases(const subject *s, check_report *r);

/* optimizer_speed.c */
void optimizer_test_speed(const subject *s, check_report *r);

#endif
