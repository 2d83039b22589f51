/* common/proto/joinlink.c: see joinlink.h. Error texts name the part and repeat nothing of it. */
#include "common/proto/joinlink.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/hash.h"
#include "common/std/ip.h"

#include <string.h>
#include <sys/socket.h>

#define SCHEME      "mesh://"
#define SEED_DOMAIN "mesh1-join-seed"

enum {
    MAX_DNS_NAME = 253,
    SERVER_TEXT = 43,
    SECRET_TEXT = 22,
};

static bool bad(GError **error, const char *what)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_BAD_LINK, "join link: %s", what);
    return false;
}

static bool is_dns_name(const char *text)
{
    g_auto(GStrv) labels = NULL;

    if (strlen(text) > MAX_DNS_NAME)
        return false;
    labels = g_strsplit(text, ".", -1);
    for (size_t i = 0; labels[i] != NULL; i++) {
        g_autofree char *lower = g_ascii_strdown(labels[i], -1);

        if (!mesh_network_is_label(lower))
            return false;
    }
    return labels[0] != NULL;
}

/* All of digits and dots: it means to be an IPv4 address, so it has to be one. */
static bool is_host(const char *text)
{
    MeshAddr addr;

    if (strspn(text, "0123456789.") == strlen(text))
        return mesh_ip_parse_addr(text, &addr) == 0 && addr.family == AF_INET;
    return is_dns_name(text);
}

static bool parse_port(const char *text, uint16_t *out_port)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, UINT16_MAX, &port, NULL) || text[0] == '0')
        return false;
    *out_port = (uint16_t)port;
    return true;
}

/* HOST[:PORT]; @text is cut up. */
static bool parse_authority(char *text, MeshJoinlink *out, GError **error)
{
    char    *host = text, *port = NULL;
    MeshAddr addr;

    if (strchr(text, '@') != NULL)
        return bad(error, "user names have no place in it");
    if (text[0] == '[') {
        char *end = strchr(text, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return bad(error, "host: an IPv6 address in brackets was expected");
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        host = text + 1;
        if (mesh_ip_parse_addr(host, &addr) < 0 || addr.family != AF_INET6)
            return bad(error, "host: not an IPv6 address");
    } else {
        char *colon = strchr(text, ':');

        if (colon != NULL) {
            *colon = '\0';
            port = colon + 1;
        }
        if (!is_host(host))
            return bad(error, "host: not a name or address");
    }
    out->port = MESH_JOINLINK_DEFAULT_PORT;
    if (port != NULL && !parse_port(port, &out->port))
        return bad(error, "port: not a number from 1 to 65535");
    g_strlcpy(out->host, host, sizeof(out->host));
    return true;
}

typedef struct {
    bool server, secret, tls;
} Seen;

static bool parse_parameter(const char *text, MeshJoinlink *out, Seen *seen, GError **error)
{
    if (g_str_has_prefix(text, "s=")) {
        if (seen->server)
            return bad(error, "s= stands in it twice");
        seen->server = true;
        if (mesh_base64url_decode(text + 2, out->server.bytes, sizeof(out->server.bytes), NULL) < 0)
            return bad(error, "s= is not a server key of 43 characters: was the link cut?");
        return true;
    }
    if (g_str_has_prefix(text, "k=")) {
        if (seen->secret)
            return bad(error, "k= stands in it twice");
        seen->secret = true;
        if (mesh_base64url_decode(text + 2, out->secret, sizeof(out->secret), NULL) < 0)
            return bad(error, "k= is not a join secret of 22 characters: was the link cut?");
        return true;
    }
    if (g_str_has_prefix(text, "tls=")) {
        if (seen->tls)
            return bad(error, "tls= stands in it twice");
        seen->tls = true;
        out->webpki = strcmp(text, "tls=webpki") == 0;
        return out->webpki || bad(error, "tls= may only be webpki");
    }
    return bad(error, "it has a parameter that is none of s, k, tls");
}

static bool parse_query(const char *text, MeshJoinlink *out, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "&", -1);
    Seen seen = { 0 };
    bool ok = true;

    for (size_t i = 0; parts[i] != NULL; i++) {
        ok = ok && parse_parameter(parts[i], out, &seen, error);
        mesh_key_wipe(parts[i], strlen(parts[i]));
    }
    if (!ok)
        return false;
    out->has_secret = seen.secret;
    return seen.server || bad(error, "s= is missing: was the link cut?");
}

