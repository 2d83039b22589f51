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

typedef struct {
    ControlLineFunc func;
    void           *user_data;
} Taker;

static bool give(const ControlLines *self, const char *text, size_t len, const Taker *taker)
{
    if (len > 0 && text[len - 1] == '\r')
        len--;
    return len <= self->max && taker->func(text, len, taker->user_data);
}

bool control_lines_feed(ControlLines *self, const char *bytes, size_t len, ControlLineFunc line,
                        void *user_data)
{
    Taker taker = { line, user_data };

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
            if (!give(self, bytes, here, &taker))
                return false;
        } else {
            g_autoptr(GString) whole = self->part;

            self->part = g_string_new(NULL);
            g_string_append_len(whole, bytes, (gssize)here);
            if (!give(self, whole->str, whole->len, &taker))
                return false;
        }
        bytes = end + 1;
        len -= here + 1;
    }
    return true;
}
