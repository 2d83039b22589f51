#include "daemon/path/tech-portmap.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "common/std/endpoint.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TRY_MS = 250, /* and twice as long each further time */
    TRIES = 3,
    AGAIN_FIRST_S = 60, /* after no router helped; twice as long each time */
    AGAIN_CAP_S = 3600,
    HEARD_LATER_MS =
        500, /* after an announcement: so that one router is not asked by all at once */
    HEARD_EVERY_MS = 10000, /* and a router that announces all the time is asked no more often */
    MAX_READS = 16,         /* datagrams of one turn of the main loop */
    RECEIVE_BYTES = 4096,   /* of a socket: a router that floods us fills no memory */
};

typedef enum { STEP_OFF, STEP_PCP, STEP_ADDRESS, STEP_NATPMP, STEP_UPNP, STEP_SETTLED } Step;
typedef enum { TECH_NONE, TECH_PCP, TECH_NATPMP, TECH_UPNP } Tech;

struct PathPortmap {
    PathPortmapOptions options;
    bool               on;
    uint16_t           port;
    MeshEndpoint       gateway; /* its port is that of PCP and NAT-PMP */
    size_t             n_foreign;
    MeshPrefix         foreign[PATH_PORTMAP_MAX_FOREIGN];

    Step          step;
    unsigned      tries, failures;
    int           fd, heard_fd;        /* to the router; of its announcements. -1: closed */
    guint         watch, heard, timer; /* 0: none */
    guint         tell;                /* idle source */
    MeshAddr      wished;              /* our address, IPv6; family 0: any */
    MeshAddr      client;              /* our address towards the router */
    MeshAddr      natpmp;              /* external address, by NAT-PMP */
    unsigned      job;                 /* of UPnP; 0: none */
    PathUpnpPlace place;               /* where the router takes UPnP */
    MeshPcpEpoch  epoch;               /* of PCP and NAT-PMP */
    int64_t       asked_ms;            /* boot clock: when the last asking began */
    char          why[96];             /* nothing is mapped */

    Tech         tech;     /* how @external was mapped */
    MeshEndpoint external; /* family 0: nothing is mapped */
    int64_t      until_ms; /* boot clock: end of its lease */
};

static void begin(PathPortmap *self);
static void ask(PathPortmap *self);
static void try_next(PathPortmap *self);

/* ---- telling ---- */

static gboolean on_tell(gpointer user_data)
{
    PathPortmap *self = user_data;

    self->tell = 0;
    self->options.changed(self->options.user_data);
    return G_SOURCE_REMOVE;
}

static void tell(PathPortmap *self)
{
    if (self->tell == 0)
        self->tell = g_idle_add(on_tell, self);
}

static void forget(PathPortmap *self)
{
    if (self->tech != TECH_NONE)
        tell(self);
    self->tech = TECH_NONE;
    self->external = (MeshEndpoint){ 0 };
}

/* ---- sockets ---- */

static bool on_turn(PathPortmap *self, int fd);

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    PathPortmap *self = user_data;

    (void)condition;
    for (unsigned i = 0; i < MAX_READS && self->fd == fd && on_turn(self, fd); i++)
        continue;
    return self->fd == fd ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void close_fd(int *fd, guint *watch)
{
    g_clear_handle_id(watch, g_source_remove);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool is_six(const PathPortmap *self)
{
    return self->options.six;
}

/* What the router opens is for the address that asks. */
static bool bind_to_wished(const PathPortmap *self, int fd)
{
    MeshEndpoint            own = mesh_endpoint_make(&self->wished, 0);
    struct sockaddr_storage sa;
    socklen_t               len = mesh_endpoint_to_sockaddr(&own, &sa);

    return !is_six(self) || bind(fd, (struct sockaddr *)&sa, len) == 0;
}

/* A socket that the kernel lets hear the router's port alone. -1: there is no way to it. */
static int open_to_router(const PathPortmap *self, MeshAddr *out_client)
{
    MeshEndpoint            own;
    struct sockaddr_storage sa;
    socklen_t               len = mesh_endpoint_to_sockaddr(&self->gateway, &sa);
    int                     bytes = RECEIVE_BYTES;
    int fd = socket(self->gateway.addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (bind_to_wished(self, fd) && connect(fd, (struct sockaddr *)&sa, len) == 0) {
        len = sizeof sa;
        if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
            mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, false, &own) == 0) {
            *out_client = own.addr;
            return fd;
        }
    }
    close(fd);
    return -1;
}

