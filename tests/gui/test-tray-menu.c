/* What the tray's icon and menu show for what meshd says. */
#include "gui/tray/menu.h"

#include <string.h>

#define ICON(state) "org.meshvpn.Mesh-" state "-symbolic"

static const char *const addresses[] = { "10.71.0.12/16", "fd7a::12", NULL };

typedef struct {
    const char *name;
    const char *state, *server_state;
    TrayWish    wish;
    const char *icon, *label, *text;
    bool        is_checked;
} StateCase;

static const StateCase states[] = {
    { "up-and-connected", "up", "connected", TRAY_WISH_NONE, ICON("on"), "home",
      "Mesh: connected to home", true },
    { "down", "down", "off", TRAY_WISH_NONE, ICON("off"), "home", "Mesh: disconnected", false },
    { "up-asks-its-server", "up", "connecting", TRAY_WISH_NONE, ICON("connecting"), "home",
      "Mesh: home: in progress", true },
    { "up-without-its-server", "up", "offline", TRAY_WISH_NONE, ICON("problem"),
      "home: server unreachable", "Mesh: home: server unreachable", true },
    { "waits-for-approval", "pending", "connected", TRAY_WISH_NONE, ICON("connecting"),
      "home: waits for approval", "Mesh: home: in progress", true },
    { "asked-up", "down", "off", TRAY_WISH_UP, ICON("connecting"), "home: connecting…",
      "Mesh: home: in progress", false },
    { "asked-down", "up", "connected", TRAY_WISH_DOWN, ICON("connecting"), "home: disconnecting…",
      "Mesh: home: in progress", true },
    { "removed", "removed", "off", TRAY_WISH_NONE, ICON("problem"), "home: removed by its server",
      "Mesh: home: removed by its server", false },
    { "expired", "expired", "off", TRAY_WISH_NONE, ICON("problem"), "home: membership has expired",
      "Mesh: home: membership has expired", false },
    { "error", "error", "off", TRAY_WISH_NONE, ICON("problem"), "home: does not work",
      "Mesh: home: does not work", false },
    { "a-state-of-tomorrow", "dreaming", "off", TRAY_WISH_NONE, ICON("problem"), "home",
      "Mesh: home", false },
};

static void test_state(gconstpointer data)
{
    const StateCase *c = data;
    const TrayView   view = { .networks = { { .path = "/n/1",
                                              .name = "home",
                                              .state = c->state,
                                              .server_state = c->server_state,
                                              .addresses = addresses,
                                              .wish = c->wish } },
                              .n_networks = 1 };
    g_autoptr(TrayMenu) menu = tray_menu_new(&view);
    const TrayRow *row = &menu->rows[TRAY_MENU_NETWORK];

    g_assert_cmpstr(menu->icon, ==, c->icon);
    g_assert_cmpstr(menu->text, ==, c->text);
    g_assert_cmpstr(row->label, ==, c->label);
    g_assert_true(row->is_shown);
    g_assert_cmpint(row->is_checked, ==, c->is_checked);
    g_assert_cmpint(row->is_enabled, ==, c->wish == TRAY_WISH_NONE);
    g_assert_cmpuint(menu->middle, ==, TRAY_MENU_NETWORK);
    g_assert_cmpint(menu->rows[TRAY_MENU_DEVICE].is_shown, ==, strcmp(c->state, "up") == 0);
    g_assert_false(menu->rows[TRAY_MENU_ALL].is_shown);
}

static void test_nothing(void)
{
    g_autoptr(TrayMenu) empty = tray_menu_new(&(TrayView){ 0 });
    g_autoptr(TrayMenu) missing = tray_menu_new(&(TrayView){ .missing = "no service" });

    g_assert_cmpstr(empty->icon, ==, ICON("off"));
    g_assert_cmpuint(empty->middle, ==, TRAY_MENU_OPEN);
    g_assert_true(empty->rows[TRAY_MENU_OPEN].is_shown && empty->rows[TRAY_MENU_QUIT].is_shown);
    g_assert_false(empty->rows[TRAY_MENU_SEPARATOR_2].is_shown);
    g_assert_cmpstr(missing->icon, ==, ICON("problem"));
    g_assert_cmpstr(missing->text, ==, "Mesh: no service");
}

