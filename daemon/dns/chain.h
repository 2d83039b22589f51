/* daemon/dns/chain.h: a query's way through the policies; inside daemon/dns only. Thread: main
 * loop.
 *
 * A policy is a file policy-NAME.c that defines dns_policy_NAME, listed in meson.build. They are
 * asked in that order; the first that knows the name answers. A name that nobody knows is refused:
 * the programs of this host then ask the next server they know, and nothing is ever forwarded. */
#pragma once

#include "daemon/dns/message.h"
#include "daemon/dns/zone.h"

#include <glib.h>

typedef struct {
    const char *name;
    void *(*make)(const DnsZone *zone, GError **error); /* owned; copies what it needs */
    void (*free)(void *state);
    /* False: not its name, @out is untouched. @query is well-formed, of class IN or ANY. */
    bool (*answer)(void *state, const DnsQuery *query, DnsAnswer *out);
} DnsPolicy;

typedef struct DnsChain DnsChain;

DnsChain *dns_chain_new(const DnsZone *zone, GError **error);
void      dns_chain_free(DnsChain *self); /* NULL is fine */

/** dns_chain_answer: to any query that was decoded, the malformed ones too. @self NULL: there is
 * no zone, so whatever is asked is refused. */
void dns_chain_answer(DnsChain *self, const DnsQuery *query, DnsAnswer *out_answer);
