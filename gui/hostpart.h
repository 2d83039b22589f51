/* gui/hostpart.h: how the Mesh service is installed on the distribution that this computer runs.
 * Any thread. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char       *name;    /* owned; "Fedora Linux 41 (Workstation Edition)", for people */
    const char *command; /* static; what an administrator types in a terminal */
    bool is_archive;     /* no package: @command is meant for the folder of the release's archive */
} GuiHostpart;

/* @os_release: the text of such a file (os-release(5)). Owned; what is not known gets the archive.
 */
GuiHostpart *gui_hostpart_new(const char *os_release);
/* Of this host, also from inside a Flatpak. Owned. Reads a small local file. */
GuiHostpart *gui_hostpart_load(void);
void         gui_hostpart_free(GuiHostpart *self); /* NULL is fine */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuiHostpart, gui_hostpart_free)