/* Behind the scheme; @text is cut up. */
static bool parse_rest(char *text, MeshJoinlink *out, GError **error)
{
    char *path = strchr(text, '/'), *query = strchr(text, '?');

    if (strchr(text, '#') != NULL)
        return bad(error, "'#' has no place in it");
    if (query == NULL)
        return bad(error, "s= is missing: was the link cut?");
    *query++ = '\0';
    if (path == NULL || path > query)
        return bad(error, "the network is missing behind the host");
    *path++ = '\0';
    if (!parse_authority(text, out, error))
        return false;
    if (!mesh_network_parse_id(path, &out->network))
        return bad(error, "network: not 16 hexadecimal digits (lower case)");
    return parse_query(query, out, error);
}

bool mesh_joinlink_parse(const char *text, MeshJoinlink *out_link, GError **error)
{
    MeshJoinlink link = { 0 };
    size_t       len = strlen(text);
    char         copy[MESH_JOINLINK_MAX + 1];
    bool         ok;

    if (len > MESH_JOINLINK_MAX)
        return bad(error, "longer than 512 characters");
    if (!g_str_has_prefix(text, SCHEME))
        return bad(error, "it does not begin with mesh://");
    for (const char *p = text; *p != '\0'; p++)
        if (!g_ascii_isgraph(*p))
            return bad(error, "there is a space or another character in it that has no place");
    g_strlcpy(copy, text + strlen(SCHEME), sizeof(copy));
    ok = parse_rest(copy, &link, error);
    if (ok)
        *out_link = link;
    mesh_key_wipe(copy, sizeof(copy));
    mesh_joinlink_wipe(&link);
    return ok;
}

char *mesh_joinlink_dup_authority(const MeshJoinlink *link)
{
    if (strchr(link->host, ':') != NULL)
        return g_strdup_printf("[%s]:%u", link->host, link->port);
    return g_strdup_printf("%s:%u", link->host, link->port);
}

char *mesh_joinlink_format(const MeshJoinlink *link)
{
    bool  v6 = strchr(link->host, ':') != NULL;
    char  id[MESH_NETWORK_ID_TEXT_SIZE], server[SERVER_TEXT + 1], secret[SECRET_TEXT + 1] = "";
    char  port[8] = "";
    char *text;

    if (mesh_base64url_encode(MESH_SPAN(link->server.bytes, sizeof(link->server.bytes)), server,
                              sizeof(server)) < 0)
        g_assert_not_reached();
    if (link->has_secret && mesh_base64url_encode(MESH_SPAN(link->secret, sizeof(link->secret)),
                                                  secret, sizeof(secret)) < 0)
        g_assert_not_reached();
    if (link->port != MESH_JOINLINK_DEFAULT_PORT)
        g_snprintf(port, sizeof(port), ":%u", link->port);
    text =
        g_strdup_printf(SCHEME "%s%s%s%s/%s?s=%s%s%s%s", v6 ? "[" : "", link->host, v6 ? "]" : "",
                        port, mesh_network_format_id(&link->network, id), server,
                        link->has_secret ? "&k=" : "", secret, link->webpki ? "&tls=webpki" : "");
    mesh_key_wipe(secret, sizeof(secret));
    return text;
}

void mesh_joinlink_free_text(char *text)
{
    if (text == NULL)
        return;
    mesh_key_wipe(text, strlen(text));
    g_free(text);
}

void mesh_joinlink_wipe(MeshJoinlink *link)
{
    mesh_key_wipe(link->secret, sizeof(link->secret));
    link->has_secret = false;
}

void mesh_joinlink_make_pair(const uint8_t   secret[MESH_JOINLINK_SECRET_BYTES],
                             MeshSignSecret *out_secret, MeshKey *out_public)
{
    uint8_t  seed[MESH_HASH_BYTES];
    MeshSpan parts[] = { MESH_SPAN_TEXT(SEED_DOMAIN),
                         MESH_SPAN(secret, MESH_JOINLINK_SECRET_BYTES) };

    mesh_hash_blake2s(parts, G_N_ELEMENTS(parts), seed);
    mesh_sign_make_pair(seed, out_secret, out_public);
    mesh_key_wipe(seed, sizeof(seed));
}
