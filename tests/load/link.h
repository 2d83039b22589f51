/* tests/load/link.h: one TLS connection of a simulated node: requests out, HTTP answers in.
 *
 * Not blocking, on one epoll set; one thread. A link that ends calls closed() and is freed by
 * load_link_reap() afterwards, so whoever is called back may end any link. */
#pragma once

#include "common/std/ip.h"
#include "common/std/key.h"

#include <glib.h>
#include <openssl/ssl.h>
#include <stdbool.h>

typedef struct LoadLink LoadLink;

typedef struct {
    void (*opened)(LoadLink *link); /* TLS is up, pinned */
    void (*answer)(LoadLink *link, unsigned status, const char *body, size_t len); /* whole */
    void (*line)(LoadLink *link, const char *text,
                 size_t len); /* of a chunked answer; len 0: beat */
    void (*closed)(LoadLink   *link,
                   const char *why); /* the last call; not after load_link_close() */
} LoadLinkFuncs;

typedef struct {
    int                  epoll;
    SSL_CTX             *tls;
    MeshEndpoint         server;
    MeshKey              pin;
    const LoadLinkFuncs *funcs;
    LoadLink            *dead;
    uint64_t             bytes, lines; /* received */
    unsigned             shaking;      /* links on their way to opened() */
} LoadNet;

/* Makes epoll set and TLS context. */
void load_link_init_net(LoadNet *net, const MeshEndpoint *server, const MeshKey *pin);

/* @source: where it comes from, 127.x.y.z. NULL: refused at once; what fails later calls closed().
 */
LoadLink *load_link_new(LoadNet *net, uint32_t source, void *user_data);
void     *load_link_get_data(const LoadLink *self);
void      load_link_send(LoadLink *self, const char *text, size_t len);
void      load_link_close(LoadLink *self);

/* Waits at most @wait_ms and handles what came. */
void load_link_run(LoadNet *net, int wait_ms);
void load_link_reap(LoadNet *net);
