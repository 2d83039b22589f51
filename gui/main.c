#include "gui/application.h"

#include <glib/gi18n.h>
#include <locale.h>

int main(int argc, char **argv)
{
    g_autoptr(GuiApplication) application = NULL;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, MESH_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_application_name(_("Mesh"));
    application = gui_application_new();
    return g_application_run(G_APPLICATION(application), argc, argv);
}
