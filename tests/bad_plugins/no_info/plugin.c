/* A shared object that is no plugin: it has no .assay_info. */
#include "bad.h"

int bad_answer(void)
{
    return 42;
}
