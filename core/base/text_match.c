/* Comparing names: the nearest candidate for "did you mean", and patterns with * and ?.
 *
 * The distance is the one of optimal string alignment (insert, drop, replace, swap two neighbours):
 * a swap is the commonest slip on a keyboard and should cost one, not two. Three rows on the stack
 * are enough; words longer than a row are nobody's slip and get no suggestion. */
#include "base/text.h"

#include <string.h>

enum { LONGEST_WORD = 63 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][LONGEST_WORD + 1]; /* row i is rows[i % 3] */
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *swap = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t replace = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(replace, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], swap[j - 2] + 1);
            }
        }
    }
    return rows[n_a % 3][n_b];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t n)
{
    const size_t n_word = strlen(word);
    if (n_word == 0 || n_word > LONGEST_WORD) return NULL;
    const char *nearest = NULL;
    size_t best = n_word / 3 + 2; /* must be beaten */
    for (size_t i = 0; i < n; i++) {
        const size_t n_candidate = strlen(candidates[i]);
        if (n_candidate > LONGEST_WORD) continue;
        const size_t distance = edit_distance(word, n_word, candidates[i], n_candidate);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool text_matches(const char *pattern, const char *s)
{
    const char *star = NULL, *resume = NULL; /* the last *, and where to let it swallow one more */
    while (*s) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = s;
        } else if (*pattern == '?' || (*pattern && *pattern == *s)) {
            pattern++;
            s++;
        } else if (star) {
            pattern = star;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
