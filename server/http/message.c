#include "server/http/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    DATE_SIZE = 64,
};

/* Fields that mean something else when they come twice; the others may repeat. */
static const char *const single_fields[] = {
    "host",   "content-length", "transfer-encoding", "content-type",    "content-digest",
    "expect", "mesh-server",    "signature",         "signature-input", "connection",
};

static bool is_token_char(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 §5.6.2 */

    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr(others, c) != NULL;
}

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

int http_message_find_end(const uint8_t *data, size_t len, size_t *scanned, HttpWhy *out_why)
{
    size_t limit = len < HTTP_MAX_HEAD_BYTES ? len : HTTP_MAX_HEAD_BYTES;
    size_t i;

    /* A CR at the very end waits for its LF, so the last byte seen is looked at again. */
    for (i = *scanned; i < limit; i++) {
        bool after_cr = i > 0 && data[i - 1] == '\r';

        if (after_cr != (data[i] == '\n')) {
            *out_why = after_cr ? "CR without LF in the header" : "LF without CR in the header";
            return -EBADMSG;
        }
        if (data[i] == '\n' && (i == 1 || (i >= 3 && data[i - 2] == '\n')))
            return (int)(i + 1);
    }
    *scanned = i;
    if (len < HTTP_MAX_HEAD_BYTES)
        return 0;
    *out_why = "header block longer than 16 KiB";
    return -EMSGSIZE;
}

/* Ends the line at @line by NUL and returns the start of the next one; NULL without CRLF. */
static char *cut_line(char *line)
{
    char *end = strstr(line, "\r\n");

    if (end == NULL)
        return NULL;
    *end = '\0';
    return end + 2;
}

static int parse_method(HttpHead *head, const char *line, const char **out_rest, HttpWhy *out_why)
{
    size_t n = 0;

    while (n < HTTP_MAX_METHOD && is_token_char((unsigned char)line[n]))
        n++;
    if (n == 0 || line[n] != ' ') {
        *out_why = "malformed method in the request line";
        return -EBADMSG;
    }
    memcpy(head->method, line, n);
    head->method[n] = '\0';
    *out_rest = line + n + 1;
    return 0;
}

/* "METHOD /path[?query] HTTP/1.1", origin form only (RFC 9112 §3.2.1). */
static int parse_request_line(HttpHead *head, char *line, HttpWhy *out_why)
{
    const char *target;
    char       *version;
    int         rc = parse_method(head, line, &target, out_why);

    if (rc < 0)
        return rc;
    head->path = line + (target - line);
    version = strchr(head->path, ' ');
    if (head->path[0] != '/' || version == NULL) {
        *out_why = "malformed target in the request line";
        return -EBADMSG;
    }
    *version++ = '\0';
    for (const char *c = head->path; *c != '\0'; c++) {
        if (*c <= 0x20 || *c >= 0x7f || *c == '#' || *c == '"' || *c == '\\') {
            *out_why = "target with a character that no URL holds";
            return -EBADMSG;
        }
    }
    head->query = strchr(head->path, '?');
    if (head->query != NULL)
        *head->query++ = '\0';
    if (strchr(head->path, '%') != NULL) { /* signed as sent: two spellings of one path */
        *out_why = "path with % escapes";
        return -EBADMSG;
    }
    if (strcmp(version, "HTTP/1.1") == 0)
        return 0;
    *out_why = "only HTTP/1.1 is spoken here";
    return strncmp(version, "HTTP/", 5) == 0 ? -EPROTONOSUPPORT : -EBADMSG;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *value)
{
    size_t len;

    while (*value == ' ' || *value == '\t')
        value++;
    len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    return value;
}

static int parse_field(HttpHead *head, char *line, HttpWhy *out_why)
{
    char *colon = line;

    if (*line == ' ' || *line == '\t') {
        *out_why = "folded header field";
        return -EBADMSG;
    }
    for (; is_token_char((unsigned char)*colon); colon++) {
        if (*colon >= 'A' && *colon <= 'Z')
            *colon = (char)(*colon - 'A' + 'a');
    }
    if (colon == line || *colon != ':') {
        *out_why = "malformed header field name";
        return -EBADMSG;
    }
    *colon = '\0';
    for (const char *c = colon + 1; *c != '\0'; c++) {
        if (!is_value_char((unsigned char)*c)) {
            *out_why = "control character in a header field";
            return -EBADMSG;
        }
    }
    if (head->n_fields == HTTP_MAX_FIELDS) {
        *out_why = "more than 64 header fields";
        return -EMSGSIZE;
    }
    head->fields[head->n_fields].name = line;
    head->fields[head->n_fields++].value = trim(colon + 1);
    return 0;
}

static int check_single(const HttpHead *head, HttpWhy *out_why)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(single_fields); i++) {
        unsigned seen = 0;

        for (unsigned k = 0; k < head->n_fields; k++)
            seen += strcmp(head->fields[k].name, single_fields[i]) == 0;
        if (seen > 1) {
            *out_why = "a header field came twice that may come once";
            return -EBADMSG;
        }
    }
    if (http_message_get_field(head, "host") != NULL)
        return 0;
    *out_why = "Host is missing";
    return -EBADMSG;
}

/* Decimal, no sign, up to 15 digits: far beyond every limit, far below overflow. */
static int parse_length(const char *text, int64_t *out_value)
{
    int64_t value = 0;
    size_t  n = 0;

    for (; text[n] >= '0' && text[n] <= '9' && n < 15; n++)
        value = value * 10 + (text[n] - '0');
    if (n == 0 || text[n] != '\0')
        return -EBADMSG;
    *out_value = value;
    return 0;
}

