/* daemon/wire/config-read.h: the rest of a WireConfig, for the snapshot that is made of it.
 * Internal to daemon/wire. */
#pragma once

#include "daemon/wire/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t   wire_config_count_peers(const WireConfig *self);
uint16_t wire_config_get_port(const WireConfig *self);
uint32_t wire_config_get_fwmark(const WireConfig *self);

/* Borrowed until @self changes; NULL when there are none. */
const WireFilterRow *wire_config_get_filter(const WireConfig *self, size_t *out_n_rows,
                                            bool *out_accept_rest);
