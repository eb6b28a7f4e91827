/* Messages with descriptors over a SEQPACKET socket, and the memory that the two sides share. */
#define _GNU_SOURCE /* memfd_create, MSG_CMSG_CLOEXEC */
#include "sandbox/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for the descriptors of one message, aligned as the kernel wants it. */
typedef union control_room {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int) * MOST_FDS)];
} control_room;

static void attach_fds(struct msghdr *m, control_room *room, const int *fds, size_t n_fds)
{
    memset(room, 0, sizeof *room);
    m->msg_control = room->bytes;
    m->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
}

status wire_send(int socket, const void *head, size_t n_head, const void *tail, size_t n_tail,
    const int *fds, size_t n_fds, error *err)
{
    control_room room;
    struct iovec parts[2] = { { .iov_base = (void *)(uintptr_t)head, .iov_len = n_head },
        { .iov_base = (void *)(uintptr_t)tail, .iov_len = n_tail } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = n_tail ? 2 : 1 };
    if (n_head + n_tail > MOST_MESSAGE || n_fds > MOST_FDS) {
        return fail(err, E_RANGE, "a message of %zu bytes and %zu files, where %d and %d are most",
            n_head + n_tail, n_fds, MOST_MESSAGE, MOST_FDS);
    }
    if (n_fds) attach_fds(&m, &room, fds, n_fds);
    for (;;) {
        if (sendmsg(socket, &m, MSG_NOSIGNAL) >= 0) return OK;
        if (errno == EAGAIN) {
            struct pollfd wait = { .fd = socket, .events = POLLOUT };
            (void)poll(&wait, 1, 1000);
        } else if (errno != EINTR) {
            return fail_errno(err, errno, "the sandbox's socket", "sending");
        }
    }
}

static void keep_fds(struct msghdr *h, wire_message *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (m->n_fds < MOST_FDS) {
                m->fds[m->n_fds++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

status wire_take(int socket, wire_message *m, error *err)
{
    control_room room;
    struct iovec part = { .iov_base = m->bytes, .iov_len = sizeof m->bytes };
    struct msghdr h = { .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = room.bytes,
        .msg_controllen = sizeof room.bytes };
    ssize_t n;
    m->n_fds = 0;
    do {
        n = recvmsg(socket, &h, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    m->n = n > 0 ? (size_t)n : 0;
    if (n < 0 && errno != ECONNRESET) {
        return fail_errno(err, errno, "the sandbox's socket", "receiving");
    }
    if (n > 0) keep_fds(&h, m);
    if (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        wire_close_fds(m);
        return fail(err, E_CORRUPT, "a message of the sandbox was cut off");
    }
    return OK;
}

void wire_close_fds(wire_message *m)
{
    for (size_t i = 0; i < m->n_fds; i++)
        close(m->fds[i]);
    m->n_fds = 0;
}

status memfd_new(const char *name, size_t bytes, int *out_fd, void **out_map, error *err)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return fail_errno(err, errno, name, "making shared memory");
    if (ftruncate(fd, (off_t)bytes) != 0) {
        const int why = errno;
        close(fd);
        return fail_errno(err, why, name, "sizing shared memory");
    }
    if (out_map) {
        void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
            const int why = errno;
            close(fd);
            return fail_errno(err, why, name, "mapping shared memory");
        }
        *out_map = at;
    }
    *out_fd = fd;
    return OK;
}
