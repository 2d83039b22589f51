/* server/keyfile.h: secrets of a relay, each in a file of its own in the state directory. Main
 * thread. */
#pragma once

#include "common/std/key.h"

#include <glib.h>
#include <stdbool.h>

#define SERVER_KEYFILE_RELAY    "relay.key"    /* X25519: of sessions; R's rk */
#define SERVER_KEYFILE_IDENTITY "identity.key" /* Ed25519 seed: of a lone relay's TLS; R's sk */

/* Reads 32 secret bytes from the file @name, or makes it with random ones. The caller wipes
 * @out_secret. False and @error: the file cannot be read or written, or is not a key. */
bool server_keyfile_prepare(const char *state_dir, const char *name, MeshKey *out_secret,
                            GError **error);
