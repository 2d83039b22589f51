/* daemon/control/lines.c: see lines.h. */
#include "daemon/control/lines.h"

#include <string.h>

void control_lines_init(ControlLines *self, size_t max)
{
    self->part = g_string_new(NULL);
    self->max = max;
}

void control_lines_done(ControlLines *self)
{
    if (self->part != NULL)
        g_string_free(g_steal_pointer(&self->part), TRUE);
}

static size_t without_cr(const char *text, size_t len)
{
    return len > 0 && text[len - 1] == '\r' ? len - 1 : len;
}

bool control_lines_feed(ControlLines *self, const char *bytes, size_t len, ControlLineFunc line,
                        void *user_data)
{
    while (len > 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t      here = end != NULL ? (size_t)(end - bytes) : len;

        if (self->part->len + here > self->max + 1) /* the CR */
            return false;
        if (end == NULL) {
            g_string_append_len(self->part, bytes, (gssize)here);
            return true;
        }
        if (self->part->len == 0) {
            if (!line(bytes, without_cr(bytes, here), user_data))
                return false;
        } else {
            g_autoptr(GString) whole = self->part;

            self->part = g_string_new(NULL);
            g_string_append_len(whole, bytes, (gssize)here);
            if (!line(whole->str, without_cr(whole->str, whole->len), user_data))
                return false;
        }
        bytes = end + 1;
        len -= here + 1;
    }
    return true;
}
