/* The folder of checkpoints: which there are, which stay, and which of them a run goes on from.
 *
 * The last `keep` stay. A run that goes on from an earlier one has left the later ones behind: they go as soon as it has written its
 * first. */
#include "train/internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_checkpoint(const char *name, uint64_t *out_step)
{
    unsigned long long step;
    int end = 0;
    if (sscanf(name, "step-%llu.safetensors%n", &step, &end) != 1 || name[end] != '\0' ||
        end == 0) {
        return false;
    }
    *out_step = step;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Counts the checkpoints of a folder and writes the steps of at most `room` of them to `out`. */
static size_t scan_checkpoints(const char *dir, uint64_t *out, size_t room)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        uint64_t step;
        if (is_checkpoint(e->d_name, &step)) {
            if (n < room) {
                out[n] = step;
            }
            n++;
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

status checkpoint_steps(const char *dir, arena *a, uint64_t **out, size_t *out_n, error *err)
{
    const size_t room = scan_checkpoints(dir, NULL, 0);
    uint64_t *steps = arena_alloc_array(a, room, sizeof *steps);
    if (!steps) {
        return fail_nomem(err, "the list of checkpoints");
    }
    const size_t n = scan_checkpoints(dir, steps, room);
    *out_n = n < room ? n : room;
    qsort(steps, *out_n, sizeof *steps, newest_first);
    *out = steps;
    return OK;
}

char *checkpoint_path(arena *a, const char *dir, uint64_t step)
{
    return arena_printf(a, "%s/step-%08llu.safetensors", dir, (unsigned long long)step);
}

/* One that stays though a run was taken up before it would be what the next resume goes on from. */
static void remove_checkpoint(
    trainer *t, arena *a, const char *dir, uint64_t step, bool is_abandoned)
{
    char *path = checkpoint_path(a, dir, step);
    if (path && unlink(path) != 0 && is_abandoned) {
        trainer_note(t, "%s: this run went on from an earlier checkpoint; remove this one", path);
    }
}

status checkpoint_write(trainer *t, const char *dir, error *err)
{
    arena a = { 0 };
    status st = OK;
    uint64_t *steps = NULL;
    size_t n = 0;
    char *path = checkpoint_path(&a, dir, t->at.step);
    if (!path) {
        TRY(fail_nomem(err, "a checkpoint"));
    }
    TRY(trainer_save(t, path, err));
    TRY(checkpoint_steps(dir, &a, &steps, &n, err));
    for (size_t i = 0, n_kept = 0; i < n; i++) {
        const bool is_abandoned = steps[i] > t->at.step;
        if (!is_abandoned && n_kept < (size_t)t->settings.checkpoint.keep) {
            n_kept++;
        } else {
            remove_checkpoint(t, &a, dir, steps[i], is_abandoned);
        }
    }
done:
    arena_release(&a);
    return st;
}

/* The first of `steps` that is whole; E_MISSING when there are none. */
static status restore_first(
    trainer *t, const char *dir, const uint64_t *steps, size_t n, arena *a, error *err)
{
    status st = E_MISSING;
    error why = { 0 };
    for (size_t i = 0; i < n && st != OK; i++) {
        char *path = checkpoint_path(a, dir, steps[i]);
        st = path ? trainer_restore(t, path, &why) : fail_nomem(&why, "a checkpoint");
        if (st != OK && st != E_CORRUPT && st != E_PARSE) {
            break;
        }
        if (st != OK) {
            trainer_note(t, "passing over a damaged checkpoint: %s", why.text);
        }
    }
    if (n == 0) {
        return fail(err, E_MISSING, "%s: there is no checkpoint to resume from", dir);
    }
    if (st != OK && err) {
        *err = why;
    }
    return st;
}

status trainer_restore_latest(trainer *t, const char *dir, error *err)
{
    arena a = { 0 };
    uint64_t *steps = NULL;
    size_t n = 0;
    status st = checkpoint_steps(dir, &a, &steps, &n, err);
    if (st == OK) {
        st = restore_first(t, dir, steps, n, &a, err);
    }
    arena_release(&a);
    return st;
}
