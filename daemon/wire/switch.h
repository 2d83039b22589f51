/* daemon/wire/switch.h: what the owner of a host wishes of the kernel's offers. Pure. */
#pragma once
#include <stdbool.h>

#include "common/std/attr.h"

/** WireSwitch: whether to use what the kernel may offer. AUTO: where a probe at the start finds it,
 * and until it is refused. ON: the same, but no start without it. */
typedef enum { WIRE_SWITCH_AUTO, WIRE_SWITCH_ON, WIRE_SWITCH_OFF } WireSwitch;

/** wire_switch_parse: "auto", "on" or "off". Returns: false: another word, nothing is set. */
MESH_CHECKED bool wire_switch_parse(const char *word, WireSwitch *out_switch);
