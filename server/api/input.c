#include "server/api/input.h"

#include <glib.h>
#include <string.h>

enum {
    FIRST_ROOM = 1024,
};

void api_input_append(ApiInput *self, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    if (self->room - self->len < len) {
        size_t room = MAX(self->room, FIRST_ROOM);

        while (room - self->len < len)
            room *= 2;
        self->data = g_realloc(self->data, room);
        self->room = room;
    }
    memcpy(self->data + self->len, data, len);
    self->len += len;
}

void api_input_drop(ApiInput *self, size_t len)
{
    self->len -= len;
    if (self->len == 0)
        api_input_clear(self);
    else
        memmove(self->data, self->data + len, self->len);
}

void api_input_clear(ApiInput *self)
{
    g_free(self->data);
    *self = (ApiInput){ 0 };
}
