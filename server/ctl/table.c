/* server/ctl/table.c: rows of texts in columns. */
#include "server/ctl/table.h"

#include <stdbool.h>
#include <stdio.h>

struct CtlTable {
    const char *const *headings;
    guint              columns;
    GPtrArray         *cells; /* of owned text, row by row */
};

CtlTable *ctl_table_new(const char *const *headings)
{
    CtlTable *self = g_new0(CtlTable, 1);

    self->headings = headings;
    self->columns = g_strv_length((char **)headings);
    self->cells = g_ptr_array_new_with_free_func(g_free);
    return self;
}

void ctl_table_free(CtlTable *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->cells);
    g_free(self);
}

/* @text without what a terminal would act upon. Owned. */
static char *harmless(const char *text)
{
    GString *out = g_string_new(NULL);

    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char_validated(at, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_c(out, '?');
            break;
        }
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    return g_string_free(out, FALSE);
}

void ctl_table_add(CtlTable *self, const char *text)
{
    g_ptr_array_add(self->cells, harmless(text != NULL && text[0] != '\0' ? text : "-"));
}

void ctl_table_add_int(CtlTable *self, int64_t number)
{
    g_ptr_array_add(self->cells, g_strdup_printf("%" G_GINT64_FORMAT, number));
}

void ctl_table_add_limit(CtlTable *self, int64_t number)
{
    if (number == 0)
        ctl_table_add(self, "-");
    else
        ctl_table_add_int(self, number);
}

char *ctl_table_format_time(int64_t time)
{
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(time);

    return at != NULL ? g_date_time_format(at, "%Y-%m-%d %H:%M") : g_strdup("?");
}

void ctl_table_add_time(CtlTable *self, int64_t time, const char *zero)
{
    g_ptr_array_add(self->cells, time == 0 ? g_strdup(zero) : ctl_table_format_time(time));
}

static const char *cell(const CtlTable *self, guint row, guint column)
{
    return g_ptr_array_index(self->cells, row * self->columns + column);
}

static void print_cell(const char *text, glong width, bool last)
{
    glong len = g_utf8_strlen(text, -1);

    if (last)
        (void)printf("%s\n", text);
    else
        (void)printf("%s%*s", text, (int)(width - len + 2), "");
}

void ctl_table_print(const CtlTable *self)
{
    guint             rows = self->cells->len / self->columns;
    g_autofree glong *widths = g_new0(glong, self->columns);

    for (guint c = 0; c < self->columns; c++) {
        widths[c] = g_utf8_strlen(self->headings[c], -1);
        for (guint r = 0; r < rows; r++)
            widths[c] = MAX(widths[c], g_utf8_strlen(cell(self, r, c), -1));
    }
    for (guint c = 0; c < self->columns; c++)
        print_cell(self->headings[c], widths[c], c + 1 == self->columns);
    for (guint r = 0; r < rows; r++)
        for (guint c = 0; c < self->columns; c++)
            print_cell(cell(self, r, c), widths[c], c + 1 == self->columns);
}

static void print_member(const char *name, JsonNode *node)
{
    g_autofree char *value =
        JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
            ? g_strdup(json_node_get_string(node))
            : json_to_string(node, FALSE);
    g_autofree char *shown = harmless(value);

    (void)printf("%-12s  %s\n", name, shown);
}

void ctl_table_print_object(JsonObject *object, bool json)
{
    g_autoptr(GList) names = json_object_get_members(object);

    if (json) {
        g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
        g_autofree char *text = NULL;

        json_node_set_object(node, object);
        text = json_to_string(node, FALSE);
        (void)printf("%s\n", text);
        return;
    }
    for (GList *at = names; at != NULL; at = at->next)
        print_member(at->data, json_object_get_member(object, at->data));
}
