/* daemon/wire/aead.c: the table of AEAD engines; see aead.h. */
#include "daemon/wire/aead.h"

#include <errno.h>
#include <string.h>

/* In order of preference; the last runs everywhere. */
static const struct {
    const WireAead *engine;
    int (*init)(void); /* 0, or it is not for this machine; any thread, again is fine */
} engines[] = {
#ifdef MESH_IPSECMB
    { &wire_aead_ipsecmb, wire_aead_ipsecmb_init },
#endif
    { &wire_aead_openssl, wire_aead_openssl_init },
};

int wire_aead_init(void)
{
    int rc = -ENOTSUP;

    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++)
        rc = engines[i].init();
    return rc;
}

const WireAead *wire_aead_best(void)
{
    size_t i = 0;

    while (i + 1 < MESH_N_ELEMENTS(engines) && engines[i].init() < 0)
        i++;
    return engines[i].engine;
}

const WireAead *wire_aead_find(const char *name)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++) {
        if (strcmp(engines[i].engine->name, name) == 0)
            return engines[i].init() < 0 ? NULL : engines[i].engine;
    }
    return NULL;
}
