/* daemon/dns/hostdns-record.h: what resolv.conf was before it became ours, on disk while it is
 * ours: written before the file is touched, so that any later run can put it back. Inside
 * daemon/dns only. Thread: main loop. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    DNS_HOSTDNS_RECORD_MISSING, /* there was no such file */
    DNS_HOSTDNS_RECORD_FILE,
    DNS_HOSTDNS_RECORD_LINK, /* a symbolic link */
} DnsHostdnsRecordKind;

/** DnsHostdnsRecord: @content: of the file, or the target of the link; owned, NUL-terminated.
 * @written: SHA-256 of what we put in its place, of this time and the time before. */
typedef struct {
    DnsHostdnsRecordKind kind;
    char                *content;
    size_t               len;
    mode_t               mode;
    uid_t                uid;
    gid_t                gid;
    int64_t              mtime_s, mtime_ns;
    char                *written[2]; /* owned; NULL: none */
} DnsHostdnsRecord;

void dns_hostdns_record_free(DnsHostdnsRecord *self); /* NULL is fine */

/** dns_hostdns_record_look: what is at @path now. NULL: it cannot be read, or is neither file nor
 * link, or larger than anybody's resolv.conf. */
DnsHostdnsRecord *dns_hostdns_record_look(const char *path, GError **error);

/** dns_hostdns_record_is_ours: is @now, as looked at, what @self says that we wrote? */
bool dns_hostdns_record_is_ours(const DnsHostdnsRecord *self, const DnsHostdnsRecord *now);

/** dns_hostdns_record_load: NULL without @error set: there is none. */
DnsHostdnsRecord *dns_hostdns_record_load(const char *path, GError **error);

/** dns_hostdns_record_save: returns when it is on disk. */
bool dns_hostdns_record_save(const DnsHostdnsRecord *self, const char *path, GError **error);

/** dns_hostdns_record_put: makes @path what @self says, atomically.
 * Returns when it is on disk. */
bool dns_hostdns_record_put(const DnsHostdnsRecord *self, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsHostdnsRecord, dns_hostdns_record_free)
