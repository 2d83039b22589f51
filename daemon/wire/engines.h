/* daemon/wire/engines.h: which AEAD engines a plane's new sessions get. Thread: control. */
#pragma once

#include "common/std/attr.h"
#include "daemon/wire/suite.h"

typedef struct WirePlane WirePlane;

/** wire_engines_use: @name ("openssl", "ipsec-mb") for each suite that has it, else, and with NULL,
 * the one measured to be the fastest. Sessions that there are keep theirs. */
void wire_engines_use(WirePlane *self, const char *name);

/** wire_engines_know: @name is an engine of this machine, for some suite. */
bool wire_engines_know(const char *name);

/** wire_engines_can: the suite is for this machine: its processor is fit, and an engine has proven
 * itself. The first time takes some 2 ms. */
bool wire_engines_can(WireSuite suite);
