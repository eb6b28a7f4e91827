/* The types of NPY elements that are read, and single elements as numbers. */
#include "../shared/npy_array.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
    bool is_float;
} dtypes[N_DTYPES] = {
    [DTYPE_F4] = { "<f4", 4, true },
    [DTYPE_F8] = { "<f8", 8, true },
    [DTYPE_U1] = { "|u1", 1, false },
    [DTYPE_I4] = { "<i4", 4, false },
    [DTYPE_I8] = { "<i8", 8, false },
    [DTYPE_B1] = { "|b1", 1, false },
};

size_t dtype_bytes(enum dtype t)
{
    return dtypes[t].bytes;
}

const char *dtype_name(enum dtype t)
{
    return dtypes[t].name;
}

bool dtype_is_float(enum dtype t)
{
    return dtypes[t].is_float;
}

uint64_t get_le(const unsigned char *from, size_t n_bytes)
{
    uint64_t v = 0;
    for (size_t i = n_bytes; i-- > 0;)
        v = v << 8 | from[i];
    return v;
}

bool is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first = 0;
    memcpy(&first, &one, 1);
    return first == 1;
}

int64_t array_int(const struct array *a, uint64_t i)
{
    const unsigned char *at = a->data + i * dtypes[a->dtype].bytes;
    if (dtypes[a->dtype].bytes == 1) return at[0];
    if (dtypes[a->dtype].bytes == 4) {
        const uint32_t bits = (uint32_t)get_le(at, 4);
        int32_t v = 0;
        memcpy(&v, &bits, sizeof(v));
        return v;
    }
    const uint64_t bits = get_le(at, 8);
    int64_t v = 0;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

double array_real(const struct array *a, uint64_t i)
{
    const unsigned char *at = a->data + i * dtypes[a->dtype].bytes;
    if (a->dtype == DTYPE_F4) {
        const uint32_t bits = (uint32_t)get_le(at, 4);
        float v = 0;
        memcpy(&v, &bits, sizeof(v));
        return v;
    }
    if (a->dtype == DTYPE_F8) {
        const uint64_t bits = get_le(at, 8);
        double v = 0;
        memcpy(&v, &bits, sizeof(v));
        return v;
    }
    return (double)array_int(a, i);
}
