#include "daemon/path/tech-nat64.h"

#include "common/codec/stun.h"
#include "common/glib/backoff.h"
#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"
#include "common/std/key.h"
#include "daemon/wire/ways.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

#define KNOWN_NAME "ipv4only.arpa"

enum {
    MAX_ANSWERS = 16,
    AGAIN_FIRST_MS =
        2000, /* after a look-up that failed, or found nothing; twice as long each time */
    AGAIN_CAP_MS = 3600 * 1000,
    RENEW_MS = 3600 * 1000, /* what was found */
    ASK_EACH_MS = 15000,    /* a NAT may forget a mapping that was not used for so long */
    SENDS = 4,
    PORTS = 2, /* of the relay's STUN: two destinations */
};

/* Of one question, since it was first put. */
static const unsigned sends_ms[SENDS] = { 0, 200, 600, 1400 };

struct PathNat64 {
    WirePlane *plane; /* borrowed */
    void (*changed)(void *user_data);
    void         *user_data;
    bool          wanted;
    PathPrefix64  prefix, announced; /* in force; by a router */
    GCancellable *looking;           /* NULL: no look-up is under way */
    guint         again;             /* timer: of the next; 0: none */
    MeshBackoff   backoff;
    guint         tell; /* idle source */

    MeshEndpoint ports[PORTS]; /* of a relay, IPv4; family 0: none to ask */
    uint8_t      txids[PORTS][MESH_STUN_TXID_BYTES];
    MeshEndpoint answers[PORTS]; /* to these; family 0: none yet */
    unsigned     sent;           /* how often */
    guint        resend;         /* timer */
    int64_t      asked_ms;       /* boot clock; 0: never */
    MeshEndpoint seen;           /* family 0: not known */
    MeshProbeNat nat;
};

static void look(PathNat64 *self);

