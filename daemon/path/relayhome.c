#include "common/glib/log.h"
#include "common/std/clock.h"
#include "daemon/path/relaychoice.h"
#include "daemon/path/relayset.h"

#include <string.h>

enum {
    FIRST_MS = 400,      /* so long the first answer is waited for before one is chosen */
    CALM_MS = 60000,     /* a relay that was lost has to answer so long again, */
    CALM_MAX_MS = 960000 /*   and longer each time */
};

static int64_t get_rtt_us(const PathRelayEntry *entry)
{
    return entry->met_us != 0 ? entry->met_us : path_relayset_view(entry).rtt_us;
}

static bool is_down(const PathRelayEntry *entry)
{
    PathRelayView now = path_relayset_view(entry);

    if (entry->session == NULL || now.bound)
        return false;
    return !now.hopeful || entry->calm_ms > mesh_clock_boot_ms();
}

static size_t make_candidates(const PathRelays *self, PathRelayCandidate out[PATH_MAX_RELAYS])
{
    size_t n = 0;

    for (guint i = 0; i < self->entries->len && n < PATH_MAX_RELAYS; i++) {
        const PathRelayEntry *entry = path_relayset_get(self, i);

        out[n++] = (PathRelayCandidate){ .id = entry->told.id,
                                         .usable = entry->told.usable,
                                         .draining = entry->told.draining,
                                         .down = is_down(entry),
                                         .shaky = entry->calm_ms > mesh_clock_boot_ms(),
                                         .rtt_us = get_rtt_us(entry) };
    }
    return n;
}

/* How many could be home without anything being wrong: with one alone there is nothing to measure.
 */
static bool is_alone(const PathRelays *self)
{
    unsigned n = 0;

    for (guint i = 0; i < self->entries->len; i++)
        n += path_relayset_get(self, i)->told.usable;
    return n == 1;
}

static bool is_any_met(const PathRelays *self)
{
    for (guint i = 0; i < self->entries->len; i++)
        if (path_relayset_get(self, i)->told.usable && path_relayset_get(self, i)->met_us != 0)
            return true;
    return false;
}

static gboolean on_first(gpointer user_data)
{
    PathRelays *self = user_data;

    self->first_timer = 0;
    self->waited = true;
    (void)path_relayhome_settle(self, false);
    return G_SOURCE_REMOVE;
}

/* A relay that does as well as the home did is no reason to move; a nearer one is, if it is so
 * twice. */
static bool is_sure(PathRelays *self, const PathRelayEntry *home, const PathRelayEntry *best,
                    bool measured)
{
    bool fine = home != NULL && path_relayset_view(home).bound &&
                home->told.usable == best->told.usable && !home->told.draining;
    bool again = self->rival == best->told.id && measured;

    if (!fine || again) {
        self->rival = 0;
        return true;
    }
    if (self->rival != best->told.id) {
        self->rival = best->told.id;
        self->events.measure(self->user_data);
    }
    return false;
}

static void move(PathRelays *self, PathRelayEntry *to)
{
    if (to->told.id != self->home)
        mesh_log_info("relay %s is home now", to->told.name);
    self->home = to->told.id;
    self->next = 0;
}

/* Chooses again. @measured: a measurement ended just now. */
static void review(PathRelays *self, bool measured)
{
    PathRelayCandidate list[PATH_MAX_RELAYS];
    size_t             n = make_candidates(self, list);
    PathRelayEntry    *home = path_relayset_find(self, self->home), *best;

    if (home == NULL && self->next == 0 && !is_alone(self) && !is_any_met(self) &&
        self->first_timer != 0)
        return; /* the nearest is about to answer */
    best = path_relayset_find(self, path_relaychoice_home(list, n,
                                                          home != NULL ? self->home : self->next));
    if (home == NULL)
        self->home = 0;
    if (best == NULL)
        return;
    if (best == home) {
        self->next = self->rival = 0;
        path_relayset_want(self, best);
        return;
    }
    if (!is_sure(self, home, best, measured))
        return;
    self->next = best->told.id;
    path_relayset_want(self, best);
    if (path_relayset_view(best).bound)
        move(self, best);
}

/* What is told of us is another than before. */
static bool is_news(PathRelays *self)
{
    uint16_t before[PATH_MAX_HOMES];

    memcpy(before, self->told, sizeof before);
    memset(self->told, 0, sizeof self->told);
    (void)path_relayhome_list_homes(self, self->told);
    return memcmp(before, self->told, sizeof before) != 0;
}

bool path_relayhome_settle(PathRelays *self, bool measured)
{
    if (self->home == 0 && self->next == 0 && self->first_timer == 0 && !is_alone(self) &&
        !self->waited && self->entries->len > 0)
        self->first_timer = g_timeout_add(FIRST_MS, on_first, self);
    review(self, measured);
    if (!is_news(self))
        return false;
    self->events.changed(self->home, self->user_data);
    return true;
}

