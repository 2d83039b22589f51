/* cli/dataplane.h: what became of a network's packets, in words. One thread. */
#pragma once

#include <gio/gio.h>

/** cli_dataplane_describe: @found: the answer of GetDataPlane, a{sv}. Returns: lines with a label
 * each, as `mesh status` has them; "": the network is down. What is 0 is left out. Owned. */
char *cli_dataplane_describe(GVariant *found);
