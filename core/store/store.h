/* The study database: what was declared, what is to be run, what came of it. It is also the queue: workers pull from it.
 *
 *   study    a name, its declaration and the dimensions that are searched
 *   search   (phase, contender, workload, repeat) of a study: the trials that one strategy proposes, with a log of events
 *   trial    one thing to run. Its identity is a hash of what it is, so adding it twice makes one
 *   attempt  one try at a trial. Its number, the epoch, fences: who holds an older one can change nothing any more
 *   point    a metric's value at a step of an attempt
 *
 *   store_open -> study_create -> trial_add* -> (trial_claim -> (trial_report | trial_renew)* -> trial_finish | trial_release)*
 *
 *   waiting -> running -> done | pruned | paused | failed | diverged | timeout | lost
 *        ^--------|        (released; or its lease ran out, or its owner died, at most max_lost times)
 *
 * Every call is one transaction: after it returned OK nothing but a failing disk (with `durable`: nothing but a broken one)
 * takes it back; where it returned anything else, nothing has changed. Events are only ever added, so a strategy that is told
 * them again stands where it stood.
 *
 * Times are seconds since 1970, UTC. A real that is not known is NaN. One thread uses a store, and a store does not cross fork.
 * All calls: E_IO where the system refuses (the message says what to do), E_CORRUPT where the file is damaged, E_NOMEM. */
#ifndef ASSAY_CORE_STORE_STORE_H
#define ASSAY_CORE_STORE_STORE_H

#include "base/arena.h"
#include "base/text.h"

typedef struct store store;

/* -- Opening -- */

typedef enum store_mode {
    STORE_READ, /* changes nothing */
    STORE_WRITE, /* must exist */
    STORE_CREATE, /* is made where it is missing */
} store_mode;

typedef struct store_options {
    store_mode mode;
    bool
        durable; /* a call returns when its change has reached the disk: a power cut takes nothing back */
    double busy_s; /* how long to wait for others; 0: 60 s */
    const char *owner; /* whose claims these are; NULL: this process, as owner_self tells */
    const char *optuna; /* "3.1" or "3.2": which Optuna reads the file as it is (3.2: that and
                           later ones); NULL: as it was, of a new file 3.1 */
    int64_t pretend_file_system; /* for tests: the magic number of the file system; 0: as it is */
} store_options;

/* `where` is a file of SQLite. A writer that was not closed (killed) makes the next one that opens for writing look through the
 * whole file first. E_MISSING: nothing there. E_UNSUPPORTED: a network file system; no file of assay's; one of a later assay.
 * E_CORRUPT: damaged. */
status store_open(const char *where, const store_options *o, store **out, error *err) MUST_CHECK;
void store_close(store *s);
/* Borrowed from the store. */
const char *store_where(const store *s);
const char *store_owner(const store *s);

/* -- Owners -- */

enum { OWNER_BYTES = 256 };

/* "host/boot/namespace/pid/start": this process, as no other ever. */
void owner_self(char out[OWNER_BYTES]);

/* Whether that process is known to be gone: it ran on this host before the last boot, or in this namespace and is no more. False
 * where that cannot be said (another host, not from owner_self). */
bool owner_is_dead(const char *owner);

/* -- Studies -- */

typedef enum store_direction { STORE_MINIMIZE = 0, STORE_MAXIMIZE = 1 } store_direction;

/* Values are written into stores: never renumber. */
typedef enum dimension_type {
    DIMENSION_REAL = 1,
    DIMENSION_INT = 2,
    DIMENSION_CATEGORY = 3
} dimension_type;

/* One dimension of a contender's space, for readers of the store: strategies read the declaration. */
typedef struct store_dimension {
    const char *contender, *name; /* "optimizer.lr", the key in params */
    dimension_type type;
    double low, high; /* of REAL and INT: finite, low <= high, low > 0 where log */
    double step; /* 0: any (REAL), 1 (INT); with log: 0 or, of INT, 1 */
    bool log;
    const char *const *choices; // [n_choices] of CATEGORY; params has the choice's text
    size_t n_choices;
} store_dimension;

