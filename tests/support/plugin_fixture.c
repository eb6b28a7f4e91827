/* Folders are made below /tmp and removed with all in them; plugins are copied rather than linked,
 * since a registry counts one file once however it is reached. */
#include "support/plugin_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every test program lies in <build>/tests. */
static const char *tests_dir(void)
{
    static char dir[FIXTURE_PATH_BYTES];
    const ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    assert_true(n > 0);
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
    return dir;
}

void fixture_init(plugin_fixture *f)
{
    *f = (plugin_fixture){ 0 };
    snprintf(f->dir, sizeof f->dir, "/tmp/assay-plugins-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
}

void fixture_release(plugin_fixture *f)
{
    registry_free(f->r);
    config_free(f->c);
    text_release(&f->log);
    char command[FIXTURE_PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
}

const char *fixture_path(const plugin_fixture *f, const char *name)
{
    static char paths[8][2 * FIXTURE_PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
    return path;
}

void fixture_folder(plugin_fixture *f, const char *name)
{
    assert_int_equal(file_make_dirs(fixture_path(f, name), &f->err), OK);
}

void fixture_copy(plugin_fixture *f, const char *built, const char *name)
{
    char from[2 * FIXTURE_PATH_BYTES];
    char *data;
    size_t n;
    snprintf(from, sizeof from, "%s/%s", tests_dir(), built);
    if (file_read(from, &data, &n, &f->err) != OK) GIVE_UP("%s: %s", from, f->err.text);
    assert_int_equal(file_write_atomic(fixture_path(f, name), data, n, &f->err), OK);
    free(data);
}

void fixture_log(void *self, unsigned level, const char *message)
{
    plugin_fixture *f = self;
    text_printf(&f->log, "%u %s\n", level, message);
}

void fixture_open(plugin_fixture *f, const char *const *dirs)
{
    const registry_options o = {
        .no_environment = true, .dirs = dirs, .log = fixture_log, .log_self = f
    };
    assert_int_equal(registry_new(&o, &f->r, &f->err), OK);
}

void fixture_parse(plugin_fixture *f, const char *source)
{
    config_free(f->c);
    f->c = NULL;
    if (config_parse("x.cfg", source, &f->c, &f->err) != OK) GIVE_UP("%s", f->err.text);
}

void fixture_load(plugin_fixture *f, const char *source)
{
    const char *path = fixture_path(f, "x.cfg");
    assert_int_equal(file_write_atomic(path, source, strlen(source), &f->err), OK);
    config_free(f->c);
    f->c = NULL;
    if (config_load(path, &f->c, &f->err) != OK) GIVE_UP("%s", f->err.text);
}
