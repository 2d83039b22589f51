#include "gui/peer.h"

#include <string.h>

/* What is a string or a list in the daemon's dict has its slot here; the row's name is both the
 * key of the dict and the name of the property. */
enum { NAME, NODE, PATH, RELAY, REASON, REASON_CODE, OWNER, N_TEXTS };
enum { ADDRESSES, TAGS, N_LISTS };
enum {
    PROP_FIRST_TEXT = 1,
    PROP_FIRST_LIST = PROP_FIRST_TEXT + N_TEXTS,
    PROP_ADDRESS = PROP_FIRST_LIST + N_LISTS,
    PROP_ONLINE,
    PROP_LAST_SEEN,
    PROP_LAST_HANDSHAKE,
    PROP_RTT_US,
    PROP_RX_BYTES,
    PROP_TX_BYTES,
    PROP_GONE,
    N_PROPS,
};

static const char *const text_names[N_TEXTS] = { "name",   "node",        "path", "relay",
                                                 "reason", "reason-code", "owner" };
static const char *const list_names[N_LISTS] = { "addresses", "tags" };

struct _GuiPeer {
    GObject           parent;
    char             *texts[N_TEXTS]; /* GRefString, interned: thousands of peers say the same */
    char            **lists[N_LISTS];
    char             *sort_key; /* of the name, in the user's language */
    char             *haystack; /* name, owner and addresses, casefolded, a line each */
    GuiPeerStatistics statistics;
    gint64            last_seen;
    bool              online, gone;
};

G_DEFINE_FINAL_TYPE(GuiPeer, gui_peer, G_TYPE_OBJECT)

static GParamSpec *props[N_PROPS];
static guint       signal_changed;

static void make_keys(GuiPeer *self)
{
    g_autoptr(GString) all = g_string_new(self->texts[NAME]);

    g_string_append_printf(all, "\n%s", self->texts[OWNER]);
    for (char **at = self->lists[ADDRESSES]; *at != NULL; at++)
        g_string_append_printf(all, "\n%s", *at);
    g_free(self->haystack);
    g_free(self->sort_key);
    self->haystack = g_utf8_casefold(all->str, -1);
    self->sort_key = g_utf8_collate_key_for_filename(self->texts[NAME], -1); /* fox2 before fox10 */
}

/* ---- what the daemon says ---- */

static bool take_text(GuiPeer *self, int at, GVariant *value)
{
    const char *text;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return false;
    text = g_variant_get_string(value, NULL);
    if (strcmp(text, self->texts[at]) == 0)
        return false;
    g_ref_string_release(self->texts[at]);
    self->texts[at] = g_ref_string_new_intern(text);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FIRST_TEXT + at]);
    return true;
}

static bool take_list(GuiPeer *self, int at, GVariant *value)
{
    g_auto(GStrv) list = NULL;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY))
        return false;
    list = g_variant_dup_strv(value, NULL);
    if (g_strv_equal((const char *const *)list, (const char *const *)self->lists[at]))
        return false;
    g_strfreev(self->lists[at]);
    self->lists[at] = g_steal_pointer(&list);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_FIRST_LIST + at]);
    if (at == ADDRESSES)
        g_object_notify_by_pspec(G_OBJECT(self), props[PROP_ADDRESS]);
    return true;
}

static bool take_online(GuiPeer *self, GVariant *value)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) ||
        (bool)g_variant_get_boolean(value) == self->online)
        return false;
    self->online = g_variant_get_boolean(value);
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_ONLINE]);
    return true;
}

static void take_time(GuiPeer *self, GVariant *value, gint64 *slot, int prop)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_INT64) || g_variant_get_int64(value) == *slot)
        return;
    *slot = g_variant_get_int64(value);
    g_object_notify_by_pspec(G_OBJECT(self), props[prop]);
}

static void take_count(GuiPeer *self, GVariant *value, guint64 *slot, int prop)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64) || g_variant_get_uint64(value) == *slot)
        return;
    *slot = g_variant_get_uint64(value);
    g_object_notify_by_pspec(G_OBJECT(self), props[prop]);
}

