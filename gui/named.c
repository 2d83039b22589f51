#include "gui/named.h"

#include <glib/gi18n.h>
#include <stdbool.h>

static void name_after(GtkWidget *widget, const char *text)
{
    gtk_accessible_update_property(GTK_ACCESSIBLE(widget), GTK_ACCESSIBLE_PROPERTY_LABEL, text, -1);
}

/* The button that shows a password has another tooltip while it is shown. */
static void on_tooltip(GtkWidget *button)
{
    name_after(button, gtk_widget_get_tooltip_text(button));
}

static void name_buttons(GtkWidget *widget)
{
    GtkWidget *child = gtk_widget_get_first_child(widget);

    if (GTK_IS_BUTTON(widget) && gtk_widget_get_tooltip_text(widget) != NULL) {
        g_signal_connect(widget, "notify::tooltip-text", G_CALLBACK(on_tooltip), NULL);
        on_tooltip(widget);
    }
    for (; child != NULL; child = gtk_widget_get_next_sibling(child))
        name_buttons(child);
}

void gui_named_entry(AdwEntryRow *row)
{
    GtkWidget *text = GTK_WIDGET(gtk_editable_get_delegate(GTK_EDITABLE(row)));

    name_after(text, adw_preferences_row_get_title(ADW_PREFERENCES_ROW(row)));
    name_buttons(GTK_WIDGET(row));
}

void gui_named_dialog(GtkWidget *widget)
{
    GtkWidget *child = gtk_widget_get_first_child(widget);

    if (GTK_IS_BUTTON(widget) && gtk_button_get_use_underline(GTK_BUTTON(widget)))
        gtk_accessible_reset_property(GTK_ACCESSIBLE(widget), GTK_ACCESSIBLE_PROPERTY_LABEL);
    for (; child != NULL; child = gtk_widget_get_next_sibling(child))
        gui_named_dialog(child);
}

static GtkWidget *find_search(GtkWidget *widget)
{
    GtkWidget *child = gtk_widget_get_first_child(widget), *found = NULL;

    if (GTK_IS_SEARCH_ENTRY(widget))
        return widget;
    for (; child != NULL && found == NULL; child = gtk_widget_get_next_sibling(child))
        found = find_search(child);
    return found;
}

void gui_named_search(GtkWidget *widget, const char *name)
{
    GtkWidget *search = find_search(widget);

    if (search != NULL)
        name_after(search, name);
}

/* @inside: below the widget that libadwaita shows a toast as. */
static void name_toasts(GtkWidget *widget, bool inside)
{
    GtkWidget *child = gtk_widget_get_first_child(widget);

    inside = inside || g_str_equal(G_OBJECT_TYPE_NAME(widget), "AdwToastWidget");
    if (inside && GTK_IS_BUTTON(widget) && gtk_button_get_label(GTK_BUTTON(widget)) == NULL)
        name_after(widget, _("Dismiss"));
    for (; child != NULL; child = gtk_widget_get_next_sibling(child))
        name_toasts(child, inside);
}

/* libadwaita would show a toast again once a newer one has gone: old news, in a widget without
 * names. */
static void replace_toast(GtkWidget *overlay, AdwToast *toast)
{
    AdwToast *last = g_object_get_data(G_OBJECT(overlay), "mesh-toast");

    if (last != NULL)
        adw_toast_dismiss(last);
    g_object_set_data_full(G_OBJECT(overlay), "mesh-toast", g_object_ref(toast), g_object_unref);
}

void gui_named_toast(GtkWidget *overlay, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);
    AdwToast        *toast = adw_toast_new(escaped);

    replace_toast(overlay, toast);
    adw_toast_set_priority(toast, ADW_TOAST_PRIORITY_HIGH);
    if (ADW_IS_TOAST_OVERLAY(overlay))
        adw_toast_overlay_add_toast(ADW_TOAST_OVERLAY(overlay), toast);
    else
        adw_preferences_window_add_toast(ADW_PREFERENCES_WINDOW(overlay), toast);
    name_toasts(overlay, false);
}
