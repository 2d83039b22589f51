#include "daemon/relaymap.h"

#include "common/glib/log.h"
#include "common/proto/token.h"
#include "common/std/endpoint.h"

#include <gio/gio.h>
#include <string.h>

struct MeshdRelaymap {
    const MeshdProfile *profile; /* borrowed */
    Path               *path;    /* borrowed; NULL: none */
    bool                has_map;
    MeshRelayMap        map;
    MeshSigned         *token;
    MeshAddr            found[MESH_RELAYMAP_MAX_RELAYS][2]; /* by name: IPv4, IPv6 */
    GCancellable       *looking;
};

/* One name being looked up. */
typedef struct {
    MeshdRelaymap *owner;
    size_t         at; /* in map.relays */
} Lookup;

static void choose_port(const MeshAddr *addr, uint16_t port, MeshEndpoint *place)
{
    if (port != 0 && addr->family != 0 && place->addr.family == 0)
        *place = mesh_endpoint_make(addr, port);
}

static void choose(const MeshAddr *addrs, size_t n, const MeshRelayEntry *entry, PathRelay *out)
{
    for (size_t i = 0; i < n; i++) {
        bool v4 = addrs[i].family == AF_INET;

        choose_port(&addrs[i], entry->udp, v4 ? &out->at4 : &out->at6);
        choose_port(&addrs[i], entry->tls, v4 ? &out->tls4 : &out->tls6);
    }
}

static const char *get_host(const MeshdRelaymap *self, const MeshRelayEntry *entry)
{
    return entry->host[0] != '\0' ? entry->host : self->profile->server.host;
}

static PathRelay make_relay(const MeshdRelaymap *self, size_t at)
{
    const MeshRelayEntry *entry = &self->map.relays[at];
    PathRelay             relay = { .id = entry->id,
                                    .usable = entry->state == MESH_RELAYMAP_OK,
                                    .draining = entry->state == MESH_RELAYMAP_DRAIN,
                                    .alt_port = entry->alt,
                                    .key = entry->rk,
                                    .tls_port = entry->tls,
                                    .tls_key = entry->sk };

    relay.webpki = entry->host[0] == '\0' && self->profile->server.webpki;
    g_strlcpy(relay.name, entry->name, sizeof relay.name);
    g_strlcpy(relay.host, get_host(self, entry), sizeof relay.host);
    choose(entry->addrs, entry->n_addrs, entry, &relay);
    choose(self->found[at], 2, entry, &relay);
    return relay;
}

static void tell(MeshdRelaymap *self)
{
    PathRelay    relays[MESH_RELAYMAP_MAX_RELAYS];
    PathRelayMap map = { .relays = relays, .n_relays = self->map.n_relays };
    size_t       len = 0;

    if (self->path == NULL || !self->has_map)
        return;
    for (size_t i = 0; i < self->map.n_relays; i++)
        relays[i] = make_relay(self, i);
    map.token.data = (const uint8_t *)mesh_signed_get_body(self->token, &len);
    map.token.len = len;
    map.token_signature = *mesh_signed_get_signature(self->token);
    map.server = self->profile->server.server;
    memcpy(map.net, self->profile->server.network.bytes, sizeof map.net);
    map.secret = self->profile->secret;
    path_set_relays(self->path, &map);
}

/* The address that is used already, if @list still has it: DNS turns its answers round, and a
 * session is bound to one. Else the first. */
static MeshAddr choose_found(const MeshAddr *used, const GList *list, int family)
{
    MeshAddr first = { .family = 0 };

    for (; list != NULL; list = list->next) {
        GInetAddress *address = list->data;
        bool          v4 = g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV4;
        MeshAddr      addr =
            mesh_ip_make_addr(v4 ? AF_INET : AF_INET6, g_inet_address_to_bytes(address));

        if (addr.family != family)
            continue;
        if (mesh_ip_equal_addr(&addr, used))
            return addr;
        if (first.family == 0)
            first = addr;
    }
    return first;
}

