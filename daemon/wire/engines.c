/* daemon/wire/engines.c: see engines.h. */
#include "daemon/wire/engines.h"

#include "daemon/wire/aead.h"
#include "daemon/wire/state.h"

void wire_engines_use(WirePlane *self, const char *name)
{
    for (WireSuite suite = 0; suite < WIRE_N_SUITES; suite++)
        atomic_store(&self->engines[suite], wire_aead_choose(suite, name));
}

bool wire_engines_know(const char *name)
{
    return wire_aead_init() == 0 && wire_aead_is_name(name);
}

bool wire_engines_can(WireSuite suite)
{
    return wire_aead_init() == 0 && wire_aead_best(suite) != NULL;
}
