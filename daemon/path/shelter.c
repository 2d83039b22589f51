#include "daemon/path/shelter.h"

enum { WITHOUT_MS = 10000 }; /* a session is bound, or bound again, sooner than that */

static gboolean on_without(gpointer user_data)
{
    PathShelter *self = user_data;

    self->timer = 0;
    *self->relayless = true;
    self->changed(self->user_data);
    return G_SOURCE_REMOVE;
}

void path_shelter_start(PathShelter *self, bool *relayless, void (*changed)(void *user_data),
                        void *user_data)
{
    *self = (PathShelter){ .relayless = relayless, .changed = changed, .user_data = user_data };
    path_shelter_look(self, false);
}

void path_shelter_stop(PathShelter *self)
{
    g_clear_handle_id(&self->timer, g_source_remove);
}

void path_shelter_look(PathShelter *self, bool bound)
{
    if (!bound) {
        if (!*self->relayless && self->timer == 0)
            self->timer = g_timeout_add(WITHOUT_MS, on_without, self);
        return;
    }
    g_clear_handle_id(&self->timer, g_source_remove);
    if (!*self->relayless)
        return;
    *self->relayless = false;
    self->changed(self->user_data);
}
