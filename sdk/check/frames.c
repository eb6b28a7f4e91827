/* The unwinder is looked up rather than linked: without it a message names no callback, and everything else works. */
#include "check/frames.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

enum { MOST_FRAMES = 100000 };

typedef struct walk {
    const unwinder *unwinder;
    void (*visit)(void *self, const void *address);
    void *self;
    size_t n_frames;
} walk;

void unwinder_find(unwinder *out)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    void *backtrace = library ? dlsym(library, "_Unwind_Backtrace") : NULL;
    void *address_of = library ? dlsym(library, "_Unwind_GetIPInfo") : NULL;
    *out = (unwinder){ NULL, NULL };
    if (!backtrace || !address_of) return;
    memcpy(&out->backtrace, &backtrace, sizeof backtrace); /* C has no cast for it */
    memcpy(&out->address_of, &address_of, sizeof address_of);
}

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *frame, void *arg)
{
    walk *w = arg;
    int is_interrupted = 0;
    const uintptr_t address = w->unwinder->address_of(frame, &is_interrupted);
    if (address == 0 || w->n_frames++ > MOST_FRAMES) return _URC_END_OF_STACK;
    /* a return address may lie behind the function, where the call was its last instruction */
    w->visit(w->self, (const char *)address - (is_interrupted ? 0 : 1));
    return _URC_NO_REASON;
}

void unwinder_walk(const unwinder *u, void (*visit)(void *self, const void *address), void *self)
{
    walk w = { u, visit, self, 0 };
    if (u->backtrace) (void)u->backtrace(visit_frame, &w);
}
