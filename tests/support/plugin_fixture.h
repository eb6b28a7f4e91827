/* What tests of plugins need: a folder of their own, a registry that sees nothing else, a log that
 * is kept. */
#ifndef TEST_PLUGIN_FIXTURE_H
#define TEST_PLUGIN_FIXTURE_H

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "registry/registry.h"

/* cmocka's fail_msg calls a macro whose name is ours. */
#define GIVE_UP(...) \
    do { \
        print_error(__VA_ARGS__); \
        print_error("\n"); \
        _fail(__FILE__, __LINE__); \
    } while (0)

enum { FIXTURE_PATH_BYTES = 512 };

typedef struct plugin_fixture {
    char dir[FIXTURE_PATH_BYTES]; /* empty at first; removed with all that is in it */
    registry *r; /* NULL until fixture_open */
    config *c; /* NULL until fixture_parse */
    text log; /* a line per message */
    error err;
} plugin_fixture;

void fixture_init(plugin_fixture *f);
void fixture_release(plugin_fixture *f);

/* "<dir>/<name>"; one of eight static buffers that take turns. */
const char *fixture_path(const plugin_fixture *f, const char *name);

/* Makes a folder below the fixture's, and all on the way. */
void fixture_folder(plugin_fixture *f, const char *name);

/* Copies a built plugin, "good_plugins/x.so" or "bad_plugins/x.so" below <build>/tests, to `name`.
 */
void fixture_copy(plugin_fixture *f, const char *built, const char *name);

/* A registry that searches `dirs` and nothing of the user's. */
void fixture_open(plugin_fixture *f, const char *const *dirs);

/* Reads a config called x.cfg; the same from a file x.cfg in the fixture's folder. Replaces an
 * earlier one. */
void fixture_parse(plugin_fixture *f, const char *source);
void fixture_load(plugin_fixture *f, const char *source);

/* For registry_options: adds to f->log. */
void fixture_log(void *self, unsigned level, const char *message);

#endif
