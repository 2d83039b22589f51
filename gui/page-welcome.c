#include "gui/page-welcome.h"

#include "gui/access.h"
#include "gui/fix.h"
#include "gui/hostpart.h"

#include <glib/gi18n.h>

struct _GuiPageWelcome {
    AdwBin            parent;
    const GuiProblem *problem; /* of the service; NULL: it runs */
    AdwActionRow     *step_service, *step_link;
    GtkWidget        *service_done;
    GtkButton        *service_fix, *join;
};

G_DEFINE_FINAL_TYPE(GuiPageWelcome, gui_page_welcome, ADW_TYPE_BIN)

bool gui_page_welcome_knows(GuiClientState state)
{
    return state == GUI_CLIENT_READY || state == GUI_CLIENT_NOT_RUNNING ||
           state == GUI_CLIENT_NOT_INSTALLED;
}

/* What stands under the first step. */
static char *dup_service_words(GuiPageWelcome *self, GuiClient *client, bool *out_fixable)
{
    g_autoptr(GuiHostpart) part = NULL;

    *out_fixable = self->problem != NULL;
    if (self->problem == NULL && gui_problem_of_version(client) != NULL)
        /* Translators: the version of the service, and what is to be said of it */
        return g_strdup_printf(_("Version %s. %s"), gui_client_get_text(client, "version"),
                               _(gui_problem_of_version(client)->text));
    if (self->problem == NULL)
        /* Translators: %s is the version of the service */
        return g_strdup_printf(_("Version %s"), gui_client_get_text(client, "version"));
    if (self->problem->fix != GUI_FIX_INSTALL)
        return g_strdup(_("It is installed, but not running."));
    part = gui_hostpart_load();
    if (part->is_archive)
        /* Translators: %1$s is a distribution, %2$s a command */
        return g_strdup_printf(
            _("It is not installed, and for %s there is no package of it. In the folder "
              "of the release's archive, in a terminal: %s"),
            part->name, part->command);
    /* Translators: %1$s is a distribution, %2$s a command such as "sudo apt install meshd" */
    return g_strdup_printf(_("It is not installed. On %s, in a terminal: %s"), part->name,
                           part->command);
}

void gui_page_welcome_show(GuiPageWelcome *self, GuiClient *client)
{
    g_autofree char *words = NULL;
    bool             fixable;

    self->problem = gui_problem_of_client(client);
    words = dup_service_words(self, client, &fixable);
    adw_action_row_set_subtitle(self->step_service, words);
    gtk_widget_set_visible(self->service_done, self->problem == NULL);
    gtk_widget_set_visible(GTK_WIDGET(self->service_fix), fixable);
    if (fixable)
        gui_access_label(self->service_fix, _(self->problem->button));
    gtk_widget_set_sensitive(GTK_WIDGET(self->step_link), self->problem == NULL);
    if (self->problem == NULL)
        gtk_widget_add_css_class(GTK_WIDGET(self->join), "suggested-action");
    else
        gtk_widget_remove_css_class(GTK_WIDGET(self->join), "suggested-action");
}

static void on_service_clicked(GtkButton *button, GuiPageWelcome *self)
{
    if (self->problem != NULL)
        gui_fix_run(GTK_WIDGET(button), NULL, self->problem);
}

static void gui_page_welcome_class_init(GuiPageWelcomeClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/page-welcome.ui");
    gtk_widget_class_bind_template_child(widget, GuiPageWelcome, step_service);
    gtk_widget_class_bind_template_child(widget, GuiPageWelcome, step_link);
    gtk_widget_class_bind_template_child(widget, GuiPageWelcome, service_done);
    gtk_widget_class_bind_template_child(widget, GuiPageWelcome, service_fix);
    gtk_widget_class_bind_template_child(widget, GuiPageWelcome, join);
    gtk_widget_class_bind_template_callback(widget, on_service_clicked);
}

static void gui_page_welcome_init(GuiPageWelcome *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    gui_access_label(self->join, _("_Join…"));
}
