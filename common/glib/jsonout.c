/* common/glib/jsonout.c: see jsonout.h. */
#include "common/glib/jsonout.h"

#include "common/std/base64.h"

#include <string.h>

void mesh_jsonout_init(MeshJsonOut *self)
{
    self->text = g_string_sized_new(256);
    self->comma = false;
}

char *mesh_jsonout_finish(MeshJsonOut *self, size_t *out_len)
{
    if (out_len != NULL)
        *out_len = self->text->len;
    return g_string_free(g_steal_pointer(&self->text), FALSE);
}

void mesh_jsonout_done(MeshJsonOut *self)
{
    if (self->text != NULL)
        g_string_free(g_steal_pointer(&self->text), TRUE);
}

/* One that does not stand for itself. */
static void append_escaped(GString *text, unsigned char c)
{
    static const char short_forms[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };

    if (c == '"' || c == '\\') {
        g_string_append_c(text, '\\');
        g_string_append_c(text, (char)c);
        return;
    }
    if (c < sizeof(short_forms) && short_forms[c] != 0) {
        g_string_append_c(text, '\\');
        g_string_append_c(text, short_forms[c]);
        return;
    }
    g_string_append_printf(text, "\\u%04x", c);
}

static bool stands_for_itself(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void append_quoted(GString *text, const char *value, size_t len)
{
    size_t done = 0;

    g_string_append_c(text, '"');
    for (size_t i = 0; i < len; i++) {
        if (stands_for_itself((unsigned char)value[i]))
            continue;
        g_string_append_len(text, value + done, (gssize)(i - done));
        append_escaped(text, (unsigned char)value[i]);
        done = i + 1;
    }
    g_string_append_len(text, value + done, (gssize)(len - done));
    g_string_append_c(text, '"');
}

/* Comma and name before a value. */
static void begin_value(MeshJsonOut *self, const char *name)
{
    if (self->comma)
        g_string_append_c(self->text, ',');
    self->comma = true;
    if (name == NULL)
        return;
    append_quoted(self->text, name, strlen(name));
    g_string_append_c(self->text, ':');
}

void mesh_jsonout_open(MeshJsonOut *self, const char *name, char bracket)
{
    begin_value(self, name);
    g_string_append_c(self->text, bracket);
    self->comma = false;
}

void mesh_jsonout_close(MeshJsonOut *self, char bracket)
{
    g_string_append_c(self->text, bracket);
    self->comma = true;
}

void mesh_jsonout_text_len(MeshJsonOut *self, const char *name, const char *value, size_t len)
{
    begin_value(self, name);
    append_quoted(self->text, value, len);
}

void mesh_jsonout_text(MeshJsonOut *self, const char *name, const char *value)
{
    if (value != NULL)
        mesh_jsonout_text_len(self, name, value, strlen(value));
}

void mesh_jsonout_int(MeshJsonOut *self, const char *name, int64_t value)
{
    begin_value(self, name);
    g_string_append_printf(self->text, "%" G_GINT64_FORMAT, value);
}

void mesh_jsonout_bool(MeshJsonOut *self, const char *name, bool value)
{
    begin_value(self, name);
    g_string_append(self->text, value ? "true" : "false");
}

void mesh_jsonout_b64u(MeshJsonOut *self, const char *name, const void *bytes, size_t len)
{
    size_t   size = MESH_BASE64URL_SIZE(len); /* with its NUL, for which a GString has room */
    GString *text = self->text;
    size_t   at;

    begin_value(self, name);
    g_string_append_c(text, '"');
    at = text->len;
    g_string_set_size(text, at + size - 1);
    if (mesh_base64url_encode(MESH_SPAN(bytes, len), text->str + at, size) < 0)
        g_assert_not_reached(); /* the size is computed above */
    g_string_append_c(text, '"');
}

void mesh_jsonout_raw(MeshJsonOut *self, const char *name, const char *json)
{
    begin_value(self, name);
    g_string_append(self->text, json);
}
