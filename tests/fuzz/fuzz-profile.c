/* tests/fuzz/fuzz-profile.c: the stored profile of a network, damaged behind its checksum or
 * written by another version: refused by name, or a profile that is written back the same. */
#include "daemon/profile.h"
#include "tests/fuzz/fuzz-glib.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    g_autoptr(GBytes) input = g_bytes_new(data, len), first = NULL, second = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(MeshdProfile) profile = NULL, again = NULL;

    if (mesh_key_init() < 0)
        return 0;
    profile = meshd_profile_decode(input, &error);
    if (!fuzz_outcome(profile != NULL, &error))
        return 0;
    assert(profile->secret != NULL && profile->wg_private != NULL);
    assert(profile->n_statics <= MESHD_PROFILE_MAX_STATICS);
    assert(strlen(profile->ifname) < MESHD_PROFILE_IFNAME_SIZE);
    first = meshd_profile_encode(profile);
    again = meshd_profile_decode(first, &error);
    assert(again != NULL);
    second = meshd_profile_encode(again);
    assert(g_bytes_equal(first, second));
    return 0;
}
