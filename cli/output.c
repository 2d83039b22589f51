#include "cli/output.h"

#include <stdio.h>
#include <string.h>

#define REPLACEMENT 0xFFFDu

struct CliTable {
    unsigned   n_columns;
    GPtrArray *cells; /* owned texts, titles first */
};

/* Marks that hide or reorder what is written: U+200B-200F, 2028-202E, 2060-2069, FEFF. */
static bool is_unsafe(gunichar c)
{
    return g_unichar_iscntrl(c) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

char *cli_output_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString         *clean = g_string_new(NULL);

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        g_string_append_unichar(clean, is_unsafe(c) ? REPLACEMENT : c);
    }
    return g_string_free(clean, false);
}

CliTable *cli_output_table_new(const char *const *titles)
{
    CliTable *self = g_new0(CliTable, 1);

    self->cells = g_ptr_array_new_with_free_func(g_free);
    for (; titles[self->n_columns] != NULL; self->n_columns++)
        g_ptr_array_add(self->cells, g_strdup(titles[self->n_columns]));
    return self;
}

void cli_output_table_free(CliTable *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->cells);
    g_free(self);
}

void cli_output_table_add(CliTable *self, const char *text)
{
    g_ptr_array_add(self->cells, cli_output_clean(text));
}

/* Cells of a terminal that @text takes. */
static unsigned get_width(const char *text)
{
    unsigned width = 0;

    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);

        if (!g_unichar_iszerowidth(c))
            width += g_unichar_iswide(c) ? 2 : 1;
    }
    return width;
}

static unsigned measure_column(const CliTable *self, unsigned column)
{
    unsigned width = 0;

    for (unsigned i = column; i < self->cells->len; i += self->n_columns)
        width = MAX(width, get_width(self->cells->pdata[i]));
    return width;
}

char *cli_output_table_format(const CliTable *self)
{
    GString             *text = g_string_new(NULL);
    g_autofree unsigned *widths = g_new0(unsigned, self->n_columns);

    for (unsigned column = 0; column < self->n_columns; column++)
        widths[column] = measure_column(self, column);
    for (unsigned i = 0; i < self->cells->len; i++) {
        const char *cell = self->cells->pdata[i];
        unsigned    column = i % self->n_columns;

        g_string_append(text, cell);
        if (column + 1 < self->n_columns) {
            for (unsigned n = get_width(cell); n < widths[column] + 2; n++)
                g_string_append_c(text, ' ');
            continue;
        }
        while (text->len > 0 && text->str[text->len - 1] == ' ')
            g_string_truncate(text, text->len - 1);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, false);
}

static void put_dict(MeshJsonOut *out, const char *name, GVariant *dict)
{
    GVariantIter iter;
    const char  *key;
    GVariant    *value;

    mesh_jsonout_open(out, name, '{');
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        cli_output_variant(out, key, value);
    mesh_jsonout_close(out, '}');
}

static void put_array(MeshJsonOut *out, const char *name, GVariant *array)
{
    mesh_jsonout_open(out, name, '[');
    for (gsize i = 0; i < g_variant_n_children(array); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(array, i);

        cli_output_variant(out, NULL, child);
    }
    mesh_jsonout_close(out, ']');
}

void cli_output_variant(MeshJsonOut *out, const char *name, GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT))
        put_dict(out, name, value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY))
        put_array(out, name, value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        mesh_jsonout_text(out, name, g_variant_get_string(value, NULL));
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        mesh_jsonout_bool(out, name, g_variant_get_boolean(value));
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
        mesh_jsonout_int(out, name, g_variant_get_int64(value));
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        mesh_jsonout_int(out, name, (int64_t)MIN(g_variant_get_uint64(value), (guint64)INT64_MAX));
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        mesh_jsonout_int(out, name, g_variant_get_uint32(value));
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT16))
        mesh_jsonout_int(out, name, g_variant_get_uint16(value));
}

char *cli_output_key(const char *property)
{
    GString *key = g_string_new(NULL);

    for (const char *at = property; *at != '\0'; at++) {
        if (g_ascii_isupper(*at) && at != property)
            g_string_append_c(key, '-');
        g_string_append_c(key, g_ascii_tolower(*at));
    }
    return g_string_free(key, false);
}

void cli_output_print_json(MeshJsonOut *out)
{
    g_autofree char *text = mesh_jsonout_finish(out, NULL);

    puts(text);
}

char *cli_output_format_bytes(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double                   value = (double)bytes;
    unsigned                 unit = 0;

    while (value >= 1024 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return unit == 0 ? g_strdup_printf("%u B", (unsigned)bytes)
                     : g_strdup_printf("%.1f %s", value, units[unit]);
}
