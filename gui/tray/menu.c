/* gui/tray/menu.c: from networks and peers to rows. */
#include "gui/tray/menu.h"

#include <glib/gi18n.h>
#include <string.h>

#define ICON(state) "org.meshvpn.Mesh-" state "-symbolic"

#define TOP(kind)           \
    {                       \
        TRAY_ROW_##kind, -1 \
    }

const TrayPlace tray_menu_places[TRAY_MENU_N_ROWS] = {
    [TRAY_MENU_OPEN] = TOP(ACTION),
    [TRAY_MENU_STATUS] = TOP(ACTION),
    [TRAY_MENU_SEPARATOR_1] = TOP(SEPARATOR),
    [TRAY_MENU_NETWORK... TRAY_MENU_ALL - 1] = TOP(CHECK),
    [TRAY_MENU_ALL] = TOP(ACTION),
    [TRAY_MENU_SEPARATOR_2] = TOP(SEPARATOR),
    [TRAY_MENU_DEVICE] = TOP(SUBMENU),
    [TRAY_MENU_ADDRESS... TRAY_MENU_PEER_LIST - 1] = { TRAY_ROW_ACTION, TRAY_MENU_DEVICE },
    [TRAY_MENU_PEER_LIST] = TOP(SUBMENU),
    [TRAY_MENU_PEER... TRAY_MENU_MORE_PEERS] = { TRAY_ROW_ACTION, TRAY_MENU_PEER_LIST },
    [TRAY_MENU_SEPARATOR_3] = TOP(SEPARATOR),
    [TRAY_MENU_QUIT] = TOP(ACTION),
};

typedef enum { LOOK_OFF, LOOK_ON, LOOK_BUSY, LOOK_BAD } Look; /* the later, the more it is told */

static bool is(const char *text, const char *other)
{
    return g_strcmp0(text, other) == 0;
}

bool tray_menu_is_on(const TrayNetworkView *network)
{
    return is(network->state, "up") || is(network->state, "pending");
}

static Look judge(const TrayNetworkView *network)
{
    if (network->wish != TRAY_WISH_NONE || is(network->state, "pending"))
        return LOOK_BUSY;
    if (is(network->state, "down"))
        return LOOK_OFF;
    if (!is(network->state, "up") || is(network->server_state, "offline"))
        return LOOK_BAD;
    return is(network->server_state, "connecting") ? LOOK_BUSY : LOOK_ON;
}

static char *label_network(const TrayNetworkView *network)
{
    const char *name = network->name;

    if (network->wish == TRAY_WISH_UP)
        return g_strdup_printf(_("%s: connecting…"), name);
    if (network->wish == TRAY_WISH_DOWN)
        return g_strdup_printf(_("%s: disconnecting…"), name);
    if (is(network->state, "pending"))
        return g_strdup_printf(_("%s: waits for approval"), name);
    if (is(network->state, "removed"))
        return g_strdup_printf(_("%s: removed by its server"), name);
    if (is(network->state, "expired"))
        return g_strdup_printf(_("%s: membership has expired"), name);
    if (is(network->state, "error"))
        return g_strdup_printf(_("%s: does not work"), name);
    if (is(network->state, "up") && is(network->server_state, "offline"))
        return g_strdup_printf(_("%s: server unreachable"), name);
    return g_strdup(name);
}

static void show(TrayMenu *self, unsigned row, char *label)
{
    self->rows[row] = (TrayRow){ .label = label, .is_shown = true, .is_enabled = true };
}

static void show_for(TrayMenu *self, unsigned row, char *label, const char *key)
{
    show(self, row, label);
    self->keys[row] = g_strdup(key);
}

static void fill_networks(TrayMenu *self, const TrayView *view)
{
    bool any_on = false;

    for (unsigned i = 0; i < view->n_networks; i++) {
        const TrayNetworkView *network = &view->networks[i];
        unsigned               row = TRAY_MENU_NETWORK + i;

        show_for(self, row, label_network(network), network->path);
        self->rows[row].is_enabled = network->wish == TRAY_WISH_NONE;
        self->rows[row].is_checked = tray_menu_is_on(network);
        any_on |= self->rows[row].is_checked;
    }
    self->middle = view->n_networks == 1 ? TRAY_MENU_NETWORK : TRAY_MENU_OPEN;
    if (view->n_networks < 2)
        return;
    show_for(self, TRAY_MENU_ALL, g_strdup(any_on ? _("Disconnect All") : _("Connect All")),
             any_on ? "down" : "up");
    self->middle = TRAY_MENU_ALL;
}

static void fill_addresses(TrayMenu *self, const TrayView *view)
{
    unsigned n = 0;

    for (unsigned i = 0; i < view->n_networks; i++) {
        const TrayNetworkView *network = &view->networks[i];

        for (unsigned j = 0; network->addresses != NULL && network->addresses[j] != NULL; j++) {
            g_autofree char *bare = NULL;

            if (n == TRAY_MENU_ADDRESSES || !is(network->state, "up"))
                break;
            bare = g_strndup(network->addresses[j], strcspn(network->addresses[j], "/"));
            show_for(self, TRAY_MENU_ADDRESS + n++,
                     g_strdup_printf(_("Copy %s (%s)"), bare, network->name), bare);
        }
    }
    show(self, TRAY_MENU_DEVICE, g_strdup(_("This Device")));
    self->rows[TRAY_MENU_DEVICE].is_shown = n > 0;
}

