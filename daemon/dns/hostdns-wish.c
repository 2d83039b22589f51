#include "daemon/dns/hostdns-wish.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/dns/hostdns-file.h"
#include "daemon/dns/hostdns.h"
#include "daemon/dns/resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE "nameserver "

enum {
    WAIT_MS = 1000,
    MAX_WAITS = 10,
    MAX_BYTES = 256, /* of a wish */
};

struct DnsHostdnsWish {
    char                 *path, *resolv_path;
    char                 *text; /* of the wish that stands; NULL: none */
    MeshAddr              servers[DNS_RESOLVCONF_MAX_OURS];
    size_t                n_servers;
    unsigned              waits;
    guint                 timer;
    DnsHostdnsWishChanged changed;
    void                 *user_data;
};

/* ---- meshd's side ---- */

static char *make_text(const MeshAddr *servers, size_t n_servers)
{
    GString *text = g_string_new(NULL);
    char     addr[MESH_IP_ADDR_TEXT_SIZE];

    for (size_t i = 0; i < n_servers; i++)
        g_string_append_printf(text, LINE "%s\n", mesh_ip_format_addr(&servers[i], addr));
    return g_string_free(text, false);
}

bool dns_hostdns_wish_is_done(const DnsHostdnsWish *self)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(self->resolv_path, &text, NULL, NULL))
        return self->n_servers == 0;
    return dns_resolvconf_has(text, self->servers, self->n_servers);
}

/* Renamed into place: the reader sees a whole wish. Any such change starts the service again, which
 * has no right to read what others may not. */
static bool write_wish(DnsHostdnsWish *self, GError **error)
{
    g_autofree char *temp = g_strconcat(self->path, ".new", NULL);
    const size_t     len = strlen(self->text);
    int              fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && fchmod(fd, 0644) == 0 && write(fd, self->text, len) == (ssize_t)len;

    if (written && rename(temp, self->path) < 0)
        written = false;
    if (!written)
        mesh_error_set_errno(error, MESH_ERROR_STATE, errno, "cannot write %s", self->path);
    if (fd >= 0)
        close(fd);
    return written;
}