/* ---- giving back ---- */

static void unmap_by_packet(PathPortmap *self)
{
    MeshPcpMap map = { .port = self->port, .tcp = self->options.tcp };
    uint8_t    bytes[MESH_PCP_MAP_BYTES];
    size_t     len = 0;
    int        fd = open_to_router(self, &map.client);
    int        rc;

    if (fd < 0)
        return;
    map.external.addr = is_six(self) ? map.client : (MeshAddr){ 0 };
    memcpy(map.nonce, self->options.nonce, sizeof map.nonce);
    rc = self->tech == TECH_PCP ? mesh_pcp_encode_map(&map, bytes, sizeof bytes, &len)
                                : mesh_pcp_encode_natpmp_map(&map, bytes, sizeof bytes, &len);
    if (rc == 0 && send(fd, bytes, len, MSG_DONTWAIT) < 0)
        mesh_log_debug("port map: the router was not told that it ends: %s", g_strerror(errno));
    close(fd);
}

/* Nobody waits for an answer: what gets lost ends with its lease. */
static void unmap(PathPortmap *self)
{
    PathUpnpJob job = {
        .unmap = true, .tcp = self->options.tcp, .gateway = self->gateway.addr, .port = self->port
    };

    if (self->tech == TECH_PCP || self->tech == TECH_NATPMP)
        unmap_by_packet(self);
    job.external_port = self->external.port;
    job.client = self->client;
    job.place = self->place;
    if (self->tech == TECH_UPNP && path_upnp_ask(self->options.upnp, &job, NULL, NULL) == 0)
        mesh_log_debug("port map: the router was not told that it ends");
    forget(self);
}

/* ---- timers ---- */

static unsigned get_second(const PathPortmap *self)
{
    return self->options.second_ms != 0 ? self->options.second_ms : 1000;
}

static gboolean on_timer(gpointer user_data)
{
    PathPortmap *self = user_data;

    self->timer = 0;
    if (self->tech != TECH_NONE && mesh_clock_boot_ms() >= self->until_ms)
        forget(self);
    if (self->step == STEP_SETTLED)
        begin(self);
    else if (++self->tries < TRIES)
        ask(self);
    else
        try_next(self);
    return G_SOURCE_REMOVE;
}

static void arm(PathPortmap *self, int64_t in_ms)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->timer = g_timeout_add((guint)CLAMP(in_ms, 1, G_MAXINT), on_timer, self);
}

/* Ends the asking; the next begins after @in_ms, or with what happens first. */
static void settle(PathPortmap *self, int64_t in_ms)
{
    close_fd(&self->fd, &self->watch);
    self->step = STEP_SETTLED;
    if (self->tech != TECH_NONE)
        in_ms = MIN(in_ms, self->until_ms - mesh_clock_boot_ms());
    arm(self, in_ms);
    tell(self);
}

static const char *get_protocol(const PathPortmap *self)
{
    return self->options.tcp ? "TCP" : "UDP";
}

static void give_up(PathPortmap *self)
{
    int64_t in_s = MIN(AGAIN_FIRST_S << MIN(self->failures, 10), AGAIN_CAP_S);

    self->failures++;
    if (self->why[0] == '\0')
        g_strlcpy(self->why,
                  is_six(self) ? "no router answers PCP" : "no router answers PCP, NAT-PMP or UPnP",
                  sizeof self->why);
    if (self->tech == TECH_NONE)
        mesh_log_info("port map of %s port %u over %s: %s", get_protocol(self), self->port,
                      is_six(self) ? "IPv6" : "IPv4", self->why);
    settle(self, in_s * get_second(self));
}

