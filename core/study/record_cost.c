#include "study/record_cost.h"

#include "base/json_in.h"

#include <stdlib.h>
#include <string.h>

static status read_spent(json_in *j, record_cost *out, error *err)
{
    status st = OK;
    bool more = false;
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &key, err));
        double *to = strcmp(key, "samples_forward") == 0 ? &out->samples
            : strcmp(key, "wall_s") == 0                 ? &out->wall_s
            : strcmp(key, "cpu_s") == 0                  ? &out->cpu_s
                                                         : NULL;
        TRY(to ? json_in_real(j, to, err) : json_in_skip(j, err));
    }
done:
    return st;
}

static status read_record(json_in *j, record_cost *out, error *err)
{
    status st = OK;
    bool more = false;
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &key, err));
        TRY(strcmp(key, "spent") == 0 ? read_spent(j, out, err) : json_in_skip(j, err));
    }
done:
    return st;
}

status record_cost_read(const char *record, record_cost *out, error *err)
{
    const size_t n = strlen(record);
    if (n == 0) return OK;
    char *strings = malloc(n + 1);
    if (!strings) return fail_nomem(err, "a trial's record");
    json_in j = { .what = "a trial's record", .s = record, .n = n, .strings = strings };
    const status st = read_record(&j, out, err);
    free(strings);
    return st;
}
