/* A server of HTTP on this machine that answers with what a test says, in a process of its own. */
#ifndef ASSAY_TESTS_SUPPORT_HTTP_SERVER_H
#define ASSAY_TESTS_SUPPORT_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct http_page {
    const char *path; /* "/data" */
    int status; /* 200 */
    const char *location; /* where it redirects; NULL: nowhere */
    const char *body;
    size_t n_body;
    size_t n_claimed; /* the length it claims, if it is not n_body */
    bool stalls; /* never ends what it began */
} http_page;

typedef struct http_server {
    pid_t pid;
    int port; /* on 127.0.0.1 */
} http_server;

/* Other paths than those of `pages` are answered with 404. The pages are copied with the process. */
http_server http_server_start(const http_page *pages, size_t n_pages);
void http_server_stop(http_server *s);

/* A port on which nobody listens, kept by a socket that the caller closes. */
int http_closed_port(int *out_socket);

#endif