/* ---- what a router grants ---- */

/* Why nobody could use it; NULL: it is good. */
static const char *judge(const PathPortmap *self, const MeshEndpoint *external, uint32_t life_s)
{
    if (external->addr.family != self->gateway.addr.family || external->port == 0)
        return "no address or port";
    if (mesh_ip_class(&external->addr) != MESH_IP_GLOBAL)
        return "an address that is not public: another router is before it";
    for (size_t i = 0; i < self->n_foreign; i++)
        if (mesh_ip_contains(&self->foreign[i], &external->addr))
            return "an address of a mesh";
    if (is_six(self) && !mesh_ip_equal_addr(&external->addr, &self->client))
        return "an address that is not ours";
    return life_s < PATH_PORTMAP_LEAST_S ? "a lease too short to be kept" : NULL;
}

static const char *get_name(Tech tech)
{
    static const char *const names[] = { "none", "pcp", "nat-pmp", "upnp" };

    return names[tech];
}

static void refuse(PathPortmap *self, Tech tech, const char *why)
{
    if (self->why[0] == '\0')
        g_snprintf(self->why, sizeof self->why, "the router offers by %s %s", get_name(tech), why);
    try_next(self);
}

static void take(PathPortmap *self, Tech tech, const MeshEndpoint *external, uint32_t life_s)
{
    const char *why = judge(self, external, life_s);
    char        text[MESH_ENDPOINT_TEXT_SIZE];
    int64_t     life_ms = (int64_t)MIN(life_s, PATH_PORTMAP_LIFE_S) * get_second(self);

    if (why != NULL) {
        refuse(self, tech, why);
        return;
    }
    if (!mesh_endpoint_equal(external, &self->external) || tech != self->tech)
        mesh_log_info("port map: %s forwards %s to %s port %u", get_name(tech),
                      mesh_endpoint_format(external, text), get_protocol(self), self->port);
    self->tech = tech;
    self->external = *external;
    self->until_ms = mesh_clock_boot_ms() + life_ms;
    self->failures = 0;
    self->why[0] = '\0';
    settle(self, life_ms / 2);
}

/* ---- PCP and NAT-PMP ---- */

static MeshPcpMap make_map(const PathPortmap *self)
{
    MeshPcpMap map = { .client = self->client,
                       .tcp = self->options.tcp,
                       .port = self->port,
                       .external = self->external,
                       .life_s = PATH_PORTMAP_LIFE_S };

    if (map.external.port == 0)
        map.external =
            mesh_endpoint_make(is_six(self) ? &self->client : &map.external.addr, self->port);
    memcpy(map.nonce, self->options.nonce, sizeof map.nonce);
    return map;
}

static void ask_by_packet(PathPortmap *self)
{
    MeshPcpMap map = make_map(self);
    uint8_t    bytes[MESH_PCP_MAP_BYTES];
    size_t     len = 0;
    int        rc;

    if (self->step == STEP_PCP)
        rc = mesh_pcp_encode_map(&map, bytes, sizeof bytes, &len);
    else if (self->step == STEP_ADDRESS)
        rc = mesh_pcp_encode_natpmp_address(bytes, sizeof bytes, &len);
    else
        rc = mesh_pcp_encode_natpmp_map(&map, bytes, sizeof bytes, &len);
    if (rc == 0 && send(self->fd, bytes, len, 0) < 0)
        mesh_log_debug("port map: %s", g_strerror(errno)); /* the next try, or the next way */
    arm(self, TRY_MS << self->tries);
}