static char *label_peer(const TrayPeerView *peer, bool with_network)
{
    if (with_network)
        return g_strdup_printf(_("%s (%s): copy %s"), peer->name, peer->network, peer->address);
    return g_strdup_printf(_("%s: copy %s"), peer->name, peer->address);
}

static void fill_peers(TrayMenu *self, const TrayView *view)
{
    for (unsigned i = 0; i < view->n_peers; i++) {
        const TrayPeerView *peer = &view->peers[i];

        show_for(self, TRAY_MENU_PEER + i, label_peer(peer, view->n_networks > 1), peer->address);
    }
    show(self, TRAY_MENU_PEER_LIST, g_strdup(_("Peers")));
    self->rows[TRAY_MENU_PEER_LIST].is_shown = view->n_peers > 0;
    show(self, TRAY_MENU_MORE_PEERS, g_strdup(_("More in the Window")));
    self->rows[TRAY_MENU_MORE_PEERS].is_shown = view->has_more_peers;
}

/* "home, work": the networks that look so. */
static char *join_names(const TrayView *view, Look look)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; i < view->n_networks; i++)
        if (judge(&view->networks[i]) == look)
            g_ptr_array_add(names, (gpointer)view->networks[i].name);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(", ", (char **)names->pdata);
}

static char *describe_bad(const TrayView *view)
{
    for (unsigned i = 0; i < view->n_networks; i++)
        if (judge(&view->networks[i]) == LOOK_BAD)
            return label_network(&view->networks[i]);
    return g_strdup("");
}

static char *describe(const TrayView *view, Look look)
{
    g_autofree char *names = NULL;

    if (view->missing != NULL)
        return g_strdup(view->missing);
    if (view->n_networks == 0)
        return g_strdup(_("no network joined yet"));
    names = join_names(view, look);
    switch (look) {
    case LOOK_ON:
        return g_strdup_printf(_("connected to %s"), names);
    case LOOK_BUSY:
        return g_strdup_printf(_("%s: in progress"), names);
    case LOOK_BAD:
        return describe_bad(view);
    case LOOK_OFF:
        break;
    }
    return g_strdup(_("disconnected"));
}

static void fill_state(TrayMenu *self, const TrayView *view)
{
    static const char *const icons[] = { ICON("off"), ICON("on"), ICON("connecting"),
                                         ICON("problem") };
    g_autofree char         *text = NULL;
    Look                     look = view->missing != NULL ? LOOK_BAD : LOOK_OFF;

    for (unsigned i = 0; i < view->n_networks; i++)
        look = MAX(look, judge(&view->networks[i]));
    text = describe(view, look);
    self->icon = icons[look];
    self->text = g_strdup_printf(_("Mesh: %s"), text);
    show(self, TRAY_MENU_STATUS, g_strdup(self->text));
    self->rows[TRAY_MENU_STATUS].is_enabled = false; /* to be read, not clicked */
}

TrayMenu *tray_menu_new(const TrayView *view)
{
    TrayMenu *self = g_new0(TrayMenu, 1);

    show(self, TRAY_MENU_OPEN, g_strdup(_("Open Mesh")));
    fill_networks(self, view);
    fill_addresses(self, view);
    fill_peers(self, view);
    fill_state(self, view);
    self->rows[TRAY_MENU_SEPARATOR_1] = (TrayRow){ .is_shown = true, .is_enabled = true };
    self->rows[TRAY_MENU_SEPARATOR_2] =
        (TrayRow){ .is_shown = view->n_networks > 0, .is_enabled = true };
    self->rows[TRAY_MENU_SEPARATOR_3] =
        (TrayRow){ .is_shown = self->rows[TRAY_MENU_DEVICE].is_shown || view->n_peers > 0,
                   .is_enabled = true };
    show(self, TRAY_MENU_QUIT, g_strdup(_("Quit")));
    return self;
}

void tray_menu_free(TrayMenu *self)
{
    if (self == NULL)
        return;
    for (unsigned i = 0; i < TRAY_MENU_N_ROWS; i++) {
        g_free(self->rows[i].label);
        g_free(self->keys[i]);
    }
    g_free(self->text);
    g_free(self);
}

void tray_menu_keep(TrayMenu *self, const TrayMenu *shown)
{
    for (unsigned i = 0; i < TRAY_MENU_N_ROWS; i++) {
        if (is(self->keys[i], shown->keys[i])) {
            self->rows[i].is_shown |= shown->rows[i].is_shown;
            continue;
        }
        g_free(self->rows[i].label);
        g_free(self->keys[i]);
        self->rows[i] = shown->rows[i];
        self->rows[i].label = g_strdup(shown->rows[i].label);
        self->keys[i] = g_strdup(shown->keys[i]);
    }
}
