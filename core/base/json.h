/* JSON out: a writer on a `text`, commas and nesting handled. NaN and infinities are not JSON: they are
 * written as the strings "nan", "inf", "-inf". */
#ifndef ASSAY_CORE_BASE_JSON_H
#define ASSAY_CORE_BASE_JSON_H

#include "base/text.h"

typedef struct json {
    text *out;
    int depth;
    unsigned char has_item[64]; /* per open container: something was written, so a comma is due */
    bool after_key;
} json;

void json_init(json *j, text *out);
void json_begin_object(json *j);
void json_end_object(json *j);
void json_begin_array(json *j);
void json_end_array(json *j);
void json_key(json *j, const char *key);
void json_string(json *j, const char *value); /* NULL gives null */
void json_real(json *j, double value);
void json_reals(json *j, const double *values, size_t n); /* an array */
void json_int(json *j, int64_t value);
void json_bool(json *j, bool value);
void json_null(json *j);

/* Key and value in one. */
void json_key_string(json *j, const char *key, const char *value);
void json_key_real(json *j, const char *key, double value);
void json_key_int(json *j, const char *key, int64_t value);
void json_key_bool(json *j, const char *key, bool value);

#endif
