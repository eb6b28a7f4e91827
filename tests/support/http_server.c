/* One connection after the other: read a request's head, answer, close. */
#include "support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIFE_S = 300 }; /* so that none outlives a test that crashed */

static int bound_socket(int *out_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t n = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&at, n) != 0 ||
        getsockname(s, (struct sockaddr *)&at, &n) != 0) {
        perror("http_server");
        abort();
    }
    *out_port = ntohs(at.sin_port);
    return s;
}

int http_closed_port(int *out_socket)
{
    int port;
    *out_socket = bound_socket(&port);
    return port;
}

static void send_all(int to, const char *data, size_t n)
{
    for (ssize_t sent = 0; n > 0 && sent >= 0; data += sent, n -= (size_t)sent) {
        sent = send(to, data, n, MSG_NOSIGNAL);
        if (sent < 0) return;
    }
}

static void answer(int to, const http_page *page)
{
    char head[1024];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d Answer\r\nConnection: close\r\n",
        page ? page->status : 404);
    if (page && page->location) {
        n += snprintf(head + n, sizeof head - (size_t)n, "Location: %s\r\n", page->location);
    }
    const size_t length = !page ? 0 : page->n_claimed ? page->n_claimed : page->n_body;
    n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n\r\n", length);
    send_all(to, head, (size_t)n);
    if (page && page->body) send_all(to, page->body, page->n_body);
    if (page && page->stalls) pause();
}

static const http_page *find_page(const http_page *pages, size_t n, const char *request)
{
    const char *path = strchr(request, ' ');
    for (size_t i = 0; path && i < n; i++) {
        const size_t k = strlen(pages[i].path);
        if (strncmp(path + 1, pages[i].path, k) == 0 && path[1 + k] == ' ') return &pages[i];
    }
    return NULL;
}

static void serve(int listening, const http_page *pages, size_t n_pages)
{
    alarm(LIFE_S);
    for (int to; (to = accept(listening, NULL, NULL)) >= 0; close(to)) {
        char request[4096] = "";
        size_t n = 0;
        for (ssize_t got = 1; got > 0 && n < sizeof request - 1 && !strstr(request, "\r\n\r\n");) {
            got = recv(to, request + n, sizeof request - 1 - n, 0);
            if (got > 0) n += (size_t)got;
            request[n] = '\0';
        }
        answer(to, find_page(pages, n_pages, request));
    }
    _exit(0);
}

http_server http_server_start(const http_page *pages, size_t n_pages)
{
    http_server s = { .pid = -1 };
    const int listening = bound_socket(&s.port);
    if (listen(listening, 16) == 0) s.pid = fork();
    if (s.pid == 0) serve(listening, pages, n_pages);
    close(listening);
    if (s.pid < 0) {
        perror("http_server");
        abort();
    }
    return s;
}

void http_server_stop(http_server *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    s->pid = -1;
}
