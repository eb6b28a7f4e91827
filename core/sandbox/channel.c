#define _GNU_SOURCE
#include "sandbox/channel.h"

#include "sandbox/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEAD_BYTES = 8, FIRST_ROOM = 1 << 16 };

static void drop_given(channel *c)
{
    if (c->given == 0) return;
    c->n -= c->given;
    if (c->n) memmove(c->in, c->in + c->given, c->n);
    c->given = 0;
}

/* How many bytes the first message has with its head; 0: not known yet. */
static uint64_t whole_bytes(const channel *c)
{
    uint64_t n;
    if (c->n < HEAD_BYTES) return 0;
    memcpy(&n, c->in, sizeof n);
    return n <= CHANNEL_MOST_BYTES ? n + HEAD_BYTES : UINT64_MAX;
}

static bool make_room(channel *c, size_t bytes)
{
    if (bytes <= c->room) return true;
    unsigned char *in = realloc(c->in, bytes);
    if (!in) return false;
    c->in = in;
    c->room = bytes;
    return true;
}

channel_state channel_take(channel *c, const void **out, size_t *out_n)
{
    drop_given(c);
    for (;;) {
        const uint64_t whole = whole_bytes(c);
        if (whole == UINT64_MAX) return CHANNEL_TOO_LONG;
        if (whole && c->n >= whole) {
            c->given = (size_t)whole;
            *out = c->in + HEAD_BYTES;
            *out_n = (size_t)whole - HEAD_BYTES;
            return CHANNEL_DONE;
        }
        if (c->is_closed) return CHANNEL_CLOSED;
        if (!make_room(c, whole > FIRST_ROOM ? (size_t)whole : FIRST_ROOM)) {
            return CHANNEL_NO_MEMORY;
        }
        const ssize_t got = read(c->fd, c->in + c->n, c->room - c->n);
        if (got > 0) {
            c->n += (size_t)got;
        } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return CHANNEL_WAIT;
        } else if (got == 0 || errno != EINTR) {
            c->is_closed = true;
        }
    }
}

channel_state channel_put(channel *c, const void *bytes, size_t n, size_t *sent, bool is_host)
{
    uint64_t head = n;
    if (n > CHANNEL_MOST_BYTES) return CHANNEL_TOO_LONG;
    while (*sent < n + HEAD_BYTES) {
        const size_t n_head = *sent < HEAD_BYTES ? HEAD_BYTES - *sent : 0;
        const size_t from = *sent < HEAD_BYTES ? 0 : *sent - HEAD_BYTES;
        struct iovec parts[2] = { { .iov_base = (char *)&head + (HEAD_BYTES - n_head),
                                      .iov_len = n_head },
            { .iov_base = (char *)(uintptr_t)bytes + from, .iov_len = n - from } };
        const struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
        const ssize_t done = is_host ? sendmsg(c->fd, &m, MSG_NOSIGNAL) : writev(c->fd, parts, 2);
        if (done >= 0) {
            *sent += (size_t)done;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHANNEL_WAIT;
        } else if (errno != EINTR) {
            c->is_closed = true;
            return CHANNEL_CLOSED;
        }
    }
    return CHANNEL_DONE;
}

void channel_release(channel *c)
{
    if (c->fd >= 0) (void)close(c->fd);
    free(c->in);
    *c = (channel){ .fd = -1 };
}
