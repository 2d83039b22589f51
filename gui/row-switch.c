#include "gui/row-switch.h"

GtkWidget *gui_row_switch_new(const char *title, const char *subtitle)
{
    GtkWidget *row = adw_action_row_new();
    GtkWidget *button = gtk_switch_new();

    adw_preferences_row_set_use_markup(ADW_PREFERENCES_ROW(row), FALSE);
    adw_preferences_row_set_title(ADW_PREFERENCES_ROW(row), title);
    adw_action_row_set_subtitle(ADW_ACTION_ROW(row), subtitle);
    gtk_widget_set_valign(button, GTK_ALIGN_CENTER);
    adw_action_row_add_suffix(ADW_ACTION_ROW(row), button);
    adw_action_row_set_activatable_widget(ADW_ACTION_ROW(row), button);
    return row;
}

GtkSwitch *gui_row_switch_get_switch(GtkWidget *row)
{
    return GTK_SWITCH(adw_action_row_get_activatable_widget(ADW_ACTION_ROW(row)));
}

void gui_row_switch_show(GtkWidget *row, bool active, gulong handler)
{
    GtkSwitch *button = gui_row_switch_get_switch(row);

    g_signal_handler_block(button, handler);
    /* To set what is set already would end an animation, and with it the user's click. */
    if (gtk_switch_get_active(button) != active)
        gtk_switch_set_active(button, active);
    if (gtk_switch_get_state(button) != active)
        gtk_switch_set_state(button, active);
    g_signal_handler_unblock(button, handler);
}
