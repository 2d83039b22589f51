#include "daemon/offloads.h"

static WireSwitch chosen_host, chosen_gso;

bool meshd_offloads_choose(const char *host, const char *gso)
{
    return (host == NULL || wire_switch_parse(host, &chosen_host)) &&
           (gso == NULL || wire_switch_parse(gso, &chosen_gso));
}

void meshd_offloads_wish(WirePlaneOptions *options)
{
    options->offload = chosen_host;
    options->gso = chosen_gso;
}
