/* Instances of the component under test, under the settings at which faults are likely. */
#ifndef ASSAY_SDK_CHECK_SUBJECT_H
#define ASSAY_SDK_CHECK_SUBJECT_H

#include "check/kit.h"
#include "config/config.h"
#include "registry/instance.h"

/* An instance and the config that it is bound from. */
typedef struct specimen {
    config *config;
    instance *instance;
} specimen;

/* One with these settings ("lr = 0.1; momentum = 0.9;"), the rest at their defaults. What is required and not among them gets a
 * value from its search range, else from its valid range near 8; a component gets the plainest built-in of its kind. Errors: as
 * instance_new, E_PARSE. */
status specimen_open(const subject *s, const char *settings, specimen *out, error *err) MUST_CHECK;
void specimen_close(specimen *p);

/* The same of another component, by id. */
status specimen_open_other(const subject *s, const char *kind, const char *id, const char *settings,
    specimen *out, error *err) MUST_CHECK;

/* The settings under which behaviour is tested: the first is "", the defaults; then each switch the other way, each choice,
 * each number at the ends of its search range (else at a finite end of its valid range, or beside an open one), and some at
 * random by seed. What the component's own `validate` refuses is not among them. Text in the arena; the count is at most
 * CHECK_MAX_SETTINGS. */
enum { CHECK_MAX_SETTINGS = 48 };
status subject_settings(
    const subject *s, arena *a, const char **out, size_t *out_n, error *err) MUST_CHECK;

#endif
