#include "search_job.h"

#include "base/clock.h"

#include <stdlib.h>

static void add_block(text *t, const char *key, const char *block)
{
    text_printf(t, block[0] == '{' ? "%s = %s;" : "%s = \"%s\";", key, block);
}

status search_job_open(search_job *j, const char *strategy, const char *pruner, const char *written,
    const search_options *o, error *err)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .dirs = dirs, .no_environment = true };
    text t = { 0 };
    status st = OK;
    *j = (search_job){ 0 };
    add_block(&t, "strategy", strategy);
    if (pruner) add_block(&t, "pruner", pruner);
    TRY(text_check(&t, err));
    TRY(registry_new(&ro, &j->r, err));
    TRY(config_parse("strategy", t.s, &j->c, err));
    TRY(space_add_text(&j->s, written, NULL, err));
    value *root = config_root(j->c);
    TRY(search_new(j->r, j->c, value_find(root, "strategy"),
        pruner ? value_find(root, "pruner") : NULL, &j->s, o, &j->search, err));
done:
    text_release(&t);
    return st;
}

void search_job_close(search_job *j)
{
    search_free(j->search);
    config_free(j->c);
    registry_free(j->r);
    space_release(&j->s);
}

status search_job_ask(search_job *j, error *err)
{
    size_t n = 0;
    const double start = clock_wall_s(), cpu = clock_cpu_s();
    const status st = search_ask(j->search, 1, &j->trial, &n, &j->is_over, err);
    j->asked_s += clock_wall_s() - start;
    j->asked_cpu_s += clock_cpu_s() - cpu;
    if (st == OK && n == 0 && !j->is_over) return fail(err, E_PLUGIN, "the search stands still");
    j->is_over = j->is_over && n == 0;
    return st;
}

status search_job_tell(search_job *j, const search_result *r, uint64_t *out_verdict, error *err)
{
    const double start = clock_wall_s(), cpu = clock_cpu_s();
    const status st = search_tell(j->search, r, out_verdict, err);
    j->asked_s += clock_wall_s() - start;
    j->asked_cpu_s += clock_cpu_s() - cpu;
    return st;
}

void search_seeds(const char *seeds, unsigned long *out_first, unsigned long *out_end)
{
    char *rest;
    *out_first = 0;
    *out_end = strtoul(seeds, &rest, 10);
    if (*rest == '-') {
        *out_first = *out_end;
        *out_end = strtoul(rest + 1, NULL, 10) + 1;
    }
}
