/* Single quotes keep everything but themselves: a quote ends them, stands alone behind a backslash, and begins them anew. */
#include "cli/shell_word.h"

#include <string.h>

static bool is_plain(const char *word)
{
    return word[0] &&
        !word[strspn(
            word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./%@")];
}

void shell_word_add(text *t, const char *word)
{
    if (is_plain(word)) {
        text_add(t, word);
        return;
    }
    text_add(t, "'");
    for (const char *c = word; *c; c++) {
        if (*c == '\'') {
            text_add(t, "'\\''");
        } else {
            text_add_bytes(t, c, 1);
        }
    }
    text_add(t, "'");
}
