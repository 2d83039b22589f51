#include "gui/access.h"

void gui_access_label(GtkButton *button, const char *label)
{
    gtk_button_set_label(button, label);
    gtk_accessible_reset_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL);
}

void gui_access_show_page(GtkStack *stack, const char *name)
{
    GtkWidget *shown = gtk_stack_get_child_by_name(stack, name);

    gtk_widget_set_visible(shown, true); /* first: an invisible page is not shown */
    gtk_stack_set_visible_child(stack, shown);
    for (GtkWidget *page = gtk_widget_get_first_child(GTK_WIDGET(stack)); page != NULL;
         page = gtk_widget_get_next_sibling(page))
        gtk_widget_set_visible(page, page == shown);
}
