#include "daemon/dns/hostdns.h"

#include "common/glib/error.h"
#include "common/glib/log.h"
#include "daemon/dns/hostdns-file.h"
#include "daemon/dns/hostdns-nm.h"
#include "daemon/dns/hostdns-nmlink.h"
#include "daemon/dns/hostdns-resolved.h"
#include "daemon/dns/hostdns-wish.h"
#include "daemon/dns/name.h"
#include "daemon/dns/resolvconf.h"

#include <string.h>
#include <sys/socket.h>

#define RESOLV_PATH "/etc/resolv.conf"
#define NO_IP4      "NetworkManager can be told of a name server by IPv4 alone, which is off here"
#define NO_ROOM     "resolv.conf has room for two networks only"

enum {
    FIGHT_WINDOW_S = 60,
    FIGHT_MAX = 5, /* rewrites of resolv.conf by others in that time; then it is theirs */
};

typedef enum { WAY_UNKNOWN, WAY_NONE, WAY_RESOLVED, WAY_NM, WAY_FILE } Way;

/* One network's wish, and what became of it. */
typedef struct {
    DnsHostdns         *owner;
    DnsHostdnsLink      link; /* its texts are the two below */
    char               *ifname, *suffix;
    DnsHostdnsState     state;
    char               *reason;  /* NULL: nothing to say */
    DnsHostdnsResolved *setting; /* being made or made; NULL: not there */
    DnsHostdnsNmlink   *nmlink;  /* the same, in NetworkManager */
} Entry;

struct DnsHostdns {
    GDBusConnection  *connection; /* ref; NULL: none */
    char             *nsswitch_path;
    DnsHostdnsFile   *file;
    DnsHostdnsWish   *wish; /* instead, where we may not write; NULL: we may, or nobody does */
    DnsHostdnsNm     *nm;
    GPtrArray        *entries;    /* of Entry, in the order of their coming */
    GHashTable       *leaving;    /* ifindex → owned DnsHostdnsNmlink that undoes itself */
    char             *nm_refusal; /* why NetworkManager is not asked again; NULL: it may be */
    Way               way;
    guint             watch, idle;
    bool              known, owned; /* is systemd-resolved there? */
    int64_t           fight_began;
    unsigned          fights;
    DnsHostdnsChanged changed;
    void             *user_data;
};

const char *dns_hostdns_state_name(DnsHostdnsState state)
{
    static const char *const names[] = {
        "off", "waiting", "systemd-resolved", "NetworkManager", "resolv.conf", "error"
    };

    return names[state];
}

static void set_state(Entry *entry, DnsHostdnsState state, const char *reason)
{
    if (entry->state == state && g_strcmp0(entry->reason, reason) == 0)
        return;
    if (state == DNS_HOSTDNS_FAILED)
        mesh_log_warning("names of %s: %s", entry->suffix, reason);
    else if (entry->state != state)
        mesh_log_info("names of %s: %s", entry->suffix, dns_hostdns_state_name(state));
    entry->state = state;
    g_free(entry->reason);
    entry->reason = g_strdup(reason);
    entry->owner->changed(entry->owner->user_data);
}

static void free_entry(gpointer data)
{
    Entry *entry = data;

    dns_hostdns_resolved_free(entry->setting);
    dns_hostdns_nmlink_free(entry->nmlink);
    g_free(entry->ifname);
    g_free(entry->suffix);
    g_free(entry->reason);
    g_free(entry);
}

/* ---- which way ---- */

static bool uses_nss_resolve(DnsHostdns *self)
{
    g_autofree char *text = NULL;

    return g_file_get_contents(self->nsswitch_path, &text, NULL, NULL) &&
           dns_resolvconf_uses_resolve(text);
}

/* Programs have to come to systemd-resolved by themselves; that it runs is not enough. */
static Way find_way(DnsHostdns *self)
{
    bool file_says = dns_hostdns_file_is_resolved(self->file);

    if (self->owned &&
        (file_says || uses_nss_resolve(self) || dns_hostdns_nm_uses_resolved(self->nm)))
        return WAY_RESOLVED;
    if (file_says)
        return WAY_NONE;
    return dns_hostdns_nm_writes_file(self->nm) && self->nm_refusal == NULL ? WAY_NM : WAY_FILE;
}

