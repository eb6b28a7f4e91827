/* Messages of any length over a stream socket between a job and its host: eight bytes that say how long, then the bytes. Private to the room.
 *
 * In a worker it makes do with read and writev, since stage B of strict allows no other call on a socket. */
#ifndef ASSAY_CORE_SANDBOX_CHANNEL_H
#define ASSAY_CORE_SANDBOX_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct channel {
    int fd; /* -1: none */
    unsigned char
        *in; // [room] n bytes have come; a message of `given` bytes of them was handed out
    size_t n, room, given;
    bool is_closed; /* by the other side */
} channel;

typedef enum channel_state {
    CHANNEL_DONE,
    CHANNEL_WAIT, /* not yet: poll, then call again */
    CHANNEL_CLOSED,
    CHANNEL_TOO_LONG, /* the other side says that more than CHANNEL_MOST_BYTES come */
    CHANNEL_NO_MEMORY,
} channel_state;

/* The next message; borrowed until the next call. Waits only where the descriptor does. */
channel_state channel_take(channel *c, const void **out, size_t *out_n);

/* Sends what is left of a message behind the first *sent bytes, its length's eight among them; begins with *sent = 0. The host's side
 * gets no signal where the other one is gone. */
channel_state channel_put(channel *c, const void *bytes, size_t n, size_t *sent, bool is_host);

/* Closes it and frees its memory. */
void channel_release(channel *c);

#endif