static void on_looked_up(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autofree Lookup *lookup = user_data;
    g_autoptr(GError) error = NULL;
    GList    *list = g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &error);
    MeshAddr *found;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the owner may be gone */
    if (error != NULL)
        mesh_log_warning("relay %s: %s", lookup->owner->map.relays[lookup->at].name,
                         error->message);
    if (list == NULL)
        return; /* what was found before goes on */
    found = lookup->owner->found[lookup->at];
    found[0] = choose_found(&found[0], list, AF_INET);
    found[1] = choose_found(&found[1], list, AF_INET6);
    g_resolver_free_addresses(list);
    tell(lookup->owner);
}

/* A name needs DNS, in its own time; an address does not. */
static void look_up(MeshdRelaymap *self, size_t at)
{
    const MeshRelayEntry *entry = &self->map.relays[at];
    const char           *host = get_host(self, entry);
    g_autoptr(GResolver) resolver = NULL;
    Lookup  *lookup;
    MeshAddr addr;

    if (entry->n_addrs > 0)
        return;
    if (mesh_ip_parse_addr(host, &addr) == 0) {
        self->found[at][addr.family == AF_INET ? 0 : 1] = addr;
        return;
    }
    lookup = g_new0(Lookup, 1);
    *lookup = (Lookup){ .owner = self, .at = at };
    resolver = g_resolver_get_default();
    g_resolver_lookup_by_name_async(resolver, host, self->looking, on_looked_up, lookup);
}

static bool open_answer(MeshdRelaymap *self, const MeshRelayAnswer *answer, MeshRelayMap *out_map,
                        GError **error)
{
    const MeshJoinlink *server = &self->profile->server;
    MeshToken           token;

    return mesh_relaymap_open(answer->r, &server->network, &server->server, out_map, error) &&
           mesh_token_open(answer->t, &server->network, &server->server, &token, error);
}

/* What was found for a relay that the new map has too: a session does not end because its name is
 * looked up again. */
static void keep_found(MeshdRelaymap *self, const MeshRelayMap *map)
{
    MeshAddr found[MESH_RELAYMAP_MAX_RELAYS][2] = { 0 };

    for (size_t i = 0; i < map->n_relays; i++)
        for (size_t old = 0; self->has_map && old < self->map.n_relays; old++)
            if (map->relays[i].id == self->map.relays[old].id && map->relays[i].n_addrs == 0 &&
                strcmp(map->relays[i].host, self->map.relays[old].host) == 0)
                memcpy(found[i], self->found[old], sizeof found[i]);
    memcpy(self->found, found, sizeof found);
}

void meshd_relaymap_take(MeshdRelaymap *self, const MeshRelayAnswer *answer)
{
    g_autoptr(GError) error = NULL;
    MeshRelayMap map;

    if (!open_answer(self, answer, &map, &error)) {
        mesh_log_warning("network %s: the server's relays: %s", self->profile->network,
                         error->message);
        return;
    }
    if (self->has_map && map.ver < self->map.ver) {
        mesh_log_warning("network %s: the server told older relays than before: not used",
                         self->profile->network);
        return;
    }
    g_cancellable_cancel(self->looking);
    g_clear_object(&self->looking);
    self->looking = g_cancellable_new();
    keep_found(self, &map);
    self->map = map;
    self->has_map = true;
    g_clear_pointer(&self->token, mesh_signed_unref);
    self->token = mesh_signed_ref(answer->t);
    for (size_t i = 0; i < map.n_relays; i++)
        look_up(self, i);
    tell(self);
}

void meshd_relaymap_use(MeshdRelaymap *self, Path *path)
{
    bool news = path != self->path;

    self->path = path;
    if (news)
        tell(self);
}

MeshdRelaymap *meshd_relaymap_new(const MeshdProfile *profile)
{
    MeshdRelaymap *self = g_new0(MeshdRelaymap, 1);

    self->profile = profile;
    self->looking = g_cancellable_new();
    return self;
}

void meshd_relaymap_free(MeshdRelaymap *self)
{
    if (self == NULL)
        return;
    g_cancellable_cancel(self->looking);
    g_clear_object(&self->looking);
    g_clear_pointer(&self->token, mesh_signed_unref);
    g_free(self);
}