/* True when @answer belongs to what was asked, now or just before. */
static bool is_ours(const PathPortmap *self, const MeshPcpAnswer *answer)
{
    bool named = answer->map.port == self->port && answer->map.tcp == self->options.tcp &&
                 memcmp(answer->map.nonce, self->options.nonce, sizeof answer->map.nonce) == 0;

    switch (answer->kind) {
    case MESH_PCP_MAP: /* late is fine: NAT-PMP asks the same router */
        return self->step < STEP_UPNP && named;
    case MESH_NATPMP_ADDRESS:
        return self->step == STEP_ADDRESS;
    case MESH_NATPMP_MAP:
        return self->step == STEP_NATPMP && answer->map.port == self->port &&
               answer->map.tcp == self->options.tcp;
    case MESH_PCP_REFUSED:
        if (answer->version == 0 && self->step == STEP_PCP) /* where only NAT-PMP is spoken */
            return answer->result == MESH_PCP_VERSION_ERROR;
        if (answer->version == 0)
            return answer->opcode == (self->step == STEP_ADDRESS ? 0 : self->options.tcp ? 2 : 1);
        return self->step == STEP_PCP && answer->opcode == 1 &&
               (named || answer->result == MESH_PCP_VERSION_ERROR);
    default:
        return false;
    }
}

static void handle(PathPortmap *self, const MeshPcpAnswer *answer)
{
    MeshEndpoint external = answer->map.external;

    if (!is_ours(self, answer))
        return;
    (void)mesh_pcp_epoch_accept(&self->epoch, answer->epoch_s,
                                mesh_clock_boot_ms() * 1000 / get_second(self));
    if (answer->kind == MESH_PCP_REFUSED) {
        if (answer->result != MESH_PCP_VERSION_ERROR && self->why[0] == '\0')
            g_snprintf(self->why, sizeof self->why, "the router refuses by %s, code %u",
                       answer->version == 0 ? "nat-pmp" : "pcp", answer->result);
        try_next(self);
    } else if (answer->kind == MESH_NATPMP_ADDRESS) {
        self->natpmp = external.addr;
        self->step = STEP_NATPMP;
        self->tries = 0;
        ask(self);
    } else {
        bool pcp = answer->kind == MESH_PCP_MAP;

        if (!pcp)
            external.addr = self->natpmp;
        take(self, pcp ? TECH_PCP : TECH_NATPMP, &external, answer->map.life_s);
    }
}

/* One datagram. Returns false when there is none. */
static bool on_turn(PathPortmap *self, int fd)
{
    uint8_t       bytes[MESH_PCP_MAX_BYTES + 1]; /* a longer one is seen to be */
    ssize_t       n = recv(fd, bytes, sizeof bytes, 0);
    MeshPcpAnswer answer;

    if (n < 0 && errno == ECONNREFUSED && self->step < STEP_UPNP) {
        self->step = is_six(self)
                         ? STEP_PCP
                         : STEP_NATPMP; /* nothing listens there: neither of the two is spoken */
        try_next(self);
        return false;
    }
    if (n < 0)
        return false;
    if (mesh_pcp_decode(MESH_SPAN(bytes, (size_t)n), &answer) == 0)
        handle(self, &answer);
    return true;
}

/* ---- UPnP ---- */

static void on_upnp(const PathUpnpAnswer *answer, void *user_data)
{
    PathPortmap *self = user_data;
    MeshEndpoint external = mesh_endpoint_make(&answer->addr, answer->external_port);

    self->job = 0;
    self->place = answer->place;
    if (!answer->mapped) {
        self->place = (PathUpnpPlace){ 0 }; /* it may be elsewhere: searched for next time */
        if (answer->found && self->why[0] == '\0')
            g_strlcpy(self->why, "the router refuses by upnp", sizeof self->why);
        give_up(self);
        return;
    }
    take(self, TECH_UPNP, &external,
         answer->life_s != 0 ? answer->life_s : PATH_PORTMAP_LIFE_S); /* 0: without an end */
}

static bool ask_upnp(PathPortmap *self)
{
    PathUpnpJob job = { .tcp = self->options.tcp,
                        .gateway = self->gateway.addr,
                        .client = self->client,
                        .port = self->port,
                        .external_port = self->external.port,
                        .life_s = PATH_PORTMAP_LIFE_S,
                        .place = self->place };

    close_fd(&self->fd, &self->watch);
    if (self->options.upnp != NULL)
        self->job = path_upnp_ask(self->options.upnp, &job, on_upnp, self);
    return self->job != 0;
}