/* ---- systemd-resolved ---- */

static void on_set(const GError *error, void *user_data)
{
    Entry *entry = user_data;

    if (error == NULL)
        return set_state(entry, DNS_HOSTDNS_RESOLVED, NULL);
    dns_hostdns_resolved_revert(entry->owner->connection, entry->link.ifindex); /* the half */
    set_state(entry, DNS_HOSTDNS_FAILED, error->message);
}

static void leave_resolved(DnsHostdns *self, Entry *entry)
{
    if (entry->setting == NULL)
        return;
    g_clear_pointer(&entry->setting, dns_hostdns_resolved_free);
    if (self->owned)
        dns_hostdns_resolved_revert(self->connection, entry->link.ifindex);
}

static void go_resolved(DnsHostdns *self, Entry *entry)
{
    if (entry->setting != NULL)
        return;
    set_state(entry, DNS_HOSTDNS_WAITING, NULL);
    entry->setting = dns_hostdns_resolved_start(self->connection, &entry->link, on_set, entry);
}

/* ---- NetworkManager ---- */

static gboolean on_idle(gpointer user_data);

/* Several pieces of news in one turn are looked at once. */
static void choose_later(DnsHostdns *self)
{
    if (self->idle == 0)
        self->idle = g_idle_add(on_idle, self);
}

static void on_nm_set(const GError *error, void *user_data)
{
    Entry *entry = user_data;

    if (error == NULL)
        return set_state(entry, DNS_HOSTDNS_NM, NULL);
    g_free(entry->owner->nm_refusal);
    entry->owner->nm_refusal = g_strdup(error->message);
    choose_later(entry->owner);
}

static void on_nm_left(const GError *error, void *user_data)
{
    if (error != NULL)
        mesh_log_warning("%s", error->message);
    (void)user_data; /* what is left of it goes with the next try on its interface, or with us */
}

/* The interface may go at once, and its settings with it; or it stays. */
static void leave_nm(DnsHostdns *self, Entry *entry)
{
    DnsHostdnsNmlink *nmlink = g_steal_pointer(&entry->nmlink);

    if (nmlink == NULL)
        return;
    g_hash_table_replace(self->leaving, GINT_TO_POINTER(entry->link.ifindex), nmlink);
    dns_hostdns_nmlink_undo(nmlink, on_nm_left, NULL);
}

/* A resolv.conf that knows no zones has room for two servers of ours. */
static bool has_room(DnsHostdns *self, const Entry *entry)
{
    unsigned n = 0;

    for (unsigned i = 0; i < self->entries->len && self->entries->pdata[i] != entry; i++) {
        const Entry *before = self->entries->pdata[i];

        n += before->nmlink != NULL;
    }
    return n < DNS_RESOLVCONF_MAX_OURS;
}

static bool has_ip4(const DnsHostdnsLink *link)
{
    return link->n_servers > 0 && link->servers[0].family == AF_INET;
}

static void go_nm(DnsHostdns *self, Entry *entry)
{
    bool                 first = !dns_hostdns_nm_knows_zones(self->nm);
    DnsHostdnsNmlinkWish wish = { .link = &entry->link, .first = first };

    if (entry->nmlink != NULL)
        return;
    if (!has_ip4(&entry->link) || (first && !has_room(self, entry))) {
        set_state(entry, DNS_HOSTDNS_FAILED, has_ip4(&entry->link) ? NO_ROOM : NO_IP4);
        return;
    }
    set_state(entry, DNS_HOSTDNS_WAITING, NULL);
    g_hash_table_remove(self->leaving, GINT_TO_POINTER(entry->link.ifindex));
    entry->nmlink = dns_hostdns_nmlink_start(self->connection, wish, on_nm_set, entry);
}

