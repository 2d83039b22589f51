#include "gui/page-peer.h"

#include "gui/peer-path.h"
#include "gui/peer-ping.h"
#include "gui/peer-traffic.h"
#include "gui/row-copy.h"
#include "gui/words.h"

#include <glib/gi18n.h>
#include <string.h>

enum { ADDRESSES_MAX = 8 };

struct _GuiPagePeer {
    AdwBin      parent_instance;
    GuiNetwork *network; /* owned */
    GuiPeer    *peer;    /* owned */
    /* All borrowed from the tree. */
    AdwPreferencesGroup *about;
    GtkWidget           *name, *addresses[ADDRESSES_MAX], *dns_name;
    GtkWidget           *owner, *seen, *handshake, *tags, *node_key, *wg_key, *endpoint;
};

G_DEFINE_FINAL_TYPE(GuiPagePeer, gui_page_peer, ADW_TYPE_BIN)

static void set_copy_row(GtkWidget *row, const char *text)
{
    gui_row_copy_set_text(row, text);
    gtk_widget_set_visible(row, *text != '\0');
}

static void set_row(GtkWidget *row, const char *text)
{
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
    gtk_widget_set_visible(row, *text != '\0');
}

static void show_addresses(GuiPagePeer *self)
{
    const char *const *addresses = gui_peer_get_addresses(self->peer);
    const char        *suffix = gui_network_get_text(self->network, "suffix");
    const char        *name = gui_peer_get_text(self->peer, "name");
    g_autofree char   *dns_name = *suffix == '\0' ? NULL : g_strdup_printf("%s.%s", name, suffix);

    for (size_t i = 0; i < ADDRESSES_MAX; i++) {
        const char *address = addresses != NULL && *addresses != NULL ? *addresses++ : "";

        adw_preferences_row_set_title(ADW_PREFERENCES_ROW(self->addresses[i]),
                                      strchr(address, ':') != NULL ? _("IPv6 address")
                                                                   : _("IPv4 address"));
        set_copy_row(self->addresses[i], address);
    }
    set_copy_row(self->dns_name, dns_name == NULL ? name : dns_name);
}

static void show(GuiPagePeer *self)
{
    g_auto(GStrv) tags = NULL;
    g_autofree char *tag_text = NULL, *seen = NULL, *handshake = NULL;
    gint64           seen_s = 0;

    g_object_get(self->peer, "tags", &tags, "last-seen", &seen_s, NULL);
    tag_text = tags == NULL ? g_strdup("") : g_strjoinv(", ", tags);
    seen = gui_words_dup_time(gui_peer_is_online(self->peer) ? 0 : seen_s);
    handshake = gui_words_dup_time(gui_peer_get_statistics(self->peer)->last_handshake);
    show_addresses(self);
    set_row(self->owner, gui_peer_get_text(self->peer, "owner"));
    set_row(self->seen, seen);
    set_row(self->handshake, handshake);
    set_row(self->tags, tag_text);
    set_copy_row(self->node_key, gui_peer_get_text(self->peer, "node"));
}

static void on_details(GuiPagePeer *self, GVariant *dict)
{
    const char *wg = "", *endpoint = "";

    g_variant_lookup(dict, "wg", "&s", &wg);
    g_variant_lookup(dict, "endpoint", "&s", &endpoint);
    set_copy_row(self->wg_key, wg);
    set_row(self->endpoint, endpoint);
}

static AdwPreferencesGroup *add_group(AdwPreferencesPage *page, const char *title)
{
    AdwPreferencesGroup *group = ADW_PREFERENCES_GROUP(adw_preferences_group_new());

    adw_preferences_group_set_title(group, title);
    adw_preferences_page_add(page, group);
    return group;
}

static GtkWidget *add_copy_row(AdwPreferencesGroup *group, const char *title,
                               const char *copy_label)
{
    GtkWidget *row = gui_row_copy_new(title, copy_label);

    gtk_widget_hide(row);
    adw_preferences_group_add(group, row);
    return row;
}

