/* daemon/dns/tcp.h: DNS over TCP (RFC 7766): each message after its length in two bytes. Inside
 * daemon/dns only. Thread: main loop.
 *
 * At most DNS_TCP_MAX connections: one more takes the place of the one that has been quiet for
 * longest, so nobody keeps others out by holding connections open. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_TCP_MAX    16u
#define DNS_TCP_IDLE_S 10u /* without a whole query or a written reply */

typedef struct DnsTcp DnsTcp;

/** DnsTcpAnswer: the reply to @query into @reply. Returns: its length; 0: close the connection. */
typedef size_t (*DnsTcpAnswer)(const uint8_t *query, size_t len, uint8_t *reply, size_t size,
                               void *user_data);

DnsTcp *dns_tcp_new(DnsTcpAnswer answer, void *user_data);
void    dns_tcp_free(DnsTcp *self); /* closes all; NULL is fine */

void     dns_tcp_add(DnsTcp *self, int fd); /* takes @fd: accepted, not blocking */
unsigned dns_tcp_count(DnsTcp *self);
