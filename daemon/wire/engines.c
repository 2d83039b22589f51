/* daemon/wire/engines.c: see engines.h. */
#include "daemon/wire/engines.h"

#include "daemon/wire/state.h"

void wire_engines_use(WirePlane *self, const char *name)
{
    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++)
        atomic_store(&self->engines[suite], wire_aead_choose(suite, name));
}