static gboolean on_timer(gpointer user_data)
{
    DnsHostdnsWish *self = user_data;

    self->timer = 0;
    self->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

/* A change of the wish while the service runs may go unnoticed, so that it is made again. */
static DnsHostdnsWishState wait(DnsHostdnsWish *self, GError **error)
{
    if (self->timer != 0)
        return DNS_HOSTDNS_WISH_WAITING;
    if (self->waits == MAX_WAITS) {
        g_set_error(error, MESH_ERROR, MESH_ERROR_HOST,
                    "meshd may not write %s, and mesh-resolvconf.service does not do it",
                    self->resolv_path);
        return DNS_HOSTDNS_WISH_FAILED;
    }
    if (!write_wish(self, error))
        return DNS_HOSTDNS_WISH_FAILED;
    self->waits++;
    self->timer = g_timeout_add(WAIT_MS, on_timer, self);
    return DNS_HOSTDNS_WISH_WAITING;
}

DnsHostdnsWishState dns_hostdns_wish_apply(DnsHostdnsWish *self, const MeshAddr *servers,
                                           size_t n_servers, GError **error)
{
    g_autofree char *text = make_text(servers, n_servers);

    if (g_strcmp0(text, self->text) != 0) {
        g_free(self->text);
        self->text = g_steal_pointer(&text);
        self->n_servers = MIN(n_servers, DNS_RESOLVCONF_MAX_OURS);
        memcpy(self->servers, servers, self->n_servers * sizeof *servers);
        self->waits = 0;
        g_clear_handle_id(&self->timer, g_source_remove);
    }
    if (!dns_hostdns_wish_is_done(self))
        return wait(self, error);
    self->waits = 0;
    g_clear_handle_id(&self->timer, g_source_remove);
    return DNS_HOSTDNS_WISH_DONE;
}

void dns_hostdns_wish_undo(DnsHostdnsWish *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    g_clear_pointer(&self->text, g_free);
    self->n_servers = 0;
    self->waits = 0;
    if (unlink(self->path) < 0 && errno != ENOENT)
        mesh_log_error("cannot remove %s: %s", self->path, g_strerror(errno));
}

DnsHostdnsWish *dns_hostdns_wish_new(const char *wish_path, const char *resolv_path,
                                     DnsHostdnsWishChanged changed, void *user_data)
{
    DnsHostdnsWish *self = g_new0(DnsHostdnsWish, 1);

    self->path = g_strdup(wish_path);
    self->resolv_path = g_strdup(resolv_path);
    self->changed = changed;
    self->user_data = user_data;
    return self;
}

void dns_hostdns_wish_free(DnsHostdnsWish *self)
{
    if (self == NULL)
        return;
    dns_hostdns_wish_undo(self);
    g_free(self->path);
    g_free(self->resolv_path);
    g_free(self);
}

/* ---- the service's side ---- */

static bool fail(GError **error, const char *path, const char *why)
{
    g_set_error(error, MESH_ERROR, MESH_ERROR_HOST, "%s: %s", path, why);
    return false;
}

/* NUL-terminated in @out; "" where there is none. */
static bool read_wish(const char *path, char out[MAX_BYTES], GError **error)
{
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t     len = -1;

    out[0] = '\0';
    if (fd < 0)
        return errno == ENOENT || fail(error, path, g_strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < MAX_BYTES)
        len = read(fd, out, MAX_BYTES - 1);
    close(fd);
    if (len < 0)
        return fail(error, path, "no small file");
    out[len] = '\0';
    return strlen(out) == (size_t)len || fail(error, path, "no text");
}

static bool is_addr(const struct sockaddr *one, const MeshAddr *addr)
{
    const void *bytes;

    if (one == NULL || one->sa_family != addr->family)
        return false;
    if (addr->family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)one)->sin_addr;
    else
        bytes = &((const struct sockaddr_in6 *)(const void *)one)->sin6_addr;
    return memcmp(bytes, addr->bytes, addr->family == AF_INET ? 4 : 16) == 0;
}

/* Programs must not be sent away from this host. */
static bool is_ours(const MeshAddr *addr)
{
    struct ifaddrs *all = NULL;
    bool            found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next)
        found = is_addr(at->ifa_addr, addr);
    freeifaddrs(all);
    return found;
}

static bool parse_wish(const char *path, const char *text, MeshAddr out[DNS_RESOLVCONF_MAX_OURS],
                       size_t *out_n, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    size_t n = 0;

    for (char **line = lines; *line != NULL; line++) {
        if (**line == '\0' && line[1] == NULL)
            break;
        if (n == DNS_RESOLVCONF_MAX_OURS || !g_str_has_prefix(*line, LINE) ||
            mesh_ip_parse_addr(*line + strlen(LINE), &out[n]) < 0)
            return fail(error, path, "no wish: \"" LINE "ADDRESS\", twice at most");
        if (!is_ours(&out[n]))
            return fail(error, path, "names an address that is not this host's");
        n++;
    }
    *out_n = n;
    return true;
}

static void ignore(void *user_data)
{
    (void)user_data;
}

bool dns_hostdns_serve(const DnsHostdnsPaths *paths, GError **error)
{
    g_autoptr(DnsHostdnsFile) file =
        dns_hostdns_file_open(paths->resolv_path, paths->record_path, ignore, NULL);
    MeshAddr servers[DNS_RESOLVCONF_MAX_OURS];
    char     text[MAX_BYTES], after[MAX_BYTES];
    size_t   n = 0;

    do {
        g_autoptr(GError) undo_error = NULL;
        bool fine = read_wish(paths->wish_path, text, error) &&
                    parse_wish(paths->wish_path, text, servers, &n, error);

        if (fine && n > 0)
            fine = dns_hostdns_file_apply(file, servers, n, error);
        else if (!dns_hostdns_file_undo(file, fine ? error : &undo_error))
            fine = false;
        if (undo_error != NULL)
            mesh_log_error("%s", undo_error->message);
        if (!fine)
            return false;
    } while (read_wish(paths->wish_path, after, NULL) && strcmp(text, after) != 0);
    return true;
}