typedef struct store_study_spec {
    const char *name; /* unique; 1 to 200 bytes of UTF-8, no '/', no control characters */
    const char *declaration; /* text; its hash is kept beside it */
    const char *metric; /* what is judged: the points of this name are the curve of a trial */
    store_direction direction;
    uint64_t seed;
    uint64_t max_lost; /* how many attempts of a trial may be lost before it is given up */
    const store_dimension *dimensions; // [n_dimensions]
    size_t n_dimensions;
} store_study_spec;

typedef struct store_study {
    uint64_t id; /* from 1 */
    const char *name, *declaration, *metric;
    char declaration_hash[33];
    store_direction direction;
    uint64_t seed, max_lost;
    double created, closed; /* closed is NaN: it is open */
    bool paused;
} store_study;

/* E_CONFLICT: the name is taken. E_RANGE: a spec that makes no sense. */
status study_create(
    store *s, const store_study_spec *spec, uint64_t *out_study, error *err) MUST_CHECK;
/* Texts are put into the arena. E_UNKNOWN: there is none; the message names the nearest. */
status study_find(store *s, const char *name, arena *a, store_study *out, error *err) MUST_CHECK;
/* No trial is added or claimed any more; those that run may finish. Closing twice is fine. E_UNKNOWN. */
status study_close(store *s, uint64_t study, error *err) MUST_CHECK;
/* Nobody claims a trial of it until it is reopened; those that run may finish, and trials may be added. Pausing twice is fine, as
 * is reopening what is not paused; a closed study stays closed. E_UNKNOWN. */
status study_pause(store *s, uint64_t study, error *err) MUST_CHECK;
status study_reopen(store *s, uint64_t study, error *err) MUST_CHECK;

/* -- Trials -- */

/* Values are written into stores: never renumber. */
typedef enum trial_state {
    TRIAL_WAITING = 0,
    TRIAL_RUNNING = 1,
    TRIAL_DONE = 2, /* all that was asked for, with a finite value */
    TRIAL_PRUNED = 3, /* stopped for good */
    TRIAL_PAUSED = 4, /* stopped; a later trial may go on from its checkpoint */
    TRIAL_FAILED = 5, /* what ran broke: says nothing of the point */
    TRIAL_DIVERGED = 6, /* NaN or infinity */
    TRIAL_TIMEOUT = 7, /* out of its limits of time */
    TRIAL_LOST = 8, /* the machine went away, too often */
    N_TRIAL_STATES,
} trial_state;

/* "waiting" ...; NULL for a number that is none. */
const char *trial_state_name(trial_state state);

typedef enum trial_phase { STORE_TUNE = 0, STORE_EVALUATE = 1 } trial_phase;

/* The trials that one strategy proposes. Names as of a study, but may be "" (a plain search has "" for both). */
typedef struct store_search {
    trial_phase phase;
    const char *contender, *workload;
    uint64_t repeat; /* of the tuning, from 0 */
} store_search;

#define STORE_NEXT UINT64_MAX
#define STORE_NO_TRIAL UINT64_MAX

typedef struct store_trial_spec {
    /* What it is; its identity is the hash of these. */
    store_search search;
    uint64_t seed;
    const char *params; /* a JSON object of numbers and strings, as text */
    double fidelity; /* how far to run it; 0: whole */

    /* How it came about. */
    uint64_t
        proposal; /* its number in the search, or STORE_NEXT. If it is not the next, another has asked: E_CONFLICT */
    uint64_t asked_after; /* seq of the last event that the strategy had been told */
    uint64_t from_trial; /* number of the paused trial that it goes on from, or STORE_NO_TRIAL */
    uint64_t replicate; /* the same params with another seed */
    int64_t priority; /* higher ones are claimed first */
} store_trial_spec;

