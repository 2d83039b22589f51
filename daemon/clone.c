/* daemon/clone.c: see clone.h. */
#include "daemon/clone.h"

#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/inside.h"

enum { SHOWN_S = 300 }; /* after the server said it last */

static void tell(MeshdEngine *self)
{
    self->host->changed(self, false, self->host->user_data);
}

char *meshd_clone_describe(const MeshdEngine *self)
{
    const char *name = self->profile->network;

    if (self->displaced)
        return g_strdup_printf("another host runs with a copy of this node's keys and keeps the "
                               "node; this one is out of the network until that ends. If this "
                               "host is the copy: \"mesh leave --local %s\", then join with a link "
                               "of its own. If the other is: do that there",
                               name);
    if (self->cloned_ms == 0)
        return NULL;
    return g_strdup_printf("another host runs with a copy of this node's keys; this one keeps the "
                           "node. On the copy: \"mesh leave --local %s\", then join with a link of "
                           "its own",
                           name);
}

static gboolean on_cloned_over(gpointer user_data)
{
    MeshdEngine *self = user_data;

    self->cloned = 0;
    self->cloned_ms = 0;
    tell(self);
    return G_SOURCE_REMOVE;
}

/* Our newest E may be the copy's, and what peers send may go to it: tell the server our own, above
 * what it holds, and peers by a packet of ours. */
static void speak_up(MeshdEngine *self)
{
    Path *path = meshd_parts_get_path(self->parts);

    meshd_report_raise(self->report, 0);
    meshd_membership_report(self);
    if (path != NULL)
        path_nudge(path);
}

void meshd_clone_heard(MeshdEngine *self)
{
    bool             news = self->cloned_ms == 0;
    g_autofree char *text = NULL;

    self->cloned_ms = mesh_clock_boot_ms();
    g_clear_handle_id(&self->cloned, g_source_remove);
    self->cloned = g_timeout_add_seconds(SHOWN_S, on_cloned_over, self);
    speak_up(self);
    if (!news)
        return;
    text = meshd_clone_describe(self);
    mesh_log_warning("network %s: %s", self->profile->network, text);
    tell(self);
}

/* Peers would send to the one or the other, as each of them spoke last: only one may speak. */
void meshd_clone_step_back(MeshdEngine *self)
{
    g_autofree char *text = NULL;

    self->displaced = true;
    text = meshd_clone_describe(self);
    meshd_engine_stop_parts(self);
    meshd_engine_set_state(self, MESHD_ENGINE_ERROR, text, "cloned");
}

void meshd_clone_forget(MeshdEngine *self)
{
    g_clear_handle_id(&self->cloned, g_source_remove);
    self->cloned_ms = 0;
    self->displaced = false;
}
