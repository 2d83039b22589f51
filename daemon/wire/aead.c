/* daemon/wire/aead.c: the table of AEAD engines; see aead.h. */
#include "daemon/wire/aead.h"

#include <errno.h>
#include <string.h>

/* In order of preference; the last runs everywhere. */
static const WireAead *const engines[] = {
    &wire_aead_openssl,
};

int wire_aead_init(void)
{
    return wire_aead_openssl_init();
}

const WireAead *wire_aead_best(void)
{
    return engines[0];
}

const WireAead *wire_aead_find(const char *name)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++) {
        if (strcmp(engines[i]->name, name) == 0)
            return engines[i];
    }
    return NULL;
}