/* ---- resolv.conf ---- */

static bool is_fight(DnsHostdns *self)
{
    return self->fights > FIGHT_MAX &&
           g_get_monotonic_time() - self->fight_began < (int64_t)FIGHT_WINDOW_S * G_USEC_PER_SEC;
}

static void undo_file(DnsHostdns *self)
{
    g_autoptr(GError) error = NULL;

    if (self->wish != NULL)
        dns_hostdns_wish_undo(self->wish);
    else if (!dns_hostdns_file_undo(self->file, &error))
        mesh_log_error("%s", error->message);
}

/* The entries that may be in the file: no conflict, as many as fit. */
static unsigned list_servers(DnsHostdns *self, MeshAddr out[DNS_RESOLVCONF_MAX_OURS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];

        if (entry->state == DNS_HOSTDNS_FAILED || entry->link.n_servers == 0)
            continue;
        if (n < DNS_RESOLVCONF_MAX_OURS)
            out[n++] = entry->link.servers[0];
        else
            set_state(entry, DNS_HOSTDNS_FAILED, NO_ROOM);
    }
    return n;
}

static DnsHostdnsState put_file(DnsHostdns *self, const MeshAddr *servers, unsigned n,
                                GError **error)
{
    static const DnsHostdnsState states[] = {
        [DNS_HOSTDNS_WISH_WAITING] = DNS_HOSTDNS_WAITING,
        [DNS_HOSTDNS_WISH_DONE] = DNS_HOSTDNS_FILE,
        [DNS_HOSTDNS_WISH_FAILED] = DNS_HOSTDNS_FAILED,
    };

    if (is_fight(self)) {
        g_set_error_literal(error, MESH_ERROR, MESH_ERROR_HOST,
                            "another program keeps changing resolv.conf: it is left alone");
        return DNS_HOSTDNS_FAILED;
    }
    if (self->wish != NULL)
        return states[dns_hostdns_wish_apply(self->wish, servers, n, error)];
    return dns_hostdns_file_apply(self->file, servers, n, error) ? DNS_HOSTDNS_FILE
                                                                 : DNS_HOSTDNS_FAILED;
}

static void go_file(DnsHostdns *self)
{
    MeshAddr         servers[DNS_RESOLVCONF_MAX_OURS];
    unsigned         n = list_servers(self, servers);
    const char      *why = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    DnsHostdnsState state;

    if (n == 0) {
        undo_file(self);
        return;
    }
    state = put_file(self, servers, n, &error);
    why = error != NULL ? error->message : NULL;
    if (self->nm_refusal != NULL)
        why = text = g_strdup_printf("%s; resolv.conf is changed instead%s%s", self->nm_refusal,
                                     why != NULL ? ", but: " : "", why != NULL ? why : "");
    for (unsigned i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];

        if (entry->state != DNS_HOSTDNS_FAILED)
            set_state(entry, state, why);
    }
}

/* ---- all together ---- */

static void leave(DnsHostdns *self, Entry *entry)
{
    leave_resolved(self, entry);
    leave_nm(self, entry);
}

/* Two networks with one name: the later one stays away, else its server could speak for the other.
 */
static const Entry *find_conflict(DnsHostdns *self, const Entry *entry)
{
    DnsName name, other;

    if (dns_name_parse(entry->suffix, &name) < 0)
        return NULL;
    for (unsigned i = 0; i < self->entries->len && self->entries->pdata[i] != entry; i++) {
        const Entry *before = self->entries->pdata[i];

        if (dns_name_parse(before->suffix, &other) == 0 &&
            (dns_name_is_under(&name, &other, NULL) || dns_name_is_under(&other, &name, NULL)))
            return before;
    }
    return NULL;
}

