/* Asking for one's own end takes three steps: the signal is asked for, then it is looked whether the host was gone before (its children
 * are then another's), then the program is begun. The signal stays asked for beyond that, except where the program has rights that
 * its caller has not. */
#include "sandbox/tied.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static const char word[] = "--tied-to";

void tied_write(tied_words *w, char *argv[], char *file, uint64_t memory_bytes, uint64_t cpu_s)
{
    snprintf(w->name, sizeof w->name, "assay");
    snprintf(w->word, sizeof w->word, "%s", word);
    snprintf(w->pid, sizeof w->pid, "%ld", (long)getpid());
    snprintf(w->memory, sizeof w->memory, "%" PRIu64, memory_bytes);
    snprintf(w->cpu, sizeof w->cpu, "%" PRIu64, cpu_s);
    char *const words[TIED_WORDS] = { w->name, w->word, w->pid, w->memory, w->cpu, file };
    memcpy(argv, words, sizeof words);
}

/* Of each of its processes. Memory is what it can write to and shares with nobody: address space alone, which some runtimes reserve by
 * the terabyte, costs nothing. */
static void limit(uint64_t memory_bytes, uint64_t cpu_s)
{
    const struct rlimit memory = { memory_bytes, memory_bytes }, core = { 0, 0 };
    const struct rlimit cpu = { cpu_s, cpu_s + 1 };
    (void)setrlimit(RLIMIT_CORE, &core);
#ifdef SANDBOX_IS_SANITIZED
    (void)memory; /* a sanitizer needs more than any limit before the program is there */
#else
    if (memory_bytes) (void)setrlimit(RLIMIT_DATA, &memory);
#endif
    if (cpu_s) (void)setrlimit(RLIMIT_CPU, &cpu);
}

int tied_main(int argc, char **argv)
{
    if (argc <= TIED_WORDS || strcmp(argv[1], word) != 0) return -1;
    (void)fcntl(TIED_FD, F_SETFD, FD_CLOEXEC);
    const long host = strtol(argv[2], NULL, 10);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || (long)getppid() != host) {
        (void)raise(SIGKILL); /* as if the signal had come */
    }
    limit(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    (void)execve(argv[5], argv + TIED_WORDS, environ);
    const int why = errno;
    return write(TIED_FD, &why, sizeof why) == (ssize_t)sizeof why ? 127 : 126;
}