/* ---- the steps ---- */

static void ask(PathPortmap *self)
{
    if (self->step == STEP_UPNP) {
        if (!ask_upnp(self))
            give_up(self);
        return;
    }
    ask_by_packet(self);
}

static void try_next(PathPortmap *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
    self->tries = 0;
    switch (self->step) {
    case STEP_PCP:
        if (is_six(self)) { /* the others know IPv4 alone */
            give_up(self);
            return;
        }
        self->step = STEP_ADDRESS;
        ask(self);
        return;
    case STEP_ADDRESS:
    case STEP_NATPMP:
        self->step = STEP_UPNP;
        ask(self);
        return;
    default:
        give_up(self);
        return;
    }
}

static void cancel(PathPortmap *self)
{
    close_fd(&self->fd, &self->watch);
    g_clear_handle_id(&self->timer, g_source_remove);
    if (self->job != 0)
        path_upnp_cancel(self->options.upnp, self->job);
    self->job = 0;
    self->tries = 0;
}

static void begin(PathPortmap *self)
{
    cancel(self);
    self->asked_ms = mesh_clock_boot_ms();
    self->step = STEP_PCP;
    self->why[0] = '\0';
    self->fd = open_to_router(self, &self->client);
    if (self->fd < 0) {
        g_strlcpy(self->why, "the router cannot be reached", sizeof self->why);
        give_up(self);
        return;
    }
    self->watch = g_unix_fd_add(self->fd, G_IO_IN, on_readable, self);
    ask(self);
    tell(self);
}

/* ---- announcements ---- */

static void on_heard(PathPortmap *self, MeshSpan datagram)
{
    int64_t       now_ms = mesh_clock_boot_ms();
    MeshPcpAnswer answer;
    MeshAddr      before = self->external.addr;
    bool          kept;

    if (mesh_pcp_decode(datagram, &answer) < 0 || self->step != STEP_SETTLED ||
        (answer.kind != MESH_PCP_ANNOUNCE && answer.kind != MESH_NATPMP_ADDRESS))
        return;
    kept = mesh_pcp_epoch_accept(&self->epoch, answer.epoch_s, now_ms * 1000 / get_second(self));
    if (answer.kind == MESH_NATPMP_ADDRESS)
        kept = kept && mesh_ip_equal_addr(&answer.map.external.addr, &before);
    if (self->tech != TECH_NONE && kept)
        return;
    mesh_log_info("port map: the router started anew, or has another address: asking again");
    arm(self, MAX(g_random_int_range(1, HEARD_LATER_MS), self->asked_ms + HEARD_EVERY_MS - now_ms));
}

static gboolean on_announcement(gint fd, GIOCondition condition, gpointer user_data)
{
    PathPortmap            *self = user_data;
    struct sockaddr_storage sa;
    MeshEndpoint            from;
    uint8_t                 bytes[MESH_PCP_MAX_BYTES + 1];

    (void)condition;
    for (unsigned i = 0; i < MAX_READS; i++) {
        socklen_t len = sizeof sa;
        ssize_t   n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&sa, &len);

        if (n < 0)
            break;
        if (mesh_endpoint_from_sockaddr((struct sockaddr *)&sa, len, false, &from) == 0 &&
            mesh_ip_equal_addr(&from.addr, &self->gateway.addr))
            on_heard(self, MESH_SPAN(bytes, (size_t)n));
    }
    return G_SOURCE_CONTINUE;
}

/* Every host is in either. */
static MeshEndpoint make_group(const PathPortmap *self)
{
    static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
    MeshAddr             addr = mesh_ip_make_addr(AF_INET6, all_nodes);
    MeshEndpoint         group = mesh_endpoint_make(&addr, MESH_PCP_ANNOUNCE_PORT);

    group.scope = self->gateway.scope;
    return is_six(self) ? group
                        : mesh_endpoint_make4(INADDR_ALLHOSTS_GROUP, MESH_PCP_ANNOUNCE_PORT);
}

