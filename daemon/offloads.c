#include "daemon/offloads.h"

#include "common/glib/log.h"

#include <inttypes.h>
#include <string.h>

static WireSwitch chosen_host, chosen_gso;

static bool read_switch(const char *word, WireSwitch *out)
{
    static const char *const words[] = {
        [WIRE_SWITCH_AUTO] = "auto", [WIRE_SWITCH_ON] = "on", [WIRE_SWITCH_OFF] = "off"
    };

    *out = WIRE_SWITCH_AUTO;
    for (size_t i = 0; word != NULL && i < G_N_ELEMENTS(words); i++) {
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

void meshd_offloads_tell(WirePlane *plane, const char *network)
{
    static const char *const names[WIRE_N_OFFLOADS] = {
        [WIRE_OFFLOAD_TUN_READ] = "from the host",
        [WIRE_OFFLOAD_TUN_WRITE] = "to the host",
        [WIRE_OFFLOAD_UDP_SEND] = "to the network",
        [WIRE_OFFLOAD_UDP_RECEIVE] = "from the network",
    };
    WireStats stats;

    wire_plane_get_stats(plane, &stats);
    for (int i = 0; i < WIRE_N_OFFLOADS; i++) {
        const WireOffloadStats *offload = &stats.offloads[i];

        mesh_log_info("network %s: super-packets %s: %" PRIu64 " of %" PRIu64 " packets, %" PRIu64
                      " refused, %" PRIu64 " packets singly because their way loses bursts",
                      network, names[i], offload->units, offload->packets, offload->refused,
                      offload->held);
    }
}
