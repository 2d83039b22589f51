/* nm-plugin/editor.h: the few calls that GTK 3 and GTK 4 name differently; editor.c is compiled
 * once for each. Inside of editor.c only. */
#pragma once

#include <gtk/gtk.h>

#if GTK_MAJOR_VERSION >= 4
#define EDITOR_TYPE_NAME             "MeshVpnEditorGtk4"
#define editor_append(box, child)    gtk_box_append(GTK_BOX(box), child)
#define editor_set_text(entry, text) gtk_editable_set_text(GTK_EDITABLE(entry), text)
#define editor_get_text(entry)       gtk_editable_get_text(GTK_EDITABLE(entry))
#define editor_show(widget)          (void)(widget)
#else
#define EDITOR_TYPE_NAME             "MeshVpnEditorGtk3"
#define editor_append(box, child)    gtk_box_pack_start(GTK_BOX(box), child, FALSE, FALSE, 0)
#define editor_set_text(entry, text) gtk_entry_set_text(GTK_ENTRY(entry), text)
#define editor_get_text(entry)       gtk_entry_get_text(GTK_ENTRY(entry))
#define editor_show(widget)          gtk_widget_show_all(widget)
#endif
