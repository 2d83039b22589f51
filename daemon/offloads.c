#include "daemon/offloads.h"

#include "common/std/attr.h"

#include <string.h>

static WireSwitch chosen_host, chosen_gso;

static bool read_switch(const char *word, WireSwitch *out)
{
    static const char *const words[] = {
        [WIRE_SWITCH_AUTO] = "auto", [WIRE_SWITCH_ON] = "on", [WIRE_SWITCH_OFF] = "off"
    };

    *out = WIRE_SWITCH_AUTO;
    for (size_t i = 0; word != NULL && i < MESH_N_ELEMENTS(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (WireSwitch)i;
            return true;
        }
    }
    return word == NULL;
}

bool meshd_offloads_choose(const char *host, const char *gso)
{
    return read_switch(host, &chosen_host) && read_switch(gso, &chosen_gso);
}

void meshd_offloads_wish(WirePlaneOptions *options)
{
    options->offload = chosen_host;
    options->gso = chosen_gso;
}
