/* The host's side: how a job begins. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "num/gemm.h"
#include "sandbox/host.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static status effective_level(
    const sandbox *s, const sandbox_call *c, sandbox_level *out, error *err)
{
    *out = c->level;
    if (c->level != SANDBOX_STRICT) return OK;
    if (s->state.is_instrumented) {
        *out = SANDBOX_PROCESS;
        return OK;
    }
    return !s->state.lacking[0]
        ? OK
        : fail(err, E_UNSUPPORTED,
              "sandbox \"strict\" is not possible here: %s; nothing was run. Where all plugins are "
              "trusted, sandbox = \"process\" guards against accidents",
              s->state.lacking);
}

/* How large a result is, a worker before may have said, whose plugins can say anything; every byte of it is written before the job
 * begins. */
static status check_size(size_t bytes, error *err)
{
    char asked[32], most[32];
    const double half = 0.5 * (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (half <= 0 || (double)bytes <= half) return OK;
    text_bytes(asked, (double)bytes);
    text_bytes(most, half);
    return fail(err, E_RANGE,
        "a result of %s, where half of this machine's memory (%s) is most: make the model or the "
        "data smaller, or take a larger machine",
        asked, most);
}

static status new_job(sandbox *s, const sandbox_call *c, sandbox_job **out, error *err)
{
    status st = OK;
    sandbox_job *j = calloc(1, sizeof *j);
    if (!j) return fail_nomem(err, "a job");
    *j = (sandbox_job){
        .owner = s, .call = *c, .pidfd = -1, .id = ++s->next_id, .channel = { .fd = -1 }
    };
    j->limits = c->limits ? *c->limits : sandbox_default_limits;
    if (!size_sum(PAGE_BYTES, c->result_bytes, &j->shared_bytes)) {
        TRY(fail(err, E_RANGE, "a result of %zu bytes", c->result_bytes));
    }
    TRY(check_size(c->result_bytes, err));
    if (c->n_finite &&
        (c->finite_at % 4 || c->finite_at > c->result_bytes ||
            c->n_finite > (c->result_bytes - c->finite_at) / 4)) {
        TRY(fail(err, E_RANGE, "%zu floats at byte %zu of a result of %zu", c->n_finite,
            c->finite_at, c->result_bytes));
    }
    TRY(effective_level(s, c, &j->level, err));
    if (c->has_channel && j->level == SANDBOX_NONE) {
        TRY(fail(err, E_UNSUPPORTED, "a job that is talked to needs a process of its own"));
    }
    if (c->has_channel) { /* each call has a limit of its own */
        j->limits.wall_s = (double)INFINITY;
        j->limits.stall_s = j->limits.cpu_s = 0;
    }
    *out = j;
    j = NULL;
done:
    free(j);
    return st;
}

/* Every byte of the result is 0xff: no float or double of it is a number. */
static void blank(sandbox_job *j)
{
    memset(j->shared + PAGE_BYTES, 0xff, j->call.result_bytes);
}

static status seal(int fd, const char *what, error *err)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
        ? OK
        : fail_errno(err, errno, what, "sealing it");
}

/* What goes along with a job; -1: it has none of these. */
typedef struct job_files {
    int result, log, channel, input;
} job_files;

static void close_files(job_files *f)
{
    const int fds[] = { f->result, f->log, f->channel, f->input };
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
}

static status make_channel(sandbox_job *j, int *out_theirs, error *err)
{
    int pair[2];
    channel_release(&j->channel); /* of an attempt before */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return fail_errno(err, errno, "a job's channel", "making a socket");
    }
    j->channel.fd = pair[0];
    *out_theirs = pair[1];
    return fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0
        ? OK
        : fail_errno(err, errno, "a job's channel", "making it not wait");
}

/* The result, the log, the channel, and the input where it is long. */
static status make_files(sandbox_job *j, job_files *f, error *err)
{
    status st = OK;
    void *at = NULL;
    TRY(memfd_new("assay result", j->shared_bytes, &f->result, &at, err));
    j->shared = at;
    blank(j);
    TRY(seal(f->result, "the result", err));
    TRY(memfd_new("assay log", j->limits.log_bytes, &f->log, NULL, err));
    if (j->limits.log_bytes) {
        at = mmap(NULL, j->limits.log_bytes, PROT_READ, MAP_SHARED, f->log, 0);
        if (at == MAP_FAILED) TRY(fail_nomem(err, "the log"));
        j->log = at;
    }
    TRY(seal(f->log, "the log", err));
    if (j->call.has_channel) TRY(make_channel(j, &f->channel, err));
    if (j->call.n_input > MOST_INLINE) {
        TRY(memfd_new("assay input", j->call.n_input, &f->input, &at, err));
        memcpy(at, j->call.input, j->call.n_input);
        (void)munmap(at, j->call.n_input);
        TRY(seal(f->input, "the input", err));
    }
done:
    return st;
}

