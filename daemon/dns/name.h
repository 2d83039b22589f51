/* daemon/dns/name.h: a domain name as DNS writes it: labels with their lengths, the root at the
 * end, at most 255 bytes (RFC 1035 §3.1). Inside daemon/dns only. Values; any thread, no
 * allocation. Errors are negative errno, outputs are written on success only. */
#pragma once

#include "common/std/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX       255u
#define DNS_NAME_MAX_LABEL 63u
#define DNS_NAME_TEXT_SIZE 1021u /* every byte as \DDD, dots, and the NUL */

/** DnsName: @len counts the root label, so the root itself is 1 byte; a zeroed one is no name. */
typedef struct {
    uint8_t len;
    uint8_t bytes[DNS_NAME_MAX];
} DnsName;

/** dns_name_parse: from text, with or without the last dot, folded to lower case. "" and "." are
 * the root. Returns: 0; -EINVAL: an empty or too long label, or too long as a whole. */
MESH_CHECKED int dns_name_parse(const char *text, DnsName *out_name);

/** dns_name_format: without the last dot ("." for the root); bytes that are not printable ASCII,
 * dots and backslashes in labels as \DDD. Returns @out_text. */
char *dns_name_format(const DnsName *name, char out_text[DNS_NAME_TEXT_SIZE]);

/** dns_name_read: the name at @message[*at], compressed or not, and moves @at behind it.
 *
 * A pointer has to go back, before the start of the run of labels it ends, so every step reads
 * earlier bytes than the one before: there is no loop to find. Spelling is kept.
 * Returns: 0; -EBADMSG: runs over the end, too long, a pointer forward, an unknown label type. */
MESH_CHECKED int dns_name_read(const uint8_t *message, size_t len, size_t *at, DnsName *out_name);

/** dns_name_prepend: LABEL.NAME, the label folded to lower case. Returns: 0; -EINVAL. */
MESH_CHECKED int dns_name_prepend(const char *label, const DnsName *name, DnsName *out_name);

void dns_name_fold(DnsName *name); /* to lower case: ASCII alone (RFC 4343) */

bool dns_name_equal(const DnsName *a, const DnsName *b); /* both folded */

/** dns_name_is_under: true when @name is @zone or below it; @out_front (may be NULL) gets the bytes
 * of the labels in front of the zone. Both folded. */
bool dns_name_is_under(const DnsName *name, const DnsName *zone, size_t *out_front);
