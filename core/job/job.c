/* The fork server looks for plugins once, by their .assay_info; a worker loads those that its config names. */
#include "job/job.h"

#include "config/config.h"
#include "search/worker_plugins.h"

#include <stdio.h>
#include <string.h>

static status read_config(const job_input *in, config **out, error *err)
{
    char seed[40];
    status st = OK;
    config *c = NULL;
    TRY(config_parse_as(in->name, in->written, &c, err));
    for (size_t i = 0; i < in->n_overrides; i++)
        TRY(config_override(c, in->overrides[i], err));
    snprintf(seed, sizeof seed, "seed=%llu", (unsigned long long)in->seed);
    TRY(config_override(c, seed, err));
    *out = c;
    c = NULL;
done:
    config_free(c);
    return st;
}

/* More threads than the sandbox allows cannot be made, and never change a result. */
static status keep_to_threads(job *j, error *err)
{
    char assignment[64];
    const value *train = value_find(config_root(j->config), "train");
    const unsigned n = worker_threads(j->io);
    if (n > 1 && value_find(train, "threads")) return OK;
    snprintf(assignment, sizeof assignment, "%strain.threads=%u", train ? "" : "+", n);
    return config_override(j->config, assignment, err);
}

static status find_pack(job *j, error *err)
{
    const char *name = j->input.data;
    if (!name[0]) return OK;
    j->pack = worker_input(j->io, name, &j->n_pack);
    return j->pack ? OK : fail(err, E_INTERNAL, "the sandbox has no input \"%s\"", name);
}

status job_open(job *j, worker_io *io, const void *input, size_t n, error *err)
{
    const registry_options o = { .program_path = "/proc/self/exe" };
    status st = OK;
    *j = (job){ .io = io };
    worker_at(io, PHASE_LOAD, 0);
    TRY(job_input_read(input, n, &j->input, err));
    TRY(find_pack(j, err));
    if (worker_is_forked(io)) {
        j->registry = worker_plugins_take(io);
    } else {
        TRY(registry_new(&o, &j->own, err));
        j->registry = j->own;
    }
    TRY(read_config(&j->input, &j->config, err));
    TRY(keep_to_threads(j, err));
done:
    return st;
}

void job_close(job *j)
{
    config_free(j->config);
    registry_free(j->own);
    job_input_release(&j->input);
}

int job_refuse(const job *j, bool is_early, const error *err)
{
    const bool is_load = err->code == E_PLUGIN || err->code == E_ABI;
    const bool is_host = err->code == E_INTERNAL || err->code == E_NOMEM;
    return worker_refuse(j->io,
        is_host                   ? OUTCOME_HOST_ERROR
            : is_load && is_early ? OUTCOME_LOAD_FAILED
                                  : OUTCOME_PLUGIN_ERROR,
        "%s", err->text);
}

status job_result_room(
    const job *j, const char *what, size_t bytes, unsigned char **out, error *err)
{
    size_t room;
    unsigned char *at = worker_result(j->io, &room);
    if (room < bytes) {
        return fail(err, E_INTERNAL, "a %s's result has %zu bytes, where %zu are needed", what,
            room, bytes);
    }
    *out = at;
    return OK;
}