static GtkWidget *add_row(AdwPreferencesGroup *group, const char *title)
{
    GtkWidget *row = adw_action_row_new();

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    gtk_widget_hide(row);
    adw_preferences_group_add(group, row);
    return row;
}

/* A part that is a group of its own; the page takes only groups. */
static void add_part(AdwPreferencesPage *page, GtkWidget *part)
{
    AdwPreferencesGroup *group = ADW_PREFERENCES_GROUP(adw_preferences_group_new());

    adw_preferences_group_add(group, part);
    adw_preferences_page_add(page, group);
}

static void build_addresses(GuiPagePeer *self, AdwPreferencesPage *page)
{
    AdwPreferencesGroup *group = add_group(page, _("Addresses"));

    for (size_t i = 0; i < ADDRESSES_MAX; i++)
        self->addresses[i] = add_copy_row(group, "", _("Copy address"));
    self->dns_name = add_copy_row(group, _("Name"), _("Copy name"));
}

static void build_about(GuiPagePeer *self, AdwPreferencesPage *page)
{
    AdwPreferencesGroup *group = add_group(page, _("Device"));

    self->owner = add_row(group, _("Owner"));
    self->tags = add_row(group, _("Tags"));
    self->seen = add_row(group, _("Last seen"));
    self->handshake = add_row(group, _("Last handshake"));
    self->endpoint = add_row(group, _("Endpoint"));
    self->node_key = add_copy_row(group, _("Node key"), _("Copy node key"));
    self->wg_key = add_copy_row(group, _("WireGuard key"), _("Copy WireGuard key"));
}

/* The list of peers, which is followed for its own sake, is not seen beside this page. */
static void gui_page_peer_map(GtkWidget *widget)
{
    GTK_WIDGET_CLASS(gui_page_peer_parent_class)->map(widget);
    gui_peers_hold(gui_network_get_peers(GUI_PAGE_PEER(widget)->network));
}

static void gui_page_peer_unmap(GtkWidget *widget)
{
    gui_peers_release(gui_network_get_peers(GUI_PAGE_PEER(widget)->network));
    GTK_WIDGET_CLASS(gui_page_peer_parent_class)->unmap(widget);
}

static void gui_page_peer_dispose(GObject *object)
{
    GuiPagePeer *self = GUI_PAGE_PEER(object);

    g_clear_object(&self->network);
    g_clear_object(&self->peer);
    G_OBJECT_CLASS(gui_page_peer_parent_class)->dispose(object);
}

static void gui_page_peer_class_init(GuiPagePeerClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = gui_page_peer_dispose;
    GTK_WIDGET_CLASS(klass)->map = gui_page_peer_map;
    GTK_WIDGET_CLASS(klass)->unmap = gui_page_peer_unmap;
}

static void gui_page_peer_init(GuiPagePeer *self)
{
    (void)self;
}

GtkWidget *gui_page_peer_new(GuiClient *client, GuiNetwork *network, GuiPeer *peer)
{
    GuiPagePeer        *self = g_object_new(GUI_TYPE_PAGE_PEER, NULL);
    AdwPreferencesPage *page = ADW_PREFERENCES_PAGE(adw_preferences_page_new());
    GtkWidget          *path = gui_peer_path_new(client, network, peer);

    self->network = g_object_ref(network);
    self->peer = g_object_ref(peer);
    build_addresses(self, page);
    add_part(page, path);
    if (gui_client_offers(client, "ping"))
        add_part(page, gui_peer_ping_new(network, peer));
    if (gui_client_offers(client, "statistics"))
        add_part(page, gui_peer_traffic_new(network, peer));
    build_about(self, page);
    adw_bin_set_child(ADW_BIN(self), GTK_WIDGET(page));
    g_signal_connect_object(path, "details", G_CALLBACK(on_details), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(peer, "changed", G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(network, "notify::suffix", G_CALLBACK(show), self, G_CONNECT_SWAPPED);
    show(self);
    return GTK_WIDGET(self);
}
