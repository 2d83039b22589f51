/* daemon/dns/resolvconf.h: the text of resolv.conf(5) with our servers in front, and without them
 * again. Inside daemon/dns only. Pure; texts are owned by the caller.
 *
 * Our part is a block between two comment lines, so that it can be taken out of a file that
 * somebody changed meanwhile. The C library asks the servers in order and goes on to the next when
 * one refuses; it knows three (MAXNS), so at most two are ours. */
#pragma once

#include "common/std/ip.h"

#include <glib.h>
#include <stdbool.h>

#define DNS_RESOLVCONF_MAX_OURS 2u

/** dns_resolvconf_make: @text with a block for @servers. @text has no block. */
char *dns_resolvconf_make(const char *text, const MeshAddr *servers, size_t n_servers);

/** dns_resolvconf_strip: @text without our block; NULL: it has none. */
char *dns_resolvconf_strip(const char *text);

/** dns_resolvconf_has: is our block there, with these servers? None: is there no block of ours? */
bool dns_resolvconf_has(const char *text, const MeshAddr *servers, size_t n_servers);

/** dns_resolvconf_is_resolved: do programs that read this file ask systemd-resolved? @target: where
 * the file is a symbolic link to; NULL: it is none. */
bool dns_resolvconf_is_resolved(const char *text, const char *target);

/** dns_resolvconf_uses_resolve: is nss-resolve among the sources of `hosts:` in nsswitch.conf? */
bool dns_resolvconf_uses_resolve(const char *nsswitch);
