/* daemon/clocks.c: see clocks.h. A timer on the wall clock that never ends is cancelled by the
 * kernel when that clock is set, and when the host resumes (timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET). */
#include "daemon/clocks.h"

#include "common/glib/log.h"
#include "common/std/clock.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { SLEEP_MS = 5000 }; /* what counts as sleep */

struct MeshdClocks {
    MeshdClocksEvents events;
    void             *user_data; /* the caller's */
    int               fd;        /* -1: none */
    guint             watch;
    int64_t           slept_ms; /* since boot, as last seen */
};

/* Far enough that it never rings. */
static bool arm(MeshdClocks *self)
{
    const struct itimerspec never = { .it_value = { .tv_sec = G_MAXINT32 } };

    return timerfd_settime(self->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) ==
           0;
}

void meshd_clocks_look(MeshdClocks *self)
{
    int64_t slept_ms = mesh_clock_slept_ms(), since_ms = slept_ms - self->slept_ms;

    if (since_ms <= SLEEP_MS)
        return;
    self->slept_ms = slept_ms;
    mesh_log_info("the computer woke up after %lld s", (long long)(since_ms + 500) / 1000);
    self->events.woke((since_ms + 500) / 1000, self->user_data);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    MeshdClocks *self = user_data;
    uint64_t     rings = 0;
    ssize_t      n = read(fd, &rings, sizeof rings);
    int          errnum = errno;

    (void)condition;
    if (n < 0 && errnum == EAGAIN)
        return G_SOURCE_CONTINUE;
    if (!arm(self)) {
        mesh_log_warning("changes of the clock are not seen any more: %s", g_strerror(errno));
        self->watch = 0;
        return G_SOURCE_REMOVE;
    }
    if (n < 0 && errnum == ECANCELED) {
        mesh_log_info("the clock was set");
        self->events.set(self->user_data);
    }
    meshd_clocks_look(self);
    return G_SOURCE_CONTINUE;
}

MeshdClocks *meshd_clocks_start(const MeshdClocksEvents *events, void *user_data)
{
    MeshdClocks *self = g_new0(MeshdClocks, 1);

    self->events = *events;
    self->user_data = user_data;
    self->slept_ms = mesh_clock_slept_ms();
    self->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->fd >= 0 && arm(self))
        self->watch = g_unix_fd_add(self->fd, G_IO_IN, on_readable, self);
    else
        mesh_log_warning("changes of the clock cannot be seen: %s", g_strerror(errno));
    return self;
}

void meshd_clocks_stop(MeshdClocks *self)
{
    if (self == NULL)
        return;
    g_clear_handle_id(&self->watch, g_source_remove);
    if (self->fd >= 0)
        close(self->fd);
    g_free(self);
}
