/* daemon/wire/aead.c: the table of AEAD engines; see aead.h. What a flag of the processor promises
 * is not believed: an engine must answer right here and now, and of those that do, the one that is
 * measured to be the fastest is taken. */
#include "daemon/wire/aead.h"

#include "daemon/wire/aead-judge.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* In order of preference where nothing could be measured; of each suite the last, the reference,
 * runs everywhere where the suite does. */
static const struct {
    const WireAead *engine;
    int (*init)(void); /* 0, or it is not for this machine; any thread, again is fine */
} engines[] = {
#ifdef MESH_IPSECMB
    { &wire_aead_ipsecmb, wire_aead_ipsecmb_init },
    { &wire_aead_aes_ipsecmb, wire_aead_aes_ipsecmb_init },
#endif
    { &wire_aead_openssl, wire_aead_openssl_init },
    { &wire_aead_aes_openssl, wire_aead_aes_openssl_init },
};

/* What was found out at the first init; constant from then on. */
static bool            is_sound[MESH_N_ELEMENTS(engines)];
static const WireAead *best[WIRE_N_SUITES];
static pthread_once_t  once = PTHREAD_ONCE_INIT;

static const WireAead *get_reference(WireSuite suite)
{
    return suite == WIRE_SUITE_WG1 ? &wire_aead_openssl : &wire_aead_aes_openssl;
}

static void judge_all(void)
{
    uint64_t cost_ns[WIRE_N_SUITES], least_ns[WIRE_N_SUITES];

    memset(least_ns, 0xff, sizeof(least_ns));
    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++) {
        const WireAead *engine = engines[i].engine, *reference = get_reference(engine->suite);

        is_sound[i] = engines[i].init() == 0 && wire_aead_judge_is_sound(engine, reference);
        if (!is_sound[i])
            continue;
        cost_ns[engine->suite] = wire_aead_judge_measure(engine);
        if (best[engine->suite] != NULL && cost_ns[engine->suite] >= least_ns[engine->suite])
            continue;
        best[engine->suite] = engine;
        least_ns[engine->suite] = cost_ns[engine->suite];
    }
}

int wire_aead_init(void)
{
    int rc = wire_aead_openssl_init(); /* the reference is asked by the others */

    if (rc < 0)
        return rc;
    (void)!wire_aead_aes_openssl_init();
    pthread_once(&once, judge_all);
    return best[WIRE_SUITE_WG1] != NULL ? 0 : -ENOTSUP;
}

const WireAead *wire_aead_best(WireSuite suite)
{
    return best[suite];
}

const WireAead *wire_aead_find(WireSuite suite, const char *name)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++) {
        if (engines[i].engine->suite == suite && strcmp(engines[i].engine->name, name) == 0)
            return is_sound[i] ? engines[i].engine : NULL;
    }
    return NULL;
}

const WireAead *wire_aead_get(size_t n)
{
    return n < MESH_N_ELEMENTS(engines) ? engines[n].engine : NULL;
}

const WireAead *wire_aead_choose(WireSuite suite, const char *name)
{
    const WireAead *engine = name != NULL ? wire_aead_find(suite, name) : NULL;

    return engine != NULL ? engine : best[suite];
}

bool wire_aead_is_name(const char *name)
{
    for (size_t i = 0; i < MESH_N_ELEMENTS(engines); i++) {
        if (strcmp(engines[i].engine->name, name) == 0 && is_sound[i])
            return true;
    }
    return false;
}
