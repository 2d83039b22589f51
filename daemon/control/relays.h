/* daemon/control/relays.h: asks for the relays of the network. Inside of daemon/control. */
#pragma once

#include "daemon/control/inside.h"

void control_relays_stop(ControlClient *self);

/* The server has a relay map of @ver; 0: none. Asked for when it is another than before. */
void control_relays_told(ControlClient *self, uint64_t ver);