/* Bound to the group's address, so that nothing but what goes to it comes. Where another program
 * has the port alone, half the lease is what tells that a router started anew. */
static void listen_to_routers(PathPortmap *self)
{
    MeshEndpoint            group = make_group(self);
    struct sockaddr_storage sa;
    socklen_t               len = mesh_endpoint_to_sockaddr(&group, &sa);
    int                     on = 1, bytes = RECEIVE_BYTES;
    int fd = socket(group.addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, len) < 0) {
        mesh_log_debug("port map: announcements of routers are not heard: %s", g_strerror(errno));
        close(fd);
        return;
    }
    self->heard_fd = fd;
    self->heard = g_unix_fd_add(fd, G_IO_IN, on_announcement, self);
}

/* ---- what the daemon calls ---- */

PathPortmap *path_portmap_new(const PathPortmapOptions *options)
{
    PathPortmap *self = g_new0(PathPortmap, 1);

    self->options = *options;
    self->fd = self->heard_fd = -1;
    return self;
}

static void stop(PathPortmap *self)
{
    unmap(self);
    cancel(self);
    close_fd(&self->heard_fd, &self->heard);
    self->step = STEP_OFF;
    self->failures = 0;
    self->why[0] = '\0';
    self->epoch = (MeshPcpEpoch){ 0 };
    self->place = (PathUpnpPlace){ 0 };
    tell(self);
}

void path_portmap_free(PathPortmap *self)
{
    if (self == NULL)
        return;
    stop(self);
    g_clear_handle_id(&self->tell, g_source_remove);
    g_free(self);
}

static void set_foreign(PathPortmap *self, const PathPortmapWish *wish)
{
    self->n_foreign = MIN(wish->n_foreign, PATH_PORTMAP_MAX_FOREIGN);
    if (self->n_foreign > 0)
        memcpy(self->foreign, wish->foreign, self->n_foreign * sizeof self->foreign[0]);
    if (self->tech != TECH_NONE && judge(self, &self->external, PATH_PORTMAP_LIFE_S) != NULL) {
        unmap(self);
        begin(self);
    }
}

void path_portmap_set(PathPortmap *self, const PathPortmapWish *wish)
{
    bool         on = wish->on && wish->port != 0;
    MeshEndpoint gateway = mesh_endpoint_make(&wish->gateway, self->options.server_port != 0
                                                                  ? self->options.server_port
                                                                  : MESH_PCP_PORT);

    gateway.scope = wish->scope;
    set_foreign(self, wish);
    if (on == self->on &&
        (!on || (wish->port == self->port && mesh_endpoint_equal(&gateway, &self->gateway) &&
                 mesh_ip_equal_addr(&wish->client, &self->wished))))
        return;
    if (self->step != STEP_OFF)
        stop(self);
    self->on = on;
    self->port = wish->port;
    self->gateway = gateway;
    self->wished = wish->client;
    if (on && wish->gateway.family == (is_six(self) ? AF_INET6 : AF_INET)) {
        listen_to_routers(self);
        begin(self);
    }
    tell(self);
}

void path_portmap_ask_again(PathPortmap *self)
{
    if (self->step != STEP_OFF)
        begin(self);
}

MeshEndpoint path_portmap_get(const PathPortmap *self)
{
    return self->external;
}

const char *path_portmap_get_state(const PathPortmap *self, const char **out_why)
{
    *out_why = "";
    if (!self->on)
        return "off";
    if (self->tech != TECH_NONE)
        return get_name(self->tech);
    if (self->step == STEP_OFF) {
        *out_why = is_six(self) ? "no router: no default route over IPv6"
                                : "no router: no default route over IPv4";
        return "none";
    }
    *out_why = self->why;
    return self->step == STEP_SETTLED ? "none" : "asking";
}
