#include "daemon/dns/name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LABEL_TYPE    0xc0u /* the two high bits of a length byte (RFC 1035 §4.1.4) */
#define LABEL_POINTER 0xc0u

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Appends a label; the root is added by end_name(). */
static bool add_label(DnsName *name, const uint8_t *label, size_t len)
{
    if (len > DNS_NAME_MAX_LABEL || name->len + 1 + len + 1 > DNS_NAME_MAX)
        return false;
    name->bytes[name->len] = (uint8_t)len;
    memcpy(name->bytes + name->len + 1, label, len);
    name->len = (uint8_t)(name->len + 1 + len);
    return true;
}

static void end_name(DnsName *name)
{
    name->bytes[name->len++] = 0;
}

void dns_name_fold(DnsName *name)
{
    /* length bytes are below 64, letters above */
    for (size_t i = 0; i < name->len; i++)
        name->bytes[i] = fold(name->bytes[i]);
}

int dns_name_parse(const char *text, DnsName *out_name)
{
    DnsName name = { 0 };
    size_t  len = strlen(text);

    if (len > 0 && text[len - 1] == '.')
        len--;
    for (size_t start = 0, end; start < len; start = end + 1) {
        const char *dot = memchr(text + start, '.', len - start);

        end = dot != NULL ? (size_t)(dot - text) : len;
        if (end == start || (dot != NULL && end + 1 == len) ||
            !add_label(&name, (const uint8_t *)text + start, end - start))
            return -EINVAL;
    }
    if (len == 0 && strlen(text) > 1)
        return -EINVAL;
    end_name(&name);
    dns_name_fold(&name);
    *out_name = name;
    return 0;
}

int dns_name_prepend(const char *label, const DnsName *name, DnsName *out_name)
{
    DnsName result = { 0 };
    size_t  len = strlen(label);

    if (len == 0 || strchr(label, '.') != NULL ||
        !add_label(&result, (const uint8_t *)label, len) || result.len + name->len > DNS_NAME_MAX)
        return -EINVAL;
    dns_name_fold(&result);
    memcpy(result.bytes + result.len, name->bytes, name->len);
    result.len = (uint8_t)(result.len + name->len);
    *out_name = result;
    return 0;
}

char *dns_name_format(const DnsName *name, char out_text[DNS_NAME_TEXT_SIZE])
{
    char *at = out_text;

    for (size_t i = 0; i < name->len && name->bytes[i] != 0; i += 1u + name->bytes[i]) {
        if (i > 0)
            *at++ = '.';
        for (size_t k = 1; k <= name->bytes[i]; k++) {
            uint8_t c = name->bytes[i + k];

            if (c > ' ' && c < 0x7f && c != '.' && c != '\\')
                *at++ = (char)c;
            else
                at += snprintf(at, 5, "\\%03u", c);
        }
    }
    if (at == out_text)
        *at++ = '.';
    *at = '\0';
    return out_text;
}

int dns_name_read(const uint8_t *message, size_t len, size_t *at, DnsName *out_name)
{
    DnsName name = { 0 };
    size_t  pos = *at, next = 0;
    size_t  floor = pos; /* pointers go below it */

    for (;;) {
        uint8_t length;

        if (pos >= len)
            return -EBADMSG;
        length = message[pos];
        if (length == 0)
            break;
        if ((length & LABEL_TYPE) == LABEL_POINTER) {
            size_t target;

            if (pos + 1 >= len)
                return -EBADMSG;
            target = (size_t)(length & ~LABEL_TYPE) << 8 | message[pos + 1];
            if (target >= floor)
                return -EBADMSG;
            if (next == 0)
                next = pos + 2;
            pos = floor = target;
            continue;
        }
        if ((length & LABEL_TYPE) != 0 || pos + 1 + length > len ||
            !add_label(&name, message + pos + 1, length))
            return -EBADMSG;
        pos += 1u + length;
    }
    end_name(&name);
    *at = next != 0 ? next : pos + 1;
    *out_name = name;
    return 0;
}

bool dns_name_equal(const DnsName *a, const DnsName *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool dns_name_is_under(const DnsName *name, const DnsName *zone, size_t *out_front)
{
    size_t front = 0;

    if (name->len < zone->len || zone->len == 0)
        return false;
    while (front + zone->len < name->len)
        front += 1u + name->bytes[front];
    if (front + zone->len != name->len || memcmp(name->bytes + front, zone->bytes, zone->len) != 0)
        return false;
    if (out_front != NULL)
        *out_front = front;
    return true;
}