static void judge(DnsHostdns *self, Entry *entry)
{
    const Entry     *conflict = find_conflict(self, entry);
    g_autofree char *why = NULL;

    if (conflict != NULL) {
        leave(self, entry);
        why = g_strdup_printf("%s is the suffix of the network on %s already", entry->suffix,
                              conflict->ifname);
        set_state(entry, DNS_HOSTDNS_FAILED, why);
    } else if (self->way == WAY_RESOLVED) {
        go_resolved(self, entry);
    } else if (self->way == WAY_NM) {
        go_nm(self, entry);
    } else if (self->way == WAY_NONE) {
        set_state(entry, DNS_HOSTDNS_WAITING,
                  "resolv.conf points to systemd-resolved, which does "
                  "not run");
    } else if (entry->state == DNS_HOSTDNS_FAILED) {
        set_state(entry, DNS_HOSTDNS_WAITING, NULL); /* another try */
    }
}

static void choose(DnsHostdns *self)
{
    Way way;

    if (!self->known || !dns_hostdns_nm_is_known(self->nm))
        return;
    way = find_way(self);
    if (way != self->way) {
        for (unsigned i = 0; i < self->entries->len; i++)
            leave(self, self->entries->pdata[i]);
        if (self->way == WAY_FILE)
            undo_file(self);
        self->way = way;
    }
    for (unsigned i = 0; i < self->entries->len; i++)
        judge(self, self->entries->pdata[i]);
    if (way == WAY_FILE)
        go_file(self);
}

static gboolean on_idle(gpointer user_data)
{
    DnsHostdns *self = user_data;

    self->idle = 0;
    choose(self);
    return G_SOURCE_REMOVE;
}

/* Another NetworkManager, or another mode: it may take now what it refused, and zones. */
static void on_nm_changed(void *user_data)
{
    DnsHostdns *self = user_data;

    g_clear_pointer(&self->nm_refusal, g_free);
    for (unsigned i = 0; i < self->entries->len; i++)
        leave_nm(self, self->entries->pdata[i]);
    choose_later(self);
}

static void on_wish_changed(void *user_data)
{
    choose_later(user_data);
}

static void on_file_changed(void *user_data)
{
    DnsHostdns *self = user_data;
    int64_t     now = g_get_monotonic_time();

    if (now - self->fight_began > (int64_t)FIGHT_WINDOW_S * G_USEC_PER_SEC) {
        self->fight_began = now;
        self->fights = 0;
    }
    self->fights +=
        self->way == WAY_FILE && (self->wish == NULL || !dns_hostdns_wish_is_done(self->wish));
    choose_later(self);
}

static void on_appeared(GDBusConnection *connection, const char *name, const char *owner,
                        gpointer user_data)
{
    DnsHostdns *self = user_data;

    (void)connection, (void)name, (void)owner;
    self->known = self->owned = true;
    choose_later(self);
}

static void on_vanished(GDBusConnection *connection, const char *name, gpointer user_data)
{
    DnsHostdns *self = user_data;

    (void)connection, (void)name;
    self->known = true;
    self->owned = false;
    for (unsigned i = 0; i < self->entries->len; i++) /* what it knew has gone with it */
        leave_resolved(self, self->entries->pdata[i]);
    choose_later(self);
}

/* ---- the front ---- */

static Entry *find_entry(DnsHostdns *self, const char *ifname)
{
    for (unsigned i = 0; i < self->entries->len; i++) {
        Entry *entry = self->entries->pdata[i];

        if (strcmp(entry->ifname, ifname) == 0)
            return entry;
    }
    return NULL;
}

static bool is_same(const DnsHostdnsLink *a, const DnsHostdnsLink *b)
{
    bool same = a->ifindex == b->ifindex && strcmp(a->suffix, b->suffix) == 0 &&
                a->n_prefixes == b->n_prefixes && a->n_servers == b->n_servers;

    for (size_t i = 0; same && i < a->n_prefixes; i++)
        same = mesh_ip_equal_prefix(&a->prefixes[i], &b->prefixes[i]);
    for (size_t i = 0; same && i < a->n_servers; i++)
        same = mesh_ip_equal_addr(&a->servers[i], &b->servers[i]);
    return same;
}

