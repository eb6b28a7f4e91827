/* Ctrl-C once and twice, SIGTERM and SIGHUP to a study at work: what runs ends or is ended, nothing is lost, no process is
 * left, and the exit code says that work is left. As `assay study run --help` has it. */
#include "study_scene.h"

#include <dirent.h>
#include <unistd.h>

/* Trials last as long as the file `slow` is there. */
static pid_t begin_slow(scene *s)
{
    study_scene(s);
    scene_write(s, "script.sh",
        "#!/bin/sh\n"
        "touch began-$1\n"
        "while [ -e slow ]; do sleep 0.02; done\n"
        "echo \"{\\\"step\\\": 1, \\\"loss\\\": $1}\"\n");
    scene_write(s, "slow", "");
    const pid_t pid =
        scene_start(s, (const char *const[]){ "study", "run", "search.cfg", "--jobs", "2", NULL });
    wait_until(s, "[ $(ls began-* 2> /dev/null | wc -l) = 2 ]");
    return pid;
}

/* Until it has said that. */
static void wait_for_words(const scene *s, const char *what)
{
    char said[4096];
    for (int i = 0; i < 500; i++) {
        const ssize_t n = pread(s->err_fd, said, sizeof said - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        if (strstr(said, what)) return;
        pause_ms(20);
    }
    GIVE_UP("it never said \"%s\"", what);
}

/* Processes whose folder is the scene's. */
static int n_left(const scene *s)
{
    int n = 0;
    DIR *all = opendir("/proc");
    assert_non_null(all);
    for (struct dirent *e; (e = readdir(all)) != NULL;) {
        char path[300], where[300];
        snprintf(path, sizeof path, "/proc/%.200s/cwd", e->d_name);
        const ssize_t length = readlink(path, where, sizeof where - 1);
        if (length <= 0) continue;
        where[length] = '\0';
        n += strcmp(where, s->dir) == 0;
    }
    closedir(all);
    return n;
}

/* Nothing runs, and the rest comes when it is asked for. */
static void must_go_on(scene *s, const char *counts)
{
    for (int i = 0; i < 100 && n_left(s) > 0; i++)
        pause_ms(20);
    assert_int_equal(n_left(s), 0);
    if (scene_has(s, "slow")) scene_shell(s, "rm slow");
    scene_run(s, "study", "status", "search", "--json");
    scene_expect(s, 0);
    has(s->out.s, counts);
    scene_run(s, "study", "resume", "search", "-q", "--jobs", "2");
    scene_expect(s, 0);
    scene_run(s, "study", "status", "search", "--json");
    has(s->out.s, "\"done\": 12");
    has(s->out.s, "\"condition\": \"done\"");
    scene_release(s);
}

static void test_one_interrupt__lets_what_runs_end(void **state)
{
    scene s;
    (void)state;
    const pid_t pid = begin_slow(&s);
    assert_int_equal(kill(pid, SIGINT), 0);
    wait_for_words(&s, "what runs ends, nothing new begins; once more ends what runs, too");
    pause_ms(300);
    assert_int_equal(kill(pid, 0), 0); /* it waits for them */
    scene_shell(&s, "rm slow");
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    must_go_on(&s, "\"waiting\": 0, \"running\": 0, \"done\": 2");
}

static void test_two_interrupts__end_what_runs(void **state)
{
    scene s;
    (void)state;
    const pid_t pid = begin_slow(&s);
    assert_int_equal(kill(pid, SIGINT), 0);
    wait_for_words(&s, "once more ends what runs, too");
    assert_int_equal(kill(pid, SIGINT), 0);
    scene_wait(&s, pid);
    scene_expect(&s, 75);
    has(s.err.s, "the study goes on by: assay study resume search");
    must_go_on(&s, "\"waiting\": 2, \"running\": 0, \"done\": 0");
}

static void test_sigterm_and_sighup__end_what_runs_at_once(void **state)
{
    static const int signals[] = { SIGTERM, SIGHUP };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        scene s;
        const pid_t pid = begin_slow(&s);
        assert_int_equal(kill(pid, signals[i]), 0);
        scene_wait(&s, pid);
        scene_expect(&s, 75);
        has(s.err.s, "ending what runs; the study can be resumed");
        must_go_on(&s, "\"waiting\": 2, \"running\": 0, \"done\": 0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_interrupt__lets_what_runs_end),
        cmocka_unit_test(test_two_interrupts__end_what_runs),
        cmocka_unit_test(test_sigterm_and_sighup__end_what_runs_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