static int parse_framing(HttpHead *head, HttpWhy *out_why)
{
    const char *length = http_message_get_field(head, "content-length");

    /* With one way to say how long a body is, nobody can disagree on where it ends. */
    if (http_message_get_field(head, "transfer-encoding") != NULL) {
        *out_why = "Transfer-Encoding is not accepted; send Content-Length";
        return -EBADMSG;
    }
    if (length != NULL && parse_length(length, &head->body_bytes) < 0) {
        *out_why = "malformed Content-Length";
        return -EBADMSG;
    }
    return 0;
}

static int parse_connection(HttpHead *head, HttpWhy *out_why)
{
    const char *connection = http_message_get_field(head, "connection");
    const char *expect = http_message_get_field(head, "expect");

    head->keep_alive = connection == NULL || strcasecmp(connection, "close") != 0;
    if (expect == NULL)
        return 0;
    if (strcasecmp(expect, "100-continue") != 0) {
        *out_why = "expectation other than 100-continue";
        return -ENOSYS;
    }
    head->wants_continue = true;
    return 0;
}

static int parse_text(HttpHead *head, HttpWhy *out_why)
{
    char *line = head->text;
    char *next = cut_line(line);
    int   rc = parse_request_line(head, line, out_why);

    for (line = next; rc == 0; line = next) {
        next = cut_line(line);
        if (*line == '\0')
            break;
        rc = parse_field(head, line, out_why);
    }
    if (rc == 0)
        rc = check_single(head, out_why);
    if (rc == 0)
        rc = parse_framing(head, out_why);
    if (rc == 0)
        rc = parse_connection(head, out_why);
    return rc;
}

int http_message_parse_head(const uint8_t *data, size_t len, HttpHead **out_head, HttpWhy *out_why)
{
    size_t    scanned = 0;
    HttpHead *head;
    int       rc = http_message_find_end(data, len, &scanned, out_why);

    if (rc < 0)
        return rc;
    if ((size_t)rc != len || memchr(data, '\0', len) != NULL) {
        *out_why = "malformed header";
        return -EBADMSG;
    }
    head = calloc(1, sizeof(*head));
    if (head == NULL || (head->text = malloc(len + 1)) == NULL) {
        http_message_free_head(head);
        *out_why = "out of memory";
        return -ENOMEM;
    }
    memcpy(head->text, data, len);
    head->text[len] = '\0';
    rc = parse_text(head, out_why);
    if (rc < 0) {
        http_message_free_head(head);
        return rc;
    }
    *out_head = head;
    return 0;
}

void http_message_free_head(HttpHead *head)
{
    if (head == NULL)
        return;
    free(head->text);
    free(head);
}

const char *http_message_get_field(const HttpHead *head, const char *name)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        if (strcmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    }
    return NULL;
}

int http_message_get_query(const char *query, const char *name, char *out, size_t size)
{
    const char *found = NULL;
    size_t      name_len = strlen(name), len = 0;

    for (const char *at = query; at != NULL && *at != '\0';) {
        size_t part = strcspn(at, "&");

        if (part > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            if (found != NULL)
                return -EBADMSG;
            found = at + name_len + 1;
            len = part - name_len - 1;
        }
        at += part + (at[part] == '&');
    }
    if (found == NULL)
        return -ENOENT;
    if (len >= size)
        return -ENOSPC;
    memcpy(out, found, len);
    out[len] = '\0';
    return 0;
}

int http_message_status_of(int error)
{
    switch (error) {
    case -EMSGSIZE:
        return 431;
    case -EFBIG:
        return 413;
    case -EPROTONOSUPPORT:
        return 505;
    case -ENOSYS:
        return 501;
    case -ENOMEM:
        return 503;
    default:
        return 400;
    }
}

static const char *reason_of(int status)
{
    static const struct {
        int         status;
        const char *text;
    } reasons[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 421, "Misdirected Request" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < MESH_N_ELEMENTS(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7), whatever the locale. */
static void format_date(int64_t date_s, char out[static DATE_SIZE])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t            when = (time_t)date_s;
    struct tm         tm = { 0 };

    if (gmtime_r(&when, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 8099)
        memset(&tm, 0, sizeof(tm));
    (void)snprintf(out, DATE_SIZE, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                   days + (tm.tm_wday % 7) * 3, tm.tm_mday % 32, months + (tm.tm_mon % 12) * 3,
                   (tm.tm_year + 1900) % 10000, tm.tm_hour % 24, tm.tm_min % 60, tm.tm_sec % 61);
}

int http_message_format_head(const HttpResponse *response, char *out, size_t *out_len)
{
    char framing[64], date[DATE_SIZE], type[96] = "";
    int  len;

    if (response->body_bytes < 0)
        (void)snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked");
    else
        (void)snprintf(framing, sizeof(framing), "Content-Length: %lld",
                       (long long)response->body_bytes);
    if (response->content_type != NULL)
        (void)snprintf(type, sizeof(type), "Content-Type: %s\r\n", response->content_type);
    format_date(response->date_s, date);
    len = snprintf(out, HTTP_RESPONSE_HEAD_SIZE,
                   "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s\r\nCache-Control: no-store\r\n%s%s\r\n",
                   response->status, reason_of(response->status), date, type, framing,
                   response->extra != NULL ? response->extra : "",
                   response->keep_alive ? "" : "Connection: close\r\n");
    if (len < 0 || len >= HTTP_RESPONSE_HEAD_SIZE)
        return -ENOSPC;
    *out_len = (size_t)len;
    return 0;
}