static gboolean on_tell(gpointer user_data)
{
    PathNat64 *self = user_data;

    self->tell = 0;
    self->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

static void tell(PathNat64 *self)
{
    if (self->tell == 0)
        self->tell = g_idle_add(on_tell, self);
}

/* ---- where the NAT64 shows us ---- */

static void send_question(PathNat64 *self, size_t i)
{
    MeshStunMessage request = { .type = MESH_STUN_REQUEST };
    uint8_t         bytes[MESH_STUN_REQUEST_BYTES];
    WireWay         to = { .endpoint = path_prefix64_translate(&self->prefix, &self->ports[i]) };
    size_t          len;

    memcpy(request.txid, self->txids[i], sizeof request.txid);
    if (to.endpoint.addr.family == AF_INET6 &&
        mesh_stun_encode_request(&request, sizeof bytes, bytes, sizeof bytes, &len) == 0 &&
        wire_ways_send(self->plane, &to, 0, (MeshSpan){ bytes, len }) < 0)
        mesh_log_debug("a question through the NAT64 could not be sent");
}

static gboolean on_resend(gpointer user_data)
{
    PathNat64 *self = user_data;
    bool       waits = false;

    self->resend = 0;
    for (size_t i = 0; i < PORTS; i++) {
        if (self->ports[i].addr.family == 0 || self->answers[i].addr.family != 0)
            continue;
        send_question(self, i);
        waits = true;
    }
    if (waits && ++self->sent < SENDS)
        self->resend =
            g_timeout_add(sends_ms[self->sent] - sends_ms[self->sent - 1], on_resend, self);
    return G_SOURCE_REMOVE;
}

static void ask_anew(PathNat64 *self)
{
    g_clear_handle_id(&self->resend, g_source_remove);
    if (self->prefix.bits == 0 || self->ports[0].addr.family == 0)
        return;
    mesh_key_random(self->txids, sizeof self->txids);
    memset(self->answers, 0, sizeof self->answers);
    self->sent = 0;
    self->asked_ms = mesh_clock_boot_ms();
    (void)on_resend(self);
}

void path_nat64_ask(PathNat64 *self)
{
    if (self->asked_ms == 0 || mesh_clock_boot_ms() - self->asked_ms >= ASK_EACH_MS)
        ask_anew(self);
}

/* Only of both ports it is known whether they see the same. */
static void take_answers(PathNat64 *self)
{
    MeshProbeNat nat = { .mapping = MESH_PROBE_UNKNOWN };
    MeshEndpoint seen = self->answers[0];

    if (seen.addr.family == 0)
        return;
    if (self->answers[1].addr.family != 0)
        nat.mapping = mesh_endpoint_equal(&seen, &self->answers[1])
                          ? MESH_PROBE_INDEPENDENT
                          : MESH_PROBE_BY_ADDRESS_AND_PORT;
    if (nat.mapping == MESH_PROBE_UNKNOWN && mesh_endpoint_equal(&seen, &self->seen))
        return;
    if (!mesh_endpoint_equal(&seen, &self->seen) || nat.mapping != self->nat.mapping)
        tell(self);
    self->seen = seen;
    self->nat = nat;
}

bool path_nat64_take(PathNat64 *self, const WireEvent *event)
{
    MeshSpan        bytes = { event->data, event->n_data };
    MeshStunMessage answer;

    if (self->prefix.bits == 0 || !mesh_stun_is(bytes) || mesh_stun_decode(bytes, &answer) < 0 ||
        answer.type != MESH_STUN_SUCCESS || answer.mapped.addr.family != AF_INET)
        return false;
    for (size_t i = 0; i < PORTS; i++) {
        if (self->ports[i].addr.family == 0 || self->answers[i].addr.family != 0 ||
            memcmp(answer.txid, self->txids[i], sizeof answer.txid) != 0)
            continue;
        self->answers[i] = answer.mapped;
        take_answers(self);
        return true;
    }
    return false;
}

void path_nat64_set_relays(PathNat64 *self, const PathRelay *relays, size_t n_relays)
{
    MeshEndpoint ports[PORTS] = { 0 };

    for (size_t i = 0; i < n_relays && ports[0].addr.family == 0; i++) {
        if (relays[i].at4.addr.family != AF_INET)
            continue;
        ports[0] = relays[i].at4;
        if (relays[i].alt_port != 0)
            ports[1] = mesh_endpoint_make(&relays[i].at4.addr, relays[i].alt_port);
    }
    if (mesh_endpoint_equal(&ports[0], &self->ports[0]) &&
        mesh_endpoint_equal(&ports[1], &self->ports[1]))
        return;
    memcpy(self->ports, ports, sizeof ports);
    ask_anew(self);
}

/* ---- the prefix ---- */

static gboolean on_again(gpointer user_data)
{
    PathNat64 *self = user_data;

    self->again = 0;
    look(self);
    return G_SOURCE_REMOVE;
}

static void look_in(PathNat64 *self, int64_t in_ms)
{
    g_clear_handle_id(&self->again, g_source_remove);
    self->again = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_again, self);
}

static void set_prefix(PathNat64 *self, const PathPrefix64 *prefix)
{
    char text[MESH_IP_ADDR_TEXT_SIZE];

    if (prefix->bits == self->prefix.bits && mesh_ip_equal_addr(&prefix->addr, &self->prefix.addr))
        return;
    if (prefix->bits != 0)
        mesh_log_info("IPv4 can be reached through a NAT64, %s/%u",
                      mesh_ip_format_addr(&prefix->addr, text), prefix->bits);
    self->prefix = *prefix;
    self->seen = (MeshEndpoint){ .port = 0 };
    self->nat = (MeshProbeNat){ .mapping = MESH_PROBE_UNKNOWN };
    ask_anew(self);
    tell(self);
}

static size_t read_answers(GList *list, MeshAddr out[MAX_ANSWERS])
{
    size_t n = 0;

    for (const GList *at = list; at != NULL && n < MAX_ANSWERS; at = at->next)
        if (g_inet_address_get_family(at->data) == G_SOCKET_FAMILY_IPV6)
            out[n++] = mesh_ip_make_addr(AF_INET6, g_inet_address_to_bytes(at->data));
    return n;
}

/* A name server that does not answer takes nothing back; one that says that there is no such
 * address does. */
