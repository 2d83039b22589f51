/* gui/tray/main.c: `mesh-tray`: options. */
#include "common/glib/language.h"
#include "gui/tray/app.h"
#include "gui/tray/autostart.h"

#include <glib/gi18n.h>
#include <string.h>

/* Panels start beside us at login. */
enum { PATIENCE_S = 30, PATIENCE_MAX_S = 3600 };

static int fail(const char *text)
{
    g_printerr("mesh-tray: %s\n", text);
    return 1;
}

static int do_autostart(const char *wish)
{
    g_autoptr(GError) error = NULL;
    bool on = strcmp(wish, "on") == 0;

    if (strcmp(wish, "status") == 0) {
        g_print("%s\n", tray_autostart_is_on() ? "on" : "off");
        return 0;
    }
    if (!on && strcmp(wish, "off") != 0)
        return fail(_("--autostart: on, off or status"));
    return tray_autostart_set(on, &error) ? 0 : fail(error->message);
}

int main(int argc, char **argv)
{
    gboolean           is_version = false;
    int                patience_s = PATIENCE_S;
    g_autofree char   *autostart = NULL;
    const GOptionEntry entries[] = {
        { "autostart", 0, 0, G_OPTION_ARG_STRING, &autostart,
          N_("Start at login from now on, or not; or tell whether it does"), "on|off|status" },
        { "patience", 0, 0, G_OPTION_ARG_INT, &patience_s,
          N_("Say after so long that there is no place for the icon (30)"), N_("SECONDS") },
        { "version", 0, 0, G_OPTION_ARG_NONE, &is_version, N_("Print the version"), NULL },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    mesh_language_init(MESH_LOCALEDIR);
    g_option_context_set_summary(context, _("Mesh networks in the tray of the desktop."));
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return fail(error->message);
    if (argc > 1)
        return fail(_("no arguments, but options; see --help"));
    if (is_version) {
        g_print("mesh-tray %s\n", MESH_VERSION);
        return 0;
    }
    if (patience_s < 0 || patience_s > PATIENCE_MAX_S)
        return fail(_("--patience: from 0 to 3600"));
    if (autostart != NULL)
        return do_autostart(autostart);
    g_set_prgname("org.meshvpn.Mesh.Tray");
    g_set_application_name("Mesh");
    return tray_app_run((unsigned)patience_s);
}
