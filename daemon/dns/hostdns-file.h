/* daemon/dns/hostdns-file.h: our servers in /etc/resolv.conf, the last resort; inside daemon/dns
 * only. Thread: main loop.
 *
 * The file before ours is recorded first, ours replaces it atomically, and undoing puts it back as
 * it was: content, mode, owner, time, or the symbolic link. Whoever changes the file meanwhile is
 * right: their file stays, without our block. */
#pragma once

#include "common/std/ip.h"

#include <glib.h>
#include <stdbool.h>

typedef struct DnsHostdnsFile DnsHostdnsFile;

/* Somebody else changed the file. */
typedef void (*DnsHostdnsFileChanged)(void *user_data);

/** dns_hostdns_file_new: undoes what an earlier run left; a failure of that is logged. */
DnsHostdnsFile *dns_hostdns_file_new(const char *path, const char *record_path,
                                     DnsHostdnsFileChanged changed, void *user_data);

/** dns_hostdns_file_open: the same, but it neither undoes nor notices changes. */
DnsHostdnsFile *dns_hostdns_file_open(const char *path, const char *record_path,
                                      DnsHostdnsFileChanged changed, void *user_data);
void            dns_hostdns_file_free(DnsHostdnsFile *self); /* does not undo; NULL is fine */

/** dns_hostdns_file_apply: makes these the first servers. Idempotent. On failure the file is as it
 * was. */
bool dns_hostdns_file_apply(DnsHostdnsFile *self, const MeshAddr *servers, size_t n_servers,
                            GError **error);

/** dns_hostdns_file_undo: nothing to undo is fine. On failure the record is kept. */
bool dns_hostdns_file_undo(DnsHostdnsFile *self, GError **error);

/** dns_hostdns_file_may_write: may this process replace the file at all? */
bool dns_hostdns_file_may_write(const DnsHostdnsFile *self);

/** dns_hostdns_file_is_resolved: would the file, without us, send programs to systemd-resolved? */
bool dns_hostdns_file_is_resolved(DnsHostdnsFile *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsHostdnsFile, dns_hostdns_file_free)
