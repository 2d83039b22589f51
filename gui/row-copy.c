#include "gui/row-copy.h"

#include "gui/window.h"

#include <glib/gi18n.h>

static void on_copy(AdwActionRow *row)
{
    GtkRoot *root = gtk_widget_get_root(GTK_WIDGET(row));

    gdk_clipboard_set_text(gtk_widget_get_clipboard(GTK_WIDGET(row)),
                           adw_action_row_get_subtitle(row));
    if (GUI_IS_WINDOW(root))
        gui_window_toast(GUI_WINDOW(root), _("Copied"));
}

GtkWidget *gui_row_copy_new(const char *title, const char *copy_label)
{
    GtkWidget *row = adw_action_row_new();
    GtkWidget *button = gtk_button_new_from_icon_name("edit-copy-symbolic");

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    gtk_widget_add_css_class(button, "flat");
    gtk_widget_set_tooltip_text(button, copy_label);
    gtk_accessible_update_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                   copy_label, -1);
    g_signal_connect_swapped(button, "clicked", G_CALLBACK(on_copy), row);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), button);
    return row;
}

void gui_row_copy_set_text(GtkWidget *row, const char *text)
{
    if (g_strcmp0(adw_action_row_get_subtitle(ADW_ACTION_ROW(row)), text) != 0)
        adw_action_row_set_subtitle(ADW_ACTION_ROW(row), text);
}