static status send_job(sandbox *s, sandbox_job *j, const job_files *f, error *err)
{
    const bool is_inline = f->input < 0;
    size_t n_fds = 2;
    int fds[4] = { f->result, f->log };
    job_message m = { .kind = MESSAGE_JOB,
        .level = j->level,
        .id = j->id,
        .n_input = j->call.n_input,
        .result_bytes = j->call.result_bytes,
        .has_channel = f->channel >= 0,
        .has_input_file = !is_inline,
        .limits = j->limits };
    if (f->channel >= 0) fds[n_fds++] = f->channel;
    if (!is_inline) fds[n_fds++] = f->input;
    snprintf(m.procedure, sizeof m.procedure, "%s", j->call.procedure);
    return wire_send(s->socket, &m, sizeof m, is_inline ? j->call.input : NULL,
        is_inline ? j->call.n_input : 0, fds, n_fds, err);
}

static status start_in_worker(sandbox *s, sandbox_job *j, error *err)
{
    job_files f = { -1, -1, -1, -1 };
    status st = OK;
    if (s->socket < 0) TRY(host_start_server(s, err));
    TRY(make_files(j, &f, err));
    st = send_job(s, j, &f, err);
    if (st == E_IO) { /* it died meanwhile, and nobody has looked yet */
        host_lose_server(s);
        TRY(host_start_server(s, err));
        st = send_job(s, j, &f, err);
    }
done:
    close_files(&f);
    return st;
}

/* Level none: the same procedure here, now, without a net. */
static status run_here(sandbox *s, sandbox_job *j, error *err)
{
    const int i = procedure_find(s->options.procedures, s->options.n_procedures, j->call.procedure);
    if (i < 0) return fail(err, E_UNKNOWN, "no procedure is called \"%s\"", j->call.procedure);
    num_init(); /* as in the fork server: with OpenBLAS's own threads products have other bits */
    if (!s->here) {
        server_setup *setup = calloc(1, sizeof *setup);
        if (!setup) return fail_nomem(err, "the sandbox");
        *setup = (server_setup){ .procedures = s->options.procedures,
            .n_procedures = s->options.n_procedures,
            .ruleset = -1,
            .n_inputs = s->options.n_inputs };
        for (size_t k = 0; k < s->options.n_inputs; k++) {
            const sandbox_input *in = &s->options.inputs[k];
            setup->inputs[k] = (server_input){ .data = in->data, .n = in->n };
            snprintf(setup->inputs[k].name, NAME_BYTES, "%s", in->name);
        }
        const status st = server_prepare(setup, err);
        if (st != OK) {
            server_release(setup);
            free(setup);
            return st;
        }
        s->here = setup;
    }
    j->shared = mem_aligned(j->shared_bytes, 1);
    if (!j->shared) return fail_nomem(err, "the result");
    blank(j);
    worker_io io = { .page = (void *)j->shared,
        .result = j->shared + PAGE_BYTES,
        .n_result = j->call.result_bytes,
        .limits = j->limits,
        .pid = (int)getpid(),
        .channel = { .fd = -1 },
        .i_procedure = (size_t)i,
        .server = s->here };
    worker_run(&io, j->call.input, j->call.n_input);
    arena_release(&io.memory);
    return OK;
}

status sandbox_start(sandbox *s, const sandbox_call *c, sandbox_job **out, error *err)
{
    sandbox_job *j = NULL;
    status st = new_job(s, c, &j, err);
    if (st != OK) return st;
    j->begun_s = j->moved_s = clock_wall_s();
    st = j->level == SANDBOX_NONE ? run_here(s, j, err) : start_in_worker(s, j, err);
    j->next = s->jobs;
    s->jobs = j;
    if (st != OK) {
        job_free(j);
        return st;
    }
    if (j->level == SANDBOX_NONE) host_judge(j);
    *out = j;
    return OK;
}