static void on_looked_up(GObject *source, GAsyncResult *result, gpointer user_data)
{
    PathNat64 *self = user_data;
    g_autoptr(GError) error = NULL;
    GList   *list = g_resolver_lookup_by_name_with_flags_finish(G_RESOLVER(source), result, &error);
    MeshAddr addrs[MAX_ANSWERS];
    PathPrefix64 prefix = { .bits = 0 };
    bool         silent;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return; /* the owner may be gone */
    g_clear_object(&self->looking);
    (void)path_prefix64_find(addrs, read_answers(list, addrs), &prefix);
    g_resolver_free_addresses(list);
    silent = error != NULL && !g_error_matches(error, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND);
    if (!silent)
        set_prefix(self, &prefix);
    if (prefix.bits != 0)
        mesh_backoff_reset(&self->backoff);
    look_in(self, prefix.bits != 0 ? RENEW_MS : mesh_backoff_next_ms(&self->backoff));
}

static void look(PathNat64 *self)
{
    g_autoptr(GResolver) resolver = g_resolver_get_default();

    if (self->looking != NULL)
        return;
    self->looking = g_cancellable_new();
    g_resolver_lookup_by_name_with_flags_async(resolver, KNOWN_NAME,
                                               G_RESOLVER_NAME_LOOKUP_FLAGS_IPV6_ONLY,
                                               self->looking, on_looked_up, self);
}

static void stop_looking(PathNat64 *self)
{
    g_cancellable_cancel(self->looking);
    g_clear_object(&self->looking);
    g_clear_handle_id(&self->again, g_source_remove);
}

/* What a router announced is on this link for certain, and costs no question. */
static void find(PathNat64 *self)
{
    if (self->announced.bits != 0)
        set_prefix(self, &self->announced);
    else
        look(self);
}

/* ---- what path.c calls ---- */

PathNat64 *path_nat64_new(WirePlane *plane, void (*changed)(void *user_data), void *user_data)
{
    PathNat64 *self = g_new0(PathNat64, 1);

    self->plane = plane;
    self->changed = changed;
    self->user_data = user_data;
    self->backoff = (MeshBackoff){ .first_min_ms = AGAIN_FIRST_MS,
                                   .first_max_ms = 2 * AGAIN_FIRST_MS,
                                   .base_ms = AGAIN_FIRST_MS,
                                   .cap_ms = AGAIN_CAP_MS };
    return self;
}

void path_nat64_free(PathNat64 *self)
{
    if (self == NULL)
        return;
    stop_looking(self);
    g_clear_handle_id(&self->resend, g_source_remove);
    g_clear_handle_id(&self->tell, g_source_remove);
    g_free(self);
}

void path_nat64_set_host(PathNat64 *self, bool wanted, bool news)
{
    const PathPrefix64 none = { .bits = 0 };

    if (!wanted) {
        stop_looking(self);
        set_prefix(self, &none);
    } else if (news || !self->wanted) {
        stop_looking(self);
        mesh_backoff_reset(&self->backoff);
        find(self);
        ask_anew(self);
    }
    self->wanted = wanted;
}

void path_nat64_announce(PathNat64 *self, const MeshPrefix *prefix)
{
    if (prefix->bits == self->announced.bits &&
        mesh_ip_equal_addr(&prefix->addr, &self->announced.addr))
        return;
    self->announced = (PathPrefix64){ .addr = prefix->addr, .bits = prefix->bits };
    if (!self->wanted)
        return;
    stop_looking(self);
    mesh_backoff_reset(&self->backoff);
    set_prefix(self, &self->announced); /* without one until DNS tells, if it does */
    if (prefix->bits == 0)
        look(self);
}

const PathPrefix64 *path_nat64_get_prefix(const PathNat64 *self)
{
    return &self->prefix;
}

bool path_nat64_get_seen(const PathNat64 *self, MeshEndpoint *out_seen, MeshProbeNat *out_nat)
{
    if (self->prefix.bits == 0 || self->seen.addr.family == 0)
        return false;
    *out_seen = self->seen;
    *out_nat = self->nat;
    return true;
}
