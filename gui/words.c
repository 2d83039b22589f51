#include "gui/words.h"

#include "common/glib/reason.h"

#include <glib/gi18n.h>
#include <string.h>

char *gui_words_dup_latency(guint64 us)
{
    if (us == 0)
        return g_strdup("");
    if (us < 10000)
        /* Translators: a round trip of less than ten milliseconds */
        return g_strdup_printf(_("%.1f ms"), (double)us / 1000.0);
    /* Translators: a round trip in milliseconds */
    return g_strdup_printf(_("%.0f ms"), (double)us / 1000.0);
}

char *gui_words_dup_traffic(guint64 rx_bytes, guint64 tx_bytes)
{
    g_autofree char *rx = g_format_size(rx_bytes);
    g_autofree char *tx = g_format_size(tx_bytes);

    if (rx_bytes == 0 && tx_bytes == 0)
        return g_strdup("");
    /* Translators: bytes received and sent, e.g. "↓ 1.2 MB  ↑ 30 kB" */
    return g_strdup_printf(_("↓ %s  ↑ %s"), rx, tx);
}

char *gui_words_dup_path(GuiPeer *peer)
{
    return gui_words_dup_way(gui_peer_get_text(peer, "path"), gui_peer_get_text(peer, "relay"),
                             gui_peer_is_online(peer));
}

char *gui_words_dup_way(const char *path, const char *relay, bool online)
{
    if (strcmp(path, "direct") == 0)
        return g_strdup(C_("path", "direct"));
    if (strcmp(path, "direct-tcp") == 0)
        return g_strdup(C_("path", "direct, TCP"));
    if (strcmp(path, "relay") == 0)
        /* Translators: %s is the name of a relay */
        return relay[0] != '\0' ? g_strdup_printf(_("by relay %s"), relay)
                                : g_strdup(C_("path", "by a relay"));
    if (strcmp(path, "peer-relay") == 0)
        /* Translators: %s is the name of another node, which passes packets on */
        return g_strdup_printf(_("by way of %s"), relay);
    if (strcmp(path, "connecting") == 0)
        return g_strdup(C_("path", "connecting…"));
    if (strcmp(path, "none") == 0 && online)
        return g_strdup(C_("path", "no way"));
    return g_strdup("");
}

char *gui_words_dup_reason(GuiPeer *peer)
{
    return mesh_reason_dup_peer(gui_peer_get_text(peer, "reason-code"),
                                gui_peer_get_text(peer, "reason"), gui_peer_get_text(peer, "path"),
                                gui_peer_get_text(peer, "relay"));
}

char *gui_words_dup_state(GuiNetwork *network)
{
    const char *state = gui_network_get_text(network, "state");
    const char *server = gui_network_get_text(network, "server-state");
    unsigned    online, total;

    if (strcmp(state, "down") == 0)
        return g_strdup(C_("network", "Off"));
    if (strcmp(state, "pending") == 0)
        return g_strdup(C_("network", "Waits for approval"));
    if (strcmp(state, "removed") == 0)
        return g_strdup(C_("network", "Removed by its server"));
    if (strcmp(state, "expired") == 0)
        return g_strdup(C_("network", "Membership expired"));
    if (strcmp(state, "error") == 0)
        return g_strdup(C_("network", "Error"));
    if (strcmp(server, "offline") == 0)
        return g_strdup(C_("network", "Server not reachable"));
    g_object_get(network, "peers-online", &online, "peers-total", &total, NULL);
    /* Translators: the first number is of peers that are online, the second of all of them */
    return g_strdup_printf(ngettext("%u of %u peer online", "%u of %u peers online", total), online,
                           total);
}

char *gui_words_dup_time(gint64 unix_s)
{
    g_autoptr(GDateTime) utc = unix_s > 0 ? g_date_time_new_from_unix_utc(unix_s) : NULL;
    g_autoptr(GDateTime) local = utc == NULL ? NULL : g_date_time_to_local(utc);

    /* Translators: date and time of day, for g_date_time_format() */
    return local == NULL ? g_strdup("") : g_date_time_format(local, _("%x %X"));
}
