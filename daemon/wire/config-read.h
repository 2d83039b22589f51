/* daemon/wire/config-read.h: the rest of a WireConfig, for the snapshot that is made of it and the
 * plane that applies it. Internal to daemon/wire. */
#pragma once

#include "daemon/wire/allowedips.h"
#include "daemon/wire/cards.h"
#include "daemon/wire/config.h"
#include "daemon/wire/filter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does it say all that it was told, or did a removal want memory that there was not? 0; -ENOMEM. */
int wire_config_get_error(const WireConfig *self);

size_t   wire_config_count_peers(const WireConfig *self);
uint16_t wire_config_get_port(const WireConfig *self);
uint32_t wire_config_get_fwmark(const WireConfig *self);

/* Borrowed until @self changes. */
const WireCards      *wire_config_get_cards(const WireConfig *self);
const WireAllowedIps *wire_config_get_allowed_ips(const WireConfig *self);
const WireFilter     *wire_config_get_filter(const WireConfig *self);

/* Owners lead to the peers of one plane: the first that asks has this configuration and all that
 * share anything with it. Returns: false: another has; take a copy of wire_config_dup_apart(). */
bool wire_config_claim(const WireConfig *self, const void *plane);

/* A copy that shares nothing that leads to peers. NULL: out of memory. */
WireConfig *wire_config_dup_apart(const WireConfig *self);
