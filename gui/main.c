#include "gui/application.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    GuiApplication *application;
    bool            restart;
    int             status;

    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, MESH_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_application_name(_("Mesh"));
    application = gui_application_new();
    status = g_application_run(G_APPLICATION(application), argc, argv);
    restart = gui_application_wants_restart(application);
    g_object_unref(application);
    if (restart)
        execvp(argv[0], argv); /* the file may be a newer one by now */
    return status;
}
