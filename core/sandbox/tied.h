/* Programs of others that end with their host.
 *
 * The kernel ends a process with its parent only where the process itself has asked for that, so a host starts its own program with
 * the words
 *     --tied-to PID MEMORY CPU FILE ARGV0 ARGV1 ...
 * which asks, takes the limits upon itself (bytes of private memory, seconds of processor time; 0: none) and becomes FILE with these
 * words. Where FILE cannot be run it writes errno, an int, to descriptor TIED_FD, which FILE does not get. */
#ifndef ASSAY_CORE_SANDBOX_TIED_H
#define ASSAY_CORE_SANDBOX_TIED_H

#include <stdint.h>

enum { TIED_FD = 3 };

/* The words before FILE's own, as strings that the caller keeps: the host's pid is that of who calls. */
enum { TIED_WORDS = 6, TIED_WORD_BYTES = 32 };
typedef struct tied_words {
    char name[TIED_WORD_BYTES], word[TIED_WORD_BYTES], pid[TIED_WORD_BYTES],
        memory[TIED_WORD_BYTES], cpu[TIED_WORD_BYTES];
} tied_words;
/* Fills argv[0 .. TIED_WORDS - 1]; `file` is borrowed. */
void tied_write(tied_words *w, char *argv[], char *file, uint64_t memory_bytes, uint64_t cpu_s);

/* For main: becomes that program. Returns an exit code where it cannot, -1 where the words are not these: main takes them for a user's then. */
int tied_main(int argc, char **argv);

#endif
