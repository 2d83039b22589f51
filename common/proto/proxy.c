#include "common/proto/proxy.h"

#include "common/glib/error.h"
#include "common/std/base64.h"
#include "common/std/ip.h"
#include "common/std/key.h"

#include <string.h>

enum { MAX_PART = 255 }; /* characters of a name, of a password */

void mesh_proxy_wipe(MeshProxy *self)
{
    mesh_key_wipe(self, sizeof *self);
}

static bool refuse(GError **error, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_INVALID_ARGUMENT,
                "proxy: %s; http://[NAME:PASSWORD@]HOST[:PORT] is expected", why);
    return false;
}

static void wipe_text(char *text)
{
    if (text != NULL)
        mesh_key_wipe(text, strlen(text));
    g_free(text);
}

/* "name:password" with its escapes, as it stands in a URL. */
static bool read_credentials(const char *text, size_t len, MeshProxy *out, GError **error)
{
    const char *colon = memchr(text, ':', len);
    size_t      n_name = colon != NULL ? (size_t)(colon - text) : len;
    char       *name = g_uri_unescape_segment(text, text + n_name, NULL);
    char       *password =
        colon != NULL ? g_uri_unescape_segment(colon + 1, text + len, NULL) : g_strdup("");
    bool ok = name != NULL && password != NULL && strlen(name) <= MAX_PART &&
              strlen(password) <= MAX_PART && strchr(name, ':') == NULL;

    if (ok) {
        char *both = g_strdup_printf("%s:%s", name, password);

        ok = mesh_base64_encode(MESH_SPAN_TEXT(both), out->basic, sizeof out->basic) == 0;
        wipe_text(both);
    }
    wipe_text(name);
    wipe_text(password);
    return ok ||
           refuse(error, "name and password are at most 255 characters, well escaped, no colon in "
                         "the name");
}

/* A host without white space, control characters or what has a meaning in URLs. */
static bool is_host(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!g_ascii_isalnum(text[i]) && strchr("-._:", text[i]) == NULL)
            return false;
    return len > 0 && len < MESH_PROXY_HOST_SIZE;
}

static bool read_host(const char *text, MeshProxy *out, GError **error)
{
    const char *end = text + strcspn(text, ":/?#"), *from = text;
    guint64     port = MESH_PROXY_DEFAULT_PORT;
    size_t      len;

    if (*text == '[') {
        from = text + 1;
        end = strchr(text, ']');
        if (end == NULL)
            return refuse(error, "the address has no ']'");
    }
    len = (size_t)(end - from);
    if (!is_host(from, len) || (*text != '[' && memchr(from, ':', len) != NULL))
        return refuse(error, "no host");
    memcpy(out->host, from, len);
    out->host[len] = '\0';
    end += *text == '[';
    if (*end == ':') {
        g_autofree char *digits = g_strndup(end + 1, strspn(end + 1, "0123456789"));

        if (!g_ascii_string_to_unsigned(digits, 10, 1, G_MAXUINT16, &port, NULL))
            return refuse(error, "no port");
        end += 1 + strlen(digits);
    }
    if (*end != '\0' && strcmp(end, "/") != 0)
        return refuse(error, "something stands behind the port");
    out->port = (uint16_t)port;
    return true;
}

bool mesh_proxy_parse(const char *url, MeshProxy *out_proxy, GError **error)
{
    MeshProxy   proxy = { .port = 0 };
    const char *scheme = strstr(url, "://"), *rest = scheme != NULL ? scheme + 3 : url;
    const char *at = strrchr(rest, '@');

    if (scheme != NULL && g_ascii_strncasecmp(url, "http://", 7) != 0)
        return refuse(error, "only http:// can be used");
    if (at != NULL && !read_credentials(rest, (size_t)(at - rest), &proxy, error))
        return false;
    if (!read_host(at != NULL ? at + 1 : rest, &proxy, error)) {
        mesh_proxy_wipe(&proxy);
        return false;
    }
    *out_proxy = proxy;
    mesh_proxy_wipe(&proxy);
    return true;
}

static bool matches(const char *entry, const char *host)
{
    MeshPrefix prefix;
    MeshAddr   addr;
    size_t     n_host = strlen(host), n_entry;

    if (strcmp(entry, "*") == 0)
        return true;
    if (mesh_ip_parse_addr(host, &addr) == 0)
        return mesh_ip_parse_cidr(entry, &prefix) == 0 && mesh_ip_contains(&prefix, &addr);
    if (g_str_has_prefix(entry, "*."))
        entry++;
    if (*entry == '.')
        entry++;
    n_entry = strlen(entry);
    if (n_entry == 0 || n_entry > n_host || g_ascii_strcasecmp(host + n_host - n_entry, entry) != 0)
        return false;
    return n_entry == n_host || host[n_host - n_entry - 1] == '.';
}

bool mesh_proxy_is_exempt(const char *list, const char *host)
{
    g_auto(GStrv) entries = list != NULL ? g_strsplit_set(list, ", ", -1) : NULL;

    for (size_t i = 0; entries != NULL && entries[i] != NULL; i++)
        if (*entries[i] != '\0' && matches(entries[i], host))
            return true;
    return false;
}

static const char *get_variable(const char *lower, const char *upper)
{
    const char *value = g_getenv(lower);

    return value != NULL ? value : g_getenv(upper);
}

bool mesh_proxy_from_environment(const char *host, MeshProxy *out_proxy, GError **error)
{
    const char *url = get_variable("https_proxy", "HTTPS_PROXY");

    if (url == NULL)
        url = get_variable("all_proxy", "ALL_PROXY");
    if (url == NULL || *url == '\0' ||
        mesh_proxy_is_exempt(get_variable("no_proxy", "NO_PROXY"), host))
        return false;
    return mesh_proxy_parse(url, out_proxy, error);
}

/* Of the process; main loop. */
static struct {
    bool      is_set;
    MeshProxy proxy;
    char     *exempt;
} configured;

void mesh_proxy_configure(const MeshProxy *proxy, const char *exempt)
{
    configured.is_set = proxy != NULL;
    mesh_proxy_wipe(&configured.proxy);
    if (proxy != NULL)
        configured.proxy = *proxy;
    g_free(configured.exempt);
    configured.exempt = g_strdup(exempt);
}

bool mesh_proxy_find(const char *host, MeshProxy *out_proxy, GError **error)
{
    if (!configured.is_set)
        return mesh_proxy_from_environment(host, out_proxy, error);
    if (configured.proxy.port == 0 || mesh_proxy_is_exempt(configured.exempt, host))
        return false;
    *out_proxy = configured.proxy;
    return true;
}

char *mesh_proxy_format_connect(const MeshProxy *self, const char *host, uint16_t port)
{
    bool             v6 = strchr(host, ':') != NULL;
    g_autofree char *target = g_strdup_printf(v6 ? "[%s]:%u" : "%s:%u", host, port);
    bool             has_auth = self->basic[0] != '\0';

    return g_strdup_printf("CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", target, target,
                           has_auth ? "Proxy-Authorization: Basic " : "", self->basic,
                           has_auth ? "\r\n" : "");
}
