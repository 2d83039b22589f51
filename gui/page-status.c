#include "gui/page-status.h"

#include "gui/access.h"
#include "gui/fix.h"

#include <glib/gi18n.h>

struct _GuiPageStatus {
    AdwBin            parent;
    GuiNetwork       *network; /* NULL: of the client */
    const GuiProblem *problem; /* NULL: none was shown yet */
    AdwStatusPage    *page;
    GtkButton        *fix, *again;
    GtkLabel         *detail;
};

G_DEFINE_FINAL_TYPE(GuiPageStatus, gui_page_status, ADW_TYPE_BIN)

static const char *translate(const char *text)
{
    return text != NULL && text[0] != '\0' ? _(text) : "";
}

/* The words of the page, and the command that its button copies: it can be read, too. */
static void show_detail(GuiPageStatus *self, const char *detail)
{
    g_autofree char *install = NULL;
    g_autofree char *all = NULL;
    const char      *command = self->problem->command;

    if (self->problem->fix == GUI_FIX_INSTALL)
        command = install = gui_problem_dup_install(NULL);
    all = g_strdup_printf("%s%s%s", detail, detail[0] != '\0' && command != NULL ? "\n\n" : "",
                          command != NULL ? command : "");
    gtk_label_set_text(self->detail, all);
    gtk_widget_set_visible(GTK_WIDGET(self->detail), all[0] != '\0');
    gtk_widget_set_visible(GTK_WIDGET(self->fix),
                           self->problem->fix != GUI_FIX_NONE &&
                               (self->problem->fix != GUI_FIX_INSTALL || command != NULL));
    /* Who has typed the command of a network's page wants to know at once whether it helped. */
    gtk_widget_set_visible(GTK_WIDGET(self->again),
                           self->network != NULL && self->problem->fix == GUI_FIX_COPY);
}

void gui_page_status_show(GuiPageStatus *self, GuiNetwork *network, const GuiProblem *problem,
                          const char *detail)
{
    g_set_object(&self->network, network);
    self->problem = problem;
    adw_status_page_set_icon_name(self->page, problem->icon);
    adw_status_page_set_title(self->page, translate(problem->title));
    adw_status_page_set_description(self->page, translate(problem->text));
    gui_access_label(self->fix, translate(problem->button));
    show_detail(self, detail);
    if (problem->icon == NULL) /* of the short time before the daemon answers */
        gtk_widget_add_css_class(GTK_WIDGET(self), "late");
    else
        gtk_widget_remove_css_class(GTK_WIDGET(self), "late");
}

static void on_fix_clicked(GtkButton *button, GuiPageStatus *self)
{
    gui_fix_run(GTK_WIDGET(button), self->network, self->problem);
}

static void on_again_clicked(GtkButton *button, GuiPageStatus *self)
{
    if (self->network != NULL)
        gui_fix_repair(GTK_WIDGET(button), self->network);
}

static void gui_page_status_dispose(GObject *object)
{
    g_clear_object(&GUI_PAGE_STATUS(object)->network);
    G_OBJECT_CLASS(gui_page_status_parent_class)->dispose(object);
}

static void gui_page_status_class_init(GuiPageStatusClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = gui_page_status_dispose;
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/page-status.ui");
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, page);
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, fix);
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, again);
    gtk_widget_class_bind_template_child(widget, GuiPageStatus, detail);
    gtk_widget_class_bind_template_callback(widget, on_fix_clicked);
    gtk_widget_class_bind_template_callback(widget, on_again_clicked);
}

static void gui_page_status_init(GuiPageStatus *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    gui_access_label(self->again, _("_Try Again"));
}
