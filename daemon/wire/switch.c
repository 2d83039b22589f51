/* daemon/wire/switch.c: see switch.h. */
#include "daemon/wire/switch.h"

#include <stddef.h>
#include <string.h>

bool wire_switch_parse(const char *word, WireSwitch *out_switch)
{
    static const char *const words[] = {
        [WIRE_SWITCH_AUTO] = "auto", [WIRE_SWITCH_ON] = "on", [WIRE_SWITCH_OFF] = "off"
    };

    for (size_t i = 0; i < MESH_N_ELEMENTS(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *out_switch = (WireSwitch)i;
            return true;
        }
    }
    return false;
}
