/* Samples for probes: stratified, by whole stretches.
 *
 * The tensor's stretches are dealt to equally large groups of neighbours, and one stretch of each is drawn, anew at every step: all
 * parts of a tensor are seen alike, but no column of a matrix always or never, whatever its width. The draw is a function
 * of tensor, step and group, so that it is the same for any number of threads, and after a resume. Stretches are long
 * enough to be read at the speed of memory. The last one is moved back to be whole: each group gives the same number
 * of numbers, which therefore have their place in the sample whoever copies them there. */
#include "train/probe_sample.h"

#include <math.h>

static size_t group_begin(const probe_sample *s, size_t i)
{
    return s->n_stretches / s->n_groups * i + s->n_stretches % s->n_groups * i / s->n_groups;
}

probe_sample probe_sample_make(size_t size, size_t length, double share)
{
    probe_sample s = { .size = size, .length = length, .n = size };
    s.n_stretches = size / length + (size % length != 0);
    const size_t least = (PROBE_LEAST + length - 1) / length;
    const double wanted = ceil(share * (double)s.n_stretches);
    s.n_groups = wanted < (double)s.n_stretches ? (size_t)wanted : s.n_stretches;
    s.n_groups = s.n_groups > least ? s.n_groups : least;
    if (s.n_groups >= s.n_stretches) {
        s.n_groups = s.n_stretches;
    } else {
        s.n = s.n_groups * length;
    }
    return s;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t probe_sample_draw(size_t i_tensor, uint64_t step)
{
    return mix(mix(step) + i_tensor);
}

/* Where the stretch of a group begins. */
static size_t stretch_begin(const probe_sample *s, uint64_t draw, size_t i)
{
    const size_t first = group_begin(s, i), n = group_begin(s, i + 1) - first;
    const uint64_t random = mix(draw + i * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    const size_t begin = (first + (size_t)(random * n >> 32)) * s->length;
    return begin + s->length <= s->size ? begin : s->size - s->length;
}

size_t probe_cut_first(const probe_sample *s, size_t begin)
{
    if (s->n == s->size) {
        return 0;
    }
    const size_t stretch = begin / s->length;
    size_t i = (size_t)((double)stretch / (double)s->n_stretches * (double)s->n_groups);
    while (i > 0 && group_begin(s, i) > stretch) {
        i--;
    }
    while (i + 1 < s->n_groups && group_begin(s, i + 1) <= stretch) {
        i++;
    }
    return i;
}

bool probe_cut_next(
    const probe_sample *s, uint64_t draw, size_t begin, size_t end, size_t *i, probe_cut *out)
{
    if (s->n == s->size) {
        *out = (probe_cut){ begin, end - begin, begin };
        return (*i)++ == 0;
    }
    for (; *i < s->n_groups; ++*i) {
        const size_t at = stretch_begin(s, draw, *i);
        const size_t from = at > begin ? at : begin;
        const size_t to = at + s->length < end ? at + s->length : end;
        if (from < to) {
            *out = (probe_cut){ from, to - from, *i * s->length + (from - at) };
            ++*i;
            return true;
        }
        if (group_begin(s, *i) * s->length >= end + s->length) {
            break;
        }
    }
    return false;
}

double probe_sample_scale(const probe_sample *s)
{
    return s->n ? (double)s->size / (double)s->n : 1;
}
