#include "common/glib/language.h"
#include "gui/application.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A join link is a secret, and what stands on a command line can be seen by every user: we take a
 * copy of ours, and cover the links in it. Owned by the caller. */
static char **take_arguments(char **argv)
{
    char **copy = g_strdupv(argv);

    for (; *argv != NULL; argv++) {
        if (g_ascii_strncasecmp(*argv, "mesh:", strlen("mesh:")) == 0)
            memset(*argv, '*', strlen(*argv));
    }
    return copy;
}

/* Nor may it lie on the disk because we crashed with it. Debuggers and portals, which look at a
 * process as its user, are let in. */
static void forbid_dumps(void)
{
    const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        g_warning("cannot switch core dumps off: %s", g_strerror(errno));
}

int main(int argc, char **argv)
{
    g_auto(GStrv) arguments = take_arguments(argv);
    GuiApplication *application;
    bool            restart;
    int             status;

    forbid_dumps();
    mesh_language_init(MESH_LOCALEDIR);
    g_set_application_name(_("Mesh"));
    application = gui_application_new();
    status = g_application_run(G_APPLICATION(application), argc, arguments);
    restart = gui_application_wants_restart(application);
    g_object_unref(application);
    if (restart)
        execvp(argv[0], (char *[]){ argv[0], NULL }); /* the file may be a newer one by now */
    return status;
}
