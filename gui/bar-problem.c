#include "gui/bar-problem.h"

#include "gui/access.h"
#include "gui/fix.h"

#include <glib/gi18n.h>

struct _GuiBarProblem {
    AdwBin            parent;
    GuiNetwork       *network; /* NULL: of the client */
    const GuiProblem *problem; /* NULL: none */
    GtkRevealer      *revealer;
    GtkImage         *icon;
    GtkLabel         *title, *text, *detail;
    GtkButton        *fix;
};

G_DEFINE_FINAL_TYPE(GuiBarProblem, gui_bar_problem, ADW_TYPE_BIN)

void gui_bar_problem_show(GuiBarProblem *self, GuiNetwork *network, const GuiProblem *problem,
                          const char *detail)
{
    g_set_object(&self->network, network);
    self->problem = problem;
    gtk_widget_set_visible(GTK_WIDGET(self), problem != NULL);
    gtk_revealer_set_reveal_child(self->revealer, problem != NULL);
    if (problem == NULL)
        return;
    gtk_image_set_from_icon_name(self->icon, problem->icon);
    gtk_label_set_text(self->title, _(problem->title));
    gtk_label_set_text(self->text, _(problem->text));
    gtk_label_set_text(self->detail, detail);
    gtk_widget_set_visible(GTK_WIDGET(self->detail), detail[0] != '\0');
    gtk_widget_set_visible(GTK_WIDGET(self->fix), problem->fix != GUI_FIX_NONE);
    if (problem->button != NULL)
        gui_access_label(self->fix, _(problem->button));
}

static void on_fix_clicked(GtkButton *button, GuiBarProblem *self)
{
    if (self->problem != NULL)
        gui_fix_run(GTK_WIDGET(button), self->network, self->problem);
}

static void gui_bar_problem_dispose(GObject *object)
{
    g_clear_object(&GUI_BAR_PROBLEM(object)->network);
    G_OBJECT_CLASS(gui_bar_problem_parent_class)->dispose(object);
}

static void gui_bar_problem_class_init(GuiBarProblemClass *class)
{
    GtkWidgetClass *widget = GTK_WIDGET_CLASS(class);

    G_OBJECT_CLASS(class)->dispose = gui_bar_problem_dispose;
    gtk_widget_class_set_template_from_resource(widget, "/org/meshvpn/Mesh/ui/bar-problem.ui");
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, revealer);
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, icon);
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, title);
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, text);
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, detail);
    gtk_widget_class_bind_template_child(widget, GuiBarProblem, fix);
    gtk_widget_class_bind_template_callback(widget, on_fix_clicked);
}

static void gui_bar_problem_init(GuiBarProblem *self)
{
    gtk_widget_init_template(GTK_WIDGET(self));
    gtk_widget_set_visible(GTK_WIDGET(self), false);
}