typedef struct store_trial {
    uint64_t id; /* of the store */
    uint64_t study, number; /* number: of the study, from 0 */
    char identity[33];
    store_search search;
    uint64_t seed, proposal, asked_after, from_trial, replicate;
    const char *params;
    double fidelity;
    int64_t priority;

    trial_state state;
    uint64_t epoch; /* attempts begun */
    uint64_t n_lost; /* of them */
    const char *owner; /* of the last attempt; "" before the first */
    double lease; /* until when it is held; NaN while it is not RUNNING */

    double value, standard_error, reached; /* of what has ended; reached: its fidelity */
    double added, started, finished; /* started: the first attempt */
    const char *
        record; /* JSON: how to do it again (hashes, processor, libraries, budgets); "" before it ended */
} store_trial;

/* Adds a trial that waits, and the event ASKED. The same bytes in params make the same trial. Where one of the same identity is there already nothing changes, and *out_is_new
 * is false. E_CONFLICT: the study is closed; not the next proposal. E_PARSE: params. E_UNKNOWN: no such study. */
status trial_add(store *s, uint64_t study, const store_trial_spec *spec, store_trial *out, arena *a,
    bool *out_is_new, error *err) MUST_CHECK;

/* Texts are put into the arena. E_UNKNOWN. */
status trial_find(
    store *s, uint64_t study, uint64_t number, arena *a, store_trial *out, error *err) MUST_CHECK;

/* The waiting trial of highest priority, of these the lowest number; it is RUNNING then, for lease_s seconds or until it is
 * renewed. Trials whose lease ran out are waiting again (or LOST). *out_is_found is false where none waits. */
status trial_claim(store *s, uint64_t study, double lease_s, arena *a, store_trial *out,
    bool *out_is_found, error *err) MUST_CHECK;

/* What a claim gives: the trial's id and epoch. */
typedef struct store_hold {
    uint64_t trial, epoch;
} store_hold;

static inline store_hold trial_hold(const store_trial *t)
{
    return (store_hold){ t->id, t->epoch };
}

/* The next four say E_CONFLICT where the trial is held no more: another has it, or it has ended. Then nothing was changed; drop
 * the attempt and claim another. */

status trial_renew(store *s, store_hold held, double lease_s, error *err) MUST_CHECK;

typedef struct store_point {
    uint64_t step;
    const char *metric;
    double value; /* may be infinite or NaN */
} store_point;

/* A strategy's news of a trial on its way: becomes the event REPORTED, once for each fidelity, whatever attempt told it. */
typedef struct store_news {
    double fidelity, value, standard_error;
} store_news;

/* Adds points, those of the same step and metric replaced; news may be NULL. */
status trial_report(store *s, store_hold held, const store_point *points, size_t n_points,
    const store_news *news, error *err) MUST_CHECK;

/* An attempt's class, beside those of sandbox/outcome.h: 0 is success. */
enum { ATTEMPT_RUNNING = -1, ATTEMPT_OK = 0, ATTEMPT_LOST = 18 };

typedef struct store_result {
    trial_state state; /* DONE, PRUNED, PAUSED, FAILED, DIVERGED, TIMEOUT or LOST */
    double value; /* DONE: finite. In the metric's own sign */
    double standard_error, fidelity;
    int attempt_class; /* 0 and above */
    const char *reason; /* one line; NULL: "" */
    const char *record; /* JSON; NULL: "" */
    const store_point *points; // [n_points]: the last ones
    size_t n_points;
} store_result;

/* Ends the trial, and adds the event FINISHED. On a full disk space that was kept is used. */
status trial_finish(store *s, store_hold held, const store_result *result, error *err) MUST_CHECK;

/* Ends the attempt; the trial waits again. Class ATTEMPT_LOST is counted, and one too many ends the trial as LOST. On a full disk
 * space that was kept is used. */
status trial_release(
    store *s, store_hold held, int attempt_class, const char *reason, error *err) MUST_CHECK;