static void take_link(Entry *entry, const DnsHostdnsLink *link)
{
    char *suffix = g_strdup(link->suffix);

    g_free(entry->suffix);
    entry->suffix = suffix;
    entry->link = *link;
    entry->link.ifname = entry->ifname;
    entry->link.suffix = entry->suffix;
}

void dns_hostdns_apply(DnsHostdns *self, const DnsHostdnsLink *link)
{
    Entry *entry = find_entry(self, link->ifname);

    if (entry != NULL && is_same(&entry->link, link))
        return;
    if (entry == NULL) {
        entry = g_new0(Entry, 1);
        entry->owner = self;
        entry->ifname = g_strdup(link->ifname);
        g_ptr_array_add(self->entries, entry);
    } else {
        leave(self, entry);
    }
    take_link(entry, link);
    set_state(entry, DNS_HOSTDNS_WAITING, NULL);
    choose(self);
}

void dns_hostdns_undo(DnsHostdns *self, const char *ifname)
{
    Entry *entry = find_entry(self, ifname);

    if (entry == NULL)
        return;
    leave(self, entry);
    g_ptr_array_remove(self->entries, entry);
    choose(self);
}

DnsHostdnsState dns_hostdns_get(DnsHostdns *self, const char *ifname, const char **out_reason)
{
    const Entry *entry = find_entry(self, ifname);

    *out_reason = entry != NULL && entry->reason != NULL ? entry->reason : "";
    return entry != NULL ? entry->state : DNS_HOSTDNS_OFF;
}

DnsHostdns *dns_hostdns_start(const DnsHostdnsOptions *options, DnsHostdnsChanged changed,
                              void *user_data)
{
    DnsHostdns *self = g_new0(DnsHostdns, 1);
    const char *path = options->resolv_path != NULL ? options->resolv_path : RESOLV_PATH;

    self->nsswitch_path =
        g_strdup(options->nsswitch_path != NULL ? options->nsswitch_path : "/etc/nsswitch.conf");
    self->entries = g_ptr_array_new_with_free_func(free_entry);
    self->leaving =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)dns_hostdns_nmlink_free);
    self->changed = changed;
    self->user_data = user_data;
    self->file = dns_hostdns_file_new(path, options->record_path, on_file_changed, self);
    if (options->wish_path != NULL && !dns_hostdns_file_may_write(self->file))
        self->wish = dns_hostdns_wish_new(options->wish_path, path, on_wish_changed, self);
    self->known = options->connection == NULL;
    if (options->connection == NULL)
        return self;
    self->connection = g_object_ref(options->connection);
    self->nm = dns_hostdns_nm_new(self->connection, on_nm_changed, self);
    self->watch = g_bus_watch_name_on_connection(self->connection, DNS_HOSTDNS_RESOLVED_NAME,
                                                 G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared,
                                                 on_vanished, self, NULL);
    return self;
}

static void ignore(void *user_data)
{
    (void)user_data;
}

bool dns_hostdns_clean(const char *record_path, GError **error)
{
    /* making it cleans up and logs a failure; undoing once more returns it */
    g_autoptr(DnsHostdnsFile) file = dns_hostdns_file_new(RESOLV_PATH, record_path, ignore, NULL);

    return dns_hostdns_file_undo(file, error);
}

void dns_hostdns_stop(DnsHostdns *self)
{
    if (self == NULL)
        return;
    for (unsigned i = 0; i < self->entries->len; i++)
        leave_resolved(self, self->entries->pdata[i]);
    if (self->way == WAY_FILE)
        undo_file(self);
    g_clear_handle_id(&self->idle, g_source_remove);
    if (self->watch != 0)
        g_bus_unwatch_name(self->watch);
    dns_hostdns_nm_free(self->nm);
    dns_hostdns_wish_free(self->wish);
    dns_hostdns_file_free(self->file);
    g_ptr_array_unref(self->entries); /* what is in NetworkManager goes with the interfaces */
    g_hash_table_unref(self->leaving);
    g_clear_object(&self->connection);
    g_free(self->nm_refusal);
    g_free(self->nsswitch_path);
    g_free(self);
}