/* Two networks, of which the first has as many peers as fit. */
static void fill_full(TrayView *view)
{
    *view = (TrayView){
        .networks = { { .path = "/n/1",
                        .name = "home",
                        .state = "up",
                        .server_state = "connected",
                        .addresses = addresses },
                      { .path = "/n/2", .name = "work", .state = "error", .server_state = "off" } },
        .n_networks = 2,
        .n_peers = TRAY_MENU_PEERS,
        .has_more_peers = true,
    };
    for (unsigned i = 0; i < TRAY_MENU_PEERS; i++)
        view->peers[i] = (TrayPeerView){ "nas", "home", "10.71.0.13" };
}

static void test_two_networks(void)
{
    TrayView view;

    fill_full(&view);
    g_autoptr(TrayMenu) menu = tray_menu_new(&view);

    g_assert_cmpstr(menu->icon, ==, ICON("problem")); /* the worse of two is told */
    g_assert_cmpstr(menu->text, ==, "Mesh: work: does not work");
    g_assert_cmpuint(menu->middle, ==, TRAY_MENU_ALL);
    g_assert_cmpstr(menu->rows[TRAY_MENU_ALL].label, ==, "Disconnect All");
    g_assert_cmpstr(menu->rows[TRAY_MENU_ADDRESS].label, ==, "Copy 10.71.0.12 (home)");
    g_assert_cmpstr(menu->keys[TRAY_MENU_ADDRESS], ==, "10.71.0.12");
    g_assert_false(menu->rows[TRAY_MENU_ADDRESS + 2].is_shown);
    g_assert_cmpstr(menu->rows[TRAY_MENU_PEER].label, ==, "nas (home): copy 10.71.0.13");
    g_assert_true(menu->rows[TRAY_MENU_MORE_PEERS - 1].is_shown);
    g_assert_true(menu->rows[TRAY_MENU_MORE_PEERS].is_shown);
}

/* An open menu: rows keep what they stand for, and stay; states are as they are now. */
static void test_keep(void)
{
    TrayView view;

    fill_full(&view);
    g_autoptr(TrayMenu) shown = tray_menu_new(&view);
    view.peers[0] = (TrayPeerView){ "printer", "home", "10.71.0.99" };
    view.n_peers = 1;
    view.networks[0].state = "down";
    view.networks[1].state = "down";
    g_autoptr(TrayMenu) menu = tray_menu_new(&view);
    tray_menu_keep(menu, shown);

    g_assert_cmpstr(menu->keys[TRAY_MENU_PEER], ==, "10.71.0.13");
    g_assert_cmpstr(menu->rows[TRAY_MENU_PEER].label, ==, "nas (home): copy 10.71.0.13");
    for (unsigned i = 0; i < TRAY_MENU_N_ROWS; i++)
        g_assert_cmpint(menu->rows[i].is_shown, ==, shown->rows[i].is_shown);
    g_assert_false(menu->rows[TRAY_MENU_NETWORK].is_checked);
    g_assert_cmpstr(menu->rows[TRAY_MENU_NETWORK + 1].label, ==, "work");
    g_assert_cmpstr(menu->rows[TRAY_MENU_ALL].label, ==, "Disconnect All");
    g_assert_cmpstr(menu->keys[TRAY_MENU_ALL], ==, "down");
    g_assert_cmpstr(menu->icon, ==, ICON("off"));
}

/* Every row stands somewhere, and a submenu before what is in it. */
static void test_places(void)
{
    for (unsigned i = 0; i < TRAY_MENU_N_ROWS; i++) {
        int parent = tray_menu_places[i].parent;

        if (parent < 0)
            continue;
        g_assert_cmpint(parent, <, (int)i);
        g_assert_cmpint(tray_menu_places[parent].kind, ==, TRAY_ROW_SUBMENU);
    }
    g_assert_cmpint(tray_menu_places[TRAY_MENU_OPEN].kind, ==, TRAY_ROW_ACTION);
    g_assert_cmpint(TRAY_MENU_OPEN, ==, 0); /* hosts that have but one click take the first */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autofree char *path = g_strdup_printf("/tray/menu/state/%s", states[i].name);

        g_test_add_data_func(path, &states[i], test_state);
    }
    g_test_add_func("/tray/menu/nothing", test_nothing);
    g_test_add_func("/tray/menu/two-networks", test_two_networks);
    g_test_add_func("/tray/menu/keep", test_keep);
    g_test_add_func("/tray/menu/places", test_places);
    return g_test_run();
}
