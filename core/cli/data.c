/* assay data list: the public data sets that assay data fetch knows. */
#include "base/json.h"
#include "cli/data_sets.h"
#include "cli/session.h"

#include <string.h>

static long set_bytes(const data_set *s)
{
    long n = 0;
    for (size_t i = 0; i < data_set_n_files(s); i++) {
        n += s->files[i].n_bytes;
    }
    return n;
}

static void list_details(const terminal *style, const data_set *s, text *t)
{
    const char *dim = terminal_style(style, STYLE_DIM), *plain = terminal_style(style, STYLE_PLAIN);
    text_printf(t, "      %slicence: %s%s\n", dim, s->licence, plain);
    if (s->source.path) text_printf(t, "      %s%s%s\n", dim, s->source.urls[0], plain);
    for (size_t i = 0; i < data_set_n_files(s); i++) {
        text_printf(t, "      %s%s%s\n", dim,
            s->source.path ? s->files[i].path : s->files[i].urls[0], plain);
    }
}

static void list_text(const cli *c, text *t)
{
    size_t width = 0;
    for (size_t i = 0; i < data_set_count(); i++) {
        const size_t n = strlen(data_set_get(i)->name);
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < data_set_count(); i++) {
        const data_set *s = data_set_get(i);
        char size[32] = "-";
        if (set_bytes(s)) text_bytes(size, (double)set_bytes(s));
        text_printf(t, "  %s%-*s%s  %9s  %s\n", terminal_style(&c->out, STYLE_CYAN), (int)width,
            s->name, terminal_style(&c->out, STYLE_PLAIN), size, s->doc);
        if (c->verbose) list_details(&c->out, s, t);
    }
}

static void file_json(const data_file *f, const data_set *s, json *j)
{
    json_begin_object(j);
    json_key_string(j, "path", f->path);
    json_key(j, "bytes");
    if (f->n_bytes) {
        json_int(j, f->n_bytes);
    } else {
        json_null(j);
    }
    json_key_string(j, "sha256", f->sha256);
    json_key_string(j, "md5", f->md5);
    json_key(j, "urls");
    json_begin_array(j);
    for (size_t i = 0; i < DATA_MOST_URLS && f->urls[i]; i++) {
        json_string(j, f->urls[i]);
    }
    json_end_array(j);
    json_key_string(j, "converted_from", s->source.path && f != &s->source ? s->source.path : NULL);
    json_end_object(j);
}

static void list_json(text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key(&j, "data_sets");
    json_begin_array(&j);
    for (size_t i = 0; i < data_set_count(); i++) {
        const data_set *s = data_set_get(i);
        json_begin_object(&j);
        json_key_string(&j, "name", s->name);
        json_key_string(&j, "doc", s->doc);
        json_key_string(&j, "licence", s->licence);
        json_key_string(&j, "format", s->format);
        json_key(&j, "files");
        json_begin_array(&j);
        if (s->source.path) file_json(&s->source, s, &j);
        for (size_t k = 0; k < data_set_n_files(s); k++) {
            file_json(&s->files[k], s, &j);
        }
        json_end_array(&j);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

static int run_list(cli *c, const arguments *a)
{
    text t = { 0 };
    if (option_has(a, "json")) {
        list_json(&t);
    } else if (option_has(a, "names")) {
        for (size_t i = 0; i < data_set_count(); i++) {
            text_printf(&t, "%s\n", data_set_get(i)->name);
        }
    } else {
        list_text(c, &t);
    }
    return cli_put(c, &t);
}

static const option_row options[] = {
    { "names", 0, NULL, NULL, COMPLETE_NOTHING, "only the names, one a line" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON: files, addresses, checksums" },
};

const command command_data_list = { .name = "data list",
    .arguments = "",
    .summary = "public data sets that can be fetched",
    .doc =
        "Lists the data sets that `assay data fetch` knows, with the size of what is put in place. "
        "With -v, licence as stated by the source and address of each.",
    .examples = "assay data list -v\nassay data list --json",
    COMMAND_OPTIONS(options),
    .run = run_list };
