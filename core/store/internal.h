/* What an implementation of the store provides. store.c checks arguments and hands on: what arrives here makes sense. */
#ifndef ASSAY_CORE_STORE_INTERNAL_H
#define ASSAY_CORE_STORE_INTERNAL_H

#include "store/store.h"

typedef struct store_ops {
    /* REQUIRED: all. As the functions of store.h, with what store.c has made of the arguments. */
    status (*open)(
        const char *where, const store_options *o, const char *owner, store **out, error *err);
    void (*close)(store *s);

    status (*study_create)(store *s, const store_study_spec *spec, const char *hash,
        const char *const *distributions, uint64_t *out, error *err);
    status (*study_find)(store *s, const char *name, arena *a, store_study *out, error *err);
    status (*study_close)(store *s, uint64_t study, error *err);
    status (*study_pause)(store *s, uint64_t study, bool is_paused, error *err);

    status (*trial_add)(store *s, uint64_t study, const store_trial_spec *spec,
        const char *identity, store_trial *out, arena *a, bool *out_is_new, error *err);
    status (*trial_find)(
        store *s, uint64_t study, uint64_t number, arena *a, store_trial *out, error *err);
    status (*trial_claim)(store *s, uint64_t study, double lease_s, arena *a, store_trial *out,
        bool *out_is_found, error *err);
    status (*trial_renew)(store *s, store_hold held, double lease_s, error *err);
    status (*trial_report)(store *s, store_hold held, const store_point *points, size_t n_points,
        const store_news *news, error *err);
    status (*trial_finish)(store *s, store_hold held, const store_result *r, error *err);
    status (*trial_release)(
        store *s, store_hold held, int attempt_class, const char *reason, error *err);
    status (*recover)(store *s, uint64_t study, bool (*is_dead)(const char *owner, void *self),
        void *self, uint64_t *out_n_lost, error *err);
    status (*trial_count)(store *s, uint64_t study, uint64_t out[N_TRIAL_STATES], error *err);

    void (*cursor_close)(store_cursor *c);
    status (*studies_open)(store *s, store_cursor **out, error *err);
    status (*studies_next)(store_cursor *c, store_study *out, bool *out_is_row, error *err);
    status (*trials_open)(
        store *s, uint64_t study, const store_search *search, store_cursor **out, error *err);
    status (*trials_next)(store_cursor *c, store_trial *out, bool *out_is_row, error *err);
    status (*attempts_open)(store *s, uint64_t trial, store_cursor **out, error *err);
    status (*attempts_next)(store_cursor *c, store_attempt *out, bool *out_is_row, error *err);
    status (*points_open)(
        store *s, uint64_t trial, const char *metric, store_cursor **out, error *err);
    status (*points_next)(store_cursor *c, store_trial_point *out, bool *out_is_row, error *err);
    status (*events_open)(store *s, uint64_t study, const store_search *search, uint64_t after,
        store_cursor **out, error *err);
    status (*events_next)(store_cursor *c, store_event *out, bool *out_is_row, error *err);

    status (*check)(store *s, text *findings, bool *out_is_sound, error *err);
    status (*export_optuna)(
        store *s, uint64_t study, const char *path, const char *revision, error *err);
} store_ops;

/* The first member of an implementation's own. */
struct store {
    const store_ops *ops;
    char *where;
    char owner[OWNER_BYTES];
};

/* The same. */
struct store_cursor {
    store *s;
};

extern const store_ops store_sqlite_ops;

/* The revision of its tables that an Optuna looks for: "3.1" or "3.2" (store.h), NULL for others. */
const char *optuna_revision(const char *version);

/* The name of the network file system with this magic number, NULL where it is none. */
const char *network_file_system(int64_t magic);

/* -- store.c: for the files that check arguments -- */

enum { LONGEST_NAME = 200 };

/* Whether it is UTF-8 of at most `longest` bytes without control characters. */
bool store_is_text(const char *s, size_t longest);

/* E_RANGE: it cannot be a name; `what` it is of. */
status store_check_name(
    const char *what, const char *name, bool may_be_empty, error *err) MUST_CHECK;

#endif
