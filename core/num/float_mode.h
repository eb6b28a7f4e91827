/* The calling thread's floating-point mode: rounding, traps, and whether denormals are flushed to zero. Of machines whose control
 * word is not known here it reads as 0 and nothing is set; rounding is told by libc everywhere. */
#ifndef ASSAY_CORE_NUM_FLOAT_MODE_H
#define ASSAY_CORE_NUM_FLOAT_MODE_H

#include <fenv.h>
#include <stdbool.h>
#include <stdint.h>

/* -- the control word -- */

#if defined(__SSE2__)
#include <xmmintrin.h>
/* MXCSR; the low six bits are flags that arithmetic sets as it goes, no mode. */
#define FLOAT_CONTROL_RESULTS UINT64_C(0x8000)
#define FLOAT_CONTROL_OPERANDS UINT64_C(0x40)
#define FLOAT_CONTROL_ROUNDING UINT64_C(0x6000)
#define FLOAT_CONTROL_TRAPS UINT64_C(0x1f80)
#define FLOAT_CONTROL_MASK UINT64_C(0xffc0)
static inline uint64_t float_control_get(void)
{
    return _mm_getcsr() & FLOAT_CONTROL_MASK;
}
static inline void float_control_set(uint64_t control)
{
    const unsigned flags = _mm_getcsr() & ~(unsigned)FLOAT_CONTROL_MASK;
    _mm_setcsr(flags | (unsigned)(control & FLOAT_CONTROL_MASK));
}
#elif defined(__aarch64__)
/* FPCR: FZ flushes operands and results alike; bit 0 (FIZ) is of machines with FEAT_AFP. */
#define FLOAT_CONTROL_RESULTS (UINT64_C(1) << 24)
#define FLOAT_CONTROL_OPERANDS UINT64_C(1)
#define FLOAT_CONTROL_ROUNDING (UINT64_C(3) << 22)
#define FLOAT_CONTROL_TRAPS UINT64_C(0x9f00)
static inline uint64_t float_control_get(void)
{
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
static inline void float_control_set(uint64_t control)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}
#else
#define FLOAT_CONTROL_RESULTS UINT64_C(0)
#define FLOAT_CONTROL_OPERANDS UINT64_C(0)
#define FLOAT_CONTROL_ROUNDING UINT64_C(0)
#define FLOAT_CONTROL_TRAPS UINT64_C(0)
static inline uint64_t float_control_get(void)
{
    return 0;
}
static inline void float_control_set(uint64_t control)
{
    (void)control;
}
#endif

/* What flushes denormals; 0 where that is not known. */
#if defined(__aarch64__)
#define FLOAT_CONTROL_FLUSH FLOAT_CONTROL_RESULTS
#else
#define FLOAT_CONTROL_FLUSH (FLOAT_CONTROL_RESULTS | FLOAT_CONTROL_OPERANDS)
#endif

/* -- the mode as a whole -- */

typedef struct float_mode {
    fenv_t all;
    int rounding;
    uint64_t control;
} float_mode;

/* What differs from a mode that was taken down; flags that arithmetic raises do not count. */
enum {
    FLOAT_RESULTS_FLUSHED = 1,
    FLOAT_OPERANDS_FLUSHED = 2,
    FLOAT_ROUNDING = 4,
    FLOAT_TRAPS = 8,
};

float_mode float_mode_get(void);
void float_mode_set(const float_mode *m);
unsigned float_mode_changes(const float_mode *since); /* 0: none */

#endif
