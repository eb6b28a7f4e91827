/* Looking for plugins reads some of every file, so that it is not done twice: procedures with the same `prepare` share what it makes. */
#include "search/worker_plugins.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

enum { LOG_FD = 2 /* of a worker: its job's log */ };

typedef struct found {
    registry *registry;
    bool is_worker; /* what is logged then goes to the worker's standard error */
} found;

static void log_registry(void *self, unsigned level, const char *message)
{
    const found *p = self;
    error ignored;
    text line = { 0 };
    if (!p->is_worker || level < ASSAY_LOG_WARNING) return;
    text_printf(&line, "%s\n", message);
    if (text_check(&line, &ignored) == OK) {
        const status st = fd_write_all(LOG_FD, "the log", line.s, line.n, &ignored);
        (void)st; /* a full log is no reason to stop */
    }
    text_release(&line);
}

/* Folders in which plugins lie; a folder of files comes once. */
static status allow_plugins(server_setup *s, const registry *r, error *err)
{
    char before[4096] = "";
    for (size_t i = 0; i < registry_count(r); i++) {
        char folder[4096];
        const char *path = registry_file(r, i)->path, *slash = strrchr(path, '/');
        const size_t n = slash ? (size_t)(slash - path) : 0;
        if (n == 0 || n >= sizeof folder) continue;
        memcpy(folder, path, n);
        folder[n] = '\0';
        if (strcmp(folder, before) == 0) continue;
        memcpy(before, folder, n + 1);
        const status st = server_allow_read(s, folder, err);
        if (st != OK) return st;
    }
    return OK;
}

status worker_plugins_find(server_setup *s, void **out, error *err)
{
    status st = OK;
    found *p = calloc(1, sizeof *p);
    if (!p) return fail_nomem(err, "the plugins");
    const registry_options o = {
        .program_path = "/proc/self/exe", .log = log_registry, .log_self = p
    };
    TRY(registry_new(&o, &p->registry, err));
    TRY(allow_plugins(s, p->registry, err));
    *out = p;
    p = NULL;
done:
    worker_plugins_forget(p);
    return st;
}

void worker_plugins_forget(void *prepared)
{
    found *p = prepared;
    if (!p) return;
    registry_free(p->registry);
    free(p);
}

registry *worker_plugins_take(const worker_io *io)
{
    found *p = worker_prepared(io);
    p->is_worker = true;
    return p->registry;
}
