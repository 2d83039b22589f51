/* daemon/path/shelter.h: whether this network has to do without relays. Where there is one, idle
 * peers cost nothing: the first packet goes by it. Without, NATs have to be kept open, and peers
 * looked for before there is traffic. Thread: main loop. Inside of daemon/path. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    guint timer; /* until it is given up that there will be a relay; 0: none */
    bool *relayless;
    void (*changed)(void *user_data);
    void *user_data;
} PathShelter;

/** path_shelter_start: @relayless, which outlives it, is kept as it is; changed() tells. */
void path_shelter_start(PathShelter *self, bool *relayless, void (*changed)(void *user_data),
                        void *user_data);
void path_shelter_stop(PathShelter *self);

/** path_shelter_look: @bound: there is a session at home. Calls changed() when that ends a time
 * without. */
void path_shelter_look(PathShelter *self, bool bound);
