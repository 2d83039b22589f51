/* daemon/wire/engines.h: which AEAD engines a plane's new sessions get. Thread: control. */
#pragma once

#include "common/std/attr.h"

typedef struct WirePlane WirePlane;

/** wire_engines_use: @name ("openssl", "ipsec-mb") for each suite that has it, else, and with NULL,
 * the one measured to be the fastest. Sessions that there are keep theirs. */
void wire_engines_use(WirePlane *self, const char *name);