static void take_number(GuiPeer *self, const char *key, GVariant *value)
{
    GuiPeerStatistics *now = &self->statistics;

    if (strcmp(key, "last-seen") == 0)
        take_time(self, value, &self->last_seen, PROP_LAST_SEEN);
    else if (strcmp(key, "last-handshake") == 0)
        take_time(self, value, &now->last_handshake, PROP_LAST_HANDSHAKE);
    else if (strcmp(key, "rtt-us") == 0)
        take_count(self, value, &now->rtt_us, PROP_RTT_US);
    else if (strcmp(key, "rx-bytes") == 0)
        take_count(self, value, &now->rx_bytes, PROP_RX_BYTES);
    else if (strcmp(key, "tx-bytes") == 0)
        take_count(self, value, &now->tx_bytes, PROP_TX_BYTES);
}

/* Index of @key in @names; -1: it is not in it. */
static int find(const char *const *names, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], key) == 0)
            return i;
    return -1;
}

/* True if the keys for searching and sorting have to be made anew. */
static bool take(GuiPeer *self, const char *key, GVariant *value, bool *out_moved)
{
    int at = find(text_names, N_TEXTS, key);

    if (at >= 0)
        return at != NODE && take_text(self, at, value) && (at == NAME || at == OWNER);
    at = find(list_names, N_LISTS, key);
    if (at >= 0)
        return take_list(self, at, value) && at == ADDRESSES;
    if (strcmp(key, "online") == 0)
        *out_moved = take_online(self, value) || *out_moved;
    else
        take_number(self, key, value);
    return false;
}

bool gui_peer_update(GuiPeer *self, GVariant *dict)
{
    GVariantIter iter;
    const char  *key;
    GVariant    *value;
    bool         keys = false, moved = false;

    g_object_freeze_notify(G_OBJECT(self));
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        keys = take(self, key, value, &moved) || keys;
    if (keys)
        make_keys(self);
    g_object_thaw_notify(G_OBJECT(self));
    g_signal_emit(self, signal_changed, 0);
    return keys || moved;
}

void gui_peer_update_statistics(GuiPeer *self, const GuiPeerStatistics *now)
{
    GuiPeerStatistics *was = &self->statistics;
    GObject           *object = G_OBJECT(self);

    if (memcmp(was, now, sizeof(*was)) == 0)
        return;
    g_object_freeze_notify(object);
    if (was->rx_bytes != now->rx_bytes)
        g_object_notify_by_pspec(object, props[PROP_RX_BYTES]);
    if (was->tx_bytes != now->tx_bytes)
        g_object_notify_by_pspec(object, props[PROP_TX_BYTES]);
    if (was->rtt_us != now->rtt_us)
        g_object_notify_by_pspec(object, props[PROP_RTT_US]);
    if (was->last_handshake != now->last_handshake)
        g_object_notify_by_pspec(object, props[PROP_LAST_HANDSHAKE]);
    *was = *now;
    g_object_thaw_notify(object);
    g_signal_emit(self, signal_changed, 0);
}

void gui_peer_set_gone(GuiPeer *self)
{
    if (self->gone)
        return;
    self->gone = true;
    g_object_notify_by_pspec(G_OBJECT(self), props[PROP_GONE]);
    g_signal_emit(self, signal_changed, 0);
}

/* ---- what others ask ---- */

const char *gui_peer_get_text(GuiPeer *self, const char *property)
{
    int at = find(text_names, N_TEXTS, property);

    g_return_val_if_fail(at >= 0, "");
    return self->texts[at];
}

const char *const *gui_peer_get_addresses(GuiPeer *self)
{
    return (const char *const *)self->lists[ADDRESSES];
}

bool gui_peer_is_online(GuiPeer *self)
{
    return self->online;
}

const GuiPeerStatistics *gui_peer_get_statistics(GuiPeer *self)
{
    return &self->statistics;
}

int gui_peer_compare(GuiPeer *a, GuiPeer *b)
{
    int order = strcmp(a->sort_key, b->sort_key);

    if (a->online != b->online)
        return a->online ? -1 : 1;
    return order != 0 ? order : strcmp(a->texts[NODE], b->texts[NODE]);
}

bool gui_peer_matches(GuiPeer *self, const char *folded)
{
    return strstr(self->haystack, folded) != NULL;
}

/* ---- the object ---- */

