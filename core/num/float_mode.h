/* The calling thread's floating-point control word: rounding, traps, and whether denormals are flushed
 * to zero. On machines whose word is not known here everything reads as 0 and nothing is set. */
#ifndef ASSAY_CORE_NUM_FLOAT_MODE_H
#define ASSAY_CORE_NUM_FLOAT_MODE_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
/* MXCSR: flush to zero (results), denormals are zero (operands); the low six bits are flags that
 * arithmetic sets as it goes, no mode. */
#define FLOAT_MODE_FLUSH UINT64_C(0x8040)
#define FLOAT_MODE_MASK UINT64_C(0xffc0)
static inline uint64_t float_mode_get(void)
{
    return _mm_getcsr() & FLOAT_MODE_MASK;
}
static inline void float_mode_set(uint64_t mode)
{
    const unsigned flags = _mm_getcsr() & ~(unsigned)FLOAT_MODE_MASK;
    _mm_setcsr(flags | (unsigned)(mode & FLOAT_MODE_MASK));
}
#elif defined(__aarch64__)
#define FLOAT_MODE_FLUSH (UINT64_C(1) << 24) /* FPCR.FZ: operands and results */
static inline uint64_t float_mode_get(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void float_mode_set(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
#define FLOAT_MODE_FLUSH UINT64_C(0)
static inline uint64_t float_mode_get(void)
{
    return 0;
}
static inline void float_mode_set(uint64_t mode)
{
    (void)mode;
}
#endif

#endif
