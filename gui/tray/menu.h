/* gui/tray/menu.h: what the icon and each row of the menu show. Values in, values out: no D-Bus, no
 * GTK. */
#pragma once

#include "gui/tray/tray.h"

/* What does not fit is in the window. */
enum { TRAY_MENU_NETWORKS = 16, TRAY_MENU_ADDRESSES = 16, TRAY_MENU_PEERS = 20 };

enum {
    TRAY_MENU_OPEN,
    TRAY_MENU_STATUS,
    TRAY_MENU_SEPARATOR_1,
    TRAY_MENU_NETWORK,
    TRAY_MENU_ALL = TRAY_MENU_NETWORK + TRAY_MENU_NETWORKS,
    TRAY_MENU_SEPARATOR_2,
    TRAY_MENU_DEVICE,
    TRAY_MENU_ADDRESS,
    TRAY_MENU_PEER_LIST = TRAY_MENU_ADDRESS + TRAY_MENU_ADDRESSES,
    TRAY_MENU_PEER,
    TRAY_MENU_MORE_PEERS = TRAY_MENU_PEER + TRAY_MENU_PEERS,
    TRAY_MENU_SEPARATOR_3,
    TRAY_MENU_QUIT,
    TRAY_MENU_N_ROWS,
};

/* What was asked of meshd and is not seen yet. */
typedef enum { TRAY_WISH_NONE, TRAY_WISH_UP, TRAY_WISH_DOWN } TrayWish;

/* Borrowed from the model, until it changes. */
typedef struct {
    const char        *path; /* D-Bus object */
    const char        *name;
    const char        *state; /* as D-Bus has them */
    const char        *server_state;
    const char *const *addresses;
    TrayWish           wish;
} TrayNetworkView;

typedef struct {
    const char *name;
    const char *network;
    const char *address;
} TrayPeerView;

typedef struct {
    const char     *missing; /* why there is no meshd to talk to; NULL: there is */
    TrayNetworkView networks[TRAY_MENU_NETWORKS];
    unsigned        n_networks;
    TrayPeerView    peers[TRAY_MENU_PEERS];
    unsigned        n_peers;
    bool            has_more_peers;
} TrayView;

typedef struct {
    TrayRow rows[TRAY_MENU_N_ROWS]; /* owned labels */
    char   *keys[TRAY_MENU_N_ROWS]; /* owned; what a row stands for: path, address, "up" or "down";
                                       NULL: nothing */
    const char *icon;
    char       *text; /* owned; for title and accessible description */
    unsigned    middle;
} TrayMenu;

extern const TrayPlace tray_menu_places[TRAY_MENU_N_ROWS];

TrayMenu *tray_menu_new(const TrayView *view);
void      tray_menu_free(TrayMenu *self); /* NULL is fine */
/* Whether a network is on, or is to be: what its check shows, and what a click turns. */
bool tray_menu_is_on(const TrayNetworkView *network);
/* Keeps what each row of @shown stands for, with the label it had, where @self has another there.
 */
void tray_menu_keep(TrayMenu *self, const TrayMenu *shown);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TrayMenu, tray_menu_free)