void path_relayhome_met(PathRelays *self, uint16_t relay, int64_t rtt_us)
{
    PathRelayEntry *entry = path_relayset_find(self, relay);

    if (entry == NULL)
        return;
    entry->met_us = rtt_us;
    if (self->home == 0 && rtt_us != 0)
        (void)path_relayhome_settle(self, false);
}

void path_relayhome_measured(PathRelays *self)
{
    (void)path_relayhome_settle(self, true);
}

/* ---- what sessions tell ---- */

static void note_lost(PathRelayEntry *entry)
{
    int64_t now_ms = mesh_clock_boot_ms();
    bool    again = entry->lost_ms != 0 && now_ms - entry->lost_ms < 2 * CALM_MAX_MS;

    entry->trial_ms = again ? MIN(2 * entry->trial_ms, CALM_MAX_MS) : CALM_MS;
    entry->lost_ms = now_ms;
    entry->calm_ms = now_ms + entry->trial_ms;
    entry->met_us = 0;
}

void path_relayhome_bound(PathRelays *self, PathRelayEntry *entry)
{
    bool was = entry->bound;

    entry->bound = path_relayset_view(entry).bound;
    if (was && !entry->bound)
        note_lost(entry);
    if (entry->bound && entry->calm_ms != 0 && !was)
        entry->calm_ms = mesh_clock_boot_ms() + entry->trial_ms; /* from when it answers again */
    if (entry->bound && (entry->told.id == self->next || self->home == 0))
        move(self, entry); /* any is better than none */
    review(self, false);
    (void)is_news(self);
    self->events.changed(entry->told.id, self->user_data);
}

void path_relayhome_calm(PathRelays *self)
{
    bool any = false;

    for (guint i = 0; i < self->entries->len; i++) {
        PathRelayEntry *entry = path_relayset_get(self, i);

        if (entry->calm_ms == 0 || entry->calm_ms > mesh_clock_boot_ms())
            continue;
        entry->calm_ms = 0;
        any = true;
    }
    if (any) /* it may be the nearest again */
        self->events.measure(self->user_data);
}

static uint16_t get_second(PathRelays *self, uint16_t first)
{
    PathRelayCandidate list[PATH_MAX_RELAYS];

    return path_relaychoice_second(list, make_candidates(self, list), first);
}

void path_relayhome_late(PathRelays *self, uint16_t relay)
{
    PathRelayEntry *second;

    if (relay != self->home)
        return;
    second = path_relayset_find(self, get_second(self, self->home));
    if (second != NULL)
        path_relayset_want(self, second); /* the home may be lost in a moment */
}

/* ---- front ---- */

bool path_relayhome_is_hopeful(PathRelays *self)
{
    return self->first_timer != 0 ||
           path_relayset_view(path_relayset_find(self, self->home)).hopeful ||
           path_relayset_view(path_relayset_find(self, self->next)).hopeful;
}

bool path_relayhome_get_home(PathRelays *self, uint16_t *out_id, MeshEndpoint *out_seen)
{
    PathRelayView now = path_relayset_view(path_relayset_find(self, self->home));

    if (!now.bound)
        return false;
    *out_id = self->home;
    *out_seen = now.seen;
    return true;
}

size_t path_relayhome_list_homes(PathRelays *self, uint16_t out_ids[PATH_MAX_HOMES])
{
    bool     bound = path_relayset_view(path_relayset_find(self, self->home)).bound;
    uint16_t first = bound ? self->home : self->home != 0 ? self->next : 0;
    uint16_t second = first != 0 ? get_second(self, first) : 0;
    size_t   n = 0;

    if (first != 0)
        out_ids[n++] = first;
    if (second != 0)
        out_ids[n++] = second;
    return n;
}

size_t path_relayhome_list(PathRelays *self, PathRelayInfo out[PATH_MAX_RELAYS])
{
    uint16_t second = get_second(self, self->home);
    size_t   n = 0;

    for (guint i = 0; i < self->entries->len && n < PATH_MAX_RELAYS; i++) {
        const PathRelayEntry *entry = path_relayset_get(self, i);
        PathRelayView         view = path_relayset_view(entry);

        out[n] = (PathRelayInfo){ .id = entry->told.id,
                                  .usable = entry->told.usable,
                                  .draining = entry->told.draining,
                                  .bound = view.bound,
                                  .tls = view.bound && view.tls,
                                  .down = is_down(entry),
                                  .home = entry->told.id == self->home,
                                  .second = entry->told.id == second,
                                  .rtt_us = get_rtt_us(entry) };
        g_strlcpy(out[n].name, entry->told.name, sizeof out[n].name);
        n++;
    }
    return n;
}