/* Attempts that run but whose owner is dead are lost: their trials wait again (or are LOST, with the event). is_dead NULL:
 * owner_is_dead. study 0: all. */
status store_recover(store *s, uint64_t study, bool (*is_dead)(const char *owner, void *self),
    void *self, uint64_t *out_n_lost, error *err) MUST_CHECK;

status trial_count(store *s, uint64_t study, uint64_t out[N_TRIAL_STATES], error *err) MUST_CHECK;

/* -- Reading: cursors -- */

/* Values are written into stores: never renumber. */
typedef enum event_kind { EVENT_ASKED = 1, EVENT_REPORTED = 2, EVENT_FINISHED = 3 } event_kind;

/* One fact that a strategy is told. */
typedef struct store_event {
    uint64_t seq; /* in the search, from 1 without gaps */
    event_kind kind;
    trial_state state; /* ASKED: WAITING; REPORTED: RUNNING; FINISHED: what it became */
    uint64_t trial; /* id */
    uint64_t number, proposal, asked_after, from_trial, replicate, seed; /* as of store_trial */
    const char *params;
    double value, standard_error, fidelity; /* fidelity of ASKED: what was asked for */
    double time;
} store_event;

typedef struct store_attempt {
    uint64_t trial, epoch;
    const char *owner;
    int class; /* ATTEMPT_RUNNING while it runs */
    const char *reason;
    double started, ended;
} store_attempt;

typedef struct store_trial_point {
    uint64_t epoch;
    store_point point;
} store_trial_point;

/* A cursor sees the store as it was when its first row was read, and holds its log back from being cleared until it is closed.
 * Texts of a row are borrowed until the next. The store outlives its cursors. */
typedef struct store_cursor store_cursor;
void store_cursor_close(store_cursor *c);

/* By id. */
status studies_open(store *s, store_cursor **out, error *err) MUST_CHECK;
status studies_next(store_cursor *c, store_study *out, bool *out_is_row, error *err) MUST_CHECK;

/* By number; of one search, or of all (NULL). */
status store_trials_open(store *s, uint64_t study, const store_search *search, store_cursor **out,
    error *err) MUST_CHECK;
status store_trials_next(
    store_cursor *c, store_trial *out, bool *out_is_row, error *err) MUST_CHECK;

/* By epoch. */
status attempts_open(store *s, uint64_t trial, store_cursor **out, error *err) MUST_CHECK;
status attempts_next(store_cursor *c, store_attempt *out, bool *out_is_row, error *err) MUST_CHECK;

/* By epoch, step and metric; of one metric, or of all (NULL). */
status store_points_open(
    store *s, uint64_t trial, const char *metric, store_cursor **out, error *err) MUST_CHECK;
status store_points_next(
    store_cursor *c, store_trial_point *out, bool *out_is_row, error *err) MUST_CHECK;

/* By seq, those after `after`. */
status store_events_open(store *s, uint64_t study, const store_search *search, uint64_t after,
    store_cursor **out, error *err) MUST_CHECK;
status store_events_next(
    store_cursor *c, store_event *out, bool *out_is_row, error *err) MUST_CHECK;

/* -- The whole -- */

/* Looks through everything: the file, references, and whether trials, attempts and events tell the same. One line for each fault
 * is added to `findings`; *out_is_sound where there was none. */
status store_check(store *s, text *findings, bool *out_is_sound, error *err) MUST_CHECK;

/* A new file of SQLite with Optuna's tables, which Optuna may go on with; `version` is "3.1" (3.0 and 3.1) or "3.2" (and later).
 * Study 0: all. Each search is a study of Optuna's, named NAME for contender, workload "", repeat 0, phase STORE_TUNE, otherwise
 * NAME/CONTENDER/WORKLOAD/REPEAT, with "/evaluation" behind it for the other phase. E_CONFLICT: the file exists. */
status store_export_optuna(
    store *s, uint64_t study, const char *path, const char *version, error *err) MUST_CHECK;

#endif