static void get_number(GuiPeer *self, guint id, GValue *value)
{
    const GuiPeerStatistics *now = &self->statistics;

    if (id == PROP_ONLINE)
        g_value_set_boolean(value, self->online);
    else if (id == PROP_GONE)
        g_value_set_boolean(value, self->gone);
    else if (id == PROP_LAST_SEEN)
        g_value_set_int64(value, self->last_seen);
    else if (id == PROP_LAST_HANDSHAKE)
        g_value_set_int64(value, now->last_handshake);
    else if (id == PROP_RTT_US)
        g_value_set_uint64(value, now->rtt_us);
    else
        g_value_set_uint64(value, id == PROP_RX_BYTES ? now->rx_bytes : now->tx_bytes);
}

static void gui_peer_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    GuiPeer *self = GUI_PEER(object);

    (void)spec;
    if (id < PROP_FIRST_LIST)
        g_value_set_string(value, self->texts[id - PROP_FIRST_TEXT]);
    else if (id < PROP_ADDRESS)
        g_value_set_boxed(value, self->lists[id - PROP_FIRST_LIST]);
    else if (id == PROP_ADDRESS)
        g_value_set_string(value,
                           self->lists[ADDRESSES][0] != NULL ? self->lists[ADDRESSES][0] : "");
    else
        get_number(self, id, value);
}

static void gui_peer_finalize(GObject *object)
{
    GuiPeer *self = GUI_PEER(object);

    for (int i = 0; i < N_TEXTS; i++)
        g_ref_string_release(self->texts[i]);
    for (int i = 0; i < N_LISTS; i++)
        g_strfreev(self->lists[i]);
    g_free(self->sort_key);
    g_free(self->haystack);
    G_OBJECT_CLASS(gui_peer_parent_class)->finalize(object);
}

static void gui_peer_class_init(GuiPeerClass *class)
{
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;
    GObjectClass     *object = G_OBJECT_CLASS(class);

    object->get_property = gui_peer_get_property;
    object->finalize = gui_peer_finalize;
    for (int i = 0; i < N_TEXTS; i++)
        props[PROP_FIRST_TEXT + i] = g_param_spec_string(text_names[i], NULL, NULL, "", flags);
    for (int i = 0; i < N_LISTS; i++)
        props[PROP_FIRST_LIST + i] =
            g_param_spec_boxed(list_names[i], NULL, NULL, G_TYPE_STRV, flags);
    props[PROP_ADDRESS] = g_param_spec_string("address", NULL, NULL, "", flags);
    props[PROP_ONLINE] = g_param_spec_boolean("online", NULL, NULL, false, flags);
    props[PROP_GONE] = g_param_spec_boolean("gone", NULL, NULL, false, flags);
    props[PROP_LAST_SEEN] = g_param_spec_int64("last-seen", NULL, NULL, 0, G_MAXINT64, 0, flags);
    props[PROP_LAST_HANDSHAKE] =
        g_param_spec_int64("last-handshake", NULL, NULL, 0, G_MAXINT64, 0, flags);
    props[PROP_RTT_US] = g_param_spec_uint64("rtt-us", NULL, NULL, 0, G_MAXUINT64, 0, flags);
    props[PROP_RX_BYTES] = g_param_spec_uint64("rx-bytes", NULL, NULL, 0, G_MAXUINT64, 0, flags);
    props[PROP_TX_BYTES] = g_param_spec_uint64("tx-bytes", NULL, NULL, 0, G_MAXUINT64, 0, flags);
    g_object_class_install_properties(object, N_PROPS, props);
    signal_changed = g_signal_new("changed", G_TYPE_FROM_CLASS(class), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
}

static void gui_peer_init(GuiPeer *self)
{
    for (int i = 0; i < N_TEXTS; i++)
        self->texts[i] = g_ref_string_new_intern("");
    for (int i = 0; i < N_LISTS; i++)
        self->lists[i] = g_new0(char *, 1);
    make_keys(self);
}

GuiPeer *gui_peer_new(const char *node)
{
    GuiPeer *self = g_object_new(GUI_TYPE_PEER, NULL);

    g_ref_string_release(self->texts[NODE]);
    self->texts[NODE] = g_ref_string_new_intern(node);
    return self;
}
